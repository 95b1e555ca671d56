"""Brand by brand: what each gains and loses from the old side to the new, and whether that is more than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.tools.compare.joint import Index, Joint
from tierbreak.tools.compare.measure.cells import ByKey, shown
from tierbreak.tools.compare.measure.intervals import Array, divided, false_discovery, two_sided, wilson
from tierbreak.tools.models.evaluation.figures import Share
from tierbreak.tools.models.evaluation.statistics import Bools, Ints

#: Brands with a q below it are flagged: 5 % of the flags are false, on average.
FLAGGED = 0.05


class Trusted(NamedTuple):
    """Gold rows and what both sides say of them, [n] each: positions in `joint.ids`, -1 for no brand; and the key."""

    truth: Index
    key: npt.NDArray[np.int64]
    old: Index
    new: Index


@dataclass(frozen=True)
class Brand:
    """One brand. A row counts for its weight; a side *names* the brand in it.

    known           a registry has it
    old, new        rows in which each side names it
    gained, lost    rows in which only the new side names it, or only the old one, whatever the other says
    net             gained less lost
    money           money of the rows in which the new side names it, less the old side's; NaN where there is no money
    keys_gained, keys_lost   distinct keys that only the new side names it for, or only the old one, whatever the rows
    p               of as uneven a split of those keys, two-sided, if gain and loss were equally likely; NaN without any
    q               p after Benjamini and Hochberg, over all brands that have a p
    flagged         q is below FLAGGED
    precision       old side's and new side's, on the gold set: distinct keys in which it is named, and rightly in
                    every row; the interval is Wilson's
    found           likewise: distinct keys whose truth it is, and which it is named for in every such row
    """

    id: str
    name: str
    sector: str
    known: bool
    old: float
    new: float
    gained: float
    lost: float
    net: float
    money: float
    keys_gained: int
    keys_lost: int
    p: float
    q: float
    flagged: bool
    precision: tuple[Share, Share]
    found: tuple[Share, Share]


@dataclass(frozen=True)
class Brands:
    """Every brand that a side names or the gold set has, most traffic x change first.

    A brand's traffic is the rows in which a side names it; its change, the share of them in which only one side does.
    Traffic times change is what it gains and loses: `gained + lost`. Equal ones stand by traffic, then by id.

    tested     brands with a p
    flagged    of them, those with a q below FLAGGED
    losing     of those, the ones that lose more keys than they gain
    opposed    of the flagged, those that lose keys and gain rows, or gain keys and lose rows
    gold       rows of the gold set, 0 where there is none
    has_money  whether a row has an amount; those without one count 0
    """

    brands: tuple[Brand, ...]
    changed: int
    tested: int
    flagged: int
    losing: int
    opposed: int
    gold: int
    has_money: bool


def brands(cells: pl.DataFrame, by_key: ByKey, joint: Joint, gold: Trusted | None = None) -> Brands:
    """Every brand's figures; `cells` as measure.cells makes them. Without gold rows, precision and found are NaN."""
    size = len(joint)
    rows, money = _totals(cells, "n", size), _totals(cells, "money", size)
    keys = np.zeros((2, size), dtype=np.int64)
    keys[:, by_key.brands["brand"].to_numpy()] = by_key.brands.select("keys_gained", "keys_lost").to_numpy().T
    has_money = bool((cells["rows"] > cells["no_money"]).any())
    p = two_sided(keys[0], keys[1])
    q = false_discovery(p)
    judged = _judged(gold, size)
    there = np.flatnonzero((rows.traffic > 0) | (judged.found[0].whole > 0))
    ids = np.array(joint.ids)[there]
    order = there[np.lexsort((ids, -rows.traffic[there], -rows.changed[there]))].tolist()
    names = shown(joint)
    flagged = np.nan_to_num(q, nan=1.0) < FLAGGED
    made = tuple(
        Brand(
            id=joint.ids[at],
            name=names[at],
            sector=joint.sectors[at],
            known=bool(joint.known[at]),
            old=float(rows.same[at] + rows.lost[at]),
            new=float(rows.same[at] + rows.gained[at]),
            gained=float(rows.gained[at]),
            lost=float(rows.lost[at]),
            net=float(rows.gained[at] - rows.lost[at]),
            money=float(money.gained[at] - money.lost[at]) if has_money else math.nan,
            keys_gained=int(keys[0, at]),
            keys_lost=int(keys[1, at]),
            p=float(p[at]),
            q=float(q[at]),
            flagged=bool(flagged[at]),
            precision=(judged.precision[0].share(at), judged.precision[1].share(at)),
            found=(judged.found[0].share(at), judged.found[1].share(at)),
        )
        for at in order
    )
    return Brands(
        brands=made,
        changed=int((rows.changed > 0).sum()),
        tested=int(np.isfinite(p).sum()),
        flagged=int(flagged.sum()),
        losing=int((flagged & (keys[1] > keys[0])).sum()),
        opposed=int((flagged & ((keys[0] - keys[1]) * (rows.gained - rows.lost) < 0)).sum()),
        gold=0 if gold is None else len(gold.truth),
        has_money=has_money,
    )


