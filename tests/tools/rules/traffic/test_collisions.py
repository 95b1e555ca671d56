"""What collides, by cause, in numbers counted by hand; every repair against an engine whose file is really edited."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.tools.rules.traffic import Traffic
from tierbreak.tools.rules.traffic.collisions import collisions
from tierbreak.tools.rules.traffic.collisions.causes import group
from tierbreak.tools.rules.traffic.collisions.find import KINDS, find
from tools.rules.traffic.collisions_book import BOOK, ROWS, modelled, month, plain, written

#: All but BP ACMETON, of which nobody has asked the model.
KNOWN = [descriptor for descriptor, _, _ in ROWS if descriptor != "BP ACMETON"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("collisions")


@pytest.fixture(scope="module")
def engine(folder, state):
    with plain(written(folder / "rules"), state) as engine:
        yield engine


@pytest.fixture(scope="module")
def asked(engine, folder):
    """The engine with a model, and the model."""
    both = modelled(engine, folder / "cache", KNOWN)
    yield both
    both[0].parts.cache.close()


@pytest.fixture(scope="module")
def report(asked, folder):
    return told(asked[0], month(folder))


def told(engine, file, **options):
    traffic = Traffic.read(file, [engine.parts.book], columns={"weight": "count"}, ranges=True)
    return collisions(engine, traffic, **options)


def cause(report, name):
    return next(one for one in report.causes if one.id == name)


def test_each_row_counts_once_with_its_gravest_collision(report):
    found = {one.kind: (one.volume.rows, one.volume.money, one.volume.texts, one.causes) for one in report.kinds}
    assert found == {
        "contested": (13, 4640, 9, 2), "denied": (8, 800, 1, 1), "edge": (3, 45, 1, 1), "span": (5, 200, 1, 1),
        "family": (7, 84, 1, 1), "brand": (2, 100, 1, 1),
    }  # fmt: skip
    assert (report.total.rows, report.colliding.rows, report.colliding.money) == (74, 38, 5869)


def test_one_entry_a_cause_and_not_a_pair(report):
    ids = [one.id for one in report.causes]
    assert ids == [
        "contested:acme.name#1", "contested:gap.store#1", "denied:costco.warehouse#1:loser",
        "edge:intuit.name#1:loser", "span:costco.warehouse#1:loser", "family:uber.trip#1:loser", "brand:shell.name#1",
    ]  # fmt: skip
    acme = cause(report, "contested:acme.name#1")
    assert (acme.met, acme.volume.rows, acme.volume.money) == (2, 7, 140)
    assert [(one.rule, one.rows, one.money) for one in acme.others] == [("shell.name", 4, 50), ("bp.station", 3, 90)]
    assert acme.rank == (1, 2)  # by rows, and by money
    assert cause(report, "contested:gap.store#1").rank == (2, 1)


def test_the_rule_is_named_with_its_place_and_what_it_found(report, folder):
    leader = cause(report, "contested:acme.name#1").leader
    assert (leader.rule, leader.brand, leader.brand_name) == ("acme.name", "acme", "Acme")
    assert leader.place == f"{folder}/rules/acme.yaml:4:5"
    assert (leader.patterns, leader.tokens) == (("ACME",), ("ACME",))


def test_strings_are_masked_and_marked(report):
    acme = cause(report, "contested:acme.name#1")
    assert [(one.text, one.rows, one.other, one.marks) for one in acme.shown] == [
        ("BP ACMETON", 3, "bp.station", ((0, 2, "other"), (3, 7, "leader"))),
        ("SHELL ACMETON #", 3, "shell.name", ((0, 5, "other"), (6, 10, "leader"))),
    ]  # fmt: skip
    (span,) = cause(report, "span:costco.warehouse#1:loser").shown
    assert span.marks == ((0, 6, "both"), (6, 19, "other"))


def test_whom_the_model_sides_with_and_what_it_was_not_asked(report):
    def sides(name):
        one = cause(report, name).sides
        return one.leader, one.others, one.third, one.silent, one.unknown, one.loser

    assert sides("contested:acme.name#1") == (0, 4, 0, 0, 3, None)
    assert sides("contested:gap.store#1") == (0, 6, 0, 0, 0, None)
    assert sides("edge:intuit.name#1:loser") == (3, 0, 0, 0, 0, 3)
    assert cause(report, "edge:intuit.name#1:loser").sides.loser_money == 45
    assert sides("span:costco.warehouse#1:loser") == (0, 5, 0, 0, 0, 0)
    assert sides("denied:costco.warehouse#1:loser") == (0, 0, 0, 8, 0, 0)
    assert cause(report, "family:uber.trip#1:loser").sides is None
    assert {one.kind: one.against for one in report.kinds} == {
        "contested": None, "denied": 0, "edge": 3, "span": 0, "family": None, "brand": None,
    }  # fmt: skip
    assert {one.kind: one.unknown for one in report.kinds if one.unknown} == {"contested": 3}
    # Keys: nine of contested rows, and one each of those denied, settled by edge and by span. BP ACMETON is not known.
    assert report.keys == (12, 11, 0)


def test_the_model_is_asked_only_when_told_to_and_nothing_is_stored(asked, folder):
    engine, model = asked
    assert model.asked == []
    report = told(engine, month(folder), ask_model=5)
    assert model.asked == ["BP ACMETON"]
    assert cause(report, "contested:acme.name#1").sides.others == 7
    assert report.keys == (12, 11, 1)
    model.asked.clear()
    again = told(engine, month(folder))
    assert (model.asked, again.keys) == ([], (12, 11, 0))


def test_without_a_model_nothing_is_said_of_it(engine, folder):
    report = told(engine, month(folder))
    assert not report.model
    assert all(one.sides is None for one in report.causes)
    assert {one.against for one in report.kinds} == {None}
    flows = [flow for one in report.causes for repair in one.repairs for flow in repair.flows]
    assert {flow.before.model for flow in flows} == {None}


def test_proofs(report):
    gap = cause(report, "contested:gap.store#1").proof
    assert (gap.other, gap.shortest, gap.entangled, gap.inside) == ("lender.waiver", "GAP WAIVER", False, None)
    span = cause(report, "span:costco.warehouse#1:loser").proof
    assert (span.shortest, span.entangled, span.inside) == ("COSTCO BYINSTACART", True, None)


def test_the_cheapest_repair_of_a_rule_that_finds_parts_of_words_is_a_word_edge(report):
    first = cause(report, "contested:acme.name#1").repairs[0]
    assert (first.kind, first.cost) == ("word-edge", 1)
    assert [(edit.before, edit.after) for edit in first.edits] == [("{regex: 'ACME'}", r"{regex: 'ACME\b'}")]
    assert [(str(flow.before), str(flow.after), flow.rows, flow.money) for flow in first.flows] == [
        ("contested, the model says shell", "shell", 4, 50),
        ("contested, the model was not asked", "bp", 3, 90),
        ("acme", "no rule, the model is silent", 1, 7),
    ]  # fmt: skip
    assert (first.changed.rows, first.outside) == (8, 1)
    # The model speaks on SHELL ACMETON alone: of BP it was not asked, and of JOE it is silent.
    assert (first.agrees, first.spoken) == (4, 4)


def test_repairs_that_agree_with_the_model_go_before_others_of_the_same_cost(report):
    repairs = cause(report, "contested:gap.store#1").repairs
    assert [(one.kind, one.cost, one.agrees, one.edits[0].rule, one.edits[0].after) for one in repairs] == [
        ("unless", 1, 6, "gap.store", "unless: [{words: WAIVER}]"),
        ("outranks", 1, 6, "lender.waiver", "outranks: [gap.store]"),
        ("guard", 1, 6, "gap.store", "when: {amount: {lt: 100}}"),
        ("outranks", 1, 0, "gap.store", "outranks: [lender.waiver]"),
    ]  # fmt: skip


def test_what_is_settled_against_the_model_can_be_unsettled(report):
    repairs = cause(report, "edge:intuit.name#1:loser").repairs
    assert [(one.kind, one.edits[0].before, one.edits[0].after) for one in repairs] == [
        ("drop-outranks", "outranks: [intuit.name]", ""),
    ]  # fmt: skip
    (flow,) = repairs[0].flows
    assert (str(flow.before), str(flow.after)) == ("mailchimp", "contested, the model says intuit")
    assert cause(report, "span:costco.warehouse#1:loser").repairs == ()


def test_a_repair_that_loses_an_example_is_not_named(folder, state):
    changed = BOOK["acme.yaml"].replace("ACME STORE 7", "ACME STORE 7, ACMEWORLD")
    with plain(written(folder / "examples", acme=changed), state) as engine:
        acme = cause(told(engine, month(folder)), "contested:acme.name#1")
    assert [one.kind for one in acme.repairs] == ["unless", "outranks", "outranks"]
    assert acme.tried == 2  # the word edge, and `^`, which would cost more of the rule's own rows than it may


def test_no_edge_that_would_close_a_circle(folder, state):
    changed = BOOK["gap.yaml"].replace("examples:", "outranks: [bp.station]\n            examples:")
    bp = BOOK["bp.yaml"].replace("examples:", "outranks: [lender.waiver]\n            examples:")
    with plain(written(folder / "circle", gap=changed, bp=bp), state) as engine:
        gap = cause(told(engine, month(folder)), "contested:gap.store#1")
    assert [one.edits[0].rule for one in gap.repairs if one.kind == "outranks"] == ["gap.store"]


def test_every_repair_does_what_it_says(report, folder, state):
    """The edit is made in the file, an engine loads it, and every row is classified before and after."""
    rows = pl.DataFrame(ROWS, schema=["descriptor", "amount", "count"], orient="row")
    with plain(folder / "rules", state) as engine:
        before = engine.classify(rows)
    repairs = [repair for one in report.causes for repair in one.repairs]
    assert {one.kind for one in repairs} == {"word-edge", "unless", "outranks", "drop-outranks", "guard"}
    for number, repair in enumerate(repairs):
        with plain(edited(folder / f"edit-{number}", repair), state) as engine:
            after = engine.classify(rows)
        want: Counter = Counter()
        both = zip(before.iter_rows(named=True), after.iter_rows(named=True), rows["count"], strict=True)
        for old, new, count in both:
            if (old["brand"], old["reason"]) != (new["brand"], new["reason"]):
                want[old["brand"], new["brand"]] += count
        got: Counter = Counter()
        for flow in repair.flows:
            got[flow.before.brand, flow.after.brand] += flow.rows
        assert got == want, repair.says


def edited(folder: Path, repair) -> Path:
    written(folder)
    for edit in repair.edits:
        file = folder / Path(edit.place.partition(":")[0]).name
        text = file.read_text()
        if edit.before:
            assert edit.before in text
            text = re.sub(r"\n *(?=\n)", "", text.replace(edit.before, edit.after))
        else:
            text = text.replace(f"- id: {edit.rule}\n", f"- id: {edit.rule}\n    {edit.after}\n")
        assert text != file.read_text()
        file.write_text(text)
    return folder


def test_parts_that_are_replayed_apart_add_up(engine, folder, monkeypatch):
    whole = told(engine, month(folder))
    monkeypatch.setattr("tierbreak.tools.rules.traffic.collisions.find.CHUNK", 4)
    parts = told(engine, month(folder))
    assert parts.to_dict() == whole.to_dict()


def test_causes_stand_in_the_order_of_the_better_of_their_ranks(engine, tmp_path):
    """Three causes that share nothing. By rows 30, 20, 10; by money 3, 40, 500. Ranks 1 and 3, 2 and 2, 3 and 1."""
    rows = [("INTUIT SHELL", -0.1, 30), ("GAP WAIVER", -2.0, 20), ("BP COSTCO", -50.0, 10)]
    report = told(engine, month(tmp_path, rows))
    assert [(one.volume.rows, one.rank) for one in report.causes] == [(30, (1, 3)), (10, (3, 1)), (20, (2, 2))]


def test_of_causes_with_as_many_partners_the_heavier_is_named(engine, tmp_path):
    """SHELL meets INTUIT and GAP, GAP meets SHELL and WAIVER: both meet two, and the row that both could take falls to
    the one with more rows, 9 of GAP against 6 of SHELL."""
    rows = [("SHELL INTUIT", -1.0, 1), ("SHELL GAP", -1.0, 5), ("GAP WAIVER", -1.0, 4)]
    report = told(engine, month(tmp_path, rows))
    first = report.causes[0]
    assert (first.id, first.volume.rows) == ("contested:gap.store#1", 9)


TOKENS = st.lists(st.sampled_from([
    "UBER", "EATS", "SHELL", "OIL", "COSTCO", "BY", "INSTACART", "PAYROLL", "INTUIT", "MAILCHIMP", "ACMETON", "JOE",
]), min_size=1, max_size=6)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TOKENS.map(" ".join), min_size=1, max_size=12, unique=True))
def test_as_the_engine_records_it(engine, texts):
    """Gravest kind, from the engine's own column of collisions; brands of one family (uber, uber-eats) are harmless."""
    rows = pl.DataFrame({"descriptor": texts})
    said = dict(zip(texts, engine.classify(rows)["collision"].to_list(), strict=True))
    table = rows.with_columns(n=pl.lit(1.0), money=pl.lit(0.0), last=pl.lit(None, pl.Date))
    traffic = Traffic(table, "texts", len(texts), None, 0, (), None, ())
    found = find(engine.parts, traffic, engine.settings, chunk=5)
    kinds = {texts[row]: KINDS[kind] for row, kind in zip(found.row.tolist(), found.kind.tolist(), strict=True)}
    for text in texts:
        kind, recorded = kinds.get(text), (said[text] or "").split("+")
        assert (kind == "contested") == ("contested" in recorded)
        assert (kind == "denied") == ("denied" in recorded)
        if kind in ("edge", "span"):
            assert kind in recorded
        if kind is None:
            assert said[text] is None
    by_group = Counter()
    for one in group(found, engine.parts.precedence.brand):
        by_group[KINDS[one.star.kind]] += one.n
    assert by_group == Counter(kinds.values())


