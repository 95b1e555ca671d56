"""What follows from a rule's figures: keep, fix, merge or retire it, and why, in a sentence.

The order in which things are looked at, the first that holds gives the advice:

1. fix      wrong on the gold set; left to the next tier too often; gives texts away to a rule that it beats; the model
            names another brand too often
2. merge    another rule of its brand decides all of its rows as well
3. retire   never decides and changes nothing; not seen for longer than a season; small, and the model says the same
4. fix      its examples do not look like its traffic; slow; an `unless` that did not fire for longer than a season, and
            that no counterexample of the rule has
5. keep

**A rule without traffic is not by itself to retire**: it may have its season. Only a window of `seasonal_days` says
that the season has passed. Retiring goes through a shadow period, and nothing is ever deleted: `active` becomes
`retiring`, which still decides; `retiring` becomes `shadow`, which is recorded and decides no more; and of a rule in
`shadow` that would change nothing it is said that a person may take it out. Advice holds for one rule at a time: where
two rules do each other's work, only one of them is told to go, and after each change the figures are new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tierbreak.tools.rules.traffic.stats.edits import Edit, set_status
from tierbreak.tools.rules.traffic.stats.figures import Beside, Facts, RuleFigures, Stats, never
from tierbreak.tools.rules.traffic.stats.merging import mergers, whole
from tierbreak.tools.rules.traffic.stats.words import number, rows, share

ACTIONS = ("fix", "merge", "retire", "keep")

#: What a rule's status becomes on its way out.
_NEXT = {"active": "retiring", "retiring": "shadow"}


@dataclass(frozen=True)
class Limits:
    """From where on something is said. A share that lies on its limit counts as beyond it.

    That something never happens is only said of so many rows that it would have shown: the 95 % interval of 0 in n rows
    must end at or below the share that is asked about.

    seasonal_days  a window of so many days holds every season; a rule that it does not show is not coming back
    rows           shares of fewer rows than this say nothing
    texts          what the model says of fewer texts than this says nothing
    precision      fix where the upper end of the interval lies below. Merge and retire where at least so much of what a
                   rule fires on surely has the same answer without it: at 0.95, all of 73 rows
    contested      fix where so much of what it fires on is left to the next tier
    unless         fix where `unless` gives away so much of what it finds, to rules that it beats; or where it surely
                   excludes no more: at 0.01, none of 381 rows
    disagrees      fix where the model names another brand for so much of what the cache knows
    small          share of all rows: a rule that decides no more is not worth its upkeep if the model says the same;
                   and traffic must be so large that a rule of this share shows, before one that does not is called
                   silent: at 0.0001, 38,411 rows
    unlike         fix where so much of its heaviest texts has a form that no example has
    slow           fix where its patterns take so many times the time of the usual pattern, each on average
    """

    seasonal_days: int = 400
    rows: float = 30
    texts: int = 10
    precision: float = 0.95
    contested: float = 0.05
    unless: float = 0.01
    disagrees: float = 0.2
    small: float = 1e-4
    unlike: float = 0.5
    slow: float = 20.0

    def sure(self, rows: float) -> bool:
        """Whether so many rows without an exception are enough to act upon."""
        return never(rows, 1 - self.precision)


#: What an advice can rest on, in the order in which it is told; the sentences are below.
WHYS = (
    "wrong", "contested", "woke", "disagrees", "redundant", "silent", "retiring", "beaten", "small", "shadow", "unlike",
    "slow", "unless", "keep",
)  # fmt: skip


@dataclass(frozen=True)
class Advice:
    """`why` is one of WHYS; `also` are further findings, a sentence each; `edit` is a person's to make."""

    action: str
    why: str
    reason: str
    also: tuple[str, ...] = ()
    edit: Edit | None = None


class _Finding(NamedTuple):
    action: str
    why: str
    says: str


def advise(stats: Stats, limits: Limits | None = None) -> dict[str, Advice]:
    """Rule id -> advice, for every rule of the figures."""
    limits = limits or Limits()
    going = mergers(stats, limits.sure)
    out = {}
    for rule in stats.rules:
        found = [*_findings(rule, stats.facts, limits, going.get(rule.id))]
        first = found[0] if found else _Finding("keep", "keep", _keep(rule, stats.facts, limits))
        also = tuple(each.says for each in found[1:]) + tuple(_notes(rule, stats.facts, limits))
        leaves = first.action == "retire" and rule.status in _NEXT
        out[rule.id] = Advice(*first, also, set_status(rule.place, _NEXT[rule.status]) if leaves else None)
    return out


