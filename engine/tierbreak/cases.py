"""Step 4: rows and the guards of the rules that matched -> cases.

A case is a text plus the outcome of every guard and date of the rules that matched it. Most rules have
neither, so most texts are one case; only rows whose text is matched by a guarded rule are looked at again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.arbitration import CASE_MATCHES, MISSING, STANDS, UNLESS, VALID, WHEN
from tierbreak.rulebook import Guard, Rule

_COMPARE = {"lt": pl.Expr.lt, "le": pl.Expr.le, "gt": pl.Expr.gt, "ge": pl.Expr.ge}


@dataclass(frozen=True)
class Cases:
    """The cases of a batch.

    of_row     int64 [n]      each row's case
    text       int64 [cases]  each case's text
    matches    CASE_MATCHES   the rules that matched, with what `unless`, `when` and `valid` made of them
    silenced   rule index -> rows in which its guard had no value to look at
    """

    of_row: np.ndarray
    text: np.ndarray
    matches: pl.DataFrame
    silenced: Mapping[int, int]


def guarded_rules(rules: Sequence[Rule]) -> np.ndarray:
    """bool [r]: rules whose match depends on more than the text."""
    return np.array([rule.when is not None or rule.valid != (None, None) for rule in rules], dtype=bool)


def split(
    batch: pl.DataFrame,
    text_of_row: np.ndarray,
    texts: int,
    matches: pl.DataFrame,
    rules: Sequence[Rule],
    guarded: np.ndarray,
    *,
    debits: str,
    as_of: dt.date,
) -> Cases:
    """Cases of a batch.

    batch         n rows with those of the guarded columns that the caller gave
    text_of_row   int64 [n], positions of texts, 0 ..< texts
    matches       MATCHES, whose `folded` is the position of a text
    guarded       what `guarded_rules` returned
    """
    text = matches["folded"].to_numpy().astype(np.int64)
    rule = matches["rule"].to_numpy().astype(np.int64)
    outcome = np.where(matches["excluded"].to_numpy(), UNLESS, STANDS).astype(np.uint8)
    asks = guarded[rule] & (outcome == STANDS)
    if not asks.any():
        frame = _frame(text, rule, matches["match"].to_numpy(), outcome)
        return Cases(text_of_row, np.arange(texts), frame, {})

    touched = np.zeros(texts, dtype=bool)
    touched[text[asks]] = True
    rows = np.flatnonzero(touched[text_of_row])
    asked, silenced = _ask(
        batch[rows], rows, text_of_row[rows], text[asks], rule[asks], rules, debits=debits, as_of=as_of
    )

    # One signature a row: the outcomes of its text's guarded rules, in rule order.
    signatures = asked.group_by("row", "text").agg(pl.col("outcome").sort_by("rule").cast(pl.String).str.join(""))
    kinds = signatures.select("text", "outcome").unique().sort("text", "outcome")
    plain = np.flatnonzero(~touched)
    kinds = kinds.with_columns(case=pl.int_range(len(plain), len(plain) + kinds.height, dtype=pl.Int64))

    case_of_text = np.full(texts, -1, dtype=np.int64)
    case_of_text[plain] = np.arange(len(plain))
    of_row = case_of_text[text_of_row]
    placed = signatures.join(kinds, on=["text", "outcome"])
    of_row[placed["row"].to_numpy()] = placed["case"].to_numpy()

    settled = ~touched[text]
    quiet = _frame(case_of_text[text[settled]], rule[settled], matches["match"].to_numpy()[settled], outcome[settled])
    verdict = asked.join(placed.select("row", "case"), on="row").select("case", "rule", "outcome").unique()
    loud = (
        _frame(text[~settled], rule[~settled], matches["match"].to_numpy()[~settled], outcome[~settled])
        .rename({"case": "text"})
        .with_columns(pl.col("text", "rule").cast(pl.Int64))
        .join(kinds.select("text", pl.col("case")), on="text")
        .join(verdict, on=["case", "rule"], how="left", suffix="_guard")
        .with_columns(pl.coalesce("outcome_guard", "outcome").alias("outcome"))
        .select(pl.col(name).cast(dtype) for name, dtype in CASE_MATCHES.items())
    )
    return Cases(of_row, np.r_[plain, kinds["text"].to_numpy()], pl.concat([quiet, loud]), silenced)


def _frame(case: np.ndarray, rule: np.ndarray, match: np.ndarray, outcome: np.ndarray) -> pl.DataFrame:
    columns = {"case": case, "rule": rule, "match": match, "outcome": outcome}
    return pl.DataFrame(columns, schema_overrides=CASE_MATCHES)


def _ask(
    batch: pl.DataFrame,
    rows: np.ndarray,
    text_of_row: np.ndarray,
    text: np.ndarray,
    rule: np.ndarray,
    rules: Sequence[Rule],
    *,
    debits: str,
    as_of: dt.date,
) -> tuple[pl.DataFrame, dict[int, int]]:
    """Each (row, guarded rule) with its outcome, and the rows silenced for want of a value by rule."""
    pairs = pl.DataFrame({"at": np.arange(len(rows)), "row": rows, "text": text_of_row}).join(
        pl.DataFrame({"text": text, "rule": rule}), on="text"
    )
    parts, silenced = [], {}
    for (index,), part in pairs.group_by("rule"):
        known = batch[part["at"].to_numpy()]
        outcome = known.select(_outcome(rules[int(index)], known.columns, debits, as_of).alias("outcome"))  # type: ignore[call-overload]
        if outcome.height != part.height:  # an expression of literals only: one value for all
            outcome = pl.DataFrame({"outcome": [outcome.item()] * part.height}, schema={"outcome": pl.UInt8})
        parts.append(part.select("row", "text", "rule").with_columns(outcome["outcome"]))
        if silent := int((outcome["outcome"] == MISSING).sum()):
            silenced[int(index)] = silent  # type: ignore[call-overload]
    return pl.concat(parts), silenced


def _outcome(rule: Rule, columns: Sequence[str], debits: str, as_of: dt.date) -> pl.Expr:
    """STANDS, VALID, WHEN or MISSING for each row, as UInt8."""
    date = pl.col("date").fill_null(as_of) if "date" in columns else pl.lit(as_of)
    start, end = rule.valid
    inside = pl.lit(True)
    if start:
        inside = inside & (date >= start)
    if end:
        inside = inside & (date <= end)
    passes = _passes(rule.when, columns, debits) if rule.when else pl.lit(True)
    return (
        pl.when(~inside)
        .then(pl.lit(VALID, pl.UInt8))
        .when(passes.is_null())
        .then(pl.lit(MISSING, pl.UInt8))
        .when(~passes)
        .then(pl.lit(WHEN, pl.UInt8))
        .otherwise(pl.lit(STANDS, pl.UInt8))
    )


def _passes(guard: Guard, columns: Sequence[str], debits: str) -> pl.Expr:
    """True, False, or null where a value that the guard asks for is missing (True there if it is optional)."""

    def column(name: str) -> pl.Expr:
        return pl.col(name) if name in columns else pl.lit(None, {"amount": pl.Float64}.get(name, pl.String))

    checks = []
    if guard.sign:
        positive = (guard.sign == "debit") == (debits == "positive")
        checks.append(column("amount") > 0 if positive else column("amount") < 0)
    checks += [_COMPARE[name](column("amount").abs(), bound) for name, bound in guard.amount]
    for name in ("mcc", "country", "source"):
        if allowed := getattr(guard, name):
            checks.append(column(name).is_in(list(allowed)))
    if guard.optional:
        checks = [check.fill_null(True) for check in checks]
    # A check that fails settles it even where another has no value to look at; Kleene's `and` says so.
    return pl.all_horizontal(checks) if checks else pl.lit(True)
