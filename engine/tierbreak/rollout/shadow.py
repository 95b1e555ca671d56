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
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl

from tierbreak.core.tables import GUARDED
from tierbreak.engine import Engine
from tierbreak.errors import SettingsError
from tierbreak.parts import Parts
from tierbreak.rollout.shadowed import SAID, Asked, Side, as_text, classifier, said, serve, text

log = logging.getLogger(__name__)

#: Rows sent over in one message, and seconds that fewer may wait for company. Few messages: while one is pickled, the
#: caller's thread must wait for the interpreter.
TOGETHER, WAIT = 1_000, 0.5


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

    old      what answers: an Engine; or any object with `classify`, or a function, that takes rows and gives them back
             with a column `brand`, or gives the brands alone, one a row. What such a side says is logged as far as it
             goes: `brand`, and of `tier`, `confidence`, `rule` and `reason` what is there, null the rest
    new      an Engine, which is loaded anew from its bundle in the other process and without a cache; or a function
             without arguments that makes a side there, and that can be pickled
    log      file of JSON lines to which both sides' answers are added, one line a row
    sample   0..1, the share of rows that are shown to the new side, drawn at random
    queue    most rows that wait to be sent; beyond it they are dropped
    keep     columns of the caller's own that go into the log beside the descriptor and the columns that conditions
             read, as text: what one joins by, such as `user` or `id`

    `classify` and `classify_one` return and raise what the old engine returns and raises, and nothing else. The log is
    its owner's alone to read; it may be renamed while it is written, then another is begun.

    Raises SettingsError where a side, `sample`, `queue` or `keep` cannot be used.
    """

    def __init__(
        self,
        old: Engine | Side | Callable[[Any], Any],
        new: Engine | Callable[[], Any],
        *,
        log: Path | str,
        sample: float = 1.0,
        queue: int = 100_000,
        seed: int | None = None,
        keep: Sequence[str] = (),
    ) -> None:
        make = _Again(new.parts.bundle, new.settings) if isinstance(new, Engine) else new
        _check(old, make, sample, queue, keep)
        self.old, self.counts, self._sample, self._keep = old, Counts(), sample, tuple(keep)
        self._draw = np.random.default_rng(seed)
        self._waiting: deque[Asked] = deque()
        self._most, self._rows, self._ending = queue, 0, False
        self._lock, self._wake = threading.Lock(), threading.Event()
        # Spawned, not forked: the caller's threads and locks, and the pages of its cache, must not come along.
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        given = theirs, make, str(log), self._keep
        self._process = context.Process(target=serve, args=given, daemon=True, name="shadow")
        self._process.start()
        theirs.close()
        self._sender = threading.Thread(target=self._send, daemon=True, name="shadow-sender")
        self._sender.start()

    def classify(self, rows: Any) -> Any:
        """What the old side returns."""
        classify = classifier(self.old)
        assert classify is not None
        out = classify(rows)
        try:
            # Where the old side takes more than tables, what it gives back is one.
            shown = self._shown(rows if isinstance(rows, pl.DataFrame) else out, out)
            part = shown if self._sample == 1 else shown.filter(self._draw.random(shown.height) < self._sample)
            most = part.head(self._most)  # more than that cannot wait
            self._offer(shown.height, [most[at : at + TOGETHER] for at in range(0, most.height, TOGETHER)], part.height)
        except Exception:
            log.exception("shadow: rows were not offered")
            self._lost(len(rows) if isinstance(rows, Sized) else 0)
        return out

    def _shown(self, rows: pl.DataFrame, out: Any) -> pl.DataFrame:
        """What goes over of rows that the old side answered with `out`: what is logged, and nothing else of them."""
        given = [rows[name] for name in GUARDED if name in rows.columns]
        read = [as_text(column) if column.dtype == pl.Object else column for column in given]
        read.insert(0, as_text(rows["descriptor"]))
        kept = [as_text(rows[name]) for name in self._keep if name in rows.columns]
        old = said(out, rows.height)
        return pl.DataFrame([*read, *kept, *(old[name].alias(f"old.{name}") for name in SAID)])

    def classify_one(self, descriptor: str, **columns: Any) -> Any:
        """What the old side's `classify_one` returns. An Engine is not shown the columns of `keep`.

        Raises SettingsError where the old side has none.
        """
        if not hasattr(self.old, "classify_one"):
            raise SettingsError(f"the old side, {self.old!r}, has no `classify_one`; give `classify` one row")
        hidden = self._keep if isinstance(self.old, Engine) else ()
        decision = self.old.classify_one(descriptor, **{name: columns[name] for name in columns if name not in hidden})
        try:
            offered: list[Asked] = []
            if self._sample == 1 or self._draw.random() < self._sample:
                row = {name: columns[name] for name in GUARDED if name in columns}
                row |= {name: text(columns.get(name)) for name in self._keep}
                offered.append(({"descriptor": text(descriptor), **row}, _said_of(decision)))
            self._offer(1, offered, len(offered))
        except Exception:
            log.exception("shadow: a row was not offered")
            self._lost(1)
        return decision

    def _lost(self, rows: int) -> None:
        with self._lock:
            self.counts.asked += rows
            self.counts.sampled += rows
            self.counts.dropped += rows

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
            if not self._ending:
                self._wake.wait(WAIT)
            self._wake.clear()
            batch, rows = self._batch()
            if not rows:
                if self._ending:
                    return
                continue
            try:
                went = self._over(batch)
            except (OSError, EOFError):
                log.error("shadow: the other process is gone; the old engine answers alone")
                with self._lock:
                    self.counts.dropped += rows + self._rows
                    self._waiting.clear()
                    self._rows = 0
                return
            with self._lock:
                self.counts.sent += went
                self.counts.dropped += rows - went

    def _over(self, batch: Sequence[Asked]) -> int:
        """Send a batch, and say how many of its rows went over: all but those that cannot be pickled."""
        try:
            message = ForkingPickler.dumps(batch)
        except Exception:
            batch = [one for one in batch if _can_be_sent(one)]
            message = ForkingPickler.dumps(batch)
        if batch:
            self._ours.send_bytes(message)
            self._ours.recv()  # one batch is on its way at a time: what waits, waits here, where it is counted
        return sum(map(_height, batch))

    def _batch(self) -> tuple[list[Asked], int]:
        """What goes over next, and how many rows that are; where as much again waits, the next turn comes at once."""
        batch: list[Asked] = []
        rows = 0
        with self._lock:
            while self._waiting and (not batch or rows + _height(self._waiting[0]) <= TOGETHER):
                batch.append(self._waiting.popleft())
                rows += _height(batch[-1])
            self._rows -= rows
            if self._rows >= TOGETHER:
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


def _check(old: Any, make: Any, sample: float, queue: int, keep: Sequence[str]) -> None:
    """Raise SettingsError that names all that cannot be used."""
    wrong = []
    if classifier(old) is None:
        wrong.append(
            f"old: {old!r} does not classify; give an Engine, an object with `classify`, or a function of rows"
        )
    if not callable(make):
        wrong.append(f"new: {make!r} is no side; give an Engine, or a function without arguments that makes a side")
    elif (why := _cannot_be_sent(make)) is not None:
        wrong.append(f"new: cannot be sent to another process: {why}; give a function that stands in a module")
    if not 0 <= sample <= 1:
        wrong.append(f"sample: must lie in 0..1, got {sample}")
    if queue < 0:
        wrong.append(f"queue: must be 0 or more, got {queue}")
    there = {"at", "descriptor", *GUARDED, "error"}
    if isinstance(keep, str):
        wrong.append(f"keep: must be a list of names, got the text {keep!r}")
    else:
        for name in keep:
            if name in there or name.startswith(("old.", "new.")) or list(keep).count(name) > 1:
                wrong.append(f"keep: {name!r} stands in the log already; leave it out, or rename yours")
    if wrong:
        raise SettingsError("the shadow cannot be set up:\n" + "\n".join(f"  {line}" for line in wrong))


def _cannot_be_sent(value: object) -> Exception | None:
    """Why a value cannot be pickled."""
    try:
        ForkingPickler.dumps(value)
    except Exception as error:
        return error
    return None


def _can_be_sent(one: Asked) -> bool:
    if (why := _cannot_be_sent(one)) is not None:
        log.error("shadow: a row was not sent: %s", why)
    return why is None


def _said_of(decision: Any) -> tuple[Any, ...]:
    """A single decision in the order of SAID: of any object or mapping what is there of these, or a brand alone."""
    if decision is None or isinstance(decision, str):
        decision = {"brand": decision}
    found = decision if isinstance(decision, Mapping) else {name: getattr(decision, name, None) for name in SAID}
    texts = {name: text(found.get(name)) for name in SAID}
    sure = found.get("confidence")
    return tuple({**texts, "confidence": float(sure) if isinstance(sure, Real) else None}.values())


def _height(part: Asked) -> int:
    return part.height if isinstance(part, pl.DataFrame) else 1
