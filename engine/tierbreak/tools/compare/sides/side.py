"""What every side is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import polars as pl

from tierbreak.core.tables import schema
from tierbreak.registry import Registry

#: What a side says of each row. `brand` is as the side names it, null where it abstains; `lost` rows have no decision.
SAID = schema(brand=pl.String, tier=pl.String, rule=pl.String, reason=pl.String, confidence=pl.Float32, lost=pl.Boolean)

#: A decision as (what, value) lines, to be read beside another's.
Lines = tuple[tuple[str, str], ...]


class Side(Protocol):
    """One of the two systems.

    name          as it was asked for
    kind          engine, list or file
    fingerprint   of all that decides
    parts         fingerprint of each part
    registry      its own, None where it has none
    labels        every brand that it may name, as it names them
    extra         decisions for rows that nobody asked for, once all were asked
    """

    name: str
    kind: str
    fingerprint: str

    @property
    def parts(self) -> Mapping[str, str]: ...

    @property
    def registry(self) -> Registry | None: ...

    @property
    def labels(self) -> Sequence[str]: ...

    @property
    def extra(self) -> int: ...

    @property
    def notices(self) -> Sequence[str]: ...

    def decide(self, rows: pl.DataFrame) -> pl.DataFrame:
        """SAID of each row.

        rows   `descriptor`, those of tables.GUARDED that are known, `row` (UInt64, position in the traffic), and `id`
               (String) where rows are found by it; in the order of the traffic
        """

    def finish(self, rows: int) -> None:
        """Told, once all were asked, how many rows the traffic has. Raises InputError where that cannot be."""

    def explain(self, descriptor: str, **columns: object) -> Lines:
        """How it decides one descriptor; empty where it cannot be asked."""

    def close(self) -> None:
        """Let go of what it holds."""
