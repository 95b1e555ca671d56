"""`tierbreak cache`."""

from __future__ import annotations

import polars as pl

from tierbreak.core.tables import EVIDENCE
from tierbreak.tiers.cache import CacheTier
from tierbreak.tiers.cache.stores import PARTS


def filled(root) -> None:
    seen = pl.DataFrame({"key": [0], "labels": [list(range(8))], "scores": [[0.5] * 8]}, schema=EVIDENCE)
    with CacheTier.open(root, dict.fromkeys(PARTS, "0")) as tier:
        tier.store(pl.Series(["UBER EATS"]), seen)


def test_stats_and_clear(run, tmp_path):
    filled(tmp_path)
    (store,) = CacheTier.stores(tmp_path)
    lines = run("cache", "stats", "--cache", tmp_path).out.splitlines()
    assert lines[0] == f"cache stores in {tmp_path}"
    assert lines[1].split() == ["store", "entries", "size", "last", "opened"]
    assert lines[2].split()[:2] == [store.fingerprint[:16], "1"]
    assert run("cache", "clear", "--cache", tmp_path).out.startswith("removed 1 cache stores, ")
    assert CacheTier.stores(tmp_path) == []


def test_sizes_are_in_mebibytes(run, tmp_path):
    """Two stores of 3 and 1.5 times 1024 * 1024 bytes, whatever LMDB takes on this disk."""
    filled(tmp_path)
    (store,) = CacheTier.stores(tmp_path)
    with (store.path / "padding").open("wb") as file:
        file.truncate(3 * 2**20 + 2**19 - store.bytes_on_disk)
    assert run("cache", "stats", "--cache", tmp_path).out.splitlines()[2].split()[2:4] == ["3.5", "MiB"]
    assert run("cache", "clear", "--cache", tmp_path).out.startswith("removed 1 cache stores, 3.5 MiB, ")


def test_an_empty_cache_says_so(run, tmp_path):
    assert run("cache", "stats", "--cache", tmp_path) == (0, f"no cache stores in {tmp_path}\n", "")


def test_a_damaged_store_is_listed(run, tmp_path):
    filled(tmp_path)
    (store,) = CacheTier.stores(tmp_path)
    (store.path / "manifest.json").write_text("{")
    assert "cannot be opened" in run("cache", "stats", "--cache", tmp_path).out
