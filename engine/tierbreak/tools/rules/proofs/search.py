"""The shortest folded text that some rules find and others do not: breadth first through all automata at once.

A search that comes to its end without a text has proved that there is none. One that uses up its budget of
states has proved nothing, and says so.

Folded texts (with every step of the normaliser on) are not empty, hold no a-z, no control character, and no
space but single ones between other characters. A text of printable ASCII is looked for first, and every such
text is one that `normalise` leaves as it is. Beyond ASCII any well-formed UTF-8 is taken into account, which is
more than can be a folded text: so "there is none" holds, and a text that turns out not to be one is not given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from tierbreak.core import normalise
from tierbreak.rulebook.byte_sets import byte_set
from tierbreak.tools.rules.proofs.automaton import FOUND, LOST, Automaton
from tierbreak.tools.rules.proofs.syntax import FOLDED

#: States of the product that one search may visit.
STATES = 50_000

_SPACE = 1 << ord(" ")
_ASCII = FOLDED & ((1 << 128) - 1)


@dataclass(frozen=True)
class Search:
    """What is known of a shortest text.

    text    the shortest folded text, and of several the first in the order of bytes; None where none is known
    empty   proved: there is no such text
    why     where both are unset, why nothing is known
    """

    text: str | None
    empty: bool = False
    why: str = ""


class Language(Protocol):
    """What `search` needs of a rule: its texts are found by `found` and, where there is one, not by `but_not`."""

    @property
    def found(self) -> Automaton: ...
    @property
    def but_not(self) -> Automaton | None: ...


@dataclass(frozen=True)
class _Plain:
    """An automaton's texts as a Language."""

    found: Automaton
    but_not: Automaton | None = None


def shortest(
    found_by: Sequence[Automaton],
    missed_by: Sequence[Automaton] = (),
    *,
    any_of: Sequence[Automaton] = (),
    states: int = STATES,
) -> Search:
    """The shortest folded text that all of `found_by`, one of `any_of` where given, and none of `missed_by` find.

    states   how many states of the product may be visited before the answer is "unknown"

    >>> from tierbreak.rulebook.patterns import from_words
    >>> from tierbreak.tools.rules.proofs.lookaround import automaton_of
    >>> delta, france = (automaton_of(from_words(words, None)) for words in ("DELTA AIR", "AIR FRANCE"))
    >>> shortest([delta, france]).text
    'DELTA AIR FRANCE'
    >>> shortest([delta], [automaton_of(from_words("DELTA", None))])
    Search(text='DELTAAIR', empty=False, why='')
    """
    return search(
        [_Plain(each) for each in found_by], [_Plain(each) for each in missed_by], [_Plain(each) for each in any_of],
        states=states,
    )  # fmt: skip


def search(
    found_by: Sequence[Language],
    missed_by: Sequence[Language] = (),
    any_of: Sequence[Language] = (),
    *,
    states: int = STATES,
) -> Search:
    """`shortest` for languages: a text is found by one where its `found` finds it and its `but_not` does not.

    What a text must not be found by is taken up only once a text was in the way: without it there are more texts,
    so where there is none there is none with it, and a first text that nothing objects to is the first with it too.
    """
    must = list(dict.fromkeys(each.found for each in found_by))
    idle: list[Language] = [*(_Plain(each.but_not) for each in found_by if each.but_not is not None), *missed_by]
    taken: list[Language] = []
    while True:
        result = _walk(_Product(must, taken, any_of), states)
        if result.text is None:
            if result.empty or not idle:
                return result
            objecting = idle  # more to mind may leave less to visit
        else:
            text = result.text.encode()
            objecting = [each for each in idle if _finds(each, text)]
            if not objecting:
                return result
        taken += objecting
        idle = [each for each in idle if each not in objecting]


def _finds(language: Language, text: bytes) -> bool:
    return language.found.finds(text) and not (language.but_not is not None and language.but_not.finds(text))


def _walk(product: _Product, states: int) -> Search:
    for foreign in (False, True) if product.has_foreign else (False,):
        text, visited = product.walk(foreign=foreign, states=states)
        if text is not None:
            return Search(text.decode()) if text.isascii() else _beyond_ascii(text)
        if visited > states:
            return Search(None, why=f"state budget of {states} used up")
    return Search(None, empty=True)


