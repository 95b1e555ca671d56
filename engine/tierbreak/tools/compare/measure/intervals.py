"""Intervals and tests over many groups at once, pure: arrays in, arrays out. Randomness from a seed that is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tierbreak.errors import SettingsError
from tierbreak.tools.models.evaluation.figures import Share
from tierbreak.tools.models.evaluation.statistics import Bools, Floats, Ints, interval, resamples

Array = npt.NDArray[np.float64]


def wilson(right: npt.ArrayLike, trials: npt.ArrayLike, level: float = 0.95) -> tuple[Array, Array]:
    """Score interval of each share: it stays between 0 and 1, and says something of few trials.

    right    [n], 0 .. trials; need not be whole numbers
    trials   [n], 0 or more; NaN comes of 0, of which there is no share to speak of
    level    0..1
    returns  lower ends and upper ends, float64 [n]

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    >>> low, high = wilson([81, 0], [263, 10])
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.2553, 0.0], [0.3662, 0.2775])
    """
    hits, n = np.asarray(right, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = divided(hits, n)
    squared = divided(np.full_like(n, z**2), n)
    middle = (share + squared / 2) / (1 + squared)
    half = np.sqrt(share * (1 - share) * squared + squared**2 / 4) / (1 + squared)
    # At the ends the formula is exact, and binary fractions are not.
    low = np.where(hits == 0, np.where(n > 0, 0.0, np.nan), np.maximum(middle - half, 0.0))
    high = np.where(hits == n, np.where(n > 0, 1.0, np.nan), np.minimum(middle + half, 1.0))
    return low, high


def two_sided(one: npt.ArrayLike, other: npt.ArrayLike) -> Array:
    """Exact two-sided binomial test of each pair of counts: would a fair coin fall so unevenly?

    one, other   int [n]
    returns      float64 [n], min(1, 2 P(X <= least)) for X of one + other fair coins: McNemar's exact test; NaN of 0, 0

    >>> two_sided([0, 5, 3], [6, 1, 3]).tolist()
    [0.03125, 0.21875, 1.0]
    """
    a, b = np.asarray(one), np.asarray(other)
    p = np.minimum(2 * scipy_stats().binom.cdf(np.minimum(a, b), a + b, 0.5), 1.0)
    return np.where(a + b > 0, p, np.nan)


def false_discovery(p: Array) -> Array:
    """Benjamini and Hochberg's q of each p: flag those below 0.05 and 5 % of the flags are false, on average.

    p        [n], NaN where there is no test: it counts as none
    returns  [n], NaN where p is

    Source: Benjamini and Hochberg 1995, "Controlling the False Discovery Rate".

    >>> false_discovery(np.array([0.01, np.nan, 0.04])).tolist()
    [0.02, nan, 0.04]
    """
    q = np.full(len(p), np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = scipy_stats().false_discovery_control(p[tested])
    return q


def divided(part: Floats, whole: Floats) -> Array:
    """NaN where there is nothing to divide by."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)


def scipy_stats() -> Any:
    """scipy.stats; raises SettingsError without the extra `compare`."""
    try:
        from scipy import stats
    except ImportError:
        raise SettingsError("the figures of a comparison need scipy: pip install 'tierbreak[compare]'") from None
    return stats


class Ratio(NamedTuple):
    """A share of rows: what counts, and of what, one value a row, [n]."""

    part: Bools | Floats
    whole: Bools | Floats


class Drawn(NamedTuple):
    """A share, what it is in each resample, [draws], and how many equal clusters it is worth.

    Without rows there are no draws, and it is worth 0.
    """

    share: Share
    draws: Array
    worth: float


Drawing = Mapping[str, Drawn]


def drawn(
    ratios: Mapping[str, Ratio],
    macros: Mapping[str, Bools],
    cluster: Ints,
    group: Ints,
    *,
    draws: int,
    seed: int,
) -> Drawing:
    """Shares with 95 % intervals, all from the same resamples of whole clusters, so that two can be subtracted.

    ratios    by name
    macros    by name, bool [n]: what counts; the share of each group, averaged over the groups
    cluster   int [n], any numbers: rows that have one stand or fall together
    group     int [n], of `macros`; -1 is in no group

    A share of 0 or 1 is the same in every resample, and one of few rows nearly so, which says nothing of how sure it
    is: the interval is never narrower than Wilson's, of as many trials as the clusters are worth (Kish's effective
    size). A macro share in a resample is the mean over the groups that are in it. Groups of few clusters are missing
    from many, so that it lies off by what these differ by: all resamples are moved together, until their mean is the
    share itself.

    Source: Efron and Tibshirani 1993, the bias of a bootstrap in chapter 10; Kish 1965, "Survey Sampling".
    """
    if not len(cluster):
        nothing = Drawn(Share(math.nan, math.nan, math.nan, 0.0, 0.0), np.empty(0), 0.0)
        return dict.fromkeys((*ratios, *macros), nothing)
    _, at = np.unique(cluster, return_inverse=True)
    clusters = int(at.max()) + 1
    parts, wholes = (
        np.stack([_sums(at, ratio[which], clusters) for ratio in ratios.values()], axis=1) for which in (0, 1)
    )
    cells = _Cells.of(at, group, macros)
    shares, means = [], []
    for times in resamples(np.arange(clusters), draws, seed):
        counted = times.astype(np.float64)
        shares.append(divided(counted @ parts, counted @ wholes))
        means.append(cells.means(counted))
    once = cells.means(np.ones((1, clusters)))[0]
    macro = np.concatenate(means)
    known = ~np.isnan(macro)
    middle = divided(np.where(known, macro, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))
    macro = np.clip(macro + (once - middle), 0.0, 1.0)
    by_row = np.concatenate([np.concatenate(shares), macro], axis=1)
    values = [*zip(parts.sum(axis=0), wholes.sum(axis=0), _worth(wholes), strict=True)]
    groups, worth = float(len(cells.starts)), float(_worth(cells.weight(clusters)[:, None])[0])
    values += [(mean * groups, groups, worth) for mean in once]
    return {
        name: Drawn(_share(float(part), float(whole), float(size), column), column, float(size))
        for name, (part, whole, size), column in zip((*ratios, *macros), values, by_row.T, strict=True)
    }


