"""How long one descriptor takes, by the tier that answers it, and what a million rows cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from tierbreak.engine import Engine
from tierbreak.tools.compare.pairs import DECIDERS, Pairs

#: In place of a tier: nobody answered.
NOBODY = "abstained"

#: Distinct descriptors of each tier that are asked, calls before any is counted, and seconds that all of it may take.
EACH, WARM, SECONDS = 200, 50, 3.0


@dataclass(frozen=True)
class Times:
    """Calls that one tier answered; milliseconds, NaN where there are too few: 95 % from 20 on, 99 % from 100 on."""

    tier: str
    n: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Latency:
    """One descriptor at a time, on the machine that compared. `why` says why nothing was measured."""

    side: str
    why: str
    tiers: tuple[Times, ...] = ()
    all: Times | None = None


@dataclass(frozen=True)
class Throughput:
    """The run in batches.

    wall, cpu     seconds; of the processor: of all cores together
    rate          rows a second; NaN where there is no time to speak of
    cpu_million   seconds of one core for a million rows
    cost_million  what they cost at `core_hour`, in `currency`; NaN where no price is given
    """

    side: str
    rows: int
    wall: float
    cpu: float
    rate: float
    cpu_million: float
    core_hour: float
    currency: str
    cost_million: float


def throughput(
    side: str, rows: int, wall: float, cpu: float, *, core_hour: float | None = None, currency: str = ""
) -> Throughput:
    """What a run of `rows` rows says of a million.

    core_hour   price of an hour of one core; None: no price is given

    >>> found = throughput("new", 500_000, 2.0, 3.6, core_hour=0.05, currency="EUR")
    >>> found.rate, found.cpu_million, found.cost_million
    (250000.0, 7.2, 0.0001)
    """
    million = cpu / rows * 1e6 if rows else math.nan
    price = math.nan if core_hour is None else core_hour
    rate = rows / wall if wall > 0 and rows else math.nan
    return Throughput(side, rows, wall, cpu, rate, million, price, currency, million / 3600 * price)


def asked(pairs: Pairs, side: str, *, each: int = EACH, seed: int = 0) -> list[str]:
    """Distinct descriptors to ask a side, drawn at random: at most `each` of those that a tier decided.

    They come mixed, so that what the machine does meanwhile falls on all tiers alike. One that more than one tier
    decided, model and cache say, counts for the first of DECIDERS; those that nobody decided are a group of their own.
    Blank ones are left out. The same traffic and seed give the same descriptors.
    """
    tier = pl.col(f"{side}_tier")
    found: list[pl.DataFrame] = []
    for bucket in pairs.buckets():
        distinct = bucket.select(
            "descriptor", pl.when(tier < 0).then(len(DECIDERS)).otherwise(tier).cast(pl.Int8).alias("tier")
        ).filter(pl.col("descriptor").str.strip_chars() != "")
        best = distinct.group_by("descriptor").agg(pl.col("tier").min())
        # Drawn by a hash: the order in which rows come out of a query is not always the same.
        drawn = best.with_columns(pl.col("descriptor").hash(seed).alias("drawn"))
        found.append(drawn.filter(pl.col("drawn").rank("ordinal").over("tier") <= each).collect())
    rows = pl.concat(found).sort("drawn", "descriptor") if found else pl.DataFrame(schema={"descriptor": pl.String})
    return rows.filter(pl.int_range(pl.len()).over("tier") < each)["descriptor"].to_list() if rows.height else []


def latency(
    ask: Callable[[str], str | None],
    descriptors: Sequence[str],
    *,
    side: str = "new",
    warm: int = WARM,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> Latency:
    """Ask one descriptor at a time, and take the time of each.

    ask           answers a descriptor and names the tier that did, None where it abstains
    descriptors   in the order in which they are to be asked. The first `warm` of them, and at most a tenth, are asked
                  without being counted: the first calls of a process find nothing ready
    seconds       after so many no further one is asked
    clock         seconds

    Each call counts for the tier that it names itself: what a model decided in the run may be a cache's by now.
    """
    given = list(descriptors)
    if not given:
        return Latency(side, "there is no descriptor to ask")
    end = clock() + seconds
    uncounted = min(warm, len(given) // 10)
    times: dict[str, list[float]] = {}
    for at, descriptor in enumerate(given):
        start = clock()
        if start > end and times:
            break
        tier = ask(descriptor)
        took = clock() - start
        if at >= uncounted:
            times.setdefault(tier or NOBODY, []).append(1e3 * took)
    order = [name for name in (*DECIDERS, NOBODY) if name in times]
    every = [took for part in times.values() for took in part]
    return Latency(side, "", tuple(_times(name, times[name]) for name in order), _times("all", every))


def of_engine(engine: Engine, descriptors: Sequence[str], *, side: str = "new", seconds: float = SECONDS) -> Latency:
    """The same of an engine, each descriptor twice: first with an empty cache, so that the model is asked.

    engine   one that was loaded to be compared, without a memo: its cache is emptied

    Rules that settle a descriptor settle it both times, and count twice.
    """
    if engine.parts.cache is not None:
        engine.parts.cache.clear()
    both = [text for start in range(0, len(descriptors), WARM) for text in 2 * list(descriptors[start : start + WARM])]
    return latency(lambda text: engine.classify_one(text).tier, both, side=side, seconds=seconds)


def unasked(side: str) -> Latency:
    """Of a file of decisions: it cannot be asked anything."""
    return Latency(side, "it is a file of decisions, which nobody can time")


def _times(tier: str, took: Sequence[float]) -> Times:
    ordered = sorted(took)

    def percentile(share: int) -> float:
        # The least that `share` percent do not exceed; of fewer calls than 100 / (100 - share) it would be the longest.
        if len(ordered) * (100 - share) < 100:
            return math.nan
        return ordered[math.ceil(len(ordered) * share / 100) - 1]

    return Times(tier, len(ordered), *(percentile(share) for share in (50, 95, 99)))
