"""Tables in and out: nothing lost, nothing changed, every fault named."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tierbreak.core.cells import amounts, codes, dates
from tierbreak.errors import InputError
from tierbreak.files import open_sink, open_source, streams
from tierbreak.files.columns import Columns, choose
from tierbreak.files.rows import RowReader
from tierbreak.files.source import Chunk

QUICK = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(path: Path, data: bytes, format: str | None = None) -> tuple[list[tuple], list[int], list[str]]:
    """All rows of `data`, which of them are broken, and what is reported of those."""
    path.write_bytes(data)
    rows: list[tuple] = []
    broken: list[int] = []
    with open_source(path, format) as source:
        for chunk in source:
            broken += [len(rows) + at for at in chunk.broken]
            rows += chunk.rows.rows()
        return rows, broken, [str(row) for row in source.broken.first]


def message(path: Path, data: bytes, format: str | None = None) -> str:
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        open_source(path, format)
    return str(caught.value).replace(str(path.parent) + "/", "")


# ---- CSV: one character at a time, written from the definition and not from the reader -------------------------


def by_characters(text: str, width: int) -> list[str | None] | str:
    """The fields of one record (None: empty and unquoted), 'open' where a quote is not closed, or 'bad'."""
    cells: list[str | None] = []
    cell, state = "", "start"
    for letter in text + "\n":
        if state == "quoted":
            cell, state = (cell, "closed") if letter == '"' else (cell + letter, state)
        elif state == "closed" and letter == '"':
            cell, state = cell + '"', "quoted"
        elif letter in ",\n":
            cells.append(cell if state == "closed" or cell else None)
            cell, state = "", "start"
        elif state == "closed":
            return "bad"
        elif state == "start" and letter == '"':
            state = "quoted"
        else:
            cell, state = cell + letter, "plain"
    return "open" if state == "quoted" else cells


def expected(body: bytes, width: int) -> list[tuple[list[str | None], bool]]:
    """Rows and whether each is broken. The rules: see Delimited; a quoted field goes on over 32 lines at most."""
    lines = body.split(b"\n")
    lines = lines[:-1] if lines[-1] == b"" else lines
    out: list[tuple[list[str | None], bool]] = []
    at = 0
    while at < len(lines):
        first = lines[at].removesuffix(b"\r").decode("utf-8", "replace")
        raw = [first] + [None] * (width - 1)
        if not first and width > 1:
            at += 1
            continue
        for span in range(1, min(32, len(lines) - at) + 1):
            record = b"\n".join(lines[at : at + span]).removesuffix(b"\r")
            cells = by_characters(record.decode("utf-8", "replace"), width)
            if cells != "open":
                break
        damaged = b"\0" in record or "\ufffd" in record.decode("utf-8", "replace")
        if isinstance(cells, str) or len(cells) > width or (len(cells) < width and span > 1):
            out.append((raw, True))
            span = 1
        else:
            out.append((cells + [None] * (width - len(cells)), damaged or len(cells) < width))
        at += span
    return out


TOKENS = [b"a", b"UBER EATS", b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"\xff", b"\0", "é".encode(), b'","', b'"\n"']
TOKENS += [b"\xef\xbb\xbf", b" ", b"#", b"x,y\n", b'"x","y"\n']


@QUICK
@given(
    tokens=st.lists(st.sampled_from(TOKENS), max_size=40), width=st.integers(1, 3), block=st.sampled_from([1, 7, 2**20])
)
@example(tokens=[b'"', b"a\n"] * 40, width=2, block=2**20)
@example(tokens=[b'"a\n', b"\n" * 40, b'",b\n'], width=2, block=2**20)
@example(tokens=[b"\xff", b'"\n', b'",y\n'], width=2, block=1)
@example(tokens=[b"\r", b"\xff", b'"\n"', b"x,y\n"], width=1, block=2**20)
def test_csv_reader_agrees_with_one_that_goes_by_characters(tmp_path, monkeypatch, tokens, width, block):
    """Whatever bytes come, the reader gives the rows of the definition, broken ones marked, in any block size."""
    monkeypatch.setattr(streams, "BLOCK", block)
    header = b",".join(b"c%d" % i for i in range(width)) + b"\n"
    body = b"".join(tokens)
    rows, broken, _ = read(tmp_path / "in.csv", header + body)
    want = expected(body, width)
    assert rows == [tuple(cells) for cells, _ in want]
    assert broken == [at for at, (_, damaged) in enumerate(want) if damaged]


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@QUICK
@given(
    rows=st.lists(st.tuples(st.none() | CELLS, CELLS), min_size=1, max_size=8), format=st.sampled_from(["csv", "tsv"])
)
def test_cells_survive_writing_and_reading(tmp_path, rows, format):
    """Any text that a cell can hold comes back as it was, the difference between '' and nothing included."""
    path = tmp_path / f"round.{format}"
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")
    with open_sink(path) as sink:
        sink.write(frame)
    back, broken, _ = read(path, path.read_bytes())
    assert back == rows
    assert broken == []


def test_each_kind_of_broken_row_is_kept_and_reported(tmp_path):
    """Nine lines under the header, counted by hand: rows 2-7 are broken, the blank line is no row."""
    data = (
        b"date,memo,amount\n"
        b"2024-01-02,STARBUCKS 007,5.00\n"  # 2
        b"2024-01-02,SMITH, JOHN,5.00\n"  # 3: four fields
        b"2024-01-02,SHELL OIL\n"  # 4: two fields
        b"2024-01-02,CAF\xe9,5.00\n"  # 5
        b"2024-01-02,A\x00B,5.00\n"  # 6
        b'2024-01-02,"JOE "THE" PLUMBER",5.00\n'  # 7
        b'2024-01-02,"NEVER CLOSED,5.00\n'  # 8
        b"\n"  # 9
        b'2024-01-02,"LAST, ""QUOTED""",5.00\n'  # 10
    )
    rows, broken, reports = read(tmp_path / "in.csv", data)
    assert broken == [1, 2, 3, 4, 5, 6]
    assert reports == [
        "line 3: 4 fields where the header has 3",
        "line 4: 2 fields where the header has 3",
        "line 5: bytes that are not UTF-8",
        "line 6: a NUL character",
        "line 7: text after a closing quote",
        "line 8: unclosed quote",
    ]
    assert rows[0] == ("2024-01-02", "STARBUCKS 007", "5.00")
    assert rows[1] == ("2024-01-02,SMITH, JOHN,5.00", None, None), "the line as read, in the first column"
    assert rows[2] == ("2024-01-02", "SHELL OIL", None), "what was read stays in place"
    assert rows[3] == ("2024-01-02", "CAF\ufffd", "5.00")
    assert rows[7] == ("2024-01-02", 'LAST, "QUOTED"', "5.00")
    assert len(rows) == 8


