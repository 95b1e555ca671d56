"""Intervals and tests of many groups: against scipy, against published values, against slow counts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.tools.compare.measure.intervals import (
    Drawn,
    Ratio,
    Share,
    difference,
    drawn,
    false_discovery,
    two_sided,
    wilson,
)
from tierbreak.tools.models.evaluation.statistics import interval, resamples

stats = pytest.importorskip("scipy.stats", reason="the extra `compare` is not installed")


@pytest.mark.parametrize(
    ("right", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(right, trials, low, high):
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3."""
    assert [end.round(4) for end in wilson(right, trials)] == [low, high]


def test_wilson_as_scipy_has_it():
    pairs = [(right, trials) for trials in (1, 2, 3, 7, 30, 1000) for right in {0, 1, trials // 2, trials - 1, trials}]
    for level in (0.8, 0.95):
        low, high = wilson([right for right, _ in pairs], [trials for _, trials in pairs], level)
        for at, (right, trials) in enumerate(pairs):
            want = stats.binomtest(right, trials).proportion_ci(level, method="wilson")
            assert (low[at], high[at]) == pytest.approx((want.low, want.high), abs=1e-12)


def test_of_no_trials_wilson_says_nothing():
    low, high = wilson([0, 3], [0, 4])
    assert np.isnan([low[0], high[0]]).all()
    assert np.isfinite([low[1], high[1]]).all()


def test_two_sided_as_scipy_has_it():
    pairs = [(a, b) for a in range(25) for b in range(25) if a + b] + [(0, 900), (480, 520), (3000, 2800)]
    p = two_sided([a for a, _ in pairs], [b for _, b in pairs])
    want = [stats.binomtest(a, a + b).pvalue for a, b in pairs]
    np.testing.assert_allclose(p, want, rtol=1e-9)
    assert np.isnan(two_sided([0], [0])).all()


def test_false_discovery_as_published():
    """Benjamini and Hochberg 1995, section 4.1: of fifteen p-values, the first four are kept at 0.05."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
         0.7590, 1.0]  # fmt: skip
    assert (false_discovery(np.array(p)) < 0.05).tolist() == [True] * 4 + [False] * 11


def test_what_is_not_tested_is_not_counted():
    p = np.array([0.01, np.nan, 0.04, np.nan])
    # Of two tests: 0.01 * 2 / 1 and 0.04 * 2 / 2.
    np.testing.assert_allclose(false_discovery(p), [0.02, np.nan, 0.04, np.nan])
    assert np.isnan(false_discovery(np.array([np.nan]))).all()


rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(-1, 3), st.booleans(), st.booleans(), st.integers(1, 5)),
    min_size=1, max_size=25,
)  # fmt: skip


@given(rows)
@settings(max_examples=60, deadline=None)
def test_as_a_slow_bootstrap_by_rows(given_rows):
    """The same resamples, row by row in plain Python."""
    cluster, group, hit, inside, weight = (np.array(part) for part in zip(*given_rows, strict=True))
    made = drawn(
        {"share": Ratio((hit & inside) * weight, inside * weight)}, {"macro": hit}, cluster * 7 - 3, group,
        draws=40, seed=5,
    )  # fmt: skip
    _, at = np.unique(cluster, return_inverse=True)
    shares, macros = [], []
    for times in np.concatenate([*resamples(np.arange(at.max() + 1), 40, 5)]).tolist():
        often = [times[place] for place in at]
        shares.append(slow_share(often, hit, inside, weight))
        macros.append(slow_macro(often, hit, group))
    once = [1] * len(hit)
    check(made["share"], slow_share(once, hit, inside, weight), shares)
    value, known = slow_macro(once, hit, group), [one for one in macros if not math.isnan(one)]
    moved = [min(max(one + value - sum(known) / len(known), 0.0), 1.0) if known else one for one in macros]
    check(made["macro"], value, moved)


def test_a_macro_share_lies_within_its_interval_where_many_groups_have_one_cluster():
    """Thirty groups of one wrong cluster, three of thirty right ones: resamples lack a third of the small groups."""
    group = np.concatenate([np.arange(30), np.repeat([30, 31, 32], 30)])
    hit = group >= 30
    made = drawn(
        {"all": Ratio(hit, np.ones(120, dtype=bool))}, {"macro": hit}, np.arange(120), group, draws=400, seed=0
    )
    share = made["macro"].share
    assert share.value == pytest.approx(3 / 33)
    assert share.low < share.value < share.high
    assert made["macro"].draws.mean() == pytest.approx(3 / 33)


def slow_share(often, hit, inside, weight):
    whole = sum(n * w for n, w, i in zip(often, weight, inside, strict=True) if i)
    part = sum(n * w for n, w, i, h in zip(often, weight, inside, hit, strict=True) if i and h)
    return part / whole if whole else math.nan


def slow_macro(often, hit, group):
    means = []
    for brand in sorted(set(group.tolist()) - {-1}):
        whole = sum(n for n, g in zip(often, group, strict=True) if g == brand)
        part = sum(n for n, g, h in zip(often, group, hit, strict=True) if g == brand and h)
        if whole:
            means.append(part / whole)
    return sum(means) / len(means) if means else math.nan


def check(made, value, draws):
    assert made.share.value == pytest.approx(value, nan_ok=True)
    np.testing.assert_allclose(made.draws, draws, atol=1e-12)
    if 0 < value < 1:
        ends = interval(np.array(draws)), wilson(made.worth * value, made.worth)
        assert made.share.low == pytest.approx(min(float(low) for low, _ in ends))
        assert made.share.high == pytest.approx(max(float(high) for _, high in ends))


@pytest.mark.parametrize("of", [700, 1_000])
def test_one_error_more_never_makes_an_interval_look_better(of):
    """Resamples of one flip in a thousand reach less far than Wilson's interval of none: the ends must not cross."""
    cluster = np.arange(of)
    ends, lows = [], []
    for flips in range(5):
        old, new = np.ones(of, dtype=bool), np.arange(of) >= flips
        whole = np.ones(of, dtype=bool)
        made = drawn(
            {"flips": Ratio(~new, whole), "old": Ratio(old, whole), "new": Ratio(new, whole)}, {}, cluster, cluster,
            draws=400, seed=0,
        )  # fmt: skip
        ends.append(made["flips"].share.high)
        lows.append(difference(made["new"], made["old"])[1])
    assert ends == sorted(ends)
    assert lows == sorted(lows, reverse=True)


def test_a_macro_share_of_brands_that_are_all_right_or_all_wrong_has_a_width():
    """20 brands of ten keys, 15 all right: every resample says three quarters, and nobody is as sure as that."""
    group = np.repeat(np.arange(20), 10)
    hit = group < 15
    share = drawn({"all": Ratio(hit, np.ones(200, dtype=bool))}, {"macro": hit}, np.arange(200), group, draws=50,
                  seed=0)["macro"].share  # fmt: skip
    assert share.value == pytest.approx(0.75)
    assert share.low < 0.74
    assert share.high > 0.76


def test_a_share_that_never_varies_has_the_interval_of_its_clusters():
    """Ten keys, all right: Wilson of 10 of 10. Ten rows of one key: of 1 of 1."""
    right = Ratio(np.ones(10, bool), np.ones(10, bool))
    ten = drawn({"right": right}, {}, np.arange(10), np.zeros(10, int), draws=50, seed=0)["right"].share
    assert [ten.low, ten.high] == pytest.approx([float(end) for end in wilson(10, 10)])
    one = drawn({"right": right}, {}, np.zeros(10, int), np.zeros(10, int), draws=50, seed=0)["right"].share
    assert [one.low, one.high] == pytest.approx([float(end) for end in wilson(1, 1)])


def test_a_heavy_cluster_is_worth_less_than_two():
    """Weights 3 and 1: (3 + 1)^2 / (9 + 1) = 1.6 trials, none of them right."""
    of = Ratio(np.zeros(2), np.array([3.0, 1.0]))
    share = drawn({"right": of}, {}, np.arange(2), np.zeros(2, int), draws=20, seed=0)["right"].share
    assert (share.value, share.low, share.high) == (0.0, 0.0, pytest.approx(wilson(0, 1.6)[1]))


def test_nothing_is_nan():
    none = np.empty(0, dtype=int)
    made = drawn({"right": Ratio(none, none)}, {"macro": none.astype(bool)}, none, none, draws=20, seed=0)
    assert all(math.isnan(one.share.value) and math.isnan(one.share.low) for one in made.values())
    assert all(map(math.isnan, difference(made["right"], made["macro"])))


def test_a_difference_that_never_varies_has_room_for_what_was_not_seen():
    """None of forty keys differs: Wilson's upper end of 0 of 40. Two rows a key: of 0 of 20."""
    ones = np.ones(40, bool)
    for keys, trials in ((np.arange(40), 40), (np.arange(40) // 2, 20)):
        made = drawn({"a": Ratio(ones, ones), "b": Ratio(~ones, ones)}, {}, keys, ones, draws=20, seed=0)
        room = float(wilson(0, trials)[1])
        assert difference(made["a"], made["a"]) == pytest.approx((0.0, -room, room))
        assert difference(made["a"], made["b"]) == pytest.approx((1.0, 1.0 - 2 * room, 1.0))


def test_a_difference_has_the_room_of_the_side_with_fewer_rows():
    """Both always right, one on ten keys, the other on a hundred: z^2 / (10 + z^2) = 3.8415 / 13.8415 either way."""
    sure = np.ones(20)
    few, many = (Drawn(Share(1.0, 1.0, 1.0, worth, worth), sure, worth) for worth in (10.0, 100.0))
    for one, other in ((few, many), (many, few)):
        assert difference(one, other) == pytest.approx((0.0, -0.2775, 0.2775), abs=1e-4)


def test_order_of_rows_does_not_matter():
    draw = np.random.default_rng(3)
    cluster, group, hit = draw.integers(0, 20, 60), draw.integers(-1, 5, 60), draw.random(60) < 0.6

    def figures(order):
        of = Ratio(hit[order], np.ones(60, bool))
        made = drawn({"hit": of}, {"macro": hit[order]}, cluster[order], group[order], draws=100, seed=1)
        return [end for one in made.values() for end in (one.share.value, one.share.low, one.share.high)]

    assert figures(draw.permutation(60)) == pytest.approx(figures(np.arange(60)))


def test_the_interval_of_a_difference_holds_as_often_as_it_says():
    """100 sets of 150 keys, three rows each, which stand or fall together: 95 % hold within chance; rows would not."""
    held = {"keys": 0, "rows": 0}
    for seed in range(100):
        draw = np.random.default_rng(seed)
        key = np.repeat(np.arange(150), 3)
        old, new = (np.repeat(draw.random(150) < share, 3) for share in (0.6, 0.7))
        every = np.ones(450, bool)
        for what, cluster in (("keys", key), ("rows", np.arange(450))):
            made = drawn({"old": Ratio(old, every), "new": Ratio(new, every)}, {}, cluster, key, draws=200, seed=seed)
            _, low, high = difference(made["new"], made["old"])
            held[what] += low <= 0.1 <= high
    assert 89 <= held["keys"] <= 100
    assert held["rows"] < 85