def test_no_amounts_no_money(engine, folder):
    lines = "\n".join(descriptor for descriptor, _, count in ROWS for _ in range(count))
    (folder / "lines.txt").write_text(lines + "\n")
    traffic = Traffic.read(str(folder / "lines.txt"), [engine.parts.book], ranges=True)
    report = collisions(engine, traffic)
    assert (report.colliding.rows, report.colliding.money) == (38, None)
    assert {one.rank[1] for one in report.causes} == {None}
    assert not [one for each in report.causes for one in each.repairs if one.kind == "guard"]


def test_ranges_of_what_no_rule_asks_for(engine, tmp_path):
    """UBER once without an amount and with two codes; SHELL twice with both signs."""
    rows = [("UBER", None, "4121"), ("UBER", -5.0, "5812"), ("SHELL", -7.0, "5541"), ("SHELL", 2.0, "5541")]
    pl.DataFrame(rows, schema=["descriptor", "amount", "mcc"], orient="row").write_csv(tmp_path / "rows.csv")
    traffic = Traffic.read(str(tmp_path / "rows.csv"), [engine.parts.book], ranges=True)
    ends = traffic.rows.sort("descriptor").select("amount_low", "amount_high", "mcc_low", "mcc_high").rows()
    assert ends == [(-7.0, 2.0, "5541", "5541"), (-float("inf"), float("inf"), "4121", "5812")]


def test_nothing_collides(engine, tmp_path):
    report = told(engine, month(tmp_path, [("JOE CAFE", -3.0, 9)]))
    assert (report.colliding.rows, report.causes) == (0, ())
    assert json.dumps(report.to_dict())
