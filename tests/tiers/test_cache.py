"""Tier `cache`: right answers or none, whatever happens to the store. `cache_worker.py` holds the other processes."""

import logging
import os
import signal
import stat
import tempfile
import threading
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache_starts import MIB, data_file, finish, start
from cache_worker import BATCH, PARTS, batch, evidence, right, texts
from tierbreak.core.tables import EVIDENCE
from tierbreak.errors import BatchError, CacheError
from tierbreak.tiers.cache import CacheTier, stores


@pytest.fixture
def tier(tmp_path):
    with CacheTier.open(tmp_path, PARTS) as tier:
        yield tier


# --- answers


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), unique=True, max_size=40),
    st.randoms(use_true_random=False),
)
def test_finds_what_was_stored_and_nothing_else(words, chance):
    known = [word for word in words if chance.random() < 0.6]
    number = {word: at for at, word in enumerate(known)}
    with tempfile.TemporaryDirectory() as root, CacheTier.open(Path(root), PARTS) as tier:
        assert tier.store(pl.Series(known, dtype=pl.String), evidence(list(number.values()))) == len(known)
        found = tier.judge(pl.Series(words, dtype=pl.String))
    assert found.schema == EVIDENCE
    want = [at for at, word in enumerate(words) if word in number]
    assert found["key"].to_list() == want
    numbers = [number[words[at]] for at in want]
    assert found.drop("key").equals(evidence(numbers).drop("key"))


def test_evidence_key_is_a_position_in_texts(tier):
    """Four texts, the model looked at the third and the first."""
    seen = evidence([30, 10]).with_columns(pl.Series("key", [2, 0], dtype=pl.UInt32))
    assert tier.store(texts([10, 20, 30, 40]), seen) == 2
    assert right(tier, [10, 30]) == 2
    assert right(tier, [20, 40]) == 0


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_is_stored_in_whatever_order_is_found_under_its_own_text(data):
    """Calls with any texts, the model having seen some of them in any order; then any texts asked in any order."""
    every = list(range(12))
    with tempfile.TemporaryDirectory() as root, CacheTier.open(Path(root), PARTS) as tier:
        known = set()
        for _ in range(data.draw(st.integers(1, 3))):
            given = data.draw(st.lists(st.sampled_from(every), unique=True, min_size=1))
            seen = data.draw(st.lists(st.sampled_from(range(len(given))), unique=True))
            numbers = [given[position] for position in seen]
            table = evidence(numbers).with_columns(pl.Series("key", seen, dtype=pl.UInt32))
            assert tier.store(texts(given), table) == len(seen)
            known |= set(numbers)
        asked = data.draw(st.permutations(every))
        assert right(tier, asked) == len(known)
        assert tier.judge(texts(asked))["key"].to_list() == [at for at, number in enumerate(asked) if number in known]


def test_counts(tier):
    """Three stored; asked for two of them and one stranger, then for nothing."""
    tier.store(texts([1, 2, 3]), evidence([1, 2, 3]))
    tier.judge(texts([1, 2, 9]))
    assert tier.judge(texts([])).equals(pl.DataFrame(schema=EVIDENCE))
    stats = tier.stats()
    assert (stats.entries, stats.hits, stats.misses, stats.corrupt, stats.skipped, stats.failed) == (3, 2, 1, 0, 0, 0)
    assert stats.evidence == PARTS


def test_a_second_answer_replaces_the_first(tier):
    tier.store(texts([1]), evidence([5]))
    tier.store(texts([1]), evidence([1]))
    assert right(tier, [1]) == 1
    assert tier.stats().entries == 1


def test_kept_over_a_close(tmp_path):
    with CacheTier.open(tmp_path, PARTS) as tier:
        tier.store(texts(batch(0)), evidence(batch(0)))
    with CacheTier.open(tmp_path, PARTS) as tier:
        assert right(tier, batch(0)) == BATCH
        tier.clear()
        assert right(tier, batch(0)) == 0


