"""`tierbreak rules diff`: what a change to the rulebook would do to last month."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tierbreak.cli import options
from tierbreak.cli.output import aligned, cut, say, visible, width

if TYPE_CHECKING:
    from tierbreak.tools.rules.traffic.diff import Diff, Flip

_COLUMNS = "Columns of the traffic (found by usual names when not given; '' leaves one out)"
_SIGN = {"added": "+", "changed": "~", "removed": "-"}


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="Before: a folder, or a git revision of the rules.")] = "HEAD",
    b: Annotated[
        str | None, typer.Argument(metavar="B", help="After: likewise; without it the rules as they lie there.")
    ] = None,
    traffic: Annotated[str, typer.Option(metavar="FILE", help="Rows of last month; - for standard input.")] = ...,  # type: ignore[assignment]
    format: Annotated[Literal["text", "markdown", "json"], typer.Option(help="How to write the report.")] = "text",
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Flips shown; JSON has them all.")] = 20,
    sort: Annotated[Literal["rows", "money"], typer.Option(help="What puts a flip first.")] = "rows",
    budget: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Fail (exit code 3) where more rows flip without approval: 0.05%."),
    ] = None,
    budget_money: Annotated[str | None, typer.Option(metavar="SHARE", help="The same of money.")] = None,
    approvals: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML: flips that somebody answers for, until when.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notices.")] = False,
    traffic_format: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="Traffic: csv, tsv, jsonl, parquet or lines; without it by its name."),
    ] = None,
    descriptor: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    amount: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    date: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    mcc: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    country: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    source: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    weight: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What each row counts for.", rich_help_panel=_COLUMNS)
    ] = None,
    date_order: Annotated[
        Literal["mdy", "dmy"] | None,
        typer.Option(help="What 03/04/2024 means; without it as the other dates show.", rich_help_panel=_COLUMNS),
    ] = None,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
    model: options.ModelOption = None,
    no_model: options.NoModelOption = False,
    cache: options.CacheOption = None,
    no_cache: options.NoCacheOption = False,
    debits: options.DebitsOption = None,
    as_of: options.AsOfOption = None,
) -> None:
    """Decide last month's rows with two versions of the rulebook, and show the rows that flip.

    A revision (HEAD~1, main, v1.2) is one of the rules folder: the shipped one, or that of --rules; with --overlay, of
    the overlay. REV:path is another folder of the repository. Rules changed, added and removed are listed; what rules
    leave open is looked up in the cache, and where the model has not been asked yet the flip says so.
    """
    from tierbreak import DEFAULT, SHIPPED, Settings
    from tierbreak.cli.progress import counter
    from tierbreak.tools.rules.traffic.diff import Budget, Compared
    from tierbreak.tools.rules.traffic.diff import diff as compare
    from tierbreak.tools.rules.traffic.diff.markdown import markdown

    options.exclude(("--model", model, "--no-model", no_model), ("--cache", cache, "--no-cache", no_cache))
    allowed = Budget.of(budget, budget_money)
    given = {"debits": debits, "as_of": options.day(as_of, "--as-of")}
    columns = {
        "descriptor": descriptor, "amount": amount, "date": date, "mcc": mcc, "country": country, "source": source,
        "weight": weight,
    }  # fmt: skip
    with counter("rows read", shown=not quiet) as advance:
        found = compare(
            Compared(rules or SHIPPED, overlay, None if no_model else model or SHIPPED),
            a, b, traffic,
            cache=None if no_cache else cache or DEFAULT,
            settings=Settings.of(**{name: value for name, value in given.items() if value is not None}),
            approvals=approvals, advance=advance, format=traffic_format, columns=columns, date_order=date_order,
        ).sorted(sort)  # fmt: skip
    if format == "json":
        import json

        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    elif format == "markdown":
        print(markdown(found, top=top), end="")
    else:
        for line in _text(found, top):
            print(line)
    sys.stdout.flush()  # in a log the report stands before what is said of it
    if not quiet:
        for notice in found.notices:
            say(f"notice: {notice}")
        for line in _lapsed(found):
            say(f"notice: {line}")
    allowed.held(found)


def _text(found: Diff, top: int) -> Iterator[str]:
    from tierbreak.tools.rules.traffic.diff.report import SAYS
    from tierbreak.tools.rules.traffic.diff.words import number, percent, rows_of

    yield from aligned(
        (name, visible(side.name), f"{side.rules:,} rules, {side.brands:,} brands")
        for name, side in (("A", found.a), ("B", found.b))
    )
    whole = found.traffic
    yield from ("", *_changes(found), "")
    days = f", {whole.window[0]} to {whole.window[1]}" if whole.window else ""
    money = f", {whole.money:,.2f} of money" if whole.money is not None else ""
    yield f"{visible(whole.name)}: {rows_of(whole.rows)}{money}{days}"
    if whole.broken:
        yield f"{rows_of(whole.broken)} left out that could not be read as written"
    if not found.flips:
        yield f"no row of {number(whole.rows)} gets another answer"
    else:
        spent = f", {found.money:,.2f} of money ({percent(found.money, whole.money)})" if whole.money else ""
        get = "gets" if found.rows == 1 else "get"
        yield f"{rows_of(found.rows)} ({percent(found.rows, whole.rows)}){spent} {get} another answer"
    kinds = [(SAYS[kind], *found.figures(*sums)) for kind, sums in found.by_kind().items()]
    if kinds:
        yield from ("", *_table(["", *found.columns], kinds))
    if found.flips:
        yield from ("", *_flips(found, found.flips, top))
    if found.same:
        yield from ("", "the same answer, decided otherwise:", *_flips(found, found.same, top))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, figures to the right."""
    wide = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    return [
        "  ".join([row[0].ljust(wide[0]), *(cell.rjust(w) for cell, w in zip(row[1:], wide[1:], strict=True))]).rstrip()
        for row in (head, *rows)
    ]


