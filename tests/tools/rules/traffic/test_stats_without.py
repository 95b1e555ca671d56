"""What a rule is said to change really changes where it is taken out of the book: Engine decides it both ways."""

import dataclasses
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines import TinyModel, with_model
from tierbreak import Engine, pipeline
from tierbreak.core.conditions import Conditions
from tierbreak.core.decisions import Names
from tierbreak.parts import _precedence
from tierbreak.rulebook import Rulebook
from tierbreak.tiers.rules import RulesTier
from tierbreak.tools.rules.traffic import Traffic
from tierbreak.tools.rules.traffic.read import TRAFFIC
from tierbreak.tools.rules.traffic.stats import measure

BRANDS = ["lyft", "starbucks", "uber", "uber-eats"]
WORDS = ["UBER", "EATS", "LYFT", "KETTLE"]
PHRASES = [*WORDS, "UBER EATS", "LYFT KETTLE", "EATS LYFT"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """An engine whose rules are put in place for each example, and read by the exact engine: nothing is compiled."""
    folder = tmp_path_factory.mktemp("none")
    (folder / "none.yaml").write_text("brand: lyft\nowner: x\nrules: []\n")
    with pytest.MonkeyPatch.context() as patch, Engine.load(rules=folder, model=None, cache=None) as engine:
        patch.setattr("tierbreak.tiers.rules.database.available", lambda: False)
        yield engine


@st.composite
def books(draw):
    rules = []
    for number in range(draw(st.integers(2, 5))):
        deny = draw(st.integers(0, 5)) == 0
        brand = draw(st.sampled_from([*BRANDS, "*"] if deny else BRANDS))
        words = st.sampled_from(PHRASES)
        rule = {
            "id": f"r{number}",
            "match": [{"words": one} for one in draw(st.lists(words, min_size=1, max_size=2, unique=True))],
        }
        if draw(st.booleans()):
            rule["unless"] = [{"words": draw(words)}]
        if draw(st.integers(0, 4)) == 0:
            rule["when"] = {"amount": {"lt": 10}}
        if draw(st.integers(0, 4)) == 0:
            rule["status"] = "shadow"
        if not deny and number and draw(st.booleans()):
            rule["outranks"] = [f"r{draw(st.integers(0, number - 1))}"]
        rules.append((brand, deny, rule))
    denies = {rule["id"] for _, deny, rule in rules if deny}
    for _, _, rule in rules:
        rule["outranks"] = [id for id in rule.get("outranks", []) if id not in denies]
        if not rule["outranks"]:
            del rule["outranks"]
    return rules


ROWS = st.lists(
    st.tuples(
        st.lists(st.sampled_from([*WORDS, "X"]), min_size=1, max_size=4).map(" ".join),
        st.sampled_from([None, 5.0, 50.0]),
        st.integers(1, 3),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[:2],
)


def served(base, folder, rules) -> Engine:
    """The engine with these rules in place of its own."""
    for brand in {brand for brand, _, _ in rules}:
        file = {"brand": brand, "owner": "x"}
        for key, kind in (("rules", False), ("deny", True)):
            if own := [rule for b, deny, rule in rules if b == brand and deny is kind]:
                file[key] = own
        (folder / f"{brand.replace('*', 'every')}.yaml").write_text(json.dumps(file))
    parts = base.parts
    book = Rulebook.load([folder], frozenset(parts.registry.ids))
    tier = RulesTier(book, [[] for _ in book.rules], shelf=None)
    changed = dataclasses.replace(
        parts, book=book, rules=tier, precedence=_precedence(book, parts.registry),
        conditions=Conditions.of((rule.when, rule.valid) for rule in book.rules),
        names=Names.of(
            ((brand.id, brand.name) for brand in parts.registry.brands),
            ((rule.id, str(rule.place)) for rule in book.rules),
        ),
    )  # fmt: skip
    return Engine(changed, base.settings)


def less(rules, id, **changed):
    """The rules without one, and without edges to it; or with something in it changed."""
    out = []
    for brand, deny, rule in rules:
        if rule["id"] != id:
            kept = [other for other in rule.get("outranks", []) if other != id or changed]
            bare = {key: value for key, value in rule.items() if key != "outranks"}
            out.append((brand, deny, {**bare, "outranks": kept} if kept else bare))
        elif changed:
            out.append((brand, deny, {**rule, **changed}))
    return out


def traffic_of(rows) -> Traffic:
    kinds = {"descriptor": pl.String, "amount": pl.Float64, "n": pl.Float64}
    frame = pl.DataFrame([(text, amount, float(n)) for text, amount, n, _ in rows], schema=kinds, orient="row")
    money = pl.col("amount").fill_null(0.0) * pl.col("n")
    frame = frame.with_columns(money=money, last=pl.lit(None, pl.Date))
    assert set(TRAFFIC) <= set(frame.columns)
    n, money = float(frame["n"].sum()), float(frame["money"].sum())
    return Traffic(frame, "rows", n, money, 0, ("amount",), None, ())


def is_open(row) -> bool:
    return row["tier"] != "rules" and row["reason"] != "not-a-merchant"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules=books(), rows=ROWS)
def test_as_if_it_were_gone(base, tmp_path_factory, rules, rows):
    as_if_it_were_gone(base, tmp_path_factory, rules, rows)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules=books(), rows=ROWS)
