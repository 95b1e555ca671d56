"""Step 4: rows and the conditions of the rules that matched -> cases.

A case is a text plus the outcome of every condition and date of the rules that matched it. Most rules have
neither, so most texts are one case; only rows whose text is matched by a conditional rule are looked at again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl

from tierbreak.core.codes import Outcome
from tierbreak.core.tables import CaseMatches, Cases, Matches

_COMPARE = {"lt": pl.Expr.lt, "le": pl.Expr.le, "gt": pl.Expr.gt, "ge": pl.Expr.ge}

Debits = Literal["negative", "positive"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What other columns must say: a rule's `when`. None asks nothing; `amount` bounds its magnitude."""

    sign: Literal["debit", "credit"] | None = None
    amount: tuple[tuple[str, float], ...] = ()  # ("lt" | "le" | "gt" | "ge", bound)
    mcc: tuple[str, ...] = ()
    country: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    optional: bool = False


#: From and to, both inclusive; None: no bound.
Dates = tuple[dt.date | None, dt.date | None]


@dataclass(frozen=True)
class Conditions:
    """What each rule asks of the other columns, by rule index.

    when     condition or None
    valid    the dates between which the rule holds
    """

    when: Sequence[Condition | None]
    valid: Sequence[Dates]

    @classmethod
    def of(cls, rules: Iterable[tuple[Condition | None, Dates]]) -> Conditions:
        pairs = list(rules)
        return cls([when for when, _ in pairs], [valid for _, valid in pairs])

    @cached_property
    def conditional(self) -> np.ndarray:
        """bool [r]: rules whose match depends on more than the text."""
        asks = [when is not None or valid != (None, None) for when, valid in zip(self.when, self.valid, strict=True)]
        return np.array(asks, dtype=bool)

    @cached_property
    def dated(self) -> bool:
        """Whether the day counts for any rule."""
        return any(valid != (None, None) for valid in self.valid)


def split(
    batch: pl.DataFrame,
    text_of_row: np.ndarray,
    texts: int,
    matches: Matches,
    conditions: Conditions,
    *,
    debits: Debits,
    as_of: dt.date,
) -> Cases:
    """Cases of a batch.

    batch         n rows with those of tables.GUARDED that the caller gave
    text_of_row   int64 [n], positions of texts, 0 ..< texts
    debits        the sign of `amount` that money going out has
    as_of         the date of rows without one
    """
    outcome = np.where(matches.excluded, Outcome.UNLESS, Outcome.STANDS).astype(np.uint8)
    asks = np.flatnonzero(conditions.conditional[matches.rule] & (outcome == Outcome.STANDS))
    if not len(asks):
        plain = CaseMatches(matches.text, matches.rule, matches.pattern, outcome)
        return Cases(text_of_row, np.arange(texts), plain, {})

    # Every pair of a row and a match of its text that asks for more.
    asked = pl.DataFrame({"text": matches.text[asks], "match": asks, "rule": matches.rule[asks]})
    rows = pl.DataFrame({"text": text_of_row}).with_row_index("row")
    pairs = rows.join(asked, on="text").sort("row", "match")
    said, silenced = _ask(batch, pairs["row"].to_numpy(), pairs["rule"].to_numpy(), conditions, debits, as_of)
    pairs = pairs.with_columns(outcome=pl.Series(said))

    # Rows of one text with the same outcomes are one case.
    signature = pl.col("outcome").cast(pl.String).str.join(",")
    by_row = pairs.group_by("row", maintain_order=True).agg(pl.col("text").first(), signature=signature)
    found = by_row.group_by("text", "signature", maintain_order=True).agg(pl.col("row").first())
    touched = np.zeros(texts, dtype=bool)
    touched[matches.text[asks]] = True
    untouched = np.flatnonzero(~touched)
    found = found.with_columns(case=pl.int_range(pl.len(), dtype=pl.Int64) + len(untouched))
    of_text = np.full(texts, -1, dtype=np.int64)
    of_text[untouched] = np.arange(len(untouched))
    of_row = of_text[text_of_row]
    own = by_row.join(found.drop("row"), on=["text", "signature"], how="left", maintain_order="left")
    of_row[own["row"].to_numpy()] = own["case"].to_numpy()

    # Matches of an untouched text keep its one case; those of a touched one go to each of its cases.
    whole = pl.DataFrame({"text": matches.text, "match": np.arange(len(matches.text)), "plain": outcome})
    in_cases = found.join(whole, on="text").join(
        pairs.select("row", "match", "outcome"), on=["row", "match"], how="left"
    )
    match = in_cases["match"].to_numpy()
    alone = np.flatnonzero(~touched[matches.text])
    return Cases(
        of_row=of_row,
        text=np.r_[untouched, found["text"].to_numpy()],
        matches=CaseMatches(
            case=np.r_[of_text[matches.text[alone]], in_cases["case"].to_numpy()],
            rule=np.r_[matches.rule[alone], matches.rule[match]],
            pattern=np.r_[matches.pattern[alone], matches.pattern[match]],
            outcome=np.r_[outcome[alone], in_cases.select(pl.coalesce("outcome", "plain")).to_series().to_numpy()],
        ),
        silenced=silenced,
    )


