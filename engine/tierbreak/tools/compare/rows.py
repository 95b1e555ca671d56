"""The traffic of a comparison, read once: the rows that both sides are asked, and what is known of them all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tierbreak.core.cells import DateOrder
from tierbreak.core.conditions import Debits
from tierbreak.errors import InputError
from tierbreak.files import Chunk, Source
from tierbreak.files.columns import Columns
from tierbreak.files.rows import RowReader
from tierbreak.tools.compare.pairs import TrafficFacts


@dataclass(frozen=True)
class Reading:
    """How the traffic is read.

    columns      which column plays which part
    user, id     further columns; None: there is none. The descriptor may be the id: then it need not be unique
    """

    columns: Columns
    user: str | None = None
    id: str | None = None
    debits: Debits = "negative"
    date_order: DateOrder | None = None


class Rows:
    """Iterate, once, to get the rows of a source: `descriptor`, `weight`, what guards look at, `row` and, if there are
    such columns, `user` and `id`. Rows that could not be read as written are left out and counted.

    total   rows so far, broken ones too
    first   id of the first row, None where there are none
    facts   of all rows, once they were read

    Iterating raises InputError where there is no row, a row has no id, an id stands twice, or a weight lies below 0.
    """

    def __init__(self, source: Source, reading: Reading) -> None:
        self._source, self._reading = source, reading
        source.raw_into = reading.columns.descriptor
        self._guards = RowReader(reading.columns, debits=reading.debits, date_order=reading.date_order)
        self._ids = _Ids(source.name, many=reading.id == reading.columns.descriptor)
        self.total, self._broken = 0, 0
        self.first: str | None = None
        self._window: tuple[dt.date, dt.date] | None = None

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for chunk in self._source:
            rows = self._read(chunk)
            self._weigh(rows)
            self._ids.add(rows)
            if self.first is None and "id" in rows.columns and rows.height:
                self.first = rows["id"][0]
            self.total += chunk.rows.height
            self._broken += chunk.rows.height - rows.height
            self._widen(rows)
            yield rows
        if not self.total:
            raise InputError(f"{self._source.name}: no rows; expected at least one descriptor below the header")
        self._ids.finish()

    def _read(self, chunk: Chunk) -> pl.DataFrame:
        reading, height = self._reading, chunk.rows.height
        places = pl.int_range(self.total, self.total + height, dtype=pl.UInt64).alias("row")
        rows = self._guards.rows(chunk).with_columns(places)
        further = {part: name for part, name in (("user", reading.user), ("id", reading.id)) if name is not None}
        rows = rows.with_columns(
            chunk.rows[name].cast(pl.String).str.strip_chars().alias(part) for part, name in further.items()
        )
        rows = rows.with_columns(pl.when(pl.col(part) != "").then(part).alias(part) for part in further)
        return rows.filter(pl.col("descriptor").is_not_null())

    def _weigh(self, rows: pl.DataFrame) -> None:
        below = rows.filter(pl.col("weight") < 0) if "weight" in rows.columns else rows.clear()
        if below.height:
            raise InputError(
                f"{self._source.name}: row {int(below['row'][0]) + 1:,} weighs {below['weight'][0]:g}; a weight is how "
                "often a row counts, 0 or more\n  fix: name another column with --weight, or leave such rows out"
            )

    def _widen(self, rows: pl.DataFrame) -> None:
        if "date" in rows.columns and rows["date"].null_count() < rows.height:
            first: Any = rows["date"].min()
            last: Any = rows["date"].max()
            self._window = (min(first, self._window[0]), max(last, self._window[1])) if self._window else (first, last)

    @property
    def facts(self) -> TrafficFacts:
        has = [part for part in ("amount", "date", "weight") if part in self._reading.columns.names]
        return TrafficFacts(
            self._source.name, self.total - self._broken, self._broken, self._guards.unreadable.get("amount", 0),
            frozenset([*has, *(["user"] if self._reading.user else [])]), self._window,
            (*self._source.notices, *self._unread()),
        )  # fmt: skip

    def _unread(self) -> Iterator[str]:
        for part, column in (("weight", "weights"), ("date", "dates")):
            if count := self._guards.unreadable.get(part, 0):
                what = "count 0" if part == "weight" else "are missing"
                yield f"{count:,} {column} could not be read: they {what}"


class _Ids:
    """Whether the traffic's ids can tell rows apart; by hashes, eight bytes a row."""

    def __init__(self, name: str, *, many: bool) -> None:
        self._name, self._many = name, many
        self._seen: list[np.ndarray] = []

    def add(self, rows: pl.DataFrame) -> None:
        if "id" not in rows.columns:
            return
        ids = rows["id"]
        if ids.null_count():
            at = int(rows["row"].filter(ids.is_null())[0])
            raise InputError(f"{self._name}: row {at + 1:,} has no id; every row needs one to be found by")
        if self._many:
            return
        self._seen.append(ids.hash().to_numpy())
        if len(self._seen) > 1 and len(self._seen) % 16:
            return
        self._merge(ids)

    def _merge(self, ids: pl.Series) -> None:
        whole = np.sort(np.concatenate(self._seen))
        if (twice := whole[1:][whole[1:] == whole[:-1]]).size:
            found = ids.filter(ids.hash().is_in(pl.Series(twice).implode()))
            shown = f", such as {found[0]!r}" if len(found) else ""
            raise InputError(
                f"{self._name}: {np.unique(twice).size:,} ids stand more than once{shown}\n"
                "  fix: name a column that tells rows apart, or say --id '' to pair rows by their order"
            )
        self._seen = [whole]

    def finish(self) -> None:
        if len(self._seen) > 1:
            self._merge(pl.Series([], dtype=pl.String))
