"""A comparison as one HTML page that holds all it needs: no script, nothing from the network.

Its plots take their colours from classes: `old`, `new`, `same`, `family`, `changed`, `gained`, `lost`, `abstain`, and
the tones `good`, `bad`, `warn`, `soft`. A shape that has one is filled with it, a line drawn in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from tierbreak.tools.compare.document import Beside, Block, Figure, Fold, Section, Table, Text, Tiles
from tierbreak.tools.report.page import more, shell, text

_STYLE = Path(__file__).with_name("page.css")

#: Sections that stand first, whatever order they come in: what was compared, and what it comes to.
FIRST = ("header", "verdict")

#: A plot is shown at most this many pixels wide for a unit of its own, so that its type is no larger than the page's.
_PIXELS = 1.35

#: Units of width beyond which a plot scrolls on a phone, where its type would be too small to read.
_PHONE = 480


def page(sections: Sequence[Section], *, heading: str, opening: str) -> str:
    """The whole page. All text is escaped, and what does not print in it is shown as an escape.

    heading, opening   plain text; the opening is a paragraph below the heading
    """
    return shell(
        heading,
        opening=f"<p>{text(opening)}</p>" if opening else "",
        sections=[(one.id, one.title, "".join(_blocks(one.blocks, one.title))) for one in ordered(sections)],
        footer='<p class="soft">This page loads nothing: it can be kept, sent on and opened from disk.</p>',
        style=_STYLE,
    )


def ordered(sections: Sequence[Section]) -> list[Section]:
    """The sections as they are read: the header, the verdict, and the others in their order."""
    return sorted(sections, key=lambda one: FIRST.index(one.id) if one.id in FIRST else len(FIRST))


def _blocks(blocks: Sequence[Block], where: str) -> Iterator[str]:
    """`where` names a table that has no title of its own. Plots that follow each other stand side by side."""
    for plots, group in groupby(blocks, lambda one: isinstance(one, Figure)):
        inside = "".join(_block(one, where) for one in group)
        yield f'<div class="plots">{inside}</div>' if plots else inside


def _block(block: Block, where: str) -> str:
    match block:
        case Text(given, tone):
            return f"<p>{text(given)}</p>" if tone == "plain" else f'<p class="{text(tone)}">{text(given)}</p>'
        case Tiles(tiles):
            inside = "".join(
                f'<div class="tile">{text(one.label)}<b>{text(one.value)}</b>'
                + (f"<small>{text(one.note)}</small>" if one.note else "")
                + "</div>"
                for one in tiles
            )
            return f'<div class="tiles">{inside}</div>'
        case Table():
            return _table(block, where)
        case Figure():
            return _figure(block)
        case Beside(old, new):
            return f'<div class="beside">{_record("old", old, new)}{_record("new", new, old)}</div>'
        case Fold(title, blocks):
            return more(title, "".join(_blocks(blocks, title)))


def _table(table: Table, where: str) -> str:
    """A table, which scrolls by itself where it is wider than the page, with the keyboard too; its tail is folded."""
    title = f"<h3>{text(table.title)}</h3>" if table.title else ""
    note = f'<p class="soft">{text(table.note)}</p>' if table.note else ""
    if not table.rows:
        return f'{title}<p class="soft">None.</p>{note}'
    name = table.title or where
    split = len(table.rows) if table.shown is None else table.shown
    out = title + note + (_rows(table, name, 0, split) if split else "")
    if left := len(table.rows[split:]):
        label = rest(left, split)
        out += more(label, _rows(table, f"{name}, {label}", split, len(table.rows)))
    return out


def rest(left: int, split: int) -> str:
    """What the folded rows of a table are called, behind `split` that are seen.

    >>> rest(1, 3), rest(1200, 0)
    ('1 more row', '1,200 rows')
    """
    return f"{left:,} {'more ' if split else ''}{'row' if left == 1 else 'rows'}"


def _rows(table: Table, name: str, start: int, end: int) -> str:
    # Thousands of rows: no attribute stands on a cell that a rule on its column or row can do without.
    columns = range(len(table.columns))
    kinds = [' class="words"' if at in table.words else "" for at in columns]
    head = "".join(f'<th scope="col"{kinds[at]}>{text(table.columns[at])}</th>' for at in columns)
    tags = [
        ("th", ' scope="row" class="words"') if at == 0 and 0 in table.words else ("td", kinds[at]) for at in columns
    ]
    body = []
    for number, row in enumerate(table.rows[start:end], start=start):
        tone = f' class="{text(table.tones[number])}"' if table.tones and table.tones[number] else ""
        cells = "".join(f"<{tag}{kind}>{text(cell)}</{tag}>" for (tag, kind), cell in zip(tags, row, strict=True))
        body.append(f"<tr{tone}>{cells}</tr>")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(name)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _figure(figure: Figure) -> str:
    svg = figure.svg
    if "<title" not in svg:
        svg = re.sub(r"<svg\b[^>]*>", lambda found: f"{found[0]}<title>{text(figure.title)}</title>", svg, count=1)
    if "<desc" not in svg:
        svg = svg.replace("</title>", f"</title><desc>{text(figure.says)}</desc>", 1)
    if "role=" not in svg.partition(">")[0]:
        svg = svg.replace("<svg", f'<svg role="img" aria-label="{text(figure.title)}"', 1)
    box = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+)', svg)
    wide = float(box[1]) if box else 400.0
    if wide > _PHONE:
        name = text(figure.title)
        inner = f'<div style="min-width:{wide:.0f}px">{svg}</div>'
        svg = f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">{inner}</div>'
    return (
        f'<figure style="max-width:{wide * _PIXELS:.0f}px"><h3>{text(figure.title)}</h3>{svg}'
        f"<figcaption>{text(figure.says)}</figcaption></figure>"
    )


def _record(side: str, lines: Sequence[tuple[str, str]], other: Sequence[tuple[str, str]]) -> str:
    """One side's record; values that the other side has otherwise stand out."""
    against = dict(other)
    inside = "".join(
        f"<dt>{text(label)}</dt><dd>{text(value)}</dd>"
        if against.get(label, value) == value
        else f"<dt>{text(label)}</dt><dd><b>{text(value)}</b></dd>"
        for label, value in lines
    )
    said = f"<dl>{inside}</dl>" if lines else '<p class="soft">No record.</p>'
    return f'<div role="group" aria-label="{side} side"><p class="side {side}">{side} side</p>{said}</div>'
