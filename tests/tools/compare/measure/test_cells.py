"""The small tables that figures are counted from: against thirty rows by hand, and against a slow count."""

import math
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.tools.compare.measure import cells as measured
from tierbreak.tools.compare.measure.cells import SHARED, by_key, by_user, cells, shown
from tierbreak.tools.compare.pairs import OUTCOMES, PAIR
from tools.compare import few, thirty

ROWS = st.lists(few.ROW, max_size=30)
DIFFERENT = {"exact": ("family", "changed", "gained", "lost"), "family": ("changed", "gained", "lost")}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return thirty.pairs(tmp_path_factory.mktemp("pairs"))


def test_cells_by_hand(pairs):
    table = cells(pairs)
    # same 6: netflix, uber, x, shell, target, spotify. both abstain 1, one reason. family 1, changed 1, gained 2.
    # lost 4: shell, target, apple, Local Gym.
    assert table.height == 6 + 1 + 1 + 1 + 2 + 4
    assert table.group_by("outcome").len().sort("outcome")["len"].to_list() == [6, 1, 1, 1, 2, 4]
    assert (table["rows"].sum(), table["n"].sum(), table["rebrands"].sum()) == (30, 30.0, 2)
    assert table["no_money"].sum() == 1  # row 29
    assert table["money"].sum() == pytest.approx(729.94)
    (starbucks,) = table.filter(new_brand=pairs.joint.position["starbucks"]).iter_rows(named=True)
    # 3 rows, 5.00 + 6.00 + 6.50; the model is 0.97 sure of each
    assert (starbucks["rows"], starbucks["money"], starbucks["new_sure_n"]) == (3, 17.5, 3.0)
    assert starbucks["new_sure"] == pytest.approx(3 * 0.97)
    assert (starbucks["old_sure"], starbucks["old_sure_n"]) == (0.0, 0.0)
    assert table.columns[: len(SHARED)] == list(SHARED)
    assert all(table.schema[name] == PAIR[name] for name in SHARED)


def test_keys_by_hand(pairs):
    found = by_key(pairs)
    # NETFLIX.COM, UBER TRIP, TWITTER ONLINE, SHELL OIL, TARGET T, SPOTIFY USA | JOES CAFE, MARIAS TAQUERIA | UBER EATS
    # | DELTA DENTAL | SBUX, LYFT RIDE | SHELL SEEKERS BOOKS, TARGET PRACTICE RANGE, APPLE HILL ORCHARD, LOCAL GYM
    assert (found.keys, found.outcomes) == (16, (6, 2, 1, 1, 2, 4))
    assert found.agree == {"exact": 6 + 2, "family": 6 + 2 + 1}
    of = {pairs.joint.ids[brand]: tuple(counts) for brand, *counts in found.brands.iter_rows()}
    assert of == {
        # keys of the old side, of the new, gained, lost
        "netflix": (1, 1, 0, 0), "uber": (2, 1, 0, 1), "uber-eats": (0, 1, 1, 0), "x": (1, 1, 0, 0),
        "starbucks": (0, 1, 1, 0), "shell": (2, 1, 0, 1), "target": (2, 1, 0, 1), "apple": (1, 0, 0, 1),
        "spotify": (1, 1, 0, 0), "lyft": (0, 1, 1, 0), "delta-air-lines": (1, 0, 0, 1), "delta-dental": (0, 1, 1, 0),
        "Local Gym": (1, 0, 0, 1),
    }  # fmt: skip
    assert found.pairs["keys"].sum() == 16  # no key of these rows has two answers


def test_users_by_hand(pairs):
    found = by_user(pairs)
    assert (found.users, found.rows_without) == (6, 0)
    # exact:  u1 eats, sbux. u2 sbux, dental. u3 eats, seekers, dental. u4 eats, apple, gym. u5 sbux, lyft.
    #         u6 practice, lyft. By family eats is no change: that leaves u1 one, u3 and u4 two.
    assert found.changed == {"exact": 6, "family": 6}
    assert found.spread == {"exact": (0, 0, 6, 0), "family": (0, 1, 5, 0)}


def test_a_key_with_two_answers_is_gained_and_lost_for_a_brand_once(tmp_path):
    # key 1: a on both sides in one row, then nothing on the old side and a on the new: the old side does name a for it.
    # key 2: the old side says c, the new one a in one row and nothing in another: gained for a, lost for c.
    rows = [(1, None, 0, 0), (1, None, -1, 0), (2, None, 4, 0), (2, None, 4, -1)]
    found = by_key(few.pairs([(*row, 1.0, None, 0, 0.5) for row in rows], tmp_path))
    assert found.brands.rows() == [(0, 1, 2, 1, 0), (4, 1, 0, 0, 1)]
    assert (found.keys, found.agree) == (2, {"exact": 0, "family": 0})
    assert dict(zip(OUTCOMES, found.outcomes, strict=True)) == {
        "same": 1, "both-abstain": 0, "family": 0, "changed": 1, "gained": 1, "lost": 1,
    }  # fmt: skip
    assert found.pairs.rows() == [(0, 0, 0, 1), (3, 4, 0, 1), (4, -1, 0, 1), (5, 4, -1, 1)]


