"""The difference of two arms, where users are compared within strata and the strata added up.

A stratum is a share of the new arm that users came at: within it the arms differ by chance alone. With one share for
all this is Welch's t-test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tierbreak.errors import SettingsError

Floats = npt.NDArray[np.float64]

#: Users at whose number an always-valid interval is tightest.
PLAN = 10_000


class Estimate(NamedTuple):
    """Means of the old arm and the new, new less old, its interval, p, and an interval that holds at every moment."""

    mean: tuple[float, float]
    difference: float
    interval: tuple[float, float]
    p: float
    always: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Strata:
    """Users in strata, each with an arm of two users or more on either side.

    of      int [n], the stratum of each user; -1 in none
    new     bool [n], who is in the new arm
    counts  [strata, 2], users of the old arm and the new one
    weight  [strata], adds up to 1: users * share * (1 - share), which weighs a stratum by what it can tell. A share of
            0 or 1 tells nothing, and who came at it is in none.

    The weights are those of Li, Morgan and Zaslavsky 2018, "Balancing Covariates via Propensity Score Weighting"
    (overlap weights); they do not look at what is measured.
    """

    of: npt.NDArray[np.int64]
    new: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.int64]
    weight: Floats

    @classmethod
    def at(cls, new: npt.NDArray[np.bool_], share: Floats, known: npt.NDArray[np.bool_]) -> Strata:
        """The strata of those users that are `known`."""
        of = np.full(len(new), -1, dtype=np.int64)
        counts: list[tuple[int, int]] = []
        weights: list[float] = []
        for one in np.unique(share[known]):
            here = known & (share == one)
            old_count, new_count = int((here & ~new).sum()), int((here & new).sum())
            if min(old_count, new_count) >= 2 and 0 < one < 1:
                of[here] = len(counts)
                counts.append((old_count, new_count))
                weights.append((old_count + new_count) * one * (1 - one))
        weight = np.array(weights, dtype=np.float64)
        return cls(
            of, new, np.array(counts, dtype=np.int64).reshape(-1, 2), weight / weight.sum() if weights else weight
        )

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """Who is in a stratum."""
        return self.of >= 0

    @property
    def users(self) -> tuple[int, int]:
        """How many are, of the old arm and the new."""
        return int(self.counts[:, 0].sum()), int(self.counts[:, 1].sum())

    def means(self, value: Floats) -> Floats:
        """Of both arms, [strata, 2]."""
        at = self._at()
        return (np.bincount(at, value[self.inside], self.counts.size) / self.counts.ravel()).reshape(-1, 2)

    def parts(self, a: Floats, b: Floats) -> Floats:
        """[strata, 2], what each arm of each stratum adds to the covariance of two differences."""
        at, inside = self._at(), self.inside
        centred = [one[inside] - self.means(one).ravel()[at] for one in (a, b)]
        summed = np.bincount(at, centred[0] * centred[1], self.counts.size).reshape(-1, 2)
        return self.weight[:, None] ** 2 * summed / (self.counts - 1) / self.counts

    def variance(self, a: Floats, b: Floats) -> float:
        """The covariance of the differences of two values; of one and itself, its variance."""
        return float(self.parts(a, b).sum())

    def _at(self) -> npt.NDArray[np.int64]:
        """Place of each user that is inside, in a table of strata and arms."""
        return (2 * self.of + self.new)[self.inside]


def estimate(strata: Strata, value: Floats, level: float) -> Estimate:
    """The difference of a value, with Welch's interval; NaN where nothing can be compared.

    value   float64 [n], finite for everybody who is in a stratum

    Degrees of freedom after Welch 1947, "The generalization of Student's problem when several different population
    variances are involved", over the arms of all strata. Where nothing varies there is no interval and no p.
    """
    nan = (math.nan, math.nan)
    if not len(strata.counts):
        return Estimate(nan, math.nan, nan, math.nan, nan)
    means = strata.weight @ strata.means(value)
    difference = float(means[1] - means[0])
    mean = (float(means[0]), float(means[1]))
    parts = strata.parts(value, value)
    variance = float(parts.sum())
    # What is left of equal numbers after rounding is no spread.
    if variance <= (1e-12 * float(np.abs(value[strata.inside]).max())) ** 2:
        return Estimate(mean, difference, nan, math.nan, nan)
    error = math.sqrt(variance)
    freedom = variance**2 / float((parts**2 / (strata.counts - 1)).sum())
    student = scipy().t(freedom)
    half = float(student.ppf(0.5 + level / 2)) * error
    far = reach(sum(strata.users), level) * error
    return Estimate(
        mean, difference, (difference - half, difference + half), float(2 * student.sf(abs(difference) / error)),
        (difference - far, difference + far),
    )  # fmt: skip


def reach(n: int, level: float = 0.95, plan: int = PLAN) -> float:
    """How many standard errors an interval must reach that may be looked at after every user and still holds.

    n      users so far, 2 or more; it holds for samples that are not small, as a t-interval does
    plan   the number of users at which it is to be tightest, set before the experiment

    Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, "Time-uniform central limit theory and asymptotic
    confidence sequences": sqrt(2 (n r + 1) / (n r) * log(sqrt(n r + 1) / alpha)), where r makes it least at `plan`.

    >>> round(reach(10_000), 2), round(reach(100), 2)
    (3.04, 8.94)
    """
    from scipy.special import lambertw

    alpha = 1 - level
    r = float(-lambertw(-(alpha**2) / math.e, -1).real - 1) / plan
    return math.sqrt(2 * (n * r + 1) / (n * r) * math.log(math.sqrt(n * r + 1) / alpha))


def scipy() -> Any:
    """scipy's statistics. Raises SettingsError where it is not installed."""
    try:
        from scipy import stats
    except ImportError:
        raise SettingsError("the figures of an experiment need scipy: pip install 'tierbreak[compare]'") from None
    return stats
