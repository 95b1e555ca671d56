"""The one reader of a row's cells, for frames, files and requests: descriptors, amounts, dates, codes.

What cannot be read as what it should be counts as missing, and is counted; nothing is guessed twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import polars as pl

from tierbreak.core.conditions import Debits
from tierbreak.core.tables import DECISION, GUARDED
from tierbreak.errors import BatchError

DateOrder = Literal["mdy", "dmy"]


@dataclass(frozen=True)
class Batch:
    """Step 1: n rows as the engine sees them.

    rows         `descriptor` (String, no nulls) and those of tables.GUARDED that the caller gave
    unreadable   column -> cells that hold something that could not be read; they count as missing
    """

    rows: pl.DataFrame
    unreadable: Mapping[str, int]


def frame(rows: Any) -> pl.DataFrame:
    """The caller's table as a frame: one of polars, or anything that gives an Arrow stream (pandas, pyarrow, DuckDB).

    Raises BatchError, which says what to give instead.
    """
    if isinstance(rows, pl.DataFrame):
        return rows
    if isinstance(rows, pl.LazyFrame):
        raise BatchError("rows are a polars LazyFrame; give `rows.collect()`")
    if isinstance(rows, pl.Series):
        raise BatchError('rows are a polars Series; give `rows.to_frame("descriptor")`')
    if isinstance(rows, (str, bytes)):
        raise BatchError("rows are one text; `classify_one` takes one descriptor")
    if isinstance(rows, Mapping):
        raise BatchError("rows are a mapping; give `polars.DataFrame(rows)`, or one row to `classify_one(**row)`")
    if hasattr(rows, "__arrow_c_stream__"):
        try:
            made = pl.DataFrame(rows)
        except Exception as error:  # whatever a foreign library raises while it gives its data away
            raise BatchError(f"rows are a {_kind(rows)} that gives no Arrow table: {error}") from None
        return made
    raise BatchError(
        f"rows are a {_kind(rows)}; give a polars, pandas or pyarrow table with a column `descriptor`, "
        "or an iterable of texts or mappings to `classify_many`"
    )


def one(descriptor: str, row: Mapping[str, object]) -> pl.DataFrame:
    """The rows of a Batch of one: `descriptor`, and those of tables.GUARDED that are not None."""
    given = {name: value for name, value in row.items() if value is not None}
    if not given and descriptor.isascii():
        return pl.DataFrame([pl.Series("descriptor", [descriptor], dtype=pl.String)])
    return many([{"descriptor": descriptor, **given}], 0)


def many(rows: Sequence[str | Mapping[str, Any]], start: int) -> pl.DataFrame:
    """A frame of texts, or of mappings with `descriptor` and some of tables.GUARDED.

    start   the number of the first row, for messages

    Raises BatchError that says which row is wrong, what was found and what to give.
    """
    cells: dict[str, list[Any]] = {name: [] for name in ("descriptor", *GUARDED)}
    for number, row in enumerate(rows, start=start):
        given: Mapping[str, Any] = {"descriptor": row} if isinstance(row, str) else row
        if not isinstance(given, Mapping):
            raise BatchError(f"row {number} is a {_kind(row)}; give a text, or a mapping with `descriptor`")
        if strange := [name for name in given if name not in cells]:
            raise BatchError(f"row {number}: {_unknown(strange[0])}")
        text = given.get("descriptor")
        if not isinstance(text, str):
            raise BatchError(f"row {number}: `descriptor` is {text!r}; give a text")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BatchError(
                f"row {number}: `descriptor` holds half a character ({text[error.start]!r} at {error.start}); "
                'decode its bytes with errors="replace"'
            ) from None
        for name, values in cells.items():
            values.append(given.get(name))
    given = {name: values for name, values in cells.items() if name == "descriptor" or values.count(None) < len(values)}
    return pl.DataFrame([_series(name, values) for name, values in given.items()])


def _series(name: str, values: list[Any]) -> pl.Series:
    """Values of Python as cells: numbers and days as they are, all else as it prints."""
    kinds = {type(value) for value in values if value is not None}
    if name == "amount" and kinds <= {int, float}:
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    texts = [None if value is None else str(value).encode("utf-8", "replace").decode() for value in values]
    return pl.Series(name, texts, dtype=pl.String)


def refused(descriptor: object, unknown: Mapping[str, object]) -> BatchError:
    """The error of a single row that cannot be read at all."""
    if not isinstance(descriptor, str):
        return BatchError(f"`descriptor` is {descriptor!r}; give a text")
    return BatchError(_unknown(next(iter(unknown))))


def _unknown(name: object) -> str:
    near = get_close_matches(str(name), ("descriptor", *GUARDED), n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    return f"no column `{name}` is looked at; there are: descriptor, {', '.join(GUARDED)}{hint}"


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def read(rows: pl.DataFrame, *, debits: Debits = "negative") -> Batch:
    """The columns that the engine looks at, as it looks at them, or BatchError naming all that is wrong.

    rows     n rows with `descriptor` and any of tables.GUARDED; other columns are the caller's own
    debits   which sign money going out has; tells what CR and DR behind an amount mean

    A cell that cannot be read counts as missing: a condition fails on it. A null descriptor is a blank one.

    >>> read(pl.DataFrame({"descriptor": ["UBER"], "mcc": [742], "note": ["x"]})).rows.rows()
    [('UBER', '0742')]
    >>> read(pl.DataFrame({"descriptor": ["UBER"], "amount": ["free"]})).unreadable
    {'amount': 1}
    """
    if "descriptor" not in rows.columns:
        raise BatchError(f"no column 'descriptor'; there are: {', '.join(rows.columns) or 'none'}")
    wrong = [f"  {name}: the engine adds this column; rename yours" for name in DECISION if name in rows.columns]
    columns: list[pl.Series] = []
    unreadable = {}
    for name in ("descriptor", *GUARDED):
        if name not in rows.columns:
            continue
        cells = rows[name]
        if cells.dtype.is_nested() or cells.dtype in (pl.Object, pl.Duration, pl.Time):
            wrong.append(f"  {name}: cannot be read, it is {cells.dtype}")
        elif name == "descriptor":
            if (text := descriptors(cells)) is None:
                wrong.append(f"  {name}: expected text, it is {cells.dtype}")
            else:
                columns.append(text.fill_null("") if text.null_count() else text)
        else:
            found = cell(name, cells, debits=debits, order=None)
            if missed := missing(cells, found):
                unreadable[name] = missed
            columns.append(found)
    if wrong:
        raise BatchError("rows have the wrong shape:\n" + "\n".join(wrong))
    return Batch(pl.DataFrame(columns), unreadable)


def cell(name: str, cells: pl.Series, *, debits: Debits, order: DateOrder | None) -> pl.Series:
    """The cells of one of tables.GUARDED, or of `weight`, each read as what it should be, null where that fails."""
    if name in ("amount", "weight"):
        found = amounts(cells, debits=debits)
    elif name == "date":
        found = dates(cells, order=order)
    elif name == "mcc":
        found = codes(cells)
    else:
        found = stripped(cells)
    return found.alias(name)


def missing(cells: pl.Series, found: pl.Series) -> int:
    """How many cells hold something of which nothing was read."""
    if found.null_count() == cells.null_count():
        return 0
    return int((cells.is_not_null() & found.is_null() & ~blank(cells)).sum())


def descriptors(cells: pl.Series) -> pl.Series | None:
    """Cells as text where they are text of any kind; None where they are something else."""
    if cells.dtype == pl.String:
        return cells
    if cells.dtype in (pl.Categorical, pl.Enum, pl.Null):
        return cells.cast(pl.String)
    return as_text(cells) if cells.dtype == pl.Binary else None


def amounts(cells: pl.Series, *, debits: Debits = "negative") -> pl.Series:
    """Numbers out of what statements write as amounts; null where it is none.

    Takes currency signs and codes, thousands separators, a decimal comma where it can be nothing else, a sign in
    front or behind, parentheses for negative, and CR (money coming in) or DR (going out) behind.

    >>> amounts(pl.Series(["$1,234.50", "(5.00)", "12,50 €", "7.00 DR", "1 234.00-", "free"])).to_list()
    [1234.5, -5.0, 12.5, -7.0, -1234.0, None]
    """
    if cells.dtype.is_numeric():
        return _finite(cells.cast(pl.Float64, strict=False))
    text = as_text(cells)
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


def dates(cells: pl.Series, *, order: DateOrder | None) -> pl.Series:
    """Dates out of ISO (with a time or not), 20240304, 2024/03/04, 4.3.2024 and, in the order told, 3/4/2024 or 3/4/24.

    A time with a zone gives the day in that zone. Without an order, 3/4/2024 is none.

    >>> dates(pl.Series(["2024-03-04T10:00:00Z", "3/4/24", "4.3.2024", "soon"]), order="mdy").cast(str).to_list()
    ['2024-03-04', '2024-03-04', '2024-03-04', None]
    """
    if cells.dtype == pl.Date:
        return cells
    if cells.dtype == pl.Datetime:
        return cells.dt.date()
    text = as_text(cells).str.strip_chars()
    day = text.str.replace(r"^(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[-/]\d{1,2}[-/]\d{2,4})[T ]\d.*$", "${1}")
    day = day.str.replace_all(r"[/]", "-")
    first = "%m-%d-" if order == "mdy" else "%d-%m-"
    by_order = ((r"^\d{1,2}-\d{1,2}-\d{4}$", first + "%Y"), (r"^\d{1,2}-\d{1,2}-\d{2}$", first + "%y"))

    def read(shape: str, format: str) -> pl.Series:
        return pl.select(pl.when(day.str.contains(shape)).then(day)).to_series().str.to_date(format, strict=False)

    out = read(r"^\d{4}-\d{1,2}-\d{1,2}$", "%Y-%m-%d")
    for shape, format in (
        (r"^\d{8}$", "%Y%m%d"),
        *(by_order if order else ()),
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
    text = as_text(cells).str.strip_chars().str.replace(r"\.0$", "")
    return pl.select(pl.when(text.str.contains(r"^\d{1,4}$")).then(text.str.zfill(4))).to_series()


def as_text(cells: pl.Series) -> pl.Series:
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


def stripped(cells: pl.Series) -> pl.Series:
    """Cells as text without white space around; nothing left is null."""
    text = as_text(cells).str.strip_chars()
    return pl.select(pl.when(text != "").then(text)).to_series()


def blank(cells: pl.Series) -> pl.Series:
    """bool [n]: cells that hold nothing: white space, or a number that is none."""
    if cells.dtype.is_float():
        return cells.is_nan().fill_null(False)
    if cells.dtype != pl.String:
        return pl.repeat(False, len(cells), eager=True)
    return (cells.str.strip_chars() == "").fill_null(False)


def _finite(numbers: pl.Series) -> pl.Series:
    return pl.select(pl.when(numbers.is_finite()).then(numbers)).to_series()
