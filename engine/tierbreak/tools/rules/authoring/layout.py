"""A rule file as a tree that has its comments: each hangs on what it is about, and moves with it.

YAML's own tree has none. So the tokens say where the comments stand, in the gaps between them, and the nodes say
what is nearest:

    # about the file                    `lead` of the first pair
    rules:  # in short                  `header` of the pair
      # about the rule                  `lead` of the item
      - id: uber.trip  # in short       `tail` of the pair
        # at the end                    `foot` of the mapping: nothing of it comes after
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from tierbreak.rulebook.nodes import NOT_A_LINE

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML built without libyaml: the same nodes, about ten times slower
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

#: The marks of what is never rewritten: with them, a text means more than it says.
_UNUSUAL = {
    yaml.AnchorToken: "an anchor", yaml.AliasToken: "an alias", yaml.TagToken: "a tag",
    yaml.DirectiveToken: "a directive", yaml.DocumentEndToken: "an end of document",
}  # fmt: skip
#: Levels of a rule file: a rule needs seven.
DEEPEST = 50
_COMMENT = re.compile(r"#[^\n]*")


class Unusual(ValueError):
    """The file uses a part of YAML that no rule needs; `str` says which and where."""


@dataclass(frozen=True, slots=True)
class Comment:
    """`text` with its `#`. `own`: alone on its line; `blank`: an empty line comes before."""

    text: str
    index: int
    line: int
    column: int
    own: bool
    blank: bool = False


@dataclass(slots=True)
class Item:
    """One pair of a mapping, or one entry of a list, which has no `key`. `blank`: an empty line comes before."""

    key: yaml.ScalarNode | None
    value: Value
    blank: bool = False
    lead: list[Comment] = field(default_factory=list)
    header: str = ""
    tail: str = ""


@dataclass(slots=True)
class Branch:
    """A mapping or list that holds something. `flow`: written in brackets, and no comment stands within."""

    node: yaml.CollectionNode
    flow: bool
    items: list[Item] = field(default_factory=list)
    foot: list[Comment] = field(default_factory=list)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)


#: What stands behind a key or a dash. An empty mapping or list is a node, as a text is: nothing hangs on its parts.
Value: TypeAlias = Branch | yaml.Node


def tree(text: str) -> Branch:
    """The file's mapping with all that is in it. `text` is YAML, holds a mapping, and its lines end in a newline only.

    Raises Unusual.
    """
    if NOT_A_LINE.search(text):
        raise Unusual("a line separator that is no newline")
    comments = _comments(text)
    root = compose(text)
    assert isinstance(root, yaml.MappingNode)
    if not root.value:
        raise Unusual("an empty mapping")
    if _depth(root) > DEEPEST:
        raise Unusual(f"lists in lists more than {DEEPEST} deep")
    return _branch(root, comments, text.split("\n"))


def _depth(root: yaml.Node) -> int:
    level, depth = [root], 0
    while level:
        depth += 1
        level = [
            below
            for node in level
            if isinstance(node, yaml.CollectionNode)
            for value in node.value
            for below in (value if isinstance(value, tuple) else (value,))
        ]
    return depth


def compose(text: str) -> yaml.Node | None:
    """YAML's own tree. Raises yaml.YAMLError."""
    return yaml.compose(text, Loader=Loader)


def comments_of(text: str) -> list[str]:
    """The texts of all comments, in order. Raises Unusual."""
    return [comment.text for comment in _comments(text)]


