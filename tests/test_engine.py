"""The engine as a whole: one case file through every configuration, and the promises of CONTRIBUTING.md."""

import datetime as dt
import threading
import tomllib
from contextlib import nullcontext
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import CASE_RULES, TinyModel, with_model
from tierbreak import BatchError, Engine, RulebookError, Settings
from tierbreak.core.tables import DECISION, GUARDED
from tierbreak.tiers.rules import database

CASES = tomllib.loads((Path(__file__).parent / "cases" / "decisions.toml").read_text())["case"]
INPUT = {"descriptor": pl.String, **GUARDED}
ROWS = pl.DataFrame([{name: case.get(name) for name in INPUT} for case in CASES], schema=INPUT)


def warm(engine, folder):
    """An engine whose cache has seen every case."""
    engine = with_model(engine, TinyModel(), folder)
    engine.classify(ROWS)
    return engine


#: name -> (how to build it, what it says where a case says "model")
ENGINES = {
    "all tiers": (lambda engine, folder: with_model(engine, TinyModel(), folder), "model"),
    "no cache": (lambda engine, folder: with_model(engine, TinyModel()), "model"),
    "warm cache": (warm, "cache"),
    "no model": (lambda engine, folder: nullcontext(engine), None),
}


@pytest.fixture(params=["hyperscan", "re2"])
def served(request, case_engine, state, monkeypatch):
    """The cases' rules served by Hyperscan and by RE2."""
    if request.param == "hyperscan":
        return case_engine
    monkeypatch.setattr(database, "hyperscan", None)
    return Engine.load(rules=CASE_RULES, model=None, cache=None, settings=Settings(state=state))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_cases(served, tmp_path, name, size):
    build, model_tier = ENGINES[name]
    with build(served, tmp_path) as engine:
        parts = [engine.classify(ROWS[at : at + size]) for at in range(0, len(CASES), size)]
    wrong = []
    for case, row in zip(CASES, pl.concat(parts).iter_rows(named=True), strict=True):
        want = {"brand": case.get("brand"), "tier": case["tier"] or None, "collision": case.get("collision")}
        if case["tier"] == "model":
            # A second row of a batch may find what the first one's batch stored: both tiers are right.
            want["tier"] = "cache" if row["tier"] == "cache" and model_tier == "model" and size < 1000 else model_tier
            want["brand"] = case["brand"] if model_tier else None
        if "rule" in case:
            want["rule"] = case["rule"]
        if model_tier and not want["brand"]:
            want["reason"] = case["reason"]
        got = {field: row[field] for field in want}
        if got != want:
            wrong.append(f"{case['name']}: expected {want}, got {got}")
    assert not wrong, "\n".join(wrong)


def test_one_row_is_decided_as_in_a_batch(case_engine, tmp_path):
    """`classify_one` builds no table; it must say what `classify` says."""
    with with_model(case_engine, TinyModel()) as engine:
        together = engine.classify(ROWS)
        for given_row, row in zip(ROWS.iter_rows(named=True), together.iter_rows(named=True), strict=True):
            one = engine.classify_one(**given_row)
            assert {name: getattr(one, name) for name in DECISION} == {
                **{name: row[name] for name in DECISION}, "candidates": tuple(row["candidates"]),
            }  # fmt: skip


def test_promise_1_rows_in_rows_out(case_engine):
    rows = pl.DataFrame({"id": range(7), "descriptor": ["UBER", None, "", "UBER", "?", "LYFT", "\x00"]})
    out = case_engine.classify(rows)
    assert out.columns == ["id", "descriptor", *DECISION]
    assert out.select("id", "descriptor").equals(rows)
    assert out["brand"].to_list() == ["uber", None, None, "uber", None, "lyft", None]
    assert out["reason"].to_list() == [None, "blank", "blank", None, "no-match", None, "blank"]
    assert case_engine.classify(rows.clear()).columns == out.columns


#: Rows whose texts many rules guard differently, in all mixtures of what else the row says.
GUARDED_ROW = st.fixed_dictionaries(
    {
        "descriptor": st.sampled_from([case["descriptor"] for case in CASES]) | st.text(max_size=12),
        "amount": st.sampled_from([None, -5.0, 5.0, -100.0, float("nan")]),
        "date": st.sampled_from([None, dt.date(2011, 12, 31), dt.date(2020, 1, 1)]),
        "mcc": st.sampled_from([None, "4121", "5812"]),
        "country": st.sampled_from([None, "US", "GB"]),
        "source": st.none(),
    }
)


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(GUARDED_ROW, min_size=1, max_size=25), seed=st.randoms(use_true_random=False))
def test_promise_2_a_row_is_decided_alike_wherever_it_stands(case_engine, rows, seed):
    with with_model(case_engine, TinyModel()) as engine:
        together = engine.classify(pl.DataFrame(rows, schema=INPUT)).select(list(DECISION)).rows()
        order = list(range(len(rows)))
        seed.shuffle(order)
        shuffled = engine.classify(pl.DataFrame([rows[at] for at in order], schema=INPUT)).select(list(DECISION)).rows()
        assert shuffled == [together[at] for at in order]
        alone = engine.classify(pl.DataFrame(rows[:1], schema=INPUT)).select(list(DECISION)).rows()
        assert alone == together[:1]


