"""Statistics of an experiment: against scipy's own values, against counts by hand, and over many simulated ones."""

import math

import numpy as np
import polars as pl
import pytest

from tierbreak.compare.experiment import always_valid, as_dict, experiment
from tierbreak.errors import InputError

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


def test_by_hand():
    """Old: 1, 2, 3, 4, mean 2.5, variance 5/3. New: 3, 5, 7, mean 5, variance 4. Standard error: sqrt(5/12 + 4/3)."""
    rows = pl.DataFrame({
        "user": [*"abcdefg", "a"], "arm": ["old"] * 4 + ["new"] * 3 + ["new"],
        "at": [1, 1, 1, 1, 1, 1, 1, 2], "items": [1, 2, 3, 4, 3, 5, 7, 100],
    })  # fmt: skip
    found = experiment(rows)
    assert (found.users, found.crossed) == ((4, 3), 1)
    assert found.srm_p == pytest.approx(stats.chisquare([4, 3], [3.5, 3.5]).pvalue)
    (items,) = found.metrics
    assert (items.metric, items.n, items.mean, items.difference) == ("items", (4, 3), (2.5, 5.0), 2.5)
    want = stats.ttest_ind([3, 5, 7], [1, 2, 3, 4], equal_var=False)
    assert items.p == pytest.approx(want.pvalue)
    assert items.interval == pytest.approx(tuple(want.confidence_interval(0.95)))
    half = stats.t.ppf(0.975, want.df) * math.sqrt(5 / 12 + 4 / 3)
    assert items.interval == pytest.approx((2.5 - half, 2.5 + half))
    assert items.adjusted is None
    assert found.notices == ("1 users were seen in both arms; each counts for the first",)


def test_missing_values_are_counted_and_left_out():
    rows = pl.DataFrame(
        {"user": list("abcdef"), "arm": ["old", "new"] * 3, "kept": [True, None, False, True, True, True]}
    )
    (kept,) = experiment(rows).metrics
    assert (kept.n, kept.missing, kept.mean) == ((3, 2), (0, 1), (pytest.approx(2 / 3), 1.0))
    spend = pl.DataFrame({"user": list("abcd"), "arm": ["old", "new"] * 2, "spend": [math.nan, 1.0, 2.0, math.inf]})
    (found,) = experiment(spend).metrics
    assert (found.n, found.missing) == ((1, 1), (1, 1))
    assert all(map(math.isnan, (*found.interval, found.p)))


def test_what_cannot_be_said_is_not():
    one_arm = experiment(pl.DataFrame({"user": ["a", "b"], "arm": ["old", "old"], "kept": [1, 0]}))
    assert math.isnan(one_arm.srm_p)
    assert math.isnan(one_arm.metrics[0].difference)
    assert "no user in the new arm" in one_arm.notices[0]
    assert as_dict(one_arm)["srm_p"] is None
    same = experiment(pl.DataFrame({"user": list("abcd"), "arm": ["old", "new"] * 2, "kept": [1, 1, 1, 1]}))
    assert math.isnan(same.metrics[0].p)
    assert same.metrics[0].difference == 0


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"user": ["a"], "arm": ["blue"]}, "arm 'blue' is neither 'old' nor 'new'"),
        ({"user": ["a"]}, "no column 'arm'"),
        ({"user": ["a"], "arm": [None]}, "arm 'None'"),
    ],
)
def test_wrong_exposures(rows, said):
    with pytest.raises(InputError, match=said):
        experiment(pl.DataFrame(rows, schema_overrides={"arm": pl.String}))


def test_cuped_narrows_the_interval_by_what_was_known_before():
    """Before and after share 4 parts of variance in 5: the interval shrinks to about sqrt(1/5) = 0.45 of its width."""
    (spend,) = experiment(simulated(1, 20_000, effect=0.1)).metrics
    width, adjusted = (end[1] - end[0] for end in (spend.interval, spend.adjusted_interval))
    assert spend.explained == pytest.approx(0.8, abs=0.02)
    assert adjusted / width == pytest.approx(math.sqrt(1 - spend.explained), rel=0.02)


def test_segments_are_adjusted_for_being_many():
    found = experiment(simulated(2, effect=1.0), segments=["country"])
    assert [one.segment for one in found.segments] == ["country = UK", "country = US"]
    assert found.q == pytest.approx(stats.false_discovery_control([one.adjusted_p for one in found.segments]))
    assert sum(sum(one.n) for one in found.segments) == 2_000


def test_intervals_hold_as_often_as_they_say():
    """200 runs with an effect of 0.2: a 95 % interval misses it about 10 times; more than 20 would be 1 in 700."""
    found = [experiment(simulated(seed, effect=0.2)).metrics[0] for seed in range(200)]
    for ends in ("interval", "adjusted_interval"):
        missed = sum(not getattr(one, ends)[0] <= 0.2 <= getattr(one, ends)[1] for one in found)
        assert missed <= 20
    assert all(one.always[0] <= 0.2 <= one.always[1] for one in found)


def test_without_an_effect_few_alarms():
    """200 runs of the same against the same: about 10 have p < 0.05, and an uneven split almost never p < 0.001."""
    found = [experiment(simulated(seed)) for seed in range(1_000, 1_200)]
    assert sum(one.metrics[0].adjusted_p < 0.05 for one in found) <= 20
    assert sum(one.srm_p < 0.001 for one in found) <= 3


def test_an_always_valid_interval_holds_while_one_looks():
    """Looked at every 100 users up to 3,000: a sequence misses the mean in at most 5 of 100 runs; a t-interval would in
    many more."""
    missed = naive = 0
    for seed in range(100):
        values = np.random.default_rng(seed).normal(0, 1, 3_000)
        looks = [values[:n] for n in range(100, 3_001, 100)]
        missed += any(not low <= 0 <= high for low, high in map(always_valid, looks))
        naive += any(abs(v.mean()) > 1.96 * v.std(ddof=1) / math.sqrt(len(v)) for v in looks)
    assert missed <= 5 < naive


def test_a_lopsided_split_is_found():
    rows = pl.DataFrame({"user": range(1_000), "arm": ["new"] * 600 + ["old"] * 400})
    assert experiment(rows).srm_p < 1e-9
    assert experiment(rows, expected=0.6).srm_p == pytest.approx(1.0)
