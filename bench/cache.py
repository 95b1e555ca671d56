"""How fast tier `cache` answers, against bare LMDB on the same digests in the same run.

    python bench/cache.py                       5 M entries: a few minutes, about 1.5 GB in the temporary folder
    python bench/cache.py --entries 200000      a quick look
    python bench/cache.py --json                the figures for a record

Measured: `CacheTier.judge` whole, texts in and EVIDENCE out (digests, lookup, checksum, frame), in batches,
on one core; and `CacheTier.store`, whose commits wait for the disk. Not measured: normalising, the model,
a cold page cache (the store was just written, so it is in memory where memory suffices).
Bias: texts are made by counting and are short (17 to 24 bytes); longer ones cost more to digest. Bare LMDB
is given sorted digests and does no decoding. Answers are checked first; a wrong one ends the run without
a figure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import polars as pl

from tierbreak.tables import EVIDENCE, TOP_K
from tierbreak.tiers.cache import CacheTier

PARTS = {"weights": "w", "tokenizer": "t", "labels": "l", "normaliser": "n", "backend": "bench"}


def texts(numbers: np.ndarray) -> pl.Series:
    """The text of each number; equal numbers give equal texts."""
    frame = pl.DataFrame({"n": numbers})
    return frame.select(pl.format("SHOP {} STREET {}", pl.col("n"), pl.col("n") % 9973)).to_series()


def evidence(numbers: np.ndarray) -> pl.DataFrame:
    """What the cache must answer for each number: a function of the number alone."""
    labels = ((numbers[:, None] + np.arange(TOP_K)) % 2**31).astype(np.int32)
    scores = (labels[:, ::-1] * np.float32(0.5)).astype(np.float32)
    return pl.DataFrame({"key": np.arange(len(numbers), dtype=np.uint32), "labels": labels, "scores": scores}).cast(
        dict(EVIDENCE)
    )


def samples(work: Callable[[], int], repeat: int) -> dict[str, float | int]:
    """Things a second over `repeat` calls, after one that is not counted. `work` returns how many it did.

    `cpu` is the median per second of this process's own processor time: on a machine that others use
    too it is the steadier figure, and where a call waits for the disk it leaves the wait out.
    """
    work()
    rates, own = [], []
    for _ in range(repeat):
        start, own_start = time.perf_counter(), time.process_time()
        done = work()
        rates.append(done / (time.perf_counter() - start))
        own.append(done / (time.process_time() - own_start))
    return {
        "median": statistics.median(rates),
        "min": min(rates),
        "max": max(rates),
        "cpu": statistics.median(own),
        "n": repeat,
    }


def refuse(what: str) -> None:
    sys.exit(f"wrong answer, not timed: {what}")


def run(entries: int, batch: int, repeat: int, folder: Path) -> dict[str, object]:
    rng = np.random.default_rng(7)
    size_bytes = max(64 << 20, entries * 800)
    figures: dict[str, object] = {}
    with CacheTier.open(folder, PARTS, size_bytes=size_bytes, root_bytes=1 << 40) as tier:
        start = time.perf_counter()
        for at in range(0, entries, 1_000_000):
            numbers = np.arange(at, min(at + 1_000_000, entries))
            if tier.store(texts(numbers), evidence(numbers)) != len(numbers):
                refuse("not every row was stored")
        figures["build seconds"] = round(time.perf_counter() - start, 1)

        pick = rng.choice(entries, batch, replace=False)
        if not tier.judge(texts(pick)).equals(evidence(pick)):
            refuse("present keys")
        mixed = np.where(np.arange(batch) % 2, pick, pick + entries)
        want = evidence(mixed).filter(pl.col("key") % 2 == 1)
        if not tier.judge(texts(mixed)).equals(want):
            refuse("every second key absent")
        stats = tier.stats()
        if stats.entries != entries or stats.corrupt:
            refuse(f"expected {entries} sound entries, got {stats}")
        figures["bytes on disk"] = stats.bytes_on_disk

        # Fresh keys every call: no batch is asked twice. Made beforehand: making texts is not measured.
        def ready(offset: int) -> list[pl.Series]:
            out = []
            for _ in range(repeat + 1):
                numbers = rng.choice(entries, batch, replace=False)
                out.append(texts(np.where(np.arange(batch) % 2, numbers, numbers + offset)))
            return out

        def judged(batches: list[pl.Series], want: int) -> Callable[[], int]:
            def work() -> int:
                if len(tier.judge(batches.pop())) != want:
                    refuse("a timed batch")
                return batch

            return work

        bare = [sorted(tier._digests(series)) for series in ready(0)]

        def asked() -> int:
            found = tier._environment.recall(bare.pop())
            if len(found) != batch * 88:
                refuse("bare LMDB")
            return batch

        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        figures["bare LMDB gets/s"] = samples(asked, repeat)
        figures["judge, all present, gets/s"] = samples(judged(ready(0), batch), repeat)
        figures["judge, half absent, gets/s"] = samples(judged(ready(entries), batch // 2), repeat)
        single = texts(rng.choice(entries, 2000, replace=False))
        ones = [single[at : at + 1] for at in range(len(single))]
        figures["judge, one text a call, gets/s"] = samples(lambda: sum(len(tier.judge(one)) for one in ones), 5)
        fresh = iter(range(2 * entries, 2 * entries + batch * (repeat + 1), batch))

        def stored() -> int:
            at = next(fresh)
            numbers = np.arange(at, at + batch)
            return tier.store(texts(numbers), evidence(numbers))

        figures["store, puts/s"] = samples(stored, repeat)
    judge, lmdb_alone = figures["judge, all present, gets/s"], figures["bare LMDB gets/s"]
    figures["judge / bare LMDB"] = round(judge["median"] / lmdb_alone["median"], 2)
    return figures


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=5_000_000)
    parser.add_argument("--batch", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tierbreak-bench-") as folder:
        figures = run(given.entries, min(given.batch, given.entries), given.repeat, Path(folder))
    about = {
        "processor": processor(),
        "cores used": 1,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "lmdb": ".".join(map(str, lmdb.version())),
        "py-lmdb": lmdb.__version__,
        "polars": pl.__version__,
        "numpy": np.__version__,
        "entries": given.entries,
        "batch": given.batch,
    }
    if given.json:
        print(json.dumps({"about": about, "figures": figures}, indent=2))
        return
    for name, value in {**about, **figures}.items():
        if isinstance(value, dict):
            spread = f"{value['min']:,.0f} to {value['max']:,.0f}, n={value['n']}"
            print(f"{name}: median {value['median']:,.0f} ({spread}; by processor time {value['cpu']:,.0f})")
        else:
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
