"""Examples -> a bag of words, in one command: one linear model a brand on hashed n-grams, in minutes on two cores.

    python -m tierbreak.tools.models.training.bag --examples FILE.parquet --calibration calibration.tsv --out FILE.bag

FILE.parquet has columns `key` and `label` (a brand id; null is none). calibration.tsv: descriptor, brand.

A model a brand against 500,000 examples would take hours, nearly all of it on examples that no brand could be mixed
up with. So each brand learns from its own examples, from those that look most like it (mined with the weights of the
round before, at first with plain tf-idf), and from a sample of all others. numpy alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.core.policy import Policy
from tierbreak.core.tables import TOP_K
from tierbreak.errors import InputError, TierbreakError
from tierbreak.registry import Registry
from tierbreak.tiers.model.bag import BagTier, Weights, best
from tierbreak.tiers.model.ngrams import SIZE, Ngrams
from tierbreak.tools.models.training.fit import fit_policy
from tierbreak.tools.models.training.logistic import logistic
from tierbreak.tools.models.training.measure import crossfit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: A label's features, their weights, and its bias.
Model = tuple[Ints, Floats, float]

#: What the threshold must reach on the calibration split: as for the BERT.
PRECISION, NO_BRAND_RATE = 0.985, 0.01


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a brand's model is trained.

    guessed     weights of a brand in the first guess, plain tf-idf: enough to mine with, and fast
    rounds      times that the examples most like a brand are mined anew
    own         most examples of the brand itself
    alike       most examples of others that look most like it
    sample      examples of all, the same for every brand
    wrong       labels that an example is most like, mined for each
    own_ngrams, other_ngrams   features of the brand's examples, and of the others, that may have a weight
    least       what a brand's own examples weigh together at least, in examples
    ridge       of the weights; 1 / variance of a Gaussian prior
    kept        weights of a brand that go to the file, the largest
    """

    guessed: int = 300
    rounds: int = 1
    own: int = 150
    alike: int = 300
    sample: int = 300
    wrong: int = 8
    own_ngrams: int = 500
    other_ngrams: int = 250
    least: float = 30.0
    ridge: float = 1.0
    kept: int = 700


DEFAULT = Recipe()


@dataclasses.dataclass(frozen=True)
class Examples:
    """Distinct (key, label) pairs: label int64 [n], -1 for no brand; weight float64 [n], the root of how often."""

    ngrams: Ngrams
    label: Ints
    weight: Floats

    @classmethod
    def of(cls, keys: pl.Series, labels: pl.Series) -> Examples:
        pairs = pl.DataFrame({"key": keys, "label": labels}).group_by("key", "label").len().sort("key", "label")
        return cls(
            _ngrams(pairs["key"]),
            pairs["label"].to_numpy().astype(np.int64),
            np.sqrt(pairs["len"].to_numpy().astype(np.float64)),
        )


def fit(keys: pl.Series, labels: pl.Series, recipe: Recipe = DEFAULT) -> tuple[tuple[str, ...], Weights]:
    """Train one model a label; returns the labels, sorted, and the weights of their models.

    keys     String [n], as the normaliser makes them
    labels   String [n], null for no brand
    """
    ids = tuple(sorted(labels.drop_nulls().unique()))
    examples = Examples.of(keys, labels.replace_strict(ids, range(len(ids)), default=-1, return_dtype=pl.Int64))
    weights = _tf_idf(examples, len(ids), recipe.guessed)
    sample = np.random.default_rng(0).permutation(len(examples.label))[: recipe.sample]
    own = _grouped(examples.label, len(ids))
    alike = [np.empty(0, np.int64)] * len(ids)
    for _ in range(recipe.rounds):
        alike = [np.union1d(*both) for both in zip(alike, _alike(examples, weights, recipe), strict=True)]
        weights = _trained(examples, own, alike, sample, recipe)
    return ids, weights


def export(examples: Path, split: Path, registry: Path, out: Path, recipe: Recipe = DEFAULT) -> dict[str, Any]:
    """Train, fit the policy, write the file; returns what was measured on the calibration split.

    Raises TierbreakError where an input is wrong or the file does not pass the load gate.
    """
    brands = Registry.load(registry)
    keys, labels = _examples(examples, brands)
    ids, weights = fit(keys, labels, recipe)
    at = brands.redirect[np.array([brands.index(id) for id in ids])].astype(np.int32)
    asked, truth = _split(split, brands)
    silent = BagTier(ids, weights, Policy(temperature=0.1, null_score=0.5, threshold=1.0))
    evidence = silent.judge(asked)
    found, scores = at[evidence["labels"].to_numpy()], evidence["scores"].to_numpy()
    BagTier(ids, weights, fit_policy(found, scores, truth, PRECISION, NO_BRAND_RATE)).save(out)
    BagTier.load(out, registry_ids=brands.ids)
    has = truth >= 0
    return {
        "examples": len(labels),
        "labels": len(ids),
        "weights": len(weights.weights),
        "megabytes": round(out.stat().st_size / 1e6, 1),
        "calibration_keys": len(truth),
        "calibration_keys_without_brand": int((~has).sum()),
        "best_label_right": float((found[has, 0] == truth[has]).mean()),
        "right_label_among_8": float((found[has] == truth[has, None]).any(axis=1).mean()),
        **crossfit(found, scores, truth, PRECISION, NO_BRAND_RATE),
    }


