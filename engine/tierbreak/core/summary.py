"""What became of the rows of a run, added up chunk by chunk in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from tierbreak.core.codes import TIERS

ABSTAINED = "abstained"

#: Distinct descriptors are counted up to here, by 64-bit hashes (32 MB); beyond it the count is a floor.
DISTINCT = 4_000_000


@dataclass
class Summary:
    """Counts of a run. Shares of the tiers and abstained add up to 1.

    rows         rows added
    tiers        rows by tier, and `abstained`
    weights      the same in units of `weight`, where rows have one
    reasons      abstained rows by reason
    collisions   rows by kind; a row with two kinds counts for both
    collided     rows with any collision
    audit        audited cases by kind (`agree`, `silent`, `rule-cache`, `rule-model`)
    silenced     rule id -> rows in which its guard had no value to look at
    """

    distinct_cap: int = DISTINCT
    rows: int = 0
    tiers: Counter[str] = field(default_factory=Counter)
    weights: Counter[str] = field(default_factory=Counter)
    weighted: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    collisions: Counter[str] = field(default_factory=Counter)
    collided: int = 0
    audit: Counter[str] = field(default_factory=Counter)
    silenced: Counter[str] = field(default_factory=Counter)
    _seen: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint64), repr=False)

    def add(self, decided: pl.DataFrame, descriptors: pl.Series, *, weight: pl.Series | None = None) -> None:
        """Add some rows.

        decided       the columns of tables.DECISION, n rows
        descriptors   String, n: as they came, before normalising
        weight        Float64, n: what each row counts for; null counts 0

        >>> summary = Summary()
        >>> rows = {"tier": ["rules", None], "reason": [None, "no-match"], "collision": ["edge+span", None]}
        >>> summary.add(pl.DataFrame(rows), pl.Series(["UBER EATS", "JOE CAFE"]))
        >>> summary.tiers["rules"], summary.tiers["abstained"], sorted(summary.collisions), summary.distinct
        (1, 1, ['edge', 'span'], 2)
        """
        tier = decided["tier"].cast(pl.String).fill_null(ABSTAINED).alias("tier")
        self.rows += decided.height
        self.tiers.update(_counts(tier))
        if weight is not None:
            self.weighted = True
            by_tier = pl.DataFrame([tier, weight.fill_null(0.0).alias("weight")]).group_by("tier").agg(pl.sum("weight"))
            self.weights.update(dict(by_tier.iter_rows()))
        self.reasons.update(_counts(decided["reason"].filter(decided["tier"].is_null()).fill_null("unknown")))
        collided = decided["collision"].drop_nulls()
        self.collided += len(collided)
        self.collisions.update(_counts(collided.str.split("+").explode()))
        self._remember(descriptors)

    def add_audit(self, audit: pl.DataFrame) -> None:
        """Add audited cases, as `Result.audit` has them."""
        self.audit.update(_counts(audit["kind"]))

    def share(self, tier: str) -> float:
        """Share of rows of one tier, or `abstained`; 0 where there are no rows."""
        return self.tiers[tier] / self.rows if self.rows else 0.0

    @property
    def reported(self) -> tuple[str, ...]:
        """What shares are reported of: every tier and `abstained`; `fallback` only where it answered."""
        return tuple(tier for tier in (*TIERS, ABSTAINED) if tier != "fallback" or self.tiers[tier])

    @property
    def distinct(self) -> int:
        """Distinct descriptors seen; a floor once it reaches `distinct_cap`."""
        return len(self._seen)

    @property
    def distinct_is_floor(self) -> bool:
        return self.distinct >= self.distinct_cap

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        total = sum(self.weights.values())
        tiers: dict[str, dict[str, float]] = {}
        for tier in self.reported:
            tiers[tier] = {"rows": self.tiers[tier], "share": self.share(tier)}
            if self.weighted:
                tiers[tier] |= {
                    "weight": self.weights[tier],
                    "weight_share": self.weights[tier] / total if total else 0.0,
                }
        return {
            "rows": self.rows,
            "distinct": self.distinct,
            "distinct_is_floor": self.distinct_is_floor,
            "tiers": tiers,
            "reasons": dict(self.reasons.most_common()),
            "collided": self.collided,
            "collisions": dict(self.collisions.most_common()),
            "audit": dict(self.audit.most_common()),
            "silenced": dict(self.silenced.most_common()),
        }

    def _remember(self, descriptors: pl.Series) -> None:
        if self.distinct_is_floor:
            return
        new = np.unique(descriptors.drop_nulls().unique().hash().to_numpy())
        at = np.minimum(np.searchsorted(self._seen, new), max(0, len(self._seen) - 1))
        fresh = new[self._seen[at] != new] if len(self._seen) else new
        # A stable sort is one merge of two runs that are already sorted.
        self._seen = np.sort(np.concatenate([self._seen, fresh]), kind="stable")[: self.distinct_cap]


def _counts(values: pl.Series) -> dict[str, int]:
    return dict(values.value_counts().iter_rows())
