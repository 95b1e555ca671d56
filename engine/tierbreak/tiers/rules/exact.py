"""The engine that is slow and right: RE2 for what it takes, `re` for look-around. Sole importer of re2.

It says what the fast engine should have found, serves patterns that the fast engine got wrong, and finds
the spans of contested texts. All texts are bytes, as the fast engine sees them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import re2

from tierbreak.rulebook.patterns import Expression

#: Room for the automata of a set, in bytes: RE2's own 8 MB default is too little for a thousand patterns.
SET_MEMORY = 1 << 30


def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # one byte, one character: what Hyperscan does without UTF8
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = SET_MEMORY
    return options


class ExactPattern:
    """One expression in the exact engine; compiled when first asked."""

    def __init__(self, expression: Expression) -> None:
        self.expression = expression

    @cached_property
    def _compiled(self) -> Any:
        if self.expression.host_only:
            return re.compile(self.expression.source, re.IGNORECASE)
        return re2.compile(self.expression.source, _options())

    def refused(self) -> str:
        """Why the exact engine does not take the expression; empty where it does."""
        try:
            self._compiled  # noqa: B018  # made here and not in mid-batch
        except (re.error, re2.error) as error:
            why = error.args[0] if error.args else ""  # re2 says it in bytes
            return (why.decode() if isinstance(why, bytes) else str(why)) or "no reason given"
        return ""

    def matches(self, text: bytes) -> bool:
        return self._compiled.search(text) is not None

    def spans(self, text: bytes) -> list[tuple[int, int]]:
        """Leftmost, non-overlapping occurrences as byte offsets, without separators at either end.

        A pattern that is a whole text (`exact`) spans one more on each side: the ends are part of what it asks for,
        so a person's override contains any rule that fills the text.
        """
        if self.expression.whole:
            return [(-1, len(text) + 1)] if self.matches(text) else []
        found = []
        for match in self._compiled.finditer(text):
            start, end = match.span()
            while start < end and text[start : start + 1] in _SEPARATORS:
                start += 1
            while end > start and text[end - 1 : end] in _SEPARATORS:
                end -= 1
            found.append((start, end))
        return found


_SEPARATORS = frozenset(bytes([byte]) for byte in b" *.#/-")


class ExactScanner:
    """Many expressions at once, a text at a time: `re2.Set`, and `re` for what RE2 does not take.

    expressions   p expressions; a position is a pattern's number in what `scan` returns
    """

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._set = re2.Set.SearchSet(_options())
        self._of_set = []
        self._alone = []
        for number, expression in enumerate(expressions):
            if expression.host_only:
                self._alone.append((number, ExactPattern(expression)))
            else:
                self._set.Add(expression.source)
                self._of_set.append(number)
        if self._of_set:
            self._set.Compile()

    def scan(self, texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """int64 [m] positions of texts, int64 [m] numbers of the patterns found there, in no set order."""
        where: list[int] = []
        what: list[int] = []
        for position, text in enumerate(texts):
            found = self.find(text)
            where += [position] * len(found)
            what += sorted(found)
        return np.array(where, dtype=np.int64), np.array(what, dtype=np.int64)

    def find(self, text: bytes) -> set[int]:
        """The numbers of the patterns found in one text."""
        hits = (self._set.Match(text) or ()) if self._of_set else ()  # None where nothing matches
        return {self._of_set[hit] for hit in hits} | {number for number, one in self._alone if one.matches(text)}
