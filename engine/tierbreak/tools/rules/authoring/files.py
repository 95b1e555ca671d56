"""Rule files found, laid out in memory, and written: whole or not at all, and never with another meaning."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tierbreak.errors import Fault, RulebookError
from tierbreak.files import atomic
from tierbreak.rulebook.files import SUFFIXES, contents
from tierbreak.rulebook.reader import FileReader
from tierbreak.tools.rules.authoring.fmt import formatted, same_meaning
from tierbreak.tools.rules.authoring.layout import Unusual
from tierbreak.tools.rules.authoring.schema import first_line


@dataclass(frozen=True)
class Layout:
    """What the formatter makes of one file.

    before, after   its text, and that in the one layout: equal where nothing is to be done
    left_alone      why it is not touched, or ""
    """

    path: Path
    before: str
    after: str
    left_alone: str = ""

    def diff(self) -> str:
        """The change as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), f"{self.path}", f"{self.path}", lineterm="",
        )  # fmt: skip
        return "\n".join(lines)


def lay_out(paths: Iterable[Path]) -> tuple[list[Layout], list[Fault]]:
    """Format files in memory, and the reader's faults of those that cannot be read, are not YAML or hold no mapping."""
    layouts: list[Layout] = []
    faults: list[Fault] = []
    for path in paths:
        read, unread = contents([path])
        if unread:
            faults += unread
            continue
        data = read[path]
        reader = FileReader(path, data, {}, str)
        if reader.compose() is None:
            faults += reader.faults
        else:
            layouts.append(_lay_out(path, data.decode()))
    return layouts, faults


def _lay_out(path: Path, before: str) -> Layout:
    text = before.removeprefix("\ufeff")
    try:
        after = formatted(text, first_line(path))
    except Unusual as unusual:
        return Layout(path, before, before, f"it has {unusual}, which no rule needs")
    if not same_meaning(text, after):
        return Layout(path, before, before, "laid out, it would not say the same; that is a fault in tierbreak")
    return Layout(path, before, after)


def rule_files(paths: Iterable[Path]) -> list[Path]:
    """Each file given, and every YAML file below each folder given, once, sorted. Raises RulebookError."""
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found |= {file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file()}
        elif not path.exists():
            raise RulebookError(f"{path}: no such file or folder; give YAML rule files, or folders of them")
        elif path.suffix not in SUFFIXES:
            raise RulebookError(f"{path}: not a rule file; their names end in {' or '.join(SUFFIXES)}")
        else:
            found.add(path)
    return sorted(found)


def write(path: Path, text: str) -> None:
    """Put `text` in the place of a file, whole or not at all; its mode stays, and a link stays a link.

    Raises RulebookError where the place cannot be written to.
    """
    try:
        atomic.write(path, text)
    except OSError as error:
        raise RulebookError(f"{path}: cannot be written: {error.strerror}; nothing in it was changed") from None
