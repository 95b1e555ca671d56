"""The statistics of an evaluation, pure: arrays in, numbers out. No clock; randomness from a seed that is given.

Confidences that are equal are one point everywhere: no figure depends on the order of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

#: Precision is compared with this much grace: 0.07 * 100 is not 7 in binary.
_GRACE = 1e-9


class McNemar(NamedTuple):
    """Two-sided p-values of a paired comparison."""

    exact: float
    mid_p: float


def mcnemar(n01: int, n10: int) -> McNemar:
    """Exact McNemar test: where two sides differ, is either right more often than a coin would have it?

    n01, n10   trials in which only the one, or only the other, is right; where both agree nothing is learnt
    returns    the exact p-value, min(1, 2 P(X <= min(n01, n10))) for X of n01 + n10 fair coins, and the mid-p
               value, which is the exact one less P(X = min(n01, n10)) (half of it where both are equal)

    Source: Fagerland, Lydersen and Laake 2013, "The McNemar test for binary matched-pairs data: mid-p and asymptotic
    are better than exact conditional".

    Five trials of one kind and one of the other: (1 + 6) / 64 on each side.

    >>> mcnemar(5, 1)
    McNemar(exact=0.21875, mid_p=0.125)
    >>> mcnemar(2, 2), mcnemar(0, 0)
    (McNemar(exact=1.0, mid_p=0.8125), McNemar(exact=1.0, mid_p=1.0))
    """
    total, least = n01 + n10, min(n01, n10)
    if not total:
        return McNemar(1.0, 1.0)
    ways = tail = 1
    for k in range(1, least + 1):
        ways = ways * (total - k + 1) // k
        tail += ways
    both, point = 2**total, ways
    if n01 == n10:
        return McNemar(1.0, 1.0 - point / both / 2)
    return McNemar(2 * tail / both, (2 * tail - point) / both)


class Bin(NamedTuple):
    """Answers of like confidence: how many, how sure they were on average, which share of them was right."""

    rows: int
    confidence: float
    right: float


def equal_mass_bins(confidence: Floats, right: Bools, bins: int = 15) -> list[Bin]:
    """Answers in bins of as nearly equal size as equal confidences allow, the least confident first.

    confidence   float [n], 0..1
    right        bool [n]
    bins         > 0, the most bins there can be

    A bin's edge is moved up to where the confidence changes, so bins can be fewer.

    >>> equal_mass_bins(np.array([0.2, 0.9, 0.4, 0.9]), np.array([False, True, True, True]), bins=2)
    [Bin(rows=2, confidence=0.30..., right=0.5), Bin(rows=2, confidence=0.9, right=1.0)]
    """
    order = np.argsort(confidence, kind="stable")
    confidence, right = np.asarray(confidence, dtype=np.float64)[order], right[order]
    wanted = [len(confidence) * at // bins for at in range(1, bins + 1)]
    edges = np.unique([np.searchsorted(confidence, confidence[at - 1], side="right") for at in wanted if at > 0])
    starts = [0, *edges.tolist()]
    return [
        Bin(end - start, float(confidence[start:end].mean()), float(right[start:end].mean()))
        for start, end in pairwise(starts)
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: the gap between confidence and precision of each bin, weighed by its rows.

    Source: Naeini, Cooper and Hauskrecht 2015; bins of equal mass after Nguyen and O'Connor 2015.

    Two bins of two: (2 * 0.2 + 2 * 0.1) / 4. Without answers there is no gap to speak of.

    >>> round(calibration_error([Bin(2, 0.3, 0.5), Bin(2, 0.9, 1.0)]), 6), calibration_error([])
    (0.15, nan)
    """
    rows = sum(bin.rows for bin in bins)
    return sum(bin.rows * abs(bin.confidence - bin.right) for bin in bins) / rows if rows else math.nan


@dataclass(frozen=True)
class Sweep:
    """What is answered, and rightly, as the threshold sinks. One point for each distinct confidence, highest first.

    order       int64 [m]    rows that name a brand, by falling confidence
    last        int64 [p]    place in `order` of the last row of each point
    threshold   float64 [p]
    answered    int64 [p]    rows at or above the threshold
    right       int64 [p]    those of them that are right
    branded     int64 [p]    those of them that have a brand
    """

    order: Ints
    last: Ints
    threshold: Floats
    answered: Ints
    right: Ints
    branded: Ints


