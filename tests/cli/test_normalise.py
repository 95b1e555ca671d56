"""`tierbreak normalise`."""

from __future__ import annotations

import polars as pl

from tierbreak.tools.normaliser import stats


def test_rows_come_out_in_order(run, tmp_path):
    (tmp_path / "in.csv").write_text("memo\nnetflix.com\nhulu\nnetflix.com\n")
    out = run("normalise", tmp_path / "in.csv").out.splitlines()
    assert [line.split(",")[:2] for line in out] == [
        ["descriptor", "folded"],
        ["netflix.com", "NETFLIX.COM"],
        ["hulu", "HULU"],
        ["netflix.com", "NETFLIX.COM"],
    ]


def test_stats_are_those_of_the_distinct_texts(run, tmp_path):
    """Three lines, two of them one text: the figures are those of two."""
    (tmp_path / "in.txt").write_text("uber\nUBER\nuber\n")
    lines = run("normalise", "--stats", tmp_path / "in.txt").out.splitlines()
    expected = stats(pl.Series(["uber", "UBER"]))
    assert lines[0].split() == ["step", "of", "before", "after", "saved"]
    assert [line.split() for line in lines[1:]] == [[str(cell) for cell in row] for row in expected.rows()]


def test_a_step_that_is_none_is_refused(run, tmp_path):
    (tmp_path / "in.txt").write_text("uber\n")
    ran = run("normalise", "--off", "cas", tmp_path / "in.txt")
    assert ran == (2, "", "error: no normaliser step is called 'cas'; did you mean 'case'?\n")


def test_a_step_can_be_switched_off(run, tmp_path):
    (tmp_path / "in.txt").write_text("uber\n")
    assert "uber,uber," in run("normalise", "--off", "case", tmp_path / "in.txt").out
