r"""A negative look-ahead as `unless`, where that is proved to be the same.

`A(?!B)` asks for one A without B behind it; `match: A, unless: AB` forbids every AB. They differ on a text with
two A's, one with B and one without: UBER\s(?!EATS) finds "UBER UBER EATS". They are the same where no text has two
ends of A: A is bound to the start, and no string of A is the beginning of a longer one (tools.rules.proofs finds no
text for that). `^(?!B)C` is the case with nothing before B. What is not proved stays as it is, and the string that
tells the two apart is shown: the author knows whether it matters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tierbreak.rulebook.patterns import PatternError, from_regex, tokens
from tierbreak.tools.rules.importing.strings import samples
from tierbreak.tools.rules.proofs import Unprovable, automaton_of, shortest

_LOOKS = ("(?!", "(?=", "(?<!", "(?<=")
#: Behind any string of A: so that one that ends in a space, which no folded text does, is tried too.
_MARK = "!"


@dataclass(frozen=True, slots=True)
class Turned:
    """A look-ahead that became an `unless`: regexes."""

    match: str
    unless: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A look-around that stays.

    pattern      with the look-around
    ahead        what it looks for
    why          it stays
    separating   a text that the pattern finds and that the rule below would not; empty where none was found
    match        the rule that it was tried as, regexes: all that this finds the pattern finds too; empty where it
    unless       cannot be tried as one
    """

    pattern: str
    ahead: str
    why: str
    separating: str = ""
    match: str = ""
    unless: str = ""


def turned(pattern: str) -> Turned | Kept | None:
    r"""What becomes of the look-around in one alternative; None where it has none.

    >>> turned(r"^PAYPAL \*(?!UBER)")
    Turned(match='^PAYPAL \\*', unless='^PAYPAL \\*UBER')
    >>> turned(r"^(?!.*GAS).*COSTCO")
    Turned(match='COSTCO', unless='GAS')
    >>> turned(r"COSTCO(?!\s*GAS)").separating
    'COSTCOCOSTCOGAS'
    """
    looks = _looks(pattern)
    if not looks:
        return None
    start, end, opening = looks[0]
    ahead = pattern[start + len(opening) : end - 1]
    inner = f"(?:{ahead})" if _has_choice(ahead) else ahead
    before = pattern[:start]
    if len(looks) > 1 or opening != "(?!":
        return Kept(pattern, ahead, "only one negative look-ahead, and no look-behind, can be an `unless`")
    if before == "^":
        return _checked(pattern, ahead, _bare(f"^{pattern[end:]}"), _bare(f"^{inner}"))
    if end != len(pattern):
        return Kept(pattern, ahead, "it stands in the middle of the pattern")
    checked = _checked(pattern, ahead, before, before + inner)
    if isinstance(checked, Kept) or (before.startswith("^") and _ends_once(before[1:])):
        return checked
    text = _separating(pattern, before, before + inner)
    why = "a text may be found a second way, without what must not follow"
    unknown = "neither proved to be an `unless`, nor is a text known that tells the two apart"
    return Kept(pattern, ahead, why if text else unknown, text, before, before + inner)


def _checked(pattern: str, ahead: str, match: str, unless: str) -> Turned | Kept:
    """Turned, if the reader takes both parts."""
    try:
        from_regex(match)
        from_regex(unless)
    except PatternError as error:
        return Kept(pattern, ahead, f"as `unless` it would be refused: {error.says}")
    return Turned(match, unless)


def _looks(pattern: str) -> list[tuple[int, int, str]]:
    """The look-arounds that stand in no other: start, end, and what they open with."""
    out: list[tuple[int, int, str]] = []
    at, depth, open_at, open_depth = 0, 0, -1, 0
    for token, inside in tokens(pattern):
        if not inside and token == "(":
            depth += 1
            if open_at < 0 and pattern.startswith(_LOOKS, at):
                open_at, open_depth = at, depth
        if not inside and token == ")":
            if open_at >= 0 and depth == open_depth:
                out.append((open_at, at + 1, next(look for look in _LOOKS if pattern.startswith(look, open_at))))
                open_at = -1
            depth -= 1
        at += len(token)
    return out


def _has_choice(pattern: str) -> bool:
    return any(token == "|" and not inside for token, inside in tokens(pattern))


def _bare(pattern: str) -> str:
    """Without a leading `^.*`, which changes nothing; the reader takes it off as well."""
    return pattern if _has_choice(pattern) else re.sub(r"^\^(?:\.\*\??)+", "", pattern)


def _ends_once(before: str) -> bool:
    """Proved: bound to the start of a text, it has one place at most where it can end.

    Assertions are left out, which only makes more strings of it.
    """
    free = "".join(token for token, inside in tokens(before) if inside or token not in (r"\b", r"\B", "$", "^"))
    try:
        shorter, longer = (
            automaton_of(from_regex(f"^(?:{free}){rest}{_MARK}$")) for rest in ("", ".+")
        )  # fmt: skip
    except (Unprovable, PatternError):
        return False
    return shortest([shorter, longer]).empty


def _separating(pattern: str, match: str, unless: str) -> str:
    """The shortest known text that the pattern finds and `match` without `unless` does not; empty where none is."""
    old, but = re.compile(pattern, re.IGNORECASE), re.compile(unless, re.IGNORECASE)
    pieces = [(full, short) for full in samples(unless, 6) for short in samples(match, 4)]
    texts = [full for full, _ in pieces]
    texts += [text for full, short in pieces for text in (full + short, f"{full} {short}", short + full)]
    tidy = {" ".join(text.split()) for text in texts}
    return min((t for t in tidy if old.search(t) and but.search(t)), key=lambda t: (len(t), t), default="")
