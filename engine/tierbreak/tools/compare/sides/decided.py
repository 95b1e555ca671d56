"""A file of decisions already made as a side: any column names, any names of brands.

A decision belongs to the row of the traffic with the same id, where a column of ids is named, or to all rows with the
same descriptor, where that is named as the id; else to the row at the same place, and then there must be as many, and
descriptors that both files have must agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import polars as pl

from tierbreak.errors import InputError
from tierbreak.files import Chunk, Source, atomic, open_source
from tierbreak.registry import Registry
from tierbreak.tools.compare.codes import Codes
from tierbreak.tools.compare.pairs import DECIDERS
from tierbreak.tools.compare.sides.side import SAID, Lines

#: Usual names of each column, best first, letters and digits only, in lower case.
USUAL = {
    "brand": (
        "brand", "brandid", "predictedbrand", "prediction", "predicted", "label", "answer", "decision", "merchant",
        "merchantname", "cleanname", "normalizedname", "normalisedname", "merchantclean", "name", "brandname",
    ),
    "id": (),
    "tier": ("tier", "decidedby", "decider"),
    "rule": ("rule", "ruleid"),
    "reason": ("reason",),
    "confidence": ("confidence", "probability", "score"),
}  # fmt: skip

#: What systems write where they have no answer; counted in a notice, so that nobody wonders.
NO_ANSWER = ("none", "null", "nil", "na", "n/a", "nan", "unknown", "uncategorized", "uncategorised", "other", "-", "?")

_STORED = {"place": pl.UInt64, "id": pl.UInt64, "check": pl.UInt64, "brand": pl.Int32, "tier": pl.Int32,
           "rule": pl.Int32, "reason": pl.Int32, "confidence": pl.Float32, "lost": pl.Boolean}  # fmt: skip


class DecidedSide:
    """A file that is looked up. It is read once, when it is opened, into a folder of its own.

    told         part (`brand`, `tier`, `rule`, `reason`, `confidence`) -> column; '' leaves a part out
    id           its column of ids; None: by place
    descriptor   its column of descriptors, if it has one, that the traffic's are checked against
    prefix       only columns that begin with it are looked at, by what stands behind it

    Raises InputError where it cannot be read, has no column of brands, or an id stands twice or is missing.
    """

    kind = "file"

    def __init__(
        self,
        name: str,
        path: str,
        *,
        told: Mapping[str, str],
        id: str | None,
        descriptor: str,
        prefix: str = "",
    ) -> None:
        self.name = name
        self.registry: Registry | None = None
        self.parts: Mapping[str, str] = {}
        self._path, self._by_id = path, id is not None
        self._codes = {part: Codes() for part in ("brand", "tier", "rule", "reason")}
        self._no_answer: dict[str, int] = {}
        self._strange, self._failed = 0, 0
        self._rows = 0
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(atomic.scratch())
        try:
            with open_source(path) as source:
                columns = _columns(source, told, prefix)
                self._columns = {part: name for part, name in columns.items() if part != "error"}
                self._read(source, columns, columns.get("id", id) if self._by_id else None, descriptor)
                self._broken = source.broken.total
            self._whole = self._by_ids() if self._by_id else None
            self._asked = np.zeros(self._rows, dtype=bool)
        except BaseException:
            self.close()
            raise
        with Path(path).open("rb") as file:
            content = hashlib.file_digest(file, "sha256")
        # Two sides may stand in one file.
        content.update(repr(sorted(columns.items())).encode())
        self.fingerprint = content.hexdigest()

    def _read(self, source: Source, columns: Mapping[str, str], id: str | None, descriptor: str) -> None:
        if id is not None and id not in source.columns:
            raise InputError(
                f"{source.name}: no column {id!r} of ids\n  columns: {', '.join(map(repr, source.columns))}\n"
                "  fix: name it with --old-column id=COLUMN or --new-column id=COLUMN, or say --id '' to pair rows by "
                "their order"
            )
        self._checked = descriptor in source.columns
        for part, chunk in enumerate(source):
            rows = self._stored(chunk, columns, id, descriptor)
            rows.write_parquet(self._folder / f"{part:06d}.parquet", compression="lz4")
            self._rows += rows.height
        if not self._rows:
            raise InputError(f"{source.name}: no rows; expected one decision a line below the header")

    def _stored(self, chunk: Chunk, columns: Mapping[str, str], id: str | None, descriptor: str) -> pl.DataFrame:
        rows = chunk.rows
        broken = np.zeros(rows.height, dtype=bool)
        broken[chunk.broken.to_numpy()] = True
        if "error" in columns:  # what failed is no abstention
            failed = _text(rows[columns["error"]]).is_not_null().to_numpy() & ~broken
            self._failed += int(failed.sum())
            broken |= failed
        brand = _text(rows[columns["brand"]])
        silent = brand.str.to_lowercase().is_in(NO_ANSWER).fill_null(False)
        for word, times in brand.filter(silent).value_counts().iter_rows():
            self._no_answer[word] = self._no_answer.get(word, 0) + times
        brand = pl.select(pl.when(~silent).then(brand)).to_series()
        blank = pl.Series([None] * rows.height, dtype=pl.String)
        said = {part: _text(rows[columns[part]]) if part in columns else blank for part in ("tier", "rule", "reason")}
        confidence = pl.Series([None] * rows.height, dtype=pl.Float32)
        if "confidence" in columns:
            given = _text(rows[columns["confidence"]])
            number = given.cast(pl.Float32, strict=False)
            confidence = pl.select(pl.when(number.is_between(0, 1)).then(number)).to_series()
            self._strange += int((given.is_not_null() & confidence.is_null()).sum())
        nothing = pl.Series([None] * rows.height, dtype=pl.UInt64)
        return pl.DataFrame(
            {
                "place": pl.Series(np.arange(self._rows, self._rows + rows.height), dtype=pl.UInt64),
                "id": nothing if id is None else self._ids(rows[id], broken),
                "check": rows[descriptor].cast(pl.String).hash() if self._checked else nothing,
                "brand": self._codes["brand"].of(brand),
                **{part: self._codes[part].of(text) for part, text in said.items()},
                "confidence": confidence,
                "lost": pl.Series(broken),
            },
            schema=_STORED,
        )

    def _ids(self, ids: pl.Series, broken: np.ndarray) -> pl.Series:
        missing = int((ids.is_null() & ~pl.Series(broken)).sum())
        if missing:
            raise InputError(f"{self._path}: {missing:,} rows have no id; every decision needs one to be found by")
        return ids.cast(pl.String).hash()

    def _by_ids(self) -> pl.DataFrame:
        whole = pl.read_parquet(self._folder / "*.parquet").filter(~pl.col("lost"))
        twice = whole.filter(pl.col("id").is_duplicated())
        if twice.height:
            lines = ", ".join(f"{place + 1:,}" for place in twice["place"].head(6).to_list())
            raise InputError(
                f"{self._path}: {twice['id'].n_unique():,} ids stand more than once, in {twice.height:,} rows\n"
                f"  found: rows {lines}{' and so on' if twice.height > 6 else ''}, not counting the header\n"
                "  fix: one decision an id; drop the others, or pair by order without --id"
            )
        return whole

    @property
    def labels(self) -> Sequence[str]:
        return self._codes["brand"].values

    @property
    def extra(self) -> int:
        """Decisions for rows that nobody asked for."""
        return self._rows - self._broken - self._failed - int(self._asked.sum()) if self._by_id else 0

    @property
    def notices(self) -> Sequence[str]:
        out = ["columns: " + ", ".join(f"{part} = {name!r}" for part, name in self._columns.items())]
        if not self._codes["brand"].values:
            out.append(f"the column {self._columns['brand']!r} names no brand in any row: is it the right one?")
        if self._no_answer:
            words = ", ".join(f"{word!r} ({times:,})" for word, times in sorted(self._no_answer.items()))
            out.append(f"read as no answer: {words}")
        if self._strange:
            out.append(f"{self._strange:,} confidences are no numbers from 0 to 1 and count as missing")
        if self._failed:
            out.append(f"{self._failed:,} rows on which it failed, as the column `error` says: no decision")
        if self._broken:
            out.append(f"{self._broken:,} rows could not be read as written: no decision")
        return out

    def decide(self, rows: pl.DataFrame) -> pl.DataFrame:
        """As Side.decide. Raises InputError where the file ends early or its descriptors are not the traffic's."""
        if self._whole is not None:
            wanted = rows.select(pl.col("id").hash())
            found = wanted.join(self._whole, on="id", how="left", maintain_order="left")
            found = found.with_columns(pl.col("lost").fill_null(True))
            self._asked[found["place"].drop_nulls().to_numpy()] = True
        else:
            found = self._by_place(rows)
        decider = self._codes["tier"].words(found["tier"])
        named = found["brand"].fill_null(-1) >= 0
        return pl.DataFrame(
            {
                "brand": self._codes["brand"].words(found["brand"]),
                "tier": pl.select(
                    pl.when(named).then(pl.when(decider.is_in(DECIDERS)).then(decider).otherwise(pl.lit("file")))
                ).to_series(),
                "rule": self._codes["rule"].words(found["rule"]),
                "reason": self._codes["reason"].words(found["reason"]),
                "confidence": found["confidence"],
                "lost": found["lost"],
            },
            schema=SAID,
        )

    def _by_place(self, rows: pl.DataFrame) -> pl.DataFrame:
        places = rows["row"]
        if not len(places):
            return pl.DataFrame(schema=_STORED)
        first, last = int(places[0]), int(places[-1])
        if last >= self._rows:
            raise self._uneven(f"{last + 1:,} or more")
        stored = pl.scan_parquet(self._folder / "*.parquet")
        found = stored.slice(first, last - first + 1).collect()[places - first]
        if self._checked:
            other = (found["check"] != rows["descriptor"].hash()) & ~found["lost"]
            if other.any():
                at = int(other.arg_true()[0])
                raise InputError(
                    f"{self._path}: row {int(places[at]) + 1:,} is about another descriptor than the traffic's row\n"
                    f"  found: the traffic has {rows['descriptor'][at]!r} there\n"
                    "  fix: put both files in one order, or name a column of ids with --id"
                )
        return found

    def _uneven(self, rows: str) -> InputError:
        return InputError(
            f"{self._path}: has {self._rows:,} rows, the traffic has {rows}: they cannot be paired by their order\n"
            "  fix: give as many, or name a column of ids that both have with --id; the descriptors will do, where one "
            "decision holds for all rows of a descriptor"
        )

    def finish(self, rows: int) -> None:
        """As Side.finish. Raises InputError where the file has more rows than the traffic."""
        if not self._by_id and rows != self._rows:
            raise self._uneven(f"{rows:,}")

    def explain(self, descriptor: str, **columns: object) -> Lines:
        """Nothing: what stands in the file is all that is known."""
        return ()

    def close(self) -> None:
        """Take away what was read."""
        self._stack.close()


