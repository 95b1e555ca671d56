"""Repairs that are safe to make without asking, of faults that `tierbreak rules check` finds.

    R008  a text that YAML reads as something else        it is quoted
    R032  a `todo` that is done                           it moves to `examples`
    R048  a pattern that its rule has already             the second one goes
    R051  a `.*` at an end of a pattern                   it goes
    R055  an ignore of a code that is not there           the code goes, and the comment with the last one

Only the characters concerned change. Each repair is read back, and dropped where a rule would then do anything else, a
comment would be lost, or there were more faults than before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import yaml

from tierbreak.errors import Fault
from tierbreak.rulebook import Example, Rule
from tierbreak.rulebook.reader import FileReader
from tierbreak.tools.rules.authoring import scalars
from tierbreak.tools.rules.authoring.edits import Edit, Source
from tierbreak.tools.rules.authoring.layout import Unusual, comments_of, end_of
from tierbreak.tools.rules.authoring.schema import COMMON

_TEXT = "tag:yaml.org,2002:str"
_IGNORE = re.compile(r"(#\s*tierbreak\s*:\s*ignore(?:-file)?\[)([^\]]*)(\])")


def apply(faults: Iterable[Fault]) -> dict[Path, str]:
    """The new text of each file in which something can be mended; nothing is written.

    faults    as `rules check` found them, in files that have not changed since. Others than those above are left
    returns   path -> text; a file in which nothing can be mended is not in it
    """
    out: dict[Path, str] = {}
    by_path = sorted((fault for fault in faults if fault.code in REPAIRS), key=lambda fault: str(fault.path))
    for path, group in groupby(by_path, key=lambda fault: fault.path):
        try:
            before = path.read_bytes().decode()
        except (OSError, UnicodeDecodeError):
            continue
        after = _mended(path, before, list(group))
        if after != before:
            out[path] = after
    return out


def _mended(path: Path, before: str, faults: Sequence[Fault]) -> str:
    bom = "\ufeff" * before.startswith("\ufeff")
    source = Source(before.removeprefix("\ufeff"))
    if source.root is None:
        return before
    made: list[Edit] = []
    for code, repair in REPAIRS.items():
        for edits in repair(source, [fault for fault in faults if fault.code == code]):
            if _is_sound(path, source, made, edits, code):
                made += edits
    return bom + source.edited(made)


# One repair a code: the edits that belong together, a list for each thing that is mended


def _quote(source: Source, faults: Sequence[Fault]) -> Iterator[list[Edit]]:
    places = {source.index(fault) for fault in faults if fault.fix.startswith("quote it") and source.holds(fault)}
    for node in source.scalars():
        start, end = node.start_mark.index, node.end_mark.index
        if start in places and not node.style and source.text[start:end] == node.value:
            yield [Edit(start, end, "'" + node.value.replace("'", "''") + "'")]


def _strip(source: Source, faults: Sequence[Fault]) -> Iterator[list[Edit]]:
    for fault in faults:
        if source.holds(fault):
            start = source.index(fault)
            yield [Edit(start, start + len(fault.found))]


def _drop_second(source: Source, faults: Sequence[Fault]) -> Iterator[list[Edit]]:
    places = {source.index(fault) for fault in faults}
    for _, _, patterns in source.lists("match", "unless"):
        gone = {
            at
            for at, pattern in enumerate(patterns.value)
            if isinstance(pattern, yaml.MappingNode)
            and any(value.start_mark.index in places for _, value in pattern.value)
        }
        if gone and 0 not in gone and (edits := _without(source, patterns, gone)):
            yield edits


def _drop_ignore(source: Source, faults: Sequence[Fault]) -> Iterator[list[Edit]]:
    gone: dict[int, set[str]] = {}
    for fault in faults:
        code = re.search("`(.+)`", fault.says)
        if code and fault.fix == "drop it" and source.holds(fault):
            gone.setdefault(source.index(fault), set()).add(code.group(1))
    for start, codes in gone.items():
        end = source.line_end(start)
        written = _IGNORE.match(source.text, start)
        if written is None:
            continue
        parts = [part for part in written.group(2).split(",") if part.strip() not in codes]
        if parts:
            yield [Edit(written.start(2), written.end(2), ",".join(parts).strip())]
        elif source.text[source.line_start(start) : start].strip():
            yield [Edit(len(source.text[:start].rstrip(" \t")), end)]
        else:
            yield [Edit(source.line_start(start), min(end + 1, len(source.text)))]


def _move_done(source: Source, faults: Sequence[Fault]) -> Iterator[list[Edit]]:
    places = {source.index(fault) for fault in faults}
    for rule, key, todo in source.lists("todo"):
        done = {at for at, item in enumerate(todo.value) if item.start_mark.index in places}
        if not done or rule.flow_style:
            continue
        texts = [_line(source, todo, todo.value[at]) for at in sorted(done)]
        examples = next((value for name, value in rule.value if name.value == "examples"), None)
        pad = " " * key.start_mark.column
        key_line = source.line_start(key.start_mark.index)
        if source.text[key_line : key.start_mark.index].strip():
            continue  # the first key of its rule stands behind the dash
        kept = _without(source, todo, done) if len(done) < len(todo.value) else None
        last = min(source.line_end(end_of(todo)[0] - 1) + 1, len(source.text))
        removal = kept or [Edit(key_line, last)]
        if examples is None:
            below = "".join(f"{pad}  - {text}\n" for text in texts)
            yield [*removal, Edit(key_line, key_line, f"{pad}examples:\n{below}")]
        elif isinstance(examples, yaml.SequenceNode):
            at = examples.end_mark.index - 1
            inner = ", ".join(_inline(source, todo.value[one], flow=True) for one in sorted(done))
            added = Edit(at, at, (", " if examples.value else "") + inner)
            if not examples.flow_style:
                at = source.line_end(end_of(examples)[0] - 1)
                start = "\n" + " " * examples.start_mark.column + "- "
                added = Edit(at, at, "".join(start + text for text in texts))
            yield [*removal, added]


def _line(source: Source, items: yaml.SequenceNode, node: yaml.Node) -> str:
    """An item on one line, with the comment that stands behind it."""
    end = end_of(node)[0]
    behind = "" if items.flow_style else source.text[end : source.line_end(end)].rstrip()
    return _inline(source, node, flow=False) + (behind if behind.lstrip().startswith("#") else "")


def _inline(source: Source, node: yaml.Node, *, flow: bool) -> str:
    """A node on one line; within brackets where `flow`."""
    written = source.text[node.start_mark.index : node.end_mark.index]
    if isinstance(node, yaml.ScalarNode):
        bare = not node.style and node.tag == _TEXT and flow
        return scalars.text(node.value) if bare or "\n" in written else written
    if isinstance(node, yaml.CollectionNode) and node.flow_style and "\n" not in written:
        return written
    if isinstance(node, yaml.MappingNode):
        pairs = (f"{_inline(source, key, flow=True)}: {_inline(source, value, flow=True)}" for key, value in node.value)
        return "{" + ", ".join(pairs) + "}"
    return "[" + ", ".join(_inline(source, value, flow=True) for value in node.value) + "]"


def _without(source: Source, items: yaml.SequenceNode, gone: set[int]) -> list[Edit] | None:
    """The edits that take some items out of a list, not all; None where that is not plain to do."""
    nodes, edits = items.value, []
    first_kept = min(set(range(len(nodes))) - gone)
    for at in sorted(gone):
        start, end = nodes[at].start_mark.index, end_of(nodes[at])[0]
        if not items.flow_style:
            line = source.line_start(start)
            if source.text[line:start].strip() != "-":
                return None
            edits.append(Edit(line, min(source.line_end(end - 1) + 1, len(source.text))))
        elif at > first_kept:
            edits.append(Edit(end_of(nodes[at - 1])[0], end))
        else:
            edits.append(Edit(start, nodes[at + 1].start_mark.index))
    return edits


#: Code -> its repair, in the order in which they are made.
REPAIRS: dict[str, Callable[[Source, Sequence[Fault]], Iterator[list[Edit]]]] = {
    "R008": _quote, "R048": _drop_second, "R051": _strip, "R032": _move_done, "R055": _drop_ignore,
}  # fmt: skip


# Reading back


class _AnyFragment(dict[str, str]):
    """Stands for a common.yaml that has every name: what a fragment says does not matter to whether it is kept."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> str:
        return f"FRAGMENT {name}"


