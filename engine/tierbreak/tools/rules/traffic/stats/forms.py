"""Do a rule's examples still look like its traffic? Compared by form, which is plain enough to be said in a sentence.

The **form** of a text is the first of the rule's patterns that it has, and the first four letters and digits of what
that pattern finds there, digits as `#`. `SBUX 0123` and `SBUX APP` have one form and `STARBUCKS 0123` has another: the
alternatives of a pattern are told apart, and spaces, dots and what stands around them are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.rulebook import Example, Pattern, Rule
from tierbreak.tiers.rules.exact import ExactPattern

#: Bytes outside ASCII are letters of names here.
_BETWEEN = re.compile(rb"[\x00-/:-@\[-`{-\x7f]+")
_LETTERS = 4

Form = tuple[int, bytes]


class Forms:
    """The forms of one rule's texts.

    own   those that its examples have; a deny rule's likewise
    """

    def __init__(self, rule: Rule, folded_examples: Iterable[str]) -> None:
        self._patterns = [ExactPattern(pattern.expression) for pattern in rule.match]
        self.own = {form for text in folded_examples if (form := self._first(text)) is not None}

    def of(self, text: str, number: int) -> Form:
        """The form of a folded text in which the rule's pattern `number` is the first that is found."""
        encoded = text.encode()
        start, end = next(iter(self._patterns[number - 1].spans(encoded)), (0, 0))
        found = _BETWEEN.sub(b"", encoded[max(start, 0) : end])
        return number, re.sub(rb"[0-9]", b"#", found[:_LETTERS])

    def _first(self, text: str) -> Form | None:
        encoded = text.encode()
        for number, pattern in enumerate(self._patterns, start=1):
            if pattern.matches(encoded):
                return self.of(text, number)
        return None


def folded(examples: Sequence[Sequence[Example]]) -> list[list[str]]:
    """Every rule's examples as rules see them."""
    texts = [example.descriptor for own in examples for example in own]
    both = iter(normalise(pl.Series(texts, dtype=pl.String))["folded"].to_list())
    return [[next(both) for _ in own] for own in examples]


def found_in(pattern: Pattern, texts: Iterable[str]) -> bool:
    """Whether a pattern is found in one of some folded texts."""
    exact = ExactPattern(pattern.expression)
    return any(exact.matches(text.encode()) for text in texts)
