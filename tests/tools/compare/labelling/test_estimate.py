"""What labels say of all rows: by hand, against scipy, and over many samples of a population that is known."""

import dataclasses
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.tools.compare.labelling import cells as cell_figures
from tierbreak.tools.compare.labelling.cells import Cell, wilson
from tierbreak.tools.compare.labelling.estimate import estimate
from tierbreak.tools.compare.labelling.labels import Label, Labels
from tierbreak.tools.compare.labelling.sampling import draw, totals
from tierbreak.tools.compare.labelling.truths import UNSURE
from tierbreak.tools.compare.pairs import (
    CHANGED,
    DECIDERS,
    FAMILY,
    GAINED,
    LOST,
    OUTCOMES,
    PAIR,
    SAME,
    SIDES,
    Pairs,
    Writer,
)
from tools.compare import thirty
from tools.compare.samples import JOINT, labelled, truth_of


def shares(found):
    """Every share of some estimates, by name."""
    out = {}
    for name, level in found.levels.items():
        for side, one in level.sides.items():
            out |= {(name, side, what): getattr(one, what) for what in ("precision", "right", "differing")}
        out |= {(name, "who", who): share for who, share in level.who.items()}
        out[name, "net", ""] = level.net
    return out | {("gained",): found.gained, ("lost",): found.lost}


def values(share):
    return pytest.approx((share, share, share), abs=1e-12)


@pytest.fixture(scope="module")
def october(tmp_path_factory):
    pairs = thirty.pairs(tmp_path_factory.mktemp("thirty"))
    return pairs, draw(pairs, ranked=3)


@pytest.fixture(scope="module")
def whole(october):
    """Everything that there is has been drawn and labelled: a count."""
    pairs, sample = october
    return estimate(labelled(sample, pairs.joint, truth_of(pairs)), sample.rows)


def test_all_labelled_is_a_count_by_hand(whole):
    """Rows 13 the same, all right. Family 3: uber for uber-eats. Changed 2: the new side is right. Gained 5, all right.
    Lost 4, none of them a known brand: the old side is wrong, and the new one right to abstain.

    Old answers 13 + 3 + 2 + 4 = 22, right 13, by family 16. New answers 13 + 3 + 2 + 5 = 23, all right.
    """
    want = {
        ("exact", "old", "precision"): 13 / 22, ("family", "old", "precision"): 16 / 22,
        ("exact", "old", "right"): 13 / 30, ("family", "old", "right"): 16 / 30,
        ("exact", "old", "differing"): 0 / 9, ("family", "old", "differing"): 3 / 9,
        ("exact", "new", "precision"): 23 / 23, ("family", "new", "precision"): 23 / 23,
        ("exact", "new", "right"): 23 / 30, ("family", "new", "right"): 23 / 30,
        ("exact", "new", "differing"): 10 / 10, ("family", "new", "differing"): 10 / 10,
        ("exact", "who", "old"): 0, ("exact", "who", "new"): 14 / 14, ("exact", "who", "both"): 0,
        ("exact", "who", "neither"): 0, ("family", "who", "old"): 0, ("family", "who", "new"): 11 / 14,
        ("family", "who", "both"): 3 / 14, ("family", "who", "neither"): 0,
        ("exact", "net", ""): 14 / 30, ("family", "net", ""): 11 / 30, ("gained",): 5 / 5, ("lost",): 0 / 4,
    }  # fmt: skip
    found = shares(whole)
    assert found.keys() == want.keys()
    for name, share in found.items():
        assert (share.value, share.low, share.high) == values(want[name]), name
    assert whole.coverage == {"old": 22 / 30, "new": 23 / 30}
    assert (found["exact", "old", "precision"].rows, found["exact", "old", "precision"].labelled) == (22, 12)
    assert [(one.stratum, one.drawn, one.labelled, one.rows) for one in whole.response] == [
        ("ranked", 3, 3, 4.0), ("disagree", 5, 5, 10.0), ("agree", 6, 6, 13.0)]  # fmt: skip


def test_a_certain_line_that_nobody_could_tell(october):
    """DELTA DENTAL has 2 of 22 rows that the old side answers. 13 of the other 20 are right: so 13/22 to 15/22."""
    pairs, sample = october
    known = truth_of(pairs)
    labels = labelled(sample, pairs.joint, lambda u: UNSURE if u.descriptor == "DELTA DENTAL" else known(u))
    found = estimate(labels, sample.rows)
    old = found.levels["exact"].sides["old"].precision
    assert (old.low, old.high) == pytest.approx((13 / 22, 15 / 22))
    assert found.response[0].unsure == 1
    assert found.notices[0] == "ranked: 1 of 3 lines have no truth, 1 of them because nobody could tell"
    # It is 2 of the 9 rows that differ and that the old side answers: too much to leave open.
    differing = found.levels["exact"].sides["old"].differing
    assert math.isnan(differing.value)
    assert differing.why == "nothing is known of 22% of the rows; label more lines of 'ranked'"


