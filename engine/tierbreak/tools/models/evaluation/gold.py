"""The gold set: descriptors with the brand that a person gave each, read strictly.

    descriptor  truth  [format]  [weight]  [amount, date, mcc, country, source]

One row a line, cells apart by tabs, or by commas where the header has no tab. There is no quoting: a descriptor may
hold quotes of its own. An empty `truth` (or `brand`, where no column is called `truth`) says that the row is no known
brand's. `weight` is how often the descriptor was seen. The last five are for the engine's guards.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.core.tables import GUARDED
from tierbreak.errors import Fault, InputError
from tierbreak.registry import Registry, UnknownBrand

#: Faults that are printed; the rest are counted.
SHOWN = 50

_COLUMNS = "`descriptor` and `truth`, and `format`, `weight` if there are any"

Rows = list[tuple[int, list[str]]]


@dataclass(frozen=True, eq=False)
class Gold:
    """A gold set of n rows and k distinct keys.

    name          the file, as given
    fingerprint   sha256 of its bytes
    rows          [n] `descriptor` and those of tables.GUARDED that are there
    keys          String [k], distinct, in the order in which they come
    key           int64 [n], each row's position in `keys`
    truth         int32 [n], registry index of the brand that answers for it today, -1 for no known brand
    format        str [n]; empty where the file names none
    weight        float64 [n], 1 where the file has no weights
    weighted      whether it has
    notices       what a person must know about the figures that come of it
    """

    name: str
    fingerprint: str
    rows: pl.DataFrame
    keys: pl.Series
    key: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int32]
    format: tuple[str, ...]
    weight: npt.NDArray[np.float64]
    weighted: bool
    notices: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def branded(self) -> npt.NDArray[np.bool_]:
        """bool [n]: rows that are a known brand's."""
        return self.truth >= 0

    @classmethod
    def read(cls, path: Path, registry: Registry) -> Gold:
        """Read a gold set; raises InputError that names every fault with its line.

        A gold set in which every row has the same truth is refused: no figure that comes of it means anything.
        """
        try:
            content = path.read_bytes()
            text = content.decode("utf-8-sig")
        except OSError as error:
            raise _error([_whole(path, "G001", "cannot be read", error.strerror or str(error), "a table")]) from None
        except UnicodeDecodeError as error:
            found = f"byte {error.start}"
            raise _error([_whole(path, "G001", "is not UTF-8", found, "UTF-8 text")]) from None
        lines = text.replace("\r\n", "\n").split("\n")
        separator = "\t" if "\t" in lines[0] else ","
        header = lines[0].split(separator)
        if faults := [*_header(path, header)]:
            raise _error(faults)
        rows: Rows = [(at, line.split(separator)) for at, line in enumerate(lines[1:], start=2) if line]
        if not rows:
            raise _error([_whole(path, "G003", "holds no rows", "", "one row a line under the header")])
        if faults := [*_cells(path, rows, header, separator, registry)]:
            raise _error(faults)
        return cls._of(path, hashlib.sha256(content).hexdigest(), rows, header, registry)

    @classmethod
    def _of(cls, path: Path, fingerprint: str, rows: Rows, header: list[str], registry: Registry) -> Gold:
        def column(name: str) -> list[str]:
            at = header.index(name)
            return [cells[at].strip() if name != "descriptor" else cells[at] for _, cells in rows]

        given = column(_truth_column(header))
        index = np.array([registry.index(id) if id else -1 for id in given], dtype=np.int64)
        truth = np.where(index >= 0, registry.redirect[index], -1).astype(np.int32)
        if len(np.unique(truth)) < 2:
            only = f"`{registry.ids[truth[0]]}`" if truth[0] >= 0 else "none"
            expected = "two brands at least, or one and rows without a brand"
            raise _error([_whole(path, "G008", "every row has the same truth", only, expected)])
        descriptor = pl.Series("descriptor", column("descriptor"), dtype=pl.String)
        key = normalise(descriptor)["key"]
        keys = key.unique(maintain_order=True)
        place = {text: at for at, text in enumerate(keys.to_list())}
        guards = {name: [cell or None for cell in column(name)] for name in GUARDED if name in header}
        return cls(
            name=str(path),
            fingerprint=fingerprint,
            rows=pl.DataFrame([descriptor, *(pl.Series(name, cells, pl.String) for name, cells in guards.items())]),
            keys=keys,
            key=np.array([place[text] for text in key.to_list()], dtype=np.int64),
            truth=truth,
            format=tuple(column("format")) if "format" in header else ("",) * len(rows),
            weight=np.array(column("weight") if "weight" in header else [1.0] * len(rows), dtype=np.float64),
            weighted="weight" in header,
            notices=tuple(_notices(truth, key, registry)),
        )


