"""Whatever is fed to an engine, only errors of the tree come out; what is read is read alike everywhere."""

import datetime as dt
from contextlib import suppress
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak import BatchError, Engine, Settings, TierbreakError
from tierbreak.core import cells
from tierbreak.core.tables import GUARDED
from tierbreak.files.columns import Columns
from tierbreak.files.rows import RowReader
from tierbreak.files.source import Chunk

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates() | st.just(object()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(given_value=ANYTHING, other=ANYTHING)
def test_only_errors_of_the_tree_come_out(case_engine, given_value, other):
    row = {"descriptor": given_value, "amount": other}
    calls = [
        lambda: case_engine.classify(given_value),
        lambda: case_engine.classify_one(given_value),
        lambda: case_engine.classify_one("UBER", amount=given_value, date=other, mcc=given_value, country=other),
        lambda: case_engine.classify_many(given_value if isinstance(given_value, list) else [given_value]),
        lambda: case_engine.classify_many([row]),
        lambda: case_engine.explain(given_value),
    ]
    for call in calls:
        with suppress(TierbreakError):
            call()


#: What people hand over, and what they are told.
SAID = [
    (["UBER"], "rows are a list; give a polars, pandas or pyarrow table with a column `descriptor`"),
    ({"descriptor": ["UBER"]}, "rows are a mapping; give `polars.DataFrame(rows)`"),
    ("UBER", "rows are one text; `classify_one` takes one descriptor"),
    (pl.Series(["UBER"]), 'rows are a polars Series; give `rows.to_frame("descriptor")`'),
    (pl.LazyFrame({"descriptor": ["UBER"]}), "rows are a polars LazyFrame; give `rows.collect()`"),
    (pl.DataFrame({"text": ["UBER"]}), "no column 'descriptor'; there are: text"),
    (pl.DataFrame({"descriptor": ["UBER"], "date": [[1]]}), "date: cannot be read, it is List(Int64)"),
]


@pytest.mark.parametrize(("rows", "says"), SAID, ids=[type(rows).__name__ for rows, _ in SAID])
def test_classify_says_what_to_give(case_engine, rows, says):
    with pytest.raises(BatchError) as caught:
        case_engine.classify(rows)
    assert says in str(caught.value)


def test_single_rows_say_what_is_wrong(case_engine):
    for call, says in (
        (lambda: case_engine.classify_one(123), "`descriptor` is 123; give a text"),
        (lambda: case_engine.classify_one("X", ammount=3), "no column `ammount` is looked at"),
        (lambda: case_engine.classify_one("X", ammount=3), "did you mean `amount`?"),
        (lambda: case_engine.classify_many(["X", 7]), "row 1 is a int; give a text"),
        (lambda: case_engine.classify_many(["X", {"amount": 7}]), "row 1: `descriptor` is None; give a text"),
        (lambda: case_engine.classify_many([{"descriptor": "X", "mc": 7}]), "row 0: no column `mc` is looked at"),
        (lambda: case_engine.classify_one("CAF\ud800"), "holds half a character ('\\ud800' at 3)"),
    ):
        with pytest.raises(BatchError) as caught:
            call()
        assert says in str(caught.value)


class Arrow:
    """A table of another library: it gives an Arrow stream and nothing else."""

    def __init__(self, frame):
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema=None):
        return self._frame.__arrow_c_stream__(requested_schema)


def test_whatever_gives_an_arrow_stream_is_a_table(case_engine):
    rows = pl.DataFrame({"descriptor": ["UBER", None, "ELSE"], "note": [1, 2, 3]})
    assert case_engine.classify(Arrow(rows)).equals(case_engine.classify(rows))

    class Broken:
        def __arrow_c_stream__(self, requested_schema=None):
            raise RuntimeError("the connection is gone")

    with pytest.raises(BatchError, match=r"gives no Arrow table: .*the connection is gone"):
        case_engine.classify(Broken())


