"""What a changed rule would do: the rows and examples it touches, decided again by the same arbitration.

A repair only ever narrows a rule or adds an edge, so no rule can match where it did not match before: the matches
of the unchanged book are kept, and only those of the changed rules are found anew, by the exact engine.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from tierbreak import pipeline
from tierbreak.core.arbitration import Decisions, Spans, rule_on
from tierbreak.core.cells import read
from tierbreak.core.conditions import Conditions
from tierbreak.core.normalise import Texts
from tierbreak.core.tables import Cases, Matches
from tierbreak.parts import Parts
from tierbreak.rulebook import Pattern, Rule
from tierbreak.settings import Settings
from tierbreak.tiers.rules.exact import ExactPattern


@dataclass(frozen=True)
class Change:
    """An edit of the rulebook.

    rules    rule index -> the rule as it would be; same id, brand and status, and it finds nothing new
    edges    pairs of rule indexes that would be added: the first outranks the second
    without  pairs that would be dropped
    """

    rules: Mapping[int, Rule] = field(default_factory=dict)
    edges: tuple[tuple[int, int], ...] = ()
    without: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Scene:
    """Some rows with all that the rulebook makes of them. `decided` is by case, `cases.of_row` says whose it is."""

    rows: pl.DataFrame
    texts: Texts
    matches: Matches
    cases: Cases
    decided: Decisions
    _parts: Parts
    _settings: Settings

    @classmethod
    def of(cls, parts: Parts, rows: pl.DataFrame, settings: Settings) -> Scene:
        """Rows of TRAFFIC, or any with `descriptor` and some of tables.GUARDED, as the rulebook decides them."""
        texts = Texts.of(rows["descriptor"], settings.off)
        matches = pipeline.match(parts, texts)
        return cls._decided(parts, rows, texts, matches, settings, {}, None)

    def after(self, change: Change, rows: pl.DataFrame | None = None) -> Scene:
        """The same rows under a changed rulebook; `rows` may be given with other values in their guarded columns."""
        parts = self._parts
        matches = self.matches
        for index, rule in change.rules.items():
            matches = self._found_anew(matches, index, rule)
        book = list(parts.book.rules)
        for index, rule in change.rules.items():
            book[index] = rule
        kept = [pair for pair in map(tuple, parts.precedence.edges.tolist()) if pair not in change.without]
        edges = np.array([*kept, *change.edges], dtype=np.int32).reshape(-1, 2)
        changed = dataclasses.replace(
            parts,
            book=dataclasses.replace(parts.book, rules=tuple(book), edges=edges),
            precedence=dataclasses.replace(parts.precedence, edges=edges),
            conditions=Conditions.of((rule.when, rule.valid) for rule in book),
        )
        given = self.rows if rows is None else rows
        return self._decided(changed, given, self.texts, matches, self._settings, change.rules, self._parts)

    @classmethod
    def _decided(
        cls,
        parts: Parts,
        rows: pl.DataFrame,
        texts: Texts,
        matches: Matches,
        settings: Settings,
        changed: Mapping[int, Rule],
        before: Parts | None,
    ) -> Scene:
        batch = read(rows.drop("n", "money", "last", strict=False)).rows
        run = pipeline.Run(settings.off, settings.debits, settings.as_of or dt.date.today())
        cases = pipeline.case(parts, batch, texts, matches, run)
        exact = {index: exact_of(rule.match) for index, rule in changed.items()}
        plain = pipeline.spans_of(parts, texts, cases)

        def spans(case: int, rule: int) -> Spans:
            if rule not in exact:
                return plain(case, rule)
            return spans_of(exact[rule], texts.folded[int(cases.text[case])])

        decided = rule_on(cases.matches, len(cases.text), parts.precedence, spans).decided
        return cls(rows, texts, matches, cases, decided, before or parts, settings)

    def _found_anew(self, matches: Matches, index: int, rule: Rule) -> Matches:
        """Matches in which a rule's own are those of the rule as it would be."""
        mine = matches.rule == index
        texts = self.texts.folded.gather(matches.text[mine]).to_list()
        numbers, excluded = _found(texts, rule)
        pattern, outside = matches.pattern.copy(), matches.excluded.copy()
        pattern[mine], outside[mine] = numbers, excluded
        left = ~mine | (pattern > 0)
        return Matches(matches.text[left], matches.rule[left], pattern[left], outside[left])


def exact_of(patterns: Sequence[Pattern]) -> list[ExactPattern]:
    return [ExactPattern(pattern.expression) for pattern in patterns]


def spans_of(patterns: Iterable[ExactPattern], text: str) -> list[tuple[int, int]]:
    """Byte offsets of every occurrence of some patterns in a folded text, ascending."""
    encoded = text.encode()
    return sorted({span for pattern in patterns for span in pattern.spans(encoded)})


def finds(texts: Sequence[str], rule: Rule) -> np.ndarray:
    """bool [n]: which folded texts a rule finds, its `unless` included, its guard and dates left out."""
    numbers, excluded = _found(texts, rule)
    return (np.array(numbers, dtype=np.int64) > 0) & ~np.array(excluded, dtype=bool)


def _found(texts: Sequence[str], rule: Rule) -> tuple[list[int], list[bool]]:
    """For each text the lowest number of the patterns that match, 0 where none does, and whether `unless` matches."""
    match, unless = exact_of(rule.match), exact_of(rule.unless)
    encoded = [text.encode() for text in texts]
    numbers = [next((at for at, pattern in enumerate(match, start=1) if pattern.matches(text)), 0) for text in encoded]
    return numbers, [any(pattern.matches(text) for pattern in unless) for text in encoded]
