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

# The parser of `re` is private (re._parser, before 3.11 sre_parse) and has kept its shape since Python 1.6.
# Nothing public reads a regex into a tree; where a later Python hides it, loading fails here and says so.
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

#: What may stand between two words: a star, a dot, a number sign, a slash, a dash, a space, or nothing.
BETWEEN = r"[ *.#/-]*"

#: Escapes that one of the three engines reads differently or not at all, and what to write instead.
FOREIGN = {
    r"\A": "^",
    r"\Z": "$",
    r"\z": "$",
    r"\h": "a space",
    r"\R": "nothing: a descriptor is one line",
    r"\K": "the pattern without it",
    r"\G": "the pattern without it",
    r"\Q": "each character escaped with a backslash",
    r"\E": "each character escaped with a backslash",
    r"\p": "the characters themselves",
    r"\P": "the characters themselves",
    r"\X": "the characters themselves",
    r"\C": ".",
    r"\N": ".",
}

_FOREIGN_LOOK = re.compile(r"\\[AZzhRKGQEpPXCNn]|\[\[:|\(\?[|#R(P]|\d{4,}")
_NEWLINE_LOOK = re.compile(r"\\[sSWD]|\[\^")
_LOOKING = {sre.ASSERT, sre.ASSERT_NOT}
_HOST_ONLY = _LOOKING | {sre.GROUPREF, sre.GROUPREF_EXISTS, sre.ATOMIC_GROUP, sre.POSSESSIVE_REPEAT}


class PatternError(ValueError):
    """A pattern that the engines cannot take. `found` is the part at fault, `fix` what to write instead."""

    def __init__(self, says: str, found: str, expected: str, fix: str) -> None:
        super().__init__(says)
        self.says, self.found, self.expected, self.fix = says, found, expected, fix


@dataclass(frozen=True, slots=True)
class Expression:
    """What the engines compile.

    source      the regex, for bytes
    host_only   it looks around or refers back: only `re` reads it, so what the fast engine finds is confirmed
    one_line    no match of it can hold a newline, so it may be scanned over texts joined by newlines
    prefilter   for a host-only one: the same without its look-arounds, which finds all that it finds and
                more; empty where that is no usable regex (Hyperscan's own PREFILTER mode then serves)
    """

    source: bytes
    host_only: bool
    one_line: bool
    prefilter: bytes = b""


def from_words(folded_words: str, at: str | None) -> Expression:
    """Tokens in order, word edges, separators or nothing between.

    folded_words   upper case, tokens parted by spaces
    at             None, "start" or "end": where in the text the words must stand

    >>> from_words("UBER TRIP", None).source
    b'\\\\bUBER[ *.#/-]*TRIP\\\\b'
    >>> from_words("UBER", "start").source
    b'^UBER\\\\b'
    """
    tokens = folded_words.split(" ")
    body = BETWEEN.join(_escape(token) for token in tokens)
    head = "^" if at == "start" else r"\b" if _is_word(folded_words[0]) else ""
    tail = "$" if at == "end" else r"\b" if _is_word(folded_words[-1]) else ""
    return Expression((head + body + tail).encode(), host_only=False, one_line=True)


def from_exact(folded: str) -> Expression:
    r"""The whole folded text and nothing else.

    >>> from_exact("UBER BV").source
    b'^UBER BV$'
    """
    return Expression(f"^{_escape(folded)}$".encode(), host_only=False, one_line=True)


@lru_cache(maxsize=16384)  # a fragment such as "wages" stands in hundreds of rules
def from_regex(pattern: str) -> Expression:
    r"""A regex in the language that Hyperscan, RE2 and `re` share, made safe for joined texts.

    Raises PatternError where it is no regex, can match nothing at all, or uses what only some engines know.

    >>> from_regex(r".*SQ\s*\*.*").source
    b'SQ *\\*'
    >>> from_regex(r"COSTCO(?!\s*GAS)").prefilter
    b'COSTCO'
    >>> from_regex(r"UBER[^X]").source
    b'UBER[^\\nX]'
    """
    _reject_foreign(pattern)
    bare = _without_ends(pattern)
    tree = _parse(bare)
    if tree.getwidth()[0] == 0:
        raise PatternError(
            "pattern can match nothing at all",
            pattern,
            "at least one character in every match",
            "take the `*` or `?` off one part, or drop the empty alternative",
        )
    source = _on_one_line(bare)
    host_only, one_line = _nature(tree if source == bare else _parse(source))
    return Expression(source.encode(), host_only, one_line, _prefilter(source) if host_only else b"")


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


def _escape(text: str) -> str:
    """Like re.escape, which also escapes characters that RE2 and Hyperscan then read as they please."""
    return re.sub(r"([\\^$.|?*+()\[\]{}])", r"\\\1", text)


def _parse(pattern: str) -> Any:
    try:
        return sre_parser.parse(pattern.encode(), re.IGNORECASE)
    except re.error as error:
        at = error.pos or 0
        raise PatternError(f"not a regex: {error.msg}", pattern[at : at + 1] or pattern, "a regex", "mend it") from None


def tokens(pattern: str) -> Iterator[tuple[str, bool]]:
    r"""Each escape or character of a regex, with whether it stands inside a class; together they are the regex.

    >>> list(tokens(r"A\.[^B]"))
    [('A', False), ('\\.', False), ('[^', False), ('B', True), (']', True)]
    """
    at, inside = 0, False
    while at < len(pattern):
        token = pattern[at : at + 2] if pattern[at] == "\\" else pattern[at]
        if not inside and token == "[":
            for opening in ("[^]", "[]", "[^", "["):
                if pattern.startswith(opening, at):
                    token = opening
                    break
            inside = True
            yield token, False
        else:
            yield token, inside
            if inside and token == "]":
                inside = False
        at += len(token)


def _reject_foreign(pattern: str) -> None:
    if not _FOREIGN_LOOK.search(pattern):  # a quick look first: reading token by token is most of the load time
        return
    for token, _ in tokens(pattern):
        if token in FOREIGN:
            raise PatternError(
                f"{token} is not read alike by all engines", token, "what they share", f"write {FOREIGN[token]}"
            )
        if token == r"\n":
            raise PatternError("a folded text has no newline", token, "one line", "write a space")
    for found in ("[[:", "(?|", "(?#", "(?R", "(?(", "(?P>"):
        if found in pattern:
            raise PatternError(f"{found} is not read alike by all engines", found, "what they share", "write it out")
    if match := re.search(r"\{(\d{4,})|,(\d{4,})\}", pattern):
        raise PatternError("repeat is too large", match.group(), "at most 999", "use `*`, or a smaller number")


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
    return any(op in _HOST_ONLY for op, _ in ops), not any(_takes_newline(op, value) for op, value in ops)


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
    tree = _parse(bare)
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
