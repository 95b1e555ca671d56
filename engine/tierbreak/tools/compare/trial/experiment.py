"""What became of the users of each arm: the check that the split is sound, and differences with their intervals.

By intention to treat: a user counts for the arm of the first exposure, whatever came after. Where the share of the new
arm changed while the experiment ran, users are compared with those who came at the same share, and only then added up:
else the arms would differ in when their users came. Statistics of means, with scipy; without the extra `compare` the
functions say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.tools.compare.trial.arms import ARMS, BEFORE, Users
from tierbreak.tools.compare.trial.strata import Estimate, Strata, estimate, scipy

#: Most values of a segment that are read apart, those with most users.
MOST_VALUES = 50

#: Chances below which the split, or what is missing, is not to be put down to luck.
ALARM = 0.001

__all__ = ["ARMS", "BEFORE", "Difference", "Experiment", "Split", "experiment"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """How users were split while the new arm's share was meant to be `share`; `users` are old, new."""

    share: float
    users: tuple[int, int]
    p: float


@dataclass(frozen=True)
class Difference:
    """A metric in both arms, new less old; NaN where it cannot be said.

    segment       `column = value` where only a part of the users is looked at
    n             users of each arm that are compared
    missing       users of each arm that have no value: left out, and where arms differ in them, so does the rest
    mean          of each arm; where shares changed, over the same mix of shares in both
    difference    new less old
    interval      of the difference: Welch's, at the level of the experiment
    p             of Welch's t-test, two-sided
    adjusted      the difference after CUPED, None where there is nothing from before
    adjusted_interval, adjusted_p   likewise
    explained     0..1, the share of the variance that CUPED takes away
    before_p      of Welch's t-test of the metric before the experiment, where arms should not differ
    always        an interval that holds at every moment at once, for those who look every day: of the adjusted
                  difference where there is one
    """

    metric: str
    segment: str | None
    n: tuple[int, int]
    missing: tuple[int, int]
    mean: tuple[float, float]
    difference: float
    interval: tuple[float, float]
    p: float
    adjusted: float | None
    adjusted_interval: tuple[float, float] | None
    adjusted_p: float | None
    explained: float | None
    before_p: float | None
    always: tuple[float, float]


@dataclass(frozen=True)
class Experiment:
    """The whole.

    users       in each arm, by first exposure
    moved       users that were in the old arm first and in the new one later; the other way round
    expected    share of the new arm that was meant, over all users
    srm_p       sample ratio mismatch: chance of so uneven a split by luck alone, over all users and over those of each
                share; NaN without users, and where all of them came at a share of 0 or 1
    splits      the same at each share that was meant, lowest first, each for itself
    level       of the intervals, 0..1
    metrics     over all users, in the order of the columns
    segments    the same metrics in each segment; `q` has their Benjamini-Hochberg adjusted p
    q           one for each of `segments`
    notices     what a reader must know
    """

    users: tuple[int, int]
    moved: tuple[int, int]
    expected: float
    srm_p: float
    splits: tuple[Split, ...]
    level: float
    metrics: tuple[Difference, ...]
    segments: tuple[Difference, ...]
    q: tuple[float, ...]
    notices: tuple[str, ...]

    @property
    def crossed(self) -> int:
        """Users that were seen in both arms."""
        return sum(self.moved)


