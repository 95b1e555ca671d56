"""Tier `rules`: the rulebook compiled, texts scanned, matches returned. Never silently wrong.

scanner.py scans: Hyperscan behind the cross-check (cross_check.py), and the exact engine (exact.py) for what it gets
wrong, for look-around and for spans.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tierbreak.core.tables import Matches
from tierbreak.errors import Fault, RulebookError
from tierbreak.rulebook import RUNS, Pattern, Rulebook
from tierbreak.rulebook.patterns import Expression
from tierbreak.tiers.rules.compiled_cache import Shelf
from tierbreak.tiers.rules.cross_check import among
from tierbreak.tiers.rules.database import CannotCompile
from tierbreak.tiers.rules.exact import ExactPattern
from tierbreak.tiers.rules.scanner import Scanner

log = logging.getLogger(__name__)


class RulesTier:
    """Scans folded texts with every pattern of the rulebook.

    notices       what a person must know about how this rulebook is served; empty when all is well
    quarantined   ids of the rules that the exact engine serves
    """

    def __init__(
        self,
        book: Rulebook,
        folded_examples: Sequence[Sequence[str]],
        *,
        shelf: Path | None,
        shipped: Path | None = None,
    ) -> None:
        """Compile, or take from the cache, and check.

        folded_examples   for each rule, in the rulebook's order, the folded texts of its examples
        shelf             folder for compiled databases; None keeps none
        shipped           another folder of them, that is only ever read

        Raises RulebookError that names every pattern that no engine can compile.
        """
        self.fingerprint = book.fingerprint
        running = [rule if rule.status in RUNS else None for rule in book.rules]
        expressions, self._match_of = _numbered([rule.match if rule else () for rule in running])
        # In a database of their own: an `unless` such as a list of states is found in most texts and asked of few.
        excluding, unless_of = _numbered([rule.unless if rule else () for rule in running])
        matched: list[list[tuple[int, int]]] = [[] for _ in expressions]
        for index, own in enumerate(self._match_of):
            for place, number in enumerate(own, start=1):
                matched[number].append((index, place))
        self._matches = Runs.of(matched)
        self._rules_of = [tuple(rule for rule, _ in pairs) for pairs in matched]
        self._unless = [frozenset(own) for own in unless_of]
        self._unless_runs = Runs.of([[(number, 0) for number in own] for own in unless_of])
        self._excludes = np.array([bool(own) for own in unless_of], dtype=bool)

        cache = Shelf(shelf, shipped)
        trials = [_trials(of_rule, folded_examples) for of_rule in (self._match_of, unless_of)]
        self._match, self._exclude = self._built(book, list(zip((expressions, excluding), trials, strict=True)), cache)
        self.quarantined = self._quarantine(book, unless_of)
        # RE2 serves all or nothing: both scanners would say it.
        self.notices = list(dict.fromkeys((*self._match.notices, *self._exclude.notices)))
        if self.quarantined:
            named = ", ".join(self.quarantined)
            said = f"{len(self.quarantined)} rules quarantined to RE2, Hyperscan gets them wrong: {named}"
            self.notices.append(said)
            log.error(said)
        self._exact: dict[int, ExactPattern] = {}

    @staticmethod
    def _built(
        book: Rulebook, sets: Sequence[tuple[list[Expression], dict[int, list[bytes]]]], cache: Shelf
    ) -> list[Scanner]:
        """A scanner for each set of expressions; raises RulebookError with every pattern that an engine refuses."""
        scanners: list[Scanner] = []
        refused: dict[bytes, str] = {}
        for expressions, trials in sets:
            try:
                scanners.append(Scanner(expressions, trials, cache))
            except CannotCompile as error:
                refused |= {expressions[at].source: words for at, words in error.numbers.items()}
        if refused:
            raise RulebookError(f"{len(refused)} patterns do not compile", _refusals(book, refused))
        return scanners

    def _quarantine(self, book: Rulebook, unless_of: Sequence[Sequence[int]]) -> tuple[str, ...]:
        """The rules of which the fast engine gets a pattern wrong."""
        return tuple(
            sorted(
                rule.id
                for rule, own, unless in zip(book.rules, self._match_of, unless_of, strict=True)
                if self._match.wrong & set(own) or self._exclude.wrong & set(unless)
            )
        )

    def is_kept(self) -> bool:
        """Whether the next start finds on disk all that was compiled for this one."""
        return self._match.is_kept() and self._exclude.is_kept()

    @property
    def lost(self) -> int:
        """Matches that the sampled re-reading found and the fast engine had not."""
        return self._match.lost + self._exclude.lost

    def judge(self, texts: pl.Series) -> Matches:
        """Every rule that matches each text.

        texts     String [n], distinct folded texts
        returns   one row for each (text, rule), ordered by text, then rule
        """
        encoded = texts.cast(pl.Binary).to_list()
        text, rule, pattern = _one_a_rule(*self._matches.take(*self._match.scan(encoded)))
        return Matches(text, rule, pattern.astype(np.uint16), self._excluded(encoded, text, rule))

    def find(self, text: bytes) -> list[int]:
        """The rules that match one folded text and are not excluded by an `unless`, ascending."""
        matched = {rule for number in self._match.find(text) for rule in self._rules_of[number]}
        if any(self._unless[rule] for rule in matched):
            excluding = self._exclude.find(text)
            matched = {rule for rule in matched if not (self._unless[rule] & excluding)}
        return sorted(matched)

    def _excluded(self, encoded: list[bytes], text: np.ndarray, rule: np.ndarray) -> np.ndarray:
        """bool [m]: whether an `unless` pattern of the rule matches too."""
        asks = np.flatnonzero(self._excludes[rule])
        excluded = np.zeros(len(rule), dtype=bool)
        if len(asks):
            texts, place = np.unique(text[asks], return_inverse=True)
            where, what = self._exclude.scan([encoded[at] for at in texts.tolist()])
            at, number, _ = self._unless_runs.take(asks, rule[asks])
            pair = np.repeat(place, self._unless_runs.count[rule[asks]]) << 32 | number
            excluded[at[among(pair, where << 32 | what)]] = True
        return excluded

    def spans(self, text: str, rule: int) -> list[tuple[int, int]]:
        """Where a rule's match stands in a folded text: byte offsets, of every pattern of the rule."""
        encoded = text.encode()
        return sorted({span for number in self._match_of[rule] for span in self._pattern(number).spans(encoded)})

    def _pattern(self, number: int) -> ExactPattern:
        if number not in self._exact:
            self._exact[number] = ExactPattern(self._match.expressions[number])
        return self._exact[number]


def _trials(numbers: Sequence[Sequence[int]], folded_examples: Sequence[Sequence[str]]) -> dict[int, list[bytes]]:
    """For each expression the examples of the rules that have it."""
    trials: dict[int, list[bytes]] = {}
    for own, examples in zip(numbers, folded_examples, strict=True):
        for number in own:
            trials.setdefault(number, []).extend(text.encode() for text in examples)
    return trials


def _numbered(patterns: Sequence[Sequence[Pattern]]) -> tuple[list[Expression], list[list[int]]]:
    """The distinct expressions, and for each list of patterns the numbers of theirs."""
    numbers: dict[Expression, int] = {}
    expressions: list[Expression] = []
    for pattern in (pattern for own in patterns for pattern in own):
        if numbers.setdefault(pattern.expression, len(numbers)) == len(expressions):
            expressions.append(pattern.expression)
    return expressions, [[numbers[pattern.expression] for pattern in own] for own in patterns]


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
