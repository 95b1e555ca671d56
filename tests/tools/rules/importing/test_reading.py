"""Reading an ordered list: columns, places, and lines that are no rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierbreak.errors import InputError
from tierbreak.tools.rules.importing.reading import LegacyRule, Listing, read


def listing(folder: Path, text: str, file: str = "old.csv", **columns: str) -> Listing:
    path = folder / file
    path.write_text(text)
    return read(path, columns)


def test_columns_are_found_by_their_usual_names(tmp_path):
    got = listing(tmp_path, "Merchant Name,Category,Regexp,Flags\nUber,Rides,UBER,i\n")
    assert got.rules == (LegacyRule(2, 12, "UBER", "Uber", "Rides", "i"),)
    assert got.columns == {"pattern": "Regexp", "name": "Merchant Name", "flags": "Flags", "category": "Category"}
    assert got.notices == ()


def test_columns_can_be_told(tmp_path):
    got = listing(tmp_path, "a\tb\nUBER\tUber\n", "old.tsv", pattern="a", name="b")
    assert got.rules == (LegacyRule(2, 1, "UBER", "Uber", "", "i"),)
    assert got.notices == ("no column of flags: every pattern is read as caseless",)


def test_a_pattern_in_quotes_has_the_place_of_its_first_sign(tmp_path):
    got = listing(tmp_path, 'name,pattern\n"Ben, Jerry","A{1,2}"\n\nUber,"X""Y"\n')
    assert [(rule.line, rule.column, rule.pattern) for rule in got.rules] == [(2, 15, "A{1,2}"), (4, 7, 'X"Y')]


def test_each_line_that_is_no_rule_is_named_and_reading_goes_on(tmp_path):
    text = (
        "pattern\tname\tflags\n[A\tOpen\ti\nB\tBad\tiq\n\tEmpty\ti\nC\t\ti\nD\tShort\n\"E\tQuote\ti\nUBER\tUber\ti\n"
        "(?<=A+)B\tBehind\ti\n"
    )  # fmt: skip
    got = listing(tmp_path, text, "old.tsv")
    assert [rule.name for rule in got.rules] == ["Uber"]
    assert [(fault.code, fault.line, fault.column, fault.says) for fault in got.faults] == [
        ("L004", 2, 1, "not a regex of Python: unterminated character set"),
        ("L003", 3, 7, "unknown flag 'q'"),
        ("L002", 4, 1, "no pattern"),
        ("L002", 5, 3, "no name"),
        ("L001", 6, 1, "2 cells instead of 3"),
        ("L001", 7, 1, "unclosed quote"),
        ("L004", 9, 1, "not a regex of Python: look-behind requires fixed-width pattern"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no header"),
        ("pattern,name\n", "no line below the header"),
        (
            "colour,name\nred,Uber\n",
            "no column looks like the pattern\n  columns: 'colour', 'name'\n  fix: name it with",
        ),
        ("colour\nred\n", "no column looks like the pattern or the name"),
    ],
)
def test_a_file_that_is_no_list(tmp_path, text, says):
    with pytest.raises(InputError, match=f"^{tmp_path}/old.csv: {says}"):
        listing(tmp_path, text)


def test_a_column_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no column 'patern' for --pattern\n  columns: 'pattern', 'name'\n  did you m"):
        listing(tmp_path, "pattern,name\nA,B\n", pattern="patern")


def test_a_file_that_is_not_utf_8(tmp_path):
    (tmp_path / "old.csv").write_bytes(b"pattern,name\nA,Caf\xe9\n")
    with pytest.raises(InputError, match=r"old\.csv: line 2 is not UTF-8"):
        read(tmp_path / "old.csv")


def test_flags_mean_what_they_mean_to_re():
    assert LegacyRule(1, 1, "uber", "Uber", "", "").compiled().search("UBER") is None
    assert LegacyRule(1, 1, "uber", "Uber", "", "i").compiled().search("UBER")
    assert LegacyRule(1, 1, "U B", "Uber", "", "x").compiled().search("UB")
