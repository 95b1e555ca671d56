"""Promise 2 at length: 10,000 keys through the shipped model, whatever the batch, many near the threshold."""

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from engines import CASE_RULES
from tierbreak import Engine, Settings
from tierbreak.core.tables import DECISION

HERE = Path(__file__).parent


@pytest.mark.slow
def test_ten_thousand_keys_are_decided_alike_in_any_batch(state):
    """Few rules, so that the model is asked; brands' own names in many dresses, so that many are near the threshold."""
    rng = random.Random(5)
    written = pl.read_csv(HERE / "sample.tsv", separator="\t", quote_char=None)["descriptor"].to_list()
    with Engine.load(rules=CASE_RULES, cache=None, settings=Settings(state=state)) as engine:
        names = [brand.name for brand in engine.parts.registry.brands]
        heads, tails = ["SQ *", "TST*", "PP*", ""], [" STORE", " CAFE", " LLC", "", " NEW YORK NY"]
        dressed = [f"{rng.choice(heads)}{rng.choice(names)}{rng.choice(tails)}" for _ in range(20_000)]
        rows = pl.DataFrame({"descriptor": written + dressed}).unique(maintain_order=True).head(10_000)
        assert rows.height == 10_000
        whole = engine.run(rows)
        best = whole.verdicts.filter((pl.col("tier") == "model") & (pl.col("reason").fill_null("") != "not the best"))
        near = best.filter((pl.col("confidence") - engine.parts.threshold).abs() < 0.01)
        assert near.height >= 100, "few keys are near the threshold: the test would show little"
        want = whole.rows.select(list(DECISION))
        for size in (1, 7, 256):
            order = np.random.default_rng(size).permutation(rows.height)
            parts = [engine.classify(rows[order[at : at + size]]) for at in range(0, rows.height, size)]
            assert pl.concat(parts).select(list(DECISION)).equals(want[order]), f"batches of {size}"
