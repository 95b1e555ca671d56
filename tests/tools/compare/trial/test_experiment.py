"""Statistics of an experiment: against published values, scipy's own, counts by hand, and many simulated runs."""

import math

import numpy as np
import polars as pl
import pytest

from tierbreak.errors import InputError
from tierbreak.tools.compare.trial.experiment import experiment
from tierbreak.tools.compare.trial.strata import reach

stats = pytest.importorskip("scipy.stats", reason="the extra `compare` is not installed")


def simulated(seed: int, users: int = 2_000, effect: float = 0.0) -> pl.DataFrame:
    """Users whose activity before and after go together; half of them are new, by chance."""
    draw = np.random.default_rng(seed)
    before = draw.normal(10, 2, users)
    new = draw.random(users) < 0.5
    value = before + draw.normal(0, 1, users) + effect * new
    return pl.DataFrame({
        "user": [f"u{at}" for at in range(users)], "arm": np.where(new, "new", "old"),
        "spend": value, "before_spend": before, "country": np.where(draw.random(users) < 0.3, "US", "UK"),
    })  # fmt: skip


def ramped(seed: int, effect: float = 0.0) -> pl.DataFrame:
    """400 users come at a share of 0.1 and 1,600 at a share of 0.5; those who come later spend 5 less, in both arms."""
    draw = np.random.default_rng(seed)
    share = np.repeat([0.1, 0.5], [400, 1_600])
    new = draw.random(2_000) < share
    value = draw.normal(20, 1, 2_000) - 5 * (share == 0.5) + effect * new
    arm = np.where(new, "new", "old")
    return pl.DataFrame({"user": range(2_000), "arm": arm, "share": share, "spend": value})


def arms(old, new, **more):
    """One user a value."""
    values = [*old, *new]
    arm = ["old"] * len(old) + ["new"] * len(new)
    return pl.DataFrame({"user": range(len(values)), "arm": arm, "x": values, **more}, strict=False)


def test_by_hand():
    """Old: 1, 2, 3, 4, mean 2.5, variance 5/3. New: 3, 5, 7, mean 5, variance 4. Standard error: sqrt(5/12 + 4/3)."""
    rows = pl.DataFrame({
        "user": [*"abcdefg", "a"], "arm": ["old"] * 4 + ["new"] * 3 + ["new"],
        "at": [1, 1, 1, 1, 1, 1, 1, 2], "items": [1, 2, 3, 4, 3, 5, 7, 100],
    })  # fmt: skip
    found = experiment(rows, expected=0.5)
    assert (found.users, found.moved, found.crossed) == ((4, 3), (1, 0), 1)
    assert found.srm_p == pytest.approx(stats.chisquare([4, 3], [3.5, 3.5]).pvalue)
    (items,) = found.metrics
    assert (items.metric, items.n, items.mean, items.difference) == ("items", (4, 3), (2.5, 5.0), 2.5)
    want = stats.ttest_ind([3, 5, 7], [1, 2, 3, 4], equal_var=False)
    assert items.p == pytest.approx(want.pvalue)
    assert items.interval == pytest.approx(tuple(want.confidence_interval(0.95)))
    half = stats.t.ppf(0.975, want.df) * math.sqrt(5 / 12 + 4 / 3)
    assert items.interval == pytest.approx((2.5 - half, 2.5 + half))
    assert items.adjusted is None
    assert found.notices == (
        "users seen in both arms: 1 first in the old, 0 first in the new; each counts for the first, which draws "
        "differences towards 0",
        "items: 1 users have more than one value; the first counts",
    )  # fmt: skip


def test_welch_as_published():
    """The first example of "Welch's t-test" in Wikipedia: means 20.8 and 23.0, t = -2.46, 25.0 degrees, p = 0.021."""
    a1 = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4]
    a2 = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4]
    (x,) = experiment(arms(a1, a2)).metrics
    assert [round(mean, 1) for mean in x.mean] == [20.8, 23.0]
    assert x.p == pytest.approx(0.021, abs=0.0005)
    t = stats.t.ppf(0.975, 25.0)
    assert x.difference / ((x.interval[1] - x.interval[0]) / 2 / t) == pytest.approx(2.46, abs=0.01)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("seed", range(5))
