"""What the engine's steps do, one function each; `engine.py` says in which order."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.core.arbitration import RANKED, REASONS, SPANS, Standing
from tierbreak.core.conditions import Cases, split
from tierbreak.core.normalise import normalise
from tierbreak.core.policy import SILENCES, weigh
from tierbreak.core.tables import EVIDENCE, TIERS, TOP_K
from tierbreak.parts import Parts
from tierbreak.settings import Settings

_NO_SPANS, _NO_EVIDENCE = pl.DataFrame(schema=SPANS), pl.DataFrame(schema=EVIDENCE)
_NO_KEYS = pl.Series("key", [], dtype=pl.String)
_NO_ANSWERS = pl.DataFrame(schema=RANKED)
_CACHE, _MODEL, _FALLBACK = (TIERS.index(tier) for tier in ("cache", "model", "fallback"))
_SILENCE = np.array([REASONS.index(name) for name in SILENCES], dtype=np.int8)


@dataclass(frozen=True)
class Texts:
    """Step 2: the distinct texts of a batch.

    of_row   int64 [n]: each row's text
    folded   String [texts]: what rules see; not unique where one folded text has two keys
    key      String [texts]: what cache and model see
    """

    of_row: np.ndarray
    folded: pl.Series
    key: pl.Series

    @classmethod
    def of(cls, descriptors: pl.Series, off: frozenset[str]) -> Texts:
        if len(descriptors) == 1:  # nothing to share: half of the time of a single row would go here
            both = normalise(descriptors, off=off)
            return cls(np.zeros(1, dtype=np.int64), both["folded"], both["key"])
        rows = descriptors.alias("descriptor").to_frame()
        distinct = rows.unique(maintain_order=True)
        both = normalise(distinct["descriptor"], off=off)
        texts = both.unique(maintain_order=True).with_row_index("text")
        known = distinct.hstack(both).join(texts, on=["folded", "key"], how="left", maintain_order="left")
        of_row = rows.join(known.select("descriptor", "text"), on="descriptor", how="left", maintain_order="left")
        return cls(of_row["text"].to_numpy().astype(np.int64), texts["folded"], texts["key"])


@dataclass(frozen=True)
class Evidence:
    """Steps 5 and 6: what cache and model know of some keys, policy applied.

    keys         String [k], distinct
    of_case      int64 [cases]: position of each case's key in `keys`, -1 where it was not asked
    tier         uint8 [k]; brands int32 [k, TOP_K], best first; confidences float32 [k, TOP_K]
    silence      int8 [k], a position in REASONS: why no brand is named, where none reaches its threshold
    """

    keys: pl.Series
    of_case: np.ndarray
    tier: np.ndarray
    brands: np.ndarray
    confidences: np.ndarray
    silence: np.ndarray

    def times(self, case_of_row: np.ndarray) -> np.ndarray:
        """int64 [k]: the rows that each key was asked for."""
        key = self.of_case[case_of_row]
        return np.bincount(key[key >= 0], minlength=len(self.keys))

    def ranked(self, which: np.ndarray) -> pl.DataFrame:
        """RANKED rows for the cases `which` (bool [cases]) that were asked."""
        if not len(self.keys):
            return _NO_ANSWERS
        case = np.flatnonzero(which & (self.of_case >= 0))
        key = self.of_case[case]
        columns = {
            "case": case,
            "tier": self.tier[key],
            "brands": pl.Series(self.brands[key], dtype=pl.Array(pl.Int32, TOP_K)),
            "confidences": pl.Series(self.confidences[key], dtype=pl.Array(pl.Float32, TOP_K)),
            "silence": self.silence[key],
        }
        return pl.DataFrame(columns, schema_overrides=RANKED)


def match(parts: Parts, texts: Texts) -> pl.DataFrame:
    """MATCHES whose `folded` is the position of a text; each distinct folded text is scanned once."""
    distinct = texts.folded.unique(maintain_order=True) if len(texts.folded) > 1 else texts.folded
    matches = parts.rules.judge(distinct)
    if len(distinct) == len(texts.folded):
        return matches
    places = texts.folded.alias("text").to_frame().with_row_index("place")
    index = distinct.alias("text").to_frame().with_row_index("folded")
    return (
        places.join(index, on="text")
        .join(matches, on="folded")
        .select(pl.col("place").alias("folded"), "rule", "match", "excluded")
    )


def cases(parts: Parts, batch: pl.DataFrame, texts: Texts, matches: pl.DataFrame, settings: Settings) -> Cases:
    """Rows x guards -> cases; rows without a date are read against `as_of`, else today."""
    return split(
        batch, texts.of_row, len(texts.folded), matches, parts.book.rules, parts.guarded,
        debits=settings.debits, as_of=settings.as_of or dt.date.today(),
    )  # fmt: skip


def spans(parts: Parts, texts: Texts, of: Cases, standing: Standing) -> pl.DataFrame:
    """SPANS of the doubtful matches: a call of the exact engine each, for contested texts only."""
    at = np.flatnonzero(standing.doubtful)
    if not len(at):
        return _NO_SPANS
    rows: list[tuple[int, int, int, int]] = []
    folded = texts.folded.gather(of.text[standing.case[at]]).to_list()
    for text, case, rule in zip(folded, standing.case[at].tolist(), standing.rule[at].tolist(), strict=True):
        rows += [(case, rule, start, end) for start, end in parts.rules.spans(text, rule)]
    return pl.DataFrame(rows, schema=SPANS, orient="row")


def ask(parts: Parts, texts: Texts, of: Cases, which: np.ndarray) -> tuple[Evidence, tuple[pl.Series, pl.DataFrame]]:
    """Cache, then model, for the keys of the cases `which`; beside it what the model said anew, for the cache."""
    if parts.model is None or not which.any():
        return _nothing(len(of.text)), (_NO_KEYS, _NO_EVIDENCE)
    keys, of_case = _wanted(texts, of, which)
    labels, scores, tier = _kept(parts, keys)
    left = np.flatnonzero(tier != _CACHE)
    unknown = keys.gather(left)
    fresh = parts.model.judge(unknown)
    at = left[fresh["key"].to_numpy()]
    labels[at], scores[at] = fresh["labels"].to_numpy(), fresh["scores"].to_numpy()
    return _weighed(parts, keys, of_case, tier, labels, scores), (unknown, fresh)


def recall(parts: Parts, texts: Texts, of: Cases, which: np.ndarray) -> Evidence:
    """The cache alone for the keys of the cases `which`; a key that it does not hold counts as not asked."""
    if parts.model is None or parts.cache is None or not which.any():
        return _nothing(len(of.text))
    keys, of_case = _wanted(texts, of, which)
    labels, scores, tier = _kept(parts, keys)
    known = np.flatnonzero(tier == _CACHE)
    place = np.full(len(keys) + 1, -1, dtype=np.int64)  # its last element stands for a case that asks nothing
    place[known] = np.arange(len(known))
    return _weighed(parts, keys.gather(known), place[of_case], tier[known], labels[known], scores[known])


def _nothing(cases: int) -> Evidence:
    empty = np.empty((0, TOP_K), dtype=np.int32)
    of_case = np.full(cases, -1, dtype=np.int64)
    return Evidence(_NO_KEYS, of_case, np.empty(0, np.uint8), empty, empty.astype(np.float32), np.empty(0, np.int8))


def _wanted(texts: Texts, of: Cases, which: np.ndarray) -> tuple[pl.Series, np.ndarray]:
    """The distinct keys of the cases `which`, and where each case's stands among them, -1 for the others."""
    of_case = np.full(len(of.text), -1, dtype=np.int64)
    wanted = texts.key.gather(of.text[which]).alias("key").to_frame()
    distinct = wanted.unique(maintain_order=True).filter(pl.col("key") != "").with_row_index("at")
    of_case[which] = wanted.join(distinct, on="key", how="left", maintain_order="left")["at"].fill_null(-1).to_numpy()
    return distinct["key"], of_case


