"""The other process of a Shadow: rows in, both sides' answers into the log."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import parent_process
from pathlib import Path
from typing import IO, Any, Protocol

import polars as pl

from tierbreak.core.cells import read
from tierbreak.core.tables import GUARDED, schema

#: What stands in the log of each side's answer, as `old.brand` and so on.
SAID = ("brand", "tier", "confidence", "rule", "reason")

#: How far the process stands back while it comes up, 0..19.
NICE = 10

#: One row of the caller's with the old side's answer, in the order of SAID; or many, as a table that has both.
Asked = tuple[dict[str, Any], tuple[Any, ...]] | pl.DataFrame

#: Types of SAID.
_SAID = {name: pl.Float64 if name == "confidence" else pl.String for name in SAID}


class Side(Protocol):
    """What can be a side: an Engine, or anything else that classifies rows. A function of the rows will do as well."""

    def classify(self, rows: Any) -> Any:
        """The rows with `brand` and whatever else of SAID there is; or brands alone, as a list or a Series.

        One answer a row, in the order the rows came; null, or None, where there is no brand.
        """


def classifier(side: Any) -> Callable[[Any], Any] | None:
    """How a side is asked; None where it is none."""
    asked = None if isinstance(side, type) else getattr(side, "classify", side)
    return asked if callable(asked) else None


def said(answers: Any, height: int) -> pl.DataFrame:
    """What a side answered to `height` rows: the columns of SAID, null where it says nothing of the kind.

    >>> said(["lyft", None], 2).select("brand", "tier").rows()
    [('lyft', None), (None, None)]
    """
    if not isinstance(answers, pl.DataFrame):
        answers = pl.DataFrame({"brand": pl.Series(answers, dtype=pl.String, strict=False)})
    if "brand" not in answers.columns:
        raise ValueError(f"no column `brand` in the answer; there are: {', '.join(answers.columns)}")
    if answers.height != height:
        raise ValueError(f"{answers.height} decisions for {height} rows")
    return answers.select(
        (pl.col(name) if name in answers.columns else pl.lit(None)).cast(dtype, strict=False).alias(name)
        for name, dtype in _SAID.items()
    )


def text(value: object) -> str | None:
    """Any value as text that can be written."""
    return None if value is None else str(value).encode(errors="replace").decode()


def as_text(column: pl.Series) -> pl.Series:
    """Any column as text."""
    try:
        return column.cast(pl.String)
    except pl.exceptions.PolarsError:
        return pl.Series(column.name, [text(value) for value in column], dtype=pl.String)


def serve(pipe: Connection, make: Callable[[], Any], path: str, keep: Sequence[str]) -> None:
    """Answer until the other end of the pipe is closed, or the process that holds it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # pressed for the caller, who ends this process in good order
    threading.Thread(target=_leave_with_the_caller, daemon=True).start()
    _stand_back(idle=False)
    side = make()
    _stand_back(idle=True)
    with contextlib.closing(Log(Path(path))) as log:
        while True:
            try:
                batch = pipe.recv()
            except (EOFError, OSError):
                return
            log.write(lines(side, batch, keep))
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


class Log:
    """A file to be added to, which its owner alone may read; where it was renamed or removed, another is begun."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, _opened(path)

    def write(self, lines: Sequence[str]) -> None:
        """Add lines, all to one file."""
        try:
            moved = not os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            moved = True
        if moved:
            self._file.close()
            self._file = _opened(self._path)
        self._file.writelines(lines)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _opened(path: Path) -> IO[str]:
    """The log at its end; a line that was cut off, by a disk that was full, is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "ab+") as file:  # noqa: PTH123
        if file.seekable() and file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
    return path.open("a", encoding="utf-8")


def lines(side: Any, batch: Sequence[Asked], keep: Sequence[str] = ()) -> list[str]:
    """One line a row, all with the same names; where the side fails on a batch, its rows have the error, no answer.

    keep   further columns of the rows that go into the log

    Rows that cannot be read, which a side that is no Engine may well answer, have the error likewise.
    """
    wrong, classify = None, classifier(side)
    try:
        rows = _rows(batch, keep)
    except Exception as error:
        if len(batch) > 1:
            return [line for one in batch for line in lines(side, [one], keep)]
        wrong, rows = _told(error), _rows([_unread(batch[0])], keep)
    answers: list[dict[str, Any]] = [dict.fromkeys(SAID)] * rows.height
    if wrong is None:
        known = [name for name in ("descriptor", *GUARDED) if rows[name].null_count() < rows.height]
        try:
            if classify is None:
                raise TypeError(f"{side!r} does not classify")
            answers = said(classify(rows.select(known)), rows.height).to_dicts()
        except Exception as error:
            wrong = _told(error)
    at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    out = []
    for row, answer in zip(rows.to_dicts(), answers, strict=True):
        line = {"at": at, **row, **{f"new.{name}": answer[name] for name in SAID}, "error": wrong}
        out.append(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    return out


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _unread(one: Asked) -> Asked:
    """The same without the columns that are read."""
    if isinstance(one, pl.DataFrame):
        return one.drop(GUARDED, strict=False)
    return {name: value for name, value in one[0].items() if name not in GUARDED}, one[1]


def _rows(batch: Sequence[Asked], keep: Sequence[str]) -> pl.DataFrame:
    """The rows of a batch, their values read as the old engine has read them, and `old.brand` and so on."""
    single: dict[tuple[tuple[str, type], ...], list[int]] = {}
    tables = []
    for at, one in enumerate(batch):
        if isinstance(one, pl.DataFrame):
            tables.append(_read(one, one, keep).with_columns(_at=pl.lit(at)))
        else:
            # What is a number in one call may be text in the next: only rows of the same types make a table.
            single.setdefault(tuple((name, type(value)) for name, value in one[0].items()), []).append(at)
    for places in single.values():
        given, answers = zip(*(batch[at] for at in places), strict=True)
        old = pl.DataFrame(list(answers), schema=_names("old", _SAID), orient="row")
        tables.append(
            _read(pl.DataFrame(list(given), infer_schema_length=None), old, keep).with_columns(_at=pl.Series(places))
        )
    of = schema(descriptor=pl.String, **GUARDED, **dict.fromkeys(keep, pl.String), **_names("old", _SAID), _at=pl.Int64)
    whole = [table.with_columns(pl.col("_at").cast(pl.Int64)) for table in tables]
    return pl.concat([pl.DataFrame(schema=of), *whole], how="diagonal").sort("_at", maintain_order=True).drop("_at")


def _names(side: str, of: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{side}.{name}": dtype for name, dtype in of.items()}


def _read(given: pl.DataFrame, old: pl.DataFrame, keep: Sequence[str]) -> pl.DataFrame:
    known = [name for name in ("descriptor", *GUARDED) if name in given.columns and given[name].dtype != pl.Null]
    kept = given.select(pl.col(name).cast(pl.String) for name in keep if name in given.columns)
    answers = old.select(pl.col(name).cast(dtype) for name, dtype in _names("old", _SAID).items())
    return pl.concat([read(given.select(known)).rows, kept, answers], how="horizontal")
