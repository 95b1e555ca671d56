"""Paired decisions in any number, made so that what must be counted of them is known before anything counts.

    python -m bench.paired ROWS FOLDER           make them
    python -m bench.paired ROWS FOLDER --count   count them: what was found, seconds of each part, memory

Rows are numbered; a row's number, walked through in strides, says what becomes of it: of every hundred, SHARES. Three
rows in ten have a key that no row before them had, the rest come back to these keys after Zipf's law; a key belongs to
one outcome, save that rows of outcome `family` share theirs with rows that are the same. Every user has 50 rows.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tierbreak.tools.compare.joint import Joint
from tierbreak.tools.compare.judging import Judged
from tierbreak.tools.compare.pairs import DECIDERS, OUTCOMES, PAIR, Pairs, SideFacts, TrafficFacts, Writer
from tierbreak.tools.compare.report.asjson import dumps
from tierbreak.tools.compare.report.markdown import markdown
from tierbreak.tools.compare.report.page import page
from tierbreak.tools.compare.reporting import Given, Report, report
from tierbreak.tools.compare.trial.experiment import experiment

BRANDS = 4_000
#: Of every hundred rows.
SHARES = {"same": 60, "both-abstain": 20, "family": 3, "changed": 4, "gained": 9, "lost": 4}
#: Rows of one user; and of how many rows one has no amount.
PER_USER, NO_MONEY = 50, 1_000
#: Brands are families of ten, the first of them the head.
PER_FAMILY = 10
REASONS = ("below-threshold", "no-known-brand")
_RULES, _CACHE, _MODEL, _LIST = (DECIDERS.index(name) for name in ("rules", "cache", "model", "list"))
_CLASS = np.repeat(np.arange(len(OUTCOMES)), [SHARES[outcome] for outcome in OUTCOMES])
#: Where the numbers of an outcome's rows start within a hundred.
_START = np.concatenate([[0], np.cumsum([SHARES[outcome] for outcome in OUTCOMES])[:-1]])
_STRIDE = 6_700_417  # a prime: rows of one user stand far apart


def pairs(folder: Path, rows: int) -> Pairs:
    """The Pairs of so many rows that lie, or are to lie, in a folder."""
    at = np.arange(BRANDS)
    names = tuple(f"Brand {brand:04d}" for brand in at)
    joint = Joint(
        tuple(f"brand-{brand:04d}" for brand in at), names, ("retail",) * BRANDS,
        (at // PER_FAMILY * PER_FAMILY).astype(np.int32), np.ones(BRANDS, bool),
    )  # fmt: skip
    rules = tuple(tuple(f"{side}.{rule}" for rule in range(BRANDS * 3)) for side in ("old", "new"))
    window = dt.date(2026, 1, 1), dt.date(2026, 1, 1) + dt.timedelta(days=59)
    return Pairs(
        folder, joint, (rules[0], rules[1]), REASONS,
        SideFacts("old", "list", "a" * 64), SideFacts("new", "engine", "b" * 64),
        TrafficFacts("invented", rows, has=frozenset({"amount", "date", "user"}), window=window),
    )  # fmt: skip


def make(folder: Path, rows: int) -> Pairs:
    """Write them; `rows` is a multiple of 10,000."""
    if rows % 10_000:
        raise ValueError(f"rows must be a multiple of 10,000, not {rows}")
    writer = Writer(folder)
    for start in range(0, rows, 1_000_000):
        writer.add(_part(np.arange(start, min(start + 1_000_000, rows)), rows))
    writer.flush()
    return pairs(folder, rows)


def _part(row: Any, rows: int) -> pl.DataFrame:
    number = (row * _STRIDE) % rows
    outcome = _CLASS[number % 100]
    share = np.array([SHARES[name] for name in OUTCOMES])[outcome]
    nth = number // 100 * share + number % 100 - _START[outcome]  # of its outcome
    new_keys = rows // 100 * share * 3 // 10
    scattered = _mixed(number) / 2.0**64
    # Zipf's law with exponent 1: the rank under which a share `u` of draws lies is the number of ranks to the u.
    rank = np.where(nth < new_keys, nth, np.minimum(new_keys**scattered, new_keys - 1).astype(np.int64))
    of = np.where(outcome == OUTCOMES.index("family"), OUTCOMES.index("same"), outcome)
    key = _mixed(rank * 8 + of + 1)
    chosen = _mixed(key)
    old = np.minimum(BRANDS * (chosen / 2.0**64) ** 3, BRANDS - 1).astype(np.int32)
    other = old - old % PER_FAMILY + (old + 1) % PER_FAMILY  # beside it in its family
    far = (old + PER_FAMILY * (1 + rank % 97)) % BRANDS
    is_ = {name: outcome == at for at, name in enumerate(OUTCOMES)}
    new = np.select([is_["family"], is_["changed"], is_["lost"] | is_["both-abstain"]], [other, far, -1], old)
    old = np.where(is_["gained"] | is_["both-abstain"], -1, old)
    tier = np.array([_RULES] * 6 + [_CACHE] * 3 + [_MODEL])[rank % 10]
    tier = np.where(new < 0, -1, tier)
    sure = (0.5 + (chosen % 500) / 1000).astype(np.float32)
    money = np.where(row % NO_MONEY == 0, np.nan, 10.0 + outcome)
    return pl.DataFrame({
        "row": row, "key": key, "user": _mixed(number // PER_USER + 1), "outcome": outcome, "money": money,
        "number": number, "rank": rank, "of": of, "n": np.ones(len(row)), "rebrand": is_["same"] & (rank % 50 == 0),
        "old_brand": old, "old_tier": np.where(old < 0, -1, _LIST), "new_brand": new, "new_tier": tier,
        "old_rule": np.where(old < 0, -1, old * 3 + rank % 3), "old_reason": np.full(len(row), -1),
        "new_rule": np.where(tier == _RULES, new * 3 + rank % 2, -1), "new_reason": np.where(new < 0, rank % 2, -1),
        "new_confidence": np.where(tier > _RULES, sure, np.nan),
    }).select(
        pl.lit(None, pl.Float32).alias(name) if name == "old_confidence"
        else pl.format("MERCHANT {} {} CITY {}", "of", "rank", pl.col("number") % 7).alias(name) if name == "descriptor"
        else (dt.date(2026, 1, 1) + pl.duration(days=pl.col("number") % 60)).cast(kind).alias(name) if name == "date"
        else pl.col(name).cast(kind).fill_nan(None) if kind in (pl.Float64, pl.Float32)
        else pl.col(name).cast(kind)
        for name, kind in PAIR.items()
    )  # fmt: skip


def _mixed(number: Any) -> Any:
    """Numbers scattered over 64 bits, none twice: splitmix64's finish (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        mixed = np.asarray(number).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))


