"""Right and wrong: the thirty rows by hand, a slow count of random ones, and sets of which nothing can be said."""

import dataclasses
import json
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.tools.compare.document import Figure, Fold, Table, Text, plain, tables
from tierbreak.tools.compare.joint import Joint
from tierbreak.tools.compare.measure.correctness import correctness
from tierbreak.tools.compare.measure.flips import LISTED
from tierbreak.tools.compare.report.correctness import section
from tierbreak.tools.models.evaluation import statistics
from tools.compare import thirty
from tools.compare.gold_rows import arguments


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    given_rows, beside = arguments(tmp_path_factory.mktemp("gold"))
    return correctness(*given_rows, **beside)


@pytest.fixture(scope="module")
def swapped(tmp_path_factory):
    """The new side as the old one: what was gained is lost."""
    given_rows, beside = arguments(tmp_path_factory.mktemp("gold"), swap=True)
    return correctness(*given_rows, **beside)


def parts(both):
    return [(side.part, side.whole) for side in (both.old, both.new)]


def test_what_the_set_holds(found):
    # 18 descriptors; UBER EATS and SBUX stand twice each under one key. Six are no known brand's: those that hold
    # the words shell, target and apple by accident, two cafes, a gym. Uber-eats and starbucks have two rows, eight one.
    assert (found.rows, found.keys, found.branded, found.brands, found.weighted) == (18, 16, 12, 10, True)
    assert found.withheld == ""
    assert found.notices == (
        "only 16 distinct keys: too few to decide on, whatever the intervals say",
        "rows that the old side answers with a name no registry has, which count as wrong: 1",
    )


def test_exact_by_hand(found):
    # The old side answers netflix, uber trip, uber eats twice, twitter, shell seekers, shell oil, target practice,
    # target, apple, spotify, delta, gym: 13. Right are netflix, uber trip, twitter, shell oil, target, spotify: 6.
    # The new side answers the 12 branded rows, all rightly.
    assert parts(found.exact.precision) == [(6, 13), (12, 12)]
    # Of 12 branded rows the old side leaves sbux twice and lyft.
    assert parts(found.exact.coverage) == [(9, 12), (12, 12)]
    assert parts(found.exact.found) == [(6, 12), (12, 12)]
    # Of six rows without a brand the old side leaves the two cafes, the new one all.
    assert parts(found.exact.no_brand_answered) == [(4, 6), (0, 6)]
    # 6 right answers and 2 right abstentions; 12 and 6.
    assert parts(found.exact.right) == [(8, 18), (18, 18)]
    # Brands of which the old side has all rows: netflix, uber, x, shell, target, spotify; none of the other four.
    assert found.exact.macro.old.value == pytest.approx(6 / 10)
    assert found.exact.macro.new.value == 1.0
    assert found.exact.precision.difference == pytest.approx(1 - 6 / 13)


def test_family_by_hand(found):
    # Uber for the two uber-eats rows is right now.
    assert parts(found.family.precision) == [(8, 13), (12, 12)]
    assert parts(found.family.found) == [(8, 12), (12, 12)]
    assert parts(found.family.coverage) == [(9, 12), (12, 12)]
    assert parts(found.family.right) == [(10, 18), (18, 18)]
    assert found.family.macro.old.value == pytest.approx(7 / 10)


def test_by_weight_by_hand(found):
    # As often as each descriptor stands in the thirty: netflix 4, uber trip 2, uber eats 2 + 1, twitter 2, shell oil 2,
    # target 1, spotify 2, delta 2, shell seekers, target practice, apple and gym 1 each: 22, of which 13 right.
    assert parts(found.exact.precision_weighted) == [(13, 22), (23, 23)]
    # The branded rows weigh 30 less 7 of no brand (joe's 2, five of 1); sbux 3 and lyft 2 are left.
    assert parts(found.exact.coverage_weighted) == [(18, 23), (23, 23)]
    assert parts(found.exact.found_weighted) == [(13, 23), (23, 23)]
    assert parts(found.exact.no_brand_answered_weighted) == [(4, 7), (0, 7)]
    # 13, and the cafes 2 + 1; with uber eats' 3 by family.
    assert parts(found.exact.right_weighted) == [(16, 30), (30, 30)]
    assert parts(found.family.right_weighted) == [(19, 30), (30, 30)]


