"""Brand by brand: the thirty rows by hand, a slow count of random ones, and thousands of brands."""

import json
import math
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.tools.compare.document import Fold, Table, Text, plain, tables
from tierbreak.tools.compare.joint import Joint
from tierbreak.tools.compare.measure.brands import Trusted, brands
from tierbreak.tools.compare.measure.cells import ByKey, by_key, cells
from tierbreak.tools.compare.report.brands import SHOWN, section
from tierbreak.tools.compare.report.page import page
from tools.compare import thirty
from tools.compare.gold_rows import arguments

stats = pytest.importorskip("scipy.stats", reason="the extra `compare` is not installed")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return thirty.pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def gold(tmp_path_factory):
    (truth, key, _, old, new, _), _ = arguments(tmp_path_factory.mktemp("gold"))
    return Trusted(truth, key, old, new)


@pytest.fixture(scope="module")
def found(pairs, gold):
    return brands(cells(pairs), by_key(pairs), pairs.joint, gold)


#: Rows old, new, gained, lost; net money; distinct keys gained, lost. Uber loses its three rows of UBER EATS, one key,
#: 25 + 35 + 40 of money. Delta Air Lines loses two rows, of which one has an amount, 100. Starbucks gains three rows of
#: one key: 5 + 6 + 6.50. Shell, Target, Apple and the gym lose one row each, of 12, 45, 18 and 30.
BY_HAND = {
    "uber": (5, 2, 0, 3, -100, 0, 1),
    "starbucks": (0, 3, 3, 0, 17.5, 1, 0),
    "uber-eats": (0, 3, 3, 0, 100, 1, 0),
    "delta-air-lines": (2, 0, 0, 2, -100, 0, 1),
    "delta-dental": (0, 2, 2, 0, 100, 1, 0),
    "lyft": (0, 2, 2, 0, 35, 1, 0),
    "shell": (3, 2, 0, 1, -12, 0, 1),
    "target": (2, 1, 0, 1, -45, 0, 1),
    "Local Gym": (1, 0, 0, 1, -30, 0, 1),
    "apple": (1, 0, 0, 1, -18, 0, 1),
    "netflix": (4, 4, 0, 0, 0, 0, 0),
    "spotify": (2, 2, 0, 0, 0, 0, 0),
    "x": (2, 2, 0, 0, 0, 0, 0),
}


def test_by_hand_and_in_order(found):
    """By gained + lost: 3, 3, 3, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0; then by rows, the most first; then by id."""
    made = {
        brand.id: (
            brand.old, brand.new, brand.gained, brand.lost, brand.money, brand.keys_gained, brand.keys_lost,
        )
        for brand in found.brands
    }  # fmt: skip
    assert made == BY_HAND
    assert list(made) == list(BY_HAND)
    assert all(brand.net == brand.gained - brand.lost == brand.new - brand.old for brand in found.brands)
    assert (found.changed, found.tested, found.flagged, found.losing, found.gold) == (10, 10, 0, 0, 18)
    # The old side says twitter for x: a rebrand, no change. What no registry has is still an answer.
    assert [brand.id for brand in found.brands if not brand.known] == ["Local Gym"]


def test_one_key_is_no_evidence(found):
    """One key of one, both ends of a coin: p = 1. Three rows of it would have had p = 0.25."""
    assert [brand.p for brand in found.brands[:10]] == [1.0] * 10
    assert [brand.q for brand in found.brands[:10]] == [1.0] * 10
    assert all(math.isnan(brand.p) and math.isnan(brand.q) for brand in found.brands[10:])


