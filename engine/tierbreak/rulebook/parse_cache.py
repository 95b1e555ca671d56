"""Small answers kept between runs, each under a hash of all that it was made from, so that none is ever stale.

What a check of 4,000 rule files finds out about one of them depends on that file and on the code that looked. Kept
file by file, an edit costs one file. All entries of one place lie in one file: 4,000 small ones would take longer to
open than to make anew. Entries are bytes, JSON as a rule and never pickle: what lies in a cache folder is data, and
must not be able to run.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from tierbreak.files import atomic

log = logging.getLogger(__name__)

MAGIC = b"tierbreak kept 1\n"
#: Bytes of a key, and of the hash over the whole.
KEY = 16
#: Files kept in a folder; the ones used longest ago are removed beyond that.
KEPT = 8


def key(*parts: bytes) -> bytes:
    """What an entry is kept under: a hash of all that it was made from.

    >>> key(b"a", b"bc") == key(b"ab", b"c")
    False
    """
    digest = hashlib.blake2b(digest_size=KEY)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()


def code(*modules: str) -> bytes:
    """A hash of source files and of Python: truer than a version number, which a checkout does not change.

    modules   names of modules that are loaded; of a package every file of its folder counts
    """
    paths: set[Path] = set()
    for name in modules:
        path = Path(sys.modules[name].__file__ or "")
        paths |= set(path.parent.glob("*.py")) if path.name == "__init__.py" else {path}
    return key(repr(sys.version_info[:3]).encode(), *(path.read_bytes() for path in sorted(paths)))


def read(folder: Path, name: str) -> dict[bytes, bytes]:
    """The entries kept in `folder` under `name`; none where there is no sound file of them."""
    path = folder / f"{name}.kept"
    entries = _entries(path)
    if entries:
        with suppress(OSError):  # a folder that may only be read serves as well
            path.touch()
    return entries


def read_all(folder: Path) -> dict[bytes, bytes]:
    """The entries of every file in `folder`, whatever its name, and nothing there is touched."""
    return {each: value for path in sorted(folder.glob("*.kept")) for each, value in _entries(path).items()}


def _entries(path: Path) -> dict[bytes, bytes]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        log.warning("%s cannot be read, its work is done anew: %s", path.name, error)
        return {}
    start = len(MAGIC) + KEY
    if data[:start] != MAGIC + _digest(data[start:]):
        log.warning("%s is set aside and made anew: its checksum does not fit", path.name)
        return {}
    entries, at = {}, start
    while at < len(data):
        size = int.from_bytes(data[at + KEY : at + KEY + 4], "little")
        entries[data[at : at + KEY]] = data[at + KEY + 4 : at + KEY + 4 + size]
        at += KEY + 4 + size
    return entries


def write(folder: Path, name: str, entries: Mapping[bytes, bytes]) -> None:
    """Keep these entries and no others, whole or not at all; a folder that cannot be written costs only time."""
    content = b"".join(_record(each, value) for each, value in entries.items())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write(folder / f"{name}.kept", MAGIC + _digest(content) + content)
        _trim(folder.glob("*.kept"))
    except OSError as error:
        log.warning("%s is not kept: %s", name, error)


def _record(each: bytes, value: bytes) -> bytes:
    return each + len(value).to_bytes(4, "little") + value


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=KEY).digest()


def _trim(paths: Iterable[Path]) -> None:
    newest = sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest[KEPT:]:
        path.unlink(missing_ok=True)