def _kept(parts: Parts, keys: pl.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and tier of each key: what the cache holds, and room for what the model will say."""
    labels = np.zeros((len(keys), TOP_K), dtype=np.int32)
    scores = np.zeros((len(keys), TOP_K), dtype=np.float32)
    tier = np.full(len(keys), _FALLBACK if parts.fallback else _MODEL, dtype=np.uint8)
    if parts.cache is not None:
        known = parts.cache.judge(keys)
        at = known["key"].to_numpy()
        labels[at], scores[at], tier[at] = known["labels"].to_numpy(), known["scores"].to_numpy(), _CACHE
    return labels, scores, tier


def _weighed(
    parts: Parts, keys: pl.Series, of_case: np.ndarray, tier: np.ndarray, labels: np.ndarray, scores: np.ndarray
) -> Evidence:
    assert parts.model is not None
    found = weigh(parts.model.policy, parts.brand_of_label[labels], scores)
    return Evidence(keys, of_case, tier, found.brands, found.confidences, _SILENCE[found.silence])


def warm(parts: Parts, keys: list[str]) -> None:
    """Have the store hold what the model says of `keys`; asks for those alone that it lacks."""
    if parts.model is None or parts.cache is None or not keys:
        return
    asked = pl.Series(keys)
    known = parts.cache.judge(asked)["key"].to_numpy()
    unknown = asked.gather(np.setdiff1d(np.arange(len(asked)), known))
    if len(unknown):
        parts.cache.store(unknown, parts.model.judge(unknown))


def audited(texts: Texts, of: Cases, by_rules: np.ndarray, share: float) -> np.ndarray:
    """bool [cases]: a share of the cases that rules settled, chosen by a salted hash of the key."""
    limit = int(share * (1 << 64))
    keys = texts.key.to_list()
    chosen = by_rules.copy()
    for case in np.flatnonzero(by_rules):
        digest = hashlib.blake2b(keys[of.text[case]].encode(), digest_size=8, salt=b"audit").digest()
        chosen[case] = int.from_bytes(digest, "little") < limit
    return chosen
