"""Lines that the list never comes to: everything they find, earlier lines find too. Proved, or not said.

An earlier line is added to what must not find the text, one after the other, until a text is left that this line
decides, or proved that none is.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import polars as pl

from tierbreak.errors import Fault
from tierbreak.rulebook import Pattern
from tierbreak.rulebook.patterns import from_regex, tokens
from tierbreak.tools.rules.importing.ordered import OrderedBook
from tierbreak.tools.rules.importing.plan import Entry
from tierbreak.tools.rules.importing.strings import samples
from tierbreak.tools.rules.importing.translate import fault
from tierbreak.tools.rules.proofs import RuleLanguage, Unprovable, shortest_of_rules

#: Earlier lines that may be needed together before a line is given up as unknown.
MOST = 12
#: What a string is tried within: bare, and as a shop's line on a statement.
CONTEXTS = ("{}", "{} 0417 AUSTIN TX", "SQ *{} 0417", "{}0417", "{} A")


def strings(entry: Entry) -> list[list[str]]:
    """Folded texts for each pattern of `match`, the most natural first; whether it finds them is not asked."""
    out = []
    for pattern in entry.became.match:
        plain = [pattern.text.upper()] if pattern.kind != "regex" else samples(pattern.text)
        made = (context.format(text) for context in CONTEXTS for text in plain)
        out.append(list(dict.fromkeys(" ".join(text.split()) for text in made)))
    return out


def reached(book: OrderedBook, entries: Sequence[Entry]) -> tuple[list[Entry], dict[int, str], list[Fault]]:
    """What becomes of each line.

    returns   the entries with their fate; by position a text that a line was proved to decide, where one was sought;
              a fault for each line whose patterns find no folded text at all, which is no entry any more
    """
    texts = [(entry.position, text) for entry in entries for own in strings(entry) for text in own]
    first = book.first(pl.Series([text for _, text in texts], dtype=pl.String))
    alive = {position for (position, _), by in zip(texts, first.tolist(), strict=True) if by == position}
    by_position = {entry.position: entry for entry in entries}
    out: list[Entry] = []
    witnesses: dict[int, str] = {}
    faults: list[Fault] = []
    for entry in entries:
        found = None if entry.position in alive else _in_the_way(book, entry, by_position)
        if isinstance(found, str):
            witnesses[entry.position] = found
        if found is None or isinstance(found, str):
            out.append(entry)
            continue
        if not found:
            says = "it finds no text as rules see it: upper case, no accents, no two spaces in a row"
            fix = "write one space where it asks for several, and none at the ends"
            rule = book.rules[entry.position]
            faults.append(fault(rule, book.path, says, rule.pattern, "a pattern that finds a folded text", fix))
            continue
        same = all(by_position[at].brand == entry.brand for at in found)
        lines = tuple(sorted(by_position[at].line for at in found))
        out.append(replace(entry, fate="redundant" if same else "shadow", because=lines))
    return out, witnesses, faults


def _in_the_way(book: OrderedBook, entry: Entry, entries: dict[int, Entry]) -> list[int] | str | None:
    """Positions of earlier lines that find all that this one finds; or a text that it decides; None: not known."""
    before: list[int] = []
    try:
        own = _at_most(entry)
        while len(before) <= MOST:
            found = shortest_of_rules([own], [language for at in before for language in _at_least(entries[at])])
            if found.empty:
                return before
            if found.text is None:
                return None
            by = int(book.first(pl.Series([found.text]))[0])
            if by == entry.position:
                return found.text
            if by not in entries or by in before or by > entry.position or not _caseless(book, by):
                return None
            before.append(by)
    except Unprovable:
        pass
    return None


def _at_most(entry: Entry) -> RuleLanguage:
    """All that a line finds, and perhaps more: a look-ahead that stays is left out. Raises Unprovable."""
    without = {kept.pattern: kept.match for kept in entry.became.kept if kept.match}
    rule = entry.rule()
    return RuleLanguage.of(replace(rule, match=tuple(_without(pattern, without) for pattern in rule.match)))


def _without(pattern: Pattern, without: dict[str, str]) -> Pattern:
    found = without.get(pattern.text)
    return replace(pattern, expression=from_regex(found)) if found else pattern


def _at_least(entry: Entry) -> list[RuleLanguage]:
    """What a line finds for sure, and nothing else: a look-ahead that stays finds what it would as an `unless`."""
    rule = entry.rule()
    looks = {kept.pattern: kept for kept in entry.became.kept}
    plain = tuple(pattern for pattern in rule.match if pattern.text not in looks)
    sure = [replace(rule, match=plain)] if plain else []
    for pattern in rule.match:
        kept = looks.get(pattern.text)
        if kept is not None and kept.match:
            one, but = (replace(pattern, expression=from_regex(text)) for text in (kept.match, kept.unless))
            sure.append(replace(rule, match=(one,), unless=(but,)))
    out = []
    for each in sure:
        with suppress(Unprovable):
            out.append(RuleLanguage.of(each))
    return out


def _caseless(book: OrderedBook, position: int) -> bool:
    """Whether a line finds in upper case all that it finds in any: else its language here is wider than the line."""
    rule = book.rules[position]
    letters = (token for token, _ in tokens(rule.pattern) if len(token) == 1)
    return "i" in rule.flags or not any(map(str.islower, letters))
