"""Reading Parquet: types are kept, and no row is touched in Python."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import polars as pl

from tierbreak.errors import InputError
from tierbreak.files import atomic
from tierbreak.files.faults import guarded
from tierbreak.files.source import CELLS, Chunk, Source


class Parquet(Source):
    """A Parquet input, read `chunk_rows` rows at a time, fewer of very many columns.

    From standard input it is first put into a file.
    """

    def __init__(self, name: str, *, stream: BinaryIO | None, chunk_rows: int) -> None:
        self._stack = ExitStack()
        try:
            with guarded(name, "cannot be read as Parquet"):
                path = Path(name) if stream is None else self._spooled(stream)
                self._lazy = pl.scan_parquet(path, glob=False)
                self._schema = self._lazy.collect_schema()
                self._rows = int(self._lazy.select(pl.len()).collect().item())
            if not self._schema:
                raise InputError(f"{name}: has no columns")
        except BaseException:
            self.close()
            raise
        # A row group of nulls has next to no bytes: rows alone would bound nothing.
        self._chunk_rows = min(chunk_rows, max(1, 8 * CELLS // len(self._schema)))
        self._read = 0
        super().__init__(name, "parquet", self._schema.names())

    def _spooled(self, stream: BinaryIO) -> Path:
        path = self._stack.enter_context(atomic.scratch()) / "input.parquet"
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file)
        return path

    @property
    def schema(self) -> pl.Schema:
        return self._schema

    @property
    def progress(self) -> float | None:
        return self._read / self._rows if self._rows else None

    def close(self) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Chunk]:
        if not self._rows:
            self.notices.append("holds no rows")
        while self._read < self._rows:
            with guarded(self.name, "cannot be read to its end"):
                rows = self._lazy.slice(self._read, self._chunk_rows).collect()
            if not rows.height:
                raise InputError(f"{self.name}: says that it has {self._rows} rows, and has {self._read}")
            self._read += rows.height
            yield Chunk(rows, pl.Series("broken", [], dtype=pl.UInt32))
