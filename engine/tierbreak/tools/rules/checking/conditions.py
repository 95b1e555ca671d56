"""Guards and dates: what no row can pass any more, and what the traffic has no column for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tierbreak.errors import Fault
from tierbreak.files import open_source
from tierbreak.files.columns import choose
from tierbreak.rulebook import RUNS, Condition
from tierbreak.tools.rules.checking.codes import fault
from tierbreak.tools.rules.checking.subject import Subject


def check(subject: Subject, traffic: Path | None) -> Iterator[Fault]:
    """Dates that are over, and, where traffic is given, guards on columns that it does not have.

    traffic   a file of rows; only its columns are looked at. Raises InputError where it cannot be read
    """
    for rule in subject.readable:
        end = rule.valid[1]
        if end is not None and end < subject.as_of and rule.status in RUNS:
            place = subject.sources.find(rule.place, "valid")
            says = f"`valid` ended on {end}: rule `{rule.id}` decides old rows only"
            fix = "drop the rule if no old rows are read any more, or mend the date"
            yield fault("R046", place, says, "valid", "a rule that decides today's rows", fix)
    if traffic is None:
        return
    have = columns(traffic)
    for rule in subject.readable:
        for key, column in _asked(rule.when) if rule.when and not rule.when.optional else ():
            if column not in have:
                place = subject.sources.find(rule.place, key)
                says = f"`{key}` asks for a column `{column}`, and {traffic} has none: the rule stays silent"
                fix = "add `optional: true`, or name the column as `tierbreak classify --help` says"
                yield fault("R047", place, says, key, f"one of {', '.join(sorted(have)) or 'no columns'}", fix)


def columns(traffic: Path) -> frozenset[str]:
    """The guarded columns that a file of rows has, by their usual names."""
    with open_source(traffic) as source:
        return frozenset(choose(source.columns, {}, name=source.name).names) - {"descriptor", "weight"}


def _asked(guard: Condition) -> Iterator[tuple[str, str]]:
    """The keys of a guard, each with the column that it asks for."""
    if guard.sign:
        yield "sign", "amount"
    if guard.amount:
        yield "amount", "amount"
    for key in ("mcc", "country", "source"):
        if getattr(guard, key):
            yield key, key
