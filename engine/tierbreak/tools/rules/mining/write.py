"""Suggestions -> rule files of their own: in a folder to use as an overlay, or as a patch."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

from tierbreak.errors import RulebookError
from tierbreak.files import atomic
from tierbreak.tools.rules.authoring import scalars
from tierbreak.tools.rules.authoring.fmt import formatted
from tierbreak.tools.rules.mining.suggest import Suggested, Suggestion

Status = Literal["draft", "shadow"]

#: The folder of a rulebook or an overlay that the files go into: apart, so that no file of a person is touched.
FOLDER = "mined"


def files(suggested: Suggested, status: Status = "shadow") -> dict[str, str]:
    """Path below the rules folder -> text, a file a suggestion."""
    return {f"{FOLDER}/{one.brand}.yaml": text(one, suggested.name, status) for one in suggested.suggestions}


def text(one: Suggestion, traffic: str, status: Status) -> str:
    """The rule file of one suggestion."""
    name = Path(traffic).name
    lines = [f"brand: {scalars.text(one.brand)}", f"owner: {scalars.text(one.owner)}", "rules:"]
    lines += [f"- id: {scalars.text(one.id)}", f"  status: {status}", "  match:"]
    lines += [f"  - {{words: {scalars.text(words)}}}" for words in one.words]
    lines += ["  examples:", *(f"  - {scalars.text(each)}" for each in one.examples)]
    if one.counterexamples:
        lines += ["  counterexamples:"]
        lines += [
            f"  - {{descriptor: {scalars.text(each)}, expect: {scalars.text(who or 'none')}}}"
            for each, who in one.counterexamples
        ]
    lines += [f"  note: {scalars.text(f'mined from {name}: {one.says()}', 'note')}"]
    return formatted("\n".join(lines))


def write(suggested: Suggested, folder: Path, status: Status = "shadow") -> list[Path]:
    """Write a file a suggestion below `folder`.

    Raises RulebookError where one of them exists, before any is written.
    """
    whole = {folder / path: text for path, text in files(suggested, status).items()}
    for path in whole:
        if path.exists():
            raise RulebookError(f"{path}: exists; review and move it first, or give another folder")
    for path, content in whole.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(path, content)
        except OSError as error:
            raise RulebookError(f"{path}: cannot be written: {error.strerror}") from None
    return list(whole)


def patch(suggested: Suggested, status: Status = "shadow") -> str:
    """All of it as a unified diff that adds files, for `git apply` or `patch -p1` in the rules folder."""
    parts: list[str] = []
    for path, content in files(suggested, status).items():
        parts += difflib.unified_diff([], content.splitlines(keepends=True), "/dev/null", f"b/{path}")
    return "".join(parts)


def to_dict(suggested: Suggested) -> dict[str, Any]:
    """All of it for a machine."""
    return {
        "traffic": suggested.name,
        "rows_not_asked_about": suggested.unknown,
        "suggestions": [
            {
                "rule": one.id, "brand": one.brand, "words": list(one.words), "rows": one.rows, "keys": one.keys,
                "money": one.money, "confidence": [one.low, one.high], "share": one.share, "unsure": one.unsure,
                "unknown": one.unknown, "examples": list(one.examples),
                "counterexamples": [{"descriptor": each, "expect": who} for each, who in one.counterexamples],
            }
            for one in suggested.suggestions
        ],
        "left_out": [{"brand": brand, "words": words, "why": why} for brand, words, why in suggested.left_out],
    }  # fmt: skip
