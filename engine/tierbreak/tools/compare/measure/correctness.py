"""Right and wrong: both sides against the gold set, rows of one key standing or falling together.

A row is *branded* where the gold set gives it a brand. A side is right in a row where it names the true brand, or
abstains where there is none. So a wrong side is wrong in one of two ways: it answers, or it abstains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.tools.compare.joint import Index, Joint
from tierbreak.tools.compare.measure.flips import Flip, GoldRows, flips
from tierbreak.tools.compare.measure.levels import Level, levels, scales
from tierbreak.tools.models.evaluation import statistics
from tierbreak.tools.models.evaluation.figures import Calibration, Mass
from tierbreak.tools.models.evaluation.statistics import Bools, Floats

#: Fewer distinct keys than these say little, and the report says so.
FEW_KEYS = 30
#: Fewer answers with a confidence than these make no reliability diagram.
FEW_ANSWERS = 20
BINS = 15


@dataclass(frozen=True)
class Correctness:
    """The whole; every share is NaN where `withheld` says why there is none.

    rows, keys, branded, brands   of the gold set, as far as both sides have decisions for it
    weighted      rows do not all weigh the same
    missing       rows for which the old side, or the new, has no decision: left out
    reliability   of exact brands, the old side's and the new one's; None where too few answers have a confidence
    confident     answers with a confidence, and answers in all, of each side
    negative      flips of exact brands, the worst first: wrong answers before abstentions, then by weight, then the
                  surest; LISTED at most
    positive      flips of exact brands, by weight; LISTED at most
    """

    rows: int
    keys: int
    branded: int
    brands: int
    weighted: bool
    missing: tuple[int, int]
    withheld: str
    exact: Level
    family: Level
    reliability: tuple[Calibration | None, Calibration | None]
    confident: tuple[tuple[int, int], tuple[int, int]]
    negative: tuple[Flip, ...]
    positive: tuple[Flip, ...]
    notices: tuple[str, ...]


def correctness(
    truth: Index,
    key: npt.NDArray[np.int64],
    weight: npt.NDArray[np.float64],
    old: Index,
    new: Index,
    joint: Joint,
    *,
    old_confidence: Floats,
    new_confidence: Floats,
    old_tier: npt.NDArray[np.int8],
    new_tier: npt.NDArray[np.int8],
    descriptor: pl.Series | None = None,
    missing: tuple[int, int] = (0, 0),
    draws: int = 1000,
    seed: int = 0,
) -> Correctness:
    """Compare both sides on the gold set.

    truth        int32 [n], positions in `joint.ids`; -1: no known brand's
    key          int64 [n], equal for rows of one distinct key
    weight       float64 [n], how often each was seen; finite and above 0
    old, new     int32 [n], positions in `joint.ids`; -1: the side abstains
    ..._confidence   float [n], 0..1, NaN where there is none
    ..._tier     int8 [n], positions in DECIDERS, -1 where nobody decided
    descriptor   String [n]; masked before it is kept
    missing      rows that are not among the n, because a side has no decision for them
    draws, seed  of the bootstrap

    Without rows, and where every row has the same truth, every share is NaN: such a set rewards a side that always says
    the same. Raises ValueError where arrays differ in length or a weight is no count.
    """
    given = GoldRows(
        truth, key, weight, (old, new), (old_confidence, new_confidence), (old_tier, new_tier),
        pl.Series([""] * len(truth), dtype=pl.String) if descriptor is None else descriptor,
    )  # fmt: skip
    parts = (truth, key, weight, given.descriptor, *given.named, *given.confidence, *given.tier)
    if len({len(part) for part in parts}) > 1:
        raise ValueError("the gold set and both sides' answers differ in length")
    if not (np.isfinite(weight) & (weight > 0)).all():
        raise ValueError("a weight of the gold set is no number above 0")
    withheld = _withheld(truth, joint, missing)
    rows = given.none() if withheld else given
    as_counted = scales(joint)
    exact, family = levels(rows, as_counted, draws, seed)
    rights = rows.right(as_counted[0])
    answered = [named >= 0 for named in rows.named]
    known = [said & np.isfinite(sure) for said, sure in zip(answered, rows.confidence, strict=True)]
    reliability = [_reliability(*one) for one in zip(rows.confidence, rights, known, strict=True)]
    confident = [(int(sure.sum()), int(said.sum())) for sure, said in zip(known, answered, strict=True)]
    return Correctness(
        rows=len(truth),
        keys=len(np.unique(key)),
        branded=int((truth >= 0).sum()),
        brands=len(np.unique(truth[truth >= 0])),
        weighted=len(np.unique(weight)) > 1,
        missing=missing,
        withheld=withheld,
        exact=exact,
        family=family,
        reliability=(reliability[0], reliability[1]),
        confident=(confident[0], confident[1]),
        negative=tuple(flips(rows, rights[0] & ~rights[1], joint, wrong=1)),
        positive=tuple(flips(rows, rights[1] & ~rights[0], joint, wrong=0)),
        notices=tuple(_notices(rows, joint, missing)),
    )


def _withheld(truth: Index, joint: Joint, missing: tuple[int, int]) -> str:
    """Why nothing can be said; empty where something can."""
    if not len(truth):
        return "no row of the gold set has a decision on both sides" if any(missing) else "the gold set has no rows"
    if (truth == truth[0]).all():
        only = f"the brand {joint.names[truth[0]]}" if truth[0] >= 0 else "no known brand"
        return f"every row of the gold set has the same truth ({only}): a side that always says it would look perfect"
    return ""


def _notices(rows: GoldRows, joint: Joint, missing: tuple[int, int]) -> Iterator[str]:
    for side, count in zip(("old", "new"), missing, strict=True):
        if count:
            yield f"the {side} side has no decision for {count:,} rows of the gold set; they are left out on both sides"
    if not len(rows.truth):
        return
    keys = len(np.unique(rows.key))
    if keys < FEW_KEYS:
        yield f"only {keys} distinct keys: too few to decide on, whatever the intervals say"
    if (rows.truth >= 0).all():
        yield "no row without a brand: wrong answers to unknown merchants, the usual cost of coverage, are not seen"
    for side, named in zip(("old", "new"), rows.named, strict=True):
        if (named < 0).all():
            yield f"the {side} side answers none of the rows: it has no precision"
        if strange := int((~joint.known[named[named >= 0]]).sum()):
            yield f"rows that the {side} side answers with a name no registry has, which count as wrong: {strange:,}"
    pairs = np.unique(np.stack([rows.key, rows.truth.astype(np.int64)]), axis=1)
    if split := int((np.unique(pairs[0], return_counts=True)[1] > 1).sum()):
        yield f"keys with more than one truth, where whatever a side says is wrong somewhere: {split:,}"


def _reliability(confidence: Floats, right: Bools, known: Bools) -> Calibration | None:
    """Of the answers that have a confidence; None where they are too few."""
    if known.sum() < FEW_ANSWERS:
        return None
    bins = statistics.equal_mass_bins(confidence[known], right[known], BINS)
    return Calibration(statistics.calibration_error(bins), int(known.sum()), tuple(Mass(*each) for each in bins))
