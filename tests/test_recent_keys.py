"""What is counted of the keys that are asked, and how much of it is held."""

import threading
import time
from collections import Counter

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.recent_keys import LONGEST, RecentKeys


def add(asked, **times):
    asked.add(pl.Series([*times], dtype=pl.String), np.array([*times.values()], dtype=np.int64))


def test_the_most_asked_come_first():
    asked = RecentKeys(10)
    add(asked, lyft=1, uber=5)
    add(asked, hulu=2, lyft=3)
    assert asked.most(2) == ["uber", "lyft"]
    assert asked.most(9) == ["uber", "lyft", "hulu"]


def test_of_a_large_batch_the_heaviest_are_counted():
    asked = RecentKeys(2)
    add(asked, a=1, b=7, c=3, d=2)
    assert asked.most(9) == ["b", "c"]


def test_newcomers_take_the_place_of_keys_no_longer_asked():
    """Capacity 2, so 4 are held at most; the fifth key makes it prune to 2, each less the third's count."""
    asked = RecentKeys(2)
    add(asked, a=5, b=4)
    add(asked, c=3, d=1)
    assert len(asked) == 4
    add(asked, e=1)
    assert asked.most(9) == ["a", "b"]
    add(asked, f=3)
    assert asked.most(9) == ["f", "a", "b"], "a has 5 - 3 = 2 left, b 4 - 3 = 1"


def test_long_keys_and_a_capacity_of_none_are_not_counted():
    asked = RecentKeys(2)
    add(asked, **{"x" * (LONGEST + 1): 9, "y" * LONGEST: 1})
    assert asked.most(9) == ["y" * LONGEST]
    nothing = RecentKeys(0)
    add(nothing, a=1)
    assert nothing.most(9) == []


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abcdefghijkl"), st.integers(1, 9), min_size=1), max_size=30))
def test_heavy_keys_are_held_and_none_is_counted_too_high(batches):
    asked, truth = RecentKeys(4), Counter()
    for batch in batches:
        add(asked, **batch)
        truth.update(batch)
        assert len(asked) <= 8
    for key, count in truth.items():
        if count > 2 * truth.total() / 4:
            assert key in asked.most(9)
        assert asked._counts.get(key, 0) <= count


def test_threads_share_it(monkeypatch):
    """A thread is held up between reading a count and writing it: no other may count meanwhile."""

    class Slow(dict):
        def get(self, key, default=None):
            found = super().get(key, default)
            time.sleep(0.001)
            return found

    asked = RecentKeys(1000)
    monkeypatch.setattr(asked, "_counts", Slow())
    threads = [threading.Thread(target=lambda: [add(asked, a=1, b=1) for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked._counts == {"a": 20, "b": 20}
