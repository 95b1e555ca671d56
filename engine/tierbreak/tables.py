"""The columns of every table that passes between steps, and `check`, which names all that is wrong at once.

Texts and brands travel as indexes, not strings: a batch holds few distinct texts, and an index joins
at array speed. `brand` is a position in `Registry.ids`, `rule` one in `Rulebook.rules`; both are turned
back into ids at the last step only.
"""

from __future__ import annotations

import polars as pl

from tierbreak.errors import BatchError

#: Order is precedence: the first tier that settles a case decides it.
TIERS = ("rules", "cache", "model")

#: How many brands cache and model name for a key, best first.
TOP_K = 8

#: What a caller may give beside `descriptor`, and what it is cast to. `mcc` is text: 0742 is a code.
GUARDED = {
    "amount": pl.Float64,
    "date": pl.Date,
    "mcc": pl.String,
    "country": pl.String,
    "source": pl.String,
}

#: Distinct descriptors after step 2. `folded` is what rules see, `key` what cache and model see.
NORMALISED = pl.Schema({"folded": pl.String, "key": pl.String})

#: Step 3, one row for each (folded text, pattern of a rule) that matched. `folded` is the position of
#: the text in the list that was judged; `match` is the 1-based number of the pattern within its rule.
MATCHES = pl.Schema({"folded": pl.UInt32, "rule": pl.UInt32, "match": pl.UInt16})

#: Steps 5 and 6, one row a key: what the model saw, before any policy. `key` is the position of the
#: text in the list that was judged; `labels` are positions in labels.json, best first, and `scores`
#: the raw scores beside them. A row exists for every key the model looked at, a known brand or not.
EVIDENCE = pl.Schema({"key": pl.UInt32, "labels": pl.Array(pl.Int32, TOP_K), "scores": pl.Array(pl.Float32, TOP_K)})

#: Step 7, one row for each answer a tier gives about one case. `brand` null: the tier looked and abstained.
VERDICTS = pl.Schema(
    {
        "case": pl.UInt32,
        "tier": pl.Enum(TIERS),
        "brand": pl.UInt32,
        "confidence": pl.Float32,  # calibrated, 0..1; null for rules, which have none
        "rule": pl.UInt32,  # null for tiers other than rules
        "match": pl.UInt16,  # which pattern of the rule; null likewise
        "reason": pl.String,  # why a tier abstained, or why a rule's match was dropped; else null
    }
)

#: What `Engine.classify` adds to the caller's columns, in this order.
DECISION = pl.Schema(
    {
        "brand": pl.String,
        "brand_name": pl.String,
        "tier": pl.Enum(TIERS),
        "confidence": pl.Float32,
        "rule": pl.String,
        "candidates": pl.List(pl.String),
        "collision": pl.String,
        "reason": pl.String,
    }
)


def check(table: pl.DataFrame, schema: pl.Schema, *, name: str) -> pl.DataFrame:
    """Return `table` unchanged, or raise BatchError naming each column that is wrong.

    >>> check(pl.DataFrame({"folded": ["UBER"], "key": [1]}), NORMALISED, name="normalised")
    Traceback (most recent call last):
        ...
    tierbreak.errors.BatchError: table 'normalised' has the wrong shape:
      key: expected String, got Int64
    """
    wrong = [
        f"  {column}: expected {want}, got {table.schema.get(column, 'no such column')}"
        for column, want in schema.items()
        if table.schema.get(column) != want
    ]
    wrong += [f"  {column}: not part of {name}" for column in table.columns if column not in schema]
    if wrong:
        raise BatchError(f"table '{name}' has the wrong shape:\n" + "\n".join(wrong))
    return table