def test_flips_by_hand(found, swapped):
    # All ten rows that the old side has wrong: uber eats 2, delta, and the four accidents answered: 7; sbux 2 and lyft
    # left: 3. They weigh 3 + 2 + 4 and 3 + 2.
    for flips in (found.exact.positive, swapped.exact.negative):
        assert [(share.part, share.whole) for share in (flips.share, flips.weighted)] == [(10, 18), (14, 30)]
        assert (flips.by_answer.part, flips.by_abstention.part, flips.keys) == (7, 3, 8)
    for flips in (found.exact.negative, swapped.exact.positive):
        assert (flips.share.value, flips.share.part, flips.keys) == (0.0, 0, 0)
    # By family without uber eats.
    family = found.family.positive
    assert (family.share.part, family.weighted.part, family.by_answer.part, family.keys) == (8, 11, 5, 7)


def test_mcnemar_by_hand(found, swapped):
    # Keys: both sides right on netflix, uber trip, twitter, shell oil, target, two cafes, spotify: 8; only the new one
    # on the other 8. Exact 2 / 2^8; mid-p less half of it.
    trials = found.exact.mcnemar
    assert dataclasses.astuple(trials) == (8, 0, 0, 8, 0, 2 / 256, 1 / 256)
    assert dataclasses.astuple(swapped.exact.mcnemar) == (8, 0, 8, 0, 0, 2 / 256, 1 / 256)
    # By family the old side has uber eats too: 7 of one kind.
    assert dataclasses.astuple(found.family.mcnemar) == (9, 0, 0, 7, 0, 2 / 128, 1 / 128)


def test_the_worst_flips_come_first(found, swapped):
    listed = swapped.negative
    # Wrong answers before abstentions, then by weight: uber eats weighs 3, delta 2; then those of 1 by their letters.
    assert [flip.descriptor for flip in listed] == [
        "UBER *EATS SAN FRANCISCO", "DELTA DENTAL", "APPLE HILL ORCHARD", "LOCAL GYM", "SHELL SEEKERS BOOKS",
        "TARGET PRACTICE RANGE", "SBUX #### SEATTLE", "LYFT *RIDE",
    ]  # fmt: skip
    first, second, sbux = listed[0], listed[1], listed[6]
    assert (first.truth, first.old, first.new, first.rows, first.weight) == ("Uber Eats", "Uber Eats", "Uber", 2, 3.0)
    assert not first.wrong_family
    assert second.wrong_family
    assert (second.old_tier, second.new_tier, second.new_confidence) == ("model", "list", None)
    assert second.old_confidence == pytest.approx(0.91)
    assert (sbux.new, sbux.new_tier, sbux.wrong_family) == (None, None, False)
    assert swapped.positive == found.negative == ()


def test_too_few_confidences_make_no_diagram(found):
    # The new side's model and cache answer sbux twice, lyft and delta.
    assert found.reliability == (None, None)
    assert found.confident == ((0, 13), (4, 12))


def test_the_page_says_what_the_figures_say(found, swapped):
    made = section(found)
    assert (made.id, made.title, made.figures) == ("correctness", "Right and wrong", found)
    exact = next(table for table in tables(made.blocks) if table.title == "Exact brands")
    assert exact.rows[0][0] == "Precision (right, of rows answered)"
    assert [exact.rows[0][at] for at in (1, 3, 4, 6, 7)] == ["46.2 %", "13", "100.0 %", "12", "+53.8"]
    assert exact.rows[-1][1] == "60.0 %"
    words = " ".join(block.text for block in made.blocks if isinstance(block, Text))
    assert "8 keys are right for the new side alone, 0 for the old one alone: the new side" in words
    assert "mid-p = 0.0039, exact p = 0.0078" in words
    assert "No row that the old side had right is wrong on the new one." in words
    words = " ".join(block.text for block in section(swapped).blocks if isinstance(block, Text))
    assert "Of 10 negative flips, 7 are wrong answers, which users see; 3 are abstentions" in words
    flips = next(table for table in tables(made.blocks) if table.title == "Flips")
    assert [row[:4] for row in flips.rows] == [
        ("Negative, exact", "0", "0", "0.00 %"), ("Positive, exact", "10", "8", "55.56 %"),
        ("Negative, family", "0", "0", "0.00 %"), ("Positive, family", "8", "7", "44.44 %"),
    ]  # fmt: skip
    json.dumps(plain(made.figures), allow_nan=False)


