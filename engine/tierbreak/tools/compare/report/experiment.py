"""The experiment: whether the split is sound, what became of users in each arm, and how the ramp ran."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tierbreak.rollout.ramp import Ramp
from tierbreak.tools.compare.document import Block, Figure, Fold, Section, Table, Text, Tile, Tiles, count, percent
from tierbreak.tools.compare.report.forest import Line, forest
from tierbreak.tools.compare.report.timeline import Window, timeline
from tierbreak.tools.compare.trial.experiment import ALARM, Difference, Experiment

ID, TITLE = "experiment", "The experiment"

#: Metrics that have a plot, and segments in one: the table has all of them.
PLOTS, SEGMENTS = 4, 12

#: Rows of the table of segments that are seen at once.
SHOWN = 12

HOW = (
    "No exposures were given, so nothing can be said about users. Give them with --users FILE: one row for each time a "
    "user was given an arm, with the columns user, arm (old or new) and, if known, at and share; every further column "
    "of numbers is a metric, such as retained, and before_retained is the same metric before the experiment."
)

GLOSS = (
    "Difference: the new arm's mean less the old one's. By intention to treat: a user counts for the first arm seen.",
    "Interval: where the difference lies, with the confidence that is named. It holds if the figures are read once, at "
    "a time that was set before. If they are read every day until they please, take the one for many looks: it holds "
    "at all times at once, and is wider for it.",
    "CUPED: the difference after what users did before the experiment is taken off. It is the same difference, told "
    "more closely.",
    "p: how often luck alone makes a difference as large. q: the same for many segments at once; of those with q below "
    "0.05 about one in twenty is luck.",
    "Where the share of the new arm was raised in between, users are compared with those who came at the same share.",
)


@dataclass(frozen=True)
class Schedule:
    """A ramp as it is reported: (moment, share) of each step; the salt stays with those who run it."""

    name: str
    fingerprint: str
    steps: tuple[tuple[dt.datetime, float], ...]
    hold: dt.datetime | None
    rollback: dt.datetime | None


@dataclass(frozen=True)
class Experimented:
    """What the section says; None for what was not given."""

    experiment: Experiment | None
    ramp: Schedule | None


def section(found: Experiment | None, ramp: Ramp | None = None, *, window: Window | None = None) -> Section:
    """`window` is the first and last day of the data."""
    blocks: list[Block] = [*_experiment(found)] if found else [Text(HOW, "soft")]
    schedule = None
    if ramp:
        steps = tuple((step.start, step.share) for step in ramp.steps)
        schedule = Schedule(ramp.name, ramp.fingerprint, steps, ramp.hold, ramp.rollback)
        blocks.append(timeline(ramp, window))
    return Section(ID, TITLE, tuple(blocks), Experimented(found, schedule) if found or ramp else None)


def _experiment(found: Experiment) -> Iterator[Block]:
    old, new = found.users
    whole = old + new
    share = new / whole if whole else math.nan
    yield Tiles((
        Tile("Users in the old arm", count(old)), Tile("Users in the new arm", count(new)),
        Tile("Share of the new arm", percent(share), f"meant: {percent(found.expected)}"),
        Tile("Sample ratio", "not said" if math.isnan(found.srm_p) else f"p = {chance(found.srm_p)}",
             f"chi-square; below {ALARM:g} is an alarm"),
    ))  # fmt: skip
    yield _ratio(found, share)
    yield from (Text(f"Note: {notice}.", "warn") for notice in found.notices)
    if len(found.splits) > 1:
        yield _splits(found)
    inside = [*_metrics(found)]
    if found.srm_p < ALARM and inside:
        yield Fold("The metrics, which so uneven a split makes unsound", tuple(inside))
    else:
        yield from inside


def _ratio(found: Experiment, share: float) -> Text:
    if not found.splits:
        return Text(
            "The share of the new arm that was meant is not known, so that nothing can be said of the split: give the "
            "exposures a column `share`, or times and --ramp.", "warn",
        )  # fmt: skip
    if math.isnan(found.srm_p):
        return Text(
            "Whether the split is as it was meant cannot be said: no user came while both arms had a share.", "warn"
        )
    said = (
        f"{percent(share)} of {count(sum(found.users))} users are in the new arm, {percent(found.expected)} were meant"
    )
    if len(found.splits) > 1:
        said += ", and each share is held against its own users"
    if found.srm_p < ALARM:
        return Text(f"The split is not the one that was meant: {said} (p = {chance(found.srm_p)}). By luck alone that "
                    "happens less than once in a thousand experiments: users were lost, added or moved in one arm. "
                    "Do not read on before the cause is found: all that follows may come from it.", "bad")  # fmt: skip
    tone = "good" if found.srm_p >= 0.01 else "plain"
    return Text(f"No sign that the split is not as it was meant: {said} (p = {chance(found.srm_p)}).", tone)


def _splits(found: Experiment) -> Table:
    rows = tuple((percent(one.share), count(one.users[0]), count(one.users[1]),
                  percent(one.users[1] / sum(one.users)), chance(one.p)) for one in found.splits)  # fmt: skip
    return Table(("share meant", "old users", "new users", "share found", "p"), rows, "Users by the share they came at",
                 words=frozenset())  # fmt: skip


def _metrics(found: Experiment) -> Iterator[Block]:
    if not found.metrics or not min(found.users):
        return
    level = f"{100 * found.level:g} %"
    yield from (Text(told(one, level)) for one in found.metrics)
    yield from _plots(found, level)
    columns = ("metric", "old mean", "new mean", "difference", f"{level} interval", "p", f"{level} at many looks",
               "old users", "new users", "without a value")  # fmt: skip
    rows = tuple((one.metric, number(one.mean[0]), number(one.mean[1]), signed(one.difference, one.interval),
                  ends(one.interval), chance(one.p), ends(one.always), count(one.n[0]), count(one.n[1]),
                  count(sum(one.missing))) for one in found.metrics)  # fmt: skip
    yield Table(columns, rows, "Metrics by arm", "The interval at many looks is of the adjusted difference, if any.")
    adjusted = [one for one in found.metrics if one.explained is not None]
    if adjusted:
        yield _adjusted(adjusted, level)
    else:
        yield Text("No metric has a column from before the experiment (before_…): nothing is adjusted.", "soft")
    if found.segments:
        yield _segments(found, level)
    yield Fold("How to read these figures", tuple(Text(line) for line in GLOSS))


def _adjusted(adjusted: Sequence[Difference], level: str) -> Table:
    rows = tuple(
        (one.metric, signed(*best(one)[:2]), ends(best(one)[1]), chance(best(one)[2]), percent(one.explained or 0.0),
         chance(math.nan if one.before_p is None else one.before_p))
        for one in adjusted
    )  # fmt: skip
    columns = ("metric", "difference", f"{level} interval", "p", "variance taken away", "p before the experiment")
    return Table(columns, rows, "Adjusted for what users did before (CUPED)")


def _segments(found: Experiment, level: str) -> Table:
    ranked = sorted(zip(found.segments, found.q, strict=True), key=lambda pair: (math.isnan(pair[1]), pair[1]))
    rows = tuple((one.segment or "", one.metric, count(sum(one.n)), signed(*best(one)[:2]), ends(best(one)[1]),
                  chance(best(one)[2]), chance(q)) for one, q in ranked)  # fmt: skip
    return Table(
        ("segment", "metric", "users", "difference", f"{level} interval", "p", "q"), rows, "By segment",
        f"The surest first. The {level} interval is each segment's own: of many, some miss. What is found in a segment "
        "is an idea for the next experiment. A segment must be known before the user is given an arm.",
        words=frozenset({0, 1}), shown=SHOWN,
    )  # fmt: skip


def _plots(found: Experiment, level: str) -> Iterator[Figure]:
    for metric in found.metrics[:PLOTS]:
        lines = [
            Line(
                "all users", metric.difference, metric.interval, None if metric.explained is not None else metric.always
            )
        ]
        if metric.explained is not None:
            lines.append(Line("all, adjusted", *best(metric)[:2], metric.always))
        parts = sorted((one for one in found.segments if one.metric == metric.metric), key=lambda one: -sum(one.n))
        lines += [Line(one.segment or "", *best(one)[:2], None) for one in parts[:SEGMENTS]]
        says = (
            f"{metric.metric}, the new arm's mean less the old one's. Thick: the {level} interval; thin: the one that "
            "holds at many looks. Grey: no difference can be told from luck."
        )
        if len(parts) > SEGMENTS:
            says += f" Of {len(parts)} segments, the {SEGMENTS} with most users."
        if plot := forest(f"{metric.metric}: new less old", lines, says):
            yield plot


def best(one: Difference) -> tuple[float, tuple[float, float], float]:
    """(difference, interval, p): adjusted, where it is."""
    if one.adjusted is None or one.adjusted_interval is None or one.adjusted_p is None:
        return one.difference, one.interval, one.p
    return one.adjusted, one.adjusted_interval, one.adjusted_p


def told(one: Difference, level: str) -> str:
    """A difference in a sentence."""
    difference, (low, high), p = best(one)
    if math.isnan(difference):
        return f"{one.metric}: cannot be said, for want of users with a value in both arms."
    if math.isnan(p):
        return f"{one.metric}: new less old is {signed(difference)}; nothing varies, so there is no interval."
    after = ", adjusted for what came before" if one.adjusted is not None else ""
    said = f"new less old is {signed(difference, (low, high))} ({level}: {ends((low, high))}){after}"
    if low > 0 or high < 0:
        return f"{one.metric} is {'higher' if low > 0 else 'lower'} in the new arm: {said}."
    return f"{one.metric}: no difference can be told from luck; {said}."


def number(value: float) -> str:
    """
    >>> number(0.41237), number(123456.7), number(math.nan)
    ('0.4124', '123,457', '-')
    """
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def signed(value: float, interval: tuple[float, float] = (math.nan, math.nan)) -> str:
    """A difference, to as many places as its interval bears.

    >>> signed(0.012345), signed(0.012345, (-0.0312, 0.0559)), signed(-1234.5, (-1300.0, -1169.0)), signed(math.nan)
    ('+0.01235', '+0.012', '-1,234', '-')
    """
    half = (interval[1] - interval[0]) / 2
    if math.isnan(value) or not half > 0:
        return f"+{number(value)}" if value > 0 else number(value)
    return f"{value:+,.{max(0, 1 - math.floor(math.log10(half)))}f}"


def ends(interval: tuple[float, float]) -> str:
    """
    >>> ends((-0.5, 1.253)), ends((math.nan, math.nan))
    ('-0.50 to +1.25', '-')
    """
    return "-" if math.isnan(interval[0]) else f"{signed(interval[0], interval)} to {signed(interval[1], interval)}"


def chance(p: float) -> str:
    """
    >>> chance(0.0432), chance(3.21e-7), chance(0.0), chance(math.nan)
    ('0.043', '3.2e-07', '< 1e-300', '-')
    """
    if math.isnan(p):
        return "-"
    return "< 1e-300" if p == 0 else f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"
