"""What a Shadow costs its caller: `classify_one` alone and with a shadow side at full sample, in one run.

    python -m bench.shadow                    ten rounds, about five minutes
    python -m bench.shadow --rounds 2 --calls 200

Measured: seconds of each call, at full speed and paced. Old and new side are the shipped engine: the new one is loaded
again in its own process, as always, without a cache. A round asks the same descriptors alone and with the shadow,
every second round the other way about, so that what the machine does meanwhile falls on both. Alone is alone: no
Shadow exists then. A shadow's block begins when its process has answered a first batch.

The ratio of the 99th percentiles is over all rounds together; its interval comes from drawing whole rounds again.

Bias. The descriptors are examples of rules and others that the cache knows, every one asked before: no call of the
caller reaches the model, which would drown the difference. Each row goes to the shadow side at once after it is
asked, none is left out: against us. One thread asks: a caller that uses every core has none to spare.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.script import keep
from tierbreak import Engine, Settings, Shadow

#: The most that the caller's 99th percentile may grow by.
TARGET = 1.05

#: Seconds that a shadow side may take to come up, and to answer what waits at the end.
PATIENCE = 120.0

WAYS = ("alone", "shadow")


@dataclass
class Rounds:
    """Seconds of every call at one pace, a list a round; `load` is the machine's before each round."""

    alone: list[list[float]] = field(default_factory=list)
    shadow: list[list[float]] = field(default_factory=list)
    load: list[float] = field(default_factory=list)

    def figures(self, draws: int = 2_000) -> dict[str, Any]:
        """Milliseconds of both ways, and how many times as long the shadow's are, with 95 % intervals."""
        out: dict[str, Any] = {"rounds": len(self.alone), "calls": sum(map(len, self.alone)), "load": self.load}
        for share in (50, 99):
            for way in WAYS:
                out[f"{way}_p{share}_ms"] = float(
                    f"{1e3 * np.percentile(np.concatenate(getattr(self, way)), share):.4g}"
                )
            low, ratio, high = self._ratio(share, draws)
            out[f"ratio_p{share}"], out[f"ratio_p{share}_interval"] = ratio, [low, high]
        return out

    def _ratio(self, share: int, draws: int) -> tuple[float, float, float]:
        alone, shadow = (np.array(getattr(self, way)) for way in WAYS)
        chance = np.random.default_rng(0)
        rounds = chance.integers(len(alone), size=(draws, len(alone)))
        drawn = [np.percentile(shadow[at], share) / np.percentile(alone[at], share) for at in rounds]
        low, high = np.percentile(drawn, (2.5, 97.5))
        found = np.percentile(shadow, share) / np.percentile(alone, share)
        return tuple(round(float(value), 4) for value in (low, found, high))  # type: ignore[return-value]


def descriptors(engine: Engine, count: int) -> list[str]:
    """So many distinct ones: three in five are examples of rules, the others no rule settles."""
    examples = [example.descriptor for rule in engine.parts.book.rules for example in rule.examples]
    chance = np.random.default_rng(0)
    ruled = list(dict.fromkeys(examples))
    ruled = [ruled[at] for at in chance.permutation(len(ruled))[: count * 3 // 5]]
    others = [
        f"LOCAL SHOP {chr(65 + at % 26)}{chr(65 + at // 26 % 26)} NO BRAND {at}" for at in range(count - len(ruled))
    ]
    mixed = [*ruled, *others]
    return [mixed[at] for at in chance.permutation(len(mixed))]


def block(ask: Callable[[str], object], texts: Sequence[str], pace: float) -> list[float]:
    """Seconds of each call; `pace` calls a second at most, 0 for as fast as it goes."""
    out = []
    due = time.perf_counter()
    for text in texts:
        if pace:
            due += 1 / pace
            time.sleep(max(0.0, due - time.perf_counter()))
        start = time.perf_counter()
        ask(text)
        out.append(time.perf_counter() - start)
    return out


def with_shadow(engine: Engine, texts: Sequence[str], pace: float, log: Path) -> tuple[list[float], dict[str, int]]:
    """A block with a shadow side that is up; beside it what became of its rows."""
    shadow = Shadow(engine, engine, log=log)
    try:
        shadow.classify_one(texts[0])
        end = time.monotonic() + PATIENCE
        while not shadow.counts.sent:
            if time.monotonic() > end or not shadow.alive:
                raise RuntimeError("the shadow side did not come up")
            time.sleep(0.01)
        seconds = block(shadow.classify_one, texts, pace)
    finally:
        shadow.close(PATIENCE)
    return seconds, vars(shadow.counts)


def measure(rounds: int, calls: int, paces: Sequence[float]) -> dict[str, Any]:
    """The figures of each pace, and what became of the rows that were shown to the new side."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with Engine.load(cache=place / "cache", settings=Settings.of(threads=1)) as engine:
            texts = descriptors(engine, calls)
            alone = [engine.classify_one(text) for text in texts]
            found = {pace: Rounds() for pace in paces}
            totals = dict.fromkeys(("asked", "sampled", "sent", "dropped"), 0)
            for at in range(rounds):
                for pace, kept in found.items():
                    kept.load.append(round(os.getloadavg()[0], 2))
                    for way in WAYS if at % 2 == 0 else WAYS[::-1]:
                        gc.collect()
                        if way == "alone":
                            block(engine.classify_one, texts[:50], 0)
                            kept.alone.append(block(engine.classify_one, texts, pace))
                        else:
                            seconds, counts = with_shadow(engine, texts, pace, place / "log.jsonl")
                            kept.shadow.append(seconds)
                            totals = {name: totals[name] + counts[name] for name in totals}
            if any(engine.classify_one(text).brand != was.brand for text, was in zip(texts, alone, strict=True)):
                raise AssertionError("the old side answers otherwise with a shadow beside it")
            fingerprints = engine.fingerprints
    paced = {f"{pace:g} a second" if pace else "full speed": kept.figures() for pace, kept in found.items()}
    return {"paces": paced, "rows": totals, "target": TARGET, "fingerprints": fingerprints}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--pace", type=float, nargs="*", default=[0.0, 200.0], help="calls a second; 0 is full speed")
    parser.add_argument("--out", type=Path, default=None, help="the record; by default beside the others")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    found = measure(given.rounds, given.calls, given.pace)
    for pace, figures in found["paces"].items():
        print(f"{pace}, {figures['calls']} calls each way in {figures['rounds']} rounds")
        for share in (50, 99):
            low, high = figures[f"ratio_p{share}_interval"]
            print(
                f"  p{share}: alone {figures[f'alone_p{share}_ms']:g} ms, with a shadow "
                f"{figures[f'shadow_p{share}_ms']:g} ms: {figures[f'ratio_p{share}']:g} times ({low:g} to {high:g})"
            )
    print(f"rows shown: {found['rows']}")
    print(f"written to {keep('shadow', found, found.pop('fingerprints'), load, (), given.out)}", file=sys.stderr)


if __name__ == "__main__":
    main()
