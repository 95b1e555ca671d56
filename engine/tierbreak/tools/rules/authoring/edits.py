"""A rule file's text with the places of its parts, and edits to it that leave every other character as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import yaml

from tierbreak.errors import Fault
from tierbreak.tools.rules.authoring.layout import Unusual, comments_of, compose


@dataclass(frozen=True, order=True)
class Edit:
    """`text` in place of characters `start` to `end`."""

    start: int
    end: int
    text: str = ""


class Source:
    """A file's text, and where its parts stand in it.

    root   None where it is not YAML, has anchors or tags, or lines that end otherwise: `rules fmt` mends the last
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self.root: yaml.Node | None = None
        try:
            comments_of(text)
            self.root = None if "\r" in text else compose(text)
        except (yaml.YAMLError, Unusual):
            pass

    def index(self, fault: Fault) -> int:
        """Where a fault stands, or the end of the text where there is no such place."""
        if not 0 < fault.line <= len(self.starts):
            return len(self.text)
        return min(self.starts[fault.line - 1] + fault.column - 1, len(self.text))

    def holds(self, fault: Fault) -> bool:
        """Whether the text that a fault names stands where the fault does."""
        return bool(fault.found) and self.text.startswith(fault.found, self.index(fault))

    def line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def line_end(self, index: int) -> int:
        """The index of the newline that ends the line, or of the end of the text."""
        end = self.text.find("\n", index)
        return len(self.text) if end < 0 else end

    def scalars(self) -> Iterator[yaml.ScalarNode]:
        """Every text of the file that is no key."""
        waiting = [self.root] if self.root else []
        while waiting:
            node = waiting.pop()
            if isinstance(node, yaml.ScalarNode):
                yield node
            elif isinstance(node, yaml.MappingNode):
                waiting += [value for _, value in node.value]
            elif isinstance(node, yaml.SequenceNode):
                waiting += node.value

    def lists(self, *keys: str) -> Iterator[tuple[yaml.MappingNode, yaml.ScalarNode, yaml.SequenceNode]]:
        """Each list that stands under one of `keys` in a rule, with the rule and the key."""
        tops = self.root.value if isinstance(self.root, yaml.MappingNode) else []
        for rule in (rule for _, rules in tops if isinstance(rules, yaml.SequenceNode) for rule in rules.value):
            for key, value in rule.value if isinstance(rule, yaml.MappingNode) else ():
                if key.value in keys and isinstance(value, yaml.SequenceNode):
                    yield rule, key, value

    def edited(self, edits: Iterable[Edit]) -> str:
        out, at = [], 0
        for edit in sorted(edits):
            out += [self.text[at : edit.start], edit.text]
            at = edit.end
        return "".join([*out, self.text[at:]])