def _trained(examples: Examples, own: list[Ints], alike: list[Ints], sample: Ints, recipe: Recipe) -> Weights:
    """Every label's model, from its own examples, those alike, and the sample."""

    def model(label: int) -> Model:
        others = np.union1d(alike[label], sample)
        others = others[examples.label[others] != label]
        return _one(examples, own[label][: recipe.own], others, recipe)

    with ThreadPoolExecutor(2) as pool:
        return _packed([*pool.map(model, range(len(own)))])


def _one(examples: Examples, own: Ints, others: Ints, recipe: Recipe) -> Model:
    """One label's model."""
    rows = np.concatenate([own, others])
    right = np.arange(len(rows)) < len(own)
    at, feature = _features(examples.ngrams, rows)
    weight = examples.weight[rows]
    weight[right] *= max(1.0, recipe.least / weight[right].sum())
    chosen = _most_frequent(feature[at < len(own)], weight[at[at < len(own)]], recipe.own_ngrams)
    more = _most_frequent(feature[at >= len(own)], weight[at[at >= len(own)]], recipe.other_ngrams)
    chosen = np.union1d(chosen, more)
    place = np.searchsorted(chosen, feature).clip(max=len(chosen) - 1)
    known = chosen[place] == feature
    x = np.zeros((len(rows), len(chosen) + 1), dtype=np.float32)
    x[at[known], place[known]] = 1.0
    x[:, -1] = 1.0
    ridge = np.full(x.shape[1], recipe.ridge, dtype=np.float32)
    ridge[-1] = 1e-3
    solved = logistic(x, right, weight.astype(np.float32), ridge).astype(np.float64)
    kept = np.sort(np.argsort(-np.abs(solved[:-1]), kind="stable")[: recipe.kept])
    return chosen[kept], solved[kept], float(solved[-1])


def _tf_idf(examples: Examples, count: int, kept: int) -> Weights:
    """A first guess: how often a label's examples have a feature, times how rare it is, of unit length."""
    ngrams = examples.ngrams
    row = np.repeat(np.arange(len(examples.label)), np.diff(ngrams.starts))
    rare = np.log1p(len(examples.label) / (1 + np.bincount(ngrams.features, minlength=SIZE)))
    branded = examples.label[row] >= 0
    pair = np.sort(examples.label[row[branded]] * SIZE + ngrams.features[branded])
    pair, often = np.unique(pair, return_counts=True)
    label, feature = pair // SIZE, pair % SIZE
    value = often / np.bincount(examples.label[examples.label >= 0], minlength=count)[label] * rare[feature] ** 2
    bounds = np.searchsorted(label, np.arange(count + 1))
    models = []
    for start, end in pairwise(bounds):
        own = value[start:end] / max(np.linalg.norm(value[start:end] / rare[feature[start:end]]), 1e-9)
        top = np.sort(np.argsort(-own, kind="stable")[:kept])
        models.append((feature[start:end][top], own[top], 0.0))
    return _packed(models)


def _alike(examples: Examples, weights: Weights, recipe: Recipe) -> list[Ints]:
    """For each label the examples of others that score highest for it, among the labels that each is most like."""
    chunk, n, count = 64, len(examples.label), len(weights.bias)

    def wrong(start: int) -> tuple[Ints, Ints]:
        end = min(start + chunk, n)
        sums = weights.sums(examples.ngrams, start, end)
        own = np.flatnonzero(examples.label[start:end] >= 0)
        sums[own, examples.label[start:end][own]] = np.iinfo(np.int32).min
        top = best(sums, min(recipe.wrong, count)).astype(np.int64)
        return top, np.take_along_axis(sums, top, axis=1)

    with ThreadPoolExecutor(2) as pool:
        parts = [*pool.map(wrong, range(0, n, chunk))]
    label, score = (np.concatenate([part[at] for part in parts]).reshape(-1) for at in (0, 1))
    example = np.repeat(np.arange(n), min(recipe.wrong, count))
    order = np.lexsort((example, -score, label))
    bounds = np.searchsorted(label[order], np.arange(count + 1))
    return [example[order[start:end]][: recipe.alike] for start, end in pairwise(bounds)]


