"""The functions of SQL say what `Engine.classify` says, row for row."""

import sys

import polars as pl
import pytest

from engines import TinyModel, with_model
from tierbreak import SettingsError
from tierbreak.core.tables import DECISION
from tierbreak.duckdb import register

duckdb = pytest.importorskip("duckdb", reason="the extra `duckdb` is not installed")
pytest.importorskip("pyarrow", reason="the extra `duckdb` is not installed")

#: Rules, cache and model, a collision, a contest, abstentions, a blank, a null, letters beyond ASCII.
DESCRIPTORS = [
    "UBER EATS 8005928996 CA", "LYFT RIDE", "TEAL KETTLE #12 AUSTIN TX", "ZELLE TO KIM", "NOBODY'S CAFÉ 星", "", None,
]  # fmt: skip


@pytest.fixture
def connection():
    with duckdb.connect() as made:
        yield made


@pytest.fixture
def engine(case_engine, tmp_path):
    with with_model(case_engine, TinyModel(), cache=tmp_path) as made:
        yield made


def test_the_struct_is_the_decision(connection, engine):
    rows = pl.DataFrame({"n": range(len(DESCRIPTORS)), "descriptor": DESCRIPTORS})
    engine.classify(rows)  # from here on the cache answers
    assert register(connection, engine) is engine
    got = connection.sql("SELECT tierbreak(descriptor) FROM rows ORDER BY n").fetchall()
    want = engine.classify(rows).select(DECISION.names()).to_dicts()
    assert [one for (one,) in got] == want
    assert [one["brand"] for one in want] == ["uber-eats", "lyft", "starbucks", None, None, None, None]


def test_the_brand_alone(connection, engine):
    register(connection, engine)
    got = connection.sql("SELECT tierbreak_brand('LYFT RIDE'), tierbreak_brand(NULL), tierbreak(NULL).reason")
    assert got.fetchall() == [("lyft", None, "blank")]


def test_rows_beyond_one_vector_and_none_at_all(connection, case_engine):
    """DuckDB hands over 2,048 rows at a time: each keeps its own answer."""
    register(connection, case_engine, name="brands")
    rows = "SELECT i, CASE WHEN i % 3 = 0 THEN 'LYFT ' || i END AS d FROM range(5000) numbers(i)"
    counts = "count(brands_brand(d)), count(*) FILTER (brands(d).reason = 'blank'), count(*)"
    assert connection.sql(f"SELECT {counts} FROM ({rows})").fetchall() == [(1667, 3333, 5000)]
    assert connection.sql(f"SELECT brands(d) FROM ({rows}) WHERE i < 0").fetchall() == []


def test_registering_again_replaces(connection, case_engine, engine):
    """As when a cell of a notebook is run twice."""
    register(connection, case_engine)
    assert connection.sql("SELECT tierbreak_brand('TEAL KETTLE')").fetchall() == [(None,)]
    register(connection, engine)
    assert connection.sql("SELECT tierbreak_brand('TEAL KETTLE')").fetchall() == [("starbucks",)]


def test_a_closed_engine_is_named(connection, case_engine):
    engine = with_model(case_engine, TinyModel())
    register(connection, engine)
    engine.close()
    with pytest.raises(duckdb.Error, match="this engine is closed; load another one"):
        connection.sql("SELECT tierbreak_brand('LYFT')").fetchall()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": "a b"}, "name: expected letters, digits and underscores"),
        ({"name": 5}, "name: expected letters, digits and underscores"),
        ({"name": "lower"}, "name: DuckDB refuses a function 'lower'"),
        ({"connection": "bank.db"}, r"connection: expected what duckdb.connect\(\) returns, got 'bank.db'"),
    ],
)
def test_what_cannot_be_used_is_refused(connection, case_engine, given, says):
    with pytest.raises(SettingsError, match=says):
        register(**{"connection": connection, "engine": case_engine, **given})


@pytest.mark.parametrize("missing", ["duckdb", "pyarrow"])
def test_a_missing_library_is_named_with_the_way_to_it(monkeypatch, case_engine, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        SettingsError, match=rf"needs the extra `duckdb` \(.*{missing}.*pip install 'tierbreak\[duckdb\]'"
    ):
        register(object(), case_engine)
