"""What is drawn to be labelled: the thirty rows by hand, chances that are what they say, and a slow count."""

import dataclasses
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.errors import SettingsError
from tierbreak.tools.compare.labelling.sampling import AGREE, DISAGREE, RANKED, draw, totals
from tierbreak.tools.compare.pairs import PAIR, Pairs, Writer
from tools.compare import few, thirty

ROWS = st.lists(few.ROW, max_size=30)

#: Of each disagreement of the thirty rows, rows x uncertainty: the list states no confidence, so it counts 0.5.
SCORES = {
    "DELTA DENTAL": 2 * (0.5 + 0.09) / 2,
    "SHELL SEEKERS BOOKS": 1 * 0.5,
    "TARGET PRACTICE RANGE": 1 * 0.5,
    "APPLE HILL ORCHARD": 1 * 0.5,
    "LOCAL GYM": 1 * 0.5,
    "UBER *EATS SAN FRANCISCO": 3 * 0.25 * (0.5 + 0.5) / 2,  # rule against list, in one family
    "LYFT *RIDE": 2 * 0.05,
    "SBUX 0771 TACOMA": 3 * 0.03,
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return thirty.pairs(tmp_path_factory.mktemp("thirty"))


def of(sample, stratum):
    return [unit for unit in sample.units if unit.stratum == stratum]


def again(folder, table, old):
    """The same decisions with rows as given."""
    writer = Writer(folder)
    for part in table:
        writer.add(part)
        writer.flush()
    return Pairs(folder, old.joint, old.rules, old.reasons, old.old, old.new, old.traffic)


def test_ranking_by_hand(pairs):
    sample = draw(pairs, ranked=100, random=0)
    assert {unit.descriptor: pytest.approx(unit.score, abs=1e-6) for unit in sample.units} == SCORES
    scores = [unit.score for unit in sample.units]
    assert scores == sorted(scores, reverse=True)
    assert {unit.probability for unit in sample.units} == {1.0}
    assert sample.units[0].descriptor == "DELTA DENTAL"


def test_a_line_by_hand(pairs):
    """Rows 7, 8 and 9 are UBER EATS: two in San Francisco, so that descriptor stands for all three."""
    unit = next(unit for unit in draw(pairs).units if unit.descriptor.startswith("UBER *EATS"))
    assert (unit.descriptor, unit.row, unit.rows, unit.outcome) == ("UBER *EATS SAN FRANCISCO", 6, 3.0, "family")
    assert dataclasses.astuple(unit.old) == ("uber", "Uber", True, "list UBER")
    assert dataclasses.astuple(unit.new) == ("uber-eats", "Uber Eats", True, "rules uber-eats.eats")


def test_who_decided_in_words(pairs):
    units = {unit.descriptor: unit for unit in draw(pairs).units}
    assert units["SBUX 0771 TACOMA"].new.by == "model 0.97"
    assert units["SHELL SEEKERS BOOKS"].new.by == "no-known-brand"
    gym = units["LOCAL GYM"]
    assert (gym.old.brand, gym.old.known, gym.old.by, gym.new.brand) == ("Local Gym", False, "list GYM", "")


def test_strata_by_hand(pairs):
    """14 rows of 8 units differ, 13 rows of 6 units are the same; the ranked three have 2 + 1 + 1 of those 14 rows."""
    sample = draw(pairs, ranked=3, random=200)
    assert sample.strata == {RANKED: (3, 4.0), DISAGREE: (5, 10.0), AGREE: (6, 13.0)}
    assert Counter(unit.stratum for unit in sample.units) == {RANKED: 3, DISAGREE: 5, AGREE: 6}
    assert {unit.probability for unit in sample.units} == {1.0}, "all there is has been taken"
    assert sample.rows == dict(Counter(thirty.OUTCOME))


def test_shares_of_random_lines(pairs):
    """Half each: 3 and 3; there are only 6 that agree, so of 14 lines 8 are others."""
    for random, want in ((6, (3, 3)), (7, (4, 3)), (14, (8, 6)), (1, (1, 0)), (0, (0, 0))):
        sample = draw(pairs, ranked=0, random=random)
        assert (len(of(sample, DISAGREE)), len(of(sample, AGREE))) == want, random


def test_no_key_is_ranked_twice(tmp_path):
    """Key 0 has three answers: the greatest is ranked, the others are left to chance."""
    rows = [(0, None, 0, 4, 2.0, None, 0, 0.5)] * 2 + [
        (0, None, 1, 4, 1.0, None, 0, 0.5),
        (0, None, 2, 4, 1.0, None, 0, 0.5),
    ]
    sample = draw(few.pairs(rows, tmp_path))
    assert [(unit.old.brand, unit.rows) for unit in of(sample, RANKED)] == [("a", 4.0)]
    assert {unit.old.brand for unit in of(sample, DISAGREE)} == {"b", "ba"}


def test_equal_descriptors_are_told_apart_by_text(pairs, tmp_path):
    table = pairs.scan().collect().filter(pl.col("descriptor") == "LYFT *RIDE")
    table = table.with_columns(descriptor=pl.Series(["ZEBRA", "AARDVARK"]))
    assert [unit.descriptor for unit in draw(again(tmp_path / "b", [table], pairs)).units] == ["AARDVARK"]


def test_the_order_of_rows_does_not_matter(pairs, tmp_path):
    table = pairs.scan().collect()
    first = draw(pairs, ranked=2, random=6, seed=3)
    for seed in range(5):
        mixed = table.sample(fraction=1.0, shuffle=True, seed=seed)
        parts = [mixed[:7], mixed[7:]]
        assert draw(again(tmp_path / f"b{seed}", parts, pairs), ranked=2, random=6, seed=3) == first


def test_the_seed_matters(pairs):
    drawn = {tuple(unit.descriptor for unit in draw(pairs, ranked=0, random=4, seed=seed).units) for seed in range(8)}
    assert len(drawn) > 3


def test_lines_that_are_worth_most_come_first(pairs):
    """Ranked; then certain ones, greatest first; then chance."""
    sample = draw(pairs, ranked=2, random=6)
    kinds = [(unit.stratum != RANKED, unit.probability < 1) for unit in sample.units]
    assert kinds == sorted(kinds)
    assert len(set(kinds)) == 3
    certain = [unit.rows for unit in sample.units if unit.stratum != RANKED and unit.probability == 1]
    assert certain == sorted(certain, reverse=True)


def test_nothing_to_draw(tmp_path):
    sample = draw(few.pairs([(0, None, -1, -1, 1.0, None, 0, 0.5)], tmp_path))
    assert sample.units == ()
    assert sample.rows["both-abstain"] == 1.0
    empty = draw(few.pairs([], tmp_path / "none"))
    assert (empty.units, sum(empty.rows.values())) == ((), 0.0)


def test_rows_that_count_for_nothing_are_not_drawn(tmp_path):
    rows = [(0, None, 0, 4, 0.0, None, 0, 0.5), (1, None, 0, 4, 1.0, None, 0, 0.5)]
    assert [unit.rows for unit in draw(few.pairs(rows, tmp_path)).units] == [1.0]


def test_sizes_below_nothing_are_refused(pairs):
    with pytest.raises(SettingsError, match="a sample of -1 lines: give 0 or more"):
        draw(pairs, random=-1)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(0, 4))
