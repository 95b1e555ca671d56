r"""Automata of patterns that look around: `COSTCO(?!\s*GAS)`, `(?<!\bTHE )GAP`. Exact, like those that do not.

What is looked for ahead is an obligation: it goes along with the match, one step a character, until it is met,
broken, or the text ends. A match that is complete waits for its obligations. What is looked for behind has been
read already: an automaton runs beside, and says at each point whether a string of it ends there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from tierbreak.rulebook.patterns import Expression
from tierbreak.tools.rules.proofs.automaton import FOUND, LOST, Automaton
from tierbreak.tools.rules.proofs.syntax import (
    AFTER_OTHER,
    AFTER_WORD,
    ANYTHING,
    END,
    OTHER,
    OTHERS,
    START,
    WORD,
    WORDS,
    Look,
    Network,
    welcome,
)

#: The obligations of a match: (number of the look-around, the state of its automaton).
Owed = frozenset[tuple[int, int]]


class Item(NamedTuple):
    """One match under way: a bit of the automaton, or -1 where it is complete before some kinds of character."""

    bit: int
    kinds: int
    owed: Owed


class _Ahead(Automaton):
    """Finds what begins at one point and nowhere behind it; `after` is its first state by what stands before."""

    def _begin(self) -> int:
        self._again = {WORD: (0, 0), OTHER: (0, 0)}
        self._restarts = False
        self.after = {before: self._state(*self._open(0, before)) for before in (START, AFTER_WORD, AFTER_OTHER)}
        return self.after[START]


class _Behind(Automaton):
    """Says where a string of it ends: asked by its bits, which do not stay found."""

    def start(self) -> tuple[int, int]:
        return self._open(0, START)

    def after(self, trail: tuple[int, int], at: int) -> tuple[int, int]:
        return self._step(trail[0], at)


#: A state: the matches under way, and for each look behind its bits and the kinds before which a string ends here.
_Key = tuple[frozenset[Item], tuple[tuple[int, int], ...]]


class Looking(Automaton):
    """An automaton whose network has look-arounds; see Automaton for what it offers."""

    def __init__(self, network: Network, sources: tuple[bytes, ...] = ()) -> None:
        self._looks = network.looks
        self._ahead = {at: _Ahead(look.network) for at, look in enumerate(self._looks) if look.ahead}
        self._behind = {at: _Behind(look.network) for at, look in enumerate(self._looks) if not look.ahead}
        self._number = {id(look): at for at, look in enumerate(self._looks)}
        self._opened: dict[tuple[int, int, tuple[int, ...]], frozenset[Item]] = {}
        self._keys: list[_Key | None] = [None, None]
        self._state_of: dict[_Key, int] = {}
        super().__init__(network, sources)

    def _told_apart(self) -> set[int]:
        blocks = [block for inner in (*self._ahead.values(), *self._behind.values()) for block in inner.blocks]
        return super()._told_apart() | set(blocks)

    def _begin(self) -> int:
        # The class of each of our classes in the automata within.
        first = [(block & -block).bit_length() - 1 for block in self.blocks]
        inner = {**self._ahead, **self._behind}
        self._class_in = {at: [each._class_of[code] for code in first] for at, each in inner.items()}
        anything = tuple(0 if self._looks[at].negated else ANYTHING for at in self._behind)
        self._restarts = any(self._items(0, before, anything) for before in (AFTER_WORD, AFTER_OTHER))
        trails = tuple(each.start() for each in self._behind.values())
        return self._state_for(self._items(0, START, _masks(trails)), trails)

    def _items(self, node: int, before: int, masks: tuple[int, ...]) -> frozenset[Item]:
        """What may come at a node: by the kind before it and, for each look behind, the kinds before which it ends."""
        known = self._opened.get((node, before, masks))
        if known is None:
            known = self._opened[node, before, masks] = frozenset(self._explore(node, before, masks))
        return known

    def _explore(self, node: int, before: int, masks: tuple[int, ...]) -> set[Item]:
        mask_of = dict(zip(self._behind, masks, strict=True))
        out: set[Item] = set()
        first: tuple[int, int, Owed] = (node, ANYTHING, frozenset())
        seen, stack = {first}, [first]
        while stack:
            at, kinds, owed = stack.pop()
            if at == 1:
                out.add(Item(-1, kinds, owed))
            for place in self._network.places_at[at]:
                codes, end = self._network.places[place]
                codes &= (WORDS if kinds & WORD else 0) | (OTHERS if kinds & OTHER else 0)
                if codes:
                    out.add(Item(self._bit(place, codes, end), ANYTHING, owed))
            for following, assertion in self._network.free[at]:
                left, now = kinds, owed
                if isinstance(assertion, Look):
                    number = self._number[id(assertion)]
                    if assertion.ahead:
                        state = self._ahead[number].after[before]
                        if state in (FOUND, LOST):
                            left = kinds if (state == FOUND) != assertion.negated else 0
                        else:
                            now = owed | {(number, state)}
                    else:
                        left &= ANYTHING & ~mask_of[number] if assertion.negated else mask_of[number]
                elif assertion is not None:
                    left &= welcome(assertion, before)
                step = (following, left, now)
                if left and step not in seen:
                    seen.add(step)
                    stack.append(step)
        return out

    def _state_for(self, items: frozenset[Item], trails: tuple[tuple[int, int], ...]) -> int:
        items = _least(items)
        if any(item.bit < 0 and item.kinds == ANYTHING and not item.owed for item in items):
            return FOUND
        if not items and not self._restarts:
            return LOST
        key = items, trails
        state = self._state_of.setdefault(key, len(self.rows))
        if state == len(self.rows):
            self.rows.append(None)
            self._keys.append(key)
            self.ends.append(any(item.bit < 0 and item.kinds & END and self._met(item.owed) for item in items))
        return state

    def _met(self, owed: Owed) -> bool:
        """Whether obligations are met where the text ends."""
        return all(self._ahead[at].ends[state] != self._looks[at].negated for at, state in owed)

    def _next(self, state: int, at: int) -> int:
        key = self._keys[state]
        if key is None:
            return state
        items, trails = key
        kind = self._kinds[at]
        trails = tuple(
            each.after(trail, self._class_in[number][at])
            for (number, each), trail in zip(self._behind.items(), trails, strict=True)
        )
        masks = _masks(trails)
        out = set(self._items(0, kind, masks))
        for bit, kinds, owed in items:
            left = self._advanced(owed, at)
            if left is None:
                continue
            if bit < 0:
                if kinds & kind:
                    out.add(Item(-1, ANYTHING, left))
            elif self._taken_by[at] >> bit & 1:
                for item in self._items(self._behind_bit[bit], kind, masks):
                    out.add(item._replace(owed=item.owed | left))
        return self._state_for(frozenset(out), trails)

    def _advanced(self, owed: Owed, at: int) -> Owed | None:
        """Obligations behind a byte of a class; None where one is broken."""
        left = set()
        for number, state in owed:
            following = self._ahead[number].row(state)[self._class_in[number][at]]
            if following not in (FOUND, LOST):
                left.add((number, following))
            elif (following == FOUND) == self._looks[number].negated:
                return None
        return frozenset(left)

    def _make(self, state: int) -> list[int]:
        self.rows[state] = out = [self._next(state, at) for at in range(len(self.blocks))]
        return out


def _masks(trails: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    return tuple(complete for _, complete in trails)


def _least(items: frozenset[Item]) -> frozenset[Item]:
    """Without those that owe more than another at the same point: who owes less finds all that they find."""
    if not any(item.owed for item in items):
        return items
    return frozenset(
        item
        for item in items
        if not any(
            other.bit == item.bit and item.kinds | other.kinds == other.kinds and other.owed < item.owed
            for other in items
        )
    )


def automaton_of(expression: Expression) -> Automaton:
    """The automaton of one expression, kept. Raises Unprovable."""
    return automaton_from((expression.source,))


@lru_cache(maxsize=1 << 13)
def automaton_from(sources: tuple[bytes, ...]) -> Automaton:
    """One automaton that finds what any of several expressions finds, kept. Raises Unprovable."""
    network = Network.of(sources)
    return Looking(network, sources) if network.looks else Automaton(network, sources)
