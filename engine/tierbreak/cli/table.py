"""Decisions as a table to read, one line a row, cut to the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import polars as pl

from tierbreak.cli.output import cut, visible, width
from tierbreak.files.sinks import Sink


class TableSink(Sink):
    """Prints descriptor, brand, tier, confidence, and the rule or the reason, on standard output."""

    def __init__(self, descriptor: str, names: dict[str, str]) -> None:
        self.name = "standard output"
        self._columns = [descriptor, *(names[part] for part in ("brand", "tier", "confidence", "rule", "reason"))]
        room = width(100) - len("model") - len("0.99") - 4 * 2
        self._wide = [
            max(8, room // 2),
            max(6, room // 4),
            len("model"),
            len("0.99"),
            max(6, room - room // 2 - room // 4),
        ]
        self._line(["descriptor", "brand", "tier", "conf", "rule or reason"])
        self._line(["-" * wide for wide in self._wide])

    def _line(self, cells: Sequence[str]) -> None:
        fitted = [cut(visible(cell), wide).ljust(wide) for cell, wide in zip(cells, self._wide, strict=True)]
        print("  ".join(fitted).rstrip())

    def write(self, rows: pl.DataFrame, *, objects: pl.Series | None = None, added: Sequence[str] = ()) -> None:
        for descriptor, brand, tier, confidence, rule, reason in rows.select(self._columns).iter_rows():
            sure = "" if confidence is None else f"{confidence:.2f}"
            why = (rule if brand is not None else reason) or ""
            self._line([str(descriptor or ""), brand or "-", tier or "-", sure, why])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Nothing is held back."""
