"""The rule files as text: where on a page a part of a rule stands that was read without its place."""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tierbreak.errors import Fault
from tierbreak.rulebook import Place, Rule

#: Codes whose faults are noted at the rule as a whole, with the text that is meant between backticks, if it is not
#: `outranks`.
_NAMED = {"R011", "R012", "R013", "R014"}
_BACKTICKS = re.compile("`([^`]+)`")


class Sources:
    """Lines of files by path, decoded when first asked for.

    files   path -> content
    rules   what was read from them: a rule ends where the next one of its file begins
    """

    def __init__(self, files: Mapping[Path, bytes], rules: Sequence[Rule]) -> None:
        self._files = {str(path): data for path, data in files.items()}
        self._rules = rules
        self._lines: dict[str, list[str]] = {}
        self._starts: dict[str, list[int]] = {}

    def lines(self, path: str) -> list[str]:
        """The lines of a file, the first at 0; none for a file that was not read."""
        if path not in self._lines:
            self._lines[path] = self._files.get(path, b"").decode("utf-8-sig", "replace").splitlines()
        return self._lines[path]

    def find(self, place: Place, text: str) -> Place:
        """Where `text` stands as a word of its own within the rule at a place; the place itself where it does not."""
        return self._find(place, text, self._end(place)) or place

    def within(self, place: Place, found: str, nth: int = 0) -> Place:
        """Where the nth `found` of a text stands that begins at a place, on its line; else the place itself."""
        lines = self.lines(place.path)
        line = lines[place.line - 1] if place.line <= len(lines) else ""
        at = place.column - 2
        for _ in range(nth + 1):
            at = line.find(found, at + 1)
            if at < 0:
                return place
        return place._replace(column=at + 1)

    def sharpen(self, fault: Fault) -> Fault:
        """The same fault at the very text that it names, where that can be found."""
        if fault.code not in _NAMED or fault.found:
            return fault
        named = _BACKTICKS.search(fault.says)
        place, text = Place(str(fault.path), fault.line, fault.column), named.group(1) if named else "outranks"
        here = self._find(place, text, self._end(place)) or (
            self._find(place._replace(line=1, column=1), text, place.line) if fault.code == "R012" else None
        )
        if here is None:
            return fault
        return replace(fault, line=here.line, column=here.column, found=text)

    def _find(self, place: Place, text: str, end: int) -> Place | None:
        """The first `text` from a place on, before line `end` (1-based, not included)."""
        word = re.compile(rf"(?<![\w.-]){re.escape(text)}(?![\w.-])")
        lines = self.lines(place.path)
        for number in range(place.line, min(end, len(lines) + 1)):
            start = place.column - 1 if number == place.line else 0
            if match := word.search(lines[number - 1], start):
                return Place(place.path, number, match.start() + 1)
        return None

    def _end(self, place: Place) -> int:
        """The line on which the rule that stands at a place is over, 1-based."""
        if not self._starts:
            for rule in self._rules:
                self._starts.setdefault(rule.place.path, []).append(rule.place.line)
            for starts in self._starts.values():
                starts.sort()
        starts = self._starts.get(place.path, [])
        at = bisect.bisect_right(starts, place.line)
        return starts[at] if at < len(starts) else len(self.lines(place.path)) + 1
