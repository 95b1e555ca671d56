"""The engine as a function of SQL: `pip install '.[duckdb]'`, then `python examples/duckdb_query.py`."""

from pathlib import Path

import duckdb

import tierbreak.duckdb

HERE = Path(__file__).parent

connection = duckdb.connect()
connection.read_csv(str(HERE / "statement.csv"), dtype={"amount": "DECIMAL(10, 2)"}).create_view("statement")
with tierbreak.duckdb.register(connection):
    for brand, payments, spent in connection.sql((HERE / "query.sql").read_text()).fetchall():
        print(f"{brand:<20} {payments:>3} {spent:>9}")
