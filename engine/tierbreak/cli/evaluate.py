"""`tierbreak evaluate`: how right is a model on a gold set, how sure may one be of that, is it better than another?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierbreak.cli import options, places
from tierbreak.cli.output import say, visible, width

if TYPE_CHECKING:
    from rich.console import Console

    from tierbreak.tools.models.evaluation.figures import Evaluation
    from tierbreak.tools.models.evaluation.tabulate import Table

#: Surest mistakes on the terminal; the files hold them all.
SHOWN = 10

_SIDE = "a model's folder, a *.bag file, exact-name, engine, or engine:DIR"


def evaluate(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="TSV or CSV: descriptor, truth; also format, weight.")],
    model: Annotated[str, typer.Option("--model", metavar="SIDE", help=f"What is evaluated: {_SIDE}.")],
    baseline: Annotated[
        str | None, typer.Option(metavar="SIDE", help="What it is compared with, row by row; named likewise.")
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page (HTML) with plots there.")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write every figure there.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every table as Markdown there.")] = None,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
) -> None:
    """Measure answers against a gold set: precision, coverage, calibration, each with its 95 % interval.

    The gold set must have been seen by no training and no calibration. An empty truth says: no known brand.
    """
    from tierbreak.bundle import SHIPPED, Bundle
    from tierbreak.registry import Registry
    from tierbreak.tools.models.evaluation import Gold, ask
    from tierbreak.tools.models.evaluation import evaluate as measured
    from tierbreak.tools.models.evaluation.markdown import markdown as as_markdown
    from tierbreak.tools.models.evaluation.page import page

    writers: list[tuple[Path | None, Callable[[Evaluation], str]]] = [
        (report, page), (as_json, _json), (markdown, as_markdown)
    ]  # fmt: skip
    files = [(path, text) for path, text in writers if path is not None]
    places.check([path for path, _ in files], {gold: "is the gold set"})
    registry = Registry.load(*Bundle.find(rules=rules or SHIPPED, overlay=overlay, model=None).registries)
    rows = Gold.read(gold, registry)
    sides = [
        ask(side, rows, registry, rules=rules or SHIPPED, overlay=overlay)
        for side in (model, *([baseline] if baseline is not None else []))
    ]
    evaluation = measured(rows, registry, *sides)
    for path, text in files:  # before the table: whoever reads that from a pipe may close it early
        places.write(path, text(evaluation))
    _print(evaluation)
    if files:
        say("written: " + ", ".join(str(path) for path, _ in files))


def _json(evaluation: Evaluation) -> str:
    return json.dumps(evaluation.to_dict(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _print(evaluation: Evaluation) -> None:
    from rich.console import Console

    from tierbreak.tools.models.evaluation import tabulate

    console = Console(width=width(100), highlight=False, markup=False, emoji=False)
    console.print(tabulate.opening(evaluation.gold))
    for side, role in zip(tabulate.sides(evaluation), tabulate.ROLES, strict=False):
        console.print(visible(f"{role}: {side.side}"))
    for notice in evaluation.gold.notices:
        console.print(visible(f"note: {notice}"))
    for level in ("exact", "family"):
        _table(console, tabulate.main(evaluation, level))
    if comparison := evaluation.comparison:
        console.print()
        for level, paired in (("exact", comparison.exact), ("family", comparison.family)):
            console.print(tabulate.verdict(level, paired))
    for table in tabulate.short(evaluation):
        _table(console, table)
    if evaluation.model.mistakes:
        _table(console, tabulate.mistakes(evaluation.model, SHOWN))


def _table(console: Console, table: Table) -> None:
    """One table, cells cut by nothing: what is too wide goes on below."""
    from rich import box
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(
        title=Text(table.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False,
        padding=(0, 1),
    )  # fmt: skip
    for at, name in enumerate(table.columns):
        drawn.add_column(Text(name), justify="left" if at in table.words else "right", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(visible(str(cell))) for cell in row))
    console.print(drawn)
    if table.note:
        console.print(Text(table.note, style="dim"))