def test_against_a_slow_count(rows, ranked):
    units = defaultdict(float)
    sure = defaultdict(lambda: 1.0)
    for key, _, old, new, n, _, tier, confidence in rows:
        if max(old, new) >= 0:
            units[key, old, new] += n
            if new >= 0 and tier > 0:
                sure[key, old, new] = min(confidence, sure[key, old, new])
    best = {}
    for (key, old, new), n in units.items():
        outcome = few.outcome(old, new)
        unsure = [0.5] * (old >= 0)
        unsure += [1 - sure[key, old, new] if (key, old, new) in sure else 0.5] * (new >= 0)
        score = n * sum(unsure) / len(unsure) * (0.25 if outcome == "family" else 1)
        if outcome != "same":
            best[key] = max(best.get(key, 0.0), score)
    with few.made(rows) as pairs:
        sample = draw(pairs, ranked=ranked, random=4)
        counted = totals(pairs)
    want = sorted(best.values(), reverse=True)[:ranked]
    assert [unit.score for unit in of(sample, RANKED)] == pytest.approx(want)
    everything = Counter()
    for _, _, old, new, n, *_ in rows:
        everything[few.outcome(old, new)] += n
    assert {outcome: n for outcome, n in counted.items() if n} == pytest.approx(
        {o: n for o, n in everything.items() if n}
    )
    total = sum(n for outcome, n in everything.items() if outcome != "both-abstain")
    assert sum(n for _, n in sample.strata.values()) == pytest.approx(total)
    assert sum(count for count, _ in sample.strata.values()) == len(units)
    assert len({unit.id for unit in sample.units}) == len(sample.units)


