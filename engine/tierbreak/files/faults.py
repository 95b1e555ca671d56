"""Whatever goes wrong below a reader or a writer, said as an error of the tree."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from tierbreak.errors import InputError

#: A broken gzip raises the first three; a broken or odd Parquet, and a type that a format cannot hold, the others.
_BELOW = (OSError, EOFError, zlib.error, pl.exceptions.PolarsError, pl.exceptions.PanicException)


@contextmanager
def guarded(name: str, what: str) -> Iterator[None]:
    """Raise InputError for what files, gzip and polars raise in the block; a closed pipe stays one.

    name   of the file, for the message
    what   failed, as in "cannot be read"
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except _BELOW as error:
        why = getattr(error, "strerror", None) or str(error).strip().split("\n", 1)[0][:200] or type(error).__name__
        raise InputError(f"{name}: {what}: {why}") from None
