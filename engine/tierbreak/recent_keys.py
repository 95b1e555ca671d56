"""Which keys are asked most, counted in memory: what a new model is shown before it serves. Nothing is written."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence

import numpy as np
import polars as pl

#: Longer keys are not counted: they are rare, and would make the bound on memory loose.
LONGEST = 256


class RecentKeys:
    """The most-asked keys of this process. Safe to share between threads.

    capacity   how many keys are kept for sure; 0 counts nothing

    At most twice as many are held at any time, each with its text of at most LONGEST characters and about 150 bytes
    around it: 10,000 keys of 25 characters are 4 MB. A key that makes up more than two in `capacity` of all that was
    asked is always held, counted too low by at most that share.

    Source: Misra and Gries 1982, "Finding repeated elements"; merged as in Agarwal et al. 2012, "Mergeable summaries".

    >>> asked = RecentKeys(2)
    >>> asked.add(pl.Series(["LYFT", "UBER", "HULU"]), np.array([3, 1, 2]))
    >>> asked.most(2)
    ['LYFT', 'HULU']
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, keys: pl.Series, times: np.ndarray) -> None:
        """Count the keys of one batch.

        keys    String [k], distinct
        times   int [k], how often each was asked; of a batch with more keys than `capacity` the rest goes uncounted
        """
        if not self.capacity or not len(keys):
            return
        if len(keys) > self.capacity:
            most = np.sort(np.argpartition(-times, self.capacity)[: self.capacity])
            keys, times = keys.gather(most), times[most]
        with self._lock:
            counts = self._counts
            for key, more in zip(keys.to_list(), times.tolist(), strict=True):
                if len(key) <= LONGEST:
                    counts[key] = counts.get(key, 0) + more
            if len(counts) > 2 * self.capacity:
                self._counts = self._fewer(counts)

    def most(self, count: int) -> list[str]:
        """The most-asked keys, the first the most; equal ones in the order they came."""
        with self._lock:
            held = list(self._counts.items())
        return [key for key, _ in heapq.nsmallest(count, held, key=lambda item: -item[1])]

    def _fewer(self, counts: dict[str, int]) -> dict[str, int]:
        """The `capacity` most-asked, less what the next one was asked: newcomers are not behind for ever."""
        ordered: Sequence[tuple[str, int]] = heapq.nlargest(self.capacity + 1, counts.items(), key=lambda item: item[1])
        least = ordered[-1][1]
        # One is left of each, so that keys that are all asked alike are not all forgotten.
        return {key: max(count - least, 1) for key, count in ordered[:-1]}