def _columns(source: Source, told: Mapping[str, str], prefix: str) -> dict[str, str]:
    """part -> column of the file."""
    have = {column.removeprefix(prefix): column for column in source.columns if column.startswith(prefix)}
    if prefix and not have:
        raise InputError(f"{source.name}: no column begins with {prefix!r}; there are {_listed(source.columns)}")
    out = {}
    for part, usual in USUAL.items():
        if part in told:
            if told[part] == "":
                continue
            if told[part] not in have:
                raise InputError(f"{source.name}: no column {told[part]!r} for {part}; there are {_listed([*have])}")
            out[part] = have[told[part]]
            continue
        by_plain = {"".join(filter(str.isalnum, column.casefold())): column for column in reversed(have)}
        for name in usual:
            if name in by_plain:
                out[part] = have[by_plain[name]]
                break
    if prefix == "new." and "error" in source.columns:  # a shadow's log: the new side is the one that can fail there
        out["error"] = "error"
    if "brand" not in out:
        raise InputError(
            f"{source.name}: no column of brands; there are {_listed([*have])}\n"
            "  fix: name it with --old-column brand=COLUMN or --new-column brand=COLUMN"
        )
    return out


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(repr, columns[:20])) + (f" and {len(columns) - 20} more" if len(columns) > 20 else "")


def _text(cells: pl.Series) -> pl.Series:
    """Trimmed text, null where there is nothing."""
    text = cells.cast(pl.String, strict=False).str.strip_chars()
    return pl.select(pl.when(text != "").then(text)).to_series()