def test_one_share_is_welch(seed, level):
    """Whatever the sizes and spreads of the arms, the figures are scipy's."""
    draw = np.random.default_rng(seed)
    old, new = draw.normal(0, 3, draw.integers(2, 40)), draw.exponential(1, draw.integers(2, 400))
    (x,) = experiment(arms(old, new), level=level).metrics
    want = stats.ttest_ind(new, old, equal_var=False)
    assert x.p == pytest.approx(want.pvalue, rel=1e-9)
    assert x.interval == pytest.approx(tuple(want.confidence_interval(level)))


def test_sample_ratio_as_published():
    """Kohavi, Tang and Xu 2020, "Trustworthy Online Controlled Experiments", chapter 3: 821,588 users in control and
    815,482 in treatment where half was meant have p = 1.8e-6."""
    rows = pl.DataFrame({"user": pl.int_range(821_588 + 815_482, eager=True)})
    rows = rows.with_columns(arm=pl.when(pl.col("user") < 821_588).then(pl.lit("old")).otherwise(pl.lit("new")))
    assert experiment(rows, expected=0.5).srm_p == pytest.approx(1.8e-6, rel=0.03)


def test_each_exposure_is_held_against_its_own_share():
    """At 0.1: 90 old, 10 new, as meant. At 0.5: 100 old, 100 new, as meant. Together 110 of 300, which half would make
    p = chi2(40^2 / 75) of, 4e-6; the shares come to 110, so nothing is wrong."""
    rows = pl.DataFrame({
        "user": range(300), "arm": ["old"] * 90 + ["new"] * 10 + ["old"] * 100 + ["new"] * 100,
        "share": [0.1] * 100 + [0.5] * 200,
    })  # fmt: skip
    found = experiment(rows)
    assert found.expected == pytest.approx(110 / 300)
    assert found.srm_p == pytest.approx(1.0)
    assert [(one.share, one.users) for one in found.splits] == [(0.1, (90, 10)), (0.5, (100, 100))]
    assert [one.p for one in found.splits] == pytest.approx([1.0, 1.0])
    assert experiment(rows.drop("share"), expected=0.5).srm_p == pytest.approx(stats.chi2.sf(40**2 / 75, 1))


def test_sample_ratio_of_two_shares_by_hand():
    """At 0.2: 70 old, 30 new. At 0.5: 45 old, 55 new. Meant: 20 + 50 = 70, found 85; variance 16 + 25 = 41.
    The whole has p = 0.0191, the first part 0.0124, which is the least of two: 2 * min(0.0191, 2 * 0.0124)."""
    rows = pl.DataFrame({
        "user": range(200), "arm": ["old"] * 70 + ["new"] * 30 + ["old"] * 45 + ["new"] * 55,
        "share": [0.2] * 100 + [0.5] * 100,
    })  # fmt: skip
    found = experiment(rows)
    assert found.srm_p == pytest.approx(2 * stats.chi2.sf(15**2 / 41, 1))
    assert found.splits[0].p == pytest.approx(stats.chisquare([70, 30], [80, 20]).pvalue)


def test_faults_do_not_make_up_for_each_other():
    """At 0.1: 70 old, 30 new. At 0.5: 120 old, 80 new. Together 110, as was meant; at 0.1 chi-square is 20^2 / 9.
    A share of which only three were meant to be new is too small to be read for itself."""
    rows = pl.DataFrame({
        "user": range(300), "arm": ["old"] * 70 + ["new"] * 30 + ["old"] * 120 + ["new"] * 80,
        "share": [0.1] * 100 + [0.5] * 200,
    })  # fmt: skip
    assert experiment(rows).srm_p == pytest.approx(2 * 2 * stats.chi2.sf(20**2 / 9, 1))
    few = pl.DataFrame({
        "user": range(230), "arm": ["old"] * 20 + ["new"] * 10 + ["old"] * 100 + ["new"] * 100,
        "share": [0.1] * 30 + [0.5] * 200,
    })  # fmt: skip
    assert experiment(few).splits[0].p < 0.001
    # Meant 3 + 100, found 110; variance 2.7 + 50.
    assert experiment(few).srm_p == pytest.approx(2 * stats.chi2.sf(7**2 / 52.7, 1))


