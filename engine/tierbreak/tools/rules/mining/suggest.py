"""Words that are one brand's in the traffic -> suggestions that the whole rulebook has been held against.

A suggestion is made where all of these hold; words that are left out for one of the last two are named with the reason,
and others of the brand take their place:

    sure      the model's confidence is at or above the bar, on so many rows and keys
    steady    of the rows that the words find and the model was asked about, hardly any is otherwise: not one is
              another brand's, by a rule or by the model
    nobody's  no name, alias, example or counterexample of another brand, or of none, is found by the words
    proved    beside every rule of the book it has a text of its own, and no match of another brand shares text with it
    holds     its examples come out as its brand, and no counterexample changes, in an engine that has the rule
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from tierbreak.bundle import Bundle
from tierbreak.core.normalise import normalise
from tierbreak.parts import Parts
from tierbreak.rulebook import Rulebook
from tierbreak.settings import Settings
from tierbreak.tools.rules.mining.evidence import Mined, tokens
from tierbreak.tools.rules.mining.words import LETTERS, Candidate, candidates, common, hits, rule, taken
from tierbreak.tools.rules.proofs import proof_cache, prove
from tierbreak.tools.rules.proofs.conditions import Row
from tierbreak.tools.rules.proofs.rulings import rule_on
from tierbreak.tools.rules.traffic import masked

#: So many at most: what a person still reads.
PATTERNS, EXAMPLES, COUNTEREXAMPLES = 3, 4, 4
#: What the proofs refuse makes room for other words of the brand, so many times.
ROUNDS = 4


@dataclass(frozen=True)
class Limits:
    """What a suggestion must have behind it.

    rows         rows, or the sum of their weights, of which the model is sure
    keys         distinct keys among them
    confidence   0..1, the least confidence that counts as sure; None: the band `very-high` of the model's policy
    unsteady     0..1, the most of the rows asked about that may be less than sure
    """

    rows: float = 20.0
    keys: int = 3
    confidence: float | None = None
    unsteady: float = 0.05


@dataclass(frozen=True)
class Suggestion:
    """A rule for a person to review.

    words                     of its patterns
    rows, keys, money         of which the model is sure and which the rule would take
    low, high                 the model's least and greatest confidence on them
    share                     0..1, of all rows that the model decides for this brand
    unsure                    rows that the rule would take of which the model is less than sure
    unknown                   rows that it would take and the model was not asked about
    examples                  descriptors of the traffic, digits as 0
    counterexamples           descriptor, and the brand that rules give it, None for none
    """

    id: str
    brand: str
    owner: str
    words: tuple[str, ...]
    rows: float
    keys: int
    money: float
    low: float
    high: float
    share: float
    unsure: float
    unknown: float
    examples: tuple[str, ...] = ()
    counterexamples: tuple[tuple[str, str | None], ...] = ()

    def says(self) -> str:
        """What speaks for it, in one line."""
        rest = [f"{self.unsure:,.0f} rows less than sure"] * bool(self.unsure)
        rest += [f"{self.unknown:,.0f} rows not asked about"] * bool(self.unknown)
        return (
            f"{self.rows:,.0f} rows, {self.keys:,} keys, {self.money:,.2f} of money; "
            f"model {self.low:.4f} to {self.high:.4f}; "
            f"takes {100 * self.share:.1f} % of the rows that the model decides for {self.brand}"
            + "".join(f"; with them {each}" for each in rest)
        )


@dataclass(frozen=True)
class Suggested:
    """What came of a traffic.

    suggestions   those that most rows speak for first
    left_out      brand, words and why, of what the traffic spoke for and the rulebook against
    unknown       rows that no rule finds and the model was not asked about
    """

    name: str
    suggestions: tuple[Suggestion, ...]
    left_out: tuple[tuple[str, str, str], ...]
    unknown: float


def suggest(parts: Parts, mined: Mined, settings: Settings, limits: Limits | None = None) -> Suggested:
    """The suggestions that a traffic speaks for.

    parts    what the engine decides with, model and cache among it
    mined    what `mine` made of the traffic with the same parts
    """
    table = _Table(parts, mined, limits or Limits())
    refused: dict[Candidate, str] = {}
    for _ in range(ROUNDS):
        drafts = table.drafts(refused)
        trial, against = _tried(parts, settings, drafts)
        refused |= against
        if not against:
            break
    left = [(parts.registry.ids[one.brand], one.words, why) for one, why in refused.items()]
    sound = []
    for draft in drafts:
        if not refused.keys() & set(draft.patterns):
            whole = _with_examples(parts, trial, table, draft)
            if whole.examples:
                sound.append(whole)
            else:
                left.append((whole.brand, " | ".join(whole.words), "none of its rows can be shown as an example"))
    ordered = sorted(sound, key=lambda each: (-each.rows, each.id))
    return Suggested(mined.name, tuple(ordered), tuple(sorted(left)), mined.unknown)


@dataclass
class _Draft:
    suggestion: Suggestion
    patterns: tuple[Candidate, ...]
    lines: np.ndarray  # of TEXTS, those of which the model is sure
    near: list[tuple[str, int]] = field(default_factory=list)


class _Table:
    """TEXTS as arrays, and what candidates find in them."""

    def __init__(self, parts: Parts, mined: Mined, limits: Limits) -> None:
        self.parts, self.limits, self.lines = parts, limits, mined.texts
        bar = parts.policy.very_high if limits.confidence is None else limits.confidence
        lines = mined.texts
        self.n, self.money, self.confidence = (lines[name].to_numpy() for name in ("n", "money", "confidence"))
        self.ruled, self.brand, self.open, self.known = (
            lines[name].to_numpy() for name in ("ruled", "brand", "open", "known")
        )
        self.sure = self.open & (self.brand >= 0) & (self.confidence >= np.float32(bar))
        self.texts = lines["folded"].unique(maintain_order=True).to_list()
        number = lines["folded"].rle_id().to_numpy()  # of each line's text: lines are ordered by text
        self.first = np.searchsorted(number, np.arange(len(self.texts) + 1))
        self.taken = taken(parts.registry, parts.book)

        self.steady = self._candidates()

    def drafts(self, refused: Collection[Candidate]) -> list[_Draft]:
        """A draft a brand, of candidates that are not among those refused."""
        drafts = (
            self._draft(brand, [(one, lines) for one, lines in own if one not in refused])
            for brand, own in sorted(self.steady.items())
        )
        return [draft for draft in drafts if draft is not None]

    def _candidates(self) -> dict[int, list[tuple[Candidate, np.ndarray]]]:
        """By brand the words that are steadily its own, with the lines that they find."""
        enough = (
            self.lines.filter(pl.Series(self.sure))
            .group_by("brand")
            .agg(pl.sum("n"), pl.col("key").n_unique().alias("keys"))
            .filter(pl.col("n") >= self.limits.rows, pl.col("keys") >= self.limits.keys)["brand"]
        )
        sure = self.lines.filter(pl.Series(self.sure) & self.lines["brand"].is_in(enough.implode()))
        words = frozenset[str]().union(*(common(folder, self.parts.registry) for folder in self.parts.bundle.rules))
        asked = [one for one in candidates(sure) if one.words not in words and not self._anothers(one)]
        found: dict[int, list[tuple[Candidate, np.ndarray]]] = {}
        for one, where in zip(asked, hits(asked, self.texts), strict=True):
            lines = self._lines(where)
            if self._steady(one.brand, lines):
                found.setdefault(one.brand, []).append((one, lines))
        return found

    def _anothers(self, one: Candidate) -> bool:
        """Whether a text that is another's for sure is found by the words."""
        pattern = re.compile(rule("x", "", [one.words]).match[0].expression.source)
        return any(brand != one.brand and pattern.search(text.encode()) for text, brand in self.taken)

    def _lines(self, where: np.ndarray) -> np.ndarray:
        """Positions of the lines of texts."""
        runs = [np.arange(self.first[at], self.first[at + 1]) for at in where.tolist()]
        return np.concatenate(runs) if runs else np.empty(0, dtype=np.int64)

    def _steady(self, brand: int, lines: np.ndarray) -> bool:
        for says in (self.ruled[lines], self.brand[lines]):
            if ((says >= 0) & (says != brand)).any():
                return False
        asked = lines[self.open[lines] & self.known[lines]]
        unsure = asked[~self.sure[asked]]
        return bool(self.n[unsure].sum() <= self.limits.unsteady * self.n[asked].sum())

    def _draft(self, brand: int, own: Sequence[tuple[Candidate, np.ndarray]]) -> _Draft | None:
        """Patterns that take most rows, one after the other, each for what those before it leave."""
        taking = np.zeros(len(self.n), dtype=bool)
        covered = np.zeros(len(self.n), dtype=bool)
        keys = self.lines["key"]
        patterns: list[Candidate] = []
        while own and len(patterns) < PATTERNS:
            best = max(own, key=lambda one: self.n[self._left(one[1], covered)].sum())
            left = self._left(best[1], covered)
            if keys.gather(left).n_unique() < self.limits.keys:
                break
            patterns.append(best[0])
            taking[best[1]] = True
            covered[left] = True
        lines = np.flatnonzero(covered)
        rows = float(self.n[lines].sum())
        if not patterns or rows < self.limits.rows:
            return None
        words = tuple(one.words for one in patterns)
        new = taking & self.open
        registry = self.parts.registry
        id = registry.ids[brand]
        sure = self.confidence[lines]
        suggestion = Suggestion(
            id=_free(f"{id}.mined", {one.id for one in self.parts.book.rules}),
            brand=id,
            owner=_owner(self.parts, brand),
            words=words,
            rows=rows,
            keys=keys.gather(lines).n_unique(),
            money=float(self.money[lines].sum()),
            low=float(sure.min()),
            high=float(sure.max()),
            share=rows / float(self.n[self.brand == brand].sum()),
            unsure=float(self.n[new & self.known & ~self.sure].sum()),
            unknown=float(self.n[new & ~self.known].sum()),
        )
        return _Draft(suggestion, tuple(patterns), lines, self._near(brand, words, taking))

    def _left(self, lines: np.ndarray, covered: np.ndarray) -> np.ndarray:
        return lines[self.sure[lines] & ~covered[lines]]

    def _near(self, brand: int, words: Sequence[str], taking: np.ndarray) -> list[tuple[str, int]]:
        """Texts with a word of the patterns that the patterns do not find and that are not the brand's: what a person
        could take for it. From the traffic, heaviest first, then from the registry."""
        parts = {word for each in words for word in each.split() if sum(map(str.isalpha, word)) >= LETTERS}
        asked = self.open & ~self.known
        away = np.flatnonzero(~taking & (self.ruled != brand) & (self.brand != brand) & ~asked)
        out: list[tuple[str, int]] = []
        table = self.lines[away].sort("n", "folded", descending=[True, False])
        held = pl.any_horizontal([pl.col("folded").str.contains(word, literal=True) for word in sorted(parts)] or False)
        for text, folded, ruled in table.filter(held).select("descriptor", "folded", "ruled").iter_rows():
            if parts & {word for run in tokens(folded) for word in run}:
                out.append((text, ruled))
        names = [(text, at) for text, at in self.taken if at not in (brand, -1) and parts & set(text.split())]
        return [*out[: 4 * COUNTEREXAMPLES], *names[: 4 * COUNTEREXAMPLES]]


