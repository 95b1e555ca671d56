"""One row at a time: the same answers as in a batch, whichever way it goes."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import TinyModel, with_model
from test_engine import CASES, INPUT
from tierbreak import Engine, Settings
from tierbreak.core.tables import DECISION, GUARDED
from tierbreak.single import Memo
from tierbreak.tools.models.simulate import Simulator
from tierbreak.tools.models.simulate.inputs import Inputs

FIELDS = [name for name in DECISION if name != "candidates"]
NAMES = [case["descriptor"] for case in CASES]

#: What rules of the cases know, joined, cut, in other letters, with what folding takes away.
TEXT = st.one_of(
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(NAMES), min_size=2, max_size=4).map(" ".join),
    st.tuples(st.sampled_from(NAMES), st.integers(0, 30)).map(lambda pair: pair[0][: pair[1]]),
    st.sampled_from(NAMES).map(str.lower),
    st.text(max_size=20),
    st.tuples(st.sampled_from(NAMES), st.text("\t\x00\x1f\x7f \u00a0Éß", max_size=4)).map("".join),
    st.sampled_from(NAMES).map(lambda name: (name + " ") * 200),
)
ROW = st.fixed_dictionaries(
    {"descriptor": TEXT},
    optional={
        "amount": st.sampled_from([-5.0, 5.0, -100.0, "-5.00", "5 DR", 0]),
        "date": st.sampled_from([dt.date(2011, 12, 31), "2020-01-01", "soon"]),
        "mcc": st.sampled_from(["4121", 742, "5812.0"]),
        "country": st.sampled_from(["US", "US ", "GB"]),
        "source": st.sampled_from(["card", ""]),
    },
)


def same(decision, row):
    """Whether a decision says what a row of `classify` says."""
    told = {name: getattr(decision, name) for name in FIELDS}
    return told == {name: row[name] for name in FIELDS} and list(decision.candidates) == row["candidates"]


def unlike(engine, descriptors):
    """The descriptors that come out otherwise one by one than together; each is asked twice, for the memo."""
    rows = engine.classify(pl.DataFrame({"descriptor": descriptors})).iter_rows(named=True)
    return [
        row["descriptor"]
        for row in rows
        if not all(same(engine.classify_one(row["descriptor"]), row) for _ in range(2))
    ]


def simulated(n, seed):
    """The distinct descriptors of n simulated rows."""
    inputs = Inputs.find()
    traffic = Simulator.of(inputs.registry, inputs.book, inputs.lists).traffic(n, seed=seed)
    return traffic["descriptor"].unique(maintain_order=True).to_list()


@pytest.fixture(scope="module", params=["no model", "model"])
def engine(request, case_engine):
    return case_engine if request.param == "no model" else with_model(case_engine, TinyModel())


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=8))
def test_a_row_alone_and_many_come_out_as_in_a_batch(engine, rows):
    """`classify_one`, `classify_many` and `classify` agree on any text with any of the other columns."""
    columns = [[str(row[name]) if name in row else None for row in rows] for name in INPUT]
    table = pl.DataFrame(columns, schema=list(INPUT))
    together = list(engine.classify(table).iter_rows(named=True))
    assert all(same(decision, row) for decision, row in zip(engine.classify_many(rows), together, strict=True))
    for given_row, row in zip(rows, together, strict=True):
        for _ in range(2):  # the second time from the memo
            assert same(engine.classify_one(**given_row), row), given_row


def test_simulated_rows_alone_and_together(shipped_rules):
    """3,000 rows of the simulator through the shipped rules, of which some look like nobody's."""
    assert unlike(shipped_rules, simulated(3_000, seed=11)) == []


@pytest.mark.slow
def test_a_million_simulated_rows_alone_and_together(shipped_rules):
    for seed in range(10):
        assert unlike(shipped_rules, simulated(100_000, seed)) == []


def test_most_rows_need_no_table(shipped_rules, monkeypatch):
    """A rule alone, rules of one brand, a text that is no merchant's, one that no rule finds, a blank one."""
    monkeypatch.setattr(shipped_rules, "_record", None)
    said = [
        shipped_rules.classify_one(text)
        for text in ("NETFLIX.COM 866-579-7172 CA", "ZELLE TO KIM", "THE RUSTY ANCHOR GALVESTON TX", " \t")
    ]
    assert [(one.brand, one.reason) for one in said] == [
        ("netflix", None), (None, "not-a-merchant"), (None, "no-match"), (None, "blank"),
    ]  # fmt: skip


