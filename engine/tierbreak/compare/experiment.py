"""What became of the users of each arm: the check that the split is sound, and differences with their intervals.

By intention to treat: a user counts for the arm of the first exposure, whatever came after. Statistics of means, with
scipy; without the extra `compare` the functions say so.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.errors import InputError, SettingsError

ARMS = ("old", "new")

#: What a column of a metric before the experiment is called: `before_retained` stands beside `retained`.
BEFORE = "before_"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A metric in both arms, new less old; NaN where it cannot be said.

    n             users of each arm that have a value
    missing       users of each arm that have none; they are left out, and where arms differ in them, so does the rest
    mean          of each arm
    difference    new less old
    interval      of the difference: Welch's, at `level`
    p             of Welch's t-test, two-sided
    adjusted      the difference after CUPED, None where there is nothing from before
    adjusted_interval, adjusted_p   likewise
    explained     0..1, the share of the variance that CUPED takes away
    always        an interval that holds at every moment at once: for those who look every day
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
    always: tuple[float, float]


@dataclass(frozen=True)
class Experiment:
    """The whole.

    users       in each arm, by first exposure
    crossed     users that were seen in both arms
    expected    share of the new arm that was meant
    srm_p       sample ratio mismatch: chance of so uneven a split by luck alone; NaN where an arm is empty
    metrics     over all users, in the order of the columns
    segments    the same metrics in each segment; `q` has their Benjamini-Hochberg adjusted p
    q           one for each of `segments`
    notices     what a reader must know
    """

    users: tuple[int, int]
    crossed: int
    expected: float
    srm_p: float
    metrics: tuple[Difference, ...]
    segments: tuple[Difference, ...]
    q: tuple[float, ...]
    notices: tuple[str, ...]


def experiment(
    exposures: pl.DataFrame,
    *,
    expected: float | None = None,
    segments: Sequence[str] = (),
    level: float = 0.95,
    name: str = "exposures",
) -> Experiment:
    """Read an experiment.

    exposures   one row an exposure: `user`, `arm` (old or new) and, if known, `at`, which orders a user's rows; further
                columns of numbers or booleans are metrics, and those called `before_x` the metric x before it began
    expected    0..1, the share of the new arm that was meant; None: half
    segments    columns by which metrics are read apart as well
    level       0..1, of the intervals

    Raises InputError where a column is missing or an arm is neither old nor new.
    """
    stats = _scipy()
    wrong = [f"no column {column!r}" for column in ("user", "arm", *segments) if column not in exposures.columns]
    if wrong:
        raise InputError(f"{name}: {'; '.join(wrong)}; there are {', '.join(map(repr, exposures.columns))}")
    arms = exposures["arm"].cast(pl.String)
    if strange := sorted({str(arm) for arm in arms.unique()} - set(ARMS)):
        raise InputError(f"{name}: arm {strange[0]!r} is neither 'old' nor 'new'")
    ordered = exposures.sort("at", maintain_order=True, nulls_last=True) if "at" in exposures.columns else exposures
    crossed = int((exposures.group_by("user").agg(pl.col("arm").n_unique())["arm"] > 1).sum())
    first = ordered.unique("user", keep="first", maintain_order=True)
    new = (first["arm"].cast(pl.String) == "new").to_numpy()
    users = (int((~new).sum()), int(new.sum()))
    share = 0.5 if expected is None else expected
    srm = math.nan
    if min(users) and 0 < share < 1:
        total = sum(users)
        srm = float(stats.chisquare(users, [total * (1 - share), total * share]).pvalue)
    metrics = [
        column
        for column, kind in first.schema.items()
        if (kind.is_numeric() or kind == pl.Boolean)
        and column not in ("user", "at", "share", *segments)
        and not column.startswith(BEFORE)
    ]
    whole = tuple(_difference(stats, first, new, metric, None, level) for metric in metrics)
    parts: list[Difference] = []
    for segment in segments:
        for value in sorted({str(one) for one in first[segment].drop_nulls()}):
            here = (first[segment].cast(pl.String) == value).fill_null(False).to_numpy()
            label = f"{segment} = {value}"
            parts += [_difference(stats, first.filter(here), new[here], metric, label, level) for metric in metrics]
    notices = _notices(users, crossed, metrics, whole)
    return Experiment(users, crossed, share, srm, whole, tuple(parts), _adjusted(stats, parts), notices)


def always_valid(values: Floats, level: float = 0.95, plan: int = 10_000) -> tuple[float, float]:
    """A confidence sequence for a mean: an interval that may be looked at after every user and still holds.

    values   float64 [n], one a user in any order, finite
    plan     the number of users at which it is to be tightest

    Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, "Time-uniform central limit theory and asymptotic
    confidence sequences": the mean, more or less sd * sqrt((2 (n r + 1) / (n^2 r)) log(sqrt(n r + 1) / alpha)), with
    r = (-2 log alpha + log(-2 log alpha) + 1) / plan.

    >>> low, high = always_valid(np.array([0.0, 1.0] * 5_000))
    >>> round(low, 4), round(high, 4)
    (0.4848, 0.5152)
    """
    n, alpha = len(values), 1 - level
    if n < 2:
        return math.nan, math.nan
    r = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / plan
    width = math.sqrt(2 * (n * r + 1) / (n * n * r) * math.log(math.sqrt(n * r + 1) / alpha))
    half = float(values.std(ddof=1)) * width
    return float(values.mean()) - half, float(values.mean()) + half


def _difference(
    stats: Any, first: pl.DataFrame, new: npt.NDArray[np.bool_], metric: str, segment: str | None, level: float
) -> Difference:
    value = _numbers(first[metric])
    known = np.isfinite(value)
    old_values, new_values = value[known & ~new], value[known & new]
    n = (len(old_values), len(new_values))
    missing = (int((~known & ~new).sum()), int((~known & new).sum()))
    mean = tuple(float(one.mean()) if len(one) else math.nan for one in (old_values, new_values))
    low, high, p = _welch(stats, old_values, new_values, level)
    before = f"{BEFORE}{metric}"
    adjusted = adjusted_interval = adjusted_p = explained = None
    residual = value
    if before in first.columns:
        earlier = _numbers(first[before])
        residual, explained = _cuped(value, earlier, known)
        a, b = residual[known & ~new], residual[known & new]
        if len(a) and len(b):
            adjusted = float(b.mean() - a.mean())
        *ends, adjusted_p = _welch(stats, a, b, level)
        adjusted_interval = (ends[0], ends[1])
    return Difference(
        metric, segment, n, missing, (mean[0], mean[1]), mean[1] - mean[0], (low, high), p,
        adjusted, adjusted_interval, adjusted_p, explained, _always(residual[known], new[known], level),
    )  # fmt: skip


def _always(value: Floats, new: npt.NDArray[np.bool_], level: float) -> tuple[float, float]:
    """The confidence sequence of the difference: of each user's part in it, whose mean is the difference."""
    share = float(new.mean()) if len(new) else 0.0
    if not 0 < share < 1:
        return math.nan, math.nan
    # Centred in each arm, so that the parts hold the noise of the metric alone and not its level.
    means = value[new].mean(), value[~new].mean()
    part = np.where(new, (value - means[0]) / share, -(value - means[1]) / (1 - share)) + means[0] - means[1]
    return always_valid(part, level)


