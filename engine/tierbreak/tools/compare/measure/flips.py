"""Flips: gold rows in which one side is right and the other is not, worst first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.tools.compare.joint import Index, Joint
from tierbreak.tools.compare.measure.cells import shown
from tierbreak.tools.compare.pairs import DECIDERS
from tierbreak.tools.models.evaluation.statistics import Bools, Floats, Ints
from tierbreak.tools.rules.traffic.masking import masked

#: Flips that are kept, of each kind.
LISTED = 500


@dataclass(frozen=True, eq=False)
class GoldRows:
    """Gold rows and what both sides say of them, arrays of [n]."""

    truth: Index
    key: npt.NDArray[np.int64]
    weight: Floats
    named: tuple[Index, Index]
    confidence: tuple[Floats, Floats]
    tier: tuple[Ints, Ints]
    descriptor: pl.Series

    def none(self) -> GoldRows:
        """None of the rows."""
        return GoldRows(
            self.truth[:0], self.key[:0], self.weight[:0], (self.named[0][:0], self.named[1][:0]),
            (self.confidence[0][:0], self.confidence[1][:0]), (self.tier[0][:0], self.tier[1][:0]), self.descriptor[:0],
        )  # fmt: skip

    def right(self, counts_as: Index) -> tuple[Bools, Bools]:
        """Where each side is right; counts_as: int32 [brands + 1], the last for -1."""
        old, new = (counts_as[named] == counts_as[self.truth] for named in self.named)
        return old, new


@dataclass(frozen=True)
class Flip:
    """Rows of one key that flip alike.

    descriptor   masked, of the first of them; empty where the set's texts were not given
    truth        name of the true brand, None for no known brand
    old, new     names of the brands named, None where a side abstains
    ..._tier     who decided, None where nobody did
    ..._confidence   None where the decider has none
    wrong_family   the wrong answer is not even of the true brand's family; False where the wrong side abstains
    rows, weight   of them all
    """

    descriptor: str
    truth: str | None
    old: str | None
    new: str | None
    old_tier: str | None
    new_tier: str | None
    old_confidence: float | None
    new_confidence: float | None
    wrong_family: bool
    rows: int
    weight: float


def flips(rows: GoldRows, flipped: Bools, joint: Joint, *, wrong: int) -> Iterator[Flip]:
    """Flips, rows of one key that flip alike taken together.

    flipped   bool [n]
    wrong     0 where the old side is the wrong one, 1 where the new one is
    order     wrong answers before abstentions, then by weight, then the surest wrong answer, then by descriptor
    """
    at, names = np.flatnonzero(flipped), shown(joint)
    of = pl.DataFrame(
        {
            "at": at, "key": rows.key[at], "truth": rows.truth[at], "old": rows.named[0][at], "new": rows.named[1][at],
            "weight": rows.weight[at], "text": masked(rows.descriptor.gather(at)),
            "sure": np.nan_to_num(rows.confidence[wrong][at], nan=-1.0),
        }
    ).with_columns(answered=pl.col(("old", "new")[wrong]) >= 0)  # fmt: skip
    groups = (
        of.group_by("key", "truth", "old", "new", maintain_order=True)
        .agg(
            pl.col("at").first(), pl.len().alias("rows"), pl.col("weight").sum(), pl.col("text").first(),
            pl.col("sure").max(), pl.col("answered").first(),
        )
        .sort("answered", "weight", "sure", "text", descending=[True, True, True, False], maintain_order=True)
    )  # fmt: skip
    for group in groups.head(LISTED).iter_rows(named=True):
        first, truth, said = group["at"], group["truth"], group[("old", "new")[wrong]]
        apart = said >= 0 and (truth < 0 or joint.family[said] != joint.family[truth])
        yield Flip(
            descriptor=group["text"],
            truth=_name(names, truth),
            old=_name(names, group["old"]),
            new=_name(names, group["new"]),
            old_tier=_decider(int(rows.tier[0][first])),
            new_tier=_decider(int(rows.tier[1][first])),
            old_confidence=_sure(float(rows.confidence[0][first])),
            new_confidence=_sure(float(rows.confidence[1][first])),
            wrong_family=bool(apart),
            rows=group["rows"],
            weight=group["weight"],
        )


def _name(names: tuple[str, ...], brand: int) -> str | None:
    return names[brand] if brand >= 0 else None


def _decider(tier: int) -> str | None:
    return DECIDERS[tier] if tier >= 0 else None


def _sure(confidence: float) -> float | None:
    return None if math.isnan(confidence) else confidence
