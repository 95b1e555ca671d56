"""Who decides: thirty rows by hand, who was right on a gold set, and a slow count of few."""

import math
from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.tools.compare import document
from tierbreak.tools.compare.measure.attribution import Right, Tier, attribution
from tierbreak.tools.compare.measure.cells import cells
from tierbreak.tools.compare.pairs import DECIDERS
from tierbreak.tools.compare.report.attribution import section
from tools.compare import few, thirty

LIST, RULES, MODEL = (DECIDERS.index(name) for name in ("list", "rules", "model"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return thirty.pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def found(pairs):
    return attribution(pairs, cells(pairs))


def tables(found):
    return {one.title: one for one in document.tables(section(found).blocks)}


def test_shares_by_hand(found):
    # Old: 22 by the list, silent on 3 both-abstain and 5 gained. New: rules 13 same + 3 uber eats; cache 2 lyft;
    # model 3 starbucks + 2 delta dental; silent on 3 both-abstain and 4 lost.
    assert [(one.side, one.decider, one.rows, one.share) for one in found.decides] == [
        ("old", "list", 22, 22 / 30), ("old", "no answer", 8, 8 / 30),
        ("new", "rules", 16, 16 / 30), ("new", "cache", 2, 2 / 30), ("new", "model", 5, 5 / 30),
        ("new", "no answer", 7, 7 / 30),
    ]  # fmt: skip
    # lyft 17 + 18
    assert found.decides[3].money == 35.0


def test_meetings_by_hand(found):
    assert {(one.old, one.new): (one.n, one.exact, one.family) for one in found.meetings} == {
        ("list", "rules"): (16, 13, 16),  # uber eats is of uber's family
        ("list", "model"): (2, 0, 0),
        ("list", "no answer"): (4, 0, 0),
        ("no answer", "model"): (3, 0, 0),
        ("no answer", "cache"): (2, 0, 0),
        ("no answer", "no answer"): (3, 3, 3),
    }
    first = found.meetings[0]
    assert (first.exact_share, first.family_share, first.right) == (13 / 16, 1.0, None)
    assert first.money == pytest.approx(339.94 + 100)
    assert sum(one.n for one in found.meetings) == 30


def test_what_each_tier_takes_over_by_hand(found):
    of = {(one.side, one.decider): one for one in found.tiers}
    # all 16 rows from the list; 3 differ, uber eats
    assert of["new", "rules"] == Tier("new", "rules", 16, 3, 3 / 16, 3, 0, (("list", 16.0),))
    # 3 starbucks from nobody, 2 delta dental from the list
    assert of["new", "model"] == Tier("new", "model", 5, 5, 1.0, 2, 3, (("no answer", 3.0), ("list", 2.0)))
    assert of["new", "no answer"] == Tier(
        "new", "no answer", 7, 4, 4 / 7, 0, 0, (("list", 4.0), ("no answer", 3.0))
    )  # fmt: skip
    # of the list's 22: 3 uber and 2 delta get another brand, 4 none
    assert of["old", "list"] == Tier(
        "old", "list", 22, 9, 9 / 22, 5, 4, (("rules", 16.0), ("no answer", 4.0), ("model", 2.0))
    )  # fmt: skip


def test_cells_by_hand(found):
    assert found.differing == len(found.cells) == 8
    uber, starbucks = found.cells[:2]
    assert (uber.outcome, uber.old.brand, uber.old.rule, uber.new.rule) == ("family", "Uber", "UBER", "uber-eats.eats")
    assert (uber.n, uber.share, uber.money, math.isnan(uber.new.confidence)) == (3, 0.1, 100.0, True)
    assert (starbucks.new.decider, starbucks.old.brand, starbucks.n) == ("model", "no answer", 3)
    assert starbucks.new.confidence == pytest.approx(0.97)


def test_the_section_by_hand(found):
    given = tables(found)
    matrix = given["Old decider by new decider"]
    assert matrix.columns == ("old side", "new: rules", "new: cache", "new: model", "new: no answer")
    assert matrix.rows == (
        # 16 of 30, 13 of 16; none; 2 of 30; 4 of 30
        ("list", "53.3 % (81.2 %)", "-", "6.7 % (0.0 %)", "13.3 % (0.0 %)"),
        ("no answer", "-", "6.7 % (0.0 %)", "10.0 % (0.0 %)", "10.0 % (100.0 %)"),
    )
    assert given["The same in numbers"].rows[0] == (
        "list", "rules", "16", "53.3 %", "81.2 %", "100.0 %", "439.9",
    )  # fmt: skip
    new = {row[0]: row[1:] for row in given["What each decider of the new side takes over"].rows}
    assert new["model"] == ("no answer 60.0 %, list 40.0 %", "5", "5", "100.0 %", "2", "3")
    told = given["What differs most, and who decided it"].rows
    assert told[0] == (
        'old list rule "UBER"', "new rule uber-eats.eats", "Uber", "Uber Eats", "same family", "3", "10.00 %", "100",
    )  # fmt: skip
    assert told[1][:5] == ("old no answer", "new model 0.97", "no answer", "Starbucks", "gained")
    assert ('old list rule "SHELL"', "new no answer (no-known-brand)") in [row[:2] for row in told]
    (figure,) = [block for block in section(found).blocks if isinstance(block, document.Figure)]
    assert "old side, list: 73.3 %; new side, rules: 53.3 %" in figure.says
    assert (figure.svg.count('class="bar old"'), figure.svg.count('class="bar new"')) == (2, 4)
    assert (
        document.Text("Who was right where they differ cannot be said without a gold set.", "soft")
        in section(found).blocks
    )


def test_who_was_right(pairs):
    """Of thirty's 16 rows between list and rules: 13 both right, uber eats by the new side only. 4 lost rows: right."""
    gold = pl.DataFrame(
        [(LIST, RULES, True, True, 10), (LIST, RULES, True, True, 3), (LIST, RULES, False, True, 3),
         (LIST, -1, False, True, 4), (LIST, MODEL, True, False, 1), (LIST, MODEL, False, False, 1)],
        schema=["old_tier", "new_tier", "old_right", "new_right", "n"], orient="row",
    )  # fmt: skip
    found = attribution(pairs, cells(pairs), gold)
    right = {(one.old, one.new): one.right for one in found.meetings}
    assert right["list", "rules"] == Right(16, 13, 0, 3, 0)
    assert right["list", "no answer"] == Right(4, 0, 0, 4, 0)
    assert right["list", "model"] == Right(2, 0, 1, 0, 1)
    assert right["no answer", "model"] is None
    # 13 of 16, 3 of 16
    assert tables(found)["Who was right, on the gold set"].rows[0] == (
        "list", "rules", "16", "81.2 %", "0.0 %", "18.8 %", "0.0 %",
    )  # fmt: skip


def test_an_empty_gold_set_is_said(pairs):
    gold = pl.DataFrame(schema={
        "old_tier": pl.Int8, "new_tier": pl.Int8, "old_right": pl.Boolean, "new_right": pl.Boolean, "n": pl.Float64,
    })  # fmt: skip
    blocks = section(attribution(pairs, cells(pairs), gold)).blocks
    assert document.Text("No transaction is in the gold set: who was right cannot be said.", "warn") in blocks


def test_confidence_is_a_mean_over_what_rows_count_for(tmp_path):
    # 1 x 0.5 and 3 times 0.75
    rows = [(0, 0, -1, 0, 1.0, None, MODEL, 0.5), (1, 0, -1, 0, 3.0, None, MODEL, 0.75)]
    made = few.pairs(rows, tmp_path, has=())
    found = attribution(made, cells(made))
    (cell,) = found.cells
    assert cell.new.confidence == (0.5 + 3 * 0.75) / 4
    assert not any("money" in one.columns for one in document.tables(section(found).blocks))


def test_no_rows_and_no_differences(tmp_path):
    empty = few.pairs([], tmp_path / "empty")
    (text,) = section(attribution(empty, cells(empty))).blocks
    assert text.tone == "warn"
    same = few.pairs([(0, 0, 0, 0, 1.0, 1.0, 0, 0.5)], tmp_path / "same")
    assert section(attribution(same, cells(same))).blocks[-1] == document.Text(
        "No answer differs, whoever decides.", "good"
    )


def test_what_is_not_listed_is_counted(pairs):
    found = attribution(pairs, cells(pairs), top=3)
    assert tables(found)["What differs most, and who decided it"].note.endswith("Not listed: 5 more.")


@settings(max_examples=40, deadline=None)
@given(st.lists(few.ROW, min_size=1, max_size=30))
def test_as_counted_slowly(rows):
    names = {-1: "no answer", 0: "rules", 1: "cache", 2: "model"}
    met, exact, differs, only = Counter(), Counter(), Counter(), Counter()
    for _, _, old, new, n, _, decided, _ in rows:
        pair = "no answer" if old < 0 else "list", names[-1 if new < 0 else decided]
        met[pair] += n
        exact[pair] += n * (old == new)
        differs[pair[1]] += n * (old != new)
        only[pair[1]] += n * (old < 0 <= new)
    with few.made(rows) as made:
        found = attribution(made, cells(made), top=100)
    assert {(one.old, one.new): one.n for one in found.meetings} == met
    assert {(one.old, one.new): one.exact for one in found.meetings} == exact
    new = [one for one in found.tiers if one.side == "new"]
    assert {one.decider: (one.differs, one.alone) for one in new} == {
        name: (differs[name], only[name]) for name in differs
    }  # fmt: skip
    for one in new:
        assert dict(one.against) == {old: n for (old, name), n in met.items() if name == one.decider}
        silent = 0 if one.decider != "no answer" else one.differs
        assert one.differs == one.changed + one.alone + silent
    assert sum(one.n for one in found.cells) == sum(differs.values())
    for side in ("old", "new"):
        assert sum(one.share for one in found.decides if one.side == side) == pytest.approx(1)
