"""The whole engine; definitions/engine.toml says what is measured."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bench import haystacks
from tierbreak import Engine
from tierbreak.core.normalise import normalise
from tierbreak.core.tables import EVIDENCE, TOP_K
from tierbreak.files import open_sink, open_source
from tierbreak.files.columns import choose
from tierbreak.files.rows import RowReader
from tierbreak.tiers.cache import CacheTier

#: Of each 20 keys that no rule settles the cache knows 17.
KNOWN, OF = 17, 20
CACHE_BYTES = 64 << 20


class TimedModel:
    """A model that counts the keys it is shown and the seconds it takes."""

    def __init__(self, model):
        self._model = model
        self.seconds, self.keys = 0.0, 0

    def __getattr__(self, name):
        return getattr(self._model, name)

    def judge(self, texts):
        start = time.perf_counter()
        found = self._model.judge(texts)
        self.seconds += time.perf_counter() - start
        self.keys += len(texts)
        return found


class Case:
    """Rows in a Parquet file, and an engine whose cache knows what it knew at the start of every call."""

    def __init__(self, size, engine, book, folder):
        found = haystacks.descriptors(size.make["distinct"], book, matched=0.6)
        settled = [at for at, brands in enumerate(found.brands) if brands]
        left = [at for at, brands in enumerate(found.brands) if not brands]
        by_frequency = np.array([*settled, *left])
        of_row = by_frequency[haystacks.visits(len(by_frequency), size.units)]
        due = [book[brands[-1]].id if brands else None for brands in found.brands]
        self.due = pl.Series(due, dtype=pl.String)[of_row]
        rows = {
            "id": np.arange(size.units),
            "descriptor": pl.Series(found.texts)[of_row],
            "amount": -1.0 - np.arange(size.units) % 9973 / 100,
            "date": pl.Series(np.arange(size.units) % 365, dtype=pl.Int32).cast(pl.Date),
        }
        self.input, self.output = folder / "in.parquet", folder / "out.parquet"
        pl.DataFrame(rows).write_parquet(self.input)

        self.parts, self.settings = engine.parts, engine.settings
        keys = normalise(pl.Series(found.texts)[left])["key"]
        known = keys.filter(np.arange(len(keys)) % OF < KNOWN)
        self.warm, self.used = folder / "warm", folder / "used"
        with self._store(self.warm) as tier:
            assert tier.store(known, nothing_sure(len(known))) == len(known)
        self.engine = None

    def _store(self, folder):
        evidence = {**self.parts.model.evidence, "normaliser": self.parts.fingerprints["normaliser"]}
        return CacheTier.open(folder, evidence, size_bytes=CACHE_BYTES)

    def setup(self):
        self.close()
        shutil.copytree(self.warm, self.used)
        self.model = TimedModel(self.parts.model)
        parts = dataclasses.replace(self.parts, model=self.model, cache=self._store(self.used))
        self.engine = Engine(parts, self.settings)
        return (self.engine,)

    def close(self):
        if self.engine is not None:
            self.engine.close()
            shutil.rmtree(self.used)

    def answer(self, _):
        out = pl.read_parquet(self.output)
        settled = (out["tier"] == "rules") & (out["brand"] == self.due)
        entries = self.engine.parts.cache.stats().entries
        return {"rows": len(out), "settled": settled.sum(), "asked": self.model.keys, "entries": entries}


def nothing_sure(count):
    """Evidence for so many keys in which no brand is sure."""
    labels = np.tile(np.arange(TOP_K, dtype=np.int32), (count, 1))
    scores = np.tile(np.linspace(0.1, 0.03, TOP_K, dtype=np.float32), (count, 1))
    return pl.DataFrame({"key": np.arange(count), "labels": labels, "scores": scores}, schema=EVIDENCE)


@pytest.fixture
def case(size, engines, books, tmp_path):
    made = Case(size, engines(size.make["brands"]), books(size.make["brands"])[0], tmp_path)
    yield made
    made.close()


def test_engine_batch(measure, case):
    def work(engine):
        engine.classify(pl.read_parquet(case.input)).write_parquet(case.output)

    measure(work, case.answer, setup=case.setup, apart=lambda: case.model.seconds)


def test_engine_file(measure, case, size):
    def work(engine):
        with open_source(case.input, chunk_rows=size.make["chunk_rows"]) as source, open_sink(case.output) as sink:
            guards = RowReader(choose(source.columns, {}, name=source.name), debits=engine.settings.debits)
            for chunk in source:
                decided = engine.run(guards.rows(chunk)).rows
                added = [name for name in decided.columns if name not in chunk.rows.columns]
                sink.write(chunk.rows.hstack(decided.select(added).get_columns()), added=added)

    measure(work, case.answer, setup=case.setup, apart=lambda: case.model.seconds)


def test_classify_one(measure, size, engines, books):
    engine = engines(size.make["brands"])
    book = books(size.make["brands"])[0]
    found = haystacks.descriptors(size.make["distinct"], book, matched=1.0)
    due = [book[brands[-1]].id for brands in found.brands]
    right = sum(engine.classify_one(text).brand == brand for text, brand in zip(found.texts, due, strict=True))
    turns = iter(found.texts * 2)
    measure(engine.classify_one, lambda _: {"right": right}, setup=lambda: (next(turns),))


def test_explain(measure, size, full, state, books):
    command = [str(Path(sys.executable).with_name("tierbreak")), "explain", size.make["descriptor"], "--json"]
    if not full:
        command += ["--rules", str(books(size.make["brands"])[1])]
    environment = {**os.environ, "TIERBREAK_STATE": str(state)}

    def work():
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout

    def answer(printed):
        decision = json.loads(printed)["decision"]
        return {name: decision[name] for name in ("brand", "tier")}

    measure(work, answer)