def _truth_column(header: list[str]) -> str:
    return "truth" if "truth" in header else "brand"


def _header(path: Path, header: list[str]) -> Iterator[Fault]:
    shown = ", ".join(header)
    if not shown:
        yield _whole(path, "G001", "is empty", "", f"a header line: {_COLUMNS}")
        return
    for name, other in (("descriptor", "descriptor"), ("truth", "brand")):
        if name not in header and other not in header:
            yield Fault("G002", path, 1, 1, f"no column `{name}`", shown, _COLUMNS, f"name it `{name}`")
    for name, count in Counter(header).items():
        if count > 1:
            yield Fault("G002", path, 1, 1, f"column `{name}` stands twice", shown, _COLUMNS, "take one out")


def _cells(path: Path, rows: Rows, header: list[str], separator: str, registry: Registry) -> Iterator[Fault]:
    """Every fault of the lines under the header."""
    descriptor, truth = header.index("descriptor"), header.index(_truth_column(header))
    weight = header.index("weight") if "weight" in header else None
    said: dict[str, str] = {}
    for line, cells in rows:
        if len(cells) != len(header):
            says, fix = f"{len(cells)} cells instead of {len(header)}", "there is no quoting here: write the set as TSV"
            yield Fault("G003", path, line, 1, says, separator.join(cells), f"{len(header)} cells, one a column", fix)
            continue

        def fault(code: str, at: int, says: str, expected: str, fix: str, line: int = line,
                  cells: list[str] = cells) -> Fault:  # fmt: skip
            place = sum(len(cell) + 1 for cell in cells[:at]) + 1
            return Fault(code, path, line, place, says, cells[at], expected, fix)

        if not cells[descriptor].strip():
            yield fault("G004", descriptor, "descriptor is blank", "the text of a statement", "take the line out")
        if separator == "," and len(cells[descriptor]) > 1 and cells[descriptor][0] == cells[descriptor][-1] == '"':
            fix = "write the set as TSV, where a comma needs no quotes"
            yield fault("G004", descriptor, "descriptor is in quotes", "text as the bank wrote it", fix)
        id = cells[truth].strip()
        if id and id not in registry:
            if id not in said and len(said) < SHOWN:
                said[id] = _unknown(registry, id)
            yield fault("G005", truth, said.get(id, f"no brand `{id}`"), "an id of brands.csv, or nothing",
                        "mend the id, or leave the cell empty where the brand is unknown")  # fmt: skip
        if weight is not None and not _is_weight(cells[weight]):
            yield fault("G006", weight, "weight is no count", "a number above 0", "write how often it was seen")


def _unknown(registry: Registry, id: str) -> str:
    try:
        registry.index(id)
    except UnknownBrand as error:
        return str(error)
    raise AssertionError(id)


def _is_weight(cell: str) -> bool:
    try:
        return math.isfinite(float(cell)) and float(cell) > 0
    except ValueError:
        return False


def _notices(truth: npt.NDArray[np.int32], key: pl.Series, registry: Registry) -> Iterator[str]:
    dead = (truth >= 0) & ~registry.live[truth]
    if dead.any():
        ids = sorted({registry.ids[index] for index in truth[dead].tolist()})
        yield f"{int(dead.sum())} rows have a brand that is never decided on, they count as missed: {', '.join(ids)}"
    truths = pl.DataFrame({"key": key, "truth": truth}).group_by("key").agg(pl.col("truth").n_unique())
    if split := truths.filter(pl.col("truth") > 1).height:
        yield f"{split} keys stand with more than one truth: whatever is said of them is wrong somewhere"
    if not (truth < 0).any():
        yield "no row is without a brand: nothing is said of rows that should not be answered"


def _whole(path: Path, code: str, says: str, found: str, expected: str) -> Fault:
    return Fault(code, path, 0, 0, says, found, expected, "give a gold set: `tierbreak evaluate --help`")


def _error(faults: list[Fault]) -> InputError:
    more = [f"and {len(faults) - SHOWN} more faults"] if len(faults) > SHOWN else []
    return InputError("\n".join([*map(str, faults[:SHOWN]), *more]))
