"""The engine as a function of SQL (extra `duckdb`): `SELECT tierbreak(descriptor) FROM statement`.

In this package the library is `import duckdb`, as everywhere; this module is `tierbreak.duckdb`.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import polars as pl

from tierbreak.core.tables import DECISION
from tierbreak.engine import Engine
from tierbreak.errors import SettingsError

#: How SQL writes the types of tables.DECISION; whatever else is there (an Enum) is text.
_SQL = {pl.Float32: "FLOAT", pl.List: "VARCHAR[]"}


def register(connection: Any, engine: Engine | None = None, *, name: str = "tierbreak") -> Engine:
    """Give a connection of DuckDB two functions of a descriptor, called once for up to 2,048 rows.

    connection   what `duckdb.connect()` returns, or the module `duckdb` for its default connection
    engine       what answers; None loads the shipped one
    name         of the function; a function of that name that Python gave the connection before is replaced
    returns      the engine. It must stay open while queries run; `reload` and `watch` hold for the next query

    `name(descriptor)` is a STRUCT with the columns of tables.DECISION: `brand`, `brand_name`, `tier`, `confidence`,
    `band`, `rule`, `candidates`, `collision`, `reason`. `name_brand(descriptor)` is the brand's id alone. Each says
    what `Engine.classify` says of the same descriptor; NULL is a blank one: no brand, `reason` is `blank`.

    Rules with a condition on `amount`, `date` or another column stay silent here. Where they count, give the engine
    the whole query: `engine.classify(connection.sql("SELECT ..."))`.

    Raises SettingsError where `duckdb` or `pyarrow` is not installed, or `connection` or `name` cannot be used; and
    what `Engine.load` raises.

    >>> import duckdb
    >>> connection = duckdb.connect()
    >>> with register(connection, Engine.load(model=None, cache=None)):
    ...     connection.sql("SELECT tierbreak(d).tier, tierbreak_brand(d) FROM (VALUES ('SPOTIFY USA')) v(d)").fetchall()
    [('rules', 'spotify')]
    """
    try:
        import duckdb
        import pyarrow  # noqa: F401  DuckDB hands rows over as its arrays
    except ImportError as error:
        raise SettingsError(f"SQL needs the extra `duckdb` ({error}): pip install 'tierbreak[duckdb]'") from None
    if not hasattr(connection, "create_function"):
        raise SettingsError(f"connection: expected what duckdb.connect() returns, got {connection!r}")
    if not str(name).isidentifier():
        raise SettingsError(f"name: expected letters, digits and underscores, as in tierbreak, got {name!r}")
    engine = engine or Engine.load()
    columns = ", ".join(f"{column} {_SQL.get(dtype.base_type(), 'VARCHAR')}" for column, dtype in DECISION.items())
    functions = ((name, _decisions, f"STRUCT({columns})"), (f"{name}_brand", _brands, "VARCHAR"))
    for called, function, returned in functions:
        with suppress(duckdb.InvalidInputException):  # there was none
            connection.remove_function(called)
        try:
            connection.create_function(
                called, partial(function, engine), ["VARCHAR"], returned, type="arrow", null_handling="special"
            )
        except duckdb.Error as error:
            raise SettingsError(f"name: DuckDB refuses a function {called!r}: {error}; give another name") from None
    return engine


def _decided(engine: Engine, descriptors: Any) -> pl.DataFrame:
    return engine.classify(pl.DataFrame({"descriptor": pl.Series(descriptors, dtype=pl.String)})).drop("descriptor")


def _decisions(engine: Engine, descriptors: Any) -> Any:
    return _decided(engine, descriptors).cast({pl.Enum: pl.String}).to_struct().to_arrow()


def _brands(engine: Engine, descriptors: Any) -> Any:
    return _decided(engine, descriptors)["brand"].to_arrow()
