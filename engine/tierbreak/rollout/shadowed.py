"""The other process of a Shadow: rows in, both sides' answers into the log."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import threading
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from multiprocessing.connection import Connection, wait
from multiprocessing.process import parent_process
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from tierbreak.core.cells import read
from tierbreak.core.tables import GUARDED, schema

#: What stands in the log of each side's answer, as `old.brand` and so on.
SAID = ("brand", "tier", "confidence", "rule", "reason")

#: How far the process stands back while it comes up, 0..19.
NICE = 10

#: One row of the caller's with the old side's answer, in the order of SAID; or many, as a table that has both.
Asked = tuple[dict[str, Any], tuple[Any, ...]] | pl.DataFrame


#: What a batch is read into.
_SCHEMA = schema(
    descriptor=pl.String,
    **GUARDED,
    **{f"old.{name}": pl.Float64 if name == "confidence" else pl.String for name in SAID},
    _at=pl.Int64,
)


class Side(Protocol):
    """What can be a shadow side: an Engine, or anything that adds the columns of SAID to rows."""

    def classify(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One decision a row, in the order the rows came."""


def serve(pipe: Connection, make: Callable[[], Side], path: str) -> None:
    """Answer until the other end of the pipe is closed, or the process that holds it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed for the caller, who ends this process in good order
    threading.Thread(target=_leave_with_the_caller, daemon=True).start()
    _stand_back(idle=False)
    side = make()
    _stand_back(idle=True)
    with _opened(Path(path)) as file:
        while True:
            try:
                batch = pipe.recv()
            except (EOFError, OSError):
                return
            file.writelines(lines(side, batch))
            file.flush()
            try:
                pipe.send(True)
            except OSError:
                return


def _leave_with_the_caller() -> None:
    """A side that hangs does not see the pipe close: no process is left behind where the caller's was killed."""
    caller = parent_process()
    assert caller is not None
    wait([caller.sentinel])
    os._exit(1)


def _stand_back(*, idle: bool) -> None:
    """Take no time from those who wait for an answer, with any thread that is there; later ones do as these do.

    idle   run where nothing else wants the core, and make way at once: a process that is merely nice may finish its
           slice first, which is milliseconds. While it comes up it is nice: so late it would be on a busy machine
    """
    threads = Path("/proc/self/task")
    if not threads.is_dir():
        if hasattr(os, "nice") and not idle:
            os.nice(NICE)
        return
    for thread in (int(path.name) for path in threads.iterdir()):  # on Linux a thread has a priority of its own
        with contextlib.suppress(OSError):  # it has ended meanwhile, or that is not for us to say here
            if idle:
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
            else:
                os.setpriority(os.PRIO_PROCESS, thread, NICE)


def _opened(path: Path) -> TextIOWrapper:
    """The log, to be added to; a line that was cut off, by a disk that was full, is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
    return path.open("a", encoding="utf-8")


def lines(side: Side, batch: Sequence[Asked]) -> list[str]:
    """One line a row, all with the same names; where the side fails on a batch, its rows have the error, no answer."""
    rows = _rows(batch)
    nothing: dict[str, Any] = dict.fromkeys(SAID)
    known = [name for name in ("descriptor", *GUARDED) if rows[name].null_count() < rows.height]
    try:
        answers, wrong = side.classify(rows.select(known)).select(SAID).to_dicts(), None
        if len(answers) != rows.height:
            raise ValueError(f"{len(answers)} decisions for {rows.height} rows")
    except Exception as error:
        answers, wrong = [nothing] * rows.height, f"{type(error).__name__}: {error}"
    at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    out = []
    for row, answer in zip(rows.to_dicts(), answers, strict=True):
        line = {"at": at, **row, **{f"new.{name}": answer[name] for name in SAID}, "error": wrong}
        out.append(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    return out


def _rows(batch: Sequence[Asked]) -> pl.DataFrame:
    """The rows of a batch, their values read as the old engine has read them, and `old.brand` and so on."""
    single: dict[tuple[tuple[str, type], ...], list[int]] = {}
    tables = []
    for at, one in enumerate(batch):
        if isinstance(one, pl.DataFrame):
            tables.append(_read(one, one.select(f"old.{name}" for name in SAID)).with_columns(_at=pl.lit(at)))
        else:
            # What is a number in one call may be text in the next: only rows of the same types make a table.
            single.setdefault(tuple((name, type(value)) for name, value in one[0].items()), []).append(at)
    for places in single.values():
        given, said = zip(*(batch[at] for at in places), strict=True)
        old = pl.DataFrame(list(said), schema=[f"old.{name}" for name in SAID], orient="row", infer_schema_length=None)
        tables.append(
            _read(pl.DataFrame(list(given), infer_schema_length=None), old).with_columns(_at=pl.Series(places))
        )
    whole = [table.with_columns(pl.col("_at").cast(pl.Int64)) for table in tables]
    rows = pl.concat([pl.DataFrame(schema=_SCHEMA), *whole], how="diagonal").sort("_at", maintain_order=True)
    return rows.drop("_at")


def _read(given: pl.DataFrame, old: pl.DataFrame) -> pl.DataFrame:
    known = [name for name in ("descriptor", *GUARDED) if name in given.columns and given[name].dtype != pl.Null]
    return read(given.select(known)).rows.hstack(old.cast({name: _SCHEMA[name] for name in old.columns}))
