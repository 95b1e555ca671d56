"""What stands in a file and changes nothing: fragments that no pattern names, keys without effect."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tierbreak.errors import Fault
from tierbreak.rulebook import Condition, Example, Place, Rule
from tierbreak.rulebook.files import COMMON
from tierbreak.rulebook.reader import FileReader
from tierbreak.tools.rules.checking.codes import fault
from tierbreak.tools.rules.checking.patterns import empty
from tierbreak.tools.rules.checking.subject import Subject

_USED = re.compile(rb"\{\{(\w+)\}\}")
#: A look before a file is taken apart: empty brackets, or an example that says whom it expects.
_EMPTY = re.compile(rb"\[\s*\]|\{\s*\}")
_EXPECTS = re.compile(rb"expect:\s*['\"]?([a-z0-9-]+)")
_BRAND = re.compile(rb"^brand:\s*['\"]?([a-z0-9-]+)", re.MULTILINE)


def check(subject: Subject) -> Iterator[Fault]:
    """R053 for all files, and R044 for the fragments, which are patterns of no rule."""
    used = {name.decode() for data in subject.reading.files.values() for name in _USED.findall(data)}
    for path, data in subject.reading.files.items():
        if path.name == COMMON:
            yield from _fragments(subject, path, data, used)
        elif _EMPTY.search(data) or _expects_itself(data):
            yield from _idle_keys(path, data)
    for rule in subject.rules:
        yield from _idle_parts(subject, rule)


def _fragments(subject: Subject, path: Path, data: bytes, used: set[str]) -> Iterator[Fault]:
    root = FileReader(path, data, {}, str).compose()
    for key, value in _pairs(root):
        if key.value != "fragments" or value.id != "mapping":
            continue
        for name, text in _pairs(value):
            if text.id != "scalar":
                continue
            if name.value not in used:
                says, fix = f"no pattern names the fragment `{name.value}`", "drop it, or name it in a pattern"
                yield fault("R053", _place(path, name), says, name.value, "a fragment that a pattern names", fix)
            yield from empty(subject.sources, _place(path, text), text.value)


def _expects_itself(data: bytes) -> bool:
    brand = _BRAND.search(data)
    return brand is not None and brand.group(1) in _EXPECTS.findall(data)


def _idle_keys(path: Path, data: bytes) -> Iterator[Fault]:
    """Keys whose value is an empty list or mapping, and examples that expect what they would expect anyway."""
    root = FileReader(path, data, {}, str).compose()
    top = {key.value: value for key, value in _pairs(root)}
    brand = getattr(top.get("brand"), "value", None)
    for part in ("rules", "deny"):
        for rule in _items(top.get(part)):
            for key, value in _pairs(rule):
                yield from _empties(path, key, value)
                if key.value in ("examples", "todo"):
                    yield from _expected(path, value, brand)


def _empties(path: Path, key: Any, value: Any) -> Iterator[Fault]:
    if key.value in ("match", "unless"):
        return  # a fault of its own
    if value.id in ("sequence", "mapping") and not value.value and key.value != "when":
        says = f"`{key.value}` is empty and has no effect"
        yield fault("R053", _place(path, key), says, key.value, "something in it", "fill it or drop the key")
    elif key.value == "when" and any(below.value for inner, below in _pairs(value) if inner.value != "optional"):
        for inner, below in _pairs(value):
            yield from _empties(path, inner, below)


def _expected(path: Path, examples: Any, brand: str | None) -> Iterator[Fault]:
    for example in _items(examples):
        for key, value in _pairs(example):
            if key.value == "expect" and value.id == "scalar" and value.value == brand:
                says = f"an example expects `{brand}` anyway"
                expected = "`expect` where another brand is due"
                yield fault("R053", _place(path, key), says, "expect", expected, "drop the key")


def _idle_parts(subject: Subject, rule: Rule) -> Iterator[Fault]:
    """What was read and asks nothing, or asks it twice."""

    def idle(word: str, says: str, fix: str) -> Fault:
        return fault("R053", subject.sources.find(rule.place, word), says, word, "what changes something", fix)

    if rule.when in (Condition(optional=True), Condition(optional=False)):
        yield idle("when", "`when` asks nothing of any column", "name a column, or drop it")
    lists = {"outranks": rule.outranks}
    if rule.when:
        lists |= {"mcc": rule.when.mcc, "country": rule.when.country, "source": rule.when.source}
    for key, values in lists.items():
        for value, count in Counter(values).items():
            if count > 1:
                yield idle(key, f"`{key}` names `{value}` {count} times", "name it once")
    seen: dict[tuple[Any, ...], Example] = {}
    for example in (*rule.examples, *rule.counterexamples, *rule.todo):
        what = (example.descriptor, example.amount, example.date, example.mcc, example.country, example.source)
        first = seen.setdefault(what, example)
        if first is not example:
            says = f"this example stands in the rule already, at {first.place.line}:{first.place.column}"
            yield fault("R053", example.place, says, example.descriptor, "each example once", "drop one of the two")


# Nodes, told apart by their `id`: the YAML library has its home in the reader.


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    if getattr(node, "id", "") != "mapping":
        return []
    return [(key, value) for key, value in node.value if key.id == "scalar"]


def _items(node: Any) -> list[Any]:
    return list(node.value) if getattr(node, "id", "") == "sequence" else []


def _place(path: Path, node: Any) -> Place:
    return Place(str(path), node.start_mark.line + 1, node.start_mark.column + 1)
