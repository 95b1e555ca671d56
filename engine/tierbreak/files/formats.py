"""Which format a table is in: by its name, else by what it begins with."""

from __future__ import annotations

from pathlib import Path

from tierbreak.errors import InputError
from tierbreak.files.columns import looks_like_descriptor
from tierbreak.files.streams import PARQUET

FORMATS = ("csv", "tsv", "jsonl", "parquet", "lines")

_ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "lines",
}

#: What may stand between the fields of a .csv file, most likely first.
SEPARATORS = (",", ";", "\t", "|")


def by_name(name: str) -> str | None:
    """The format that a file's name says, `.gz` set aside; None where it says none.

    >>> by_name("june.csv.gz"), by_name("june.dat")
    ('csv', None)
    """
    path = Path(name.lower())
    return _ENDINGS.get(Path(path.stem).suffix if path.suffix == ".gz" else path.suffix)


def by_content(head: bytes) -> str:
    """The format that the first bytes of an input suggest.

    A first line that names a descriptor column is a CSV header; anything else is plain lines.

    >>> by_content(b'{"descriptor": "NETFLIX.COM"}'), by_content(b"Date;Memo\\n"), by_content(b"NETFLIX.COM\\n")
    ('jsonl', 'csv', 'lines')
    """
    if head.startswith(PARQUET):
        return "parquet"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return "jsonl"
    first = head.decode("utf-8-sig", "replace").split("\n", 1)[0].strip()
    cells = [first]
    for separator in SEPARATORS:
        cells += first.split(separator)
    return "csv" if any(looks_like_descriptor(cell.strip('" ')) for cell in cells) else "lines"


def known(format: str) -> str:
    """`format` if it is one of `FORMATS`; raises InputError naming them otherwise."""
    if format not in FORMATS:
        raise InputError(f"no such format: {format}; the formats are {', '.join(FORMATS)}")
    return format
