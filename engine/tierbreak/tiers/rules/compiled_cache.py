"""Compiled databases on disk, each in a file of our own that says what it holds and what has been tried on it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tierbreak.files import atomic
from tierbreak.rulebook.patterns import Expression
from tierbreak.tiers.rules import database

log = logging.getLogger(__name__)

MAGIC = b"tierbreak hyperscan database 2\n"
#: Databases kept in a folder; those used longest ago are removed beyond that. An edit adds a small one.
KEPT = 24
#: Bytes of a mark.
MARK = 16
#: How long to wait for another process that compiles. A rulebook of 100,000 rules takes about a minute.
LOCK_SECONDS = 300.0


def mark(*parts: bytes) -> bytes:
    """A hash of byte strings that tells where one ends."""
    whole = b"".join([b"%d %s" % (len(part), part) for part in parts])
    return hashlib.blake2b(whole, digest_size=MARK).digest()


def mark_of(expression: Expression) -> bytes:
    """What an expression is known by: all that it is."""
    told = b"%d%d%d%d %b%b" % (
        expression.host_only, expression.one_line, expression.whole, len(expression.source), expression.source,
        expression.prefilter,
    )  # fmt: skip
    return hashlib.blake2b(told, digest_size=MARK).digest()


@dataclass
class Layer:
    """A compiled database, and what is known of each of its n expressions.

    marks   what each is known by
    tried   for each a mark of the texts it was tried on, b"" where it was not
    wrong   numbers of those that the exact engine answers otherwise
    """

    database: database.Database
    marks: tuple[bytes, ...]
    tried: list[bytes]
    wrong: set[int]


@dataclass(frozen=True)
class Shelved:
    """A layer that lies on the shelf, not opened yet."""

    path: Path
    marks: tuple[bytes, ...]

    @cached_property
    def holds(self) -> frozenset[bytes]:
        return frozenset(self.marks)


class Shelf:
    """A folder of layers; `folder` None keeps none. A folder that cannot be used costs start-up time and nothing else.

    `shipped` is another one that is only ever read: what a bundle brings with it.

    A file: a line that says what it is, a line of JSON, then the marks, what was tried, which expressions join, and
    the database. The checksum in the header is of all that follows it.
    """

    def __init__(self, folder: Path | None, shipped: Path | None = None) -> None:
        self.folder, self.shipped = folder, shipped

    def listed(self) -> list[Shelved]:
        """What lies there for this engine, by name; what is shipped comes last."""
        paths = [path for folder in (self.folder, self.shipped) if folder for path in sorted(folder.glob("*.hsdb"))]
        return [found for path in paths if (found := self._listed(path)) is not None]

    def _listed(self, path: Path) -> Shelved | None:
        try:
            with path.open("rb") as file:
                if file.readline() != MAGIC:
                    return None
                header = json.loads(file.readline())
                if header["engine"] != database.engine():
                    return None
                return Shelved(path, _cut(file.read(MARK * header["expressions"])))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("compiled database %s is set aside and made anew: %s", path.name, error)
            return None

    def load(self, shelved: Shelved) -> Layer | None:
        """The layer, or None where it is not sound."""
        try:
            with shelved.path.open("rb") as file:
                file.readline()
                header = json.loads(file.readline())
                body = file.read()
            if hashlib.sha256(body).hexdigest() != header["sha256"]:
                raise ValueError("checksum does not fit")
            size = header["expressions"]
            tried, joins, compiled = MARK * size, 2 * MARK * size, (2 * MARK + 1) * size
            layer = Layer(
                database.Database.undump(body[compiled:], np.frombuffer(body[joins:compiled], dtype=bool)),
                _cut(body[:tried]), list(_cut(body[tried:joins])), set(header["wrong"]),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("compiled database %s is set aside and made anew: %s", shelved.path.name, error)
            return None
        if shelved.path.parent == self.folder:
            with suppress(OSError):  # a folder that may only be read serves as well
                os.utime(shelved.path)
        return layer

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Of the processes that share the folder one at a time is in this block; the others wait for it.

        Nobody waits where the folder cannot hold a lock, nor for longer than LOCK_SECONDS: work is done twice then.
        """
        handle = None
        try:
            if self.folder is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
                handle = os.open(self.folder / ".lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
                _lock(handle)
        except OSError as error:
            log.info("databases are compiled without a lock: %s", error)
        try:
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def holds(self, layer: Layer) -> bool:
        return any((folder / _name(layer)).is_file() for folder in (self.folder, self.shipped) if folder)

    def store(self, layer: Layer) -> None:
        """Written whole or not at all."""
        if self.folder is None:
            return
        tried = b"".join(each.ljust(MARK, b"\0") for each in layer.tried)
        body = b"".join(layer.marks) + tried + layer.database.joins.tobytes() + layer.database.dump()
        header = {
            "engine": database.engine(), "expressions": len(layer.marks), "wrong": sorted(layer.wrong),
            "sha256": hashlib.sha256(body).hexdigest(),
        }  # fmt: skip
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic.write(self.folder / _name(layer), MAGIC + json.dumps(header).encode() + b"\n" + body)
            newest = sorted(self.folder.glob("*.hsdb"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in newest[KEPT:]:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("compiled database is not kept: %s", error)


def _name(layer: Layer) -> str:
    return f"{mark(database.engine().encode(), *layer.marks).hex()}.hsdb"


def _lock(handle: int) -> None:
    """Raises OSError where there are no locks, and TimeoutError where another process keeps it too long."""
    last = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > last:
                raise TimeoutError(f"another process has compiled for more than {LOCK_SECONDS:.0f} s") from None
            time.sleep(0.02)


def _cut(marks: bytes) -> tuple[bytes, ...]:
    return tuple(marks[at : at + MARK] for at in range(0, len(marks), MARK))