def _comments(text: str) -> list[Comment]:
    lines = text.split("\n")
    out: list[Comment] = []
    at = 0
    for token in yaml.scan(text, Loader=Loader):
        if type(token) in _UNUSUAL:
            raise Unusual(f"{_UNUSUAL[type(token)]} in line {token.start_mark.line + 1}")
        for found in _COMMENT.finditer(text, at, token.start_mark.index):
            line = text.count("\n", 0, found.start())
            start = found.start() - (text.rfind("\n", 0, found.start()) + 1)
            own = not lines[line][:start].strip()
            blank = own and line > 0 and not lines[line - 1].strip()
            out.append(Comment(found.group().rstrip(), found.start(), line, start, own, blank))
        at = max(at, token.end_mark.index)
        if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):  # `note: |  # a comment`, in the token
            head = text[token.start_mark.index : at].partition("\n")[0]
            if "#" in head:
                index = token.start_mark.index + head.index("#")
                out.append(Comment(head[head.index("#") :].rstrip(), index, token.start_mark.line, 0, own=False))
    return out


def _blank_above(lines: Sequence[str], mark: yaml.Mark) -> bool:
    begins = not lines[mark.line][: mark.column].strip(" -")
    return begins and mark.line > 0 and not lines[mark.line - 1].strip()


def _branch(node: yaml.CollectionNode, comments: Sequence[Comment], lines: Sequence[str]) -> Branch:
    """The branch of a node. `comments` are those within it, and those behind it that belong to it, in order."""
    inside = node.flow_style and any(comment.index < node.end_mark.index for comment in comments)
    out = Branch(node, bool(node.flow_style) and not inside)
    pairs = node.value if isinstance(node, yaml.MappingNode) else [(None, value) for value in node.value]
    if any(key is not None and not isinstance(key, yaml.ScalarNode) for key, _ in pairs):
        raise Unusual(f"a key that is no text in line {node.start_mark.line + 1}")
    starts = [(key or value).start_mark.index for key, value in pairs]
    waiting = [comment for comment in comments if comment.index < starts[0]]
    for at, (key, value) in enumerate(pairs):
        until = starts[at + 1] if at + 1 < len(pairs) else None
        here = [c for c in comments if starts[at] <= c.index and (until is None or c.index < until)]
        item = Item(key, value, _blank_above(lines, (key or value).start_mark), waiting)
        waiting = _hang(item, value, here, node, lines)
        out.items.append(item)
    out.foot = waiting
    return out


def _hang(
    item: Item, value: yaml.Node, here: list[Comment], above: yaml.CollectionNode, lines: Sequence[str]
) -> list[Comment]:
    """Hang the comments that stand behind the start of an item; what is left belongs to the next one."""
    end, last_line = end_of(value)
    before = [comment for comment in here if comment.index < value.start_mark.index]
    after = [comment for comment in here if comment.index >= end]
    within = here[len(before) : len(here) - len(after)]
    tail = [after.pop(0)] if after and not after[0].own and after[0].line == last_line else []
    if not isinstance(value, yaml.CollectionNode) or not value.value:
        item.lead = [*item.lead, *before, *within]
        item.tail = tail[0].text if tail else ""
        return after
    if value.flow_style:
        item.lead = [*item.lead, *before]
        if within:
            value_branch = _branch(value, within, lines)
            last = value_branch.items[-1]
            if tail and not last.tail and not (isinstance(last.value, Branch) and not last.value.flow):
                last.tail = tail.pop().text
            value_branch.foot += tail
        else:
            value_branch = _branch(value, (), lines)
            item.tail = tail[0].text if tail else ""
        item.value = value_branch
        return after
    # A list may stand as far left as its key: what stands there too is then about the next key.
    least = value.start_mark.column + (item.key is not None and value.start_mark.column == above.start_mark.column)
    deeper = next((at for at, comment in enumerate(after) if comment.column < least), len(after))
    if item.key is not None and before and not before[0].own:
        item.header = before.pop(0).text
    item.value = branch = _branch(value, [*before, *within, *tail, *after[:deeper]], lines)
    if item.key is None:  # nothing fits between a dash and what it stands before
        item.lead = [*item.lead, *branch.items[0].lead]
        branch.items[0].lead = []
    return after[deeper:]


def end_of(node: yaml.Node) -> tuple[int, int]:
    """Index and line where what is written of a node ends: YAML's own mark lies behind the comments that follow."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return end_of(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index, node.end_mark.line