def experiment(
    exposures: pl.DataFrame,
    *,
    expected: float | None = None,
    segments: Sequence[str] = (),
    level: float = 0.95,
    name: str = "exposures",
) -> Experiment:
    """Read an experiment.

    exposures   one row an exposure: `user`, `arm` (old or new) and, if known, `at`, which orders a user's rows, and
                `share`, the share of the new arm at that moment; further columns of numbers or booleans are metrics,
                and those called `before_x` the metric x before it began
    expected    0..1, the share of the new arm that was meant where a row does not say; None: it is not known, and
                nothing is said of the split
    segments    columns by which metrics are read apart as well
    level       0..1, of the intervals

    Raises InputError where a column is missing, an arm is neither old nor new, a share is not in 0..1 or `at` is no
    time; SettingsError without scipy.
    """
    scipy()
    users = Users.of(exposures, segments, expected, name)
    rows, new, share, metrics = users.rows, users.new, users.share, users.metrics
    splits = tuple(
        Split(float(one), _split(new[share == one]), _srm(new[share == one], share[share == one]))
        for one in np.unique(share)
    )
    if expected is None and ("share" not in exposures.columns or exposures["share"].null_count()):
        splits = ()  # no split can be held against a share that nobody has named
    whole = tuple(_difference(rows, new, share, metric, None, level) for metric in metrics)
    parts: list[Difference] = []
    notices = [*users.notices, *_alarms(new, share, whole)]
    for segment in segments:
        counted = (
            rows.group_by(pl.col(segment).alias("value"))
            .len()
            .drop_nulls()
            .sort("len", "value", descending=[True, False])
        )
        if counted.height > MOST_VALUES:
            notices.append(f"{segment} has {counted.height:,} values; the {MOST_VALUES} with most users are shown")
        if unknown := rows[segment].null_count():
            notices.append(f"{segment} is not known of {unknown:,} users; they are in no segment")
        for value in sorted(counted["value"].head(MOST_VALUES)):
            here = (rows[segment] == value).fill_null(False).to_numpy()
            label = f"{segment} = {value}"
            parts += [
                _difference(rows.filter(here), new[here], share[here], metric, label, level) for metric in metrics
            ]
    known = bool(splits) and len(share) > 0
    return Experiment(
        _split(new), users.moved, float(share.mean()) if known else math.nan,
        _mismatch(_srm(new, share), splits) if known else math.nan, splits, level, whole, tuple(parts),
        _adjusted(parts), tuple(notices),
    )  # fmt: skip


def _split(new: npt.NDArray[np.bool_]) -> tuple[int, int]:
    return int((~new).sum()), int(new.sum())


def _srm(new: npt.NDArray[np.bool_], share: Floats) -> float:
    """Chi-square with one degree of freedom: the users in the new arm against what the shares of all come to.

    Each user is one draw with a chance of his own, so that the variance is the sum of share * (1 - share). With one
    share for all it is Pearson's statistic. Who stands where a share of 0 or 1 has no room for him was not assigned by
    it: that does not happen by luck.
    """
    if (new & (share == 0)).any() or (~new & (share == 1)).any():
        return 0.0
    variance = float((share * (1 - share)).sum())
    if variance == 0:
        return math.nan
    return float(scipy().chi2.sf((new.sum() - share.sum()) ** 2 / variance, 1))


def _mismatch(whole: float, splits: Sequence[Split]) -> float:
    """One chance for all: too many at one share and too few at another must not make up for each other.

    Where there are several shares it is Bonferroni's, of the whole and of the parts that are large enough for the
    chi-square: of whom five or more were meant for either arm (Cochran 1954, "Some Methods for Strengthening the Common
    chi-square Tests").
    """
    parts = [one.p for one in splits if sum(one.users) * min(one.share, 1 - one.share) >= 5]
    if len(splits) < 2 or not parts or math.isnan(whole):
        return whole
    return min(1.0, 2 * min(whole, len(parts) * min(parts)))


