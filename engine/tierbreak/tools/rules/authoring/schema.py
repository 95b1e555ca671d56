"""The JSON Schema of a rule file and of common.yaml: what an editor completes, explains and underlines.

Every key is taken from the reader's own lists, so that the two cannot drift apart: a key that the reader learns and
that has no description here fails when this module is asked. What a schema cannot say (does the brand exist, is
the regex one that all engines read, does the rule win its examples) is what `tierbreak rules check` is for.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from tierbreak.rulebook import reader
from tierbreak.rulebook.rule import STATUSES

PATTERN_KEYS = ("words", "regex", "exact", "at")
EXAMPLE_KEYS = ("descriptor", "expect", *reader.ROW_KEYS)
VALID_KEYS = ("from", "to")
COMMON_KEYS = ("note", "fragments")

#: The file with the fragments that rules share.
COMMON = "common.yaml"
#: Kind of file -> the name under which its schema lies at the root of the rules.
FILES = {"rules": "schema.json", "common": "common.schema.json"}

_MODELINE = re.compile(r"#\s*yaml-language-server:\s*\$schema=")
_TITLES = {"rules": "tierbreak rule file", "common": "tierbreak common.yaml"}

Kind = Literal["rules", "common"]

#: What an editor shows beside a key, by the part of a file that has it.
SAYS: Mapping[str, Mapping[str, str]] = {
    "file": {
        "brand": "An id of brands.csv. `*`, with `deny` only, stands for every brand: the text is no merchant's.",
        "owner": "The team that answers for these rules.",
        "rules": "Rules that decide for this brand.",
        "deny": "Rules that say what this brand must not be the answer to, whichever tier names it.",
        "note": "Why the file is as it is. For people.",
    },
    "rule": {
        "id": "Never changes: decisions and statistics hang on it. Brand, a dot, and what it finds: `uber.trip`.",
        "status": "draft: never runs. shadow: on record, never decides. active (the default) and retiring: decide.",
        "match": "What to find; any of these is enough. Each keeps its own count: `uber.trip#1`, `uber.trip#2`.",
        "unless": "What drops the match again; any of these is enough.",
        "when": "What other columns must say. A missing value fails it, unless `optional: true`.",
        "outranks": "Ids of rules that yield where both match. Needed only where the longer match does not win anyway.",
        "valid": "The days on which the rule holds, both included, against the row's date.",
        "examples": "Descriptors that this rule must settle for its brand, the whole rulebook loaded.",
        "counterexamples": "Descriptors that it must not take, each with who should win them.",
        "todo": "Descriptors that should be settled one day. Reported once they are.",
        "note": "Why the rule is as it is. For people.",
    },
    "pattern": {
        "words": "Words in order, with word edges, and a space, one of `*.#/-`, or nothing between them.",
        "regex": "A regex that Hyperscan, RE2 and Python's `re` all read. {{name}} puts in a fragment of common.yaml.",
        "exact": "A whole text, as rules see it: upper case, single spaces. It beats every rule inside it.",
        "at": "Where `words` must stand: at the start or the end of the text.",
    },
    "example": {
        "descriptor": "The text on the statement.",
        "expect": "The id of the brand that should win it; `none`: no rule settles it.",
        "amount": "With its sign, such as -12.40.",
        "date": "The day of the row.",
        "mcc": "Merchant category code, four digits in quotes.",
        "country": "Country of the row, such as US.",
        "source": "Where the row comes from.",
    },
    "guard": {
        "sign": "Money that goes out (debit) or comes in (credit).",
        "amount": "Bounds of the amount without its sign: lt <, le <=, gt >, ge >=.",
        "mcc": "Merchant category codes, each in quotes: '4121'.",
        "country": "Countries of the row, such as US; NO in quotes.",
        "source": "Where the row comes from.",
        "optional": "true: a row without the value passes.",
    },
    "valid": {"from": "The first day.", "to": "The last day."},
    "amount": {
        "lt": "The amount is less than this.",
        "le": "The amount is this or less.",
        "gt": "The amount is more than this.",
        "ge": "The amount is this or more.",
    },
    "common": {
        "fragments": "Name -> regex. A pattern puts one in as {{name}}.",
        "note": "Why the file is as it is. For people.",
    },
}  # fmt: skip


def schema(kind: Kind = "rules") -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a rule file, or of common.yaml.

    >>> schema()["required"], sorted(schema("common")["properties"])
    (['brand', 'owner'], ['fragments', 'note'])
    """
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": _TITLES[kind]}
    if kind == "common":
        return head | _object("common", COMMON_KEYS, required=["fragments"], fragments={
            "type": "object", "propertyNames": {"pattern": r"^\w+$"}, "additionalProperties": {"type": "string"},
        }, note=_TEXT)  # fmt: skip
    file = _object(
        "file", reader.FILE_KEYS, required=["brand", "owner"],
        brand={"type": "string", "pattern": r"^(\*|[a-z0-9]+(-[a-z0-9]+)*)$"}, owner=_TEXT, note=_TEXT,
        rules=_list(_ref("rule")), deny=_list(_ref("deny-rule")),
    )  # fmt: skip
    file["anyOf"] = [{"required": ["rules"]}, {"required": ["deny"]}]
    file["if"] = {"properties": {"brand": {"const": "*"}}, "required": ["brand"]}
    file["then"] = {"properties": {"rules": False}}
    return head | file | {"$defs": {
        "rule": _rule(reader.RULE_KEYS), "deny-rule": _rule(reader.DENY_KEYS),
        "pattern": _pattern(), "example": {"anyOf": [_TEXT, _example()]},
        "guard": _guard(), "valid": _object("valid", VALID_KEYS, **dict.fromkeys(VALID_KEYS, _DATE)),
    }}  # fmt: skip


