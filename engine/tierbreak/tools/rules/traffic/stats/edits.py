"""The edit that gives a rule another status: a line of its file, everything else left as it stands."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from tierbreak.rulebook import Place


@dataclass(frozen=True)
class Edit:
    """One line of a rule file, changed or put in.

    line    1-based: the line that is changed, or before which the new one goes
    before  its text, None where the line is new
    after   the new text
    """

    path: str
    line: int
    before: str | None
    after: str

    def applied(self, text: str) -> str:
        """The file's text with the edit in it."""
        lines = text.splitlines(keepends=True)
        end = "\r\n" if lines[0].endswith("\r\n") else "\n"
        if self.line > len(lines) and not lines[-1].endswith("\n"):
            lines[-1] += end
        lines[self.line - 1 : self.line - (self.before is None)] = [self.after + end]
        return "".join(lines)

    def diff(self) -> str:
        """The edit as a unified diff, which `patch` and `git apply` take. Raises OSError where the file is gone."""
        text = Path(self.path).read_bytes().decode("utf-8-sig")
        old, new = text.splitlines(), self.applied(text).splitlines()
        return "\n".join(difflib.unified_diff(old, new, self.path, self.path, n=1, lineterm=""))


def set_status(place: Place, status: str) -> Edit | None:
    """The edit that writes `status` into the rule that stands at `place`.

    None where the file is gone, or the rule is written in braces, so that there is no line to change.
    """
    try:
        lines = Path(place.path).read_bytes().decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    if place.line > len(lines) or lines[place.line - 1][place.column - 1 :].startswith("{"):
        return None
    indent = " " * (place.column - 1)
    new = f"{indent}status: {status}"
    id_line = place.line
    for number in range(place.line, len(lines) + 1):
        line = lines[number - 1]
        body = line[place.column - 1 :]
        # The rule ends where something stands to the left of its keys; its first line has a dash there.
        if number > place.line and line.strip() and not line.startswith(indent) and not line.lstrip().startswith("#"):
            break
        if re.match(r"id:\s", body):
            id_line = number  # behind it nothing of another key is torn apart
        if found := re.match(r"status:\s*[\"']?\w+[\"']?(\s+#.*)?\s*$", body):
            head = line[: place.column - 1]
            return Edit(place.path, number, line, f"{head}status: {status}{found.group(1) or ''}")
    return Edit(place.path, id_line + 1, None, new)
