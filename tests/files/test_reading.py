"""Whatever is fed to a reader: an error of the tree or every row, and no more memory than its bytes are worth."""

import gzip
import io
import json
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tierbreak.errors import InputError
from tierbreak.files import FORMATS, open_source

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(path, data, format=None, **options):
    """The chunks of `data`, and the source they came from."""
    path.write_bytes(data)
    with open_source(path, format, **options) as source:
        return list(source), source


# ---- headers ----


@pytest.mark.parametrize("quoted", [False, True])
def test_a_header_may_be_as_long_as_any_line(tmp_path, quoted):
    """12,001 columns, 96 kB; in quotes one name goes on over a line of its own."""
    names = [f"c{i:06d}" for i in range(12_000)] + ["last\nof all" if quoted else "last of all"]
    header = ",".join(names[:-1]) + (',"last\nof all"' if quoted else ",last of all")
    row = ",".join(map(str, range(12_001)))
    chunks, source = read(tmp_path / "in.csv", f"{header}\n{row}\n{row}\n{row}\n".encode())
    assert source.columns == names
    assert (sum(chunk.rows.height for chunk in chunks), source.broken.total) == (3, 0)
    assert chunks[0].rows.row(0) == tuple(map(str, range(12_001)))


def test_a_second_line_of_a_header_may_be_long_too(tmp_path):
    names = ["a\nb", *(f"c{i:06d}" for i in range(12_000))]
    header = '"a\nb",' + ",".join(names[1:])
    _, source = read(tmp_path / "in.csv", f"{header}\n1\n".encode())
    assert source.columns == names


def test_more_columns_than_can_be_read_are_refused(tmp_path):
    header = ",".join(f"c{i}" for i in range(16_385))
    with pytest.raises(InputError, match=r"in\.csv: the header has 16,385 columns; at most 16,384 can be read"):
        read(tmp_path / "in.csv", f"{header}\n1\n".encode())


# ---- memory ----


