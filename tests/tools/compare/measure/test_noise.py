"""The noise floor: a side that never differs from itself, one that does, and decisions that were made elsewhere."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.errors import InputError
from tierbreak.tools.compare.measure import noise as module
from tierbreak.tools.compare.measure.noise import noise, repeats
from tools.compare import thirty

ROWS = pl.DataFrame({"descriptor": [f"SHOP {at}" for at in range(2_000)], "amount": [float(at) for at in range(2_000)]})


def steady(rows):
    return rows.select(pl.col("descriptor").alias("brand"))


def test_a_steady_side():
    """None of 2,000 differs: with 95 % confidence fewer than 3 / 2,000 do."""
    found = noise(steady, steady, ROWS, side="old")
    assert (found.side, found.how, found.rows, found.differ) == ("old", "asked", 2_000, 0)
    assert (found.share, found.low, found.high) == (0.0, 0.0, 3 / 2_000)
    assert found.examples == ()


def test_a_side_that_differs():
    """Ten rows have another brand, ten lose theirs, and where both times nobody answers nothing differs."""

    def once(rows):
        return rows.select(pl.when(pl.col("amount") < 30).then(None).otherwise("descriptor").alias("brand"))

    def again(rows):
        amount = pl.col("amount")
        brand = pl.when(amount < 40).then(None).when(amount < 50).then(pl.lit("other")).otherwise("descriptor")
        return rows.select(brand.alias("brand"))

    found = noise(once, again, ROWS)
    assert (found.rows, found.differ, found.share) == (2_000, 20, 0.01)
    # Wilson, 20 of 2,000, z = 1.96: (0.01 + 0.00096 -+ 1.96 sqrt(0.0099 / 2000 + 3.8416 / 4 / 2000^2)) / 1.00192
    assert (found.low, found.high) == pytest.approx((0.006483, 0.015395), abs=5e-6)
    assert found.examples == tuple(f"SHOP {at}" for at in range(30, 35))


def test_it_is_asked_in_another_order_and_other_batches():
    batches = []

    def second(rows):
        batches.append(rows["descriptor"].to_list())
        return steady(rows)

    assert noise(steady, second, ROWS).differ == 0
    assert [len(batch) for batch in batches] == [997, 997, 6]
    assert [one for batch in batches for one in batch] != ROWS["descriptor"].to_list()


def test_distinct_rows_are_drawn():
    twice = pl.concat([ROWS, ROWS])
    assert noise(steady, steady, twice).rows == 2_000
    assert noise(steady, steady, twice, most=300).rows == 300
    # One descriptor with two amounts is two rows, as a side may look at the amount; nobody looks at `user`.
    two = pl.DataFrame({"descriptor": ["A", "A", "A"], "amount": [1.0, 2.0, 2.0], "user": [1, 2, 3]})
    assert noise(steady, steady, two).rows == 2


def test_no_rows():
    found = noise(steady, steady, ROWS.clear())
    assert found.why == "there is no row to ask"
    assert math.isnan(found.share)


def test_repeats_of_thirty(tmp_path):
    """Ten descriptors stand there more than once, always with one answer, in 22 rows:

    netflix 4, uber trip 2, eats san francisco 2, twitter 2, sbux 0771 2, shell oil 2, joe's 2, spotify 2, lyft 2,
    delta dental 2.
    """
    for side in ("old", "new"):
        found = repeats(thirty.pairs(tmp_path / side), side)
        assert (found.how, found.groups, found.rows, found.differ, found.share) == ("repeats", 10, 22, 0, 0.0)
        assert math.isnan(found.low)
        assert math.isnan(found.high)


def test_repeats_that_differ(tmp_path):
    """One of netflix' four rows says spotify, and one of spotify's two nothing: 2 of 22 rows."""
    rows = list(thirty.ROWS)
    rows[2] = (*rows[2][:7], "spotify", *rows[2][8:])
    rows[24] = (*rows[24][:7], None, None, None, None, "no-known-brand")
    found = repeats(thirty.pairs(tmp_path, rows, thirty.OUTCOME), "new")
    assert (found.rows, found.differ, found.share) == (22, 2, 2 / 22)
    assert set(found.examples) == {"NETFLIX.COM", "SPOTIFY USA"}


def test_no_descriptor_twice(tmp_path):
    rows = [row for at, row in enumerate(thirty.ROWS) if row[0] not in {other[0] for other in thirty.ROWS[:at]}]
    found = repeats(thirty.pairs(tmp_path, rows, ["same"] * len(rows)), "old")
    assert found.why == "no descriptor stands there twice, and it cannot be asked again"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50))
def test_counted_one_by_one(flips):
    """Row i answers A or B, once and again: those that differ are counted in plain Python."""
    rows = pl.DataFrame({"descriptor": [str(at) for at in range(len(flips))]})

    def answers(which):
        return lambda rows: rows.select(
            pl.col("descriptor").map_elements(lambda at: "AB"[flips[int(at)][which]], pl.String).alias("brand")
        )

    assert noise(answers(0), answers(1), rows).differ == sum(one != other for one, other in flips)


def test_shown_are_few():
    assert len(noise(steady, lambda rows: rows.select(brand="amount").cast(pl.String), ROWS).examples) == module._SHOWN


def test_a_side_that_loses_rows():
    with pytest.raises(InputError, match="new side: 2,000 and 3 decisions for 2,000 rows"):
        noise(steady, lambda rows: steady(rows.head(1)), ROWS)