def test_promise_3_the_cache_changes_the_tier_never_the_brand(case_engine, tmp_path):
    with with_model(case_engine, TinyModel()) as bare, warm(case_engine, tmp_path) as cached:
        without, with_ = bare.classify(ROWS), cached.classify(ROWS)
        assert without.drop("tier").equals(with_.drop("tier"))
        assert with_["tier"].to_list().count("model") == 0


def test_promise_3_another_model_is_asked_anew(case_engine, tmp_path):
    rows = pl.DataFrame({"descriptor": ["SQ *KETTLE & CO"]})
    first, second = TinyModel("first"), TinyModel("second")
    second.judge = lambda texts: TinyModel.judge(second, texts.str.replace("KETTLE", "LYFT"))
    for model, brand in ((first, "starbucks"), (second, "lyft"), (first, "starbucks")):
        with with_model(case_engine, model, tmp_path) as engine:
            assert engine.classify(rows)["brand"].to_list() == [brand], model.name
    assert (len(first.asked), len(second.asked)) == (1, 1), "each model's own answer was kept for it"


def test_policy_changes_without_asking_again(case_engine, tmp_path):
    """The cache holds what the model saw, not what policy made of it."""
    rows = pl.DataFrame({"descriptor": ["SQ *KETTLE & CO"]})
    model = TinyModel()
    with with_model(case_engine, model, tmp_path) as engine:
        assert engine.classify(rows)["brand"].to_list() == ["starbucks"]
    model.policy = type(model.policy)(temperature=0.05, null_score=0.5, threshold=0.9999)
    with with_model(case_engine, model, tmp_path) as engine:
        assert engine.classify(rows)["reason"].to_list() == ["below-threshold"]
    assert len(model.asked) == 1


def test_promise_4_shares_add_up(case_engine):
    with with_model(case_engine, TinyModel()) as engine:
        out = engine.classify(ROWS)
    by_tier = out["tier"].value_counts()["count"].sum()
    assert by_tier == len(CASES)
    assert (out["tier"].is_null() == out["brand"].is_null()).all()
    assert (out["reason"].is_null() == out["brand"].is_not_null()).all()


def test_each_key_is_asked_once(case_engine):
    """Three rows, two descriptors, one key."""
    model = TinyModel()
    with with_model(case_engine, model) as engine:
        engine.classify(pl.DataFrame({"descriptor": ["SQ *KETTLE & CO", "KETTLE & CO", "SQ *KETTLE & CO"]}))
    assert len(model.asked) == 1


def test_silenced_rules_are_counted(case_engine):
    rows = pl.DataFrame({"descriptor": ["RIDE SHARE", "RIDE SHARE", "RIDE SHARE"], "amount": [-1.0, None, None]})
    assert case_engine.run(rows).silenced == {"t.uber-debit": 2}


def test_verdicts_keep_what_was_set_aside(case_engine):
    with with_model(case_engine, TinyModel()) as engine:
        table = engine.run(pl.DataFrame({"descriptor": ["UBER EATS", "UBER LYFT 22"]})).verdicts
    rules = table.filter(pl.col("tier") == "rules").select("folded", "rule", "brand", "match", "reason")
    assert sorted(rules.rows()) == [
        ("UBER EATS", "t.eats", "uber-eats", 1, None),
        ("UBER EATS", "t.eats-plain", "uber-eats", 1, "shadow"),
        ("UBER EATS", "t.uber", "uber", 1, "span"),
        ("UBER LYFT 22", "t.lyft", "lyft", 1, "contested"),
        ("UBER LYFT 22", "t.uber", "uber", 1, "contested"),
    ]
    model = table.filter(pl.col("tier") == "model").select("folded", "brand", "reason")
    assert model.rows() == [("UBER LYFT 22", "lyft", None), ("UBER LYFT 22", "starbucks", "not the best")]


def test_explain_says_why(case_engine):
    with with_model(case_engine, TinyModel()) as engine:
        settled = engine.explain("Uber   Eats", amount=-3.0)
        contested = engine.explain("UBER LYFT 22")
        unknown = engine.explain("JOE CAFE")
    assert settled.folded == "UBER EATS"
    assert settled.decision.brand == "uber-eats"
    place = CASE_RULES / "eats.yaml"
    assert settled.why == (f"rule t.eats#1 at {place}:4:5 settles it; set aside: t.eats-plain (shadow), t.uber (span)")
    assert contested.why == (
        "rules contest it (t.lyft, t.uber), so the next tier is asked: tier model names lyft with confidence 1.00"
    )
    assert unknown.why == "no rule settles it: the engine abstains, it looks like no brand that is known"
    assert {verdict["tier"] for verdict in settled.verdicts} == {"rules", "model"}, "explain shows every tier's view"
    assert settled.decision.fingerprint == engine.fingerprint
    assert settled.to_dict()["fingerprints"] == engine.fingerprints


