"""Answers against a gold set -> figures. What counts as right is a map from brand to what it counts as."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from tierbreak.registry import Registry
from tierbreak.tools.models.evaluation import statistics
from tierbreak.tools.models.evaluation.figures import (
    AtPrecision,
    Band,
    Calibration,
    Curve,
    Deployed,
    Group,
    Level,
    Mass,
    Point,
    Share,
)
from tierbreak.tools.models.evaluation.gold import Gold
from tierbreak.tools.models.evaluation.sides import Answers
from tierbreak.tools.models.evaluation.statistics import Bools, Floats, Ints, Sweep

#: Precisions at which coverage is given; the first one is what sides are compared by.
PRECISIONS = (0.98, 0.95, 0.90)
#: Edges of the confidence bands.
BANDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
#: A brand with so many distinct keys in the gold set is one of the head, with fewer one of the tail.
HEAD_KEYS = 3
BINS = 15
POINTS = 200


def families(registry: Registry) -> npt.NDArray[np.int32]:
    """int32 [brands]: the head of each brand's family today; the brand itself where it has no parent."""
    head = registry.redirect.copy()
    while (registry.parent[head] >= 0).any():
        head = np.where(registry.parent[head] >= 0, registry.parent[head], head)
    return head.astype(np.int32)


@dataclass(frozen=True, eq=False)
class Judged:
    """What is right in a side's answers, at one level. All arrays are [n].

    named, right, right_5   a brand is named; it is the true one; the true one is among the best five
    confidence              of the brand named
    """

    named: Bools
    right: Bools
    right_5: Bools
    confidence: Floats
    swept: Sweep

    @classmethod
    def of(cls, answers: Answers, gold: Gold, counts_as: Ints) -> Judged:
        """counts_as   int [brands], equal for brands that count as one"""
        said = np.where(answers.brands >= 0, counts_as[answers.brands], -1)
        truth = np.where(gold.branded, counts_as[gold.truth], -2)
        hit = said == truth[:, None]
        named, right = answers.brands[:, 0] >= 0, hit[:, 0]
        confidence = answers.confidence[:, 0].astype(np.float64)
        swept = statistics.sweep(confidence, named, right, gold.branded)
        return cls(named, right, hit[:, :5].any(axis=1), confidence, swept)


#: A share as two arrays, one value a row: what counts, and of what.
Ratio = tuple[Floats | Bools, Floats | Bools]


@dataclass(frozen=True, eq=False)
class Block:
    """Shares, by name, of the same rows (int64 [m]): a group's shares are drawn from its own rows alone."""

    rows: Ints
    ratios: dict[str, Ratio]

    def side(self, which: Literal[0, 1]) -> npt.NDArray[np.float32]:
        """float32 [m, shares]: what counts (0), or of what (1)."""
        return np.stack([ratio[which] for ratio in self.ratios.values()], axis=1).astype(np.float32)


def head(gold: Gold) -> Bools:
    """bool [n]: branded rows whose brand has at least HEAD_KEYS distinct keys.

    Brands of the head are few and often seen; those of the tail are where a model has little to remember.
    """
    pairs = np.unique(np.stack([gold.truth[gold.branded].astype(np.int64), gold.key[gold.branded]]), axis=1)
    brand, count = np.unique(pairs[0], return_counts=True)
    return np.isin(gold.truth, brand[count >= HEAD_KEYS])


def blocks(answers: Answers, gold: Gold, judged: Judged, sectors: list[str | None]) -> list[Block]:
    """Every share of a level but coverage at a precision: of all rows, and of each sector and format."""
    branded, right, weight, answered = gold.branded, judged.right, gold.weight, answers.answered
    frequent = head(gold)

    def common(rows: Ints, at: str = "") -> dict[str, Ratio]:
        known, said, hit = branded[rows], answered[rows], right[rows]
        return {
            f"{at}top_1": (hit, known),
            f"{at}top_5": (judged.right_5[rows], known),
            f"{at}coverage": (said & known, known),
            f"{at}precision": (hit & said, said),
            f"{at}no_brand_answered": (said & ~known, ~known),
        }

    every = np.arange(len(gold))
    whole: dict[str, Ratio] = {
        **common(every),
        "top_1_weighted": (right * weight, branded * weight),
        "head": (right & frequent, frequent),
        "tail": (right & ~frequent, branded & ~frequent),
        "found": (right & answered, branded),
        "precision_weighted": (right * answered * weight, answered * weight),
        "coverage_weighted": (answered * branded * weight, branded * weight),
    }
    groups = [*_groups("sector", sectors), *_groups("format", gold.format)]
    return [
        Block(every, whole),
        *(Block(np.flatnonzero(rows), common(np.flatnonzero(rows), f"{kind}:{name}:")) for kind, name, rows in groups),
    ]


def _groups(kind: str, names: list[str | None] | tuple[str, ...]) -> Iterator[tuple[str, str, Bools]]:
    of = np.array([name or "" for name in names])
    yield from ((kind, str(name), of == name) for name in np.unique(of) if name)


def _divided(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)


Draws = dict[str, Floats]


