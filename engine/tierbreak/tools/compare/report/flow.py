"""The part of a report on where answers flow."""

from __future__ import annotations

from tierbreak.tools.compare.document import Block, Figure, Fold, Section, Table, Text, count, percent
from tierbreak.tools.compare.measure.cells import NO_ANSWER
from tierbreak.tools.compare.measure.flow import Flows, Kind, Stream
from tierbreak.tools.compare.report.agreement import OUTCOME
from tierbreak.tools.compare.report.plots import Band, sankey

TITLE = "What becomes of answers"
#: Rows of a table that are seen at once.
SHOWN = 8
_OTHERS = "other brands"
_HEADS = {
    "changed": "Another brand",
    "lost": "Lost: the new side gives no answer",
    "gained": "Gained: the old side gave no answer",
    "family": "Another brand of the same family",
    "same": "The same brand",
}


def section(found: Flows) -> Section:
    """What `measure.flow` found, as blocks."""
    if not found.n:
        return Section("flow", TITLE, (Text("There are no paired decisions: nothing flows.", "warn"),), found)
    weighted = " A transaction counts as often as its weight says." if found.weighted else ""
    blocks: list[Block] = [
        Text(
            f"{percent(found.stays / found.n)} of {count(found.n)} transactions keep their answer, or have none on "
            f"either side. What follows is the rest, brand by brand, those with most transactions first.{weighted}"
        )
    ]
    if found.bands:
        blocks.append(_figure(found))
    else:
        blocks.append(Text("No transaction gets another answer than before.", "good"))
    for kind in found.kinds:
        table = _table(kind, bool(found.money))
        blocks.append(Fold("The same brand on both sides", (table,)) if kind.outcome == "same" else table)
    blocks.append(_rebrands(found))
    return Section("flow", TITLE, tuple(blocks), found)


def _figure(found: Flows) -> Figure:
    bands = [_band(stream, found.n) for stream in found.bands]
    says = "; ".join(band.says for band in bands)
    moved = sum(stream.n for stream in found.bands)
    title = f"Old answer to the left, new answer to the right: the {percent(moved / found.n)} that differ"
    return Figure(title, sankey(title, bands, says, {role: name for name, role in OUTCOME.values()}), says)


def _band(stream: Stream, total: float) -> Band:
    old = stream.old_name or (NO_ANSWER if stream.outcome == "gained" else _OTHERS)
    new = stream.new_name or (NO_ANSWER if stream.outcome == "lost" else _OTHERS)
    name, role = OUTCOME[stream.outcome]
    return Band(old, new, stream.n, role, f"{name}: {old} to {new}, {percent(stream.n / total, 2)}")


def _table(kind: Kind, money: bool) -> Table:
    rest = kind.cells - len(kind.top)
    more = f" Pairs of answers that are not listed: {count(rest)}." if rest else ""
    mapped = all(one.old_known and one.new_known for one in kind.top)
    unknown = "" if mapped else " A name marked * is in no registry."
    return Table(
        ("old side", "new side", "transactions", "share", "distinct keys", *(["money"] if money else [])),
        tuple(
            (_name(one.old_name, one.old_known), _name(one.new_name, one.new_known), count(one.n),
             percent(one.share, 2), count(one.keys), *([count(one.money)] if money else []))
            for one in kind.top
        ),
        title=f"{_HEADS[kind.outcome]}: {percent(kind.share)}",
        note=f"In all: {count(kind.n)}.{more}{unknown}",
        words=frozenset({0, 1}), shown=SHOWN,
    )  # fmt: skip


def _name(name: str, known: bool) -> str:
    return name if known else f"{name} *"


def _rebrands(found: Flows) -> Block:
    if not found.rebrands:
        return Text("No brand is named by an older id on one side and by today's on the other.", "soft")
    return Table(
        ("brand today", "transactions", "share"),
        tuple((one.new_name, count(one.n), percent(one.share, 2)) for one in found.rebrands),
        title="Renamed or merged brands: no difference", shown=SHOWN,
        note="The sides name these by two ids, which the registry knows to be one brand.",
    )  # fmt: skip
