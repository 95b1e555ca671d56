"""Expressions in Hyperscan: compile and scan. Sole importer of hyperscan.

Two databases. Most expressions can never match a newline, so their texts are joined with newlines and
scanned in one call (measured: 1.0 M texts/s a core at 4,000 patterns, a call a text 0.4-0.6 M). The few
others are scanned a text at a time. Hyperscan reports every match; spans are not asked of it, because
start-of-match refuses many patterns: spans come from the exact engine, for contested texts only.
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tierbreak.rulebook.patterns import Expression

# Hyperscan's wheel holds a part of libstdc++. Where it is the first to be loaded, libraries loaded later (onnxruntime,
# pyarrow) mix that part with the system's, and abort the process. numpy from 2 on loads the system's; 1.26 does not.
with suppress(OSError):  # not a system with GNU's library
    ctypes.CDLL("libstdc++.so.6")

hyperscan: Any
try:
    import hyperscan
except ImportError:  # no wheel for this platform: RE2 serves
    hyperscan = None

#: Texts joined for one scan: enough to forget the call. With 16384, patterns with `.*` made the whole a third slower.
JOINED = 256


class CannotCompile(Exception):
    """`numbers` are the expressions that Hyperscan refused, each with its words."""

    def __init__(self, numbers: dict[int, str]) -> None:
        super().__init__(f"{len(numbers)} expressions refused")
        self.numbers = numbers


def available() -> bool:
    return hyperscan is not None


@cache  # asking twice leaks a reference, and a database is compiled for the answer
def engine() -> str:
    """The engine's version, the wheel's, and the machine's: what a compiled database and a check of it hold for."""
    if hyperscan is None:
        return "no hyperscan"
    return f"hyperscan {_info()} wheel {hyperscan.__version__} on {_machine()}"


def _info() -> str:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=[b"x"], ids=[0], elements=1, flags=[0])
    return str(database.info().decode().strip())


def _machine() -> str:
    """Architecture and, where the system says them, the processor's features: a database is built for these."""
    features = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(errors="replace").splitlines()
        features = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    told = f"{platform.system()} {platform.machine()} {features or platform.processor()}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]


