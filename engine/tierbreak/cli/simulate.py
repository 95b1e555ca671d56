"""`tierbreak simulate`: labelled, realistic traffic of the registry's brands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tierbreak.cli import options
from tierbreak.cli.output import say

if TYPE_CHECKING:
    from tierbreak.rollout.ramp import Ramp
    from tierbreak.tools.models.simulate.users import Users


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
    users: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Spread the rows over N users: adds `user` and `date`.")
    ] = None,
    exposures: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write there which arm each user has, and whether the user stays."),
    ] = None,
    effect: Annotated[float, typer.Option(help="What the new arm adds to the share of users that stays.")] = 0.0,
    ramp: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The schedule that gives the arms. [default: half and half]")
    ] = None,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
) -> None:
    """Write ROWS invented transactions with their brand: descriptor, amount, source, brand, kind, format.

    `brand` is empty where there is none; `kind` then says what there is instead: local, look-alike, unlisted or
    not-a-merchant. With --users, 60 in 100 users of the old arm stay, and --effect more of the new one.
    """
    from tierbreak.errors import SettingsError
    from tierbreak.files import open_sink
    from tierbreak.tools.models.simulate import Simulator
    from tierbreak.tools.models.simulate.inputs import Inputs

    if users is None and (exposures or effect or ramp):
        raise SettingsError("--exposures, --effect and --ramp are of users: say how many with --users N")
    if exposures is None and (effect or ramp):
        raise SettingsError("--effect and --ramp show in the exposures: say where to write them with --exposures FILE")
    made, schedule = _users(users, seed, ramp) if users else (None, None)
    arms = made.exposures(schedule, effect=effect) if made and schedule and exposures else None
    found = Inputs.find(rules, overlay)
    simulator = Simulator.of(found.registry, found.book, found.lists)
    with open_sink(output or "-", output_format or (None if output else "csv")) as sink:
        for at, chunk in enumerate(simulator.chunks(rows, seed=seed, no_brand=no_brand, split=split, even=even)):
            sink.write(made.of(chunk, chunk=at) if made else chunk)
    if output:
        say(f"{output}: {rows:,} rows, seed {seed}, {no_brand:.0%} without brand")
    if exposures and arms is not None:
        with open_sink(exposures, inputs=[output] if output else []) as sink:
            sink.write(arms)
        new = int((arms["arm"] == "new").sum())
        say(f"{exposures}: {arms.height:,} users, {new:,} of them in the new arm, effect {effect:+g} on `retained`")


def _users(count: int, seed: int, ramp: Path | None) -> tuple[Users, Ramp]:
    """The users, over a window that begins with the ramp, and the ramp: half of them, unless a schedule is given."""
    import datetime as dt

    from tierbreak.rollout.ramp import Ramp, Step
    from tierbreak.tools.models.simulate.users import Users

    if ramp is None:
        made = Users(count, seed)
        return made, Ramp("simulated", str(seed), (Step(dt.datetime.combine(made.first, dt.time(), dt.UTC), 0.5),))
    schedule = Ramp.read(ramp)
    return Users(count, seed, first=schedule.steps[0].start.date()), schedule
