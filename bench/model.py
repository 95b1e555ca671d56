"""How fast tier `model` answers, against the same weights in float32 in the same run.

    python bench/model.py --float32     with the float32 twin; needs the extra `train`
    python bench/model.py               tier `model` alone
    python bench/model.py --json        the figures for a record

Measured: `ModelTier.judge` whole, keys in and EVIDENCE out (tokenising, batches, inference, frame), on --threads
cores. The float32 twin is the same graph written in float32, driven by the same tier code in the same batches; the
two take turns, so that a neighbour on the machine troubles both. Not measured: normalising, the cache, loading.
Keys: the distinct keys of the model's own calibration split; their lengths in tokens are among the figures. Bias:
traffic with longer keys is slower in proportion to its tokens.
Answers are checked first: golden strings by the load gate, then equal evidence in batches of 1, 7 and 256 and
shuffled; a wrong one ends the run without a figure.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.tiers.model import ModelTier, open_session, open_tokenizer, runtime
from tierbreak.tiers.model.folder import Folder

SHIPPED = Path(__file__).parents[1] / "models" / "us-brands"


def calibration_keys(folder: Path) -> pl.Series:
    """The distinct keys of the model's calibration split, as they come."""
    rows = pl.read_csv(folder / "calibration.tsv", separator="\t", infer_schema=False, quote_char=None)
    return normalise(rows["descriptor"])["key"].unique(maintain_order=True)


def wrong(tier: ModelTier, keys: pl.Series) -> str | None:
    """How evidence depends on the batch, which it must not; None where it does not."""
    whole = tier.judge(keys)
    order = np.random.default_rng(0).permutation(len(keys))
    if not (tier.judge(keys[order])["scores"].to_numpy() == whole["scores"].to_numpy()[order]).all():
        return "evidence depends on the order of keys"
    for size in (1, 7, 256):
        parts = [tier.judge(keys[at : at + size]) for at in range(0, len(keys), size)]
        for column in ("labels", "scores"):
            if not (np.concatenate([part[column].to_numpy() for part in parts]) == whole[column].to_numpy()).all():
                return f"{column} of batches of {size} are not those of one call"
    return None


def in_turns(work: dict[str, Callable[[], object]], count: int, repeat: int) -> dict[str, dict[str, float | int]]:
    """Keys a second of each, `repeat` calls in turns after one that is not counted.

    `cpu` is the median for one second of this process's own processor time: where others use the machine too it is
    the steadier figure.
    """
    rates: dict[str, list[float]] = {name: [] for name in work}
    own: dict[str, list[float]] = {name: [] for name in work}
    for call in work.values():
        call()
    for _ in range(repeat):
        for name, call in work.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            rates[name].append(count / (time.perf_counter() - wall))
            own[name].append(count / (time.process_time() - cpu))
    return {
        name: {"median": round(statistics.median(rates[name])), "best": round(max(rates[name])),
               "worst": round(min(rates[name])), "cpu": round(statistics.median(own[name])), "n": repeat}
        for name in work
    }  # fmt: skip


def float32(folder: Folder, threads: int) -> ModelTier:
    """The same tier on the same weights in float32."""
    from tierbreak.tools.models.training.folder import read_weights, single
    from tierbreak.tools.models.training.graph import Linear, build

    source = read_weights(folder.path)
    weights = {name: single(value) for name, value in source.encoder.items()}
    aside = None if source.reserved is None else single(source.reserved)
    model = build(weights, Linear(), single(source.head), aside)
    twin = dataclasses.replace(folder, graph=model.SerializeToString())
    return ModelTier(twin, open_session(twin), open_tokenizer(twin), threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    parser.add_argument("--float32", action="store_true", help="also time the float32 twin, made from the weights")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()

    labels = json.loads((given.folder / "labels.json").read_text(encoding="utf-8"))
    start = time.perf_counter()
    tier = ModelTier.load(given.folder, registry_ids=labels, threads=given.threads)
    loading = time.perf_counter() - start
    keys = calibration_keys(given.folder)
    if fault := wrong(tier, keys):
        sys.exit(f"wrong answer, not timed: {fault}")
    tiers = {"int8": tier}
    figures: dict[str, object] = {}
    if given.float32:
        tiers["float32"] = float32(Folder.read(given.folder, labels), given.threads)
        best = [one.judge(keys)["labels"].to_numpy()[:, 0] for one in tiers.values()]
        figures["same_best_label"] = round(float((best[0] == best[1]).mean()), 4)
        if figures["same_best_label"] < 0.95:
            sys.exit(f"wrong answer, not timed: int8 and float32 agree on {figures['same_best_label']} of keys only")
    reader = open_tokenizer(Folder.read(given.folder, labels))
    lengths = [len(one.ids) for one in reader.encode_batch(keys.to_list())]
    rates = in_turns({name: lambda one=one: one.judge(keys) for name, one in tiers.items()}, len(keys), given.repeat)
    figures |= {
        "keys": len(keys),
        "tokens a key": {"mean": round(statistics.mean(lengths), 2), "median": statistics.median(lengths),
                         "most": max(lengths)},
        "threads": given.threads,
        "seconds to load": round(loading, 3),
        "keys a second": rates,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version(), "onnxruntime": runtime.VERSION},
        "model": tier.fingerprint,
    }  # fmt: skip
    print(json.dumps(figures, indent=None if given.json else 2))


if __name__ == "__main__":
    main()
