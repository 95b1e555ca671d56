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

from tierbreak.core.arbitration import CASE_MATCHES, MISSING, OUTCOMES, STANDS, UNLESS, VALID, WHEN
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
    number = matches["match"].to_numpy()
    outcome = np.where(matches["excluded"].to_numpy(), UNLESS, STANDS).astype(np.uint8)
    asks = np.flatnonzero(guarded[rule] & (outcome == STANDS))
    if not len(asks):
        return Cases(text_of_row, np.arange(texts), _frame(text, rule, number, outcome), {})

    touched = np.zeros(texts, dtype=bool)
    touched[text[asks]] = True
    rows = np.flatnonzero(touched[text_of_row])
    rows = rows[np.argsort(text_of_row[rows], kind="stable")]
    # Each (row, match to ask about): the rows of a text stand together, so a match takes a run of them.
    first = np.searchsorted(text_of_row[rows], text[asks], side="left")
    count = np.searchsorted(text_of_row[rows], text[asks], side="right") - first
    at, ask = np.repeat(first, count) + within(count), np.repeat(asks, count)
    said, silenced = _ask(batch[rows], at, rule[ask], rules, debits=debits, as_of=as_of)

    # Rows of one text with the same outcomes are one case; outcomes are put in one after the other.
    case_of = text_of_row[rows]
    turn = _turn(at)
    for step in range(int(turn.max()) + 1):
        here = turn == step
        case_of = case_of * len(OUTCOMES)
        case_of[at[here]] += said[here]
        case_of = np.unique(case_of, return_inverse=True)[1]
    plain = np.flatnonzero(~touched)
    example = np.unique(case_of, return_index=True)[1]  # one row for each of the new cases
    case_of_text = np.full(texts, -1, dtype=np.int64)
    case_of_text[plain] = np.arange(len(plain))
    of_row = case_of_text[text_of_row]
    of_row[rows] = len(plain) + case_of

    # Matches of an untouched text keep their one case; those of a touched text go to each of its cases.
    quiet = ~touched[text]
    split_text = text_of_row[rows[example]]
    order = np.argsort(split_text, kind="stable")
    loud = np.flatnonzero(~quiet)
    start = np.searchsorted(split_text[order], text[loud], side="left")
    many = np.searchsorted(split_text[order], text[loud], side="right") - start
    which, match = order[np.repeat(start, many) + within(many)], np.repeat(loud, many)
    key, wanted = at * len(text) + ask, example[which] * len(text) + match
    by_key = np.argsort(key)
    place = np.minimum(np.searchsorted(key[by_key], wanted), len(key) - 1)
    verdict = np.where(key[by_key][place] == wanted, said[by_key][place], outcome[match])
    frame = _frame(
        np.r_[case_of_text[text[quiet]], len(plain) + which],
        np.r_[rule[quiet], rule[match]],
        np.r_[number[quiet], number[match]],
        np.r_[outcome[quiet], verdict],
    )
    return Cases(of_row, np.r_[plain, split_text], frame, silenced)


def _frame(case: np.ndarray, rule: np.ndarray, match: np.ndarray, outcome: np.ndarray) -> pl.DataFrame:
    columns = {"case": case, "rule": rule, "match": match, "outcome": outcome}
    return pl.DataFrame(columns, schema_overrides=CASE_MATCHES)


def within(count: np.ndarray) -> np.ndarray:
    """0, 1, … count[i] - 1 for each i, one after the other.

    >>> within(np.array([2, 0, 3]))
    array([0, 1, 0, 1, 2])
    """
    return np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)


def _turn(values: np.ndarray) -> np.ndarray:
    """How many equal values stand before each."""
    order = np.argsort(values, kind="stable")
    _, count = np.unique(values, return_counts=True)
    out = np.empty(len(values), dtype=np.int64)
    out[order] = within(count)
    return out


def _ask(
    batch: pl.DataFrame, at: np.ndarray, rule: np.ndarray, rules: Sequence[Rule], *, debits: str, as_of: dt.date
) -> tuple[np.ndarray, dict[int, int]]:
    """The outcome of each guarded rule on each row `at`, and the rows silenced for want of a value by rule."""
    out = np.empty(len(at), dtype=np.uint8)
    silenced = {}
    for index in np.unique(rule).tolist():
        here = rule == index
        known = batch[at[here]]
        # One column more than asked, so that an expression of constants still has a value a row.
        outcome = known.select("descriptor", _outcome(rules[index], known.columns, debits, as_of).alias("outcome"))
        out[here] = outcome["outcome"].to_numpy()
        if silent := int((out[here] == MISSING).sum()):
            silenced[index] = silent
    return out, silenced


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