def test_evidence_of_another_shape_is_refused(tier):
    with pytest.raises(BatchError, match="scores: expected"):
        tier.store(texts([1]), evidence([1]).with_columns(pl.lit(0).alias("scores")))
    hole = pl.DataFrame({"key": [0], "labels": [[None] * 8], "scores": [[0.0] * 8]}, schema=EVIDENCE)
    with pytest.raises(BatchError, match="nulls in labels"):
        tier.store(texts([1]), hole)


# --- one model a store


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(PARTS)), st.text("0123456789abcdef", min_size=1))
def test_another_model_is_never_served(part, value):
    with tempfile.TemporaryDirectory() as root:
        with CacheTier.open(Path(root), PARTS) as tier:
            tier.store(texts(batch(0)), evidence(batch(0)))
        with CacheTier.open(Path(root), {**PARTS, part: value}) as other:
            assert len(other.judge(texts(batch(0)))) == 0
            assert other.fingerprint != tier.fingerprint


def test_every_part_must_be_named(tmp_path):
    with pytest.raises(CacheError, match="no value for backend, labels; every part"):
        CacheTier.open(tmp_path, {**PARTS, "labels": "", "backend": ""})


# --- what lies on disk


def test_no_text_on_disk(tier):
    tier.store(texts([424242]), evidence([424242]))
    files = list(tier._environment.path.iterdir())
    assert {file.name for file in files} == {"manifest.json", "secret", "data.mdb", "lock.mdb"}
    assert [file.name for file in files if b"SHOP" in file.read_bytes()] == []
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files if file.name != "manifest.json"}
    assert set(modes.values()) == {0o600}, modes


# --- bounds


@pytest.mark.parametrize("rows", [1, 50, 3000])
def test_size_is_bounded(tmp_path, rows, caplog):
    """1 MiB holds some thousands of records; 20,000 and more are offered, in small and in large batches."""
    with CacheTier.open(tmp_path, PARTS, size_bytes=MIB) as tier:
        offered = 0
        while offered < (1500 if rows == 1 else 24_000):
            numbers = list(range(offered, offered + rows))
            assert tier.store(texts(numbers), evidence(numbers)) == rows, tier.stats()
            assert right(tier, numbers) >= min(rows, 2000), "what was stored last is there"
            assert data_file(tier).stat().st_size <= MIB
            offered += rows
        stats = tier.stats()
        assert stats.entries + stats.evicted == offered
        assert right(tier, list(range(offered))) == stats.entries
        assert (stats.evicted > 0) == (rows > 1)
        assert (stats.skipped, stats.failed, caplog.records) == (0, 0, [])


def test_what_is_in_both_generations_is_found_once_and_as_stored_last(tmp_path):
    """Text 1 is stored, then enough for the generations to change places, then text 1 again with other evidence."""
    with CacheTier.open(tmp_path, PARTS, size_bytes=MIB) as tier:
        tier.store(texts([1]), evidence([5]))
        with tier._environment._transaction() as txn:
            first = tier._environment._generations(txn)[0]
        offered = 100
        while True:
            numbers = list(range(offered, offered + 1000))
            tier.store(texts(numbers), evidence(numbers))
            offered += 1000
            with tier._environment._transaction() as txn:
                if tier._environment._generations(txn)[0] is not first:
                    break
        assert tier.judge(texts([1]))["labels"].to_list() == evidence([5])["labels"].to_list(), "from the old one"
        tier.store(texts([1]), evidence([1]))
        assert right(tier, [1, 100, offered - 1]) == 3
        assert tier.stats().evicted == 0


