"""brands.csv -> rows, strictly: every fault of a file is noted with its place, and reading goes on.

pydantic checks all rows in one call; places are worked out only for rows that are wrong, so that a
sound file of 5,000 brands costs milliseconds.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from tierbreak.errors import Fault

COLUMNS = ("id", "name", "sector", "parent", "aliases", "domain", "wikidata", "status", "replaced_by", "since")
SLUG = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"


def _date(cell: str) -> dt.date:
    """A date written 2023-07-23 and in no other way: `fromisoformat` alone takes 20230723 and 2023-W29-7 too."""
    date = dt.date.fromisoformat(cell)
    if date.isoformat() != cell:
        raise ValueError("not YYYY-MM-DD")
    return date


Slug = Annotated[str, StringConstraints(strict=True, pattern=SLUG)]
Text = Annotated[str, StringConstraints(strict=True, pattern=r"^\S(?:.*\S)?$")]


@checked(frozen=True, slots=True)
class Brand:
    """One line of the registry.

    id            immutable, never reused: the classifier's label and the join key of everything
    name          what people call it today
    sector        one of the sectors listed in rules/README.md
    parent        id of the brand family it belongs to, or None
    aliases       other names and well-known descriptor heads
    domain        home domain such as `uber.com`, or None
    wikidata      Q-number, or None
    status        active; proposed, not decided on unless an overlay names it; retired, never decided on
    replaced_by   retired brands: id of the brand that answers for it today, or None
    since         retired brands: the date of the change, or None
    """

    id: Slug
    name: Text
    sector: Slug
    parent: Slug | None
    aliases: tuple[Text, ...]
    domain: Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9-]+(?:\.[a-z0-9-]+)+$")] | None
    wikidata: Annotated[str, StringConstraints(strict=True, pattern=r"^Q[1-9][0-9]*$")] | None
    status: Literal["active", "proposed", "retired"]
    replaced_by: Slug | None
    since: Annotated[dt.date, BeforeValidator(_date)] | None


_ROWS = TypeAdapter(list[Brand])

_LIKE_ID = "write it like `home-depot`"
_ID = "the id of a brand, or nothing"
_SLUG = "lower-case letters and digits, words joined by `-`"

#: Per column: fault code, what is wrong, what is expected, the fix.
_WRONG = {
    "id": ("B005", "id is not a slug", _SLUG, _LIKE_ID),
    "name": ("B006", "name is empty or has blanks around it", "what people call the brand", "write the name alone"),
    "sector": ("B005", "sector is not a slug", "a sector of rules/README.md", "write it like `fast-food`"),
    "parent": ("B005", "parent is not a slug", _ID, _LIKE_ID),
    "aliases": ("B006", "an alias is empty or has blanks around it", "names with `|` between", "take the gap out"),
    "domain": ("B007", "domain is not a host name", "lower case, no `https://`, no path", "write it like `uber.com`"),
    "wikidata": ("B007", "wikidata is not a Q-number", "`Q` and digits, or nothing", "write it like `Q37158`"),
    "status": ("B008", "unknown status", "active, proposed or retired", "write one of the three"),
    "replaced_by": ("B005", "replaced_by is not a slug", _ID, _LIKE_ID),
    "since": ("B009", "since is not a date", "a day of the calendar as YYYY-MM-DD", "write it like `2023-07-23`"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of one file, as it stands there: `cells` by column, `brand` where every cell is sound, else None."""

    path: Path
    line: int
    text: str
    cells: dict[str, str]
    brand: Brand | None

    def fault(self, code: str, column: str, says: str, expected: str, fix: str) -> Fault:
        """A fault at one cell of this line."""
        place = _place(self.text, list(self.cells).index(column))
        return Fault(code, self.path, self.line, place, says, self.cells[column], expected, fix)


