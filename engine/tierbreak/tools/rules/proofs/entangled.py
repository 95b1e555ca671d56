"""Pairs of rules of different brands whose matches share text: `DELTA AIR` and `AIR FRANCE` in `DELTA AIR FRANCE`.

A pair is entangled where the shortest text that both find is shorter than their two shortest texts with a space
between, and their matches in it have two characters or more in common. Pairs are looked for among the candidates
of overlaps.py, which says what those are complete for.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from tierbreak.tools.rules.proofs.book import Book
from tierbreak.tools.rules.proofs.claims import Entangled, Witness
from tierbreak.tools.rules.proofs.conditions import Row
from tierbreak.tools.rules.proofs.overlaps import Sample, candidates
from tierbreak.tools.rules.proofs.questions import Question
from tierbreak.tools.rules.proofs.rulings import Ruling, rule_on

#: Characters that the two matches have in common, at least.
SHARED = 2


class _Pair(NamedTuple):
    one: int
    other: int
    row: Row
    text: str


def entangled(book: Book, only: Collection[int] | None = None) -> list[Entangled]:
    """The pairs, contested ones first, of those the ones that share whole words; of `only` where given."""
    pairs = _pairs(book, only)
    rulings = rule_on(book.parts, [pair.text for pair in pairs], [pair.row for pair in pairs])
    out = []
    for pair, ruling in zip(pairs, rulings, strict=True):
        shared, whole = _shared(book, pair)
        if shared:
            one, other = book.rules[pair.one], book.rules[pair.other]
            seen = witness(book, pair.text, pair.row, ruling)
            out.append(Entangled((one.id, other.id), (one.brand, other.brand), seen, shared, whole))
    return sorted(out, key=lambda pair: (not pair.contested, not pair.whole, pair.rules))


def _pairs(book: Book, only: Collection[int] | None) -> list[_Pair]:
    found = []
    for one, other, text in candidates(_samples(book), book.finders, book.related):
        wanted = only is None or one in only or other in only
        # Without spaces: a candidate has them in gaps where the shortest texts have nothing.
        fits = len(text.replace(" ", "")) <= _apart(book, one, other, spaces=False) - SHARED
        row = book.row_for_both(one, other) if wanted and fits else None
        if row is not None:
            found.append(_Pair(one, other, row, text))
    common = book.answers.ask([Question((book.sources(pair.one), book.sources(pair.other))) for pair in found])
    out = []
    for pair, answer in zip(found, common, strict=True):
        apart = _apart(book, pair.one, pair.other, spaces=True) + 1
        if answer.text is not None and len(answer.text) < apart:
            # The candidate's own, with spaces where statements have them, is the clearer where it is short enough.
            out.append(pair if len(pair.text) < apart else pair._replace(text=answer.text))
    return out


def _apart(book: Book, one: int, other: int, *, spaces: bool) -> int:
    """The length of the two rules' shortest texts together."""
    texts = [book.shortest(at).text or "" for at in (one, other)]
    return sum(len(text if spaces else text.replace(" ", "")) for text in texts)


def _samples(book: Book) -> list[Sample]:
    return [
        Sample(at, source, text)
        for at, rule in enumerate(book.rules)
        if book.decides[at] and not rule.deny
        for source in book.sources(at).match
        for text in book.answers.samples(source)
    ]


def _shared(book: Book, pair: _Pair) -> tuple[str, bool]:
    """The longest text that a match of each holds, and whether it is whole words; empty where there is none."""
    text = pair.text.encode()
    one, other = (book.parts.rules.spans(pair.text, at) for at in (pair.one, pair.other))
    both = [(max(a, c, 0), min(b, d, len(text))) for a, b in one for c, d in other]
    start, end = max(both, key=lambda span: span[1] - span[0], default=(0, 0))
    if end - start < SHARED:
        return "", False
    inner = text[start:end].decode(errors="replace")
    cut_before = start > 0 and _word(text[start - 1]) and _word(text[start])
    cut_behind = end < len(text) and _word(text[end - 1]) and _word(text[end])
    return inner, not cut_before and not cut_behind


def _word(code: int) -> bool:
    return code < 128 and (chr(code).isalnum() or code == ord("_"))


def witness(book: Book, text: str, row: Row, ruling: Ruling) -> Witness:
    """A text with what the engine decides on it."""
    winner = min(ruling.standing) if ruling.brand >= 0 and ruling.standing else None
    brand = book.parts.registry.ids[ruling.brand] if ruling.brand >= 0 else None
    return Witness(text, row, book.rules[winner].id if winner is not None else None, brand, ruling.collision)
