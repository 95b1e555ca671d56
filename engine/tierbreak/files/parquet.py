"""Reading Parquet: types are kept, and no row is touched in Python."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import polars as pl

from tierbreak.errors import InputError
from tierbreak.files.source import Chunk, Source


class Parquet(Source):
    """A Parquet input, read `chunk_rows` rows at a time. From standard input it is first put into a file."""

    def __init__(self, name: str, *, stream: BinaryIO | None, chunk_rows: int) -> None:
        self._chunk_rows = chunk_rows
        self._spool = None
        path = Path(name)
        if stream is not None:
            self._spool = tempfile.NamedTemporaryFile(suffix=".parquet")  # noqa: SIM115  # closed in `close`
            shutil.copyfileobj(stream, self._spool)
            self._spool.flush()
            path = Path(self._spool.name)
        self._lazy = pl.scan_parquet(path, glob=False)
        try:
            self._schema = self._lazy.collect_schema()
            self._rows = int(self._lazy.select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError) as error:
            self.close()
            raise InputError(f"{name}: cannot be read as Parquet: {_first_line(error)}") from None
        if not self._schema:
            raise InputError(f"{name}: has no columns")
        self._read = 0
        super().__init__(name, "parquet", self._schema.names())

    @property
    def schema(self) -> pl.Schema:
        return self._schema

    @property
    def progress(self) -> float | None:
        return self._read / self._rows if self._rows else None

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()

    def __iter__(self) -> Iterator[Chunk]:
        if not self._rows:
            self.notices.append("holds no rows")
        while self._read < self._rows:
            try:
                rows = self._lazy.slice(self._read, self._chunk_rows).collect()
            except (pl.exceptions.PolarsError, OSError) as error:
                raise InputError(f"{self.name}: cannot be read to its end: {_first_line(error)}") from None
            self._read += rows.height
            yield Chunk(rows, pl.Series("broken", [], dtype=pl.UInt32))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:200]
