"""What can be compared, and how a name says which."""

import json

import polars as pl
import pytest

from tierbreak.errors import InputError, SettingsError
from tierbreak.tools.compare.names import named
from tierbreak.tools.compare.sides import SAID, Asked, open_side
from tools.compare import thirty

ROWS = pl.DataFrame({"descriptor": ["NETFLIX.COM", "JOES CAFE"], "row": pl.Series([0, 1], dtype=pl.UInt64)})

LIST = "pattern,merchant,flags\nUBER\\s*EATS,Uber Eats,i\nUBER,Uber,i\nGYM,Local Gym,i\n"


@pytest.fixture
def write(tmp_path):
    def written(name, text):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return written


def said(side, *descriptors):
    rows = pl.DataFrame({"descriptor": descriptors, "row": pl.Series(range(len(descriptors)), dtype=pl.UInt64)})
    out = side.decide(rows)
    assert out.schema == SAID
    return out


@pytest.fixture
def bare():
    return Asked(model=False)


def test_the_shipped_engine_is_a_side_whose_cache_is_thrown_away(bare, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    side = open_side("default", bare)
    try:
        out = said(side, "NETFLIX.COM", "ZZQX 12")
        assert out["brand"].to_list() == ["netflix", None]
        assert out["tier"].to_list() == ["rules", None]
        assert side.kind == "engine"
        assert "netflix" in side.labels
        assert dict(side.explain("NETFLIX.COM"))["brand"] == "netflix (Netflix)"
        assert len([*tmp_path.iterdir()]) == 1
    finally:
        side.close()
    assert not [*tmp_path.iterdir()]


def test_a_folder_of_rules_stands_in_for_the_shipped_ones(write, bare, tmp_path):
    (tmp_path / "mine").mkdir()
    write("mine/zz.yaml", "brand: netflix\nowner: me\nrules:\n  - id: netflix.zz\n    match:\n      - words: ZZQX\n"
          "    examples: [ZZQX 12]\n")  # fmt: skip
    for name in (str(tmp_path / "mine"), f"rules:{tmp_path / 'mine'}"):
        side = open_side(name, bare)
        assert said(side, "NETFLIX.COM", "ZZQX 12")["rule"].to_list() == [None, "netflix.zz"]
        side.close()


def test_a_file_of_patterns_is_a_list_in_which_the_first_match_wins(write):
    side = open_side(write("old.csv", LIST))
    out = said(side, "UBER EATS SF", "UBER TRIP", "JOES")
    assert side.kind == "list"
    assert out["brand"].to_list() == ["Uber Eats", "Uber", None]
    assert out["rule"].to_list() == ["line 2: UBER\\s*EATS", "line 3: UBER", None]
    assert out["reason"].to_list() == [None, None, "no-match"]
    assert dict(side.explain("UBER EATS SF"))["also match"] == "line 3 (Uber)"
    assert dict(side.explain("JOES"))["brand"] == "none"


def test_a_list_none_of_whose_lines_is_a_rule_is_refused(write):
    with pytest.raises(InputError, match="no line is a rule"):
        open_side(write("old.csv", "pattern,merchant\n(,Uber\n"))


def test_decisions_are_found_by_usual_names_of_columns(write):
    side = open_side(write("old.csv", "Merchant Name,Score\nNetflix,0.9\nunknown,2\nHulu,97%\n"))
    out = said(side, "a", "b", "c")
    assert out["brand"].to_list() == ["Netflix", None, "Hulu"]
    assert out["tier"].to_list() == ["file", None, "file"]
    assert out["confidence"].to_list() == pytest.approx([0.9, None, None])
    assert list(side.notices) == [
        "columns: brand = 'Merchant Name', confidence = 'Score'",
        "read as no answer: 'unknown' (1)", "2 confidences are no numbers from 0 to 1 and count as missing"
    ]  # fmt: skip


def test_columns_can_be_told_and_left_out(write):
    path = write("old.csv", "brand,mine,tier\nx,netflix,gold\n,hulu,rules\n")
    side = open_side(path, Asked(columns={"brand": "mine", "tier": ""}))
    assert said(side, "a", "b")["brand"].to_list() == ["netflix", "hulu"]
    with pytest.raises(InputError, match="no column 'yours' for brand; there are 'brand', 'mine', 'tier'"):
        open_side(path, Asked(columns={"brand": "yours"}))


def test_a_shadows_log_is_two_sides(write):
    lines = [
        {"descriptor": "NETFLIX.COM", "old.brand": None, "new.brand": "netflix", "new.tier": "rules"},
        {"descriptor": "UBER", "old.brand": "uber", "new.brand": "uber", "new.tier": "model"},
    ]
    path = write("log.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    old, new = open_side(f"{path}#old"), open_side(f"decisions:{path}#new")
    assert old.fingerprint != new.fingerprint == open_side(f"{path}#new").fingerprint
    rows = pl.DataFrame({"descriptor": ["NETFLIX.COM", "UBER"], "row": pl.Series([0, 1], dtype=pl.UInt64)})
    assert old.decide(rows)["brand"].to_list() == [None, "uber"]
    assert new.decide(rows)["tier"].to_list() == ["rules", "model"]
    with pytest.raises(InputError, match=r"no column begins with 'nobody\.'"):
        open_side(f"{path}#nobody")


def test_rows_are_found_by_id_and_those_without_a_decision_are_lost(write):
    side = open_side(write("old.csv", "txn,brand\nc,hulu\na,netflix\nz,lyft\n"), Asked(id="txn"))
    rows = pl.DataFrame({"descriptor": ["1", "2", "3"], "id": ["a", "b", "c"]})
    out = side.decide(rows)
    assert out["brand"].to_list() == ["netflix", None, "hulu"]
    assert out["lost"].to_list() == [False, True, False]
    assert side.extra == 1  # z


@pytest.mark.parametrize(
    ("text", "id", "says"),
    [
        ("txn,brand\na,x\nb,y\na,z\n", "txn", "1 ids stand more than once, in 2 rows"),
        ("txn,brand\na,x\n,y\n", "txn", "1 rows have no id"),
        ("txn,brand\na,x\n", "id", "no column 'id' of ids"),
        ("txn,amount\na,1\n", None, "no column of brands; there are 'txn', 'amount'"),
        ("txn,brand\n", None, "no rows"),
    ],
)
def test_a_file_that_cannot_be_looked_up_says_why(write, text, id, says):
    with pytest.raises(InputError, match=says):
        open_side(write("old.csv", text), Asked(id=id))


def test_rows_paired_by_order_must_be_as_many_and_alike(write):
    path = write("old.csv", "descriptor,brand\nNETFLIX.COM,netflix\nJOES CAFE,\n")
    side = open_side(path)
    assert side.decide(ROWS)["brand"].to_list() == ["netflix", None]
    side.finish(2)
    with pytest.raises(InputError, match=r"has 2 rows, the traffic has 1: they cannot be paired by their order"):
        side.finish(1)
    with pytest.raises(InputError, match="the traffic has 3 or more"):
        side.decide(pl.DataFrame({"descriptor": ["X"], "row": pl.Series([2], dtype=pl.UInt64)}))
    with pytest.raises(InputError, match="row 1 is about another descriptor than the traffic's row"):
        side.decide(ROWS.with_columns(descriptor=pl.lit("HULU")))


@pytest.mark.parametrize("name", ["nowhere", "nowhere.csv", "list:nowhere.csv", "decisions:nowhere.csv"])
def test_what_is_not_there_is_said(name):
    with pytest.raises((SettingsError, InputError), match="nowhere"):
        open_side(name)


def test_a_folder_of_nothing_is_said(tmp_path):
    with pytest.raises(SettingsError, match="a folder of nothing that can be compared"):
        open_side(str(tmp_path))


def test_names_are_mapped_by_id_name_alias_and_hand(write):
    path = write("old.csv", "brand\ntwitter\nUber Eats\nSBUX\nnetflix\nGym\nMine\n")
    got = named(open_side(path), [thirty.registry()], {"Mine": "hulu"})
    assert dict(got.today) == {
        "twitter": "x", "Uber Eats": "uber-eats", "SBUX": "starbucks", "netflix": "netflix", "Gym": "Gym",
        "Mine": "hulu",
    }  # fmt: skip
    assert got.written["twitter"] == "twitter"
    assert [got.how[name] for name in ("twitter", "SBUX", "Gym", "Mine")] == ["id", "alias", "unknown", "map"]


def test_what_a_shadow_failed_on_is_no_abstention(write):
    lines = [
        {"descriptor": "UBER", "old.brand": "uber", "new.brand": "uber", "error": None},
        {"descriptor": "LYFT", "old.brand": "lyft", "new.brand": None, "error": "ValueError: no"},
    ]
    path = write("log.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    rows = pl.DataFrame({"descriptor": ["UBER", "LYFT"], "row": pl.Series([0, 1], dtype=pl.UInt64)})
    old, new = open_side(f"{path}#old"), open_side(f"{path}#new")
    assert old.decide(rows)["lost"].to_list() == [False, False]
    assert new.decide(rows)["lost"].to_list() == [False, True]
    assert list(new.notices)[1:] == ["1 rows on which it failed, as the column `error` says: no decision"]


def test_names_that_a_person_gives_one_new_brand_are_one(write):
    side = open_side(write("old.csv", "brand\nFoo Inc\nFoo Ltd\n"))
    got = named(side, [thirty.registry()], {"Foo Inc": "foo-co", "Foo Ltd": "foo-co"})
    assert dict(got.today) == {"Foo Inc": "foo-co", "Foo Ltd": "foo-co"}


def test_a_column_of_brands_that_is_empty_is_said(write):
    side = open_side(write("old.csv", "brand,merchant_name\n,Netflix\n,Hulu\n"))
    assert list(side.notices)[-1] == "the column 'brand' names no brand in any row: is it the right one?"


def test_a_name_may_be_no_brands(write):
    rows = pl.DataFrame({"descriptor": ["1", "2"], "row": pl.Series([0, 1], dtype=pl.UInt64)})
    side = open_side(write("old.csv", "brand,rule\nPayroll,PAY\nnetflix,NF\n"))
    got = named(side, [thirty.registry()], {"Payroll": ""})
    assert got.spoken(side.decide(rows)).select("brand", "tier", "rule", "reason").rows() == [
        (None, None, "PAY", "no-brand"), ("netflix", "file", "NF", None),
    ]  # fmt: skip
