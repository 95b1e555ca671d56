"""`tierbreak rules suggest`: rules that nobody has written, from what the model says of last month's rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tierbreak.cli import options
from tierbreak.cli.output import say

if TYPE_CHECKING:
    from tierbreak.tools.rules.mining import Suggested

_COLUMNS = "Columns of the traffic (found by usual names when not given; '' leaves one out)"


def suggest(
    traffic: Annotated[str, typer.Argument(metavar="TRAFFIC", help="Rows of last month; - for standard input.")],
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Write rule files here, below mined/, in place of a diff."),
    ] = None,
    format: Annotated[
        Literal["diff", "json"], typer.Option(help="What to print: a unified diff that adds files, or the figures.")
    ] = "diff",
    status: Annotated[
        Literal["shadow", "draft"], typer.Option(help="Of the rules: on record and never deciding, or not run at all.")
    ] = "shadow",
    min_rows: Annotated[float, typer.Option(min=1, metavar="N", help="Rows that a rule must have behind it.")] = 20,
    min_keys: Annotated[int, typer.Option(min=1, metavar="N", help="Distinct keys among them, a pattern.")] = 3,
    confidence: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="P", help="Least confidence that counts. [default: the band very-high]"),
    ] = None,
    unsteady: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Most of a rule's rows that may be less than sure.")
    ] = 0.05,
    ask_model: Annotated[
        int, typer.Option(min=0, metavar="N", help="Ask the model for at most N keys that the cache lacks.")
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
    cache: options.CacheOption = None,
    debits: options.DebitsOption = None,
    as_of: options.AsOfOption = None,
) -> None:
    """Find words that stand for one brand in rows that no rule finds and the model is sure of, and write them as rules
    for a person to review.

    Each is held against every name, example and rule of the other brands first. No rule of yours is edited: what comes
    out is a diff that adds files, or files in a folder of your own, which serves as an --overlay. What the model would
    say comes from the cache; rows that the cache does not know are no evidence, unless --ask-model asks.
    """
    import json

    from tierbreak.cli.progress import counter
    from tierbreak.tools.rules import mining
    from tierbreak.tools.rules.mining.write import to_dict
    from tierbreak.tools.rules.traffic import Traffic

    columns = {
        "descriptor": descriptor, "amount": amount, "date": date, "mcc": mcc, "country": country, "source": source,
        "weight": weight,
    }  # fmt: skip
    settings = {"debits": debits, "as_of": options.day(as_of, "--as-of")}
    limits = mining.Limits(rows=min_rows, keys=min_keys, confidence=confidence, unsteady=unsteady)
    with options.load(
        rules=rules, overlay=overlay, model=model, no_model=False, cache=cache, no_cache=False, settings=settings
    ) as engine:
        parts = engine.parts
        with counter("rows read", shown=not quiet) as advance:
            rows = Traffic.read(
                traffic, [parts.book], format=traffic_format, columns=columns, debits=engine.settings.debits,
                date_order=date_order, advance=advance,
            )  # fmt: skip
        if ask_model:
            with counter("keys asked", shown=not quiet) as advance:
                asked = mining.ask_model(parts, rows, engine.settings, ask_model, advance=advance)
            if not quiet:
                say(f"the model was asked for {asked:,} keys; the cache has them now")
        with counter("distinct rows decided", shown=not quiet) as advance:
            mined = mining.mine(parts, rows, engine.settings, advance=advance)
        found = mining.suggest(parts, mined, engine.settings, limits)
    if out is not None:
        for path in mining.write(found, out, status):
            say(f"wrote {path}")
    elif format == "diff":
        print(mining.patch(found, status), end="")
    if format == "json":
        print(json.dumps(to_dict(found), ensure_ascii=False, indent=2))
    if not quiet:
        _notices(found, (*rows.notices, *parts.notices))


def _notices(found: Suggested, notices: tuple[str, ...]) -> None:
    for one in found.suggestions:
        say(f"{one.id}: {' | '.join(one.words)}: {one.says()}")
    for brand, words, why in found.left_out:
        say(f"left out, {brand}: {words}: {why}")
    if found.unknown:
        say(f"notice: {found.unknown:,.0f} rows that no rule finds have no answer in the cache; --ask-model N asks")
    if not found.suggestions:
        say("notice: nothing is suggested; --min-rows, --min-keys and --confidence say what it takes")
    for notice in notices:
        say(f"notice: {notice}")
