"""Tier `cache`, and LMDB without it; definitions/cache.toml says what is measured."""

from __future__ import annotations

from itertools import count

import numpy as np
import polars as pl
import pytest

from tierbreak.core.tables import EVIDENCE, TOP_K
from tierbreak.tiers.cache import CacheTier

PARTS = {"weights": "w", "tokenizer": "t", "labels": "l", "normaliser": "n", "backend": "bench"}


def texts(numbers):
    """The text of each number; equal numbers give equal texts."""
    frame = pl.DataFrame({"n": numbers})
    return frame.select(pl.format("SHOP {} STREET {}", pl.col("n"), pl.col("n") % 9973)).to_series()


def evidence(numbers):
    """What the cache must answer for each number: a function of the number alone."""
    labels = ((numbers[:, None] + np.arange(TOP_K)) % 2**31).astype(np.int32)
    scores = (labels[:, ::-1] * np.float32(0.5)).astype(np.float32)
    return pl.DataFrame({"key": np.arange(len(numbers), dtype=np.uint32), "labels": labels, "scores": scores}).cast(
        dict(EVIDENCE)
    )


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """entries -> a store of so many; filled once a run."""
    made = {}

    def store(entries):
        if entries not in made:
            folder = tmp_path_factory.mktemp("cache")
            made[entries] = tier = CacheTier.open(folder, PARTS, size_bytes=max(64 << 20, entries * 800))
            for at in range(0, entries, 1_000_000):
                numbers = np.arange(at, min(at + 1_000_000, entries))
                assert tier.store(texts(numbers), evidence(numbers)) == len(numbers)
        return made[entries]

    yield store
    for tier in made.values():
        tier.close()


@pytest.fixture
def tier(stores, size):
    return stores(size.make["entries"])


@pytest.fixture
def drawn(size):
    """offset -> numbers of entries, others at every call; `offset` is added to every second of them."""
    rng = np.random.default_rng(7)

    def draw(offset=0):
        numbers = rng.choice(size.make["entries"], size.units, replace=False)
        return np.where(np.arange(size.units) % 2, numbers, numbers + offset)

    return draw


def asked(tier, draw, offset=0):
    """`work` and `setup` of a definition that asks the tier, and the numbers asked for last."""
    last = []

    def setup():
        last[:] = [draw(offset)]
        return (texts(last[0]),)

    return tier.judge, setup, last


def test_cache_bare(measure, tier, drawn):
    recall = tier._environment.recall
    measure(recall, lambda found: {"bytes": len(found)}, setup=lambda: (sorted(tier._digests(texts(drawn()))),))


def test_cache_gets(measure, tier, drawn):
    work, setup, last = asked(tier, drawn)
    measure(work, lambda found: {"found": len(found), "sound": found.equals(evidence(last[0]))}, setup=setup)


def test_cache_gets_half(measure, tier, drawn, size):
    work, setup, last = asked(tier, drawn, size.make["entries"] * 100)

    def answer(found):
        due = evidence(last[0]).filter(pl.col("key") % 2 == 1)
        return {"found": len(found), "sound": found.equals(due)}

    measure(work, answer, setup=setup)


def test_cache_gets_single(measure, tier, drawn):
    def setup():
        every = texts(drawn())
        return ([every[at : at + 1] for at in range(len(every))],)

    measure(lambda ones: sum(len(tier.judge(one)) for one in ones), lambda found: {"found": found}, setup=setup)


def test_cache_puts(measure, tier, size):
    starts = count(10 * size.make["entries"], size.units)

    def setup():
        start = next(starts)
        numbers = np.arange(start, start + size.units)
        return texts(numbers), evidence(numbers)

    measure(tier.store, lambda stored: {"stored": stored}, setup=setup)
