"""What every reader is: columns known at once, then chunks of rows, with the broken ones marked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import polars as pl

from tierbreak.files.broken import BrokenRows

#: Most columns of a text input, as many as a spreadsheet has: each costs something however few rows it holds.
COLUMNS = 16_384
#: Cells read at a time where a row may have more of them than it has bytes. So memory is bounded by the input's size
#: and not by rows times columns.
CELLS = 4_000_000


class Chunk(NamedTuple):
    """Some consecutive rows of an input.

    rows     one column for each of `Source.columns`; text formats give String columns only
    broken   UInt32: positions in `rows` of those that could not be read as written
    objects  JSON Lines only: each row's object as it was written, one a row; null where the row is broken
    """

    rows: pl.DataFrame
    broken: pl.Series
    objects: pl.Series | None = None

    def slices(self, size: int) -> Iterator[Chunk]:
        """The same rows in chunks of at most `size`."""
        if self.rows.height <= size:
            yield self
            return
        for start in range(0, self.rows.height, size):
            inside = self.broken.filter((self.broken >= start) & (self.broken < start + size)) - start
            objects = None if self.objects is None else self.objects.slice(start, size)
            yield Chunk(self.rows.slice(start, size), inside.cast(pl.UInt32), objects)


@dataclass
class Source:
    """An input table: iterate to get its chunks, once.

    name       as given; '-' is standard input
    format     one of `FORMATS`
    columns    in order, known before the first chunk
    notices    what the person should know of how it was read
    broken     rows that could not be read as written, filled while iterating
    raw_into   the column that takes a broken row's line where its fields cannot be told apart; set it before iterating
    """

    name: str
    format: str
    columns: list[str]
    notices: list[str] = field(default_factory=list)
    broken: BrokenRows = field(default_factory=BrokenRows)
    raw_into: str = ""

    def __post_init__(self) -> None:
        self.raw_into = self.raw_into or self.columns[0]

    def __iter__(self) -> Iterator[Chunk]:
        raise NotImplementedError

    @property
    def schema(self) -> pl.Schema:
        """The type of each column, as the chunks will have it."""
        return pl.Schema(dict.fromkeys(self.columns, pl.String()))

    @property
    def progress(self) -> float | None:
        """Share of the input read so far, 0..1; None where its size is not known."""
        return None

    def close(self) -> None:
        """Let go of the file. Called twice, it does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def text_frame(cells: Sequence[Sequence[str | None]], columns: Sequence[str]) -> pl.DataFrame:
    """A frame of String columns from one list of cells a column."""
    return pl.DataFrame([pl.Series(name, cell, dtype=pl.String) for name, cell in zip(columns, cells, strict=True)])


def share_read(stream: BinaryIO, size: int | None) -> float | None:
    """How far `stream` has come in its file of `size` bytes, by the position of the file below (gzip or not)."""
    if not size:
        return None
    try:
        return min(1.0, os.lseek(stream.fileno(), 0, os.SEEK_CUR) / size)
    except (OSError, ValueError):
        return None
