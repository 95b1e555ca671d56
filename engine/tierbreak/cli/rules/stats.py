"""`tierbreak rules stats`: what each rule is good for on last month's rows, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tierbreak.cli import options
from tierbreak.cli.output import aligned, cut, say, visible

if TYPE_CHECKING:
    from tierbreak.rulebook import Rule
    from tierbreak.tools.rules.traffic.stats import RuleFigures, Stats
    from tierbreak.tools.rules.traffic.stats.report import Advices

_COLUMNS = "Columns of the traffic (found by usual names when not given; '' leaves one out)"
_Sort = Literal[
    "rows", "money", "id", "overlap", "conflict", "contested", "changed", "model", "precision", "last", "cost"
]


def stats(
    traffic: Annotated[str, typer.Argument(metavar="TRAFFIC", help="Rows of last month; - for standard input.")],
    gold: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rows with trusted brands, for each rule's precision.")
    ] = None,
    format: Annotated[
        Literal["text", "markdown", "json", "csv"], typer.Option(help="How to write the report; json has every figure.")
    ] = "text",
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Rules shown; json and csv have them all.")] = 20,
    sort: Annotated[_Sort, typer.Option(help="What puts a rule first.")] = "rows",
    rule: Annotated[str | None, typer.Option(metavar="ID", help="One rule in full.")] = None,
    only: Annotated[
        Literal["fix", "merge", "retire", "keep"] | None, typer.Option("--advice", help="Rules with this advice alone.")
    ] = None,
    ask_model: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Ask the model for at most N keys that the cache lacks."),
    ] = 0,
    season: Annotated[
        int, typer.Option("--seasonal-days", min=1, metavar="N", help="A rule may be silent for so long.")
    ] = 400,
    cost: Annotated[bool, typer.Option(help="Take the time of each rule.")] = True,
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
    """Say of every rule what it decides, what would decide without it, how right it is, and keep, fix, merge or retire.

    Nothing is changed and nothing deleted: to retire a rule an edit of one line is printed. What the model would say
    comes from the cache; what the cache does not know is counted as not known, unless --ask-model asks.
    """
    from tierbreak.cli.progress import counter
    from tierbreak.tools.models.evaluation import Gold
    from tierbreak.tools.rules.traffic import Traffic
    from tierbreak.tools.rules.traffic import stats as library
    from tierbreak.tools.rules.traffic.stats import report

    columns = {
        "descriptor": descriptor, "amount": amount, "date": date, "mcc": mcc, "country": country, "source": source,
        "weight": weight,
    }  # fmt: skip
    settings = {"debits": debits, "as_of": options.day(as_of, "--as-of")}
    with options.load(
        rules=rules, overlay=overlay, model=model, no_model=no_model, cache=cache, no_cache=no_cache, settings=settings
    ) as engine:
        parts = engine.parts
        if rule is not None:
            _known(rule, parts.book.rules)
        trusted = Gold.read(gold, parts.registry) if gold is not None else None
        with counter("rows read", shown=not quiet) as advance:
            rows = Traffic.read(
                traffic, [parts.book], format=traffic_format, columns=columns, debits=engine.settings.debits,
                date_order=date_order, advance=advance,
            )  # fmt: skip
        if ask_model:
            with counter("keys asked", shown=not quiet) as advance:
                asked = library.ask_model(parts, rows, engine.settings, ask_model, advance=advance)
            if not quiet:
                say(f"the model was asked for {asked:,} keys; the cache has them now")
        with counter("distinct rows decided", shown=not quiet) as advance:
            found = library.measure(parts, rows, engine.settings, gold=trusted, timed=cost, advance=advance)
    advices = library.advise(found, library.Limits(seasonal_days=season))
    shown = [one for one in report.ordered(found, sort) if only is None or advices[one.id].action == only]
    if rule is not None:
        shown = [found[rule]]
    _print(found, advices, shown, format=format, top=top, full=rule is not None)
    if not quiet:
        for notice in found.facts.notices:
            say(f"notice: {notice}")


def _known(rule: str, have: Sequence[Rule]) -> None:
    """Raise SettingsError where no rule that runs has this id."""
    from tierbreak.core.nearest import nearest
    from tierbreak.errors import SettingsError
    from tierbreak.rulebook import RUNS

    running = [one.id for one in have if one.status in RUNS]
    if rule in running:
        return
    if any(one.id == rule for one in have):
        raise SettingsError(f"--rule: {rule!r} is a draft: it never runs, and there is nothing to say of it")
    near = nearest(rule, running)
    raise SettingsError(f"--rule: no rule {rule!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))


def _print(found: Stats, advices: Advices, shown: Sequence[RuleFigures], *, format: str, top: int, full: bool) -> None:
    import json

    from tierbreak.tools.rules.traffic.stats import report

    if format == "json":
        print(json.dumps(report.to_dict(found, advices, shown), ensure_ascii=False, indent=2, allow_nan=False))
    elif format == "csv":
        print(report.frame(found, advices, shown).write_csv(), end="")
    elif format == "markdown":
        print(report.markdown(found, advices, shown, top=top), end="")
    elif full:
        _in_full(advices, shown[0])
    else:
        _table(found, advices, shown, top)


def _table(found: Stats, advices: Advices, shown: Sequence[RuleFigures], top: int) -> None:
    from tierbreak.tools.rules.traffic.stats import ACTIONS, report

    for line in report.opening(found, advices):
        print(visible(line))
    print()
    if not shown:
        print("no rule with this advice" if found.rules else "no rule runs")
    else:
        lines = [report.COLUMNS, *(report.cells(found, rule, advices[rule.id]) for rule in shown[:top])]
        for line in aligned([[visible(cut(cell, 34)) for cell in line] for line in lines]):
            print(line.rstrip())
        if len(shown) > top:
            print(f"and {len(shown) - top:,} more rules; --top shows more, --sort others")
    for action in ACTIONS[:-1]:
        advised = report.advised(shown, advices, action)
        if not advised:
            continue
        print(f"\n{action} ({len(advised):,} rule{'s' * (len(advised) != 1)})")
        for rule in advised[:top]:
            advice = advices[rule.id]
            print(visible(f"  {rule.id}  {rule.place}"))
            for said in (advice.reason, *advice.also):
                print(visible(f"    {said}"))
            if advice.edit is not None:
                for line in advice.edit.diff().splitlines():
                    print(visible(f"      {line}"))
        if len(advised) > top:
            print(f"  and {len(advised) - top:,} more; --top shows more")


def _in_full(advices: Advices, rule: RuleFigures) -> None:
    from tierbreak.tools.rules.traffic.stats.detail import detail

    advice = advices[rule.id]
    for line in aligned(detail(rule, advice)):
        print(visible(line))
    if advice.edit is not None:
        print(advice.edit.diff())