def _beyond_ascii(text: bytes) -> Search:
    """A text that is not ASCII is given only where the normaliser leaves it as it is."""
    why = "only texts beyond ASCII are left, and the shortest is no folded text"
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        return Search(None, why=why)
    if normalise.folded(pl.Series([decoded]))[0] != decoded:
        return Search(None, why=why)
    return Search(decoded)


# The form of a folded text, as an automaton: where a character may begin after a space or at the start (_FRESH),
# where one may begin elsewhere (_BODY), and within a character of several bytes. A text may end in _BODY only.
_FRESH, _BODY, _ONE, _TWO, _TWO_E0, _TWO_ED, _THREE, _THREE_F0, _THREE_F4, _WRONG = range(10)
_FORM_BLOCKS = (
    _SPACE,
    _ASCII & ~_SPACE,
    byte_set(range(0x80, 0x90)),
    byte_set(range(0x90, 0xA0)),
    byte_set(range(0xA0, 0xC0)),
    byte_set(range(0xC2, 0xE0)),
    byte_set([0xE0]),
    byte_set([*range(0xE1, 0xED), 0xEE, 0xEF]),
    byte_set([0xED]),
    byte_set([0xF0]),
    byte_set(range(0xF1, 0xF4)),
    byte_set([0xF4]),
)
_LEADS = [_ONE, _TWO_E0, _TWO, _TWO_ED, _THREE_F0, _THREE, _THREE_F4]


def _inner(*then: int) -> list[int]:
    return [_WRONG, _WRONG, *then, *([_WRONG] * 7)]


_FORM = [
    [_WRONG, _BODY, _WRONG, _WRONG, _WRONG, *_LEADS],
    [_FRESH, _BODY, _WRONG, _WRONG, _WRONG, *_LEADS],
    _inner(_BODY, _BODY, _BODY),
    _inner(_ONE, _ONE, _ONE),
    _inner(_WRONG, _WRONG, _ONE),
    _inner(_ONE, _ONE, _WRONG),
    _inner(_TWO, _TWO, _TWO),
    _inner(_WRONG, _TWO, _TWO),
    _inner(_TWO, _WRONG, _WRONG),
]


#: Room for the states of one automaton in a state of the product, which is one int: the form, then each automaton's.
_FORM_BITS, _BITS = 4, 24
_MASK = (1 << _BITS) - 1


