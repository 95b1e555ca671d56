"""Faults for people and for machines: text, JSON, SARIF 2.1.0, and the annotations of GitHub's workflows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tierbreak.errors import Fault
from tierbreak.tools.rules.checking.codes import CODES, page

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def text(faults: Sequence[Fault]) -> str:
    """Each fault with its place, the text underlined, what was expected and the fix."""
    return "".join(f"{fault}\n" for fault in faults)


def as_json(faults: Sequence[Fault]) -> str:
    """A list of objects with code, severity, path, line, column, message, fix; line 0 is the file as a whole."""
    return json.dumps([_object(fault) for fault in faults], indent=2, ensure_ascii=False) + "\n"


def sarif(faults: Sequence[Fault]) -> str:
    """One run of SARIF 2.1.0, as code scanning reads it; paths are relative to the working directory where they can."""
    codes = sorted({fault.code for fault in faults})
    run = {
        "tool": {
            "driver": {
                "name": "tierbreak",
                "version": version("tierbreak"),
                "rules": [_described(code) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(fault, codes.index(fault.code)) for fault in faults],
    }
    whole = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def github(faults: Sequence[Fault]) -> str:
    """One workflow command a fault: shown beside the line in a pull request."""
    lines = []
    for fault in faults:
        level = "notice" if fault.severity == "note" else fault.severity
        where = [f"file={_property(_relative(fault.path))}"]
        if fault.line:
            where += [f"line={fault.line}", f"col={fault.column}"]
        message = _data(f"{_message(fault)}\nfix: {fault.fix}")
        where.append(f"title={_property(f'{fault.code}: {CODES[fault.code].title}')}")
        lines.append(f"::{level} {','.join(where)}::{message}\n")
    return "".join(lines)


FORMATS: dict[str, Callable[[Sequence[Fault]], str]] = {
    "text": text, "json": as_json, "sarif": sarif, "github": github,
}  # fmt: skip


def _message(fault: Fault) -> str:
    return f"{fault.says}; expected: {fault.expected}"


def _object(fault: Fault) -> dict[str, Any]:
    return {
        "code": fault.code, "severity": fault.severity, "path": str(fault.path), "line": fault.line,
        "column": fault.column, "message": _message(fault), "fix": fault.fix,
    }  # fmt: skip


def _described(code: str) -> dict[str, Any]:
    """A code as SARIF describes it: its page is the help that code scanning shows."""
    severity, title = CODES[code]
    shown = page(code)
    return {
        "id": code,
        "shortDescription": {"text": title},
        "help": {"text": shown, "markdown": shown},
        "defaultConfiguration": {"level": severity},
    }


def _result(fault: Fault, rule: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(_relative(fault.path))}}
    if fault.line:
        end = fault.column + max(1, len(fault.found.split("\n")[0]))
        place["region"] = {"startLine": fault.line, "startColumn": fault.column, "endColumn": end}
    return {
        "ruleId": fault.code,
        "ruleIndex": rule,
        "level": fault.severity,
        "message": {"text": f"{_message(fault)}. Fix: {fault.fix}"},
        "locations": [{"physicalLocation": place}],
    }


def _relative(path: Path) -> str:
    """With forward slashes; relative to the working directory where it lies below it."""
    try:
        return path.absolute().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def _data(message: str) -> str:
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
