"""The page: whole, safe, without the network, and in the order it is read. How it looks is tested in a browser."""

import math
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import combinations, pairwise

import pytest

from tierbreak.tools.compare.document import Beside, Figure, Fold, Section, Table, Text, Tile, Tiles
from tierbreak.tools.compare.report import page as report
from tierbreak.tools.compare.report.page import page
from tierbreak.tools.report import page as shell

VOID = {"meta", "link", "br"}
NASTY = '<script>alert(1)</script> & "x" \x1b[31m'
SVG = '<svg viewBox="0 0 400 100"><rect class="bar old" width="10" height="10"></rect></svg>'


class Reader(HTMLParser):
    """Checks that what is opened is closed, and keeps what a test asks for."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def read(*blocks):
    return parsed(page([Section("one", "The one", blocks)], heading="Old against new", opening="What changes."))


def parsed(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


EVERY = (
    Text("plain"), Text("careful", "warn"), Tiles((Tile("rows", "30", "of 30"), Tile("users", "6"))),
    Table(("brand", "rows"), (("uber", "3"), ("x", "2")), title="Brands", note="by rows"),
    Figure("Shares", SVG, "more of one than of the other"), Figure("Flow", SVG, "from old to new"),
    Fold("More", (Beside((("brand", "uber"), ("tier", "list")), (("brand", "uber-eats"), ("tier", "list"))),)),
)  # fmt: skip


def test_every_block_is_there():
    reader = read(*EVERY)
    shown = " ".join(reader.text)
    for word in (
        "plain",
        "careful",
        "rows",
        "30",
        "of 30",
        "Brands",
        "by rows",
        "uber-eats",
        "from old to new",
        "More",
    ):
        assert word in shown
    assert [attrs.get("class") for attrs in reader.all("p") if attrs.get("class") in ("warn", "plain")] == ["warn"]
    assert len(reader.all("figure")) == 2
    assert sum(attrs.get("class") == "plots" for attrs in reader.all("div")) == 1, "plots in a row stand side by side"


def test_the_page_holds_all_it_needs():
    text = page([Section("one", "The one", EVERY)], heading="h", opening="o")
    assert not re.search(r"<script|@import|url\(|https?://|\son\w+=", text)
    links = [attrs[name] for _, attrs in parsed(text).tags for name in ("href", "src") if name in attrs]
    assert links == ["data:,", "#one"]


def test_the_verdict_stands_behind_the_header():
    sections = [Section(id, id.title(), ()) for id in ("flow", "verdict", "brands", "header")]
    reader = parsed(page(sections, heading="h", opening=""))
    assert [attrs["id"] for attrs in reader.all("section")] == ["header", "verdict", "flow", "brands"]
    assert [attrs["href"] for attrs in reader.all("a")] == ["#header", "#verdict", "#flow", "#brands"]


def test_headings_go_down_one_step_at_a_time():
    levels = [int(tag[1]) for tag, _ in read(*EVERY, Fold("a", (Fold("b", EVERY),))).tags if re.fullmatch(r"h\d", tag)]
    assert levels[:2] == [1, 2]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_text_is_text_and_nothing_else():
    blocks = (
        Text(NASTY, NASTY), Tiles((Tile(NASTY, NASTY, NASTY),)), Fold(NASTY, (Beside(((NASTY, NASTY),), ()),)),
        Table((NASTY,), ((NASTY,),), NASTY, NASTY, tones=(NASTY,)), Figure(NASTY, SVG, NASTY),
    )  # fmt: skip
    text = page([Section("one", NASTY, blocks)], heading=NASTY, opening=NASTY)
    parsed(text)
    assert "<script" not in text
    assert "\x1b" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot; \\x1b[31m") > 15


def test_a_long_table_shows_its_first_rows_and_folds_the_rest():
    """Of seven rows three are seen: four are folded, and none is lost or told twice."""
    rows = tuple((f"brand-{at}", str(at)) for at in range(7))
    reader = read(Table(("brand", "rows"), rows, title="Brands", shown=3, tones=("", "", "", "", "", "", "bad")))
    assert [word for word in reader.text if word.startswith("brand-")] == [row[0] for row in rows]
    at = next(at for at, (tag, _) in enumerate(reader.tags) if tag == "details")
    assert sum(tag == "tr" for tag, _ in reader.tags[:at]) == 1 + 3
    assert sum(tag == "tr" for tag, _ in reader.tags[at:]) == 1 + 4
    assert "4 more rows" in reader.text
    assert reader.tags[at:].count(("tr", {"class": "bad"})) == 1
    assert [attrs["aria-label"] for attrs in reader.all("div") if attrs.get("class") == "scroll"] == [
        "Brands", "Brands, 4 more rows",
    ]  # fmt: skip


@pytest.mark.parametrize(("shown", "details"), [(None, 0), (7, 0), (8, 0), (6, 1), (0, 1)])
def test_a_fold_only_where_rows_are_left(shown, details):
    reader = read(Table(("brand",), tuple((str(at),) for at in range(7)), shown=shown))
    assert len(reader.all("details")) == details
    assert len(reader.all("table")) == (1 if shown in (None, 7, 8, 0) else 2)


def test_tables_can_be_reached_by_keyboard_and_say_what_they_are():
    reader = read(*EVERY, Table(("n",), (("1",),), words=frozenset()))
    scrolls = [attrs for attrs in reader.all("div") if attrs.get("class") == "scroll"]
    assert [(attrs["tabindex"], attrs["role"], attrs["aria-label"]) for attrs in scrolls] == [
        ("0", "region", "Brands"), ("0", "region", "The one"),
    ]  # fmt: skip
    assert [attrs.get("scope") for attrs in reader.all("th")] == ["col", "col", "row", "row", "col"]


def test_words_stand_left_and_numbers_right():
    reader = read(Table(("brand", "rows", "why"), (("uber", "3", "rule"),), words=frozenset({0, 2})))
    assert [attrs.get("class") for attrs in reader.all("th")[:3]] == ["words", None, "words"]
    assert [attrs.get("class") for attrs in reader.all("td")] == [None, "words"]


def test_no_row_is_none():
    reader = read(Table(("brand",), (), title="Brands"))
    assert "None." in reader.text
    assert not reader.all("table")


def test_a_plot_has_a_name_and_says_what_it_shows():
    named = SVG.replace(">", ' role="img" aria-label="a"><title>A &amp; B</title><desc>d</desc>', 1)
    for svg, title in ((SVG, "Shares"), (named, "A & B")):
        reader = read(Figure("Shares", svg, "more of one"))
        (image,) = reader.all("svg")
        assert image["role"] == "img"
        assert image["aria-label"]
        assert title in reader.text
        assert len(reader.all("desc")) == 1


def test_a_plot_too_wide_for_a_phone_scrolls():
    wide = read(Figure("Flow", SVG.replace("400", "900"), "flow"))
    assert [attrs["aria-label"] for attrs in wide.all("div") if attrs.get("class") == "scroll"] == ["Flow"]


def test_values_that_differ_stand_out():
    reader = read(*EVERY)
    text = page([Section("one", "o", EVERY)], heading="h", opening="")
    assert "<dt>brand</dt><dd><b>uber-eats</b></dd><dt>tier</dt><dd>list</dd>" in text
    assert [attrs["aria-label"] for attrs in reader.all("div") if attrs.get("role") == "group"] == [
        "old side", "new side",
    ]  # fmt: skip
    assert "No record." in read(Beside((), ())).text


def one_page():
    return page([Section("one", "The one", EVERY)], heading="h", opening="o")


def test_another_process_writes_the_same_page():
    """There sets have another order, and nothing else that lies in memory is the same."""
    code = "import sys; from tools.compare.report.test_page import one_page; sys.stdout.write(one_page())"
    paths = os.pathsep.join(sys.path)
    env = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "1", "PYTHONIOENCODING": "utf-8"}
    there = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout
    assert there.decode() == one_page()


OUTCOMES = ("same", "family", "changed", "gained", "lost", "abstain")

#: Linear red, green and blue as they are seen without the green or the red cones: Machado, Oliveira and Fernandes 2009,
#: "A Physiologically-based Model for Simulation of Color Vision Deficiency", severity 1.
LACKING = {
    "green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
}


def _linear(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def _lab(linear):
    """CIE 1976 L*a*b*, in which a distance of 2 is just seen."""
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1.0, 1.089)
    xyz = [sum(a * b for a, b in zip(row, linear, strict=True)) / w for row, w in zip(to_xyz, white, strict=True)]
    x, y, z = (one ** (1 / 3) if one > 0.008856 else 7.787 * one + 16 / 116 for one in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _schemes():
    """name -> value of each colour, for light and for dark."""
    css = "".join(file.read_text() for file in (shell._STYLE, report._STYLE))
    dark = "".join(re.findall(r"@media \(prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}", css, re.S))
    rest = re.sub(r"@media[^{]*\{\s*:root \{.*?\}", "", css, flags=re.S)
    light = "".join(re.findall(r":root \{(.*?)\}", rest, re.S))
    given = [dict(re.findall(r"--([\w-]+):\s*([^;]+);", part)) for part in (light, light + dark)]
    return [
        {name: colours[value[6:-1]] if value.startswith("var(") else value for name, value in colours.items()}
        for colours in given
    ]


def _contrast(one, other):
    """WCAG 2.2: (lighter + 0.05) / (darker + 0.05), of relative luminances."""

    def luminance(colour):
        red, green, blue = _linear(colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_and_white():
    assert _contrast("#fff", "#000000") == pytest.approx(21)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_from_the_paper(scheme):
    """Text 4.5 to 1, marks of a plot 3 to 1: level AA."""
    colours = _schemes()[scheme]
    text = [("ink", "paper"), ("soft", "paper"), ("link", "paper"), ("ink", "wash"), ("soft", "wash"),
            *(("ink", f"{tone}-wash") for tone in ("good", "bad", "warn"))]  # fmt: skip
    marks = [*OUTCOMES, "old", "new", "good", "bad", "warn", "axis"]
    faint = {pair: _contrast(colours[pair[0]], colours[pair[1]]) for pair in text}
    assert {pair: round(ratio, 2) for pair, ratio in faint.items() if ratio < 4.5} == {}
    shown = {mark: round(_contrast(colours[mark], colours["paper"]), 2) for mark in marks}
    assert {mark: ratio for mark, ratio in shown.items() if ratio < 3} == {}


@pytest.mark.parametrize("lacking", [None, "green", "red"])
@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_from_each_other(scheme, lacking):
    """By those too who lack a kind of cones; what is the same and what is abstained are both grey, and named."""
    colours = _schemes()[scheme]
    matrix = LACKING.get(lacking, ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    seen = {
        name: _lab([max(0.0, sum(a * b for a, b in zip(row, _linear(colours[name]), strict=True))) for row in matrix])
        for name in (*OUTCOMES, "old", "new")
    }
    pairs = [("old", "new"), *(pair for pair in combinations(OUTCOMES, 2) if pair != ("same", "abstain"))]
    apart = {pair: round(math.dist(seen[pair[0]], seen[pair[1]])) for pair in pairs}
    assert {pair: distance for pair, distance in apart.items() if distance < 18} == {}


def test_print_has_the_colours_of_light():
    css = report._STYLE.read_text()
    light = re.search(r":root \{(.*?)\}", css, re.S)[1]
    printed = re.search(r"@media print \{\s*:root \{(.*?)\}", css, re.S)[1]
    named = [dict(re.findall(r"--([\w-]+):\s*(#\w+);", part)) for part in (light, printed)]
    assert named[0] == named[1]
