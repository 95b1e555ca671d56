"""Tables out. A file appears whole or not at all: it is written beside its place, synced, then moved there at once."""

from __future__ import annotations

import gzip
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import polars as pl

from tierbreak.errors import InputError
from tierbreak.files import atomic
from tierbreak.files.faults import guarded
from tierbreak.files.formats import by_name, known

#: Cells held before Parquet parts go to disk: up to here a file is written in one go, which is twice as fast.
PART_CELLS = 20_000_000

#: What a list of it cannot be joined to one text.
_NO_TEXT = (pl.Binary, pl.Object, pl.Duration)


def open_sink(name: str | Path, format: str | None = None, *, inputs: Iterable[str] = ()) -> Sink:
    """Open a table for writing; use it in a `with` block.

    name     a file, or '-' for standard output. `.gz` packs it. A device or named pipe is written to directly.
    format   csv, tsv, jsonl or parquet; None: by the file's name
    inputs   names of files in use meanwhile, none of which may be the output

    Leaving the block moves the file to its place; leaving it by an error, Ctrl-C or a caught signal removes what was
    written and leaves a file that stood there before as it was. Raises InputError, before any work, where the place
    cannot be written to.
    """
    name = str(name)
    chosen = known(format) if format else by_name(name)
    if chosen is None:
        raise InputError(f"{name}: the name says no format; end it in .csv, .tsv, .jsonl or .parquet, or say which")
    if chosen == "lines":
        raise InputError(f"{name}: plain lines can hold no decision; write csv, tsv, jsonl or parquet")
    if name != "-":
        _check(name, inputs)
    elif chosen == "parquet" and sys.stdout is not None and sys.stdout.isatty():
        raise InputError("Parquet is no text for a terminal: name a file with -o, or say --output-format csv")
    if chosen == "jsonl":
        return JsonLinesSink(name)
    if chosen == "parquet":
        return ParquetSink(name)
    return DelimitedSink(name, separator="\t" if chosen == "tsv" else ",")


@contextmanager
def _standard() -> Iterator[BinaryIO]:
    """Standard output: nothing to move, nothing to take back."""
    if sys.stdout is None:
        raise InputError("standard output is closed; name a file with -o")
    yield cast(BinaryIO, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _check(name: str, inputs: Iterable[str]) -> None:
    """Raise InputError where nothing should be written to a file of this name."""
    path = Path(name)
    with guarded(name, "cannot be written"):
        if path.is_dir():
            raise InputError(f"{name}: is a folder; name a file in it")
        if not path.parent.is_dir():
            raise InputError(f"{name}: there is no folder {str(path.parent)!r}; make it first")
        if any(other != "-" and _same(path, Path(other)) for other in inputs):
            raise InputError(f"{name}: is read or written by this command already; write to another file")


def _same(one: Path, two: Path) -> bool:
    """Whether two names are one file, there or not, hard links included."""
    return os.path.realpath(one) == os.path.realpath(two) or (one.exists() and two.exists() and one.samefile(two))


@contextmanager
def _packed(file: BinaryIO) -> Iterator[BinaryIO]:
    """What packs into `file`. It is always closed before `file` is, as it still writes then."""
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="wb", mtime=0))
    try:
        yield stream
    except BaseException:
        with suppress(OSError):  # the error that is under way is the one to tell
            stream.close()
        raise
    stream.close()


