"""What a table may hold, where it may go, and what is left when it cannot."""

import datetime as dt
import gzip
import subprocess
import sys

import polars as pl
import pytest

from tierbreak.errors import InputError
from tierbreak.files import open_sink, open_source

NAMES = ["out.csv", "out.tsv", "out.jsonl", "out.parquet", "out.csv.gz", "out.jsonl.gz"]

ODD = {
    "duration": pl.Series([dt.timedelta(days=1, hours=2), None]),
    "time": pl.Series([dt.time(1, 2, 3), None]),
    "instant": pl.Series([dt.datetime(2024, 1, 1, tzinfo=dt.UTC), None]),
    "decimal": pl.Series(["1.10", None]).cast(pl.Decimal(10, 2)),
    "category": pl.Series(["a", None], dtype=pl.Categorical),
    "enum": pl.Series(["a", None], dtype=pl.Enum(["a"])),
    "null": pl.Series([None, None]),
    "wide": pl.Series([2**100, None], dtype=pl.Int128),
    "binary": pl.Series([b"a", None]),
    "array": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int64, 2)),
    "durations": pl.Series([[dt.timedelta(1)], None]),
    "lists": pl.Series([[[1]], None]),
    "structs": pl.Series([[{"a": 1}], None]),
    "struct": pl.Series([{"a": dt.timedelta(1)}, None]),
    "binary in a struct": pl.Series([{"a": b"x"}, None]),
    "binaries": pl.Series([[b"x"], None]),
    "binary in structs": pl.Series([[{"a": b"x"}], None]),
    "nothing": pl.Series([{}, None], dtype=pl.Struct({})),
    "object": pl.Series([object(), None], dtype=pl.Object),
}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
@pytest.mark.parametrize("odd", ODD)
def test_a_column_of_any_type_is_written_or_refused_by_name(tmp_path, name, odd):
    rows = pl.DataFrame({"memo": ["UBER", "LYFT"], "odd": ODD[odd]})
    refused = ""
    try:
        with open_sink(tmp_path / name) as sink:
            sink.write(rows)
    except InputError as error:
        refused = str(error)
    if refused:
        assert name in refused
        assert names(tmp_path) == []
        return
    with open_source(tmp_path / name) as source:
        assert [row for chunk in source for row in chunk.rows["memo"]] == ["UBER", "LYFT"]


def test_a_duration_is_text_in_csv(tmp_path):
    with open_sink(tmp_path / "out.csv") as sink:
        sink.write(pl.DataFrame({"x": [dt.timedelta(days=1, hours=2, milliseconds=5), -dt.timedelta(hours=1), None]}))
    assert (tmp_path / "out.csv").read_text() == "x\nP1DT2H0.005S\n-PT1H\n\n"


@pytest.mark.parametrize("name", NAMES)
def test_an_error_is_told_as_it_is_and_nothing_stays(tmp_path, name):
    """A packed stream still writes when it is closed: its file must be open then, on every Python."""

    def write_and_fail():
        with open_sink(tmp_path / name) as sink:
            sink.write(pl.DataFrame({"a": ["x" * 10_000]}))
            raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        write_and_fail()
    assert names(tmp_path) == []


LIMITED = """
import resource, sys
import polars as pl
from tierbreak.errors import InputError
from tierbreak.files import open_sink, sinks
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sinks.PART_CELLS = int(sys.argv[2])
try:
    with open_sink(sys.argv[1]) as sink:
        sink.write(pl.DataFrame({"a": [str(hash(str(i)) * 7**20) for i in range(5000)]}))
        sink.write(pl.DataFrame({"a": ["b"]}))
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize(("name", "cells"), [*((name, 10**9) for name in NAMES), ("out.parquet", 1000)])
def test_a_full_disk_is_said_and_nothing_stays(tmp_path, name, cells):
    """A limit on the size of files fails as a full disk does: at a write, at the flush, and at the close again."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path / name), str(cells)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path / name}: cannot be written: ")
    assert done.stderr == ""
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_link_to_itself_is_refused(tmp_path, name):
    (tmp_path / name).symlink_to(name)
    with pytest.raises(InputError, match="cannot be written: Too many levels of symbolic links"):
        open_sink(tmp_path / name)


@pytest.mark.parametrize("ending", [".csv", ".jsonl.gz", ".parquet"])
@pytest.mark.parametrize("letter", ["x", "é", "日", "𠮷"])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, ending, letter):
    name = letter * ((255 - len(ending)) // len(letter.encode())) + ending
    with open_sink(tmp_path / name) as sink:
        sink.write(pl.DataFrame({"a": ["x"]}))
    assert names(tmp_path) == [name]


TO_STANDARD_OUTPUT = """
import polars as pl
from tierbreak.files import open_sink
with open_sink("/dev/stdout", "csv") as sink:
    sink.write(pl.DataFrame({"a": ["x"]}))
"""


def test_standard_output_is_written_to_through_its_name():
    """`-o /dev/stdout` into a pipe: what the name leads to has no place of its own."""
    done = subprocess.run([sys.executable, "-c", TO_STANDARD_OUTPUT], capture_output=True, text=True, check=True)
    assert done.stdout == "a\nx\n"


def test_a_packed_table_is_whole(tmp_path):
    with open_sink(tmp_path / "out.csv.gz") as sink:
        sink.write(pl.DataFrame({"a": ["x"]}))
    assert gzip.decompress((tmp_path / "out.csv.gz").read_bytes()) == b"a\nx\n"
