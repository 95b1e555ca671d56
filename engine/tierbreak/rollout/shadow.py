"""Two engines at once: one answers, the other is asked the same in a process of its own, and both answers are logged.

    with Shadow(old, new, log="shadow.jsonl", sample=0.1) as shadow:
        shadow.classify(rows)          # the old engine's answers, at once

Nothing of the shadow side reaches the caller: no exception, no waiting, no answer in the old side's cache. It runs
where nothing else wants the processor; what it cannot keep up with is dropped and counted. A script that makes one
guards its own start with `if __name__ == "__main__"`, as everything does that starts a process afresh.
"""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl

from tierbreak.core.decisions import Decision
from tierbreak.core.tables import GUARDED
from tierbreak.engine import Engine
from tierbreak.parts import Parts
from tierbreak.rollout.shadowed import SAID, Asked, Side, serve

log = logging.getLogger(__name__)

#: Rows sent over in one message, and seconds that fewer may wait for company. Few messages: while one is pickled, the
#: caller's thread must wait for the interpreter.
TOGETHER, WAIT = 1_000, 0.5

#: Of SAID what is no text.
_NUMBERS = {"confidence": pl.Float64}


@dataclass
class Counts:
    """What became of the rows of a Shadow so far.

    asked      rows that the caller asked
    sampled    of these, rows that were to go to the shadow side
    sent       of these, rows that went over
    dropped    of these, rows that found the queue full, or no shadow side
    """

    asked: int = 0
    sampled: int = 0
    sent: int = 0
    dropped: int = 0


class Shadow:
    """Answers with `old`; shows a sample to `new`, beside it.

    old      the engine that answers
    new      an Engine, which is loaded anew from its bundle in the other process and without a cache; or a function
             without arguments that makes a side there, and that can be pickled
    log      file of JSON lines to which both sides' answers are added, one line a row
    sample   0..1, the share of rows that are shown to the new side, drawn at random
    queue    most rows that wait to be sent; beyond it they are dropped

    `classify` and `classify_one` return and raise what the old engine returns and raises, and nothing else.
    """

    def __init__(
        self,
        old: Engine,
        new: Engine | Callable[[], Side],
        *,
        log: Path | str,
        sample: float = 1.0,
        queue: int = 100_000,
        seed: int | None = None,
    ) -> None:
        if not 0 <= sample <= 1:
            raise ValueError(f"sample must lie in 0..1, got {sample}")
        self.old, self.counts, self._sample = old, Counts(), sample
        self._draw = np.random.default_rng(seed)
        self._waiting: deque[Asked] = deque()
        self._most, self._rows, self._ending = queue, 0, False
        self._lock, self._wake = threading.Lock(), threading.Event()
        make = _Again(new.parts.bundle, new.settings) if isinstance(new, Engine) else new
        # Spawned, not forked: the caller's threads and locks, and the pages of its cache, must not come along.
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, make, str(log)), daemon=True, name="shadow")
        self._process.start()
        theirs.close()
        self._sender = threading.Thread(target=self._send, daemon=True, name="shadow-sender")
        self._sender.start()

    def classify(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What `old.classify` returns."""
        out = self.old.classify(rows)
        try:
            part = out if self._sample == 1 else out.filter(self._draw.random(out.height) < self._sample)
            given = [name for name in ("descriptor", *GUARDED) if name in part.columns]
            old = (pl.col(name).cast(_NUMBERS.get(name, pl.String)).alias(f"old.{name}") for name in SAID)
            shown = part.head(self._most).select(*given, *old)  # more than that cannot wait
            parts = [shown[at : at + TOGETHER] for at in range(0, shown.height, TOGETHER)]
            self._offer(out.height, parts, part.height)
        except Exception:
            log.exception("shadow: rows were not offered")
        return out

    def classify_one(self, descriptor: str, **columns: Any) -> Decision:
        """What `old.classify_one` returns."""
        decision = self.old.classify_one(descriptor, **columns)
        try:
            offered: list[Asked] = []
            if self._sample == 1 or self._draw.random() < self._sample:
                said = tuple(getattr(decision, name) for name in SAID)
                offered.append(({"descriptor": descriptor, **columns}, said))
            self._offer(1, offered, len(offered))
        except Exception:
            log.exception("shadow: a row was not offered")
        return decision

    def _offer(self, asked: int, parts: Sequence[Asked], rows: int) -> None:
        with self._lock:
            room = max(0, self._most - self._rows) if self._sender.is_alive() else 0
            left = min(room, rows)
            self.counts.asked += asked
            self.counts.sampled += rows
            self.counts.dropped += rows - left
            self._rows += left
            for part in parts:
                if left <= 0:
                    break
                self._waiting.append(part[:left] if isinstance(part, pl.DataFrame) else part)
                left -= _height(part)
            full = self._rows >= TOGETHER
        if full and not self._wake.is_set():
            self._wake.set()

    def _send(self) -> None:
        """The other side of the queue: batches go over until the process is gone or the end has come."""
        while True:
            self._wake.wait(WAIT)
            self._wake.clear()
            batch, rows = self._batch()
            if not rows:
                if self._ending:
                    return
                continue
            try:
                self._ours.send(batch)
                self._ours.recv()  # one batch is on its way at a time: what waits, waits here, where it is counted
            except (OSError, EOFError):
                log.error("shadow: the other process is gone; the old engine answers alone")
                with self._lock:
                    self.counts.dropped += rows + self._rows
                    self._waiting.clear()
                    self._rows = 0
                return
            except Exception:  # a value of the caller's that cannot be pickled: nothing went over
                log.exception("shadow: rows were not sent")
                with self._lock:
                    self.counts.dropped += rows
                continue
            with self._lock:
                self.counts.sent += rows

    def _batch(self) -> tuple[list[Asked], int]:
        """What goes over next, and how many rows that are; where as much again waits, the next turn comes at once."""
        batch: list[Asked] = []
        rows = 0
        with self._lock:
            while self._waiting and (not batch or rows + _height(self._waiting[0]) <= TOGETHER):
                batch.append(self._waiting.popleft())
                rows += _height(batch[-1])
            self._rows -= rows
            if self._rows >= TOGETHER or (self._waiting and self._ending):
                self._wake.set()
        return batch, rows

    @property
    def alive(self) -> bool:
        """Whether the new side is still there to be asked."""
        return self._sender.is_alive() and self._process.is_alive()

    def close(self, timeout: float = 30.0) -> None:
        """Send what waits, up to `timeout` seconds, and end the other process. The old engine stays open."""
        self._ending = True
        self._wake.set()
        end = time.monotonic() + timeout
        self._sender.join(timeout)
        if self._sender.is_alive():  # it waits for a side that hangs: only the end of that process wakes it
            self._process.kill()
            self._sender.join()
        self._ours.close()
        self._process.join(max(0.1, end - time.monotonic()))
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        with self._lock:
            self.counts.dropped += self._rows
            self._waiting.clear()
            self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True)
class _Again:
    """Makes an engine again in the other process: what it decides with, and never its cache."""

    bundle: Any
    settings: Any

    def __call__(self) -> Engine:
        # One core: the others are the caller's, whose own answers must not wait for those of the model here.
        settings = self.settings.model_copy(update={"threads": 1})
        return Engine(Parts.load(self.bundle, None, settings), settings)


def _height(part: Asked) -> int:
    return part.height if isinstance(part, pl.DataFrame) else 1
