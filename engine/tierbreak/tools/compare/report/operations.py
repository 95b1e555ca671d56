"""Speed, cache and cost as blocks of the report; and the noise floor, which stands in its header."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.tools.compare.document import Block, Figure, Fold, Section, Table, Text, count, percent, spread
from tierbreak.tools.compare.measure.hits import Hits
from tierbreak.tools.compare.measure.latency import Latency, Throughput
from tierbreak.tools.compare.measure.noise import Noise
from tierbreak.tools.compare.report import plots
from tierbreak.tools.report.page import text
from tierbreak.tools.report.svg import element
from tierbreak.tools.rules.traffic.masking import masked

#: The lookups of a side as the plot shows them: field of Hits, name, class of its bar, and what would win it back.
#: What stands above the ceiling comes first, so that the ceiling is one line.
PARTS = (
    ("hit", "known", "same", ""),
    ("capacity", "dropped to make room", "lost", "a larger cache"),
    ("switch", "model was switched", "changed", "fewer switches, or warming the new model's store"),
    ("normaliser", "new only in its spelling", "family", "at most: a key that sees less of the text"),
    ("cold", "never seen before", "abstain", "nothing: each key is new once"),
)


@dataclass(frozen=True)
class Operations:
    """The figures of the section, the old side first."""

    latency: tuple[Latency, ...]
    hits: tuple[Hits, ...]
    throughput: tuple[Throughput, ...]


def section(figures: Operations) -> Section:
    """How long an answer takes, how often a cache knows it, and what a million rows cost."""
    blocks = [*_latency(figures.latency)]
    for each in figures.hits:
        blocks += _hits(each)
    blocks += _costs(figures.throughput)
    return Section("operations", "Speed, cache and cost", tuple(blocks), figures)


def _latency(sides: Sequence[Latency]) -> list[Block]:
    rows = [
        (side.side, times.tier, count(times.n), *(_ms(value) for value in (times.p50, times.p95, times.p99)))
        for side in sides
        for times in (*side.tiers, *((side.all,) if side.all is not None else ()))
    ]
    out: list[Block] = [
        Text(f"Latency of the {side.side} side is not measured: {side.why}.", "soft") for side in sides if side.why
    ]
    if rows:
        note = (
            "One descriptor at a time, in milliseconds, on the machine that compared. 99 of 100 calls take at most the "
            "p99. A dash stands where there were too few calls: 20 for a p95, 100 for a p99. All: the sample, with "
            "about as many of each tier; it is not the mix of the traffic."
        )
        columns = ("side", "answered by", "calls", "p50 ms", "p95 ms", "p99 ms")
        out.insert(0, Table(columns, tuple(rows), "How long one answer takes", note, words=frozenset({0, 1})))
    return out


def _hits(found: Hits) -> list[Block]:
    if found.why:
        return [Text(f"Cache of the {found.side} side: no figure, {found.why}.", "soft")]
    says = (
        f"Of {count(found.rows)} rows rules left {count(found.lookups)} open; their {count(found.keys)} distinct keys "
        f"are what the cache is asked. Row after row from an empty cache it would have known {percent(found.rate)} of "
        f"them{_sure(found)}. Its ceiling on this traffic is {percent(found.ceiling)}: each key must be missed once. "
        f"A coarser key could lift the ceiling to {percent(found.finer)} at most."
    )
    rows = tuple(
        (name, count(getattr(found, part)), percent(getattr(found, part) / found.lookups), back)
        for part, name, _, back in PARTS
    )
    size = (
        "The cache was taken as large enough for every key."
        if found.capacity_keys is None
        else f"The cache holds {count(found.capacity_keys)} keys for sure, and at most twice as many."
    )
    table = Table(
        ("the answer was", "lookups", "share", "what would win it back"),
        (*rows, ("all", count(found.lookups), percent(1.0), "")),
        f"Lookups of the {found.side} side",
        f"{size} New only in its spelling: the first two words, letters only, came before under another key, and all "
        "keys with these words had one answer.",
        words=frozenset({0, 3}),
    )
    shown = (
        "What becomes of the lookups, each part beginning where the last one ends. The line is the ceiling, "
        f"{percent(found.ceiling)}."
    )
    out: list[Block] = [Text(says), Figure(f"Cache of the {found.side} side", _waterfall(found), shown), table]
    run = dict(found.run)
    if sum(run.values()):
        answered = ", ".join(f"{tier} {count(rows)}" for tier, rows in run.items() if rows)
        out.append(
            Text(
                f"In the run itself rows with a brand were answered by: {answered}. It asked in batches, and a key "
                "that comes up twice in one batch is asked once: then both rows count for the model.",
                "soft",
            )
        )
    if found.followed < found.lookups:
        out.append(
            Text(
                f"What is dropped was followed on a sample of the keys, {count(found.followed)} of "
                f"{count(found.lookups)} lookups, in a cache that is smaller in the same proportion. The other parts "
                "are counted.",
                "soft",
            )
        )
    return [*out, *(Text(f"{notice[:1].upper()}{notice[1:]}.", "warn") for notice in found.notices)]


def _sure(found: Hits) -> str:
    return f" (standard error {percent(found.error, 2)})" if found.error > 0 else ""


def _waterfall(found: Hits) -> str:
    """A bar for each part of the lookups, each beginning where the one above it ends; a line at the ceiling."""
    left, right, thick, step = 150.0, 52.0, 16.0, 24.0
    high = step * len(PARTS) + 34

    def across(share: float) -> float:
        return left + share * (plots.WIDE - left - right)

    out = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        kind = "axis" if tick == 0 else "grid"
        out.append(element("line", class_=kind, x1=across(tick), x2=across(tick), y1=4.0, y2=high - 20))
        label = f"{100 * tick:g} %"
        out.append(element("text", label, class_="tick", x=across(tick), y=high - 5, text_anchor="middle"))
    start = 0
    for at, (part, name, role, _) in enumerate(PARTS):
        rows, y = getattr(found, part), 8 + at * step
        says = f"{name}: {count(rows)} lookups, {percent(rows / found.lookups)}"
        wide = max(across(rows / found.lookups) - left, 0.5)
        begin = across(start / found.lookups)
        bar = element("rect", class_=f"bar {role}", x=begin, y=y, width=wide, height=thick, rx=2)
        out.append(element("g", f"<title>{text(says)}</title>{bar}"))
        out.append(element("text", text(name), class_="label", x=left - 8, y=y + 12, text_anchor="end"))
        share = percent(rows / found.lookups)
        out.append(element("text", share, class_="tick", x=float(plots.WIDE), y=y + 12, text_anchor="end"))
        start += rows
    top = across(found.ceiling)
    title = f"<title>{text(f'ceiling: {percent(found.ceiling)}')}</title>"
    out.append(element("line", title, class_="mark new", x1=top, x2=top, y1=4.0, y2=high - 20))
    return plots.image(
        out, high, f"Cache of the {found.side} side", "what becomes of its lookups; the line is the ceiling"
    )


def _costs(sides: Sequence[Throughput]) -> list[Block]:
    if not sides:
        return [Text("Cost: no side was run here, so there is nothing to add up.", "soft")]
    priced = any(not math.isnan(each.core_hour) for each in sides)
    columns = ["side", "rows", "seconds", "rows a second", "CPU seconds a million rows"]
    rows = []
    for each in sides:
        row = [each.side, count(each.rows), _short(each.wall), _short(each.rate), _short(each.cpu_million)]
        rows.append((*row, f"{_short(each.cost_million)} {each.currency}".strip()) if priced else tuple(row))
    if priced:
        columns.append("cost a million rows")
        price = next(each for each in sides if not math.isnan(each.core_hour))
        note = (
            f"At {price.core_hour:g} {price.currency}".rstrip() + " for an hour of one core, as gates.toml states it."
        )
    else:
        note = "No price is given (core_hour under [prices] in gates.toml), so cost stays in CPU seconds."
    note += " CPU seconds are those of all cores together, reading and writing files left out."
    out: list[Block] = [Table(tuple(columns), tuple(rows), "The run in batches", note)]
    if len(sides) == 2 and sides[0].cpu_million > 0 and sides[1].cpu_million > 0:
        old, new = sides
        times = _short(new.cpu_million / old.cpu_million)
        out.append(Text(f"The {new.side} side takes {times} times the CPU of the {old.side} one."))
    return out


def noise_blocks(old: Noise, new: Noise) -> tuple[Block, ...]:
    """The noise floor: what a difference between the sides must exceed to be one."""
    rows = []
    out: list[Block] = []
    for side in (old, new):
        if side.why:
            out.append(Text(f"Noise floor of the {side.side} side: no figure, {side.why}.", "soft"))
            continue
        how = (
            f"{count(side.rows)} distinct rows asked twice, in another order and other batches"
            if side.how == "asked"
            else f"{count(side.groups)} descriptors that come up more than once, {count(side.rows)} rows"
        )
        interval = spread(side.low, side.high, 3)
        rows.append((f"{side.side} against {side.side}", how, count(side.differ), percent(side.share, 3), interval))
    if rows:
        note = (
            "How often a side differs from itself. A difference between the sides that is no larger says nothing. "
            "Rows asked twice: 95 % interval; where none differs its end is 3 / rows. Decisions from a file: rows with "
            "another brand than most rows of the same descriptor; some of it may be what else the side looked at."
        )
        columns = ("side", "compared", "differ", "share", "95 %, in %")
        out.insert(0, Table(columns, tuple(rows), "Noise floor", note, words=frozenset({0, 1})))
    for side in (old, new):
        if side.examples:
            shown = masked(pl.Series(side.examples)).to_list()
            table = Table(("descriptor",), tuple((descriptor,) for descriptor in shown))
            out.append(Fold(f"Where the {side.side} side differs from itself", (table,)))
    return tuple(out)


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _short(value: float) -> str:
    """Three figures.

    >>> _short(1234.5), _short(0.000012345), _short(math.nan)
    ('1,234', '0.0000123', '-')
    """
    if math.isnan(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")
