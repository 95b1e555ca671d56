"""Texts with the rules that match them, arbitrated over and over with other edges: matching and spans are done once."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import polars as pl

from tierbreak.core.arbitration import Decisions, Precedence, Spans, rule_on, stand
from tierbreak.core.codes import Outcome
from tierbreak.core.tables import CaseMatches
from tierbreak.tiers.rules import RulesTier


class Rearbitration:
    """Distinct folded texts, each with the rule that must win it.

    want     int64 [n]: an index of the rulebook; -1: nobody in particular, the text is only decided
    brands   int64 [rules]: the brand of each rule, as `brand` of the decisions says it
    """

    def __init__(self, rules: RulesTier, precedence: Precedence, texts: pl.Series, want: np.ndarray) -> None:
        self.texts, self.want = texts, want
        self._precedence, self.brands = precedence, precedence.brand
        found = rules.judge(texts)
        outcome = np.where(found.excluded, Outcome.UNLESS, Outcome.STANDS).astype(np.uint8)
        self._matches = CaseMatches(found.text, found.rule, found.pattern, outcome)
        self._rules = rules
        self._spans: dict[tuple[str, int], Spans] = {}

    def crowded(self) -> Rearbitration:
        """The same with nothing but texts that name two brands: of no other can an edge change the answer."""
        bare = replace(self._precedence, edges=np.empty((0, 2), dtype=np.int32))
        standing = stand(self._matches, len(self.texts), bare)
        kept = np.unique(standing.case[standing.doubtful])
        place = np.full(len(self.texts), -1, dtype=np.int64)
        place[kept] = np.arange(len(kept))
        out = copy(self)
        out.texts, out.want = self.texts.gather(kept), self.want[kept]
        left = self._matches.take(place[self._matches.case] >= 0)
        out._matches = CaseMatches(place[left.case], left.rule, left.pattern, left.outcome)
        return out

    def decide(self, edges: np.ndarray) -> tuple[Decisions, np.ndarray, np.ndarray]:
        """The decisions with these edges; beside them the case and the rule of each match, as in `outcome`."""
        texts = self.texts.to_list()

        def spans(case: int, rule: int) -> Spans:
            key = (texts[case], rule)
            if key not in self._spans:
                self._spans[key] = self._rules.spans(*key)
            return self._spans[key]

        ruled = rule_on(self._matches, len(self.texts), replace(self._precedence, edges=edges), spans)
        return ruled.decided, ruled.standing.case, ruled.standing.rule

    def needed(self, edges: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """int64 [m, 3]: (text, rule above, rule below), the edges that the wanted rules lack.

        rank   int64 [rules]: the place of each rule in the list; an edge only ever goes from an earlier to a later one

        A text is wrong where another brand than that of the wanted rule is settled, or none; the wanted rule must
        then outrank each rule of another brand that has not yielded.
        """
        decided, case, rule = self.decide(edges)
        brand = self.brands
        wanted = np.where(self.want >= 0, self.want, 0)
        wrong = (self.want >= 0) & (decided.brand != brand[wanted])
        above = wanted[case]
        lacks = wrong[case] & np.isin(decided.outcome, (Outcome.STANDS, Outcome.FAMILY)) & (brand[rule] != brand[above])
        lacks &= rank[above] < rank[rule]
        return np.column_stack([case[lacks], above[lacks], rule[lacks]])
