"""What a model is made from, and the one way in which its folder is written: again from the folder, the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import polars as pl
from safetensors.numpy import load, save

from tierbreak.core.policy import Policy
from tierbreak.core.tables import EVIDENCE
from tierbreak.files import atomic
from tierbreak.tiers.model.folder import FILES, FORMAT, digest, sealed
from tierbreak.tools.models.training import golden
from tierbreak.tools.models.training.graph import HIDDEN, MAX_TOKENS, Int8Linear, Linear, build, layers
from tierbreak.tools.models.training.runs import Runner, show

Array = npt.NDArray[Any]

#: Names of arrays in weights.safetensors that are not the encoder's.
_PLACES = "embeddings.position_embeddings.weight"
_HEAD, _RESERVED, _RANGE = "head.prototypes", "head.reserved", "range."


@dataclass(frozen=True)
class Source:
    """What model.onnx is built from; `Source.of` rounds as weights.safetensors does, so that nothing is lost there.

    encoder     float16 arrays by their names in a BERT checkpoint
    head        float16 [prototypes, labels, 384], unit length; growth.LENGTH for a brand added without training
    reserved    float16 [prototypes, 2, 384], unit length: "no brand" and "not a merchant"; None where the head has none
    ranges      layer -> float32 [channels], the largest size that each channel of its input takes
    tokenizer   the text of tokenizer.json
    labels      brand ids in the order of the head
    origin      what the manifest says of the encoder
    """

    encoder: Mapping[str, Array]
    head: Array
    reserved: Array | None
    ranges: Mapping[str, Array]
    tokenizer: str
    labels: tuple[str, ...]
    origin: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        weights: Mapping[str, Array],
        head: Array,
        tokenizer: str,
        labels: Sequence[str],
        *,
        ranges: Mapping[str, Array] | Sequence[str],
        reserved: Array | None = None,
        origin: Mapping[str, Any] | None = None,
    ) -> Source:
        """Round everything, and measure the ranges where `ranges` is the keys to measure them on.

        Raises ValueError where shapes do not fit.
        """
        shapes = [(head, (None, len(labels), HIDDEN)), *([] if reserved is None else [(reserved, (None, 2, HIDDEN))])]
        for array, due in shapes:
            if array.ndim != 3 or array.shape[1:] != due[1:]:
                raise ValueError(f"expected an array [prototypes, {due[1]}, {due[2]}], got {list(array.shape)}")
        encoder = {
            name: half(value)
            for name, value in ((name.removeprefix("bert."), value) for name, value in weights.items())
            if name.startswith(("embeddings.", "encoder.")) and np.issubdtype(value.dtype, np.floating)
        }
        encoder[_PLACES] = encoder[_PLACES][:MAX_TOKENS]  # no key is longer: the rest would be dead weight
        if isinstance(ranges, Mapping):
            measured = {name: np.asarray(value, np.float32) for name, value in ranges.items()}
        else:
            measured = measure_ranges(encoder, tokenizer, ranges)
        aside = None if reserved is None else half(reserved)
        return cls(encoder, half(head), aside, measured, tokenizer, tuple(labels), dict(origin or {}))

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The int8 graph, as model.onnx holds it."""
        aside = None if self.reserved is None else single(self.reserved)
        weights = {name: single(value) for name, value in self.encoder.items()}
        model = build(weights, Int8Linear(self.ranges), single(self.head), aside)
        vocabulary = len(self.encoder["embeddings.word_embeddings.weight"])
        stated = {"labels": len(self.labels), "labels.sha256": digest(self.labels), "vocabulary": vocabulary}
        for name, value in stated.items():
            model.metadata_props.add(key=name, value=str(value))
        onnx.checker.check_model(model)
        return model

    @cached_property
    def embedder(self) -> Runner:
        """The encoder in float32, without a head: its output is `embedding`."""
        weights = {name: single(value) for name, value in self.encoder.items()}
        return Runner(build(weights, Linear()), self.tokenizer)

    def arrays(self) -> dict[str, Array]:
        """The content of weights.safetensors."""
        named = {**self.encoder, _HEAD: self.head}
        if self.reserved is not None:
            named[_RESERVED] = self.reserved
        named |= {f"{_RANGE}{layer}": value for layer, value in self.ranges.items()}
        return {name: np.ascontiguousarray(named[name]) for name in sorted(named)}


