"""The noise floor: how often a side differs from itself. What both sides differ by is read against it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.core.tables import GUARDED
from tierbreak.errors import InputError
from tierbreak.tools.compare.measure.intervals import wilson
from tierbreak.tools.compare.pairs import Pairs

#: Distinct rows that a side is asked twice.
ROWS = 20_000

#: Rows at a time that a side is asked the second time: not the size of any batch that it was asked before.
TOGETHER = 997


@dataclass(frozen=True)
class Noise:
    """How often a side differs from itself.

    how        `asked`: it was asked the same rows twice, in another order and other batches. `repeats`: it gave its
               decisions once, and rows that are equal are compared with each other
    why        why nothing can be said; then `rows` is 0 and the shares are NaN
    rows       rows that were compared: of `repeats`, those whose descriptor stands there more than once
    differ     rows with another brand the second time; of `repeats`, with another one than most of their equals
    share      differ / rows
    low, high  of `asked`, 95 % interval of the share: Wilson's; where none differ, `high` is 3 / rows, the rule of
               three. Of `repeats` there is none: no sample was drawn
    groups     of `repeats`: distinct descriptors that stand there more than once
    examples   some descriptors that differ, as they came: mask them before they are shown
    """

    side: str
    how: str
    why: str
    rows: int = 0
    differ: int = 0
    share: float = math.nan
    low: float = math.nan
    high: float = math.nan
    groups: int = 0
    examples: tuple[str, ...] = ()


def noise(
    first: Callable[[pl.DataFrame], pl.DataFrame],
    second: Callable[[pl.DataFrame], pl.DataFrame],
    rows: pl.DataFrame,
    *,
    side: str = "new",
    most: int = ROWS,
    seed: int = 0,
) -> Noise:
    """Ask a side the same rows twice: in one batch, then shuffled and TOGETHER rows at a time.

    first, second   the side as it was asked, and once more, best without its cache: rows -> `brand` at least, a row
                    each
    rows            `descriptor`, and columns of tables.GUARDED that the side looks at; of those that are distinct,
                    `most` drawn at random are asked

    Raises InputError where the side does not give one decision a row.
    """
    known = [name for name in ("descriptor", *GUARDED) if name in rows.columns]
    distinct = rows.select(known).unique(maintain_order=True)
    chance = np.random.default_rng(seed)
    chosen = distinct[np.sort(chance.permutation(distinct.height)[:most])]
    if not chosen.height:
        return Noise(side, "asked", "there is no row to ask")
    order = chance.permutation(chosen.height)
    shuffled = chosen[order]
    once = first(chosen)["brand"]
    parts = [second(shuffled[at : at + TOGETHER])["brand"] for at in range(0, shuffled.height, TOGETHER)]
    again = pl.concat(parts)
    if not len(once) == len(again) == chosen.height:
        raise InputError(f"{side} side: {len(once):,} and {len(again):,} decisions for {chosen.height:,} rows")
    again = again[np.argsort(order)]
    differ = once.ne_missing(again)
    return _noise(side, "asked", chosen.height, int(differ.sum()), chosen["descriptor"].filter(differ).to_list())


def repeats(pairs: Pairs, side: str) -> Noise:
    """Of decisions that were made elsewhere: rows whose descriptor has another brand than most of its rows.

    Equal brands are so after redirects; an abstention is an answer of its own. A tie is half of the rows. A side may
    look at more than the descriptor, at the amount say: then its reasons are counted here with its whims.
    """
    rows = differ = groups = 0
    examples: list[str] = []
    for bucket in pairs.buckets():
        found = (
            bucket.group_by("descriptor", f"{side}_brand")
            .agg(pl.len().alias("rows"))
            .group_by("descriptor")
            .agg(pl.col("rows").sum(), pl.col("rows").max().alias("most"))
            .filter(pl.col("rows") > 1)
            .with_columns((pl.col("rows") - pl.col("most")).alias("differ"))
        )
        totals = found.select(pl.len().alias("groups"), pl.col("rows", "differ").sum())
        worst = found.filter(pl.col("differ") > 0).sort("differ", "descriptor", descending=[True, False]).head(_SHOWN)
        summed, shown = pl.collect_all([totals, worst])
        groups, rows, differ = (
            had + int(more) for had, more in zip((groups, rows, differ), summed.row(0), strict=True)
        )
        examples += shown["descriptor"].to_list()
    if not rows:
        return Noise(side, "repeats", "no descriptor stands there twice, and it cannot be asked again")
    return _noise(side, "repeats", rows, differ, examples, groups)


#: Examples that are kept.
_SHOWN = 5


def _noise(side: str, how: str, rows: int, differ: int, examples: list[str], groups: int = 0) -> Noise:
    low, high = (float(end[0]) for end in wilson([differ], [rows])) if how == "asked" else (math.nan, math.nan)
    if how == "asked" and not differ:
        high = min(1.0, 3 / rows)
    return Noise(side, how, "", rows, differ, differ / rows, low, high, groups, tuple(examples[:_SHOWN]))
