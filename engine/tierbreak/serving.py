"""What serves at this moment: parts, day and memo; swapped whole, and closed once nobody is inside."""

from __future__ import annotations

import ctypes
import datetime as dt
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from tierbreak.core.codes import Tier
from tierbreak.core.decisions import Decision
from tierbreak.core.normalise import normalise
from tierbreak.errors import EngineError
from tierbreak.parts import Parts
from tierbreak.pipeline import Run
from tierbreak.recent_keys import RecentKeys
from tierbreak.settings import Settings
from tierbreak.single import Memo, SingleRow

_SPAWN = (
    "start worker processes with spawn and load the engine in each of them: "
    'multiprocessing.set_start_method("spawn"), gunicorn without --preload, celery --pool solo or threads'
)
#: Seconds that polars has for a sum of a few numbers, before the process is taken for one that can never use it.
_PATIENCE = 20.0


def can_run() -> None:
    """Raise EngineError in a process that was forked after polars was used: there every call of it waits for ever.

    The threads of polars' pool are not in a forked child, and nothing says so; a small query in a thread of its own
    does. It is made once a process.
    """
    global _tried_in  # noqa: PLW0603
    if _tried_in == os.getpid():
        return
    probe = threading.Thread(target=_use_polars, name="tierbreak-probe", daemon=True)
    probe.start()
    probe.join(_PATIENCE)
    if probe.is_alive():
        raise EngineError(f"this process was forked from one that had used polars, and hangs in it; {_SPAWN}")
    _tried_in = os.getpid()


_tried_in = 0


def _use_polars() -> None:
    pl.DataFrame({"a": range(10), "b": range(10)}).lazy().select(pl.all().sum()).collect()


def give_back_memory() -> None:
    """Hand free memory back to the system, where the C library can.

    What an engine that is gone has left lies scattered between what lives: glibc keeps it, and a process that reloads
    often grows to three times what it needs.
    """
    with suppress(AttributeError, OSError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


@dataclass(frozen=True)
class Serving:
    """Parts on one day.

    memo     decisions of single rows that arbitration had to make, by what they were asked with
    """

    parts: Parts
    run: Run
    fingerprint: str
    single: SingleRow
    memo: Memo[Decision]
    _again: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, parts: Parts, settings: Settings, as_of: dt.date) -> Serving:
        run = Run(settings.off, settings.debits, as_of)
        fingerprint = parts.fingerprint(as_of)
        return cls(parts, run, fingerprint, SingleRow(parts, run, fingerprint), Memo(settings.memo_rows))

    def remembered(self, descriptor: str, decision: Decision) -> None:
        """Note that a row was answered from the memo, so that its key still counts among those asked most."""
        if decision.tier in (Tier.CACHE.text, Tier.MODEL.text) and len(self._again) < self.memo.size:
            self._again[descriptor] += 1

    def asked_again(self) -> tuple[pl.Series, np.ndarray]:
        """The keys of rows answered from the memo, and how often each was."""
        again = self._again.copy()
        if not again:
            return pl.Series([], dtype=pl.String), np.empty(0, dtype=np.int64)
        keys = normalise(pl.Series(list(again)), off=self.run.off)["key"]
        counted = pl.DataFrame({"key": keys, "n": list(again.values())}).group_by("key").agg(pl.sum("n"))
        return counted["key"], counted["n"].to_numpy()


class Servings:
    """The parts that serve, those that served before, and who is inside. Safe to share between threads."""

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self._settings, self._process = settings, os.getpid()
        self._current = Serving.of(parts, settings, self._today())
        self._previous: Parts | None = None
        self._inside, self._closed = 0, False
        self._gate = threading.Condition()
        self.recent_keys = RecentKeys(settings.warm_keys)

    @property
    def parts(self) -> Parts:
        return self._current.parts

    @contextmanager
    def serving(self, as_of: dt.date | None = None) -> Iterator[Serving]:
        """What serves now; `close` waits until it is left. Raises EngineError where it may not be used."""
        self._enter()
        try:
            yield self.now() if as_of is None else Serving.of(self.parts, self._settings, as_of)
        finally:
            self._leave()

    def now(self) -> Serving:
        """What serves today. A new day is a new serving: it may decide otherwise."""
        current, today = self._current, self._today()
        if current.run.as_of != today:
            with self._gate:
                current = self._current
                if current.run.as_of != today:
                    current = self._current = Serving.of(current.parts, self._settings, today)
        return current

    def _today(self) -> dt.date:
        return self._settings.as_of or dt.date.today()

    def _enter(self) -> None:
        if os.getpid() != self._process:
            raise EngineError(f"this engine was loaded in process {self._process}, and this is a fork of it; {_SPAWN}")
        with self._gate:
            if self._closed:
                raise EngineError("this engine is closed; load another one")
            self._inside += 1

    def _leave(self) -> None:
        with self._gate:
            self._inside -= 1
            if self._closed and not self._inside:
                self._gate.notify_all()

    def most_asked(self, count: int) -> list[str]:
        """The keys asked most, those answered from the memo included."""
        self.recent_keys.add(*self._current.asked_again())
        return self.recent_keys.most(count)

    def swap(self, parts: Parts) -> None:
        """Let other parts serve; what served can be gone back to."""
        with self._gate:
            self._previous, self._current = self._current.parts, Serving.of(parts, self._settings, self._today())
        give_back_memory()

    def rollback(self) -> None:
        with self._gate:
            if self._previous is not None:
                before, self._previous = self._previous, self._current.parts
                self._current = Serving.of(before, self._settings, self._today())

    def replace(self, old: Parts, new: Parts) -> bool:
        """Let `new` serve where `old` still does. What only says the same otherwise is nothing to go back to."""
        with self._gate:
            if self._current.parts is not old or self._closed:
                return False
            if new.fingerprints != old.fingerprints:
                self._previous = old
            self._current = Serving.of(new, self._settings, self._today())
        give_back_memory()
        return True

    def close(self) -> None:
        """Let nobody in, wait for those inside, give the caches back; a forked child has none."""
        if os.getpid() != self._process:
            return
        with self._gate:
            self._closed = True
            self._gate.wait_for(lambda: not self._inside)
        for parts in (self._current.parts, self._previous):
            if parts is not None and parts.cache is not None:
                parts.cache.close()
        give_back_memory()
