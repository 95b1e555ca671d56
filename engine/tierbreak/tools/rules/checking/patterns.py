r"""What is risky, slow or for nothing in how a pattern is written. Nothing here runs an engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files

import polars as pl

from tierbreak.core import normalise
from tierbreak.errors import Fault
from tierbreak.rulebook import DECIDES, Pattern, Place, Rule
from tierbreak.tools.rules.checking.codes import fault
from tierbreak.tools.rules.checking.lookaround import as_unless
from tierbreak.tools.rules.checking.shape import (
    Token,
    alternatives,
    anchored,
    empty_alternatives,
    fixed,
    idle_ends,
    parsed,
    walk,
)
from tierbreak.tools.rules.checking.sources import Sources
from tierbreak.tools.rules.checking.subject import Subject

# A look before a pattern is taken apart: most have nothing of the kind.
_LOOSE_END = re.compile(r"(?:^|\|)\^?\.\*|\.\*\??\$?(?:\||$)")
_HOLE = re.compile(r"\|[|)]|[(:=!>]\||^\||\|$")

#: Bytes in a row that every match must hold for an engine to have something to look for.
ATOM = 2

_ONE_WORD = re.compile(rb"\\b([A-Z]+)\\b")
_EDGES = (r"\b", r"\B")
_ANY_CHARACTER = (".", r"\W", r"\S", r"\D", r"\w")


def check(subject: Subject) -> Iterator[Fault]:
    """Every fault of every pattern by itself, also in rules that are broken elsewhere; then those that stand twice."""
    for rule, key, pattern in subject.patterns():
        yield from _written(pattern, subject.sources)
        if key == "match":
            yield from _matches(rule, pattern)
        if pattern.expression.host_only:
            yield from _looks(rule, pattern, key)
    for rule in subject.reading.broken:
        for pattern in (*rule.match, *rule.unless):
            yield from _written(pattern, subject.sources)
        for pattern in rule.match:
            yield from _matches(rule, pattern)
    yield from _twice(subject)


def _written(pattern: Pattern, sources: Sources) -> Iterator[Fault]:
    """Faults of a regex as the author wrote it."""
    if pattern.kind != "regex":
        return
    text = pattern.text
    if _LOOSE_END.search(text):
        for start, alternative in alternatives(text):
            for at, found in idle_ends(alternative):
                says = f"`{found}` at an end of a pattern changes no answer"
                fix = "take it off"
                yield part(sources, pattern.place, text, start + at, found, "R051", says, "what must be there", fix)
    if _HOLE.search(text):
        yield from empty(sources, pattern.place, text)
    if not text.isascii():
        yield from _not_ascii(sources, pattern)


def empty(sources: Sources, place: Place, text: str) -> Iterator[Fault]:
    """The empty alternatives of a regex that stands at a place."""
    for at, found in empty_alternatives(text):
        says, fix = f"`{found}` leaves an alternative empty", "drop the `|`, or write `?` behind the group"
        yield part(sources, place, text, at, found, "R044", says, "something in every alternative", fix)


def part(
    sources: Sources, place: Place, text: str, at: int, found: str, code: str, says: str, expected: str, fix: str
) -> Fault:
    """A fault at offset `at` of a text that stands at a place."""
    nth = sum(text.startswith(found, before) for before in range(at))
    return fault(code, sources.within(place, found, nth), says, found, expected, fix)


def _matches(rule: Rule, pattern: Pattern) -> Iterator[Fault]:
    """What makes a pattern of `match` too wide or too slow."""
    source = pattern.expression.source
    word = _ONE_WORD.fullmatch(source)
    if word and rule.when is None and word.group(1).decode() in generic():
        says = f"`{word.group(1).decode()}` alone stands in the names of many merchants"
        fix = "add a word, `at: start`, or a guard such as `when: {mcc: [...]}`"
        yield fault("R041", pattern.place, says, pattern.text, "what only this brand's texts hold", fix)
    if not _has_atom(pattern.expression.prefilter or source):
        says = f"no {ATOM} characters in a row are in every match, so every text is read in full"
        fix = "name a word of two letters or more, or anchor the pattern with `^`"
        yield fault("R042", pattern.place, says, pattern.text, "a fixed part an engine can look for first", fix)


@lru_cache(maxsize=1 << 15)
def _has_atom(source: bytes) -> bool:
    if _open_word(source):
        return True  # as most have: no need to parse it, which takes longer than all else that is asked of it
    tree = parsed(source)
    return anchored(tree) or fixed(tree) >= ATOM


def _open_word(source: bytes) -> bool:
    """Whether a run of characters stands outside of all brackets, in a pattern without alternatives there."""
    depth, found = 0, False
    for part in _PARTS.findall(source):
        if part == b"(":
            depth += 1
        elif part == b")":
            depth -= 1
        elif depth == 0:
            if part == b"|":
                return False
            found = found or part[0] not in _NO_RUN
    return found


_NO_RUN = rb"\[{"
#: What is escaped, a class, a count, a bracket or bar; a run is one longer than ATOM, as its last may be optional.
_PARTS = re.compile(rb"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[^}]*\}|[(|)]|[A-Z0-9 ]{3,}")


def _looks(rule: Rule, pattern: Pattern, key: str) -> Iterator[Fault]:
    """What could be simpler in a pattern that only `re` reads."""
    if key == "match" and len(rule.match) == 1 and pattern.kind == "regex" and (pair := as_unless(pattern.text)):
        match, unless = pair
        fix = f"match `{match}` and add `unless: [{{regex: '{unless}'}}]`"
        says = "the look-around finds what an `unless` finds, and keeps the fast engine from reading the pattern"
        yield fault("R052", pattern.place, says, pattern.text, "look-around only where an `unless` differs", fix)


_TWO_BRANDS = "drop one, or add `unless` or `when` to one of the rules"


def _twice(subject: Subject) -> Iterator[Fault]:
    """A pattern that one rule has twice, or two rules under the same conditions."""
    first: dict[tuple[object, ...], tuple[Rule, Pattern]] = {}
    for rule, key, pattern in subject.patterns():
        apart = (rule.id, key)
        if key == "match" and rule.status in DECIDES:
            excluded = frozenset(each.expression.source for each in rule.unless)
            apart = (key, rule.deny, rule.when, rule.valid, excluded)  # type: ignore[assignment]
        seen = first.setdefault((*apart, pattern.expression.source), (rule, pattern))
        if seen[1] is pattern:
            continue
        other = seen[0]
        if other is rule:
            says = f"the pattern stands in this rule already, at {seen[1].place.line}:{seen[1].place.column}"
        elif other.brand == rule.brand:
            says = f"rule `{other.id}` of the same brand has this pattern too"
        else:
            says = f"rule `{other.id}` of brand `{other.brand}` has this pattern too"
        expected = f"each pattern once; the first is at {seen[1].place}"
        fix = "drop one of the two" if other.brand == rule.brand else _TWO_BRANDS
        yield fault("R048", pattern.place, says, pattern.text, expected, fix)


def _not_ascii(sources: Sources, pattern: Pattern) -> Iterator[Fault]:
    """Engines read bytes: a character that is not ASCII is several."""
    each = list(walk(pattern.text))
    for at, token in enumerate(each):
        if token.text.isascii():
            continue
        before = each[at - 1] if at else None
        behind = each[at + 1 : at + 3]
        for says, fix in _traps(token, before, behind):
            expected = "characters that are not ASCII as they stand in folded texts, by themselves"
            yield part(sources, pattern.place, pattern.text, token.at, token.text, "R056", says, expected, fix)


def _traps(token: Token, before: Token | None, behind: list[Token]) -> Iterator[tuple[str, str]]:
    letter = token.text.removeprefix("\\")
    folded = str(normalise.folded(pl.Series([letter]))[0])
    if folded != letter:
        yield f"no folded text holds `{letter}`", f"write `{folded}`, as rules see it" if folded else "leave it out"
    elif token.inside:
        yield f"a class takes a byte, and `{letter}` is {len(letter.encode())}", f"write an alternative: (?:{letter}|…)"
    elif behind and not behind[0].inside and behind[0].text in ("*", "+", "?", "{"):
        yield f"`{behind[0].text}` repeats the last byte of `{letter}` only", f"put it in a group: (?:{letter})"
    elif (before and before.text in _EDGES) or (behind and behind[0].text in _EDGES):
        yield f"`{letter}` is no word character to `\\b`", r"write what may stand there, such as (?:^| )"
    elif _counts(before) or (behind and _counts(behind[0]) and not (behind[1:] and behind[1].text == "*")):
        yield f"what stands beside `{letter}` takes a byte, and a character may be several", "write the characters out"


def _counts(token: Token | None) -> bool:
    """Whether a token takes one byte of any character."""
    return token is not None and not token.inside and token.text in _ANY_CHARACTER


@cache
def generic() -> frozenset[str]:
    """Words that stand in the names of many merchants, upper case.

    >>> "PIZZA" in generic(), "NETFLIX" in generic()
    (True, False)
    """
    text = (files("tierbreak.tools.rules.checking") / "generic.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