def _packed(models: Sequence[Model]) -> Weights:
    """Weights of all labels, by feature, as whole numbers of a unit that the largest few of them overrun."""
    label = np.repeat(np.arange(len(models)), [len(features) for features, _, _ in models])
    feature = np.concatenate([features for features, _, _ in models])
    value = np.concatenate([values for _, values, _ in models])
    unit = float(np.quantile(np.abs(value), 0.9999)) / 127 if len(value) else 1.0
    whole = np.rint(value / unit).clip(-127, 127).astype(np.int8)
    order = np.lexsort((label, feature))[whole[np.lexsort((label, feature))] != 0]
    return Weights(
        starts=np.searchsorted(feature[order], np.arange(SIZE + 1)).astype(np.int32),
        owners=label[order].astype(np.uint16),
        weights=whole[order],
        bias=np.rint(np.array([bias for _, _, bias in models]) / unit).astype(np.int32),
        unit=unit,
    )


def _ngrams(keys: pl.Series, chunk: int = 50_000) -> Ngrams:
    """Ngrams.of, in chunks that bound its memory."""
    parts = [Ngrams.of(keys[start : start + chunk]) for start in range(0, len(keys), chunk)]
    counts = np.concatenate([np.diff(part.starts) for part in parts])
    return Ngrams(np.append(0, np.cumsum(counts)), np.concatenate([part.features for part in parts]))


def _features(ngrams: Ngrams, rows: Ints) -> tuple[Ints, Ints]:
    """(position in `rows`, feature) of every feature of some texts."""
    counts = ngrams.starts[rows + 1] - ngrams.starts[rows]
    at = np.repeat(ngrams.starts[rows] - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
    return np.repeat(np.arange(len(rows)), counts), ngrams.features[at].astype(np.int64)


def _most_frequent(features: Ints, weight: Floats, most: int) -> Ints:
    """The features that weigh most, ascending."""
    distinct, at = np.unique(features, return_inverse=True)
    return np.sort(distinct[np.argsort(-np.bincount(at, weight, minlength=len(distinct)), kind="stable")[:most]])


def _grouped(label: Ints, count: int) -> list[Ints]:
    """The positions of each label, in an order that depends on nothing but their number."""
    order = np.random.default_rng(0).permutation(len(label))
    order = order[np.argsort(label[order], kind="stable")]
    bounds = np.searchsorted(label[order], np.arange(count + 1))
    return [order[start:end] for start, end in pairwise(bounds)]


def _examples(path: Path, brands: Registry) -> tuple[pl.Series, pl.Series]:
    """Keys, and the brand that answers for each one's label today."""
    try:
        rows = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet: {error}") from None
    wrong = [
        f"  {name}: expected String, got {rows.schema.get(name, 'no such column')}"
        for name in ("key", "label")
        if rows.schema.get(name) != pl.String
    ]
    if wrong:
        raise InputError(f"{path}: examples have the wrong shape:\n" + "\n".join(wrong))
    rows = rows.filter(pl.col("key") != "")
    known = rows["label"].drop_nulls().unique().sort().to_list()
    if unknown := [id for id in known if id not in brands]:
        raise InputError(f"{path}: {len(unknown)} labels are not in the registry: {', '.join(unknown[:5])}")
    today = [brands.ids[brands.redirect[brands.index(id)]] for id in known]
    if len(set(today)) < TOP_K:
        raise InputError(f"{path}: {len(set(today))} distinct labels; {TOP_K} or more are needed")
    return rows["key"], rows["label"].replace_strict(known, today, default=None, return_dtype=pl.String)


def _split(path: Path, brands: Registry) -> tuple[pl.Series, npt.NDArray[np.int32]]:
    """Distinct keys of the calibration split, and the registry index of each one's brand, -1 for none."""
    try:
        rows = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None).select("descriptor", "brand")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path}: expected columns descriptor and brand, tab-separated: {error}") from None
    rows = rows.select(pl.col("brand").fill_null(""), key=normalise(rows["descriptor"])["key"])
    rows = rows.filter(pl.col("brand").is_in(["", *brands.ids])).unique(maintain_order=True)
    truth = [int(brands.redirect[brands.index(id)]) if id else -1 for id in rows["brand"]]
    return rows["key"], np.array(truth, dtype=np.int32)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tierbreak.tools.models.training.bag", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--examples", type=Path, required=True, help="Parquet with columns key and label")
    parser.add_argument("--calibration", type=Path, required=True, help="calibration.tsv: descriptor, brand")
    parser.add_argument("--registry", type=Path, default=Path("rules/brands.csv"), help="brands.csv")
    parser.add_argument("--out", type=Path, required=True, help="the file to write, FILE.bag")
    given = parser.parse_args()
    try:
        print(json.dumps(export(given.examples, given.calibration, given.registry, given.out), indent=2))
    except TierbreakError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
