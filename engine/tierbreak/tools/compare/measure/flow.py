"""Where answers flow from the old side to the new: which brand becomes which."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import polars as pl

from tierbreak.tools.compare.joint import Joint
from tierbreak.tools.compare.measure.agreement import share
from tierbreak.tools.compare.measure.cells import ByKey, shown, total
from tierbreak.tools.compare.pairs import BOTH_ABSTAIN, CHANGED, FAMILY, GAINED, LOST, OUTCOMES, SAME, Pairs

#: Outcomes in the order in which a person wants to see them; those that are agreement last.
ORDER = (CHANGED, LOST, GAINED, FAMILY, SAME)
#: Those of which every cell is a difference.
_DIFFERENT = ORDER[:4]


@dataclass(frozen=True)
class Flow:
    """One cell: what the old side calls `old`, the new one calls `new`.

    old, new      ids; None where the side gives no answer
    old_name, new_name   as shown
    rows, n       transactions, and what they count for
    share         of all traffic, 0..1
    keys          distinct keys of which at least one row is answered so
    old_known, new_known   whether a registry has it; an answer that is none counts as known
    """

    old: str | None
    new: str | None
    old_name: str
    new_name: str
    rows: int
    n: float
    share: float
    money: float
    keys: int
    old_known: bool
    new_known: bool


@dataclass(frozen=True)
class Kind:
    """The cells of one outcome.

    top     those with most traffic, most first
    cells   how many there are in all
    """

    outcome: str
    rows: int
    n: float
    share: float
    money: float
    cells: int
    top: tuple[Flow, ...]


@dataclass(frozen=True)
class Stream:
    """A band of the flow diagram: one cell, or the rest of an outcome, then without names."""

    outcome: str
    old_name: str | None
    new_name: str | None
    n: float


@dataclass(frozen=True)
class Flows:
    """Everything that flows.

    n          what all rows count for, by weights where `weighted`
    money      of all rows
    kinds      in ORDER; an outcome without rows is left out
    rebrands   brands that the sides name by two ids, of which a redirect makes one: no difference. rows, n and share
               are of those rows alone; keys and money are not counted and 0
    bands      of the diagram, heaviest first: what differs, not what stays
    stays      what the rows count for that stay, those without an answer among them
    """

    n: float
    weighted: bool
    money: float
    stays: float
    kinds: tuple[Kind, ...]
    rebrands: tuple[Flow, ...]
    bands: tuple[Stream, ...]


def flow(pairs: Pairs, cells: pl.DataFrame, keys: ByKey, *, top: int = 15, bands: int = 12) -> Flows:
    """Sum cells up by brand.

    cells, keys   of these pairs, from the functions `cells` and `by_key`
    top           cells shown of each outcome
    bands         of the diagram, at most; at least 4
    """
    whole = total(cells, "n")
    by = ("outcome", "old_brand", "new_brand")
    counted = cells.lazy().group_by(by).agg(pl.col("rows", "n", "money", "rebrands", "rebrand_n").sum())
    summed = (
        counted.collect().join(keys.pairs, on=by, how="left")
        .sort("n", "old_brand", "new_brand", descending=[True, False, False])
    )  # fmt: skip
    joint, names = pairs.joint, shown(pairs.joint)
    kinds = []
    for outcome in ORDER:
        mine = summed.filter(pl.col("outcome") == outcome)
        if not mine.height:
            continue
        first = tuple(_flow(row, joint, names, whole) for row in mine.head(top).iter_rows(named=True))
        n, name = total(mine, "n"), OUTCOMES[outcome]
        kinds.append(Kind(name, int(mine["rows"].sum()), n, share(n, whole), total(mine, "money"), mine.height, first))
    moved = summed.filter(pl.col("outcome").is_in(_DIFFERENT))
    drawn = _streams(moved, names, bands)
    renamed = summed.filter(pl.col("rebrands") > 0).select(
        "old_brand", "new_brand", rows="rebrands", n="rebrand_n", money=pl.lit(0.0), keys=pl.lit(0)
    ).sort("n", "old_brand", descending=[True, False])  # fmt: skip
    rebrands = tuple(_flow(row, joint, names, whole) for row in renamed.head(top).iter_rows(named=True))
    stays = total(cells.filter(pl.col("outcome").is_in([SAME, BOTH_ABSTAIN])), "n")
    return Flows(whole, "weight" in pairs.traffic.has, total(cells, "money"), stays, tuple(kinds), rebrands, drawn)


def _flow(row: dict[str, float], joint: Joint, names: tuple[str, ...], whole: float) -> Flow:
    at = [int(row["old_brand"]), int(row["new_brand"])]
    ids = [joint.ids[brand] if brand >= 0 else None for brand in at]
    known = [brand < 0 or bool(joint.known[brand]) for brand in at]
    return Flow(
        ids[0], ids[1], names[at[0]], names[at[1]], int(row["rows"]), row["n"], share(row["n"], whole), row["money"],
        int(row["keys"]), known[0], known[1],
    )  # fmt: skip


def _streams(moved: pl.DataFrame, names: tuple[str, ...], bands: int) -> tuple[Stream, ...]:
    """The heaviest cells, and a band for what is left of each outcome."""
    # One place is kept for the rest of each outcome that there is.
    room = bands if moved.height <= bands else bands - moved["outcome"].n_unique()
    out = []
    rest: dict[int, float] = defaultdict(float)
    for at, (outcome, old, new, n) in enumerate(moved.select("outcome", "old_brand", "new_brand", "n").iter_rows()):
        if at < room:
            out.append(Stream(OUTCOMES[outcome], names[old], names[new], n))
        else:
            rest[outcome] += n
    out += [Stream(OUTCOMES[outcome], None, None, n) for outcome, n in rest.items()]
    return tuple(sorted(out, key=lambda stream: -stream.n))