def test_gold_by_hand(found):
    """In distinct keys, so the two rows of UBER EATS are one."""
    made = {brand.id: brand for brand in found.brands}

    def counts(shares):
        return [(share.part, share.whole) for share in shares]

    # Uber is said by the old side of UBER TRIP and UBER EATS, rightly of the first; by the new side of the first alone.
    assert counts(made["uber"].precision) == [(1, 2), (1, 1)]
    assert counts(made["uber"].found) == [(1, 1), (1, 1)]
    assert counts(made["uber-eats"].precision) == [(0, 0), (1, 1)]
    assert counts(made["uber-eats"].found) == [(0, 1), (1, 1)]
    # Shell is said by the old side of the oil and of the books.
    assert counts(made["shell"].precision) == [(1, 2), (1, 1)]
    assert counts(made["apple"].precision) == [(0, 1), (0, 0)]
    assert counts(made["apple"].found) == [(0, 0), (0, 0)]
    assert math.isnan(made["apple"].found[0].value)
    want = stats.binomtest(1, 2).proportion_ci(0.95, method="wilson")
    assert (made["uber"].precision[0].low, made["uber"].precision[0].high) == pytest.approx((want.low, want.high))


def test_a_key_is_right_only_where_all_its_rows_are():
    """One key of brand 0 in two rows, of which the old side has one right, the new side both; and a key of brand 1."""
    gold = Trusted(*(np.array(part) for part in ([0, 0, 1], [7, 7, 8], [0, 1, 1], [0, 0, -1])))
    first, second = (brand_of(found, id) for found in [counted([], gold=gold)] for id in ("a", "b"))
    assert [(share.part, share.whole) for share in (*first.found, *second.found)] == [(0, 1), (1, 1), (1, 1), (0, 1)]
    # Brand 1 is said by the old side of both keys, wrongly of the first; the new side never says it.
    assert [(share.part, share.whole) for share in (*first.precision, *second.precision)] == [
        (1, 1), (1, 1), (1, 2), (0, 0),
    ]  # fmt: skip


def brand_of(found, id):
    return next(brand for brand in found.brands if brand.id == id)


def test_the_page_says_what_the_figures_say(found):
    made = section(found)
    assert (made.id, made.title, made.figures) == ("brands", "Brand by brand", found)
    table, judged = tables(made.blocks)
    assert table.rows[0] == ("Uber", "5", "2", "0", "3", "-3", "-100", "+0 / -1", "1.0000", "50 → 100", "100 → 100")
    assert table.rows[9][-2:] == ("0 → -", "-")
    assert judged.rows[0][:3] == ("Uber", "50.0 % (9.5 to 90.5), n 2", "100.0 % (20.7 to 100.0), n 1")
    assert judged.rows[9] == ("Apple", "0.0 % (0.0 to 79.3), n 1", "-", "-", "-")
    assert table.rows[8][0] == "Local Gym (in no registry)"
    words = " ".join(block.text for block in made.blocks if isinstance(block, Text))
    assert "10 of 13 brands gain or lose rows. The largest change is Uber's: 0 gained, 3 lost." in words
    json.dumps(plain(made.figures), allow_nan=False)


def test_without_gold_and_money_they_are_left_out_and_it_is_said(pairs):
    bare = cells(pairs).with_columns(money=pl.lit(0.0), no_money=pl.col("rows"))
    found = brands(bare, by_key(pairs), pairs.joint)
    assert all(math.isnan(brand.money) and math.isnan(brand.precision[1].value) for brand in found.brands)
    made = section(found)
    (table,) = tables(made.blocks)
    assert table.columns == (
        "Brand", "Old rows", "New rows", "Gained", "Lost", "Net", "Keys", "q",
    )  # fmt: skip
    words = " ".join(block.text for block in made.blocks if isinstance(block, Text))
    assert "There is no gold set" in words
    assert "no amounts" in words
    assert "Starbucks" in {row[0] for row in table.rows}


def test_without_rows_it_says_so(tmp_path):
    empty = thirty.pairs(tmp_path, [thirty.ROWS[20]], [thirty.OUTCOME[20]])  # a cafe, neither side answers
    found = brands(cells(empty), by_key(empty), empty.joint)
    assert found.brands == ()
    assert section(found).blocks == (Text("Neither side names a brand in any row.", "warn"),)


