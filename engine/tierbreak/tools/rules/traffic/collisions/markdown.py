"""Collisions as Markdown: the split, then each cause with strings, proof and repairs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tierbreak.tools.rules.traffic.collisions import words
from tierbreak.tools.rules.traffic.collisions.report import Cause, Kind, Repair, Report


def markdown(report: Report) -> str:
    """The whole report; ends in a newline."""
    lines = [f"# What collides in {code(report.traffic)}", "", escaped(words.opening(report)), ""]
    money = report.total.money is not None
    lines += _table(
        ["kind", "what settles it", "rows", *(["money"] if money else []), "causes", "model sides with the loser"],
        [_kind(one, money) for one in report.kinds], 2,
    )  # fmt: skip
    lines += ["", escaped(words.listening(report))]
    for one in report.kinds:
        causes = [cause for cause in report.causes if cause.kind == one.kind]
        if causes:
            lines += ["", f"## {words.KINDS[one.kind][0]}", ""]
            lines += _harmless(causes, money) if one.kind in words.HARMLESS else [*_causes(causes)]
        if len(causes) < one.causes and causes:
            left = one.volume.rows - sum(cause.volume.rows for cause in causes)
            lines += ["", f"and {one.causes - len(causes):,} more, of {words.rows(left)} together"]
    lines += ["", "---", ""]
    if report.window:
        lines.append(f"- rows from {report.window[0]} to {report.window[1]}")
    lines.append(f"- rulebook: fingerprint {code(report.rules[:16])}")
    lines += [f"- note: {escaped(notice)}" for notice in report.notices]
    return "\n".join(lines) + "\n"


def _kind(one: Kind, money: bool) -> list[str]:
    title, says = words.KINDS[one.kind]
    spent = [words.amount(one.volume.money)] if money and one.volume.money is not None else []
    against = "" if one.against is None else words.number(one.against)
    return [title, escaped(says), words.number(one.volume.rows), *spent, f"{one.causes:,}", against]


def _harmless(causes: Sequence[Cause], money: bool) -> list[str]:
    rows = [
        [code(cause.leader.rule), ", ".join(code(one.rule) for one in cause.others),
         words.number(cause.volume.rows), *([words.amount(cause.volume.money or 0.0)] if money else []),
         code(cause.shown[0].text)]
        for cause in causes
    ]  # fmt: skip
    head = ["rule", "others", "rows", *(["money"] if money else []), "such as"]
    return _table(head, rows, 2)


def _causes(causes: Sequence[Cause]) -> Iterator[str]:
    for at, cause in enumerate(causes):
        yield from ([""] if at else [])
        place = f"#{cause.rank[0]} by rows" + (f", #{cause.rank[1]} by money" if cause.rank[1] else "")
        yield from (f"### {escaped(words.title(cause))}", "", escaped(words.sentence(cause)))
        if said := words.sided(cause):
            yield escaped(said)
        yield from ("", f"{place}. The rules:", "")
        for party in (cause.leader, *cause.others):
            patterns = ", ".join(map(code, party.patterns))
            yield f"- {code(party.rule)} ({party.brand or 'every brand'}) at {code(party.place)}: {patterns}"
        if cause.met > len(cause.others):
            yield f"- and {cause.met - len(cause.others):,} more"
        yield ""
        for shown in cause.shown:
            model = f", the model: {shown.model}" if shown.model else ""
            yield f"- {code(shown.text)} {words.worth(shown.rows, shown.money)}, with {code(shown.other)}{model}"
        if cause.proof:
            yield from ("", escaped(cause.proof.says))
        if none := words.unrepaired(cause):
            yield from ("", none)
        for number, repair in enumerate(cause.repairs, start=1):
            yield from ("", *_repair(number, repair))


def _repair(number: int, repair: Repair) -> Iterator[str]:
    yield f"**Repair {number}** ({repair.kind}, cost {repair.cost}): {escaped(repair.says)}. {words.effect(repair)}"
    yield ""
    yield "```diff"
    for edit in repair.edits:
        yield f"# {edit.place} {edit.rule}"
        yield from ([f"- {edit.before}"] if edit.before else [])
        yield from ([f"+ {edit.after}"] if edit.after else [])
    yield from ("```", "")
    for flow in repair.flows:
        yield f"- {words.worth(flow.rows, flow.money)}: {escaped(words.flow(flow))}, such as {code(flow.example)}"
    if left := words.rest(repair, len(repair.flows)):
        yield f"- {left}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """`left` columns to the left, the others to the right but for a last one of code."""
    wordy = {*range(left), *([len(head) - 1] if rows and rows[0][-1].startswith("`") else [])}
    rule = ["---" if at in wordy else "---:" for at in range(len(head))]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]


def escaped(text: str) -> str:
    """Text that no Markdown reads as markup, but for what stands between backticks.

    >>> print(escaped("SQ *CAFE and `A*B`"))
    SQ \\*CAFE and `A*B`
    """
    parts = _line(text).split("`")
    return "`".join(re.sub(r"([\\*_{}\[\]<>#|~&])", r"\\\1", part) if at % 2 == 0 else part.replace("|", "\\|")
                    for at, part in enumerate(parts))  # fmt: skip


def code(text: str) -> str:
    """
    >>> code("A|B"), code("")
    ('`A\\\\|B`', 'none')
    """
    return f"`{_line(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`" if text else "none"


def _line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
