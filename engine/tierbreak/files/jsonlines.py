"""Reading JSON Lines: one object a line, whose values become text as it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, BinaryIO, NamedTuple, NoReturn

import polars as pl

from tierbreak.errors import InputError
from tierbreak.files.source import CELLS, COLUMNS, Chunk, Source, share_read, text_frame
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
    """A JSON Lines input. Its columns are the keys of its first part, in the order in which they first appear.

    A part is a block, or as much of one as has CELLS cells. A key that comes up later, or when there are COLUMNS of
    them, is no column: `late` then says where, and only JSON Lines, written from `Chunk.objects`, can hold it.
    """

    def __init__(self, stream: BinaryIO, name: str, *, size: int | None, chunk_rows: int) -> None:
        self._stream, self._size, self._chunk_rows = stream, size, chunk_rows
        self._blocks = Blocks(stream, name)
        lines = iter(self._blocks)
        first = next(lines, None)
        if first is None or not first.strip():
            raise InputError(f"{name}: is empty; one JSON object a line is needed")
        refuse_foreign(first[:4096], name)
        first = first.removeprefix(b"\xef\xbb\xbf")
        if first.lstrip().startswith(b"["):
            raise InputError(f"{name}: is a JSON array; one object a line is needed (`jq -c '.[]'` writes that)")
        self._blank = 0
        #: Keys that are no columns, and the line on which each was first seen; the first of many only.
        self.late: dict[str, int] = {}
        self._parts = self._read(chain([first], lines))
        self._ready = next(self._parts)
        if not self._ready.columns:
            faults = self._ready.faults
            why = f"line {faults[0].line}: {faults[0].why}" if faults else "its objects are empty"
            raise InputError(f"{name}: no line of it is a JSON object with keys; {why}")
        super().__init__(name, "jsonl", list(self._ready.columns))

    @property
    def progress(self) -> float | None:
        return share_read(self._stream, self._size)

    def close(self) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[Chunk]:
        part: _Part | None = self._ready
        del self._ready
        while part is not None:
            yield from self._chunk(part).slices(self._chunk_rows)
            part = next(self._parts, None)
        if self._blank:
            self.notices.append(f"{self._blank} blank lines hold no row and were passed over")

    def _read(self, blocks: Iterable[bytes]) -> Iterator[_Part]:
        """The rows of all blocks, part by part; new keys of the first part are columns."""
        part, fixed = _Part({}), False
        for block in blocks:
            text, bad = decode(block[:-1])
            bad_lines = set(bad)
            # Cells go straight into their columns: a hundred thousand dicts held at once cost more than their parsing.
            for line_number, line in enumerate(text.split("\n"), self._blocks.line):
                if not line or line.isspace():
                    self._blank += 1
                    continue
                row = NOT_UTF8 if line_number - self._blocks.line in bad_lines else _object(line)
                if isinstance(row, str):
                    part.faults.append(_Fault(len(part.objects), line_number, row, line.removesuffix("\r")))
                    part.add({}, None)
                    continue
                if not row.keys() <= part.columns.keys():
                    if not fixed:
                        part.widen(row)
                    self._note_late(row.keys() - part.columns.keys(), line_number)
                part.add(row, line)
                if len(part.objects) * len(part.columns) > CELLS:
                    yield part
                    part, fixed = _Part({column: [] for column in part.columns}), True
            yield part
            part, fixed = _Part({column: [] for column in part.columns}), True

    def _note_late(self, keys: Iterable[str], line: int) -> None:
        for key in keys:
            if len(self.late) < LATE:
                self.late.setdefault(key, line)

    def _chunk(self, part: _Part) -> Chunk:
        into = part.columns[self.raw_into]
        for position, line, why, text in part.faults:
            into[position] = text
            self.broken.add(line, why, text)
        return Chunk(
            text_frame(list(part.columns.values()), self.columns),
            pl.Series("broken", [fault.position for fault in part.faults], dtype=pl.UInt32),
            pl.Series("objects", part.objects, dtype=pl.String),
        )


class _Fault(NamedTuple):
    """A broken row: its position in the part's rows, its line in the file, what is wrong, its text."""

    position: int
    line: int
    why: str
    text: str


class _Part:
    """The cells of some consecutive rows, column by column, the objects they came from, and which are broken."""

    def __init__(self, columns: dict[str, list[str | None]]) -> None:
        self.columns = columns
        self.objects: list[str | None] = []
        self.faults: list[_Fault] = []

    def widen(self, row: Iterable[str]) -> None:
        """Add a column for each new key of `row`, empty so far, while there is room for one."""
        for key in row:
            if key not in self.columns and len(self.columns) < COLUMNS:
                self.columns[key] = [None] * len(self.objects)

    def add(self, row: Mapping[str, str | None], line: str | None) -> None:
        for column, cells in self.columns.items():
            cells.append(row.get(column))
        self.objects.append(line)


def _object(line: str) -> dict[str, str | None] | str:
    """The values of the JSON object on a line as text, or what is wrong with the line."""
    try:
        row = _DECODER.decode(line)
        if not isinstance(row, dict):
            return "not a JSON object"
        if "\\u" in line and any(_SURROGATE.search(json.dumps(part, ensure_ascii=False)) for part in row.items()):
            return "half of a surrogate pair: no character"
        return {key: _text(value) for key, value in row.items()}
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at character {error.colno}"
    except ValueError as error:
        return f"not JSON: {error}"
    except RecursionError:
        return "nested too deep"


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
