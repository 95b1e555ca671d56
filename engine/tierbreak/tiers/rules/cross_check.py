"""The truth guard: does the fast engine find what an exact engine finds?

Every Linux wheel of hyperscan from 0.7.23 to 0.9.1 silently misses valid matches on bank strings
(VectorCamp/vectorscan#325), depending on where in a text the parts of a pattern stand. So nothing is
believed: when a database is built, known-bad shapes are tried, and every rule's examples, moved about, are
put through the database that will serve and through the exact engine. A rule that differs is served by the
exact engine; where the known-bad shapes fail, the whole rulebook is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tierbreak.rulebook.patterns import Expression
from tierbreak.tiers.rules.database import JOINED
from tierbreak.tiers.rules.exact import ExactPattern, ExactScanner

#: texts, how many to join for a call -> (positions of texts, numbers of expressions found there)
Scan = Callable[[Sequence[bytes], int], tuple[np.ndarray, np.ndarray]]

#: (expressions, texts) -> for each way of compiling, the (text, expression) pairs found
Probe = Callable[[Sequence[bytes], Sequence[bytes]], Iterable[set[tuple[int, int]]]]

#: The shapes that lossy engines lose: parts with `.*` between them, the gap anywhere in 0..69 bytes, and
#: two short parts with the second one near the end of the text. Shapes after vectorscan#382 and
#: hyperscan-java#231; the words are ours.
SHAPES = [
    rb"PAYCO.*\*\s*SONGBIRD", rb"QS.*\*\s*TEAL KETTLE", rb"SEEK.*\*\s*VIDTUBE", rb"NZAM.*\*\s*BOOKLET",
    rb"^.*ANTIMONY.*EX.*$", rb"^.*KOLA.*NUT.*$", rb"^.*PAYCO.*MARTIN.*HUGO.*$", rb"^ROSSI MILANO.*$",
    rb"^PAYCO \*BEAUXARTS.*$", rb"^DD.*FIREPL 555-010-1040$", rb"^.*XIANG.*FEI.*SAN.*$",
]  # fmt: skip
_GAPS = [("PAYCO", "SONGBIRD"), ("QS", "TEAL KETTLE"), ("SEEK", "VIDTUBE"), ("NZAM", "BOOKLET")]
SHAPE_TEXTS = [f"{head} {'X' * gap} * {tail}".encode() for head, tail in _GAPS for gap in range(70)] + [
    f"ANTIMONY {'H' * gap} MEX{'Z' * tail}".encode() for gap in range(60) for tail in range(12)
]

#: Bytes put in front of, behind and inside an example: around the widths at which vector code changes its way.
PADDINGS = (1, 2, 3, 7, 13, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 70)
#: Expressions that are tried together: what a group takes is the memory that all of them take.
GROUP = 512
_NUMBER = (1 << 32) - 1
_WRAPPERS = (b"CHECKCARD 0612 %s 24224430000000000000000", b"POS DEBIT - VISA CHECK CARD 0000 - %s 555-010-0100 CA")


def loses_known_shapes(probe: Probe) -> bool:
    """Whether an engine loses a match of the known-bad shapes.

    Asked of the engine as such, under more settings than ours: one that is wrong anywhere is not trusted.
    """
    compiled = [re.compile(source, re.IGNORECASE) for source in SHAPES]
    expected = {
        (at, number)
        for at, text in enumerate(SHAPE_TEXTS)
        for number, pattern in enumerate(compiled)
        if pattern.search(text)
    }
    return any(not expected <= found for found in probe(SHAPES, SHAPE_TEXTS))


def moved(example: bytes) -> Iterator[bytes]:
    """An example at many paddings and in several wrappers."""
    yield example
    head, space, tail = example.partition(b" ")
    for width in PADDINGS:
        filler = b"X" * width
        yield filler + b" " + example
        yield example + b" " + filler
        if space:
            yield head + b" " + filler + b" " + tail
    for wrapper in _WRAPPERS:
        yield wrapper.replace(b"%s", example)


def torn(exact: ExactPattern, example: bytes) -> Iterator[bytes]:
    """A match in an example torn in two, in its middle and at each of its spaces: two texts each time.

    Joined by a newline and side by side, the halves are one match to an expression that can cross from text to text.
    """
    start, end = next(iter(exact.spans(example)), (0, 0))
    for at in range(max(start, 0), min(end, len(example))):
        is_space = example[at : at + 1] == b" "
        if is_space or at == (start + end) // 2:
            yield example[:at]
            yield example[at + is_space :]


class Expected(NamedTuple):
    """What the exact engine says of one expression.

    examples   what it is tried on as it is
    moves      those of them that it finds, which are moved about
    found      bool [n]: whether it finds each of `texts`
    halves     examples torn in two, the halves of one side by side
    whole      bool [h]: whether it finds each of `halves`
    """

    examples: Sequence[bytes]
    moves: Sequence[bytes]
    found: np.ndarray
    halves: Sequence[bytes]
    whole: np.ndarray

    def texts(self) -> list[bytes]:
        """What it was asked, each text once; made again and not kept: there are fifty times as many as examples."""
        return list(dict.fromkeys((*self.examples, *(text for example in self.moves for text in moved(example)))))


def expected(expression: Expression, examples: Sequence[bytes]) -> Expected:
    """Ask the exact engine; it needs no database, and so it can be asked while one is compiled.

    An example of a rule that this pattern of it does not find is tried as it is, and not moved about: what a lossy
    engine loses is a match.
    """
    exact = ExactScanner([expression])
    moves = [examples[at] for at in exact.scan(examples)[0].tolist()]
    alone = ExactPattern(expression)
    halves = [half for example in moves for half in torn(alone, example)]
    answer = Expected(examples, moves, np.zeros(0, dtype=bool), halves, _found(exact, halves))
    return answer._replace(found=_found(exact, answer.texts()))


def _found(exact: ExactScanner, texts: Sequence[bytes]) -> np.ndarray:
    found = np.zeros(len(texts), dtype=bool)
    found[exact.scan(texts)[0]] = True
    return found


def wrong(scan: Scan, expressions: Mapping[int, Expression], exact: Mapping[int, Expected]) -> dict[int, bytes]:
    """The expressions on which `scan` and the exact engine differ, each with the first text that shows it.

    scan         of the database that serves: (texts, how many to join for a call)
    expressions  by number
    exact        what is expected of those that are to be tried, by number

    Texts are tried joined and alone, because a lossy engine loses other matches in one than in the other; torn ones
    joined, where a match that crosses from one text into the next would find both halves. A
    host-only expression is confirmed by `re` afterwards: for it only a lost match is wrong. Each text is tried on its
    own rule's expressions only: trying 100,000 texts on 4,000 expressions exactly takes minutes on books
    full of `.*`.
    """
    out: dict[int, bytes] = {}
    numbers = list(exact)
    confirmed = np.array([number for number in numbers if expressions[number].host_only], dtype=np.int64)
    for first in range(0, len(numbers), GROUP):
        out |= _wrong(scan, {number: exact[number] for number in numbers[first : first + GROUP]}, confirmed)
    return out


def _wrong(scan: Scan, exact: Mapping[int, Expected], confirmed: np.ndarray) -> dict[int, bytes]:
    texts: dict[bytes, int] = {}
    asked = [texts.setdefault(text, len(texts)) << 32 | number for number, one in exact.items() for text in one.texts()]
    listed = list(texts)
    wanted = np.array(asked, dtype=np.int64)
    due = np.concatenate([one.found for one in exact.values()])
    may_find_more = np.isin(wanted & _NUMBER, confirmed)
    differ = np.zeros(len(wanted), dtype=bool)
    for at_once in (JOINED, 1):
        where, what = scan(listed, at_once)
        found = among(wanted, where << 32 | what)
        differ |= np.where(may_find_more, due & ~found, due != found)
    shown = wanted[differ][::-1].tolist()
    return _crosses(scan, exact, confirmed) | {pair & _NUMBER: listed[pair >> 32] for pair in shown}


def _crosses(scan: Scan, exact: Mapping[int, Expected], confirmed: np.ndarray) -> dict[int, bytes]:
    """The expressions that are found in half an example only because its other half stands beside it."""
    halves = [half for one in exact.values() for half in one.halves]  # pairs stay together: an even number is joined
    number = np.repeat(list(exact), [len(one.halves) for one in exact.values()]).astype(np.int64)
    due = np.concatenate([one.whole for one in exact.values()])
    where, what = scan(halves, JOINED)
    found = among(np.arange(len(halves)) << 32 | number, where << 32 | what)
    differ = np.flatnonzero(np.where(np.isin(number, confirmed), due & ~found, due != found))
    return {int(number[at]): halves[at] for at in differ[::-1].tolist()}


def among(wanted: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Which of `wanted` stand among `pairs`: np.isin, which hashes integers at many times the cost of a search.

    >>> among(np.array([5, 9, 1]), np.array([4, 1, 5])).tolist()
    [True, False, True]
    """
    ordered = np.sort(pairs)
    return np.searchsorted(ordered, wanted, side="right") > np.searchsorted(ordered, wanted, side="left")
