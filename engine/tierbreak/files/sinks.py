"""Tables out. A file appears whole or not at all: it is written beside its place, synced, then moved there at once."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import polars as pl

from tierbreak.errors import InputError
from tierbreak.files.formats import by_name, known

#: Rows held before Parquet parts go to disk: up to here a file is written in one go, which is twice as fast.
PART_ROWS = 1_000_000


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
    target = _Standard() if name == "-" else _place(name, inputs)
    packed = name.endswith(".gz") and chosen != "parquet"
    kind = {"jsonl": JsonLinesSink, "parquet": ParquetSink}.get(chosen)
    if kind is not None:
        return kind(target, packed=packed)
    return DelimitedSink(target, packed=packed, separator="\t" if chosen == "tsv" else ",")


class _Standard:
    """Standard output: nothing to move, nothing to take back."""

    name = "standard output"

    def open(self) -> BinaryIO:
        if sys.stdout is None:
            raise InputError("standard output is closed; name a file with -o")
        return cast(BinaryIO, sys.stdout.buffer)

    def commit(self) -> None:
        sys.stdout.buffer.flush()

    def discard(self) -> None:
        """What was written is gone down the pipe."""


class _Special(_Standard):
    """A device or a named pipe: moving a file over it would destroy it, so it is written to as it stands."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._stream: BinaryIO | None = None

    def open(self) -> BinaryIO:
        self._stream = Path(self.name).open("wb")  # noqa: SIM115  # closed in `commit`
        return self._stream

    def commit(self) -> None:
        if self._stream is not None:
            self._stream.close()


class _Regular(_Standard):
    """A file written beside its place under a passing name."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        try:
            handle, beside = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".tmp", dir=path.parent)
        except OSError as error:
            raise InputError(f"{name}: cannot be written: {error.strerror}") from None
        self.beside = Path(beside)
        self._stream = os.fdopen(handle, "wb", buffering=1024 * 1024)

    def open(self) -> BinaryIO:
        return self._stream

    def commit(self) -> None:
        """Sync the file, give it the permissions it would have had, and move it to its place."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        mode = stat.S_IMODE(self.path.stat().st_mode) if self.path.exists() else 0o666 & ~_umask()
        self.beside.chmod(mode)
        self.beside.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        self._stream.close()
        self.beside.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _place(name: str, inputs: Iterable[str]) -> _Standard:
    path = Path(name)
    if path.is_dir():
        raise InputError(f"{name}: is a folder; name a file in it")
    path = path.resolve()  # a link stays a link to what is written
    if not path.parent.is_dir():
        raise InputError(f"{name}: there is no folder {str(Path(name).parent)!r}; make it first")
    if any(other != "-" and _same(path, Path(other)) for other in inputs):
        raise InputError(f"{name}: is read or written by this command already; write to another file")
    if path.exists() and not path.is_file():
        return _Special(name)
    return _Regular(name, path)


def _same(one: Path, two: Path) -> bool:
    """Whether two names are one file, there or not, hard links included."""
    return one == two.resolve() or (one.exists() and two.exists() and one.samefile(two))


class Sink:
    """An output table; see `open_sink`. `name` is for messages."""

    def __init__(self, target: _Standard, *, packed: bool) -> None:
        self._target = target
        self.name = target.name
        self._stream = self._opened(packed)
        self._packed = packed

    def _opened(self, packed: bool) -> BinaryIO:
        stream = self._target.open()
        return cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="wb", mtime=0)) if packed else stream

    def write(self, rows: pl.DataFrame, *, objects: pl.Series | None = None, added: Sequence[str] = ()) -> None:
        """Append rows; every call must bring the same columns, and one call with no rows still writes the header.

        objects   String, one a row: JSON objects as they came in, null where there is none. JSON Lines repeats them
                  to the letter and adds the columns `added` at their end; the other formats write `rows`.
        """
        try:
            self._write(rows, objects, added)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"{self.name}: cannot be written: {error.strerror or error}") from None

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
        done = False
        try:
            if kind is None:
                self._finish()
                if self._packed:
                    self._stream.close()
                self._target.commit()
                done = True
        except BrokenPipeError:
            raise
        except OSError as fault:
            raise InputError(f"{self.name}: cannot be written: {fault.strerror or fault}") from None
        finally:
            if not done:
                self._target.discard()


class DelimitedSink(Sink):
    """CSV or TSV: text as it is, lists joined by `|`, other nested values as JSON."""

    def __init__(self, target: _Standard, *, packed: bool, separator: str) -> None:
        super().__init__(target, packed=packed)
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

    def _write(self, rows: pl.DataFrame, objects: pl.Series | None, added: Sequence[str]) -> None:
        _refuse_binary(rows, self.name)
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
    """Parquet: types are kept. Beyond `PART_ROWS` rows, parts stand in a passing folder until the end."""

    def __init__(self, target: _Standard, *, packed: bool) -> None:
        super().__init__(target, packed=packed)
        if isinstance(target, _Standard) and target.name == "standard output" and sys.stdout.isatty():
            raise InputError("Parquet is no text for a terminal: name a file with -o, or say --output-format csv")
        self._held: list[pl.DataFrame] = []
        self._height = 0
        self._parts: list[Path] = []
        self._folder: Path | None = None

    def _write(self, rows: pl.DataFrame, objects: pl.Series | None, added: Sequence[str]) -> None:
        self._held.append(rows)
        self._height += rows.height
        if self._height > PART_ROWS:
            if self._folder is None:
                beside = self._target.beside.parent if isinstance(self._target, _Regular) else None
                self._folder = Path(tempfile.mkdtemp(prefix=".tierbreak-parts.", dir=beside))
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

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            super().__exit__(kind, error, at)
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)


def _flat(column: pl.Series, name: str) -> pl.Series:
    """A column that CSV can hold."""
    kind = column.dtype
    if isinstance(kind, pl.List) and not kind.inner.is_nested() and kind.inner != pl.Binary:
        joined = column.cast(pl.List(pl.String)).list.join("|", ignore_nulls=True)
        return pl.select(pl.when(column.list.len() > 0).then(joined)).to_series().alias(column.name)
    if isinstance(kind, pl.Struct):
        return column.struct.json_encode()
    if kind.is_nested() or kind in (pl.Binary, pl.Object):
        raise InputError(f"{name}: column {column.name!r} holds {kind}, which CSV cannot hold; write Parquet")
    return column


def _refuse_binary(rows: pl.DataFrame, name: str) -> None:
    for column, kind in rows.schema.items():
        if kind in (pl.Binary, pl.Object):
            raise InputError(f"{name}: column {column!r} holds {kind}, which JSON cannot hold; write Parquet")
