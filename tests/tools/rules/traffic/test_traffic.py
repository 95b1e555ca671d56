"""Rows that no rulebook can tell apart are one; the engine decides them as it decides the file."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak import Engine
from tierbreak.errors import InputError
from tierbreak.tools.rules.traffic import Traffic, masked, recalled, replays

BRANDS = """id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since
uber,Uber,rideshare,,,,,active,,
amex,Amex,payments,,,,,active,,
"""
RULES = """brand: uber
owner: mobility
rules:
  - id: uber.small
    match: [{words: UBER}]
    when: {sign: debit, amount: {lt: 100}, mcc: ['4121']}
    examples: [{descriptor: UBER TRIP, amount: -5, mcc: '4121'}]
  - id: uber.old
    match: [{words: UBR}]
    valid: {from: 2020-01-01, to: 2020-12-31}
    examples: [{descriptor: UBR TRIP, date: 2020-05-05}]
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    (folder / "brands.csv").write_text(BRANDS)
    (folder / "uber.yaml").write_text(RULES)
    with Engine.load(rules=folder, model=None, cache=None) as engine:
        yield engine


def write(folder: Path, rows: list[tuple]) -> str:
    columns = ["descriptor", "amount", "date", "mcc"]
    pl.DataFrame(rows, schema=columns, orient="row").write_csv(folder / "rows.csv")
    return str(folder / "rows.csv")


def test_rows_alike_are_counted_together(engine, tmp_path):
    """Seven rows. The first two differ in amounts below 100 alone; the third lies on the bound, the fourth is a credit;
    mcc 5812 and 5999 are both no taxi; the last date lies in 2020, where `uber.old` holds."""
    name = write(tmp_path, [
        ("UBER", -5.0, "2024-01-01", "4121"),
        ("UBER", -99.5, "2024-02-01", "4121"),
        ("UBER", -100.0, "2024-02-01", "4121"),
        ("UBER", 5.0, "2024-02-01", "4121"),
        ("UBER", -5.0, "2024-02-01", "5812"),
        ("UBER", -5.0, "2024-02-01", "5999"),
        ("UBER", -5.0, "2020-02-01", "5999"),
    ])  # fmt: skip
    traffic = Traffic.read(name, [engine.parts.book])
    assert sorted(traffic.rows["n"].to_list()) == [1, 1, 1, 2, 2]
    assert (traffic.total, traffic.money) == (7, 224.5)
    assert traffic.window == (dt.date(2020, 2, 1), dt.date(2024, 2, 1))
    assert sorted(traffic.rows["money"].to_list()) == [5, 5, 10, 100, 104.5]


def test_days_are_told_apart_at_both_ends_of_a_rules_dates(engine, tmp_path):
    """`uber.old` holds from 2020-01-01 to 2020-12-31: one day before, three within, two after."""
    days = ["2019-12-31", "2020-01-01", "2020-06-01", "2020-12-31", "2021-01-01", "2022-01-01"]
    traffic = Traffic.read(write(tmp_path, [("UBR", -5.0, day, "5999") for day in days]), [engine.parts.book])
    assert sorted(traffic.rows.select("date", "n").rows()) == [
        (dt.date(2019, 12, 31), 1), (dt.date(2020, 1, 1), 3), (dt.date(2021, 1, 1), 2),
    ]  # fmt: skip


def test_amounts_below_on_and_above_a_bound_are_told_apart(tmp_path):
    """`le: 100` and `lt: 20`: below 20, on 20 and above it, on 100 and above: of six rows two lie between."""
    (tmp_path / "brands.csv").write_text(BRANDS)
    rules = "[{id: a, match: [{words: UBER}], when: {amount: {le: 100}}}, "
    rules += "{id: b, match: [{words: UBER}], when: {amount: {lt: 20}}}]"
    (tmp_path / "uber.yaml").write_text(f"brand: uber\nowner: x\nrules: {rules}\n")
    with Engine.load(rules=tmp_path, model=None, cache=None) as engine:
        name = write(tmp_path, [("UBER", -size, None, None) for size in (19.0, 20.0, 21.0, 99.0, 100.0, 101.0)])
        assert sorted(Traffic.read(name, [engine.parts.book]).rows["n"].to_list()) == [1, 1, 1, 1, 2]


def test_rows_that_cannot_be_read_are_no_traffic(engine, tmp_path, monkeypatch):
    """Blocks of a line or two: the window is that of all of them; the second line has a field too many."""
    monkeypatch.setattr("tierbreak.files.streams.BLOCK", 20)
    lines = ["UBER,2024-03-01", "UBER,2024,02,01", "JOE,2024-02-01", "JOE,2024-01-01"]
    (tmp_path / "rows.csv").write_text("\n".join(["descriptor,date", *lines]) + "\n")
    traffic = Traffic.read(str(tmp_path / "rows.csv"), [engine.parts.book])
    assert (traffic.total, traffic.broken) == (3, 1)
    assert sorted(traffic.rows.select("descriptor", "n").rows()) == [("JOE", 2.0), ("UBER", 1.0)]
    assert traffic.window == (dt.date(2024, 1, 1), dt.date(2024, 3, 1))


