"""A rulebook as proofs see it: rules by position, who denies and outranks whom, what each finds and on which rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache, cached_property

import polars as pl

from tierbreak.core import normalise
from tierbreak.parts import Parts
from tierbreak.rulebook import Rule
from tierbreak.tools.rules.proofs.conditions import Row, TooManyCells, cells, guarded
from tierbreak.tools.rules.proofs.language import Sources
from tierbreak.tools.rules.proofs.questions import Answers, Question
from tierbreak.tools.rules.proofs.rulings import scan
from tierbreak.tools.rules.proofs.search import Search

EVERY_BRAND = -1


class Book:
    """The rules of `parts`, and answers about their languages.

    brand     registry index by rule, redirects followed; EVERY_BRAND for a deny rule that stands for every brand
    decides   whether a rule is active or retiring
    above     rule -> the rules that decide and have an edge over it; below: rule -> the rules it has an edge over
    """

    def __init__(self, parts: Parts, answers: Answers) -> None:
        self.parts, self.answers = parts, answers
        self.rules: tuple[Rule, ...] = parts.book.rules
        precedence = parts.precedence
        self.brand: list[int] = precedence.brand.tolist()
        self.decides: list[bool] = precedence.decides.tolist()
        self.above: dict[int, list[int]] = defaultdict(list)
        self.below: dict[int, list[int]] = defaultdict(list)
        for over, under in precedence.edges.tolist():
            if self.decides[over] and not self.rules[over].deny:  # a deny rule has vetoed before edges are looked at
                self.above[under].append(over)
                self.below[over].append(under)
        self._finders: dict[str, frozenset[int]] = {}
        self.sources: Callable[[int], Sources] = cache(lambda at: Sources.of(self.rules[at]))
        self.row: Callable[[int], Row | None] = cache(self._row)
        self.implies: Callable[[int, int], bool] = cache(self._implies)

    @cached_property
    def deniers(self) -> dict[int, list[int]]:
        """Brand -> the deny rules that take it out, those for every brand apart."""
        out: dict[int, list[int]] = defaultdict(list)
        for at, rule in enumerate(self.rules):
            if rule.deny and self.decides[at]:
                out[self.brand[at]].append(at)
        return out

    def denied_by(self, at: int) -> list[int]:
        """The deny rules that take out the brand of a rule."""
        brand = self.brand[at]
        return self.deniers[brand] + (self.deniers[EVERY_BRAND] if brand != EVERY_BRAND else [])

    def ids(self, which: Sequence[int] | set[int] | frozenset[int]) -> tuple[str, ...]:
        return tuple(self.rules[at].id for at in sorted(which))

    def related(self, one: int, other: int) -> bool:
        """Whether the brands of two rules are one, or lie on one parent chain."""
        brands = [self.brand[one], self.brand[other]]
        return brands[0] == brands[1] or self.parts.precedence.deepest(brands) >= 0

    def above_in_family(self, one: int, other: int) -> bool:
        """Whether the brand of `one` is that of `other` or one of its ancestors."""
        at = self.brand[other]
        while at >= 0 and at != self.brand[one]:
            at = int(self.parts.precedence.parent[at])
        return at >= 0

    def finders(self, texts: Sequence[str]) -> list[frozenset[int]]:
        """The rules that find each text, guards not asked; a text is read by the engine once."""
        new = [text for text in dict.fromkeys(texts) if text not in self._finders]
        self._finders.update(zip(new, scan(self.parts, new), strict=True) if new else ())
        return [self._finders[text] for text in texts]

    def shortest(self, rule: int, missed_by: Sequence[Sources] = ()) -> Search:
        return self.shortest_of([(rule, missed_by)])[0]

    def shortest_of(self, asked: Sequence[tuple[int, Sequence[Sources]]]) -> list[Search]:
        """For each (rule, others) the shortest text that the rule finds and none of the others."""
        return self.answers.ask([Question((self.sources(rule),), tuple(others)) for rule, others in asked])

    def folded_examples(self, at: int) -> list[str]:
        """A rule's examples as it sees them."""
        return self._folded[at]

    @cached_property
    def _folded(self) -> list[list[str]]:
        texts = [example.descriptor for rule in self.rules for example in rule.examples]
        folded = iter(normalise.folded(pl.Series(texts, dtype=pl.String)).to_list())
        return [[next(folded) for _ in rule.examples] for rule in self.rules]

    def _row(self, at: int) -> Row | None:
        """The plainest row that passes the rule's guard, None where no row does."""
        passing = [row for row, held in cells([self.rules[at]]) if 0 in held]
        return passing[0] if passing else None

    def _implies(self, one: int, other: int) -> bool:
        """Whether the guard of `other` passes on every row on which that of `one` does."""
        if not guarded(self.rules[other]):
            return True
        try:
            return all(1 in held for _, held in cells([self.rules[one], self.rules[other]]) if 0 in held)
        except TooManyCells:
            return False

    def row_for_both(self, one: int, other: int) -> Row | None:
        """A row on which the guards of both pass, None where there is none, or it is not known."""
        try:
            both = [row for row, held in cells([self.rules[one], self.rules[other]]) if len(held) == 2]
        except TooManyCells:
            return None
        return both[0] if both else None
