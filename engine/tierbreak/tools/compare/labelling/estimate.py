"""What a labelled sample says of all rows: precision of both sides and who is right where they differ, with intervals.

Cells of the sample are estimated one by one (compare/cells.py) and added up by their rows (poststratification). Their
intervals are added up by the distances from the estimate, as the root of the sum of squares, each side for itself; what
is not chance but want of a label is added as it is.

Source: Zou, Huang and Zhang 2009, "A note on confidence interval estimation for a linear function of binomial
proportions".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

import numpy as np

from tierbreak.tools.compare.labelling import cells
from tierbreak.tools.compare.labelling.cells import DIFFERING, WHO, Cell, Interval, Ints
from tierbreak.tools.compare.labelling.labels import Label, Labels
from tierbreak.tools.compare.labelling.sampling import STRATA
from tierbreak.tools.compare.labelling.truths import UNSURE
from tierbreak.tools.compare.pairs import CHANGED, FAMILY, GAINED, LOST, NEW, OLD, OUTCOMES, SAME, SIDES

#: Labelled lines that were drawn by chance which a stratum needs before anything is said of it.
MINIMUM = 10

#: A figure is said where nothing is known of at most this share of the rows that it is of (see Cell.unseen).
UNSEEN = 0.1

#: Outcomes in which each side answers.
ANSWERED = {OLD: (SAME, FAMILY, CHANGED, LOST), NEW: (SAME, FAMILY, CHANGED, GAINED)}


@dataclass(frozen=True)
class Share:
    """An estimate.

    value      0..1, or -1..1 of a difference; NaN where it cannot be said
    low, high  its interval
    labelled   lines it rests on
    rows       rows it is of
    why        why it cannot be said; empty where it can
    """

    value: float
    low: float
    high: float
    labelled: int
    rows: float
    why: str = ""


@dataclass(frozen=True)
class OfSide:
    """Of one side, at one level.

    precision   right answers of all its answers
    right       right answers of all rows: precision x coverage
    differing   precision where the sides differ
    """

    precision: Share
    right: Share
    differing: Share


@dataclass(frozen=True)
class OfLevel:
    """At one level, exact brands or families.

    sides   of `old` and `new`
    who     of rows on which they differ: only the old side right, only the new one, `both` or `neither`; to abstain is
            right where the truth is no known brand
    net     rows on which only the new side is right less those on which only the old one is, of all rows
    """

    sides: Mapping[str, OfSide]
    who: Mapping[str, Share]
    net: Share


@dataclass(frozen=True)
class Response:
    """What has been labelled of a stratum.

    drawn      lines
    labelled   lines with a truth
    unsure     lines with `?`
    rows       rows of the stratum, drawn or not
    """

    stratum: str
    drawn: int
    labelled: int
    unsure: int
    rows: float


@dataclass(frozen=True)
class Estimates:
    """All that a labelled sample says.

    levels     `exact` and `family`
    gained     of rows that only the new side answers, those on which it is right
    lost       of rows that only the old side answers, those on which it is right: answers that are missed
    coverage   rows answered of all rows, of each side; counted, not estimated
    level      0..1, of the intervals
    """

    name: str
    fingerprint: str
    levels: Mapping[str, OfLevel]
    gained: Share
    lost: Share
    coverage: Mapping[str, float]
    response: tuple[Response, ...]
    level: float
    notices: tuple[str, ...]


def estimate(labels: Labels, rows: Mapping[str, float], *, level: float = 0.95) -> Estimates:
    """Estimate from labels.

    rows    rows of each outcome, of all traffic, as sampling.totals counts them
    level   0..1, of the intervals
    """
    parted = cells.cells_of(labels.lines, rows)
    response = tuple(_responses(labels.lines, parted))
    silent = {one.stratum: _silent(one, parted) for one in response}
    whole = sum(rows.values())
    sums = _Sums(tuple(parted), silent, whole, NormalDist().inv_cdf((1 + level) / 2))
    exact = np.arange(len(labels.family))
    levels = {"exact": sums.level(exact), "family": sums.level(labels.family.astype(np.int64), alike=(FAMILY,))}
    coverage = {
        side: sum(rows[OUTCOMES[outcome]] for outcome in ANSWERED[side]) / whole if whole else math.nan
        for side in SIDES
    }
    return Estimates(
        labels.name, labels.fingerprint, levels, sums.right(NEW, exact, (GAINED,)), sums.right(OLD, exact, (LOST,)),
        coverage, response, level, (*labels.notices, *_notices(response)),
    )  # fmt: skip


@dataclass(frozen=True)
class _Sums:
    """Cells added up.

    silent   stratum -> why nothing can be said of it; empty where it can
    whole    rows of all traffic
    z        quantile of the intervals
    """

    cells: tuple[Cell, ...]
    silent: Mapping[str, str]
    whole: float
    z: float

    def level(self, head: Ints, alike: tuple[int, ...] = ()) -> OfLevel:
        """All figures that depend on what counts as one brand: `head` of each.

        alike   outcomes in which the sides differ and their answers count as one
        """
        sides = {
            side: OfSide(
                self.right(side, head, ANSWERED[side]),
                self.right(side, head, ANSWERED[side], self.whole),
                self.right(side, head, tuple(outcome for outcome in ANSWERED[side] if outcome != SAME)),
            )
            for side in SIDES
        }
        return OfLevel(
            sides,
            {one: self._of(DIFFERING, partial(self._who, one=one, head=head, alike=alike)) for one in WHO},
            self._of(DIFFERING, lambda cell: cells.net(cell, head, cell.outcome in alike, self.z), self.whole),
        )

    def right(self, side: str, head: Ints, outcomes: tuple[int, ...], base: float | None = None) -> Share:
        """Rows on which a side is right, of those with outcomes in which it answers, or of `base` rows."""
        return self._of(outcomes, lambda cell: cells.share(cell, cells.is_right(cell, side, head), self.z), base)

    def _who(self, cell: Cell, one: str, head: Ints, alike: tuple[int, ...]) -> Interval:
        return cells.who(cell, one, head, cell.outcome in alike, self.z)

    def _of(self, outcomes: tuple[int, ...], of: Callable[[Cell], Interval], base: float | None = None) -> Share:
        here = [cell for cell in self.cells if cell.outcome in outcomes]
        rows = sum(cell.rows for cell in here)
        labelled = sum(len(cell.truth) for cell in here)
        whole = rows if base is None else base
        unseen = sum(cell.unseen for cell in here)
        why = ""
        if not whole:
            why = "there are no such rows"
        elif reasons := {self.silent[cell.stratum] for cell in here} - {""}:
            why = "; ".join(sorted(reasons))
        elif unseen > UNSEEN * whole:
            strata = " and ".join(sorted({f"'{cell.stratum}'" for cell in here if cell.unseen}))
            why = f"nothing is known of {unseen / whole:.0%} of the rows; label more lines of {strata}"
        if why:
            return Share(math.nan, math.nan, math.nan, labelled, rows, why)
        value = below = above = low = high = 0.0
        for cell in here:
            part, one = cell.rows / whole, of(cell)
            value += part * one.value
            if cell.certain or cell.unseen:
                below += part * (one.value - one.low)
                above += part * (one.high - one.value)
            else:
                low += (part * (one.value - one.low)) ** 2
                high += (part * (one.high - one.value)) ** 2
        return Share(value, value - below - math.sqrt(low), value + above + math.sqrt(high), labelled, rows)


def _responses(lines: Sequence[Label], parted: Sequence[Cell]) -> Iterator[Response]:
    for stratum in STRATA:
        here = [line for line in lines if line.stratum == stratum]
        rows = sum(cell.rows for cell in parted if cell.stratum == stratum)
        unsure = sum(line.truth == UNSURE for line in here)
        yield Response(stratum, len(here), sum(map(cells.is_labelled, here)), unsure, rows)


def _silent(of: Response, parted: Sequence[Cell]) -> str:
    """Why nothing can be said of a stratum; empty where it can."""
    by_chance = [cell for cell in parted if cell.stratum == of.stratum and not cell.certain]
    labelled = sum(len(cell.truth) for cell in by_chance)
    if not by_chance or labelled >= MINIMUM:
        return ""
    return f"{labelled} labelled lines of '{of.stratum}' that were drawn by chance, at least {MINIMUM} are needed"


def _notices(response: Sequence[Response]) -> Iterator[str]:
    for one in response:
        if missing := one.drawn - one.labelled:
            unsure = f", {one.unsure:,} of them because nobody could tell" if one.unsure else ""
            yield f"{one.stratum}: {missing:,} of {one.drawn:,} lines have no truth{unsure}"
    if any(one.drawn > one.labelled for one in response):
        yield (
            "lines without a truth that were drawn by chance are taken to be like the others; those that were taken "
            "for certain may all be right or all be wrong, and intervals are so much wider"
        )
