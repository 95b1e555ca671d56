"""Differences with their intervals below each other, against the line where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from tierbreak.tools.compare.document import Figure
from tierbreak.tools.compare.report.plots import WIDE, image, short
from tierbreak.tools.report.page import text
from tierbreak.tools.report.svg import element

_LEFT, _RIGHT, _STEP, _TOP = 132.0, 18.0, 24.0, 10.0


class Line(NamedTuple):
    """A difference, its interval, and one that reaches further; NaN where there is none."""

    label: str
    value: float
    interval: tuple[float, float]
    far: tuple[float, float] | None


def forest(name: str, lines: Sequence[Line], says: str) -> Figure | None:
    """The plot; None where no line has an interval."""
    drawn = [line for line in lines if not math.isnan(line.interval[0])]
    if not drawn:
        return None
    ends = [end for line in drawn for pair in (line.interval, line.far) if pair for end in pair if not math.isnan(end)]
    marks = ticks(min([0.0, *ends]), max([0.0, *ends]))

    def across(value: float) -> float:
        return _LEFT + (value - marks[0]) / (marks[-1] - marks[0]) * (WIDE - _LEFT - _RIGHT)

    high = _TOP + _STEP * len(drawn)
    out = []
    for mark in marks:
        x = across(mark)
        out.append(element("line", class_="axis" if mark == 0 else "grid", x1=x, x2=x, y1=4, y2=high))
        out.append(element("text", f"{mark:g}", class_="tick", x=x, y=high + 15, text_anchor="middle"))
    for at, line in enumerate(drawn):
        y = _TOP + _STEP * (at + 0.5)
        tone = "soft" if line.interval[0] <= 0 <= line.interval[1] else "new"
        out.append(element("text", f"<title>{text(line.label)}</title>{text(short(line.label))}",
                           class_="label", x=_LEFT - 10, y=y + 4, text_anchor="end"))  # fmt: skip
        tells = f"{line.label}: {line.value:+.4g} ({line.interval[0]:+.4g} to {line.interval[1]:+.4g})"
        inside = f"<title>{text(tells)}</title>"
        for pair, kind in ((line.far, "stroke"), (line.interval, "stroke wide")):
            if pair and not math.isnan(pair[0]):
                inside += element("line", class_=f"{kind} {tone}", x1=across(pair[0]), x2=across(pair[1]), y1=y, y2=y)
        inside += element("circle", class_=f"dot {tone}", cx=across(line.value), cy=y, r=4.5)
        out.append(element("g", inside))
    return Figure(name, image(out, high + 22, name, says), says)


def ticks(low: float, high: float) -> list[float]:
    """Four to seven round steps that hold both ends; 0 is one of them.

    >>> ticks(-0.013, 0.031), ticks(0.0, 7.0)
    ([-0.02, -0.01, 0.0, 0.01, 0.02, 0.03, 0.04], [0.0, 2.0, 4.0, 6.0, 8.0])
    """
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if rough <= one * power * 1.3)
    return [round(step * at, 12) for at in range(math.floor(low / step), math.ceil(high / step - 1e-9) + 1)]
