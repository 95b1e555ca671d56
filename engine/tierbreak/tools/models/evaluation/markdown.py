"""An evaluation as Markdown."""

from __future__ import annotations

import re

from tierbreak.tools.models.evaluation import tabulate
from tierbreak.tools.models.evaluation.figures import Evaluation
from tierbreak.tools.models.evaluation.tabulate import Table


def markdown(evaluation: Evaluation) -> str:
    """The whole report, figures and lists; ends in a newline."""
    gold = evaluation.gold
    lines = [f"# How right is {code(evaluation.model.side)}?", "", f"{tabulate.opening(gold)}.", ""]
    for side, role in zip(tabulate.sides(evaluation), tabulate.ROLES, strict=False):
        threshold = f", threshold {side.threshold:.6f}" if side.threshold is not None else ""
        lines.append(f"- {role}: {code(side.side)} ({side.kind}{threshold}), fingerprint {code(side.fingerprint[:16])}")
    lines += [
        f"- gold set: {code(gold.name)}, fingerprint {code(gold.fingerprint[:16])}",
        f"- registry: fingerprint {code(evaluation.registry[:16])}",
        f"- intervals: {evaluation.draws:,} bootstrap draws over distinct keys, seed {evaluation.seed}",
        *(f"- note: {notice}" for notice in gold.notices),
    ]
    if comparison := evaluation.comparison:
        lines += ["", f"- {tabulate.verdict('Exact', comparison.exact)}.",
                  f"- {tabulate.verdict('Family', comparison.family)}."]  # fmt: skip
    for table in tabulate.everything(evaluation):
        lines += ["", f"## {table.title}", "", *_table(table)]
    return "\n".join(lines) + "\n"


def _table(table: Table) -> list[str]:
    if not table.rows:
        return ["None."]
    rule = ["---" if at in table.words else "---:" for at in range(len(table.columns))]
    rows = [[_cell(f"{cell} {cell.count}".strip()) for cell in row] for row in table.rows]
    note = ["", table.note] if table.note else []
    return ["| " + " | ".join(row) + " |" for row in (table.columns, rule, *rows)] + note


def _cell(text: str) -> str:
    """Text that no Markdown reads as markup.

    >>> print(_cell("SQ *CAFE | <B>"))
    SQ \\*CAFE \\| \\<B\\>
    """
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", _line(text))


def code(text: str) -> str:
    """
    >>> code("models/us-brands"), code("")
    ('`models/us-brands`', 'none')
    """
    return f"`{_line(text).replace('`', chr(39))}`" if text else "none"


def _line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split(" "))
