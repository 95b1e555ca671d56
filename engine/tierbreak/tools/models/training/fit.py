"""A policy fitted on the calibration split; `core/policy.py` applies it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tierbreak.core.policy import Brands, Floats, Policy, confidences, weigh
from tierbreak.core.tables import MASKED

#: The range of temperatures and null scores that `fit` looks at. Scores are cosines.
_TEMPERATURES = (0.003, 0.3)
_NULL_SCORES = (0.0, 1.2)
#: The range of what reserved answers are moved by; where there are any, the null score is so low that it has no mass.
_SHIFTS = (-0.3, 0.3)
_NO_NULL = -4.0


#: The least share that is right of what stands in each band. Fitted a little above what is promised of them, 0.98 and
#: 0.90: the split is small.
BANDS = {"very-high": 0.985, "high": 0.92}


def fit_policy(
    brands: Brands, scores: Floats, truth: Brands, precision: float = 0.98, no_brand_rate: float = 0.02
) -> Policy:
    """Fit a policy on the calibration split.

    brands          int32 [n, k]     as for `weigh`
    scores          float32 [n, k]
    truth           int32 [n]        the right brand of each key, -1 where there is none
    precision       0..1             right among answered, to be reached at the threshold
    no_brand_rate   0..1             most of the keys without a brand that may be answered

    Temperature and null score, or the shift of the reserved answers where there are any, minimise the negative log
    likelihood of the truth; where the truth is not among the k labels, abstaining is the right answer. The search is a
    grid made finer five times: no randomness.

    The threshold is the least one at which both bounds hold. With few keys a run of luck would pass for
    precision, so each bound must hold with one more error than was seen: 49 right answers and no wrong one are
    the least that shows 0.98. Where no threshold holds, it is 1.0: the model abstains on everything. The bands are
    set likewise: `very-high` for BANDS' precision of all above it, `high` for that of all between the two.

    Raises ValueError where there are no keys.
    """
    if not len(truth):
        raise ValueError("the calibration split has no keys")
    aside = brands < MASKED
    reserved = bool(aside.any())
    right = (brands == truth[:, None]) & (truth >= 0)[:, None]

    def loss(temperature: float, other: float) -> float:
        shifted = np.where(aside, scores + other, scores) if reserved else scores
        known = np.where(brands != MASKED, shifted, -np.inf).astype(np.float32)
        mass = confidences(known, temperature, _NO_NULL if reserved else other).astype(np.float64)
        named = np.where(brands >= 0, mass, 0.0)
        chance = np.where(right.any(axis=1), (named * right).sum(axis=1), 1.0 - named.sum(axis=1))
        return float(-np.log(np.maximum(chance, 1e-9)).mean())

    temperature, other = _least(loss, _SHIFTS if reserved else _NULL_SCORES)
    null_score, shift = (_NO_NULL, other) if reserved else (other, 0.0)
    found = weigh(Policy(temperature, null_score, 1.0, shift), brands, scores)
    named = found.brands[:, 0] >= 0
    sure, hit = found.confidences[named, 0], found.brands[named, 0] == truth[named]
    nobody = truth[named] < 0
    threshold = _threshold(sure, hit, nobody, int((truth < 0).sum()), precision, no_brand_rate)
    very_high = _threshold(sure, hit, nobody, 0, BANDS["very-high"], 1.0)
    below = sure < very_high
    high = min(_threshold(sure[below], hit[below], nobody[below], 0, BANDS["high"], 1.0), very_high)
    return Policy(temperature, null_score, threshold, shift, high, very_high)


def _least(
    loss: Callable[[float, float], float], others: tuple[float, float], steps: int = 13, rounds: int = 5
) -> tuple[float, float]:
    """Where `loss` is least on a grid, logarithmic in the temperature, that closes in on its best point each round."""
    (low_t, high_t), (low_n, high_n) = map(math.log, _TEMPERATURES), others
    best = (0.0, 0.0)
    for _ in range(rounds):
        grid = [(t, n) for t in np.linspace(low_t, high_t, steps) for n in np.linspace(low_n, high_n, steps)]
        best = min(grid, key=lambda point: loss(math.exp(point[0]), point[1]))
        width_t, width_n = (high_t - low_t) / steps, (high_n - low_n) / steps
        low_t, high_t = max(best[0] - width_t, math.log(_TEMPERATURES[0])), best[0] + width_t
        low_n, high_n = best[1] - width_n, best[1] + width_n
    return round(math.exp(best[0]), 6), round(float(best[1]), 6)


def _threshold(
    confidence: Floats,
    right: npt.NDArray[np.bool_],
    no_brand: npt.NDArray[np.bool_],
    no_brands: int,
    precision: float,
    no_brand_rate: float,
) -> float:
    """The least confidence at which both bounds hold with one more error than was seen."""
    order = np.argsort(-confidence, kind="stable")
    confidence, right, no_brand = confidence[order], right[order], no_brand[order]
    answered = np.arange(1, len(order) + 1)
    enough = answered >= math.ceil(precision / (1.0 - precision)) if precision < 1.0 else np.zeros(len(order), bool)
    precise = right.cumsum() >= precision * (answered + 1)
    silent = (no_brand.cumsum() + 1 <= no_brand_rate * max(no_brands, 1)) | (no_brand_rate >= 1.0)
    last_of_equals = np.append(confidence[1:] != confidence[:-1], True)
    holds = np.flatnonzero(last_of_equals & enough & precise & silent)
    best = float(confidence[holds[-1]]) if len(holds) else 1.0
    return math.floor(best * 1e6) / 1e6
