"""Users of simulated traffic: whose each row is, on which day, and an experiment among them whose effect is known.

Few users make most of the transactions. What a user is like hangs on the seed alone, not on the traffic; how much one
buys tells nothing of whether one stays.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.tables import schema
from tierbreak.errors import SettingsError
from tierbreak.tools.models.simulate.draw import Draw

Floats = npt.NDArray[np.float64]

#: One row a user. `at` is when the user was given the arm, `share` the share of the new arm then; `before_retained` the
#: share of WEEKS before in which the user was there, `retained` whether the user still is at the end.
EXPOSURES = schema(
    user=pl.String, arm=pl.String, at=pl.Datetime("us", "UTC"), share=pl.Float64, platform=pl.String,
    before_retained=pl.Float64, retained=pl.Boolean,
)  # fmt: skip

#: Weeks before the experiment in which it was noted whether a user was there.
WEEKS = 8

#: Standard deviation of the logarithm of how much users buy: the busiest tenth makes four rows in ten.
_SPREAD = 1.0

#: How much is bought on each day of the week, Monday first.
_DAYS = (0.9, 0.9, 0.95, 1.0, 1.2, 1.2, 0.85)

_PLATFORMS = {"android": 0.45, "ios": 0.4, "web": 0.15}

#: Streams of draws of one seed; those of a chunk of rows have the chunk behind it.
_ARE, _DO = 7, 8


class Assigns(Protocol):
    """What gives users an arm: a Ramp."""

    def arm(self, user: str, *, at: dt.datetime | None = None) -> str:
        """`old` or `new`."""

    def share(self, at: dt.datetime | None = None) -> float:
        """0..1, the share of users that has the new arm at a moment."""


@dataclass(frozen=True)
class Users:
    """N users over a window of days.

    count   of users, > 0
    seed    equal seeds give equal users
    first   the first day of the window
    days    how long it is, > 0

    >>> users = Users(1_000, seed=1)
    >>> rows = users.of(pl.DataFrame({"descriptor": ["NETFLIX.COM"] * 10_000}), chunk=0)
    >>> rows.columns, rows["user"].n_unique() > 900, rows["date"].n_unique()
    (['descriptor', 'user', 'date'], True, 61)
    """

    count: int
    seed: int = 0
    first: dt.date = dt.date(2026, 10, 1)
    days: int = 61

    def ids(self) -> pl.Series:
        """String [count]."""
        return pl.select(pl.format("user-{}", pl.int_range(self.count).cast(pl.String).str.zfill(6))).to_series()

    def activity(self) -> Floats:
        """float64 [count], how much each buys, relative to the others: log-normal."""
        return np.exp(_SPREAD * _normal(Draw(self.seed, _ARE, 0), self.count))

    def of(self, rows: pl.DataFrame, *, chunk: int) -> pl.DataFrame:
        """The rows with `user` and `date` behind them.

        chunk   which part of the traffic these rows are, from 0: each part has draws of its own
        """
        draw = Draw(self.seed, _DO, chunk)
        week = [_DAYS[(self.first + dt.timedelta(day)).weekday()] for day in range(self.days)]
        users = self.ids()[draw.weighted(rows.height, self.activity())]
        dates = pl.Series([self.first + dt.timedelta(day) for day in range(self.days)])
        return rows.with_columns(user=users, date=dates[draw.weighted(rows.height, week)])

    def exposures(self, ramp: Assigns, *, base: float = 0.6, effect: float = 0.0) -> pl.DataFrame:
        """EXPOSURES [count], in the order of the users.

        base     0..1, the share of users of the old arm that stays
        effect   what the new arm adds to that, for every user alike: the difference that an experiment is to find.
                 Where the ramp has begun before the window and has one step, arms differ in nothing else

        A user's own chance to stay is `base - s cos(pi u)` with u even in 0..1, and s as large as leaves room for the
        effect on both sides: its mean over users is `base`, its variance s^2 / 2. In each week before, the user was
        there with the same chance; so what was before tells of what comes, and most of the difference is still luck.

        Raises SettingsError where base, or base and effect together, leave 0..1.
        """
        room = min(base, 1 - base) - abs(effect)
        if not 0 <= base <= 1 or room < 0:
            raise SettingsError(f"retention {base:g} with an effect of {effect:+g} leaves no room in 0..1")
        draw = Draw(self.seed, _ARE, 1)
        chance = base - room * np.cos(np.pi * draw.shares(self.count))
        before = sum(draw.shares(self.count) < chance for _ in range(WEEKS)) / WEEKS
        # Most come early: the cube of an even draw lies in the first eighth of the window half of the time.
        seconds = draw.shares(self.count) ** 3 * self.days * 86_400
        start = dt.datetime.combine(self.first, dt.time(), dt.UTC)
        at = [start + dt.timedelta(seconds=int(one)) for one in seconds]
        ids = self.ids()
        arms = [ramp.arm(user, at=moment) for user, moment in zip(ids, at, strict=True)]
        new = np.array(arms) == "new"
        platforms = pl.Series(list(_PLATFORMS))[draw.weighted(self.count, list(_PLATFORMS.values()))]
        return pl.DataFrame({
            "user": ids, "arm": arms, "at": at, "share": [ramp.share(one) for one in at], "platform": platforms,
            "before_retained": before, "retained": draw.shares(self.count) < chance + effect * new,
        }, schema=EXPOSURES)  # fmt: skip


def _normal(draw: Draw, n: int) -> Floats:
    """float64 [n], standard normal. Source: Box and Muller 1958."""
    return np.sqrt(-2 * np.log1p(-draw.shares(n))) * np.cos(2 * np.pi * draw.shares(n))
