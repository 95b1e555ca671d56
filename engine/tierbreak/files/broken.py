"""The record of rows that could not be read as written: counted, the first few kept, none dropped."""

from __future__ import annotations

from dataclasses import dataclass, field

#: How many broken rows are kept to be shown; the rest are only counted, so that a file of nothing else stays small.
KEEP = 10


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """One row that could not be read as written.

    line   1-based line of the file on which the row begins
    why    what is wrong, in the reader's words
    text   the line as read, bytes that are not UTF-8 shown as U+FFFD, cut after 200 characters
    """

    line: int
    why: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}"


@dataclass(slots=True)
class BrokenRows:
    """How many rows were broken, and the first of them.

    >>> broken = BrokenRows()
    >>> broken.add(7, "5 fields where the header has 3", "a,b,c,d,e")
    >>> broken.total, str(broken.first[0])
    (1, 'line 7: 5 fields where the header has 3')
    """

    total: int = 0
    first: list[BrokenRow] = field(default_factory=list)

    def add(self, line: int, why: str, text: str) -> None:
        self.total += 1
        if len(self.first) < KEEP:
            self.first.append(BrokenRow(line, why, text[:200]))
