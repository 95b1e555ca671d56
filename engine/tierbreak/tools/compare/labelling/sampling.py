"""Which disagreements a person should look at, and which lines must be labelled so that the whole can be estimated.

A unit is a key with one answer of each side: all its rows stand or fall together. Three strata, none of which overlap:

    ranked     the disagreements that matter most, by rows x uncertainty, each key once. Taken for certain
    disagree   a random part of all other disagreements
    agree      a random part of the units on which both sides give one brand: without them nothing is known of the whole

Units on which both sides abstain are in no stratum: there is no answer to be right or wrong.

The random strata are priority samples: each unit has a random number u in 0..1 (a hash of its key, its brands and the
seed), and those with the greatest rows / u are taken. Given the step t, which is the greatest rows / u of those left
out, a unit was to be taken with probability min(1, rows / t). So chances are proportional to rows, units greater than
the step are taken for certain, the sample has the size that was asked for, and the estimates of two units do not go
together.

Source: Duffield, Lund and Thorup 2007, "Priority sampling for estimation of arbitrary subset sums".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.errors import SettingsError
from tierbreak.tools.compare.labelling.units import Unit, unit_of
from tierbreak.tools.compare.pairs import BOTH_ABSTAIN, FAMILY, OUTCOMES, SAME, SIDES, Pairs

RANKED, DISAGREE, AGREE = "ranked", "disagree", "agree"
STRATA = (RANKED, DISAGREE, AGREE)

#: Uncertainty of an answer without a confidence (of a rule, a list, a file). The other side contradicts it: where
#: nothing more is known, it is as likely to be wrong as right.
UNSTATED = 0.5

#: What a disagreement within a family counts for: most are a finer name for the same company, not an error.
WITHIN_FAMILY = 0.25

_UNIT = ["key", "old_brand", "new_brand"]


@dataclass(frozen=True)
class Sample:
    """Lines to label.

    units     the ranked in their order, then others that are certain, then those drawn by chance, in an order of
              chance: whoever labels some from the top has what is worth most, and a random part of the rest
    sides     short fingerprints of both sides and of the traffic
    rows      rows of each outcome, all traffic
    strata    stratum -> (units in it, rows in it), drawn or not
    """

    units: tuple[Unit, ...]
    sides: str
    rows: Mapping[str, float]
    strata: Mapping[str, tuple[int, float]]
    seed: int


def draw(pairs: Pairs, *, ranked: int = 100, random: int = 200, seed: int = 0) -> Sample:
    """Draw the lines to label; one pass over the pairs, a bucket at a time, and one for the descriptors of the chosen.

    ranked   the most disagreements to rank
    random   lines of the random strata together: half each, and what one of them lacks goes to the other
    seed     the same seed and pairs give the same sample, in whatever order rows come

    Raises SettingsError where a size is negative.
    """
    if min(ranked, random) < 0:
        raise SettingsError(f"a sample of {min(ranked, random)} lines: give 0 or more")
    top: list[pl.DataFrame] = []
    kept: dict[str, list[pl.DataFrame]] = {DISAGREE: [], AGREE: []}
    size = dict.fromkeys(kept, 0)
    for bucket in pairs.buckets():
        units = _units(bucket, seed)
        parts = {DISAGREE: units.filter(pl.col("outcome") != SAME), AGREE: units.filter(pl.col("outcome") == SAME)}
        best = parts[DISAGREE].sort("score", "tie", descending=[True, False])
        top = [_most([*top, best.unique("key", keep="first", maintain_order=True)], "score", ranked)]
        for stratum, part in parts.items():
            size[stratum] += part.height
            # The ranked are among them and still to be taken out; one more says where the step lies.
            kept[stratum] = [_most([*kept[stratum], part], "priority", random + ranked + 1)]
    rows = totals(pairs)
    if not any(size.values()):
        return Sample((), sides_of(pairs, rows), rows, dict.fromkeys(STRATA, (0, 0.0)), seed)
    chosen = {RANKED: top[0].with_columns(probability=pl.lit(1.0))}
    left = {DISAGREE: kept[DISAGREE][0].join(top[0], on=_UNIT, how="anti"), AGREE: kept[AGREE][0]}
    size[DISAGREE] -= top[0].height
    agree = min(random // 2, size[AGREE])
    disagree = min(random - agree, size[DISAGREE])
    for stratum, lines in ((DISAGREE, disagree), (AGREE, min(random - disagree, size[AGREE]))):
        chosen[stratum] = _taken(left[stratum], lines)
    frame = pl.concat([part.with_columns(stratum=pl.lit(name)) for name, part in chosen.items()], how="diagonal")
    above, all_rows = float(top[0]["n"].sum()), {AGREE: rows[OUTCOMES[SAME]], DISAGREE: _disagreeing(rows)}
    strata = {
        RANKED: (top[0].height, above),
        DISAGREE: (size[DISAGREE], all_rows[DISAGREE] - above),
        AGREE: (size[AGREE], all_rows[AGREE]),
    }
    sides = sides_of(pairs, rows)
    return Sample(_lines(pairs, frame, sides), sides, rows, strata, seed)


def totals(pairs: Pairs) -> dict[str, float]:
    """Rows of each outcome, as `n` counts them; rounded, so that the order of rows does not show."""
    found = pairs.scan().group_by("outcome").agg(pl.col("n").sum()).collect(engine="streaming")
    rows = {OUTCOMES[outcome]: round(n, 6) for outcome, n in found.rows()}
    return {outcome: rows.get(outcome, 0.0) for outcome in OUTCOMES}


def sides_of(pairs: Pairs, rows: Mapping[str, float]) -> str:
    """Short fingerprints of old side, new side and traffic: labels fit one comparison, and say which."""
    traffic = hashlib.sha256(" ".join(f"{rows[outcome]:.9g}" for outcome in OUTCOMES).encode()).hexdigest()
    return "..".join([pairs.old.fingerprint[:12], pairs.new.fingerprint[:12], traffic[:8]])


def _disagreeing(rows: Mapping[str, float]) -> float:
    return sum(n for outcome, n in rows.items() if outcome not in (OUTCOMES[SAME], OUTCOMES[BOTH_ABSTAIN]))


def _units(bucket: pl.LazyFrame, seed: int) -> pl.DataFrame:
    """The units of a bucket, with `score` and `priority`; `tie` puts equals in an order of chance."""
    units = (
        bucket.filter(pl.col("outcome") != BOTH_ABSTAIN)
        .group_by(_UNIT)
        .agg(
            pl.col("outcome").first(),
            pl.col("n").sum().round(6),
            *(pl.col(f"{side}_confidence").fill_nan(None).min().cast(pl.Float64) for side in SIDES),
        )
        .filter(pl.col("n") > 0)
        .collect(engine="streaming")
    )
    unsure = [
        pl.when(pl.col(f"{side}_brand") >= 0).then(1 - pl.col(f"{side}_confidence").fill_null(1 - UNSTATED))
        for side in SIDES
    ]  # fmt: skip
    weight = pl.when(pl.col("outcome") == FAMILY).then(WITHIN_FAMILY).otherwise(1.0)
    # Two hashes: were ties of the ranked put in order by the one that draws the others, what a tie leaves over would
    # be what is drawn late, and not be drawn by its probability.
    tie, drawn = _hashed(units, seed, "ranked"), _hashed(units, seed, "drawn")
    u = ((drawn >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    return units.select(
        *_UNIT, "outcome", "n", score=pl.col("n") * weight * pl.mean_horizontal(*unsure),
        tie=pl.Series(tie, dtype=pl.UInt64), priority=pl.col("n") / pl.Series(u),
    )  # fmt: skip


def _hashed(units: pl.DataFrame, seed: int, purpose: str) -> npt.NDArray[np.uint64]:
    """uint64 [n], of key, brands, seed and purpose alone: neither the order of units nor their number shows.

    Source: the finaliser of SplitMix64; Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """
    mixed = np.full(units.height, int.from_bytes(purpose.encode()), np.uint64)
    # The seed by itself first: added to the key it would make seed 1 of one key what seed 2 is of the key before it.
    for values in (np.full(units.height, seed % 2**64, np.uint64), *(units[column].to_numpy() for column in _UNIT)):
        mixed = mixed + np.uint64(0x9E3779B97F4A7C15) + values.astype(np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed


def _most(parts: list[pl.DataFrame], by: str, size: int) -> pl.DataFrame:
    """The `size` units with the most of something, most first; equals by their hash."""
    together = pl.concat(parts)
    if together.height > size:
        least = together[by].top_k(size).min() if size else None
        together = together.filter(pl.col(by) >= least) if size else together.clear()
    return together.sort(by, "tie", descending=[True, False]).head(size)


def _taken(units: pl.DataFrame, size: int) -> pl.DataFrame:
    """The first `size` units by priority, each with its probability."""
    step = float(units["priority"][size]) if units.height > size else 0.0
    chance = (pl.col("n") / step).clip(upper_bound=1.0) if step else pl.lit(1.0)
    return units.head(size).with_columns(probability=chance)


def _lines(pairs: Pairs, chosen: pl.DataFrame, sides: str) -> tuple[Unit, ...]:
    columns = [f"{side}_{what}" for side in SIDES for what in ("tier", "rule", "reason")]
    sure = [f"{side}_confidence" for side in SIDES]
    # What each descriptor of a chosen unit is, and who decided it: the most frequent, ties by text and by number.
    said = (
        pairs.scan()
        .filter(pl.col("key").is_in(chosen["key"].unique().to_list()))
        .join(chosen.select(_UNIT).lazy(), on=_UNIT, how="semi")
        .group_by(*_UNIT, "descriptor", *columns)
        .agg(pl.col("n").sum().round(6), pl.col("row").min(), pl.col(sure).fill_nan(None).min())
        .collect(engine="streaming")
        .with_columns(of_descriptor=pl.col("n").sum().over(*_UNIT, "descriptor").round(6))
        .sort("of_descriptor", "descriptor", "n", *columns, descending=[True, False, True, *[False] * len(columns)])
        .unique(_UNIT, keep="first", maintain_order=True)
        .drop("n", "of_descriptor")
    )
    units = [unit_of(pairs, row, sides) for row in chosen.join(said, on=_UNIT, how="left").iter_rows(named=True)]
    return tuple(sorted(units, key=_place))


def _place(unit: Unit) -> tuple[bool, bool, float, str]:
    """Where a line stands: the ranked, then what else is certain, greatest first, then the others as chance has it."""
    ranked, certain = unit.stratum == RANKED, unit.probability >= 1
    return not ranked, not certain, -unit.score if ranked else -unit.rows if certain else 0.0, unit.id[2:]
