"""Tar archives of bundles, plain or compressed, unpacked within bounds: nothing that one says of itself is trusted."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tierbreak.errors import BundleError

#: Most bytes that an archive may unpack to, headers and padding included.
MOST_BYTES = 4 << 30
#: Nor more than this many times its own size beyond the first MiBs: text of rule files shrinks to a tenth or so.
MOST_RATIO, FREE_BYTES = 100, 16 << 20
MOST_MEMBERS = 100_000
#: Folders within each other.
MOST_DEEP = 32

_COMPRESSED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}

#: All that tarfile and the decompressors raise where an archive is cut short, damaged, or made up.
_DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, ArithmeticError, RecursionError)


def unpack(path: Path, folder: Path) -> None:
    """Unpack the tar at `path` into the empty `folder`; what is there after an error is for the caller to remove.

    Only plain files and folders are taken, and no path that leads out of the folder. Raises BundleError.
    """
    most = min(MOST_BYTES, FREE_BYTES + MOST_RATIO * path.stat().st_size)
    members = 0

    def admitted(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
        nonlocal members
        members += 1
        if members > MOST_MEMBERS:
            raise BundleError(f"{path}: more than {MOST_MEMBERS:,} files in it; a bundle has some thousands")
        if not (member.isdir() or member.isreg()) or member.issparse() or member.name.count("/") > MOST_DEEP:
            raise BundleError(
                f"{path}: {member.name[:80]!r} in it is a link, a device or a sparse file, or lies deeper than "
                f"{MOST_DEEP} folders; expected plain files and folders; make the tar of what `tierbreak bundle` wrote"
            )
        return tarfile.data_filter(member, folder)

    try:
        with path.open("rb") as file:
            kind = next((start for start in _COMPRESSED if file.peek(8).startswith(start)), None)
            plain = _COMPRESSED[kind](file) if kind else file
            bounded = _Bounded(plain, path, most)
            counted = io.BufferedReader(bounded)
            with tarfile.open(fileobj=counted, mode="r|") as tar:
                tar.extractall(folder, filter=admitted)
            while counted.read(1 << 20):  # to the end, where the checksum of what is compressed stands
                pass
            if bounded.last != bytes(tarfile.BLOCKSIZE):  # tarfile takes one cut short within a header for whole
                raise tarfile.ReadError("it does not end as a tar ends")
    except _DAMAGE as error:
        raise BundleError(
            f"{path}: cannot be unpacked: {error or type(error).__name__}; expected a whole tar of a folder that "
            "`tierbreak bundle` wrote, and room for it; make it again, or give the folder itself"
        ) from None


class _Bounded(io.RawIOBase):
    """Reads `file`, and counts what comes out of it: a kilobyte may unpack to gigabytes. `last` is its last block."""

    def __init__(self, file: Any, path: Path, most: int) -> None:
        self.file, self.path, self.most, self.left = file, path, most, most
        self.last = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self.file.readinto(buffer)
        self.left -= size
        self.last = (self.last + bytes(buffer[:size]))[-tarfile.BLOCKSIZE :]
        if self.left < 0:
            raise BundleError(
                f"{self.path}: unpacks to more than {self.most >> 20:,} MiB; found {self.path.stat().st_size:,} bytes, "
                f"of which each may stand for {MOST_RATIO}, and {MOST_BYTES >> 30} GiB at most; "
                "give the bundle as a folder"
            )
        return int(size)