def test_money_that_is_no_number_counts_as_none(tmp_path):
    amounts = [1.5, math.nan, math.inf, None]
    table = cells(few.pairs([(0, None, 0, 0, 1.0, amount, 0, 0.5) for amount in amounts], tmp_path))
    assert table.select("rows", "money", "no_money").row(0) == (4, 1.5, 3)


def test_sums_do_not_show_the_order_in_which_they_were_added(tmp_path):
    table = cells(few.pairs([(0, None, 0, 0, 1.0, amount, 0, 0.5) for amount in (0.1, 0.2)], tmp_path))
    assert table["money"].item() == 0.3  # and not 0.30000000000000004


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_cells_as_counted_slowly(rows):
    want = defaultdict(lambda: [0, 0.0, 0.0, 0, 0.0, 0.0])
    for key, _, old, new, n, money, decided, sure in rows:
        tier = -1 if new < 0 else decided
        old_tier, old_rule = (-1, -1) if old < 0 else (few.LIST, old % 2)
        new_rule, reason = new % 2 if tier == 0 else -1, key % 2 if new < 0 else -1
        outcome = OUTCOMES.index(few.outcome(old, new))
        cell = want[outcome, old, new, old_tier, tier, old_rule, new_rule, -1, reason]
        modelled = n if tier > 0 else 0.0
        more = 1, n, money or 0.0, money is None, sure * modelled, modelled
        cell[:] = [had + add for had, add in zip(cell, more, strict=True)]
    with few.made(rows) as pairs:
        table = cells(pairs)
    counts = table.select("rows", "n", "money", "no_money", "new_sure", "new_sure_n").rows()
    assert table.select(SHARED).rows() == sorted(want)
    assert dict(zip(table.select(SHARED).rows(), map(list, counts), strict=True)) == want


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_keys_as_counted_slowly(rows):
    outcomes, pairs, old_of, new_of = (defaultdict(set) for _ in range(4))
    for key, _, old, new, *_ in rows:
        outcomes[key].add(few.outcome(old, new))
        pairs[old, new].add(key)
        old_of[old].add(key)
        new_of[new].add(key)
    with few.made(rows) as made:
        found = by_key(made)
    assert found.keys == len(outcomes)
    assert found.outcomes == tuple(sum(name in had for had in outcomes.values()) for name in OUTCOMES)
    for level, different in DIFFERENT.items():
        assert found.agree[level] == sum(had.isdisjoint(different) for had in outcomes.values())
    assert {(old, new): keys for _, old, new, keys in found.pairs.iter_rows()} == {
        pair: len(keys) for pair, keys in pairs.items()
    }
    assert found.brands.rows() == [
        (brand, len(old_of[brand]), len(new_of[brand]), len(new_of[brand] - old_of[brand]),
         len(old_of[brand] - new_of[brand]))
        for brand in sorted(set(old_of) | set(new_of) - {-1}) if brand >= 0
    ]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(few.ROW, max_size=40), st.sampled_from([1, 7, 50]))
def test_users_as_counted_slowly(rows, together):
    changed = {level: Counter() for level in DIFFERENT}
    users = {user for _, user, *_ in rows} - {None}
    for _, user, old, new, *_ in rows:
        for level, different in DIFFERENT.items():
            changed[level][user] += few.outcome(old, new) in different
    with pytest.MonkeyPatch.context() as patch, few.made(rows) as pairs:
        patch.setattr(measured, "TOGETHER", together)
        found = by_user(pairs)
    assert (found.users, found.rows_without) == (len(users), sum(row[1] is None for row in rows))
    for level, counts in changed.items():
        mine = [counts[user] for user in users]
        assert found.changed[level] == sum(count > 0 for count in mine)
        assert found.spread[level] == (
            mine.count(0), mine.count(1), sum(2 <= count <= 5 for count in mine), sum(count > 5 for count in mine)
        )  # fmt: skip


def test_names_that_two_brands_have_are_told_apart(tmp_path):
    joint = few.pairs([], tmp_path).joint
    assert shown(joint)[-1] == "no answer"
    twice = type(joint)(joint.ids, ("X", "X", "BA", "BB", "C", "no answer"), joint.sectors, joint.family, joint.known)
    assert shown(twice) == ("X (a)", "X (b)", "BA", "BB", "C", "no answer (f)", "no answer")
