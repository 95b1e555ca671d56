"""Chunks of an input -> the rows an engine takes. The cells themselves stay as they are."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tierbreak.core.cells import DateOrder, blank, cell, descriptors
from tierbreak.core.conditions import Debits
from tierbreak.errors import InputError
from tierbreak.files.columns import Columns
from tierbreak.files.source import Chunk

_SLASH_DATE = r"^(\d{1,2})[/-](\d{1,2})[/-]\d{2}(?:\d{2})?$"


class RowReader:
    """Turns chunks into the rows an engine takes, and counts the cells that could not be read.

    columns      which column plays which part
    debits       which sign money going out has; tells what CR and DR behind an amount mean
    date_order   what 03/04/2024 means; None: what the first such dates show, and an error where they show nothing
    unreadable   part -> cells so far that hold something that could not be read; they count as missing
    """

    def __init__(self, columns: Columns, *, debits: Debits = "negative", date_order: DateOrder | None = None) -> None:
        self.columns = columns
        self.debits = debits
        self.date_order = date_order
        self.unreadable: dict[str, int] = {}

    def rows(self, chunk: Chunk) -> pl.DataFrame:
        """`descriptor` and what else is known of each row of `chunk`; a broken row has no descriptor.

        Raises InputError where the descriptor column holds no text, or dates can be read two ways.
        """
        broken = pl.select(pl.int_range(chunk.rows.height).is_in(chunk.broken.implode())).to_series()
        parts = {part: chunk.rows[column] for part, column in self.columns.names.items()}
        out: dict[str, pl.Series] = {}
        for part, cells in parts.items():
            read = self._read(part, cells)
            missed = int((cells.is_not_null() & read.is_null() & ~blank(cells) & ~broken).sum())
            if missed:
                self.unreadable[part] = self.unreadable.get(part, 0) + missed
            out[part] = read
        return pl.DataFrame(out).with_columns(descriptor=pl.when(~broken).then("descriptor"))

    def _read(self, part: str, cells: pl.Series) -> pl.Series:
        if part == "descriptor":
            return self._text(cells)
        if part == "date":
            self.date_order = self.date_order or self._order(cells)
        return cell(part, cells, debits=self.debits, order=self.date_order or "mdy")

    def _text(self, cells: pl.Series) -> pl.Series:
        if (text := descriptors(cells)) is not None:
            return text
        raise InputError(
            f"column {self.columns.descriptor!r} holds {cells.dtype}, not text\n"
            "  fix: name the column of descriptors with --descriptor COLUMN"
        )

    def _order(self, cells: pl.Series) -> DateOrder | None:
        """Month or day first, as the dates of one chunk show; None where it has no such dates."""
        if cells.dtype != pl.String:
            return None
        text = cells.str.strip_chars()
        slashed = text.filter(text.str.contains(_SLASH_DATE).fill_null(False))
        if not len(slashed):
            return None
        first = int(slashed.str.extract(_SLASH_DATE, 1).cast(pl.Int32).max())  # type: ignore[arg-type]
        second = int(slashed.str.extract(_SLASH_DATE, 2).cast(pl.Int32).max())  # type: ignore[arg-type]
        column = self.columns.names["date"]
        if first <= 12 and second <= 12:
            raise InputError(
                f"column {column!r}: {slashed[0]!r} may be month or day first, and no other date here tells\n"
                "  fix: say --date-order mdy or --date-order dmy, or leave the dates out with --date ''"
            )
        if first > 12 and second > 12:
            raise InputError(
                f"column {column!r}: some dates have the month first, others the day\n"
                "  fix: say --date-order mdy or --date-order dmy (the others then count as missing), "
                "or leave the dates out with --date ''"
            )
        return "dmy" if first > 12 else "mdy"


def unreadable_lines(counts: Mapping[str, int], columns: Columns) -> list[str]:
    """One sentence for each part some of whose cells could not be read."""
    return [
        f"cells of {columns.names[part]!r} that hold no {part} and count as missing: {count:,}"
        for part, count in counts.items()
    ]