def _ask(
    batch: pl.DataFrame, row: np.ndarray, rule: np.ndarray, conditions: Conditions, debits: Debits, as_of: dt.date
) -> tuple[np.ndarray, dict[int, int]]:
    """The outcome of rule[i] on row[i], uint8, and the rows silenced for want of a value by rule."""
    out = np.empty(len(row), dtype=np.uint8)
    silenced = {}
    for index in np.unique(rule).tolist():
        mine = rule == index
        known = batch[row[mine]]
        # One column more than asked, so that an expression of constants still has a value a row.
        outcome = _outcome(conditions.when[index], conditions.valid[index], known.columns, debits, as_of)
        out[mine] = known.select("descriptor", outcome.alias("outcome"))["outcome"].to_numpy()
        if silent := int((out[mine] == Outcome.MISSING).sum()):
            silenced[index] = silent
    return out, silenced


def _outcome(when: Condition | None, valid: Dates, columns: Sequence[str], debits: Debits, as_of: dt.date) -> pl.Expr:
    """STANDS, VALID, WHEN or MISSING for each row, as UInt8."""
    date = pl.col("date").fill_null(as_of) if "date" in columns else pl.lit(as_of)
    start, end = valid
    inside = pl.lit(True)
    if start:
        inside = inside & (date >= start)
    if end:
        inside = inside & (date <= end)
    passes = _passes(when, columns, debits) if when else pl.lit(True)
    return (
        pl.when(~inside)
        .then(pl.lit(Outcome.VALID.value, pl.UInt8))
        .when(passes.is_null())
        .then(pl.lit(Outcome.MISSING.value, pl.UInt8))
        .when(~passes)
        .then(pl.lit(Outcome.WHEN.value, pl.UInt8))
        .otherwise(pl.lit(Outcome.STANDS.value, pl.UInt8))
    )


def _passes(condition: Condition, columns: Sequence[str], debits: Debits) -> pl.Expr:
    """True, False, or null where a value that the condition asks for is missing (True there if it is optional)."""

    def column(name: str) -> pl.Expr:
        return pl.col(name) if name in columns else pl.lit(None, {"amount": pl.Float64}.get(name, pl.String))

    checks = []
    if condition.sign:
        positive = (condition.sign == "debit") == (debits == "positive")
        checks.append(column("amount") > 0 if positive else column("amount") < 0)
    checks += [_COMPARE[name](column("amount").abs(), bound) for name, bound in condition.amount]
    for name in ("mcc", "country", "source"):
        if allowed := getattr(condition, name):
            checks.append(column(name).is_in(list(allowed)))
    if condition.optional:
        checks = [check.fill_null(True) for check in checks]
    # A check that fails settles it even where another has no value to look at; Kleene's `and` says so.
    return pl.all_horizontal(checks) if checks else pl.lit(True)
