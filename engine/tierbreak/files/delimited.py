"""Reading CSV and TSV: the clean lines of a block go to polars as they are, each other one is read with care.

A line is clean where its count of separators is the header's, its quotes are well formed and closed on the same
line, and its bytes are UTF-8 without NUL or stray CR. All of that is found for a whole block at once with numpy.
Lines that are not clean are read one by one, and written back in the one way polars cannot misread: every cell in
quotes. So both kinds of line go through one parser, and a single odd line costs microseconds, not the fast path.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import polars as pl

from tierbreak.errors import InputError
from tierbreak.files.formats import SEPARATORS
from tierbreak.files.source import CELLS, COLUMNS, Chunk, Source, share_read
from tierbreak.files.streams import NOT_UTF8, NUL, Blocks, decode, refuse_foreign

#: A quoted field may go on over this many lines and bytes. Past them its quote counts as never closed: that one
#: line is broken, and reading goes on with the next.
QUOTED_LINES, QUOTED_BYTES = 32, 64 * 1024

UNCLOSED, UNQUOTED = "unclosed quote", "text after a closing quote"
_CLOSED = re.compile(r'"(?:[^"]++|"")*+"')

_NEWLINE, _CR, _QUOTE, _NUL = 10, 13, 34, 0

Cells = list[str | None]


class Dialect:
    """How one separator splits text into fields.

    RFC 4180, with one leave: a quote inside an unquoted field is an ordinary character (`JOE"S PIZZA`).
    """

    def __init__(self, separator: str) -> None:
        self.separator = separator
        end = f"(?=[{re.escape(separator)}\r\n]|\\Z)"
        self._quoted = re.compile(f'"((?:[^"]++|"")*+)"{end}')
        self._plain = re.compile(f"[^{re.escape(separator)}\n]*")

    def split(self, text: str) -> tuple[Cells, int]:
        """The fields of the first record of `text`, and where its newline (or the end of `text`) is.

        Unquoted empty fields are None, quoted ones ''. Raises ValueError saying why where `text` begins no record.

        >>> Dialect(",").split('a,"b ""x"",\\nc",,""\\nnext')
        (['a', 'b "x",\\nc', None, ''], 18)
        """
        cells: Cells = []
        at = 0
        while True:
            if text.startswith('"', at):
                match = self._quoted.match(text, at)
                if match is None:
                    closed = _CLOSED.match(text, at)
                    # A quote that closes lines further down is far more likely to open a field there.
                    raise ValueError(UNQUOTED if closed and "\n" not in closed[0] else UNCLOSED)
                cells.append(match[1].replace('""', '"'))
                at = match.end()
                if text.startswith("\r", at) and text[at + 1 : at + 2] in ("\n", ""):
                    at += 1
            else:
                end = self._plain.match(text, at).end()  # type: ignore[union-attr]  # it matches the empty text too
                cell = text[at:end]
                at = end
                if text[at : at + 1] in ("\n", ""):
                    cell = cell.removesuffix("\r")
                cells.append(cell or None)
            if not text.startswith(self.separator, at):
                if at < len(text) and text[at] != "\n":
                    raise ValueError(UNQUOTED)
                return cells, at
            at += 1


def _joined(cells: Cells, separator: str) -> bytes:
    """One record written in the way that no parser can misread."""
    quoted = ["" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in cells]
    return (separator.join(quoted) + "\n").encode()


class Delimited(Source):
    """A CSV or TSV input; see the module."""

    def __init__(self, stream: BinaryIO, name: str, format: str, *, size: int | None, chunk_rows: int) -> None:
        self._stream, self._size, self._chunk_rows = stream, size, chunk_rows
        self._blocks = Blocks(stream, name)
        self._lines = iter(self._blocks)
        self._blank = 0
        first = next(self._lines, None)
        if first is None or not first.strip(b"\xef\xbb\xbf\r\n"):
            raise InputError(f"{name}: is empty; a header line with the names of the columns is needed")
        refuse_foreign(first[:4096], name)
        head = first.removeprefix(b"\xef\xbb\xbf")
        blank = len(head) - len(head.lstrip(b"\r\n"))
        # Whole lines, however long: half a header would be another one.
        text, bad = decode(b"\n".join(head[blank:].split(b"\n", QUOTED_LINES)[:QUOTED_LINES]) + b"\n")
        separator = "\t" if format == "tsv" else _sniffed(text.split("\n", 1)[0])
        self._dialect = Dialect(separator)
        try:
            cells, end = self._dialect.split(text)
        except ValueError as error:
            raise InputError(f"{name}: the header line cannot be read: {error}") from None
        if min(bad, default=len(text)) <= text.count("\n", 0, end) or "\0" in text[:end]:
            raise InputError(f"{name}: the header line is not UTF-8 text; rewrite it (`iconv -f CP1252 -t UTF-8`)")
        super().__init__(name, format, _names(cells, name))
        if separator != "," and format == "csv":
            self.notices.append(f"fields are separated by {separator!r}, as the header shows")
        self._first = head[blank:][len(text[: end + 1].encode()) :]
        self._first_line = self._blocks.line + head[:blank].count(b"\n") + text[: end + 1].count("\n")

    @property
    def progress(self) -> float | None:
        return share_read(self._stream, self._size)

    def close(self) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[Chunk]:
        rows = 0
        for block, line in self._whole():
            for chunk in self._read(block, line):
                rows += chunk.rows.height
                yield from chunk.slices(self._chunk_rows)
        if not rows:
            self.notices.append("holds a header and no rows")
        if self._blank:
            self.notices.append(f"{self._blank} blank lines hold no row and were passed over")

    def _whole(self) -> Iterator[tuple[bytes, int]]:
        """Blocks of whole lines below the header, and the number of the first line of each."""
        if self._first:
            yield self._first, self._first_line
        for block in self._lines:
            yield block, self._blocks.line

    def _read(self, block: bytes, first_line: int) -> Iterator[Chunk]:
        """One block of whole lines, turned into rows. What is left of it for the next block is carried over."""
        text, bad = decode(block)
        raw, block = block, text.encode() if bad else block
        starts, ends, dirty = _dirty_lines(block, self._dialect.separator, len(self.columns))
        not_utf8 = np.array(bad, dtype=np.int64)
        pieces: list[bytes] = []
        broken: list[int] = []
        rows = done = 0  # rows written so far; lines used so far
        for i in [*dirty.tolist(), len(ends)]:
            if i < done:
                continue  # inside a quoted field that began further up
            if i > done:
                pieces.append(block[starts[done] : ends[i - 1] + 1].replace(b"\r\n", b"\n"))
                for at in _between(not_utf8, done, i):
                    self._report(first_line + at, NOT_UTF8, block[starts[at] : ends[at]])
                    broken.append(rows + at - done)
                rows += i - done
            if i == len(ends):
                break
            line = block[starts[i] : ends[i]]
            if len(self.columns) > 1 and line in (b"", b"\r"):
                self._blank += 1
                done = i + 1
                continue
            cells, used, why = self._careful(line.decode())
            if why == UNCLOSED:
                last = int(np.searchsorted(ends, starts[i] + QUOTED_BYTES, side="right")) - 1
                last = max(i, min(last, i + QUOTED_LINES - 1))
                window = block[starts[i] : ends[last]]
                cells, used, why = self._careful(window.decode())
                more_may_come = not self._blocks.at_end and last == len(ends) - 1 and last < i + QUOTED_LINES - 1
                if why == UNCLOSED and more_may_come and len(window) < QUOTED_BYTES:
                    self._blocks.carry(b"\n".join(raw.split(b"\n")[i:]) if bad else block[starts[i] :])
                    break
            why = why or (NOT_UTF8 if _between(not_utf8, i, i + used) else "")
            if why:
                whole = self._report(first_line + i, why, line)
                broken.append(rows)
                cells = cells or [whole if column == self.raw_into else None for column in self.columns]
            pieces.append(_joined(cells, self._dialect.separator))
            rows += 1
            done = i + used
            if rows * len(self.columns) > CELLS:  # short lines are filled up to the header's width
                yield self._chunk(pieces, rows, broken)
                pieces, broken, rows = [], [], 0
        yield self._chunk(pieces, rows, broken)

    def _chunk(self, pieces: list[bytes], rows: int, broken: list[int]) -> Chunk:
        return Chunk(self._parsed(pieces, rows), pl.Series("broken", broken, dtype=pl.UInt32))

    def _report(self, number: int, why: str, line: bytes) -> str:
        text = line.decode().removesuffix("\r")
        self.broken.add(number, why, text)
        return text

    def _careful(self, window: str) -> tuple[Cells, int, str]:
        """The first record of `window`: its cells, how many lines it takes, and why it is broken ('' if it is not).

        window   the record's first line and as many after it as a quoted field may go on over

        The cells are padded where fields are missing. They are empty where they cannot be told apart: then the first
        line alone is the broken row.
        """
        width = len(self.columns)
        try:
            cells, end = self._dialect.split(window)
        except ValueError as error:
            return [], 1, str(error)
        used = 1 + window.count("\n", 0, end)
        if len(cells) != width and used > 1:
            return [], 1, UNCLOSED
        if len(cells) > width:
            return [], 1, f"{len(cells)} fields where the header has {width}"
        if len(cells) < width:
            return cells + [None] * (width - len(cells)), 1, f"{len(cells)} fields where the header has {width}"
        return cells, used, NUL if "\0" in window[:end] else ""

    def _parsed(self, pieces: list[bytes], rows: int) -> pl.DataFrame:
        """Clean CSV into a frame. A header is put in front so that polars takes no row for one, nor for a BOM."""
        header = self._dialect.separator.join(f"c{i}" for i in range(len(self.columns))).encode() + b"\n"
        if not rows:
            return pl.DataFrame(schema=dict.fromkeys(self.columns, pl.String))
        frame = pl.read_csv(b"".join([header, *pieces]), separator=self._dialect.separator, infer_schema=False)
        if frame.height != rows:
            raise RuntimeError(f"{rows} rows were read from {self.name} but {frame.height} came out of the parser")
        frame.columns = self.columns
        return frame


def _sniffed(header: str) -> str:
    """The separator a header line uses: the most frequent one; the comma where none stands out."""
    outside = re.sub(r'"[^"]*"', "", header)
    return max(SEPARATORS, key=outside.count)


def _names(cells: Cells, name: str) -> list[str]:
    names = [cell or "" for cell in cells]
    if len(names) > COLUMNS:
        raise InputError(f"{name}: the header has {len(names):,} columns; at most {COLUMNS:,} can be read")
    twice = sorted(column for column, times in Counter(names).items() if times > 1)
    if twice:
        shown = ", ".join(repr(column) for column in twice[:10]) + (" and more" if len(twice) > 10 else "")
        raise InputError(f"{name}: the header names these columns more than once: {shown}\n  fix: rename them")
    return names


def _between(lines: np.ndarray, first: int, end: int) -> list[int]:
    """Those of the ascending `lines` that lie in `first` ..< `end`."""
    start, stop = np.searchsorted(lines, [first, end])
    return lines[start:stop].tolist()


def _dirty_lines(block: bytes, separator: str, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the lines of `block` start and end (their newline), and which are not clean (see the module).

    block      whole lines, ending in a newline
    returns    int64 [lines], int64 [lines], int64 [dirty lines], ascending
    """
    data = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    starts = np.concatenate([[0], ends[:-1] + 1])
    dirty = np.zeros(len(ends), dtype=bool)

    separators = np.flatnonzero(data == ord(separator))
    quotes = np.flatnonzero(data == _QUOTE)
    if quotes.size:
        before = np.searchsorted(quotes, starts)  # quotes before each line
        count = np.diff(before, append=quotes.size)
        line = np.repeat(np.arange(len(ends)), count)  # the line of each quote
        opening = (np.arange(quotes.size) - before[line]) % 2 == 0
        ahead = np.concatenate([[_NEWLINE], data])[quotes]  # the byte in front of each quote
        behind = data[quotes + 1]  # the block ends in a newline: there is one
        edge = np.where(opening, ahead, behind)
        # A quote is as good an edge as a separator: a closing one and an opening one side by side are a doubled quote.
        well = (edge == ord(separator)) | (edge == _NEWLINE) | (edge == _QUOTE) | (~opening & (edge == _CR))
        dirty[line[~well]] = True
        dirty |= count % 2 == 1
        at = np.searchsorted(quotes, separators)  # quotes before each separator
        in_line = np.searchsorted(ends, separators)
        separators = separators[(at - before[in_line]) % 2 == 0]
    fields = np.diff(np.searchsorted(separators, starts), append=len(separators)) + 1
    dirty |= fields != width

    returns = np.flatnonzero(data == _CR)
    if returns.size:
        dirty[np.searchsorted(ends, returns[data[returns + 1] != _NEWLINE])] = True
    if width > 1:
        dirty |= (ends == starts) | ((ends - starts == 1) & (data[starts] == _CR))
    if (data == _NUL).any():
        dirty[np.searchsorted(ends, np.flatnonzero(data == _NUL))] = True
    return starts, ends, np.flatnonzero(dirty)