class Database:
    """Compiled expressions. `scan` may be called from several threads; a database is never recompiled."""

    def __init__(self, joined: Any, apart: Any, joins: np.ndarray) -> None:
        """`joins`: bool [n], for each expression whether the joined database holds it, or the other one."""
        self._joined, self._apart, self.joins = joined, apart, joins
        self._joined_numbers, self._apart_numbers = np.flatnonzero(joins), np.flatnonzero(~joins)
        self._joined_list, self._apart_list = self._joined_numbers.tolist(), self._apart_numbers.tolist()
        self._local = threading.local()

    @classmethod
    def compile(cls, expressions: Sequence[Expression]) -> Database:
        """Raises CannotCompile that names every expression that Hyperscan refuses, never only the first."""
        joins = np.array([e.one_line if not e.host_only else bool(e.prefilter) for e in expressions], dtype=bool)
        joined, apart = np.flatnonzero(joins), np.flatnonzero(~joins)
        parts = []
        for numbers, one_text in ((joined, False), (apart, True)):
            parts.append(
                _compile([expressions[n] for n in numbers.tolist()], one_text=one_text) if len(numbers) else None
            )
        refused = {
            int(numbers[at]): words
            for numbers, part in zip((joined, apart), parts, strict=True)
            if isinstance(part, dict)
            for at, words in part.items()
        }
        if refused:
            raise CannotCompile(refused)
        return cls(parts[0], parts[1], joins)

    def dump(self) -> bytes:
        """Both databases, length first."""
        parts = [hyperscan.dumpb(part) if part is not None else b"" for part in (self._joined, self._apart)]
        return b"".join(len(part).to_bytes(8, "little") + part for part in parts)

    @classmethod
    def undump(cls, data: bytes, joins: np.ndarray) -> Database:
        """What `dump` gave; raises ValueError where Hyperscan does not take it."""
        parts, at = [], 0
        for _ in range(2):
            size = int.from_bytes(data[at : at + 8], "little")
            part = data[at + 8 : at + 8 + size]
            try:
                parts.append(hyperscan.loadb(part, hyperscan.HS_MODE_BLOCK) if size else None)
            except hyperscan.error as error:
                raise ValueError(str(error)) from None
            at += 8 + size
        return cls(parts[0], parts[1], joins)

    def scan(self, texts: Sequence[bytes], at_once: int = JOINED) -> tuple[np.ndarray, np.ndarray]:
        """int64 [m] positions of texts, int64 [m] numbers of the expressions found there, each pair once.

        at_once   how many texts are joined for one call of the engine
        """
        where, what = [], []
        if self._joined is not None:
            at, ids = self._scan_joined(texts, at_once)
            where.append(at)
            what.append(self._joined_numbers[ids])
        if self._apart is not None:
            at, ids = self._scan_apart(texts)
            where.append(at)
            what.append(self._apart_numbers[ids])
        return _once(where, what)

    def find(self, text: bytes) -> list[int]:
        """The numbers of the expressions found in one text, some of them more than once."""
        found: list[int] = []
        add = found.append

        def on_match(number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            add(number)

        if self._joined is not None:
            self._joined.scan(text, match_event_handler=on_match, scratch=self._scratch("joined"))
            found = [self._joined_list[number] for number in found]
            add = found.append
        if self._apart is not None:
            before = len(found)
            self._apart.scan(text, match_event_handler=on_match, scratch=self._scratch("apart"))
            found[before:] = [self._apart_list[number] for number in found[before:]]
        return found

    def _scan_joined(self, texts: Sequence[bytes], at_once: int) -> tuple[np.ndarray, np.ndarray]:
        ids: list[int] = []
        ends: list[int] = []
        add_id, add_end = ids.append, ends.append

        def on_match(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            add_id(number)
            add_end(end)

        scan, scratch = self._joined.scan, self._scratch("joined")
        starts = range(0, len(texts), at_once)
        found = np.empty(len(starts), dtype=np.int64)
        for part, start in enumerate(starts):
            before = len(ids)
            scan(b"\n".join(texts[start : start + at_once]), match_event_handler=on_match, scratch=scratch)
            found[part] = len(ids) - before
        # A match ends at or before the newline that closes its text: text i ends at stops[i].
        stops = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1) - 1
        first = np.array([stops[start - 1] + 1 if start else 0 for start in starts], dtype=np.int64)
        end = np.array(ends, dtype=np.int64) + np.repeat(first, found)
        return np.searchsorted(stops, end), np.array(ids, dtype=np.int64)

    def _scan_apart(self, texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        ids: list[int] = []
        counts = np.zeros(len(texts), dtype=np.int64)
        add_id = ids.append

        def on_match(number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            add_id(number)

        scan, scratch, seen = self._apart.scan, self._scratch("apart"), 0
        for position, text in enumerate(texts):
            scan(text, match_event_handler=on_match, scratch=scratch)
            if len(ids) != seen:
                counts[position] = len(ids) - seen
                seen = len(ids)
        return np.repeat(np.arange(len(texts)), counts), np.array(ids, dtype=np.int64)

    def _scratch(self, which: str) -> Any:
        """One scratch a thread: Hyperscan refuses a scratch that is in use."""
        scratch = getattr(self._local, which, None)
        if scratch is None:
            scratch = hyperscan.Scratch(self._joined if which == "joined" else self._apart)
            setattr(self._local, which, scratch)
        return scratch


def _once(where: list[np.ndarray], what: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Each pair once, ordered by text: without SINGLEMATCH an expression is reported at every end it has."""
    if not where:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    # Not np.unique: it hashes integers, at ten times the cost of sorting them.
    pairs = np.sort(np.concatenate(where) << 32 | np.concatenate(what))
    pairs = pairs[np.r_[True, pairs[1:] != pairs[:-1]][: len(pairs)]]
    return pairs >> 32, pairs & 0xFFFFFFFF


def _compile(expressions: Sequence[Expression], *, one_text: bool) -> Any:
    """A compiled database, or {position: why} for the expressions that were refused."""
    # One flag set for the whole book: mixed sets slow the scan (hyperscan#281). No UTF8 and no UCP: texts are folded.
    flags = hyperscan.HS_FLAG_CASELESS
    flags |= hyperscan.HS_FLAG_SINGLEMATCH if one_text else hyperscan.HS_FLAG_MULTILINE
    sources = [e.prefilter or e.source for e in expressions]
    each = [flags | (hyperscan.HS_FLAG_PREFILTER if e.host_only and not e.prefilter else 0) for e in expressions]
    try:
        return _database(sources, each)
    except hyperscan.error:
        refused = {}
        for position, (source, flag) in enumerate(zip(sources, each, strict=True)):
            try:
                _database([source], [flag])
            except hyperscan.error as error:
                refused[position] = str(error)
        if not refused:  # each alone is fine, all together are not: out of memory, or too large
            raise
        return refused


def _database(sources: list[bytes], flags: list[int]) -> Any:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    # Bytes, never str: hyperscan 0.8.2 and before then reads freed memory.
    database.compile(expressions=sources, ids=list(range(len(sources))), elements=len(sources), flags=flags)
    return database


def probe(expressions: Sequence[bytes], texts: Sequence[bytes]) -> Iterator[set[tuple[int, int]]]:
    """Each text alone, under each flag set that a rulebook might be served with: what the engine finds at all."""
    one, line, dot = hyperscan.HS_FLAG_SINGLEMATCH, hyperscan.HS_FLAG_MULTILINE, hyperscan.HS_FLAG_DOTALL
    for flags in (line, one, one | dot):
        database = _database(list(expressions), [flags | hyperscan.HS_FLAG_CASELESS] * len(expressions))
        yield {(at, number) for at, text in enumerate(texts) for number in _found(database, text)}


def _found(database: Any, text: bytes) -> set[int]:
    found: set[int] = set()
    database.scan(text, match_event_handler=lambda number, *_: found.add(number))
    return found