def _difference(
    rows: pl.DataFrame, new: npt.NDArray[np.bool_], share: Floats, metric: str, segment: str | None, level: float
) -> Difference:
    value = rows[metric].to_numpy()
    known = np.isfinite(value)
    strata = Strata.at(new, share, known)
    raw = estimate(strata, value, level)
    missing = _split(new[~known])
    before = f"{BEFORE}{metric}"
    if before not in rows.columns:
        return Difference(
            metric, segment, strata.users, missing, raw.mean, raw.difference, raw.interval, raw.p,
            None, None, None, None, None, raw.always,
        )  # fmt: skip
    earlier = rows[before].to_numpy()
    there = np.isfinite(earlier)
    before_p = estimate(Strata.at(new, share, there), earlier, level).p
    adjusted, explained = _cuped(strata, value, earlier, raw, level)
    return Difference(
        metric, segment, strata.users, missing, raw.mean, raw.difference, raw.interval, raw.p,
        adjusted.difference, adjusted.interval, adjusted.p, explained, before_p, adjusted.always,
    )  # fmt: skip


def _cuped(strata: Strata, value: Floats, earlier: Floats, raw: Estimate, level: float) -> tuple[Estimate, float]:
    """The estimate less what the metric before explains; a user without one from before has the mean of those with one.

    theta is the one that makes the variance of the difference least, so that the adjustment never widens an interval.
    Nobody's value before was changed by the arm, so filling in one number for all who have none moves no difference.

    Source: Deng, Xu, Kohavi and Walker 2013, "Improving the Sensitivity of Online Controlled Experiments by Utilizing
    Pre-Experiment Data", section 3.
    """
    there = np.isfinite(earlier) & strata.inside
    if not there.any() or math.isnan(raw.p):
        return raw, 0.0
    filled = np.where(np.isfinite(earlier), earlier, earlier[there].mean())
    of_before, shared = strata.variance(filled, filled), strata.variance(value, filled)
    if of_before <= (1e-12 * np.abs(filled[strata.inside]).max()) ** 2:
        return raw, 0.0
    theta = shared / of_before
    adjusted = estimate(strata, value - theta * (filled - filled[strata.inside].mean()), level)
    return adjusted, min(shared**2 / (of_before * strata.variance(value, value)), 1.0)


def _adjusted(parts: Sequence[Difference]) -> tuple[float, ...]:
    """Benjamini-Hochberg over all segments that have a p; NaN for the others."""
    p = np.array([one.adjusted_p if one.adjusted_p is not None else one.p for one in parts], dtype=np.float64)
    q = np.full(len(p), np.nan)
    known = np.isfinite(p)
    if known.any():
        q[known] = scipy().false_discovery_control(p[known])
    return tuple(q.tolist())


def _alarms(new: npt.NDArray[np.bool_], share: Floats, whole: Sequence[Difference]) -> list[str]:
    out = []
    old_count, new_count = _split(new)
    if len(new) and not min(old_count, new_count):
        out.append(f"no user in the {'old' if not old_count else 'new'} arm: nothing can be compared")
    if astray := int((new & (share == 0)).sum() + (~new & (share == 1)).sum()):
        out.append(f"users in an arm that had a share of 0 at that moment: {astray:,}; the split is not the ramp's")
    if not whole:
        out.append("no column of numbers beside user and arm: no metric to compare")
    for one in whole:
        old_missing, new_missing = one.missing
        if sum(one.missing):
            out.append(f"{one.metric}: no value for {old_missing:,} old and {new_missing:,} new users; left out")
            table = [[old_missing, old_count - old_missing], [new_missing, new_count - new_missing]]
            if np.sum(table, axis=0).all() and np.sum(table, axis=1).all():
                p = float(scipy().chi2_contingency(table).pvalue)
                if p < ALARM:
                    out.append(f"{one.metric}: the arms differ in how many have no value (p = {p:.1g}); those who "
                               "have one are no longer alike")  # fmt: skip
        if apart := old_count + new_count - sum(one.missing) - sum(one.n):
            out.append(f"{one.metric}: {apart:,} users came at a share at which an arm has fewer than two; left out")
        if one.before_p is not None and one.before_p < ALARM:
            out.append(f"{one.metric}: the arms differed before the experiment began (p = {one.before_p:.1g}); the "
                       "split is not by chance")  # fmt: skip
    return out
