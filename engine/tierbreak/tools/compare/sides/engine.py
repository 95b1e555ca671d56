"""An engine as a side: loaded for this comparison, with a cache of its own that is thrown away after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import polars as pl

from tierbreak.core.tables import GUARDED
from tierbreak.engine import Engine
from tierbreak.files import atomic
from tierbreak.registry import Registry
from tierbreak.settings import Settings
from tierbreak.tools.compare.sides.side import SAID, Lines


class EngineSide:
    """An engine that is asked.

    loading   what `Engine.load` takes. Nothing is read from, or written to, the cache of an engine in service
    """

    kind = "engine"

    def __init__(self, name: str, loading: Mapping[str, Any], settings: Settings) -> None:
        self.name = name
        self._stack = ExitStack()
        folder = self._stack.enter_context(atomic.scratch())
        # No memo: what a tier takes, and what the cache holds, is what is compared.
        plain = settings.model_copy(update={"memo_rows": 0})
        self.engine = Engine.load(**loading, cache=folder / "cache", settings=plain)
        self.fingerprint, self.parts = self.engine.fingerprint, self.engine.fingerprints
        self.registry: Registry | None = self.engine.parts.registry
        self.extra = 0

    @property
    def labels(self) -> Sequence[str]:
        return self.engine.parts.registry.ids

    @property
    def notices(self) -> Sequence[str]:
        return self.engine.notices

    def decide(self, rows: pl.DataFrame) -> pl.DataFrame:
        """As Side.decide."""
        given = rows.select("descriptor", *(name for name in GUARDED if name in rows.columns))
        said = self.engine.classify(given)
        return said.select(
            "brand", pl.col("tier").cast(pl.String), "rule", "reason", "confidence", pl.lit(False).alias("lost")
        ).cast(SAID)

    def finish(self, rows: int) -> None:
        """Nothing to check: every row was asked."""

    def explain(self, descriptor: str, **columns: object) -> Lines:
        """The record of one decision, as `tierbreak explain` has it."""
        found = self.engine.explain(descriptor, **columns)
        decision = found.decision
        lines = [
            ("brand", f"{decision.brand} ({decision.brand_name})" if decision.brand else "none"),
            ("decided by", decision.tier or f"nobody: {decision.reason}"),
            ("rule", decision.rule or ""),
            ("confidence", "" if decision.confidence is None else f"{decision.confidence:.3f} ({decision.band})"),
            ("candidates", ", ".join(decision.candidates)),
            ("collision", decision.collision or ""),
            ("why", found.why),
            ("key", found.key),
        ]
        return tuple((what, value) for what, value in lines if value)

    def close(self) -> None:
        """End the engine and take its cache away."""
        self.engine.close()
        self._stack.close()
