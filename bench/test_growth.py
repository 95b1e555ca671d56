"""Tier `model` with more and more labels; definitions/growth.toml says what is measured. Needs the extra `train`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.model import SHIPPED, calibration_keys
from tierbreak.core.tables import TOP_BRANDS
from tierbreak.tiers.model import ModelTier, open_session, open_tokenizer
from tierbreak.tiers.model.folder import Folder

pytest.importorskip("onnx")
pytest.importorskip("safetensors")


@pytest.fixture(scope="module")
def source():
    from tierbreak.tools.models.training.folder import read_weights

    return read_weights(SHIPPED)


@pytest.fixture(scope="module")
def embeddings(source):
    """The keys, and the embedding of each in float32."""
    keys = calibration_keys(SHIPPED)
    keys = keys.filter(keys != "")
    return keys, source.embedder.run(keys.to_list(), "embedding")[0]


def grown(source, embeddings, count):
    """A tier of `count` labels, of which every key's own is `own[key]`."""
    from dataclasses import replace

    rng = np.random.default_rng(11)
    head = rng.normal(size=(3, count, embeddings.shape[1])).astype(np.float32)
    head /= np.linalg.norm(head, axis=-1, keepdims=True)
    own = np.linspace(0, count - 1, len(embeddings)).astype(np.int32)
    head[:, own] = embeddings
    reserved = rng.normal(size=(2, 2, embeddings.shape[1]))
    labels = tuple(f"brand-{at}" for at in range(count))
    made = source.of(
        source.encoder, head, source.tokenizer, labels, ranges=source.ranges,
        reserved=reserved / np.linalg.norm(reserved, axis=-1, keepdims=True),
    )  # fmt: skip
    shipped = Folder.read(SHIPPED, json.loads((SHIPPED / "labels.json").read_text(encoding="utf-8")))
    folder = replace(shipped, graph=made.model.SerializeToString(), labels=labels)
    return ModelTier(folder, open_session(folder), open_tokenizer(folder), threads=1), own


def run(measure, size, source, embeddings):
    keys, vectors = embeddings
    planted = min(len(keys), size.make["labels"] // 2)
    tier, own = grown(source, vectors[:planted], size.make["labels"])
    keys, own = keys[: size.units], own[: size.units]

    def answer(found):
        labels = found["labels"].to_numpy()
        ids = np.array([tier._tokenizer.encode(keys[0]).ids], dtype=np.int64)
        out = tier._session.run(["labels", "scores"], {"input_ids": ids})
        return {
            "found": int((labels[:, :TOP_BRANDS] == own[:, None]).any(axis=1).sum()),
            "bytes": sum(part.nbytes for part in out) * len(found),
        }

    measure(lambda: tier.judge(keys), answer)


def test_growth_4000(measure, size, source, embeddings):
    run(measure, size, source, embeddings)


def test_growth_8000(measure, size, source, embeddings):
    run(measure, size, source, embeddings)


def test_growth_16000(measure, size, source, embeddings):
    run(measure, size, source, embeddings)


def test_growth_4000_single(measure, size, source, embeddings):
    run(measure, size, source, embeddings)


def test_growth_8000_single(measure, size, source, embeddings):
    run(measure, size, source, embeddings)