class Sink:
    """An output table; see `open_sink`. `name` is for messages."""

    def __init__(self, name: str, *, packed: bool = False) -> None:
        self.name = "standard output" if name == "-" else name
        self._stack = ExitStack()
        with guarded(self.name, "cannot be written"):
            target = _standard() if name == "-" else atomic.writing(Path(name), sync=True)
            self._stream = self._stack.enter_context(target)
            if packed:
                self._stream = self._stack.enter_context(_packed(self._stream))

    def write(self, rows: pl.DataFrame, *, objects: pl.Series | None = None, added: Sequence[str] = ()) -> None:
        """Append rows; every call must bring the same columns, and one call with no rows still writes the header.

        objects   String, one a row: JSON objects as they came in, null where there is none. JSON Lines repeats them
                  to the letter and adds the columns `added` at their end; the other formats write `rows`.
        """
        with guarded(self.name, "cannot be written"):
            self._write(rows, objects, added)

    def _write(self, rows: pl.DataFrame, objects: pl.Series | None, added: Sequence[str]) -> None:
        raise NotImplementedError

    def _put(self, data: bytes | memoryview) -> None:
        """Write all of `data`: unbuffered standard output (PYTHONUNBUFFERED) may take a part of it and say nothing."""
        view = memoryview(data)
        while view:
            view = view[self._stream.write(view) :]

    def _finish(self) -> None:
        """Write what is still held back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, at)
            return
        with guarded(self.name, "cannot be written"), self._stack:
            self._finish()


class DelimitedSink(Sink):
    """CSV or TSV: text as it is, lists joined by `|`, other nested values as JSON."""

    def __init__(self, name: str, *, separator: str) -> None:
        super().__init__(name, packed=name.endswith(".gz"))
        self._separator = separator
        self._header = True

    def _write(self, rows: pl.DataFrame, objects: pl.Series | None, added: Sequence[str]) -> None:
        flat = rows.select(_flat(rows.get_column(name), self.name) for name in rows.columns)
        buffer = io.BytesIO()
        flat.write_csv(buffer, separator=self._separator, include_header=self._header)
        self._header = False
        self._put(buffer.getbuffer())


class JsonLinesSink(Sink):
    """JSON Lines: types are kept as far as JSON has them."""

    def __init__(self, name: str) -> None:
        super().__init__(name, packed=name.endswith(".gz"))

    def _write(self, rows: pl.DataFrame, objects: pl.Series | None, added: Sequence[str]) -> None:
        _refuse_bytes(rows, self.name)
        if objects is None:
            buffer = io.BytesIO()
            rows.write_ndjson(buffer)
            self._put(buffer.getbuffer())
        elif rows.height:
            whole = rows.select(pl.struct(pl.all()).struct.json_encode()).to_series()
            tail = rows.select(pl.struct(*added).struct.json_encode()).to_series().str.slice(1)
            head = objects.str.strip_chars().str.head(-1).str.strip_chars_end()
            comma = head.str.ends_with("{").replace_strict({True: "", False: ","}, return_dtype=pl.String)
            lines = (head + comma + tail).fill_null(whole)
            self._put(("\n".join(lines) + "\n").encode())


class ParquetSink(Sink):
    """Parquet: types are kept. Beyond `PART_CELLS` cells, parts stand in a passing folder until the end."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        path = Path(name)
        special = name == "-" or (path.exists() and not path.is_file())
        self._beside = None if special else path.parent
        self._held: list[pl.DataFrame] = []
        self._height = 0
        self._parts: list[Path] = []
        self._folder: Path | None = None

    def _write(self, rows: pl.DataFrame, objects: pl.Series | None, added: Sequence[str]) -> None:
        self._held.append(rows)
        self._height += rows.height
        if self._height * rows.width > PART_CELLS:
            if self._folder is None:
                self._folder = self._stack.enter_context(atomic.scratch(self._beside))
            self._parts.append(self._folder / f"{len(self._parts):06d}.parquet")
            self._taken().write_parquet(self._parts[-1], compression="lz4")

    def _taken(self) -> pl.DataFrame:
        """All rows held, which are then no longer held."""
        rows = pl.concat(self._held)
        self._held, self._height = [], 0
        return rows

    def _finish(self) -> None:
        if not self._parts:
            buffer = io.BytesIO()
            self._taken().write_parquet(buffer)
            self._put(buffer.getbuffer())
            return
        merged = self._parts[0].with_name("merged.parquet")
        rest = [self._taken().lazy()] if self._held else []
        pl.concat([*map(pl.scan_parquet, self._parts), *rest]).sink_parquet(merged)
        with merged.open("rb") as whole:
            while data := whole.read(8 * 1024 * 1024):
                self._put(data)


def _flat(column: pl.Series, name: str) -> pl.Series:
    """A column that CSV can hold."""
    kind = column.dtype
    if kind == pl.Duration:
        return column.dt.to_string("iso")
    if isinstance(kind, pl.List) and not (kind.inner.is_nested() or kind.inner in _NO_TEXT):
        joined = column.cast(pl.List(pl.String)).list.join("|", ignore_nulls=True)
        return pl.select(pl.when(column.list.len() > 0).then(joined)).to_series().alias(column.name)
    if isinstance(kind, pl.Struct) and not _holds_bytes(kind):
        return column.struct.json_encode()
    if kind.is_nested() or _holds_bytes(kind):
        raise InputError(f"{name}: column {column.name!r} holds {kind}, which CSV cannot hold; write Parquet")
    return column


def _refuse_bytes(rows: pl.DataFrame, name: str) -> None:
    for column, kind in rows.schema.items():
        if _holds_bytes(kind):
            raise InputError(f"{name}: column {column!r} holds {kind}, which JSON cannot hold; write Parquet")


def _holds_bytes(kind: pl.DataType) -> bool:
    """Whether values of this type, or some in them, are bytes or Python's own: no text stands for them."""
    if isinstance(kind, pl.List | pl.Array):
        return _holds_bytes(cast(pl.DataType, kind.inner))
    if isinstance(kind, pl.Struct):
        return any(_holds_bytes(cast(pl.DataType, field.dtype)) for field in kind.fields)
    return kind in (pl.Binary, pl.Object)
