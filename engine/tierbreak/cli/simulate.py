"""`tierbreak simulate`: labelled, realistic traffic of the registry's brands."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tierbreak.cli import options
from tierbreak.cli.output import say


def simulate(
    rows: Annotated[int, typer.Argument(metavar="ROWS", min=1, help="How many rows.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write. [default: standard output]")
    ] = None,
    output_format: Annotated[
        str | None, typer.Option("--output-format", metavar="FORMAT", help="[default: by its name, else csv]")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal rows.")] = 0,
    no_brand: Annotated[
        float, typer.Option("--no-brand", min=0.0, max=1.0, help="Share of rows without brand.")
    ] = 0.35,
    split: Annotated[
        Literal["train", "calibration", "test"] | None,
        typer.Option(help="Only heads of this split; training never sees the other two. [default: all heads]"),
    ] = None,
    even: Annotated[float, typer.Option(min=0.0, max=1.0, help="0: brands by popularity, 1: every brand alike.")] = 0.0,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
) -> None:
    """Write ROWS invented transactions with their brand: descriptor, amount, source, brand, kind, format.

    `brand` is empty where there is none; `kind` then says what there is instead: local, look-alike, unlisted or
    not-a-merchant.
    """
    from tierbreak.files import open_sink
    from tierbreak.simulate import Simulator
    from tierbreak.simulate.inputs import Inputs

    found = Inputs.find(rules, overlay)
    simulator = Simulator.of(found.registry, found.book, found.lists)
    with open_sink(output or "-", output_format or (None if output else "csv")) as sink:
        for chunk in simulator.chunks(rows, seed=seed, no_brand=no_brand, split=split, even=even):
            sink.write(chunk)
    if output:
        say(f"{output}: {rows:,} rows, seed {seed}, {no_brand:.0%} without brand")