def half(values: Array) -> Array:
    """Rounded to float16, as weights.safetensors holds them."""
    return np.asarray(values, np.float16)


def single(values: Array) -> Array:
    """What float16 values are in float32."""
    return np.asarray(values, np.float32)


def measure_ranges(encoder: Mapping[str, Array], tokenizer: str, keys: Sequence[str]) -> dict[str, Array]:
    """Layer -> float32 [channels], the largest size that each channel of the layer's input takes on `keys`."""
    plain = Linear()
    model = build({name: single(half(value)) for name, value in encoder.items()}, plain)
    found = Runner(show(model, list(plain.inputs.values())), tokenizer).largest(keys, plain.inputs)
    return {layer: np.asarray(value, np.float32) for layer, value in found.items()}


def write(out: Path, source: Source, policy: Policy, pairs: Sequence[golden.Pair] = golden.STRINGS) -> list[str]:
    """Write every file of the folder, the manifest last; other files in it stay as they are.

    pairs     keys and the brand that each must be answered with, None where it must not be answered: candidates for
              golden.json
    returns   the keys left out of golden.json because the model does not bear them out

    Raises ModelError where too few golden strings hold.
    """
    runner, own = Runner(source.model, source.tokenizer), golden.draw(source.labels)
    found, scores = runner.run([key for key, _ in pairs], "labels", "scores")
    evidence = pl.DataFrame(
        {"key": np.arange(len(pairs)), "labels": found, "scores": scores}, schema_overrides=EVIDENCE
    )
    strings, left_out = golden.choose(source.labels, evidence, policy, pairs)
    strings["names"] = golden.clear(source.labels, own, *runner.run([*own], "labels", "scores"))
    content = {
        "model.onnx": source.model.SerializeToString(deterministic=True),
        "weights.safetensors": save(source.arrays()),
        "tokenizer.json": source.tokenizer.encode(),
        "labels.json": json.dumps(source.labels, indent=0).encode() + b"\n",
        "calibration.json": policy.to_json().encode(),
        "golden.json": json.dumps(strings, indent=1, ensure_ascii=False).encode() + b"\n",
    }
    manifest = {
        "format": FORMAT,
        "encoder": {**source.origin, "hidden": HIDDEN, "layers": layers(source.encoder)},
        "labels": len(source.labels),
        "files": {name: hashlib.sha256(content[name]).hexdigest() for name in FILES},
        "bytes": {name: len(content[name]) for name in FILES},
    }
    out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        atomic.write(out / name, content[name])
    atomic.write(out / "manifest.json", json.dumps(manifest, indent=2) + "\n")
    return left_out


def read_weights(folder: Path) -> Source:
    """What the model in `folder` was made from; `write` makes the same bytes of it.

    Raises ModelError where a file is not the one that the manifest names.
    """
    arrays = load(sealed(folder, "weights.safetensors"))
    ranges = {name.removeprefix(_RANGE): np.asarray(value) for name, value in arrays.items() if name.startswith(_RANGE)}
    encoder = {
        name: np.asarray(value) for name, value in arrays.items() if name.startswith(("embeddings.", "encoder."))
    }
    labels = tuple(json.loads(sealed(folder, "labels.json")))
    tokenizer = sealed(folder, "tokenizer.json").decode("utf-8")
    origin = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["encoder"]
    return Source(encoder, arrays[_HEAD], arrays.get(_RESERVED), ranges, tokenizer, labels, origin)


def read_golden(folder: Path) -> list[golden.Pair]:
    """The golden strings of the model in `folder`, as `write` takes them."""
    strings = json.loads(sealed(folder, "golden.json"))["strings"]
    return [(string["key"], string["label"] if string["known"] else None) for string in strings]