def test_audit_is_pure(case_engine, tmp_path):
    """With audit on, decisions and cache are as without; what the model says of settled keys stands apart."""
    rows = pl.DataFrame({"descriptor": ["UBER 1", "LYFT 2", "STARBUCKS KETTLE", "RENTAL SCOOTER"]})
    plain = with_model(case_engine, TinyModel(), tmp_path).classify(rows)
    audited = Engine(case_engine.parts, Settings(state=case_engine.settings.state, audit=1.0))
    with with_model(audited, TinyModel(), tmp_path) as engine:
        result = engine.run(rows)
        assert result.rows.equals(plain)
        assert engine.parts.cache.stats().entries == 0
    kinds = dict(zip(result.audit["rule"].to_list(), result.audit["kind"].to_list(), strict=True))
    assert kinds == {"t.uber": "silent", "t.lyft": "agree", "t.starbucks": "agree", "t.lyft-over": "silent"}


def test_audit_takes_a_share(case_engine):
    audited = Engine(case_engine.parts, Settings(state=case_engine.settings.state, audit=0.2))
    rows = pl.DataFrame({"descriptor": [f"UBER {chr(65 + n // 26 % 26)}{chr(65 + n % 26)}{n}X" for n in range(2000)]})
    with with_model(audited, TinyModel()) as engine:
        assert 300 < engine.run(rows).audit.height < 500, "a fifth of 2,000, give or take five standard deviations"


def test_reload_swaps_once_and_goes_back(tmp_path, state):
    with Engine.load(rules=CASE_RULES, model=None, cache=None, settings=Settings(state=state)) as engine:
        first = engine.fingerprint
        (tmp_path / "x.yaml").write_text("brand: lyft\nowner: x\nrules: [{id: x, match: [{words: UBER}]}]\n")
        engine.reload(rules=tmp_path, model=None, cache=None)
        assert engine.classify_one("UBER").brand == "lyft"
        engine.rollback()
        assert (engine.classify_one("UBER").brand, engine.fingerprint) == ("uber", first)
        (tmp_path / "x.yaml").write_text("brand: lyft\nowner: x\nrules: [{id: x, match: [{regex: '('}]}]\n")
        with pytest.raises(RulebookError):
            engine.reload(rules=tmp_path, model=None, cache=None)
        assert engine.classify_one("UBER").brand == "uber", "the old one goes on serving"


def test_threads_share_an_engine(case_engine):
    want = case_engine.classify(ROWS).rows()
    wrong = []

    def work():
        for _ in range(10):
            if case_engine.classify(ROWS).rows() != want:
                wrong.append("a thread saw another answer")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"text": ["x"]}, "no column 'descriptor'; there are: text"),
        ({"descriptor": ["x"], "brand": ["y"]}, "  brand: the engine adds this column; rename yours"),
        ({"descriptor": ["x"], "amount": [[12]]}, "  amount: cannot be read, it is List(Int64)"),
        ({"descriptor": [7]}, "  descriptor: expected text, it is Int64"),
    ],
)
def test_wrong_rows_are_refused_with_what_is_wrong(case_engine, rows, says):
    with pytest.raises(BatchError) as caught:
        case_engine.classify(pl.DataFrame(rows))
    assert says in str(caught.value)


def test_an_exact_override_wins_whatever_signs_stand_at_its_ends(tmp_path, state):
    """`exact` beats any rule that fills the text, also where the text begins or ends with what a span is trimmed of."""
    texts = ["ACME INC.", "*ACME", "#ACME-", "ACME", "/ACME *"]
    exact = ", ".join(f"{{exact: '{text}'}}" for text in texts)
    (tmp_path / "a.yaml").write_text(f"brand: lyft\nowner: x\nrules: [{{id: mine, match: [{exact}]}}]\n")
    (tmp_path / "b.yaml").write_text(
        "brand: uber\nowner: x\nrules:\n- {id: acme, match: [{words: ACME}, {words: ACME INC}, {regex: '^ACME$'}]}\n"
    )
    with Engine.load(rules=tmp_path, model=None, cache=None, settings=Settings(state=state)) as engine:
        decided = [engine.classify_one(text) for text in [*texts, "ACME INC. AUSTIN"]]
        batch = engine.classify(pl.DataFrame({"descriptor": texts}))
    assert [(one.brand, one.rule) for one in decided] == [("lyft", "mine")] * 5 + [("uber", "acme")]
    assert batch["brand"].to_list() == ["lyft"] * 5