def test_a_full_map_skips_and_says_so_once(tmp_path, caplog):
    """A reader that never ends keeps LMDB from using old pages again, so the map fills up."""
    with CacheTier.open(tmp_path, PARTS, size_bytes=MIB) as tier:
        pinned = tier._environment._env.begin()
        with caplog.at_level(logging.WARNING):
            for at in range(400):
                tier.store(texts(batch(at)), evidence(batch(at)))
        stats = tier.stats()
        assert stats.skipped > 0
        assert stats.failed > 1
        assert data_file(tier).stat().st_size <= MIB
        assert [record.message.endswith("classifying goes on without it") for record in caplog.records] == [True]
        assert right(tier, list(range(400 * BATCH))) == stats.entries
        pinned.abort()
        assert tier.store(texts(batch(500)), evidence(batch(500))) == BATCH, "works again once the reader has gone"


def test_a_full_disk_skips(tmp_path):
    finish(start("disk_full", tmp_path))


def test_size_is_fixed_when_the_store_is_made(tmp_path):
    CacheTier.open(tmp_path, PARTS, size_bytes=2 * MIB).close()
    with CacheTier.open(tmp_path, PARTS, size_bytes=8 * MIB) as tier:
        assert tier.stats().size_bytes == 2 * MIB
    with pytest.raises(CacheError, match="too small; the least is 1048576"):
        CacheTier.open(tmp_path, PARTS, size_bytes=1000)


# --- several at once


def test_two_tiers_of_one_process_share(tmp_path):
    first, second = CacheTier.open(tmp_path, PARTS), CacheTier.open(tmp_path, PARTS)
    first.store(texts(batch(0)), evidence(batch(0)))
    first.close()
    first.close()
    assert right(second, batch(0)) == BATCH
    second.close()
    with pytest.raises(CacheError, match="is closed"):
        second.judge(texts([1]))


def test_removed_while_open(tmp_path):
    with CacheTier.open(tmp_path, PARTS) as old:
        old.store(texts(batch(0)), evidence(batch(0)))
        CacheTier.remove(*CacheTier.stores(tmp_path))
        assert CacheTier.stores(tmp_path) == []
        assert right(old, batch(0)) == BATCH
        with CacheTier.open(tmp_path, PARTS) as new:
            assert right(new, batch(0)) == 0
            assert new.store(texts(batch(1)), evidence(batch(1))) == BATCH
        assert right(old, batch(1)) == 0
    assert os.listdir(tmp_path) == [stores.fingerprint(PARTS)]  # noqa: PTH208 - hidden ones as well


def test_threads(tier):
    wrong = []

    def work(first):
        try:
            for at in range(first, first + 10):
                tier.store(texts(batch(at)), evidence(batch(at)))
                assert right(tier, batch(at)) == BATCH
        except AssertionError as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 5, 100, 105)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    stats = tier.stats()
    assert (stats.hits, stats.failed) == (4 * 10 * BATCH, 0)
    assert stats.entries == 30 * BATCH  # batches 0 to 14 and 100 to 114


def test_processes(tmp_path, tier):
    """Two writers that share ten batches (0 to 19 and 10 to 29), read from here all the while."""
    writers = [start("write", tmp_path, first) for first in (0, 10)]
    while any(writer.poll() is None for writer in writers):
        right(tier, list(range(30 * BATCH)))
    for writer in writers:
        finish(writer)
    assert right(tier, list(range(30 * BATCH))) == 30 * BATCH
    assert (tier.stats().corrupt, tier.stats().failed) == (0, 0)


def test_reader_slots_of_killed_processes_are_taken_back(tmp_path, tier):
    tier.store(texts(batch(0)), evidence(batch(0)))
    hog = start("hog", tmp_path)
    assert hog.stdout.readline() == "510\n"
    assert len(tier.judge(texts(batch(0)))) == 0, "no slot is left: a miss"
    assert tier.stats().failed > 0
    hog.send_signal(signal.SIGKILL)
    hog.communicate(timeout=60)
    assert right(tier, batch(0)) == BATCH


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_in_mid_write(tmp_path, kills):
    assert f"{kills} kills" in finish(start("killed", tmp_path, kills))
