r"""What a rule would be with one thing of it taken away: what its examples should notice.

edge          a `\b`, or the word edge that `words` has at either end
anchor        a `^` or `$`, an `at`, an end of `exact`
alternative   one of those between bars; what stands in a fragment of common.yaml is not this rule's and stays
word          one of `words`
look-around   one of a regex
pattern       one of several under `match`
unless        one under `unless`
guard         one thing that `when` asks for
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tierbreak.rulebook import Condition, Pattern, Rule
from tierbreak.rulebook.files import fold
from tierbreak.rulebook.patterns import Expression, PatternError, from_regex, from_words, tokens

KINDS = ("edge", "anchor", "alternative", "word", "look-around", "pattern", "unless", "guard")

_NO_GUARD = Condition()


@dataclass(frozen=True)
class Mutant:
    """A rule with one thing taken away.

    kind      of KINDS
    says      what was taken away, for a person
    rule      the rule without it
    wider     whether the rule now finds more, else it finds less
    changed   the pattern of `match` that finds more now, None where it is another thing that changed
    """

    kind: str
    says: str
    rule: Rule
    wider: bool
    changed: Expression | None = None


def mutants(rule: Rule, fragments: Mapping[str, str]) -> Iterator[Mutant]:
    """Every mutant of a rule, none twice.

    fragments   those of common.yaml, by name
    """
    for at, pattern in enumerate(rule.match):
        yield from _of_pattern(rule, "match", at, pattern, fragments)
    if len(rule.match) > 1:
        for at, pattern in enumerate(rule.match):
            yield Mutant(
                "pattern", f"without {_named('match', pattern)}", _replaced(rule, "match", at, None), wider=False
            )
    for at, pattern in enumerate(rule.unless):
        yield from _of_pattern(rule, "unless", at, pattern, fragments)
        yield Mutant("unless", f"without {_named('unless', pattern)}", _replaced(rule, "unless", at, None), wider=True)
    if rule.when is not None:
        yield from _of_guard(rule, rule.when)


def _named(key: str, pattern: Pattern) -> str:
    return f"{key}#{pattern.number} `{pattern.text}`"


def _replaced(rule: Rule, key: str, at: int, expression: Expression | None) -> Rule:
    """The rule with another expression in place of one of its patterns, or without the pattern."""
    own: Sequence[Pattern] = getattr(rule, key)
    new = (dataclasses.replace(own[at], expression=expression),) if expression else ()
    patterns = (*own[:at], *new, *own[at + 1 :])
    return dataclasses.replace(rule, match=patterns) if key == "match" else dataclasses.replace(rule, unless=patterns)


def _of_pattern(rule: Rule, key: str, at: int, pattern: Pattern, fragments: Mapping[str, str]) -> Iterator[Mutant]:
    seen = {pattern.expression.source}
    find = {"words": _of_words, "exact": _of_exact}.get(pattern.kind)
    for kind, what, expression in find(pattern) if find else _of_regex(pattern, fragments):
        if expression.source not in seen:
            seen.add(expression.source)
            wider = (kind != "alternative") == (key == "match")
            changed = expression if key == "match" and wider else None
            yield Mutant(
                kind, f"{_named(key, pattern)} without {what}", _replaced(rule, key, at, expression), wider, changed
            )


_Changed = Iterator[tuple[str, str, Expression]]


def _of_words(pattern: Pattern) -> _Changed:
    folded = fold(pattern.text)
    source = pattern.expression.source
    if pattern.at:
        yield "anchor", f"`at: {pattern.at}`", from_words(folded, None)
    if source.startswith(rb"\b"):
        yield "edge", "the word edge in front", Expression(source[2:], host_only=False, one_line=True)
    if source.endswith(rb"\b"):
        yield "edge", "the word edge behind", Expression(source[:-2], host_only=False, one_line=True)
    words = folded.split(" ")
    if len(words) > 1:
        for at, word in enumerate(words):
            yield "word", f"the word {word}", from_words(" ".join(words[:at] + words[at + 1 :]), pattern.at)


def _of_exact(pattern: Pattern) -> _Changed:
    source = pattern.expression.source
    yield "anchor", "its start", Expression(source[1:], host_only=False, one_line=True)
    yield "anchor", "its end", Expression(source[:-1], host_only=False, one_line=True)


def _of_regex(pattern: Pattern, fragments: Mapping[str, str]) -> _Changed:
    each = list(tokens(pattern.text))
    parts = [*_single(each), *_grouped(each)]
    for kind, what, start, end in parts:
        text = "".join(token for token, _ in (*each[:start], *each[end:]))
        try:
            yield kind, what, from_regex(_spelled_out(text, fragments))
        except PatternError:  # without it the pattern matches nothing at all, or is none
            continue


def _spelled_out(text: str, fragments: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: f"(?:{fragments[found.group(1)]})", text)


_Part = tuple[str, str, int, int]


def _single(each: Sequence[tuple[str, bool]]) -> Iterator[_Part]:
    """Word edges and anchors: kind, words, and where the token stands."""
    for at, (token, inside) in enumerate(each):
        if inside:
            continue
        if token in (r"\b", r"\B"):
            yield "edge", f"the `{token}` at character {_column(each, at)}", at, at + 1
        elif token in ("^", "$"):
            yield "anchor", f"the `{token}` at character {_column(each, at)}", at, at + 1


def _grouped(each: Sequence[tuple[str, bool]]) -> Iterator[_Part]:
    """Alternatives and look-arounds; of an alternative its bar goes with it."""
    open_groups: list[list[int]] = [[-1]]  # of each the place of its bracket, then of its bars
    for at, (token, inside) in enumerate([*each, (")", False)]):
        if inside:
            continue
        if token == "(":
            open_groups.append([at])
        elif token == "|":
            open_groups[-1].append(at)
        elif token == ")":
            start, *bars = open_groups.pop()
            head = "".join(token for token, _ in each[start + 1 : start + 4]) if start >= 0 else ""
            if re.match(r"\?<?[=!]", head):
                yield "look-around", f"`{_text(each, start, at + 1)}`", start, at + 1
            if bars:
                marks = [start + _opening(head), *bars, at]
                for first, last in itertools.pairwise(marks):
                    words = _text(each, first + 1, last)
                    cut = (first + 1, last + 1) if first == marks[0] else (first, last)
                    yield "alternative", f"the alternative `{words}`", *cut


def _opening(head: str) -> int:
    """Tokens behind a bracket that say what kind of group it is."""
    found = re.match(r"\?(?::|<?[=!])", head)
    return len(found.group()) if found else 0


def _text(each: Sequence[tuple[str, bool]], start: int, end: int) -> str:
    return "".join(token for token, _ in each[start:end])


def _column(each: Sequence[tuple[str, bool]], at: int) -> int:
    return len(_text(each, 0, at)) + 1


def _of_guard(rule: Rule, guard: Condition) -> Iterator[Mutant]:
    for name in ("sign", "mcc", "country", "source"):
        if getattr(guard, name):
            changed = dataclasses.replace(guard, **{name: getattr(_NO_GUARD, name)})
            yield Mutant("guard", f"when without `{name}`", dataclasses.replace(rule, when=changed), wider=True)
    for at, (name, bound) in enumerate(guard.amount):
        changed = dataclasses.replace(guard, amount=guard.amount[:at] + guard.amount[at + 1 :])
        says = f"when without `amount: {{{name}: {bound:g}}}`"
        yield Mutant("guard", says, dataclasses.replace(rule, when=changed), wider=True)