def test_a_lopsided_split_is_found():
    rows = pl.DataFrame({"user": range(1_000), "arm": ["new"] * 600 + ["old"] * 400})
    assert experiment(rows, expected=0.5).srm_p < 1e-9
    assert experiment(rows, expected=0.6).srm_p == pytest.approx(1.0)
    empty = experiment(pl.DataFrame({"user": range(1_000), "arm": ["old"] * 1_000}), expected=0.5)
    assert empty.srm_p < 1e-9, "an arm that is empty is as uneven as can be"


def test_an_arm_that_no_share_has_room_for():
    """After a rollback all are meant to be old: one that is new was not assigned by the ramp."""
    rows = pl.DataFrame({"user": range(6), "arm": ["old"] * 4 + ["new"] * 2, "share": [0.5, 0.5, 0, 0, 0.5, 0.0]})
    found = experiment(rows)
    assert found.srm_p == 0.0
    assert "users in an arm that had a share of 0 at that moment: 1; the split is not the ramp's" in found.notices
    assert math.isnan(experiment(rows.filter(pl.col("share") == 0).filter(pl.col("arm") == "old")).srm_p)


def test_a_change_of_share_makes_no_difference_of_its_own():
    """At 0.25: old 10, 10, 12, 12 (three times), new 10, 12, 11, 11: difference 0. At 0.5: old 1, 3, new 2, 4, twice
    each: difference 1. Pooled, the new arm's mean is (44 + 12) / 8 = 7 and the old one's (132 + 8) / 16 = 8.75: the new
    arm seems worse, for its users came later. Weights: 16 * 3/16 = 3 and 8 * 1/4 = 2, so 2/5 * 1 = 0.4."""
    old, new = [10, 10, 12, 12] * 3 + [1, 3] * 2, [10, 12, 11, 11] + [2, 4] * 2
    share = [0.25] * 12 + [0.5] * 4 + [0.25] * 4 + [0.5] * 4
    (x,) = experiment(arms(old, new, share=share)).metrics
    assert x.n == (16, 8)
    assert x.difference == pytest.approx(0.4)
    assert x.mean == pytest.approx((0.6 * 11 + 0.4 * 2, 0.6 * 11 + 0.4 * 3))
    # Variances: 12/11 of 12 and 2/3 of 4; 4/3 of 4 and 4/3 of 4.
    parts = [0.36 * (12 / 11) / 12, 0.36 * (2 / 3) / 4, 0.16 * (4 / 3) / 4, 0.16 * (4 / 3) / 4]
    freedom = sum(parts) ** 2 / sum(part**2 / n for part, n in zip(parts, (11, 3, 3, 3), strict=True))
    half = stats.t.ppf(0.975, freedom) * math.sqrt(sum(parts))
    assert x.interval == pytest.approx((0.4 - half, 0.4 + half))
    # Least squares with a constant for each share says the same, where arms are split as they were meant to be.
    later = [one == 0.5 for one in share]
    design = np.column_stack([np.ones(24), later, [0] * 16 + [1] * 8]).astype(float)
    assert np.linalg.lstsq(design, np.array(old + new, float))[0][2] == pytest.approx(0.4)


def test_intervals_hold_while_the_share_rises():
    """200 runs: the interval misses 0.2 about 10 times. Pooled, the difference would be 0.2 + 5 (800/1160 - 800/840),
    which is -1.1, and the better arm the worse."""
    found = [experiment(ramped(seed, effect=0.2)) for seed in range(200)]
    missed = sum(not one.metrics[0].interval[0] <= 0.2 <= one.metrics[0].interval[1] for one in found)
    assert missed <= 20
    assert sum(one.srm_p < 0.001 for one in found) <= 3
    pooled = [experiment(ramped(seed, effect=0.2).drop("share")).metrics[0].difference for seed in range(10)]
    assert max(pooled) < -0.5


