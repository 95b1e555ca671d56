"""Tier `rules`: the rulebook compiled, texts scanned, matches returned. Never silently wrong.

The fast engine is Hyperscan behind the truth guard (guard.py); the exact engine (exact.py) serves what the
guard has quarantined, confirms look-around, finds spans, and re-reads a sample of what was served.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tierbreak.core.tables import MATCHES
from tierbreak.errors import Fault, RulebookError
from tierbreak.rulebook import RUNS, Pattern, Rulebook
from tierbreak.rulebook.patterns import Expression
from tierbreak.tiers.rules import database
from tierbreak.tiers.rules.compiled_cache import Shelf
from tierbreak.tiers.rules.cross_check import among
from tierbreak.tiers.rules.exact import ExactPattern, ExactScanner
from tierbreak.tiers.rules.layers import Layers, LosesMatches

log = logging.getLogger(__name__)

#: One (text, expression) pair in this many of a large batch is read again by the exact engine.
SAMPLE = 10_000
#: Expressions that are read again together: a set of few is built in milliseconds, one of a whole book in seconds.
GROUP = 128


class RulesTier:
    """Scans folded texts with every pattern of the rulebook.

    notices       what a person must know about how this rulebook is served; empty when all is well
    quarantined   ids of the rules that the exact engine serves
    lost          matches that the sampled re-reading found and the fast engine had not
    """

    def __init__(self, book: Rulebook, folded_examples: Sequence[Sequence[str]], *, shelf: Path | None) -> None:
        """Compile, or take from the shelf, and check.

        folded_examples   for each rule, in the rulebook's order, the folded texts of its examples
        shelf             folder for compiled databases; None keeps none

        Raises RulebookError that names every pattern that no engine can compile.
        """
        self.fingerprint = book.fingerprint
        self.notices: list[str] = []
        self.lost = 0
        self._collect(book)
        trials = self._trials(folded_examples)
        self._fast, bad = self._build(book, trials, Shelf(shelf))
        self.quarantined = self._quarantine(book, bad)
        self._confirm = {
            number: ExactPattern(expression)
            for number, expression in enumerate(self._expressions)
            if expression.host_only and number not in bad
        }
        self._exact: dict[int, ExactPattern] = {}
        self._turns = count()

    def _collect(self, book: Rulebook) -> None:
        """Distinct expressions by number, those that match and, apart from them, those of `unless`."""
        running = [rule if rule.status in RUNS else None for rule in book.rules]
        self._expressions, self._match_of = _numbered([rule.match if rule else () for rule in running])
        # Not in the database: an `unless` such as a list of states is found in most texts and asked of few.
        self._excluding, unless_of = _numbered([rule.unless if rule else () for rule in running])
        self._unless_patterns = [ExactPattern(expression) for expression in self._excluding]
        matched: list[list[tuple[int, int]]] = [[] for _ in self._expressions]
        for index, own in enumerate(self._match_of):
            for place, number in enumerate(own, start=1):
                matched[number].append((index, place))
        self._matches = Runs.of(matched)
        self._unless = Runs.of([[(number, 0) for number in own] for own in unless_of])

    def _trials(self, folded_examples: Sequence[Sequence[str]]) -> dict[int, list[bytes]]:
        trials: dict[int, list[bytes]] = {}
        for own, examples in zip(self._match_of, folded_examples, strict=True):
            for number in own:
                trials.setdefault(number, []).extend(text.encode() for text in examples)
        return trials

    def _build(self, book: Rulebook, trials: dict[int, list[bytes]], shelf: Shelf) -> tuple[Any, set[int]]:
        """The scanner that serves, and the numbers of the expressions that it gets wrong."""
        refused = {
            pattern.expression.source: f"RE2 refuses it: {words}"
            for pattern in self._unless_patterns
            if (words := pattern.refused())
        }
        fast: Layers | ExactScanner | None = None
        bad: set[int] = set()
        try:
            if database.available():
                fast = Layers.build(self._expressions, trials, shelf)
                bad = fast.wrong
            else:
                self.notices.append("hyperscan is not installed here: RE2 serves every rule")
        except LosesMatches:
            self.notices.append(f"{database.engine()} loses matches: RE2 serves every rule; install hyperscan 0.7.21")
            log.error(self.notices[-1])
        except database.CannotCompile as error:
            refused |= {self._expressions[at].source: f"Hyperscan refuses it: {it}" for at, it in error.numbers.items()}
        if refused:
            raise RulebookError(f"{len(refused)} patterns do not compile", _refusals(book, refused))
        return fast or ExactScanner(self._expressions), bad

    def _quarantine(self, book: Rulebook, bad: set[int]) -> tuple[str, ...]:
        """Patterns the fast engine gets wrong are read by the exact one; their rules are named, loudly."""
        self._slow_numbers = np.array(sorted(bad), dtype=np.int64)
        self._slow = ExactScanner([self._expressions[number] for number in self._slow_numbers]) if bad else None
        rules = sorted({book.rules[at].id for at, own in enumerate(self._match_of) if bad & set(own)})
        if rules:
            self.notices.append(f"{len(rules)} rules quarantined to RE2, Hyperscan gets them wrong: {', '.join(rules)}")
            log.error(self.notices[-1])
        return tuple(rules)

    def judge(self, texts: pl.Series) -> pl.DataFrame:
        """Every rule that matches each text.

        texts     String [n], distinct folded texts
        returns   MATCHES, one row for each (text, rule): the lowest number of the rule's patterns that match,
                  and whether one of its `unless` patterns matches too; ordered by text, then rule
        """
        encoded = [text.encode() for text in texts.to_list()]
        where, what = self._scan(encoded)
        if len(encoded) >= SAMPLE and self._expressions:
            self._reread(encoded, where, what)
        text, rule, number = _one_a_rule(*self._matches.take(where, what))
        excluded = self._excluded(encoded, text, rule)
        columns = {"folded": text, "rule": rule, "match": number, "excluded": excluded}
        return pl.DataFrame(columns, schema_overrides=MATCHES)

    def _excluded(self, encoded: list[bytes], text: np.ndarray, rule: np.ndarray) -> np.ndarray:
        """bool [m]: whether an `unless` pattern of the rule matches too; the exact engine is asked."""
        excluded = np.zeros(len(rule), dtype=bool)
        at, number, _ = self._unless.take(np.arange(len(rule)), rule)
        patterns = self._unless_patterns
        for place, which in zip(at.tolist(), number.tolist(), strict=True):
            if not excluded[place] and patterns[which].matches(encoded[text[place]]):
                excluded[place] = True
        return excluded

    def _scan(self, encoded: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
        where, what = self._fast.scan(encoded)
        if self._slow is not None:
            fine = ~np.isin(what, self._slow_numbers)
            slow_where, slow_what = self._slow.scan(encoded)
            where = np.concatenate([where[fine], slow_where])
            what = np.concatenate([what[fine], self._slow_numbers[slow_what]])
        if self._confirm:
            doubtful = np.flatnonzero(np.isin(what, list(self._confirm)))
            keep = np.ones(len(what), dtype=bool)
            keep[doubtful] = [self._confirm[int(what[i])].matches(encoded[int(where[i])]) for i in doubtful]
            where, what = where[keep], what[keep]
        return where, what

    def _reread(self, encoded: list[bytes], where: np.ndarray, what: np.ndarray) -> None:
        """Read a sample again exactly and count what was lost; decisions are not changed in mid-batch.

        Each batch takes the next group of expressions and reads as many texts for it as make one pair in SAMPLE.
        """
        groups = -(-len(self._expressions) // GROUP)
        first = next(self._turns) % groups * GROUP
        step = max(1, SAMPLE // groups)
        at, number = ExactScanner(self._expressions[first : first + GROUP]).scan(encoded[::step])
        due = (at * step) << 32 | (number + first)
        lost = due[~among(due, where << 32 | what)]
        self.lost += len(lost)
        for pair in lost.tolist():
            source = self._expressions[pair & 0xFFFFFFFF].source
            log.error("the fast engine lost a match of expression %r", source)

    def _pattern(self, number: int) -> ExactPattern:
        if number not in self._exact:
            self._exact[number] = ExactPattern(self._expressions[number])
        return self._exact[number]

    def spans(self, text: str, rule: int) -> list[tuple[int, int]]:
        """Where a rule's match stands in a folded text: byte offsets, of every pattern of the rule."""
        encoded = text.encode()
        return sorted({span for number in self._match_of[rule] for span in self._pattern(number).spans(encoded)})


