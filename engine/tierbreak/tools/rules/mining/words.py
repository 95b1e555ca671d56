"""Which words stand for one brand: shared by its texts, and found in no text or name that is another's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tierbreak.registry import Registry
from tierbreak.rulebook import Pattern, Place, Rule, Rulebook
from tierbreak.rulebook.files import fold
from tierbreak.rulebook.patterns import from_words
from tierbreak.tiers.rules import RulesTier
from tierbreak.tools.rules.mining.evidence import tokens

#: Words in a row that a pattern may name, and the letters that they must have together.
MOST_WORDS, LETTERS = 4, 4
#: Candidates of one brand that are held against the traffic.
CANDIDATES = 24


@dataclass(frozen=True)
class Candidate:
    """Words that may become a pattern of a brand (an index of the registry)."""

    words: str
    brand: int


def candidates(sure: pl.DataFrame) -> list[Candidate]:
    """The words that most rows of each brand share, the shortest first among equals.

    sure   TEXTS lines of which the model is sure
    """
    rows: dict[Candidate, float] = defaultdict(float)
    for key, brand, n in sure.group_by("key", "brand").agg(pl.sum("n")).sort("key").iter_rows():
        for words in _runs(key):
            rows[Candidate(words, brand)] += n
    by_brand: dict[int, list[Candidate]] = defaultdict(list)
    for one in sorted(rows, key=lambda one: (-rows[one], one.words.count(" "), len(one.words), one.words)):
        if len(by_brand[one.brand]) < CANDIDATES:
            by_brand[one.brand].append(one)
    return [one for brand in sorted(by_brand) for one in by_brand[brand]]


def _runs(key: str) -> set[str]:
    return {
        " ".join(run[start:end])
        for run in tokens(key)
        for start in range(len(run))
        for end in range(start + 1, min(start + MOST_WORDS, len(run)) + 1)
        if sum(map(str.isalpha, "".join(run[start:end]))) >= LETTERS
    }


def rule(id: str, brand: str, words: Sequence[str]) -> Rule:
    """A rule of `words` patterns, as the reader would make it of a file."""
    place = Place("suggested", 0, 0)
    match = tuple(
        Pattern("words", text, None, from_words(fold(text), None), number, place)
        for number, text in enumerate(words, start=1)
    )
    return Rule(
        id=id, brand=brand, owner="", status="active", deny=False, match=match, unless=(), when=None,
        valid=(None, None), outranks=(), examples=(), counterexamples=(), todo=(), note="", place=place,
        fingerprint=repr([pattern.expression.source for pattern in match]),
    )  # fmt: skip


def hits(asked: Sequence[Candidate], texts: Sequence[str]) -> list[np.ndarray]:
    """For each candidate the positions of the texts that its words find; texts are distinct folded ones."""
    if not asked or not texts:
        return [np.empty(0, dtype=np.int64) for _ in asked]
    rules = tuple(rule(f"c{at:08}", "", [one.words]) for at, one in enumerate(asked))
    tier = RulesTier(Rulebook.of(rules), [[fold(one.words)] for one in asked], shelf=None)
    found = tier.judge(pl.Series(texts, dtype=pl.String))
    order = np.argsort(found.rule, kind="stable")
    edges = np.searchsorted(found.rule[order], np.arange(len(asked) + 1))
    where = found.text[order]
    return [where[edges[at] : edges[at + 1]] for at in range(len(asked))]


def taken(registry: Registry, book: Rulebook) -> list[tuple[str, int]]:
    """Folded texts that belong to a brand (an index), or to none (-1), whatever the traffic says: names, aliases, and
    what rule authors wrote as examples and counterexamples."""
    out = []
    for at, brand in enumerate(registry.brands):
        out += [(fold(name), int(registry.redirect[at])) for name in (brand.name, *brand.aliases)]
    for one in book.rules:
        for example in (*one.examples, *one.counterexamples):
            whose = -1
            if example.expect is not None and example.expect in registry:
                whose = int(registry.redirect[registry.index(example.expect)])
            out.append((fold(example.descriptor), whose))
    return out


def common(folder: Path, registry: Registry) -> frozenset[str]:
    """Names of brands that are also words of the language, folded: none of them is a pattern by itself."""
    path = folder / "sources" / "generic.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    ids: Iterable[str] = (line for line in lines if line and not line.startswith("#"))
    return frozenset(fold(registry[id].name) for id in ids if id in registry)
