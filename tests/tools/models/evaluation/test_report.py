"""Markdown and page: whole, safe, and without the network."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import polars as pl
import pytest

from tierbreak.tools.models.evaluation import evaluate
from tierbreak.tools.models.evaluation.markdown import markdown
from tierbreak.tools.models.evaluation.page import page

VOID = {"meta", "link", "br"}


@pytest.fixture(scope="module")
def evaluation(gold, registry, model, baseline):
    return evaluate(gold, registry, model, baseline, draws=50)


class Reader(HTMLParser):
    """Checks that what is opened is closed, and keeps what a test asks for."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.tags, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_holds_all_it_needs(evaluation):
    text = page(evaluation)
    reader = read(text)
    assert all(link.startswith(("#", "data:")) for link in reader.links)
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)
    assert not re.search(r"<script|@import|url\(|https?://", text)
    assert [*dict.fromkeys(reader.ids)] == [
        "figures", "confidence", "sectors", "formats", "decided", "mistakes", "confusions",
    ]  # fmt: skip


def test_the_page_shows_the_figures_and_the_plots(evaluation):
    reader = read(page(evaluation))
    shown = " ".join(reader.text)
    for figure in ("60.0 %", "9 of 15", "7 of 10", "p = 0.2891", "p = 0.1797", "UBER TRIP BRAVO"):
        assert figure in shown
    images = [attrs["aria-label"].partition(":")[0] for tag, attrs in reader.tags if tag == "svg"]
    assert images == [
        "Reliability", "Risk over coverage", "Top-1 by sector", "Top-1 by format", "No-brand rows answered, by format",
    ]  # fmt: skip


def test_tables_that_scroll_can_be_reached_by_keyboard(evaluation):
    reader = read(page(evaluation))
    scrolls = [attrs for tag, attrs in reader.tags if attrs.get("class") == "scroll"]
    assert scrolls
    assert all(attrs["tabindex"] == "0" and attrs["aria-label"] for attrs in scrolls)
    assert ("html", {"lang": "en"}) in reader.tags
    assert sum(tag == "h1" for tag, _ in reader.tags) == 1


def test_descriptors_are_text_and_nothing_else(gold, registry, model):
    nasty = gold.rows.with_columns(
        pl.Series("descriptor", ["<script>alert(1)</script> & | `x` \x1b[31m *"] * len(gold)).alias("descriptor")
    )
    evaluation = evaluate(dataclasses.replace(gold, rows=nasty), registry, model, draws=5)
    text = page(evaluation)
    read(text)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; | `x` \\x1b[31m *" in text
    line = next(line for line in markdown(evaluation).splitlines() if "alert" in line)
    assert "<script" not in line.replace("\\<", "")
    assert len(re.findall(r"(?<!\\)\|", line)) == 7  # six cells, in the table of confusions


def test_one_side_alone_and_no_formats(gold, registry, model):
    plain = dataclasses.replace(gold, format=("",) * len(gold), weighted=False)
    evaluation = evaluate(plain, registry, model, draws=5)
    reader = read(page(evaluation))
    assert "formats" not in reader.ids
    assert "baseline" not in "".join(reader.text).replace(".baseline", "").replace("--baseline", "")
    assert "by weight" not in markdown(evaluation)


def test_markdown_by_hand(evaluation):
    lines = markdown(evaluation).splitlines()
    assert lines[0] == "# How right is `models/fixture`?"
    row = next(line for line in lines if line.startswith("| deployed precision |"))
    assert re.fullmatch(
        r"\| deployed precision \| 70\.0 % \(.* to .*\) 7 of 10 \| 100\.0 % \(100\.0 to 100\.0\) 5 of 5 "
        r"\| -30\.0 pp \(.* to .*\) \|",
        row,
    )
    assert "| \\[0.90, 0.95) | 0.0 % (0 of 1) | - |" in lines


def test_the_reports_come_out_the_same_again(gold, registry, model, baseline, evaluation):
    again = evaluate(gold, registry, model, baseline, draws=50)
    assert page(again) == page(evaluation)
    assert markdown(again) == markdown(evaluation)
