"""Cells of an input into what rules can guard on: amounts, dates, codes. The cells themselves stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

from tierbreak.errors import InputError
from tierbreak.files.columns import Columns
from tierbreak.files.source import Chunk

DateOrder = Literal["mdy", "dmy"]
Debits = Literal["negative", "positive"]

_SLASH_DATE = r"^(\d{1,2})[/-](\d{1,2})[/-]\d{2}(?:\d{2})?$"


class Guards:
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
            missed = int((cells.is_not_null() & read.is_null() & ~_blank(cells) & ~broken).sum())
            if missed:
                self.unreadable[part] = self.unreadable.get(part, 0) + missed
            out[part] = read
        return pl.DataFrame(out).with_columns(descriptor=pl.when(~broken).then("descriptor"))

    def _read(self, part: str, cells: pl.Series) -> pl.Series:
        if part == "descriptor":
            return self._text(cells)
        if part in ("amount", "weight"):
            return amounts(cells, debits=self.debits)
        if part == "date":
            self.date_order = self.date_order or self._order(cells)
            return dates(cells, order=self.date_order or "mdy")
        return codes(cells) if part == "mcc" else _stripped(cells)

    def _text(self, cells: pl.Series) -> pl.Series:
        kind = cells.dtype
        if kind == pl.String:
            return cells
        if kind in (pl.Categorical, pl.Enum, pl.Null):
            return cells.cast(pl.String)
        if kind == pl.Binary:
            return _as_text(cells)
        raise InputError(
            f"column {self.columns.descriptor!r} holds {kind}, not text\n"
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


def amounts(cells: pl.Series, *, debits: Debits = "negative") -> pl.Series:
    """Numbers out of what statements write as amounts; null where it is none.

    Takes currency signs and codes, thousands separators, a decimal comma where it can be nothing else, a sign in
    front or behind, parentheses for negative, and CR (money coming in) or DR (going out) behind.

    >>> amounts(pl.Series(["$1,234.50", "(5.00)", "12,50 €", "7.00 DR", "1 234.00-", "free"])).to_list()
    [1234.5, -5.0, 12.5, -7.0, -1234.0, None]
    """
    if cells.dtype.is_numeric():
        return _finite(cells.cast(pl.Float64, strict=False))
    text = _as_text(cells)
    plain = _finite(text.cast(pl.Float64, strict=False))
    left = plain.is_null() & text.is_not_null()
    if not left.any():
        return plain
    tidy = text.str.to_uppercase().str.replace_all(r"[\s\u00a0\u202f'’]", "").str.replace_all("[−–]", "-")
    code, mark = "(?:[A-Z]{3}|US\\$|[$€£¥])?", "[-+(]?"
    body = tidy.str.extract(rf"^{mark}{code}{mark}([\d.,]+){code}\)?-?(?:CR|DR)?$", 1)
    one_sign = (tidy.str.count_matches(r"[-+(]") <= 1) & (tidy.str.contains(r"\(") == tidy.str.contains(r"\)"))
    us = body.str.contains(r"^(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?$")
    eu = body.str.contains(r"^(?:\d{1,3}(?:\.\d{3})+|\d+),\d{1,2}$")
    outgoing, incoming = tidy.str.ends_with("DR"), tidy.str.ends_with("CR")
    minus = tidy.str.contains("[-(]")
    marked_minus = outgoing if debits == "negative" else incoming
    number = (
        pl.when(us & one_sign)
        .then(body.str.replace_all(",", ""))
        .when(eu & one_sign)
        .then(body.str.replace_all(r"\.", "").str.replace(",", "."))
        .cast(pl.Float64, strict=False)
    )
    signed = pl.when(minus | marked_minus).then(-number.abs()).otherwise(number)
    return _finite(pl.select(pl.when(left).then(signed).otherwise(plain)).to_series())


def dates(cells: pl.Series, *, order: DateOrder) -> pl.Series:
    """Dates out of ISO (with a time or not), 20240304, 2024/03/04, 4.3.2024 and, in the order told, 3/4/2024 or 3/4/24.

    >>> dates(pl.Series(["2024-03-04T10:00:00Z", "3/4/24", "4.3.2024", "soon"]), order="mdy").cast(str).to_list()
    ['2024-03-04', '2024-03-04', '2024-03-04', None]
    """
    if cells.dtype == pl.Date:
        return cells
    if cells.dtype == pl.Datetime:
        return cells.dt.date()
    text = _as_text(cells).str.strip_chars()
    day = text.str.replace(r"^(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[-/]\d{1,2}[-/]\d{2,4})[T ]\d.*$", "${1}")
    day = day.str.replace_all(r"[/]", "-")
    first = "%m-%d-" if order == "mdy" else "%d-%m-"

    def read(shape: str, format: str) -> pl.Series:
        return pl.select(pl.when(day.str.contains(shape)).then(day)).to_series().str.to_date(format, strict=False)

    out = read(r"^\d{4}-\d{1,2}-\d{1,2}$", "%Y-%m-%d")
    for shape, format in (
        (r"^\d{8}$", "%Y%m%d"),
        (r"^\d{1,2}-\d{1,2}-\d{4}$", first + "%Y"),
        (r"^\d{1,2}-\d{1,2}-\d{2}$", first + "%y"),
        (r"^\d{1,2}\.\d{1,2}\.\d{4}$", "%d.%m.%Y"),
        (r"^\d{1,2}\.\d{1,2}\.\d{2}$", "%d.%m.%y"),
    ):
        if out.null_count() == cells.null_count():
            break
        out = out.fill_null(read(shape, format))
    return out


def codes(cells: pl.Series) -> pl.Series:
    """Merchant category codes: four digits, the leading zero that spreadsheets drop put back.

    >>> codes(pl.Series(["742", "5812.0", "shop"])).to_list()
    ['0742', '5812', None]
    """
    text = _as_text(cells).str.strip_chars().str.replace(r"\.0$", "")
    return pl.select(pl.when(text.str.contains(r"^\d{1,4}$")).then(text.str.zfill(4))).to_series()


def _as_text(cells: pl.Series) -> pl.Series:
    """Cells as text; bytes that are no text become null, which polars' own cast refuses."""
    try:
        return cells.cast(pl.String, strict=False)
    except pl.exceptions.PolarsError:
        return pl.Series(cells.name, [_decoded(cell) for cell in cells], dtype=pl.String)


def _decoded(cell: object) -> str | None:
    try:
        return cell.decode() if isinstance(cell, bytes) else None
    except UnicodeDecodeError:
        return None


def _stripped(cells: pl.Series) -> pl.Series:
    text = _as_text(cells).str.strip_chars()
    return pl.select(pl.when(text != "").then(text)).to_series()


def _blank(cells: pl.Series) -> pl.Series:
    if cells.dtype != pl.String:
        return pl.repeat(False, len(cells), eager=True)
    return (cells.str.strip_chars() == "").fill_null(False)


def _finite(numbers: pl.Series) -> pl.Series:
    return pl.select(pl.when(numbers.is_finite()).then(numbers)).to_series()


def unreadable_lines(counts: Mapping[str, int], columns: Columns) -> list[str]:
    """One sentence for each part some of whose cells could not be read."""
    return [
        f"cells of {columns.names[part]!r} that hold no {part} and count as missing: {count:,}"
        for part, count in counts.items()
    ]
