"""An ordered list of patterns as a side: the first that matches the descriptor, as it came, decides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from tierbreak.errors import InputError
from tierbreak.registry import Registry
from tierbreak.tools.compare.sides.side import SAID, Lines
from tierbreak.tools.rules.importing.ordered import OrderedBook


class OrderedSide:
    """A list that is asked. Raises InputError where the file is none, or no line of it is a rule."""

    kind = "list"

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._book = OrderedBook.read(path)
        if not self._book.rules:
            raise InputError(f"{path}: no line is a rule\n" + "\n".join(map(str, self._book.faults[:20])))
        self.fingerprint = hashlib.sha256(path.read_bytes()).hexdigest()
        self.parts: Mapping[str, str] = {"list": self.fingerprint}
        self.registry: Registry | None = None
        self.extra = 0
        # The last one is for texts that no rule matches.
        self._names = pl.Series([*(rule.name for rule in self._book.rules), None], dtype=pl.String)
        self._rules = pl.Series(
            [*(f"line {rule.line}: {rule.pattern}" for rule in self._book.rules), None], dtype=pl.String
        )

    @property
    def labels(self) -> Sequence[str]:
        return list(dict.fromkeys(rule.name for rule in self._book.rules))

    @property
    def notices(self) -> Sequence[str]:
        lost = len(self._book.faults)
        return [*self._book.notices, *([f"{lost:,} lines are no rules and decide nothing"] if lost else [])]

    def decide(self, rows: pl.DataFrame) -> pl.DataFrame:
        """As Side.decide."""
        first = self._book.first(rows["descriptor"])
        at = np.where(first < 0, len(self._book.rules), first)
        named = pl.Series(first >= 0)
        return pl.DataFrame(
            {
                "brand": self._names.gather(at),
                "tier": pl.select(pl.when(named).then(pl.lit("list"))).to_series(),
                "rule": self._rules.gather(at),
                "reason": pl.select(pl.when(~named).then(pl.lit("no-match"))).to_series(),
                "confidence": pl.Series([None] * rows.height, dtype=pl.Float32),
                "lost": pl.Series([False] * rows.height, dtype=pl.Boolean),
            },
            schema=SAID,
        )

    def finish(self, rows: int) -> None:
        """Nothing to check: every row was asked."""

    def explain(self, descriptor: str, **columns: object) -> Lines:
        """The line that decides, and those further down that match as well."""
        finds = [rule for at, rule in enumerate(self._book.rules) if self._book.finds(at, descriptor)]
        if not finds:
            return (("brand", "none"), ("decided by", "nobody: no line matches"))
        first, *rest = finds
        lines = [("brand", first.name), ("decided by", f"line {first.line}"), ("pattern", first.pattern)]
        if rest:
            shown = "; ".join(f"line {rule.line} ({rule.name})" for rule in rest[:5])
            lines.append(("also match", shown + (f"; {len(rest) - 5} more" if len(rest) > 5 else "")))
        return tuple(lines)

    def close(self) -> None:
        """Nothing to let go of."""
