"""How often a cache would have known the answer, how often it could have at best, and what takes the rest away.

A lookup is a row that rules left open: the later tiers were asked its key. Asked one after the other in the order of
the traffic, beginning with an empty store, each lookup is one of five:

    hit          the store held the key
    switch       the key was asked before, but of another model: a new model begins with a new store
    capacity     the key was asked before, of this model, and has been dropped since to make room
    normaliser   the key is new, but says nothing that a coarser key would not say, and that one is not new
    cold         the key is new

The store is the engine's: two generations. What is new goes into the current one; once that is full, the older one is
emptied and takes its place. So what was stored first is forgotten first, used or not: no LRU.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.tools.compare.pairs import BUCKETS, DECIDERS, Pairs

#: Bytes that a record takes in the store, its share of pages that are not full included: from 143 to 151, counted on
#: stores of 1 to 64 MiB that are filled in small batches.
BYTES_A_KEY = 148

#: Lookups that are followed one by one. Of more, the keys of a share of all keys are followed in a smaller store.
FOLLOWED = 1_000_000

#: Groups of keys among those that are followed, whose differences say how sure the estimate is.
_GROUPS = 16

_OPEN = [DECIDERS.index(tier) for tier in ("cache", "model", "fallback")]
#: Reasons of abstentions that no later tier was asked about: the descriptor is blank; there is no later tier; a rule
#: says that it is no merchant's. The last is a model's as well: then no rule is named.
_UNASKED, _CLOSED = ("blank", "no-match"), "not-a-merchant"
#: The reasons that only a later tier has.
_LATER = frozenset({"below-threshold", "no-known-brand", "torn"})


@dataclass(frozen=True)
class Hits:
    """The lookups of a side; hit, switch, capacity, normaliser and cold add up to `lookups`.

    why         why nothing can be said; then every count is 0 and every share NaN
    rows        of the side, all of them
    keys        distinct ones among the lookups
    capacity_keys  keys that the store holds for sure, at most twice as many; None: it drops nothing
    hit, switch, capacity, normaliser, cold   lookups
    rate        hit / lookups
    ceiling     the rate of a store that keeps everything for ever: each key is missed once
    finer       the rate at best with a coarser key as well: ceiling + normaliser / lookups
    followed    lookups from which `capacity` comes: all of them, or those of a sample of the keys
    error       standard error of `rate`, 0 where nothing is estimated
    run         rows by who answered in the run itself: cache, model, fallback; those without a brand name no tier
    notices     what a reader must know
    """

    side: str
    why: str
    rows: int = 0
    lookups: int = 0
    keys: int = 0
    capacity_keys: int | None = None
    hit: int = 0
    switch: int = 0
    capacity: int = 0
    normaliser: int = 0
    cold: int = 0
    rate: float = math.nan
    ceiling: float = math.nan
    finer: float = math.nan
    followed: int = 0
    error: float = math.nan
    run: tuple[tuple[str, int], ...] = ()
    notices: tuple[str, ...] = ()


def keys_of(cache_bytes: int) -> int:
    """How many keys a store of so many bytes holds for sure: those of one generation, two fifths of it.

    >>> keys_of(1 << 30)
    2902004
    """
    return cache_bytes * 2 // 5 // BYTES_A_KEY


def hits(
    pairs: Pairs,
    side: str,
    *,
    capacity_keys: int | None = None,
    switches: Sequence[int | dt.date] = (),
    followed: int = FOLLOWED,
) -> Hits:
    """What a cache would have known of the lookups of `side`.

    side            old or new
    capacity_keys   keys that the store holds for sure, `keys_of` the engine's setting; None: it drops nothing
    switches        when another model took over, with a new and empty store: a position in the traffic, or a day: then
                    rows of that day or a later one are the new model's, those without a date the first one's
    followed        most lookups, about, that are followed one by one where keys are dropped

    A row that rules settled is no lookup; nor is an abstention on a blank descriptor, or one where a deny rule closes
    the case: no later tier was asked. Other abstentions are lookups, whatever their reason: where rules contest or
    deny a brand, the later tiers were asked as well. The key is the shipped normaliser's.

    A key counts under `normaliser` if another key of the same coarse form was asked before: its first two words,
    letters only. A form whose keys had different answers is too coarse and gives nothing away.

    Source of the sample: Waldspurger et al. 2015, "Efficient MRC construction with SHARDS"; for a store that is no
    LRU: Waldspurger et al. 2017, "Cache modeling and optimization using miniature simulations".
    """
    facts = pairs.old if side == "old" else pairs.new
    if facts.kind != "engine":
        return Hits(side, "it is no engine: it has no cache")
    counted = pairs.scan().group_by(f"{side}_tier", f"{side}_reason").agg(pl.len().alias("rows")).collect()
    tiers = {DECIDERS[tier]: 0 for tier in _OPEN}
    later = "model" in facts.parts
    for tier, reason, rows in counted.iter_rows():
        if tier in _OPEN:
            tiers[DECIDERS[tier]] += rows
        later = later or tier in _OPEN or (reason >= 0 and pairs.reasons[reason] in _LATER)
    total = int(counted["rows"].sum())
    if not later:
        return Hits(side, "it has no model: nothing is asked of a cache", total)
    later_models, outside = _models(pairs, switches)
    lookups, keys, switched, forms = _tally(pairs, side, later_models)
    run = tuple(tiers.items())
    if not lookups:
        return Hits(side, "rules settled every row: nothing was asked of a cache", total, capacity_keys=capacity_keys)
    normaliser = _coarser(forms)
    repeats = lookups - keys - switched
    lost, seen, error = 0, lookups, 0.0
    if capacity_keys is not None and keys > 2 * capacity_keys:
        lost, seen, error = _dropped(pairs, side, later_models, capacity_keys, lookups, keys, followed)
        lost = min(lost, repeats)
    notices = [f"a switch at {at} lies outside the traffic and counts for nothing" for at in outside]
    if "weight" in pairs.traffic.has:
        notices.append("rows have weights: a row is one lookup here whatever it weighs, as nobody knows when it came")
    hit = repeats - lost
    return Hits(
        side, "", total, lookups, keys, capacity_keys, hit, switched, lost, normaliser, keys - normaliser,
        hit / lookups, (lookups - keys) / lookups, (lookups - keys + normaliser) / lookups, seen, error, run,
        tuple(notices),
    )  # fmt: skip


def _lookups(rows: pl.LazyFrame, pairs: Pairs, side: str, later_models: Sequence[pl.Expr]) -> pl.LazyFrame:
    """The lookups among some rows; `model` counts the switches before each."""
    tier, reason, rule = (pl.col(f"{side}_{name}") for name in ("tier", "reason", "rule"))
    unasked = [at for at, name in enumerate(pairs.reasons) if name in _UNASKED]
    closed = [at for at, name in enumerate(pairs.reasons) if name == _CLOSED]
    silent = (tier == -1) & ~reason.is_in(unasked) & ~(reason.is_in(closed) & (rule >= 0))
    model = sum((later.cast(pl.UInt32) for later in later_models), pl.lit(0, dtype=pl.UInt32))
    return rows.filter(tier.is_in(_OPEN) | silent).with_columns(model.alias("model"))


def _models(pairs: Pairs, switches: Sequence[int | dt.date]) -> tuple[list[pl.Expr], list[str]]:
    """For each switch which rows come after it; and those that all rows come after, or none, which are left out."""
    later = [
        (pl.col("date") >= switch).fill_null(value=False) if isinstance(switch, dt.date) else pl.col("row") >= switch
        for switch in switches
    ]
    if not later:
        return [], []
    counts = (
        pairs.scan().select(pl.len(), *(each.sum().alias(str(at)) for at, each in enumerate(later))).collect().row(0)
    )
    inside = [0 < count < counts[0] for count in counts[1:]]
    outside = [str(switch) for switch, known in zip(switches, inside, strict=True) if not known]
    return [each for each, known in zip(later, inside, strict=True) if known], outside


def _tally(pairs: Pairs, side: str, later_models: Sequence[pl.Expr]) -> tuple[int, int, int, pl.DataFrame]:
    """Lookups, distinct keys, keys asked again of a later model, and one row a key: coarse form, first answer."""
    lookups = keys = switched = 0
    forms = []
    # The first answer of a key: in one number behind its row, so that the least of these numbers has it.
    first = (pl.col("row") * (1 << 24) + (pl.col(f"{side}_brand") + 1).cast(pl.UInt64)).min()
    for bucket in pairs.buckets():
        found = (
            _lookups(bucket, pairs, side, later_models)
            .group_by("key")
            .agg(
                pl.len().alias("times"),
                first.alias("first"),
                pl.col("descriptor").first(),  # equal keys are equal texts: any of them has the form
                pl.col("model").n_unique().alias("models"),
            )
            .collect()
        )
        lookups += int(found["times"].sum())
        keys += found.height
        switched += int(found["models"].sum()) - found.height
        forms.append(
            pl.DataFrame({"form": _coarse(found["descriptor"]), "answer": (found["first"] % (1 << 24)).cast(pl.UInt32)})
        )
    return lookups, keys, switched, pl.concat(forms)


def _coarse(descriptors: pl.Series) -> pl.Series:
    """UInt64: a hash of the first two words of the key, letters only; null where there is no letter."""
    words = normalise(descriptors)["key"].str.replace_all("'", "", literal=True).str.replace_all(r"[^\pL]+", " ")
    return (
        words.str.strip_chars(" ")
        .str.extract(r"^(\S+(?: \S+)?)")
        .to_frame("form")
        .select(pl.when(pl.col("form").is_not_null()).then(pl.col("form").hash()).alias("form"))["form"]
    )


def _coarser(forms: pl.DataFrame) -> int:
    """Keys that another one of the same form came before, of forms whose keys all have one answer."""
    groups = (
        forms.lazy()
        .drop_nulls("form")
        .group_by("form")
        .agg(pl.len().alias("keys"), pl.col("answer").min().alias("least"), pl.col("answer").max().alias("most"))
        .filter(pl.col("least") == pl.col("most"))
    )
    return int(groups.select((pl.col("keys") - 1).sum()).collect().item() or 0)


def _dropped(
    pairs: Pairs, side: str, later_models: Sequence[pl.Expr], capacity: int, lookups: int, keys: int, most: int
) -> tuple[int, int, float]:
    """Lookups of keys that had been dropped, lookups followed, and the standard error of the share of the former."""
    parts = 1 << 20
    share = min(1.0, most / lookups)
    # The first bits of a key name its bucket; these are others.
    part = pl.col("key") // BUCKETS % parts
    chosen = _lookups(pairs.scan(), pairs, side, later_models).filter(part < round(share * parts))
    rows = chosen.select("row", "key", "model").collect().sort("row")
    share = min(1.0, max(round(share * parts), 1) / parts)
    lost = follow(rows["key"], rows["model"], max(1, round(capacity * share)))
    if share == 1.0:
        return int(lost.sum()), rows.height, 0.0
    group = (rows["key"] // (BUCKETS * parts) % _GROUPS).to_numpy()
    distinct = rows["key"].unique()
    keys_of_group = np.bincount((distinct // (BUCKETS * parts) % _GROUPS).to_numpy(), minlength=_GROUPS)
    lost_of_group = np.bincount(group[lost], minlength=_GROUPS)
    a_key = lost.sum() / max(len(distinct), 1)
    spread = ((lost_of_group - a_key * keys_of_group) ** 2).sum() * _GROUPS / (_GROUPS - 1) * (1 - share)
    error = math.sqrt(spread) / max(len(distinct), 1) * keys / lookups
    return round(a_key * keys), rows.height, error


def follow(keys: pl.Series, models: pl.Series, generation: int) -> npt.NDArray[np.bool_]:
    """bool [n]: lookups of keys that the store of their model once held and has dropped.

    keys, models   [n], in the order of the traffic
    generation     keys of one generation, at least 1

    >>> follow(pl.Series([1, 2, 3, 1]), pl.Series([0, 0, 0, 0]), 1).tolist()
    [False, False, False, True]
    """
    stores: dict[int, tuple[set[int], set[int], set[int]]] = {}
    lost = []
    for at, (key, model) in enumerate(zip(keys.to_list(), models.to_list(), strict=True)):
        current, old, seen = stores.get(model) or stores.setdefault(model, (set(), set(), set()))
        if key in current or key in old:
            continue
        if key in seen:
            lost.append(at)
        seen.add(key)
        if len(current) >= generation:
            current, old = set(), current
            stores[model] = current, old, seen
        current.add(key)
    out = np.zeros(len(keys), dtype=np.bool_)
    out[lost] = True
    return out
