"""What the real engine decides on texts: the tier that scans and the arbiter, as `engine` uses them, model left out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak import pipeline
from tierbreak.core.cells import read
from tierbreak.core.codes import OUTCOMES, Outcome, collision_text
from tierbreak.core.tables import GUARDED
from tierbreak.parts import Parts
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
    matches = parts.rules.judge(pl.Series(texts, dtype=pl.String))
    for text, rule, excluded in zip(
        matches.text.tolist(), matches.rule.tolist(), matches.excluded.tolist(), strict=True
    ):
        if not excluded:
            found[text].add(rule)
    return [frozenset(rules) for rules in found]


def rule_on(parts: Parts, texts: Sequence[str], rows: Sequence[Row]) -> list[Ruling]:
    """The decision on each text, which is a folded one, with the other columns of its row."""
    if not texts:
        return []
    columns = {name: [getattr(row, name) for row in rows] for name in GUARDED}
    batch = read(pl.DataFrame({"descriptor": list(texts), **columns}, schema={"descriptor": pl.String, **GUARDED})).rows
    ruling = pipeline.rule(parts, batch, pipeline.Run(frozenset(), "negative", dt.date.today()))
    cases, standing, settled = ruling.cases, ruling.ruled.standing, ruling.ruled.decided
    start = np.searchsorted(standing.case, np.arange(len(cases.text) + 1))
    out = []
    for case in cases.of_row.tolist():
        here = slice(start[case], start[case + 1])
        of = dict(zip(standing.rule[here].tolist(), settled.outcome[here].tolist(), strict=True))
        brand = int(settled.brand[case]) if settled.by_rules[case] else -1
        out.append(
            Ruling(
                brand,
                frozenset(rule for rule, outcome in of.items() if outcome == Outcome.STANDS),
                {rule: OUTCOMES[outcome] for rule, outcome in of.items()},
                collision_text(int(settled.kinds[case])),
            )
        )
    return out