def read(path: Path) -> tuple[list[Row], list[Fault]]:
    """The rows of one file, and all that is wrong with it; UTF-8 with or without BOM, CRLF or LF.

    A fault of the file as a whole or of its header comes alone: nothing after it could be trusted.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except OSError as error:
        reason = error.strerror or str(error)
        return [], [Fault("B001", path, 0, 0, "file cannot be read", reason, "a brands.csv", "check the path")]
    except UnicodeDecodeError as error:
        return [], [
            Fault("B001", path, 0, 0, "file is not UTF-8", f"byte {error.start}", "UTF-8 text", "save it as UTF-8")
        ]
    header = next(csv.reader(lines[:1]), [])
    if faults := list(_header(path, lines[0], header)):
        return [], faults
    faults, numbers, table = [], [], []
    for number, cells, fault in _records(path, lines, len(header)):
        if fault:
            faults.append(fault)
        else:
            numbers.append(number)
            table.append(dict(zip(header, cells, strict=True)))
    values = [_value(cells) for cells in table]
    wrong: set[tuple[int, str]] = set()
    try:
        brands: list[Brand | None] = list(_ROWS.validate_python(values))
    except ValidationError as error:
        wrong = {(int(item["loc"][0]), str(item["loc"][1])) for item in error.errors(include_url=False)}
        bad = {index for index, _ in wrong}
        good = iter(_ROWS.validate_python([value for index, value in enumerate(values) if index not in bad]))
        brands = [None if index in bad else next(good) for index in range(len(values))]
    texts = [lines[number - 1] for number in numbers]
    rows = [Row(path, *entry) for entry in zip(numbers, texts, table, brands, strict=True)]
    faults += [rows[index].fault(_WRONG[column][0], column, *_WRONG[column][1:]) for index, column in wrong]
    return rows, faults


def _value(cells: dict[str, str]) -> dict[str, Any]:
    """Cells as pydantic takes them: an empty optional cell is None, aliases are a tuple."""
    optional = {column: cells[column] or None for column in ("parent", "domain", "wikidata", "replaced_by", "since")}
    return cells | optional | {"aliases": tuple(cells["aliases"].split("|")) if cells["aliases"] else ()}


def _header(path: Path, line: str, header: list[str]) -> Iterator[Fault]:
    expected = ", ".join(COLUMNS)
    for index, column in enumerate(header):
        place = (path, 1, _place(line, index))
        if column not in COLUMNS:
            yield Fault("B002", *place, f"unknown column `{column}`", column, expected, "rename it or take it out")
        elif column in header[:index]:
            yield Fault("B002", *place, f"column `{column}` stands twice", column, expected, "take one out")
    for column in COLUMNS:
        if column not in header:
            yield Fault("B003", path, 1, 1, f"column `{column}` is missing", line, expected, f"add `{column}`")


def _records(path: Path, lines: list[str], width: int) -> Iterator[tuple[int, list[str], Fault | None]]:
    """Each line after the header as cells; one line is one brand, so a cell cannot hold a line break."""
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        try:
            cells = next(csv.reader([line], strict=True)) if '"' in line else line.split(",")
        except csv.Error:
            says, expected = "quotes do not match", 'a cell within "…", its own quotes doubled, on one line'
            yield number, [], Fault("B004", path, number, 1, says, line, expected, "close the quotes")
            continue
        if len(cells) != width:
            says, fix = f"{len(cells)} cells instead of {width}", 'put a cell with a comma within "…"'
            yield number, [], Fault("B004", path, number, 1, says, line, f"{width} cells, one a column", fix)
            continue
        yield number, cells, None


def _place(line: str, index: int) -> int:
    """The 1-based column where cell `index` of a csv line starts, inside its quotes.

    >>> _place('x,"Ben, Jerry",y', 1), _place('x,"Ben, Jerry",y', 2)
    (4, 16)
    """
    quoted, commas, start = False, 0, 0
    for at, char in enumerate(line):
        if commas == index:
            break
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            commas, start = commas + 1, at + 1
    return start + 1 + (line[start : start + 1] == '"')
