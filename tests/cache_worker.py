"""The other processes of test_cache.py, one function each: `python cache_worker.py <function> <root> [number]`.

Texts and their evidence are functions of a number, so any process can tell a right answer from a wrong one.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tierbreak.core.tables import EVIDENCE, TOP_K
from tierbreak.errors import CacheError
from tierbreak.tiers.cache import CacheTier, stores

PARTS = {"weights": "w1", "tokenizer": "t1", "labels": "l1", "normaliser": "n1", "backend": "test"}
BATCH = 50


def texts(numbers: list[int]) -> pl.Series:
    return pl.Series("key", [f"SHOP {number}" for number in numbers], dtype=pl.String)


def evidence(numbers: list[int]) -> pl.DataFrame:
    labels = (np.array(numbers, dtype=np.int64).reshape(-1, 1) + np.arange(TOP_K)).astype(np.int32)
    columns = {"key": range(len(numbers)), "labels": labels, "scores": labels.astype(np.float32) / 2}
    return pl.DataFrame(columns, schema=EVIDENCE)


def batch(at: int) -> list[int]:
    return list(range(at * BATCH, (at + 1) * BATCH))


def right(tier: CacheTier, numbers: list[int]) -> int:
    """How many of the numbers are found; fails where an answer is not that number's.

    Compared as numpy arrays: polars' thread pool does not outlive a fork, and this runs in forked children.
    """
    found = tier.judge(texts(numbers))
    labels = np.array(numbers)[found["key"].to_numpy()].reshape(-1, 1) + np.arange(TOP_K)
    assert (found["labels"].to_numpy() == labels).all(), f"wrong answers among\n{found}"
    assert (found["scores"].to_numpy() == labels.astype(np.float32) / 2).all(), f"wrong answers among\n{found}"
    return len(found)


def write(root: Path, first: int) -> None:
    """Store 20 batches from number `first` on, reading each back."""
    with CacheTier.open(root, PARTS) as tier:
        for at in range(first, first + 20):
            assert tier.store(texts(batch(at)), evidence(batch(at))) == BATCH
            assert right(tier, batch(at)) == BATCH


def forked(root: Path, _: int) -> None:
    """On the far side of a fork every call says so at once, and the near side is not disturbed."""
    tier = CacheTier.open(root, PARTS)
    tier.store(texts(batch(0)), evidence(batch(0)))
    calls = [
        lambda: tier.judge(texts([1])),
        lambda: tier.store(texts([1]), evidence([1])),
        tier.stats,
        tier.clear,
        lambda: CacheTier.open(root, PARTS),
        lambda: CacheTier.open(root / "other", PARTS),
    ]
    child = os.fork()
    if not child:
        status = 1
        try:
            says = f"was opened in process {os.getppid()}, .*load it after the fork, or start processes with spawn"
            for call in calls:
                with pytest.raises(CacheError, match=says):
                    call()
            tier.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0, "the child failed"
    assert right(tier, batch(0)) == BATCH
    tier.close()


def closed(root: Path, rounds: int) -> None:
    """Threads judge and store while the tier is closed and opened again: right answers, or "is closed"."""
    current = [CacheTier.open(root, PARTS)]
    calls, ended, wrong = threading.Semaphore(0), threading.Event(), []
    chance = random.Random(11)

    def use(number: int) -> None:
        while not ended.is_set():
            tier = current[0]
            try:
                tier.store(texts(batch(number)), evidence(batch(number)))
                right(tier, batch(number))
            except CacheError as error:
                if not str(error).endswith("is closed"):
                    wrong.append(error)
            except BaseException as error:
                wrong.append(error)
            calls.release()

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(rounds):
        for _ in threads:
            calls.acquire()
        time.sleep(chance.random() * 0.004)  # some moment of a transaction
        current[0].close()
        current[0] = CacheTier.open(root, PARTS)
    ended.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    for number in range(len(threads)):
        assert right(current[0], batch(number)) == BATCH
    assert current[0].stats().failed == 0
    current[0].close()


def killed(root: Path, kills: int) -> None:
    """Kill a writer in mid-write again and again; what it had acknowledged must be there, all of it right."""
    chance = random.Random(11)
    done = 0
    for number in range(kills):
        read_end, write_end = os.pipe()
        writer = os.fork()
        if not writer:
            with CacheTier.open(root, PARTS) as tier:
                for at in range(done, done + 100_000):
                    tier.store(texts(batch(at)), evidence(batch(at)))
                    os.write(write_end, b".")
            os._exit(1)
        os.close(write_end)
        acknowledged = len(os.read(read_end, 1))  # wait for the first, then for a moment that nobody chose
        time.sleep(chance.random() * 0.03)
        os.kill(writer, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(writer, 0)[1]), f"writer {number} ended before it was killed"
        while more := os.read(read_end, 65536):
            acknowledged += len(more)
        os.close(read_end)
        done += acknowledged
        checker = os.fork()
        if not checker:
            status = 1
            try:
                with CacheTier.open(root, PARTS) as tier:
                    assert right(tier, list(range(done * BATCH))) == done * BATCH, "an acknowledged batch is lost"
                    assert right(tier, batch(done)) in (0, BATCH), "half a commit is there"
                    assert tier.stats().corrupt == tier.stats().failed == 0
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(checker, 0)[1] == 0, f"after kill {number}"
        done += 1  # the batch that may or may not be there: written again as it is, it must be right
        filler = os.fork()
        if not filler:
            with CacheTier.open(root, PARTS) as tier:
                os._exit(tier.store(texts(batch(done - 1)), evidence(batch(done - 1))) != BATCH)
        assert os.waitpid(filler, 0)[1] == 0
    print(f"{kills} kills, {done} batches")


def hog(root: Path, _: int) -> None:
    """Take every reader slot and wait to be killed."""
    tier = CacheTier.open(root, PARTS)
    slots = [tier._environment._env.begin() for _ in range(510)]
    print(len(slots), flush=True)
    time.sleep(600)


def disk_full(root: Path, _: int) -> None:
    """A file that may not grow, as on a full disk: stores are skipped, reads go on."""
    with CacheTier.open(root, PARTS) as tier:
        tier.store(texts(batch(0)), evidence(batch(0)))
        length = tier.stats().bytes_on_disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (length, length))
        many = list(range(5000))
        assert tier.store(texts(many), evidence(many)) == 0
        assert right(tier, batch(0)) == BATCH
        stats = tier.stats()
        assert (stats.skipped, stats.failed > 0) == (5000, True), stats


def unwritable(root: Path, _: int) -> None:
    """A folder that this process may not write to is a CacheError, whoever runs the tests."""
    root.chmod(0o500)
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        CacheTier.open(root, PARTS)
        said = "opened"
    except CacheError as error:
        said = str(error)
    assert "Permission denied" in said, said


def cut_short(root: Path, pages: int) -> None:
    """A data file that lost its end gives CacheError, misses or right answers; never a crash."""
    (data,) = root.glob("*/data.mdb")
    os.truncate(data, pages * 4096)
    try:
        with CacheTier.open(root, PARTS) as tier:
            right(tier, list(range(2000)))
            tier.store(texts([7]), evidence([7]))
            right(tier, [7])
    except CacheError as error:
        print(error)


def headers(root: Path, rounds: int) -> None:
    """Whatever is changed of what LMDB's headers say, the store opens, and gives right answers or none.

    Left alone is what they say of the tree's own root: of that LMDB believes everything. A process a round.
    """
    chance = random.Random(11)
    fields = [*range(16, 44), *range(136, 152)]  # magic, version, address, sizes; last page and transaction
    for number in range(rounds):
        child = os.fork()
        if not child:
            status = 1
            try:
                with CacheTier.open(root, PARTS) as tier:
                    tier.store(texts(batch(0)), evidence(batch(0)))
                data = tier._environment.path / "data.mdb"
                whole = bytearray(data.read_bytes())
                for _ in range(chance.randint(1, 40) if number % 2 else 1):
                    at = chance.choice(fields)
                    for page in (0, 4096):
                        whole[page + at] ^= chance.randint(1, 255)
                data.write_bytes(whole)
                with CacheTier.open(root, PARTS) as tier:
                    right(tier, batch(0))
                    tier.store(texts([7]), evidence([7]))
                    right(tier, [7])
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        status = os.waitpid(child, 0)[1]
        assert status == 0, f"round {number} ended with {status}"
        chance.seed(number)
        shutil.rmtree(root / stores.fingerprint(PARTS))
    print(f"{rounds} opened")


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
