"""How fast the torch twin answers on a GPU, end to end and part by part, and which part is the limit.

    python -m bench.gpu                        needs a CUDA build of torch; without a GPU it says so and exits with 2
    python -m bench.gpu --device cpu           the same script on the CPU: shows that it runs, not what a GPU does

Answers come first: the twin on the device in float32 must give the scores that it gives on the CPU in float32 (within
1e-3, the best brand of 99.9 % of keys the same), or nothing is timed; nor is it in bfloat16 unless the best brand is
the same for 95 % of keys. How far bfloat16 is off, and whether the bits of a score change with the batch, is reported.

Measured, --count keys a call (the distinct keys again and again: neither tokeniser nor network remembers a key):
  whole       `TorchTier.judge`: String series in, EVIDENCE out, tokenising included
  device      the same without tokenising: batches padded, copied in, answered, copied out
  tokenising  alone, with as many threads as `whole` has for it
  copying     host to device, 64 MiB from pinned memory
The limit is the slowest part by its rate in keys. FLOP/s are those of the keys' own tokens (`useful`) and of the
padded batches (`done`); the peak beside them is the maker's figure for dense bfloat16, given by --peak or known for a
few cards, and left empty for others. In float32 no tensor core is used, and there is no peak.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.model import SHIPPED
from bench.script import keep, keys_of
from tierbreak.core.tables import TOP_K
from tierbreak.errors import SettingsError, TierbreakError
from tierbreak.tiers.model.folder import WEIGHTS
from tierbreak.tiers.model.torch_backend import TorchTier
from tierbreak.tiers.model.torch_backend.buckets import Tokens, plan
from tierbreak.tiers.model.torch_backend.network import layers

#: Dense bfloat16 FLOP/s as the maker states them, by torch's name of the card.
PEAKS = {
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H200": 989e12,
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A100 80GB PCIe": 312e12,
}

#: Keys that are asked for in several batches.
_IN_BATCHES = 64

_COPIED = 64 << 20


def unlike(found: pl.DataFrame, reference: pl.DataFrame) -> dict[str, float]:
    """How far two EVIDENCE lie apart: score by score, and the share of keys with the same best brand."""
    labels, scores = ([one[name].to_numpy() for one in (found, reference)] for name in ("labels", "scores"))
    return {
        "largest_score_difference": float(np.abs(scores[0] - scores[1]).max()),
        "mean_score_difference": float(np.abs(scores[0] - scores[1]).mean()),
        "same_best_brand": float((labels[0][:, 0] == labels[1][:, 0]).mean()),
    }


def same_bits(tier: TorchTier, keys: pl.Series) -> bool:
    """Whether scores are the same bit for bit shuffled and in batches of 1, 7 and 32."""
    whole = tier.judge(keys)["scores"].to_numpy()
    order = np.random.default_rng(0).permutation(len(keys))
    if not (tier.judge(keys[order])["scores"].to_numpy() == whole[order]).all():
        return False
    parts = ([tier.judge(keys[at : at + size])["scores"].to_numpy() for at in range(0, len(keys), size)]
             for size in (1, 7, 32))  # fmt: skip
    return all((np.concatenate(part) == whole).all() for part in parts)


def flops(shapes: dict[str, Any], tokens: float, pairs: float, keys: float) -> float:
    """Operations, two a multiplication with its addition.

    tokens, keys   how many
    pairs          the sum over keys of their tokens squared: what attention compares
    """
    hidden, inner = shapes["hidden"], shapes["inner"]
    layer = 2 * (4 * hidden * hidden + 2 * hidden * inner) * tokens + 4 * hidden * pairs
    return shapes["layers"] * layer + 2 * hidden * shapes["prototypes"] * keys


def shapes_of(folder: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(folder / WEIGHTS, "np") as weights:
        names = list(weights.keys())
        inner, hidden = weights.get_slice("encoder.layer.0.intermediate.dense.weight").get_shape()
        heads = [weights.get_slice(name).get_shape() for name in names if name.startswith("head.")]
    prototypes = sum(count * answers for count, answers, _ in heads)
    return {"layers": layers(names), "hidden": hidden, "inner": inner, "prototypes": prototypes}


def rates(work: Callable[[], object], count: int, repeat: int) -> dict[str, float]:
    """Units a second of `repeat` calls after one that is not counted."""
    work()
    found = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        found.append(count / (time.perf_counter() - start))
    return {"median": round(statistics.median(found)), "best": round(max(found)), "worst": round(min(found))}


def copying(device: str, repeat: int) -> float | None:
    """Bytes a second from pinned memory to the device; None on the CPU, which copies nothing."""
    if device == "cpu":
        return None
    import torch

    here = torch.empty(_COPIED, dtype=torch.uint8).pin_memory()
    there = torch.empty(_COPIED, dtype=torch.uint8, device=device)

    def copy() -> None:
        there.copy_(here, non_blocking=True)
        torch.cuda.synchronize()

    return rates(copy, _COPIED, repeat)["median"]


def measured(tier: TorchTier, keys: pl.Series, tokens: Tokens, shapes: dict[str, Any], repeat: int) -> dict[str, Any]:
    """Keys, tokens and operations a second of one tier."""
    labels, scores = np.empty((len(keys), TOP_K), np.int32), np.empty((len(keys), TOP_K), np.float32)
    whole = rates(lambda: tier.judge(keys), len(keys), repeat)
    device = rates(lambda: tier.answer(tokens, labels, scores), len(keys), repeat)
    seconds = len(keys) / device["median"]
    done = [shape for shape, _ in plan(tokens.lengths, tier.shapes)]
    own = flops(shapes, tokens.lengths.sum(), (tokens.lengths.astype(float) ** 2).sum(), len(keys))
    padded = sum(flops(shapes, rows * width, rows * width**2, rows) for rows, width in done)
    return {
        "backend": tier.evidence["backend"],
        "keys a second, whole": whole,
        "keys a second, device": device,
        "tokens a second, device": round(tokens.lengths.sum() / seconds),
        "padding": round(1 - tokens.lengths.sum() / sum(rows * width for rows, width in done), 4),
        "FLOP/s useful": float(f"{own / seconds:.4g}"),
        "FLOP/s done": float(f"{padded / seconds:.4g}"),
    }


def limit(parts: dict[str, float]) -> str:
    """The slowest part, and how near the next one is.

    >>> limit({"tokenising": 1e6, "device": 3e6})
    'tokenising: 1,000,000 keys a second; next device, 3.0 times as fast'
    """
    (slowest, rate), (after, faster) = sorted(parts.items(), key=lambda part: part[1])[:2]
    return f"{slowest}: {rate:,.0f} keys a second; next {after}, {faster / rate:.1f} times as fast"


def compared(load: Callable[..., TorchTier], given: argparse.Namespace, keys: pl.Series) -> dict[str, Any]:
    """What the answers are off by; ends the run where they are wrong."""
    reference = load(device="cpu", dtype="float32").judge(keys)
    out = {}
    for dtype, near, same in (("float32", 1e-3, 0.999), ("bfloat16", np.inf, 0.95)):
        tier = load(device=given.device, dtype=dtype)
        out[dtype] = {
            **unlike(tier.judge(keys), reference),
            "same_bits_in_any_batch": same_bits(tier, keys[:_IN_BATCHES]),
        }
        if out[dtype]["largest_score_difference"] > near or out[dtype]["same_best_brand"] < same:
            sys.exit(f"wrong answer, not timed: {given.device} in {dtype} beside the CPU in float32: {out[dtype]}; "
                     f"expected scores within {near} and the best brand of {same:.1%} of keys the same")  # fmt: skip
    return out


def run(given: argparse.Namespace) -> dict[str, Any]:
    labels = json.loads((given.folder / "labels.json").read_text(encoding="utf-8"))

    def load(**how: Any) -> TorchTier:
        return TorchTier.load(given.folder, registry_ids=labels, threads=given.threads, **how)

    load(device=given.device, batch_tokens=512)  # first, as it says whether torch and the device are there
    import torch

    distinct = keys_of(given.folder, given.keys)
    answers = compared(load, given, distinct[: given.compare])
    keys = pl.concat([distinct] * -(-given.count // len(distinct)))[: given.count]
    shapes, settings, tier = shapes_of(given.folder), [], None
    for compiled in (False, True) if given.compile else (False,):
        for dtype in given.dtype:
            for size in given.batch_tokens:
                tier = load(device=given.device, dtype=dtype, batch_tokens=size, compiled=compiled)
                tokens = tier.tokenise(keys.to_list())
                own = {"dtype": dtype, "batch_tokens": size, "compiled": compiled}
                settings.append(own | measured(tier, keys, tokens, shapes, given.repeat))
                print(json.dumps(settings[-1]), file=sys.stderr)
    assert tier is not None, "argparse asks for one dtype and one size at the least"
    best = max(settings, key=lambda one: one["keys a second, whole"]["median"])
    texts, share = keys.to_list(), len(keys) / (tokens.lengths.sum() + len(keys)) / 4
    tokenising = rates(lambda: tier.tokenise(texts), len(texts), given.repeat)
    host = copying(given.device, given.repeat)
    parts = {"tokenising": tokenising["median"], "device": best["keys a second, device"]["median"]}
    if host is not None:
        parts["copying"] = host * share
    card = torch.cuda.get_device_name() if given.device == "cuda" else None
    return {
        "device": card or "cpu",
        "answers": answers,
        "keys": len(keys),
        "distinct keys": len(distinct),
        "tokens a key": round(float(tokens.lengths.mean()), 2),
        "model": {**shapes, "labels": len(labels), "folder": given.folder.name, "fingerprint": tier.fingerprint},
        "settings": settings,
        "best": {name: best[name] for name in ("dtype", "batch_tokens", "compiled")},
        "keys a second, tokenising": {**tokenising, "threads": os.environ.get("RAYON_NUM_THREADS", "all")},
        "bytes a second, host to device": host,
        "peak FLOP/s, bfloat16": given.peak or PEAKS.get(card or ""),
        "limit": limit(parts),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=SHIPPED, help="the model's folder")
    parser.add_argument("--keys", type=Path, help="a file of descriptors, one a line; else the calibration split")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--dtype", nargs="+", choices=("bfloat16", "float32"), default=["bfloat16"])
    parser.add_argument("--batch-tokens", type=int, nargs="+", default=[4_096, 16_384, 65_536], help="sizes to try")
    parser.add_argument("--compile", action="store_true", help="also with torch.compile")
    parser.add_argument("--count", type=int, default=1_000_000, help="keys a call")
    parser.add_argument("--compare", type=int, default=512, help="keys whose answers are compared first")
    parser.add_argument("--threads", type=int, help="cores to use; else all")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peak", type=float, help="the card's dense bfloat16 FLOP/s, where its name is not known")
    parser.add_argument("--out", type=Path, help="where the record goes; else record/<date>-<machine>/gpu.json")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    try:
        figures = run(given)
    except SettingsError as error:
        print(f"nothing measured: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except TierbreakError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    path = keep("gpu", figures, {"model": figures["model"]["fingerprint"]}, load, ("torch",), given.out)
    print(json.dumps(figures, indent=2))
    print(f"recorded in {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
