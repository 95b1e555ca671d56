"""Many expressions over many texts: Hyperscan where it is right, the exact engine where it is not."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import polars as pl

from tierbreak.rulebook.patterns import Expression
from tierbreak.tiers.rules import database
from tierbreak.tiers.rules.compiled_cache import Shelf
from tierbreak.tiers.rules.cross_check import among
from tierbreak.tiers.rules.exact import ExactPattern, ExactScanner
from tierbreak.tiers.rules.layers import Layers, LosesMatches, check_exact

log = logging.getLogger(__name__)

#: One (text, expression) pair in this many of a large batch is read again by the exact engine.
SAMPLE = 10_000
#: From so many texts on, splitting the scan over the cores saves more than it costs.
LARGE = 20_000
#: Expressions that are read again together: a set of few is built in milliseconds, one of a whole book in seconds.
GROUP = 128


class Scanner:
    """Distinct expressions, compiled; their positions are their numbers.

    notices   what a person must know about how they are served
    wrong     numbers that Hyperscan gets wrong: the exact engine serves them
    lost      matches that the sampled re-reading found and the fast engine had not
    """

    def __init__(self, expressions: Sequence[Expression], trials: Mapping[int, Sequence[bytes]], cache: Shelf) -> None:
        """Compile, or take from the cache, and check.

        trials   number -> texts that the expression is tried on, moved about

        Raises database.CannotCompile with every number that an engine refuses.
        """
        self.expressions = expressions
        self.notices: list[str] = []
        self.wrong: set[int] = set()
        self.lost = 0
        self._fast: Layers | ExactScanner = self._built(trials, cache)
        self._wrong_numbers = np.array(sorted(self.wrong), dtype=np.int64)
        self._slow = ExactScanner([expressions[number] for number in self._wrong_numbers]) if self.wrong else None
        self._confirm = {
            number: ExactPattern(expression)
            for number, expression in enumerate(expressions)
            if expression.host_only and number not in self.wrong
        }
        self._turns = count()

    def _built(self, trials: Mapping[int, Sequence[bytes]], cache: Shelf) -> Layers | ExactScanner:
        if not self.expressions:
            return ExactScanner(())
        if not database.available():
            self.notices.append("hyperscan is not installed here: RE2 serves every rule")
            check_exact(dict(enumerate(self.expressions)))
            return ExactScanner(self.expressions)
        try:
            fast = Layers.build(self.expressions, trials, cache)
        except LosesMatches:
            self.notices.append(f"{database.engine()} loses matches: RE2 serves every rule; install hyperscan 0.7.21")
            log.error(self.notices[-1])
            return ExactScanner(self.expressions)
        self.wrong = fast.wrong
        return fast

    def is_kept(self) -> bool:
        """Whether the next start finds on disk what was compiled for this one."""
        return not isinstance(self._fast, Layers) or self._fast.is_kept()

    def scan(self, texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """int64 [m] positions of texts, int64 [m] numbers of the expressions found there, each pair once."""
        if len(texts) == 1:
            what = np.array(sorted(self.find(texts[0])), dtype=np.int64)
            return np.zeros(len(what), dtype=np.int64), what
        where, what = self._on_all_cores(texts)
        if self._slow is not None:
            fine = ~np.isin(what, self._wrong_numbers)
            slow_where, slow_what = self._slow.scan(texts)
            where = np.concatenate([where[fine], slow_where])
            what = np.concatenate([what[fine], self._wrong_numbers[slow_what]])
        if self._confirm:
            doubtful = np.flatnonzero(np.isin(what, list(self._confirm)))
            keep = np.ones(len(what), dtype=bool)
            keep[doubtful] = [self._confirm[int(what[i])].matches(texts[int(where[i])]) for i in doubtful]
            where, what = where[keep], what[keep]
        if len(texts) >= SAMPLE and self.expressions:
            self._reread(texts, where, what)
        return where, what

    def _on_all_cores(self, texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """What the fast engine finds; Hyperscan lets go of the interpreter while it scans."""
        cores = pl.thread_pool_size()
        if len(texts) < LARGE or cores == 1:
            return self._fast.scan(texts)
        size = -(-len(texts) // cores)
        starts = range(0, len(texts), size)
        with ThreadPoolExecutor(cores) as pool:
            parts = list(pool.map(lambda start: self._fast.scan(texts[start : start + size]), starts))
        where = [where + start for start, (where, _) in zip(starts, parts, strict=True)]
        return np.concatenate(where), np.concatenate([what for _, what in parts])

    def find(self, text: bytes) -> set[int]:
        """The numbers of the expressions found in one text: what `scan` says of it, without arrays."""
        found = self._fast.find(text)
        if self._slow is not None:
            found -= self.wrong
            found |= {int(self._wrong_numbers[at]) for at in self._slow.find(text)}
        if self._confirm:
            found -= {number for number in found & self._confirm.keys() if not self._confirm[number].matches(text)}
        return found

    def _reread(self, texts: Sequence[bytes], where: np.ndarray, what: np.ndarray) -> None:
        """Read a sample again exactly and count what was lost; decisions are not changed in mid-batch.

        Each batch takes the next group of expressions and reads as many texts for it as make one pair in SAMPLE.
        """
        groups = -(-len(self.expressions) // GROUP)
        first = next(self._turns) % groups * GROUP
        step = max(1, SAMPLE // groups)
        at, number = ExactScanner(self.expressions[first : first + GROUP]).scan(texts[::step])
        due = (at * step) << 32 | (number + first)
        lost = due[~among(due, where << 32 | what)]
        self.lost += len(lost)
        for pair in lost.tolist():
            log.error("the fast engine lost a match of expression %r", self.expressions[pair & 0xFFFFFFFF].source)
