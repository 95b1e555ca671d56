"""Users of simulated traffic: the seed is all that matters, few buy most, and the effect that is put in is there."""

import datetime as dt
import math
import time

import numpy as np
import polars as pl
import pytest

from tierbreak import Ramp, SettingsError
from tierbreak.rollout.ramp import Step
from tierbreak.tools.models.simulate.users import EXPOSURES, WEEKS, Users

FIRST = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)

FIXED = [
    ("user-000000", "new", 0.875, True),
    ("user-000001", "old", 0.875, True),
    ("user-000002", "old", 0.875, True),
    ("user-000003", "new", 0.25, False),
]
ROWS = [
    ("user-000000", "2026-11-25"),
    ("user-000001", "2026-11-23"),
    ("user-000001", "2026-11-12"),
    ("user-000000", "2026-10-21"),
]


def halves(seed: int = 0) -> Ramp:
    return Ramp("simulated", str(seed), (Step(FIRST, 0.5),))


def test_the_same_seed_makes_the_same_users():
    rows = pl.DataFrame({"descriptor": ["A"] * 3_000})
    one, same, other = (Users(500, seed=seed) for seed in (1, 1, 2))
    assert one.of(rows, chunk=0).equals(same.of(rows, chunk=0))
    assert not one.of(rows, chunk=0).equals(other.of(rows, chunk=0))
    assert not one.of(rows, chunk=0).equals(one.of(rows, chunk=1))
    assert one.exposures(halves()).equals(same.exposures(halves()))
    assert not one.exposures(halves()).equals(other.exposures(halves()))


def test_users_are_fixed_for_ever():
    """Written down once: other figures of a recorded run would be of other users."""
    found = Users(4, seed=5).exposures(halves(5), effect=0.1)
    assert found.select("user", "arm", "before_retained", "retained").rows() == FIXED
    rows = Users(3, seed=5).of(pl.DataFrame({"descriptor": ["A"] * 4}), chunk=2)
    assert rows.select("user", pl.col("date").cast(pl.String)).rows() == ROWS


def test_few_users_buy_most():
    """Log-normal with deviation 1: the busiest tenth makes P(Z > 1.2816 - 1) = 0.389 of it, half of them 0.841."""
    activity = np.sort(Users(50_000, seed=3).activity())
    assert activity[-5_000:].sum() / activity.sum() == pytest.approx(0.389, abs=0.015)
    assert activity[-25_000:].sum() / activity.sum() == pytest.approx(0.841, abs=0.01)


def test_rows_follow_the_users_and_the_week():
    """Of 200,000 rows a user with a share p has 200,000 p, and each day of the week its share of 7."""
    users = Users(50, seed=4, first=dt.date(2026, 10, 5), days=28)  # four whole weeks from a Monday
    rows = users.of(pl.DataFrame({"descriptor": ["A"] * 200_000}), chunk=0)
    want = users.activity() / users.activity().sum()
    got = rows.group_by("user").len().sort("user")["len"].to_numpy() / 200_000
    assert got == pytest.approx(want, abs=4 * math.sqrt(want.max() / 200_000))
    day = rows.group_by(pl.col("date").dt.weekday()).len().sort("date")["len"] / 200_000 * 7
    assert day.to_list() == pytest.approx([0.9, 0.9, 0.95, 1.0, 1.2, 1.2, 0.85], abs=0.025)  # four standard errors
    assert (rows["date"].min(), rows["date"].max()) == (dt.date(2026, 10, 5), dt.date(2026, 11, 1))


def test_retention_and_the_effect_are_as_told():
    """200,000 users, 100,000 an arm: a share's standard error is at most 0.0016, a difference's 0.0022."""
    found = Users(200_000, seed=6).exposures(halves(), base=0.7, effect=0.05)
    assert found.schema == EXPOSURES
    means = dict(found.group_by("arm").agg(pl.col("retained").mean()).iter_rows())
    assert means["old"] == pytest.approx(0.7, abs=0.0064)
    assert means["new"] - means["old"] == pytest.approx(0.05, abs=0.0088)
    before = dict(found.group_by("arm").agg(pl.col("before_retained").mean()).iter_rows())
    assert before["old"] == pytest.approx(before["new"], abs=0.006)


def test_what_was_before_tells_as_much_as_the_docstring_says():
    """base 0.6, no effect: s = 0.4, variance of chances v = 0.08. Squared correlation with 8 weeks before:
    v^2 / (0.24 (v + (0.24 - v) / 8)) = 0.0064 / (0.24 * 0.1) = 0.2667."""
    found = Users(200_000, seed=7).exposures(halves())
    correlation = np.corrcoef(found["before_retained"], found["retained"].cast(pl.Float64))[0, 1]
    assert correlation**2 == pytest.approx(0.2667, abs=0.01)
    assert set(found["before_retained"] * WEEKS) <= set(range(9))


def test_arms_are_the_ramps_own():
    ramp = Ramp("engine", "x", (Step(FIRST, 0.1), Step(FIRST + dt.timedelta(days=10), 0.5)))
    found = Users(2_000, seed=8).exposures(ramp)
    assert set(found["share"]) == {0.1, 0.5}
    assert all(
        row["arm"] == ramp.arm(row["user"], at=row["at"]) and row["share"] == ramp.share(row["at"])
        for row in found.iter_rows(named=True)
    )
    assert found["at"].min() >= FIRST
    assert found["at"].max() < FIRST + dt.timedelta(days=61)


@pytest.mark.parametrize(("base", "effect"), [(0.95, 0.06), (0.1, -0.2), (1.2, 0.0)])
def test_an_effect_must_have_room(base, effect):
    with pytest.raises(SettingsError, match="no room"):
        Users(10).exposures(halves(), base=base, effect=effect)


def test_a_million_rows_take_seconds():
    start = time.perf_counter()
    users = Users(20_000)
    users.of(pl.DataFrame({"descriptor": pl.repeat("A", 1_000_000, eager=True)}), chunk=0)
    users.exposures(halves())
    assert time.perf_counter() - start < 10
