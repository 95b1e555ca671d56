"""The file of an ordered list: CSV or TSV, one rule a line, the first that matches wins.

Columns are found by their usual names or told. A line that cannot be a rule is a fault with its place, and
reading goes on: nothing is dropped without a word.
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tierbreak.errors import Fault, InputError
from tierbreak.files.delimited import QUOTED_BYTES, Dialect
from tierbreak.files.formats import SEPARATORS

#: Usual names of each column, best first, letters only, in lower case.
USUAL = {
    "pattern": ("pattern", "regex", "regexp", "expression", "match", "rule", "search"),
    "name": ("merchant", "merchantname", "brand", "brandname", "name", "payee", "vendor", "label"),
    "flags": ("flags", "flag", "modifiers", "options"),
    "category": ("category", "sector", "group"),
}
NEEDED = ("pattern", "name")

#: Letters of the flags column. `g` and `u` say what is the case anyway.
FLAGS = {"i": re.IGNORECASE, "s": re.DOTALL, "m": re.MULTILINE, "a": re.ASCII, "x": re.VERBOSE, "u": 0, "g": 0}


@dataclass(frozen=True, slots=True)
class LegacyRule:
    """One line of the list.

    line, column   1-based, where the pattern stands
    name           what the list answers
    category       empty where the list has none
    flags          letters of FLAGS
    """

    line: int
    column: int
    pattern: str
    name: str
    category: str
    flags: str

    def compiled(self) -> re.Pattern[str]:
        """The pattern as the list means it, for `search` over the descriptor as it came. Raises re.error."""
        flags = 0
        for letter in self.flags:
            flags |= FLAGS[letter]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # `[[a]`: a later Python may read it otherwise
            return re.compile(self.pattern, flags)


@dataclass(frozen=True)
class Listing:
    """A list as it was read.

    rules     in the order of the file
    faults    lines that are no rule
    columns   part -> column of the file
    notices   what a person should know of how it was read
    """

    path: Path
    rules: tuple[LegacyRule, ...]
    faults: tuple[Fault, ...]
    columns: Mapping[str, str]
    notices: tuple[str, ...]


def read(path: Path, told: Mapping[str, str | None] | None = None) -> Listing:
    """Read a list.

    told   part ('pattern', 'name', 'flags', 'category') -> its column; None or left out: look for a usual name

    Raises InputError where the file cannot be read, has no header with the columns needed, or holds no line.
    """
    text = _text(path)
    separator = _separator(path, text)
    records = _records(text, Dialect(separator))
    header = next((cells for _, _, cells in records), None)
    if not isinstance(header, list):
        raise InputError(f"{path}: no header; the first line must name the columns of pattern and name")
    columns = _columns(path, header, told or {})
    rules: list[LegacyRule] = []
    faults: list[Fault] = []
    for line, record, cells in records:
        found = _rule(path, line, record, cells, header, columns, separator)
        if isinstance(found, Fault):
            faults.append(found)
        else:
            rules.append(found)
    if not rules and not faults:
        raise InputError(f"{path}: no line below the header; expected one rule a line")
    notices = () if "flags" in columns else ("no column of flags: every pattern is read as caseless",)
    return Listing(path, tuple(rules), tuple(faults), columns, notices)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}: line {line} is not UTF-8; rewrite it (`iconv -f CP1252 -t UTF-8`)") from None


def _separator(path: Path, text: str) -> str:
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    first = text.lstrip("\n").split("\n", 1)[0]
    return max(SEPARATORS, key=first.count)  # the first of equals, and so a comma where there is only one column


def _records(text: str, dialect: Dialect) -> Iterator[tuple[int, str, list[str] | str]]:
    """Each record that is not blank: its line, its text, and its cells or why it has none."""
    at, line = 0, 1
    while at < len(text):
        piece = text[at : at + QUOTED_BYTES]  # a record is far shorter, and slicing the rest each time is slow
        try:
            cells, end = dialect.split(piece)
            what: list[str] | str = [cell or "" for cell in cells]
        except ValueError as error:
            end = piece.find("\n") if "\n" in piece else len(piece)
            what = str(error)
        record = piece[:end]
        if record.strip():
            yield line, record, what
        line += record.count("\n") + 1
        at += end + 1


def _columns(path: Path, have: Sequence[str], told: Mapping[str, str | None]) -> dict[str, str]:
    out: dict[str, str] = {}
    plain = {"".join(filter(str.isalnum, name.lower())): name for name in reversed(have)}
    listed = ", ".join(map(repr, have))
    for part, usual in USUAL.items():
        asked = told.get(part)
        if asked and asked not in have:
            near = difflib.get_close_matches(asked, have, n=1)
            guess = f"\n  did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{path}: no column {asked!r} for --{part}\n  columns: {listed}{guess}")
        column = asked or next((plain[name] for name in usual if name in plain and plain[name] not in out.values()), "")
        if column:
            out[part] = column
    missing = [part for part in NEEDED if part not in out]
    if missing:
        raise InputError(
            f"{path}: no column looks like the {' or the '.join(missing)}\n  columns: {listed}\n"
            f"  fix: name it with {' and '.join(f'--{part} COLUMN' for part in missing)}"
        )
    return out


def _rule(
    path: Path,
    line: int,
    record: str,
    cells: list[str] | str,
    header: Sequence[str],
    columns: Mapping[str, str],
    separator: str,
) -> LegacyRule | Fault:
    if isinstance(cells, str):
        return Fault("L001", path, line, 1, cells, record[:80], "a well-formed line", "close the quote, or double it",
                     severity="warning")  # fmt: skip
    if len(cells) != len(header):
        says, fix = f"{len(cells)} cells instead of {len(header)}", "put a cell that holds a separator within quotes"
        return Fault("L001", path, line, 1, says, record[:80], "as many cells as the header has", fix, "warning")
    value = {part: cells[header.index(column)] for part, column in columns.items()}
    places = {part: _column(record, separator, header.index(column)) for part, column in columns.items()}
    name, flags = value["name"].strip(), value.get("flags", "i").strip().lower()
    rule = LegacyRule(line, places["pattern"], value["pattern"], name, value.get("category", "").strip(), flags)
    wrong = _wrong(rule)
    if wrong is None:
        return rule
    part, offset, code, says, found, expected, fix = wrong
    return Fault(code, path, line, places[part] + offset, says, found, expected, fix, severity="warning")


def _wrong(rule: LegacyRule) -> tuple[str, int, str, str, str, str, str] | None:
    """The part at fault, how far into it, and code, says, found, expected and fix of the fault."""
    if not rule.pattern:
        return "pattern", 0, "L002", "no pattern", "", "a regex", "write one, or take the line out"
    if not rule.name:
        return "name", 0, "L002", "no name", "", "what the rule answers", "name it, or take the line out"
    if unknown := "".join(sorted(set(rule.flags) - FLAGS.keys())):
        known, fix = f"letters of {', '.join(sorted(FLAGS))}", "take it out, or write what it does into the pattern"
        return "flags", 0, "L003", f"unknown flag {unknown!r}", rule.flags, known, fix
    try:
        rule.compiled()
    except (re.error, OverflowError, RecursionError) as error:
        at = getattr(error, "pos", None) or 0
        says = f"not a regex of Python: {getattr(error, 'msg', error)}"
        return "pattern", at, "L004", says, rule.pattern[at:], "what `re.search` takes", "mend it"
    return None


def _column(record: str, separator: str, index: int) -> int:
    """The 1-based column where cell `index` of a record starts, inside its quotes; 1 where it stands further down.

    >>> _column('a,"b,c",d', ",", 1), _column('a,"b,c",d', ",", 2)
    (4, 9)
    """
    quoted, passed, start = False, 0, 0
    for at, sign in enumerate(record):
        if passed == index:
            break
        if sign == '"' and (quoted or at == start):
            quoted = not quoted
        elif sign == separator and not quoted:
            passed, start = passed + 1, at + 1
    return 1 if "\n" in record[:start] else start + 1 + record.startswith('"', start)
