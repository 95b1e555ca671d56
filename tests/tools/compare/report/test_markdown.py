"""Markdown and JSON of a comparison: the same as the page says, and safe to be read by machines."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from tierbreak.tools.compare.document import Beside, Figure, Fold, Section, Table, Text, Tile, Tiles
from tierbreak.tools.compare.report.asjson import asjson, dumps
from tierbreak.tools.compare.report.markdown import escaped, markdown


def written(*blocks):
    """The lines below the title of the one section."""
    text = markdown([Section("one", "The one", blocks)])
    assert text.startswith("## The one\n\n")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    return text.removeprefix("## The one\n\n").rstrip("\n").split("\n")


def test_every_block_by_hand():
    lines = written(
        Text("It is so."),
        Text("Take care.", "warn"),
        Tiles((Tile("rows", "30", "of 31"), Tile("users", "6"))),
        Table(("brand", "rows", "why"), (("uber", "3", "rule"),), "Brands", "by rows", words=frozenset({0, 2})),
        Figure("Shares", "<svg></svg>", "more of one."),
    )
    assert lines == [
        "It is so.", "",
        "> Take care.", "",
        "- rows: **30** (of 31)",
        "- users: **6**", "",
        "### Brands", "",
        "by rows", "",
        "| brand | rows | why |",
        "| --- | ---: | --- |",
        "| uber | 3 | rule |", "",
        "**Shares.** more of one.",
    ]  # fmt: skip


def test_a_fold_and_what_is_beside():
    lines = written(Fold("UBER <1>", (Beside((("brand", "uber"), ("rule", "UBER")), (("brand", "uber-eats"),)),)))
    assert lines == [
        "<details><summary>UBER &lt;1&gt;</summary>", "",
        "|  | old side | new side |",
        "| --- | --- | --- |",
        "| brand | uber | uber-eats |",
        "| rule | UBER |  |", "",
        "</details>",
    ]  # fmt: skip


def test_a_long_table_is_whole():
    """Of five rows two are seen; three are folded."""
    lines = written(Table(("n",), tuple((str(at),) for at in range(5)), words=frozenset(), shown=2))
    assert [line for line in lines if line.startswith("| ") and line[2].isdigit()] == [f"| {at} |" for at in range(5)]
    at = lines.index("<details><summary>3 more rows</summary>")
    assert lines[:4] == ["| n |", "| ---: |", "| 0 |", "| 1 |"]
    assert lines[at + 2 : at + 4] == ["| n |", "| ---: |"]
    assert written(Table(("n",), (), "Empty")) == ["### Empty", "", "None."]


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("a|b", "a\\|b"),
        ("`x` *y* _z_", "\\`x\\` \\*y\\* \\_z\\_"),
        ("two\nlines\r\tand more", "two lines and more"),
        ("<b>&amp;", "\\<b\\>\\&amp;"),
        ("[a](http://b)", "\\[a\\](http://b)"),
        ("\x1b[31m", "\\[31m"),
        ("a\\|b", "a\\\\\\|b"),
        ("# no heading", "\\# no heading"),
        ("- no item", "\\- no item"),
        ("-1.5", "-1.5"),
        ("1. no item", "1\\. no item"),
        ("1.5 %", "1.5 %"),
        ("---", "\\---"),
        ("===", "\\==="),
    ],
)
def test_text_is_text(given, want):
    assert escaped(given) == want


def test_the_order_and_the_heading():
    sections = [Section(id, id, ()) for id in ("flow", "verdict", "header")]
    assert markdown(sections, heading="A | B", opening="o*o") == (
        "# A \\| B\n\no\\*o\n\n## header\n\n## verdict\n\n## flow\n"
    )


@dataclass
class Figures:
    share: float
    many: tuple
    named: dict


def test_json_by_hand():
    figures = Figures(math.nan, (np.int64(3), np.float32(0.5), True, None), {"a": {"c", "b"}, "d": math.inf})
    sections = [Section("flow", "Flow", (), figures), Section("header", "Header", (Text("x"),))]
    want = {
        "format": 1,
        "old": "old.tsv",
        "sections": {
            "header": None,
            "flow": {"share": None, "many": [3, 0.5, True, None], "named": {"a": ["b", "c"], "d": None}},
        },
    }
    assert asjson(sections, {"old": "old.tsv"}) == want
    text = dumps(sections, {"old": "old.tsv"})
    assert json.loads(text, parse_constant=pytest.fail) == want
    assert text == dumps(sections, {"old": "old.tsv"})
    assert [*json.loads(text)] == ["format", "old", "sections"]


def test_json_keeps_its_own_names():
    with pytest.raises(ValueError, match="meta takes sections"):
        asjson([], {"sections": 1})
    with pytest.raises(ValueError, match="share an id: a, a"):
        asjson([Section("a", "A", ()), Section("a", "B", ())])
