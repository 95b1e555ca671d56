"""The ordered list as it decides: `re.search(pattern, descriptor, flags)`, and the first line that matches wins.

What is asked is the descriptor as it came, not the folded text. Trying a thousand patterns on a text one after the
other takes a millisecond; so plain ASCII texts, which all engines read alike, are scanned for candidates first, and
`re` is asked only of those, in order. Other texts, and patterns that only `re` reads, are tried one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from tierbreak.core.tables import schema
from tierbreak.errors import Fault
from tierbreak.rulebook.patterns import Expression, PatternError, from_regex
from tierbreak.tiers.rules import database
from tierbreak.tiers.rules.exact import ExactScanner
from tierbreak.tools.rules.importing.reading import LegacyRule, Listing, read

#: What `decide` says of each descriptor: the line that decides it and its name, or nulls.
DECIDED = schema(line=pl.UInt32, name=pl.String)

_PLAIN = r"^[ -~]*$"


class OrderedBook:
    """An ordered rulebook: the first rule that matches a descriptor decides it.

    rules     in order
    faults    lines of the file that are no rule; they decide nothing
    columns   part -> column of the file
    notices   what a person should know of how the file was read

    >>> book = OrderedBook.of([("UBER EATS", "Uber Eats"), ("UBER", "Uber")])
    >>> book.decide(pl.Series(["UBER EATS SF", "HUBER BAKERY", "LYFT"]))["name"].to_list()
    ['Uber Eats', 'Uber', None]
    """

    def __init__(self, listing: Listing) -> None:
        self.path, self.rules = listing.path, listing.rules
        self.faults: tuple[Fault, ...] = listing.faults
        self.columns, self.notices = listing.columns, listing.notices
        self._compiled = [rule.compiled() for rule in self.rules]
        expressions = {at: found for at, rule in enumerate(self.rules) if (found := _shared(rule)) is not None}
        self._scanner, self._scanned = _scanner(expressions)
        # A scan finds candidates; where a pattern is read alike by all and minds no case, its candidate is a match.
        self._sure = np.array(
            [
                at in expressions and not expressions[at].host_only and "i" in rule.flags
                for at, rule in enumerate(self.rules)
            ],
            dtype=bool,
        )
        self._apart = sorted(set(range(len(self.rules))) - set(self._scanned.tolist()))

    @classmethod
    def read(cls, path: Path | str, columns: Mapping[str, str | None] | None = None) -> OrderedBook:
        """Read a file; see `reading.read`. Raises InputError."""
        return cls(read(Path(path), columns))

    @classmethod
    def of(cls, rules: list[tuple[str, str]], flags: str = "i") -> OrderedBook:
        """A list of (pattern, name) made in memory; a rule's line is its place, from 1. Raises re.error."""
        made = tuple(LegacyRule(line, 1, pattern, name, "", flags) for line, (pattern, name) in enumerate(rules, 1))
        return cls(Listing(Path("-"), made, (), {}, ()))

    def first(self, descriptors: pl.Series) -> np.ndarray:
        """int64 [n]: the position in `rules` of the rule that decides each descriptor, -1 where none does.

        descriptors   String [n]; null is read as blank. Equal ones are looked at once.
        """
        given = descriptors.fill_null("").alias("text").to_frame()
        distinct = given.unique(maintain_order=True)
        found = self._first(distinct["text"])
        known = distinct.with_columns(pl.Series("first", found))
        return given.join(known, on="text", how="left", maintain_order="left")["first"].to_numpy()

    def decide(self, descriptors: pl.Series) -> pl.DataFrame:
        """DECIDED [n], in the order of `descriptors`."""
        first = self.first(descriptors)
        lines = pl.Series([*(rule.line for rule in self.rules), None], dtype=pl.UInt32)
        names = pl.Series([*(rule.name for rule in self.rules), None], dtype=pl.String)
        at = np.where(first < 0, len(self.rules), first)
        return pl.DataFrame({"line": lines.gather(at), "name": names.gather(at)}, schema=DECIDED)

    def finds(self, position: int, descriptor: str) -> bool:
        """Whether the rule at `position` matches a descriptor, whoever decides it."""
        return self._compiled[position].search(descriptor) is not None

    def _first(self, texts: pl.Series) -> np.ndarray:
        none = len(self.rules)
        first = np.full(len(texts), none, dtype=np.int64)
        plain = texts.str.contains(_PLAIN).to_numpy()
        at = np.flatnonzero(plain)
        encoded = [text.encode() for text in texts.gather(at).to_list()]
        where, what = self._scanner.scan(encoded) if len(self._scanned) else (at[:0], at[:0])
        where, what = at[where], self._scanned[what]
        sure = self._sure[what]
        np.minimum.at(first, where[sure], what[sure])
        where, what = where[~sure], what[~sure]
        order = np.lexsort((what, where))
        listed = texts.to_list()
        for text, rule in zip(where[order].tolist(), what[order].tolist(), strict=True):
            if rule < first[text] and self._compiled[rule].search(listed[text]):
                first[text] = rule
        if self._apart:
            for text in at.tolist():
                first[text] = self._one_by_one(listed[text], self._apart, int(first[text]))
        every = list(range(none))
        for text in np.flatnonzero(~plain).tolist():
            first[text] = self._one_by_one(listed[text], every, none)
        return np.where(first == none, -1, first)

    def _one_by_one(self, text: str, rules: list[int], before: int) -> int:
        """The first of `rules` that matches and stands before `before`, else `before`."""
        for rule in rules:
            if rule >= before:
                return before
            if self._compiled[rule].search(text):
                return rule
        return before


def _shared(rule: LegacyRule) -> Expression | None:
    """The pattern as all engines read it on plain ASCII texts, or None where only `re` reads it as meant."""
    if "x" in rule.flags or not rule.pattern.isascii():
        return None
    try:
        return from_regex(rule.pattern)
    except PatternError:
        return None


def _scanner(expressions: Mapping[int, Expression]) -> tuple[database.Database | ExactScanner, np.ndarray]:
    """A scanner, and the positions of the rules that its numbers stand for."""
    numbers = sorted(expressions)
    if not database.available():
        return ExactScanner([expressions[at] for at in numbers]), np.array(numbers, dtype=np.int64)
    try:
        made = database.Database.compile([expressions[at] for at in numbers])
    except database.CannotCompile as error:
        return _scanner({at: expressions[at] for place, at in enumerate(numbers) if place not in error.numbers})
    return made, np.array(numbers, dtype=np.int64)
