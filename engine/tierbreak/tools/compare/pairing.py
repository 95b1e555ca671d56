"""Traffic and two sides -> the table of paired decisions. The traffic is read once, in bounded memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.core.tables import GUARDED
from tierbreak.errors import InputError
from tierbreak.files import Source
from tierbreak.registry import Registry
from tierbreak.tools.compare.codes import Codes
from tierbreak.tools.compare.joint import ABSTAINED, Joint
from tierbreak.tools.compare.names import Named, joint, named
from tierbreak.tools.compare.pairs import DECIDERS, NEW, OLD, PAIR, Pairs, SideFacts, Writer, outcomes
from tierbreak.tools.compare.rows import Reading, Rows
from tierbreak.tools.compare.sides import SAID, Side


@dataclass
class Spent:
    """What a side took for all rows, in seconds."""

    wall: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True)
class Paired:
    """What `pair` gives: the table, and by what it was made.

    registries   the first one's word counts
    named        what the labels of each side stand for, old and new
    spent        what each side took for all rows
    """

    pairs: Pairs
    registries: tuple[Registry, ...]
    named: tuple[Named, Named]
    spent: tuple[Spent, Spent]


@dataclass
class _Asking:
    """One side while it is asked."""

    side: Side
    named: Named
    place: dict[str, int]
    written: Codes
    spent: Spent = field(default_factory=Spent)
    rules: Codes = field(default_factory=Codes)
    unmapped: dict[str, int] = field(default_factory=dict)
    lost: int = 0

    def ask(self, rows: pl.DataFrame) -> pl.DataFrame:
        wall, cpu = time.perf_counter(), time.process_time()
        said = self.side.decide(rows)
        self.spent.wall += time.perf_counter() - wall
        self.spent.cpu += time.process_time() - cpu
        if said.height != rows.height or said.schema != SAID:
            raise InputError(
                f"{self.side.name}: gave {said.height:,} decisions of {said.schema} for {rows.height:,} rows"
            )
        return self.named.spoken(said)

    def coded(self, said: pl.DataFrame, prefix: str, reasons: Codes) -> dict[str, pl.Series]:
        """The columns of PAIR of this side; `written` beside them tells rebrands."""
        labels = said["brand"].unique().drop_nulls().to_list()
        places = [self.place[self.named.today[label]] for label in labels]
        for label, times in said["brand"].value_counts().drop_nulls().iter_rows():
            if self.named.how[label] == "unknown":
                self.unmapped[label] = self.unmapped.get(label, 0) + times
        return {
            f"{prefix}_brand": _replaced(said["brand"], labels, places, pl.Int32),
            f"{prefix}_tier": _replaced(said["tier"], list(DECIDERS), list(range(len(DECIDERS))), pl.Int8),
            f"{prefix}_rule": self.rules.of(said["rule"]),
            f"{prefix}_reason": reasons.of(said["reason"]),
            f"{prefix}_confidence": said["confidence"],
            "written": self.written.of(
                said["brand"].replace_strict(
                    labels, [self.named.written[label] for label in labels], default=None, return_dtype=pl.String
                )
                if labels
                else said["brand"]
            ),
        }

    def facts(self) -> SideFacts:
        side = self.side
        mapped: dict[str, int] = {}
        if side.registry is None:
            for how in self.named.how.values():
                mapped[how] = mapped.get(how, 0) + 1
        unmapped = dict(sorted(self.unmapped.items(), key=lambda item: (-item[1], item[0])))
        return SideFacts(
            side.name, side.kind, side.fingerprint, dict(side.parts), self.lost, side.extra, unmapped, mapped,
            tuple(side.notices),
        )  # fmt: skip


def _replaced(words: pl.Series, known: list[str], numbers: list[int], kind: type[pl.DataType]) -> pl.Series:
    if not known:
        return pl.repeat(ABSTAINED, len(words), dtype=kind, eager=True)
    return words.replace_strict(known, numbers, default=ABSTAINED, return_dtype=kind)


def pair(
    old: Side,
    new: Side,
    source: Source,
    reading: Reading,
    folder: Path,
    *,
    shipped: Registry,
    given: Mapping[str, str] | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Paired:
    """Ask both sides about every row, and write down what they say.

    source    the traffic, opened; read to its end
    folder    an empty one, for the table
    shipped   the registry by which names are read where neither side has one
    given     name -> id, for files and lists

    A row for which a side has no decision is in no figure and counted in the facts of that side. Raises InputError
    where the traffic has no row, an id stands twice, or the rows of a file of decisions are not the traffic's.
    """
    registries = [side.registry for side in (new, old) if side.registry is not None] or [shipped]
    names = [named(side, registries, given or {}) for side in (old, new)]
    scale = joint(registries, *names)
    written, reasons = Codes(), Codes()
    place = dict(scale.position)
    asking = [_Asking(side, each, place, written) for side, each in zip((old, new), names, strict=True)]
    writer, traffic = Writer(folder), Rows(source, reading)
    for rows in traffic:
        said = [one.ask(rows) for one in asking]
        lost = [each["lost"].to_numpy() for each in said]
        for one, without in zip(asking, lost, strict=True):
            one.lost += int(without.sum())
        kept = pl.Series(~(lost[0] | lost[1]))
        if kept.any():
            writer.add(_paired(rows.filter(kept), [each.filter(kept) for each in said], asking, scale, reasons))
        advance()
    for side in (old, new):
        side.finish(traffic.total)
    for one in asking:
        if one.lost and one.lost == traffic.total:
            raise InputError(
                f"{one.side.name}: has no decision for any of the {one.lost:,} rows, by {reading.id!r}; the first of "
                f"the traffic is {traffic.first!r}\n  fix: write ids alike in both files (1 is not 0001), or name "
                "another column"
            )
    writer.flush()
    rules = tuple(tuple(one.rules.values) for one in asking)
    pairs = Pairs(
        folder,
        scale,
        (rules[0], rules[1]),
        tuple(reasons.values),
        asking[0].facts(),
        asking[1].facts(),
        traffic.facts,
    )
    return Paired(pairs, tuple(registries), (names[0], names[1]), (asking[0].spent, asking[1].spent))


def _paired(
    rows: pl.DataFrame, said: list[pl.DataFrame], asking: list[_Asking], scale: Joint, reasons: Codes
) -> pl.DataFrame:
    coded = [one.coded(each, side, reasons) for one, each, side in zip(asking, said, (OLD, NEW), strict=True)]
    before, after = coded[0].pop("written"), coded[1].pop("written")
    answers = coded[0][f"{OLD}_brand"].to_numpy(), coded[1][f"{NEW}_brand"].to_numpy()
    n = rows["weight"].fill_null(0.0) if "weight" in rows.columns else pl.repeat(1.0, rows.height, eager=True)
    blank: dict[str, Any] = {"user": pl.UInt64, "money": pl.Float64, "date": pl.Date}
    columns = {
        "row": rows["row"],
        "descriptor": rows["descriptor"],
        "key": _keys(rows["descriptor"]),
        "n": n,
        "outcome": pl.Series(outcomes(scale, *answers)),
        "rebrand": pl.Series((answers[0] == answers[1]) & (answers[0] >= 0)) & (before != after),
        **coded[0],
        **coded[1],
    }
    if "user" in rows.columns:
        columns["user"] = rows.select(pl.when(pl.col("user").is_not_null()).then(pl.col("user").hash())).to_series()
    if "amount" in rows.columns:
        columns["money"] = rows["amount"].abs() * n
    if "date" in rows.columns:
        columns["date"] = rows["date"]
    for name, kind in blank.items():
        if name not in columns:
            columns[name] = pl.Series([None] * rows.height, dtype=kind)
    given = {f"given_{name}": rows[name] for name in GUARDED if name in rows.columns}
    return pl.DataFrame({name: columns[name] for name in PAIR} | given)


def _keys(descriptors: pl.Series) -> pl.Series:
    """A hash of each descriptor's key; equal descriptors are normalised once."""
    distinct = descriptors.unique()
    hashed = normalise(distinct)["key"].hash()
    table = pl.DataFrame({"descriptor": distinct, "key": hashed})
    return descriptors.to_frame("descriptor").join(table, on="descriptor", how="left", maintain_order="left")["key"]
