"""The schedule of a ramp as a plot: the share of users with the new engine over time, and when the data are from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

from tierbreak.rollout.ramp import Ramp
from tierbreak.tools.compare.document import Figure, percent
from tierbreak.tools.compare.report.plots import WIDE, image
from tierbreak.tools.report.page import text
from tierbreak.tools.report.svg import element

_LEFT, _RIGHT, _TOP, _HIGH, _FOOT = 44.0, 14.0, 34.0, 150.0, 24.0

Window = tuple[dt.date, dt.date]

#: Turns a moment and a share into a place of the plot.
Place = Callable[[dt.datetime, float], tuple[float, float]]


def timeline(ramp: Ramp, window: Window | None = None) -> Figure:
    """The schedule as it runs, steps that a hold leaves out dashed; `window` is the first and last day of the data."""
    says = words(ramp, window)
    ends = [moment for moment, _ in _course(ramp, held=False)] + [one for one in (ramp.hold, ramp.rollback) if one]
    if window:
        ends += [_midnight(window[0]), _midnight(window[1]) + dt.timedelta(days=1)]
    room = max((max(ends) - min(ends)) / 12, dt.timedelta(days=2))
    first, last = min(ends) - room / 2, max(ends) + room

    def place(moment: dt.datetime, share: float) -> tuple[float, float]:
        wide = WIDE - _LEFT - _RIGHT
        return _LEFT + (moment - first) / (last - first) * wide, _TOP + (1 - share) * _HIGH

    out = []
    if window:
        (left, _), (right, _) = place(_midnight(window[0]), 0), place(_midnight(window[1]) + dt.timedelta(days=1), 0)
        inside = f"<title>the data: {window[0]} to {window[1]}</title>"
        out.append(element("rect", inside, class_="window", x=left, y=_TOP, width=max(right - left, 2.0), height=_HIGH))
        out.append(_above("the data", (left + right) / 2, _TOP + 14))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _, y = place(first, share)
        line = "axis" if share == 0 else "grid"
        out.append(element("line", class_=line, x1=_LEFT, x2=WIDE - _RIGHT, y1=y, y2=y))
        out.append(element("text", f"{100 * share:g} %", class_="tick", x=_LEFT - 6, y=y + 4, text_anchor="end"))
    for part in (0, 1, 2, 3):
        moment = first + (last - first) * part / 3
        x, y = place(moment, 0)
        anchor = ("start", "middle", "middle", "end")[part]
        out.append(element("text", f"{moment:%Y-%m-%d}", class_="tick", x=x, y=y + 17, text_anchor=anchor))
    planned, real = ([*_course(ramp, held=held)] for held in (False, True))
    if left_out := [step for step in planned if step not in real]:
        begun = max((step for step in real if step in planned), default=(first, 0.0))
        out.append(_steps(left_out, (begun, last), place, "stroke soft mark"))
    out.append(_steps(real, ((first, 0.0), last), place, "stroke new"))
    for moment, share in real:
        x, y = place(moment, share)
        tells = f"<title>{percent(share, 0)} from {moment:%Y-%m-%d %H:%M} UTC</title>"
        out.append(element("circle", tells, class_="dot new", cx=x, cy=y, r=4))
        if moment != ramp.rollback:
            out.append(_above(f"{100 * share:g} %", x, y - 8))
    marks = ((ramp.hold, "hold", "warn"), (ramp.rollback, "rollback", "bad"))
    for moment, name, tone in ((moment, name, tone) for moment, name, tone in marks if moment):
        x, y = place(moment, 1)
        inside = f"<title>{name} from {moment:%Y-%m-%d %H:%M} UTC</title>"
        out.append(element("line", inside, class_=f"mark {tone}", x1=x, x2=x, y1=y - 16, y2=y + _HIGH))
        out.append(_above(name, x, y - 20))
    name = f"The ramp of {ramp.name}"
    return Figure(name, image(out, _TOP + _HIGH + _FOOT, name, says), says)


def words(ramp: Ramp, window: Window | None = None) -> str:
    """What the plot shows.

    >>> from tierbreak.rollout.ramp import Step
    >>> day = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    >>> words(Ramp("engine", "1", (Step(day, 0.05),), rollback=day + dt.timedelta(days=9)))
    '5 % of users from 2026-12-01. Rollback on 2026-12-10: everybody has the old engine.'
    """
    steps = ", ".join(f"{100 * step.share:g} %{' of users' if not at else ''} from {step.start:%Y-%m-%d}"
                      for at, step in enumerate(ramp.steps))  # fmt: skip
    out = [steps]
    if ramp.hold:
        left = sum(step.start >= ramp.hold for step in ramp.steps)
        out.append(f"Hold from {ramp.hold:%Y-%m-%d}: {left} {'step does' if left == 1 else 'steps do'} not begin")
    if ramp.rollback:
        out.append(f"Rollback on {ramp.rollback:%Y-%m-%d}: everybody has the old engine")
    if window:
        out.append(f"Data of {window[0]} to {window[1]}")
    return ". ".join(out) + "."


def _course(ramp: Ramp, *, held: bool) -> Iterator[tuple[dt.datetime, float]]:
    """(moment, share) of each change: as it runs, or as it was planned before a hold or a rollback."""
    for step in ramp.steps:
        kept = (ramp.hold is None or step.start < ramp.hold) and (ramp.rollback is None or step.start < ramp.rollback)
        if kept or not held:
            yield step.start, step.share
    if held and ramp.rollback:
        yield ramp.rollback, 0.0


def _steps(
    course: Sequence[tuple[dt.datetime, float]], ends: tuple[tuple[dt.datetime, float], dt.datetime], place: Place,
    kind: str,
) -> str:  # fmt: skip
    """A line that steps up and down, from a moment and a share to a moment."""
    at = [place(*ends[0])]
    for moment, share in course:
        x, y = place(moment, share)
        at += [(x, at[-1][1]), (x, y)]
    at.append((place(ends[1], 0)[0], at[-1][1]))
    return element("polyline", class_=kind, points=" ".join(f"{x:.1f},{y:.1f}" for x, y in at))


def _above(label: str, x: float, y: float) -> str:
    # Kept inside of the plot: half of a label is about three units a letter.
    half = 3.2 * len(label)
    return element(
        "text", text(label), class_="label tick", x=min(max(x, half), WIDE - half), y=y, text_anchor="middle"
    )


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
