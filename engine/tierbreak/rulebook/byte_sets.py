"""The single characters of an expression as sets of bytes, a bit each of an int; caseless, as all engines match."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Private, as in patterns.py, which says why: where a later Python hides it, importing fails here.
from re import _constants as sre  # type: ignore[attr-defined]
from typing import Any


def byte_set(codes: Iterable[int]) -> int:
    """Bytes as bits of an int.

    >>> bin(byte_set([0, 3]))
    '0b1001'
    """
    out = 0
    for code in codes:
        out |= 1 << code
    return out


ALL = (1 << 256) - 1
#: What a byte of each category is, for patterns of bytes.
WORD_BYTES = byte_set(code for code in range(128) if chr(code).isalnum() or code == ord("_"))
_DIGITS = byte_set(range(ord("0"), ord("9") + 1))
_SPACES = byte_set(b" \t\n\r\f\v")
_NEWLINE = 1 << ord("\n")
_UPPER, _LOWER = byte_set(range(65, 91)), byte_set(range(97, 123))

_CATEGORIES = {
    sre.CATEGORY_DIGIT: _DIGITS,
    sre.CATEGORY_NOT_DIGIT: ALL & ~_DIGITS,
    sre.CATEGORY_SPACE: _SPACES,
    sre.CATEGORY_NOT_SPACE: ALL & ~_SPACES,
    sre.CATEGORY_WORD: WORD_BYTES,
    sre.CATEGORY_NOT_WORD: ALL & ~WORD_BYTES,
}


def taken(op: Any, value: Any) -> int | None:
    """The bytes that a node of `re`'s tree takes where it is a single character; None where it is not."""
    if op is sre.LITERAL:
        return _caseless(1 << value)
    if op is sre.NOT_LITERAL:
        return ALL & ~_caseless(1 << value)
    if op is sre.IN:
        return class_of(value)
    return ALL & ~_NEWLINE if op is sre.ANY else None


def class_of(items: Sequence[Any]) -> int:
    """The bytes of a class as `re` parsed it."""
    codes = 0
    negated = False
    for kind, what in items:
        if kind is sre.NEGATE:
            negated = True
        elif kind is sre.LITERAL:
            codes |= 1 << what
        elif kind is sre.RANGE:
            codes |= (1 << what[1] + 1) - (1 << what[0])
        else:
            codes |= _CATEGORIES[what]
    codes = _caseless(codes)
    return ALL & ~codes if negated else codes


def _caseless(codes: int) -> int:
    return codes | (codes & _UPPER) << 32 | (codes & _LOWER) >> 32
