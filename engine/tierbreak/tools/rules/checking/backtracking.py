r"""Patterns on which `re` may try ways without end: a loop that can read the same text in two ways.

A look-around pattern is read by `re` alone, which tries every way of matching before it gives up. Where a loop
reads one text in two ways, k turns of it read one text in 2^k ways. `(?:[A-Z]+ ?)+` is one: in `ABAB` each
place may or may not begin a new turn. `(?:[A-Z]+ )+` is none.

The pattern's positions (a character or class each) with what may follow each make an automaton without free
steps; it reads a text in exponentially many ways if and only if one of its positions comes back to itself on two
ways with the same text (Weber and Seidl 1991, "On the degree of ambiguity of finite automata"). Pairs of positions
show it: two that start as one, part, and meet again in a circle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# Private, as in rulebook/patterns.py, which says why: where a later Python hides it, importing fails here.
from re import _constants as sre  # type: ignore[attr-defined]
from typing import Any

from tierbreak.tools.rules.checking.shape import parsed
from tierbreak.tools.rules.proofs.syntax import ALL, class_of

#: Repeats of more than so many are loops; fewer are written out.
LOOP = 12
#: Patterns with more positions, repeats written out, are not looked at: pairs of them grow with the square.
MOST = 200

_LOOKS = {sre.ASSERT, sre.ASSERT_NOT}
_REPEATS = {sre.MAX_REPEAT, sre.MIN_REPEAT}


def ambiguous_loop(source: bytes) -> bool:
    r"""Whether a loop of the pattern can read one text in two ways.

    >>> [ambiguous_loop(source) for source in (rb"(?:[A-Z]+ ?)+(?!X)", rb"(?:[A-Z]+ )+(?!X)", rb"(?:AB|[AC]B)*D(?!E)")]
    [True, False, True]
    >>> [ambiguous_loop(source) for source in (rb"(?:A*)*B(?!C)", rb"A*A*B(?!C)", rb"^(?!(?:\d+-?)*$)AB")]
    [True, False, True]
    """
    try:
        return any(_Positions(tree).ambiguous() for tree in _apart(parsed(source)))
    except _TooMany:
        return False


class _TooMany(Exception):
    """The pattern has more than MOST positions."""


def _apart(tree: Any) -> Iterator[Any]:
    """The tree, and every tree within a look-around: each is matched by itself."""
    yield tree
    for op, value in tree:
        for part in _below(op, value):
            inner = list(_apart(part))
            yield from inner if op in _LOOKS else inner[1:]


def _below(op: Any, value: Any) -> Sequence[Any]:
    if op is sre.BRANCH:
        return value[1]
    if op is sre.SUBPATTERN:
        return [value[3]]
    if op in _LOOKS:
        return [value[1]]
    if op is sre.ATOMIC_GROUP:
        return [value]
    if op in _REPEATS or op is sre.POSSESSIVE_REPEAT:
        return [value[2]]
    return []


class _Positions:
    """The positions of a tree: `bytes` each takes, a bit each, and `follow`: from -> to -> in how many ways."""

    def __init__(self, tree: Any) -> None:
        self.bytes: list[int] = []
        self.follow: list[dict[int, int]] = []
        self._sequence(tree)

    # Each returns: can it be empty, the positions it begins with, those it ends with.

    def _sequence(self, tree: Any) -> tuple[bool, list[int], list[int]]:
        empty, first, last = True, list[int](), list[int]()
        for op, value in tree:
            part_empty, part_first, part_last = self._part(op, value)
            self._link(last, part_first)
            first = [*first, *part_first] if empty else first
            last = [*last, *part_last] if part_empty else part_last
            empty = empty and part_empty
        return empty, first, last

    def _part(self, op: Any, value: Any) -> tuple[bool, list[int], list[int]]:
        if op in _LOOKS or op is sre.AT:
            return True, [], []
        if op is sre.SUBPATTERN:
            return self._sequence(value[3])
        if op is sre.BRANCH:
            parts = [self._sequence(branch) for branch in value[1]]
            return any(empty for empty, *_ in parts), _flat(p[1] for p in parts), _flat(p[2] for p in parts)
        if op in _REPEATS:
            return self._repeat(*value)
        if len(self.bytes) >= MOST:
            raise _TooMany
        self.bytes.append(_taken(op, value))
        self.follow.append({})
        return False, [len(self.bytes) - 1], [len(self.bytes) - 1]

    def _repeat(self, least: int, most: Any, tree: Any) -> tuple[bool, list[int], list[int]]:
        """As many copies as the repeat has at most; a loop on the last one where they are many."""
        endless = most is sre.MAXREPEAT or most > LOOP
        copies = max(1, min(least, LOOP)) if endless else most
        empty, first, last = True, list[int](), list[int]()
        for number in range(copies):
            part_empty, part_first, part_last = self._sequence(tree)
            part_empty = part_empty or number >= least
            self._link(last, part_first)
            if endless and number == copies - 1:
                self._link(part_last, part_first)
            first = [*first, *part_first] if empty else first
            last = [*last, *part_last] if part_empty else part_last
            empty = empty and part_empty
        return empty, first, last

    def _link(self, last: list[int], first: list[int]) -> None:
        for at in last:
            ways = self.follow[at]
            for to in first:
                ways[to] = ways.get(to, 0) + 1

    def ambiguous(self) -> bool:
        for ring in _rings(range(len(self.bytes)), lambda at: self.follow[at]):
            within = set(ring)
            if any(ways > 1 and to in within for at in ring for to, ways in self.follow[at].items()):
                return True  # one step, two ways: `(?:A*)*`
            if self._part_and_meet(within):
                return True
        return False

    def _part_and_meet(self, ring: set[int]) -> bool:
        """Whether two ways through the ring part at one position and meet in it again, on one text."""

        def steps(pair: tuple[int, int]) -> Iterator[tuple[int, int]]:
            for one in self.follow[pair[0]]:
                for two in self.follow[pair[1]]:
                    if one in ring and two in ring and self.bytes[one] & self.bytes[two]:
                        yield one, two

        pairs = [(at, at) for at in ring]
        for circle in _rings(pairs, steps):
            equal = any(one == two for one, two in circle)
            if equal and any(one != two for one, two in circle):
                return True
        return False


def _flat(lists: Any) -> list[int]:
    return [at for one in lists for at in one]


def _taken(op: Any, value: Any) -> int:
    """The bytes that a single character of a pattern takes, a bit each; every byte for what is not looked into."""
    if op is sre.LITERAL:
        return class_of([(op, value)])
    if op is sre.NOT_LITERAL:
        return class_of([(sre.NEGATE, None), (sre.LITERAL, value)])
    if op is sre.ANY:
        return class_of([(sre.NEGATE, None), (sre.LITERAL, ord("\n"))])
    return class_of(value) if op is sre.IN else ALL


def _rings(starts: Any, steps: Any) -> Iterator[list[Any]]:
    """The sets of nodes, reachable from `starts`, that all come back to each other (Tarjan 1972), without recursion."""
    order: dict[Any, int] = {}
    low: dict[Any, int] = {}
    path: list[Any] = []
    on_path: set[Any] = set()
    for start in starts:
        stack = [(start, iter(steps(start)))] if start not in order else []
        while stack:
            node, rest = stack[-1]
            if node not in order:
                order[node] = low[node] = len(order)
                path.append(node)
                on_path.add(node)
            for following in rest:
                if following not in order:
                    stack.append((following, iter(steps(following))))
                    break
                if following in on_path:
                    low[node] = min(low[node], order[following])
            else:
                stack.pop()
                if stack:
                    low[stack[-1][0]] = min(low[stack[-1][0]], low[node])
                if low[node] == order[node]:
                    ring = path[path.index(node) :]
                    del path[len(path) - len(ring) :]
                    on_path -= set(ring)
                    if len(ring) > 1 or node in list(steps(node)):
                        yield ring
