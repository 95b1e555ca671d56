"""Collisions for a terminal: the split as a table, then each cause in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from tierbreak.tools.rules.traffic.collisions import words
from tierbreak.tools.rules.traffic.collisions.report import Cause, Kind, Repair, Report, Shown


def split(report: Report) -> list[tuple[str, ...]]:
    """The table of kinds, its head first."""
    money = report.total.money is not None
    lines = [("kind", "rows", "share", *(["money"] if money else []), "causes", "model against", "not asked")]
    for one in report.kinds:
        spent = [words.amount(one.volume.money or 0.0)] if money else []
        figures = [words.number(one.volume.rows), words.percent(one.volume.rows, report.total.rows), *spent]
        heard = ["" if each is None else words.number(each) for each in (one.against, one.unknown)]
        lines.append((words.KINDS[one.kind][0].lower(), *figures, f"{one.causes:,}", *heard))
    return [tuple(line) for line in lines]


def causes(report: Report) -> Iterator[str]:
    """Lines on every cause, by kind."""
    for kind in report.kinds:
        mine = [cause for cause in report.causes if cause.kind == kind.kind]
        if mine:
            yield from ("", f"{words.KINDS[kind.kind][0].upper()}: {words.KINDS[kind.kind][1]}")
        for cause in mine:
            yield from ([_short(cause)] if kind.kind in words.HARMLESS else ["", *_full(cause)])
        yield from _left(kind, mine)


def _left(kind: Kind, mine: list[Cause]) -> Iterator[str]:
    if mine and len(mine) < kind.causes:
        left = kind.volume.rows - sum(cause.volume.rows for cause in mine)
        yield from ("", f"and {kind.causes - len(mine):,} more, of {words.rows(left)} together; --top shows more")


def _short(cause: Cause) -> str:
    return f"  {words.volume(cause.volume)}: {words.title(cause)}, such as {cause.shown[0].text}"


def _full(cause: Cause) -> Iterator[str]:
    money = f", {cause.rank[1]}. by money" if cause.rank[1] else ""
    yield f"{cause.rank[0]}. by rows{money}: {words.title(cause)}"
    yield f"  {words.sentence(cause)}"
    if said := words.sided(cause):
        yield f"  {said}"
    for party in (cause.leader, *cause.others[:3]):
        yield f"    {party.rule}  {party.place}  {'  '.join(party.patterns)}"
    for shown in cause.shown:
        model = f"  (model: {shown.model})" if shown.model else ""
        yield f"    {words.number(shown.rows)} x {_bracketed(shown)}{model}"
    if cause.proof:
        yield f"  {cause.proof.says}"
    if none := words.unrepaired(cause):
        yield f"  {none}"
    for number, repair in enumerate(cause.repairs, start=1):
        yield from _repair(number, repair)


def _bracketed(shown: Shown) -> str:
    """The text with what the leader found in [ ] and what the other rule found in { }.

    >>> _bracketed(Shown("UBER EATS NY", 1, None, "x", "", ((0, 4, "both"), (4, 9, "other"))))
    '{[UBER] EATS} NY'
    """
    out = list(shown.text)
    for start, end in _joined(shown, "leader"):
        out[start], out[end - 1] = "[" + out[start], out[end - 1] + "]"
    for start, end in _joined(shown, "other"):
        out[start], out[end - 1] = "{" + out[start], out[end - 1] + "}"
    return "".join(out)


def _joined(shown: Shown, who: str) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for start, end, whose in shown.marks:
        if whose in (who, "both"):
            if runs and runs[-1][1] == start:
                runs[-1] = (runs[-1][0], end)
            else:
                runs.append((start, end))
    return runs


def _repair(number: int, repair: Repair) -> Iterator[str]:
    yield f"  repair {number}, {repair.kind}, cost {repair.cost}: {repair.says}"
    yield f"    {words.effect(repair)}"
    for edit in repair.edits[:3]:
        yield f"    {edit.place}  {edit.before or '(nothing)'}  ->  {edit.after or '(nothing)'}"
    if len(repair.edits) > 3:
        yield f"    and {len(repair.edits) - 3} more edits of the same kind"
    for flow in repair.flows[:4]:
        yield f"      {words.worth(flow.rows, flow.money)}: {words.flow(flow)}  ({flow.example})"
    if left := words.rest(repair, 4):
        yield f"      {left}"
