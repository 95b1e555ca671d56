"""Traffic and two sides into the table of pairs."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.errors import InputError
from tierbreak.files import open_source
from tierbreak.files.columns import choose
from tierbreak.tools.compare.joint import Joint
from tierbreak.tools.compare.pairing import pair
from tierbreak.tools.compare.pairs import BUCKETS, DECIDERS, OUTCOMES, PAIR, Writer, outcomes
from tierbreak.tools.compare.rows import Reading
from tierbreak.tools.compare.sides import Asked, open_side
from tools.compare import thirty


def opened(folder, old="old.csv", new="new.csv", *, traffic="october.csv", id="id", user="user", chunk_rows=7, **told):
    sides = [open_side(str(folder / name), Asked(id=id)) for name in (old, new)]
    source = open_source(folder / traffic, chunk_rows=chunk_rows)
    return sides, source, Reading(choose(source.columns, told, name="traffic"), user=user, id=id)


def paired(folder, *args, **told):
    sides, source, reading = opened(folder, *args, **told)
    with source:
        return pair(*sides, source, reading, folder / "pairs", shipped=thirty.registry()).pairs


def test_the_thirty_rows_as_files_give_the_table_made_by_hand(october, tmp_path):
    got = paired(october)
    want = thirty.pairs(tmp_path / "by-hand").scan().collect().sort("row")
    table = got.scan().collect().sort("row")
    assert [OUTCOMES[at] for at in table["outcome"]] == thirty.OUTCOME
    same = ["row", "descriptor", "user", "n", "money", "date", "outcome", "rebrand", "new_tier", "new_confidence"]
    assert table.select(same).equals(want.select(same))
    for side in ("old", "new"):
        ids = [None if at < 0 else got.joint.ids[at] for at in table[f"{side}_brand"]]
        assert ids == [None if at < 0 else thirty.joint().ids[at] for at in want[f"{side}_brand"]]
    assert set(table["old_tier"]) == {-1, DECIDERS.index("file")}
    assert [got.rules[0][at] if at >= 0 else None for at in table["old_rule"]] == [row[6] for row in thirty.ROWS]
    assert [got.reasons[at] if at >= 0 else None for at in table["new_reason"]] == [row[11] for row in thirty.ROWS]


def test_the_facts_of_both_sides_and_the_traffic(october):
    got = paired(october)
    assert (got.old.kind, got.old.lost, got.old.extra, dict(got.old.unmapped)) == ("file", 0, 0, {"Local Gym": 1})
    assert dict(got.old.mapped) == {"id": 8, "unknown": 1}
    assert (got.traffic.rows, got.traffic.broken, got.traffic.bad_money) == (30, 0, 1)
    assert got.traffic.has == {"amount", "date", "user"}
    assert got.traffic.window == (thirty.date(1), thirty.date(32))


def test_all_rows_of_a_key_lie_in_one_bucket(october):
    got = paired(october)
    keys = [set(bucket.select("key").collect()["key"]) for bucket in got.buckets()]
    assert sum(map(len, keys)) == len(set().union(*keys))
    assert len(keys) <= BUCKETS


def test_a_row_without_a_decision_is_in_no_figure_and_is_counted(october):
    old = pl.read_csv(october / "old.csv")
    pl.concat([old.filter(pl.col("id") != "t3"), pl.DataFrame({"id": ["t99"], "merchant": ["hulu"], "rule": ["x"]})]
              ).write_csv(october / "old.csv")  # fmt: skip
    got = paired(october)
    assert (got.old.lost, got.old.extra, got.new.lost) == (1, 1, 0)
    assert sorted(got.scan().select("row").collect()["row"]) == [row for row in range(30) if row != 3]


def test_by_order_files_must_be_as_long_as_the_traffic(october):
    pl.read_csv(october / "new.csv").head(29).write_csv(october / "short.csv")
    with pytest.raises(InputError, match=r"short.csv: has 29 rows, the traffic has 30 or more"):
        paired(october, new="short.csv", old="new.csv", id=None)
    pl.concat([pl.read_csv(october / "new.csv")] * 2).write_csv(october / "long.csv")
    with pytest.raises(InputError, match=r"long.csv: has 60 rows, the traffic has 30"):
        paired(october, new="long.csv", old="new.csv", id=None)


@pytest.mark.parametrize("chunk_rows", [4, 30])
def test_an_id_that_stands_twice_in_the_traffic_is_named(october, chunk_rows):
    rows = pl.read_csv(october / "october.csv").with_columns(
        id=pl.when(pl.col("id") == "t29").then(pl.lit("t2")).otherwise("id")
    )
    rows.write_csv(october / "october.csv")
    with pytest.raises(InputError, match="1 ids stand more than once"):
        paired(october, chunk_rows=chunk_rows)


def test_a_row_of_the_traffic_without_an_id_is_named(october):
    text = (october / "october.csv").read_text().replace("t4,UBER", ",UBER")
    (october / "october.csv").write_text(text)
    with pytest.raises(InputError, match="row 5 has no id"):
        paired(october)


def test_decisions_by_descriptor_hold_for_all_of_its_rows(october):
    new = {row[0]: row[7] for row in thirty.ROWS}
    table = pl.DataFrame({"descriptor": [*new, "NEVER SEEN"], "brand": [*new.values(), "hulu"]})
    table.write_csv(october / "by-descriptor.csv")
    got = paired(october, old="by-descriptor.csv", new="by-descriptor.csv", id="descriptor")
    assert got.scan().select(pl.len()).collect().item() == 30
    assert (got.old.lost, got.old.extra) == (0, 1)
    assert set(got.scan().collect()["outcome"]) == {0, 1}


def test_a_file_may_give_a_reason_of_its_own_for_every_row(october):
    """Reasons are free text elsewhere, and may be more than a byte can count."""
    rows = pl.DataFrame({"descriptor": [f"D{at}" for at in range(200)], "why": [f"because {at}" for at in range(200)]})
    rows.with_columns(brand=pl.lit(None, pl.String), reason="why").write_csv(october / "many.csv")
    got = paired(october, old="many.csv", new="many.csv", traffic="many.csv", id=None, user=None)
    assert len(got.reasons) == 200


def test_traffic_without_rows_is_refused(october):
    (october / "october.csv").write_text("id,descriptor,user,amount,date\n")
    with pytest.raises(InputError, match="no rows"):
        paired(october)


def test_weights_count_and_multiply_money(october):
    rows = pl.read_csv(october / "october.csv").with_columns(count=pl.int_range(1, 31))
    rows.write_csv(october / "october.csv")
    table = paired(october, weight="count").scan().collect().sort("row")
    assert table["n"].to_list() == list(map(float, range(1, 31)))
    assert table["money"][29] == pytest.approx(900.0)  # 30.00 thirty times


def test_a_weight_below_nothing_is_refused_and_one_that_is_none_counts_nothing(october):
    rows = pl.read_csv(october / "october.csv")
    count = pl.when(pl.col("id") == "t3").then(pl.lit("many")).otherwise(pl.lit("2"))
    rows.with_columns(count=count).write_csv(october / "october.csv")
    got = paired(october, weight="count")
    assert got.scan().collect()["n"].sum() == 58
    assert "1 weights could not be read: they count 0" in got.traffic.notices
    rows.with_columns(count=count.replace("many", "-1")).write_csv(october / "october.csv")
    with pytest.raises(InputError, match="row 4 weighs -1; a weight is how often a row counts"):
        paired(october, weight="count")


def test_a_user_of_blanks_is_none(october):
    text = (october / "october.csv").read_text().replace(",u6,", ",  ,")
    (october / "october.csv").write_text(text)
    assert paired(october).scan().collect()["user"].null_count() == sum(row[2] == "u6" for row in thirty.ROWS)


def test_what_guards_saw_is_kept_for_explanations(october):
    table = paired(october).scan().collect().sort("row")
    assert table["given_amount"].to_list()[:2] == [15.49, 15.49]
    assert table.columns[: len(PAIR)] == list(PAIR)


BRANDS = 6
JOINT = Joint(
    tuple("abcdef"), tuple("abcdef"), ("",) * BRANDS, thirty.joint().family[:0], thirty.joint().known[:0]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, BRANDS - 1), min_size=BRANDS, max_size=BRANDS),
    st.lists(st.tuples(st.integers(-1, BRANDS - 1), st.integers(-1, BRANDS - 1)), min_size=1, max_size=20),
)
def test_every_row_has_exactly_the_outcome_that_its_words_say(heads, answers):
    import numpy as np

    joint = Joint(JOINT.ids, JOINT.names, JOINT.sectors, np.array(heads, dtype=np.int32), np.ones(BRANDS, dtype=bool))
    old, new = (np.array(side, dtype=np.int32) for side in zip(*answers, strict=True))
    for (before, after), at in zip(answers, outcomes(joint, old, new), strict=True):
        if before < 0 or after < 0:
            want = {(True, True): "both-abstain", (True, False): "gained", (False, True): "lost"}[before < 0, after < 0]
        elif before == after:
            want = "same"
        else:
            want = "family" if heads[before] == heads[after] else "changed"
        assert OUTCOMES[at] == want


def test_a_table_without_rows_still_has_its_columns(tmp_path):
    writer = Writer(tmp_path)
    writer.flush()
    assert pl.read_parquet(tmp_path / "*" / "*.parquet").schema == PAIR
