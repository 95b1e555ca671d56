"""Reading plain lines: one descriptor a line, kept as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from tierbreak.errors import InputError
from tierbreak.files.source import Chunk, Source, share_read
from tierbreak.files.streams import NOT_UTF8, NUL, Blocks, decode, refuse_foreign


class PlainLines(Source):
    """An input of one descriptor a line. A blank line is a row too: row n is line n."""

    def __init__(self, stream: BinaryIO, name: str, *, size: int | None, chunk_rows: int) -> None:
        super().__init__(name, "lines", ["descriptor"])
        self._stream, self._size, self._chunk_rows = stream, size, chunk_rows
        self._blocks = Blocks(stream, name)
        self._lines = iter(self._blocks)
        first = next(self._lines, None)
        if first is None:
            raise InputError(f"{name}: is empty; one descriptor a line is needed")
        refuse_foreign(first[:4096], name)
        self._first = first.removeprefix(b"\xef\xbb\xbf")

    @property
    def progress(self) -> float | None:
        return share_read(self._stream, self._size)

    def close(self) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[Chunk]:
        yield from self._read(self._first).slices(self._chunk_rows)
        for block in self._lines:
            yield from self._read(block).slices(self._chunk_rows)

    def _read(self, block: bytes) -> Chunk:
        text, bad = decode(block[:-1])
        texts = text.split("\n")
        if "\r" in text:
            texts = [line.removesuffix("\r") for line in texts]
        faults = dict.fromkeys(bad, NOT_UTF8)
        if "\0" in text:
            faults |= {i: NUL for i, line in enumerate(texts) if "\0" in line and i not in faults}
        for i in sorted(faults):
            self.broken.add(self._blocks.line + i, faults[i], texts[i])
        rows = pl.DataFrame({"descriptor": pl.Series(texts, dtype=pl.String)})
        return Chunk(rows, pl.Series("broken", sorted(faults), dtype=pl.UInt32))
