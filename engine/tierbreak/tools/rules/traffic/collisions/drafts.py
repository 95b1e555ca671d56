"""Patterns, guards and edges as a rule file writes them, on one line."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from tierbreak.rulebook import Condition, Pattern, Place, Rule
from tierbreak.rulebook.patterns import Expression, from_words

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 .+/&'-]*(?<! )")
#: What YAML reads as something other than text.
_TRAPS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def quoted(text: str) -> str:
    """Text as YAML reads it back unchanged.

    >>> print(quoted("UBER EATS"), quoted("NO"), quoted("5812"), quoted("MACY*S'"))
    UBER EATS 'NO' '5812' 'MACY*S'''
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _TRAPS:
        return text
    return "'" + text.replace("'", "''") + "'"


def nearby(place: Place) -> str:
    """file:line:column, from the working directory where the file lies below it."""
    path = Path(place.path)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}:{place.line}:{place.column}"


def pattern(one: Pattern) -> str:
    """
    >>> from tierbreak.rulebook.patterns import from_words
    >>> pattern(Pattern("words", "UBER", "start", from_words("UBER", "start"), 1, Place("uber.yaml", 1, 1)))
    '{words: UBER, at: start}'
    """
    text = "'" + one.text.replace("'", "''") + "'" if one.kind == "regex" else quoted(one.text)
    return f"{{{one.kind}: {text}{f', at: {one.at}' if one.at else ''}}}"


def guard(one: Condition) -> str:
    """
    >>> guard(Condition(sign="debit", amount=(("lt", 100.0),), mcc=("4121",)))
    "when: {sign: debit, amount: {lt: 100}, mcc: ['4121']}"
    """
    inside = [f"sign: {one.sign}"] if one.sign else []
    if one.amount:
        inside.append("amount: {" + ", ".join(f"{name}: {bound:g}" for name, bound in one.amount) + "}")
    for name in ("mcc", "country", "source"):
        if values := getattr(one, name):
            inside.append(f"{name}: [{', '.join(map(quoted, values))}]")
    if one.optional:
        inside.append("optional: true")
    return f"when: {{{', '.join(inside)}}}"


def ids(key: str, values: Sequence[str]) -> str:
    """
    >>> ids("outranks", ["uber.trip"])
    'outranks: [uber.trip]'
    """
    return f"{key}: [{', '.join(values)}]"


def word(text: str, rule: Rule) -> Pattern:
    """An `unless` of words that a rule would have; `text` is folded."""
    return Pattern("words", text, None, from_words(text, None), len(rule.unless) + 1, rule.place)


def at_start(one: Pattern) -> Pattern:
    """The pattern, only where a text begins with it."""
    if one.kind == "words":
        source = b"^" + one.expression.source.removeprefix(rb"\b")
        return dataclasses.replace(one, at="start", expression=dataclasses.replace(one.expression, source=source))
    return _around(one, "^", "")


def on_edges(one: Pattern, *, left: bool, right: bool) -> Pattern:
    """A regex with word edges where it has none."""
    return _around(one, r"\b" if left else "", r"\b" if right else "")


def _around(one: Pattern, head: str, tail: str) -> Pattern:
    """
    >>> from tierbreak.rulebook.patterns import from_regex
    >>> _around(Pattern("regex", "SHELL|BP", None, from_regex("SHELL|BP"), 1, Place("x", 1, 1)), "^", "").text
    '^(?:SHELL|BP)'
    """
    old = one.expression

    def wrap(source: str) -> str:
        return f"{head}(?:{source}){tail}" if "|" in source else f"{head}{source}{tail}"

    def wrapped(source: bytes) -> bytes:
        return wrap(source.decode()).encode() if source else b""

    expression = Expression(wrapped(old.source), old.host_only, old.one_line, wrapped(old.prefilter))
    return dataclasses.replace(one, text=wrap(one.text), expression=expression)
