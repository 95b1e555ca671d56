"""What guards and dates say of a row, cut into finitely many cells: exactly what `cases` says of every row.

A guard asks of each column apart: an amount within bounds and of a sign, a code in a list, a date between two. So
a column's values fall into few classes that the guards at hand tell apart, and one row for each combination of
classes stands for every row there is.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from tierbreak.rulebook import Condition, Rule

#: Combinations of classes that are looked at; guards that cut rows finer than that are not reasoned about.
MOST_CELLS = 4_000

_DAY = dt.timedelta(days=1)
_HOLDS = {
    "lt": lambda value, bound: value < bound,
    "le": lambda value, bound: value <= bound,
    "gt": lambda value, bound: value > bound,
    "ge": lambda value, bound: value >= bound,
}


class Row(NamedTuple):
    """The guarded columns of a row. A debit's amount is negative."""

    amount: float | None = None
    date: dt.date = dt.date(2024, 1, 1)
    mcc: str | None = None
    country: str | None = None
    source: str | None = None


class TooManyCells(Exception):
    """The guards at hand cut rows into more than MOST_CELLS cells."""


def holds(rule: Rule, row: Row) -> bool:
    """Whether the rule's guard and dates let its match stand on a row.

    A column without a value fails a guard that asks for it, unless the guard is `optional`.
    """
    return all(_holds(rule, column, getattr(row, column)) for column in Row._fields)


def _holds(rule: Rule, column: str, value: Any) -> bool:
    if column == "date":
        start, end = rule.valid
        return (start is None or value >= start) and (end is None or value <= end)
    guard = rule.when
    if guard is None or not _asks(guard, column):
        return True
    if value is None:
        return guard.optional
    if column != "amount":
        return value in getattr(guard, column)
    signed = guard.sign is None or (value < 0 if guard.sign == "debit" else value > 0)
    return signed and all(_HOLDS[name](abs(value), bound) for name, bound in guard.amount)


def _asks(guard: Condition, column: str) -> bool:
    return bool(guard.sign or guard.amount) if column == "amount" else bool(getattr(guard, column))


def guarded(rule: Rule) -> bool:
    """Whether the rule's match depends on more than the text."""
    return rule.when is not None or rule.valid != (None, None)


def cells(rules: Sequence[Rule]) -> list[tuple[Row, frozenset[int]]]:
    """A row for every combination of what the rules' guards can say, with the positions of those that hold there.

    rules     any; those without a guard hold in every cell
    returns   cells that differ in what holds, the plainest row of each

    Raises TooManyCells.
    """
    free = frozenset(at for at, rule in enumerate(rules) if not guarded(rule))
    asking = [(at, rule) for at, rule in enumerate(rules) if guarded(rule)]
    if not asking:
        return [(Row(), free)]
    columns: list[list[tuple[Any, frozenset[int]]]] = []
    combinations = 1
    for column in Row._fields:
        classes: dict[frozenset[int], Any] = {}
        for value in _values([rule for _, rule in asking], column):
            classes.setdefault(frozenset(at for at, rule in asking if _holds(rule, column, value)), value)
        columns.append([(value, held) for held, value in classes.items()])
        combinations *= len(classes)
    if combinations > MOST_CELLS:
        raise TooManyCells
    out: dict[frozenset[int], Row] = {}
    for combination in itertools.product(*columns):
        held = frozenset.intersection(*(held for _, held in combination)) | free
        out.setdefault(held, Row(*(value for value, _ in combination)))
    return [(row, held) for held, row in out.items()]


def _values(rules: Sequence[Rule], column: str) -> list[Any]:
    """A value for each class that the rules tell apart in a column, and more; the plainest first."""
    if column == "date":
        edges = {day for rule in rules for day in rule.valid if day}
        near = {day + _DAY * step for day in edges for step in (-1, 0, 1) if dt.date.min < day < dt.date.max}
        return [Row().date, *sorted(near | edges)]
    guards = [rule.when for rule in rules if rule.when is not None]
    if column != "amount":
        named = sorted({value for guard in guards for value in getattr(guard, column)})
        # As `cells` reads them: four digits of a code, and of any other column at least one character.
        others = (f"{number:04}" for number in range(10_000)) if column == "mcc" else ("?", "??", "???")
        other = next(text for text in others if text not in named)
        return [None, *named, other]
    bounds = sorted({abs(bound) for guard in guards for _, bound in guard.amount} | {0.0})
    between = [(low + high) / 2 for low, high in itertools.pairwise(bounds)] + [bounds[-1] * 2 + 1.0]
    sizes = sorted([*bounds, *between])
    return [None, *(-size for size in sizes[1:]), *sizes]
