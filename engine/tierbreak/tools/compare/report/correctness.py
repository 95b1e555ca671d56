"""Right and wrong against the gold set, in words and tables."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tierbreak.tools.compare.document import (
    Block,
    Figure,
    Fold,
    Section,
    Table,
    Text,
    Tile,
    Tiles,
    count,
    percent,
    spread,
)
from tierbreak.tools.compare.measure.correctness import FEW_ANSWERS, Correctness
from tierbreak.tools.compare.measure.levels import Both, Level, Trials
from tierbreak.tools.compare.pairs import SIDES
from tierbreak.tools.compare.report import flips
from tierbreak.tools.compare.report.brands import arrow
from tierbreak.tools.models.evaluation import plots
from tierbreak.tools.models.evaluation.figures import Calibration, Share
from tierbreak.tools.models.evaluation.tabulate import p_value

_TITLE = "Right and wrong"

#: Below it a difference is called more than chance.
_CHANCE = 0.05

#: What a share is called, and of what it is a share.
_SHARES = {
    "precision": ("Precision", "right, of rows answered"),
    "coverage": ("Coverage", "branded rows answered"),
    "found": ("Found", "branded rows answered rightly: recall"),
    "no_brand_answered": ("No-brand rows answered", "fewer is better, each is a mistake"),
    "right": ("Right", "the true brand, or an abstention where there is none"),
    "macro": ("Found, macro", "mean over brands, where a rare one counts as much as a frequent one"),
}


def section(found: Correctness | None) -> Section:
    """The section of both sides against the gold set; None: none was given."""
    if found is None:
        says = "No gold set was given: what is right is not known, only where the sides agree. Give one with --gold."
        return Section("correctness", _TITLE, (Text(says, "soft"),), None)
    notices = [Text(f"{notice[0].upper()}{notice[1:]}.", "warn") for notice in found.notices]
    if found.withheld:
        says = f"Nothing can be said of right and wrong: {found.withheld}."
        return Section("correctness", _TITLE, (Text(says, "warn"), *notices), found)
    blocks: list[Block] = [
        Text(_gold(found)),
        *notices,
        _tiles(found.exact),
        Text(_summary(found)),
        _table(found, found.exact, "Exact brands"),
        Fold("By family: a brand of the true one's family counts as right", (_table(found, found.family, "Families"),)),
        flips.table(found),
        Text(flips.meaning(found)),
        *_reliability(found),
        *flips.lists(found),
        Fold("How these figures are made", tuple(map(Text, _METHOD))),
    ]
    return Section("correctness", _TITLE, tuple(blocks), found)


_METHOD = (
    "A side is right in a row where it names the true brand, or abstains where the row is no known brand's. Intervals "
    "are 95 %, from resampling whole distinct keys: rows of one key stand or fall together. The same resamples serve "
    "both sides, so the interval of a difference is narrower than the two beside it suggest. Resamples of a share of 0 "
    "or 100 %, and of sides that never differ, are all alike: there the interval is Wilson's, of as many trials as the "
    "keys are worth.",
    "McNemar's test looks only at keys on which one side is right and the other wrong, and asks whether they fall to "
    "one side more than a coin would have it. A key is right for a side where all its rows are. The exact p is never "
    "too small, and often larger than it need be; the mid-p value corrects that, and is the one to read.",
)


def _gold(found: Correctness) -> str:
    weights = (
        "Figures by weight count each row as often as it was seen."
        if found.weighted
        else "All rows weigh the same, so there are no figures by weight."
    )
    return (
        f"The gold set has {found.rows:,} rows of {found.keys:,} distinct keys that both sides decided: "
        f"{found.branded:,} rows of {found.brands:,} brands, and {found.rows - found.branded:,} of no known brand. "
        f"{weights}"
    )


def _tiles(level: Level) -> Tiles:
    def tile(label: str, both: Both) -> Tile:
        return Tile(label, arrow(both.old.value, both.new.value, 1), _change(both))

    return Tiles(
        (
            tile("Right", level.right),
            tile("Precision", level.precision),
            tile("Found", level.found),
            Tile("Negative flips", percent(level.negative.share.value, 2), _of(level.negative.share)),
            Tile("Positive flips", percent(level.positive.share.value, 2), _of(level.positive.share)),
        )
    )


def _change(both: Both) -> str:
    if math.isnan(both.difference):
        return "no difference can be given"
    inside = spread(both.low, both.high)
    return f"{points(both.difference)} points" + (f" ({inside})" if inside else "")


def points(difference: float) -> str:
    """A difference of shares, in points of a percent.

    >>> points(0.0312), points(-0.5), points(0.0), points(math.nan)
    ('+3.1', '-50.0', '0.0', '-')
    """
    if math.isnan(difference):
        return "-"
    shown = f"{100 * difference:+.1f}"
    return "0.0" if shown in ("+0.0", "-0.0") else shown


def _of(share: Share) -> str:
    return f"{share.part:,.0f} of {share.whole:,.0f} rows ({spread(share.low, share.high, 2)} %)"


def _summary(found: Correctness) -> str:
    trials = found.exact.mcnemar
    return f"{_tested(trials, 'the exact brand')} {_tested(found.family.mcnemar, 'the family')}"


def _tested(trials: Trials, what: str) -> str:
    apart = trials.only_old + trials.only_new
    if not apart:
        return f"By {what}, no key is right for one side alone: there is nothing to tell them apart."
    p = f"McNemar: mid-{p_value(trials.mid_p)}, exact {p_value(trials.exact)}"
    counts = f"{trials.only_new:,} keys are right for the new side alone, {trials.only_old:,} for the old one alone"
    if trials.mid_p >= _CHANCE:
        return f"By {what}, {counts}: that can be chance ({p})."
    better = "new" if trials.only_new > trials.only_old else "old"
    return f"By {what}, {counts}: the {better} side is right more often than chance explains ({p})."


def _table(found: Correctness, level: Level, title: str) -> Table:
    rows = []
    for name, (label, of) in _SHARES.items():
        rows.append(_row(f"{label} ({of})", getattr(level, name)))
        if found.weighted and name != "macro":
            rows.append(_row(f"{label}, by weight", getattr(level, f"{name}_weighted")))
    return Table(
        ("Share", "Old", "95 %", "n", "New", "95 %", "n", "New less old, points", "95 %"),
        tuple(rows),
        title=title,
        note="n: what the share is of: rows; by weight, their weight; macro, brands. '-': there is nothing it is of.",
    )


def _row(label: str, both: Both) -> tuple[str, ...]:
    old, new = both.old, both.new
    return (
        label,
        *(
            cell
            for side in (old, new)
            for cell in (percent(side.value), spread(side.low, side.high), count(side.whole))
        ),
        points(both.difference),
        spread(both.low, both.high),
    )


def _reliability(found: Correctness) -> Iterator[Block]:
    """One diagram of the sides that have confidences, its figures in a table, and a word on those without."""
    have: dict[str, Calibration] = {}
    for side, made, (sure, said) in zip(SIDES, found.reliability, found.confident, strict=True):
        if made is not None:
            have[side] = made
        elif sure:
            yield Text(
                f"Reliability of the {side} side is not shown: {sure:,} of its {said:,} answers have a confidence, and "
                f"fewer than {FEW_ANSWERS} say too little.",
                "soft",
            )
        else:
            yield Text(f"The {side} side's answers have no confidence, so it has no reliability.", "soft")
    if not have:
        return
    yield Text(" ".join(_calibrated(side, made, found) for side, made in have.items()))
    says = (
        "Share of right answers over confidence, in bins of equal size. On the dashed line a side is as often right as "
        "it is sure; below it, it is too sure of itself."
    )
    yield Figure("Reliability", plots.reliability({side: made.bins for side, made in have.items()}), says)
    rows = tuple(
        (side, f"{bin.confidence:.3f}", percent(bin.right), f"{bin.rows:,}")
        for side, made in have.items()
        for bin in made.bins
    )
    table = Table(("Side", "Mean confidence", "Right", "Answers"), rows)
    yield Fold("The reliability diagram in figures", (table,))


def _calibrated(side: str, made: Calibration, found: Correctness) -> str:
    said = found.confident[SIDES.index(side)][1]
    return (
        f"The {side} side's confidence is off by {100 * made.error:.1f} points on average (expected calibration error, "
        f"{made.rows:,} of {said:,} answers have a confidence; rules have none)."
    )
