"""`words`, `regex` and `exact` become one expression that Hyperscan, RE2 and `re` read alike.

Expressions see `folded` text as bytes: upper case, no control character, no white space but single spaces.
So `\\s` is a space, and an expression can be kept from ever matching a newline; texts can then be joined
with newlines and scanned in one call. All engines match bytes, caseless for ASCII letters only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

# Private, as in language.py, which says why.
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

from tierbreak.rulebook.backtracking import bounded
from tierbreak.rulebook.language import PatternError, checked, parse, tokens

__all__ = ["BETWEEN", "Expression", "PatternError", "from_exact", "from_regex", "from_words", "tokens"]

#: What may stand between two words: a star, a dot, a number sign, a slash, a dash, a space, or nothing.
BETWEEN = r"[ *.#/-]*"

_NEWLINE_LOOK = re.compile(r"\\[sSWD]|\[\^")
_LOOKS = {sre.ASSERT, sre.ASSERT_NOT}


@dataclass(frozen=True, slots=True)
class Expression:
    """What the engines compile.

    source      the regex, for bytes
    host_only   it looks around: only `re` reads it, so what the fast engine finds is confirmed
    one_line    no match of it can hold a newline, so it may be scanned over texts joined by newlines
    prefilter   for a host-only one: the same without its look-arounds, which finds all that it finds and
                more; empty where that is no usable regex (Hyperscan's own PREFILTER mode then serves)
    whole       it is a whole text as a person wrote it (`exact`): any rule that happens to fill the text yields to it
    """

    source: bytes
    host_only: bool
    one_line: bool
    prefilter: bytes = b""
    whole: bool = False


def from_words(folded_words: str, at: str | None) -> Expression:
    """Tokens in order, word edges, separators or nothing between.

    folded_words   upper case, tokens parted by spaces
    at             None, "start" or "end": where in the text the words must stand

    >>> from_words("UBER TRIP", None).source
    b'\\\\bUBER[ *.#/-]*TRIP\\\\b'
    >>> from_words("UBER", "start").source
    b'^UBER\\\\b'
    """
    body = BETWEEN.join(_escape(word) for word in folded_words.split(" "))
    head = "^" if at == "start" else r"\b" if _is_word(folded_words[0]) else ""
    tail = "$" if at == "end" else r"\b" if _is_word(folded_words[-1]) else ""
    return Expression((head + body + tail).encode(), host_only=False, one_line=True)


def from_exact(folded: str) -> Expression:
    r"""The whole folded text and nothing else.

    >>> from_exact("UBER BV").source
    b'^UBER BV$'
    """
    return Expression(f"^{_escape(folded)}$".encode(), host_only=False, one_line=True, whole=True)


@lru_cache(maxsize=16384)  # a fragment such as "wages" stands in hundreds of rules
def from_regex(pattern: str) -> Expression:
    r"""A regex in the language that Hyperscan, RE2 and `re` share, made safe for joined texts.

    Raises PatternError where it is no regex, can match nothing at all, uses what only some engines know, is too large,
    or looks around in a way that `re` may try without end.

    >>> from_regex(r".*SQ\s*\*.*").source
    b'SQ *\\*'
    >>> from_regex(r"COSTCO(?!\s*GAS)").prefilter
    b'COSTCO'
    >>> from_regex(r"UBER[^X]").source
    b'UBER[^\\nX]'
    """
    bare = _without_ends(checked(pattern))
    tree = parse(bare)
    if tree.getwidth()[0] == 0:
        raise PatternError(
            "pattern can match nothing at all",
            pattern,
            "at least one character in every match",
            "take the `*` or `?` off one part, or drop the empty alternative",
        )
    source = _on_one_line(bare)
    if source != bare:
        tree = parse(source)
    host_only, one_line = _nature(tree)
    if host_only and not bounded(tree):
        raise PatternError(
            "pattern looks around, and may read one text in very many ways, which `re` tries one by one",
            pattern,
            "repeats that read a text in one way",
            "say it as `unless` in place of the look-around, or let each turn of a repeat end with what stands nowhere "
            "else in it",
            "R043",
        )
    return Expression(source.encode(), host_only, one_line, _prefilter(source) if host_only else b"")


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


def _escape(text: str) -> str:
    """Like re.escape, which also escapes characters that RE2 and Hyperscan then read as they please."""
    return re.sub(r"([\\^$.|?*+()\[\]{}])", r"\\\1", text)


def _without_ends(pattern: str) -> str:
    """A leading `.*` or `^.*` and a trailing `.*` or `.*$` change no answer and cost an event a byte."""
    if "|" in pattern:  # `.*A|B.*`: the ends belong to one alternative only
        return pattern
    bare = re.sub(r"^\^?(?:\.\*\??)+", "", pattern)
    return re.sub(r"(?<!\\)(?:\.\*\??)+\$?$", "", bare)


def _on_one_line(pattern: str) -> str:
    """The same language on folded texts, without the newline: `[^X]` also excludes it, `\\s` is a space."""
    if not _NEWLINE_LOOK.search(pattern):
        return pattern
    outside = {r"\s": " ", r"\S": r"[^ \n]", r"\W": r"[^\w\n]", r"\D": r"[^\d\n]", "[^": r"[^\n", "[^]": r"[^\n\]"}
    return "".join(
        (" " if token == r"\s" else token) if inside else outside.get(token, token) for token, inside in tokens(pattern)
    )


def _nature(tree: Any) -> tuple[bool, bool]:
    """Whether only `re` reads it, and whether no match of it can hold a newline."""
    ops = list(_walk(tree))
    return any(op in _LOOKS for op, _ in ops), not any(_takes_newline(op, value) for op, value in ops)


def _prefilter(source: str) -> bytes:
    """The regex with every look-around taken out: an assertion only ever narrows what is found."""
    out: list[str] = []
    depth, cut_at = 0, None
    each = list(tokens(source))
    for at, (token, inside) in enumerate(each):
        if not inside and token == "(":
            depth += 1
            ahead = "".join(t for t, _ in each[at : at + 4])
            if cut_at is None and re.match(r"\(\?<?[=!]", ahead):
                cut_at = depth
        if cut_at is None:
            out.append(token)
        if not inside and token == ")":
            if cut_at == depth:
                cut_at = None
                if at + 1 < len(each) and each[at + 1][0] in "*+?{":  # a quantified assertion: not worth reading
                    return b""
            depth -= 1
    bare = "".join(out)
    tree = parse(bare)
    if tree.getwidth()[0] == 0 or _nature(tree) != (False, True):
        return b""
    return bare.encode()


def _walk(tree: Any) -> Iterator[tuple[Any, Any]]:
    for op, value in tree:
        yield op, value
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, sre_parser.SubPattern):
                yield from _walk(part)
            elif isinstance(part, list):
                for branch in part:
                    if isinstance(branch, sre_parser.SubPattern):
                        yield from _walk(branch)


def _takes_newline(op: Any, value: Any) -> bool:
    newline = ord("\n")
    if op is sre.LITERAL:
        return bool(value == newline)
    if op is sre.NOT_LITERAL:
        return bool(value != newline)
    if op is not sre.IN:
        return False
    negated = value[0] == (sre.NEGATE, None)
    holds = any(
        (kind is sre.LITERAL and what == newline)
        or (kind is sre.RANGE and what[0] <= newline <= what[1])
        or (kind is sre.CATEGORY and what in _NEWLINE_CATEGORIES)
        for kind, what in value
    )
    return holds != negated


_NEWLINE_CATEGORIES = {sre.CATEGORY_SPACE, sre.CATEGORY_NOT_DIGIT, sre.CATEGORY_NOT_WORD}
