"""A model small enough to know by heart, and engines put together from parts."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import polars as pl

from tierbreak import Engine
from tierbreak.core.policy import Policy
from tierbreak.core.tables import EVIDENCE, TOP_K
from tierbreak.tiers.cache import CacheTier

HERE = Path(__file__).parent
CASE_RULES = HERE / "cases" / "rules"


class TinyModel:
    """Knows two words: LYFT is lyft, KETTLE is starbucks. Of anything else it is as unsure as can be.

    `asked` keeps every key it was shown.
    """

    labels = ("lyft", "starbucks", *(f"filler-{n}" for n in range(TOP_K)))
    policy = Policy(temperature=0.05, null_score=0.5, threshold=0.9)

    def __init__(self, name="tiny"):
        self.name, self.asked = name, []

    @property
    def fingerprint(self):
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def evidence(self):
        return dict.fromkeys(("weights", "tokenizer", "labels", "backend"), self.fingerprint)

    def judge(self, texts):
        self.asked += texts.to_list()
        labels = np.tile(np.arange(TOP_K, dtype=np.int32), (len(texts), 1))
        scores = np.tile(np.linspace(0.2, 0.1, TOP_K, dtype=np.float32), (len(texts), 1))
        for at, text in enumerate(texts.to_list()):
            if "LYFT" in text:
                scores[at, 0] = 0.9
            elif "KETTLE" in text:
                labels[at, :2], scores[at, 0] = (1, 0), 0.9
        columns = {"key": np.arange(len(texts)), "labels": labels, "scores": scores}
        return pl.DataFrame(columns, schema=EVIDENCE)


def with_model(engine, model, cache=None, memo_rows=20_000):
    """The engine with a model of the tests' own and, given a folder, a cache."""
    parts = engine.parts
    known = {"lyft", "starbucks"}
    brands = [parts.registry.index(label) if label in known else -1 for label in model.labels] + [-3, -2]
    store = None
    if cache is not None:
        evidence = {**model.evidence, "normaliser": parts.fingerprints["normaliser"]}
        store = CacheTier.open(cache, evidence, size_bytes=1 << 22)
    changed = dataclasses.replace(
        parts,
        model=model,
        cache=store,
        brand_of_label=np.array(brands, dtype=np.int32),
        thresholds=np.full(len(parts.registry), model.policy.threshold, dtype=np.float32),
    )
    return Engine(changed, engine.settings.model_copy(update={"memo_rows": memo_rows}))
