r"""Strings that a pattern finds, as a person would write them: `CHICK.FIL.A` gives CHICK-FIL-A.

They are made from the pattern alone, never taken from traffic, which may hold people's names. They are guesses
(a look-around is not read): whoever uses one asks the pattern first.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

# Private, as in rulebook/patterns.py, which says why.
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

#: Most strings of one part of a pattern that go on into the strings of the whole.
_WIDE = 6
_CATEGORY = {
    sre.CATEGORY_SPACE: " ", sre.CATEGORY_NOT_SPACE: "A", sre.CATEGORY_DIGIT: "4", sre.CATEGORY_NOT_DIGIT: "A",
    sre.CATEGORY_WORD: "A", sre.CATEGORY_NOT_WORD: " ",
}  # fmt: skip
#: What a class is asked for, best first.
_LIKED = " -*ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.#/&'"


def samples(pattern: str, most: int = 4) -> list[str]:
    r"""Up to `most` different strings, the most natural first; none where the pattern is no regex.

    >>> samples(r"UBER\s*EATS"), samples(r"E.?ZPASS"), samples(r"AA\.COM|KLM\s")
    (['UBER EATS', 'UBEREATS'], ['EZPASS', 'E-ZPASS'], ['AA.COM', 'KLM '])
    """
    try:
        tree = sre_parser.parse(pattern, re.IGNORECASE)
    except re.error:
        return []
    return list(itertools.islice(dict.fromkeys(_sequence(tree)), most))


def _sequence(tree: Any) -> list[str]:
    """The strings of parts in a row: the first of each part, then with one part after the other changed."""
    parts = [list(itertools.islice(_part(op, value), _WIDE)) or [""] for op, value in tree]
    firsts = [strings[0] for strings in parts]
    out = ["".join(firsts)]
    for at, strings in enumerate(parts):
        out += ["".join((*firsts[:at], other, *firsts[at + 1 :])) for other in strings[1:]]
    return out


def _part(op: Any, value: Any) -> Iterator[str]:
    if op is sre.LITERAL:
        yield chr(value).upper()
    elif op is sre.ANY:
        yield "-"
    elif op is sre.NOT_LITERAL:
        yield next(sign for sign in _LIKED if sign != chr(value).upper())
    elif op is sre.IN:
        yield _of_class(value)
    elif op is sre.BRANCH:
        turns = itertools.zip_longest(*map(_sequence, value[1]))
        yield from (string for turn in turns for string in turn if string is not None)
    elif op is sre.SUBPATTERN:
        yield from _sequence(value[-1])
    elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        yield from _repeated(*value)
    elif op is sre.ATOMIC_GROUP:
        yield from _sequence(value)


def _repeated(least: int, most: Any, tree: Any) -> Iterator[str]:
    many = most is sre.MAXREPEAT
    gap = many and least < 2 and len(tree) == 1 and (tree[0][0] is sre.ANY or _sequence(tree)[0] == " ")
    once = [" "] if gap else _sequence(tree)
    if gap and least == 0:  # `.*` and ` *`: words stand apart, or close up
        yield " "
    if least == 0:
        yield ""
    for string in once:
        yield string * (least if least > 1 else 3 if many and string.isdigit() else 1)
    if many and not gap:
        yield once[0] * (least + 2)


def _of_class(items: Any) -> str:
    holds = set()
    negated = items[0] == (sre.NEGATE, None)
    for kind, what in items:
        if kind is sre.LITERAL:
            holds.add(chr(what).upper())
        elif kind is sre.RANGE:
            low, high = what
            holds |= {sign for sign in _LIKED if any(low <= ord(form) <= high for form in (sign, sign.lower()))}
        elif kind is sre.CATEGORY:
            holds.add(_CATEGORY[what])
    if negated:
        return next((sign for sign in _LIKED if sign not in holds), "")
    return next((sign for sign in _LIKED if sign in holds), min(holds, default=""))
