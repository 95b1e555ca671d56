"""A comparison as Markdown, to stand as a comment under a pull request: the figures first, details folded away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tierbreak.tools.rules.traffic.diff.report import SAYS, Diff, Flip
from tierbreak.tools.rules.traffic.diff.words import number, percent, rows_of


def markdown(found: Diff, *, top: int) -> str:
    """The report, of at most `top` flips of each sort; ends in a newline."""
    lines = [f"### {_headline(found)}", "", f"{code(found.a.name)} → {code(found.b.name)} on {_traffic(found)}.", ""]
    if found.flips or found.same:
        kinds = [(SAYS[kind], *found.figures(*sums)) for kind, sums in found.by_kind().items()]
        lines += [*table(["", *found.columns], kinds, words=1), ""]
    if found.flips:
        lines += [*_flips(found, found.flips, top), ""]
    if found.same:
        lines += _folded("The same answer, decided otherwise", _flips(found, found.same, top))
    lines += _folded(_counted(found), _changes(found))
    lines += _folded("Approvals", _approvals(found))
    if found.open:
        stanzas = "\n".join(found.stanzas(top))
        lines += _folded("To approve, for an approvals file", ["```toml", *stanzas.splitlines(), "```"])
    lines += [f"- note: {_escaped(notice)}" for notice in found.notices]
    return "\n".join(lines).rstrip("\n") + "\n"


def _headline(found: Diff) -> str:
    whole = found.traffic
    if not found.flips:
        return f"No row of {number(whole.rows)} gets another answer"
    return f"{rows_of(found.rows, 'get')} another answer: {percent(found.rows, whole.rows)} of {number(whole.rows)}"


def _traffic(found: Diff) -> str:
    whole = found.traffic
    days = f", {whole.window[0]} to {whole.window[1]}" if whole.window else ""
    money = f", {whole.money:,.2f} of money" if whole.money is not None else ""
    return f"{code(whole.name)}: {rows_of(whole.rows)}{money}{days}"


def _flips(found: Diff, flips: Sequence[Flip], top: int) -> list[str]:
    rows = []
    for flip in flips[:top]:
        strings = "<br>".join(code(text) for text in flip.strings)
        marks = [] if flip.kind in ("same-brand", "same-none") else ["family"] * flip.family
        marks += ["approved"] * (flip.approval is not None)
        rows.append((_escaped(str(flip.old)), _escaped(str(flip.new)) + _noted(marks), strings,
                     *found.figures(flip.rows, flip.money)))  # fmt: skip
    out = table(["before", "after", "such as", *found.columns], rows, words=3)
    if len(flips) > top:
        rest = flips[top:]
        out += ["", f"and {len(rest)} more, of {rows_of(sum(flip.rows for flip in rest))} together"]
    return out


def _noted(marks: Sequence[str]) -> str:
    return f" _({', '.join(marks)})_" if marks else ""


def _counted(found: Diff) -> str:
    """How many rules and brands are not what they were."""
    changes = found.changes
    counts = [
        f"{sum(change.kind == kind for change in changes.rules)} {kind}" for kind in ("added", "changed", "removed")
    ]
    more = f", {len(changes.brands)} lines of the registry" if changes.brands else ""
    return f"Rules: {', '.join(counts)}{more}"


def _changes(found: Diff) -> Iterable[str]:
    flips = found.by_rule()
    for change in found.changes.rules:
        rows = f", {rows_of(flips[change.id], 'flip')}" if change.id in flips else ""
        yield f"- {change.kind} {code(change.id)} ({change.brand}, {code(change.place)}){rows}"
        yield from (f"  - {code(line)}" for line in change.says)
    for brand in found.changes.brands:
        yield f"- {brand.kind} brand {code(brand.id)}{'; '.join(['', *map(_escaped, brand.says)])}"
    if found.changes.words:
        yield f"- in owner, examples or notes alone: {', '.join(map(code, found.changes.words))}"
    if found.changes.names:
        yield f"- brands in names and aliases alone: {', '.join(map(code, found.changes.names))}"


def _approvals(found: Diff) -> Iterable[str]:
    for one in found.approvals:
        approval = one.approval
        what = f"{approval.old} → {approval.new}" + (f", rule {approval.rule}" if approval.rule else "")
        says = (
            f"{one.state} on {approval.expires}" if one.state == "expired" else f"{one.state}, until {approval.expires}"
        )
        yield f"- {_escaped(what)}: {says}, {rows_of(one.rows)}; {_escaped(f'{approval.owner}: {approval.reason}')}"


def _folded(summary: str, lines: Iterable[str]) -> list[str]:
    body = list(lines)
    return ["<details>", f"<summary>{_escaped(summary)}</summary>", "", *body, "", "</details>", ""] if body else []


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, words: int) -> list[str]:
    """Lines of a table; the first `words` columns are text, the others figures. Cells are Markdown already."""
    rule = ["---" if at < words else "---:" for at in range(len(columns))]
    return ["| " + " | ".join(row) + " |" for row in (columns, rule, *rows)]


def code(text: str) -> str:
    """
    >>> code("UBR`* |")
    "`UBR'* \\\\|`"
    """
    return f"`{_line(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _escaped(text: str) -> str:
    """Text that no Markdown reads as markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", _line(text))


def _line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
