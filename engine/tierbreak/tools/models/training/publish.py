"""A trained network -> a model's folder: rounded, quantised, calibrated, checked, with its card.

    python -m tierbreak.tools.models.training.publish FOLDER

fits the policy of a model anew, after calibration.tsv or the registry has changed; its weights stay as they are.
"""

from __future__ import annotations

import argparse
import json
import math
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.core.policy import Brands, Floats, Policy, weigh
from tierbreak.errors import TierbreakError
from tierbreak.files import atomic
from tierbreak.registry import Registry
from tierbreak.tiers.model import ModelTier
from tierbreak.tiers.model.folder import FILES
from tierbreak.tools.models.simulate.inputs import Inputs
from tierbreak.tools.models.training import golden, measure
from tierbreak.tools.models.training.examples import Examples, gold_files, keys_of
from tierbreak.tools.models.training.fit import fit_policy
from tierbreak.tools.models.training.folder import Source, read_weights, single, write
from tierbreak.tools.models.training.graph import Linear, build, layers
from tierbreak.tools.models.training.runs import Runner

Array = npt.NDArray[Any]

#: What the threshold must reach on the calibration split, each with one error more than was seen.
PRECISION, NO_BRAND_RATE = 0.98, 0.02

#: Simulated keys on which the ranges of the layers' inputs are measured, and on which thresholds of brands are fitted.
_RANGE_KEYS, _THRESHOLD_ROWS = 4_000, 200_000

#: Answers lent to a brand or a sector of which the split has few; how many a brand must have, and how many of them
#: wrong, for a threshold of its own: one stray label in a simulated split must not silence anybody.
_LENT, _ENOUGH, _WRONG = 40, 30, 3


@dataclass(frozen=True)
class Split:
    """The calibration split: distinct keys, and the registry index of each one's brand, -1 for none."""

    keys: list[str]
    truth: npt.NDArray[np.int32]

    @classmethod
    def read(cls, path: Path, registry: Registry, left_out: frozenset[str]) -> Split:
        """Rows of `descriptor` and `brand`; keys in `left_out`, those of a gold set, are passed over."""
        rows = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)
        rows = rows.with_columns(pl.col("brand").fill_null(""), key=normalise(rows["descriptor"])["key"])
        rows = rows.filter((pl.col("brand") == "") | pl.col("brand").is_in(pl.Series(registry.ids).implode()))
        rows = rows.unique(["key", "brand"], maintain_order=True)
        rows = rows.filter(~pl.col("key").is_in(pl.Series(sorted(left_out), dtype=pl.String).implode()))
        truth = [int(registry.redirect[registry.index(id)]) if id else -1 for id in rows["brand"]]
        return cls(rows["key"].to_list(), np.array(truth, dtype=np.int32))


def publish(source: Source, examples: Examples, split: Split, out: Path) -> tuple[dict[str, Any], list[str]]:
    """Write the folder, and let it pass its gate.

    source     what the network came to; `run` of its origin is what the card says of the run, by names of trained.md
    examples   whose split `calibration` sets the thresholds of brands, and whose split `test` is measured
    split      the calibration split, written by hand
    returns    the figures that the card states, and the golden strings that the model does not bear out

    Raises TierbreakError where the folder does not pass.
    """
    registry = examples.simulator.registry
    codes = registry.codes(source.labels)
    runner = Runner(source.model, source.tokenizer)
    found, scores = runner.run(split.keys, "labels", "scores")
    policy = fit_policy(codes[found], scores, split.truth, PRECISION, NO_BRAND_RATE)
    policy = by_brand(policy, registry, *_evidence(runner, examples, codes, "calibration"))
    left_out = write(out, source, policy, golden.STRINGS)

    weights = {name: single(value) for name, value in source.encoder.items()}
    reserved = None if source.reserved is None else single(source.reserved)
    full = Runner(build(weights, Linear(), single(source.head), reserved), source.tokenizer)
    branded = split.truth >= 0
    figures = {
        "brands": len(source.labels),
        "layers": layers(source.encoder),
        "vocabulary": len(source.encoder["embeddings.word_embeddings.weight"]),
        "prototypes": len(source.head),
        "calibration_keys": len(split.keys),
        "calibration_keys_without_brand": int((~branded).sum()),
        "best_label_right": float((codes[found[branded, 0]] == split.truth[branded]).mean()),
        **measure.agreement(full.run(split.keys, "labels", "scores"), found, scores),
        **measure.crossfit(codes[found], scores, split.truth, PRECISION, NO_BRAND_RATE),
        **_on_heads_never_seen(policy, registry, *_evidence(runner, examples, codes, "test")),
        "sectors_raised": len(policy.by_sector),
        "brands_raised": len(policy.by_brand),
    }
    _write_card(out, policy, {**figures, **source.origin["run"]})
    ModelTier.load(out, registry_ids=registry.ids)
    return figures, left_out