def _flips(found: Diff, flips: Sequence[Flip], top: int) -> Iterator[str]:
    """Figures in columns, the answers behind them, strings below."""
    from tierbreak.tools.rules.traffic.diff.words import rows_of

    shown = flips[:top]
    columns = found.columns
    cells = [found.figures(flip.rows, flip.money) for flip in shown]
    wide = [max(len(row[at]) for row in (columns, *cells)) for at in range(len(columns))]

    def line(row: Sequence[str], rest: str) -> str:
        return "  ".join([*(cell.rjust(w) for cell, w in zip(row, wide, strict=True)), rest])

    yield line(columns, "before -> after, and such strings")
    indent = " " * (sum(wide) + 2 * len(wide) + 2)
    for flip, row in zip(shown, cells, strict=True):
        marks = ["one family"] * flip.family + ["approved"] * (flip.approval is not None)
        noted = f"  [{', '.join(marks)}]" if marks else ""
        yield line(row, visible(f"{flip.old} -> {flip.new}{noted}"))
        for text in flip.strings:
            yield indent + cut(visible(text), max(20, width(120) - len(indent)))
    if len(flips) > top:
        rest = flips[top:]
        yield f"and {len(rest):,} more, of {rows_of(sum(flip.rows for flip in rest))} together; --top shows more"


def _changes(found: Diff) -> Iterator[str]:
    from tierbreak.tools.rules.traffic.diff.words import rows_of

    changes, flips = found.changes, found.by_rule()
    if changes.nothing:
        yield "no rule and no brand decides otherwise"
    if changes.rules:
        yield _counted("rules", [change.kind for change in changes.rules])
    for rule in changes.rules:
        rows = f"  {rows_of(flips[rule.id], 'flip')}" if rule.id in flips else ""
        yield visible(f"  {_SIGN[rule.kind]} {rule.id} ({rule.brand})  {rule.place}{rows}")
        yield from (visible(f"      {line}") for line in rule.says)
    if changes.brands:
        yield _counted("brands", [change.kind for change in changes.brands])
    for brand in changes.brands:
        yield visible(f"  {_SIGN[brand.kind]} {brand.id}  {'; '.join(brand.says)}".rstrip())
    if changes.words:
        yield visible(f"in owner, examples or notes alone: {', '.join(changes.words)}")
    if changes.names:
        yield visible(f"brands in names and aliases alone: {', '.join(changes.names)}")


def _counted(what: str, kinds: Sequence[str]) -> str:
    return f"{what}: " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in _SIGN if kind in kinds)


def _lapsed(found: Diff) -> Iterator[str]:
    """Approvals that do nothing: take them out of the file, or renew them."""
    from tierbreak.tools.rules.traffic.diff.words import rows_of

    for one in found.approvals:
        approval = one.approval
        what = f"approval at line {approval.line} ({approval.old} -> {approval.new}, {approval.owner})"
        if one.state == "expired":
            left = f"{rows_of(one.rows, 'flip')} without it" if one.rows else "nothing would need it"
            yield f"{what} expired on {approval.expires}; {left}"
        elif one.state == "unused":
            yield f"{what} is not used: no such row flips"