@pytest.fixture
def few_cells(monkeypatch):
    """At most 1,000 cells at a time."""
    for module in ("delimited", "jsonlines"):
        monkeypatch.setattr(f"tierbreak.files.{module}.CELLS", 1000)
    monkeypatch.setattr("tierbreak.files.parquet.CELLS", 1000 // 8)


def test_short_lines_below_a_wide_header_are_read_a_few_at_a_time(tmp_path, few_cells):
    header = ",".join(f"c{i}" for i in range(100))
    lines = "".join(f"{i}\n" for i in range(1000))
    chunks, source = read(tmp_path / "in.csv", f"{header}\n{lines}".encode())
    assert max(chunk.rows.height for chunk in chunks) == 11  # the first number of rows above 1,000 cells
    assert pl.concat(chunk.rows for chunk in chunks)["c0"].to_list() == [str(i) for i in range(1000)]
    assert [len(chunk.broken) for chunk in chunks] == [chunk.rows.height for chunk in chunks]
    assert [row.line for row in source.broken.first] == list(range(2, 12))


def test_objects_of_a_new_key_each_are_read_a_few_at_a_time(tmp_path, few_cells):
    lines = [json.dumps({"memo": f"UBER {i}", f"k{i}": i}) for i in range(500)]
    chunks, source = read(tmp_path / "in.jsonl", "\n".join(lines).encode())
    # n rows have n + 1 columns: 32 of them are the first above 1,000 cells
    assert source.columns == ["memo", *(f"k{i}" for i in range(32))]
    assert max(chunk.rows.height for chunk in chunks) == 32
    assert [line for chunk in chunks for line in chunk.objects] == lines
    assert (source.late["k32"], source.late["k499"], len(source.late)) == (33, 500, 468)


def test_an_object_of_very_many_keys_has_no_more_columns_than_a_table_may_have(tmp_path):
    line = json.dumps({f"k{i}": i for i in range(20_000)})
    chunks, source = read(tmp_path / "in.jsonl", f"{line}\n{line}\n".encode())
    assert source.columns == [f"k{i}" for i in range(16_384)]
    assert [line for chunk in chunks for line in chunk.objects] == [line, line]
    assert len(source.late) == 1000


def test_parquet_of_many_columns_is_read_a_few_rows_at_a_time(tmp_path, few_cells):
    """Nulls have next to no bytes, so the size of the file says nothing."""
    whole = pl.DataFrame(
        {f"c{i}": [None] * 100 for i in range(100)}, schema=dict.fromkeys(map("c{}".format, range(100)), pl.String)
    )
    file = io.BytesIO()
    whole.write_parquet(file)
    chunks, _ = read(tmp_path / "in.parquet", file.getvalue())
    assert [chunk.rows.height for chunk in chunks] == [10] * 10


# ---- whatever is fed ----


def parquet(**columns):
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


SAMPLES = (
    b'memo,amount\nUBER,1\n"a\nb",2\n',
    b'{"memo": "UBER"}\n{"memo": [1.10, null]}\n',
    b"memo\tamount\r\nUBER\t1\r\n",
    parquet(memo=["UBER", None, "LYFT"], amount=[1.5, None, 2.5], list=[["a"], [], None]),
    gzip.compress(b"memo\nUBER\nLYFT\n", mtime=0),
    gzip.compress(parquet(memo=["UBER"] * 100), mtime=0),
)


@st.composite
def inputs(draw):
    """Any bytes; or a sound input cut, with some bytes changed, or packed."""
    data = draw(st.one_of(st.sampled_from(SAMPLES), st.binary(max_size=200)))
    if data and draw(st.booleans()):
        data = bytearray(data)
        for _ in range(draw(st.integers(1, 4))):
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        data = data[: draw(st.integers(0, len(data)))]
    if draw(st.booleans()):
        data = gzip.compress(bytes(data), mtime=0)
        data = data[: draw(st.integers(0, len(data)))]
    return bytes(data)


@pytest.mark.parametrize("format", [*FORMATS, None])
@QUICK
@given(data=inputs())
@example(data=SAMPLES[4][:25])
@example(data=SAMPLES[5][:-20])
@example(data=b"\x1f\x8b")
def test_whatever_is_fed_all_its_rows_come_out_or_an_error_of_the_tree(tmp_path, format, data):
    refused = ""
    try:
        chunks, source = read(tmp_path / "in", data, format)
    except InputError as error:
        refused = str(error)
    if refused:
        assert len(refused) > len(f"{tmp_path / 'in'}: "), "it says why"
        return
    rows = sum(chunk.rows.height for chunk in chunks)
    assert all(chunk.rows.columns == source.columns for chunk in chunks)
    text = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    if source.format == "lines":
        assert rows == lines
    elif source.format == "jsonl":
        assert rows == sum(bool(line.strip()) for line in text.decode("utf-8-sig", "replace").split("\n"))
    elif source.format == "parquet":
        assert rows == pl.read_parquet(io.BytesIO(text)).height
    elif b'"' not in text:  # a quote may hold a newline; how, the reader's own test says
        header = next(
            number for number, line in enumerate(text.removeprefix(b"\xef\xbb\xbf").split(b"\n")) if line.strip(b"\r")
        )
        blank = sum(not line.strip(b"\r") for line in text.split(b"\n")[header + 1 :][: lines - header - 1])
        assert rows == lines - header - 1 - (blank if len(source.columns) > 1 else 0)


@pytest.mark.parametrize("name", ["in", "in.csv", "in.csv.gz", "in.parquet", "-"])
@pytest.mark.parametrize("size", [2, 5, 12, 25])
def test_a_gzip_cut_short_is_said_whatever_its_name(tmp_path, monkeypatch, name, size):
    data = gzip.compress(b"memo\n" + b"".join(b"UBER %d\n" % i for i in range(1000)), mtime=0)[:size]
    path = tmp_path / name
    if name == "-":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
        path = "-"
    else:
        path.write_bytes(data)
    with pytest.raises(InputError, match=r"cannot be read.*: Compressed file ended"), open_source(path) as source:
        list(source)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="Linux has it")
@pytest.mark.parametrize("format", [*FORMATS, None])
def test_a_file_that_opens_and_cannot_be_read_is_said(format):
    with (
        pytest.raises(InputError, match=r"/proc/self/mem: cannot be read.*: "),
        open_source("/proc/self/mem", format) as source,
    ):
        list(source)


def test_a_parquet_with_fewer_rows_than_it_says_does_not_go_on_for_ever(tmp_path, monkeypatch):
    path = tmp_path / "in.parquet"
    path.write_bytes(parquet(memo=["UBER", "LYFT"]))
    with open_source(path) as source:
        monkeypatch.setattr(source, "_rows", 3)
        with pytest.raises(InputError, match="says that it has 3 rows, and has 2"):
            list(source)


@pytest.mark.parametrize("depth", [100, 200, 300, 400, 500, 900, 2000])
def test_json_of_any_depth_is_a_row(tmp_path, depth):
    line = '{"memo": "UBER", "x": ' + "[" * depth + "]" * depth + "}"
    chunks, source = read(tmp_path / "in.jsonl", f'{{"memo": "LYFT"}}\n{line}\n'.encode())
    assert sum(chunk.rows.height for chunk in chunks) == 2
    assert {row.why for row in source.broken.first} <= {"nested too deep"}
