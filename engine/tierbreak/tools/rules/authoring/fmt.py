"""One layout for every rule file: what two people write for the same rules differs in nothing but the rules.

    keys            in the order of the README; what is no key comes last
    quotes          see scalars.py
    indentation     two spaces, a list two further in than its key
    brackets        as the author chose, where they fit into a line and no comment stands within
    empty lines     one at most, none at the start of a list
    first line      the schema, for editors, where there is one at the root of the rules

files.py writes it only where all of it says what it said before, to the last comment.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml

from tierbreak.rulebook.reader import GUARD_KEYS, RULE_KEYS
from tierbreak.tools.rules.authoring import scalars
from tierbreak.tools.rules.authoring.layout import Branch, Comment, Item, Unusual, Value, comments_of, compose, tree
from tierbreak.tools.rules.authoring.schema import EXAMPLE_KEYS, PATTERN_KEYS, VALID_KEYS, modeline

WIDTH = 120

#: Keys in order, by the key that the mapping stands under; "" is the file.
ORDERS: Mapping[str, Sequence[str]] = {
    "": ("brand", "owner", "note", "rules", "deny", "fragments"),
    "rules": RULE_KEYS, "deny": RULE_KEYS,
    "match": PATTERN_KEYS, "unless": PATTERN_KEYS,
    "examples": EXAMPLE_KEYS, "counterexamples": EXAMPLE_KEYS, "todo": EXAMPLE_KEYS,
    "when": GUARD_KEYS, "valid": VALID_KEYS,
}  # fmt: skip

#: The file, its lists of rules and the rules themselves are never in brackets.
_ALWAYS_BLOCK = 2


def formatted(text: str, first_line: str = "") -> str:
    """A rule file's text in the one layout.

    text         YAML that holds a mapping
    first_line   a comment that names the schema; it takes the place of any other that does

    Raises Unusual where the file has anchors, tags or directives, which no rule needs.

    >>> one = "owner: mobility\\nbrand:   'uber' # the app\\nrules: [{match: [{words: uber}], id: u.x}]"
    >>> print(formatted(one), end="")
    brand: uber  # the app
    owner: mobility
    rules:
      - id: u.x
        match: [{words: uber}]
    """
    text = _lf(text)
    whole = tree(text)
    # What stands before the first key is about the file, whichever key comes first then.
    head, gap = whole.items[0].lead, whole.items[0].blank
    whole.items[0].lead, whole.items[0].blank = [], False
    _arrange(whole, "")
    first = whole.items[0]
    if first.lead:
        first.lead[0] = replace(first.lead[0], blank=gap)
    else:
        first.blank = gap
    first.lead = [*(comment for comment in head if not modeline(comment.text)), *first.lead]
    named = first_line or next((comment.text for comment in head if modeline(comment.text)), "")
    lines = [*([named] if named else []), *_block(whole, 0, "", 0, text)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def same_meaning(one: str, other: str) -> bool:
    """Whether two texts hold the same tree of texts, keys in any order, and the same comments but for the schema's."""
    try:
        return _essence(one) == _essence(other)
    except (yaml.YAMLError, Unusual):
        return False


def _essence(text: str) -> tuple[Any, list[str]]:
    text = _lf(text)
    comments = sorted(comment for comment in comments_of(text) if not modeline(comment))
    return _plain(compose(text)), comments


def _plain(node: yaml.Node | None) -> Any:
    if isinstance(node, yaml.MappingNode):
        return sorted(((key.value, _plain(value)) for key, value in node.value), key=lambda pair: pair[0])
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value) for value in node.value]
    return (node.tag, node.value) if node else None


def _lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


# The layout


def _arrange(branch: Branch, under: str) -> None:
    """Put keys in order, here and below."""
    if branch.is_mapping and under in ORDERS:
        order = {key: at for at, key in enumerate(ORDERS[under])}
        branch.items.sort(key=lambda item: order.get(item.key.value if item.key else "", len(order)))
    for item in branch.items:
        if isinstance(item.value, Branch):
            _arrange(item.value, item.key.value if item.key else under)
            if item.key is None:  # no comment fits between a dash and what it stands before
                item.lead += item.value.items[0].lead
                item.value.items[0].lead = []


