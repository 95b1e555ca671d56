"""A table that goes through a spreadsheet: cells that come back as they went, and records with their lines.

Spreadsheets take a cell that begins with = + - @ for a formula, and one like 7-11 or 12/05 for a date. An apostrophe is
put before those and taken away when they are read; one that begins with an apostrophe gets another. Control characters
and backslashes are written \\x0a. Quotes are written as spreadsheets write them.

Source of the apostrophe: OWASP, "CSV Injection".
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tierbreak.errors import Fault, InputError

#: Cells that a spreadsheet would not leave as they are: formulas, numbers, dates, blanks at the start.
_UNSAFE = re.compile(r"(?i)[\s=+\-@'＝＋－＠\d]|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ ./-]*\d")

_SAVE = "save it from a spreadsheet as text with tabs, in UTF-8"

_CONTROL = re.compile(r"[\\\x00-\x1f\x7f-\x9f\u2028\u2029]")
_WRITTEN = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4}))")


def safe(text: str) -> str:
    r"""A cell that a spreadsheet leaves as it is, and `unsafe` reads back.

    >>> [safe(cell) for cell in ("=1+1", "7-11 STORE", "'S", "A\tB", "UBER")]
    ["'=1+1", "'7-11 STORE", "''S", 'A\\x09B', 'UBER']
    """
    written = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}" if found[0] < "\u0100" else
                           f"\\u{ord(found[0]):04x}", text)  # fmt: skip
    return f"'{written}" if _UNSAFE.match(written) else written


def unsafe(cell: str) -> str:
    r"""The text of a cell that `safe` made; the apostrophe may have been lost on the way.

    >>> [unsafe(cell) for cell in ("'=1+1", "=1+1", "''S", r"A\x09B")]
    ['=1+1', '=1+1', "'S", 'A\tB']
    """
    written = cell[1:] if cell[:1] == "'" and _UNSAFE.match(cell[1:]) else cell
    return _WRITTEN.sub(lambda found: chr(int(found[1] or found[2], 16)), written)


def records(path: Path, columns: Sequence[str]) -> tuple[str, list[str], list[tuple[Place, dict[str, str]]]]:
    """Read a table: the sha256 of its bytes, its header, and each record with its place.

    columns   those that it must have

    A record that has too few or too many cells holds those that can be told. Raises InputError.
    """
    try:
        content = path.read_bytes()
        # A spreadsheet's "Unicode text" is UTF-16, and says so in its first two bytes.
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(str(whole(path, "S001", "is not UTF-8", f"byte {error.start}", "UTF-8", _SAVE))) from None
    lines, rows = re.split(r"\r\n|\r|\n", text), _rows(path, text)
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    if lacking := [column for column in columns if column not in header]:
        says, found = f"no column {', '.join(f'`{column}`' for column in lacking)}", ", ".join(header)[:200]
        raise InputError(str(whole(path, "S002", says, found, " ".join(columns), _SAVE)))
    if len(rows) == 1:
        raise InputError(str(whole(path, "S003", "holds no lines", "", "lines under the header", "write it again")))
    read = [
        (Place(path, lines[at - 1], at, header, len(row)), dict(zip(header, row, strict=False))) for at, row in rows[1:]
    ]
    return hashlib.sha256(content).hexdigest(), header, read


def _rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Rows that are not blank, and the line on which each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    rows, start = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((start, cells))
            start = reader.line_num + 1
    except csv.Error as error:
        expected = "quotes that close, and doubled within a cell"
        raise InputError(str(Fault("S003", path, start, 1, f"cannot be read: {error}", "", expected, _SAVE))) from None
    return rows


@dataclass(frozen=True)
class Place:
    """Where a record stands, for its faults.

    text    the line on which it begins
    line    1-based
    cells   how many it has
    """

    path: Path
    text: str
    line: int
    header: list[str]
    cells: int

    def fault(self, code: str, column: str, says: str, found: str, expected: str, fix: str) -> Fault:
        pieces = self.text.split("\t")
        at = self.header.index(column) if len(pieces) == len(self.header) else 0
        place = sum(len(piece) + 1 for piece in pieces[:at]) + 1
        return Fault(code, self.path, self.line, place, says, found, expected, fix)


def whole(path: Path, code: str, says: str, found: str, expected: str, fix: str) -> Fault:
    """A fault of a file as a whole."""
    return Fault(code, path, 0, 0, says, found, expected, fix)