def difference(new: Drawn, old: Drawn) -> tuple[float, float, float]:
    """New less old with its 95 % interval; NaN where either has no rows.

    Where few rows make the difference, resamples say too little of how sure it is, and where none does nothing. So many
    clusters without such a row leave room for a share of up to Wilson's upper end: the interval is never narrower than
    that much to both sides, or twice as much, of each side its own, where every resample says the same difference.
    """
    value, gap = new.share.value - old.share.value, new.draws - old.draws
    known = gap[~np.isnan(gap)]
    if math.isnan(value) or not len(known):
        return value, math.nan, math.nan
    varies = bool(np.ptp(known) > 1e-12)
    room = float(wilson(0, min(new.worth, old.worth))[1]) * (1 if varies or abs(value) < 1e-12 else 2)
    low, high = interval(gap) if varies else (value, value)
    return value, max(min(low, value - room), -1.0), min(max(high, value + room), 1.0)


def _sums(at: Ints, values: Bools | Floats, size: int) -> Array:
    """The sum of the values at each place, 0 ..< size."""
    return np.bincount(at, weights=np.asarray(values, np.float64), minlength=size).astype(np.float64)


def _worth(wholes: Array) -> Array:
    """How many equal clusters each column is worth: (sum w)^2 / sum w^2."""
    return divided(wholes.sum(axis=0) ** 2, (wholes**2).sum(axis=0))


def _share(part: float, whole: float, worth: float, draws: Array) -> Share:
    value = part / whole if whole else math.nan
    if not whole:
        return Share(value, math.nan, math.nan, part, whole)
    low, high = (float(end) for end in wilson(worth * value, worth))
    if 0 < part < whole:
        drawn_low, drawn_high = interval(draws)
        low, high = min(low, drawn_low), max(high, drawn_high)
    return Share(value, low, high, part, whole)


class _Cells(NamedTuple):
    """Rows that have one group and one cluster, taken together, by group.

    cluster   int [c]
    rows      float64 [c]
    hits      float64 [c], of each macro share
    starts    int [groups], where each group begins
    """

    cluster: Ints
    rows: Array
    hits: tuple[Array, ...]
    starts: Ints

    @classmethod
    def of(cls, cluster: Ints, group: Ints, macros: Mapping[str, Bools]) -> _Cells:
        inside = group >= 0
        pairs = np.stack([group[inside].astype(np.int64), cluster[inside].astype(np.int64)])
        cells, at = np.unique(pairs, axis=1, return_inverse=True)
        flat = at.ravel()
        size = cells.shape[1]
        hits = tuple(_sums(flat, flags[inside], size) for flags in macros.values())
        starts = np.flatnonzero(np.diff(cells[0], prepend=-1))
        return cls(cells[1], np.bincount(flat, minlength=size).astype(np.float64), hits, starts)

    def means(self, times: Array) -> Array:
        """float64 [draws, macros], of float64 [draws, clusters]: how often each cluster is in a draw."""
        if not len(self.starts):
            return np.full((len(times), len(self.hits)), np.nan)
        counted = times[:, self.cluster]
        wholes = np.add.reduceat(counted * self.rows, self.starts, axis=1)
        there = (wholes > 0).sum(axis=1)
        out = []
        for hits in self.hits:
            part = np.add.reduceat(counted * hits, self.starts, axis=1)
            inside = np.divide(part, wholes, out=np.zeros_like(part), where=wholes > 0)
            out.append(divided(inside.sum(axis=1), there))
        return np.stack(out, axis=1) if out else np.empty((len(times), 0))

    def weight(self, clusters: int) -> Array:
        """float64 [clusters]: what each weighs in a macro share."""
        if not len(self.starts):
            return np.zeros(clusters)
        sizes = np.diff(np.append(self.starts, len(self.rows)))
        whole = np.repeat(np.add.reduceat(self.rows, self.starts), sizes)
        return _sums(self.cluster, self.rows / whole, clusters)