#: Cells as files, frames and requests hold them, and what each is.
CELLS = {
    "amount": [("$5", 5.0), (" 12.5", 12.5), ("(3.00)", -3.0), (7, 7.0), (Decimal("2.50"), 2.5), ("free", None)],
    "date": [
        ("2020-05-05", dt.date(2020, 5, 5)),
        (20200505, dt.date(2020, 5, 5)),
        ("2020-05-05T23:30:00Z", dt.date(2020, 5, 5)),
        (dt.datetime(2020, 5, 5, 23, 59), dt.date(2020, 5, 5)),
        (1588636800, None),
    ],
    "mcc": [("742", "0742"), (742, "0742"), ("5812.0", "5812"), (5812.0, "5812"), (" 5812 ", "5812"), ("shop", None)],
    "country": [("US ", "US"), (" ", None), ("GB", "GB")],
    "source": [("card ", "card")],
}


@pytest.mark.parametrize(("name", "cell", "want"), [(name, *pair) for name, pairs in CELLS.items() for pair in pairs])
def test_a_cell_is_read_alike_by_frame_file_and_request(name, cell, want):
    table = pl.DataFrame({"descriptor": ["X"], name: pl.Series([cell], strict=False)})
    columns = Columns({"descriptor": "descriptor", name: name}, ())
    file = RowReader(columns).rows(Chunk(table, pl.Series([], dtype=pl.UInt32)))
    ways = {
        "frame": cells.read(table).rows[name].to_list(),
        "file": file[name].to_list(),
        "request": cells.read(cells.one("X", {name: cell})).rows[name].to_list(),
    }
    assert ways == {way: [want] for way in ways}


def test_a_code_without_its_zero_is_the_same_in_rule_and_row(tmp_path, state):
    """742 is written 0742: veterinary services."""
    (tmp_path / "x.yaml").write_text(
        "brand: uber\nowner: x\nrules: [{id: x, match: [{words: KETTLE}], when: {mcc: ['742']}}]\n"
    )
    with Engine.load(rules=tmp_path, model=None, cache=None, settings=Settings(state=state)) as engine:
        said = [engine.classify_one("KETTLE", mcc=mcc).brand for mcc in ("742", "0742", 742, "743", None)]
    assert said == ["uber", "uber", "uber", None, None]


def test_a_day_is_that_of_its_own_zone():
    """Half past ten in New York on New Year's Eve, which is the next year in London."""
    late = pl.Series([dt.datetime(2020, 12, 31, 22, 30)]).dt.replace_time_zone("America/New_York")
    assert cells.read(pl.DataFrame({"descriptor": ["X"], "date": late})).rows["date"].to_list() == [
        dt.date(2020, 12, 31)
    ]


def test_what_cannot_be_read_is_counted(case_engine):
    """Of three amounts one is no number, one is missing, and NaN is missing too; of two dates one may be either."""
    rows = pl.DataFrame({"descriptor": ["A", "B", "C"], "amount": ["free", None, "5"], "date": ["1/2/2020", None, ""]})
    assert case_engine.run(rows).unreadable == {"amount": 1, "date": 1}
    assert case_engine.run(pl.DataFrame({"descriptor": ["A"], "amount": [float("nan")]})).unreadable == {}
    assert case_engine.run(pl.DataFrame({"descriptor": ["A"], "amount": [float("inf")]})).unreadable == {"amount": 1}


def test_every_guarded_column_has_cells_here():
    assert CELLS.keys() == GUARDED.keys()


def test_a_descriptor_of_a_megabyte_is_cut(case_engine):
    """UBER and LYFT contest; what stands beyond 1,024 characters is not looked at, so that no cell costs more than its
    length."""
    long = "UBER LYFT " * 100_000
    seen = case_engine.explain(long)
    assert seen.folded == "UBER LYFT " * 102 + "UBER", "102 times ten characters, and four"
    assert seen.decision.reason == "contested"
    assert case_engine.classify_one("X " * 600 + "UBER").brand is None
    assert case_engine.classify_one("UBER " + "X " * 600).brand == "uber"