def test_as_if_it_were_gone_at_length(base, tmp_path_factory, rules, rows):
    as_if_it_were_gone(base, tmp_path_factory, rules, rows)


def as_if_it_were_gone(base, tmp_path_factory, rules, rows):
    folders = iter(tmp_path_factory.mktemp("book") for _ in range(20))
    cache, known = next(folders), {text for text, _, _, asked in rows if asked}
    whole = with_model(served(base, next(folders), rules), TinyModel(), cache)
    pipeline.warm(whole.parts, sorted(known))
    stats = measure(whole.parts, traffic_of(rows), whole.settings, timed=False, chunk=5)
    frame = pl.DataFrame(
        [row[:2] for row in rows], schema={"descriptor": pl.String, "amount": pl.Float64}, orient="row"
    )
    before = dataclasses.replace(whole.parts, cache=None)
    run = Engine(before, whole.settings).run(frame)
    now = run.rows.rows(named=True)
    fired = fired_in(run, frame)

    assert sum(rule.decided.rows for rule in stats.rules if not rule.deny) == stats.facts.settled.rows
    assert stats.facts.settled.rows == sum(
        row[2] for row, said in zip(rows, now, strict=True) if said["tier"] == "rules"
    )
    for rule in stats.rules:
        other = less(rules, rule.id, **({"status": "active"} if rule.status == "shadow" else {}))
        variant = served(base, next(folders), other)
        after = with_model(variant, TinyModel()).run(frame).rows.rows(named=True)
        want = dict.fromkeys(("other_rule", "other_model", "nothing", "unknown", "unchanged"), 0)
        for (text, _, n, _), old, new in zip(rows, now, after, strict=True):
            if (text, old["amount"], rule.id) not in fired:
                assert old["brand"] == new["brand"]
                continue
            both_open = is_open(old) and is_open(new)
            if text not in known and is_open(new) and (not both_open or rule.deny):
                want["unknown"] += n
            elif text not in known and is_open(old) and not is_open(new):
                # What the model said before is not known; what the rules say now is, if they give an answer.
                want["other_rule" if new["brand"] else "unknown"] += n
            elif old["brand"] == new["brand"]:
                want["unchanged"] += n
            elif new["brand"] is None:
                want["nothing"] += n
            else:
                want["other_rule" if new["tier"] == "rules" else "other_model"] += n
        got = rule.without
        unchanged = got.idle + got.same_rule + got.same_model + got.same_none
        assert {name: getattr(got, name) for name in want if name != "unchanged"} | {"unchanged": unchanged} == want
        assert unchanged + got.changed + got.unknown == rule.fired.rows


def fired_in(run, frame) -> set:
    """(descriptor, amount, rule) of matches that nothing of their own rule silenced."""
    record = run._record
    outcome = np.array(record.decided.outcome)
    out = set()
    for row, (text, amount) in enumerate(frame.rows()):
        at = np.flatnonzero((record.standing.case == record.cases.of_row[row]) & ~np.isin(outcome, (1, 2, 3, 4)))
        out |= {(text, amount, record.names.rules[index]) for index in record.standing.rule[at].tolist()}
    return out
