"""`tierbreak rules`: work on the rulebook. One file a command."""

from __future__ import annotations

import typer

from tierbreak.cli.rules import check

app = typer.Typer(help="Work on the rulebook.", no_args_is_help=True)


@app.callback()
def _common() -> None:
    """Work on the rulebook."""


app.command()(check.check)