def test_a_certain_line_without_a_label_among_others(october):
    """SHELL OIL has 2 of the 13 rows on which the sides agree: 11 are known to be right. All that were looked at
    are, so the best guess is 13.
    """
    pairs, sample = october
    known = truth_of(pairs)
    labels = labelled(sample, pairs.joint, lambda u: None if u.descriptor == "SHELL OIL 5744" else known(u))
    new = estimate(labels, sample.rows).levels["exact"].sides["new"].precision
    assert (new.value, new.low, new.high) == pytest.approx((23 / 23, 21 / 23, 23 / 23))
    old = estimate(labels, sample.rows).levels["exact"].sides["old"].precision
    assert (old.value, old.low, old.high) == pytest.approx((13 / 22, 11 / 22, 13 / 22))


def test_too_few_labels(october):
    """Of the strata of 3 and 3 lines of chance nothing can be said, with or without labels."""
    pairs, _ = october
    sample = draw(pairs, ranked=3, random=6)
    found = estimate(labelled(sample, pairs.joint, truth_of(pairs)), sample.rows)
    why = found.levels["exact"].sides["new"].precision.why
    assert "labelled lines of 'agree' that were drawn by chance, at least 10 are needed" in why
    assert "of 'disagree'" in why
    empty = estimate(labelled(sample, pairs.joint, lambda unit: None), sample.rows)
    assert all(math.isnan(share.value) for name, share in shares(empty).items() if name[1:2] != ("net",))


@pytest.mark.parametrize(("count", "why"), [(10, ""), (9, "9 labelled lines of 'agree' that were drawn by chance")])
def test_ten_labels_are_enough(count, why):
    """Of 40 rows on which both say brand 0, every fourth was drawn; all that were labelled are right."""
    lines = tuple(Label(at, str(at), "agree", SAME, 1.0, 0.25, 0, 0, 0, "") for at in range(count))
    rows = {**dict.fromkeys(OUTCOMES, 0.0), OUTCOMES[SAME]: 40.0}
    found = estimate(Labels("labels.tsv", "f" * 64, lines, JOINT.family, {}, ()), rows)
    precision = found.levels["exact"].sides["new"].precision
    assert precision.why.startswith(why)
    assert math.isnan(precision.value) == bool(why)


def test_lines_without_a_label_count_as_not_drawn():
    """100 lines drawn, each with a chance of a half, 10 of them labelled: a chance of a twentieth. Ten of those are
    worth 10 / 0.95 rows, of which all are right: 1 / (1 + z^2 / 10.526) = 0.7326."""
    ten, zeros = np.full(10, 2.0), np.zeros(10, int)
    cell = Cell("agree", False, SAME, 200.0, 0.0, 100, ten, np.full(10, 0.5), zeros, zeros, zeros)
    assert cell_figures.share(cell, np.ones(10, bool), 1.959964) == pytest.approx((1.0, 0.7326, 1.0), abs=1e-4)


def test_sides_that_never_differ(october):
    pairs, _ = october
    lines = [Label(at, f"a-{at}", "agree", SAME, 5.0, 1.0, 0, 0, 0, "") for at in range(2)]
    rows = dict.fromkeys(OUTCOMES, 0.0) | {"same": 10.0}
    found = estimate(Labels("", "", tuple(lines), pairs.joint.family, {}, ()), rows)
    assert found.levels["exact"].sides["old"].precision.value == 1.0
    assert found.levels["exact"].who["new"].why == "there are no such rows"
    assert found.levels["exact"].net.value == 0.0


def drawn(outcome, flags, rows=1e6, probability=1e-4):
    """Lines of one stratum by chance, with small chances; `flags` says of each whether both sides are right."""
    stratum = "agree" if outcome == SAME else "disagree"
    lines = [
        Label(at, f"x-{at}", stratum, outcome, 10.0, probability, 2, 2 if outcome == SAME else 3, 2 if one else 1, "")
        for at, one in enumerate(flags)
    ]
    counts = dict.fromkeys(OUTCOMES, 0.0) | {OUTCOMES[outcome]: rows}
    return estimate(Labels("", "", tuple(lines), JOINT.family, {}, ()), counts)


