"""`tierbreak explain`: one descriptor, every verdict on it, and why one won."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierbreak.cli import options
from tierbreak.cli.output import aligned, argument_text, say, visible, width

if TYPE_CHECKING:
    from tierbreak import Explanation

_VALUES = "What else is known of the row"


def explain(
    descriptor: Annotated[str, typer.Argument(metavar="DESCRIPTOR", help="As it stands on the statement.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    amount: Annotated[str | None, typer.Option(metavar="AMOUNT", rich_help_panel=_VALUES)] = None,
    date: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", rich_help_panel=_VALUES)] = None,
    mcc: Annotated[str | None, typer.Option(metavar="MCC", rich_help_panel=_VALUES)] = None,
    country: Annotated[str | None, typer.Option(metavar="COUNTRY", rich_help_panel=_VALUES)] = None,
    source: Annotated[str | None, typer.Option(metavar="SOURCE", rich_help_panel=_VALUES)] = None,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
    model: options.ModelOption = None,
    no_model: options.NoModelOption = False,
    cache: options.CacheOption = None,
    no_cache: options.NoCacheOption = False,
    debits: options.DebitsOption = None,
    as_of: options.AsOfOption = None,
) -> None:
    """Show how the decision on one descriptor comes about."""
    values = {
        "amount": _amount(amount),
        "date": options.day(date, "--date"),
        "mcc": mcc,
        "country": country,
        "source": source,
    }
    settings = {"debits": debits, "as_of": options.day(as_of, "--as-of")}
    with options.load(
        rules=rules, overlay=overlay, model=model, no_model=no_model, cache=cache, no_cache=no_cache, settings=settings
    ) as engine:
        text = argument_text(descriptor)
        explanation = engine.explain(text, **{name: value for name, value in values.items() if value is not None})
        if as_json:
            print(json.dumps(explanation.to_dict(), ensure_ascii=False, indent=2, default=_plain))
        elif sys.stdout.isatty():
            _pretty(explanation)
        else:
            print("\n".join(_lines(explanation)))
        for notice in engine.notices:
            say(f"note: {notice}")


def _amount(text: str | None) -> float | None:
    from tierbreak.errors import SettingsError

    try:
        return None if text is None else float(text)
    except ValueError:
        raise SettingsError(f"--amount: {text!r} is no number; write it as -6.50") from None


def _plain(value: Any) -> Any:
    """What json does not know of: dates as ISO."""
    if isinstance(value, dt.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON")


def _facts(explanation: Explanation) -> list[tuple[str, str]]:
    decision = explanation.decision
    brand = f"{decision.brand} ({decision.brand_name})" if decision.brand else f"none ({decision.reason})"
    facts = [
        ("descriptor", explanation.descriptor),
        ("folded", explanation.folded),
        ("key", explanation.key),
        ("brand", brand),
        ("tier", decision.tier or "none: the engine abstained"),
    ]
    if decision.confidence is not None:
        facts.append(("confidence", f"{decision.confidence:.3f}"))
    if decision.collision:
        facts.append(("collision", decision.collision))
    return [(name, visible(value)) for name, value in [*facts, ("why", explanation.why)]]


def _verdicts(explanation: Explanation) -> list[list[str]]:
    """Tier, brand, confidence or rule, and what kept it from deciding, of each verdict."""
    rows = []
    for verdict in explanation.verdicts:
        confidence = verdict["confidence"]
        by = f"{verdict['rule']}#{verdict['match']}" if verdict["rule"] else ""
        cells = [verdict["tier"], verdict["brand"] or "-", by or ("" if confidence is None else f"{confidence:.3f}")]
        rows.append([visible(cell) for cell in (*cells, verdict["reason"] or "")])
    return rows


def _fingerprints(explanation: Explanation) -> list[tuple[str, str]]:
    return sorted((part, value[:16]) for part, value in explanation.fingerprints.items())


def _lines(explanation: Explanation) -> list[str]:
    """The explanation as plain text."""
    verdicts = aligned(_verdicts(explanation), indent="  ") if explanation.verdicts else ["  none"]
    return [
        *(line.rstrip() for line in aligned(_facts(explanation))),
        "verdicts",
        *(line.rstrip() for line in verdicts),
        "fingerprints",
        *aligned(_fingerprints(explanation), indent="  "),
    ]


def _pretty(explanation: Explanation) -> None:
    """The same on a terminal, wrapped to its width. Text from outside goes in as Text: never as markup."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=width(), highlight=False)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(explanation):
        strong = "green" if name == "brand" and explanation.decision.brand else ""
        facts.add_row(name, Text(value, style=strong))
    console.print(facts)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for head in ("tier", "brand", "rule or confidence", "why not"):
        table.add_column(head, overflow="fold")
    for row in _verdicts(explanation):
        table.add_row(*map(Text, row))
    console.print()
    console.print(table if explanation.verdicts else Text("no verdicts"))
    console.print()
    for part, value in _fingerprints(explanation):
        console.print(Text(f"{part} {value}", style="dim"))
