"""The deciders. Each tier judges texts it is given and knows nothing of the others, the engine or the arbiter."""

from __future__ import annotations

from typing import Protocol

import polars as pl


class Tier(Protocol):
    """What the engine asks of a tier.

    fingerprint   hex digest of all that shapes this tier's answers
    judge(texts)  texts: String series of n distinct texts, no nulls. Returns MATCHES (tier `rules`) or
                  EVIDENCE (tiers `cache` and `model`), whose `folded` or `key` is a position in `texts`;
                  a text the tier has nothing to say about has no row.
    """

    @property
    def fingerprint(self) -> str: ...

    def judge(self, texts: pl.Series) -> pl.DataFrame: ...
