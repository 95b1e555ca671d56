"""A comparison as Markdown, of the kind that GitHub shows: plots as their words, folds and long tables folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from tierbreak.tools.compare.document import Beside, Block, Figure, Fold, Section, Table, Text, Tiles
from tierbreak.tools.compare.report.page import ordered, rest


def markdown(sections: Sequence[Section], *, heading: str = "", opening: str = "") -> str:
    """The whole report, as much as the page has; ends in a newline."""
    lines = [*([f"# {escaped(heading)}"] if heading else []), *([escaped(opening)] if opening else [])]
    for section in ordered(sections):
        lines += [f"## {escaped(section.title)}", *_blocks(section.blocks)]
    return "\n\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text on one line that no Markdown reads as markup.

    >>> print(escaped("SQ *CAFE | <B>\\n`x`"))
    SQ \\*CAFE \\| \\<B\\> \\`x\\`
    >>> print(escaped("1. not a list"), escaped("- nor this"), sep="\\n")
    1\\. not a list
    \\- nor this
    """
    line = re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", _line(text))
    return re.sub(r"^(\d+)?([-+.)=])(?=\s|$|\2)", r"\1\\\2", line)


def _blocks(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Text(given, tone):
            yield f"> {escaped(given)}" if tone in ("good", "bad", "warn") else escaped(given)
        case Tiles(tiles):
            yield "\n".join(
                f"- {escaped(one.label)}: **{escaped(one.value)}**" + (f" ({escaped(one.note)})" if one.note else "")
                for one in tiles
            )
        case Table():
            yield from _table(block)
        case Figure(title, _, says):
            yield f"**{escaped(title)}.** {escaped(says)}"
        case Beside(old, new):
            yield _beside(dict(old), dict(new))
        case Fold(title, inside):
            yield from _folded(title, _blocks(inside))


def _folded(title: str, lines: Iterable[str]) -> Iterator[str]:
    # The title is inside of HTML, where no Markdown is read: it is escaped as HTML is.
    yield f"<details><summary>{escape(_line(title))}</summary>"
    yield from lines
    yield "</details>"


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"### {escaped(table.title)}"
    if table.note:
        yield escaped(table.note)
    if not table.rows:
        yield "None."
        return
    split = len(table.rows) if table.shown is None else table.shown
    if split:
        yield _rows(table, table.rows[:split])
    if left := table.rows[split:]:
        yield from _folded(rest(len(left), split), [_rows(table, left)])


def _rows(table: Table, rows: Sequence[tuple[str, ...]]) -> str:
    rule = ["---" if at in table.words else "---:" for at in range(len(table.columns))]
    body = [[escaped(cell) for cell in row] for row in (table.columns, *rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (body[0], rule, *body[1:]))


def _beside(old: dict[str, str], new: dict[str, str]) -> str:
    rows = tuple((label, old.get(label, ""), new.get(label, "")) for label in dict.fromkeys((*old, *new)))
    return _rows(Table(("", "old side", "new side"), rows, words=frozenset({0, 1, 2})), rows)


def _line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