class _Product:
    """All automata side by side, each once, with what of them a text must and must not be found by."""

    def __init__(self, must: Sequence[Automaton], none_of: Sequence[Language], any_of: Sequence[Language]) -> None:
        place: dict[Automaton, int] = {}

        def at(automaton: Automaton | None) -> int:
            return -1 if automaton is None else place.setdefault(automaton, len(place))

        self.must = [at(each) for each in must]
        self.none = [(at(each.found), at(each.but_not)) for each in none_of]
        self.any = [(at(each.found), at(each.but_not)) for each in any_of]
        self.automata = list(place)
        self.hopeless = -(1 << _FORM_BITS + _BITS * len(place))  # any sum with it is below 0
        # Where one automaton alone can make a state hopeless: it must find and has LOST, must not and has FOUND.
        self.fatal: list[set[int]] = [set() for _ in place]
        for number in self.must:
            self.fatal[number].add(LOST)
        for number, but in self.none:
            if but < 0:
                self.fatal[number].add(FOUND)
        self.mixed = [(one, but) for one, but in self.none if but >= 0]
        self.classes = self._alphabet()
        self.has_foreign = any(foreign for *_, foreign in self.classes)

    def _alphabet(self) -> list[tuple[int, int, tuple[int, ...], bool]]:
        """(byte, class of the form, class in each automaton, beyond ASCII), bytes ascending.

        Of bytes that nothing tells apart one stands for all, an ASCII one where there is one: bytes beyond ASCII that
        are like an ASCII one everywhere find nothing that it does not find.
        """
        joint: list[tuple[int, tuple[int, ...]]] = [(_ASCII & ~_SPACE, (1,)), (_SPACE, (0,))]
        high: list[tuple[int, tuple[int, ...]]] = [(FOLDED & ~_ASCII, ())]
        for automaton in self.automata:
            blocks = list(enumerate(automaton.blocks))
            joint = [(both, (*of, at)) for codes, of in joint for at, block in blocks if (both := codes & block)]
            high = [(both, (*of, at)) for codes, of in high for at, block in blocks if (both := codes & block)]
        ascii_like = {of[1:] for _, of in joint if of[0] == 1}
        out = [(_lowest(codes), of[0], of[1:], False) for codes, of in joint]
        if any(of not in ascii_like for _, of in high):
            out += [  # all of them: of one character some bytes may be like an ASCII one, and others not
                (_lowest(both), form, of, True)
                for codes, of in high
                for form, block in enumerate(_FORM_BLOCKS)
                if (both := codes & block)
            ]
        return sorted(out)

    def walk(self, *, foreign: bool, states: int) -> tuple[bytes | None, int]:
        """The first text in the order of length, then bytes, or None; and how many states were visited."""
        classes = [(byte, form, of) for byte, form, of, beyond in self.classes if foreign or not beyond]
        codes = [byte for byte, *_ in classes]
        form_rows = [[self.hopeless if row[form] == _WRONG else row[form] for _, form, _ in classes] for row in _FORM]
        width = len(self.automata)
        shifts = [_FORM_BITS + _BITS * number for number in range(width)]
        of = [[each[number] for *_, each in classes] for number in range(width)]
        made: list[dict[int, list[int]]] = [{} for _ in range(width)]  # by automaton and its state, by class

        def row(number: int, at: int) -> list[int]:
            automaton, fatal, shift = self.automata[number], self.fatal[number], shifts[number]
            ahead = automaton.row(at)
            shifted = [self.hopeless if to in fatal else to << shift for to in ahead]
            made[number][at] = out = [shifted[each] for each in of[number]]
            return out

        first = _FRESH
        for number, automaton in enumerate(self.automata):
            first += self.hopeless if automaton.first in self.fatal[number] else automaton.first << shifts[number]
        if first < 0:
            return None, 0
        watch = bool(self.mixed or self.any)
        # Most states do not end a match of the first: that is looked at before all the rest is.
        ends = self.automata[self.must[0]].ends if self.must else None
        chief_shift = shifts[self.must[0]] if self.must else 0
        came = {first: -1}
        queue = [first]
        for state in queue:
            if len(came) > states:
                return None, len(came)
            nexts = form_rows[state & 15]
            for number, shift in enumerate(shifts):
                at = state >> shift & _MASK
                ahead = made[number].get(at) or row(number, at)
                nexts = [one + two for one, two in zip(nexts, ahead, strict=True)]
            for code, following in zip(codes, nexts, strict=True):
                if following in came or following < 0:
                    continue
                came[following] = state << 8 | code
                if watch and self._hopeless(following):
                    continue
                may_end = following & 15 == _BODY and (ends is None or ends[following >> chief_shift & _MASK])
                if may_end and self._accepts(following):
                    return _spelled(came, following), len(came)
                queue.append(following)
        return None, len(came)

    def _hopeless(self, state: int) -> bool:
        """Whether no text that goes on from here can be one, for what several automata say together."""
        at = self._apart(state)
        return any(at[one] == FOUND and at[but] == LOST for one, but in self.mixed) or (
            bool(self.any) and all(at[one] == LOST or (but >= 0 and at[but] == FOUND) for one, but in self.any)
        )

    def _accepts(self, state: int) -> bool:
        """Whether a text that ends here is one."""
        ends = [automaton.ends[at] for automaton, at in zip(self.automata, self._apart(state), strict=True)]

        def finds(pair: tuple[int, int]) -> bool:
            return ends[pair[0]] and not (pair[1] >= 0 and ends[pair[1]])

        return (
            all(ends[number] for number in self.must)
            and not any(map(finds, self.none))
            and (not self.any or any(map(finds, self.any)))
        )

    def _apart(self, state: int) -> list[int]:
        return [state >> _FORM_BITS + _BITS * number & _MASK for number in range(len(self.automata))]


def _spelled(came: dict[int, int], state: int) -> bytes:
    """The text that led to a state: its bytes, and the states before it, are in `came`."""
    codes = []
    while (step := came[state]) >= 0:
        codes.append(step & 255)
        state = step >> 8
    return bytes(reversed(codes))


def _lowest(codes: int) -> int:
    """The byte that stands for a class: D0 where it can, for it begins capitals, else the first."""
    return 0xD0 if codes >> 0xD0 & 1 else (codes & -codes).bit_length() - 1
