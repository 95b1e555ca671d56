"""The columns of every table that passes between steps, and `check`, which names all that is wrong at once.

Texts and brands travel as indexes, not strings: a batch holds few distinct texts, and an index joins
at array speed. `brand` is a position in `Registry.ids`, `rule` one in `Rulebook.rules`; both are turned
back into ids at the last step only.
"""

from __future__ import annotations

import polars as pl

from tierbreak.errors import BatchError


def schema(**columns: pl.DataType | type[pl.DataType]) -> pl.Schema:
    """The columns of a table, in order.

    >>> schema(key=pl.UInt32).names()
    ['key']
    """
    return pl.Schema(columns)


#: Order is precedence: the first tier that settles a case decides it. `fallback` stands in for a model that cannot be
#: loaded: the two never serve together.
TIERS = ("rules", "cache", "model", "fallback")

#: How many answers cache and model give for a key. A trained head gives the best TOP_BRANDS brands, best first, and
#: behind them always its two reserved answers; a head without reserved answers gives TOP_K brands.
TOP_K = 8
TOP_BRANDS = TOP_K - 2

#: The reserved answers, as labels: below 0, so that an array by label holds what they stand for at its end.
NO_BRAND_LABEL, NOT_A_MERCHANT_LABEL = -1, -2

#: What stands in place of a registry index: for a brand that is not live, and for the reserved answers.
MASKED, NO_BRAND, NOT_A_MERCHANT = -1, -2, -3

#: What a caller may give beside `descriptor`, and what it is cast to. `mcc` is text: 0742 is a code.
GUARDED = {
    "amount": pl.Float64,
    "date": pl.Date,
    "mcc": pl.String,
    "country": pl.String,
    "source": pl.String,
}

#: Distinct descriptors after step 2. `folded` is what rules see, `key` what cache and model see.
NORMALISED = schema(folded=pl.String, key=pl.String)

#: Step 3, one row for each (folded text, rule) that matched. `folded` is the position of
#: the text in the list that was judged; `match` is the 1-based number of the pattern within its rule;
#: `excluded` says that one of the rule's `unless` patterns matched too.
MATCHES = schema(folded=pl.UInt32, rule=pl.UInt32, match=pl.UInt16, excluded=pl.Boolean)

#: Steps 5 and 6, one row a key: what the model saw, before any policy. `key` is the position of the
#: text in the list that was judged; `labels` are positions in labels.json, best first, then the reserved answers,
#: and `scores` the raw scores beside them. A row exists for every key the model looked at, a known brand or not.
EVIDENCE = schema(key=pl.UInt32, labels=pl.Array(pl.Int32, TOP_K), scores=pl.Array(pl.Float32, TOP_K))

#: What a confidence is worth: of `very-high` at least 98 % are right, of `high` at least 90 %.
BANDS = ("low", "high", "very-high")

#: What `Engine.classify` adds to the caller's columns, in this order.
DECISION = schema(
    brand=pl.String,
    brand_name=pl.String,
    tier=pl.Enum(TIERS),
    confidence=pl.Float32,
    band=pl.Enum(BANDS),
    rule=pl.String,
    candidates=pl.List(pl.String),
    collision=pl.String,
    reason=pl.String,
)


def check(table: pl.DataFrame, want: pl.Schema, *, name: str) -> pl.DataFrame:
    """Return `table` unchanged, or raise BatchError naming each column that is wrong.

    >>> check(pl.DataFrame({"folded": ["UBER"], "key": [1]}), NORMALISED, name="normalised")
    Traceback (most recent call last):
        ...
    tierbreak.errors.BatchError: table 'normalised' has the wrong shape:
      key: expected String, got Int64
    """
    wrong = [
        f"  {column}: expected {dtype}, got {table.schema.get(column, 'no such column')}"
        for column, dtype in want.items()
        if table.schema.get(column) != dtype
    ]
    wrong += [f"  {column}: not part of {name}" for column in table.columns if column not in want]
    if wrong:
        raise BatchError(f"table '{name}' has the wrong shape:\n" + "\n".join(wrong))
    return table


def read(rows: pl.DataFrame) -> pl.DataFrame:
    """Step 1: the columns that the engine looks at, cast to what it expects, or BatchError naming all that is wrong.

    rows      n rows with `descriptor` and any of GUARDED; other columns are the caller's own
    returns   n rows: `descriptor` (String, null read as blank) and those of GUARDED that are there

    >>> read(pl.DataFrame({"descriptor": ["UBER"], "amount": [-5], "note": ["x"]})).columns
    ['descriptor', 'amount']
    """
    if "descriptor" not in rows.columns:
        raise BatchError(f"no column 'descriptor'; there are: {', '.join(rows.columns) or 'none'}")
    wrong = [f"  {name}: the engine adds this column; rename yours" for name in DECISION if name in rows.columns]
    columns = []
    for name, want in {"descriptor": pl.String, **GUARDED}.items():
        if name in rows.columns:
            column = rows[name]
            try:
                if name == "mcc" and column.dtype.is_integer():
                    columns.append(column.cast(pl.String).str.zfill(4))
                elif name == "date" and column.dtype == pl.String:
                    columns.append(column.str.to_date("%Y-%m-%d", strict=True))
                else:
                    columns.append(column.cast(want, strict=True))
            except pl.exceptions.PolarsError:
                wrong.append(f"  {name}: cannot be read as {want}, it is {column.dtype}")
    if wrong:
        raise BatchError("rows have the wrong shape:\n" + "\n".join(wrong))
    columns = [column.fill_nan(None) if column.dtype == pl.Float64 else column for column in columns]
    if columns[0].null_count():
        columns[0] = columns[0].fill_null("")
    return pl.DataFrame(columns)
