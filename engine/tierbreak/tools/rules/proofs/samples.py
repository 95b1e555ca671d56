"""Short strings that a pattern finds: for every alternative in it, one with everything else as short as may be.

Where a gap may hold a space it holds one: `DELTA[ *.#/-]*AIR` gives `DELTA AIR`, as statements write it. They are
read off the pattern's tree, not searched: some may not be found by it, so whoever uses them asks an engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

# Private, as in rulebook/patterns.py, which says why.
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

from tierbreak.rulebook.byte_sets import class_of
from tierbreak.tools.rules.proofs.syntax import FOLDED, Unprovable

#: Strings that one pattern gives at most.
MOST = 48

_SPACE = 1 << ord(" ")
_LETTERS = ((1 << 26) - 1) << ord("A")


@lru_cache(maxsize=1 << 15)
def samples(source: bytes) -> tuple[str, ...]:
    r"""Strings for the alternatives of a pattern, the first of them of its first alternatives.

    >>> samples(rb"\bDELTA ?(?:AIR|LINE)\b")
    ('DELTAAIR', 'DELTA AIR', 'DELTALINE')
    """
    try:
        tree = sre_parser.parse(source, re.IGNORECASE)
        found = _sequence(tree)
    except (re.error, Unprovable, OverflowError):
        return ()
    texts = (" ".join(text.decode(errors="ignore").split()) for text in found)
    return tuple(dict.fromkeys(text for text in texts if text))


def _sequence(tree: Any) -> list[bytes]:
    """Each part's first choice side by side; then, a part after the other, with each of its other choices."""
    parts = [_part(op, value) for op, value in tree]
    base = [part[0] for part in parts]
    out = [b"".join(base)]
    for at, part in enumerate(parts):
        head, tail = b"".join(base[:at]), b"".join(base[at + 1 :])
        out += [head + choice + tail for choice in part[1:]]
    return out[:MOST]


def _part(op: Any, value: Any) -> list[bytes]:
    read = _READ.get(op)
    if read is None:
        raise Unprovable(f"it uses {op}")
    return read(value)


def _repeat(value: Any) -> list[bytes]:
    least, most, inner = value
    texts = _sequence(inner)
    if least:
        return [text * least for text in texts]
    if most == 1:
        return [b"", *texts]
    return [b" " if texts == [b" "] else b""]


_READ: dict[Any, Callable[[Any], list[bytes]]] = {
    sre.LITERAL: lambda value: [bytes([value]).upper()],
    sre.NOT_LITERAL: lambda value: [b"A" if value != ord("A") else b"B"],
    sre.ANY: lambda _: [b"A"],
    sre.IN: lambda value: [_plainest(class_of(value) & FOLDED)],
    sre.BRANCH: lambda value: [text for branch in value[1] for text in _sequence(branch)][:MOST],
    sre.SUBPATTERN: lambda value: _sequence(value[3]),
    sre.MAX_REPEAT: _repeat,
    sre.MIN_REPEAT: _repeat,
    sre.AT: lambda _: [b""],
    sre.ASSERT: lambda _: [b""],
    sre.ASSERT_NOT: lambda _: [b""],
}


def _plainest(codes: int) -> bytes:
    """A space where the class has one, else its first letter, else its first character."""
    for among in (_SPACE, _LETTERS, FOLDED):
        if both := codes & among:
            return bytes([(both & -both).bit_length() - 1])
    return b""