@pytest.mark.parametrize(("right", "n"), [(20, 20), (18, 20), (0, 12), (50, 100), (97, 100)])
def test_one_stratum_is_scipys_wilson(right, n):
    """Where all chances are small and alike this is Wilson's interval of n - 1 trials, or of n without a spread."""
    stats = pytest.importorskip("scipy.stats", reason="the extra `compare` is not installed")
    precision = (
        drawn(SAME, [True] * right + [False] * (n - right), probability=1e-9).levels["exact"].sides["new"].precision
    )
    assert precision.value == pytest.approx(right / n)
    if right in (0, n):
        want = stats.binomtest(right, n).proportion_ci(method="wilson")
        assert (precision.low, precision.high) == pytest.approx((want.low, want.high), abs=1e-6)
    assert 0 <= precision.low < precision.high <= 1
    want = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right / n, n, stats.norm.ppf(0.975)) == pytest.approx((want.low, want.high), abs=1e-12)
    assert (precision.low, precision.high) == pytest.approx((want.low, want.high), abs=0.01)


def test_all_right_has_a_width():
    precision = drawn(SAME, [True] * 30).levels["exact"].sides["old"].precision
    assert precision.value == precision.high == 1.0
    assert 0.87 < precision.low < 0.9


def test_a_share_of_all_there_is_makes_the_interval_narrower():
    """Nine in ten of all units were drawn: there is little left to be uncertain of."""
    few, most = (
        drawn(SAME, [True] * 25 + [False] * 5, probability=chance).levels["exact"].sides["old"].precision
        for chance in (1e-6, 0.9)
    )
    assert few.value == pytest.approx(most.value)
    assert most.high - most.low < 0.4 * (few.high - few.low)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([SAME, FAMILY, CHANGED, GAINED, LOST]), st.sampled_from([0.1, 0.5, 1.0]),
            st.integers(1, 50), st.sampled_from([None, UNSURE, -1, 0, 1, 2, 3]), st.booleans(),
        ),
        max_size=60,
    ),
    st.floats(1, 100),
)  # fmt: skip
def test_intervals_stay_where_shares_can_be(given_lines, more):
    """Whatever is labelled: the estimate lies in its interval, which lies in 0..1, and who is right adds up to one."""
    lines = []
    for at, (outcome, chance, rows, truth, top) in enumerate(given_lines):
        stratum = "agree" if outcome == SAME else "ranked" if top and chance == 1 else "disagree"
        old, new = {SAME: (0, 0), FAMILY: (0, 1), CHANGED: (0, 2), GAINED: (-1, 2), LOST: (0, -1)}[outcome]
        lines.append(Label(at, f"x-{at}", stratum, outcome, float(rows), chance, old, new, truth, ""))
    counts = {name: more * sum(line.rows for line in lines if line.outcome == at) for at, name in enumerate(OUTCOMES)}
    found = estimate(Labels("", "", tuple(lines), JOINT.family, {}, ()), counts)
    for name, share in shares(found).items():
        assert math.isnan(share.value) == bool(share.why), name
        if not share.why:
            least = -1 if "net" in name else 0
            assert least - 1e-9 <= share.low <= share.value + 1e-9, name
            assert share.value - 1e-9 <= share.high <= 1 + 1e-9, name
    for level in found.levels.values():
        if not any(one.why for one in level.who.values()):
            assert sum(one.value for one in level.who.values()) == pytest.approx(1)


