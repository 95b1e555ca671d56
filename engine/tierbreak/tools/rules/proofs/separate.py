"""For each rule the shortest text that it finds and others do not, by counterexample: rounds of search and scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tierbreak.tools.rules.proofs.book import Book

#: Rules that are taken out of a rule's language before one gives up.
MOST_OTHERS = 60


@dataclass
class Own:
    """What came of it.

    text      the shortest text that is its own, or None
    covered   proved: the rules `against` together find everything that it finds
    why       where both are unset
    against   the rules that found a text that was in question
    tried     the texts that were in question, the shortest first
    """

    text: str | None = None
    covered: bool = False
    why: str = ""
    against: set[int] = field(default_factory=set)
    tried: list[str] = field(default_factory=list)


def own_texts(book: Book, which: Sequence[int], counts: Callable[[int, int], bool]) -> dict[int, Own]:
    """Search, scan, take out what else was found, and again, for all rules at once.

    which    positions of rules
    counts   whether a text that the second rule finds is no longer the first one's own
    """
    out = {at: Own() for at in which}
    pending = list(which)
    while pending:
        asked = [(at, [book.sources(other) for other in sorted(out[at].against)]) for at in pending]
        texts = {}
        for at, answer in zip(pending, book.shortest_of(asked), strict=True):
            if answer.text is None:
                out[at].covered = answer.empty
                out[at].why = "" if answer.empty else _why(book, at, out[at], answer.why)
            else:
                texts[at] = answer.text
                out[at].tried.append(answer.text)
        pending = []
        for (at, text), finders in zip(texts.items(), book.finders(list(texts.values())), strict=True):
            others = {other for other in finders if other != at and counts(at, other)}
            if at not in finders:
                out[at].why = f"the engine does not find `{text}` by it, the automaton does"
            elif not others:
                out[at].text = text
            elif others <= out[at].against:
                out[at].why = f"the engine finds `{text}` by another rule, the automaton does not"
            else:
                out[at].against |= others
                if len(out[at].against) > MOST_OTHERS:
                    out[at].why = f"more than {MOST_OTHERS} rules find what it finds"
                else:
                    pending.append(at)
    return out


def _why(book: Book, at: int, own: Own, why: str) -> str:
    """Says which rule an automaton could not be made of."""
    for other in (at, *sorted(own.against)):
        answer = book.shortest(other)
        if answer.text is None and not answer.empty:
            whose = "" if other == at else f"of `{book.rules[other].id}`, which finds its shortest texts, "
            return whose + answer.why
    return why