def _block(branch: Branch, indent: int, under: str, depth: int, source: str) -> list[str]:
    """The lines of a branch, an item below the other."""
    pad = " " * indent
    out: list[str] = []
    for item in branch.items:
        out += _comment_lines(item.lead, pad, first=not out)
        if item.blank and out:
            out.append("")
        out += _item(item, pad, under, depth, source)
    return [*out, *_comment_lines(branch.foot, pad, first=False)]


def _item(item: Item, pad: str, under: str, depth: int, source: str) -> list[str]:
    value = item.value
    key = item.key.value if item.key and under not in scalars.REGEX_KEYS else under
    start = pad + (f"{_scalar(item.key)}:" if item.key else "-")
    tail = f"  {item.tail}" if item.tail else ""
    if isinstance(value, yaml.ScalarNode):
        lines = _text_lines(value, start, key, len(pad), source)
        return [*lines[:-1], lines[-1] + tail]
    if not isinstance(value, Branch) or (depth >= _ALWAYS_BLOCK and value.flow):
        line = f"{start} {_flow(value, key)}"
        if not isinstance(value, Branch) or len(line) <= WIDTH or _is_one_pair(value):
            return [line + tail]
    below = _block(value, len(pad) + 2, key, depth + 1, source)
    if item.key:
        return [start + (f"  {item.header}" if item.header else "") + tail, *below]
    return [f"{start} {below[0].lstrip()}" + tail, *below[1:]]


def _is_one_pair(branch: Branch) -> bool:
    """`{regex: …}` gains nothing from a second line, however long it is."""
    return branch.is_mapping and len(branch.items) == 1 and not isinstance(branch.items[0].value, Branch)


def _flow(value: Value, under: str) -> str:
    if isinstance(value, yaml.ScalarNode):
        return _scalar(value, "" if under in scalars.PROSE_KEYS else under)
    if not isinstance(value, Branch):
        return "{}" if isinstance(value, yaml.MappingNode) else "[]"
    if value.is_mapping:
        pairs = ((item.key, _flow(item.value, item.key.value)) for item in value.items if item.key)
        return "{" + ", ".join(f"{_scalar(key)}: {text}" if text else f"{_scalar(key)}:" for key, text in pairs) + "}"
    return "[" + ", ".join(_flow(item.value, under) for item in value.items) + "]"


def _scalar(node: yaml.ScalarNode, key: str = "") -> str:
    """A text in its quotes; what YAML does not read as a text stays as it is written."""
    return scalars.text(node.value, key) if node.tag == _TEXT else str(node.value)


_TEXT = "tag:yaml.org,2002:str"


def _text_lines(node: yaml.ScalarNode, start: str, key: str, indent: int, source: str) -> list[str]:
    if node.style in ("|", ">") and (lines := _moved(node, start, indent, source)):
        return lines
    text = _scalar(node, key)
    line = f"{start} {text}" if text else start
    if len(line) <= WIDTH or key not in scalars.PROSE_KEYS or text.startswith('"') or "  " in text:
        return [line]
    inner = " " * (indent + 2)
    return textwrap.wrap(line, WIDTH, initial_indent="", subsequent_indent=inner, break_long_words=False,
                         break_on_hyphens=False, drop_whitespace=True)  # fmt: skip


def _moved(node: yaml.ScalarNode, start: str, indent: int, source: str) -> list[str]:
    """A block of text, moved to its new indentation; nothing where blanks that nobody sees are part of what it says."""
    written = source[node.start_mark.index : node.end_mark.index].rstrip().split("\n")
    sign, lines = written[0].partition("#")[0].rstrip(), written[1:]
    inner = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    if not lines or sign.strip("|>-") or any(line[inner:] != line[inner:].rstrip() for line in lines):
        return []
    return [f"{start} {sign}", *(" " * (indent + 2) + line[inner:] for line in lines)]


def _comment_lines(comments: Sequence[Comment], pad: str, *, first: bool) -> Iterator[str]:
    for comment in comments:
        if comment.blank and comment.own and not first:
            yield ""
        yield pad + comment.text
        first = False
