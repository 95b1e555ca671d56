"""Both sides' answers to a gold set, on the scale of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.tools.compare.joint import ABSTAINED, Index
from tierbreak.tools.compare.names import Named
from tierbreak.tools.compare.pairing import Paired
from tierbreak.tools.compare.pairs import DECIDERS, NEW, OLD, Pairs
from tierbreak.tools.compare.sides import Side
from tierbreak.tools.models.evaluation import Gold

#: What is known of one side's answers: brand, tier and confidence as in PAIR, and rows for which it has no decision.
_ANSWER = {"brand": pl.Int32, "tier": pl.Int8, "confidence": pl.Float32, "lost": pl.Boolean}


@dataclass(frozen=True, eq=False)
class Judged:
    """The rows of a gold set for which both sides have a decision.

    truth        int32 [n], positions in Joint.ids, -1 for no known brand
    key          int64 [n], equal for rows of one distinct key
    weight       float64 [n]
    brand        of the old side and the new one: int32 [n], -1 where it abstains
    tier         int8 [n], positions in DECIDERS, -1 for nobody
    confidence   float32 [n], NaN where there is none
    descriptor   String [n]
    missing      rows left out because the old side, or the new one, has no decision for them
    """

    truth: Index
    key: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]
    brand: tuple[Index, Index]
    tier: tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]
    confidence: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
    descriptor: pl.Series
    missing: tuple[int, int]


def judged(gold: Gold, sides: Sequence[Side], paired: Paired) -> Judged:
    """Ask both sides about a gold set.

    gold   read with the first of `paired.registries`

    A file of decisions cannot be asked: its decision on a descriptor is what it says most often of it in the traffic.
    """
    pairs, first = paired.pairs, paired.registries[0]
    answers = []
    for side, named, prefix in zip(sides, paired.named, (OLD, NEW), strict=True):
        answers.append(_looked_up(gold, pairs, prefix) if side.kind == "file" else _asked(gold, side, named, pairs))
    lost = [answer["lost"].to_numpy() for answer in answers]
    kept = np.flatnonzero(~(lost[0] | lost[1]))
    place = np.array([pairs.joint.position.get(id, ABSTAINED) for id in first.ids], dtype=np.int32)
    truth = np.where(gold.truth >= 0, place[gold.truth], ABSTAINED).astype(np.int32)

    def both(column: str) -> list[np.ndarray]:
        return [answer[column].to_numpy()[kept] for answer in answers]

    brand, tier, sure = both("brand"), both("tier"), both("confidence")
    return Judged(
        truth[kept], gold.key[kept], gold.weight[kept], (brand[0], brand[1]), (tier[0], tier[1]), (sure[0], sure[1]),
        gold.rows["descriptor"].gather(kept), (int(lost[0].sum()), int(lost[1].sum())),
    )  # fmt: skip


def _asked(gold: Gold, side: Side, named: Named, pairs: Pairs) -> pl.DataFrame:
    said = named.spoken(side.decide(gold.rows))
    labels = said["brand"].unique().drop_nulls().to_list()
    places = [pairs.joint.position[named.today[label]] for label in labels]
    tiers = dict(zip(DECIDERS, range(len(DECIDERS)), strict=True))
    brand = said["brand"].replace_strict(labels, places, default=ABSTAINED, return_dtype=pl.Int32) if labels else None
    return pl.DataFrame(
        {
            "brand": pl.repeat(ABSTAINED, said.height, dtype=pl.Int32, eager=True) if brand is None else brand,
            "tier": said["tier"].replace_strict(tiers, default=-1, return_dtype=pl.Int8),
            "confidence": said["confidence"].fill_null(float("nan")),
            "lost": said["lost"],
        },
        schema=_ANSWER,
    )


def _looked_up(gold: Gold, pairs: Pairs, side: str) -> pl.DataFrame:
    wanted = gold.rows.select("descriptor")
    brand, tier, sure = f"{side}_brand", f"{side}_tier", f"{side}_confidence"
    found = (
        pairs.scan()
        .select("descriptor", "n", brand, tier, sure)
        .filter(pl.col("descriptor").is_in(wanted["descriptor"].unique().implode()))
        .group_by("descriptor", brand)
        # Whoever decided most of its rows stands for the brand; here and below the lower number breaks a tie.
        .agg(pl.col("n").sum(), pl.col(sure).max(), pl.col(tier).mode().min())
        .collect(engine="streaming")
    )
    best = found.sort("descriptor", "n", brand, descending=[False, True, False]).unique("descriptor", keep="first")
    rows = wanted.join(best, on="descriptor", how="left", maintain_order="left")
    return rows.select(
        pl.col(brand).fill_null(ABSTAINED).alias("brand"),
        pl.col(tier).fill_null(-1).alias("tier"),
        pl.col(sure).fill_null(float("nan")).alias("confidence"),
        pl.col(brand).is_null().alias("lost"),
    ).cast(_ANSWER)  # type: ignore[arg-type]
