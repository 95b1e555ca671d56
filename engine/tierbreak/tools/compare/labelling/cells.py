"""Cells of a labelled sample: what a few lines of one kind say of all rows of that kind.

A cell holds the lines of one stratum, taken for certain or by chance, with one outcome; the rows of it are known.

Of lines drawn by chance, the share that is right is estimated from the labelled ones, each weighed by rows over
probability (Hajek's ratio estimator; they are drawn in proportion to rows, so these weigh alike), and those without a
label are taken to be like them. The interval is Wilson's, with the sample size that the variance amounts to, which is
p (1 - p) / v; v is the variance by linearisation, the sum over lines of w^2 (1 - probability) (y - p)^2 / (sum w)^2,
times m / (m - 1) for m lines. It is never more than (sum w)^2 / (sum of w^2 (1 - probability)), which alone counts
where all lines are right or all are wrong. So an interval stays within 0..1, and has a width where all are right.

Of lines taken for certain nothing is estimated: what is labelled is known. What is not may all be right or all be
wrong, and the interval goes from the one to the other.

Sources: Särndal, Swensson and Wretman 1992, "Model Assisted Survey Sampling", for ratio and variance; Franco, Little,
Louis and Slud 2019, "Comparative Study of Confidence Intervals for Proportions in Complex Sample Surveys", for Wilson's
interval with an effective sample size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tierbreak.tools.compare.joint import ABSTAINED
from tierbreak.tools.compare.labelling.labels import Label
from tierbreak.tools.compare.labelling.sampling import AGREE, DISAGREE
from tierbreak.tools.compare.labelling.truths import UNSURE
from tierbreak.tools.compare.pairs import CHANGED, FAMILY, GAINED, LOST, NEW, OLD, OUTCOMES, SAME, SIDES

#: Outcomes in which the sides differ.
DIFFERING = (FAMILY, CHANGED, GAINED, LOST)

#: Who may be right where they do.
WHO = (OLD, NEW, "both", "neither")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Interval(NamedTuple):
    value: float
    low: float
    high: float


class Cell(NamedTuple):
    """Lines of one stratum, certain or not, with one outcome.

    rows      of all its units, drawn or not
    unseen    those of them of which nothing is known: of lines without a truth, taken for certain; of all units where
              no line has one
    drawn     lines
    weight    float64 [labelled], rows / probability
    chance    float64 [labelled], probability
    old, new, truth   int [labelled]
    """

    stratum: str
    certain: bool
    outcome: int
    rows: float
    unseen: float
    drawn: int
    weight: Floats
    chance: Floats
    old: Ints
    new: Ints
    truth: Ints


def cells_of(lines: Iterable[Label], rows: Mapping[str, float]) -> list[Cell]:
    """All cells that have rows. What is not certain has the rows of its outcome that the certain ones leave."""
    parted: dict[tuple[str, bool, int], list[Label]] = {}
    certain = dict.fromkeys(range(len(OUTCOMES)), 0.0)
    for line in lines:
        parted.setdefault((line.stratum, line.probability >= 1, line.outcome), []).append(line)
        if line.probability >= 1:
            certain[line.outcome] += line.rows
    for outcome in (SAME, *DIFFERING):
        parted.setdefault((AGREE if outcome == SAME else DISAGREE, False, outcome), [])
    cells = []
    for (stratum, sure, outcome), here in sorted(parted.items()):
        left = rows[OUTCOMES[outcome]] - certain[outcome]
        size = sum(line.rows for line in here) if sure else left
        # What is left of a difference of sums is no row.
        if size > 1e-9 * rows[OUTCOMES[outcome]]:
            cells.append(_cell(stratum, sure, outcome, size, here))
    return cells


def _cell(stratum: str, certain: bool, outcome: int, rows: float, lines: Sequence[Label]) -> Cell:
    known = [line for line in lines if is_labelled(line)]
    chance = np.array([line.probability for line in known], np.float64)
    weight = np.array([line.rows for line in known], np.float64) / chance
    old, new, truth = (np.array([getattr(line, of) for line in known], np.int64) for of in (*SIDES, "truth"))
    unseen = sum(line.rows for line in lines if not is_labelled(line)) if certain else 0.0 if known else rows
    return Cell(stratum, certain, outcome, rows, unseen, len(lines), weight, chance, old, new, truth)


def is_labelled(line: Label) -> bool:
    return line.truth is not None and line.truth != UNSURE


def is_right(cell: Cell, side: str, head: Ints) -> Bools:
    """bool [labelled]: whether the side says what is true; to abstain is right where there is no known brand.

    head   [brands], what counts as one: itself, or the head of its family
    """
    ended = np.append(head, ABSTAINED)  # where -1 looks
    return ended[cell.old if side == OLD else cell.new] == ended[cell.truth]


def who(cell: Cell, one: str, head: Ints, alike: bool, z: float) -> Interval:
    """The share of a cell's rows on which `one` of WHO is right.

    alike   whether the two answers are one under `head`: then both are right or neither, otherwise never both
    """
    possible = ("both", "neither") if alike else (OLD, NEW, "neither")
    if one not in possible:
        return Interval(0.0, 0.0, 0.0)
    if not len(cell.truth):
        return Interval(1 / len(possible), 0.0, 1.0)
    old, new = is_right(cell, OLD, head), is_right(cell, NEW, head)
    flags = dict(zip(WHO, (old & ~new, new & ~old, old & new, ~old & ~new), strict=True))
    return share(cell, flags[one], z)


def share(cell: Cell, flags: Bools, z: float) -> Interval:
    """The share of a cell's rows that have a flag; flags are bool [labelled]."""
    if not len(flags):
        return Interval(0.5, 0.0, 1.0)
    if cell.certain:
        known, rest = float(cell.weight[flags].sum()), cell.unseen
        return Interval(*((known + rest * one) / cell.rows for one in (float(flags.mean()), 0.0, 1.0)))
    total = cell.weight.sum()
    # The chance to be drawn, and then to be labelled.
    missed = 1 - cell.chance * len(flags) / cell.drawn
    p = float((cell.weight * flags).sum() / total)
    n = float(total**2 / (cell.weight**2 * missed).sum())
    if 0 < p < 1:
        v = float((cell.weight**2 * missed * (flags - p) ** 2).sum() / total**2) * len(flags) / (len(flags) - 1)
        n = min(n, p * (1 - p) / v)
    return Interval(p, *wilson(p, n, z))