def test_blank_lines_above_the_header_count_as_lines(tmp_path):
    """The header stands on line 3, after two blank lines; SHELL OIL on line 5."""
    _, broken, reports = read(tmp_path / "in.csv", b"\n\r\nmemo,amount\nUBER,5.00\nSHELL OIL\n")
    assert (broken, reports) == ([1], ["line 5: 1 fields where the header has 2"])


def test_a_broken_line_goes_into_the_column_asked_for(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(b"date,memo\na,b,c\n")
    with open_source(path) as source:
        source.raw_into = "memo"
        assert next(iter(source)).rows.rows() == [(None, "a,b,c")]


def test_an_unclosed_quote_takes_one_line_only(tmp_path):
    """100 lines, the quote opens on the second: 1 broken row and 99 good ones."""
    lines = [b"x%d,1" % i for i in range(100)]
    lines[1] = b'"x1,1'
    rows, broken, _ = read(tmp_path / "in.csv", b"a,b\n" + b"\n".join(lines))
    assert (len(rows), broken) == (100, [1])
    assert rows[2] == ("x2", "1")


def test_quotes_may_hold_newlines_within_bounds(tmp_path):
    """A cell of 32 lines is one cell; one of 33 is an unclosed quote and 33 rows."""
    fits = b'"' + b"\n".join([b"x"] * 32) + b'",1\n'
    rows, broken, _ = read(tmp_path / "in.csv", b"a,b\n" + fits)
    assert (len(rows), broken) == (1, [])
    rows, broken, _ = read(tmp_path / "in.csv", b"a\n" + b'"' + b"\n".join([b"x"] * 33) + b'"\n')
    assert (len(rows), broken[0]) == (33, 0)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_separator_is_taken_from_the_header(tmp_path, separator):
    path = tmp_path / "in.csv"
    path.write_text(f"memo{separator}amount\nA, B{separator}5\n")
    with open_source(path) as source:
        assert next(iter(source)).rows.rows() == [("A, B", "5")]
        assert source.notices == [f"fields are separated by {separator!r}, as the header shows"]


def test_bom_crlf_and_gzip(tmp_path):
    data = gzip.compress(b"\xef\xbb\xbfmemo,amount\r\n007,1\r\n")
    assert read(tmp_path / "in.csv.gz", data)[0] == [("007", "1")]


# ---- what cannot be read at all: the whole text of each message ---------------------------------------------------

UNREADABLE = {
    "empty": ("in.csv", b"", "in.csv: is empty; a header line with the names of the columns is needed"),
    "blank": ("in.csv", b"\r\n\n", "in.csv: is empty; a header line with the names of the columns is needed"),
    "utf-16": (
        "in.csv",
        "memo\n".encode("utf-16"),
        "in.csv: is UTF-16 text; save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)",
    ),
    "excel": ("in.csv", b"PK\x03\x04..\n", "in.csv: is a zip archive or an Excel workbook; export the sheet as CSV"),
    "parquet": ("in.csv", b"PAR1\x15.", "in.csv: is Parquet; say --format parquet"),
    "old mac": ("in.csv", b"memo\rUBER\r", "in.csv: lines end in CR alone; rewrite them with `tr '\\r' '\\n'`"),
    "twice": ("in.csv", b"a,b,a\n", "in.csv: the header names these columns more than once: 'a'\n  fix: rename them"),
    "header quote": ("in.csv", b'"a,b\n1,2\n', "in.csv: the header line cannot be read: unclosed quote"),
    "header bytes": (
        "in.csv",
        b"caf\xe9,b\n1,2\n",
        "in.csv: the header line is not UTF-8 text; rewrite it (`iconv -f CP1252 -t UTF-8`)",
    ),
    "empty lines": ("in.txt", b"", "in.txt: is empty; one descriptor a line is needed"),
    "empty jsonl": ("in.jsonl", b"\n", "in.jsonl: is empty; one JSON object a line is needed"),
    "array": (
        "in.json",
        b'[{"memo": "UBER"}]',
        "in.json: is a JSON array; one object a line is needed (`jq -c '.[]'` writes that)",
    ),
    "no object": (
        "in.jsonl",
        b"UBER\n",
        "in.jsonl: no line of it is a JSON object with keys; line 1: not JSON: Expecting value at character 1",
    ),
    "cut gzip": (
        "in.csv.gz",
        gzip.compress(b"memo\nUBER\n")[:20],
        "in.csv.gz: cannot be read to its end: Compressed file ended before the end-of-stream marker was reached",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_says_so(tmp_path, name):
    file, data, text = UNREADABLE[name]
    assert message(tmp_path / file, data) == text


def test_missing_file_folder_and_format(tmp_path):
    for name, format, text in (
        (tmp_path / "no.csv", None, "no.csv: no such file"),
        (tmp_path, None, "is a folder, not a file"),
        (tmp_path / "no.csv", "xml", "no such format: xml; the formats are csv, tsv, jsonl, parquet, lines"),
    ):
        with pytest.raises(InputError) as caught:
            open_source(name, format)
        assert str(caught.value).endswith(text)


def test_broken_parquet_is_named(tmp_path):
    assert message(tmp_path / "in.parquet", b"PAR1 nothing").startswith("in.parquet: cannot be read as Parquet: ")


def test_header_only_has_no_rows_and_says_so(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(b"memo,amount\n")
    with open_source(path) as source:
        assert [chunk.rows.height for chunk in source] == []
        assert source.notices == ["holds a header and no rows"]


# ---- plain lines, JSON Lines, Parquet -----------------------------------------------------------------------------


@QUICK
@given(lines=st.lists(st.binary(max_size=8).filter(lambda line: b"\n" not in line), min_size=1, max_size=8))
def test_row_n_is_line_n_of_plain_lines(tmp_path, lines):
    data = b"\n".join(lines) + b"\n"
    if data.startswith((b"\x1f\x8b", *streams._FOREIGN)) or b"\n" not in data.strip(b"\r\n"):
        return  # refused before any row is read: the messages are above
    rows, broken, _ = read(tmp_path / "in.txt", data, "lines")
    bare = [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]
    bare[0] = bare[0].removeprefix("\ufeff")
    assert [row[0] for row in rows] == bare
    assert broken == [at for at, line in enumerate(bare) if "\0" in line or "\ufffd" in line]


def test_json_lines_keep_every_object_to_the_letter(tmp_path):
    """Seven lines, one blank: six rows, of which the 3rd to the 6th are broken."""
    lines = [
        '{"memo": "CAF\u00c9", "id": 12345678901234567890123, "amount": 1.10, "tags": [1.50, {"a": null}]}',
        '{"amount": true, "extra": "007"}',
        "",
        '{"memo": "UBER"',
        "[1]",
        '{"memo": NaN}',
        '{"memo": "\\ud800"}',
    ]
    rows, broken, reports = read(tmp_path / "in.jsonl", "\n".join(lines).encode())
    assert rows[0] == ("CAF\u00c9", "12345678901234567890123", "1.10", '[1.50, {"a": null}]', None)
    assert rows[1] == (None, None, "true", None, "007")
    assert [row[0] for row in rows[2:]] == lines[3:]
    assert broken == [2, 3, 4, 5]
    assert reports == [
        "line 4: not JSON: Expecting ',' delimiter at character 16",
        "line 5: not a JSON object",
        "line 6: not JSON: NaN is no JSON",
        "line 7: half of a surrogate pair: no character",
    ]


def test_json_objects_come_out_as_they_went_in(tmp_path):
    lines = ['{"memo": "UBER", "x": 1.10 }', "{}", "broken"]
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_text("\n".join(lines))
    with open_source(path) as source, open_sink(out) as sink:
        for chunk in source:
            rows = chunk.rows.with_columns(brand=pl.lit("uber"), candidates=pl.lit(["uber"]))
            sink.write(rows, objects=chunk.objects, added=["brand", "candidates"])
    assert out.read_text().splitlines() == [
        '{"memo": "UBER", "x": 1.10,"brand":"uber","candidates":["uber"]}',
        '{"brand":"uber","candidates":["uber"]}',
        '{"memo":"broken","x":null,"brand":"uber","candidates":["uber"]}',
    ]


def test_deep_json_is_a_broken_row_and_no_crash(tmp_path):
    data = b'{"memo": "UBER"}\n{"memo": ' + b"[" * 100_000 + b"\n"
    rows, broken, reports = read(tmp_path / "in.jsonl", data)
    assert (len(rows), broken, reports) == (2, [1], ["line 2: nested too deep"])


def test_parquet_keeps_types_over_chunks_and_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("tierbreak.files.sinks.PART_CELLS", 3)
    frame = pl.DataFrame({"memo": [f"UBER {i}" for i in range(10)], "n": range(10), "l": [["a", "b"]] * 10})
    frame.write_parquet(tmp_path / "in.parquet")
    with open_source(tmp_path / "in.parquet", chunk_rows=4) as source, open_sink(tmp_path / "out.parquet") as sink:
        heights = []
        for chunk in source:
            heights.append(chunk.rows.height)
            sink.write(chunk.rows)
    assert heights == [4, 4, 2]
    assert pl.read_parquet(tmp_path / "out.parquet").equals(frame)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("out.csv", 'l,s\na|b,"{""x"":1}"\n'), ("out.jsonl", '{"l":["a","b"],"s":{"x":1}}\n')],
)
def test_nested_columns_in_text_formats(tmp_path, name, text):
    with open_sink(tmp_path / name) as sink:
        sink.write(pl.DataFrame({"l": [["a", "b"]], "s": [{"x": 1}]}))
    assert (tmp_path / name).read_text() == text


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_bytes_are_refused_where_text_is_written(tmp_path, name):
    with pytest.raises(InputError, match="column 'b' holds Binary, which"), open_sink(tmp_path / name) as sink:
        sink.write(pl.DataFrame({"b": [b"\xff"]}))
    assert list(tmp_path.iterdir()) == []


# ---- outputs: whole or not at all ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet", "out.csv.gz"])
@pytest.mark.parametrize("error", [InputError, KeyboardInterrupt, MemoryError])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, name, error):
    monkeypatch.setattr("tierbreak.files.sinks.PART_CELLS", 0)
    out = tmp_path / name
    out.write_text("as it was")

    def write_and_fail() -> None:
        with open_sink(out) as sink:
            sink.write(pl.DataFrame({"a": ["x"]}))
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert out.read_text() == "as it was"


def test_a_link_stays_a_link_and_permissions_stay(tmp_path):
    real = tmp_path / "real.csv"
    real.write_text("old")
    real.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(real)
    with open_sink(tmp_path / "link.csv") as sink:
        sink.write(pl.DataFrame({"a": ["x"]}))
    assert (tmp_path / "link.csv").is_symlink()
    assert real.read_text() == "a\nx\n"
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_device_is_written_to_and_not_replaced():
    with open_sink("/dev/null", "csv") as sink:
        sink.write(pl.DataFrame({"a": ["x"]}))
    assert Path("/dev/null").is_char_device()


def test_places_that_cannot_be_written_are_refused_at_once(tmp_path):
    (tmp_path / "in.csv").write_text("memo\n")
    for name, text in (
        (tmp_path, "is a folder; name a file in it"),
        (tmp_path / "no" / "out.csv", f"there is no folder {str(tmp_path / 'no')!r}; make it first"),
        (tmp_path / "in.csv", "is read or written by this command already; write to another file"),
        (tmp_path / "out.txt", "plain lines can hold no decision; write csv, tsv, jsonl or parquet"),
        (tmp_path / "out", "the name says no format; end it in .csv, .tsv, .jsonl or .parquet, or say which"),
    ):
        with pytest.raises(InputError) as caught:
            open_sink(name, "csv" if name == tmp_path else None, inputs=[str(tmp_path / "in.csv")])
        assert str(caught.value) == f"{name}: {text}"
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


# ---- columns and guards -------------------------------------------------------------------------------------------


def test_columns_by_usual_names():
    """'Details' is less usual than 'Original Description'; both amounts stand, the exact one is taken."""
    columns = choose(["Posting Date", "Details", "Original Description", "Amount"], {}, name="in.csv")
    assert columns.names == {"descriptor": "Original Description", "amount": "Amount", "date": "Posting Date"}
    assert columns.found == ("descriptor", "amount", "date")


def test_a_missing_column_names_those_there_are_and_the_nearest():
    with pytest.raises(InputError) as caught:
        choose(["Date", "Merchnt", "Total"], {"descriptor": "merchant"}, name="in.csv")
    assert str(caught.value) == (
        "in.csv: no column 'merchant' for --descriptor\n  columns: 'Date', 'Merchnt', 'Total'\n  nearest: 'Merchnt'"
    )


def test_no_descriptor_column():
    with pytest.raises(InputError) as caught:
        choose(["STARBUCKS #123"], {}, name="in.csv")
    assert str(caught.value) == (
        "in.csv: no column looks like the descriptor\n"
        "  columns: 'STARBUCKS #123'\n"
        "  fix: name it with --descriptor COLUMN; "
        "if the file has no header and one descriptor a line, say --format lines"
    )


def test_an_empty_name_leaves_a_column_out():
    assert choose(["memo", "date"], {"date": ""}, name="in.csv").names == {"descriptor": "memo"}


AMOUNTS = {
    "5": 5.0, "-5.25": -5.25, "+5": 5.0, " 5 ": 5.0, "$5.00": 5.0, "-$5.00": -5.0, "$-5.00": -5.0, "(5.00)": -5.0,
    "($1,234.50)": -1234.5, "1,234,567.89": 1234567.89, "USD 5.00": 5.0, "5.00 USD": 5.0, "5.00-": -5.0,
    "\u22125.00": -5.0, "1.234,56": 1234.56, "12,50": 12.5, "1,234": 1234.0, "1'234.50": 1234.5, "1 234.50": 1234.5,
    "5.00 CR": 5.0, "5.00DR": -5.0, "5.00 Dr": -5.0, ".50": 0.5, "": None, "free": None, "1.2.3": None, "12,3456": None,
    "nan": None, "inf": None, "--5": None, "$": None, "5 5": 55.0, "(5.00": None,
}  # fmt: skip


@pytest.mark.parametrize("text", AMOUNTS)
def test_amounts(text):
    assert amounts(pl.Series([text])).to_list() == [AMOUNTS[text]]


def test_cr_and_dr_follow_the_sign_of_debits():
    series = pl.Series(["5.00 CR", "5.00 DR", "(5.00)"])
    assert amounts(series, debits="positive").to_list() == [-5.0, 5.0, -5.0]


DATES = {
    "2024-03-04": "2024-03-04", "2024/3/4": "2024-03-04", "20240304": "2024-03-04",
    "2024-03-04T10:00:00Z": "2024-03-04",
    "3/4/2024 10:00": "2024-03-04", "03-04-24": "2024-03-04", "4.3.2024": "2024-03-04", "2024-02-30": None,
    "13/1/2024": None, "": None, "yesterday": None,
}  # fmt: skip


@pytest.mark.parametrize("text", DATES)
def test_dates_month_first(text):
    assert dates(pl.Series([text]), order="mdy").cast(pl.String).to_list() == [DATES[text]]


def test_codes_get_their_zero_back():
    assert codes(pl.Series([742, 5812])).to_list() == ["0742", "5812"]


def chunk_of(**columns: list) -> Chunk:
    return Chunk(pl.DataFrame(columns), pl.Series("broken", [], dtype=pl.UInt32))


def test_day_first_dates_are_known_by_a_day_over_twelve():
    guards = RowReader(Columns({"descriptor": "memo", "date": "on"}, ()))
    rows = guards.rows(chunk_of(memo=["A", "B"], on=["03/04/2024", "25/04/2024"]))
    assert rows["date"].cast(pl.String).to_list() == ["2024-04-03", "2024-04-25"]


@pytest.mark.parametrize(
    ("on", "text"),
    [
        (
            ["03/04/2024"],
            "column 'on': '03/04/2024' may be month or day first, and no other date here tells\n"
            "  fix: say --date-order mdy or --date-order dmy, or leave the dates out with --date ''",
        ),
        (
            ["25/04/2024", "04/25/2024"],
            "column 'on': some dates have the month first, others the day\n"
            "  fix: say --date-order mdy or --date-order dmy (the others then count as missing), "
            "or leave the dates out with --date ''",
        ),
    ],
)
def test_dates_that_can_be_read_two_ways_are_refused(on, text):
    guards = RowReader(Columns({"descriptor": "memo", "date": "on"}, ()))
    with pytest.raises(InputError) as caught:
        guards.rows(chunk_of(memo=["A"] * len(on), on=on))
    assert str(caught.value) == text


def test_cells_that_cannot_be_read_are_counted_and_blank_ones_are_not():
    guards = RowReader(Columns({"descriptor": "memo", "amount": "sum", "mcc": "mcc"}, ()))
    guards.rows(chunk_of(memo=["A", "B", "C"], sum=["free", "", "5"], mcc=["5812", None, "shop"]))
    assert guards.unreadable == {"amount": 1, "mcc": 1}


def test_a_broken_row_has_no_descriptor():
    guards = RowReader(Columns({"descriptor": "memo"}, ()))
    chunk = Chunk(pl.DataFrame({"memo": ["A", "B"]}), pl.Series("broken", [1], dtype=pl.UInt32))
    assert guards.rows(chunk)["descriptor"].to_list() == ["A", None]


@pytest.mark.parametrize("cells", [pl.Series(["A"], dtype=pl.Categorical), pl.Series([b"A"])])
def test_descriptors_of_other_text_types_are_read(cells):
    guards = RowReader(Columns({"descriptor": "memo"}, ()))
    rows = guards.rows(Chunk(pl.DataFrame({"memo": cells}), pl.Series("broken", [], dtype=pl.UInt32)))
    assert rows["descriptor"].to_list() == ["A"]


def test_descriptors_in_bytes_that_are_no_text_are_counted():
    guards = RowReader(Columns({"descriptor": "memo"}, ()))
    assert guards.rows(chunk_of(memo=[b"A", b"\xff"]))["descriptor"].to_list() == ["A", None]
    assert guards.unreadable == {"descriptor": 1}


@pytest.mark.parametrize("cells", [[[1]], [{"a": 1}], [b"\xff"], [None]])
def test_guards_on_columns_of_odd_types_are_missing_and_no_crash(cells):
    parts = dict.fromkeys(("amount", "date", "mcc", "country", "weight"), "odd")
    rows = RowReader(Columns({"descriptor": "memo", **parts}, ())).rows(chunk_of(memo=["A"], odd=cells))
    assert [rows[part][0] for part in ("amount", "date", "mcc", "weight")] == [None] * 4


def test_numbers_are_no_descriptors():
    guards = RowReader(Columns({"descriptor": "memo"}, ()))
    with pytest.raises(InputError, match="column 'memo' holds Int64, not text"):
        guards.rows(chunk_of(memo=[1]))


def test_late_json_keys_are_on_record(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "BLOCK", 20)
    lines = [json.dumps({"memo": f"UBER {i}"}) for i in range(5)] + ['{"memo": "A", "new": 1}']
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    with open_source(tmp_path / "in.jsonl") as source:
        assert sum(chunk.rows.height for chunk in source) == 6
        assert source.late == {"new": 6}


def test_a_line_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(streams, "LINE", 10)
    monkeypatch.setattr(streams, "BLOCK", 8)
    with pytest.raises(InputError, match="line 2 is longer than"):
        list(streams.Blocks(io.BytesIO(b"ab\n" + b"x" * 100), "in.csv"))
