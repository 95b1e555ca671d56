"""`tierbreak classify`: a file of descriptors in, the same rows with a decision each out."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import typer

from tierbreak.cli import options
from tierbreak.cli.output import say

if TYPE_CHECKING:
    import polars as pl

    from tierbreak import Engine
    from tierbreak.core.summary import Summary
    from tierbreak.files import Chunk, Sink, Source
    from tierbreak.files.rows import RowReader

_COLUMNS = "Columns of the input (found by usual names when not given; '' leaves one out)"

#: Why the engine abstains on a row that could not be read as written.
BROKEN = "broken-row"


def classify(
    input: Annotated[str, typer.Argument(metavar="INPUT", help="A file, or - for standard input.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write. [default: standard output]")
    ] = None,
    format: options.FormatOption = None,
    output_format: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="csv, tsv, jsonl, parquet, or table for reading. [default: by its name]"),
    ] = None,
    descriptor: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    amount: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    date: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    mcc: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    country: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    source: Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel=_COLUMNS)] = None,
    weight: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="What each row counts for in the summary.", rich_help_panel=_COLUMNS),
    ] = None,
    date_order: Annotated[
        Literal["mdy", "dmy"] | None,
        typer.Option(help="What 03/04/2024 means. [default: as the other dates show]", rich_help_panel=_COLUMNS),
    ] = None,
    prefix: Annotated[str, typer.Option(metavar="TEXT", help="Put in front of the added columns' names.")] = "",
    verdicts: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write every answer of every tier there as well.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no summary.")] = False,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
    model: options.ModelOption = None,
    no_model: options.NoModelOption = False,
    cache: options.CacheOption = None,
    no_cache: options.NoCacheOption = False,
    audit: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Share of settled keys shown to later tiers too.", rich_help_panel="Engine"),
    ] = None,
    debits: options.DebitsOption = None,
    as_of: options.AsOfOption = None,
) -> None:
    """Add a brand, the tier that decided, and why, to every row of a file.

    Rows keep their order and their cells; a row that cannot be read is kept, reported, and left without a brand.
    """
    from tierbreak.cli.progress import bar
    from tierbreak.cli.report import summary_lines
    from tierbreak.core.summary import Summary
    from tierbreak.errors import SettingsError
    from tierbreak.files import open_source
    from tierbreak.files.columns import choose
    from tierbreak.files.rows import RowReader

    if weight == "":
        raise SettingsError("--weight '' names no column; leave it out")
    told = {
        "descriptor": descriptor,
        "amount": amount,
        "date": date,
        "mcc": mcc,
        "country": country,
        "source": source,
        "weight": weight,
    }
    with ExitStack() as stack:
        rows = stack.enter_context(open_source(input, format))
        columns = choose(rows.columns, told, name=rows.name)
        rows.raw_into = columns.descriptor
        names = _added(rows.columns, prefix, name=rows.name)
        sink = stack.enter_context(_sink(output, output_format, rows, input, columns.descriptor, names))
        table = stack.enter_context(Verdicts(verdicts, inputs=(input, output or "-"))) if verdicts else None
        settings = {"debits": debits, "as_of": options.day(as_of, "--as-of"), "audit": audit}
        engine = stack.enter_context(
            options.load(
                rules=rules, overlay=overlay, model=model, no_model=no_model, cache=cache, no_cache=no_cache,
                settings=settings,
            )
        )  # fmt: skip
        guards = RowReader(columns, debits=engine.settings.debits, date_order=date_order)
        if not quiet and columns.found:
            say("columns found: " + ", ".join(f"{part} = {columns.names[part]!r}" for part in columns.found))
        summary, start = Summary(), time.perf_counter()
        today = engine.settings.as_of or dt.date.today()  # one day for the whole run, whatever midnight does
        with bar(rows, shown=not quiet) as advance:
            for chunk in _chunks(rows):
                _one(chunk, rows, engine, guards, names, sink, table, summary, today)
                advance()
    if not quiet:
        for line in summary_lines(summary, rows, guards, engine, time.perf_counter() - start):
            say(line)


def _one(
    chunk: Chunk,
    rows: Source,
    engine: Engine,
    guards: RowReader,
    names: dict[str, str],
    sink: Sink,
    table: Verdicts | None,
    summary: Summary,
    as_of: dt.date,
) -> None:
    """Classify one chunk, write it out, add it to the summary."""
    given = guards.rows(chunk)
    result = engine.run(given, as_of=as_of)
    decided = _broken_apart(result.rows, chunk)
    _refuse_late(rows, sink, names)
    out = chunk.rows.hstack(decided.rename(names).get_columns())
    sink.write(out, objects=chunk.objects, added=list(names.values()))
    if table is not None:
        table.write(result.verdicts)
    summary.add(decided, given["descriptor"], weight=given["weight"] if "weight" in given.columns else None)
    summary.silenced.update(result.silenced)
    if result.audit is not None:
        summary.add_audit(result.audit)


def _chunks(rows: Source) -> Iterator[Chunk]:
    """The chunks of an input; one without rows where it has none, so that the output still has its columns."""
    import polars as pl

    from tierbreak.files import Chunk

    empty = True
    for chunk in rows:
        empty = False
        yield chunk
    if empty:
        frame = pl.DataFrame(schema=rows.schema)
        objects = pl.Series("objects", [], dtype=pl.String) if rows.format == "jsonl" else None
        yield Chunk(frame, pl.Series("broken", [], dtype=pl.UInt32), objects)


def _broken_apart(decided: pl.DataFrame, chunk: Chunk) -> pl.DataFrame:
    """The columns of tables.DECISION; rows that could not be read get no brand and say why."""
    import polars as pl

    from tierbreak.core.tables import DECISION

    decided = decided.select(DECISION.names())
    if not len(chunk.broken):
        return decided
    broken = pl.int_range(pl.len()).is_in(chunk.broken.implode())
    blank: dict[str, Any] = {**dict.fromkeys(DECISION, None), "reason": BROKEN, "candidates": []}
    return decided.with_columns(
        pl.when(broken).then(pl.lit(blank[name], dtype=kind)).otherwise(pl.col(name)).alias(name)
        for name, kind in DECISION.items()
    )


def _added(have: list[str], prefix: str, *, name: str) -> dict[str, str]:
    """What each added column is called. Raises InputError where the input has such a column already."""
    from tierbreak.core.tables import DECISION
    from tierbreak.errors import InputError

    names = {column: prefix + column for column in DECISION}
    if clash := [column for column in names.values() if column in have]:
        raise InputError(
            f"{name}: already has the columns that would be added: {', '.join(map(repr, clash))}\n"
            "  fix: rename them, or say --prefix TEXT to give the added ones other names"
        )
    return names


def _refuse_late(rows: Source, sink: Sink, names: dict[str, str]) -> None:
    """JSON Lines may bring a new key on any line; what the output cannot hold is not dropped silently."""
    from tierbreak.errors import InputError
    from tierbreak.files.jsonlines import JsonLines
    from tierbreak.files.sinks import JsonLinesSink

    if not isinstance(rows, JsonLines):
        return
    for key, line in rows.late.items():
        if key in names.values():
            raise InputError(f"{rows.name}: line {line}: already has the key {key!r} that would be added; say --prefix")
        if not isinstance(sink, JsonLinesSink):
            raise InputError(
                f"{rows.name}: line {line}: the key {key!r} comes too late to be a column\n"
                "  fix: write JSON Lines (--output-format jsonl), which needs no columns"
            )


def _sink(
    output: str | None, output_format: str | None, rows: Source, input: str, descriptor: str, names: dict[str, str]
) -> Sink:
    """Where the rows go: in the format asked for, else that of the output's name, else the input's if it is text."""
    from tierbreak.cli.table import TableSink
    from tierbreak.files import open_sink

    if output_format == "table" and output is None:
        return TableSink(descriptor, names)
    if output is None:
        same = rows.format if rows.format in ("csv", "tsv", "jsonl") else "csv"
        return open_sink("-", output_format or same)
    return open_sink(output, output_format, inputs=(input,))


class Verdicts:
    """The file of --verdicts: the tables of all chunks, their cases numbered on."""

    def __init__(self, name: str, *, inputs: tuple[str, ...]) -> None:
        from tierbreak.files import open_sink

        self._sink = open_sink(name, inputs=inputs)
        self._cases = 0

    def write(self, verdicts: pl.DataFrame) -> None:
        import polars as pl

        self._sink.write(verdicts.with_columns(pl.col("case").cast(pl.UInt64) + self._cases))
        if verdicts.height:
            self._cases += int(verdicts["case"].to_numpy().max()) + 1

    def __enter__(self) -> Self:
        self._sink.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._sink.__exit__(kind, error, at)
