"""What might mend a collision: edits that are worth trying. None of them is believed before it has been tried."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
import polars as pl

from tierbreak.rulebook import Pattern, Rule
from tierbreak.tiers.rules.exact import ExactPattern
from tierbreak.tools.rules.traffic.collisions import conditions, drafts, unless
from tierbreak.tools.rules.traffic.collisions.drafts import nearby
from tierbreak.tools.rules.traffic.collisions.report import Edit
from tierbreak.tools.rules.traffic.collisions.trial import Change, exact_of

#: Cheaper first where two repairs cost the same: how much of a rule a person has to think about again.
ORDER = ("word-edge", "unless", "outranks", "drop-outranks", "guard")
#: A rule that finds parts of words finds them where nothing collides too, and there it is as wrong.
_IN_WORDS, _AT_START = 0.5, 0.02
#: Rules that one repair may edit or name.
MOST_RULES = 25
#: Wrong texts that are looked at for what they have in common; all of them are tried.
LOOKED_AT = 2_000


#: Texts in which a pattern stands, with where it does.
_Hits: TypeAlias = list[tuple[bytes, list[tuple[int, int]]]]


@dataclass(frozen=True)
class Candidate:
    """An edit to try.

    narrowed   index of the rule that would find less, -1 where none would
    may_lose   share of the rows that the rule has to itself that it may cost
    asks       the column that a new guard asks for
    """

    kind: str
    says: str
    edits: tuple[Edit, ...]
    cost: int
    change: Change
    narrowed: int = -1
    may_lose: float = 0.0
    asks: str = ""


def word_edges(index: int, rule: Rule, wrong: Sequence[str], *, alone: bool) -> Iterator[Candidate]:
    """`\\b` where the rule matches inside longer words of the wrong texts, `at: start` where it never begins them.

    alone   the rule has texts to itself, by which the second can be judged
    """
    texts = [text.encode() for text in wrong[:LOOKED_AT]]
    hits = [_hits(exact, texts) for exact in exact_of(rule.match)]
    makers: list[tuple[str, float, Callable[[Pattern, _Hits], Pattern | None]]] = [
        ("only from the beginning of a word", _IN_WORDS, partial(_edged, left=True, right=False)),
        ("only up to the end of a word", _IN_WORDS, partial(_edged, left=False, right=True)),
        ("only whole words", _IN_WORDS, partial(_edged, left=True, right=True)),
        *([("only where the text begins with it", _AT_START, _started)] if alone else []),
    ]
    for says, may_lose, make in makers:
        anew = [make(one, found) if found else one for one, found in zip(rule.match, hits, strict=True)]
        if any(one is None for one in anew) or list(rule.match) == anew:
            continue
        changed = [(old, new) for old, new in zip(rule.match, anew, strict=True) if new is not None and old != new]
        edits = tuple(
            Edit(rule.id, nearby(old.place), drafts.pattern(old), drafts.pattern(new)) for old, new in changed
        )
        match = tuple(one for one in anew if one is not None)
        change = Change({index: dataclasses.replace(rule, match=match)})
        yield Candidate("word-edge", f"{rule.id}: {says}", edits, len(edits), change, index, may_lose)


def _hits(exact: ExactPattern, texts: Sequence[bytes]) -> _Hits:
    return [(text, spans) for text in texts if (spans := exact.spans(text))]


def _edged(one: Pattern, found: _Hits, *, left: bool, right: bool) -> Pattern | None:
    """The regex with those edges, where every occurrence then goes; None where it is no regex, or some would stay."""
    if one.kind != "regex":
        return None
    inside = [
        (_in_word(text, start), _in_word(text, end)) for text, spans in found for start, end in spans
    ]  # fmt: skip
    if not all((left and at_left) or (right and at_right) for at_left, at_right in inside):
        return None
    if left and right and (all(at for at, _ in inside) or all(at for _, at in inside)):
        return None  # one of the two does it alone
    return drafts.on_edges(one, left=left, right=right)


def _in_word(text: bytes, at: int) -> bool:
    """Whether a word goes on across the place `at`."""
    return 0 < at < len(text) and all(chr(code).isalnum() or code == ord("_") for code in text[at - 1 : at + 1]) and (
        text[at - 1] < 128 and text[at] < 128
    )  # fmt: skip


def _started(one: Pattern, found: _Hits) -> Pattern | None:
    """The pattern for beginnings only; None where it is one, or where it would still find one of these."""
    if one.kind == "exact" or one.at or one.expression.source.startswith(b"^"):
        return None
    if any(start <= 0 for _, spans in found for start, _ in spans):
        return None
    return drafts.at_start(one)


def excluding(
    index: int, rule: Rule, wrong: Sequence[str], right: pl.Series, others: Sequence[Rule]
) -> Iterator[Candidate]:
    """`unless` words that part the wrong texts from the right ones, else the other rules' own patterns."""
    near = _near(wrong, others)
    found = unless.words(wrong[:LOOKED_AT], right, near)
    if found:
        yield _excluding(index, rule, [drafts.word(text, rule) for text in found])
        return
    patterns = {one.expression.source: one for other in others for one in other.match}
    texts = [text.encode() for text in wrong[:LOOKED_AT]]
    used = [one for one in patterns.values() if any(ExactPattern(one.expression).matches(text) for text in texts)]
    if 0 < len(used) <= unless.MOST_WORDS:
        yield _excluding(index, rule, used)