def test_sides_that_agree_change_nothing(tmp_path):
    alike = thirty.pairs(tmp_path, thirty.ROWS[:6], thirty.OUTCOME[:6])
    found = brands(cells(alike), by_key(alike), alike.joint)
    assert (len(found.brands), found.changed, found.tested, found.flagged) == (2, 0, 0, 0)
    assert "All 2 brands are named in the same rows by both sides." in [
        block.text for block in section(found).blocks if isinstance(block, Text)
    ]


SMALL = Joint(
    ("a", "b", "c", "d"), ("A", "B", "C", "D"), ("",) * 4, np.arange(4, dtype=np.int32), np.array([True] * 4)
)  # fmt: skip


def counted(rows, gold=None, joint=SMALL):
    """`brands` of rows (key, old, new, n), counted here and not by the passes over a table."""
    by = defaultdict(float)
    for _, old, new, n in rows:
        by[old, new] += n
    table = pl.DataFrame(
        [(old, new, n, 0.0, 1, 1) for (old, new), n in by.items()], orient="row",
        schema={"old_brand": pl.Int32, "new_brand": pl.Int32, "n": pl.Float64, "money": pl.Float64,
                "rows": pl.Int64, "no_money": pl.Int64},
    )  # fmt: skip
    keys = []
    for brand in range(len(joint)):
        olds, news = ({row[0] for row in rows if row[at] == brand} for at in (1, 2))
        keys.append((brand, len(olds), len(news), len(news - olds), len(olds - news)))
    schema = dict.fromkeys(("brand", "keys_old", "keys_new", "keys_gained", "keys_lost"), pl.Int64)
    named = pl.DataFrame(keys, schema=schema, orient="row")
    return brands(table, ByKey(0, {}, (), pl.DataFrame(), named), joint, gold)


def test_flags_are_those_of_benjamini_and_hochberg():
    """a loses 12 keys of 12: p = 2 / 2^12, of three tests q = 6 / 4096. b gains 7 of 8: 18 / 256, q = 27 / 256, with
    c it would be 1 of 2. The keys that a loses go to nobody."""
    rows = [(at, 0, -1, 1.0) for at in range(12)] + [(20 + at, -1, 1, 5.0) for at in range(7)] + [(30, 1, -1, 1.0)]
    rows += [(40, -1, 2, 9.0), (41, 2, -1, 9.0)]
    found = counted(rows)
    made = {brand.id: brand for brand in found.brands}
    assert (made["a"].p, made["b"].p, made["c"].p) == pytest.approx((2 / 4096, 18 / 256, 1.0))
    assert (made["a"].q, made["b"].q, made["c"].q) == pytest.approx((6 / 4096, 27 / 256, 1.0))
    assert [brand.id for brand in found.brands if brand.flagged] == ["a"]
    assert (found.tested, found.flagged, found.losing, found.opposed) == (3, 1, 1, 0)
    # b: 36 rows; c: 18; a: 12.
    assert [brand.id for brand in found.brands] == ["b", "c", "a"]
    made = section(found)
    (table,) = tables(made.blocks)
    assert [row[-1] for row in table.rows] == ["0.1055", "1.0000", "0.0015 *"]
    assert table.tones == ("", "", "warn")
    assert any("stopped naming the brand" in block.text for block in made.blocks if isinstance(block, Text))


def test_a_brand_that_gains_keys_and_loses_rows_is_said():
    """a gains eight keys of one row each and loses one of a hundred rows: p = 20 / 512 of one test."""
    found = counted([(at, -1, 0, 1.0) for at in range(8)] + [(9, 0, -1, 100.0)])
    assert (found.brands[0].p, found.flagged, found.losing, found.opposed) == (pytest.approx(20 / 512), 1, 0, 1)
    made = section(found)
    assert any("outweigh" in block.text for block in made.blocks if isinstance(block, Text))
    (table,) = tables(made.blocks)
    assert table.tones == ("warn",)