def test_chances_are_what_they_say():
    """A sum over all units is estimated without bias: rows / probability, added up over the lines that were drawn."""
    units = 300
    random = np.random.default_rng(1)
    rows = np.ceil(random.pareto(1.2, units) * 3 + 0.5)
    table = pl.DataFrame(
        {
            "row": np.arange(units), "descriptor": [f"D{at}" for at in range(units)], "key": np.arange(units) * 16,
            "user": None, "n": rows, "money": None, "date": None, "outcome": 4, "rebrand": False,
            "old_brand": -1, "old_tier": -1, "old_rule": -1, "old_reason": -1, "old_confidence": None,
            "new_brand": 0, "new_tier": 1, "new_rule": -1, "new_reason": -1, "new_confidence": 0.5,
        },
        schema=PAIR, strict=False,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder) / "pairs")
        writer.add(table)
        writer.flush()
        like = few.pairs([], Path(folder) / "like")
        pairs = dataclasses.replace(like, folder=Path(folder) / "pairs")
        all_of_it, small, taken = [], [], Counter()
        said = defaultdict(list)
        for seed in range(200):
            lines = draw(pairs, ranked=0, random=30, seed=seed).units
            assert len(lines) == 30
            all_of_it.append(sum(unit.rows / unit.probability for unit in lines))
            small.append(sum(unit.rows / unit.probability for unit in lines if unit.row < units // 2))
            taken.update(unit.row for unit in lines)
            for unit in lines:
                said[unit.row].append(unit.probability)
    for found, want in ((all_of_it, rows.sum()), (small, rows[: units // 2].sum())):
        error = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found) - want) < 3 * error + 1e-9 * want, (np.mean(found), want, error)
    # The greatest unit is certain, and chances go with rows: one of ten times the rows is drawn far more often.
    assert taken[int(rows.argmax())] == 200
    assert set(said[int(rows.argmax())]) == {1.0}
    ones = np.flatnonzero(rows == np.sort(rows)[0])
    tens = np.flatnonzero((rows >= 8) & (rows <= 12))
    ratio = np.mean([taken[at] for at in tens]) / np.mean([taken[at] for at in ones])
    assert 0.7 < ratio / (rows[tens].mean() / rows[ones].mean()) < 1.3


def test_ties_of_the_ranked_leave_the_others_to_be_drawn_by_their_probability(tmp_path):
    """2,000 disagreements of one row each, half by rules on both sides (a tie of 0.5) and half by a surer model: the
    ranked are all of the tie, and of those drawn by chance its share must be what is left of it, 900 of 1,900.
    """
    rows = []
    for at in range(2_000):
        tier, confidence = ("model", 0.99) if at % 2 == 0 else ("rules", None)
        rows.append((f"D{at}", f"D{at}", "u1", 1.0, 1, "uber", "UBER", "hulu", tier, None, confidence, None))
    made = thirty.pairs(tmp_path / "made", rows, ["changed"] * len(rows))
    taken = 0
    for seed in range(20):
        sample = draw(made, ranked=100, random=200, seed=seed)
        chance = [unit for unit in sample.units if unit.stratum == DISAGREE]
        assert len(chance) == 200
        taken += sum(unit.new.by.startswith("rules") for unit in chance)
    # Of 4,000 draws 4,000 * 900 / 1,900 = 1,895, give or take 3 standard errors of 32.
    assert abs(taken - 1_895) < 96