def text(kind: Kind = "rules") -> str:
    """The schema as it lies at the root of the rules."""
    return json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n"


def modeline(comment: str) -> bool:
    """Whether a comment names a schema for an editor.

    >>> modeline("# yaml-language-server: $schema=../schema.json"), modeline("# about schemas")
    (True, False)
    """
    return _MODELINE.match(comment) is not None


def first_line(path: Path) -> str:
    """The comment that names the schema for a rule file, or "" where no folder above it holds one."""
    kind: Kind = "common" if path.name == COMMON else "rules"
    for folder in path.absolute().parents:
        if _is_ours(folder / FILES[kind], _TITLES[kind]):
            relative = Path(os.path.relpath(folder / FILES[kind], path.absolute().parent)).as_posix()
            return f"# yaml-language-server: $schema={relative}"
    return ""


def _is_ours(path: Path, title: str) -> bool:
    """Whether a schema lies there, told by its title, which stands at its start."""
    try:
        with path.open(encoding="utf-8") as file:
            return json.dumps(title) in file.read(400)
    except (OSError, ValueError):
        return False


_TEXT: dict[str, Any] = {"type": "string"}
_WORDS: dict[str, Any] = {"type": "string", "pattern": r"\S"}
_DATE: dict[str, Any] = {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_NUMBER: dict[str, Any] = {"type": "number"}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _list(of: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": of} | ({"minItems": least} if least else {})


def _object(part: str, keys: Iterable[str], required: Iterable[str] = (), **shapes: dict[str, Any]) -> dict[str, Any]:
    """A mapping with exactly these keys, each with its shape and what SAYS has on it."""
    return {
        "type": "object",
        "properties": {key: {"description": SAYS[part][key], **shapes[key]} for key in keys},
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
    }


def _rule(keys: Iterable[str]) -> dict[str, Any]:
    patterns, examples = _list(_ref("pattern"), 1), _list(_ref("example"))
    return _object(
        "rule", keys, required=["id", "match"],
        id={"type": "string", "pattern": f"^{reader._ID.pattern}$"}, status={"enum": list(STATUSES)},
        match=patterns, unless=patterns, when=_ref("guard"), valid=_ref("valid"), outranks=_list(_TEXT),
        examples=examples, counterexamples=examples, todo=examples, note=_TEXT,
    )  # fmt: skip


def _pattern() -> dict[str, Any]:
    shape = _object("pattern", PATTERN_KEYS, words=_WORDS, regex=_TEXT, exact=_WORDS, at={"enum": ["start", "end"]})
    shape["oneOf"] = [{"required": [kind]} for kind in PATTERN_KEYS if kind != "at"]
    shape["dependentRequired"] = {"at": ["words"]}
    return shape


def _example() -> dict[str, Any]:
    return _object(
        "example", EXAMPLE_KEYS, required=["descriptor"], descriptor=_TEXT, expect=_TEXT, amount=_NUMBER, date=_DATE,
        mcc=_TEXT, country=_TEXT, source=_TEXT,
    )  # fmt: skip


def _guard() -> dict[str, Any]:
    return _object(
        "guard", reader.GUARD_KEYS, sign={"enum": ["debit", "credit"]},
        amount=_object("amount", reader.COMPARISONS, **dict.fromkeys(reader.COMPARISONS, _NUMBER)),
        optional={"type": "boolean"}, mcc=_list(_TEXT), country=_list(_TEXT), source=_list(_TEXT),
    )  # fmt: skip
