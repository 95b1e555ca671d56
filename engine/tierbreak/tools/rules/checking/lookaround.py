r"""Look-arounds that say no more than an `unless` says, and the two patterns that say it.

A look-around asks about one occurrence, an `unless` about the whole text; `COSTCO(?!\s*GAS)` finds
`COSTCO GAS COSTCO` and `unless: COSTCO GAS` does not. The two are the same where there can be only one occurrence,
because the place where the look-around looks is as far from an end of the text in every match:

    ^A(?!B)C     every match of A is equally long     match ^AC      unless ^AB
    ^(?!.*B)C                                         match ^C       unless B
    A(?<!B)C$    every match of C is equally long     match AC$      unless BC$
"""

from __future__ import annotations

from tierbreak.tools.rules.checking.shape import alternatives, parsed, walk


def as_unless(pattern: str) -> tuple[str, str] | None:
    r"""A pattern with one look-around as a pattern for `match` and one for `unless`, or None where they may differ.

    >>> as_unless(r"^COSTCO(?!\s*GAS)")
    ('^COSTCO', '^COSTCO\\s*GAS')
    >>> as_unless(r"^(?!.*\bGAS\b)COSTCO"), as_unless(r"COSTCO(?<!GAS COSTCO)$")
    (('^COSTCO', '\\bGAS\\b'), ('COSTCO$', 'GAS COSTCO$'))
    >>> as_unless(r"COSTCO(?!\s*GAS)"), as_unless(r"^COSTCO\s*(?!GAS)"), as_unless("^COSTCO(?=GAS)")
    (None, None, None)
    """
    found = _only_look(pattern)
    if found is None:
        return None
    before, look, behind = found
    if look.startswith("(?!"):
        inner = look[3:-1]
        if not before.startswith("^") or not inner:
            return None
        if before == "^" and inner.startswith(".*") and behind and len(alternatives(inner)) == 1:
            return before + behind, inner.removeprefix(".*")
        return (before + behind, before + _grouped(inner)) if _width(before) and before + behind != "^" else None
    inner = look[4:-1]
    if not behind.endswith("$") or behind.endswith("\\$") or not inner or not before:
        return None
    return (before + behind, _grouped(inner) + behind) if behind == "$" or _width(behind) else None


def _only_look(pattern: str) -> tuple[str, str, str] | None:
    """What stands before a pattern's only look-around, it, and what stands behind it; it must be a negative one."""
    if len(alternatives(pattern)) > 1 or "{{" in pattern:
        return None
    looks = [token for token in walk(pattern) if token.text == "(" and not token.inside and _opens(pattern, token.at)]
    if len(looks) != 1 or looks[0].depth != 1:
        return None
    start = looks[0].at
    close = next((t.at for t in walk(pattern) if t.at > start and t.text == ")" and t.depth == 1 and not t.inside), -1)
    look, behind = pattern[start : close + 1], pattern[close + 1 :]
    if not look.startswith(("(?!", "(?<!")) or behind.startswith(("*", "+", "?", "{")):
        return None
    return pattern[:start], look, behind


def _opens(pattern: str, at: int) -> bool:
    return pattern.startswith(("(?=", "(?!", "(?<=", "(?<!"), at)


def _width(part: str) -> bool:
    """Whether every match of a part is equally long."""
    least, most = parsed(part.encode()).getwidth()
    return bool(least == most)


def _grouped(part: str) -> str:
    return part if len(alternatives(part)) == 1 else f"(?:{part})"
