"""Tables in and out as streams: CSV, TSV, JSON Lines, Parquet and plain lines; files, pipes, gzip.

    with open_source("june.csv") as source, open_sink("out.csv") as sink:
        for chunk in source:
            sink.write(chunk.rows)

Memory is bounded whatever the size of the input. No row is lost: one that cannot be read as written is kept, marked
in `Chunk.broken`, and reported with its line in `Source.broken`. An output file appears whole or not at all.
"""

from __future__ import annotations

import io
from pathlib import Path

from tierbreak.files.broken import BrokenRow, BrokenRows
from tierbreak.files.delimited import Delimited
from tierbreak.files.faults import guarded
from tierbreak.files.formats import FORMATS, by_content, by_name, known
from tierbreak.files.jsonlines import JsonLines
from tierbreak.files.parquet import Parquet
from tierbreak.files.plain import PlainLines
from tierbreak.files.sinks import Sink, open_sink
from tierbreak.files.source import Chunk, Source
from tierbreak.files.streams import open_bytes

__all__ = ["FORMATS", "BrokenRow", "BrokenRows", "Chunk", "Sink", "Source", "open_sink", "open_source"]


def open_source(name: str | Path, format: str | None = None, *, chunk_rows: int = 500_000) -> Source:
    """Open a table for reading.

    name         a file, or '-' for standard input; gzip is unpacked
    format       one of FORMATS; None: by the file's name, else by what it begins with (a notice then says so)
    chunk_rows   most rows in a chunk, > 0

    Raises InputError where the file cannot be read, is empty, or is plainly something else.
    """
    name = str(name)
    chosen = known(format) if format else by_name(name)
    stream = open_bytes(name)
    guessed = chosen is None
    shown = "standard input" if name == "-" else name
    try:
        with guarded(shown, "cannot be read"):
            chosen = chosen or by_content(stream.peek(4096)[:4096])
            size = None if name == "-" else Path(name).stat().st_size
        source = _opened(stream, shown, chosen, size, chunk_rows)
    except BaseException:
        if name != "-":
            stream.close()
        raise
    if guessed:
        source.notices.insert(0, f"read as {source.format}, by its first line (--format says otherwise)")
    return source


def _opened(stream: io.BufferedReader, name: str, format: str, size: int | None, chunk_rows: int) -> Source:
    if format == "parquet":
        if isinstance(stream.raw, io.FileIO) and stream.fileno() != 0:
            stream.close()
            return Parquet(name, stream=None, chunk_rows=chunk_rows)
        return Parquet(name, stream=stream, chunk_rows=chunk_rows)
    if format == "jsonl":
        return JsonLines(stream, name, size=size, chunk_rows=chunk_rows)
    if format == "lines":
        return PlainLines(stream, name, size=size, chunk_rows=chunk_rows)
    return Delimited(stream, name, format, size=size, chunk_rows=chunk_rows)
