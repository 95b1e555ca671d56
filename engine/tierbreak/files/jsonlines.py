"""Reading JSON Lines: one object a line, whose values become text as it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, NoReturn

import polars as pl

from tierbreak.errors import InputError
from tierbreak.files.source import Chunk, Source, share_read, text_frame
from tierbreak.files.streams import NOT_UTF8, Blocks, decode, refuse_foreign

#: Most keys remembered that came too late to be columns.
LATE = 1000

_SURROGATE = re.compile("[\ud800-\udfff]")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class _Number(str):
    """A number as it was written: 1.10 is not 1.1, and an id of thirty digits is no float."""

    __slots__ = ()


_DECODER = json.JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=_no_constant)


class JsonLines(Source):
    """A JSON Lines input. Its columns are the keys of the first block, in the order in which they first appear.

    A key that comes up later is no column: `late` then says where, and only JSON Lines, written from
    `Chunk.objects`, can hold it.
    """

    def __init__(self, stream: BinaryIO, name: str, *, size: int | None, chunk_rows: int) -> None:
        self._stream, self._size, self._chunk_rows = stream, size, chunk_rows
        self._blocks = Blocks(stream, name)
        self._lines = iter(self._blocks)
        first = next(self._lines, None)
        if first is None or not first.strip():
            raise InputError(f"{name}: is empty; one JSON object a line is needed")
        refuse_foreign(first[:4096], name)
        self._first = first.removeprefix(b"\xef\xbb\xbf")
        if self._first.lstrip().startswith(b"["):
            raise InputError(f"{name}: is a JSON array; one object a line is needed (`jq -c '.[]'` writes that)")
        self._blank = 0
        #: Keys that are no columns, and the line on which each was first seen; the first of many only.
        self.late: dict[str, int] = {}
        self._ready = _Cells({})
        faults = self._read(self._first, self._ready, fixed=False)
        if not self._ready.columns:
            why = f"line {faults[0][1]}: {faults[0][2]}" if faults else "its objects are empty"
            raise InputError(f"{name}: no line of it is a JSON object with keys; {why}")
        self._faults = faults
        super().__init__(name, "jsonl", list(self._ready.columns))

    @property
    def progress(self) -> float | None:
        return share_read(self._stream, self._size)

    def close(self) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[Chunk]:
        yield from self._chunk(self._ready, self._faults).slices(self._chunk_rows)
        self._ready = _Cells({})
        for block in self._lines:
            cells = _Cells({column: [] for column in self.columns})
            yield from self._chunk(cells, self._read(block, cells, fixed=True)).slices(self._chunk_rows)
        if self._blank:
            self.notices.append(f"{self._blank} blank lines hold no row and were passed over")

    def _read(self, block: bytes, cells: _Cells, *, fixed: bool) -> list[_Fault]:
        """Put the rows of `block` into `cells`; returns those that are broken. Unless `fixed`, new keys are columns."""
        text, bad = decode(block[:-1])
        bad_lines = set(bad)
        faults: list[_Fault] = []
        # Cells go straight into their columns: a hundred thousand dicts held at once cost more than their parsing.
        for i, line in enumerate(text.split("\n")):
            if not line or line.isspace():
                self._blank += 1
                continue
            row = NOT_UTF8 if i in bad_lines else _object(line)
            if isinstance(row, str):
                faults.append(_Fault(len(cells.objects), self._blocks.line + i, row, line.removesuffix("\r")))
                cells.add({}, None)
                continue
            if not row.keys() <= cells.columns.keys():
                if not fixed:
                    cells.widen(row)
                elif len(self.late) < LATE:
                    for key in row.keys() - cells.columns.keys():
                        self.late.setdefault(key, self._blocks.line + i)
            cells.add(row, line)
        return faults

    def _chunk(self, cells: _Cells, faults: list[_Fault]) -> Chunk:
        into = cells.columns[self.raw_into]
        for position, line, why, text in faults:
            into[position] = text
            self.broken.add(line, why, text)
        return Chunk(
            text_frame(list(cells.columns.values()), self.columns),
            pl.Series("broken", [fault.position for fault in faults], dtype=pl.UInt32),
            pl.Series("objects", cells.objects, dtype=pl.String),
        )


class _Fault(NamedTuple):
    """A broken row: its position in the block's rows, its line in the file, what is wrong, its text."""

    position: int
    line: int
    why: str
    text: str


class _Cells:
    """The cells of a block, column by column, and the objects they came from."""

    def __init__(self, columns: dict[str, list[str | None]]) -> None:
        self.columns = columns
        self.objects: list[str | None] = []

    def widen(self, row: dict[str, Any]) -> None:
        """Add a column for each new key of `row`, empty so far."""
        for key in row:
            if key not in self.columns:
                self.columns[key] = [None] * len(self.objects)

    def add(self, row: dict[str, Any], line: str | None) -> None:
        for column, cells in self.columns.items():
            cells.append(_text(row.get(column)))
        self.objects.append(line)


def _object(line: str) -> dict[str, Any] | str:
    """The JSON object on a line, or what is wrong with the line."""
    try:
        row = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at character {error.colno}"
    except ValueError as error:
        return f"not JSON: {error}"
    except RecursionError:
        return "not JSON: nested too deep"
    if not isinstance(row, dict):
        return "not a JSON object"
    if "\\u" in line and any(_SURROGATE.search(json.dumps(part, ensure_ascii=False)) for part in row.items()):
        return "half of a surrogate pair: no character"
    return row


def _text(value: Any) -> str | None:
    """A JSON value as text: strings as they are, anything else as JSON writes it."""
    return value if value is None or isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    """`value` as JSON, its numbers as they were written."""
    if isinstance(value, _Number):
        return value
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_json(part)}" for key, part in value.items())
            + "}"
        )
    return json.dumps(value, ensure_ascii=False)
