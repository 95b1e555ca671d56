"""What becomes of answers: thirty rows by hand, and a slow count of few."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.tools.compare import document
from tierbreak.tools.compare.measure.cells import by_key, cells
from tierbreak.tools.compare.measure.flow import Flow, Stream, flow
from tierbreak.tools.compare.report.flow import section
from tools.compare import few, thirty


def measured(pairs, **given):
    return flow(pairs, cells(pairs), by_key(pairs), **given)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return measured(thirty.pairs(tmp_path_factory.mktemp("pairs")))


def test_by_hand(found):
    # 13 same and 3 both abstain stay
    assert (found.n, found.stays, found.weighted) == (30, 16, False)
    assert found.money == pytest.approx(729.94)
    assert [(kind.outcome, kind.rows, kind.cells) for kind in found.kinds] == [
        ("changed", 2, 1), ("lost", 4, 4), ("gained", 5, 2), ("family", 3, 1), ("same", 13, 6),
    ]  # fmt: skip
    changed, lost, gained, family, same = found.kinds
    named = "delta-air-lines", "delta-dental", "Delta Air Lines", "Delta Dental"
    assert changed.top == (Flow(*named, 2, 2.0, 2 / 30, 100.0, 1, True, True),)
    assert {(one.old, one.rows, one.money, one.old_known) for one in lost.top} == {
        ("shell", 1, 12.0, True), ("target", 1, 45.0, True), ("apple", 1, 18.0, True), ("Local Gym", 1, 30.0, False),
    }  # fmt: skip
    assert [(one.old, one.new, one.n, one.money, one.keys) for one in gained.top] == [
        (None, "starbucks", 3.0, 5 + 6 + 6.5, 1), (None, "lyft", 2.0, 17.0 + 18.0, 1),
    ]  # fmt: skip
    assert [(one.old, one.new, one.n, one.money, one.keys) for one in family.top] == [
        ("uber", "uber-eats", 3.0, 25.0 + 35.0 + 40.0, 1)
    ]
    # netflix 4, uber 2, x 2, shell 2, spotify 2, target 1
    assert [one.n for one in same.top] == [4, 2, 2, 2, 2, 1]
    assert (changed.share, lost.share, gained.share) == (2 / 30, 4 / 30, 5 / 30)


def test_a_rebrand_is_no_difference(found):
    (x,) = found.rebrands
    assert (x.old, x.new, x.rows, x.share) == ("x", "x", 2, 2 / 30)
    (x,) = [one for one in found.kinds[-1].top if one.new == "x"]
    assert (x.rows, x.keys, x.money) == (2, 1, 16.0)


def test_only_a_part_of_a_brand_is_a_rebrand(tmp_path):
    """Rows 0 and 2 of three with one brand on both sides are marked: their weights are 1 and 0.5."""
    rows = [(0, None, 0, 0, n, 8.0, 0, 0.5) for n in (1.0, 2.0, 0.5)]
    found = measured(few.pairs(rows, tmp_path))
    (one,) = found.rebrands
    assert (one.rows, one.n, one.share) == (2, 1.5, 1.5 / 3.5)


def test_bands_by_hand(found, tmp_path):
    assert len(found.bands) == 8  # every cell that differs
    assert found.bands[0].n == 3
    # 6 bands for 4 outcomes leave room for 2: uber and starbucks, 3 rows each. What is left: lyft 2, dental 2, 4 lost;
    # nothing is left of the family.
    few_bands = measured(thirty.pairs(tmp_path), bands=6).bands
    assert {(one.outcome, one.old_name, one.new_name, one.n) for one in few_bands} == {
        ("family", "Uber", "Uber Eats", 3), ("gained", "no answer", "Starbucks", 3), ("gained", None, None, 2),
        ("changed", None, None, 2), ("lost", None, None, 4),
    }  # fmt: skip
    assert few_bands[0] == Stream("lost", None, None, 4)


def test_the_section_by_hand(found):
    blocks = section(found).blocks
    assert blocks[0].text.startswith("53.3 % of 30 transactions keep their answer")
    tables = {one.title: one for one in document.tables(blocks)}
    assert tables["Another brand: 6.7 %"].rows == (
        ("Delta Air Lines", "Delta Dental", "2", "6.67 %", "1", "100"),
    )  # fmt: skip
    lost = tables["Lost: the new side gives no answer: 13.3 %"]
    assert ("Local Gym *", "no answer", "1", "3.33 %", "1", "30") in lost.rows
    assert lost.note == "In all: 4. A name marked * is in no registry."
    assert tables["Gained: the old side gave no answer: 16.7 %"].note == "In all: 5."
    assert tables["Renamed or merged brands: no difference"].rows == (("X", "2", "6.67 %"),)
    (figure,) = [block for block in blocks if isinstance(block, document.Figure)]
    assert figure.title.endswith("the 46.7 % that differ")
    assert "same family: Uber to Uber Eats, 10.00 %" in figure.says
    # one changed, one of the family, 2 gained, 4 lost
    want = {"changed": 1, "family": 1, "gained": 2, "lost": 4, "same": 0}
    assert {role: figure.svg.count(f'class="band {role}"') for role in want} == want


def test_what_is_not_listed_is_counted(tmp_path):
    blocks = section(measured(thirty.pairs(tmp_path), top=1)).blocks
    notes = {one.title.partition(":")[0]: one.note for one in document.tables(blocks)}
    assert notes["Gained"] == "In all: 5. Pairs of answers that are not listed: 1."
    # apple is the first of the four lost brands, each of one row
    assert notes["Lost"] == "In all: 4. Pairs of answers that are not listed: 3."


def test_rest_of_bands_is_named_by_what_is_known_of_it(tmp_path):
    figure = section(measured(thirty.pairs(tmp_path), bands=4)).blocks[1]
    assert figure.says == (
        "gained: no answer to other brands, 16.67 %; lost: other brands to no answer, 13.33 %; "
        "same family: other brands to other brands, 10.00 %; another brand: other brands to other brands, 6.67 %"
    )


def test_without_money_there_is_no_column_of_it(tmp_path):
    blocks = section(measured(few.pairs([(0, 0, 0, 1, 1.0, None, 0, 0.5)], tmp_path, has=()))).blocks
    assert not any("money" in one.columns for one in document.tables(blocks))


def test_nothing_differs_or_nothing_is_there(tmp_path):
    same = section(measured(few.pairs([(0, 0, 0, 0, 1.0, 1.0, 0, 0.5)], tmp_path / "same"))).blocks
    assert document.Text("No transaction gets another answer than before.", "good") in same
    empty = measured(few.pairs([], tmp_path / "empty"))
    assert (empty.n, empty.kinds, empty.bands) == (0, (), ())
    (text,) = section(empty).blocks
    assert text.tone == "warn"


@settings(max_examples=40, deadline=None)
@given(st.lists(few.ROW, min_size=1, max_size=30), st.integers(4, 12))
def test_as_counted_slowly(rows, bands):
    counts, money, keys = Counter(), Counter(), {}
    for key, _, old, new, n, amount, *_ in rows:
        counts[old, new] += n
        money[old, new] += amount or 0
        keys.setdefault((old, new), set()).add(key)
    with few.made(rows) as pairs:
        found = measured(pairs, top=50, bands=bands)
    at = {id: place for place, id in enumerate(few.IDS)} | {None: -1}
    listed = {(at[one.old], at[one.new]): one for kind in found.kinds for one in kind.top}
    assert {pair: one.n for pair, one in listed.items()} == {
        pair: n for pair, n in counts.items() if pair != (-1, -1)
    }  # fmt: skip
    for pair, one in listed.items():
        assert (one.money, one.keys) == (money[pair], len(keys[pair]))
        assert one.old_known == (pair[0] != 5)
    total = sum(counts.values())
    assert found.n == total
    assert found.stays == sum(n for (old, new), n in counts.items() if old == new)
    assert math.isclose(sum(one.n for one in found.bands), total - found.stays)
    assert len(found.bands) <= bands
