"""Rules that others of their brand make superfluous: everything they find, the others find too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tierbreak.tools.rules.proofs.book import EVERY_BRAND, Book
from tierbreak.tools.rules.proofs.claims import Redundant
from tierbreak.tools.rules.proofs.separate import own_texts
from tierbreak.tools.rules.proofs.spans import all_covered


def redundant(book: Book, which: Sequence[int]) -> list[Redundant]:
    """Those of the rules that are, each with as few others as prove it.

    Two rules that find the same are redundant both, each by the other: one of them is to go.
    """

    def counts(at: int, other: int) -> bool:
        return _does_its_work(book, at, other)

    out = []
    of_brand = Counter(brand for brand, decides in zip(book.brand, book.decides, strict=True) if decides)
    # Most brands have one rule, and nobody else does its work.
    shared = [at for at in which if of_brand[book.brand[at]] > 1 or (book.rules[at].deny and of_brand[EVERY_BRAND])]
    for at, own in own_texts(book, shared, counts).items():
        if own.covered and own.against:
            by = _needed(book, at, sorted(own.against))
            rule = book.rules[at]
            harmless = rule.deny or (len(by) == 1 and _harmless(book, at, by[0]))
            out.append(Redundant(rule.id, rule.brand, rule.place, book.ids(by), harmless))
    return out


def _does_its_work(book: Book, at: int, other: int) -> bool:
    """Whether `other` says at least as much of a text and row that both find, as far as it names the brand."""
    rule, does = book.rules[at], book.rules[other]
    if not book.decides[other] or rule.deny != does.deny:
        return False
    same = book.brand[at] == book.brand[other] or (rule.deny and book.brand[other] == EVERY_BRAND)
    return same and book.implies(at, other)


def _needed(book: Book, at: int, others: list[int]) -> list[int]:
    for other in list(others):
        fewer = [each for each in others if each != other]
        if fewer and book.shortest(at, [book.sources(each) for each in fewer]).empty:
            others = fewer
    return others


def _harmless(book: Book, at: int, other: int) -> bool:
    """Whether `other` stands wherever `at` does, and beats by edge and by span all that `at` beats."""
    return (
        all_covered(book.rules[other], book.rules[at])
        and set(book.below[at]) - {other} <= set(book.below[other])
        and set(book.above[other]) - {at} <= set(book.above[at])
    )
