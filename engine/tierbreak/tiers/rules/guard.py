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

import numpy as np

from tierbreak.rulebook.patterns import Expression
from tierbreak.tiers.rules.exact import ExactPattern

#: texts -> (positions of texts, numbers of expressions found there)
Scan = Callable[[Sequence[bytes]], tuple[np.ndarray, np.ndarray]]

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
_WRAPPERS = (b"CHECKCARD 0612 %s 24224430000000000000000", b"POS DEBIT - VISA CHECK CARD 0000 - %s 555-010-0100 CA")


def loses_known_shapes(probe: Callable[[Sequence[bytes], Sequence[bytes]], Iterable[set[tuple[int, int]]]]) -> bool:
    """Whether an engine loses a match of the known-bad shapes.

    probe   (expressions, texts) -> for each way of compiling, the (text, expression) pairs found

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


def wrong(scan: Scan, expressions: Sequence[Expression], trials: Mapping[int, Sequence[bytes]]) -> dict[int, bytes]:
    """The expressions on which `scan` and the exact engine differ, each with the first text that shows it.

    expressions   what was compiled, in order
    trials        number of an expression -> the examples to move about for it

    Texts are tried joined and alone, because a lossy engine loses other matches in one than in the other. A
    host-only expression is confirmed by `re` afterwards: for it only a lost match is wrong. Each text is tried on its
    own rule's expressions only: trying 100,000 texts on 4,000 expressions exactly takes minutes on books
    full of `.*`.
    """
    texts: dict[bytes, int] = {}
    asked: list[tuple[int, int]] = []
    for number, examples in trials.items():
        for example in examples:
            asked += [(texts.setdefault(text, len(texts)), number) for text in moved(example)]
    listed = list(texts)
    joined = _pairs(scan(listed))
    alone = {(at, number) for at, text in enumerate(listed) for _, number in _pairs(scan([text]))}
    exact = {number: ExactPattern(expressions[number]) for number in trials}
    out: dict[int, bytes] = {}
    for position, number in asked:
        if number in out:
            continue
        due = exact[number].matches(listed[position])
        for served in (joined, alone):
            found = (position, number) in served
            if due != found and not (found and expressions[number].host_only):
                out[number] = listed[position]
    return out


def _pairs(found: tuple[np.ndarray, np.ndarray]) -> set[tuple[int, int]]:
    return set(zip(found[0].tolist(), found[1].tolist(), strict=True))
