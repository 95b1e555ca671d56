"""Does the rulebook do what its own examples say? Each is decided with the whole rulebook, arbitration included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import polars as pl

from tierbreak.core import normalise
from tierbreak.core.tables import GUARDED
from tierbreak.engine import Engine
from tierbreak.errors import Fault
from tierbreak.rulebook import DECIDES, EVERY, Example, Rule
from tierbreak.tiers.rules.exact import ExactPattern
from tierbreak.tools.rules.checking.codes import fault
from tierbreak.tools.rules.checking.subject import Subject

#: Examples of which it is looked into how they were lost: each is decided once more, and most are lost alike.
EXPLAINED = 100


@dataclass(frozen=True)
class _Asked:
    """An example of a rule: `kind` is the key it stands under, `want` the brand that is due, redirects followed."""

    rule: Rule
    kind: str
    example: Example
    want: str | None


def check(subject: Subject) -> Iterator[Fault]:
    """Rules without examples, and every example that comes out otherwise than its file says.

    An example must be settled by tier `rules` for its rule's brand, a counterexample for the brand it expects, or,
    where it expects none, for nothing; a `todo` that is settled already is done. A deny rule's examples must have its
    brand denied, or at least not given.
    """
    for rule in subject.rules:
        if rule.status != "draft" and not rule.examples:
            says, expected = f"rule `{rule.id}` has no examples", "two strings of real statements or more"
            place = subject.sources.find(rule.place, rule.id)
            yield fault("R040", place, says, rule.id, expected, "add `examples:`, and a counterexample a neighbour")
    if subject.engine is not None:
        yield from _decided(subject, subject.engine)


def _decided(subject: Subject, engine: Engine) -> Iterator[Fault]:
    asked = list(_asked(engine))
    if not asked:
        return
    schema = {"descriptor": pl.String, **GUARDED}
    rows = pl.DataFrame({name: [getattr(each.example, name) for each in asked] for name in schema}, schema=schema)
    decided = list(engine.run(rows).rows.select("brand", "rule", "reason").iter_rows(named=True))
    # A rule that decides its example matches it; only of the others it must be asked.
    doubtful = [at for at, (each, row) in enumerate(zip(asked, decided, strict=True)) if row["rule"] != each.rule.id]
    matched = dict(zip(doubtful, _matched_by_own(engine, [asked[at] for at in doubtful]), strict=True))
    lost = subject.reading.lost
    beaten = count()
    for at, (each, row) in enumerate(zip(asked, decided, strict=True)):
        # What was not read may be what should have won.
        missing = lost.files or bool({each.want, each.rule.brand, EVERY} & lost.brands)
        undenied = each.rule.deny and row["brand"] is not None and each.want in (row["brand"], EVERY)
        if each.kind == "examples" and not matched.get(at, True) and not undenied:
            yield _unmatched(each)
        elif not missing:
            yield from _otherwise(engine, each, row, beaten)


def _asked(engine: Engine) -> Iterator[_Asked]:
    registry = engine.parts.registry
    for rule in engine.parts.book.rules:
        if rule.status not in DECIDES:
            continue
        for kind in ("examples", "counterexamples", "todo"):
            for example in getattr(rule, kind):
                want = example.expect
                if want is None or want == EVERY:
                    yield _Asked(rule, kind, example, want)
                elif want in registry:  # else it has its fault already
                    yield _Asked(rule, kind, example, registry.ids[registry.redirect[registry.index(want)]])


def _matched_by_own(engine: Engine, asked: list[_Asked]) -> list[bool]:
    """Whether a pattern of its own rule matches each example."""
    if not asked:
        return []
    folded = normalise.folded(pl.Series([each.example.descriptor for each in asked]), off=engine.settings.off)
    texts = folded.unique(maintain_order=True)
    index = {text: at for at, text in enumerate(texts)}
    rules = [rule.id for rule in engine.parts.book.rules]
    matches = engine.parts.rules.judge(texts)
    found = {(text, rules[rule]) for text, rule in zip(matches.text.tolist(), matches.rule.tolist(), strict=True)}
    return [(index[text], each.rule.id) in found for text, each in zip(folded, asked, strict=True)]


def _unmatched(each: _Asked) -> Fault:
    says = f"{each.rule.id}: example is not matched by its own rule"
    fix = "widen a pattern of `match`, or move the example to the rule that it belongs to"
    text = each.example.descriptor
    return fault("R030", each.example.place, says, text, "a text that a pattern of `match` finds", fix)


def _otherwise(engine: Engine, each: _Asked, row: dict[str, Any], beaten: Iterator[int]) -> Iterator[Fault]:
    rule, want, got, text = each.rule, each.want, row["brand"], each.example.descriptor
    by = f" by {row['rule']}" if row["rule"] else ""
    said = f"{got}{by}" if got else f"nothing ({row['reason']}{by})"
    if rule.deny and each.kind == "examples":
        if got is not None and want in (got, EVERY):
            says, fix = f"{rule.id}: denies {want}, and the answer is {said}", "widen `match`, or what guards it"
            yield fault("R033", each.example.place, says, text, "another answer, or none", fix)
    elif each.kind == "todo":
        if got == want:
            says, expected = f"{rule.id}: todo is done", f"a gap, but {said} settles it"
            yield fault("R032", each.example.place, says, text, expected, "move it to `examples`")
    elif got != want and each.kind == "examples":
        explain = next(beaten) < EXPLAINED
        how, fix = _beaten(engine, each) if explain else ("`tierbreak explain` says how", "mend those before it first")
        won = f"{got} wins{by}" if got else "nothing wins"
        says = f"{rule.id}: example is matched, but {won}: {how}"
        yield fault("R034", each.example.place, says, text, str(want), fix)
    elif got != want:
        fix = "widen the pattern of the rule that should win, or add `outranks` or `unless`"
        fix = fix if want else "narrow the pattern, or add `unless`"
        says = f"{rule.id}: counterexample is settled as {said}"
        yield fault("R031", each.example.place, says, text, want or "no rule settles it", fix)


#: What can become of a rule's match on its own example: how, and what to do. `{by}` is who did it.
_HOW = {
    "unless": ("its own `unless` finds {by}", "narrow that `unless`, or move the example to `counterexamples`"),
    "missing": ("its guard asks for a column that the example does not give", "give the example that column"),
    "when": ("its guard does not pass", "mend `when`, or what the example says in its columns"),
    "valid": ("its date lies outside `valid`", "give the example a `date`, or mend `valid`"),
    "denied": ("denied by {by}", "add `unless` to the deny rule"),
    "outranked": ("outranked by {by}", "drop the edge, or add `unless` to the rule above"),
    "span": ("a longer match contains it, of {by}", "add `unless` to that rule, or `outranks` to this one"),
    "family": ("a brand below its own wins, by {by}", "add `unless` to that rule"),
    "contested": ("contested by {by}", "add `outranks` to the rule that should win, or `unless` to the other"),
}


def _beaten(engine: Engine, each: _Asked) -> tuple[str, str]:
    """What became of a rule's match on its own example, by whom and how; and what to do."""
    row = {name: getattr(each.example, name) for name in GUARDED}
    explained = engine.explain(each.example.descriptor, **row)
    rules = {rule.id: rule for rule in engine.parts.book.rules}
    outcome = {verdict["rule"]: verdict["reason"] for verdict in explained.verdicts if verdict["rule"]}
    own = each.rule
    why = outcome.get(own.id) or "contested"
    if why == "unless":
        text = explained.folded.encode()
        by = next(f"`{pattern.text}`" for pattern in own.unless if ExactPattern(pattern.expression).matches(text))
    else:
        did: dict[str, Callable[[Rule], bool]] = {
            "denied": lambda rule: outcome[rule.id] == "veto",
            "outranked": lambda rule: own.id in rule.outranks and outcome[rule.id] != "shadow",
            "span": lambda rule: _contains(engine, explained.folded, rule, own),
            "family": lambda rule: outcome[rule.id] is None,
            "contested": lambda rule: outcome[rule.id] == "contested" and rule.brand != own.brand,
        }
        by = _listed(rules[name] for name in outcome if name != own.id and why in did and did[why](rules[name]))
    how, fix = _HOW[why]
    return how.format(by=by), fix


def _contains(engine: Engine, folded: str, outer: Rule, inner: Rule) -> bool:
    """Whether every span of one rule lies within a longer one of another."""
    index = {rule.id: at for at, rule in enumerate(engine.parts.book.rules)}
    around = engine.parts.rules.spans(folded, index[outer.id])
    return all(
        any(start <= own[0] and own[1] <= end and end - start > own[1] - own[0] for start, end in around)
        for own in engine.parts.rules.spans(folded, index[inner.id])
    )


def _listed(rules: Iterable[Rule]) -> str:
    """Rules with brand and place, for a person to go there."""
    shown = [f"`{rule.id}` of {rule.brand} at {rule.place}" for rule in rules]
    return ", ".join(sorted(shown)) or "no rule that still stands"