def _free(id: str, used: set[str]) -> str:
    number = 1
    while (name := id + f"-{number}" * (number > 1)) in used:
        number += 1
    return name


def _owner(parts: Parts, brand: int) -> str:
    """Who answers for most rules of the brand, else of its sector, else of the book."""
    registry = parts.registry
    rules = [one for one in parts.book.rules if one.brand in registry]
    sector = registry.brands[brand].sector
    own = [one.owner for one in rules if registry.index(one.brand) == brand]
    beside = [one.owner for one in rules if registry[one.brand].sector == sector]
    owners = Counter(own or beside or [one.owner for one in rules] or ["review"])
    return min(owners, key=lambda owner: (-owners[owner], owner))


def _tried(parts: Parts, settings: Settings, drafts: Sequence[_Draft]) -> tuple[Parts, dict[Candidate, str]]:
    """An engine that has every pattern of the drafts as a rule that decides; and what is proved against each."""
    patterns = {
        f"{draft.suggestion.id}.{at}": one for draft in drafts for at, one in enumerate(draft.patterns, start=1)
    }
    new = [rule(id, parts.registry.ids[one.brand], [one.words]) for id, one in patterns.items()]
    if not new:
        return parts, {}
    book = Rulebook.of(tuple(sorted((*parts.book.rules, *new), key=lambda one: one.id)))
    bare = Bundle(parts.bundle.rules, parts.bundle.registries, None, {})
    trial = Parts.load(bare, None, settings, book, parts.registry)
    with proof_cache.answers(settings.state / "proofs") as known:
        proofs = prove(trial, list(patterns), known=known)
        entangled = proofs.entangled
    why = {
        claim.rule: f"not proved to have a text of its own: {claim.says()}"
        for claim in proofs.claims
        if claim.verdict != "separate"
    }
    for pair in entangled:
        for one, other in (pair.rules, pair.rules[::-1]):
            why.setdefault(one, f"shares `{pair.shared}` with {other}, as in `{pair.witness.text}`")
    for needless in proofs.redundant:
        why.setdefault(needless.rule, needless.says())
    return trial, {patterns[id]: why[id] for id in patterns.keys() & why.keys()}


