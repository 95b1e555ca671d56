"""What a rule is once it has been read: plain, frozen, each part with the place it stands at."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from tierbreak.core.conditions import Condition, Dates
from tierbreak.errors import Fault
from tierbreak.rulebook.patterns import Expression

Status = Literal["draft", "shadow", "active", "retiring"]
STATUSES: tuple[Status, ...] = ("draft", "shadow", "active", "retiring")

#: `draft` never runs; `shadow` is recorded and never decides; the others decide.
RUNS = frozenset({"shadow", "active", "retiring"})
DECIDES = frozenset({"active", "retiring"})


#: What a deny rule writes for its brand where the text is no merchant's at all: wages, transfers, cash.
EVERY = "*"


class Place(NamedTuple):
    """Where something stands: a file, a 1-based line and column. Text and not a Path: a rulebook has 30,000 places."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"

    def fault(self, code: str, says: str, found: str, expected: str, fix: str) -> Fault:
        """A fault that stands here."""
        return Fault(code, Path(self.path), self.line, self.column, says, found, expected, fix)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One of a rule's patterns. `number` is 1-based within its rule: `uber.trip#2`."""

    kind: str  # "words", "regex" or "exact"
    text: str
    at: str | None
    expression: Expression
    number: int
    place: Place


@dataclass(frozen=True, slots=True)
class Example:
    """A descriptor with what else the row says, and who should win it: a brand id, or None for no rule."""

    descriptor: str
    expect: str | None
    place: Place
    amount: float | None = None
    date: dt.date | None = None
    mcc: str | None = None
    country: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `fingerprint` hashes what it does, not where it stands nor what is said about it."""

    id: str
    brand: str
    owner: str
    status: Status
    deny: bool
    match: tuple[Pattern, ...]
    unless: tuple[Pattern, ...]
    when: Condition | None
    valid: Dates
    outranks: tuple[str, ...]
    examples: tuple[Example, ...]
    counterexamples: tuple[Example, ...]
    todo: tuple[Example, ...]
    note: str
    place: Place
    fingerprint: str
