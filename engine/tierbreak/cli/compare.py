"""`tierbreak compare`: an old system against a new one on the same traffic, as a report that a team can decide on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tierbreak.cli import options, places
from tierbreak.cli.output import say, visible, width

if TYPE_CHECKING:
    from rich.console import Console

    from tierbreak.tools.compare.document import Block
    from tierbreak.tools.compare.reporting import Report

#: Rows of a table that are shown on the terminal.
SHOWN = 12

#: Exit code where gates were given and not all of them are passed.
NOT_PASSED = 7

_COLUMNS = "Columns of the traffic (found by usual names when not given; '' leaves one out)"
_DECISIONS = "Files of decisions"
_SIDE = "default, a bundle, a model or rules folder, an ordered list, or a file of decisions"


def compare(
    old: Annotated[str, typer.Argument(metavar="OLD", help=f"The system in service: {_SIDE}.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The one that is to take its place; named likewise.")],
    on: Annotated[str, typer.Option("--on", metavar="TRAFFIC", help="Rows that both decide; - for standard input.")],
    gold: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A gold set: who is right. Columns descriptor, truth.")
    ] = None,
    users: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Exposures: user, arm, and what became of each user.")
    ] = None,
    segment: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Of the exposures, to be read apart; repeatable.")
    ] = None,
    sample: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write disagreements to be labelled there (TSV).")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Such a file, labelled: gives precision of both sides.")
    ] = None,
    gates: Annotated[
        Path | None, typer.Option(metavar="FILE", help="gates.toml: bounds written before the run; gives a verdict.")
    ] = None,
    ramp: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The ramp's schedule: the verdict names its next step.")
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page (HTML) there.")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write every figure there.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as Markdown there.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no summary.")] = False,
    format: options.FormatOption = None,
    descriptor: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    amount: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    date: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    mcc: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    country: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    source: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    weight: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What each row counts for.", rich_help_panel=_COLUMNS)
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Whose row it is.", rich_help_panel=_COLUMNS)
    ] = None,
    date_order: Annotated[
        Literal["mdy", "dmy"] | None,
        typer.Option(help="What 03/04/2024 means, if other dates do not show it.", rich_help_panel=_COLUMNS),
    ] = None,
    id: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The traffic's ids; the descriptor will do. Without: one that all files have, else by order.",
            rich_help_panel=_DECISIONS,
        ),
    ] = None,
    old_column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=COLUMN",
            help="Of OLD: brand, id, tier, rule, reason, confidence.",
            rich_help_panel=_DECISIONS,
        ),
    ] = None,
    new_column: Annotated[
        list[str] | None,
        typer.Option(metavar="PART=COLUMN", help="The same of NEW.", rich_help_panel=_DECISIONS),
    ] = None,
    map: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="TSV, name -> id, for names that are in no registry.", rich_help_panel=_DECISIONS
        ),
    ] = None,
    no_model: options.NoModelOption = False,
    debits: options.DebitsOption = None,
    as_of: options.AsOfOption = None,
) -> None:
    """Decide the same rows with two systems, and report what a migration would do: agreement, who is right, who decides
    what, speed, the experiment, and a verdict by gates written before.
    """
    from tierbreak import Settings
    from tierbreak.cli.progress import bar
    from tierbreak.files import atomic
    from tierbreak.tools.compare.comparing import Question, compare
    from tierbreak.tools.compare.labelling.labels import text as to_label
    from tierbreak.tools.compare.report.asjson import dumps
    from tierbreak.tools.compare.report.markdown import markdown as as_markdown
    from tierbreak.tools.compare.report.page import page

    inputs = {path: what for path, what in (
        (gold, "is the gold set"), (users, "holds the exposures"), (labels, "holds the labels"),
        (gates, "holds the gates"), (ramp, "is the ramp"), (map, "is the map of names"), (Path(on), "is the traffic"),
        (Path(old), "is the old side"), (Path(new), "is the new side"),
    ) if path is not None}  # fmt: skip
    places.check([path for path in (report, as_json, markdown, sample) if path is not None], inputs)
    given = {"debits": debits, "as_of": options.day(as_of, "--as-of")}
    question = Question(
        old=old, new=new, traffic=on, format=format,
        columns={
            "descriptor": descriptor, "amount": amount, "date": date, "mcc": mcc, "country": country, "source": source,
            "weight": weight,
        },
        user=user, id=id, date_order=date_order, names=map,
        old_columns=_parts(old_column, "--old-column"), new_columns=_parts(new_column, "--new-column"),
        gold=gold, exposures=users, segments=tuple(segment or ()), labels=labels, gates=gates, ramp=ramp,
        settings=Settings.of(**{name: value for name, value in given.items() if value is not None}),
        model=not no_model, seed=seed,
    )  # fmt: skip
    with atomic.scratch() as folder:
        made = compare(question, folder, watch=lambda source: bar(source, shown=not quiet))
    heading, opening = made.heading, made.opening
    if report is not None:
        places.write(report, page(made.sections, heading=heading, opening=opening))
    if as_json is not None:
        places.write(as_json, dumps(made.sections, made.meta))
    if markdown is not None:
        places.write(markdown, as_markdown(made.sections, heading=heading, opening=opening))
    if sample is not None:
        places.write(sample, to_label(made.sample, made.carried))
    if not quiet:
        _print(made)
    if written := [str(path) for path in (report, as_json, markdown, sample) if path is not None]:
        say("written: " + ", ".join(written))
    if sample is not None:
        say(
            f"{sample} holds descriptors as they came, so that a person can label them: keep it as you keep the traffic"
        )
    if made.passed is False:
        raise typer.Exit(NOT_PASSED)


def _parts(given: list[str] | None, option: str) -> dict[str, str]:
    """PART=COLUMN, several times. Raises SettingsError."""
    from tierbreak.errors import SettingsError
    from tierbreak.tools.compare.sides.decided import USUAL

    out = {}
    for one in given or []:
        part, equals, column = one.partition("=")
        if not equals or part not in USUAL:
            raise SettingsError(f"{option}: {one!r} is no PART=COLUMN; a part is one of {', '.join(USUAL)}")
        out[part] = column
    return out


def _print(made: Report) -> None:
    """What is to be seen at once; the files hold the rest."""
    from rich.console import Console

    console = Console(width=width(100), highlight=False, markup=False, emoji=False)
    console.print(visible(made.opening))
    for id, blocks in (("verdict", 3), ("header", 1), ("agreement", 2), ("correctness", 3), ("flow", 4)):
        section = made.section(id)
        if section.figures is not None:
            console.print()
            console.print(visible(section.title), style="bold")
            for block in section.blocks[:blocks]:
                _block(console, block)


def _block(console: Console, block: Block) -> None:
    from rich import box
    from rich.table import Table as Drawn
    from rich.text import Text as Plain

    from tierbreak.tools.compare.document import Figure, Table, Text, Tiles

    if isinstance(block, Text):
        console.print(Plain(visible(block.text)))
    elif isinstance(block, Figure):
        console.print(Plain(visible(block.says)))
    elif isinstance(block, Tiles):
        drawn = Drawn(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        for tile in block.tiles:
            drawn.add_row(*(Plain(visible(cell)) for cell in (tile.value, tile.label, tile.note)))
        console.print(drawn)
    elif isinstance(block, Table):
        drawn = Drawn(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for at, name in enumerate(block.columns):
            drawn.add_column(Plain(name), justify="left" if at in block.words else "right", overflow="fold")
        for row in block.rows[:SHOWN]:
            drawn.add_row(*(Plain(visible(cell)) for cell in row))
        console.print(drawn)
