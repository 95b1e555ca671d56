"""A rule file -> YAML's nodes, which keep text and place: never constructed.

YAML itself turns NO into False, 010 into 8, 12:30 into 750 and drops duplicate keys without a word.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tierbreak.errors import Fault

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML built without libyaml: the same nodes, about ten times slower
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

#: Lines end there to YAML and to Python's `splitlines`, and not to editors.
NOT_A_LINE = re.compile("[\x85\u2028\u2029]")
_ANCHOR = re.compile(r"(?<![^\s\[{,:-])&[^\s,\[\]{}]")


def compose(path: Path, data: bytes) -> yaml.MappingNode | Fault:
    """The file's top mapping, or why it has none."""

    def fault(says: str, found: str, expected: str, fix: str, line: int = 0, column: int = 0) -> Fault:
        return Fault("R001", path, line, column, says, found, expected, fix)

    root: yaml.Node | Fault | None
    try:
        text = data.decode("utf-8-sig")
        root = _separator(path, text) or _alias(path, text) or yaml.compose(text, Loader=Loader)
    except UnicodeDecodeError as error:
        root = fault("file is not UTF-8", f"byte {error.start}", "UTF-8 text", "save it as UTF-8")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        root = fault(
            f"not YAML: {error.problem or error.context}", "", "YAML", "mend the line or quote the text", *place
        )
    except yaml.YAMLError as error:
        root = fault("not YAML", str(error), "YAML", "remove the characters named")
    except RecursionError:  # libyaml has a limit of its own
        root = fault("lists stand in lists without end", "", "a rule file, seven levels deep", "write it flat")
    if root is None:
        root = fault("file is empty", "", "a mapping with `brand` and `rules`", "write a rule or delete it")
    if not isinstance(root, yaml.MappingNode | Fault):
        says, place = "file is not a mapping", (root.start_mark.line + 1, root.start_mark.column + 1)
        root = Fault("R002", path, *place, says, "", "`brand:` at the top", "start with `brand: …`")
    return root


def _separator(path: Path, text: str) -> Fault | None:
    found = NOT_A_LINE.search(text)
    if found is None:
        return None
    says = f"a line separator (U+{ord(found.group()):04X}) that few programs take for one"
    place = (text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start()))
    return Fault("R001", path, *place, says, "", "lines that end in a newline", "write a space or a newline")


def _alias(path: Path, text: str) -> Fault | None:
    """The first alias: a few hundred of them in each other stand for more than a machine can hold."""
    if not _ANCHOR.search(text):  # most files need not be taken apart twice
        return None
    alias = next((each for each in yaml.scan(text, Loader=Loader) if isinstance(each, yaml.AliasToken)), None)
    if alias is None:
        return None
    says, place = f"`*{alias.value}` stands for what is written elsewhere", alias.start_mark
    expected, fix = "what is meant, in its place", "write it out; quote it where it is a text"
    return Fault("R002", path, place.line + 1, place.column + 1, says, f"*{alias.value}", expected, fix)


def comments(text: str) -> list[tuple[int, int, str]]:
    """Every comment of a YAML text: its 1-based line and column, and it from `#` to the end of the line.

    >>> comments("a: '# text' # said\\n# and more")
    [(1, 13, '# said'), (2, 1, '# and more')]
    """
    texts = []
    try:
        for token in yaml.scan(text, Loader=Loader):
            if isinstance(token, yaml.ScalarToken):
                texts.append((token.start_mark.index, token.end_mark.index))
    except yaml.YAMLError:  # its fault is noted where the file is composed; comments up to there are sure
        pass
    out = []
    at = position = 0
    while match := _COMMENT.search(text, position):
        start, position = match.span()
        while at < len(texts) and texts[at][1] <= start:
            at += 1
        if at < len(texts) and texts[at][0] <= start:
            position = texts[at][1]
        else:
            line = text.count("\n", 0, start) + 1
            out.append((line, start - text.rfind("\n", 0, start), match.group().rstrip("\r")))
    return out


_COMMENT = re.compile(r"(?:(?<=\s)|^)#[^\n]*", re.MULTILINE)
