r"""The regular expressions that a rule may hold: what Hyperscan, RE2 and `re` read alike, and all can compile.

What may be written is listed, not what may not: each engine has constructs that another one reads otherwise, and a
rule would then be proved, checked and served as different things. `A{,5}` is a count to `re` and six characters to
the others; `(?s)` lets a `.` cross from one text to the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# The parser of `re` is private (re._parser, before 3.11 sre_parse) and has kept its shape since Python 1.6.
# Nothing public reads a regex into a tree; where a later Python hides it, loading fails here and says so.
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any, NoReturn

from tierbreak.core.normalise import FOLDED_CHARS

#: Characters of a pattern; groups within groups; positions, its counted repeats written out. Engines write them out,
#: and `((A{900}){900}){900}` takes them minutes and gigabytes.
LONGEST, DEEPEST, MOST_POSITIONS = 10_000, 50, 2_000

_ESCAPES = r"\\[bBdDwWsS]"
_SIGN = r"\\[ -/:-@\[-`{-~]"  # an ASCII character that is neither letter nor digit, as itself
_IN_CLASS = rf"(?:\\[dDwWsS]|{_SIGN}|(?!--|&&|~~|\|\|)[^\\\[\]\x00-\x1f\x7f])"
_CLASS = rf"\[\^?\]?{_IN_CLASS}*\]"
_GROUP = r"\((?:\?(?:[:=!]|<[=!]))?(?!\?)"
_REPEAT = r"(?:[*+?]|\{(?!0+(?:,0+)?\})\d{1,3}(?:,\d{0,3})?\})\??(?![*+?{])"
_PLAIN = r"[^\\\[(){*+?\x00-\x1f\x7f]"
_LANGUAGE = re.compile(rf"(?:{_PLAIN}|\)|{_ESCAPES}|{_SIGN}|{_GROUP}|{_REPEAT}|{_CLASS})*")
_CLASS_START = re.compile(rf"\[\^?\]?{_IN_CLASS}*")
_CASELESS = re.compile(r"(?:\(\?i\))+")

_TAKE_OUT = "take it out: patterns are caseless, and a text is one line"
#: What the language does not have, and what to write instead: the first that fits where reading stops.
_FOREIGN = [
    (r"\(\?[aiLmsux-]+[:)]", "a flag within a pattern is not read alike by all engines", _TAKE_OUT),
    (r"\(\?P?<\w+>", "a group with a name is not read alike by all engines", "write `(` alone: nothing uses the name"),
    (r"\(\?P=\w+\)|\\[1-9]\d*", "a reference back cannot be read in bounded time", "write out what repeats"),
    (r"\(\?>", "an atomic group is not read by all engines", "write `(?:`"),
    (r"(?:[*+?]|\{\d+(?:,\d*)?\})\??[*+?{]", "a repeat of a repeat is not read alike by all engines", "write one"),
    (r"\{(?:\d*,)?\d{4,}(?:,\d*)?\}", "repeat is too large", "use `*`, or a smaller number, at most 999"),
    (r"\{\d*(?:,\d*)?\}", "a count is not read alike by all engines", "write {2}, {2,} or {0,2}"),
    (r"\{", "`{` begins no count", r"write \{ for the character"),
    (r"\(\?\(?[|#R&]?.?", "this group is not read by all engines", "write it out"),
    (r"\\[AZzG]", "{found} is not read alike by all engines", "write ^ for the start of a text, $ for its end"),
    (r"\\[QE]", "{found} is not read alike by all engines", "write each character escaped with a backslash"),
    (r"\\h", "{found} is not read alike by all engines", "write a space"),
    (r"\\[HpPXN]", "{found} is not read alike by all engines", "write the characters themselves"),
    (r"\\[ntrvfa0R]", "a folded text holds {found} nowhere", "write a space"),
    (r"[\x00-\x1f\x7f]", "a folded text holds no control character", "write a space"),
    (r"\\K", "{found} is not read alike by all engines", "write the pattern without it"),
    (r"\\C", "{found} is not read alike by all engines", "write ."),
    (r"\\[bB]", "{found} in a class is not read alike by all engines", "take it out of the class"),
    (r"\\\w", "{found} is not read alike by all engines", "write the character itself"),
    (r"\\.", "{found} is not read alike by all engines", "write the character without the backslash"),
    (r"\[:\w*:?\]?|\[", "a `[` in a class is not read alike by all engines", r"write \[, or the characters themselves"),
    (r"--|&&|~~|\|\|", "{found} in a class is not read alike by all engines", "write the character once"),
]  # fmt: skip


class PatternError(ValueError):
    """A pattern that the engines cannot take. `found` is the part at fault, `fix` what to write instead."""

    def __init__(self, says: str, found: str, expected: str, fix: str, code: str = "R010") -> None:
        super().__init__(says)
        self.says, self.found, self.expected, self.fix, self.code = says, found, expected, fix, code


def checked(pattern: str) -> str:
    r"""The pattern, if it is of the language; a leading `(?i)` is taken off, as all patterns are caseless.

    Raises PatternError.

    >>> checked(r"(?i)uber\s*\*")
    'uber\\s*\\*'
    """
    if front := _CASELESS.match(pattern):
        pattern = pattern[front.end() :]
    if len(pattern) > LONGEST:
        raise PatternError(
            f"pattern has {len(pattern):,} characters", "", f"at most {LONGEST:,}", "split it into several patterns"
        )
    end = _LANGUAGE.match(pattern).end()  # type: ignore[union-attr]  # it matches the empty string as well
    if end < len(pattern):
        _refuse(pattern, end)
    if pattern.count("(") > DEEPEST and _depth(pattern) > DEEPEST:
        raise PatternError(f"groups stand in more than {DEEPEST} others", "", "a pattern that is read", "write it flat")
    return pattern


def _refuse(pattern: str, at: int) -> NoReturn:
    """Raise PatternError for what stands there."""
    if pattern[at] == "[":
        at = _CLASS_START.match(pattern, at).end()  # type: ignore[union-attr]
    for foreign, says, fix in _FOREIGN:
        if found := re.compile(foreign).match(pattern, at):
            raise PatternError(says.replace("{found}", found.group()), found.group(), "what they share", fix)
    says = "a class is not closed" if at == len(pattern) else "a backslash stands before nothing"
    raise PatternError(f"not a regex: {says}", pattern[at:], "a regex", "mend it")


def _depth(pattern: str) -> int:
    depth = deepest = 0
    for token, inside in tokens(pattern):
        if not inside and token in "()":
            depth += 1 if token == "(" else -1
            deepest = max(deepest, depth)
    return deepest


def parse(pattern: str) -> Any:
    """The tree of a pattern that is `checked`. Raises PatternError where it is no regex, or too large."""
    try:
        tree = sre_parser.parse(pattern.encode(), re.IGNORECASE)
    except re.error as error:
        at = error.pos or 0
        raise PatternError(f"not a regex: {error.msg}", pattern[at : at + 1] or pattern, "a regex", "mend it") from None
    if (size := _positions(tree)) > MOST_POSITIONS:
        says = f"pattern has {size:,} characters, its counted repeats written out"
        fix = "write `*` or `+` for a large count, or split it into several patterns"
        raise PatternError(says, "", f"at most {MOST_POSITIONS:,}", fix, "R020")
    return tree


def fits(text: str) -> str:
    """The text of `words` or `exact`, if any text that rules see can hold it. Raises PatternError."""
    if len(text) > FOLDED_CHARS:
        says, expected = (
            f"text has {len(text):,} characters",
            f"at most {FOLDED_CHARS:,}: rules see no more of any text",
        )
        raise PatternError(says, "", expected, "write what its beginning holds")
    return text


def _positions(tree: Any) -> int:
    """How many single characters a tree has, each repeat written out as often as it has to be."""
    size = 0
    for op, value in tree:
        if op is sre.BRANCH:
            size += sum(map(_positions, value[1]))
        elif op is sre.SUBPATTERN:
            size += _positions(value[3])
        elif op is sre.MAX_REPEAT or op is sre.MIN_REPEAT:
            least, most, inner = value
            size += _positions(inner) * (max(least, 1) if most is sre.MAXREPEAT else most)
        elif op is sre.ASSERT or op is sre.ASSERT_NOT:
            size += _positions(value[1])
        else:
            size += op is not sre.AT
    return size


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
