"""Plots as SVG text that needs nothing from outside; colours and type come from the page's style sheet.

A plot is WIDE units wide, which a phone shows at nearly its own size, so that its type stays readable. Marks carry
their figures as <title>; each plot is an image with a name and a description, and its figures stand in a table too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import NamedTuple

from tierbreak.tools.models.evaluation.figures import Curve, Group, Mass
from tierbreak.tools.models.evaluation.tabulate import percent
from tierbreak.tools.report import svg
from tierbreak.tools.report.svg import element

WIDE = 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 28, 44


#: A plot of this width.
_image = partial(svg.image, wide=WIDE)


class Series(NamedTuple):
    """One side's marks; `role` is also its class: `model` or `baseline`."""

    role: str
    marks: Sequence[tuple[float, float, str]]


def _ticks(top: float) -> list[float]:
    """Four or five round steps from 0 to at least `top`.

    >>> _ticks(1.0), _ticks(0.13)
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.05, 0.1, 0.15])
    """
    step = next(step for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.25) if top / step <= 4 or step == 0.25)
    return [round(step * at, 4) for at in range(math.ceil(top / step - 1e-9) + 1)]


def _frame(
    across: str, up: str, top: float, high: int
) -> tuple[list[str], Callable[[float, float], tuple[float, float]]]:
    """Axes and grid of a plot from 0 to 1 across and 0 to `top` up; beside it what turns values into places."""
    ticks = _ticks(top)
    end = ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        wide, tall = WIDE - _LEFT - _RIGHT, high - _TOP - _BOTTOM
        return _LEFT + x * wide, _TOP + (1 - y / end) * tall

    out = []
    for tick in ticks:
        (left, y), (right, _) = place(0, tick), place(1, tick)
        out.append(element("line", class_="axis" if tick == 0 else "grid", x1=left, x2=right, y1=y, y2=y))
        label = f"{100 * tick:g} %"
        out.append(element("text", label, class_="tick", x=left - 6, y=y + 4, text_anchor="end"))
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = place(tick, 0)
        anchor = "end" if tick == 1 else "middle"
        out.append(element("text", f"{100 * tick:g} %", class_="tick", x=x, y=y + 17, text_anchor=anchor))
    out.append(element("text", escape(across), class_="name", x=WIDE / 2, y=high - 6, text_anchor="middle"))
    out.append(element("text", escape(up), class_="name", x=2, y=13))
    return out, place


def reliability(bins: dict[str, Sequence[Mass]]) -> str:
    """Confidence across, share right up, one dot a bin; on the dashed line a side is as right as it is sure."""
    high = 320
    out, place = _frame("confidence", "right", 1.0, high)
    (x1, y1), (x2, y2) = place(0, 0), place(1, 1)
    out.append(element("line", class_="ideal", x1=x1, y1=y1, x2=x2, y2=y2))
    for role, masses in reversed(bins.items()):
        points = [place(mass.confidence, mass.right) for mass in masses]
        out.append(_line(role, points))
        for (x, y), mass in zip(points, masses, strict=True):
            says = f"{role}: confidence {mass.confidence:.3f}, right {percent(mass.right)}, {mass.rows} rows"
            out.append(element("circle", f"<title>{escape(says)}</title>", class_=f"dot {role}", cx=x, cy=y, r=4))
    return _image(out, high, "Reliability", "share of right answers over confidence, in bins of equal mass")


def risk_coverage(curves: dict[str, Curve], deployed: dict[str, tuple[float, float]]) -> str:
    """Coverage of branded rows across, share of wrong answers up; a ring stands where each side is deployed."""
    high = 320
    risks = [point.risk for curve in curves.values() for point in curve.points]
    out, place = _frame("branded rows answered", "wrong, of those answered", max([0.02, *risks]), high)
    for role, curve in reversed(curves.items()):
        out.append(_line(role, [place(point.coverage, point.risk) for point in curve.points]))
        coverage, risk = deployed[role]
        if not math.isnan(risk):
            x, y = place(coverage, risk)
            says = f"{role} as deployed: coverage {percent(coverage)}, wrong {percent(risk)}"
            out.append(element("circle", f"<title>{escape(says)}</title>", class_=f"ring {role}", cx=x, cy=y, r=6))
    return _image(out, high, "Risk over coverage", "share of wrong answers as more branded rows are answered")


def _line(role: str, points: Sequence[tuple[float, float]]) -> str:
    return element("polyline", class_=f"curve {role}", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def ranked(groups: Sequence[Group], figure: str) -> list[Group]:
    """The groups that have rows of a figure, most rows first."""
    shown = [group for group in groups if getattr(group, figure).whole]
    return sorted(shown, key=lambda group: (-getattr(group, figure).whole, group.name))


def bars(name: str, shown: Sequence[Group], baseline: Sequence[Group] | None, figure: str, says: str) -> str:
    """One bar a group with its 95 % interval, in the order given; a stroke marks the baseline.

    figure   which share of a Group
    """
    other = {group.name: getattr(group, figure) for group in baseline or ()}
    step, left, right = 24, 138, 94
    high = step * len(shown) + 28

    def across(value: float) -> float:
        return left + value * (WIDE - left - right)

    out = []
    for tick in (0.0, 0.5, 1.0):
        x = across(tick)
        out.append(element("line", class_="axis" if tick == 0 else "grid", x1=x, x2=x, y1=4, y2=high - 22))
        out.append(element("text", f"{100 * tick:g} %", class_="tick", x=x, y=high - 6, text_anchor="middle"))
    for at, group in enumerate(shown):
        share, y = getattr(group, figure), 4 + at * step
        label = group.name if len(group.name) <= 18 else group.name[:17] + "…"
        out.append(element("text", escape(label), class_="label", x=left - 8, y=y + 16, text_anchor="end"))
        tells = f"{group.name}: {percent(share.value)}, {share.part:.0f} of {share.whole:.0f}"
        beside = other.get(group.name)
        if beside is not None and not math.isnan(beside.value):
            tells += f"; baseline {percent(beside.value)}"
        marks = [f"<title>{escape(tells)}</title>"]
        wide = max(across(share.value) - left, 0.5)
        marks.append(element("rect", class_="bar model", x=left, y=y + 5, width=wide, height=14, rx=2))
        if not math.isnan(share.low):
            low, end = across(share.low), across(share.high)
            marks.append(element("line", class_="whisker", x1=low, x2=end, y1=y + 12, y2=y + 12))
        if beside is not None and not math.isnan(beside.value):
            x = across(beside.value)
            marks.append(element("line", class_="mark baseline", x1=x, x2=x, y1=y + 2, y2=y + 22))
        out.append(element("g", "".join(marks)))
        value = f"{100 * share.value:.0f} % of {share.whole:.0f}"
        out.append(element("text", value, class_="tick", x=WIDE, y=y + 16, text_anchor="end"))
    return _image(out, high, name, says)