def test_a_memo_forgets_what_is_not_asked_for():
    """Of four, two halves of two: A and B are the older half when C comes; A is asked for, B is gone when E comes."""
    memo = Memo(4)
    for key in "abc":
        memo.put(key, key.upper())
    assert memo.get("a") == "A", "asked for again, so it is young again"
    for key in "de":
        memo.put(key, key.upper())
    assert [memo.get(key) for key in "bde"] == [None, "D", "E"]
    assert memo.get("a") == "A"


def test_a_memo_is_not_asked_once_others_serve(case_engine, tmp_path):
    """What was remembered goes with the rules that decided it."""
    rules = "brand: {}\nowner: x\nrules: [{{id: x, match: [{{words: KETTLE}}], when: {{mcc: ['0001']}}}}]\n"
    (tmp_path / "x.yaml").write_text(rules.format("uber"))
    with Engine.load(rules=tmp_path, model=None, cache=None, settings=case_engine.settings) as engine:
        assert [engine.classify_one("KETTLE", mcc="0001").brand for _ in range(2)] == ["uber", "uber"]
        (tmp_path / "x.yaml").write_text(rules.format("lyft"))
        engine.reload()
        assert engine.classify_one("KETTLE", mcc="0001").brand == "lyft"
        engine.rollback()
        assert engine.classify_one("KETTLE", mcc="0001").brand == "uber"


def test_rows_from_the_memo_count_among_the_keys_asked_most(case_engine, tmp_path):
    """A new model is shown LYFT first, which was asked four times, though the old one was shown it once."""
    with with_model(case_engine, TinyModel(), tmp_path) as engine:
        for text in ("SQ *KETTLE & CO", "SQ *KETTLE & CO", "GO LYFTING", "GO LYFTING", "GO LYFTING", "GO LYFTING"):
            engine.classify_one(text)
        assert engine._servings.most_asked(2) == ["GO LYFTING", "KETTLE & CO"]
        assert engine.stats()["memo"] == 4


def test_a_day_is_part_of_the_answer(tmp_path, state):
    """A rule that holds from 2 January on; equal fingerprint, equal decision."""
    (tmp_path / "x.yaml").write_text(
        "brand: uber\nowner: x\nrules: [{id: x, match: [{words: KETTLE}], valid: {from: 2024-01-02}}]\n"
    )
    said = {}
    for day in (dt.date(2024, 1, 1), dt.date(2024, 1, 2), dt.date(2024, 1, 3)):
        with Engine.load(rules=tmp_path, model=None, cache=None, settings=Settings(state=state, as_of=day)) as engine:
            one = engine.classify_one("KETTLE")
            result = engine.run(pl.DataFrame({"descriptor": ["KETTLE"]}))
            assert (result.fingerprint, result.as_of) == (one.fingerprint, one.as_of) == (engine.fingerprint, day)
            said[one.fingerprint] = one.brand
    assert list(said.values()) == [None, "uber", "uber"]
    with Engine.load(rules=tmp_path, model=None, cache=None, settings=Settings(state=state)) as engine:
        results = [
            engine.run(pl.DataFrame({"descriptor": ["KETTLE"]}), as_of=day) for day in (day, dt.date(2024, 1, 1))
        ]
        assert [result.rows["brand"].to_list() for result in results] == [["uber"], [None]]


def test_a_day_that_no_rule_asks_for_changes_no_fingerprint(case_engine, tmp_path, state):
    (tmp_path / "x.yaml").write_text("brand: uber\nowner: x\nrules: [{id: x, match: [{words: KETTLE}]}]\n")
    prints = set()
    for options in ({"as_of": dt.date(2024, 1, 1)}, {"as_of": dt.date(2024, 1, 2)}, {"debits": "positive"}):
        with Engine.load(rules=tmp_path, model=None, cache=None, settings=Settings(state=state, **options)) as engine:
            prints.add(engine.fingerprint)
    assert len(prints) == 2, "the days are one, the sign of debits is another"


def test_every_guarded_column_is_a_keyword():
    assert set(INPUT) - {"descriptor"} == set(GUARDED)