def _findings(rule: RuleFigures, facts: Facts, limits: Limits, into: Beside | None) -> Iterator[_Finding]:
    if rule.status == "shadow":
        yield from _in_shadow(rule, facts, limits)
        return
    yield from _wrong(rule, limits)
    if into is not None:
        says = (
            f"{into.rule} decides all of its {rows(rule.fired.rows)} as well: move what its patterns add there, if "
            "they add anything"
        )
        yield _Finding("merge", "redundant", says)
    yield from _gone(rule, facts, limits, merged=into is not None)
    yield from _stale(rule, facts, limits)


def _wrong(rule: RuleFigures, limits: Limits) -> Iterator[_Finding]:
    right = rule.precision
    if right is not None and right.whole and right.high < limits.precision:
        yield _Finding(
            "fix", "wrong",
            f"it is right on {right.part:.0f} of {right.whole:.0f} keys of the gold set that it decides (95 % interval "
            f"{share(right.low)} to {share(right.high)}), and wrong on {_mistake(rule)}: narrow it",
        )  # fmt: skip
    fired = rule.fired.rows
    if fired >= limits.rows and rule.contested >= limits.contested * fired:
        rival = rule.rivals[0]
        yield _Finding(
            "fix", "contested",
            f"{share(rule.contested / fired)} of its rows are contested, most of them by {rival.rule} "
            f"({rival.brand}): add an `outranks`, an `unless` or a word edge",
        )  # fmt: skip
    if rule.found >= limits.rows and rule.woke >= limits.unless * rule.found:
        woken = next(beside for beside in rule.beside if beside.change == "woke")
        yield _Finding(
            "fix", "woke",
            f"its `unless` hands {rows(rule.woke)} to rules that it beats otherwise, most of them to {woken.rule} "
            f"({woken.brand}): give those texts to the right rule, or narrow the `unless`",
        )  # fmt: skip
    model = rule.model
    if model.texts >= limits.texts and model.known and model.other >= limits.disagrees * model.known:
        named = next((f", most of them {b.brand}" for b in rule.beside if b.change == "disagrees"), "")
        yield _Finding(
            "fix", "disagrees",
            f"the model names another brand for {share(model.other / model.known)} of the rows that it was asked "
            f"about{named}: look at them, one of the two is wrong",
        )  # fmt: skip


def _gone(rule: RuleFigures, facts: Facts, limits: Limits, *, merged: bool) -> Iterator[_Finding]:
    """At most one reason to retire the rule."""
    without, fired = rule.without, rule.fired.rows
    harmless = not without.changed and not without.unknown
    if _out_of_season(rule, facts, limits):
        yield _Finding("retire", "silent", _silent(rule, facts))
    elif rule.status == "retiring" and harmless and limits.sure(fired):
        says = f"it is retiring, and without it none of its {rows(fired)} gets another answer"
        yield _Finding("retire", "retiring", says)
    elif not merged and limits.sure(fired) and whole(without.idle, fired):
        by = next((f": {b.rule or 'the next tier'} decides instead" for b in rule.beside if b.change == "idle"), "")
        yield _Finding("retire", "beaten", f"it fired in {rows(fired)}, never decided, and changes nothing{by}")
    elif (
        0 < rule.decided.rows <= limits.small * facts.rows
        and limits.sure(rule.model.texts)
        and harmless
        and without.same_model + without.same_none
    ):
        sure = f" (confidence {without.same_confidence:.2f} on average)" if without.same_model else ""
        says = (
            f"it decides {rows(rule.decided.rows)} in all, and the model says the same of each of their "
            f"{rule.model.texts:,} texts{sure}"
        )
        yield _Finding("retire", "small", says)


