"""Without the extra `duckdb` the doctest of the module that needs it is left out."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("duckdb") and find_spec("pyarrow") else ["duckdb.py"]
