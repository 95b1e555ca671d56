"""A rule's language: the texts that one of its `match` patterns finds and none of its `unless` patterns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from tierbreak.rulebook import Rule
from tierbreak.tools.rules.proofs.automaton import Automaton
from tierbreak.tools.rules.proofs.lookaround import automaton_from
from tierbreak.tools.rules.proofs.search import STATES, Search, search


class Sources(NamedTuple):
    """What a language is made of: the sources of the patterns that match, and of those that must not."""

    match: tuple[bytes, ...]
    unless: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, rule: Rule) -> Sources:
        return cls(
            tuple(dict.fromkeys(pattern.expression.source for pattern in rule.match)),
            tuple(dict.fromkeys(pattern.expression.source for pattern in rule.unless)),
        )


class RuleLanguage:
    """What a rule finds in texts; its guard and its dates are no part of it.

    found     one automaton for all of `match`
    but_not   one for all of `unless`, or None
    """

    def __init__(self, sources: Sources) -> None:
        """Use `of` or `from_sources`. Raises Unprovable."""
        self.sources = sources
        self.found = automaton_from(sources.match)
        self.but_not = automaton_from(sources.unless) if sources.unless else None

    @classmethod
    def of(cls, rule: Rule) -> RuleLanguage:
        """The language of a rule, kept. Raises Unprovable where one of the rule's patterns has no automaton."""
        return cls.from_sources(Sources.of(rule))

    @staticmethod
    @lru_cache(maxsize=1 << 13)
    def from_sources(sources: Sources) -> RuleLanguage:
        """The same by sources. Raises Unprovable."""
        return RuleLanguage(sources)

    @cached_property
    def match(self) -> tuple[Automaton, ...]:
        """An automaton a pattern of `match`, in their order."""
        return tuple(automaton_from((source,)) for source in self.sources.match)

    @cached_property
    def unless(self) -> tuple[Automaton, ...]:
        """An automaton a pattern of `unless`, in their order."""
        return tuple(automaton_from((source,)) for source in self.sources.unless)

    def finds(self, text: bytes) -> bool:
        """Whether the rule finds a folded text."""
        return self.found.finds(text) and not (self.but_not is not None and self.but_not.finds(text))


def shortest_of_rules(
    found_by: Sequence[RuleLanguage],
    missed_by: Sequence[RuleLanguage] = (),
    *,
    any_of: Sequence[RuleLanguage] = (),
    states: int = STATES,
) -> Search:
    """The shortest folded text that all rules of `found_by`, one of `any_of` where given, and none of `missed_by` find.

    states   how many states of the product may be visited before the answer is "unknown"
    """
    return search(found_by, missed_by, any_of, states=states)
