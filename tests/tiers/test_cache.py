"""Tier `cache`: right answers or none, whatever happens to the store. `cache_worker.py` holds the other processes."""

import gc
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache_worker import BATCH, PARTS, batch, evidence, right, texts
from tierbreak.core.tables import EVIDENCE
from tierbreak.errors import BatchError, CacheError
from tierbreak.tiers.cache import CacheTier, stores

WORKER = str(Path(__file__).parents[1] / "cache_worker.py")
MIB = 1 << 20


def start(function: str, root: Path, number: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, WORKER, function, str(root), str(number)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[str], seconds: float = 300) -> str:
    """What it printed; a process that crashes, or does not end, is a failure."""
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{process.args[2]} hangs:\n{process.communicate()[0]}") from None
    assert process.returncode == 0, f"{process.args[2]} ended with {process.returncode}:\n{said}"
    return said


@pytest.fixture
def tier(tmp_path):
    with CacheTier.open(tmp_path, PARTS) as tier:
        yield tier


def data_file(tier: CacheTier) -> Path:
    return tier._environment.path / "data.mdb"


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


def test_a_renamed_store_is_refused(tmp_path):
    CacheTier.open(tmp_path, PARTS).close()
    other = {**PARTS, "weights": "w2"}
    path = tmp_path / stores.fingerprint(other)
    (tmp_path / stores.fingerprint(PARTS)).rename(path)
    with pytest.raises(CacheError) as caught:
        CacheTier.open(tmp_path, other)
    assert str(caught.value) == (
        f"cache store {path} is of another model; remove the store\n  weights: expected 'w2', found 'w1'"
    )


def test_every_part_must_be_named(tmp_path):
    with pytest.raises(CacheError, match="no value for backend, labels; every part"):
        CacheTier.open(tmp_path, {**PARTS, "labels": "", "backend": ""})


@pytest.mark.parametrize(
    ("manifest", "says"),
    [("{", "manifest.json is broken"), ('{"format": 1}', "broken"), ("[]", "broken"), ("", "broken")],
)
def test_a_broken_manifest_is_refused(tmp_path, manifest, says):
    CacheTier.open(tmp_path, PARTS).close()
    (tmp_path / stores.fingerprint(PARTS) / "manifest.json").write_text(manifest)
    with pytest.raises(CacheError, match=says):
        CacheTier.open(tmp_path, PARTS)
    (store,) = CacheTier.stores(tmp_path)
    assert store.evidence == {}
    CacheTier.remove(store)
    CacheTier.open(tmp_path, PARTS).close()


def test_another_format_is_refused(tmp_path):
    CacheTier.open(tmp_path, PARTS).close()
    manifest = tmp_path / stores.fingerprint(PARTS) / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 2}))
    with pytest.raises(CacheError, match="has format 2, this release reads 1"):
        CacheTier.open(tmp_path, PARTS)


# --- damage


def test_one_changed_byte_is_a_miss(tier):
    """72 bytes of record, each changed in turn in the file: 72 times corrupt, never an answer."""
    numbers = [1, 123456, 2]
    tier.store(texts(numbers), evidence(numbers))
    at = data_file(tier).read_bytes().index(evidence([123456])["labels"].to_numpy().tobytes())
    with data_file(tier).open("r+b", buffering=0) as file:
        for offset in range(at, at + 72):
            byte = os.pread(file.fileno(), 1, offset)
            os.pwrite(file.fileno(), bytes([byte[0] ^ 1 << offset % 8]), offset)
            assert right(tier, numbers) == 2, f"byte {offset - at} of the record"
            os.pwrite(file.fileno(), byte, offset)
        assert right(tier, numbers) == 3
        assert tier.stats().corrupt == 72
        os.pwrite(file.fileno(), b"\xff", at)
    tier.store(texts(numbers), evidence(numbers))
    assert right(tier, numbers) == 3, "stored anew, a damaged record is whole again"


