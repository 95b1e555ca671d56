"""The statistics beyond their own examples: values worked by hand, and what must hold for any input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierbreak.tools.models.evaluation.statistics import (
    Bin,
    area_under_risk,
    calibration_error,
    equal_mass_bins,
    holds_last,
    interval,
    macro,
    mcnemar,
    resamples,
    sweep,
)

FLAGS = st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.7, 0.9, 0.99]), st.booleans()), min_size=1, max_size=40)


def test_mcnemar_by_hand():
    """10 and 2 of 12: 1 + 12 + 66 = 79 of 4096 a side; mid-p less 66. 7 and 0: 1 of 128 a side."""
    assert mcnemar(10, 2) == (2 * 79 / 4096, (2 * 79 - 66) / 4096)
    assert mcnemar(0, 7) == (2 / 128, 1 / 128)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_against_the_sum_of_its_terms(n01, n10):
    total = n01 + n10
    tail = sum(math.comb(total, k) for k in range(min(n01, n10) + 1)) / 2**total
    exact, mid_p = mcnemar(n01, n10)
    assert exact == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(n10, n01) == (exact, mid_p)
    assert 0 < mid_p <= exact <= 1


def test_mcnemar_of_many_trials():
    """Where doubles would have overflowed: the normal approximation gives z = 200 / sqrt(3000), p = 0.00026."""
    assert mcnemar(1600, 1400).exact == pytest.approx(0.00026, rel=0.1)


def test_bins_of_equal_mass_by_hand():
    """Six answers in three bins: 0.1 and 0.3 (half right), 0.5 and 0.6 (all right), 0.8 and 0.9 (half right)."""
    bins = equal_mass_bins(np.array([0.9, 0.1, 0.6, 0.3, 0.8, 0.5]), np.array([1, 0, 1, 1, 0, 1], bool), 3)
    assert [(bin.rows, round(bin.confidence, 6), bin.right) for bin in bins] == [
        (2, 0.2, 0.5), (2, 0.55, 1.0), (2, 0.85, 0.5),
    ]  # fmt: skip
    assert calibration_error(bins) == pytest.approx((0.3 + 0.45 + 0.35) / 3)


def test_equal_confidences_share_a_bin():
    assert equal_mass_bins(np.ones(10), np.arange(10) < 4, 15) == [Bin(10, 1.0, 0.4)]


@given(FLAGS, st.integers(1, 20))
def test_bins_hold_every_answer_once(rows, count):
    confidence, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    bins = equal_mass_bins(confidence, right, count)
    assert sum(bin.rows for bin in bins) == len(rows)
    assert len(bins) <= count
    assert sum(bin.rows * bin.right for bin in bins) == pytest.approx(right.sum())
    assert 0 <= calibration_error(bins) <= 1


@given(FLAGS, st.randoms())
def test_no_figure_depends_on_the_order_of_rows(rows, random):
    def figures(rows):
        confidence, right = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
        swept = sweep(confidence, np.ones_like(right), right, right)
        last = int(holds_last(swept.right, swept.answered, 0.9))
        return np.array(equal_mass_bins(confidence, right, 4)), [area_under_risk(swept), *swept.threshold, last]

    shuffled = rows.copy()
    random.shuffle(shuffled)
    (bins, one), (other_bins, two) = figures(rows), figures(shuffled)
    assert one == pytest.approx(two)
    assert bins == pytest.approx(other_bins)


def test_precision_may_dip_and_come_back():
    """Right, wrong, right x 8: 9 of 10 at the end holds 0.9 although 1 of 2 did not."""
    right = np.array([True, False, *[True] * 8])
    swept = sweep(np.linspace(0.9, 0.1, 10), np.ones(10, bool), right, np.ones(10, bool))
    assert holds_last(swept.right, swept.answered, 0.9) == 9
    assert holds_last(swept.right, swept.answered, 0.95) == 0


def test_area_under_risk_by_hand():
    """Wrong at the top costs most: 1/1, 1/2, 1/3; at the bottom least: 0, 0, 1/3."""
    confidence, all_named = np.array([0.9, 0.8, 0.7]), np.ones(3, bool)
    first = sweep(confidence, all_named, np.array([False, True, True]), all_named)
    assert area_under_risk(first) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    last = sweep(confidence, all_named, np.array([True, True, False]), all_named)
    assert area_under_risk(last) == pytest.approx(1 / 9)


def test_resamples_draw_clusters():
    """Of two clusters a draw holds the first 0, 1 or 2 times with chances 1/4, 1/2, 1/4."""
    cluster = np.array([0, 1, 1])
    drawn = np.concatenate([*resamples(cluster, draws=4000, seed=1, cells=1000)])
    assert drawn.shape == (4000, 3)
    assert (drawn[:, 1] == drawn[:, 2]).all()
    assert [(drawn[:, 0] == times).mean() for times in range(3)] == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    assert interval(drawn[:, 0] / 2) == (0, 1)


def test_the_same_seed_gives_the_same_draws():
    cluster = np.arange(50)
    (one,), (two,), (other,) = (resamples(cluster, 10, seed) for seed in (7, 7, 8))
    assert (one == two).all()
    assert (one != other).any()


def test_interval_of_what_is_certain_or_unknown():
    assert interval(np.ones(10)) == (1, 1)
    assert all(map(math.isnan, interval(np.full(3, np.nan))))
    assert math.isnan(macro(np.zeros(0, bool), np.zeros(0, int)))
