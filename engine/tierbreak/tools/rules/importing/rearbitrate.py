"""Texts with the rules that match them, arbitrated over and over with other edges: matching and spans are done once."""

from __future__ import annotations

from array import array
from copy import copy
from dataclasses import replace

import numpy as np
import polars as pl

from tierbreak.core.arbitration import CASE_MATCHES, FAMILY, SPANS, STANDS, UNLESS, Decisions, Precedence, settle, stand
from tierbreak.tiers.rules import RulesTier


class Arena:
    """Distinct folded texts, each with the rule that must win it.

    want     int64 [n]: an index of the rulebook; -1: nobody in particular, the text is only decided
    brands   int64 [rules]: the brand of each rule, as `brand` of the decisions says it
    """

    def __init__(self, rules: RulesTier, precedence: Precedence, texts: pl.Series, want: np.ndarray) -> None:
        self.texts, self.want = texts, want
        self._precedence, self.brands = precedence, precedence.brand
        matches = rules.judge(texts)
        outcome = np.where(matches["excluded"].to_numpy(), UNLESS, STANDS).astype(np.uint8)
        self._matches = pl.DataFrame(
            {"case": matches["folded"], "rule": matches["rule"], "match": matches["match"], "outcome": outcome},
            schema_overrides=CASE_MATCHES,
        )
        self._spans = self._all_spans(rules)

    def crowded(self) -> Arena:
        """The same with nothing but texts that name two brands: of no other can an edge change the answer."""
        cases = self._spans["case"].unique().sort()
        place = pl.DataFrame({"case": cases, "at": np.arange(len(cases), dtype=np.uint32)})
        out = copy(self)
        at = cases.to_numpy()
        out.texts, out.want = self.texts.gather(at), self.want[at]
        out._matches, out._spans = (
            table.join(place, on="case").with_columns(case="at").select(table.columns)
            for table in (self._matches, self._spans)
        )
        return out

    def _all_spans(self, rules: RulesTier) -> pl.DataFrame:
        standing = stand(self._matches, len(self.texts), self._precedence)
        at = np.flatnonzero(standing.doubtful)
        texts = self.texts.gather(standing.case[at]).to_list()
        flat = array("q")  # a short pattern is found in every text: as tuples, millions of spans take gigabytes
        for text, case, rule in zip(texts, standing.case[at].tolist(), standing.rule[at].tolist(), strict=True):
            for start, end in rules.spans(text, rule):
                flat.extend((case, rule, start, end))
        table = np.frombuffer(flat, dtype=np.int64).reshape(-1, 4) if flat else np.empty((0, 4), dtype=np.int64)
        return pl.DataFrame(dict(zip(SPANS, table.T, strict=True)), schema_overrides=SPANS)

    def decide(self, edges: np.ndarray) -> tuple[Decisions, np.ndarray, np.ndarray]:
        """The decisions with these edges; beside them the case and the rule of each match, as in `outcome`."""
        book = replace(self._precedence, edges=edges)
        standing = stand(self._matches, len(self.texts), book)
        doubtful = pl.DataFrame({"case": standing.case[standing.doubtful], "rule": standing.rule[standing.doubtful]},
                                schema={"case": pl.UInt32, "rule": pl.UInt32})  # fmt: skip
        spans = self._spans.join(doubtful, on=["case", "rule"], how="semi")
        return settle(standing, spans, book), standing.case, standing.rule

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
        lacks = wrong[case] & np.isin(decided.outcome, (STANDS, FAMILY)) & (brand[rule] != brand[above])
        lacks &= rank[above] < rank[rule]
        return np.column_stack([case[lacks], above[lacks], rule[lacks]])