UNITS = 3_000
#: Of every hundred units.
MIX = {SAME: 75, FAMILY: 4, CHANGED: 6, GAINED: 10, LOST: 5}
#: old brand, new brand; and the truths of a unit with their chances.
KIND = {
    SAME: (0, 0, [(0, 0.96), (3, 0.04)]),
    FAMILY: (0, 1, [(1, 0.7), (0, 0.2), (3, 0.1)]),
    CHANGED: (0, 2, [(2, 0.55), (0, 0.25), (-1, 0.2)]),
    GAINED: (-1, 2, [(2, 0.85), (-1, 0.1), (3, 0.05)]),
    LOST: (0, -1, [(0, 0.35), (-1, 0.65)]),
}


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    """Units with rows after Pareto's law, and the truth of each; one bucket, so that it is quick to draw from."""
    random = np.random.default_rng(11)
    outcome = random.choice(list(MIX), p=[share / 100 for share in MIX.values()], size=UNITS)
    old, new = (np.array([KIND[kind][side] for kind in outcome.tolist()]) for side in (0, 1))
    truth = np.array([
        random.choice([one for one, _ in KIND[kind][2]], p=[chance for _, chance in KIND[kind][2]])
        for kind in outcome.tolist()
    ])  # fmt: skip
    rows = np.ceil(random.pareto(1.3, UNITS) * 5 + 0.01)
    table = pl.DataFrame(
        {
            "row": np.arange(UNITS), "descriptor": [f"D{at}" for at in range(UNITS)], "key": np.arange(UNITS) * 16,
            "user": None, "n": rows, "money": None, "date": None, "outcome": outcome, "rebrand": False,
            "old_brand": old, "old_tier": np.where(old < 0, -1, DECIDERS.index("list")), "old_rule": -1,
            "old_reason": -1, "old_confidence": None, "new_brand": new,
            "new_tier": np.where(new < 0, -1, DECIDERS.index("model")), "new_rule": -1, "new_reason": -1,
            "new_confidence": np.where(new < 0, np.nan, random.uniform(0.5, 1, UNITS)),
        },
        schema=PAIR, strict=False,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("population")
    writer = Writer(folder)
    writer.add(table)
    writer.flush()
    few = thirty.pairs(tmp_path_factory.mktemp("thirty"))
    return Pairs(folder, JOINT, ((), ()), (), few.old, few.new, few.traffic), truth, table


def truly(table, truth):
    """The shares of a population, counted."""
    rows, old, new, outcome = (table[column].to_numpy() for column in ("n", "old_brand", "new_brand", "outcome"))
    said, differ = {"old": old, "new": new}, outcome != SAME
    out = {}
    for name, head in (("exact", np.array([0, 1, 2, 3, -1])), ("family", np.array([0, 0, 2, 3, -1]))):
        right = {side: head[said[side]] == head[truth] for side in SIDES}
        for side in SIDES:
            answers = said[side] >= 0
            good = rows * (right[side] & answers)
            out[name, side, "precision"] = good.sum() / rows[answers].sum()
            out[name, side, "right"] = good.sum() / rows.sum()
            out[name, side, "differing"] = good[differ].sum() / rows[answers & differ].sum()
        only = {"old": right["old"] & ~right["new"], "new": right["new"] & ~right["old"]}
        only |= {"both": right["old"] & right["new"], "neither": ~right["old"] & ~right["new"]}
        out |= {(name, "who", who): (rows * (flags & differ)).sum() / rows[differ].sum() for who, flags in only.items()}
        out[name, "net", ""] = (rows * (differ * (only["new"] * 1.0 - only["old"]))).sum() / rows.sum()
    for name, side, kind in (("gained", "new", GAINED), ("lost", "old", LOST)):
        out[(name,)] = rows[(outcome == kind) & (said[side] == truth)].sum() / rows[outcome == kind].sum()
    return out


def check_many(population, seeds, least):
    """Samples of 3,000 units, 40 ranked lines and 160 random ones: intervals hold the truth, means are right."""
    pairs, truth, table = population
    want, rows = truly(table, truth), totals(pairs)
    held = dict.fromkeys(want, 0)
    found = {name: [] for name in want}
    for seed in range(seeds):
        sample = draw(pairs, ranked=40, random=160, seed=seed)
        made = shares(estimate(labelled(sample, JOINT, lambda unit: int(truth[unit.row])), rows))
        assert made.keys() == want.keys()
        for name, share in made.items():
            assert not share.why, (name, share.why)
            held[name] += share.low - 1e-12 <= want[name] <= share.high + 1e-12
            found[name].append(share.value)
    assert min(held.values()) / seeds >= least, {name: round(float(count / seeds), 3) for name, count in held.items()}
    for name in want:
        error = np.std(found[name]) / math.sqrt(seeds)
        assert abs(np.mean(found[name]) - want[name]) < 3.5 * error + 0.001, (name, np.mean(found[name]), want[name])


def test_intervals_hold_the_truth_and_estimates_are_right_on_average(population):
    check_many(population, 120, 0.9)


@pytest.mark.slow
def test_intervals_hold_the_truth_in_many_samples(population):
    """Of 1,000 samples, 95 % intervals hold each figure's truth in 944 to 964; where a figure can only be 0, always."""
    check_many(population, 1_000, 0.93)


def test_labels_of_the_first_lines_alone(population):
    """Whoever labels from the top, and not the last third, still has intervals that hold: those lines are of chance."""
    pairs, truth, table = population
    want, seeds, rows = truly(table, truth), 100, totals(pairs)
    held = 0
    for seed in range(seeds):
        sample = draw(pairs, ranked=40, random=160, seed=seed)
        labels = labelled(sample, JOINT, lambda unit: int(truth[unit.row]))
        first = [
            dataclasses.replace(line, truth=line.truth if at < 130 else None) for at, line in enumerate(labels.lines)
        ]
        found = estimate(dataclasses.replace(labels, lines=tuple(first)), rows).levels["exact"].sides["new"].precision
        assert not found.why
        held += found.low <= want["exact", "new", "precision"] <= found.high
    assert held / seeds >= 0.88, held / seeds