def draw(gold: Gold, judged: Judged, of: list[Block], draws: int, seed: int) -> Draws:
    """Every share of `of`, and coverage at each precision as `coverage_at:0.98`, in each of `draws` resamples."""
    swept, branded = judged.swept, gold.branded
    stacked = [(block, block.side(0), block.side(1)) for block in of]
    out: dict[str, list[Floats]] = {name: [] for block in of for name in block.ratios}
    out |= {_at(precision): [] for precision in PRECISIONS}
    for times in statistics.resamples(gold.key, draws, seed):
        for block, part, whole in stacked:
            counted = times[:, block.rows].astype(np.float32)
            shares = _divided((counted @ part).astype(np.float64), (counted @ whole).astype(np.float64))
            for column, name in enumerate(block.ratios):
                out[name].append(shares[:, column])
        sorted_times = times[:, swept.order]
        answered, right, known = (
            (sorted_times * flags[swept.order]).cumsum(axis=1)[:, swept.last]
            for flags in (np.ones_like(branded), judged.right, branded)
        )
        total = (times * branded).sum(axis=1)
        for precision in PRECISIONS:
            last = statistics.holds_last(right, answered, precision)
            covered = np.take_along_axis(known, np.maximum(last, 0)[:, None], axis=1)[:, 0] if len(swept.last) else 0
            out[_at(precision)].append(_divided(np.where(last >= 0, covered, 0).astype(np.float64), total))
    return {name: np.concatenate(parts) for name, parts in out.items()}


def _at(precision: float) -> str:
    return f"coverage_at:{precision:.2f}"


def level(
    answers: Answers, gold: Gold, registry: Registry, counts_as: Ints, draws: int, seed: int
) -> tuple[Level, Judged, Draws]:
    """The figures of one side at one level, with what they were counted and drawn from."""
    judged = Judged.of(answers, gold, counts_as)
    sectors = [registry.brands[brand].sector if brand >= 0 else None for brand in gold.truth.tolist()]
    of = blocks(answers, gold, judged, sectors)
    drawn = draw(gold, judged, of, draws, seed)
    ratios = {name: ratio for block in of for name, ratio in block.ratios.items()}

    def share(name: str) -> Share:
        part, whole = (float(np.asarray(side, dtype=np.float64).sum()) for side in ratios[name])
        return _share(part, whole, drawn[name])

    branded = gold.branded
    made = Level(
        top_1=share("top_1"),
        top_5=share("top_5"),
        top_1_weighted=share("top_1_weighted"),
        top_1_macro=statistics.macro(judged.right[branded], gold.truth[branded]),
        head=share("head"),
        tail=share("tail"),
        at_precision=tuple(_at_precision(judged.swept, gold, at, drawn[_at(at)]) for at in PRECISIONS),
        deployed=Deployed(
            *map(
                share,
                ("precision", "coverage", "found", "no_brand_answered", "precision_weighted", "coverage_weighted"),
            )
        ),
        bands=tuple(_bands(judged)),
        calibration_answered=_calibration(judged, answers.answered),
        calibration_named=_calibration(judged, judged.named),
        risk_coverage=_curve(judged.swept, gold),
        sectors=tuple(_figures("sector", sectors, gold, share)),
        formats=tuple(_figures("format", gold.format, gold, share)),
    )
    return made, judged, drawn


def _share(part: float, whole: float, drawn: Floats) -> Share:
    return Share(part / whole if whole else math.nan, *statistics.interval(drawn), part, whole)


def _figures(
    kind: str, names: list[str | None] | tuple[str, ...], gold: Gold, share: Callable[[str], Share]
) -> Iterator[Group]:
    for _, name, rows in _groups(kind, names):
        of = ("top_1", "top_5", "coverage", "precision", "no_brand_answered")
        shares = [share(f"{kind}:{name}:{figure}") for figure in of]
        yield Group(name, int(rows.sum()), int((rows & gold.branded).sum()), *shares)


def _at_precision(swept: Sweep, gold: Gold, precision: float, drawn: Floats) -> AtPrecision:
    last = int(statistics.holds_last(swept.right, swept.answered, precision))
    total = int(gold.branded.sum())
    if last < 0:
        return AtPrecision(precision, math.nan, _share(0, total, drawn), 0, 0)
    coverage = _share(int(swept.branded[last]), total, drawn)
    counts = int(swept.answered[last]), int(swept.right[last])
    return AtPrecision(precision, float(swept.threshold[last]), coverage, *counts)


def _bands(judged: Judged) -> Iterator[Band]:
    edges = np.array(BANDS[1:-1], dtype=np.float32)  # as confidences are: 0.7 is in the band from 0.7
    band = np.searchsorted(edges, judged.confidence, side="right")
    for at, (low, high) in enumerate(pairwise(BANDS)):
        here = judged.named & (band == at)
        rows, right = int(here.sum()), int((judged.right & here).sum())
        yield Band(low, high, rows, right, right / rows if rows else math.nan)


def _calibration(judged: Judged, rows: Bools) -> Calibration:
    bins = statistics.equal_mass_bins(judged.confidence[rows], judged.right[rows], BINS)
    return Calibration(statistics.calibration_error(bins), int(rows.sum()), tuple(Mass(*each) for each in bins))


def _curve(swept: Sweep, gold: Gold) -> Curve:
    total = max(int(gold.branded.sum()), 1)
    at = np.unique(np.linspace(0, len(swept.last) - 1, POINTS).astype(int)).tolist() if len(swept.last) else []
    points = [
        Point(
            float(swept.threshold[i]),
            float(swept.branded[i] / total),
            int(swept.answered[i]),
            float(1 - swept.right[i] / swept.answered[i]),
        )
        for i in at
    ]
    return Curve(statistics.area_under_risk(swept), tuple(points))
