"""Which keys the model is shown, where it is asked for some: the cache then holds what it says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from tierbreak import pipeline
from tierbreak.errors import SettingsError
from tierbreak.parts import Parts
from tierbreak.settings import Settings
from tierbreak.tools.rules.traffic.read import Traffic
from tierbreak.tools.rules.traffic.replay import Replayed, replays

#: Keys that the model is shown at once.
TOGETHER = 512


def ask_model(
    parts: Parts, traffic: Traffic, settings: Settings, most: int, *, advance: Callable[[int], None] = lambda keys: None
) -> int:
    """Show the model at most `most` keys of rows that rules decide, and keep what it says in the cache.

    First the heaviest key of each rule that the cache does not know, then the second of each, and so on: a rule of few
    rows is asked about as well. Returns how many keys it was shown. Raises SettingsError without a model or a cache.
    """
    if parts.model is None or parts.cache is None:
        raise SettingsError("the model is asked by way of the cache: leave out --no-model and --no-cache")
    best: pl.DataFrame | None = None
    for part in replays(parts, traffic, settings):
        found = _unknown(parts, part)
        best = _first(pl.concat([best, found]) if best is not None else found, most)
    keys = best["key"].to_list() if best is not None else []
    for start in range(0, len(keys), TOGETHER):
        pipeline.warm(parts, keys[start : start + TOGETHER])
        advance(min(TOGETHER, len(keys) - start))
    return len(keys)


def _unknown(parts: Parts, part: Replayed) -> pl.DataFrame:
    """rule, key, n: what rules decide and the cache does not know."""
    case = np.flatnonzero(part.settled.rule >= 0)
    which = np.zeros(len(part.n), dtype=bool)
    which[case] = True
    known = pipeline.recall(parts, part.texts, part.cases, which).of_case[case] >= 0
    keys = part.texts.key.gather(part.cases.text[case])
    table = pl.DataFrame({"rule": part.settled.rule[case], "key": keys, "n": part.n[case]})
    return table.filter(~known, pl.col("key") != "")


def _first(found: pl.DataFrame, most: int) -> pl.DataFrame:
    """The `most` keys to ask first; a key that several rules decide is one."""
    whole = found.group_by("rule", "key").agg(pl.sum("n")).sort("rule", "n", "key", descending=[False, True, False])
    turn = pl.int_range(pl.len()).over("rule").alias("turn")
    ordered = whole.with_columns(turn).sort("turn", "n", "key", descending=[False, True, False])
    return ordered.unique("key", keep="first", maintain_order=True).head(most).select("rule", "key", "n")