def test_weights_and_what_is_missing(engine, tmp_path):
    (tmp_path / "w.tsv").write_text("count\tmerchant_name\n3\tUBER\n2\tUBER\n4\tJOE\n")
    traffic = Traffic.read(str(tmp_path / "w.tsv"), [engine.parts.book], columns={"weight": "count"})
    assert sorted(traffic.rows.select("descriptor", "n").rows()) == [("JOE", 4.0), ("UBER", 5.0)]
    assert traffic.money is None
    (tmp_path / "none.csv").write_text("descriptor\n")
    with pytest.raises(InputError, match="no rows"):
        Traffic.read(str(tmp_path / "none.csv"), [engine.parts.book])


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["UBER", "UBR X", "JOE"]),
        st.sampled_from([None, -5.0, -100.0, -150.0, 0.0, 5.0, 100.0]),
        st.sampled_from([None, "2019-12-31", "2020-01-01", "2020-12-31", "2021-01-01"]),
        st.sampled_from([None, "4121", "5812"]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_decided_as_the_file_is(engine, tmp_path_factory, rows):
    name = write(tmp_path_factory.mktemp("t"), rows)
    frame = pl.DataFrame(rows, schema=["descriptor", "amount", "date", "mcc"], orient="row", schema_overrides={
        "amount": pl.Float64, "date": pl.String, "mcc": pl.String})  # fmt: skip
    want = engine.classify(frame).group_by("brand").len().sort("brand").rows()
    traffic = Traffic.read(name, [engine.parts.book])
    counts: dict = {}
    for part in replays(engine.parts, traffic, engine.settings, chunk=3):
        for brand, n in zip(part.settled.brand.tolist(), part.n.tolist(), strict=True):
            id = engine.parts.registry.ids[brand] if brand >= 0 else None
            counts[id] = counts.get(id, 0) + n
    assert sorted(counts.items(), key=str) == sorted(want, key=str)


def test_a_replay_knows_what_the_cache_does_not(engine, tmp_path):
    traffic = Traffic.read(write(tmp_path, [("JOE", -5.0, None, None)]), [engine.parts.book])
    (part,) = replays(engine.parts, traffic, engine.settings)
    evidence, decided, unknown = recalled(engine.parts, part, np.array([True]))
    assert (len(evidence.keys), decided.brand.tolist(), unknown.tolist()) == (0, [-1], [True])
    assert part.descriptors(np.array([0])).to_list() == ["JOE"]


MASKED = {
    "INDN:LEE KIM CO ID:123": "INDN:…",
    "VENMO PAYMENT 1012 KIM LEE": "VENMO PAYMENT …",
    "VENMO *KIM LEE": "VENMO *…",
    "CASH APP*KIM LEE": "CASH APP*…",
    "Transfer to Kim": "Transfer to …",
    "GIFT FROM LUIGI": "GIFT FROM …",
    "RENT FROM KIM LEE": "RENT FROM …",
    "Paid by Kim": "Paid by …",
    "ACH CREDIT KIM LEE 0412": "ACH CREDIT …",
    "DIRECT DEPOSIT KIM LEE": "DIRECT DEPOSIT …",
    "PAYROLL JOHN SMITH": "PAYROLL …",
    "ACME CORP PAYROLL PPD JOHN SMITH": "ACME CORP PAYROLL …",
    "CHECK 1234 JOHN": "CHECK #### …",
    "CHECK #1234 JOHN": "CHECK ##### …",
    "CHECK NO. 12 JOHN": "CHECK NO. ## …",
    "KIM12@MAIL.COM": "…@MAIL.COM",
    "PP*KIM.LEE-3+shop_1@MAIL.COM": "PP*…@MAIL.COM",
    "TRANSFER 0412 SAVINGS FROM JOHN": "TRANSFER #### SAVINGS FROM …",
    "ONLINE XFER FROM JOHN TO KIM": "ONLINE XFER FROM …",
    # what stays, but for its digits
    "UBER EATS": "UBER EATS",
    "CHECKCARD 0412 WALMART DENVER CO": "CHECKCARD #### WALMART DENVER CO",
    "CHECK CARD 0412 TARGET": "CHECK CARD #### TARGET",
    "CHECK INTO CASH 12": "CHECK INTO CASH ##",
    "ACH DEBIT COMCAST CABLE": "ACH DEBIT COMCAST CABLE",
    "GIFT CARD WALMART": "GIFT CARD WALMART",
    "POS CREDIT PANDA EXPRESS TO GO": "POS CREDIT PANDA EXPRESS TO GO",
    "TRANSFERWISE INC NEW YORK": "TRANSFERWISE INC NEW YORK",
    "FLOWERS FROM HEAVEN": "FLOWERS FROM HEAVEN",
}


def test_masking():
    assert dict(zip(MASKED, masked(pl.Series([*MASKED])), strict=True)) == MASKED