def test_without_a_gold_set_it_says_so():
    made = section(None)
    assert made.figures is None
    assert "No gold set was given" in made.blocks[0].text


@pytest.mark.parametrize(
    ("keep", "missing", "says"),
    [
        ([False] * 18, (0, 0), "the gold set has no rows"),
        ([False] * 18, (18, 0), "no row of the gold set has a decision on both sides"),
        ([truth is None for truth in thirty.TRUTH.values()], (0, 0), "the same truth (no known brand)"),
        ([truth == "uber-eats" for truth in thirty.TRUTH.values()], (0, 0), "the same truth (the brand Uber Eats)"),
    ],
)
def test_where_nothing_can_be_said_nothing_is(tmp_path, keep, missing, says):
    given_rows, beside = arguments(tmp_path, keep=keep)
    found = correctness(*given_rows, **beside, missing=missing)
    assert says in found.withheld
    assert found.rows == sum(keep)
    for level in (found.exact, found.family):
        assert all(math.isnan(share) for share in numbers(level))
        assert math.isnan(level.mcnemar.mid_p)
    made = section(found)
    assert says in made.blocks[0].text
    assert all(isinstance(block, Text) for block in made.blocks)


def numbers(level):
    for field in dataclasses.fields(level):
        one = getattr(level, field.name)
        if field.name in ("negative", "positive"):
            yield from (one.share.value, one.weighted.high, one.by_answer.value, one.by_abstention.low)
        elif field.name != "mcnemar":
            yield from (one.old.value, one.new.value, one.old.low, one.new.high, one.difference, one.low)


def test_all_branded_or_all_abstaining_is_said(tmp_path):
    given_rows, beside = arguments(tmp_path, keep=[truth is not None for truth in thirty.TRUTH.values()])
    truth, key, weight, old, new, joint = given_rows
    nobody = np.full_like(new, -1)
    found = correctness(truth, key, weight, old, nobody, joint, **beside)
    assert math.isnan(found.exact.no_brand_answered.old.value)
    assert math.isnan(found.exact.precision.new.value)
    assert math.isnan(found.exact.precision.difference)
    assert (found.exact.found.new.value, found.exact.coverage.new.value) == (0.0, 0.0)
    assert any("no row without a brand" in notice for notice in found.notices)
    assert any("the new side answers none of the rows" in notice for notice in found.notices)
    exact = next(table for table in tables(section(found).blocks) if table.title == "Exact brands")
    assert exact.rows[0][4:9] == ("-", "", "0", "-", "")


def test_a_side_against_itself_differs_in_nothing(tmp_path):
    """No difference, with room for one: 16 keys are too few to show that there is none."""
    (truth, key, weight, old, _, joint), beside = arguments(tmp_path)
    found = correctness(truth, key, weight, old, old, joint, **beside)
    right = found.exact.right
    assert (right.difference, right.old) == (0.0, right.new)
    assert -0.3 < right.low < 0.0 < right.high < 0.3
    assert dataclasses.astuple(found.exact.mcnemar) == (8, 8, 0, 0, 0, 1.0, 1.0)
    assert (found.exact.negative.share.part, found.exact.positive.share.part) == (0, 0)
    words = " ".join(block.text for block in section(found).blocks if isinstance(block, Text))
    assert "By the exact brand, no key is right for one side alone: there is nothing to tell them apart." in words