def test_users_at_a_share_that_compares_nothing_are_left_out():
    """Two users at a share of 1, two at 0.5 of which one is new, four at 0.4."""
    rows = arms([1, 2, 3], [1, 2, 8, 9, 7], share=[0.5, 0.4, 0.4, 0.5, 0.4, 1, 1, 0.4])
    found = experiment(rows)
    assert found.metrics[0].n == (2, 2)
    assert found.metrics[0].difference == pytest.approx(4.5 - 2.5)
    assert "x: 4 users came at a share at which an arm has fewer than two; left out" in found.notices


def test_missing_values_are_counted_and_left_out():
    rows = pl.DataFrame(
        {"user": list("abcdef"), "arm": ["old", "new"] * 3, "kept": [True, None, False, True, True, True]}
    )
    (kept,) = experiment(rows).metrics
    assert (kept.n, kept.missing, kept.mean) == ((3, 2), (0, 1), (pytest.approx(2 / 3), 1.0))
    spend = arms([math.nan, 2.0], [1.0, math.inf])
    (found,) = experiment(spend).metrics
    assert (found.n, found.missing) == ((0, 0), (1, 1))
    assert all(map(math.isnan, (*found.mean, found.difference, *found.interval, found.p)))


def test_arms_that_differ_in_what_is_missing():
    """Of 100 users each, 10 old ones and 40 new ones have no value."""
    rows = arms([None] * 10 + [1.0, 2.0] * 45, [None] * 40 + [1.0, 2.0] * 30)
    (notice,) = [one for one in experiment(rows).notices if "differ in how many" in one]
    p = stats.chi2_contingency([[10, 90], [40, 60]]).pvalue
    assert notice.startswith(f"x: the arms differ in how many have no value (p = {p:.1g})")


def test_what_cannot_be_said_is_not():
    one_arm = experiment(pl.DataFrame({"user": ["a", "b"], "arm": ["old", "old"], "kept": [1, 0]}))
    assert math.isnan(one_arm.metrics[0].difference)
    assert "no user in the new arm: nothing can be compared" in one_arm.notices
    same = experiment(arms([1, 1], [1, 1]))
    assert math.isnan(same.metrics[0].p)
    assert same.metrics[0].difference == 0
    nobody = experiment(pl.DataFrame(schema={"user": pl.String, "arm": pl.String, "x": pl.Float64}))
    assert math.isnan(nobody.srm_p)
    assert (nobody.users, nobody.metrics[0].n) == ((0, 0), (0, 0))


def test_rounding_is_no_spread():
    """A third of 0.3 apart and every user alike: no p can be made of what binary numbers leave over."""
    (x,) = experiment(arms([0.1] * 30, [0.1 + 0.2] * 30)).metrics
    assert math.isnan(x.p)
    before = np.linspace(0, 1, 40)
    rows = arms(list(before[::2] * 3), list(before[1::2] * 3), before_x=[*before[::2], *before[1::2]])
    (x,) = experiment(rows).metrics
    assert x.explained == pytest.approx(1.0)
    assert math.isnan(x.adjusted_p), "what came before explains all of it"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"user": ["a"], "arm": ["blue"]}, "arm 'blue' is neither 'old' nor 'new'"),
        ({"user": ["a"]}, "no column 'arm'"),
        ({"user": ["a"], "arm": [None]}, "arm 'None'"),
        ({"user": ["a"], "arm": ["old"], "share": [5.0]}, r"share 5 is not in 0\.\.1"),
        ({"user": ["a"], "arm": ["old"], "share": [math.nan]}, r"share nan is not in 0\.\.1"),
        ({"user": ["a"], "arm": ["old"], "at": ["last week"]}, "at 'last week' is not a time"),
    ],
)
def test_wrong_exposures(rows, said):
    with pytest.raises(InputError, match=said):
        experiment(pl.DataFrame(rows, schema_overrides={"arm": pl.String}))


def test_nobody_is_no_user():
    rows = pl.DataFrame({"user": ["a", None, None, " ", "b"], "arm": ["old", "new", "old", "new", "new"]})
    found = experiment(rows)
    assert (found.users, found.crossed) == ((1, 1), 0)
    assert "3 exposures name no user and are left out" in found.notices


