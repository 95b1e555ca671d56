"""What was compared: the facts of thirty rows, each counted by hand."""

import dataclasses
import datetime as dt

import pytest

from tierbreak.tools.compare.document import Fold, Table, Text, Tiles, plain
from tierbreak.tools.compare.report import header
from tools.compare import thirty


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return thirty.pairs(tmp_path_factory.mktemp("pairs"))


def texts(section):
    return [(block.tone, block.text) for block in section.blocks if isinstance(block, Text)]


def tables(section):
    return [block for block in section.blocks if isinstance(block, Table)]


def tiles(section):
    (found,) = (block for block in section.blocks if isinstance(block, Tiles))
    return [(tile.label, tile.value, tile.note) for tile in found.tiles]


def test_thirty_rows(pairs):
    """30 rows of 16 keys, of users u1 to u6, from 1 October to 1 November: 31 + 1 days. One name, Local Gym, once."""
    assert len({row[1] for row in thirty.ROWS}) == 16
    found = header.section(pairs, distinct=16, users=6, noise=[Text("quiet")], seconds=1.26)
    assert (found.id, found.title) == ("header", "What was compared")
    assert tiles(found) == [
        ("Transactions compared", "30", "of 30 in october.csv"),
        ("Distinct keys", "16", "descriptors as cache and model see them"),
        ("Users", "6", ""),
        ("Dates", "1 Oct 2026 to 1 Nov 2026", "32 days"),
    ]
    sides, names = tables(found)
    assert sides.rows == (
        ("name", "old.tsv", "default"),
        ("what it is", "an ordered list of names: the first that matches decides",
         "an engine: rules, cache and model"),
        ("fingerprint", "a" * 12, "b" * 12),
        ("rows without a decision", "0", "0"),
        ("decisions without a row", "0", "0"),
        ("names that no registry has", "1", "0"),
    )  # fmt: skip
    assert (names.rows, names.note) == ((("Local Gym", "1"),), "1 name, 1 row. Each name is a brand of its own.")
    assert texts(found) == [("plain", "quiet"), ("soft", "The comparison took 1.3 s.")]
    (fold,) = (block for block in found.blocks if isinstance(block, Fold))
    assert fold.blocks[0].rows == (
        ("old side", "all", "a" * 64), ("new side", "all", "b" * 64), ("new side", "rules", "c" * 64),
    )  # fmt: skip


def test_what_is_in_no_figure_is_told(pairs):
    """Of 33 rows the old side lacks 3: 9.09 %. The new one says 2 more, and 4 rows and 1 amount could not be read."""
    given = dataclasses.replace(
        pairs,
        old=dataclasses.replace(pairs.old, lost=3, notices=("2 names were found by alias",)),
        new=dataclasses.replace(pairs.new, extra=2),
        traffic=dataclasses.replace(pairs.traffic, rows=33, broken=4, bad_money=1, notices=("date: 3 are null",)),
    )
    found = header.section(given)
    assert tiles(found)[0] == ("Transactions compared", "30", "of 33 in october.csv")
    assert texts(found) == [
        ("warn", "The old side has no decision for 3 of 33 rows (9.09 %): they are in no figure."),
        ("warn", "The new side has decisions for 2 rows that the traffic does not have: they are not used."),
        ("warn", "4 rows of october.csv could not be read: in no figure."),
        ("warn", "In 1 row the amount is no number: counted as rows, and in no figure of money."),
        ("warn", "old.tsv: 2 names were found by alias"),
        ("warn", "october.csv: date: 3 are null"),
        ("soft", "The noise floor was not measured: how far a side differs from itself is not known."),
    ]


def test_what_the_traffic_does_not_have_is_told(pairs):
    bare = dataclasses.replace(pairs.traffic, has=frozenset({"weight", "date"}), window=None)
    found = header.section(dataclasses.replace(pairs, traffic=bare), noise=[])
    assert [label for label, _, _ in tiles(found)] == ["Transactions compared"]
    assert texts(found) == [
        ("soft", "The traffic has no column for amount, user: nothing is counted by money or by users."),
        ("soft", "Rows are weighted: a row counts for as many transactions as its weight says."),
    ]


def test_one_side_twice_is_told(pairs):
    found = header.section(dataclasses.replace(pairs, new=pairs.old), noise=[])
    assert texts(found)[0] == ("warn", "Both sides have one fingerprint: they are the same, and what differs is noise.")


def test_names_that_were_mapped_and_those_that_were_not(pairs):
    """250 names of 1 to 250 rows each: 250 * 251 / 2 = 31,375 rows. The 200 with most are shown, ten at once."""
    unmapped = {f"Shop {letters(at)}": at for at in range(1, 251)}
    old = dataclasses.replace(pairs.old, kind="file", unmapped=unmapped, mapped={"id": 1200, "alias": 3})
    found = header.section(dataclasses.replace(pairs, old=old), noise=[])
    names = tables(found)[1]
    assert names.note == ("250 names, 31,375 rows. Each name is a brand of its own. The 200 with most rows are shown.")
    assert names.rows[:2] == ((f"Shop {letters(250)}", "250"), (f"Shop {letters(249)}", "249"))
    assert (len(names.rows), names.shown) == (200, 10)
    assert ("soft", "Names of the old side found in the registry: 1,200 by id, 3 by alias.") in texts(found)
    assert len(found.figures.old.unmapped) == 250


def test_a_name_may_be_a_person(pairs):
    """An old system may give the descriptor itself where it knows no brand."""
    old = dataclasses.replace(pairs.old, unmapped={"Zelle to Kim Lee": 2, "Zelle to Pat Doe": 1})
    found = header.section(dataclasses.replace(pairs, old=old), noise=[])
    assert tables(found)[1].rows == (("Zelle to …", "2"), ("Zelle to …", "1"))
    assert tables(found)[0].rows[-1] == ("names that no registry has", "2", "0")
    assert "Kim" not in str(plain(found.figures))


def test_figures_are_plain(pairs):
    figures = plain(header.section(pairs, distinct=16, users=6).figures)
    assert figures["traffic"]["window"] == ["2026-10-01", "2026-11-01"]
    assert figures["traffic"]["has"] == ["amount", "date", "user"]
    assert (figures["rows"], figures["distinct"], figures["users"], figures["seconds"]) == (30, 16, 6, None)
    assert figures["old"]["unmapped"] == [["Local Gym", 1]]


def test_a_single_day(pairs):
    day = dt.date(2026, 10, 3)
    traffic = dataclasses.replace(pairs.traffic, window=(day, day))
    assert tiles(header.section(dataclasses.replace(pairs, traffic=traffic)))[-1][2] == "1 day"


def letters(at):
    """A number in letters, for digits are masked."""
    return "".join("abcdefghij"[int(digit)] for digit in f"{at:03d}")
