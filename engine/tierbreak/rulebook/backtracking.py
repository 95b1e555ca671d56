r"""Look-around that is read in bounded time, or not at all.

A pattern that looks around is read by `re`, which tries every way of matching before it gives up, and holds Python's
lock meanwhile. How many ways there are depends on the pattern alone: `(?:[A-Z]+ ?)+` reads thirty letters in a
thousand million ways, `(?:[A-Z]+ )+` reads any text in one. So the ways are counted when a rule is loaded, before
anything runs it. A text may then cost `re` at most

    its length  x  FOLDED_CHARS, which no folded text is longer than  x  WAYS

The pattern's positions (a character or class each) with what may follow each make an automaton without free steps. A
way is a path through it from one place of a text. What is counted is how many paths can stand at once at one place:
from the counts by position, each byte leads to the next counts, and all counts that any text leads to are walked
through. Counts that others exceed in every position need no look of their own, so that this is soon over; where a
loop reads a text in two ways, or two loops share one, the counts grow without end, and pass WAYS.

A look-around's own characters count as a way that ends there; `^`, `$` and `\b` count as if they always held. Both
make the count too large at most.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from itertools import count

# Private, as in patterns.py, which says why: where a later Python hides it, importing fails here.
from re import _constants as sre  # type: ignore[attr-defined]
from typing import Any

from tierbreak.rulebook.byte_sets import ALL, taken

#: Paths that may stand at one place of a text.
WAYS = 32
#: Positions that a pattern may have, its repeats written out, and counts that are walked through: beyond these the
#: time cannot be shown to be bounded in a moment, and is not.
_POSITIONS, _STEPS = 500, 300

_REPEATS = {sre.MAX_REPEAT, sre.MIN_REPEAT}


class _NotBounded(Exception):
    """The ways cannot be shown to be few."""


def bounded(tree: Any) -> bool:
    r"""Whether `re` can be shown to read every text in few ways, from each of its places.

    tree   of a pattern that has been found to be in the language (language.py), as `re`'s parser gives it

    >>> from re import _parser
    >>> [bounded(_parser.parse(each)) for each in (r"COSTCO(?! *GAS)", r"(?:A+)+B(?!C)", r"(?:[A-Z]+ )+(?!X)")]
    [True, False, True]
    >>> [bounded(_parser.parse(each)) for each in (r"A(?!.*B)", r"A.*B.*C(?!D)", r"A.*B(?!.*C)")]
    [True, False, False]
    """
    try:
        return _Positions(tree).within(WAYS)
    except _NotBounded:
        return False


class _Part:
    """What a part of a pattern begins and ends with: positions, each in how many ways; `empty`: ways to be empty."""

    def __init__(self, empty: int = 1, first: Counter[int] | None = None, last: Counter[int] | None = None) -> None:
        self.empty, self.first, self.last = empty, first or Counter(), last or Counter()


class _Positions:
    """The positions of a tree: `bytes` that each takes, and `follow`: position -> position -> in how many ways."""

    def __init__(self, tree: Any) -> None:
        self.bytes: list[int] = []
        self.follow: list[Counter[int]] = []
        self._behind = False  # within a look-behind: its text is not the one ahead, so any byte is as good
        self.first = self._sequence(tree).first

    def _sequence(self, tree: Any) -> _Part:
        out = _Part()
        for op, value in tree:
            out = self._joined(out, self._part(op, value))
        return out

    def _joined(self, one: _Part, two: _Part) -> _Part:
        self._link(one.last, two.first)
        first, last = one.first + _times(two.first, one.empty), two.last + _times(one.last, two.empty)
        if max(one.empty, two.empty) > WAYS:
            raise _NotBounded
        return _Part(one.empty * two.empty, first, last)

    def _part(self, op: Any, value: Any) -> _Part:
        codes = taken(op, value)
        if codes is not None:
            return self._position(ALL if self._behind else codes)
        if op is sre.SUBPATTERN:
            return self._sequence(value[3])
        if op is sre.BRANCH:
            parts = [self._sequence(branch) for branch in value[1]]
            first, last = Counter[int](), Counter[int]()
            for part in parts:
                first, last = first + part.first, last + part.last
            return _Part(sum(part.empty for part in parts), first, last)
        if op in _REPEATS:
            return self._repeat(*value)
        if op is sre.ASSERT or op is sre.ASSERT_NOT:
            return self._look(*value)
        return _Part()  # an assertion: `^`, `$`, `\b`

    def _position(self, codes: int) -> _Part:
        if len(self.bytes) >= _POSITIONS:
            raise _NotBounded
        self.bytes.append(codes)
        self.follow.append(Counter())
        at = len(self.bytes) - 1
        return _Part(0, Counter([at]), Counter([at]))

    def _look(self, direction: int, tree: Any) -> _Part:
        before, self._behind = self._behind, self._behind or direction < 0
        inner = self._sequence(tree)
        self._behind = before
        return _Part(1, inner.first)

    def _repeat(self, least: int, most: Any, tree: Any) -> _Part:
        """As many copies as the repeat has at most; a loop on the last one where there is no end."""
        endless = most is sre.MAXREPEAT
        whole = _Part()
        empty, last = int(least == 0), Counter[int]()
        for number in range(1, (max(least, 1) if endless else most) + 1):
            part = self._sequence(tree)
            if endless and part.empty:
                raise _NotBounded  # `(?:A*)*`: each turn may be none
            whole = self._joined(whole, part)
            if number >= least:
                empty, last = empty + whole.empty, last + whole.last
        if endless:
            self._link(part.last, part.first)
        return _Part(empty, whole.first, last)

    def _link(self, last: Counter[int], first: Counter[int]) -> None:
        for at, ways in last.items():
            for to, more in first.items():
                self.follow[at][to] += ways * more
                if self.follow[at][to] > WAYS:
                    raise _NotBounded

    def within(self, most: int) -> bool:
        """Whether no text leads to more than so many paths at one place. Raises _NotBounded where that takes long."""
        # Of bytes that the same positions take one is enough.
        alphabet = list({frozenset(at for at, codes in enumerate(self.bytes) if codes >> byte & 1): None
                         for byte in range(256)})  # fmt: skip
        walked: list[Counter[int]] = []
        order = count()
        ahead = [(-counts.total(), next(order), counts) for counts in _read(self.first, alphabet)]
        while ahead:
            _, _, counts = heapq.heappop(ahead)  # the most paths first: they exceed most others
            if counts.total() > most:
                return False
            if any(counts <= other for other in walked):
                continue
            walked.append(counts)
            if len(walked) > _STEPS:
                raise _NotBounded
            reached: Counter[int] = Counter()
            for at, ways in counts.items():
                reached.update(_times(self.follow[at], ways))
            for following in _read(reached, alphabet):
                heapq.heappush(ahead, (-following.total(), next(order), following))
        return True


def _times(counts: Counter[int], times: int) -> Counter[int]:
    return counts if times == 1 else Counter({at: ways * times for at, ways in counts.items()} if times else {})


def _read(reached: Counter[int], alphabet: list[frozenset[int]]) -> Iterator[Counter[int]]:
    """What is left of the positions that may come next, for each byte that leaves any."""
    seen = set()
    for takes in alphabet:
        here = takes.intersection(reached)
        if here and here not in seen:
            seen.add(here)
            yield Counter({at: reached[at] for at in here})