def test_the_first_exposure_is_the_earliest():
    """By time and not by letters: half past nine in Berlin comes before nine in London."""
    rows = pl.DataFrame({
        "user": ["a", "a"], "arm": ["new", "old"], "at": ["2026-12-01T09:00:00+00:00", "2026-12-01T09:30:00+01:00"],
        "share": [0.5, 0.05],
    })  # fmt: skip
    found = experiment(rows)
    assert (found.users, found.moved, found.expected) == ((1, 0), (1, 0), 0.05)


def test_cuped_narrows_the_interval_by_what_was_known_before():
    """Before and after share 4 parts of variance in 5: the interval shrinks to about sqrt(1/5) = 0.45 of its width."""
    (spend,) = experiment(simulated(1, 20_000, effect=0.1)).metrics
    width, adjusted = (end[1] - end[0] for end in (spend.interval, spend.adjusted_interval))
    assert spend.explained == pytest.approx(0.8, abs=0.02)
    assert adjusted / width == pytest.approx(math.sqrt(1 - spend.explained), rel=0.001)
    assert spend.before_p > 0.001


def test_cuped_by_hand():
    """Before: old 1, 2, 3, new 2, 3, 4. After: old 1, 3, 5, new 4, 5, 9. Within the arms: variances before 1 and 1,
    covariances 2 and 2.5; theta = (2/3 + 2.5/3) / (1/3 + 1/3) = 2.25. The difference 6 - 3 less 2.25 * (3 - 2) = 0.75.
    Variances after 4 and 7: explained 1.5^2 / ((2/3) * (11/3)) = 81/88."""
    (x,) = experiment(arms([1, 3, 5], [4, 5, 9], before_x=[1, 2, 3, 2, 3, 4])).metrics
    assert (x.difference, x.adjusted) == (3.0, pytest.approx(0.75))
    assert x.explained == pytest.approx(81 / 88)
    old, new = np.array([1, 3, 5]) - 2.25 * np.array([1, 2, 3]), np.array([4, 5, 9]) - 2.25 * np.array([2, 3, 4])
    want = stats.ttest_ind(new, old, equal_var=False)
    assert x.adjusted_p == pytest.approx(want.pvalue)
    assert x.adjusted_interval == pytest.approx(tuple(want.confidence_interval(0.95)))


@pytest.mark.parametrize("seed", range(10))
def test_no_theta_does_better(seed):
    """With arms of 5 and 95 in 100, in which before tells another thing of after, and half of the users without it."""
    draw = np.random.default_rng(seed)
    new = draw.random(3_000) < 0.05
    before = draw.normal(0, 1, 3_000)
    value = np.where(new, -2 * before, before) + draw.normal(0, 1, 3_000)
    told = np.where(draw.random(3_000) < 0.5, before, np.nan)
    frame = pl.DataFrame({"user": range(3_000), "arm": np.where(new, "new", "old"), "x": value, "before_x": told})
    (x,) = experiment(frame).metrics
    filled = np.where(np.isnan(told), np.nanmean(told), told)

    def variance(theta):
        left = value - theta * filled
        return left[new].var(ddof=1) / new.sum() + left[~new].var(ddof=1) / (~new).sum()

    least = min(variance(theta) for theta in np.linspace(-3, 3, 1_201))
    assert (1 - x.explained) * variance(0) == pytest.approx(least, rel=1e-4)


def test_an_uneven_start_is_told():
    rows = simulated(3).with_columns(before_spend=pl.col("before_spend") + (pl.col("arm") == "new") * 2)
    (notice,) = [one for one in experiment(rows).notices if "before the experiment began" in one]
    assert notice.startswith("spend: the arms differed before the experiment began")
    assert "before_y stands beside no metric 'y': not used" in experiment(arms([1], [2], before_y=[1, 2])).notices


def test_segments_are_adjusted_for_being_many():
    found = experiment(simulated(2, effect=1.0), segments=["country"])
    assert [one.segment for one in found.segments] == ["country = UK", "country = US"]
    assert found.q == pytest.approx(stats.false_discovery_control([one.adjusted_p for one in found.segments]))
    assert sum(sum(one.n) for one in found.segments) == 2_000


