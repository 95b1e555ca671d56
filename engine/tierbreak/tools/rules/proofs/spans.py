"""Which pattern's matches always stand within another's, read off the two patterns.

Arbitration compares where matches stand, and those places come from an engine that takes the leftmost match and
goes on behind it. Little can be proved of that in general. What can: a pattern always covers itself; and one that
is a plain string covers the same string with further assertions, where the string cannot overlap itself, so that
every place at which it stands is reported.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Private, as in rulebook/patterns.py, which says why.
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

from tierbreak.rulebook import Rule
from tierbreak.rulebook.patterns import Expression


def covers(outer: Expression, inner: Expression) -> bool:
    r"""Whether every match of `inner` that arbitration sees lies within one of `outer` that it sees; False: not known.

    >>> from tierbreak.rulebook.patterns import from_words, from_regex
    >>> covers(from_regex("UBER"), from_words("UBER", None)), covers(from_words("UBER", None), from_regex("UBER"))
    (True, False)
    >>> covers(from_regex("ANA"), from_words("ANA", None))
    False
    """
    if outer == inner:
        return True
    if inner.whole and not outer.whole:  # a whole text counts as one wider than the text on both sides
        return False
    one, other = _plain(outer.source), _plain(inner.source)
    if one is None or other is None or one[0] != other[0] or _overlaps_itself(one[0]):
        return False
    return all(less <= more for less, more in zip(one[1], other[1], strict=True))


def all_covered(outer: Rule, inner: Rule) -> bool:
    """Whether each pattern of rule `inner` is covered by one of `outer`."""
    return all(any(covers(each.expression, own.expression) for each in outer.match) for own in inner.match)


@lru_cache(maxsize=4096)
def _plain(source: bytes) -> tuple[bytes, tuple[frozenset[Any], ...]] | None:
    """The string that the pattern is, with the assertions before each character and at the end; None: it is more."""
    text = bytearray()
    asked: list[set[Any]] = [set()]
    for op, value in sre_parser.parse(source, re.IGNORECASE):
        if op is sre.LITERAL:
            text.append(value)
            asked.append(set())
        elif op is sre.AT:
            asked[-1].add(value)
        else:
            return None
    return bytes(text).upper(), tuple(map(frozenset, asked))


def _overlaps_itself(text: bytes) -> bool:
    return any(text.startswith(text[-size:]) for size in range(1, len(text)))
