"""Compiled databases on disk, each in a file of our own that says what it holds and what has been tried on it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tierbreak.rulebook.patterns import Expression
from tierbreak.tiers.rules import database

log = logging.getLogger(__name__)

MAGIC = b"tierbreak hyperscan database 2\n"
#: Databases kept in a folder; those used longest ago are removed beyond that. An edit adds a small one.
KEPT = 24
#: Bytes of a mark.
MARK = 16


def mark(*parts: bytes) -> bytes:
    """A hash of byte strings that tells where one ends."""
    whole = b"".join([b"%d %s" % (len(part), part) for part in parts])
    return hashlib.blake2b(whole, digest_size=MARK).digest()


def mark_of(expression: Expression) -> bytes:
    """What an expression is known by: all that it is compiled from."""
    whole = b"%d%d%d %b%b" % (
        expression.host_only, expression.one_line, len(expression.source), expression.source, expression.prefilter,
    )  # fmt: skip
    return hashlib.blake2b(whole, digest_size=MARK).digest()


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

    A file: a line that says what it is, a line of JSON, then the marks, what was tried, which expressions join, and
    the database. The checksum in the header is of all that follows it.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def listed(self) -> list[Shelved]:
        """What lies there for this engine, by name."""
        paths = sorted(self.folder.glob("*.hsdb")) if self.folder else []
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
            os.utime(shelved.path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("compiled database %s is set aside and made anew: %s", shelved.path.name, error)
            return None
        return layer

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
        name = mark(database.engine().encode(), *layer.marks).hex()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
                file.write(MAGIC + json.dumps(header).encode() + b"\n" + body)
            Path(file.name).replace(self.folder / f"{name}.hsdb")
            newest = sorted(self.folder.glob("*.hsdb"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in newest[KEPT:]:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("compiled database is not kept: %s", error)


def _cut(marks: bytes) -> tuple[bytes, ...]:
    return tuple(marks[at : at + MARK] for at in range(0, len(marks), MARK))
