"""What differs between two rulebooks and their registries, and which rules may therefore decide otherwise.

A rule is the same where its id and its fingerprint are: a file that was moved or reformatted changes nothing. A rule
that is itself the same may still name another brand today, or one of another family, because the registry changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tierbreak.core.tables import GUARDED
from tierbreak.registry import Registry
from tierbreak.rulebook import DECIDES, EVERY, Condition, Example, Pattern, Rule
from tierbreak.tools.rules.traffic.diff.versions import Version

Kind = Literal["added", "changed", "removed"]

#: Columns of brands.csv that shape an answer; the others are for people and for training.
ANSWERING = ("status", "replaced_by", "parent", "sector")


@dataclass(frozen=True)
class RuleChange:
    """One rule that is not what it was.

    says    a line for each part that differs: `unless: + words: UBER EATS`
    place   where it stands in B, or stood in A
    """

    id: str
    kind: Kind
    brand: str
    says: tuple[str, ...]
    place: str


@dataclass(frozen=True)
class BrandChange:
    """One brand whose line in the registry says something else of its answers."""

    id: str
    kind: Kind
    says: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """From A to B.

    rules       by id
    words       ids of rules that decide alike and differ in owner, examples or notes
    brands      by id
    names       ids of brands that answer alike and differ in name, aliases, domain, wikidata or since
    concerned   the rules, of A or of B, on whose match a decision may differ; those that never decide are not there
    """

    rules: tuple[RuleChange, ...]
    words: tuple[str, ...]
    brands: tuple[BrandChange, ...]
    names: tuple[str, ...]
    concerned: tuple[Rule, ...]

    @property
    def nothing(self) -> bool:
        """Both decide alike, whatever they are asked."""
        return not self.rules and not self.brands


def changes(a: Version, b: Version) -> Changes:
    """What it takes to go from `a` to `b`."""
    old, new = ({rule.id: rule for rule in side.book.rules} for side in (a, b))
    rules, words, concerned = [], [], []
    for id in sorted(old.keys() | new.keys()):
        was, now = old.get(id), new.get(id)
        if was is None or now is None or was.fingerprint != now.fingerprint:
            rules.append(_rule_change(id, was, now, a, b))
        else:
            words += [id] if _words(was) != _words(now) else []
            if _family(was, a.registry) == _family(now, b.registry):
                continue
        concerned += [rule for rule in (was, now) if rule is not None and rule.status in DECIDES]
    brands, names = _brands(a.registry, b.registry)
    return Changes(tuple(rules), tuple(words), brands, names, tuple(concerned))


def _family(rule: Rule, registry: Registry) -> tuple[str, ...]:
    """The brand that the rule names today, its parent, and so on: all that arbitration asks of a brand."""
    if rule.brand == EVERY:
        return ()
    today = int(registry.redirect[registry.index(rule.brand)])
    return tuple(registry.ids[at] for at in (today, *registry.ancestors(today)))


def _rule_change(id: str, was: Rule | None, now: Rule | None, a: Version, b: Version) -> RuleChange:
    if now is None:
        assert was is not None
        return RuleChange(id, "removed", was.brand, (), a.place(was.place))
    if was is None:
        return RuleChange(id, "added", now.brand, tuple(_parts(now)), b.place(now.place))
    return RuleChange(id, "changed", now.brand, tuple(_differences(was, now)), b.place(now.place))


def _parts(rule: Rule) -> Iterable[str]:
    """What a new rule brings along, but for what every rule has."""
    if rule.status != "active":
        yield f"status: {rule.status}"
    if rule.deny:
        yield "deny"
    yield from (f"match: {_pattern(pattern)}" for pattern in rule.match)
    yield from (f"unless: {_pattern(pattern)}" for pattern in rule.unless)
    if rule.when:
        yield f"when: {_guard(rule.when)}"
    if rule.valid != (None, None):
        yield f"valid: {_valid(rule.valid)}"
    yield from (f"outranks: {other}" for other in rule.outranks)


def _differences(was: Rule, now: Rule) -> Iterable[str]:
    named: dict[str, Callable[[Any], str]] = {
        "brand": str, "status": str, "deny": str, "when": _guard, "valid": _valid,
    }  # fmt: skip
    for name, shown in named.items():
        old, new = getattr(was, name), getattr(now, name)
        if old != new:
            yield f"{name}: {shown(old)} -> {shown(new)}"
    for name in ("match", "unless"):
        yield from (f"{name}: {line}" for line in _pattern_differences(getattr(was, name), getattr(now, name)))
    yield from (f"outranks: - {other}" for other in was.outranks if other not in now.outranks)
    yield from (f"outranks: + {other}" for other in now.outranks if other not in was.outranks)


def _pattern_differences(was: Sequence[Pattern], now: Sequence[Pattern]) -> Iterable[str]:
    old, new = ({(p.kind, p.at, p.expression.source): p for p in side} for side in (was, now))
    gone = {_pattern(pattern): pattern for key, pattern in old.items() if key not in new}
    come = {_pattern(pattern): pattern for key, pattern in new.items() if key not in old}
    yield from (f"- {text}" for text in gone if text not in come)
    yield from (f"+ {text}" for text in come if text not in gone)
    yield from (f"{text}: a fragment in it has changed" for text in come if text in gone)
    if not gone and not come and list(old) != list(new):
        yield "the same in another order"


def _pattern(pattern: Pattern) -> str:
    at = f" at {pattern.at}" if pattern.at else ""
    return f"{pattern.kind} {pattern.text}{at}"


def _guard(guard: Condition | None) -> str:
    if guard is None:
        return "always"
    says = [f"sign {guard.sign}"] if guard.sign else []
    says += [f"amount {name} {bound:g}" for name, bound in guard.amount]
    says += [f"{name} {'/'.join(values)}" for name in ("mcc", "country", "source") if (values := getattr(guard, name))]
    return ", ".join(says + (["optional"] if guard.optional else [])) or "always"


def _valid(days: tuple[Any, Any]) -> str:
    start, end = days
    if not start and not end:
        return "always"
    return " ".join(([f"from {start}"] if start else []) + ([f"to {end}"] if end else []))


def _words(rule: Rule) -> tuple[object, ...]:
    """What of a rule is for people and tests, without the places."""
    kinds = (rule.examples, rule.counterexamples, rule.todo)
    return rule.owner, rule.note, [[_row(example) for example in kind] for kind in kinds]


def _row(example: Example) -> tuple[object, ...]:
    return example.descriptor, example.expect, *(getattr(example, name) for name in GUARDED)


def _brands(a: Registry, b: Registry) -> tuple[tuple[BrandChange, ...], tuple[str, ...]]:
    out: list[BrandChange] = []
    names: list[str] = []
    if a.fingerprint == b.fingerprint:
        return (), ()
    for id in sorted(set(a.ids) | set(b.ids)):
        if id not in b:
            out.append(BrandChange(id, "removed", ()))
        elif id not in a:
            out.append(BrandChange(id, "added", ()))
        else:
            pairs = {name: (getattr(a[id], name), getattr(b[id], name)) for name in ANSWERING}
            pairs["may be answered"] = _yes(a, id), _yes(b, id)
            says = [f"{name}: {old or 'none'} -> {new or 'none'}" for name, (old, new) in pairs.items() if old != new]
            if says:
                out.append(BrandChange(id, "changed", tuple(says)))
            elif a[id] != b[id]:
                names.append(id)
    return tuple(out), tuple(names)


def _yes(registry: Registry, id: str) -> str:
    return "yes" if registry.live[registry.index(id)] else "no"
