"""Two engines at once: one answers, the other is asked the same in a process of its own, and both answers are logged.

    with Shadow(old, new, log="shadow.jsonl", sample=0.1) as shadow:
        shadow.classify(rows)          # the old engine's answers, at once

Nothing of the shadow side reaches the caller: no exception, no waiting, no answer in the old side's cache. What it
cannot keep up with is dropped and counted. A script that makes one guards its own start with `if __name__ ==
"__main__"`, as everything does that starts a process afresh.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import multiprocessing
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import polars as pl

from tierbreak.decisions import Decision
from tierbreak.engine import Engine
from tierbreak.parts import Parts
from tierbreak.tables import GUARDED

log = logging.getLogger(__name__)

#: Rows sent over in one message, and seconds that fewer may wait for company.
TOGETHER, WAIT = 256, 0.05

#: What stands in the log of each side's answer, as `old.brand` and so on.
SAID = ("brand", "tier", "confidence", "rule", "reason")


class Side(Protocol):
    """What can be a shadow side: an Engine, or anything that adds the columns of SAID to rows."""

    def classify(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One decision a row, in the order the rows came."""


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
        self._draw = random.Random(seed)
        self._waiting: deque[tuple[dict[str, Any], dict[str, Any]]] = deque()
        self._most, self._lock, self._wake, self._ending = queue, threading.Lock(), threading.Event(), False
        make = _Again(new.parts.bundle, new.settings) if isinstance(new, Engine) else new
        # Spawned, not forked: the caller's threads and locks, and the pages of its cache, must not come along.
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, str(log)), daemon=True, name="shadow")
        self._process.start()
        theirs.close()
        self._sender = threading.Thread(target=self._send, daemon=True, name="shadow-sender")
        self._sender.start()

    def classify(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What `old.classify` returns."""
        out = self.old.classify(rows)
        try:
            chosen = [at for at in range(out.height) if self._draw.random() < self._sample]
            part = out[chosen]
            given = part.select("descriptor", *(name for name in GUARDED if name in part.columns)).to_dicts()
            self._offer(out.height, list(zip(given, part.select(SAID).to_dicts(), strict=True)))
        except Exception:
            log.exception("shadow: rows were not offered")
        return out

    def classify_one(self, descriptor: str, **columns: Any) -> Decision:
        """What `old.classify_one` returns."""
        decision = self.old.classify_one(descriptor, **columns)
        try:
            offered = []
            if self._draw.random() < self._sample:
                said = {name: getattr(decision, name) for name in SAID}
                offered.append(({"descriptor": descriptor, **columns}, said))
            self._offer(1, offered)
        except Exception:
            log.exception("shadow: a row was not offered")
        return decision

    def _offer(self, asked: int, rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        with self._lock:
            room = max(0, self._most - len(self._waiting)) if self._sender.is_alive() else 0
            self._waiting.extend(rows[:room])
            self.counts.asked += asked
            self.counts.sampled += len(rows)
            self.counts.dropped += max(0, len(rows) - room)
        if len(self._waiting) >= TOGETHER:
            self._wake.set()

    def _send(self) -> None:
        """The other side of the queue: batches go over until the process is gone or the end has come."""
        while True:
            self._wake.wait(WAIT)
            self._wake.clear()
            with self._lock:
                batch = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
                more = bool(self._waiting)
            if not batch:
                if self._ending:
                    return
                continue
            if more:
                self._wake.set()
            try:
                self._ours.send(batch)
                self._ours.recv()  # one batch is on its way at a time: what waits, waits here, where it is counted
            except (OSError, EOFError):
                with self._lock:
                    self.counts.dropped += len(batch) + len(self._waiting)
                    self._waiting.clear()
                log.error("shadow: the other process is gone; the old engine answers alone")
                return
            with self._lock:
                self.counts.sent += len(batch)

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
        self._ours.close()
        self._process.join(max(0.1, end - time.monotonic()))
        if self._process.is_alive():
            self._process.kill()
        with self._lock:
            self.counts.dropped += len(self._waiting)
            self._waiting.clear()

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
        return Engine(Parts.load(self.bundle, None, self.settings), self.settings)


def _serve(pipe: Connection, make: Callable[[], Side], path: str) -> None:
    """The other process: rows in, both answers into the log."""
    if hasattr(os, "nice"):
        os.nice(10)  # it must never take the time of those who wait for an answer
    side = make()
    with Path(path).open("a", encoding="utf-8") as file:
        while True:
            try:
                batch = pipe.recv()
            except (EOFError, OSError):
                return
            file.writelines(_lines(side, batch))
            file.flush()
            try:
                pipe.send(True)
            except OSError:
                return


def _lines(side: Side, batch: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[str]:
    """One line a row; where the side fails on a batch, its rows stand there with the error and no answer."""
    rows = [given for given, _ in batch]
    nothing: dict[str, Any] = dict.fromkeys(SAID)
    try:
        frame = pl.DataFrame(rows, schema_overrides={"descriptor": pl.String, **GUARDED}, infer_schema_length=None)
        answers, wrong = side.classify(frame).select(SAID).to_dicts(), None
    except Exception as error:
        answers, wrong = [nothing] * len(rows), f"{type(error).__name__}: {error}"
    at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    lines = []
    for (given, said), answer in zip(batch, answers, strict=True):
        row = {"at": at, **given}
        row |= {f"old.{name}": said[name] for name in SAID} | {f"new.{name}": answer[name] for name in SAID}
        if wrong is not None:
            row["error"] = wrong
        lines.append(json.dumps(row, ensure_ascii=False, default=str) + "\n")
    return lines
