"""Tier `cache`: what the model saw before, kept in an LMDB store on a local disk.

A store holds evidence, never a decision: thresholds, redirects and denies may change daily and no
record goes stale. It is named by all that shapes evidence, so another model finds another store.

No text is stored: descriptors hold people's names. The key of a record is a 128-bit keyed digest. A
record carries a checksum over digest, labels and scores; one that does not add up is a miss and is
counted, never an answer. Damage to the pages of LMDB's own tree is mostly refused by LMDB, which is a
miss too, but LMDB does not promise to survive every such damage.

What was stored first is forgotten first, used or not: one more question to the model brings it back.
"""

from __future__ import annotations

import hashlib
import logging
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

import numpy as np
import polars as pl

from tierbreak.core.tables import EVIDENCE, TOP_K, check
from tierbreak.errors import BatchError, CacheError
from tierbreak.tiers.cache import stores
from tierbreak.tiers.cache.environment import DIGEST, Environment
from tierbreak.tiers.cache.stores import Store

__all__ = ["CacheStats", "CacheTier", "Store"]

#: One record with its key in front, as a row of the array that `judge` decodes; eleven 64-bit words.
ROW = np.dtype([("digest", "V16"), ("labels", "<i4", TOP_K), ("scores", "<f4", TOP_K), ("check", "<u8")])
WORDS = ROW.itemsize // 8

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What a store holds, and what this tier has done with it since it was opened.

    entries        records in both generations
    bytes_on_disk  at most size_bytes, and some kilobytes of manifest and lock table
    hits, misses   texts asked for and found, or not; a corrupt record is a miss as well
    corrupt        records found that did not add up
    skipped        records given to `store` and not written: map or disk full, or a read-only store
    evicted        records dropped by this tier to make room
    failed         reads and writes that LMDB refused
    """

    fingerprint: str
    evidence: dict[str, str]
    entries: int
    bytes_on_disk: int
    size_bytes: int
    hits: int
    misses: int
    corrupt: int
    skipped: int
    evicted: int
    failed: int


class CacheTier:
    """Evidence by text. Safe to share between threads, and between processes that each open it themselves.

    Every method but `close` raises CacheError once it is closed, and in a process forked from the one that opened it.
    `notices` is what a person must know about the store; empty when all is well.

    >>> import tempfile
    >>> parts = dict.fromkeys(["weights", "tokenizer", "labels", "normaliser", "backend"], "0")
    >>> seen = pl.DataFrame({"key": [1], "labels": [[3, *range(10, 17)]], "scores": [[2.5] * 8]}, schema=EVIDENCE)
    >>> with tempfile.TemporaryDirectory() as root, CacheTier.open(Path(root), parts) as tier:
    ...     stored = tier.store(pl.Series(["UBER EATS", "JOE CAFE"]), seen)
    ...     found = tier.judge(pl.Series(["NEVER SEEN", "ALSO NOT", "JOE CAFE"]))
    >>> stored, found["key"].to_list(), found["labels"][0].to_list()
    (1, [2], [3, 10, 11, 12, 13, 14, 15, 16])
    """

    def __init__(
        self, environment: Environment, evidence: Mapping[str, str], secret: bytes, notices: tuple[str, ...] = ()
    ) -> None:
        """Use `CacheTier.open`."""
        self.notices = notices
        self.fingerprint = stores.fingerprint(evidence)
        self._environment = environment
        self._evidence = dict(evidence)
        self._closed = False
        # An engine that is reloaded lets go of old tiers while a batch may still use them: the last one to let go
        # gives the store back. Not at exit: the process gives back everything then.
        self._give_back = weakref.finalize(self, environment.give_back)
        self._give_back.atexit = False
        # Copying a keyed blake2s: 0.37 us a text; a fresh blake2s 0.55, a fresh blake2b 0.73, hmac 2.0.
        self._hash = hashlib.blake2s(digest_size=DIGEST, key=secret)
        # Multilinear checksum (Lemire and Kaser 2013, "Strongly universal string hashing is fast"), all of
        # a batch in one numpy product; crc32 would be a Python call a record. An odd factor shows any change
        # within one word; secret ones leave a chance of about 2**-63 for changes in several.
        factors = np.frombuffer(hashlib.shake_256(secret + b"checksum").digest(WORDS * 8), "<u8")
        self._factors, self._offset = factors[1:] | np.uint64(1), factors[0]
        self._counts = dict.fromkeys(("hits", "misses", "corrupt", "skipped", "evicted", "failed"), 0)

    @classmethod
    def open(
        cls,
        root: Path,
        evidence: Mapping[str, str],
        *,
        size_bytes: int = 1 << 30,
        root_bytes: int = 4 << 30,
        read_only: bool = False,
    ) -> Self:
        """Open the store of one model under `root`; make it if it is not there.

        evidence    `stores.PARTS`, each with its content hash or version; further parts are allowed
        size_bytes  most that the data may take on disk, >= 1 MiB. Fixed when the store is made: another
                    value is ignored until the store is removed, as all processes must map the same size.
        root_bytes  when all stores under `root` take more, those opened longest ago are removed
        read_only   never write; the store must exist

        A damaged store is set aside and made anew, which `notices` says: what it held is asked of the model again.

        Raises CacheError where the folder cannot be used or is remote, and read-only where the store is damaged.
        """
        root = Path(root).absolute()
        try:
            environment, secret = cls._opened(root, evidence, size_bytes, read_only)
            notices: tuple[str, ...] = ()
        except stores.Damaged as damage:
            path = root / stores.fingerprint(evidence)
            if read_only:
                raise CacheError(f"cache store {path} is damaged: {damage}; open it once for writing") from None
            stores.set_aside(path)
            notices = (f"the cache store was damaged and is made anew, the old one is {path}.damaged: {damage}",)
            try:
                environment, secret = cls._opened(root, evidence, size_bytes, read_only)
            except stores.Damaged as again:
                raise CacheError(f"cache store {path} was made anew and is damaged again: {again}") from None
        if not read_only:
            stores.trimmed(root, environment.path, root_bytes)
        return cls(environment, evidence, secret, notices)

    @staticmethod
    def _opened(root: Path, evidence: Mapping[str, str], size_bytes: int, read_only: bool) -> tuple[Environment, bytes]:
        path, size_bytes, secret = stores.find_or_make(root, evidence, size_bytes, read_only)
        return Environment.share(path, size_bytes, read_only), secret

    def judge(self, texts: pl.Series) -> pl.DataFrame:
        """What the model saw for those of `texts` that are in the store.

        texts    String series, n distinct texts, no nulls
        returns  EVIDENCE, ordered by `key`, the position in `texts`; no row for a text not found

        A read that fails is a miss: the cache saves work, it must never stop any.
        """
        self._check_open()
        digests = self._digests(texts)
        asked = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
        # LMDB orders keys as bytes: asking in that order, neighbours are found on the page just used.
        first = asked[:, 0].byteswap()
        order = np.argsort(first)
        ordered = [digests[at] for at in order.tolist()]
        records = np.frombuffer(self._attempt(self._environment.recall, ordered) or b"", ROW)
        words = records.view("<u8").reshape(-1, WORDS)
        position = order[np.searchsorted(first, words[:, 0].byteswap(), sorter=order)]
        # Two texts that share the first half of their digest are told apart here: the second is a miss.
        sound = (words[:, :2] == asked[position]).all(axis=1) & (self._checksum(words) == words[:, -1])
        good = np.flatnonzero(sound)
        good = good[np.argsort(position[good])]
        self._count(hits=len(good), misses=len(texts) - len(good), corrupt=len(records) - len(good))
        # Built from series, whose types follow from numpy's: a dict and a schema take twice as long for one text.
        return pl.DataFrame(
            [
                pl.Series("key", position[good].astype(np.uint32)),
                pl.Series("labels", records["labels"][good]),
                pl.Series("scores", records["scores"][good]),
            ]
        )

    def store(self, texts: pl.Series, evidence: pl.DataFrame) -> int:
        """Keep what the model saw; on disk when this returns.

        texts     String series, no nulls
        evidence  EVIDENCE, `key` a position in `texts`; lists without nulls
        returns   how many rows were written; the others were skipped and counted, one warning logged

        Raises BatchError where `evidence` is not EVIDENCE. A full map or disk raises nothing. One commit,
        or several where there are more rows than a thirty-second of the map's pages (8192 at 1 GiB).
        """
        self._check_open()
        check(evidence, EVIDENCE, name="evidence")
        flat = {name: evidence[name].reshape((-1,)) for name in EVIDENCE}
        holes = [name for name in EVIDENCE if evidence[name].null_count() or flat[name].null_count()]
        if holes:
            raise BatchError(f"table 'evidence' has nulls in {', '.join(holes)}; the model tier writes none")
        records = np.zeros(len(evidence), ROW)
        records["digest"] = np.array(self._digests(texts.gather(evidence["key"])), "V16")
        records["labels"] = flat["labels"].to_numpy().reshape(-1, TOP_K)
        records["scores"] = flat["scores"].to_numpy().reshape(-1, TOP_K)
        words = records.view("<u8").reshape(-1, WORDS)
        words[:, -1] = self._checksum(words)
        raw = records[np.argsort(words[:, 0].byteswap())].tobytes()
        starts = range(0, len(raw), ROW.itemsize)
        items = [(raw[at : at + DIGEST], raw[at + DIGEST : at + ROW.itemsize]) for at in starts]
        written = evicted = 0
        if not self._environment.read_only:
            for at in range(0, len(items), self._environment.rows_a_commit):
                part = items[at : at + self._environment.rows_a_commit]
                dropped = self._attempt(self._environment.append, part)
                if dropped is not None:
                    written, evicted = written + len(part), evicted + dropped
        self._count(evicted=evicted, skipped=len(items) - written)
        return written

    def stats(self) -> CacheStats:
        """Counts and sizes as of now."""
        self._check_open()
        entries = self._attempt(self._environment.entries) or 0
        size = stores.bytes_on_disk(self._environment.path)
        return CacheStats(self.fingerprint, self._evidence, entries, size, self._environment.size_bytes, **self._counts)

    def clear(self) -> None:
        """Forget every record, for all processes; raises CacheError. `remove` gives the disk back as well."""
        self._check_open()
        self._environment.empty()

    def close(self) -> None:
        """Give the store back, once calls under way in other threads have ended; this does not wait for them.

        Closing twice does nothing.
        """
        self._closed = True
        self._give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def stores(root: Path) -> list[Store]:
        """Every store under `root`, of any model, the one opened last first."""
        return stores.listed(Path(root))

    @staticmethod
    def remove(store: Store) -> None:
        """Delete a store from disk; a process that has it open goes on undisturbed. Raises CacheError."""
        stores.removed(store)

    def _digests(self, texts: pl.Series) -> list[bytes]:
        """Keyed 128-bit digest of each text."""
        copy, out = self._hash.copy, []
        for text in texts.cast(pl.Binary).to_list():
            digest = copy()
            digest.update(text)
            out.append(digest.digest())
        return out

    def _checksum(self, words: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Of each row of words, digest included, the last word (the checksum's own place) left out."""
        sums: np.ndarray[Any, Any] = (words[:, :-1] * self._factors).sum(axis=1, dtype=np.uint64) + self._offset
        return sums

    def _check_open(self) -> None:
        self._environment.check_process()
        if self._closed:
            raise CacheError(f"cache store {self._environment.path} is closed")

    def _attempt(self, work: Callable[_P, _T], *given: _P.args, **named: _P.kwargs) -> _T | None:
        """Do it; None where that fails, counted, and logged the first time."""
        try:
            return work(*given, **named)
        except CacheError as error:
            self._check_open()  # closed since the call began
            if not self._counts["failed"]:
                _log.warning("%s; classifying goes on without it", error)
            self._count(failed=1)
            return None

    def _count(self, **more: int) -> None:
        with self._environment.lock:
            for name, n in more.items():
                self._counts[name] += n
