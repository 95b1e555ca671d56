"""`tierbreak rules collisions`: where rules get in each other's way on real rows, and what would mend it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tierbreak.cli import options, places
from tierbreak.cli.output import aligned, say, visible

if TYPE_CHECKING:
    from tierbreak.tools.rules.traffic.collisions import Report

_COLUMNS = "Columns of the traffic (found by usual names when not given; '' leaves one out)"


def collisions(
    traffic: Annotated[str, typer.Argument(metavar="TRAFFIC", help="Rows of last month; - for standard input.")],
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page (HTML) there.")] = None,
    format: Annotated[Literal["text", "markdown", "json"], typer.Option(help="How to write the report.")] = "text",
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Causes of each kind that are told in full.")] = 10,
    ask_model: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Ask the model for N such keys at most that the cache lacks; keep none."),
    ] = 0,
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
    """Show what collides, by cause and not by pair, ranked by rows and by money, each with repairs that were tried.

    A row counts once, with the gravest of its collisions: contested, denied, settled by edge, settled by span, or
    harmless. Whom the model sides with is read from the cache; what the cache does not know is counted as not asked.
    A repair is named only where the collision is gone with it and every example still comes out right.
    """
    from tierbreak.cli.progress import counter
    from tierbreak.tools.rules.traffic import Traffic
    from tierbreak.tools.rules.traffic.collisions import collisions as find
    from tierbreak.tools.rules.traffic.collisions.page import page

    columns = {
        "descriptor": descriptor, "amount": amount, "date": date, "mcc": mcc, "country": country, "source": source,
        "weight": weight,
    }  # fmt: skip
    settings = {"debits": debits, "as_of": options.day(as_of, "--as-of")}
    if report is not None:
        places.check([report], {Path(traffic): "is the traffic"})
    with options.load(
        rules=rules, overlay=overlay, model=model, no_model=no_model, cache=cache, no_cache=no_cache, settings=settings
    ) as engine:
        with counter("rows read", shown=not quiet) as advance:
            rows = Traffic.read(
                traffic, [engine.parts.book], format=traffic_format, columns=columns, debits=engine.settings.debits,
                date_order=date_order, ranges=True, advance=advance,
            )  # fmt: skip
        with counter("distinct rows decided", shown=not quiet) as advance:
            found = find(engine, rows, top=top, ask_model=ask_model, advance=advance)
    if report is not None:  # before the rest: whoever reads that from a pipe may close it early
        places.write(report, page(found))
    _print(found, format)
    if not quiet:
        for notice in found.notices:
            say(f"notice: {notice}")
        if report is not None:
            say(f"written: {report}")


def _print(found: Report, format: str) -> None:
    import json

    from tierbreak.tools.rules.traffic.collisions import text, words
    from tierbreak.tools.rules.traffic.collisions.markdown import markdown

    if format == "json":
        print(json.dumps(found.to_dict(), ensure_ascii=False, indent=2, allow_nan=False))
    elif format == "markdown":
        print(markdown(found), end="")
    else:
        print(visible(words.opening(found)))
        print()
        for line in aligned(text.split(found)):
            print(line.rstrip())
        print()
        print(words.listening(found))
        for line in text.causes(found):
            print(visible(line))
