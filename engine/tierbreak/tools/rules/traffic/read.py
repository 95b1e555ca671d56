"""A file of rows -> distinct rows with their counts. What a month holds twice is decided once.

A guard asks whether an amount lies below a bound or a code is in a list. So an amount matters only by the bounds of the
rulebooks that it lies between, a date only by the `valid` days around it, a code only where a rule names it; rows that
agree in these and in the descriptor get the same decision of every one of these rulebooks, and are one row here.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tierbreak.core.cells import DateOrder
from tierbreak.core.conditions import Debits
from tierbreak.core.tables import GUARDED, schema
from tierbreak.errors import InputError
from tierbreak.files import open_source
from tierbreak.files.columns import choose
from tierbreak.files.rows import RowReader
from tierbreak.rulebook import Rulebook

#: `n` is the rows that are counted here, or the sum of their weights; `money` the sum of the magnitudes of their
#: amounts times the weight, 0 where there is none; `last` the latest date. Between descriptor and `n` stand those of
#: tables.GUARDED that the rulebooks ask for and the file has, each with a value that one of the rows had.
TRAFFIC = schema(descriptor=pl.String, n=pl.Float64, money=pl.Float64, last=pl.Date)

#: Columns whose least and greatest values can be asked for.
RANGED = ("amount", "mcc", "country", "source")
#: A text behind every code: what stands as the greatest where a row has none.
LAST = "\U0010ffff"

#: Partial counts are added up when so many rows of them have come together, or twice as many as are left by that.
_TOGETHER = 4_000_000


@dataclass(frozen=True)
class Traffic:
    """Distinct rows of a file, in an order that depends on nothing but them.

    rows      TRAFFIC with the guarded columns that matter
    name      of the file, for messages
    total     rows, or the sum of their weights
    money     sum of the magnitudes of all amounts, None where the file has no amounts
    broken    rows that could not be read as written; they are not in `rows`
    columns   those of tables.GUARDED that the file has
    window    first and last date, None where there is none
    notices   what a person should know about how the file was read
    """

    rows: pl.DataFrame
    name: str
    total: float
    money: float | None
    broken: int
    columns: tuple[str, ...]
    window: tuple[dt.date, dt.date] | None
    notices: tuple[str, ...]

    @classmethod
    def read(
        cls,
        input: str,
        books: Sequence[Rulebook],
        *,
        format: str | None = None,
        columns: dict[str, str | None] | None = None,
        debits: Debits = "negative",
        date_order: DateOrder | None = None,
        ranges: bool = False,
        advance: Callable[[int], None] = lambda rows: None,
        keep: Callable[[pl.Series], pl.Series] | None = None,
    ) -> Traffic:
        """Read a file of any format that `classify` reads.

        books     the rulebooks whose guards and dates decide which rows are alike
        columns   part ('descriptor', 'amount', 'weight' …) -> column, as files.columns.choose takes them
        ranges    also give the least and greatest value that the rows of each had: `amount_low`, `amount_high`,
                  `mcc_low` … of those of RANGED that the file has, so that a guard which no rule has yet can be weighed
        advance   told how many rows a chunk had
        keep      descriptors -> Boolean: those that go into `rows`; all else is told of all rows. None keeps all

        Raises InputError where the file cannot be read or has no row.
        """
        classes = _Classes(books, ranges=ranges)
        parts: list[pl.DataFrame] = []
        total, money = 0.0, 0.0
        waiting, room, broken = 0, _TOGETHER, 0
        window: tuple[dt.date, dt.date] | None = None
        with open_source(input, format) as source:
            chosen = choose(source.columns, columns or {}, name=source.name)
            source.raw_into = chosen.descriptor
            guards = RowReader(chosen, debits=debits, date_order=date_order)
            have = tuple(name for name in GUARDED if name in chosen.names)
            for chunk in source:
                rows = _measured(guards.rows(chunk).filter(pl.col("descriptor").is_not_null()))
                broken += len(chunk.broken)
                window = _wider(window, rows)
                total, money = total + float(rows["n"].sum()), money + float(rows["money"].sum())
                if keep is not None:
                    rows = rows.filter(keep(rows["descriptor"]))
                parts.append(classes.counted(rows))
                waiting += parts[-1].height
                if waiting > room:
                    parts, waiting = [classes.together(parts)], 0
                    room = max(_TOGETHER, 2 * parts[0].height)  # where most rows differ, adding up saves nothing
                advance(chunk.rows.height)
            notices = tuple(source.notices)
        if not parts:
            raise InputError(f"{source.name}: no rows; expected at least one descriptor below the header")
        # By a hash and not by the text: sorting ten million texts takes half of the time of reading them.
        whole = classes.together(parts).sort(pl.col("descriptor").hash(), *classes.asked(parts[0].columns))
        ranged = [name for name in whole.columns if name.endswith(("_low", "_high"))]
        guarded = [name for name in GUARDED if name in whole.columns]
        rows = whole.select("descriptor", *guarded, *ranged, "n", "money", "last")
        return cls(rows, source.name, total, money if "amount" in have else None, broken, have, window, notices)


def _measured(rows: pl.DataFrame) -> pl.DataFrame:
    """With what each row counts for: `n`, `money` and `last` of TRAFFIC."""
    have = rows.columns
    weight = pl.col("weight").fill_null(0.0) if "weight" in have else pl.lit(1.0)
    money = pl.col("amount").abs().fill_null(0.0) * weight if "amount" in have else pl.lit(0.0)
    return rows.with_columns(n=weight, money=money, last=pl.col("date") if "date" in have else pl.lit(None, pl.Date))


def _wider(window: tuple[dt.date, dt.date] | None, rows: pl.DataFrame) -> tuple[dt.date, dt.date] | None:
    if "date" not in rows.columns or rows["date"].null_count() == rows.height:
        return window
    first: Any = rows["date"].min()
    last: Any = rows["date"].max()
    return (min(first, window[0]), max(last, window[1])) if window else (first, last)


class _Classes:
    """Which values of the guarded columns the rulebooks can tell apart."""

    def __init__(self, books: Sequence[Rulebook], *, ranges: bool) -> None:
        self._ranges = ranges
        guards = [rule.when for book in books for rule in book.rules if rule.when]
        self._amounts = sorted({bound for guard in guards for _, bound in guard.amount})
        self._signs = any(guard.sign for guard in guards)
        self._codes = {
            name: sorted({value for guard in guards for value in getattr(guard, name)})
            for name in ("mcc", "country", "source")
        }
        day = dt.timedelta(days=1)
        valid = [rule.valid for book in books for rule in book.rules]
        self._days = sorted({start for start, _ in valid if start} | {end + day for _, end in valid if end})

    def asked(self, have: Sequence[str]) -> list[str]:
        """The columns of classes that a table with the columns `have` gets."""
        return [name for name in ("_amount", "_date", "_mcc", "_country", "_source") if name in have]

    def _of(self, have: Sequence[str]) -> list[pl.Expr]:
        out = []
        if "amount" in have and (self._amounts or self._signs):
            size = pl.col("amount").abs()
            # Twice the bounds below, one more where it lies on a bound: `lt` and `le` differ there alone.
            steps = pl.sum_horizontal([(size >= b).cast(pl.Int32) + (size > b) for b in self._amounts] or [pl.lit(0)])
            sign = pl.col("amount").sign().cast(pl.Int32) if self._signs else pl.lit(1)
            out.append(pl.when(pl.col("amount").is_not_null()).then(steps * 3 + sign).alias("_amount"))
        if "date" in have and self._days:
            days = pl.sum_horizontal([(pl.col("date") >= day).cast(pl.Int32) for day in self._days])
            out.append(pl.when(pl.col("date").is_not_null()).then(days).alias("_date"))
        for name, values in self._codes.items():
            if name in have and values:
                here = pl.col(name)
                out.append(
                    pl.when(here.is_in(values) | here.is_null()).then(here).otherwise(pl.lit("")).alias(f"_{name}")
                )
        return out

    def counted(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of one chunk, measured, added up."""
        return self._added(rows.with_columns(*self._of(rows.columns), *self._ends(rows.columns)))

    def _ends(self, have: Sequence[str]) -> list[pl.Expr]:
        """Both ends of each column of RANGED; where a value is missing, ends that no guard can lie between."""
        if not self._ranges:
            return []
        empty: dict[str, tuple[Any, Any]] = {"amount": (-math.inf, math.inf)}
        return [
            pl.col(name).fill_null(fill).alias(f"{name}_{end}")
            for name in RANGED
            if name in have
            for end, fill in zip(("low", "high"), empty.get(name, ("", LAST)), strict=True)
        ]

    def together(self, parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Partial counts, added up."""
        return self._added(pl.concat(parts)) if len(parts) > 1 else parts[0]

    def _added(self, rows: pl.DataFrame) -> pl.DataFrame:
        classes = self.asked(rows.columns)
        values = [pl.col(name[1:]).min() for name in classes]
        values += [pl.col(name).min() for name in rows.columns if name.endswith("_low")]
        values += [pl.col(name).max() for name in rows.columns if name.endswith("_high")]
        return rows.group_by("descriptor", *classes).agg(*values, pl.sum("n"), pl.sum("money"), pl.max("last"))