def _cuped(value: Floats, earlier: Floats, known: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    """The metric less what its value before explains; a user without one from before has the mean of those who do.

    Source: Deng, Xu, Kohavi and Walker 2013, "Improving the Sensitivity of Online Controlled Experiments by Utilizing
    Pre-Experiment Data".
    """
    there = np.isfinite(earlier) & known
    if there.sum() < 2 or earlier[there].std() == 0:
        return value, 0.0
    filled = np.where(np.isfinite(earlier), earlier, earlier[there].mean())
    spread = np.cov(value[known], filled[known])
    if spread[0, 0] == 0:
        return value, 0.0
    theta = spread[0, 1] / spread[1, 1]
    explained = float(spread[0, 1] ** 2 / (spread[0, 0] * spread[1, 1]))
    return value - theta * (filled - filled[known].mean()), explained


def _welch(stats: Any, old: Floats, new: Floats, level: float) -> tuple[float, float, float]:
    """Interval of the difference and p; NaN where an arm has fewer than two users, or nothing varies."""
    if len(old) < 2 or len(new) < 2 or (old.std() == 0 and new.std() == 0):
        return math.nan, math.nan, math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy warns of an arm in which all users are alike
        found = stats.ttest_ind(new, old, equal_var=False)
    ends = found.confidence_interval(level)
    return float(ends.low), float(ends.high), float(found.pvalue)


def _adjusted(stats: Any, parts: Sequence[Difference]) -> tuple[float, ...]:
    """Benjamini-Hochberg over all segments that have a p; NaN for the others."""
    p = np.array([one.adjusted_p if one.adjusted_p is not None else one.p for one in parts], dtype=np.float64)
    q = np.full(len(p), np.nan)
    known = np.isfinite(p)
    if known.any():
        q[known] = stats.false_discovery_control(p[known])
    return tuple(q.tolist())


def _notices(
    users: tuple[int, int], crossed: int, metrics: Sequence[str], whole: Sequence[Difference]
) -> tuple[str, ...]:
    out = []
    if not min(users):
        out.append(f"no user in the {ARMS[users.index(0)]} arm: nothing can be compared")
    if crossed:
        out.append(f"{crossed:,} users were seen in both arms; each counts for the first")
    if not metrics:
        out.append("no column of numbers beside user and arm: no metric to compare")
    for one in whole:
        if sum(one.missing):
            out.append(f"{one.metric}: no value for {one.missing[0]:,} old and {one.missing[1]:,} new users; left out")
    return tuple(out)


def _numbers(column: pl.Series) -> Floats:
    return column.cast(pl.Float64, strict=False).fill_null(math.nan).to_numpy().astype(np.float64)


def _scipy() -> Any:
    try:
        from scipy import stats
    except ImportError:
        raise SettingsError("the figures of an experiment need scipy: pip install 'tierbreak[compare]'") from None
    return stats


def as_dict(found: Experiment) -> Mapping[str, Any]:
    """For JSON; NaN becomes null."""

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, tuple | list):
            return [plain(one) for one in value]
        if isinstance(value, Difference):
            return {key: plain(one) for key, one in vars(value).items()}
        return value

    return {key: plain(value) for key, value in vars(found).items()}
