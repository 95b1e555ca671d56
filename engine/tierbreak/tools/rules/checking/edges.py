"""Edges of `outranks` that settle nothing: proved, never guessed from traffic."""

from __future__ import annotations

from collections.abc import Iterator

from tierbreak.errors import Fault
from tierbreak.rulebook import DECIDES, Pattern, Rule
from tierbreak.tools.rules.checking.codes import fault
from tierbreak.tools.rules.checking.subject import Subject
from tierbreak.tools.rules.proofs.conditions import TooManyCells, cells
from tierbreak.tools.rules.proofs.language import Sources
from tierbreak.tools.rules.proofs.questions import Answers, Question


def check(subject: Subject, answers: Answers) -> Iterator[Fault]:
    """R049: the two rules never match one text or one row, or the longer match wins by itself."""
    rules = {rule.id: rule for rule in subject.rules}
    below = {other for rule in subject.rules if rule.status in DECIDES for other in rule.outranks}
    pairs = [
        (rule, rules[other])
        for rule in subject.rules
        for other in dict.fromkeys(rule.outranks)
        if other in rules and other != rule.id
    ]
    common = answers.ask([Question((Sources.of(one), Sources.of(other))) for one, other in pairs])
    for (one, other), shared in zip(pairs, common, strict=True):
        if shared.empty:
            why = f"no text is matched by both `{one.id}` and `{other.id}` (proved)"
        elif _never_one_row(one, other):
            why = f"no row passes the guards of both `{one.id}` and `{other.id}` (proved)"
        elif one.id not in below and one.brand != other.brand and _always_longer(one, other):
            why = f"the match of `{one.id}` always contains that of `{other.id}`, so it wins by itself (proved)"
        else:
            continue
        place = subject.sources.find(one.place, other.id)
        yield fault("R049", place, why, other.id, "an edge that decides some text", "drop it from `outranks`")


def _never_one_row(one: Rule, other: Rule) -> bool:
    try:
        return not any(held == {0, 1} for _, held in cells([one, other]))
    except TooManyCells:
        return False


def _always_longer(one: Rule, other: Rule) -> bool:
    """Whether on every text that both match, every span of `other` lies within a longer one of `one`."""
    return all(_longer(long, short) for long in one.match for short in other.match)


def _longer(long: Pattern, short: Pattern) -> bool:
    """For one pattern of each: both begin where the text does and one goes on, or one is the whole text and beyond.

    What an `unless` takes away does not matter: it leaves fewer texts, not other spans.
    """
    if long.kind == "exact":
        return not short.expression.whole
    if not (long.kind == short.kind == "words" and long.at == short.at == "start"):
        return False
    more, fewer = long.text.upper().split(), short.text.upper().split()
    plain = all(word.isascii() and word.isalnum() for word in more)
    return plain and len(more) > len(fewer) and more[: len(fewer)] == fewer
