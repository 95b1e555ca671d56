"""Traffic -> its texts, each with what rules and the model's kept answers say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak import pipeline
from tierbreak.core.tables import schema
from tierbreak.errors import SettingsError
from tierbreak.parts import Parts
from tierbreak.settings import Settings
from tierbreak.tools.rules.traffic import Replayed, Traffic, recalled, replays

#: Keys that the model is shown at once.
TOGETHER = 512

#: A line for each text and key. `ruled`: the brand index that rules settle, else -1; `open`: no rule finds it, not
#: even one in shadow; `known`: the model was asked; `brand` and `confidence`: its best brand, -1 and 0 where it names
#: none or is not sure enough to speak; `descriptor`: one of those that have this text.
TEXTS = schema(
    folded=pl.String, key=pl.String, descriptor=pl.String, n=pl.Float64, money=pl.Float64, ruled=pl.Int32,
    open=pl.Boolean, known=pl.Boolean, brand=pl.Int32, confidence=pl.Float32,
)  # fmt: skip


@dataclass(frozen=True)
class Mined:
    """What suggestions are mined from.

    name    of the traffic
    texts   TEXTS, ordered by text and key
    """

    name: str
    texts: pl.DataFrame

    @property
    def unknown(self) -> float:
        """Rows that no rule finds and the model was not asked about."""
        return float(self.texts.filter(pl.col("open") & ~pl.col("known"))["n"].sum())


def mine(
    parts: Parts, traffic: Traffic, settings: Settings, *, advance: Callable[[int], None] = lambda rows: None
) -> Mined:
    """Decide the traffic with rules and cache; the model is not asked.

    advance   told how many distinct rows a part had
    """
    found = []
    for part in replays(parts, traffic, settings):
        found.append(_texts(parts, part))
        advance(part.rows.height)
    return Mined(traffic.name, pl.concat(found).sort("folded", "key", "descriptor"))


def ask_model(
    parts: Parts, traffic: Traffic, settings: Settings, most: int, *, advance: Callable[[int], None] = lambda keys: None
) -> int:
    """Show the model at most `most` keys that no rule finds and the cache lacks, heaviest first, for the cache to keep.

    Returns how many it was shown. Raises SettingsError without a model or a cache.
    """
    if parts.model is None or parts.cache is None:
        raise SettingsError("the model is asked by way of the cache: leave out --no-model and --no-cache")
    texts = mine(parts, traffic, settings).texts.filter(pl.col("open") & ~pl.col("known") & (pl.col("key") != ""))
    by_key = texts.group_by("key").agg(pl.sum("n")).sort("n", "key", descending=[True, False])
    keys = by_key["key"].head(most).to_list()
    for start in range(0, len(keys), TOGETHER):
        pipeline.warm(parts, keys[start : start + TOGETHER])
        advance(min(TOGETHER, len(keys) - start))
    return len(keys)


def _texts(parts: Parts, part: Replayed) -> pl.DataFrame:
    still = part.settled.unsettled
    fired = np.zeros(len(part.n), dtype=bool)
    fired[part.standing.case] = True
    _, decided, lacking = recalled(parts, part, still)
    by_model = still & (decided.tier > 0)
    which = part.cases.text
    columns = {
        "folded": part.texts.folded.gather(which),
        "key": part.texts.key.gather(which),
        "descriptor": part.descriptors(np.arange(len(part.n))),
        "n": part.n,
        "money": part.money,
        "ruled": np.where(part.settled.tier == 0, part.settled.brand, -1),
        "open": still & ~fired,
        "known": still & ~lacking & (parts.model is not None and parts.cache is not None),
        "brand": np.where(by_model, decided.brand, -1),
        "confidence": np.where(by_model, decided.confidence, np.float32(0)),
    }
    return pl.DataFrame(columns, schema_overrides=TEXTS)


def tokens(key: str) -> Iterator[list[str]]:
    """Runs of words of a key that `words` may name: a number ends a run, and so does what is no ASCII word.

    >>> list(tokens("KETTLE & CO 12345 NORTH*SHOP"))
    [['KETTLE'], ['CO'], ['NORTH', 'SHOP']]
    """
    run: list[str] = []
    for word in key.replace("*", " ").replace("/", " ").replace("-", " ").replace(".", " ").split():
        bare = word.replace("'", "")
        if bare.isascii() and bare.isalnum() and sum(map(str.isdigit, bare)) < 3:
            run.append(word)
        elif run:
            yield run
            run = []
    if run:
        yield run
