"""`tierbreak explain`: the whole text, and nothing that a descriptor could play tricks with."""

from __future__ import annotations

import json

import pytest

from tierbreak.cli import explain


def test_plain_text(run, engine, rules):
    ran = run("explain", "NETFLIX.COM 866-579-7172 CA")
    parts = {part: value[:16] for part, value in engine.fingerprints.items()}
    assert ran.code == 0
    assert ran.out == (
        "descriptor  NETFLIX.COM 866-579-7172 CA\n"
        "folded      NETFLIX.COM 866-579-7172 CA\n"
        "key         NETFLIX.COM\n"
        "brand       netflix (Netflix)\n"
        "tier        rules\n"
        f"why         rule netflix.name#1 at {rules}/netflix.yaml:4:5 settles it\n"
        "verdicts\n"
        "  rules  netflix  netflix.name#1\n"
        "fingerprints\n"
        f"  all         {parts['all']}\n"
        f"  normaliser  {parts['normaliser']}\n"
        f"  registry    {parts['registry']}\n"
        f"  rulebook    {parts['rulebook']}\n"
    )


def test_an_abstention_says_why(run):
    out = run("explain", "JOE CAFE").out.splitlines()
    assert out[3:5] == ["brand       none (no-match)", "tier        none: the engine abstained"]
    assert out[6:8] == ["verdicts", "  none"]


def test_json(run, engine):
    told = json.loads(run("explain", "--json", "HULU 877", "--amount", "-5", "--date", "2024-03-04").out)
    assert told["decision"]["brand"] == "hulu"
    assert told["fingerprints"] == engine.fingerprints
    assert [verdict["rule"] for verdict in told["verdicts"]] == ["hulu.name"]


@pytest.mark.parametrize("columns", ["30", "80"])
def test_terminal_output_fits_and_takes_no_markup(engine, monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    explain._pretty(engine.explain("NETFLIX [bold]x[/bold] \x1b[31m " + "LONG " * 30))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= int(columns)
    assert "\x1b[31m" not in out
    assert "[bold]x[/bold]" in out.replace("\n", "").replace(" ", "").replace("NETFLIX", "")


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--amount", "much", "error: --amount: 'much' is no number; write it as -6.50\n"),
        ("--date", "soon", "error: --date: 'soon' is no date; write it as YYYY-MM-DD\n"),
        ("--as-of", "now", "error: --as-of: 'now' is no date; write it as YYYY-MM-DD\n"),
    ],
)
def test_values_that_cannot_be_read(run, option, value, text):
    assert run("explain", "NETFLIX", option, value) == (2, "", text)


def test_argument_bytes_that_are_no_text_are_shown(run):
    assert "CAF\ufffd" in run("explain", b"CAF\xe9".decode("utf-8", "surrogateescape")).out
