"""Plots: what is drawn is as long and as thick as what it stands for, and what is written cannot break the page."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from tierbreak.tools.compare.report.plots import WIDE, Band, Bar, bars, sankey


def drawn(svg, name, role):
    return [one for one in ElementTree.fromstring(svg).iter(name) if role in one.get("class", "").split()]


def test_bars_are_as_long_as_their_values():
    a = [Bar("old", 0.2, "old 20 %"), Bar("new", 0.4, "new 40 %")]
    svg = bars("who", [("a", a), ("b", [Bar("old", 0.1, "")])], "")
    old, other = (float(one.get("width")) for one in drawn(svg, "rect", "old"))
    (new,) = (float(one.get("width")) for one in drawn(svg, "rect", "new"))
    assert (new / old, other / old) == (pytest.approx(2, abs=0.01), pytest.approx(0.5, abs=0.01))
    assert "<title>old 20 %</title>" in svg


def test_a_value_that_cannot_be_said_has_no_bar():
    svg = bars("who", [("a", [Bar("old", math.nan, "no gold rows")])], "")
    assert not drawn(svg, "rect", "bar")
    assert ">-</text>" in svg


def test_intervals_stand_around_their_value():
    svg = bars("who", [("a", [Bar("old", 0.5, "", 0.25, 0.75)])], "")
    (whisker,) = drawn(svg, "line", "whisker")
    (bar,) = drawn(svg, "rect", "bar")
    end = float(bar.get("x")) + float(bar.get("width"))
    assert (float(whisker.get("x1")) + float(whisker.get("x2"))) / 2 == pytest.approx(end, abs=0.02)


BANDS = [
    Band("A", "B", 3, "changed", "A to B"), Band("A", "no answer", 1, "lost", "A to none"),
    Band("C", "no answer", 2, "lost", "C to none"), Band("D", "E", 0, "gained", "nothing"),
]  # fmt: skip


ROLES = {"gained": "gained", "lost": "not answered", "changed": "another brand"}


def test_the_key_names_what_is_drawn():
    svg = sankey("flow", BANDS, "says", ROLES)
    labels = [one.text for one in drawn(svg, "text", "label")][-2:]
    assert labels == ["not answered", "another brand"]  # nothing gained is drawn
    assert [one.get("class") for one in drawn(svg, "rect", "bar")] == ["bar lost", "bar changed"]


def test_bands_are_as_thick_as_their_weight_and_fill_their_nodes():
    svg = sankey("flow", BANDS, "says", ROLES, tall=300)
    # 6 in all: 50 units each
    assert sorted(float(one.get("height")) for one in drawn(svg, "rect", "old")) == [100, 200]
    assert sorted(float(one.get("height")) for one in drawn(svg, "rect", "new")) == [150, 150]
    thick = {}
    for path in drawn(svg, "path", "band"):
        start, down = re.match(r"M[\d.]+ ([\d.]+)C.*V([\d.]+)C", path.get("d")).groups()
        end = re.search(r" ([\d.]+)V", path.get("d")).group(1)
        thick[path.find("title").text] = float(down) - float(end)
        assert float(start) >= 0
    assert thick == {
        "A to B": pytest.approx(150), "A to none": pytest.approx(50), "C to none": pytest.approx(100),
    }  # fmt: skip


def test_a_flow_stays_inside_its_picture():
    many = [Band(f"old {at}", f"new {at % 3}", 1 + at, "changed", "") for at in range(12)]
    svg = sankey("flow", many, "", ROLES)
    _, _, wide, high = map(float, ElementTree.fromstring(svg).get("viewBox").split())
    assert wide == WIDE
    for one in drawn(svg, "rect", "node"):
        assert 0 <= float(one.get("y")) <= float(one.get("y")) + float(one.get("height")) <= high
    labels = sorted(float(one.get("y")) for one in drawn(svg, "text", "label") if one.get("text-anchor") == "end")
    assert len(labels) == 12
    assert min(after - before for before, after in pairwise(labels)) >= 15


def test_names_cannot_break_the_page():
    svg = sankey("a < b", [Band('<script>"&', "x\x1b", 1, "changed", "<b>")], "", {"changed": "<i>"})
    assert "<script" not in svg
    assert "\x1b" not in svg
    assert ElementTree.fromstring(svg).find("title").text == "a < b"
    assert drawn(svg, "text", "label")[0].find("title").text == '<script>"&'
