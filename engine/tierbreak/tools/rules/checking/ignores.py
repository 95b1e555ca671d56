"""Comments by which an author says that a fault is meant, and why.

    - id: gap.name          # tierbreak: ignore[R041] all our traffic is from one shopping centre
    # tierbreak: ignore[R040,R042] imported, examples are being collected
    - id: old.name
    # tierbreak: ignore-file[R040] imported as a whole

A comment behind something holds for its line, one on a line of its own for the next line that is not a comment,
`ignore-file` for the whole file; it stands above the first key. An ignore takes a fault out of the report and changes
nothing else: what an engine cannot load it still cannot load.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tierbreak.errors import Fault
from tierbreak.rulebook import Place
from tierbreak.rulebook.nodes import comments
from tierbreak.tools.rules.checking.codes import CODES, fault, near

#: Faults of an ignore are not themselves ignored.
OWN = frozenset({"R054", "R055"})

_OURS = re.compile(r"#\s*tierbreak\s*:\s*(.*)$")
_IGNORE = re.compile(r"(ignore|ignore-file)\[([^\]]*)\](.*)$")
_COMMENT_LINE = re.compile(r"^\s*(?:#.*)?$")


@dataclass
class Ignore:
    """One comment: for which codes, on which line (0: the whole file), and which of them had an effect."""

    place: Place
    text: str
    codes: tuple[str, ...]
    line: int
    reason: str
    used: set[str] = field(default_factory=set)

    def hides(self, found: Fault) -> bool:
        if found.code in OWN or found.code not in self.codes or self.line not in (0, found.line):
            return False
        self.used.add(found.code)
        return True


def apply(
    faults: Iterable[Fault], files: Mapping[Path, bytes], *, judged: frozenset[str], sure: frozenset[str]
) -> Iterator[Fault]:
    """The faults that no comment ignores, and those of the comments themselves.

    judged   codes that were looked for: an ignore of any other may well have an effect in another run
    sure     paths of which every rule counts: a file whose rules an overlay replaces keeps its ignores
    """
    by_path: dict[str, list[Ignore]] = {}
    for path, data in files.items():
        if b"tierbreak" in data:
            by_path[str(path)], wrong = _read(path, data)
            yield from wrong
    for found in faults:
        hiding = [ignore for ignore in by_path.get(str(found.path), []) if ignore.hides(found)]
        if not hiding:
            yield found
    for name, ignores in by_path.items():
        for ignore in ignores:
            yield from _idle(ignore, judged if name in sure else frozenset())


def _read(path: Path, data: bytes) -> tuple[list[Ignore], list[Fault]]:
    """The ignores of a file, and what is wrong with how they are written."""
    text = data.decode("utf-8-sig", "replace")
    lines = text.split("\n")
    ignores, faults = [], []
    for number, column, comment in comments(text):
        ours = _OURS.match(comment)
        if ours is None:
            continue
        place, shown = Place(str(path), number, column), comment.rstrip()
        written = _IGNORE.fullmatch(ours.group(1).strip())
        codes = tuple(code for part in written.group(2).split(",") if (code := part.strip())) if written else ()
        if written is None or not codes:
            says = "a comment to tierbreak that says nothing it knows"
            expected = "ignore[R012] or ignore-file[R012], and a reason behind it"
            faults.append(fault("R055", place, says, shown, expected, "write it so, or start the comment otherwise"))
            continue
        line = 0 if written.group(1) == "ignore-file" else number
        if line and not lines[number - 1][: column - 1].strip():
            line = next((at for at in range(number + 1, len(lines) + 1) if not _COMMENT_LINE.match(lines[at - 1])), 0)
            line = line or number
        if line == 0 and any(not _COMMENT_LINE.match(above) for above in lines[: number - 1]):
            says, expected = "`ignore-file` stands below the first key", "it above everything else, where it is seen"
            faults.append(fault("R055", place, says, shown, expected, "move it to the top of the file"))
        ignores.append(Ignore(place, shown, codes, line, written.group(3).strip(" :-")))
        if not ignores[-1].reason:
            says, expected = "an ignore without a reason", "why the fault is meant, behind the brackets"
            faults.append(fault("R054", place, says, shown, expected, "say why, or mend what it hides"))
    return ignores, faults


def _idle(ignore: Ignore, judged: frozenset[str]) -> Iterator[Fault]:
    """R055 for each code of an ignore that does not exist or hides nothing."""
    for code in ignore.codes:
        if code not in CODES:
            says, fix = f"there is no code `{code}`", near(code)
        elif code in OWN:
            says, fix = f"`{code}` cannot be ignored", "mend the ignore that it names"
        elif code in judged and code not in ignore.used:
            says, fix = f"nothing here has `{code}`", "drop it"
        else:
            continue
        yield fault("R055", ignore.place, says, ignore.text, "a code of a fault that is there", fix)