def _excluding(index: int, rule: Rule, patterns: Sequence[Pattern]) -> Candidate:
    numbered = [
        dataclasses.replace(one, number=len(rule.unless) + at) for at, one in enumerate(patterns, start=1)
    ]  # fmt: skip
    shown = ", ".join(f"`{one.text}`" for one in patterns)
    change = Change({index: dataclasses.replace(rule, unless=(*rule.unless, *numbered))})
    listed = ", ".join(map(drafts.pattern, patterns))
    edit = Edit(rule.id, nearby(rule.place), "", f"unless: [{listed}]")
    return Candidate("unless", f"{rule.id}: not where the text says {shown}", (edit,), len(patterns), change, index)


def _near(wrong: Sequence[str], others: Sequence[Rule]) -> frozenset[str]:
    """Words of what other rules found in the wrong texts."""
    found: set[str] = set()
    for other in others:
        for exact in exact_of(other.match):
            for text in wrong[:200]:
                encoded = text.encode()
                for start, end in exact.spans(encoded):
                    found |= set(encoded[max(start, 0) : end].decode(errors="ignore").replace(".", " ").split())
    return frozenset(
        word.strip("*#/-'&") for word in found if len(word) > 2 and word.strip("*#/-'&").replace("'", "").isalpha()
    )


def outranking(
    winners: Sequence[tuple[int, Rule]], losers: Sequence[tuple[int, Rule]], edges: np.ndarray
) -> Iterator[Candidate]:
    """Edges of every winner over every loser, where none of them closes a circle."""
    if len(winners) * len(losers) > MOST_RULES:
        return
    below: dict[int, set[int]] = {}
    for above, under in edges.tolist():
        below.setdefault(above, set()).add(under)
    new = [(above, under) for above, _ in winners for under, _ in losers if under not in below.get(above, set())]
    if not new or any(_reaches(below, under, above) for above, under in new):
        return
    edits = []
    for above, rule in winners:
        over = [other.id for under, other in losers if (above, under) in new]
        if over:
            before = drafts.ids("outranks", rule.outranks) if rule.outranks else ""
            edits.append(Edit(rule.id, nearby(rule.place), before, drafts.ids("outranks", [*rule.outranks, *over])))
    verb = "outranks" if len(winners) == 1 else "outrank"
    says = f"{_named([rule for _, rule in winners])} {verb} {_named([rule for _, rule in losers])}"
    yield Candidate("outranks", says, tuple(edits), len(new), Change(edges=tuple(new)))


def unranking(winners: Sequence[tuple[int, Rule]], losers: Sequence[tuple[int, Rule]], edges: np.ndarray) -> Candidate:
    """The edges between them taken away: the later tiers decide then."""
    have = {(above, under) for above, under in edges.tolist()}
    pairs = [(above, under) for above, _ in winners for under, _ in losers if (above, under) in have]
    gone = {rule.id for _, rule in losers}
    edits = []
    for rule in [rule for _, rule in winners]:
        left = [id for id in rule.outranks if id not in gone]
        after = drafts.ids("outranks", left) if left else ""
        edits.append(Edit(rule.id, nearby(rule.place), drafts.ids("outranks", rule.outranks), after))
    verb = "no longer outranks" if len(winners) == 1 else "no longer outrank"
    says = f"{_named([rule for _, rule in winners])} {verb} {_named([rule for _, rule in losers])}"
    return Candidate("drop-outranks", says, tuple(edits), len(pairs), Change(without=frozenset(pairs)))


def _named(rules: Sequence[Rule]) -> str:
    return rules[0].id if len(rules) == 1 else f"{rules[0].id} and {len(rules) - 1} more"


def _reaches(below: dict[int, set[int]], start: int, end: int) -> bool:
    seen, stack = {start}, [start]
    while stack:
        at = stack.pop()
        if at == end:
            return True
        following = below.get(at, set()) - seen
        seen |= following
        stack += following
    return False


def guarding(index: int, rule: Rule, wrong: pl.DataFrame, right: pl.DataFrame, *, debits: str) -> Iterator[Candidate]:
    """A guard where a column parts the wrong rows from the right ones."""
    for guard, asks in conditions.parting(wrong, right, rule.when, debits=debits):
        before = drafts.guard(rule.when) if rule.when else ""
        after = drafts.guard(guard)
        change = Change({index: dataclasses.replace(rule, when=guard)})
        says = f"{rule.id}: only {after.removeprefix('when: ')}"
        yield Candidate("guard", says, (Edit(rule.id, nearby(rule.place), before, after),), 1, change, index, asks=asks)
