"""Every figure of the twenty rows of conftest.py, counted by hand there and written here."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from tierbreak.tools.models.evaluation import evaluate, statistics
from tierbreak.tools.models.evaluation.measure import Judged, blocks, draw, families, level


@pytest.fixture(scope="module")
def evaluation(gold, registry, model, baseline):
    return evaluate(gold, registry, model, baseline, draws=200)


@pytest.fixture(scope="module")
def exact(evaluation):
    return evaluation.model.exact


@pytest.fixture(scope="module")
def family(evaluation):
    return evaluation.model.family


def parts(share):
    assert share.value == pytest.approx(share.part / share.whole)
    assert 0 <= share.low <= share.value <= share.high <= 1
    return share.part, share.whole


def test_the_gold_set(evaluation):
    """Brands: uber, uber-eats, netflix, max (hbo is max today), delta, gone. uber has 3 keys, netflix 4."""
    facts = evaluation.gold
    assert (facts.rows, facts.keys, facts.branded, facts.no_brand) == (20, 19, 15, 5)
    assert (facts.brands, facts.head_brands, facts.weighted) == (6, 2, True)
    assert facts.notices == ("1 rows have a brand that is never decided on, they count as missed: gone",)


def test_top_1_and_5(exact, family):
    """Right: rows 1, 2, 4, 5, 7, 8, 9, 11, 14. Among five also 3, 6, 12; not 10, whose brand is sixth.
    Family: also 3 and 6, Uber for Uber Eats and the other way round."""
    assert parts(exact.top_1) == (9, 15)
    assert parts(exact.top_5) == (12, 15)
    assert parts(family.top_1) == (11, 15)
    assert parts(family.top_5) == (12, 15)


def test_by_weight_and_by_brand(exact, family):
    """Weights of branded rows: 48; of those that are right 4 + 6 + 1 + 2 + 10 + 5 + 5 + 3 + 2 = 38.
    Brands: uber 3/4, uber-eats 1/2, netflix 3/4, max 1/2, delta 1/2, gone 0/1. Family: uber 4/4, uber-eats 2/2."""
    assert parts(exact.top_1_weighted) == (38, 48)
    assert exact.top_1_macro == pytest.approx((0.75 + 0.5 + 0.75 + 0.5 + 0.5 + 0) / 6)
    assert family.top_1_macro == pytest.approx((1 + 1 + 0.75 + 0.5 + 0.5 + 0) / 6)


def test_head_and_tail(exact):
    """Head: the 4 rows of uber, 3 right, and the 4 of netflix, 3 right. Tail: 7 rows; 5, 11 and 14 are right."""
    assert parts(exact.head) == (6, 8)
    assert parts(exact.tail) == (3, 7)


def test_as_deployed(exact, family):
    """Answered: rows 1-5, 7, 8, 11, 12 and 15, which has no brand. Right: all but 3, 12 and 15."""
    deployed = exact.deployed
    assert parts(deployed.precision) == (7, 10)
    assert parts(deployed.coverage) == (9, 15)
    assert parts(deployed.found) == (7, 15)
    assert parts(deployed.no_brand_answered) == (1, 5)
    assert parts(deployed.precision_weighted) == (31, 42)
    assert parts(deployed.coverage_weighted) == (35, 48)
    assert parts(family.deployed.precision) == (8, 10)


def test_coverage_at_precision(exact, family):
    """By falling confidence: 6 right down to 0.95, then row 3 is wrong (6/7), then row 12 (6/8). Family: row 3 is
    right, so 7 of 7 down to 0.90, then row 12 is wrong (7/8) and row 4 right (8/9)."""
    for wanted, at in zip((0.98, 0.95, 0.90), exact.at_precision, strict=True):
        assert (at.precision, at.answered, at.right, at.coverage.part) == (wanted, 6, 6, 6)
        assert at.threshold == pytest.approx(0.95)
    assert family.at_precision[0].coverage.part == 7
    assert family.at_precision[0].threshold == pytest.approx(0.90)


def test_precision_in_each_band(exact):
    counted = {(band.low, band.high): (band.right, band.rows) for band in exact.bands}
    assert counted == {
        (0.0, 0.5): (0, 2),  # rows 10, 17
        (0.5, 0.7): (1, 1),  # 9
        (0.7, 0.8): (1, 3),  # 6, 14, 20; 14 is right
        (0.8, 0.9): (1, 3),  # 4, 12, 15; 4 is right
        (0.9, 0.95): (0, 1),  # 3
        (0.95, 0.98): (3, 3),  # 5, 8, 11
        (0.98, 0.99): (0, 0),
        (0.99, 1.0): (3, 3),  # 1, 2, 7
    }
    assert math.isnan(exact.bands[6].precision)


def test_calibration(exact):
    """With more bins than answers each confidence is a bin. Answered: 0.82, 0.88 and 0.90 wrong, 0.85 right,
    2 * 0.95, 0.97 and 3 * 0.99 right. Named: also 0.3, 0.4, 0.7 wrong, 0.6 right, and of two of 0.75 one."""
    gaps = 0.82 + 0.88 + 0.90 + 0.15 + 2 * 0.05 + 0.03 + 3 * 0.01
    assert exact.calibration_answered.rows == 10
    assert exact.calibration_answered.error == pytest.approx(gaps / 10, abs=1e-6)
    more = 0.3 + 0.4 + 0.7 + 0.4 + 2 * 0.25
    assert exact.calibration_named.rows == 16
    assert exact.calibration_named.error == pytest.approx((gaps + more) / 16, abs=1e-6)
    assert sum(mass.rows for mass in exact.calibration_named.bins) == 16
    assert exact.calibration_named.bins[4].right == 0.5


def test_risk_over_coverage(exact):
    """Wrong so far at the end of each point: 0 to depth 6, then 1/7, 2/8, 2/9, 3/10, 4/12 (two rows), 5/13, 5/14,
    6/15, 7/16."""
    area = 1 / 7 + 2 / 8 + 2 / 9 + 3 / 10 + 2 * 4 / 12 + 5 / 13 + 5 / 14 + 6 / 15 + 7 / 16
    assert exact.risk_coverage.aurc == pytest.approx(area / 16)
    points = exact.risk_coverage.points
    assert [point.answered for point in points] == [3, 4, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16]
    assert points[0].coverage == 3 / 15
    assert points[-1].coverage == 13 / 15
    assert points[3].risk == pytest.approx(1 / 7)


def test_by_sector(exact):
    """The sector of the true brand; hbo counts as max."""
    assert [(group.name, *parts(group.top_1)) for group in exact.sectors] == [
        ("airline", 1, 2), ("delivery", 1, 2), ("news", 0, 1), ("rideshare", 3, 4), ("streaming", 4, 6),
    ]  # fmt: skip


def test_by_format(exact):
    """card: 10 rows, 8 branded, right all but 3 and 13; ach: 10 rows, 7 branded, right 4, 9, 14; answers 4 and 12."""
    ach, card = exact.formats
    assert (card.name, card.rows, card.branded, *parts(card.top_1)) == ("card", 10, 8, 6, 8)
    assert parts(card.no_brand_answered) == (1, 2)
    assert (ach.name, ach.rows, ach.branded, *parts(ach.top_1)) == ("ach", 10, 7, 3, 7)
    assert parts(ach.precision) == (1, 2)
    assert parts(ach.coverage) == (2, 7)
    assert parts(ach.no_brand_answered) == (0, 3)


def test_reasons(evaluation):
    """Below the threshold: 6, 9, 10, 14 with a brand, 17 and 20 without. Nothing named: 13 and 19, 16 and 18."""
    assert [dataclasses.astuple(reason) for reason in evaluation.model.reasons] == [
        ("below-threshold", 6, 4, 2), ("no-known-brand", 4, 2, 2),
    ]  # fmt: skip


def test_surest_mistakes(evaluation):
    """Rows 3, 12, 15, 20, 6, 10, 17; the family is right in 3 and 6."""
    found = [(at.truth, at.said, at.answered, at.family) for at in evaluation.model.mistakes]
    assert found == [
        ("uber", "uber-eats", True, True),
        ("max", "netflix", True, False),
        (None, "netflix", True, False),
        (None, "max", False, False),
        ("uber-eats", "uber", False, True),
        ("netflix", "max", False, False),
        (None, "delta", False, False),
    ]
    assert evaluation.model.mistakes[0].descriptor == "UBER TRIP BRAVO"


def test_the_same_confusion_is_counted_once(gold, registry, model):
    """Rows 1 and 2 are one key, row 4 another: all taken for netflix."""
    brands = model.brands.copy()
    brands[[0, 1, 3], 0] = registry.index("netflix")
    wrong = evaluate(gold, registry, dataclasses.replace(model, brands=brands), draws=2).model
    first = wrong.confusions[0]
    assert (first.truth, first.said, first.rows, first.keys) == ("uber", "netflix", 3, 2)
    assert first.confidence == pytest.approx(0.99)
    assert wrong.mistakes[0].rows == 2


def test_paired_with_the_baseline(evaluation):
    """14 branded keys. Right: the model 8 (rows 1+2, 4, 5, 7, 8, 9, 11, 14), the baseline 4 (1+2, 3, 7, 12), both
    2. So 6 and 2 differ: (1 + 8 + 28) / 256 a side, and 28 / 256 less for the mid-p value."""
    paired = evaluation.comparison.exact
    assert (paired.trials, paired.both_right, paired.both_wrong, paired.n01, paired.n10) == (14, 2, 4, 6, 2)
    assert paired.exact == 74 / 256
    assert paired.mid_p == 46 / 256
    gaps = {gap.name: gap.value for gap in paired.differences}
    assert gaps["top_1"] == pytest.approx(9 / 15 - 5 / 15)
    assert gaps["top_1_weighted"] == pytest.approx((38 - 24) / 48)
    assert gaps["coverage_at_98"] == pytest.approx(6 / 15 - 5 / 15)
    assert gaps["precision"] == pytest.approx(7 / 10 - 1)
    assert gaps["coverage"] == pytest.approx(9 / 15 - 5 / 15)


def test_against_itself_nothing_differs(gold, registry, model):
    """The draws of both sides are the same draws."""
    paired = evaluate(gold, registry, model, model, draws=50).comparison.exact
    assert all((gap.value, gap.low, gap.high) == (0, 0, 0) for gap in paired.differences)
    assert (paired.n01, paired.n10, paired.exact) == (0, 0, 1)


def test_each_draw_is_what_counting_its_rows_gives(gold, registry, model):
    """The vectorised draws against a plain count of the rows of each draw."""
    judged = Judged.of(model, gold, registry.redirect)
    of = blocks(model, gold, judged, [None] * len(gold))
    drawn = draw(gold, judged, of, draws=40, seed=3)
    (times,) = statistics.resamples(gold.key, 40, 3)
    for at, count in enumerate(times):
        rows = np.repeat(np.arange(len(gold)), count)
        branded = gold.branded[rows]
        assert drawn["top_1"][at] == pytest.approx(judged.right[rows].sum() / branded.sum())
        assert drawn["precision"][at] == pytest.approx(judged.right[rows][model.answered[rows]].mean())
        best = 0
        for threshold in set(judged.confidence[judged.named]):
            answered = judged.named[rows] & (judged.confidence[rows] >= threshold)
            if answered.any() and judged.right[rows][answered].mean() >= 0.9:
                best = max(best, (answered & branded).sum())
        assert drawn["coverage_at:0.90"][at] == pytest.approx(best / branded.sum())


def test_families(registry):
    """uber-eats counts as uber, hbo as max, all others as themselves."""
    head = dict(zip(registry.ids, [registry.ids[at] for at in families(registry)], strict=True))
    assert {id: to for id, to in head.items() if id != to} == {"uber-eats": "uber", "hbo": "max"}


def test_the_order_of_rows_does_not_matter(gold, registry, model):
    """Compared as text, where NaN equals NaN."""
    order = np.random.default_rng(5).permutation(len(gold))
    turned = dataclasses.replace(
        gold, rows=gold.rows[order], key=gold.key[order], truth=gold.truth[order], weight=gold.weight[order],
        format=tuple(gold.format[at] for at in order),
    )  # fmt: skip
    moved = dataclasses.replace(
        model, brands=model.brands[order], confidence=model.confidence[order], answered=model.answered[order],
        reason=model.reason[order],
    )  # fmt: skip
    one, _, _ = level(model, gold, registry, registry.redirect, 10, 1)
    two, _, _ = level(moved, turned, registry, registry.redirect, 10, 1)
    assert json.dumps(dataclasses.asdict(one)) == json.dumps(dataclasses.asdict(two))


def test_a_side_that_names_nothing(gold, registry, model):
    silent = dataclasses.replace(
        model, brands=np.full_like(model.brands, -1), answered=np.zeros(len(gold), dtype=bool),
        reason=np.full(len(gold), "no-match"),
    )  # fmt: skip
    evaluation = evaluate(gold, registry, silent, model, draws=10)
    exact = evaluation.model.exact
    assert exact.top_1.value == 0
    assert math.isnan(exact.deployed.precision.value)
    assert math.isnan(exact.risk_coverage.aurc)
    assert exact.at_precision[0].coverage.value == 0
    assert math.isnan(exact.at_precision[0].threshold)
    json.dumps(evaluation.to_dict(), allow_nan=False)


def test_the_keys_of_the_json_stay(evaluation):
    """A key that goes or changes its name breaks readers: then `format` counts up."""
    plain = evaluation.to_dict()
    assert plain["format"] == 1
    assert [*plain] == ["format", "gold", "registry", "draws", "seed", "model", "baseline", "comparison"]
    assert [*plain["model"]] == [
        "side", "kind", "fingerprint", "threshold", "exact", "family", "tiers", "reasons", "confusions", "mistakes",
    ]  # fmt: skip
    assert [*plain["model"]["exact"]] == [
        "top_1", "top_5", "top_1_weighted", "top_1_macro", "head", "tail", "at_precision", "deployed", "bands",
        "calibration_answered", "calibration_named", "risk_coverage", "sectors", "formats",
    ]  # fmt: skip
    assert plain["model"]["exact"]["bands"][6]["precision"] is None
    assert plain["model"]["exact"]["top_1"] == {
        "value": 0.6, "low": pytest.approx(0.4, abs=0.2), "high": pytest.approx(0.8, abs=0.2), "part": 9.0,
        "whole": 15.0,
    }  # fmt: skip