def by_brand(
    policy: Policy,
    registry: Registry,
    brands: Brands,
    scores: Floats,
    truth: Brands,
) -> Policy:
    """Raise the threshold where a brand's, or a sector's, answers are wrong too often.

    brands, scores   as for `weigh`, of many keys
    truth            int32 [n], the right brand of each key, -1 where there is none

    A sector's threshold is the least, from the policy's own on, at which PRECISION of its answers is right, with _LENT
    answers of just that precision lent to it; a brand's likewise, with answers of its sector's precision, so that a
    with few keys stays at its sector's. Either must have _ENOUGH answers and _WRONG wrong ones. Nothing is lowered, and
    nothing is silenced: where no confidence will do, the threshold stands just above the surest wrong answer.

    Source of the shrinkage: a Beta prior of fixed weight, as in Efron and Morris 1975.
    """
    found = weigh(policy, brands, scores)
    named, sure = found.brands[:, 0], found.confidences[:, 0]
    spoken = (named >= 0) & (sure >= np.float32(policy.threshold))
    named, sure, right = named[spoken], sure[spoken], (named == truth)[spoken]
    sectors = np.array([brand.sector for brand in registry.brands])
    of_sector: dict[str, float] = {}
    of_brand: dict[str, float] = {}
    for sector in np.unique(sectors[named]):
        inside = sectors[named] == sector
        level = _least(sure[inside], right[inside], PRECISION, policy.threshold)
        if level > policy.threshold:
            of_sector[str(sector)] = level
        above = inside & (sure >= np.float32(level))
        lent = float(right[above].mean()) if above.any() else PRECISION
        for brand in np.unique(named[inside]):
            own = inside & (named == brand)
            mine = _least(sure[own], right[own], max(lent, PRECISION), level)
            if mine > level:
                of_brand[registry.ids[brand]] = mine
    return Policy(
        policy.temperature, policy.null_score, policy.threshold, policy.reserved_shift, policy.high, policy.very_high,
        dict(sorted(of_sector.items())), dict(sorted(of_brand.items())),
    )  # fmt: skip


def _least(sure: Array, right: Array, lent: float, start: float) -> float:
    """The least confidence from `start` on from which PRECISION is right, _LENT answers of precision `lent` added.

    >>> _least(np.array([0.9] * 200 + [0.7] * 20), np.array([True] * 200 + [False] * 20), 0.99, 0.5)
    0.9
    >>> _least(np.array([0.9] * 20 + [0.7] * 20), np.array([False] * 20 + [True] * 20), 0.99, 0.5)
    0.900001
    """
    if len(sure) < _ENOUGH or (~right).sum() < _WRONG:
        return start
    order = np.argsort(-sure, kind="stable")
    sure, right = sure[order], right[order]
    last_of_equals = np.append(sure[1:] != sure[:-1], True)
    precise = right.cumsum() + _LENT * lent >= PRECISION * (np.arange(1, len(sure) + 1) + _LENT)
    if precise[-1]:
        return start
    holds = np.flatnonzero(precise & last_of_equals)
    if not len(holds):
        return min(math.ceil(float(sure[~right][0]) * 1e6 + 1) / 1e6, 1.0)
    return math.floor(float(sure[holds[-1]]) * 1e6) / 1e6


def range_keys(examples: Examples) -> Sequence[str]:
    """Keys on which the ranges of the layers' inputs are measured: simulated ones, brands' or not."""
    return examples.round(0, split="calibration", rows=_RANGE_KEYS * 2)["key"].head(_RANGE_KEYS).to_list()


def _evidence(runner: Runner, examples: Examples, codes: Array, split: str) -> tuple[Array, Array, Array]:
    """Codes, scores and truth of simulated keys of a split."""
    rows = examples.round(0, split=split, rows=_THRESHOLD_ROWS)  # type: ignore[arg-type]
    found, scores = runner.run(rows["key"].to_list(), "labels", "scores")
    label = rows["label"].to_numpy()
    return codes[found], scores, np.where(label >= 0, codes[label], -1).astype(np.int32)


def _on_heads_never_seen(
    policy: Policy, registry: Registry, brands: Array, scores: Array, truth: Array
) -> dict[str, Any]:
    """What the deployed policy does on simulated keys whose heads and shapes training never saw."""
    found = weigh(policy, brands, scores)
    named = found.brands[:, 0]
    thresholds = policy.thresholds(registry.ids, [brand.sector for brand in registry.brands])
    spoken = (named >= 0) & (found.confidences[:, 0] >= thresholds[named])
    has = truth >= 0
    return {
        "test_keys": len(truth),
        "test_best_brand_right": float((named == truth)[has].mean()),
        "test_coverage": float(spoken[has].mean()),
        "test_precision": float((named == truth)[spoken].mean()),
        "test_no_brand_answered": float(spoken[~has].mean()),
    }


def _write_card(out: Path, policy: Policy, figures: Mapping[str, Any]) -> None:
    card = string.Template(Path(__file__).with_name("trained.md").read_text(encoding="utf-8"))
    shown = {name: f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
             for name, value in figures.items()}  # fmt: skip
    shown |= {
        name: f"{getattr(policy, name):.4f}"
        for name in ("temperature", "reserved_shift", "threshold", "high", "very_high")
    }
    size = {name: (out / name).stat().st_size / 1e6 for name in FILES}
    shown["megabytes"], shown["megabytes_graph"] = f"{sum(size.values()):.1f}", f"{size['model.onnx']:.1f}"
    atomic.write(out / "README.md", card.substitute(shown))


def as_json(figures: Mapping[str, Any]) -> str:
    """The figures, to be read."""
    return json.dumps(
        {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}, indent=2
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tierbreak.tools.models.training.publish", description="Fit a policy anew."
    )
    parser.add_argument("folder", type=Path, help="a trained model's folder, with calibration.tsv")
    given = parser.parse_args()
    try:
        source, inputs, sets = read_weights(given.folder), Inputs.find(), gold_files()
        gold = frozenset().union(*map(keys_of, sets))
        examples = Examples.of(inputs, gold | keys_of(given.folder / "calibration.tsv"))
        split = Split.read(given.folder / "calibration.tsv", inputs.registry, gold)
        figures, left_out = publish(source, examples, split, given.folder)
        print(as_json(figures))
        print(f"golden.json: left out {left_out}", file=sys.stderr)
    except TierbreakError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
