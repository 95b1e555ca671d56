"""`tierbreak rules`: work on the rulebook. One file a command."""

from __future__ import annotations

import typer

from tierbreak.cli.rules import (
    check,
    collisions,
    diff,
    explain,
    fmt,
    import_,
    mutate,
    new,
    prove,
    schema,
    stats,
    suggest,
    watch,
)

app = typer.Typer(help="Work on the rulebook.", no_args_is_help=True)


@app.callback()
def _common() -> None:
    """Work on the rulebook."""


app.command()(check.check)
app.command()(collisions.collisions)
app.command()(diff.diff)
app.command()(explain.explain)
app.command()(fmt.fmt)
app.command()(mutate.mutate)
app.command()(new.new)
app.command()(prove.prove)
app.command()(schema.schema)
app.command()(stats.stats)
app.command()(suggest.suggest)
app.command("import")(import_.import_)
app.command()(watch.watch)