def _numbered(patterns: Sequence[Sequence[Pattern]]) -> tuple[list[Expression], list[list[int]]]:
    """The distinct expressions, and for each list of patterns the numbers of theirs."""
    numbers: dict[bytes, int] = {}
    expressions: list[Expression] = []
    for pattern in (pattern for own in patterns for pattern in own):
        if numbers.setdefault(pattern.expression.source, len(numbers)) == len(expressions):
            expressions.append(pattern.expression)
    return expressions, [[numbers[pattern.expression.source] for pattern in own] for own in patterns]


def _refusals(book: Rulebook, refused: Mapping[bytes, str]) -> list[Fault]:
    """A fault for each refused expression, at the first pattern that has it."""
    first: dict[bytes, Pattern] = {}
    for rule in book.rules:
        for pattern in (*rule.match, *rule.unless):
            first.setdefault(pattern.expression.source, pattern)
    fix = "write what it needs without large counted repeats, or split it"
    return [
        first[source].place.fault("R020", words, first[source].text, "a pattern that compiles", fix)
        for source, words in refused.items()
    ]


@dataclass(frozen=True)
class Runs:
    """Lists of (int, int) pairs of uneven length, in three arrays: list i is `count[i]` pairs from `start[i]`."""

    start: np.ndarray
    count: np.ndarray
    pairs: np.ndarray

    @classmethod
    def of(cls, lists: Sequence[Sequence[tuple[int, int]]]) -> Runs:
        count = np.array([len(pairs) for pairs in lists], dtype=np.int64)
        flat = np.array([pair for pairs in lists for pair in pairs], dtype=np.int64).reshape(-1, 2)
        return cls(np.cumsum(count) - count, count, flat)

    def take(self, beside: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each i, every pair of list which[i] with beside[i]: (beside, first of pair, second of pair).

        >>> Runs.of([[(7, 1)], [], [(8, 1), (9, 2)]]).take(np.array([10, 20]), np.array([2, 0]))
        (array([10, 10, 20]), array([8, 9, 7]), array([1, 2, 1]))
        """
        count = self.count[which]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        pairs = self.pairs[np.repeat(self.start[which], count) + within]
        return np.repeat(beside, count), pairs[:, 0], pairs[:, 1]


def _one_a_rule(text: np.ndarray, rule: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same rows ordered by text and rule, each pair once with its lowest number."""
    order = np.lexsort((number, rule, text))
    text, rule, number = text[order], rule[order], number[order]
    first = np.r_[True, (text[1:] != text[:-1]) | (rule[1:] != rule[:-1])][: len(text)]
    return text[first], rule[first], number[first]
