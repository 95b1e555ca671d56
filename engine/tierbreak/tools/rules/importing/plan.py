"""What each line of the list becomes, while it is being worked out: a rule in memory, not yet in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tierbreak.core.arbitration import Precedence
from tierbreak.errors import Fault
from tierbreak.registry import Registry
from tierbreak.rulebook import Pattern, Place, Rule, Rulebook
from tierbreak.tiers.rules import database
from tierbreak.tools.rules.importing.names import Named
from tierbreak.tools.rules.importing.ordered import OrderedBook
from tierbreak.tools.rules.importing.translate import Translated, Written, refused, translated

_NOWHERE = Place("", 0, 0)

#: active: decides. shadow: the list never comes to it, so it is written down and never decides. redundant: an earlier
#: line of the same brand finds all that it finds, so it is not written.
Fate = Literal["active", "shadow", "redundant"]


@dataclass(frozen=True)
class Entry:
    """One line of the list as a rule.

    position   in OrderedBook.rules: earlier wins
    id         of the rule: brand, and the line it came from
    fate       what becomes of it
    because    lines that find all that this one finds, proved; empty where it is active
    """

    position: int
    line: int
    id: str
    brand: str
    became: Translated
    fate: Fate = "active"
    because: tuple[int, ...] = ()

    def rule(self) -> Rule:
        """In the loader's form, without examples and edges."""
        status: Literal["active", "shadow"] = "active" if self.fate == "active" else "shadow"
        return Rule(
            id=self.id, brand=self.brand, owner="", status=status, deny=False, match=_patterns(self.became.match),
            unless=_patterns(self.became.unless), when=None, valid=(None, None), outranks=(), examples=(),
            counterexamples=(), todo=(), note="", place=_NOWHERE, fingerprint="",
        )  # fmt: skip


def _patterns(written: Sequence[Written]) -> tuple[Pattern, ...]:
    return tuple(
        Pattern(one.kind, one.text, one.at, one.expression, number, _NOWHERE) for number, one in enumerate(written, 1)
    )


def entries(book: OrderedBook, names: Sequence[Named]) -> tuple[list[Entry], list[Fault]]:
    """An entry for each line that the rulebook can hold, in order, and a fault for each that it cannot."""
    brand = {named.name: named.id for named in names}
    out: list[Entry] = []
    faults: list[Fault] = []
    for position, rule in enumerate(book.rules):
        became = translated(rule, book.path)
        if isinstance(became, Fault):
            faults.append(became)
        else:
            id = f"{brand[rule.name]}.legacy-{rule.line}"
            out.append(Entry(position, rule.line, id, brand[rule.name], became))
    unfit = _unfit([pattern for entry in out for pattern in (*entry.became.match, *entry.became.unless)])
    fit = []
    for entry in out:
        words = [unfit[p.expression.source] for p in (*entry.became.match, *entry.became.unless)
                 if p.expression.source in unfit]  # fmt: skip
        if words:
            faults.append(refused(book.rules[entry.position], book.path, words[0]))
        else:
            fit.append(entry)
    return fit, sorted(faults, key=lambda fault: fault.line)


def _unfit(patterns: Sequence[Written]) -> dict[bytes, str]:
    """The sources that Hyperscan does not compile, with its words."""
    if not patterns or not database.available():
        return {}
    try:
        database.Database.compile([pattern.expression for pattern in patterns])
    except database.CannotCompile as error:
        return {patterns[at].expression.source: words for at, words in error.numbers.items()}
    return {}


def draft(entries: Sequence[Entry]) -> tuple[Rulebook, list[Entry]]:
    """The entries that are written, as a rulebook without edges, and in its order."""
    kept = sorted((entry for entry in entries if entry.fate != "redundant"), key=lambda entry: entry.id)
    rules = tuple(entry.rule() for entry in kept)
    content = "\n".join(f"{rule.id} {[p.expression.source for p in (*rule.match, *rule.unless)]}" for rule in rules)
    return Rulebook(rules, hashlib.sha256(content.encode()).hexdigest(), np.empty((0, 2), dtype=np.int32)), kept


def precedence(rules: Sequence[Rule], registry: Registry) -> Precedence:
    """What arbitration knows of them: brands that are to be proposed stand behind those of the registry."""
    index: Mapping[str, int] = {id: int(registry.redirect[at]) for at, id in enumerate(registry.ids)}
    new = sorted({rule.brand for rule in rules} - set(index))
    index = dict(index) | {id: len(registry.ids) + at for at, id in enumerate(new)}
    return Precedence(
        brand=np.array([index[rule.brand] for rule in rules], dtype=np.int64),
        decides=np.array([rule.status == "active" for rule in rules], dtype=bool),
        deny=np.zeros(len(rules), dtype=bool),
        edges=np.empty((0, 2), dtype=np.int32),
        parent=np.r_[registry.parent, np.full(len(new), -1, dtype=np.int32)],
        depth=np.r_[registry.depth, np.zeros(len(new), dtype=np.int32)],
    )


def place(book: OrderedBook, line: int) -> str:
    """`legacy.tsv:12`, as notes and reports say it."""
    return f"{Path(book.path).name}:{line}"
