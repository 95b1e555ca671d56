"""What an engine has done since it was loaded, counted as it goes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tierbreak.core.codes import REASONS, TIERS, Reason
from tierbreak.core.decisions import Decision, Record
from tierbreak.parts import Parts

ABSTAINED = "abstained"


class Stats:
    """Counters of one engine. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tiers: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._memo = self._reloads = 0
        self._seconds = 0.0

    def add(self, record: Record) -> None:
        """Count the rows of a batch."""
        of_row = record.cases.of_row
        tier = np.bincount(record.decided.tier[of_row] + 1, minlength=len(TIERS) + 1).tolist()
        reason = np.bincount(record.reason[of_row] + 1, minlength=len(Reason) + 1).tolist()
        with self._lock:
            self._tiers.update(dict(zip((ABSTAINED, *TIERS), tier, strict=True)))
            self._reasons.update(dict(zip(REASONS, reason[1:], strict=True)))

    def count(self, decision: Decision, *, memo: bool = False) -> None:
        """Count one row."""
        with self._lock:
            self._tiers[decision.tier or ABSTAINED] += 1
            if decision.reason is not None:
                self._reasons[decision.reason] += 1
            self._memo += memo

    @contextmanager
    def asking(self) -> Iterator[None]:
        """The time spent here is that of the later tiers."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._seconds += time.perf_counter() - start

    def reloaded(self) -> None:
        with self._lock:
            self._reloads += 1

    def as_dict(self, parts: Parts) -> dict[str, Any]:
        """All of it as JSON holds it."""
        cache = None if parts.cache is None else parts.cache.stats()
        with self._lock:
            tiers, reasons = dict(self._tiers), dict(self._reasons)
            memo, reloads, seconds = self._memo, self._reloads, self._seconds
        return {
            "rows": sum(tiers.values()),
            "tiers": {tier: tiers.get(tier, 0) for tier in (*TIERS, ABSTAINED)},
            "reasons": {reason: reasons.get(reason, 0) for reason in REASONS},
            "memo": memo,
            "hits": cache.hits if cache else 0,
            "misses": cache.misses if cache else 0,
            "later_tiers_seconds": seconds,
            "reloads": reloads,
            "lost": parts.rules.lost,
            "cache_failed": cache.failed if cache else 0,
        }