def _stale(rule: RuleFigures, facts: Facts, limits: Limits) -> Iterator[_Finding]:
    if rule.unlike is not None and rule.fired.rows >= limits.rows and rule.unlike >= limits.unlike:
        strange = next(text for text in rule.texts if not text.familiar)
        yield _Finding(
            "fix", "unlike",
            f"{share(rule.unlike)} of its heaviest texts, by rows, have a form that none of its examples has, such as "
            f"`{strange.descriptor}` (pattern #{strange.number}): add such an example",
        )  # fmt: skip
    if rule.cost is not None and rule.cost.each >= limits.slow:
        says = f"its patterns take {rule.cost.each:.0f} times as long as the usual one each: give them a fixed part"
        yield _Finding("fix", "slow", says)
    if _long(facts, limits) and never(rule.found, limits.unless):
        for unless in rule.unless:
            if not unless.fired and not unless.shown:
                says = f"`unless` `{unless.text}` did not fire in {_span(facts)}"
                yield _Finding("fix", "unless", f"{says}: drop it, or say with a counterexample what it is for")


def _in_shadow(rule: RuleFigures, facts: Facts, limits: Limits) -> Iterator[_Finding]:
    without, fired = rule.without, rule.fired.rows
    if _out_of_season(rule, facts, limits):
        yield _Finding("retire", "silent", f"{_silent(rule, facts)}; it is in shadow, a person may take it out")
    elif limits.sure(fired) and not without.changed and not without.unknown:
        says = (
            f"it is in shadow, and none of its {rows(fired)} would get another answer if it were active: a person may "
            "take it out"
        )
        yield _Finding("retire", "shadow", says)


def _notes(rule: RuleFigures, facts: Facts, limits: Limits) -> Iterator[str]:
    unused = [unless.text for unless in rule.unless if not unless.fired and not unless.shown]
    if unused and never(rule.found, limits.unless) and not _long(facts, limits):
        many = f"{len(unused)} of its {len(rule.unless)} `unless`" if len(rule.unless) > 1 else "its `unless`"
        yield f"{many} did not fire; it may have its season: {', '.join(f'`{text}`' for text in unused[:3])}"
    idle = [f"#{pattern.number}" for pattern in rule.patterns if not pattern.fired]
    if idle and rule.fired.rows >= limits.rows:
        yield f"of its {len(rule.patterns)} patterns {', '.join(idle)} found nothing that an earlier one had not found"
    if rule.needless:
        yield f"its `unless` makes no difference in {number(rule.needless)} of the {rows(rule.excluded)} it takes away"


def _keep(rule: RuleFigures, facts: Facts, limits: Limits) -> str:
    without, fired = rule.without, rule.fired.rows
    if not fired:
        ask = f"judge it by {limits.seasonal_days} days or more"
        if not facts.window:
            return f"it did not fire, and the rows have no dates: it may have its season, {ask}"
        if _long(facts, limits):
            few = f"{rows(facts.rows)} are too few to show a rule that decides {share(limits.small)} of them"
            return f"it did not fire in {_span(facts)}, but {few}"
        return f"it did not fire in {_span(facts)}: it may have its season, {ask}"
    if rule.status == "shadow":
        return f"it is in shadow: if it were active, {rows(without.changed)} would get another answer"
    parts = [
        (without.nothing, "have no answer"),
        (without.other_rule + without.other_model, "have another answer"),
        (without.unknown, "are for the model to say and not known to the cache"),
        (without.same_model, "have the same answer from the model"),
        (without.same_rule, "have the same answer from another rule"),
    ]
    told = [f"{number(many)} {what}" for many, what in parts if many]
    does = "is retiring" if rule.status == "retiring" else "decides"
    return f"{does} {rows(rule.decided.rows)}; without it " + (", ".join(told) if told else "all would stay as it is")


def _out_of_season(rule: RuleFigures, facts: Facts, limits: Limits) -> bool:
    if not (_long(facts, limits) and never(facts.rows, limits.small)):
        return False
    assert facts.window is not None
    if not rule.fired.rows:
        return True
    return rule.last is not None and (facts.window[1] - rule.last).days >= limits.seasonal_days


def _long(facts: Facts, limits: Limits) -> bool:
    return facts.days is not None and facts.days >= limits.seasonal_days


def _silent(rule: RuleFigures, facts: Facts) -> str:
    return f"it fired last on {rule.last}" if rule.last else f"it did not fire in {_span(facts)}"


def _span(facts: Facts) -> str:
    return f"the {facts.days:,} days of this traffic"


def _mistake(rule: RuleFigures) -> str:
    first = rule.mistakes[0]
    return f"`{first.descriptor}`, which is {first.truth or 'no known brand'}"
