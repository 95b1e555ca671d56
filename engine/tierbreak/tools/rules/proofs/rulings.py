"""What the real engine decides on texts: the tier that scans and the arbiter, as `engine` uses them, model left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak import pipeline
from tierbreak.core.arbitration import OUTCOMES, STANDS, kind_names, settle, stand
from tierbreak.core.tables import GUARDED, read
from tierbreak.parts import Parts
from tierbreak.settings import Settings
from tierbreak.tools.rules.proofs.conditions import Row


@dataclass(frozen=True)
class Ruling:
    """What tier `rules` decides on one row.

    brand       registry index of the brand that it settles, -1 where it settles none
    standing    rules whose match stands in the end
    outcomes    rule -> what became of its match, of arbitration.OUTCOMES
    collision   the kinds on record, joined by `+`, or None
    """

    brand: int
    standing: frozenset[int]
    outcomes: dict[int, str]
    collision: str | None

    def won_by(self, rule: int) -> bool:
        """Whether the case is settled and this rule's match is among those that settle it."""
        return self.brand >= 0 and rule in self.standing


def scan(parts: Parts, texts: Sequence[str]) -> list[frozenset[int]]:
    """For each folded text the rules that find it: a pattern matches and no `unless`, guards not asked."""
    found: list[set[int]] = [set() for _ in texts]
    matches = parts.rules.judge(pl.Series(texts, dtype=pl.String)).filter(~pl.col("excluded"))
    for text, rule in matches.select("folded", "rule").iter_rows():
        found[text].add(rule)
    return [frozenset(rules) for rules in found]


def rule_on(parts: Parts, texts: Sequence[str], rows: Sequence[Row]) -> list[Ruling]:
    """The decision on each text, which is a folded one, with the other columns of its row."""
    if not texts:
        return []
    columns = {name: [getattr(row, name) for row in rows] for name in GUARDED}
    batch = read(pl.DataFrame({"descriptor": list(texts), **columns}, schema={"descriptor": pl.String, **GUARDED}))
    settings = Settings(debits="negative")
    distinct = pipeline.Texts.of(batch["descriptor"], frozenset())
    cases = pipeline.cases(parts, batch, distinct, pipeline.match(parts, distinct), settings)
    standing = stand(cases.matches, len(cases.text), parts.precedence)
    settled = settle(standing, pipeline.spans(parts, distinct, cases, standing), parts.precedence)
    start = np.searchsorted(standing.case, np.arange(len(cases.text) + 1))
    out = []
    for case in cases.of_row.tolist():
        here = slice(start[case], start[case + 1])
        of = dict(zip(standing.rule[here].tolist(), settled.outcome[here].tolist(), strict=True))
        brand = int(settled.brand[case]) if settled.tier[case] == 0 else -1
        out.append(
            Ruling(
                brand,
                frozenset(rule for rule, outcome in of.items() if outcome == STANDS),
                {rule: OUTCOMES[outcome] for rule, outcome in of.items()},
                kind_names(int(settled.kinds[case])),
            )
        )
    return out
