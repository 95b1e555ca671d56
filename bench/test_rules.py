"""Tier `rules` and its rivals; definitions/rules.toml says what is compared."""

from __future__ import annotations

import copy
import re

import numpy as np
import polars as pl
import pytest

from bench import haystacks
from tierbreak.core.normalise import normalise
from tierbreak.core.tables import Matches
from tierbreak.tiers.rules.exact import ExactScanner


class Rows:
    """The rows of a definition, and what `expect` counts in the answers of the engines.

    texts         String [units]; `encoded` the same as bytes
    tier          the tier that serves, with its scanner and its expressions as they are inside it
    """

    def __init__(self, size, engine, book):
        found = haystacks.descriptors(size.make.get("of", size.units), book, matched=0.65)
        self.texts = pl.Series(found.texts[: size.units])
        self.encoded = [text.encode() for text in found.texts[: size.units]]
        self.tier = engine.parts.rules
        self.scan, self.expressions = self.tier._match.scan, self.tier._match.expressions
        rules = engine.parts.book.rules
        self._invented = np.array([rule.id.startswith("bench-") for rule in rules])
        # An expression of the invented book belongs to one rule; -1 for those of the shipped one.
        rule_of = {p.expression.source: at for at in np.flatnonzero(self._invented) for p in rules[at].match}
        self._rule_of = np.array([rule_of.get(one.source, -1) for one in self.expressions])

    def found(self, where, what):
        """What `expect` counts in (text, expression) pairs."""
        rule = self._rule_of[what]
        return _counted(where[rule >= 0], rule[rule >= 0])

    def judged(self, matches):
        """The same of MATCHES."""
        where, rule = matches.text, matches.rule
        return _counted(where[self._invented[rule]], rule[self._invented[rule]])

    def same(self, where, what):
        """`expect` of a rival: what it counts, and whether the (text, expression) pairs are ours."""
        ours, theirs = (np.sort(where << 32 | what) for where, what in (self.scan(self.encoded), (where, what)))
        return {**self.found(where, what), "agrees": np.array_equal(ours, theirs)}


def _counted(where, rule):
    return {"matched": len(np.unique(where)), "pairs": len(np.unique(where << 32 | rule))}


@pytest.fixture
def rows(size, engines, books):
    return Rows(size, engines(size.make["brands"]), books(size.make["brands"])[0])


@pytest.fixture
def by_set(rows):
    """`re2.Set` with all the expressions, as the tier itself uses it."""
    return ExactScanner(rows.expressions)


def _compiled(expressions):
    return [re.compile(one.source, re.IGNORECASE) for one in expressions]


def test_rules_alternation(measure, rows):
    whole = re.compile(b"|".join(b"(?:%s)" % one.source for one in rows.expressions), re.IGNORECASE)

    def answer(found):
        where, what = rows.scan(rows.encoded)
        agrees = np.flatnonzero(found).tolist() == np.unique(where).tolist()
        return {"matched": rows.found(where, what)["matched"], "agrees": agrees}

    measure(lambda: [whole.search(text) is not None for text in rows.encoded], answer)


def test_rules_verdicts(measure, rows):
    measure(lambda: rows.tier.judge(rows.texts), rows.judged)


def test_rules_set_verdicts(measure, rows, by_set):
    served = copy.copy(rows.tier)
    served._match = copy.copy(rows.tier._match)
    served._match._fast = by_set
    ours = rows.tier.judge(rows.texts)

    def answer(found):
        same = [np.array_equal(getattr(found, name), getattr(ours, name)) for name in Matches.__slots__]
        return {**rows.judged(found), "agrees": all(same)}

    measure(lambda: served.judge(rows.texts), answer)


def test_rules_verdicts_against_set(measure, rows):
    measure(lambda: rows.tier.judge(rows.texts), rows.judged)


def test_rules_set_scan(measure, rows, by_set):
    measure(lambda: by_set.scan(rows.encoded), lambda found: rows.same(*found))


def test_rules_scan(measure, rows):
    measure(lambda: rows.scan(rows.encoded), lambda found: rows.found(*found))


def test_rules_loop(measure, rows):
    searches = [(number, one.search) for number, one in enumerate(_compiled(rows.expressions))]

    def loop():
        return [(at, number) for at, text in enumerate(rows.encoded) for number, search in searches if search(text)]

    measure(loop, lambda found: rows.same(*np.array(found).T))


def test_engines_agree_on_every_example(engines, full):
    """The rows hold no shipped brand; the examples of all rules do. The loop reads a part of them: it is slow."""
    engine = engines(2_000 if full else 100)
    rules = engine.parts.book.rules
    examples = [example.descriptor for rule in rules for example in (*rule.examples, *rule.counterexamples)]
    folded = normalise(pl.Series(examples).unique(maintain_order=True))["folded"].unique(maintain_order=True)
    texts = [text.encode() for text in folded]
    tier = engine.parts.rules
    fast, by_set = (
        set(zip(*(column.tolist() for column in scanner.scan(texts)), strict=True))
        for scanner in (tier._match, ExactScanner(tier._match.expressions))
    )
    assert fast == by_set, f"{len(fast ^ by_set)} matches differ between Hyperscan and re2.Set"
    part = range(0, len(texts), max(1, len(texts) // 200))
    by_loop = {
        (at, n) for n, one in enumerate(_compiled(tier._match.expressions)) for at in part if one.search(texts[at])
    }
    ours = {pair for pair in fast if pair[0] in part}
    assert ours == by_loop, f"{len(ours ^ by_loop)} matches differ between Hyperscan and the loop over `re`"