def judged(pairs: Pairs, rows: int = 2_000) -> Judged:
    """A gold set of so many rows: the new side is right in nineteen of twenty, the old one in three of four."""
    at = np.arange(rows)
    truth = np.where(at % 4 == 3, -1, at * 7 % BRANDS).astype(np.int32)
    old = np.where(at % 4 == 0, (truth + 1) % BRANDS, truth).astype(np.int32)
    new = np.where(at % 20 == 0, (truth + 2) % BRANDS, truth).astype(np.int32)
    tier = [np.where(side < 0, -1, by).astype(np.int8) for side, by in ((old, _LIST), (new, _MODEL))]
    sure = np.where(new < 0, np.nan, 0.9 + at % 10 / 100).astype(np.float32)
    nothing = np.full(rows, np.nan, dtype=np.float32)
    return Judged(
        truth, at.astype(np.int64), np.ones(rows), (old, new), (tier[0], tier[1]), (nothing, sure),
        pl.Series([f"GOLD {row}" for row in range(rows)]), (0, 0),
    )  # fmt: skip


def exposures(rows: int) -> pl.DataFrame:
    """One exposure of each user that so many rows have: every second one in the new arm, seven of ten retained."""
    at = np.arange(rows // PER_USER)
    return pl.DataFrame({
        "user": [f"user-{user}" for user in at], "arm": np.where(at % 2 == 0, "old", "new"),
        "retained": (_mixed(at) % 10 < 7).astype(float), "before_retained": (_mixed(at) % 10 < 5).astype(float),
    })  # fmt: skip


def count(pairs: Pairs) -> tuple[Report, dict[str, float]]:
    """The whole report, written as page, Markdown and JSON; and the seconds of each part."""
    seconds: dict[str, float] = {}

    def take(name: str, what: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        found = what()
        seconds[name] = round(time.perf_counter() - start, 3)
        return found

    trial = take("experiment", lambda: experiment(exposures(pairs.traffic.rows)))
    made = take("report", lambda: report(pairs, Given(gold=judged(pairs), experiment=trial, cache_bytes=1 << 30)))
    for name, write in (("page", page), ("markdown", markdown)):
        take(name, lambda write=write: write(made.sections, heading=made.heading, opening=made.opening))
    take("json", lambda: dumps(made.sections, made.meta))
    return made, seconds


def answer(made: Report) -> dict[str, Any]:
    """What follows from how the rows were made, as it was counted."""
    found = {section.id: section.figures for section in made.sections}
    agreed = {one.unit: one for one in found["agreement"].by}
    return {
        "outcomes": {one.outcome: one.rows for one in found["agreement"].outcomes},
        "outcome_keys": {one.outcome: one.keys for one in found["agreement"].outcomes},
        **{unit: [one.total, one.exact, one.family] for unit, one in agreed.items()},
        "flow": {kind.outcome: kind.n for kind in found["flow"].kinds},
        "old": {one.decider: one.rows for one in found["attribution"].decides if one.side == "old"},
        "no_money": found["agreement"].no_money,
        "right": [found["correctness"].exact.right.old.part, found["correctness"].exact.right.new.part],
        "arms": list(found["experiment"].experiment.users),
    }


def peak_bytes() -> int:
    """The most memory that this process has had."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Paired decisions in any number, and what is counted of them.")
    parser.add_argument("rows", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", action="store_true", help="count what lies there")
    given = parser.parse_args()
    if not given.count:
        make(given.folder, given.rows)
        return
    made, seconds = count(pairs(given.folder, given.rows))
    used = {"cpu": time.process_time(), "peak_bytes": peak_bytes()}
    print(json.dumps({"answer": answer(made), "seconds": seconds, **used}))


if __name__ == "__main__":
    main()
