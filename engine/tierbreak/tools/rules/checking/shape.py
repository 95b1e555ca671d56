r"""The shape of a regex: its top-level alternatives, its ends, and the text that every match of it holds.

What an author wrote is looked at token by token, so that a fault can be placed; what an engine does with it is
read off the tree of `re`'s parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Private, as in rulebook/patterns.py, which says why: where a later Python hides it, importing fails here.
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from tierbreak.rulebook.patterns import tokens

#: A class of so few characters still counts as fixed text: an engine looks for each of the few texts it stands for.
FEW = 4


class Token(NamedTuple):
    """A part of a regex as `tokens` gives it, with its offset and the groups that it stands in."""

    text: str
    inside: bool  # a class
    at: int
    depth: int  # an opening bracket is inside its own group


def walk(pattern: str) -> Iterator[Token]:
    """The tokens of a regex with their offsets and depths.

    >>> [(token.text, token.at, token.depth) for token in walk("A(B)")]
    [('A', 0, 0), ('(', 1, 1), ('B', 2, 1), (')', 3, 1)]
    """
    at = depth = 0
    for text, inside in tokens(pattern):
        depth += not inside and text == "("
        yield Token(text, inside, at, depth)
        depth -= not inside and text == ")"
        at += len(text)


def alternatives(pattern: str) -> list[tuple[int, str]]:
    """The top-level alternatives of a regex, each with its offset.

    >>> alternatives("A(B|C)|D")
    [(0, 'A(B|C)'), (7, 'D')]
    """
    cuts = [token.at for token in walk(pattern) if token.text == "|" and not token.inside and token.depth == 0]
    starts = [0, *(cut + 1 for cut in cuts)]
    return [(start, pattern[start:end]) for start, end in zip(starts, [*cuts, len(pattern)], strict=True)]


def idle_ends(alternative: str) -> list[tuple[int, str]]:
    r"""The `.*` at the ends of an alternative, with `^` or `$` beside it: they change no answer.

    >>> idle_ends(r"^.*UBER.*"), idle_ends(r"UBER\.*"), idle_ends("(?:.*UBER)")
    ([(0, '^.*'), (7, '.*')], [], [])
    """
    out = []
    head = re.match(r"\^?(?:\.\*\??)+", alternative)
    if head:
        out.append((0, head.group()))
    tail = re.search(r"(?<!\\)(?:\\\\)*((?:\.\*\??)+\$?)$", alternative)
    if tail and tail.start(1) >= (head.end() if head else 0):
        out.append((tail.start(1), tail.group(1)))
    return out


def empty_alternatives(pattern: str) -> list[tuple[int, str]]:
    """The alternatives of a regex that hold nothing, each with the offset of what shows it.

    >>> empty_alternatives("UBER(?: EATS|)"), empty_alternatives("(A||B)"), empty_alternatives("[|]|A")
    ([(12, '|)')], [(2, '||')], [])
    >>> empty_alternatives("(?:|A)B"), empty_alternatives("(:|A)|")
    ([(0, '(?:|')], [(5, '|')])
    """
    out = []
    before, opening, ahead = "(", 0, 0  # the start of a pattern opens an alternative as a bracket does
    for token in walk(pattern):
        if token.at < ahead:
            continue  # still the opening of a group
        text = "" if token.inside else token.text
        if before in _OPENS and text in ("|", ")") and before + text != "()":
            out.append((opening, pattern[opening : token.at + 1]))
        before, opening = text, token.at
        if text == "(" and (group := _GROUP.match(pattern, token.at)):
            ahead = group.end()
    return [*out, (opening, "|")] if before == "|" else out


_OPENS = ("(", "|")
_GROUP = re.compile(r"\(\?(?:<?[=!]|[:>])")


def parsed(source: bytes) -> Any:
    """The tree of an expression's source, as `re` reads it."""
    return sre_parser.parse(source, re.IGNORECASE)


def anchored(tree: Any) -> bool:
    """Whether every match begins where the text does."""
    return len(tree) > 0 and tree[0] == (sre.AT, sre.AT_BEGINNING)


class _Run(NamedTuple):
    """What is known of the fixed text in a part: bytes that every match has in a row.

    whole    the part is fixed text and nothing else; `first` is then the bytes of its shortest reading
    first    bytes at its beginning; `last` at its end; `best` anywhere
    """

    whole: bool
    first: int
    last: int
    best: int


_NOTHING = _Run(True, 0, 0, 0)
_LOOSE = _Run(False, 0, 0, 0)


def fixed(tree: Any) -> int:
    r"""How many bytes in a row every match holds that are one of a few texts: what an engine can look for first.

    >>> [fixed(parsed(source)) for source in (rb"UBER.*EATS", rb"(?:AB|CDE)F", rb"\b\d+ [A-Z]+", rb"A?B")]
    [4, 3, 1, 1]
    """
    return _sequence(tree).best


def _sequence(tree: Any) -> _Run:
    run = _NOTHING
    for op, value in tree:
        run = _join(run, _part(op, value))
    return run


def _join(one: _Run, two: _Run) -> _Run:
    across = one.last + two.first
    return _Run(
        one.whole and two.whole,
        across if one.whole else one.first,
        across if two.whole else two.last,
        max(one.best, two.best, across),
    )


def _part(op: Any, value: Any) -> _Run:
    if op is sre.LITERAL or (op is sre.IN and _few(value)):
        return _Run(True, 1, 1, 1)
    if op is sre.SUBPATTERN or op is sre.ATOMIC_GROUP:
        return _sequence(value[3] if op is sre.SUBPATTERN else value)
    if op is sre.BRANCH:
        runs = [_sequence(branch) for branch in value[1]]
        return _Run(all(run.whole for run in runs), *(min(column) for column in list(zip(*runs, strict=True))[1:]))
    if op in _REPEATS:
        return _repeat(*value)
    return _NOTHING if op in _WIDTHLESS else _LOOSE


def _repeat(least: int, most: Any, tree: Any) -> _Run:
    once = _sequence(tree)
    if least == 0:
        return _NOTHING if once.whole and most == 1 else _LOOSE
    run = once
    for _ in range(min(least, 8) - 1):
        run = _join(run, once)
    return run if most == least else _Run(False, run.first, run.last, run.best)


def _few(items: Any) -> bool:
    """Whether a class stands for few characters."""
    count = 0
    for kind, what in items:
        if kind is sre.LITERAL:
            count += 1
        elif kind is sre.RANGE:
            count += what[1] - what[0] + 1
        else:
            return False
    return count <= FEW


_REPEATS = {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}
_WIDTHLESS = {sre.ASSERT, sre.ASSERT_NOT, sre.AT}
