"""Rules without a text of their own: does one win somewhere, or is it proved that it never can?

What ends a match, by arbitration's own order: a deny rule of its brand or of every brand; an edge from a rule that
stands; or a rule of a brand that is neither its own nor an ancestor's and stands whenever it does itself, which
contests the case or is deeper in the family. Each of these is a language, as far as it can be proved of every
text and every row. A rule whose own language lies within their union, on every cell of rows, can never win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tierbreak.tools.rules.proofs.book import EVERY_BRAND, Book
from tierbreak.tools.rules.proofs.conditions import Row, TooManyCells, cells
from tierbreak.tools.rules.proofs.language import Sources
from tierbreak.tools.rules.proofs.rulings import Ruling, rule_on
from tierbreak.tools.rules.proofs.separate import Own
from tierbreak.tools.rules.proofs.spans import all_covered

#: Texts that a rule may try to win before one gives up.
MOST_TRIALS = 12
#: What becomes of a match that was there when others were weighed.
_PRESENT = ("stands", "veto", "outranked", "span")


@dataclass(frozen=True)
class Killer:
    """A rule that ends another's match wherever `language` finds the text and its guard passes."""

    rule: int
    how: str  # "deny", "edge" or "contested"
    language: Sources


@dataclass(frozen=True)
class Outcome:
    """What came of a rule: a text and row that it wins, or the proof that it cannot, or why neither is known."""

    text: str | None = None
    row: Row | None = None
    ruling: Ruling | None = None
    killers: tuple[Killer, ...] = ()
    why: str = ""


def killers(book: Book, at: int, among: Sequence[int]) -> list[Killer]:
    """The rules that provably end the match of rule `at` where they find its text; `among` may contest it."""
    out = [Killer(deny, "deny", book.sources(deny)) for deny in book.denied_by(at)]
    for above in book.above[at]:
        out.append(Killer(above, "edge", _without(book, above, _deniers(book, above))))
    for other in among:
        if not book.decides[other] or book.rules[other].deny or book.above_in_family(other, at):
            continue
        if all_covered(book.rules[other], book.rules[at]):
            out.append(Killer(other, "contested", _without(book, other, [*_deniers(book, other), *book.above[other]])))
    return out


def _deniers(book: Book, at: int) -> list[int]:
    """The deny rules of its brand alone: where one for every brand matches nobody wins anyway."""
    return book.deniers[book.brand[at]] if book.brand[at] != EVERY_BRAND else []


def _without(book: Book, at: int, others: Sequence[int]) -> Sources:
    """What a rule finds and no pattern of the others: less than what it finds while they are silent."""
    match, unless = book.sources(at)
    return Sources(match, (*unless, *(source for other in others for source in book.sources(other).match)))


def examples(book: Book, which: Sequence[int], owns: dict[int, Own]) -> dict[int, Outcome]:
    """Those of the rules that win one of the texts seen so far, or one of their examples: the shortest of them."""
    asked: list[tuple[int, str, Row]] = []
    for at in which:
        row = book.row(at)
        if row is not None:
            asked += [(at, text, row) for text in owns[at].tried]
            asked += [(at, text, row) for text in book.folded_examples(at)]
    rulings = rule_on(book.parts, [text for _, text, _ in asked], [row for *_, row in asked])
    out: dict[int, Outcome] = {}
    for (at, text, row), ruling in zip(asked, rulings, strict=True):
        best = out.get(at)
        if ruling.won_by(at) and (best is None or best.text is None or (len(text), text) < (len(best.text), best.text)):
            out[at] = Outcome(text, row, ruling)
    return out


def trial(book: Book, at: int, own: Own) -> Outcome:
    """A text that the rule wins, the proof that it never does, or why neither was found."""
    ending = killers(book, at, sorted(own.against))
    try:
        grid = cells([book.rules[at], *(book.rules[killer.rule] for killer in ending)])
    except TooManyCells:
        return Outcome(why="the guards of the rules that find its texts cut rows too finely")
    grid = [(row, held) for row, held in grid if 0 in held]
    why = ""
    for row, held in grid:
        outcome = _on(book, at, own, row, [killer for number, killer in enumerate(ending, 1) if number in held])
        if outcome.text is not None:
            return outcome
        why = why or outcome.why
    if why:
        return Outcome(why=why)
    return Outcome(killers=_needed(book, at, ending, grid))


def _on(book: Book, at: int, own: Own, row: Row, ending: Sequence[Killer]) -> Outcome:
    """The same for rows of one cell: `ending` are the killers whose guards pass there."""
    languages = [killer.language for killer in ending]
    answer = book.shortest(at, languages)
    if answer.empty:
        return Outcome()
    # Not proved dead. It may still win: texts are tried, each without the rules that beat the one before.
    avoided: set[int] = set()
    for _ in range(MOST_TRIALS):
        if answer.text is None:
            break
        ruling = rule_on(book.parts, [answer.text], [row])[0]
        if ruling.won_by(at):
            return Outcome(answer.text, row, ruling)
        beaten = {other for other, outcome in ruling.outcomes.items() if outcome in _PRESENT} - avoided
        beaten = {other for other in beaten if book.brand[other] != book.brand[at]}
        if not beaten:
            break
        avoided |= beaten
        answer = book.shortest(at, [*languages, *(book.sources(other) for other in sorted(avoided))])
    if answer.text is None and not answer.empty:
        return Outcome(why=answer.why)
    rivals = ", ".join(book.ids(avoided or own.against))
    return Outcome(why=f"it wins none of the texts that were tried; against it: {rivals}")


def _needed(
    book: Book, at: int, ending: Sequence[Killer], grid: Sequence[tuple[Row, frozenset[int]]]
) -> tuple[Killer, ...]:
    """As few of the killers as still prove it: each is left out where the others do."""
    kept = list(range(len(ending)))
    for number in reversed(range(len(ending))):
        fewer = [each for each in kept if each != number]
        if all(
            book.shortest(at, [ending[each].language for each in fewer if each + 1 in held]).empty for _, held in grid
        ):
            kept = fewer
    return tuple(ending[each] for each in kept)