def test_six_keys_of_one_kind_are_the_fewest_that_can_be_flagged():
    assert [counted([(at, 0, -1, 1.0) for at in range(keys)]).flagged for keys in (5, 6)] == [0, 1]


rows = st.lists(
    st.tuples(st.integers(0, 5), st.integers(-1, 3), st.integers(-1, 3), st.sampled_from([0.5, 1.0, 2.0])), max_size=30
)


@given(rows)
@settings(max_examples=100, deadline=None)
def test_as_a_slow_count(given_rows):
    found = counted(given_rows)
    for brand in found.brands:
        at = SMALL.position[brand.id]
        old = sum(n for _, old, _, n in given_rows if old == at)
        new = sum(n for _, _, new, n in given_rows if new == at)
        gained = sum(n for _, old, new, n in given_rows if new == at != old)
        lost = sum(n for _, old, new, n in given_rows if old == at != new)
        assert (brand.old, brand.new, brand.gained, brand.lost) == (old, new, gained, lost)
        if keys := brand.keys_gained + brand.keys_lost:
            assert brand.p == pytest.approx(stats.binomtest(brand.keys_gained, keys).pvalue)
    named = {brand for _, old, new, _ in given_rows for brand in (old, new)} - {-1}
    assert {SMALL.position[brand.id] for brand in found.brands} == named
    order = [brand.gained + brand.lost for brand in found.brands]
    assert order == sorted(order, reverse=True)


@given(st.lists(st.sampled_from(range(30)), min_size=1, max_size=40), st.randoms(use_true_random=False))
@settings(max_examples=6, deadline=None)
def test_through_the_table_as_without_it(chosen, random):
    """Some of the thirty rows, with weights: the passes over the table count as plain Python does."""
    some, weights = [thirty.ROWS[at] for at in chosen], [random.choice([1.0, 2.0, 0.5]) for _ in chosen]
    with tempfile.TemporaryDirectory() as folder:
        pairs = thirty.pairs(Path(folder), some, [thirty.OUTCOME[at] for at in chosen], weights=weights)
        found = brands(cells(pairs), by_key(pairs), pairs.joint)
        table = pairs.scan().select("key", "old_brand", "new_brand", "n").collect()
    want = counted(table.rows(), joint=pairs.joint)
    for brand, other in zip(found.brands, want.brands, strict=True):
        assert (brand.id, brand.gained, brand.lost) == (
            other.id,
            pytest.approx(other.gained),
            pytest.approx(other.lost),
        )
        assert (brand.keys_gained, brand.keys_lost) == (other.keys_gained, other.keys_lost)


def test_thousands_of_brands_stay_a_light_page():
    size = 4000
    ids = tuple(f"brand-{at}" for at in range(size))
    joint = Joint(ids, ids, ("",) * size, np.arange(size, dtype=np.int32), np.ones(size, bool))
    draw = np.random.default_rng(0)
    old, new = draw.integers(0, size, 20_000), draw.integers(-1, size, 20_000)
    table = pl.DataFrame(
        {"old_brand": old, "new_brand": new, "n": 1.0, "money": 2.0, "rows": 1, "no_money": 0},
    ).with_columns(pl.col("old_brand", "new_brand").cast(pl.Int32))  # fmt: skip
    named = pl.DataFrame({"brand": np.arange(size), "keys_gained": draw.integers(0, 9, size), "keys_lost": 3})
    gold = Trusted(old.astype(np.int32), np.arange(20_000), old.astype(np.int32), new.astype(np.int32))
    found = brands(table, ByKey(0, {}, (), pl.DataFrame(), named), joint, gold)
    made = section(found)
    shown, folded, judged = tables(made.blocks)
    assert (len(shown.rows), len(folded.rows)) == (SHOWN, len(found.brands) - SHOWN)
    assert any(
        isinstance(block, Fold) and block.title == f"The other {len(folded.rows):,} brands" for block in made.blocks
    )
    assert len(judged.rows) == len(found.brands)
    assert isinstance(folded, Table)
    assert len(page([made], heading="", opening="").encode()) < 1_500_000