def _with_examples(parts: Parts, trial: Parts, table: _Table, draft: _Draft) -> Suggestion:
    """Examples that the trial engine gives to the brand, and counterexamples that it decides as the engine does."""
    words = draft.suggestion.words
    lines = table.lines[draft.lines].sort("n", "folded", descending=[True, False])
    own = _shown(lines.unique("key", keep="first", maintain_order=True)["descriptor"], words)[: 4 * EXAMPLES]
    near = _shown(pl.Series([text for text, _ in draft.near], dtype=pl.String), words)
    now, later, excluded = _brands(parts, near), _brands(trial, near), _brands(trial, own)
    brand = parts.registry.index(draft.suggestion.brand)
    ids = parts.registry.ids
    examples = [text for text, got in zip(own, excluded, strict=True) if got == brand]
    counter = [
        (text, ids[before] if before >= 0 else None)
        for text, before, after in zip(near, now, later, strict=True)
        if before == after != brand
    ]
    return replace(
        draft.suggestion, examples=tuple(examples[:EXAMPLES]), counterexamples=tuple(counter[:COUNTEREXAMPLES])
    )


def _shown(descriptors: pl.Series, words: Sequence[str]) -> list[str]:
    """Distinct descriptors with digits as 0, those of the words aside; what may point at a person is left out."""
    fit = descriptors.filter(~masked(descriptors).str.contains("…", literal=True))
    own = "|".join(sorted({re.escape(word) for each in words for word in each.split() if re.search(r"\d", word)}))
    digits = re.compile(rf"({own})|\d" if own else r"()\d", re.IGNORECASE)
    return list(dict.fromkeys(digits.sub(lambda found: found.group(1) or "0", text) for text in fit.to_list()))


def _brands(parts: Parts, descriptors: Sequence[str]) -> list[int]:
    folded = normalise(pl.Series(descriptors, dtype=pl.String))["folded"].to_list()
    return [ruling.brand for ruling in rule_on(parts, folded, [Row()] * len(folded))]
