"""Tier `rules`: the rulebook compiled, texts scanned, matches returned. Never silently wrong.

The fast engine is Hyperscan behind the truth guard (guard.py); the exact engine (exact.py) serves what the
guard has quarantined, confirms look-around, finds spans, and re-reads a sample of what was served.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tierbreak.errors import RulebookError
from tierbreak.rulebook import RUNS, Rulebook
from tierbreak.rulebook.patterns import Expression
from tierbreak.tables import MATCHES
from tierbreak.tiers.rules import database, guard
from tierbreak.tiers.rules.exact import ExactPattern, ExactScanner

log = logging.getLogger(__name__)

#: One text in this many of a large batch is read again by the exact engine.
SAMPLE = 10_000


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
        self._fast, bad = self._build(book, trials, database.Shelf(shelf))
        self.quarantined = self._quarantine(book, bad)
        self._confirm = {
            number: ExactPattern(expression)
            for number, expression in enumerate(self._expressions)
            if expression.host_only and number not in bad
        }
        self._exact: dict[int, ExactPattern] = {}

    def _collect(self, book: Rulebook) -> None:
        """Distinct expressions, and for each the rules that use it: as `match` (number > 0) or `unless` (0)."""
        numbers: dict[bytes, int] = {}
        self._expressions: list[Expression] = []
        uses: list[list[tuple[int, int]]] = []
        self._of_rule: list[list[int]] = []
        for index, rule in enumerate(book.rules):
            own = []
            if rule.status in RUNS:
                for pattern, role in [(p, p.number) for p in rule.match] + [(p, 0) for p in rule.unless]:
                    number = numbers.setdefault(pattern.expression.source, len(numbers))
                    if number == len(self._expressions):
                        self._expressions.append(pattern.expression)
                        uses.append([])
                    uses[number].append((index, role))
                    own.append(number)
            self._of_rule.append(own)
        self._use_count = np.array([len(of) for of in uses], dtype=np.int64)
        self._use_start = np.cumsum(self._use_count) - self._use_count
        self._use_rule = np.array([rule for of in uses for rule, _ in of], dtype=np.int64)
        self._use_role = np.array([role for of in uses for _, role in of], dtype=np.int64)

    def _trials(self, folded_examples: Sequence[Sequence[str]]) -> dict[int, list[bytes]]:
        trials: dict[int, list[bytes]] = {}
        for own, examples in zip(self._of_rule, folded_examples, strict=True):
            for number in own:
                trials.setdefault(number, []).extend(text.encode() for text in examples)
        return trials

    def _build(self, book: Rulebook, trials: dict[int, list[bytes]], shelf: database.Shelf) -> tuple[Any, set[int]]:
        """The scanner that serves, and the numbers of the expressions that it gets wrong."""
        expressions = self._expressions
        if not database.available():
            self.notices.append("hyperscan is not installed here: RE2 serves every rule")
            return ExactScanner(expressions), set()
        key = database.key(expressions)
        kept = shelf.load(key, expressions)
        if kept is not None:
            fast, notes = kept
            if notes["trials"] == _digest(trials):
                return fast, set(notes["wrong"])
        if guard.loses_known_shapes(database.probe):
            self.notices.append(f"{database.engine()} loses matches: RE2 serves every rule; install hyperscan 0.7.21")
            log.error(self.notices[-1])
            return ExactScanner(expressions), set()
        if kept is None:
            fast = self._compile(book)
        bad = guard.wrong(fast.scan, expressions, trials)
        shelf.store(key, fast, {"trials": _digest(trials), "wrong": sorted(bad)})
        return fast, set(bad)

    def _compile(self, book: Rulebook) -> database.Database:
        try:
            return database.Database.compile(self._expressions)
        except database.CannotCompile as refused:
            faults = []
            for number, words in refused.numbers.items():
                at = self._use_start[number]
                rule, role = book.rules[self._use_rule[at]], int(self._use_role[at])
                patterns = rule.match if role else rule.unless
                pattern = next(p for p in patterns if p.expression.source == self._expressions[number].source)
                says, fix = (
                    f"Hyperscan refuses it: {words}",
                    "write what it needs without large counted repeats, or split it",
                )
                faults.append(pattern.place.fault("R020", says, pattern.text, "a pattern that compiles", fix))
            raise RulebookError(f"{len(faults)} patterns do not compile", faults) from None

    def _quarantine(self, book: Rulebook, bad: set[int]) -> tuple[str, ...]:
        """Patterns the fast engine gets wrong are read by the exact one; their rules are named, loudly."""
        self._slow_numbers = np.array(sorted(bad), dtype=np.int64)
        self._slow = ExactScanner([self._expressions[number] for number in self._slow_numbers]) if bad else None
        rules = sorted({book.rules[index].id for index, own in enumerate(self._of_rule) if bad & set(own)})
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
        if len(encoded) >= SAMPLE:
            self._reread(encoded, where, what)
        count = self._use_count[what]
        at = np.repeat(self._use_start[what], count) + _within(count)
        text, rule, role = np.repeat(where, count), self._use_rule[at], self._use_role[at]
        return _one_a_rule(text, rule, role)

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
        """Read a sample again exactly and count what was lost; decisions are not changed in mid-batch."""
        for position in range(0, len(encoded), SAMPLE):
            served = set(what[where == position].tolist())
            for number in range(len(self._expressions)):
                if number not in served and self._pattern(number).matches(encoded[position]):
                    self.lost += 1
                    log.error("the fast engine lost a match of expression %r", self._expressions[number].source)

    def _pattern(self, number: int) -> ExactPattern:
        if number not in self._exact:
            self._exact[number] = ExactPattern(self._expressions[number])
        return self._exact[number]

    def spans(self, text: str, rule: int) -> list[tuple[int, int]]:
        """Where a rule's match stands in a folded text: byte offsets, of every pattern of the rule."""
        encoded = text.encode()
        patterns = [n for n, role in self._matching(rule) if role]
        return sorted({span for number in patterns for span in self._pattern(number).spans(encoded)})

    def _matching(self, rule: int) -> list[tuple[int, int]]:
        out = []
        for number in self._of_rule[rule]:
            start = self._use_start[number]
            for at in range(start, start + self._use_count[number]):
                if self._use_rule[at] == rule:
                    out.append((number, int(self._use_role[at])))
        return out


