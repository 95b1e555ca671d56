"""YAML nodes (nodes.py) -> rules, strictly: every fault of a file is noted with its place, and reading goes on."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tierbreak.core.conditions import Condition
from tierbreak.errors import Fault
from tierbreak.rulebook import nodes
from tierbreak.rulebook.language import fits
from tierbreak.rulebook.patterns import Expression, PatternError, from_exact, from_regex, from_words
from tierbreak.rulebook.rule import EVERY, STATUSES, Example, Pattern, Place, Rule, Status

FILE_KEYS = ("brand", "owner", "rules", "deny", "note")
RULE_KEYS = (
    "id", "status", "match", "unless", "when", "outranks", "valid",
    "examples", "counterexamples", "todo", "note",
)  # fmt: skip
DENY_KEYS = ("id", "status", "match", "unless", "when", "valid", "examples", "counterexamples", "note")
GUARD_KEYS = ("sign", "amount", "mcc", "country", "source", "optional")
ROW_KEYS = ("amount", "date", "mcc", "country", "source")
COMPARISONS = ("lt", "le", "gt", "ge")
QUOTES = ("'", '"')
#: Patterns and examples of one file: each is compiled, or decided, whenever it is checked.
MOST = {"patterns": 5_000, "examples": 5_000}
_TEXT = "tag:yaml.org,2002:str"
_ID = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")

Node = yaml.Node


class FileReader:
    """Reads one file. `faults` collects what is wrong; a part with a fault is left out and reading goes on.

    brand    of the file, once it is read; empty where it has none
    broken   the rules that were left out, without what could not be read of them: an id may be empty
    """

    def __init__(self, path: Path, data: bytes, fragments: Mapping[str, str], fold: Callable[[str], str]) -> None:
        self.path, self.data, self.fragments, self.fold = path, data, fragments, fold
        self.name = str(path)
        self.faults: list[Fault] = []
        self.brand = ""
        self.broken: list[Rule] = []
        self._held = Counter[str]()

    # The file

    def compose(self) -> yaml.MappingNode | None:
        """The file's top mapping, or None with a fault noted."""
        read = nodes.compose(self.path, self.data)
        if isinstance(read, Fault):
            self.faults.append(read)
            return None
        return read

    def rules(self) -> list[Rule]:
        """Every rule of the file that could be read."""
        root = self.compose()
        if root is None:
            return []
        top = self._mapping(root, FILE_KEYS, "a rule file")
        brand = self._required_text(root, top, "brand", "a registry id")
        self.brand = brand or ""
        owner = self._required_text(root, top, "owner", "the team that answers for these rules")
        if "rules" not in top and "deny" not in top:
            self._fault("R003", root, "file has no rules", "", "`rules:` or `deny:`", "write a rule or delete the file")
        if brand == EVERY and "rules" in top:
            says, expected = "`*` stands for every brand and goes with `deny` only", "a registry id"
            self._fault("R015", top["brand"], says, EVERY, expected, "name the brand, or put the rules under `deny`")
        out: list[Rule] = []
        for key, deny in (("rules", False), ("deny", True)):
            for node in self._list(top.get(key), f"a list of {key}"):
                before = len(self.faults)
                rule = self._rule(node, self.brand, owner or "", deny)
                (self.broken if len(self.faults) > before or not self.brand else out).append(rule)
        return out

    def read_fragments(self) -> dict[str, str]:
        """The named fragments of a common.yaml."""
        root = self.compose()
        if root is None:
            return {}
        top = self._mapping(root, ("fragments", "note"), "common.yaml")
        node = top.get("fragments")
        if not isinstance(node, yaml.MappingNode):
            self._fault("R003", root, "common.yaml has no fragments", "", "`fragments:` with names", "name one")
            return {}
        return {name: text for name, value in self._pairs(node).items() if (text := self._text(value)) is not None}

    # A rule

    def _rule(self, node: Node, brand: str, owner: str, deny: bool) -> Rule:
        keys = self._mapping(node, DENY_KEYS if deny else RULE_KEYS, "a deny rule" if deny else "a rule")
        rule_id = self._required_text(node, keys, "id", "an id that never changes, such as `uber.trip`")
        if rule_id is not None and not _ID.fullmatch(rule_id):
            self._fault(
                "R005", keys["id"], "id has characters that ids do not have", rule_id,
                "lower-case letters, digits, dots and dashes", "write it so; ids never change later",
            )  # fmt: skip
        status: Status = self._choice(keys.get("status"), STATUSES) or "active"
        match = self._patterns(node, keys, "match")
        unless = self._patterns(node, keys, "unless")
        if "match" not in keys:
            self._fault("R003", node, "rule has no `match`", "", "a list of `words`, `regex` or `exact`", "add one")
        when = self._guard(keys["when"]) if "when" in keys else None
        valid = self._valid(keys["valid"]) if "valid" in keys else (None, None)
        outranks = tuple(t for n in self._list(keys.get("outranks"), "a list of rule ids") if (t := self._text(n)))
        examples, counter, todo = (
            tuple(e for n in self._examples(keys.get(key), key) if (e := self._example(n, expect)))
            for key, expect in (("examples", brand), ("counterexamples", None), ("todo", brand))
        )
        content = (
            brand, status, deny, when, valid, outranks,
            [(p.kind, p.at, p.expression.source) for p in match], [(p.kind, p.at, p.expression.source) for p in unless],
        )  # fmt: skip
        return Rule(
            id=rule_id or "", brand=brand, owner=owner, status=status, deny=deny, match=match, unless=unless, when=when,
            valid=valid, outranks=outranks, examples=examples, counterexamples=counter, todo=todo,
            note=(self._text(keys["note"]) or "") if "note" in keys else "", place=self._place(node),
            fingerprint=hashlib.sha256(repr(content).encode()).hexdigest()[:16],
        )  # fmt: skip

    def _patterns(self, rule: Node, keys: Mapping[str, Node], key: str) -> tuple[Pattern, ...]:
        nodes = self._list(keys.get(key), f"a list of patterns under `{key}`")
        if key in keys and not nodes and isinstance(keys[key], yaml.SequenceNode):
            self._fault("R003", keys[key], f"`{key}` is empty", "", "one pattern or more", "add one, or drop the key")
        nodes = self._room("patterns", nodes)
        found = (self._pattern(node, number) for number, node in enumerate(nodes, start=1))
        return tuple(pattern for pattern in found if pattern)

    def _pattern(self, node: Node, number: int) -> Pattern | None:
        keys = self._mapping(node, ("words", "regex", "exact", "at"), "a pattern")
        kinds = [kind for kind in ("words", "regex", "exact") if kind in keys]
        if len(kinds) != 1:
            if isinstance(node, yaml.MappingNode):
                self._fault(
                    "R006", node, "a pattern is one of words, regex, exact", ", ".join(kinds),
                    "exactly one of the three", "split it into several patterns: any of them matches",
                )  # fmt: skip
            return None
        kind = kinds[0]
        at = self._choice(keys.get("at"), ("start", "end"))
        if at and kind != "words":
            self._fault("R006", keys["at"], "`at` goes with `words` only", at, "`^` or `$` in a regex", "write it so")
            return None
        text = self._text(keys[kind])
        if text is None:
            return None
        expression = self._expression(kind, text, at, keys[kind])
        if expression is None:
            return None
        return Pattern(kind, text, at, expression, number, self._place(keys[kind]))

    def _expression(self, kind: str, text: str, at: str | None, node: Node) -> Expression | None:
        try:
            if kind == "regex":
                return from_regex(self._with_fragments(text))
            folded = self.fold(fits(text))
            if not folded:
                raise PatternError(f"`{kind}` is blank", text, "at least one word", "write the words")
            return from_words(folded, at) if kind == "words" else from_exact(folded)
        except PatternError as error:
            self._fault(error.code, node, error.says, error.found, error.expected, error.fix)
            return None

    def _with_fragments(self, text: str) -> str:
        def fragment(found: re.Match[str]) -> str:
            name = found.group(1)
            if name not in self.fragments:
                known = ", ".join(sorted(self.fragments)) or "none"
                raise PatternError(f"no fragment `{name}`", found.group(), f"one of common.yaml: {known}", "name one")
            return f"(?:{self.fragments[name]})"

        return re.sub(r"\{\{(\w+)\}\}", fragment, text)

    def _guard(self, node: Node) -> Condition | None:
        keys = self._mapping(node, GUARD_KEYS, "`when`")
        bounds = []
        if "amount" in keys:
            for name, value in self._mapping(keys["amount"], COMPARISONS, "`amount`").items():
                number = self._number(value)
                if number is not None:
                    bounds.append((name, number))
        optional = self._choice(keys.get("optional"), ("true", "false"), tag="tag:yaml.org,2002:bool")
        lists = {
            key: tuple(t for n in self._list(keys.get(key), f"a list under `{key}`") if (t := self._text(n)))
            for key in ("mcc", "country", "source")
        }
        # As rows are read: a code that lost its leading zero is the code all the same.
        lists["mcc"] = tuple(code.zfill(4) for code in lists["mcc"])
        return Condition(
            sign=self._choice(keys.get("sign"), ("debit", "credit")),
            amount=tuple(bounds),
            optional=optional == "true",
            **lists,
        )

    def _examples(self, node: Node | None, key: str) -> list[Node]:
        return self._room("examples", self._list(node, f"a list of {key}"))

    def _room(self, what: str, nodes: list[Node]) -> list[Node]:
        """As many nodes as the file may have of them; a fault at the first that is too many."""
        left = max(MOST[what] - self._held[what], 0)
        self._held[what] += len(nodes)
        if len(nodes) > left and self._held[what] - len(nodes) <= MOST[what]:
            expected, fix = f"at most {MOST[what]:,} in a file", "split the file"
            self._fault("R001", nodes[left], f"file has too many {what}", "", expected, fix)
        return nodes[:left]

    def _valid(self, node: Node) -> tuple[dt.date | None, dt.date | None]:
        keys = self._mapping(node, ("from", "to"), "`valid`")
        start, end = (self._date(keys[key]) if key in keys else None for key in ("from", "to"))
        if start and end and start > end:
            self._fault("R007", node, "`valid` ends before it starts", "", "from <= to", "swap the two")
            return None, None
        return start, end

    def _example(self, node: Node, expect: str | None) -> Example | None:
        if isinstance(node, yaml.ScalarNode):
            text = self._text(node)
            return None if text is None else Example(text, expect, self._place(node))
        keys = self._mapping(node, ("descriptor", "expect", *ROW_KEYS), "an example")
        text = self._required_text(node, keys, "descriptor", "the text on the statement")
        if text is None:
            return None
        row: dict[str, Any] = {}
        for key in ROW_KEYS:
            if key in keys:
                read = {"amount": self._number, "date": self._date}.get(key, self._text)
                row[key] = read(keys[key])
        if "expect" in keys:
            stated = self._text(keys["expect"])
            expect = None if stated == "none" else stated
        return Example(text, expect, self._place(node), **row)

    # Nodes

    def _place(self, node: Node) -> Place:
        return Place(self.name, node.start_mark.line + 1, node.start_mark.column + 1)

    def _fault(self, code: str, node: Node | None, says: str, found: str, expected: str, fix: str) -> None:
        line, column = (self._place(node).line, self._place(node).column) if node else (0, 0)
        if node is not None and found and isinstance(node, yaml.ScalarNode) and found != node.value:
            column += max(node.value.find(found), 0) + (node.style in QUOTES)
        self.faults.append(Fault(code, self.path, line, column, says, found, expected, fix))

    def _pairs(self, node: yaml.MappingNode) -> dict[str, Node]:
        out: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault("R002", key, "a key is not text", "", "a plain key", "write a word")
            elif key.value in out:
                self._fault("R004", key, "key stands twice", key.value, "each key once", "merge the two")
            else:
                out[key.value] = value
        return out

    def _mapping(self, node: Node, allowed: Iterable[str], what: str) -> dict[str, Node]:
        if not isinstance(node, yaml.MappingNode):
            self._fault(
                "R002", node, f"{what} is not a mapping", _shown(node), f"keys {', '.join(allowed)}", "write it so"
            )
            return {}
        pairs = self._pairs(node)
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value not in allowed:
                self._fault(
                    "R004", key_node, f"{what} has no key `{key_node.value}`", key_node.value,
                    f"one of {', '.join(allowed)}", "mend the spelling or drop it",
                )  # fmt: skip
        return {key: value for key, value in pairs.items() if key in allowed}

    def _list(self, node: Node | None, what: str) -> list[Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._fault("R002", node, "not a list", _shown(node), what, "put it in [brackets] or after a dash")
            return []
        return list(node.value)

    def _text(self, node: Node) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == _TEXT:
            return str(node.value)
        kind = node.tag.rpartition(":")[2] if isinstance(node, yaml.ScalarNode) else "a structure"
        self._fault(
            "R008", node, f"text is due, YAML reads {'nothing' if kind == 'null' else kind}", _shown(node), "text",
            f"quote it: '{node.value}'" if isinstance(node, yaml.ScalarNode) else "write text",
        )  # fmt: skip
        return None

    def _required_text(self, parent: Node, keys: Mapping[str, Node], key: str, what: str) -> str | None:
        if key in keys:
            return self._text(keys[key])
        if isinstance(parent, yaml.MappingNode):
            self._fault("R003", parent, f"`{key}` is missing", "", what, f"add `{key}: …`")
        return None

    def _choice(self, node: Node | None, allowed: Iterable[str], tag: str = _TEXT) -> Any:
        if node is None:
            return None
        if isinstance(node, yaml.ScalarNode) and node.tag == tag and node.value in allowed:
            return node.value
        self._fault("R009", node, "not one of the choices", _shown(node), " or ".join(allowed), "write one of them")
        return None

    def _number(self, node: Node) -> float | None:
        if (
            isinstance(node, yaml.ScalarNode)
            and re.fullmatch(r"[+-]?\d+(\.\d+)?", node.value)
            and node.style not in QUOTES
        ):
            return float(node.value)
        self._fault(
            "R008", node, "a number is due", _shown(node), "digits, at most one point", "write it without quotes"
        )
        return None

    def _date(self, node: Node) -> dt.date | None:
        if isinstance(node, yaml.ScalarNode):
            try:
                return dt.date.fromisoformat(node.value)
            except ValueError:
                pass
        self._fault("R008", node, "a date is due", _shown(node), "year-month-day, such as 2019-07-01", "write it so")
        return None


def _shown(node: Node) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""
