"""The thirty rows as files, and as the table that comes of them."""

import polars as pl
import pytest

from compare import thirty


@pytest.fixture
def october(tmp_path):
    """The thirty rows as a person has them: the traffic, and each side's decisions in an order of its own."""
    rows = thirty.ROWS
    ids = [f"t{at}" for at in range(len(rows))]
    pl.DataFrame(
        {
            "id": ids,
            "descriptor": [row[0] for row in rows],
            "user": [row[2] for row in rows],
            "amount": ["oops" if row[3] is None else f"{row[3]:.2f}" for row in rows],
            "date": [thirty.date(row[4]).isoformat() for row in rows],
        }
    ).write_csv(tmp_path / "october.csv")
    old = pl.DataFrame({"id": ids, "merchant": [row[5] for row in rows], "rule": [row[6] for row in rows]})
    old.reverse().write_csv(tmp_path / "old.csv")
    pl.DataFrame(
        {
            "id": ids,
            "brand": [row[7] for row in rows],
            "tier": [row[8] for row in rows],
            "rule": [row[9] for row in rows],
            "confidence": [row[10] for row in rows],
            "reason": [row[11] for row in rows],
        },
        schema_overrides={"confidence": pl.Float64},
    ).write_csv(tmp_path / "new.csv")
    truth = "".join(f"{descriptor}\t{brand or ''}\n" for descriptor, brand in thirty.TRUTH.items())
    (tmp_path / "gold.tsv").write_text("descriptor\ttruth\n" + truth)
    return tmp_path


@pytest.fixture
def pairs(tmp_path):
    """The thirty rows as a Pairs."""
    return thirty.pairs(tmp_path / "pairs")
