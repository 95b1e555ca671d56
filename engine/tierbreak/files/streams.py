"""Bytes in: opening files and standard input, unpacking gzip, and cutting the stream into whole lines.

Memory is bounded by `BLOCK` and `LINE`, whatever the size of the input.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from tierbreak.errors import InputError
from tierbreak.files.faults import guarded

#: Bytes read at a time.
BLOCK = 16 * 1024 * 1024
#: Bytes of the longest line: beyond it the input is no text, and holding it would not be bounded.
LINE = 16 * 1024 * 1024

#: Why a row is broken, in every text format.
NOT_UTF8, NUL = "bytes that are not UTF-8", "a NUL character"

_SURROGATE = re.compile("[\udc80-\udcff]")

#: The magic of Parquet and the first byte of the page header behind it: a descriptor may begin with PAR1 too.
PARQUET = b"PAR1\x15"

#: What a file that is no text begins with, and what to do about it.
_FOREIGN = {
    b"\xff\xfe": "is UTF-16 text; save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)",
    b"\xfe\xff": "is UTF-16 text; save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)",
    b"PK\x03\x04": "is a zip archive or an Excel workbook; export the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook; export the sheet as CSV",
    b"%PDF": "is a PDF; export the statement as CSV",
    PARQUET: "is Parquet; say --format parquet",
}


def open_bytes(name: str) -> io.BufferedReader:
    """Open `name` ('-' is standard input) for reading, unpacked where it is gzip. Raises InputError."""
    if name == "-":
        if sys.stdin is None:
            raise InputError("standard input is closed; name a file")
        return _unpacked(cast(io.BufferedReader, sys.stdin.buffer), "standard input")
    path = Path(name)
    with guarded(name, "cannot be read"):
        if path.is_dir():
            raise InputError(f"{name}: is a folder, not a file")
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            raise InputError(f"{name}: no such file") from None
    try:
        return _unpacked(stream, name)
    except BaseException:
        stream.close()
        raise


def _unpacked(stream: io.BufferedReader, name: str) -> io.BufferedReader:
    with guarded(name, "cannot be read"):
        if stream.peek(2)[:2] != b"\x1f\x8b":
            return stream
        packed = gzip.GzipFile(fileobj=stream)
        packed.myfileobj = stream  # type: ignore[assignment]  # closed with it
        return io.BufferedReader(cast(io.RawIOBase, packed), 1024 * 1024)


def refuse_foreign(head: bytes, name: str) -> None:
    """Raise InputError where `head`, the first bytes of a text input, are those of something else."""
    for magic, what in _FOREIGN.items():
        if head.startswith(magic):
            raise InputError(f"{name}: {what}")
    lines = head.rstrip(b"\r\n")
    if b"\r" in lines and b"\n" not in lines:
        raise InputError(f"{name}: lines end in CR alone; rewrite them with `tr '\\r' '\\n'`")


@dataclass
class Blocks:
    """Whole lines of a byte stream, about `BLOCK` bytes at a time, each block ending in a newline.

    The reader of a block may give its tail back with `carry`, to see it again with more behind it.

    >>> blocks = Blocks(io.BytesIO(b"a\\nb"), "example")
    >>> list(blocks)
    [b'a\\n', b'b\\n']
    """

    stream: BinaryIO
    name: str
    at_end: bool = False
    line: int = 1
    _tail: bytes = b""
    _next_line: int = 1

    def __iter__(self) -> Iterator[bytes]:
        """Yield blocks; `line` is the 1-based number of the first line of the one yielded last."""
        while not self.at_end:
            data = self._read()
            self.at_end = not data
            whole = self._tail + data
            cut = len(whole) if self.at_end else whole.rfind(b"\n") + 1
            block, self._tail = whole[:cut], whole[cut:]
            if len(self._tail) > LINE:
                line = self._next_line + block.count(b"\n")
                raise InputError(f"{self.name}: line {line} is longer than {LINE // 2**20} MiB: not a text file?")
            if block:
                self.line = self._next_line
                block = block if block.endswith(b"\n") else block + b"\n"
                self._next_line += block.count(b"\n")
                yield block

    def carry(self, tail: bytes) -> None:
        """Put `tail`, whole lines at the end of the block yielded last, in front of the next block."""
        self._next_line -= tail.count(b"\n")
        self._tail = tail + self._tail

    def _read(self) -> bytes:
        with guarded(self.name, "cannot be read to its end"):
            return self.stream.read(BLOCK)


def decode(block: bytes) -> tuple[str, list[int]]:
    """The text of a block of lines, and the 0-based lines that are not UTF-8, whose bytes become U+FFFD.

    >>> decode(b"caf\\xc3\\xa9\\ncaf\\xe9\\n")
    ('café\\ncaf\ufffd\\n', [1])
    """
    try:
        return block.decode("utf-8"), []
    except UnicodeDecodeError:
        escaped = block.decode("utf-8", "surrogateescape").split("\n")
    bad = [i for i, line in enumerate(escaped) if not line.isascii() and _SURROGATE.search(line)]
    return block.decode("utf-8", "replace"), bad
