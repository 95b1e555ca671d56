"""The shares of both sides against the gold set, exact and by family, all from one set of resamples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from tierbreak.tools.compare.joint import Index, Joint
from tierbreak.tools.compare.measure import intervals
from tierbreak.tools.compare.measure.flips import GoldRows
from tierbreak.tools.compare.measure.intervals import Drawing, Ratio
from tierbreak.tools.models.evaluation import statistics
from tierbreak.tools.models.evaluation.figures import Share
from tierbreak.tools.models.evaluation.statistics import Bools, Floats

#: Shares of each side at each level, and the same by weight as `..._weighted`.
SHARES = ("precision", "coverage", "found", "no_brand_answered", "right")


@dataclass(frozen=True)
class Both:
    """A share on both sides, and new less old; the interval of that comes from the same resamples."""

    old: Share
    new: Share
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Flips:
    """Rows in which one side is right and the other wrong.

    share          of all rows
    weighted       the same by weight
    by_answer      rows in which the wrong side answers, of all rows
    by_abstention  rows in which the wrong side abstains, of all rows
    keys           distinct keys among them
    """

    share: Share
    weighted: Share
    by_answer: Share
    by_abstention: Share
    keys: int


@dataclass(frozen=True)
class Trials:
    """McNemar's test, one trial a distinct key: it is right for a side where all its rows are.

    both, neither, only_old, only_new   keys by who is right
    split                               keys on which a side is right in some rows and wrong in others
    exact, mid_p                        two-sided; NaN without keys
    """

    both: int
    neither: int
    only_old: int
    only_new: int
    split: int
    exact: float
    mid_p: float


@dataclass(frozen=True)
class Level:
    """What counts as right: the exact brand, or any brand of its family.

    precision           right, of rows that a side answers
    coverage            branded rows answered, of branded rows
    found               branded rows answered rightly, of branded rows
    no_brand_answered   rows without a brand answered, of all of them: each is a mistake
    right               rows answered rightly or rightly left, of all rows
    macro               `found` of each true brand, averaged over brands: a rare one counts as much as a frequent one
    ..._weighted        by weight: as the traffic has it
    negative            old right, new wrong
    positive            old wrong, new right
    """

    precision: Both
    coverage: Both
    found: Both
    no_brand_answered: Both
    right: Both
    macro: Both
    precision_weighted: Both
    coverage_weighted: Both
    found_weighted: Both
    no_brand_answered_weighted: Both
    right_weighted: Both
    negative: Flips
    positive: Flips
    mcnemar: Trials


def scales(joint: Joint) -> tuple[Index, Index]:
    """What each brand counts as, exactly and by family; the last of each is for an abstention, at -1."""
    nobody = np.array([-1], dtype=np.int32)
    exact = np.arange(len(joint), dtype=np.int32)
    return np.concatenate([exact, nobody]), np.concatenate([joint.family.astype(np.int32), nobody])


def levels(rows: GoldRows, scales: tuple[Index, Index], draws: int, seed: int) -> list[Level]:
    """All levels from one set of draws."""
    ratios: dict[str, Ratio] = {}
    macros: dict[str, Bools] = {}
    rights = [rows.right(scale) for scale in scales]
    for at, right in enumerate(rights):
        for side, name in enumerate(("old", "new")):
            macros[f"{at}:{name}:macro"] = right[side]
            ratios |= {f"{at}:{name}:{of}": ratio for of, ratio in _ratios(rows, right[side], side).items()}
        for kind, flipped, wrong in (("negative", right[0] & ~right[1], 1), ("positive", right[1] & ~right[0], 0)):
            ratios |= {f"{at}:{kind}:{of}": ratio for of, ratio in _flipped(rows, flipped, wrong).items()}
    made = intervals.drawn(ratios, macros, rows.key, rows.truth, draws=draws, seed=seed)
    return [_level(made, at, rows, right) for at, right in enumerate(rights)]


def _ratios(rows: GoldRows, right: Bools, side: int) -> dict[str, Ratio]:
    said, known = rows.named[side] >= 0, rows.truth >= 0
    every = np.ones(len(known), bool)
    of = {
        "precision": Ratio(right & said, said),
        "coverage": Ratio(said & known, known),
        "found": Ratio(right & known, known),
        "no_brand_answered": Ratio(said & ~known, ~known),
        "right": Ratio(right, every),
    }
    return of | {f"{name}_weighted": _weighed(ratio, rows.weight) for name, ratio in of.items()}


def _flipped(rows: GoldRows, flipped: Bools, wrong: int) -> dict[str, Ratio]:
    every, said = np.ones(len(flipped), bool), rows.named[wrong] >= 0
    share = Ratio(flipped, every)
    return {
        "share": share,
        "weighted": _weighed(share, rows.weight),
        "by_answer": Ratio(flipped & said, every),
        "by_abstention": Ratio(flipped & ~said, every),
    }


def _weighed(ratio: Ratio, weight: Floats) -> Ratio:
    return Ratio(ratio.part * weight, ratio.whole * weight)


def _level(made: Drawing, at: int, rows: GoldRows, right: tuple[Bools, Bools]) -> Level:
    def both(name: str) -> Both:
        old, new = made[f"{at}:old:{name}"], made[f"{at}:new:{name}"]
        return Both(old.share, new.share, *intervals.difference(new, old))

    def flip(kind: str, flipped: Bools) -> Flips:
        of = [made[f"{at}:{kind}:{name}"].share for name in ("share", "weighted", "by_answer", "by_abstention")]
        return Flips(of[0], of[1], of[2], of[3], len(np.unique(rows.key[flipped])))

    return Level(
        **{f"{name}{by}": both(f"{name}{by}") for name, by in product(SHARES, ("", "_weighted"))},
        macro=both("macro"),
        negative=flip("negative", right[0] & ~right[1]),
        positive=flip("positive", right[1] & ~right[0]),
        mcnemar=_mcnemar(rows.key, right),
    )


def _mcnemar(key: npt.NDArray[np.int64], right: tuple[Bools, Bools]) -> Trials:
    """A key is right for a side where all its rows are: as strict as a user who sees them all."""
    if not len(key):
        return Trials(0, 0, 0, 0, 0, math.nan, math.nan)
    _, at, rows = np.unique(key, return_inverse=True, return_counts=True)
    hits = [np.bincount(at, weights=side) for side in right]
    old, new = (each == rows for each in hits)
    split = sum((each > 0) & (each < rows) for each in hits) > 0
    only_old, only_new = int((old & ~new).sum()), int((new & ~old).sum())
    test = statistics.mcnemar(only_new, only_old)
    return Trials(
        int((old & new).sum()), int((~old & ~new).sum()), only_old, only_new, int(np.sum(split)), test.exact, test.mid_p
    )
