"""The summary adds up over chunks, and its memory has a bound."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.core.codes import TIERS
from tierbreak.core.summary import Summary

# Five rows, counted by hand: two by rules, one by the model, two abstained; three with a collision, one of two kinds.
ROWS = pl.DataFrame(
    {
        "tier": ["rules", "rules", "model", None, None],
        "reason": [None, None, None, "contested", "no-match"],
        "collision": ["edge+span", None, "contested", "contested", None],
        "descriptor": ["A", "A", "B", "C", None],
        "weight": [1.0, 2.0, 3.0, None, 4.0],
    }
)


def summed(*chunks: pl.DataFrame) -> Summary:
    summary = Summary()
    for chunk in chunks:
        summary.add(chunk, chunk["descriptor"], weight=chunk["weight"])
    return summary


def test_counts():
    summary = summed(ROWS)
    assert summary.as_dict() == {
        "rows": 5,
        "distinct": 3,
        "distinct_is_floor": False,
        "tiers": {
            "rules": {"rows": 2, "share": 0.4, "weight": 3.0, "weight_share": 0.3},
            "cache": {"rows": 0, "share": 0.0, "weight": 0, "weight_share": 0.0},
            "model": {"rows": 1, "share": 0.2, "weight": 3.0, "weight_share": 0.3},
            "abstained": {"rows": 2, "share": 0.4, "weight": 4.0, "weight_share": 0.4},
        },
        "reasons": {"contested": 1, "no-match": 1},
        "collided": 3,
        "collisions": {"contested": 2, "edge": 1, "span": 1},
        "audit": {},
        "silenced": {},
    }


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(range(5)), max_size=30), st.integers(0, 30))
def test_chunks_do_not_matter_and_shares_add_up(rows, cut):
    table = ROWS[rows]
    whole, parts = summed(table), summed(table[:cut], table[cut:])
    assert whole.as_dict() == parts.as_dict()
    total = sum(whole.share(tier) for tier in (*TIERS, "abstained"))
    assert total == (pytest.approx(1.0) if rows else 0.0)


def test_distinct_is_a_floor_beyond_the_cap():
    summary = Summary(distinct_cap=3)
    for part in (["A", "B"], ["B", "C", "D"], ["E"]):
        rows = pl.DataFrame({"tier": ["rules"] * len(part), "reason": None, "collision": None})
        rows = rows.cast({"reason": pl.String, "collision": pl.String})
        summary.add(rows, pl.Series(part))
    assert (summary.distinct, summary.distinct_is_floor, summary.rows) == (3, True, 6)


def test_audit_is_counted_by_kind():
    summary = Summary()
    summary.add_audit(pl.DataFrame({"kind": ["agree", "agree", "rule-model"]}))
    assert summary.as_dict()["audit"] == {"agree": 2, "rule-model": 1}