def test_segments_of_many_values():
    """60 shops of 2 users each, but for one of 3 and one user that is in none: the 50 with most users are shown."""
    shop = [f"s{at // 2:02d}" for at in range(120)] + ["s59", None]
    rows = pl.DataFrame({"user": range(122), "arm": ["old", "new"] * 61, "x": range(122), "shop": shop})
    found = experiment(rows, segments=["shop"])
    assert [one.segment for one in found.segments] == [*(f"shop = s{at:02d}" for at in range(49)), "shop = s59"]
    assert "shop has 60 values; the 50 with most users are shown" in found.notices
    assert "shop is not known of 1 users; they are in no segment" in found.notices


def test_intervals_hold_as_often_as_they_say():
    """200 runs with an effect of 0.2: a 95 % interval misses it about 10 times; more than 20 would be 1 in 700."""
    found = [experiment(simulated(seed, effect=0.2)).metrics[0] for seed in range(200)]
    for ends in ("interval", "adjusted_interval"):
        missed = sum(not getattr(one, ends)[0] <= 0.2 <= getattr(one, ends)[1] for one in found)
        assert missed <= 20
    assert sum(not one.always[0] <= 0.2 <= one.always[1] for one in found) <= 1


def test_without_an_effect_few_alarms():
    """200 runs of the same against the same: about 10 have p < 0.05, and an uneven split almost never p < 0.001."""
    found = [experiment(simulated(seed)) for seed in range(1_000, 1_200)]
    assert sum(one.metrics[0].adjusted_p < 0.05 for one in found) <= 20
    assert sum(one.srm_p < 0.001 for one in found) <= 3


def welch(new, value, looks):
    """Difference, its standard error and Welch's degrees of freedom after so many users, each [looks]; from sums."""
    arms = []
    for arm in (~new, new):
        n, total, squares = (np.cumsum(arm * one)[looks - 1] for one in (1.0, value, value**2))
        arms.append((n, total / n, (squares - total**2 / n) / (n - 1) / n))
    (old_n, old_mean, old), (new_n, new_mean, change) = arms
    freedom = (old + change) ** 2 / (old**2 / (old_n - 1) + change**2 / (new_n - 1))
    return new_mean - old_mean, np.sqrt(old + change), freedom


def test_an_always_valid_interval_holds_while_one_looks():
    """Looked at every 100 users up to 3,000: it misses the difference in at most 5 of 100 runs; Welch's in more."""
    looks = np.arange(100, 3_001, 100)
    reaches = np.array([reach(n) for n in looks.tolist()])
    missed = naive = 0
    for seed in range(100):
        rows = simulated(seed, 3_000)
        difference, error, freedom = welch((rows["arm"] == "new").to_numpy(), rows["spend"].to_numpy(), looks)
        always, once = reaches * error, stats.t.ppf(0.975, freedom) * error
        missed += (np.abs(difference) > always).any()
        naive += (np.abs(difference) > once).any()
        for at in (0, 14, 29) if seed == 0 else ():
            said = experiment(rows.head(int(looks[at])).drop("before_spend")).metrics[0]
            assert said.always == pytest.approx((difference[at] - always[at], difference[at] + always[at]))
            assert said.interval == pytest.approx((difference[at] - once[at], difference[at] + once[at]))
    assert missed <= 5 < naive


def test_an_always_valid_interval_is_tightest_where_planned():
    """Of all plans, the one for 10,000 users reaches least far there."""
    reaches = {plan: reach(10_000, plan=plan) for plan in (5_000, 9_000, 10_000, 11_000, 20_000)}
    assert min(reaches, key=reaches.get) == 10_000
    assert reach(10_000, 0.99) > reach(10_000, 0.95) > stats.norm.ppf(0.975)


def test_a_split_is_held_against_no_share_that_nobody_named():
    """A tenth in the new arm is no mismatch unless half was meant: without a word of what was meant there is no p."""
    rows = pl.DataFrame({"user": range(1_000), "arm": ["old"] * 900 + ["new"] * 100, "kept": [1.0, 0.0] * 500})
    found = experiment(rows)
    assert math.isnan(found.srm_p)
    assert math.isnan(found.expected)
    assert found.splits == ()
    assert "nothing can be said of the split" in found.notices[0]
    assert experiment(rows, expected=0.1).srm_p == pytest.approx(1.0)
    assert found.metrics[0].difference == experiment(rows, expected=0.1).metrics[0].difference