def test_missing_rows_are_stated(tmp_path):
    given_rows, beside = arguments(tmp_path)
    found = correctness(*given_rows, **beside, missing=(0, 3))
    assert "the new side has no decision for 3 rows of the gold set; they are left out on both sides" in found.notices
    assert any("no decision for 3 rows" in block.text for block in section(found).blocks if isinstance(block, Text))


def test_bad_arrays_are_refused(tmp_path):
    (truth, key, weight, old, new, joint), beside = arguments(tmp_path)
    with pytest.raises(ValueError, match="differ in length"):
        correctness(truth, key, weight, old[:-1], new, joint, **beside)
    for strange in (math.nan, 0.0, math.inf):
        weight[3] = strange
        with pytest.raises(ValueError, match="weight"):
            correctness(truth, key, weight, old, new, joint, **beside)


def test_a_key_with_two_truths_is_said_and_its_rows_stand_together():
    """One key, two truths: each side is right in one of its rows. The key is right for neither."""
    joint = thirty.joint()
    truth = np.array([0, 1, 2], np.int32)
    old, new = np.array([0, 0, 2], np.int32), np.array([1, 1, 2], np.int32)
    found = asked(truth, np.array([5, 5, 6]), old, new, joint)
    assert dataclasses.astuple(found.exact.mcnemar)[:5] == (1, 1, 0, 0, 1)
    assert (found.exact.negative.share.part, found.exact.positive.share.part) == (1, 1)
    assert any(
        notice.startswith("keys with more than one truth") and notice.endswith(": 1") for notice in found.notices
    )
    assert not found.weighted


def asked(truth, key, old, new, joint, *, weight=None, confidence=None, draws=20):
    n = len(truth)
    none = np.full(n, np.nan, np.float32)
    tiers = [np.where(side >= 0, 2, -1).astype(np.int8) for side in (old, new)]
    return correctness(
        truth, key, np.ones(n) if weight is None else weight, old, new, joint, old_confidence=none,
        new_confidence=none if confidence is None else confidence, old_tier=tiers[0], new_tier=tiers[1], draws=draws,
    )  # fmt: skip


def test_reliability_of_the_side_that_has_confidences():
    """40 answers at 0.9, of which 30 are right, 20 at 0.5, of which 10 are; 20 rows without a brand are left."""
    joint = thirty.joint()
    truth = np.array([3] * 60 + [-1] * 20, np.int32)
    new = np.array([3] * 30 + [4] * 10 + [3] * 10 + [4] * 10 + [-1] * 20, np.int32)
    sure = np.array([0.9] * 40 + [0.5] * 20 + [0.1] * 20, np.float32)
    found = asked(truth, np.arange(80), np.full(80, -1, np.int32), new, joint, confidence=sure)
    old, made = found.reliability
    assert old is None
    assert (made.rows, found.confident[1]) == (60, (60, 60))
    assert [(bin.rows, round(bin.confidence, 3), bin.right) for bin in made.bins] == [(20, 0.5, 0.5), (40, 0.9, 0.75)]
    assert made.error == pytest.approx((20 * 0.0 + 40 * 0.15) / 60, abs=1e-6)
    blocks = section(found).blocks
    figure = next(block for block in blocks if isinstance(block, Figure))
    assert figure.svg.count("<circle") == 2
    assert 'class="dot new"' in figure.svg
    assert "right 75.0 %, 40 rows" in figure.svg
    table = next(block for block in blocks if isinstance(block, Fold) and "reliability" in block.title).blocks[0]
    assert table.rows == (("new", "0.500", "50.0 %", "20"), ("new", "0.900", "75.0 %", "40"))


def test_the_list_ends_and_says_so():
    joint = thirty.joint()
    n = LISTED + 20
    truth = np.array([*[3] * n, -1], np.int32)
    found = asked(truth, np.arange(n + 1), truth, np.full(n + 1, -1, np.int32), joint)
    assert len(found.negative) == LISTED
    listed = next(block for block in section(found).blocks if isinstance(block, Fold) and "Negative" in block.title)
    assert listed.title == f"Negative flips, {n} rows"
    assert isinstance(listed.blocks[0], Table)
    assert "20 further rows are not listed" in listed.blocks[0].note


