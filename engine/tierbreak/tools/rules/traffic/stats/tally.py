"""Sums by rule over the parts of a replay: arrays of one place a rule, added to part by part."""

from __future__ import annotations

import numpy as np
import polars as pl

from tierbreak.core.codes import Outcome
from tierbreak.parts import Parts
from tierbreak.tiers.rules.exact import ExactPattern
from tierbreak.tools.rules.traffic.replay import Replayed
from tierbreak.tools.rules.traffic.stats.variants import CHANGES, EFFECTIVE, IDLE, Now, let_in, without

#: Heaviest texts kept of each rule: what its examples are held against, and what a person is shown.
TOP = 12

#: What the later tiers say where the rule decides; `other` names another brand, or one where the rule names none.
SAYS = ("agrees", "other", "silent", "unknown")

#: In place of one of CHANGES: who decides what an `unless` gave away, and what the model names instead.
WOKE, DISAGREES = -1, -2

#: No day at all.
NEVER = -(1 << 31)

_BESIDE = ("rule", "change", "by", "brand")
_TEXTS = ("rule", "folded", "descriptor", "number", "n")


class Tally:
    """What replays add up to. Weights are rows (`n`), or their sum; `money` beside them.

    rules r; patterns p, those of all rules one after the other, rule i's from `first[i]`; unless likewise

    found, fired, decided       float64 [2, r]  n and money: a pattern was found; and nothing of its own silenced it;
                                                and it is the one named for the decision
    overlap, conflict, contested, excluded, woke, needless      float64 [r] n
    pattern_fired, pattern_decided   float64 [p] n, by the first of the rule's patterns that was found
    unless_fired                float64 [u] n
    change                      float64 [2, r, CHANGES]; confidence: float64 [r, CHANGES], the model's, times n
    says                        float64 [r, SAYS] n; known: int64 [r], texts that the cache knows
    last                        int64 [r], days since 1970, of the latest row with a date in which it fired, else NEVER
    rows                        float64 [2]: n and money of rows that rules settled, closed ones left out
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        rules = parts.book.rules
        r = len(rules)
        self.first = _starts([len(rule.match) for rule in rules])
        self.first_unless = _starts([len(rule.unless) for rule in rules])
        self.found, self.fired, self.decided = (np.zeros((2, r)) for _ in range(3))
        self.overlap, self.conflict, self.contested, self.excluded, self.woke, self.needless = np.zeros((6, r))
        self.pattern_fired, self.pattern_decided = np.zeros((2, self.first[-1]))
        self.unless_fired = np.zeros(self.first_unless[-1])
        self.change, self.confidence = np.zeros((2, r, len(CHANGES))), np.zeros((r, len(CHANGES)))
        self.says, self.known = np.zeros((r, len(SAYS))), np.zeros(r, dtype=np.int64)
        self.last = np.full(r, NEVER, dtype=np.int64)
        self.rows = np.zeros(2)
        self._beside: list[pl.DataFrame] = []
        self._texts: list[pl.DataFrame] = []
        self._rivals: list[pl.DataFrame] = []
        self._unless: dict[bytes, ExactPattern] = {}

    def add(self, part: Replayed) -> None:
        """Take in one part of the traffic."""
        now = Now.of(self.parts, part)
        self._volumes(part)
        self._neighbours(part)
        self._agreement(now)
        self._without(now)
        self._excluded(now)

    # One a kind of figure

    def _volumes(self, part: Replayed) -> None:
        standing, settled = part.standing, part.settled
        case, rule = standing.case, standing.rule
        fired = _fired(part)
        own = named(part)
        for total, which in ((self.found, slice(None)), (self.fired, fired), (self.decided, own)):
            total += [self._by_rule(rule[which], weight[case[which]]) for weight in (part.n, part.money)]
        here = settled.tier == 0
        self.rows += [part.n[here].sum(), part.money[here].sum()]
        pattern = self.first[rule] + standing.pattern - 1
        self.pattern_fired += _sums(pattern[fired], part.n[case[fired]], len(self.pattern_fired))
        self.pattern_decided += _sums(pattern[own], part.n[case[own]], len(self.pattern_decided))
        days = part.rows["last"].cast(pl.Int32).fill_null(NEVER).to_numpy().astype(np.int64)
        latest = np.full(len(part.n), NEVER, dtype=np.int64)
        np.maximum.at(latest, part.cases.of_row, days)
        np.maximum.at(self.last, rule[fired], latest[case[fired]])
        self._keep_texts(part, fired)

    def _neighbours(self, part: Replayed) -> None:
        """Overlap and conflict, as Snorkel has them: with rules that may decide."""
        standing, outcome = part.standing, part.settled.outcome
        case, rule, brand = standing.case, standing.rule, standing.brand
        fired = _fired(part)
        have = np.flatnonzero(np.isin(outcome, EFFECTIVE))
        several = np.bincount(case[have], minlength=len(part.n))
        others = several[case] - np.isin(outcome, EFFECTIVE)
        both = fired & (others > 0)
        self.overlap += self._by_rule(rule[both], part.n[case[both]])
        deny = self.parts.precedence.deny[rule]
        names = have[~deny[have]]
        least, most = np.full(len(part.n), len(self.parts.registry), np.int64), np.full(len(part.n), -1, np.int64)
        np.minimum.at(least, case[names], brand[names])
        np.maximum.at(most, case[names], brand[names])
        # A rule that names a brand is against the deny rules that take it away, and they are against it.
        against = (least[case] < brand) | (most[case] > brand) | (outcome == Outcome.DENIED)
        every, one = np.flatnonzero(deny & (brand < 0)), np.flatnonzero(deny & (brand >= 0))
        pairs = case << 32 | brand
        against[every] = most[case[every]] >= 0
        against[one] = np.isin(pairs[one], pairs[names]) if len(one) else False
        conflict = fired & against
        self.conflict += self._by_rule(rule[conflict], part.n[case[conflict]])
        self._contests(part)

    def _contests(self, part: Replayed) -> None:
        pairs = [(one, two, part.n[case]) for case, rules in part.settled.open_rules.items()
                 for one in rules for two in rules if one != two]  # fmt: skip
        for case, rules in part.settled.open_rules.items():
            self.contested[rules] += part.n[case]
        if pairs:
            rivals = pl.DataFrame(pairs, schema={"rule": pl.Int64, "by": pl.Int64, "n": pl.Float64}, orient="row")
            self._rivals.append(rivals.group_by("rule", "by").agg(pl.sum("n")))

    def _agreement(self, now: Now) -> None:
        part, evidence = now.part, now.evidence
        at = np.flatnonzero(named(part))
        case, rule = part.standing.case[at], part.standing.rule[at]
        key = evidence.of_case[case]
        asked = key >= 0
        if len(evidence.keys):
            top, sure = evidence.brands[key, 0], evidence.confidences[key, 0]
            speaks = (top >= 0) & (sure >= self.parts.thresholds[top])
            brand = part.settled.brand[case]
            same = np.where(brand >= 0, speaks & (top == brand), ~speaks)
            says = np.select([~asked, same, speaks], [3, 0, 1], default=2)
            other = says == 1
            told = {"rule": rule[other], "change": np.full(other.sum(), DISAGREES, np.int8),
                    "by": np.full(other.sum(), -1), "brand": top[other], "n": part.n[case[other]]}  # fmt: skip
            self._beside.append(_grouped(pl.DataFrame(told), _BESIDE))
        else:
            says = np.full(len(at), 3)
        self.says += _sums(rule * len(SAYS) + says, part.n[case], self.says.size).reshape(self.says.shape)
        self.known += np.bincount(rule[asked], minlength=len(self.known))

    def _without(self, now: Now) -> None:
        for varied in (without(self.parts, now), let_in(self.parts, now, Outcome.SHADOW)):
            change, rule = varied.changes(now), now.part.standing.rule[varied.at]
            place = rule * len(CHANGES) + change
            n, money = now.part.n[varied.case], now.part.money[varied.case]
            sure = np.nan_to_num(varied.decided.confidence)
            self.change[0] += _sums(place, n, self.confidence.size).reshape(self.confidence.shape)
            self.change[1] += _sums(place, money, self.confidence.size).reshape(self.confidence.shape)
            self.confidence += _sums(place, n * sure, self.confidence.size).reshape(self.confidence.shape)
            # Of an idle match it is told who decides as things are.
            by = np.where(change == IDLE, now.decided.rule[varied.case], varied.decided.rule)
            brand = np.where(change == IDLE, now.decided.brand[varied.case], varied.decided.brand)
            told = {"rule": rule, "change": change, "by": by, "brand": brand, "n": n}
            self._beside.append(_grouped(pl.DataFrame(told), _BESIDE))

    def _excluded(self, now: Now) -> None:
        part = now.part
        standing, n = part.standing, part.n
        at = np.flatnonzero(part.settled.outcome == Outcome.UNLESS)
        if not len(at):
            return
        case, rule = standing.case[at], standing.rule[at]
        self.excluded += self._by_rule(rule, n[case])
        folded = part.texts.folded.gather(part.cases.text[case]).to_list()
        for text, index, weight in zip(folded, rule.tolist(), n[case].tolist(), strict=True):
            encoded = text.encode()
            for number, pattern in enumerate(self.parts.book.rules[index].unless):
                exact = self._unless.setdefault(pattern.expression.source, ExactPattern(pattern.expression))
                if exact.matches(encoded):
                    self.unless_fired[self.first_unless[index] + number] += weight
        varied = let_in(self.parts, now, Outcome.UNLESS)
        rule, weight = standing.rule[varied.at], n[varied.case]
        by, brand, tier = (getattr(part.settled, name)[varied.case] for name in ("rule", "brand", "tier"))
        new = varied.decided
        same = (tier == 0) & (new.tier == 0) & (brand == new.brand)
        self.needless += self._by_rule(rule[same], weight[same])
        beaten = (tier == 0) & (new.tier == 0) & (new.rule == rule) & ~same
        beaten[beaten] = ~self._of_one_family(brand[beaten], new.brand[beaten])
        self.woke += self._by_rule(rule[beaten], weight[beaten])
        if beaten.any():
            told = {"rule": rule[beaten], "change": np.full(beaten.sum(), WOKE, np.int8), "by": by[beaten],
                    "brand": brand[beaten], "n": weight[beaten]}  # fmt: skip
            self._beside.append(_grouped(pl.DataFrame(told), _BESIDE))

    def _of_one_family(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        deepest = self.parts.precedence.deepest
        return np.array([deepest(pair) >= 0 for pair in zip(one.tolist(), two.tolist(), strict=True)], dtype=bool)

    def _keep_texts(self, part: Replayed, fired: np.ndarray) -> None:
        at = np.flatnonzero(fired)
        case = part.standing.case[at]
        at = at[np.lexsort((case, -part.n[case], part.standing.rule[at]))]
        rule = part.standing.rule[at]
        begins = np.searchsorted(rule, rule, side="left")
        at = at[np.arange(len(at)) - begins < TOP]
        case = part.standing.case[at]
        folded, shown = part.texts.folded.gather(part.cases.text[case]), part.descriptors(case)
        columns = {"rule": part.standing.rule[at], "folded": folded, "descriptor": shown,
                   "number": part.standing.pattern[at], "n": part.n[case]}  # fmt: skip
        self._texts.append(pl.DataFrame(columns).select(_TEXTS))
        if len(self._texts) > 4:
            self._texts = [self.texts()]

    # What is read off at the end

    def texts(self) -> pl.DataFrame:
        """rule, folded, descriptor, number, n: the TOP heaviest texts of each rule, the heaviest first."""
        if not self._texts:
            return pl.DataFrame(schema=dict(zip(_TEXTS, (pl.Int64, pl.String, pl.String, pl.UInt16, pl.Float64),
                                                strict=True)))  # fmt: skip
        whole = (
            pl.concat(self._texts).group_by("rule", "folded").agg(pl.min("descriptor"), pl.min("number"), pl.sum("n"))
        )
        ordered = whole.select(_TEXTS).sort("rule", "n", "folded", descending=[False, True, False])
        return ordered.group_by("rule", maintain_order=True).head(TOP)

    def beside(self) -> pl.DataFrame:
        """rule, change, by, brand, n: who decides without the rule; see also WOKE and DISAGREES.

        `by` and `brand` are -1 where no rule, or nobody, decides. The heaviest first.
        """
        if not self._beside:
            return pl.DataFrame(schema={**dict.fromkeys(_BESIDE, pl.Int64), "n": pl.Float64})
        return _grouped(pl.concat(self._beside, how="vertical_relaxed"), _BESIDE).sort(
            "n", *_BESIDE, descending=[True, *[False] * len(_BESIDE)]
        )

    def rivals(self) -> pl.DataFrame:
        """rule, by, n: pairs of rules that contest a case, the heaviest first."""
        if not self._rivals:
            return pl.DataFrame(schema={"rule": pl.Int64, "by": pl.Int64, "n": pl.Float64})
        pairs = _grouped(pl.concat(self._rivals), ("rule", "by"))
        return pairs.sort("n", "rule", "by", descending=[True, False, False])

    def _by_rule(self, rule: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return _sums(rule, weight, len(self.last))


def named(part: Replayed) -> np.ndarray:
    """bool [m]: the match is of the rule that is named for the decision: it settles the case, or closes it."""
    return part.settled.rule[part.standing.case] == part.standing.rule


def _fired(part: Replayed) -> np.ndarray:
    return np.isin(part.settled.outcome, (*EFFECTIVE, Outcome.SHADOW))


def _sums(place: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(place, weights=weight, minlength=size)


def _starts(counts: list[int]) -> np.ndarray:
    return np.cumsum([0, *counts])


def _grouped(rows: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    return rows.group_by(by).agg(pl.sum("n"))