def test_a_record_under_another_texts_digest_is_a_miss(tier):
    numbers = [1000, 2000]
    tier.store(texts(numbers), evidence(numbers))
    whole = data_file(tier).read_bytes()
    first, second = (whole.index(evidence([number])["labels"].to_numpy().tobytes()) for number in numbers)
    with data_file(tier).open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), whole[second : second + 72], first)
        os.pwrite(file.fileno(), whole[first : first + 72], second)
    assert right(tier, numbers) == 0
    assert tier.stats().corrupt == 2


def test_a_lost_secret_finds_nothing(tmp_path):
    with CacheTier.open(tmp_path, PARTS) as tier:
        tier.store(texts(batch(0)), evidence(batch(0)))
    secret = tier._environment.path / "secret"
    secret.write_bytes(bytes(32))
    with CacheTier.open(tmp_path, PARTS) as tier:
        assert right(tier, batch(0)) == 0
    secret.write_bytes(b"short")
    with pytest.raises(CacheError, match="holds 5 bytes, expected 32"):
        CacheTier.open(tmp_path, PARTS)


@pytest.mark.parametrize("pages", [0, 1, 2, 3, 8, 40])
def test_a_file_cut_short_does_not_crash(tmp_path, pages):
    with CacheTier.open(tmp_path, PARTS) as tier:
        tier.store(texts(list(range(2000))), evidence(list(range(2000))))
        assert data_file(tier).stat().st_size > 40 * 4096
    finish(start("cut_short", tmp_path, pages))


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


def test_stores_opened_longest_ago_go_first(tmp_path):
    """Three stores of some kilobytes; room for one and a half: the two older ones go."""
    paths = []
    for number in range(3):
        with CacheTier.open(tmp_path, {**PARTS, "weights": f"w{number}"}) as tier:
            tier.store(texts(batch(0)), evidence(batch(0)))
            paths.append(tier._environment.path)
        os.utime(paths[-1] / "manifest.json", (1000 + number, 1000 + number))
    assert [store.path for store in CacheTier.stores(tmp_path)] == paths[::-1]
    room = CacheTier.stores(tmp_path)[0].bytes_on_disk * 3 // 2
    CacheTier.open(tmp_path, {**PARTS, "weights": "w2"}, root_bytes=room).close()
    assert [store.path for store in CacheTier.stores(tmp_path)] == [paths[2]]
    CacheTier.open(tmp_path, {**PARTS, "weights": "w2"}, root_bytes=0).close()
    assert [store.path for store in CacheTier.stores(tmp_path)] == [paths[2]], "never the one being opened"


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


def test_closed_while_threads_use_it(tmp_path):
    finish(start("closed", tmp_path, 60), seconds=120)


@pytest.fixture
def held(tier, monkeypatch):
    """held(call) runs `call` in a thread up to the middle of its transaction, and returns what ends it."""
    inside, go_on = threading.Event(), threading.Event()
    generations = tier._environment._generations

    def wait(txn):
        inside.set()
        assert go_on.wait(60)
        return generations(txn)

    def held(call):
        answers = []
        monkeypatch.setattr(tier._environment, "_generations", wait)
        thread = threading.Thread(target=lambda: answers.append(call()))
        thread.start()
        assert inside.wait(60)
        monkeypatch.setattr(tier._environment, "_generations", generations)

        def end():
            go_on.set()
            thread.join(60)
            return answers[0]

        return end

    yield held
    go_on.set()


def test_closed_in_the_middle_of_a_write(tmp_path, tier, held):
    """The write ends as if nobody had closed; then the store is closed, and any process may write."""
    end = held(lambda: tier.store(texts(batch(0)), evidence(batch(0))))
    tier.close()
    assert tier._environment._env is not None
    for call in (lambda: tier.judge(texts([1])), lambda: tier.store(texts([]), evidence([])), tier.stats, tier.clear):
        with pytest.raises(CacheError, match="is closed"):
            call()
    assert end() == BATCH
    assert tier._environment._env is None
    finish(start("write", tmp_path, 1), seconds=120)
    with CacheTier.open(tmp_path, PARTS) as again:
        assert right(again, batch(0)) == BATCH


