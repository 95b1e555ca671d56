r"""One automaton for one expression or several: deterministic, made as far as it is asked for.

It searches: a text is found where a match stands anywhere in it, and what has been found stays found. States
are ints; state FOUND is final, state LOST can never find again. Bytes that no part of the pattern tells apart
are one class.
"""

from __future__ import annotations

from functools import cached_property

from tierbreak.tools.rules.proofs.syntax import (
    AFTER_OTHER,
    AFTER_WORD,
    ANYTHING,
    END,
    FOLDED,
    OTHER,
    OTHERS,
    START,
    WORD,
    WORDS,
    Network,
    Unprovable,
)

__all__ = ["FOUND", "LOST", "Automaton", "Unprovable"]

FOUND, LOST = 0, 1


class Automaton:
    r"""What an expression finds in folded texts. Immutable to the outside; states are added as they are asked for.

    blocks   the classes of bytes, as bits; a class is a position here
    rows     state -> the next state by class, or None where nobody asked yet: `row(state)` makes it
    ends     state -> whether a text that ends here has been found

    >>> uber = Automaton(Network.of((b"\\bUBER\\b",)))
    >>> uber.finds(b"THE UBER TRIP"), uber.finds(b"HUBER")
    (True, False)
    """

    def __init__(self, network: Network, sources: tuple[bytes, ...] = ()) -> None:
        """Use `automaton_of` or `automaton_from` of lookaround.py."""
        self.sources, self._network = sources, network
        self.blocks = self._cut()
        self._kinds = [WORD if block & WORDS else OTHER for block in self.blocks]
        # A place and the bytes of it that are welcome: a bit each in a state.
        self._bits: dict[tuple[int, int], int] = {}
        self._taken_by = [0] * len(self.blocks)
        self._behind_bit: list[int] = []  # the node behind each bit's place
        self._classes_of_bit: list[list[int]] = []
        self._follow: dict[tuple[int, int], tuple[int, int]] = {}
        n = len(self.blocks)
        self.rows: list[list[int] | None] = [[FOUND] * n, [LOST] * n]
        self.ends = [True, False]
        self._sets = [-1, -1]
        self._states: dict[int, int] = {}
        self.first = self._begin()

    def _begin(self) -> int:
        """Settle what begins anew behind each character, and return the state before the first."""
        self._again = {WORD: self._open(0, AFTER_WORD), OTHER: self._open(0, AFTER_OTHER)}
        self._restarts = any(bits or complete for bits, complete in self._again.values())
        return self._state(*self._open(0, START))

    def __repr__(self) -> str:
        return f"Automaton({b' | '.join(self.sources)!r})"

    def finds(self, text: bytes) -> bool:
        """Whether a folded text is found."""
        state = self.first
        for code in text:
            if state == FOUND:
                return True
            row = self.rows[state]
            at = self._class_of[code]
            state = self._next(state, at) if row is None else row[at]
        return self.ends[state]

    def row(self, state: int) -> list[int]:
        """The next states by class."""
        return self.rows[state] or self._make(state)

    @cached_property
    def _class_of(self) -> bytes:
        """The class of each byte."""
        out = bytearray(256)
        for at, left in enumerate(self.blocks):
            for code in range(left.bit_length()):
                if left >> code & 1:
                    out[code] = at
        return bytes(out)

    def _cut(self) -> tuple[int, ...]:
        """Folded bytes, cut into classes that no place tells apart; word characters apart where an edge is asked."""
        blocks = [WORDS, OTHERS] if self._network.bounded else [FOLDED]
        for codes in self._told_apart():
            cut = []
            for block in blocks:
                within = block & codes
                if within and within != block:
                    cut += [within, block & ~codes]
                else:
                    cut.append(block)
            blocks = cut
        return tuple(blocks)

    def _told_apart(self) -> set[int]:
        return {codes for codes, _ in self._network.places}

    def _open(self, node: int, before: int) -> tuple[int, int]:
        """The bits of the places that may come at a node, and the kinds before which the match is complete."""
        known = self._follow.get((node, before))
        if known is None:
            places, complete = self._network.behind(node, before)
            bits = 0
            for place, kinds in places.items():
                codes, end = self._network.places[place]
                codes &= (WORDS if kinds & WORD else 0) | (OTHERS if kinds & OTHER else 0)
                if codes:
                    bits |= 1 << self._bit(place, codes, end)
            known = self._follow[node, before] = bits, complete
        return known

    def _bit(self, place: int, codes: int, end: int) -> int:
        number = self._bits.setdefault((place, codes), len(self._bits))
        if number == len(self._behind_bit):
            self._behind_bit.append(end)
            taking = [at for at, block in enumerate(self.blocks) if block & codes]
            self._classes_of_bit.append(taking)
            for at in taking:
                self._taken_by[at] |= 1 << number
        return number

    def _state(self, bits: int, complete: int) -> int:
        if complete == ANYTHING:
            return FOUND
        if not bits and not complete and not self._restarts:
            return LOST
        key = bits << 3 | complete
        state = self._states.setdefault(key, len(self.rows))
        if state == len(self.rows):
            self.rows.append(None)
            self.ends.append(bool(complete & END))
            self._sets.append(key)
        return state

    def _next(self, state: int, at: int) -> int:
        """The state behind a byte of a class."""
        key = self._sets[state]
        return FOUND if key & self._kinds[at] else self._state(*self._step(key >> 3, at))

    def _step(self, bits: int, at: int) -> tuple[int, int]:
        """The bits behind a byte of a class, what begins anew among them, and the kinds before which it is complete."""
        kind = self._kinds[at]
        following, done = self._again[kind]
        hit = bits & self._taken_by[at]
        while hit:
            low = hit & -hit
            hit ^= low
            more, also = self._open(self._behind_bit[low.bit_length() - 1], kind)
            following |= more
            done |= also
        return following, done

    def _make(self, state: int) -> list[int]:
        """The row of a state: where no place takes a byte, only what begins anew is left."""
        key = self._sets[state]
        bits, complete = key >> 3, key & ANYTHING
        hit: dict[int, tuple[int, int]] = {}
        while bits:
            low = bits & -bits
            bits ^= low
            number = low.bit_length() - 1
            for at in self._classes_of_bit[number]:
                more, also = self._open(self._behind_bit[number], self._kinds[at])
                following, done = hit.get(at) or self._again[self._kinds[at]]
                hit[at] = following | more, done | also
        out = [self._fresh[kind] for kind in self._kinds]
        for at, (following, done) in hit.items():
            out[at] = self._state(following, done)
        if complete & (WORD | OTHER):
            out = [FOUND if complete & kind else to for kind, to in zip(self._kinds, out, strict=True)]
        self.rows[state] = out
        return out

    @cached_property
    def _fresh(self) -> dict[int, int]:
        """The state behind a character of each kind that no place takes."""
        return {kind: self._state(*again) for kind, again in self._again.items()}