class _Totals(NamedTuple):
    """Sums of each brand, float64 [brands]: rows in which both sides name it, only the new one, only the old one."""

    same: Array
    gained: Array
    lost: Array

    @property
    def changed(self) -> Array:
        return self.gained + self.lost

    @property
    def traffic(self) -> Array:
        return self.same + self.changed


def _totals(cells: pl.DataFrame, of: str, size: int) -> _Totals:
    old, new = (cells[column].to_numpy() for column in ("old_brand", "new_brand"))
    sums = cells[of].fill_null(0).to_numpy()

    def total(brand: Ints, where: Bools) -> Array:
        here = where & (brand >= 0)
        return np.bincount(brand[here], weights=sums[here], minlength=size).astype(np.float64)

    return _Totals(total(new, old == new), total(new, old != new), total(old, old != new))


class _Shares(NamedTuple):
    """A share of each brand with its interval, float64 [brands]."""

    part: Array
    whole: Array
    value: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, brand: Index, key: npt.NDArray[np.int64], right: Bools, size: int) -> _Shares:
        """brand, key, right: [n], a row each; a key of a brand is right where all its rows are."""
        inside = brand >= 0
        keys, at = np.unique(np.stack([brand[inside].astype(np.int64), key[inside]]), axis=1, return_inverse=True)
        every = np.bincount(at.ravel(), weights=~right[inside], minlength=keys.shape[1]) == 0
        whole = np.bincount(keys[0], minlength=size).astype(np.float64)
        part = np.bincount(keys[0][every], minlength=size).astype(np.float64)
        return cls(part, whole, divided(part, whole), *wilson(part, whole))

    def share(self, at: int) -> Share:
        value, low, high = float(self.value[at]), float(self.low[at]), float(self.high[at])
        return Share(value, low, high, float(self.part[at]), float(self.whole[at]))


class _Judged(NamedTuple):
    """On the gold set: of the keys in which a side names each brand, and of those whose truth it is. Old, new."""

    precision: tuple[_Shares, _Shares]
    found: tuple[_Shares, _Shares]


def _judged(gold: Trusted | None, size: int) -> _Judged:
    if gold is None:
        nobody = np.empty(0, dtype=np.int32)
        gold = Trusted(nobody, np.empty(0, dtype=np.int64), nobody, nobody)
    old, new = gold.old == gold.truth, gold.new == gold.truth
    return _Judged(
        (_Shares.of(gold.old, gold.key, old, size), _Shares.of(gold.new, gold.key, new, size)),
        (_Shares.of(gold.truth, gold.key, old, size), _Shares.of(gold.truth, gold.key, new, size)),
    )