def sweep(confidence: Floats, named: Bools, right: Bools, branded: Bools) -> Sweep:
    """Lower the threshold over all rows that name a brand.

    confidence   float [n], read where `named`
    named        bool [n], a brand is named
    right        bool [n], it is the true one
    branded      bool [n], there is a true one; a row without one is answered wrongly whatever is named

    >>> swept = sweep(np.array([0.9, 0.5, 0.9, 0.0]), np.array([1, 1, 1, 0], bool), np.array([1, 0, 1, 0], bool),
    ...               np.array([1, 0, 1, 1], bool))
    >>> swept.threshold.tolist(), swept.answered.tolist(), swept.right.tolist(), swept.branded.tolist()
    ([0.9, 0.5], [2, 3], [2, 2], [2, 2])
    """
    rows = np.flatnonzero(named)
    order = rows[np.argsort(-confidence[rows], kind="stable")]
    falling = np.asarray(confidence, dtype=np.float64)[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True)[: len(falling)])
    return Sweep(
        order, last, falling[last], last + 1, right[order].cumsum()[last], branded[order].cumsum()[last]
    )  # fmt: skip


def holds_last(right: Ints, answered: Ints, precision: float) -> Ints:
    """The last point of each sweep at which precision still holds, -1 where it never does.

    right, answered   int [..., p]; a point that answers nothing does not count

    >>> holds_last(np.array([[2, 2, 3], [0, 0, 0]]), np.array([[2, 3, 4], [0, 1, 2]]), 0.75).tolist()
    [2, -1]
    """
    if not right.shape[-1]:
        return np.full(right.shape[:-1], -1)
    holds = (right >= precision * answered - _GRACE) & (answered > 0)
    last = right.shape[-1] - 1 - holds[..., ::-1].argmax(axis=-1)
    return np.where(holds.any(axis=-1), last, -1)


def area_under_risk(swept: Sweep) -> float:
    """AURC: the share of wrong answers, averaged over every depth to which the named rows can be answered.

    Rows of equal confidence can only be answered together: each counts with the risk at the end of its point.

    Source: Geifman, Uziel and El-Yaniv 2019, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers".

    Right, right (one point, no risk), then wrong (risk 1/3): (0 + 0 + 1/3) / 3.

    >>> flags = np.array([1, 0, 1], bool)
    >>> round(area_under_risk(sweep(np.array([0.9, 0.5, 0.9]), np.ones(3, bool), flags, flags)), 6)
    0.111111
    """
    if not len(swept.last):
        return math.nan
    risk = 1 - swept.right / swept.answered
    return float((risk * np.diff(swept.answered, prepend=0)).sum() / swept.answered[-1])


def macro(right: Bools, group: Ints) -> float:
    """The share that is right in each group, averaged over groups: a rare brand counts as much as a frequent one.

    >>> macro(np.array([True, False, True, True]), np.array([7, 7, 9, 9]))
    0.75
    """
    if not len(group):
        return math.nan
    _, at, count = np.unique(group, return_inverse=True, return_counts=True)
    return float((np.bincount(at, weights=right) / count).mean())


def resamples(cluster: Ints, draws: int, seed: int, cells: int = 8_000_000) -> Iterator[npt.NDArray[np.int32]]:
    """Bootstrap draws of whole clusters, as how often each row is in a draw.

    cluster   int [n], 0 ..< number of clusters: rows of one cluster are drawn together
    draws     how many draws in all
    seed      the same seed and clusters give the same draws, so that two sides can be compared draw by draw
    returns   int32 [part, n] after int32 [part, n], `draws` rows in all; a part has about `cells` cells at most

    Source: Efron and Tibshirani 1993; whole clusters are drawn because rows of one key stand or fall together.

    Rows 0 and 2 are one cluster: each draw holds them equally often, and two clusters in all.

    >>> (drawn,) = resamples(np.array([0, 1, 0]), draws=4, seed=1)
    >>> (drawn[:, 0] == drawn[:, 2]).all(), (drawn[:, 0] + drawn[:, 1]).tolist()
    (np.True_, [2, 2, 2, 2])
    """
    clusters = int(cluster.max()) + 1
    random = np.random.default_rng(seed)
    step = max(1, cells // max(clusters, len(cluster)))
    for start in range(0, draws, step):
        part = min(step, draws - start)
        chosen = random.integers(clusters, size=(part, clusters)) + np.arange(part)[:, None] * clusters
        counts = np.bincount(chosen.ravel(), minlength=part * clusters).reshape(part, clusters)
        yield counts.astype(np.int32)[:, cluster]


def interval(draws: Floats, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of the draws that have a value (percentile interval); NaN where none has.

    >>> interval(np.array([0.0, 0.25, 0.5, 0.75, 1.0, np.nan]), level=0.5)
    (0.25, 0.75)
    """
    known = draws[~np.isnan(draws)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