def test_closed_in_the_middle_of_a_read(tier, held):
    tier.store(texts(batch(0)), evidence(batch(0)))
    end = held(lambda: right(tier, batch(0)))
    tier.close()
    assert end() == BATCH
    assert tier._environment._env is None


def test_opened_again_while_the_last_call_of_a_closed_tier_runs(tmp_path, tier, held):
    end = held(lambda: tier.store(texts(batch(0)), evidence(batch(0))))
    tier.close()
    with CacheTier.open(tmp_path, PARTS) as again:
        assert again._environment is tier._environment
        assert end() == BATCH
        assert right(again, batch(0)) == BATCH
    assert tier._environment._env is None


def test_closed_between_the_call_and_its_transaction(tier, monkeypatch, caplog):
    """An error, not a miss: nobody is told to go on without a cache."""
    digests = tier._digests
    monkeypatch.setattr(tier, "_digests", lambda texts: tier.close() or digests(texts))
    for call in (lambda: tier.judge(texts([1])), lambda: tier.store(texts([1]), evidence([1]))):
        with pytest.raises(CacheError, match="is closed"):
            call()
    assert caplog.records == []


def test_closed_by_a_signal_in_the_middle_of_its_own_read(tier, monkeypatch):
    """A handler runs in the thread that it interrupts: waiting for that thread would be waiting for ever."""
    tier.store(texts(batch(0)), evidence(batch(0)))
    generations = tier._environment._generations
    monkeypatch.setattr(tier._environment, "_generations", lambda txn: tier.close() or generations(txn))
    assert right(tier, batch(0)) == BATCH
    assert tier._environment._env is None


def test_a_tier_that_nobody_holds_gives_its_store_back(tmp_path):
    environment = CacheTier.open(tmp_path, PARTS)._environment
    gc.collect()
    assert environment._env is None


def test_fork(tmp_path):
    finish(start("forked", tmp_path))


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


# --- places


def test_read_only(tmp_path):
    with pytest.raises(CacheError, match="is not there; open it once for writing"):
        CacheTier.open(tmp_path, PARTS, read_only=True)
    with CacheTier.open(tmp_path, PARTS) as tier:
        tier.store(texts(batch(0)), evidence(batch(0)))
    with CacheTier.open(tmp_path, PARTS, read_only=True) as tier:
        assert right(tier, batch(0)) == BATCH
        assert tier.store(texts(batch(1)), evidence(batch(1))) == 0
        assert (tier.stats().skipped, tier.stats().failed) == (BATCH, 0)
        with pytest.raises(CacheError, match="already open in this process, read-only"):
            CacheTier.open(tmp_path, PARTS)
        with pytest.raises(CacheError, match="Permission denied"):
            tier.clear()


def test_unwritable_folder(tmp_path):
    finish(start("unwritable", tmp_path))


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match=r"cannot be opened: .*File exists"):
        CacheTier.open(tmp_path / "file", PARTS)


def test_not_on_a_remote_file_system(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "_mounts", lambda: f"9 1 0:4 / {tmp_path} rw - nfs4 nas:/cache rw\n")
    with pytest.raises(CacheError, match="is on a nfs4 file system; LMDB needs a local disk"):
        CacheTier.open(tmp_path, PARTS)


def test_drafts_of_killed_processes_are_swept(tmp_path):
    for name, age in ((".new-old", 0), (".gone-old", 0), (".new-now", None)):
        (tmp_path / name).mkdir()
        if age is not None:
            os.utime(tmp_path / name, (age, age))
    CacheTier.open(tmp_path, PARTS).close()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == [".new-now"]
