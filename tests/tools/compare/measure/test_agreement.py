"""Agreement: thirty rows by hand, and what is said where a figure cannot be."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.tools.compare import document
from tierbreak.tools.compare.measure.agreement import Agreed, agreement
from tierbreak.tools.compare.measure.cells import by_key, by_user, cells
from tierbreak.tools.compare.report.agreement import section
from tools.compare import few, thirty

AGREE = {"exact": {"same", "both-abstain"}, "family": {"same", "both-abstain", "family"}}


def measured(pairs):
    return agreement(pairs, cells(pairs), by_key(pairs), by_user(pairs))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return measured(thirty.pairs(tmp_path_factory.mktemp("pairs")))


@pytest.fixture(scope="module")
def blocks(found):
    return section(found).blocks


def table(blocks, title):
    (one,) = [block for block in document.tables(blocks) if block.title == title]
    return one


def texts(blocks):
    return {block.text: block.tone for block in blocks if isinstance(block, document.Text)}


def test_by_hand(found):
    by = {one.unit: one for one in found.by}
    assert list(by) == ["rows", "keys", "users", "money"]
    # 13 same + 3 both abstain; 3 more of one family
    assert by["rows"] == Agreed("rows", 30, 16, 19, 16 / 30, 19 / 30)
    # 6 same + 2 both abstain; UBER EATS by family
    assert by["keys"] == Agreed("keys", 16, 8, 9, 8 / 16, 9 / 16)
    # every user has at least one gained, lost or changed
    assert by["users"] == Agreed("users", 6, 0, 0, 0.0, 0.0)
    # same: netflix 4 x 15.49 = 61.96, uber 20 + 30, x 2 x 8, shell 50 + 60, target 80, spotify 2 x 10.99: 339.94
    # both abstain: 9 + 9.50 + 14 = 32.50. family: 25 + 35 + 40 = 100
    assert by["money"].total == pytest.approx(729.94)
    assert by["money"].exact == pytest.approx(339.94 + 32.50)
    assert by["money"].family == pytest.approx(472.44)
    assert by["money"].exact_share == pytest.approx(372.44 / 729.94)
    # 13 same + 3 family + 2 changed
    assert found.both_named == Agreed("rows", 18, 13, 16, 13 / 18, 16 / 18)
    # all but LOCAL GYM, which is lost
    assert found.both_mapped == Agreed("rows", 29, 16, 19, 16 / 29, 19 / 29)
    assert (found.rebrands, found.no_money, found.unmapped, found.omitted) == (2, 1, 1, ())


def test_outcomes_by_hand(found):
    of = {one.outcome: one for one in found.outcomes}
    assert {name: one.rows for name, one in of.items()} == {
        "same": 13, "both-abstain": 3, "family": 3, "changed": 2, "gained": 5, "lost": 4,
    }  # fmt: skip
    assert {name: one.keys for name, one in of.items()} == {
        "same": 6, "both-abstain": 2, "family": 1, "changed": 1, "gained": 2, "lost": 4,
    }  # fmt: skip
    # changed: 100 and none. gained: 5 + 6 + 6.50 + 17 + 18. lost: 12 + 45 + 18 + 30.
    assert {name: round(one.money, 2) for name, one in of.items()} == {
        "same": 339.94, "both-abstain": 32.50, "family": 100.0, "changed": 100.0, "gained": 52.50, "lost": 105.0,
    }  # fmt: skip
    assert sum(one.share for one in of.values()) == pytest.approx(1)
    assert sum(one.money_share for one in of.values()) == pytest.approx(1)


def test_coverage_by_hand(found):
    old, new = found.coverage
    # the old side is silent on 3 both-abstain and 5 gained rows, the new one on 3 and 4 lost ones
    assert (old.rows, old.share, new.rows, new.share) == (22, 22 / 30, 23, 23 / 30)
    assert old.money == pytest.approx(729.94 - 32.50 - 52.50)
    assert new.money_share == pytest.approx((729.94 - 32.50 - 105.0) / 729.94)
    assert old.reasons == (("not said", 8.0),)
    # seekers, apple, joe's twice, maria's; practice, gym
    assert new.reasons == (("no-known-brand", 5.0), ("below-threshold", 2.0))


def test_the_section_by_hand(blocks):
    assert table(blocks, "How far the sides agree").rows == (
        ("transactions", "30", "16", "53.3 %", "19", "63.3 %"),
        ("distinct keys of which every transaction agrees", "16", "8", "50.0 %", "9", "56.2 %"),
        ("users of whom every transaction agrees", "6", "0", "0.0 %", "0", "0.0 %"),
        ("money", "729.9", "372.4", "51.0 %", "472.4", "64.7 %"),
        ("transactions for which both sides name a brand", "18", "13", "72.2 %", "16", "88.9 %"),
        ("transactions without names that no registry has", "29", "16", "55.2 %", "19", "65.5 %"),
    )
    became = {row[0]: row[2:] for row in table(blocks, "What becomes of answers").rows}
    assert became["gained"] == ("5", "16.7 %", "2", "52.5", "7.2 %")
    assert became["neither answers"] == ("3", "10.0 %", "2", "32.5", "4.5 %")
    assert table(blocks, "Coverage").rows == (
        ("old side", "not said 8", "22", "73.3 %", "88.4 %"),
        ("new side", "no-known-brand 5, below-threshold 2", "23", "76.7 %", "81.2 %"),
    )
    # by family, u1 has one changed transaction, the others two
    assert table(blocks, "Users by how many of their transactions change").rows[1:3] == (
        ("1", "0", "0.0 %", "1", "16.7 %"),
        ("2 to 5", "6", "100.0 %", "5", "83.3 %"),
    )
    said = texts(blocks)
    assert "Transactions without an amount that can be read: 1. They add 0 to money." in said
    assert any(text.endswith("renamed or merged: 2. They count as the same brand.") for text in said)
    assert any(text.startswith("Transactions on which a side says a name that no registry has: 1.") for text in said)
    (figure,) = [block for block in blocks if isinstance(block, document.Figure)]
    assert figure.says == (
        "same brand 43.3 %; neither answers 10.0 %; same family 10.0 %; another brand 6.7 %; gained 16.7 %; lost 13.3 %"
    )
    for role in ("same", "abstain", "family", "changed", "gained", "lost"):
        assert figure.svg.count(f'class="bar {role}"') == 1


def test_weights_count_beside_rows(tmp_path):
    # key 0 same, twice; key 1 lost, weight 4
    rows = [(0, 0, 0, 0, 1.0, 8.0, 0, 0.5), (0, 1, 0, 0, 1.0, 8.0, 0, 0.5), (1, 0, 0, -1, 4.0, 32.0, 0, 0.5)]
    found = measured(few.pairs(rows, tmp_path))
    assert found.by[0] == Agreed("rows", 3, 2, 2, 2 / 3, 2 / 3)
    assert found.by[1] == Agreed("weighted rows", 6, 2, 2, 2 / 6, 2 / 6)
    assert found.both_named == Agreed("weighted rows", 2, 2, 2, 1.0, 1.0)
    lost = found.outcomes[5]
    assert (lost.rows, lost.n, lost.share) == (1, 4.0, 4 / 6)
    assert table(section(found).blocks, "What becomes of answers").rows[5][2:5] == ("1", "4", "66.7 %")


def test_what_cannot_be_said_is_left_out_with_its_reason(tmp_path):
    rows = [(0, None, 0, 0, 1.0, None, 0, 0.5)]
    found = measured(few.pairs(rows, tmp_path, has=()))
    assert [one.unit for one in found.by] == ["rows", "keys"]
    assert found.omitted == ("By users: the traffic names no user.", "By money: the traffic has no amounts.")
    assert (found.users, found.both_mapped) == (None, None)
    assert math.isnan(found.outcomes[0].money_share)
    blocks = section(found).blocks
    assert dict.fromkeys(found.omitted, "soft").items() <= texts(blocks).items()
    assert not any("money" in column for one in document.tables(blocks) for column in one.columns)
    assert document.plain(found)["outcomes"][0]["money_share"] is None


def test_amounts_that_add_up_to_nothing_have_no_share(tmp_path):
    found = measured(few.pairs([(0, 1, 0, 0, 1.0, 0.0, 0, 0.5)], tmp_path))
    assert found.omitted == ("By money: the amounts add up to 0.",)


def test_rows_without_a_user_are_said(tmp_path):
    rows = [(0, 1, 0, 0, 1.0, 1.0, 0, 0.5), (0, None, 0, 0, 1.0, 1.0, 0, 0.5)]
    found = measured(few.pairs(rows, tmp_path))
    assert texts(section(found).blocks)["Transactions that name no user: 1. No figure of users has them."] == "soft"


def test_no_rows_at_all(tmp_path):
    found = measured(few.pairs([], tmp_path))
    assert math.isnan(found.by[0].exact_share)
    (text,) = section(found).blocks
    assert (text.text, text.tone) == ("There are no paired decisions: nothing can be said of agreement.", "warn")


@settings(max_examples=40, deadline=None)
@given(st.lists(few.ROW, min_size=1, max_size=30))
def test_as_counted_slowly(rows):
    with few.made(rows) as pairs:
        found = measured(pairs)
    by = {one.unit: one for one in found.by}
    mapped = [row for row in rows if 5 not in row[2:4]]
    for level, fine in AGREE.items():
        agree = [row for row in rows if few.outcome(*row[2:4]) in fine]
        assert getattr(by["rows"], level) == len(agree)
        assert getattr(by["weighted rows"], level) == sum(row[4] for row in agree)
        if "money" in by:
            assert getattr(by["money"], level) == sum(row[5] or 0 for row in agree)
        assert getattr(found.both_named, level) == sum(row[4] for row in agree if min(row[2:4]) >= 0)
        if found.both_mapped:
            assert getattr(found.both_mapped, level) == sum(row[4] for row in agree if row in mapped)
    assert found.unmapped == len(rows) - len(mapped)
    for side, at in zip(found.coverage, (2, 3), strict=True):
        assert side.n == sum(row[4] for row in rows if row[at] >= 0)
        assert side.n + sum(n for _, n in side.reasons) == sum(row[4] for row in rows)