def test_descriptors_are_masked():
    joint = thirty.joint()
    truth, new = np.array([3, 4], np.int32), np.array([-1, 4], np.int32)
    none, tier = np.full(2, np.nan, np.float32), np.full(2, -1, np.int8)
    found = correctness(
        truth, np.arange(2), np.ones(2), truth, new, joint, old_confidence=none, new_confidence=none, old_tier=tier,
        new_tier=tier, descriptor=pl.Series(["ZELLE TO KIM LEE 4155550100", "X"]), draws=10,
    )  # fmt: skip
    assert found.negative[0].descriptor == "ZELLE TO …"


#: Five brands: b is a part of a, d and e are of no registry.
SMALL = Joint(
    ("a", "b", "c", "d", "e"), ("A", "B", "C", "D", "E"), ("",) * 5, np.array([0, 0, 2, 3, 4], np.int32),
    np.array([True, True, True, False, False]),
)  # fmt: skip

answers = st.lists(
    st.tuples(st.integers(0, 5), st.integers(-1, 3), st.integers(-1, 4), st.integers(-1, 4), st.integers(1, 4)),
    min_size=2, max_size=30,
).filter(lambda rows: len({row[1] for row in rows}) > 1)  # fmt: skip


@given(answers)
@settings(max_examples=80, deadline=None)
def test_as_a_slow_count(rows):
    key, truth, old, new, weight = zip(*rows, strict=True)
    sides = [np.array(part, np.int32) for part in (old, new)]
    found = asked(np.array(truth, np.int32), np.array(key), *sides, SMALL, weight=np.array(weight, float))
    for level, family in ((found.exact, False), (found.family, True)):
        for which, said in (("old", old), ("new", new)):
            for name, (part, whole) in slow(truth, said, weight, family).items():
                share = getattr(getattr(level, name), which)
                assert (share.part, share.whole) == (part, whole), name
        right = [[same(t, s, family) for t, s in zip(truth, said, strict=True)] for said in (old, new)]
        lost = [a and not b for a, b in zip(*right, strict=True)]
        assert level.negative.share.part == sum(lost)
        assert level.negative.by_answer.part == sum(one and said >= 0 for one, said in zip(lost, new, strict=True))
        assert level.negative.by_abstention.part == sum(one and said < 0 for one, said in zip(lost, new, strict=True))
        whole = {k: [all(r for r, of in zip(side, key, strict=True) if of == k) for side in right] for k in set(key)}
        only = [sum(a and not b for a, b in whole.values()), sum(b and not a for a, b in whole.values())]
        assert [level.mcnemar.only_old, level.mcnemar.only_new] == only
        assert (level.mcnemar.exact, level.mcnemar.mid_p) == tuple(statistics.mcnemar(*only))
    assert sum(flip.rows for flip in found.negative) == found.exact.negative.share.part
    assert sum(flip.weight for flip in found.positive) == found.exact.positive.weighted.part


def same(truth, said, family):
    head = {-1: -1, 0: 0, 1: 0 if family else 1, 2: 2, 3: 3, 4: 4}
    return head[truth] == head[said]


def slow(truth, said, weight, family):
    out = {}
    for by, weights in (("", [1] * len(truth)), ("_weighted", weight)):
        rows = [(t, s, w, same(t, s, family)) for t, s, w in zip(truth, said, weights, strict=True)]
        branded, answered = [row for row in rows if row[0] >= 0], [row for row in rows if row[1] >= 0]
        nobody = [row for row in rows if row[0] < 0]
        out |= {
            f"precision{by}": (summed(row for row in answered if row[3]), summed(answered)),
            f"coverage{by}": (summed(row for row in branded if row[1] >= 0), summed(branded)),
            f"found{by}": (summed(row for row in branded if row[3]), summed(branded)),
            f"no_brand_answered{by}": (summed(row for row in nobody if row[1] >= 0), summed(nobody)),
            f"right{by}": (summed(row for row in rows if row[3]), summed(rows)),
        }
    return out


def summed(rows):
    return sum(row[2] for row in rows)
