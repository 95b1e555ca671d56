"""A tier closed under use, or on the far side of a fork: no crash, nobody waits for ever, and who calls it is told."""

import gc
import threading

import pytest

from cache_starts import finish, start
from cache_worker import BATCH, PARTS, batch, evidence, right, texts
from tierbreak.errors import CacheError
from tierbreak.tiers.cache import CacheTier


@pytest.fixture
def tier(tmp_path):
    with CacheTier.open(tmp_path, PARTS) as tier:
        yield tier


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
