"""`tierbreak rules import`: an ordered list of patterns becomes a rulebook, and is replayed against it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tierbreak.cli import options, places
from tierbreak.cli.output import say, visible
from tierbreak.cli.progress import counter

if TYPE_CHECKING:
    from tierbreak.tools.rules.importing import Imported, Replay
    from tierbreak.tools.rules.traffic import Traffic

_COLUMNS, _TRAFFIC = "Columns of FILE", "Traffic"


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or TSV: a pattern and a name a line, in order.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Write the rules there. [default: only report]")
    ] = None,
    replay: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRAFFIC",
            help="Learn from it which rules meet, then decide it both ways.",
            rich_help_panel=_TRAFFIC,
        ),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(
            "--held-out",
            metavar="TRAFFIC",
            help="Decide it both ways, and learn nothing from it.",
            rich_help_panel=_TRAFFIC,
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all of it as Markdown there.")] = None,
    format: Annotated[Literal["text", "json"], typer.Option(help="What is printed.")] = "text",
    map: Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help="TSV, name -> id: a names.tsv that you corrected.")
    ] = None,
    unseen: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of decided strings that may hold two rules which the traffic never showed together; "
            "1: edges only where they were seen or proved. [default: 0.003]",
        ),
    ] = None,
    owner: Annotated[str, typer.Option(help="Who answers for the rules.")] = "imported",
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier import in DIR.")] = False,
    pattern: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="[default: by its name]", rich_help_panel=_COLUMNS)
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="[default: by its name]", rich_help_panel=_COLUMNS)
    ] = None,
    flags: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="i, s, m, a, x. [default: by its name, else i]", rich_help_panel=_COLUMNS),
    ] = None,
    category: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="[default: by its name]", rich_help_panel=_COLUMNS)
    ] = None,
    descriptor: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="[default: by its name]", rich_help_panel=_TRAFFIC)
    ] = None,
    weight: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="How many rows a line stands for.", rich_help_panel=_TRAFFIC)
    ] = None,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
) -> None:
    """Turn an ordered list, first match wins, into an overlay folder that decides as the list does.

    Each line means `re.search(pattern, descriptor, flags)`. The order becomes `outranks` where two rules really meet;
    names that the registry has not become proposed brands; what cannot be a rule is reported, never dropped.
    """  # fmt: skip
    from tierbreak.bundle import SHIPPED, Bundle
    from tierbreak.registry import Registry
    from tierbreak.tools.rules.importing import UNSEEN, OrderedBook, as_dict, as_markdown, as_text, imported, read_map
    from tierbreak.tools.rules.importing.write import alone, check_place, write
    from tierbreak.tools.rules.traffic import Traffic

    if output is not None:
        check_place(output, force=force)
    if report is not None:
        places.check([report], {file: "is the list itself"})
    book = OrderedBook.read(file, {"pattern": pattern, "name": name, "flags": flags, "category": category})
    registries = Bundle.find(rules=rules or SHIPPED, overlay=overlay, model=None).registries
    registry = Registry.load(*registries)
    given = read_map(map, registry) if map is not None else None
    columns = {"descriptor": descriptor, "weight": weight}
    with counter("rows read", shown=True) as advance:
        learned, held = (
            [Traffic.read(each, [], columns=columns, advance=advance) for each in files or ()]
            for files in (replay, held_out)
        )
    if not learned:
        say("note: without --replay an edge is written only where it is proved that two rules meet")
    for notice in (*book.notices, *(notice for each in (*learned, *held) for notice in each.notices)):
        say(f"note: {notice.replace(' (--format says otherwise)', '')}")  # here, --format is what is printed
    result = imported(
        book,
        registry,
        given=given,
        traffic=[each.rows["descriptor"] for each in learned],
        unseen=UNSEEN if unseen is None else unseen,
        say=say,
    )
    texts = result.files(registry, owner)
    replays = _replayed(result, alone(texts, registries[1:]), learned, held)
    if output is not None:
        write(output, texts)
    if report is not None:
        places.write(report, as_markdown(result, replays))
    if format == "json":
        print(json.dumps(as_dict(result, replays), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        for line in as_text(result, replays).splitlines():
            print(visible(line.replace("\t", " ")))  # a tab of the list, under which a mark stands
    if output is not None:
        say(
            f"{output}: written; look at names.tsv, then try it with --overlay {output}, or with --rules {output} alone"
        )


def _replayed(result: Imported, texts: Mapping[str, str], learned: list[Traffic], held: list[Traffic]) -> list[Replay]:
    """Load the folder as any engine does, and replay the traffic on it."""
    from tierbreak.engine import Engine
    from tierbreak.files import atomic
    from tierbreak.settings import Settings
    from tierbreak.tools.rules.importing import replay
    from tierbreak.tools.rules.importing.write import write

    with atomic.scratch() as folder:
        place = folder / "rules"
        write(place, texts)
        settings = Settings.of(state=folder / "state")  # kept files of a folder that goes away are of no use
        with Engine.load(rules=place, model=None, cache=None, settings=settings) as engine:
            for notice in engine.notices:
                say(f"note: {notice}")
            replays = [replay(engine, result, each, learned=True) for each in learned]
            return replays + [replay(engine, result, each, learned=False) for each in held]
