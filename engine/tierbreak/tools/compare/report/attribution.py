"""The part of a report on who decides."""

from __future__ import annotations

import math

from tierbreak.tools.compare.document import Block, Figure, Section, Table, Text, count, percent
from tierbreak.tools.compare.measure.attribution import NOBODY, Attribution, Cell, Meeting, Said, Tier
from tierbreak.tools.compare.report.agreement import OUTCOME
from tierbreak.tools.compare.report.plots import Bar, bars

TITLE = "Who decides"
#: Rows of a table that are seen at once.
SHOWN = 12
_FALLBACK = " The fallback is a simpler model that stands in where the model cannot be loaded."


def section(found: Attribution) -> Section:
    """What `measure.attribution` found, as blocks."""
    if not found.n:
        nothing = Text("There are no paired decisions: nobody decides anything.", "warn")
        return Section("attribution", TITLE, (nothing,), found)
    blocks: list[Block] = [
        Text(
            "A decider is what gave the answer: a rule, the cache (what the model said before), the model, an ordered "
            "list, or a file of decisions. Where none does, the side gives no answer."
            + (_FALLBACK if any(one.decider == "fallback" for one in found.decides) else "")
            + (" A transaction counts as often as its weight says." if found.weighted else "")
        ),
        _figure(found),
        _matrix(found),
        _meetings(found),
        _tiers(found, "new"),
        _tiers(found, "old"),
        *_right(found),
        _cells(found),
    ]
    return Section("attribution", TITLE, tuple(blocks), found)


def _figure(found: Attribution) -> Figure:
    groups: dict[str, list[Bar]] = {}
    for one in found.decides:
        says = f"{one.side} side, {one.decider}: {percent(one.share)}"
        groups.setdefault(one.decider, []).append(Bar(one.side, one.share, says))
    order = sorted(groups, key=lambda name: name == NOBODY)
    title = "Who decides: old side above, new side below"
    says = "; ".join(bar.says for name in order for bar in groups[name])
    return Figure(title, bars(title, [(name, groups[name]) for name in order], says), says)


def _matrix(found: Attribution) -> Table:
    met = {(one.old, one.new): one for one in found.meetings}
    old, new = ([one.decider for one in found.decides if one.side == side] for side in ("old", "new"))

    def cell(one: Meeting | None) -> str:
        return "-" if one is None else f"{percent(one.share)} ({percent(one.exact_share)})"

    return Table(
        ("old side", *(f"new: {name}" for name in new)),
        tuple((name, *(cell(met.get((name, other))) for other in new)) for name in old),
        title="Old decider by new decider",
        note="Share of all transactions; in brackets, how much of it agrees exactly.",
    )


def _meetings(found: Attribution) -> Table:
    return Table(
        ("old decider", "new decider", "transactions", "share", "agree exactly", "agree by family", *_money(found)),
        tuple(
            (one.old, one.new, count(one.n), percent(one.share), percent(one.exact_share), percent(one.family_share),
             *_money(found, one.money))
            for one in found.meetings
        ),
        title="The same in numbers", words=frozenset({0, 1}), shown=SHOWN,
    )  # fmt: skip


def _tiers(found: Attribution, side: str) -> Table:
    tiers = [one for one in found.tiers if one.side == side]
    alone, other = ("gained", "took over from") if side == "new" else ("lost", "taken over by")

    def against(one: Tier) -> str:
        return ", ".join(f"{name} {percent(n / one.n)}" for name, n in one.against)

    return Table(
        ("decider", other, "transactions", "answer differs", "share of its own", "another brand", alone),
        tuple(
            (one.decider, against(one), count(one.n), count(one.differs), percent(one.share), count(one.changed),
             count(one.alone))
            for one in tiers
        ),
        title=f"What each decider of the {side} side {'takes over' if side == 'new' else 'hands over'}",
        note=f"{alone}: only the {side} side answers. The others of its differences are another brand, or an answer of "
        f"the other side where it gives none.",
        words=frozenset({0, 1}),
    )  # fmt: skip


def _right(found: Attribution) -> list[Block]:
    if not found.gold:
        return [Text("Who was right where they differ cannot be said without a gold set.", "soft")]
    judged = [(one, one.right) for one in found.meetings if one.right is not None]
    if not judged:
        return [Text("No transaction is in the gold set: who was right cannot be said.", "warn")]
    table = Table(
        ("old decider", "new decider", "gold rows", "both right", "only old", "only new", "neither"),
        tuple(
            (one.old, one.new, count(right.n), *(percent(part / right.n) for part in
             (right.both, right.old, right.new, right.neither)))
            for one, right in judged
        ),
        title="Who was right, on the gold set", words=frozenset({0, 1}), shown=SHOWN,
        note="No answer is right where a transaction has no known brand.",
    )  # fmt: skip
    return [table]


def _cells(found: Attribution) -> Block:
    if not found.cells:
        return Text("No answer differs, whoever decides.", "good")
    rest = found.differing - len(found.cells)
    more = f" Not listed: {count(rest)} more." if rest else ""
    return Table(
        ("from", "to", "old answer", "new answer", "what becomes of it", "transactions", "share", *_money(found)),
        tuple((*_cell(one), *_money(found, one.money)) for one in found.cells),
        title="What differs most, and who decided it",
        note=f"A number behind a decider is its mean confidence.{more}",
        words=frozenset({0, 1, 2, 3, 4}), shown=SHOWN,
    )  # fmt: skip


def _cell(one: Cell) -> tuple[str, ...]:
    words = f"old {said(one.old)}", f"new {said(one.new)}", one.old.brand, one.new.brand, OUTCOME[one.outcome][0]
    return *words, count(one.n), percent(one.share, 2)


def _money(found: Attribution, money: float | None = None) -> tuple[str, ...]:
    """The column of money, or what stands in it; nothing where the traffic has none."""
    if not found.money:
        return ()
    return ("money",) if money is None else (count(money),)


def said(one: Said) -> str:
    """Who said it, in a few words.

    >>> nan = math.nan
    >>> said(Said("Uber", "list", "UBER", None, nan)), said(Said("Uber Eats", "rules", "uber-eats.eats", None, nan))
    ('list rule "UBER"', 'rule uber-eats.eats')
    >>> said(Said("Lyft", "model", None, None, 0.9712)), said(Said(NOBODY, NOBODY, None, "no-known-brand", nan))
    ('model 0.97', 'no answer (no-known-brand)')
    """
    if one.decider == NOBODY:
        return f"{NOBODY} ({one.reason})" if one.reason else NOBODY
    if one.decider == "rules":
        return f"rule {one.rule}" if one.rule else "rules"
    rule = f' rule "{one.rule}"' if one.rule else ""
    return f"{one.decider}{rule}" + ("" if math.isnan(one.confidence) else f" {one.confidence:.2f}")
