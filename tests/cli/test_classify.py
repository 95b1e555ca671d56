"""`tierbreak classify`: every row comes out, every fault is named, and the summary adds up."""

from __future__ import annotations

import io
import json
import sys

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tierbreak.core.tables import DECISION
from tierbreak.files import streams

# Six lines under the header, counted by hand: two rows by rules, one of them twice; one nobody knows; three broken.
STATEMENT = b"""Date,Memo,Amount,Count
01/13/2024,NETFLIX.COM,-5.00,3
01/13/2024,HULU 877,abc,1
01/14/2024,JOE CAFE,-5.00,
01/14/2024,SMITH, JOHN,-5.00,1
01/14/2024,CAF\xe9,-5.00,1
01/15/2024,"NETFLIX,-5
"""


@pytest.fixture
def statement(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(STATEMENT)
    return path


def test_output_repeats_every_cell_and_adds_the_decision(run, statement):
    ran = run("classify", statement)
    assert ran.code == 0
    assert ran.out == (
        "Date,Memo,Amount,Count,brand,brand_name,tier,confidence,band,rule,candidates,collision,reason\n"
        "01/13/2024,NETFLIX.COM,-5.00,3,netflix,Netflix,rules,,,netflix.name,netflix,,\n"
        "01/13/2024,HULU 877,abc,1,hulu,Hulu,rules,,,hulu.name,hulu,,\n"
        "01/14/2024,JOE CAFE,-5.00,,,,,,,,,,no-match\n"
        ',"01/14/2024,SMITH, JOHN,-5.00,1",,,,,,,,,,,broken-row\n'
        "01/14/2024,CAF\ufffd,-5.00,1,,,,,,,,,broken-row\n"
        ',"01/15/2024,""NETFLIX,-5",,,,,,,,,,,broken-row\n'
    )


def test_summary_adds_up(run, statement, engine):
    """Distinct: three; a broken row has no descriptor. Weights: 3 + 1 by rules of 5 in all."""
    lines = run("classify", statement, "--weight", "Count", "-o", statement.parent / "out.csv").err.splitlines()
    assert lines[:12] == [
        "columns found: descriptor = 'Memo', amount = 'Amount', date = 'Date'",
        "rows 6, distinct descriptors 3",
        "  rules                2    33.3%    80.0% by weight",
        "  cache                0     0.0%     0.0% by weight",
        "  model                0     0.0%     0.0% by weight",
        "  abstained            4    66.7%    20.0% by weight",
        "abstained by reason: broken-row 3, no-match 1",
        "collisions 0",
        "broken rows 3, kept without a brand (reason broken-row)",
        "  line 5: 5 fields where the header has 4: 01/14/2024,SMITH, JOHN,-5.00,1",
        "  line 6: bytes that are not UTF-8: 01/14/2024,CAF\ufffd,-5.00,1",
        '  line 7: unclosed quote: 01/15/2024,"NETFLIX,-5',
    ]
    assert "note: cells of 'Amount' that hold no amount and count as missing: 1" in lines
    assert lines[-1] == f"fingerprint {engine.fingerprint}"


def test_quiet_says_nothing(run, statement):
    assert run("classify", statement, "-q").err == ""


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.jsonl", "out.parquet"])
def test_every_format_holds_the_same_decisions(run, statement, name):
    out = statement.parent / name
    assert run("classify", statement, "-o", out, "-q").code == 0
    read = {"csv": pl.read_csv, "tsv": lambda path: pl.read_csv(path, separator="\t"), "jsonl": pl.read_ndjson}
    table = read.get(out.suffix[1:], pl.read_parquet)(out)
    assert table["brand"].to_list() == ["netflix", "hulu", None, None, None, None]
    assert table["reason"].to_list() == [None, None, "no-match", *["broken-row"] * 3]


def test_parquet_columns_are_those_of_the_contract(run, tmp_path):
    frame = pl.DataFrame({"memo": ["NETFLIX", None], "n": [1, 2], "when": [None, None]})
    frame.write_parquet(tmp_path / "in.parquet")
    run("classify", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", "-q")
    out = pl.read_parquet(tmp_path / "out.parquet")
    assert out.select(frame.columns).equals(frame)
    assert out.select(DECISION.names()).schema == DECISION
    assert out["reason"].to_list() == [None, "blank"]


def test_table_for_reading(run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    (tmp_path / "in.txt").write_text("NETFLIX.COM \x1b[31m866-579-7172 CA\nJOE CAFE\n")
    ran = run("classify", tmp_path / "in.txt", "--output-format", "table", "-q")
    assert ran.out.splitlines() == [
        "descriptor             brand       tier   conf  rule or rea…",
        "---------------------  ----------  -----  ----  ------------",
        "NETFLIX.COM \\x1b[31m…  netflix     rules        netflix.name",
        "JOE CAFE               -           -            no-match",
    ]


def test_standard_input_is_told_apart_by_its_first_line(run, monkeypatch):
    for data, kind, brand in (
        (b"NETFLIX 1\nHULU 2\n", "lines", "netflix"),
        (b"date;memo\n1/1/24;HULU 2\n", "csv", "hulu"),
        (b'{"memo": "HULU"}\n', "jsonl", "hulu"),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
        ran = run("classify", "-", "--date", "")
        assert brand in ran.out.splitlines()[1 - (kind == "jsonl")]
        assert f"note: read as {kind}, by its first line (--format says otherwise)" in ran.err


def test_json_lines_come_out_to_the_letter(run, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"memo":"HULU 1", "id": 1.10}\nnope\n')
    out = run("classify", tmp_path / "in.jsonl", "-q").out.splitlines()
    assert out[0].startswith('{"memo":"HULU 1", "id": 1.10,"brand":"hulu","brand_name":"Hulu","tier":"rules",')
    assert json.loads(out[1])["memo"] == "nope"
    assert json.loads(out[1])["reason"] == "broken-row"


def test_header_only_gives_a_header(run, tmp_path):
    (tmp_path / "in.csv").write_text("memo\n")
    ran = run("classify", tmp_path / "in.csv")
    assert ran.out == "memo,brand,brand_name,tier,confidence,band,rule,candidates,collision,reason\n"
    assert "note: holds a header and no rows" in ran.err


def test_verdicts_are_numbered_over_chunks(run, tmp_path, monkeypatch):
    """Blocks of one line: each chunk has one case, and the file numbers them 0 and 1."""
    monkeypatch.setattr(streams, "BLOCK", 8)
    (tmp_path / "in.txt").write_text("NETFLIX\nSPOTIFY\n")
    run("classify", tmp_path / "in.txt", "-o", tmp_path / "out.csv", "--verdicts", tmp_path / "verdicts.csv", "-q")
    table = pl.read_csv(tmp_path / "verdicts.csv")
    assert table["case"].to_list() == [0, 1]
    assert table["rule"].to_list() == ["netflix.name", "spotify.name"]


# ---- what is refused: the whole text ------------------------------------------------------------------------------

REFUSED = {
    "missing column": (
        b"Date,Merchnt\n",
        ["--descriptor", "merchant"],
        "error: in.csv: no column 'merchant' for --descriptor\n  columns: 'Date', 'Merchnt'\n  nearest: 'Merchnt'\n",
    ),
    "no header": (
        b"NETFLIX 1\nHULU 2\n",
        [],
        "error: in.csv: no column looks like the descriptor\n  columns: 'NETFLIX 1'\n  fix: name it with --descriptor "
        "COLUMN; if the file has no header and one descriptor a line, say --format lines\n",
    ),
    "column taken": (
        b"memo,brand,tier\n",
        [],
        "error: in.csv: already has the columns that would be added: 'brand', 'tier'\n"
        "  fix: rename them, or say --prefix TEXT to give the added ones other names\n",
    ),
    "output is input": (
        b"memo\n",
        ["-o", "in.csv"],
        "error: in.csv: is read or written by this command already; write to another file\n",
    ),
    "verdicts are output": (
        b"memo\n",
        ["-o", "o.csv", "--verdicts", "o.csv"],
        "error: o.csv: is read or written by this command already; write to another file\n",
    ),
    "no folder": (b"memo\n", ["-o", "no/o.csv"], "error: no/o.csv: there is no folder 'no'; make it first\n"),
    "dates": (
        b"memo,date\nNETFLIX,03/04/2024\n",
        [],
        "columns found: descriptor = 'memo', date = 'date'\n"
        "error: column 'date': '03/04/2024' may be month or day first, and no other date here tells\n"
        "  fix: say --date-order mdy or --date-order dmy, or leave the dates out with --date ''\n",
    ),
    "control characters": (
        b"\x1b]0;x\x07,b\n",
        ["--descriptor", "memo"],
        "error: in.csv: no column 'memo' for --descriptor\n  columns: '\\x1b]0;x\\x07', 'b'\n",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(run, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    data, arguments, text = REFUSED[name]
    (tmp_path / "in.csv").write_bytes(data)
    ran = run("classify", "in.csv", *arguments)
    assert (ran.code, ran.err) == (4, text)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_prefix_makes_room(run, tmp_path):
    (tmp_path / "in.csv").write_text("memo,brand\nHULU,x\n")
    assert run("classify", tmp_path / "in.csv", "--prefix", "tb_", "-q").out.startswith("memo,brand,tb_brand,")


def test_a_late_json_key_is_never_dropped(run, tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "BLOCK", 20)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_text('{"memo": "HULU 1"}\n{"memo": "HULU 2"}\n{"memo": "HULU 3", "new": 1}\n')
    ran = run("classify", "in.jsonl", "-q", "-o", "out.csv")
    assert ran.code == 4
    assert ran.err == (
        "error: in.jsonl: line 3: the key 'new' comes too late to be a column\n"
        "  fix: write JSON Lines (--output-format jsonl), which needs no columns\n"
    )
    assert not (tmp_path / "out.csv").exists()
    assert '"new": 1,"brand":"hulu"' in run("classify", "in.jsonl", "-q").out


# ---- the promise: as many rows out as in, whatever comes ----------------------------------------------------------

BYTES = st.lists(
    st.sampled_from([b"a", b'"', b",", b"\n", b"\r\n", b"\xff", b"\0", b"NETFLIX", "é".encode(), b'"\n', b",x\n"]),
    min_size=1,
    max_size=30,
).map(b"".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BYTES.filter(lambda body: body.strip(b"\r\n")))
def test_rows_out_are_rows_in(run, tmp_path, body):
    """One column: every line is a row, save lines that a quoted cell goes on over; plain lines: every line."""
    for name, head in (("in.txt", b"x\n"), ("in.csv", b"memo,b\n")):
        (tmp_path / name).write_bytes(head + body + b"\n")
        ran = run("classify", tmp_path / name, "-o", tmp_path / "out.jsonl")
        assert ran.code == 0, ran.err
        rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert f"rows {len(rows):,}, distinct" in ran.err
        assert all((row["brand"] is None) != (row["reason"] is None) for row in rows)
        if name == "in.txt":
            assert len(rows) == (head + body + b"\n").count(b"\n")
