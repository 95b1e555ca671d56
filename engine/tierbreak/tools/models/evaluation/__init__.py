"""How right is a side on a gold set, how sure may one be of that, and is it better than another?

    gold file -> Gold;  side -> Answers;  both -> Evaluation;  Evaluation -> JSON, Markdown, a page

A gold set is seen by no training and no calibration. Figures are of rows; intervals and the test are of distinct keys,
because rows of one key stand or fall together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tierbreak.core.codes import TIERS
from tierbreak.registry import Registry
from tierbreak.tools.models.evaluation import statistics
from tierbreak.tools.models.evaluation.figures import (
    FORMAT,
    Comparison,
    Confusion,
    Difference,
    Evaluation,
    GoldFacts,
    Level,
    Mistake,
    Paired,
    Reason,
    Share,
    SideFigures,
    Tier,
)
from tierbreak.tools.models.evaluation.gold import Gold
from tierbreak.tools.models.evaluation.measure import HEAD_KEYS, Draws, Judged, families, head, level
from tierbreak.tools.models.evaluation.sides import Answers, ask

__all__ = ["Answers", "Evaluation", "Gold", "ask", "evaluate"]

DRAWS, SEED = 2_000, 20_240_101
#: How many of the surest mistakes and of the most frequent confusions are listed.
MISTAKES, CONFUSIONS = 50, 20
ABSTAINED = "abstained"


def evaluate(
    gold: Gold,
    registry: Registry,
    model: Answers,
    baseline: Answers | None = None,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Evaluation:
    """Every figure of a side, and of what it is compared with.

    draws   bootstrap draws, > 0; each interval is from all of them
    seed    of the draws; both sides see the same
    """
    measured = _measure(model, gold, registry, draws, seed)
    other = _measure(baseline, gold, registry, draws, seed) if baseline is not None else None
    comparison = None
    if other is not None:
        comparison = Comparison(
            *(
                _paired(gold, getattr(measured.figures, name), measured.judged[at], measured.drawn[at],
                        getattr(other.figures, name), other.judged[at], other.drawn[at])
                for at, name in enumerate(("exact", "family"))
            )
        )  # fmt: skip
    return Evaluation(
        FORMAT, _facts(gold), registry.fingerprint, draws, seed, measured.figures,
        other.figures if other is not None else None, comparison,
    )  # fmt: skip


class _Measured(NamedTuple):
    """A side's figures, and per level what they were counted and drawn from."""

    figures: SideFigures
    judged: tuple[Judged, Judged]
    drawn: tuple[Draws, Draws]


def _measure(answers: Answers, gold: Gold, registry: Registry, draws: int, seed: int) -> _Measured:
    exact, judged, drawn = level(answers, gold, registry, registry.redirect, draws, seed)
    family, judged_family, drawn_family = level(answers, gold, registry, families(registry), draws, seed)
    figures = SideFigures(
        side=answers.side,
        kind=answers.kind,
        fingerprint=answers.fingerprint,
        threshold=answers.threshold,
        exact=exact,
        family=family,
        tiers=tuple(_tiers(answers, gold, judged)) if answers.tier is not None else None,
        reasons=tuple(_reasons(answers, gold)),
        confusions=tuple(_confusions(answers, gold, registry, judged)),
        mistakes=tuple(_mistakes(answers, gold, registry, judged, judged_family)),
    )
    return _Measured(figures, (judged, judged_family), (drawn, drawn_family))


def _facts(gold: Gold) -> GoldFacts:
    branded = gold.branded
    return GoldFacts(
        name=gold.name,
        fingerprint=gold.fingerprint,
        rows=len(gold),
        keys=len(gold.keys),
        branded=int(branded.sum()),
        no_brand=int((~branded).sum()),
        brands=len(np.unique(gold.truth[branded])),
        head_brands=len(np.unique(gold.truth[head(gold)])),
        head_keys=HEAD_KEYS,
        weighted=gold.weighted,
        notices=gold.notices,
    )


