"""`tierbreak normalise`: what rules, cache and model see of each descriptor, and what each step saves."""

from __future__ import annotations

from typing import Annotated

import typer

from tierbreak.cli import options
from tierbreak.cli.output import aligned


def normalise(
    input: Annotated[str, typer.Argument(metavar="FILE", help="A file, or - for standard input.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write. [default: standard output]")
    ] = None,
    format: options.FormatOption = None,
    descriptor: Annotated[str | None, typer.Option(metavar="COLUMN", help="[default: by usual names]")] = None,
    off: Annotated[list[str] | None, typer.Option(metavar="STEP", help="Switch a step off; may be repeated.")] = None,
    stats: Annotated[bool, typer.Option("--stats", help="Say how many distinct texts each step saves.")] = False,
) -> None:
    """Write descriptor, folded and key of every row, or with --stats how much each step saves."""
    import polars as pl

    from tierbreak.core import normalise as steps
    from tierbreak.files import open_sink, open_source
    from tierbreak.files.columns import Columns, choose
    from tierbreak.files.rows import RowReader
    from tierbreak.tools.normaliser import stats as saved

    switched_off = steps.checked(frozenset(off or ()))
    with open_source(input, format) as rows:
        columns = choose(rows.columns, {"descriptor": descriptor}, name=rows.name)
        rows.raw_into = columns.descriptor
        guards = RowReader(Columns({"descriptor": columns.descriptor}, ()))
        texts = (guards.rows(chunk)["descriptor"] for chunk in rows)
        if stats:
            distinct = pl.Series("descriptor", [], dtype=pl.String)
            for text in texts:
                distinct = pl.concat([distinct, text.drop_nulls()]).unique(maintain_order=True)
            print("\n".join(_table(saved(distinct, off=switched_off))))
            return
        with open_sink(output or "-", None if output else "csv", inputs=(input,)) as sink:
            for text in texts:
                sink.write(text.to_frame().hstack(steps.normalise(text.fill_null(""), off=switched_off).get_columns()))


def _table(stats: object) -> list[str]:
    """One line a step: what it is part of, distinct texts before and after it, how many that saves."""
    rows = [("step", "of", f"{'before':>11}", f"{'after':>11}", f"{'saved':>11}")]
    for row in stats.iter_rows(named=True):  # type: ignore[attr-defined]
        numbers = (f"{row[name]:>11,}" for name in ("distinct_before", "distinct_after", "saved"))
        rows.append((row["step"], row["of"], *numbers))
    return aligned(rows)
