"""Plots of a comparison as SVG text that needs nothing from outside; colours and type come from the page's style sheet.

A plot is WIDE units wide, which a phone shows at nearly its own size, so that its type stays readable. A mark carries
its figures as <title>, and its role as its class: `old`, `new`, or what became of rows: `same`, `family`, `changed`,
`gained`, `lost`, `abstain`. The classes `axis`, `grid`, `tick`, `label`, `bar`, `whisker`, `band` and `node` say what a
thing is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from tierbreak.tools.compare.document import percent
from tierbreak.tools.report import svg
from tierbreak.tools.report.page import text
from tierbreak.tools.report.svg import element

WIDE = 400
#: Room for names beside a plot, and letters that fit in it.
_SIDE, _LETTERS = 122, 18


#: A plot of this width.
image = partial(svg.image, wide=WIDE)


class Bar(NamedTuple):
    """One bar: `value` 0..1, its class, what is told of it, and an interval where there is one."""

    role: str
    value: float
    says: str
    low: float = math.nan
    high: float = math.nan


class Band(NamedTuple):
    """What flows from a name on the left to one on the right: `weight` >= 0, its class, and what is told of it."""

    left: str
    right: str
    weight: float
    role: str
    says: str


def short(name: str, letters: int = _LETTERS) -> str:
    """A name cut to fit.

    >>> short("uber"), short("The Cheesecake Factory", 12)
    ('uber', 'The Cheesec…')
    """
    return name if len(name) <= letters else name[: letters - 1] + "…"


def ticks(top: float) -> list[float]:
    """Round steps from 0 to at least `top`, which is 0..1.

    >>> ticks(1.0), ticks(0.13), ticks(0.0)
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.05, 0.1, 0.15], [0.0, 0.001])
    """
    steps = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25)
    step = next((step for step in steps if top / step <= 4), steps[-1])
    return [round(step * at, 4) for at in range(max(math.ceil(top / step - 1e-9), 1) + 1)]


def bars(name: str, groups: Sequence[tuple[str, Sequence[Bar]]], says: str) -> str:
    """Groups of bars below each other, a label beside each group; values that are NaN have no bar."""
    known = [bar for _, group in groups for bar in group if not math.isnan(bar.value)]
    ends = [end for bar in known for end in (bar.value, bar.high) if not math.isnan(end)]
    marks = ticks(max([0.0, *ends]))
    left, right, thick, gap = _SIDE + 8, 62, 13, 9

    def across(value: float) -> float:
        return left + value / marks[-1] * (WIDE - left - right)

    high = 8 + sum(len(group) * (thick + 2) + gap for _, group in groups) + 20
    out = []
    for tick in marks:
        line = "axis" if tick == 0 else "grid"
        out.append(element("line", class_=line, x1=across(tick), x2=across(tick), y1=4, y2=high - 20))
        out.append(
            element("text", f"{100 * tick:g} %", class_="tick", x=across(tick), y=high - 5, text_anchor="middle")
        )
    y = 8
    for label, group in groups:
        middle = y + len(group) * (thick + 2) / 2 + 4
        out.append(element("text", text(short(label)), class_="label", x=left - 8, y=middle, text_anchor="end"))
        for bar in group:
            out.append(element("g", f"<title>{text(bar.says)}</title>" + _bar(bar, across, left, y, thick)))
            shown = element("text", percent(bar.value), class_="tick", x=WIDE, y=y + thick - 2, text_anchor="end")
            out.append(shown)
            y += thick + 2
        y += gap
    return image(out, high, name, says)


def _bar(bar: Bar, across: Callable[[float], float], left: float, y: float, thick: float) -> str:
    if math.isnan(bar.value):
        return ""
    wide = max(across(bar.value) - left, 0.5)
    out = element("rect", class_=f"bar {bar.role}", x=left, y=y, width=wide, height=thick, rx=2)
    if not math.isnan(bar.low) and not math.isnan(bar.high):
        middle = y + thick / 2
        out += element("line", class_="whisker", x1=across(bar.low), x2=across(bar.high), y1=middle, y2=middle)
    return out


def sankey(name: str, bands: Sequence[Band], says: str, roles: Mapping[str, str], tall: float = 280) -> str:
    """What flows from where to where: nodes on both sides, bands between them as thick as their weight.

    bands   any order; those without weight are not drawn. Nodes of the left stand with the heaviest first, nodes of the
            right beside what flows into them, so that few bands cross.
    roles   what each role of a band is called in the key below, in order; those without a band are left out
    tall    units that all bands together are thick
    """
    drawn = [band for band in bands if band.weight > 0]
    total = sum(band.weight for band in drawn)
    thick = [max(tall * band.weight / total, 1.5) for band in drawn]
    sides = ([band.left for band in drawn], [band.right for band in drawn])
    orders = [_by_mean(sides[0], [-tall_of for tall_of in _summed(sides[0], thick)], thick)]
    orders.append(_by_mean(sides[1], [orders[0].index(node) for node in sides[0]], thick))
    columns = [_column(order, side, thick) for order, side in zip(orders, sides, strict=True)]
    high = max(end for _, end in columns)
    out, edges = [], (float(_SIDE + 8), float(WIDE - _SIDE - 8))
    filled = []
    for (column, end), x, role in zip(columns, edges, ("old", "new"), strict=True):
        down = (high - end) / 2
        filled.append({node: start + down for node, (start, _) in column.items()})
        for node, (start, wide) in column.items():
            place, anchor = (x - 8, "end") if role == "old" else (x + 6, "start")
            edge = x - 3 if role == "old" else x
            out.append(element("rect", class_=f"node {role}", x=edge, y=start + down, width=3, height=wide))
            label = f"<title>{text(node)}</title>{text(short(node))}"
            middle = start + down + wide / 2 + 4
            out.append(element("text", label, class_="label", x=place, y=middle, text_anchor=anchor))
    for at in sorted(range(len(drawn)), key=lambda at: (orders[0].index(sides[0][at]), orders[1].index(sides[1][at]))):
        band, starts = drawn[at], [filled[0][sides[0][at]], filled[1][sides[1][at]]]
        filled[0][band.left] += thick[at]
        filled[1][band.right] += thick[at]
        path = _ribbon(edges, (starts[0], starts[1]), thick[at])
        out.append(element("path", f"<title>{text(band.says)}</title>", class_=f"band {band.role}", d=path))
    drawn_roles = {band.role for band in drawn}
    key, end = _key({role: called for role, called in roles.items() if role in drawn_roles}, high + 8)
    return image([*out, *key], end, name, says)


def _key(roles: Mapping[str, str], y: float) -> tuple[list[str], float]:
    """A square of each role's colour and what it is called, three in a line; and where the last line ends."""
    out = []
    for at, (role, called) in enumerate(roles.items()):
        x, down = at % 3 * WIDE / 3, y + at // 3 * 18
        out.append(element("rect", class_=f"bar {role}", x=x, y=down, width=11, height=11, rx=2))
        out.append(element("text", text(called), class_="label", x=x + 16, y=down + 10))
    return out, y + -(-len(roles) // 3) * 18


def _summed(nodes: Sequence[str], thick: Sequence[float]) -> list[float]:
    return [sum(wide for other, wide in zip(nodes, thick, strict=True) if other == node) for node in nodes]


def _by_mean(nodes: Sequence[str], values: Sequence[float], weights: Sequence[float]) -> list[str]:
    """Each node once, in order of its bands' mean value, by weight; the name decides between equals."""
    given = [value * weight for value, weight in zip(values, weights, strict=True)]
    mean = dict(
        zip(nodes, (a / b for a, b in zip(_summed(nodes, given), _summed(nodes, weights), strict=True)), strict=True)
    )
    return sorted(mean, key=lambda node: (mean[node], node))


def _column(
    order: Sequence[str], nodes: Sequence[str], thick: Sequence[float]
) -> tuple[dict[str, tuple[float, float]], float]:
    """Where each node starts and how thick it is, one below the other with room for a line of type; and their end."""
    wide = dict(zip(nodes, _summed(nodes, thick), strict=True))
    out, y = {}, 4.0
    for node in order:
        room = max(wide[node], 15)
        out[node] = y + (room - wide[node]) / 2, wide[node]
        y += room + 5
    return out, y


def _ribbon(across: tuple[float, float], starts: tuple[float, float], wide: float) -> str:
    """The path of one band."""
    (x1, x2), (y1, y2) = across, starts
    half = (x1 + x2) / 2
    return (
        f"M{x1:.1f} {y1:.1f}C{half:.1f} {y1:.1f} {half:.1f} {y2:.1f} {x2:.1f} {y2:.1f}V{y2 + wide:.1f}"
        f"C{half:.1f} {y2 + wide:.1f} {half:.1f} {y1 + wide:.1f} {x1:.1f} {y1 + wide:.1f}Z"
    )
