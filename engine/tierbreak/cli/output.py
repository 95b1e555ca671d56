"""What the commands share in speaking to a person. Control characters never reach a terminal as they are."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress


def visible(text: str) -> str:
    """`text` with every character that does not print written as an escape, newlines too.

    >>> print(visible("SQ *CAFE\\x1b[31m\\u202e"))
    SQ *CAFE\\x1b[31m\\u202e
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def complain(text: str) -> None:
    """Print an error to standard error, its lines kept; where that is a closed terminal, nobody can be told."""
    with suppress(OSError):
        print("error: " + "\n".join(map(visible, text.split("\n"))), file=sys.stderr)


def say(text: str) -> None:
    """Print something worth knowing to standard error."""
    print(visible(text), file=sys.stderr)


def width(default: int = 80) -> int:
    """Columns of the terminal; COLUMNS in the environment wins."""
    return max(20, shutil.get_terminal_size((default, 24)).columns)


def cut(text: str, room: int) -> str:
    """`text` made to fit `room` columns, marked where it was cut."""
    return text if len(text) <= room else text[: room - 1] + "…"


def aligned(rows: Iterable[Sequence[str]], *, indent: str = "") -> list[str]:
    """Rows of cells as lines with their columns one under the other; the last column is as wide as it is.

    >>> aligned([("rules", "61 %"), ("abstained", "9 %")])
    ['rules      61 %', 'abstained  9 %']
    """
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*(row[:-1] for row in table), strict=True)]
    return [
        indent + "".join(cell.ljust(wide) + "  " for cell, wide in zip(row, widths, strict=False)) + row[-1]
        for row in table
    ]


def argument_text(text: str) -> str:
    """Text from the command line; bytes of it that are not UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