def _within(count: np.ndarray) -> np.ndarray:
    """0, 1, … count[i] - 1 for each i, one after the other."""
    return np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)


def _one_a_rule(text: np.ndarray, rule: np.ndarray, role: np.ndarray) -> pl.DataFrame:
    """(text, rule, role) rows -> MATCHES: `unless` has role 0, and a rule of which only that matched has no row."""
    order = np.lexsort((rule, text))
    text, rule, role = text[order], rule[order], role[order]
    first = np.flatnonzero(np.r_[True, (text[1:] != text[:-1]) | (rule[1:] != rule[:-1])][: len(text)])
    if not len(first):
        return pl.DataFrame(schema=MATCHES)
    number = np.minimum.reduceat(np.where(role > 0, role, _NONE), first)
    excluded = np.minimum.reduceat(role, first) == 0
    real = number < _NONE
    return pl.DataFrame(
        {"folded": text[first][real], "rule": rule[first][real], "match": number[real], "excluded": excluded[real]},
        schema_overrides=MATCHES,
    )


#: Above every match number: "no pattern of `match`".
_NONE = np.iinfo(np.uint16).max


def _digest(trials: dict[int, list[bytes]]) -> str:
    digest = hashlib.sha256()
    for number, texts in sorted(trials.items()):
        digest.update(b"%d " % number + b"\n".join(texts) + b"\0")
    return digest.hexdigest()
