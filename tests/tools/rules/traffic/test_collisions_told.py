"""Terminal, Markdown, page and JSON say the same, show no digit of a descriptor, and need nothing from outside."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tierbreak import cli
from tierbreak.cli import options
from tierbreak.tools.rules.traffic import Traffic
from tierbreak.tools.rules.traffic.collisions import collisions, text, words
from tierbreak.tools.rules.traffic.collisions.markdown import code, escaped, markdown
from tierbreak.tools.rules.traffic.collisions.page import page
from tools.rules.traffic.collisions_book import ROWS, modelled, month, plain, written

GOLDEN = Path(__file__).with_name("collisions.md")
VOID = {"meta", "link", "br"}
KNOWN = [descriptor for descriptor, _, _ in ROWS if descriptor != "BP ACMETON"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("told")


@pytest.fixture(scope="module")
def engine(folder, state):
    with plain(written(folder / "rules"), state) as engine:
        both, _ = modelled(engine, folder / "cache", KNOWN)
        yield both
        both.parts.cache.close()


def told(engine, folder, rows=ROWS):
    traffic = Traffic.read(month(folder, rows), [engine.parts.book], columns={"weight": "count"}, ranges=True)
    return collisions(engine, traffic)


@pytest.fixture(scope="module")
def report(engine, folder):
    return told(engine, folder)


def test_markdown_as_it_comes_out(report, folder):
    """To take a change over: write what came out into collisions.md, and read the difference."""
    out = markdown(report).replace(str(folder), "FOLDER")
    out = re.sub(r"fingerprint `\w+`", "fingerprint `…`", out)
    assert out == GOLDEN.read_text(encoding="utf-8")


def test_the_opening_by_hand(report):
    assert words.opening(report) == (
        "38 rows worth 5,869, 51.4 % of 74 rows, are found by two rules or more. 13 rows are contested, from 2 causes; "
        "`acme.name` alone is behind 7 of them. 16 rows are settled by rules, 9 rows are harmless. "
        "In 3 rows the model is known to side with the rule that lost."
    )
    assert words.listening(report).startswith(
        "Of 12 keys that collide without being harmless, the cache knows 11, and 1"
    )


@pytest.mark.parametrize(("id", "sentence"), [
    ("contested:acme.name#1", "`acme.name` takes 7 rows worth 140.00 for `ACME` that 2 other rules claim too: "
                              "`shell.name` and `bp.station`."),
    ("contested:gap.store#1", "`gap.store` and `lender.waiver` both claim 6 rows worth 4,500: `GAP` beside `WAIVER`."),
    ("denied:costco.warehouse#1:loser", "`wages.payroll` denies `costco.warehouse` in 8 rows worth 800.00 that say "
                                        "`PAYROLL`."),
    ("edge:intuit.name#1:loser", "`mailchimp.name` outranks `intuit.name` in 3 rows worth 45.00: `MAILCHIMP` goes "
                                 "before `INTUIT`."),
    ("span:costco.warehouse#1:loser", "`costco.warehouse` yields to `instacart.name` in 5 rows worth 200.00: `COSTCO` "
                                      "lies inside `COSTCO BY INSTACART`."),
    ("family:uber.trip#1:loser", "`uber.trip` yields to `uber-eats.name` in 7 rows worth 84.00: the brands are of one "
                                 "family."),
    ("brand:shell.name#1", "`shell.name` and `shell.oil` find the same 2 rows worth 100.00: they are of one brand, and "
                           "nothing is lost."),
])  # fmt: skip
def test_each_kind_in_plain_words(report, id, sentence):
    assert words.sentence(next(one for one in report.causes if one.id == id)) == sentence


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


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_holds_all_it_needs(report):
    html = page(report)
    reader = read(html)
    assert all(link.startswith(("#", "data:")) for link in reader.links)
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))
    assert not re.search(r"<script|@import|url\(|https?://", html)
    assert sum(tag == "h1" for tag, _ in reader.tags) == 1
    assert sum(tag == "article" for tag, _ in reader.tags) == 5  # contested, contested, denied, edge, span
    scrolls = [attrs for _, attrs in reader.tags if attrs.get("class") == "scroll"]
    assert scrolls
    assert all(attrs["tabindex"] == "0" and attrs["aria-label"] for attrs in scrolls)
    assert all(attrs["aria-label"] for _, attrs in reader.tags if attrs.get("role") == "img")


def test_page_and_markdown_hold_what_json_holds(report):
    shown = "".join(read(page(report)).text)
    written_down = markdown(report)
    for one in report.causes:
        for each in (*(party.rule for party in (one.leader, *one.others)), one.shown[0].text):
            assert each in shown
            assert each in written_down
        for repair in one.repairs:
            for edit in repair.edits:
                assert edit.after in shown
                assert edit.after in written_down
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["kinds"][0]["volume"]["rows"] == 13


def test_no_digit_of_a_descriptor_is_shown_and_no_name(engine, tmp_path):
    rows = [("SHELL ACMETON 0612 4111111111111111", -1.0, 3), ("ZELLE TO KIM LEE 4417 ACME SHELL", -2.0, 1),
            ("SHELL ACME KIM.LEE@MAIL.COM 99", -3.0, 1)]  # fmt: skip
    report = told(engine, tmp_path, rows)
    strings = [shown.text for one in report.causes for shown in one.shown]
    strings += [flow.example for one in report.causes for repair in one.repairs for flow in repair.flows]
    strings += [token for one in report.causes for party in (one.leader, *one.others) for token in party.tokens]
    assert strings
    assert not [each for each in strings if re.search(r"\d", each)]
    for whole in (json.dumps(report.to_dict()), markdown(report), page(report), "\n".join(text.causes(report))):
        for secret in ("4111", "0612", "4417", "KIM"):
            assert secret not in whole


def test_marks_follow_what_masking_moves(engine, tmp_path):
    report = told(engine, tmp_path, [("KIM@MAIL.COM ACME SHELL", -1.0, 3)])
    (shown,) = report.causes[0].shown
    assert shown.text == "…@MAIL.COM ACME SHELL"
    assert [(shown.text[start:end], who) for start, end, who in shown.marks] == [("ACME", "leader"), ("SHELL", "other")]


def test_descriptors_are_text_and_nothing_else(engine, tmp_path):
    report = told(engine, tmp_path, [("SHELL <script>alert()</script> `x` | *ACME*", -1.0, 3)])
    html = page(report)
    read(html)
    assert "<script" not in html.lower()
    assert "&lt;SCRIPT&gt;ALERT()&lt;/SCRIPT&gt;" in html
    assert "SHELL <SCRIPT>ALERT()</SCRIPT> 'X' \\| \\*" not in markdown(report)  # within code nothing is escaped
    assert (code("A`B|C"), escaped("<b> | `<b>`")) == ("`A'B\\|C`", "\\<b\\> \\| `<b>`")


def test_the_terminal(report):
    lines = list(text.causes(report))
    at = next(number for number, line in enumerate(lines) if line.startswith("1. by rows, 2. by money: acme.name"))
    assert lines[at + 6] == "    3 x {BP} [ACME]TON  (model: not asked)"
    assert text.split(report)[1] == ("contested", "13", "17.6 %", "4,640", "2", "", "3")


@pytest.fixture
def run(engine, monkeypatch, capsys):
    monkeypatch.setattr(options, "load", lambda **_: engine)
    monkeypatch.setattr(type(engine), "close", lambda self: None)

    def ran(*arguments):
        code = cli.run(["rules", "collisions", *map(str, arguments)])
        return code, *capsys.readouterr()

    return ran


def test_the_command(run, folder, tmp_path, report):
    file = month(folder)
    code, out, err = run(file, "--weight", "count", "--format", "json", "--report", tmp_path / "c.html")
    assert code == 0
    assert json.loads(out) == json.loads(json.dumps(report.to_dict()))
    assert f"written: {tmp_path / 'c.html'}" in err
    assert (tmp_path / "c.html").read_text(encoding="utf-8") == page(report)
    assert run(file, "--weight", "count", "--format", "markdown")[1] == markdown(report)
    code, out, err = run(file, "--weight", "count", "--top", 1, "-q")
    assert (code, err) == (0, "")
    assert out.startswith(words.opening(report))
    assert "and 1 more, of 6 rows together; --top shows more" in out


def test_places_are_looked_at_before_any_work(run, folder):
    file = month(folder)
    code, out, err = run(file, "--report", file)
    assert (code, out) == (4, "")
    assert "is the traffic" in err
    code, _, err = run(file, "--report", folder / "nowhere" / "c.html")
    assert code == 4
    assert "there is no folder" in err
    assert run(folder / "none.csv")[0] == 4
