r"""An expression's source -> a nondeterministic automaton over bytes, as sets of bits.

`re`'s own parser reads the source, so what is proved is what the engines are given. The automaton's places
are the single characters of the pattern, a bit each. What may follow a place depends on the assertions
between (`^ $ \b \B`): each is settled as soon as the character before it is known, but for what it asks of
the character behind it, which is noted as the kinds of character that are welcome there.

Texts are folded: no a-z, no control character, no newline. So `$` is the end of the text and nothing else,
and a pattern is caseless when its a-z are read as A-Z.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Private, as in rulebook/patterns.py, which says why: where a later Python hides it, importing fails here.
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from tierbreak.rulebook.byte_sets import WORD_BYTES, byte_set, taken

#: Kinds of what stands behind a point, a bit each: a word character, another character, the end of the text.
WORD, OTHER, END = 1, 2, 4
ANYTHING = WORD | OTHER | END
#: Kinds of what stands before a point.
START, AFTER_WORD, AFTER_OTHER = 0, 1, 2

#: Places that one expression may have, its counted repeats written out.
MOST_PLACES = 4_000


#: Every byte that a folded text can hold.
FOLDED = byte_set([*range(0x20, 0x61), *range(0x7B, 0x7F), *range(0x80, 0x100)])
WORDS = WORD_BYTES & FOLDED
OTHERS = FOLDED & ~WORDS

_STARTS = {sre.AT_BEGINNING, sre.AT_BEGINNING_STRING}
_ENDS = {sre.AT_END, sre.AT_END_STRING}


class Unprovable(Exception):
    """A part of the pattern has no automaton here; `why` says which.

    >>> raise Unprovable("it looks around within a look-around")
    Traceback (most recent call last):
        ...
    tierbreak.tools.rules.proofs.syntax.Unprovable: it looks around within a look-around
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Look(NamedTuple):
    """A look-around: what stands ahead, or behind, must or must not match a pattern of its own."""

    ahead: bool
    negated: bool
    network: Network


class Network:
    """Nodes joined by free steps, each with an assertion or none, and by steps that take a byte of a set.

    Several trees give the automaton that finds what any of them finds. Node 0 is where every match begins, node 1
    where it is complete.
    """

    def __init__(self, trees: Iterable[Any], *, within: bool = False) -> None:
        """`within` a look-around there can be no other."""
        self.free: list[list[tuple[int, Any]]] = [[], []]
        self.places: list[tuple[int, int]] = []  # the bytes it takes, the node behind it
        self.places_at: list[list[int]] = [[], []]  # by node: the places that begin there
        self.bounded = False  # some assertion asks for the kind of a character
        self.looks: list[Look] = []
        self._within = within
        for tree in trees:
            self._join(self._sequence(tree, 0), 1)

    @classmethod
    def of(cls, sources: Sequence[bytes]) -> Network:
        """The network of some expressions. Raises Unprovable."""
        try:
            return cls([sre_parser.parse(source, re.IGNORECASE) for source in sources])
        except re.error as error:
            raise Unprovable(f"it is no regex: {error.msg}") from None

    def _node(self) -> int:
        self.free.append([])
        self.places_at.append([])
        return len(self.free) - 1

    def _join(self, start: int, end: int, assertion: Any = None) -> None:
        self.free[start].append((end, assertion))

    def _take(self, codes: int, start: int) -> int:
        if len(self.places) >= MOST_PLACES:
            raise Unprovable(f"it has more than {MOST_PLACES} places, its repeats written out")
        end = self._node()
        self.places_at[start].append(len(self.places))
        self.places.append((codes & FOLDED, end))
        return end

    def _sequence(self, tree: Any, at: int) -> int:
        for op, value in tree:
            at = self._part(op, value, at)
        return at

    def _part(self, op: Any, value: Any, at: int) -> int:
        codes = taken(op, value)
        if codes is not None:
            return self._take(codes, at)
        if op is sre.BRANCH:
            end = self._node()
            for branch in value[1]:
                self._join(self._sequence(branch, at), end)
        elif op is sre.SUBPATTERN:
            if value[2] & re.IGNORECASE:
                raise Unprovable("it minds case in a part of it")
            end = self._sequence(value[3], at)
        elif op is sre.MAX_REPEAT or op is sre.MIN_REPEAT:
            least, most, inner = value
            end = self._repeat(least, most, inner, at)
        elif op is sre.AT:
            end = self._assert(value, at)
        elif op is sre.ASSERT or op is sre.ASSERT_NOT:
            end = self._look(value, op is sre.ASSERT_NOT, at)
        else:
            raise Unprovable(f"it uses {str(op).lower()}")
        return end

    def _repeat(self, least: int, most: Any, tree: Any, at: int) -> int:
        for _ in range(least):
            at = self._sequence(tree, at)
        if most is sre.MAXREPEAT:
            loop = self._node()
            self._join(at, loop)
            self._join(self._sequence(tree, loop), loop)
            return loop
        end = self._node()
        for _ in range(most - least):
            self._join(at, end)
            at = self._sequence(tree, at)
        self._join(at, end)
        return end

    def _assert(self, what: Any, at: int) -> int:
        end = self._node()
        if what in (sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY):
            self.bounded = True
        self._join(at, end, what)
        return end

    def _look(self, value: Any, negated: bool, at: int) -> int:
        if self._within:
            raise Unprovable("it looks around within a look-around")
        end = self._node()
        direction, tree = value
        look = Look(direction > 0, negated, Network([tree], within=True))
        self.bounded = self.bounded or look.network.bounded
        self._join(at, end, look)
        self.looks.append(look)
        return end

    def behind(self, node: int, before: int) -> tuple[dict[int, int], int]:
        """What may come at `node`, the kind of character before it known.

        returns   place -> the kinds of character that are welcome there; the kinds before which the match is complete
        """
        places: dict[int, int] = {}
        complete = 0
        seen = {(node, ANYTHING)}
        stack = [(node, ANYTHING)]
        while stack:
            at, kinds = stack.pop()
            if at == 1:
                complete |= kinds
            for place in self.places_at[at]:
                places[place] = places.get(place, 0) | kinds
            for following, assertion in self.free[at]:
                left = kinds if assertion is None else kinds & welcome(assertion, before)
                if left and (following, left) not in seen:
                    seen.add((following, left))
                    stack.append((following, left))
        return places, complete


def welcome(assertion: Any, before: int) -> int:
    """The kinds of what may stand behind an assertion, the kind of what stands before it known."""
    if assertion in _STARTS:
        return ANYTHING if before == START else 0
    if assertion in _ENDS:
        return END
    edge = OTHER | END if before == AFTER_WORD else WORD
    return edge if assertion is sre.AT_BOUNDARY else ANYTHING & ~edge
