r"""One pattern of the old list -> the patterns of a rule that finds the same folded texts, or why there is none.

The old pattern is asked for the descriptor as it came, the new one for the folded text: upper case, no accents,
single spaces, nothing at the ends. Nothing else is changed without a proof:

    alternatives   `A|B` becomes two patterns, each with its own counter
    spelling       `(?i)` in front, `(?P<x>…)`, `\A`, `\Z` and letters with accents are written as the engines read them
    words, exact   only where they give the very same expression, or tools.rules.proofs finds no text between the two
    look-ahead     see lookahead.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.errors import Fault
from tierbreak.rulebook.patterns import Expression, PatternError, from_exact, from_regex, from_words, tokens
from tierbreak.tools.rules.importing.lookahead import Kept, Turned, turned
from tierbreak.tools.rules.importing.reading import LegacyRule
from tierbreak.tools.rules.proofs import Unprovable, automaton_of, shortest

Kind = Literal["words", "regex", "exact"]

_IN_FRONT = re.compile(r"\(\?([aimsux]+)\)")
_GAPS = re.compile(r"(?:\\s|\[[ \\s*.#/-]+\]| )[*+?]?")
_LITERAL = re.compile(r"(?:[^\\^$.|?*+()\[\]{}]|\\[^A-Za-z0-9])+")


@dataclass(frozen=True, slots=True)
class Written:
    """A pattern as it stands in a rule file."""

    kind: Kind
    text: str
    at: Literal["start", "end"] | None
    expression: Expression


@dataclass(frozen=True)
class Translated:
    """What a line of the list becomes.

    match, unless   patterns of the rule; `unless` only where a look-ahead was turned into it
    kept            look-aheads that stay, each with why, and the string that tells the two apart
    """

    match: tuple[Written, ...]
    unless: tuple[Written, ...] = ()
    kept: tuple[Kept, ...] = ()


def translated(rule: LegacyRule, path: Path) -> Translated | Fault:
    r"""The patterns of one line; a Fault where the rulebook cannot hold them, with what to do.

    >>> rule = LegacyRule(2, 1, r"\bNETFLIX\b|HULU", "Netflix", "", "i")
    >>> [(pattern.kind, pattern.text) for pattern in translated(rule, Path("old.tsv")).match]
    [('words', 'NETFLIX'), ('regex', 'HULU')]
    """
    if "x" in rule.flags:
        return fault(rule, path, "flag x: blanks and comments in the pattern do not count", rule.pattern,
                      "a pattern in which a space is a space", "write it without the flag")  # fmt: skip
    try:
        text = _spelled(rule.pattern)
        from_regex(text)
        parts = _alternatives(text)
        result = turned(parts[0]) if len(parts) == 1 else None
        if isinstance(result, Turned):
            return Translated((written(result.match),), (written(result.unless),))
        match = {found.expression.source: found for found in map(written, parts)}
        kept = _kept(parts, result)
        return Translated(tuple(match.values()), (), kept)
    except PatternError as error:
        return fault(rule, path, error.says, error.found, error.expected, error.fix)


def fault(rule: LegacyRule, path: Path, says: str, found: str, expected: str, fix: str) -> Fault:
    """A line that no rule can stand for; the place is that of `found` in its pattern."""
    column = rule.column + max(rule.pattern.find(found), 0)
    return Fault("L005", path, rule.line, column, says, found, expected, fix, severity="warning")


def refused(rule: LegacyRule, path: Path, words: str) -> Fault:
    """The fault of a pattern that the reader takes and Hyperscan does not."""
    expected, fix = "a pattern that compiles", "write what it needs without large counted repeats, or split it"
    return fault(rule, path, f"Hyperscan refuses it: {words}", rule.pattern, expected, fix)


def written(pattern: str) -> Written:
    """A regex as `words` or `exact` where that is the same, else as it is. Raises PatternError."""
    expression = from_regex(pattern)
    for found in (_as_exact(pattern), _as_words(pattern)):
        if found is not None and _same(found.expression, expression):
            return found
    return Written("regex", pattern, None, expression)


def _kept(parts: list[str], result: Kept | None) -> tuple[Kept, ...]:
    if result is not None:
        return (result,)
    others = "other alternatives of the rule have no such exception, and `unless` holds for all of them"
    found = [turned(part) for part in parts]
    return tuple(
        Kept(part, "", others, "", one.match, one.unless) if isinstance(one, Turned) else one
        for part, one in zip(parts, found, strict=True)
        if one is not None
    )


def _spelled(pattern: str) -> str:
    """The same pattern in the spelling that all engines share; what has none is left for the reader to refuse."""
    while front := _IN_FRONT.match(pattern):
        if "x" in front.group(1):
            says, expected = "(?x): blanks and comments do not count", "a pattern in which a space is a space"
            raise PatternError(says, front.group(), expected, "write it without the flag")
        pattern = pattern[front.end() :]
    out = [_shared_form(token, inside) for token, inside in tokens(pattern)]
    text = "".join(out).replace("{{", r"\{\{")  # two would name a fragment
    return re.sub(r"\(\?P<\w+>", "(", text)


def _shared_form(token: str, inside: bool) -> str:
    if not inside and token in (r"\A", r"\Z"):
        return "^" if token == r"\A" else "$"
    if token.isascii():
        return token
    folded = str(normalise(pl.Series([token]))["folded"][0])
    return folded if inside or len(folded) < 2 else f"(?:{folded})"


def _alternatives(pattern: str) -> list[str]:
    r"""The alternatives of a pattern, a group around all of them taken off.

    >>> _alternatives(r"A(B|C)|[|]\|"), _alternatives("(?:A|B)"), _alternatives("(A|B)C")
    (['A(B|C)', '[|]\\|'], ['A', 'B'], ['(A|B)C'])
    """
    parts, depth, closes = [""], 0, []
    for token, inside in tokens(pattern):
        if not inside and token in "()":
            depth += 1 if token == "(" else -1
            closes.append(depth)
        if not inside and token == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    one_group = len(parts) == 1 and pattern.startswith("(") and pattern.endswith(")") and closes.count(0) == 1
    if one_group and closes[-1] == 0 and not re.match(r"\(\?(?!:)", pattern):
        return _alternatives(pattern[3 if pattern.startswith("(?:") else 1 : -1])
    return parts


def _as_exact(pattern: str) -> Written | None:
    body = pattern[1:-1]
    if pattern.startswith("^") and pattern.endswith("$") and _LITERAL.fullmatch(body):
        text = _plain(body)
        return Written("exact", text, None, from_exact(text)) if text else None
    return None


def _as_words(pattern: str) -> Written | None:
    """The words that a pattern with edges at both ends is made of, if it is: whether they are the same is not asked."""
    head = next((edge for edge in ("^", r"\b") if pattern.startswith(edge)), "")
    tail = next((edge for edge in (r"\b", "$") if pattern.endswith(edge)), "")
    body = pattern[len(head) : len(pattern) - len(tail)]
    parts = _GAPS.split(body)
    if not (head and tail and body) or (head, tail) == ("^", "$") or not all(map(_LITERAL.fullmatch, parts)):
        return None
    text = _plain(" ".join(parts))
    at: Literal["start", "end"] | None = "start" if head == "^" else "end" if tail == "$" else None
    return Written("words", text, at, from_words(text, at)) if text else None


def _plain(literal: str) -> str:
    """The text that a regex without signs stands for, as it is folded; empty where it is not ASCII."""
    text = re.sub(r"\\(.)", r"\1", literal).upper()
    return " ".join(text.split()) if text.isascii() else ""


def _same(one: Expression, other: Expression) -> bool:
    """Whether two expressions find the same texts: the same source, or proved."""
    if one.source == other.source:
        return True
    try:
        a, b = automaton_of(one), automaton_of(other)
    except Unprovable:
        return False
    return shortest([a], [b]).empty and shortest([b], [a]).empty
