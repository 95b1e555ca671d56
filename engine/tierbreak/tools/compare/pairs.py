"""The table every figure of a comparison comes from: one row a transaction, with what each side says of it.

It lies on disk, as Parquet, in BUCKETS folders by a hash of the key: all rows of one key are in one folder. So totals
stream over everything, and what is counted by key is counted a folder at a time, whatever the number of rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.codes import TIERS
from tierbreak.core.tables import schema
from tierbreak.tools.compare.joint import Index, Joint

OLD, NEW = "old", "new"
SIDES = (OLD, NEW)

#: Folders of the table. A folder of 100 million rows holds 6 million, which is what one pass has in memory.
BUCKETS = 16

#: Who decided: the engine's tiers, an ordered list, a file of decisions. `tier` is a position in it, -1 for nobody.
DECIDERS = (*TIERS, "list", "file")

#: What becomes of a row from the old side to the new. An abstention is an answer of its own.
#: same          one brand, redirects followed
#: both-abstain  neither names one
#: family        two brands of one family: right or wrong together where only the family counts
#: changed       two brands
#: gained        only the new side names one
#: lost          only the old side does
OUTCOMES = ("same", "both-abstain", "family", "changed", "gained", "lost")
SAME, BOTH_ABSTAIN, FAMILY, CHANGED, GAINED, LOST = range(len(OUTCOMES))

#: Outcomes that count as agreement: of exact brands, and of families.
AGREE = {"exact": (SAME, BOTH_ABSTAIN), "family": (SAME, BOTH_ABSTAIN, FAMILY)}


def _side(side: str) -> dict[str, type[pl.DataType]]:
    return {
        f"{side}_brand": pl.Int32,
        f"{side}_tier": pl.Int8,
        f"{side}_rule": pl.Int32,
        f"{side}_reason": pl.Int32,
        f"{side}_confidence": pl.Float32,
    }


#: row          position in the traffic, from 0
#: descriptor   as it came; blank for none
#: key          hash of what cache and model are asked, of the shipped normaliser
#: user         hash of the user; null where the traffic names none
#: n            what the row counts for: its weight, 1 where there are none
#: money        magnitude of the amount times `n`; null where there is no amount that can be read
#: date         null where there is none
#: outcome      position in OUTCOMES
#: rebrand      the sides name different ids, of which a redirect makes one brand: no difference
#: ..._brand    position in Joint.ids, -1 where the side abstained
#: ..._tier     position in DECIDERS, -1 where it abstained
#: ..._rule     position in Pairs.rules[side], -1 for none
#: ..._reason   position in Pairs.reasons, why it abstained; -1 where it did not, or does not say
#: ..._confidence   0..1; null where the decider has none
PAIR = schema(
    row=pl.UInt64, descriptor=pl.String, key=pl.UInt64, user=pl.UInt64, n=pl.Float64, money=pl.Float64, date=pl.Date,
    outcome=pl.UInt8, rebrand=pl.Boolean, **_side(OLD), **_side(NEW),
)  # fmt: skip


def outcomes(joint: Joint, old: Index, new: Index) -> npt.NDArray[np.uint8]:
    """What becomes of each row.

    old, new   int32 [n], positions in `joint.ids`, -1 where a side abstains
    returns    uint8 [n], positions in OUTCOMES
    """
    head = np.append(joint.family, -1)  # -1 looks at its end
    named = (old >= 0) & (new >= 0)
    return np.select(
        [named & (old == new), (old < 0) & (new < 0), named & (head[old] == head[new]), named, old < 0],
        [SAME, BOTH_ABSTAIN, FAMILY, CHANGED, GAINED],
        LOST,
    ).astype(np.uint8)


@dataclass(frozen=True)
class SideFacts:
    """What is known of a side.

    name          as it was asked for
    kind          engine, list or file
    fingerprint   of all that decides in it
    parts         fingerprint of each part; empty where there are none
    lost          rows of the traffic for which it has no decision: they are in no figure
    extra         decisions for rows that the traffic does not have
    unmapped      names that no registry has -> rows of pairs that name them
    mapped        how many distinct names were found how: `id`, `name`, `alias`, `normalised`, `map`
    notices       what a person must know
    """

    name: str
    kind: str
    fingerprint: str
    parts: Mapping[str, str] = field(default_factory=dict)
    lost: int = 0
    extra: int = 0
    unmapped: Mapping[str, int] = field(default_factory=dict)
    mapped: Mapping[str, int] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrafficFacts:
    """What is known of the traffic.

    rows       read, broken ones left out
    broken     rows that could not be read as written: they are in no figure
    bad_money  rows whose amount is there and no number: their money counts 0
    has        those of `amount`, `date`, `user`, `weight` that it has
    window     first and last date
    """

    name: str
    rows: int
    broken: int = 0
    bad_money: int = 0
    has: frozenset[str] = frozenset()
    window: tuple[dt.date, dt.date] | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Pairs:
    """Paired decisions.

    folder    where bucket-00 .. bucket-15 lie, each with the columns of PAIR
    rules     old side's rule names, new side's
    reasons   why sides abstain
    """

    folder: Path
    joint: Joint
    rules: tuple[tuple[str, ...], tuple[str, ...]]
    reasons: tuple[str, ...]
    old: SideFacts
    new: SideFacts
    traffic: TrafficFacts

    def scan(self) -> pl.LazyFrame:
        """All rows, in no order; take only the columns that you need."""
        return pl.scan_parquet(self._files(sorted(self.folder.iterdir())))

    def buckets(self) -> Iterator[pl.LazyFrame]:
        """The rows of each bucket that has any: no key is in two of them."""
        for bucket in sorted(self.folder.iterdir()):
            yield pl.scan_parquet(self._files([bucket]))

    @staticmethod
    def _files(folders: list[Path]) -> list[Path]:
        return [file for folder in folders for file in sorted(folder.glob("*.parquet"))]


class Writer:
    """Writes the table of a Pairs, part by part.

    Beside the columns of PAIR it may have some called `given_amount`, `given_mcc` and so on: what a rule's guard saw,
    for whoever wants to see a decision explained.
    """

    #: Rows held before they go to disk.
    TOGETHER = 2_000_000

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: list[pl.DataFrame] = []
        self._height = 0
        self._part = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows, always with the same columns."""
        self._held.append(rows)
        self._height += rows.height
        if self._height >= self.TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Write what is held. A table without rows still has its columns: one file is always there."""
        if not self._held and self._part:
            return
        rows = pl.concat(self._held) if self._held else pl.DataFrame(schema=PAIR)
        parts = {0: rows} if not rows.height else _parted(rows)
        for bucket, part in parts.items():
            place = self.folder / f"bucket-{bucket:02d}"
            place.mkdir(parents=True, exist_ok=True)
            part.write_parquet(place / f"{self._part:05d}.parquet", compression="lz4")
        self._held, self._height = [], 0
        self._part += 1


def _parted(rows: pl.DataFrame) -> dict[int, pl.DataFrame]:
    by = rows.with_columns(bucket=pl.col("key") % BUCKETS).partition_by("bucket", as_dict=True, include_key=False)
    return {int(bucket): part for (bucket,), part in by.items()}