def wilson(p: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's interval of a share p of n trials; n need not be whole.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    81 of 263, in Newcombe 1998, "Two-sided confidence intervals for the single proportion":

    >>> [round(end, 4) for end in wilson(81 / 263, 263, 1.959964)]
    [0.2553, 0.3662]
    >>> [round(end, 4) for end in wilson(1.0, 20, 1.959964)]
    [0.8389, 1.0]
    """
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))


def net(cell: Cell, head: Ints, alike: bool, z: float) -> Interval:
    """The share of a cell's rows on which only the new side is right, less that on which only the old one is.

    head, alike   as of `who`

    Source: Zou and Donner 2008, "Construction of confidence limits about effect measures: a general approach", with the
    correlation of two shares of one multinomial.
    """
    new, old = (who(cell, side, head, alike, z) for side in (NEW, OLD))
    value = new.value - old.value
    if cell.certain or cell.unseen:
        return Interval(value, new.low - old.high, new.high - old.low)
    odds = new.value * old.value
    against = math.sqrt(odds / ((1 - new.value) * (1 - old.value))) if odds else 0.0

    def apart(a: float, b: float) -> float:
        return math.sqrt(a * a + 2 * against * a * b + b * b)

    return Interval(
        value,
        value - apart(new.value - new.low, old.high - old.value),
        value + apart(new.high - new.value, old.value - old.low),
    )
