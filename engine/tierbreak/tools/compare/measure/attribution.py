"""Who decides: which tier of the new system took over from which decider of the old one, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from tierbreak.tools.compare.measure.agreement import share
from tierbreak.tools.compare.measure.cells import NO_ANSWER, shown, total
from tierbreak.tools.compare.pairs import AGREE, CHANGED, DECIDERS, FAMILY, GAINED, LOST, OUTCOMES, SIDES, Pairs

#: In place of a decider where a side abstains.
NOBODY = NO_ANSWER

#: Columns of a table of gold outcomes.
GOLD = ("old_tier", "new_tier", "old_right", "new_right", "n")


@dataclass(frozen=True)
class Decides:
    """What one decider of one side decides; NOBODY: what the side abstains from. `share` of all traffic, 0..1."""

    side: str
    decider: str
    rows: int
    n: float
    share: float
    money: float


@dataclass(frozen=True)
class Right:
    """Who was right, on rows of the gold set; an abstention is right where there is no known brand.

    n            what these rows count for
    both, old, new, neither   right: both sides, only the one, only the other, none
    """

    n: float
    both: float
    old: float
    new: float
    neither: float


@dataclass(frozen=True)
class Meeting:
    """A decider of the old side and one of the new that answer the same rows.

    share          of all traffic, 0..1
    exact, family  what of `n` agrees
    exact_share, family_share   of `n`; NaN where it is 0
    right          None where no row of it is in the gold set, or there is none
    """

    old: str
    new: str
    rows: int
    n: float
    share: float
    money: float
    exact: float
    family: float
    exact_share: float
    family_share: float
    right: Right | None


@dataclass(frozen=True)
class Tier:
    """What changed where one decider of a side decides; `share` of its `n`, 0..1 or NaN.

    differs   other answers than the other side's, family counted as different
    changed   of these, another brand, of the same family or not
    alone     of these, what only this side answers; 0 for NOBODY, which has answers of the other side only
    against   (decider of the other side, n), most first
    """

    side: str
    decider: str
    n: float
    differs: float
    share: float
    changed: float
    alone: float
    against: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Said:
    """One side of a cell.

    rule         that decided, or None
    reason       why it abstained, or None
    confidence   mean over the cell's rows, each as often as it counts; NaN where there is none
    """

    brand: str
    decider: str
    rule: str | None
    reason: str | None
    confidence: float


@dataclass(frozen=True)
class Cell:
    """Rows that differ in one way: who said what before, and who says what now."""

    outcome: str
    old: Said
    new: Said
    rows: int
    n: float
    share: float
    money: float


@dataclass(frozen=True)
class Attribution:
    """The whole of it.

    n          what all rows count for, by weights where `weighted`
    money      of all rows
    decides    shares of both sides, in order of DECIDERS, NOBODY last; deciders without rows are left out
    meetings   most first
    tiers      of both sides, in the order of `decides`
    cells      those that differ, most traffic first
    differing  how many such cells there are
    gold       whether gold outcomes were given
    """

    n: float
    weighted: bool
    money: float
    decides: tuple[Decides, ...]
    meetings: tuple[Meeting, ...]
    tiers: tuple[Tier, ...]
    cells: tuple[Cell, ...]
    differing: int
    gold: bool


def attribution(pairs: Pairs, cells: pl.DataFrame, gold: pl.DataFrame | None = None, *, top: int = 30) -> Attribution:
    """Sum cells up by who decides.

    cells   of these pairs, from the function `cells`
    gold    outcomes on rows with a trusted brand: old_tier, new_tier as in PAIR, old_right, new_right bool, n what such
            rows count for; any number of rows of a kind
    top     cells shown
    """
    whole = total(cells, "n")
    decides = [one for side in SIDES for one in _decides(cells, side, whole)]
    return Attribution(
        whole, "weight" in pairs.traffic.has, total(cells, "money"), tuple(decides),
        tuple(_meetings(cells, gold, whole)), tuple(_tier(cells, one.side, one.decider) for one in decides),
        *_cells(pairs, cells, whole, top), gold is not None,
    )  # fmt: skip


def decider(tier: int) -> str:
    """
    >>> decider(0), decider(-1)
    ('rules', 'no answer')
    """
    return DECIDERS[tier] if tier >= 0 else NOBODY


def _decides(cells: pl.DataFrame, side: str, whole: float) -> list[Decides]:
    summed = cells.group_by(tier=f"{side}_tier").agg(pl.col("rows", "n", "money").sum())
    last = pl.when(pl.col("tier") < 0).then(len(DECIDERS)).otherwise("tier")
    return [
        Decides(side, decider(tier), rows, n, share(n, whole), money)
        for tier, rows, n, money in summed.sort(last).iter_rows()
    ]


def _meetings(cells: pl.DataFrame, gold: pl.DataFrame | None, whole: float) -> list[Meeting]:
    by = ["old_tier", "new_tier"]
    agree = [
        pl.col("n").filter(pl.col("outcome").is_in(fine)).sum().alias(level) for level, fine in AGREE.items()
    ]  # fmt: skip
    summed = cells.group_by(by).agg(pl.col("rows", "n", "money").sum(), *agree)
    right = {} if gold is None else {(row["old_tier"], row["new_tier"]): row for row in _right(gold)}
    out = []
    for row in summed.sort("n", *by, descending=[True, False, False]).iter_rows(named=True):
        n, judged = row["n"], right.get((row["old_tier"], row["new_tier"]))
        out.append(Meeting(
            decider(row["old_tier"]), decider(row["new_tier"]), row["rows"], n, share(n, whole), row["money"],
            row["exact"], row["family"], share(row["exact"], n), share(row["family"], n),
            None if judged is None else Right(*(judged[name] for name in ("n", "both", "old", "new", "neither"))),
        ))  # fmt: skip
    return out


def _right(gold: pl.DataFrame) -> list[dict[str, float]]:
    n, old, new = pl.col("n").cast(pl.Float64), pl.col("old_right"), pl.col("new_right")
    sums = {"n": pl.lit(True), "both": old & new, "old": old & ~new, "new": ~old & new, "neither": ~old & ~new}
    return (
        gold.group_by("old_tier", "new_tier").agg((is_ * n).sum().alias(name) for name, is_ in sums.items()).to_dicts()
    )


def _tier(cells: pl.DataFrame, side: str, name: str) -> Tier:
    other = SIDES[1 - SIDES.index(side)]
    at = DECIDERS.index(name) if name in DECIDERS else -1
    mine = cells.filter(pl.col(f"{side}_tier") == at)
    n = total(mine, "n")
    differs = mine.filter(~pl.col("outcome").is_in(AGREE["exact"]))
    only = LOST if side == SIDES[0] else GAINED
    changed = total(differs.filter(pl.col("outcome").is_in([CHANGED, FAMILY])), "n")
    alone = total(differs.filter(pl.col("outcome") == only), "n") if at >= 0 else 0.0
    against = mine.group_by(f"{other}_tier").agg(pl.col("n").sum()).sort("n", f"{other}_tier", descending=[True, False])
    return Tier(
        side, name, n, total(differs, "n"), share(total(differs, "n"), n), changed, alone,
        tuple((decider(tier), count) for tier, count in against.iter_rows()),
    )  # fmt: skip


def _cells(pairs: Pairs, cells: pl.DataFrame, whole: float, top: int) -> tuple[tuple[Cell, ...], int]:
    names = shown(pairs.joint)
    differs = cells.filter(~pl.col("outcome").is_in(AGREE["exact"]))
    # Rows stand in order of what they share, so that the sort is the same each time.
    first = differs.sort("n", descending=True, maintain_order=True).head(top)

    def said(row: dict[str, float], at: int) -> Said:
        side = SIDES[at]
        rule, reason, tier = (int(row[f"{side}_{name}"]) for name in ("rule", "reason", "tier"))
        sure, sure_n = row[f"{side}_sure"], row[f"{side}_sure_n"]
        return Said(
            names[int(row[f"{side}_brand"])], decider(tier), pairs.rules[at][rule] if rule >= 0 else None,
            pairs.reasons[reason] if reason >= 0 else None, sure / sure_n if sure_n else math.nan,
        )  # fmt: skip

    out = tuple(
        Cell(OUTCOMES[int(row["outcome"])], said(row, 0), said(row, 1), int(row["rows"]), row["n"],
             share(row["n"], whole), row["money"])
        for row in first.iter_rows(named=True)
    )  # fmt: skip
    return out, differs.height