def _tiers(answers: Answers, gold: Gold, judged: Judged) -> Iterator[Tier]:
    assert answers.tier is not None
    total = gold.weight.sum()
    for name in (*TIERS, ABSTAINED):
        here = answers.tier == ("" if name == ABSTAINED else name)
        rows = int(here.sum())
        if name == "fallback" and not rows:
            continue
        right = float(judged.right[here].mean()) if rows and name != ABSTAINED else math.nan
        yield Tier(name, rows, rows / len(gold), float(gold.weight[here].sum() / total), right)


def _reasons(answers: Answers, gold: Gold) -> Iterator[Reason]:
    names, counts = np.unique(answers.reason[~answers.answered], return_counts=True)
    for at in np.lexsort((names, -counts)):
        here = ~answers.answered & (answers.reason == names[at])
        branded = int((here & gold.branded).sum())
        yield Reason(str(names[at]), int(counts[at]), branded, int(counts[at]) - branded)


def _wrong(judged: Judged) -> list[int]:
    """Rows whose named brand is not the true one, the surest first, then in the order of the file."""
    rows = np.flatnonzero(judged.named & ~judged.right)
    return rows[np.argsort(-judged.confidence[rows], kind="stable")].tolist()


def _ids(answers: Answers, gold: Gold, registry: Registry, row: int) -> tuple[str | None, str]:
    """The true brand, None where there is none, and the one named."""
    truth = int(gold.truth[row])
    return registry.ids[truth] if truth >= 0 else None, registry.ids[answers.brands[row, 0]]


def _mistakes(answers: Answers, gold: Gold, registry: Registry, judged: Judged, family: Judged) -> Iterator[Mistake]:
    groups: dict[tuple[int, str | None, str], list[int]] = {}
    for row in _wrong(judged):
        groups.setdefault((int(gold.key[row]), *_ids(answers, gold, registry, row)), []).append(row)
    for (_, truth, said), rows in [*groups.items()][:MISTAKES]:
        row = rows[0]
        yield Mistake(
            gold.rows["descriptor"][row], truth, said, float(judged.confidence[row]), bool(answers.answered[row]),
            bool(family.right[row]), len(rows),
        )  # fmt: skip


def _confusions(answers: Answers, gold: Gold, registry: Registry, judged: Judged) -> Iterator[Confusion]:
    groups: dict[tuple[str | None, str], list[int]] = {}
    for row in _wrong(judged):
        groups.setdefault(_ids(answers, gold, registry, row), []).append(row)
    most = sorted(groups.items(), key=lambda item: -len(item[1]))
    for (truth, said), rows in most[:CONFUSIONS]:
        keys = len({int(gold.key[row]) for row in rows})
        surest = float(judged.confidence[rows[0]])
        yield Confusion(truth, said, len(rows), keys, surest, gold.rows["descriptor"][rows[0]])


def _paired(
    gold: Gold, model: Level, ours: Judged, our_draws: Draws, baseline: Level, theirs: Judged, their_draws: Draws
) -> Paired:
    branded = gold.branded
    _, trial = np.unique(gold.key[branded], return_inverse=True)
    rows = np.bincount(trial)
    our, their = (np.bincount(trial, weights=judged.right[branded]) == rows for judged in (ours, theirs))
    n01, n10 = int((our & ~their).sum()), int((their & ~our).sum())
    test = statistics.mcnemar(n01, n10)
    differences = []
    for (name, drawn), one, other in zip(_COMPARED.items(), _compared(model), _compared(baseline), strict=True):
        gap = our_draws[drawn] - their_draws[drawn]
        differences.append(Difference(name, one.value - other.value, *statistics.interval(gap)))
    return Paired(
        len(rows), int((our & their).sum()), int((~our & ~their).sum()), n01, n10, *test, tuple(differences)
    )  # fmt: skip


#: What sides are compared by, and what the draws call it.
_COMPARED = {
    "top_1": "top_1",
    "top_1_weighted": "top_1_weighted",
    "coverage_at_98": "coverage_at:0.98",
    "precision": "precision",
    "coverage": "coverage",
}


def _compared(of: Level) -> tuple[Share, ...]:
    """The shares of _COMPARED, in its order."""
    return of.top_1, of.top_1_weighted, of.at_precision[0].coverage, of.deployed.precision, of.deployed.coverage
