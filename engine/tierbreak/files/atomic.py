"""The one way to write a file or a folder: whole or not at all. It is made beside its place and moved there at once.

What is being made lies under a passing name. That is gone when its block is left, whatever happened there, and at the
latest when the process ends. A killed process may leave one: the next process that writes into the same folder
removes it. Whoever writes holds a lock, and a lock ends with its process, so nothing in use is ever taken for a
left-over.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

#: Bytes of the target's name that its passing name repeats. File systems allow 255 bytes in all, some only 143.
STEM = 100

_PASSING = re.compile(r"\..*\.[0-9a-f]{16}\.tierbreak-tmp", re.DOTALL)
_BUFFER = 1024 * 1024

#: The passing names of this process.
_own: set[Path] = set()
os.register_at_fork(after_in_child=_own.clear)


@contextmanager
def writing(path: Path, mode: int = 0o666, *, sync: bool = False) -> Iterator[BinaryIO]:
    """Give a file to write to, which stands at `path` once the block is left without an error.

    path   a link stays a link to what is written; a device or a named pipe is written to as it stands
    mode   permissions of a new file, of which the umask takes its share; one that stands there keeps its own
    sync   whether it must outlast a loss of power

    An error in the block leaves what stood there before as it was. Raises OSError.
    """
    place = _place(path)
    draft = None
    if path.exists() and not path.is_file():
        file: BinaryIO = path.open("wb")  # a folder raises IsADirectoryError
    else:
        kept = stat.S_IMODE(place.stat().st_mode) if place.exists() else None
        draft, handle = _draft(place, lambda new: _new_file(new, mode if kept is None else kept))
        if kept is not None:
            os.fchmod(handle, kept)  # what the umask took of it
        file = os.fdopen(handle, "wb", buffering=_BUFFER)
    try:
        yield file
        file.flush()
        if draft:
            if sync:
                os.fsync(handle)
            draft.replace(place)  # before it is closed: the lock goes with the handle
            _own.discard(draft)
    except BaseException:
        if draft:
            _remove(draft)
        with suppress(OSError):  # on a full disk closing writes, and fails, once more
            file.close()
        raise
    file.close()
    if draft and sync:
        _sync_folder(place.parent)


def write(path: Path, data: bytes | str, mode: int = 0o666) -> None:
    """Write a file whole or not at all, text as UTF-8; `mode` and links as for `writing`. Raises OSError."""
    with writing(path, mode) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def scratch(parent: Path | None = None) -> Iterator[Path]:
    """Give a new folder that only this user can enter; it goes when the block is left. Raises OSError.

    parent   where it lies; None: among the temporary files
    """
    path, handle = _draft(_place(parent or Path(tempfile.gettempdir())) / "scratch", _new_folder)
    try:
        yield path
    finally:
        _remove(path)
        os.close(handle)


@contextmanager
def folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give an empty folder to fill, which stands at `path` once the block is left without an error.

    replace   whether it takes the place of a folder that stands there

    Raises OSError; FileExistsError where another process was first, whose folder then stays.
    """
    place = _place(path)
    with scratch(place.parent) as passing:
        whole, old = passing / "whole", passing / "old"
        whole.mkdir()
        yield whole
        try:
            if replace and place.exists():
                place.rename(old)
            whole.rename(place)
        except BaseException as error:
            if old.exists() and not place.exists():
                old.rename(place)
            if isinstance(error, OSError) and not replace and place.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
            raise


def _place(path: Path) -> Path:
    """Where `path` leads to, there or not. Raises OSError where its links go in a circle."""
    place = Path(os.path.realpath(path))
    if place.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return place


def _draft(place: Path, make: Callable[[Path], int]) -> tuple[Path, int]:
    """Something new beside `place` under a passing name that nobody can guess, and a handle that holds its lock."""
    _sweep(place.parent)
    stem = os.fsencode(place.name)[:STEM].decode("utf-8", "ignore")
    while True:
        path = place.with_name(f".{stem}.{os.urandom(8).hex()}.tierbreak-tmp")
        _own.add(path)
        try:
            handle = make(path)
        except OSError as error:
            _own.discard(path)
            if isinstance(error, FileNotFoundError) and place.parent.is_dir():
                continue  # another process swept the folder before it was opened
            raise
        with suppress(OSError):  # some network disks have no locks; nothing is swept there then
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.lexists(path):
            return path, handle
        os.close(handle)  # another process swept it before it was locked
        _own.discard(path)


def _new_file(path: Path, mode: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)


def _new_folder(path: Path) -> int:
    path.mkdir(mode=0o700)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


@lru_cache(maxsize=1024)
def _sweep(parent: Path) -> None:
    """Remove what killed processes left in a folder; once a process, as it costs a listing."""
    with suppress(OSError):
        for path in parent.iterdir():
            if _PASSING.fullmatch(path.name) and path not in _own:
                _remove_dead(path)


def _remove_dead(path: Path) -> None:
    """Remove what lies under a passing name unless a process, this one or another, is still writing it."""
    with suppress(OSError):
        flags = os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_RDWR | os.O_NONBLOCK
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        finally:
            os.close(handle)


def _remove(path: Path) -> None:
    """Remove a passing file or folder; what cannot be removed stays, as nothing better can be done about it."""
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    _own.discard(path)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@atexit.register
def _leave_nothing() -> None:
    """What a second signal kept its block from removing."""
    for path in tuple(_own):
        _remove(path)