def _is_sound(path: Path, source: Source, made: Sequence[Edit], edits: Sequence[Edit], code: str) -> bool:
    """Whether edits beside those already made leave every rule and every comment as they were, and no new fault."""
    ordered = sorted([*made, *edits])
    if any(one.end > other.start for one, other in pairwise(ordered)):
        return False
    before, after = source.edited(made), source.edited(ordered)
    (rules, faults), (new_rules, new_faults) = _read(path, before), _read(path, after)
    try:
        kept = code == "R055" or sorted(comments_of(before)) == sorted(comments_of(after))
    except (yaml.YAMLError, Unusual):
        return False
    if code == "R008":  # what could not be read before is new, and a note that could not is empty
        same = all(id in new_rules and new_rules[id][:-1] == rule[:-1] for id, rule in rules.items())
        return kept and new_faults < faults and same
    return kept and new_faults <= faults and rules == new_rules


def _read(path: Path, text: str) -> tuple[dict[str, tuple[Any, ...]], int]:
    """What each rule, or each fragment, of a text comes down to, and the count of its faults."""
    reader = FileReader(path, text.encode(), _AnyFragment(), lambda words: " ".join(words.upper().split()))
    if path.name == COMMON:
        return {name: (text, "") for name, text in reader.read_fragments().items()}, len(reader.faults)
    rules = {rule.id: _essence(rule) for rule in reader.rules()}
    return rules, len(reader.faults)


def _essence(rule: Rule) -> tuple[Any, ...]:
    """All that a rule does and all that is said of it, whatever its patterns are counted as."""
    match, unless = (
        tuple(dict.fromkeys((each.kind, each.at, each.expression.source) for each in patterns))
        for patterns in (rule.match, rule.unless)
    )
    said = sorted(map(_row, (*rule.examples, *rule.todo))), sorted(map(_row, rule.counterexamples))
    same = rule.brand, rule.owner, rule.status, rule.deny, rule.when, rule.valid, rule.outranks
    return match, unless, said, same, rule.note


def _row(example: Example) -> str:
    return repr((example.descriptor, example.expect, example.amount, example.date, example.mcc, example.country,
                 example.source))  # fmt: skip
