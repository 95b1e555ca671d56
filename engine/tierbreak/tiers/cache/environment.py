"""One LMDB environment a store: its two generations, its settings, its holders. Sole importer of lmdb."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import lmdb

from tierbreak.errors import CacheError
from tierbreak.tiers.cache.stores import OTHERWISE, Damaged

#: Bytes of a key and of a value.
DIGEST, RECORD = 16, 72

#: Of the page that each of LMDB's two headers fills: the map's size, a page's size, and the last page's number.
_HEADER = struct.Struct("=32xQI92xQ")

#: What LMDB says of a file that is not as it left it.
_DAMAGE = (
    lmdb.CorruptedError,
    lmdb.IncompatibleError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)


class Environment:
    """The open store, shared by all tiers of this process that name its folder.

    Opening a file twice in one process would share, and on close drop, the locks of the first (POSIX
    record locks belong to the process), so there is one environment a folder, with its holders counted.

    LMDB must not be closed under a transaction: a reader would touch pages that are gone, and a write
    transaction ended by another thread leaves the lock of all writers taken, in every process. So the
    last to leave closes it, be that the last holder or the last transaction; nobody waits for anybody.

    Bounded: records go to the current generation; when that has filled two fifths of the map, the older
    one is emptied and takes its place. The fifth left over is for LMDB's copies of pages being changed.

    Every method but `give_back` raises CacheError where LMDB refuses: map or disk full, damaged pages.
    """

    #: Held for moments only; guards every count, here and in the tiers. An RLock: a tier that nobody holds any more
    #: may be collected, and give its environment back, anywhere.
    lock: ClassVar[threading.RLock] = threading.RLock()
    #: Held while a store is opened, which may wait for a writer of another process.
    _opening: ClassVar[threading.Lock] = threading.Lock()
    _shared: ClassVar[list[Environment]] = []

    def __init__(self, path: Path, size_bytes: int, read_only: bool) -> None:
        """Use `Environment.share`."""
        self.path, self.size_bytes, self.read_only, self.process = path, size_bytes, read_only, os.getpid()
        # A commit copies at most a leaf page a row, and the pages it frees serve again only two commits
        # later: a thirty-second of the map each keeps that within the fifth the generations leave free.
        self.rows_a_commit = max(1, size_bytes // 4096 // 32)
        self._holders, self._active = 1, 0
        self._env: lmdb.Environment | None = self._opened()

    @classmethod
    def share(cls, path: Path, size_bytes: int, read_only: bool) -> Environment:
        """The environment of this folder, opened if this process does not have it open; `give_back` it.

        Raises Damaged where its file is, and CacheError where it is open read-only and is wanted for writing, where it
        cannot be opened, and in a process that was forked from one with an open store.
        """
        for own in tuple(cls._shared):
            own.check_process()
        with cls._opening:
            path = path.resolve()
            with cls.lock:
                env = next((own for own in cls._shared if own.path == path and own._is_on_disk()), None)
                if env is not None:
                    if env.read_only and not read_only:
                        raise CacheError(
                            f"cache store {path} is already open in this process, read-only; close that first"
                        )
                    env._holders += 1
                    return env
            try:
                env = cls(path, size_bytes, read_only)
            except (lmdb.Error, OSError) as error:
                # The binding's own check of the version raises its general error.
                if isinstance(error, _DAMAGE) or "LMDB data format" in str(error):
                    raise Damaged(str(error)) from error
                raise CacheError(f"cache store {path} cannot be opened: {error}; {OTHERWISE}") from error
            with cls.lock:
                cls._shared.append(env)
            return env

    def check_process(self) -> None:
        """Raise CacheError in a process forked from the one that opened it: LMDB works on one side of a fork only."""
        if os.getpid() != self.process:
            raise CacheError(
                f"cache store {self.path} was opened in process {self.process}, and this is process {os.getpid()}, "
                "forked from it; load it after the fork, or start processes with spawn"
            )

    def give_back(self) -> None:
        """One holder less."""
        # On the far side of a fork LMDB must not be closed either: that clears the reader slots of the parent.
        if os.getpid() == self.process:
            with self.lock:
                self._holders -= 1
                self._close_if_unused()

    def _close_if_unused(self) -> None:
        """Under the lock. A store wanted again while its last transaction runs has a holder again, and stays open."""
        if not self._holders and not self._active and self._env is not None:
            self._shared.remove(self)
            self._env.close()
            self._env = None

    def recall(self, digests: list[bytes]) -> bytes:
        """Digest and record of those found, one after another. In byte order, `digests` are found fastest."""
        with self._transaction() as txn:
            current, old = self._generations(txn)
            found = _getmulti(txn.cursor(current), digests)
            if len(found) < len(digests) * (DIGEST + RECORD) and txn.stat(old)["entries"]:
                seen = {found[at : at + DIGEST] for at in range(0, len(found), DIGEST + RECORD)}
                found += _getmulti(txn.cursor(old), [digest for digest in digests if digest not in seen])
        return found

    def append(self, items: list[tuple[bytes, bytes]]) -> int:
        """Write (digest, record) pairs in one commit; how many old ones were dropped to make room."""
        evicted = 0
        with self._transaction(write=True) as txn:
            current, old = self._generations(txn)
            stat = txn.stat(current)
            pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
            if pages * stat["psize"] >= self.size_bytes * 2 // 5:
                evicted = txn.stat(old)["entries"]
                txn.drop(old, delete=False)
                txn.put(b"current", b"1" if old is self._both[1] else b"0", db=self._main)
                current = old
            for digest, _ in items:  # a second record of one digest would stand beside the first
                txn.delete(digest, db=current)
            txn.cursor(current).putmulti(items)
        return evicted

    def entries(self) -> int:
        """Records in both generations."""
        with self._transaction() as txn:
            return sum(txn.stat(generation)["entries"] for generation in self._both)

    def empty(self) -> None:
        """Forget all records, for every process. The file keeps its length: its pages are used again."""
        with self._transaction(write=True) as txn:
            for generation in self._both:
                txn.drop(generation, delete=False)

    @contextmanager
    def _transaction(self, write: bool = False) -> Iterator[lmdb.Transaction[bytes]]:
        """Committed at the end, aborted by an exception."""
        with self.lock:
            env = self._env
            if env is None:
                raise CacheError(f"cache store {self.path} is closed")
            self._active += 1
        try:
            try:
                txn = env.begin(write=write)
            except lmdb.ReadersFullError:  # slots of killed processes: clear them
                env.reader_check()
                txn = env.begin(write=write)
            with txn:
                yield txn
        except (lmdb.Error, OSError) as error:
            raise CacheError(f"cache store {self.path}: {error}") from error
        finally:
            with self.lock:
                self._active -= 1
                self._close_if_unused()

    def _generations(self, txn: lmdb.Transaction) -> list[Any]:
        """The current generation, then the old one."""
        return self._both[:: -1 if txn.get(b"current", db=self._main) == b"1" else 1]

    def _is_on_disk(self) -> bool:
        """False once the store was removed: whoever opens the folder now wants the new one."""
        try:
            return (self.path / "data.mdb").stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _opened(self) -> lmdb.Environment:
        self._check_header()
        # Power may fail: `sync` stays on, so that a commit's pages are on disk before the header that names
        # them. `metasync` is off: that header may then be lost with the power, which takes the last commit
        # back but never the store apart, and saves one of two flushes. A killed process loses nothing either
        # way. No `writemap`: a stray write of this process could reach the file. `meminit` stays on: the
        # unused bytes of a page would else hold whatever was in memory, texts among it.
        env = lmdb.open(
            str(self.path),
            map_size=self.size_bytes,
            max_dbs=2,
            max_readers=510,
            metasync=False,
            readahead=False,
            readonly=self.read_only,
            create=not self.read_only,
            mode=0o600,
        )
        try:
            env.reader_check()
            with env.begin(write=not self.read_only):
                self._mend_length(env)
            self._main = env.open_db(None)
            # Duplicates are never wanted; but only from such a database does LMDB's binding hand out
            # fixed-size records in one buffer. As tuples they take a third more time.
            self._both = [
                env.open_db(name, create=not self.read_only, dupsort=True, dupfixed=True) for name in (b"0", b"1")
            ]
            self._inode = (self.path / "data.mdb").stat().st_ino
        except BaseException:
            env.close()
            raise
        return env

    def _check_header(self) -> None:
        """Raise Damaged where one of the two headers names more than the map may hold.

        LMDB would ask the system for that much, and what it says then is what it says where memory is short.
        """
        data = self.path / "data.mdb"
        if not data.exists():
            return
        with data.open("rb") as file:
            first = file.read(_HEADER.size)
            page = _HEADER.unpack(first)[1] if len(first) == _HEADER.size else 0
            file.seek(page)
            for header in (first, file.read(_HEADER.size)):
                if len(header) == _HEADER.size:
                    map_size, page_size, last_page = _HEADER.unpack(header)
                    if max(map_size, (last_page + 1) * page_size) > self.size_bytes:
                        raise Damaged("its header names more pages than it may have")

    def _mend_length(self, env: lmdb.Environment) -> None:
        """Make a file that was cut short as long as its header says.

        Touching a mapped page beyond the end of a file kills the process (SIGBUS). The pages put back are
        zeros, which LMDB refuses as corrupt. Within a write transaction nobody else is writing. A sound file
        may lack a few unused pages at its end too, so this is no error.
        """
        data = self.path / "data.mdb"
        length = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
        if data.stat().st_size < length:
            if self.read_only:
                raise CacheError(f"cache store {self.path}: data.mdb is cut short; open it once for writing")
            os.truncate(data, length)


def _getmulti(cursor: lmdb.Cursor[bytes], digests: list[bytes]) -> bytes:
    return bytes(cursor.getmulti(digests, dupdata=True, dupfixed_bytes=RECORD, keyfixed=True))
