"""Hours of use in one process: threads that classify while others reload, go back, save rules and close.

    python -m bench.soak [--minutes 60] [--threads 4] [--out FILE]

Rules of two versions take turns, by `reload`, `rollback` and by saving the file that `watch` follows; every few seconds
the engine is closed under its callers and another one is loaded. Every answer must be that of the version whose
fingerprint it carries; an answer after `close` must be EngineError. Memory and open files are written down as it runs.

Any wrong answer, any other error, or a thread that does not come back ends the run with exit 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl

from bench.script import keep
from tierbreak import Engine, EngineError, Settings
from tierbreak.tools.models.simulate import Simulator
from tierbreak.tools.models.simulate.inputs import Inputs

#: Seconds after which an engine is closed and another one loaded.
LIFE = 10.0
_RULE = "brand: {brand}\nowner: soak\nrules: [{{id: soak.x, match: [{{words: SOAKTEST}}]}}]\n"


class Soak:
    """The engine of the moment, what each version says, and what went wrong."""

    def __init__(self, folder: Path, texts: list[str]) -> None:
        self.folder, self.texts = folder, [*texts, "SOAKTEST SHOP 12"]
        self.wrong: list[str] = []
        self.counts = dict.fromkeys(("rows", "reloads", "rollbacks", "saves", "closes", "refused"), 0)
        self.stop, self.lock = threading.Event(), threading.Lock()
        self.said: dict[str, dict[str, str | None]] = {}
        self.save("netflix")
        self.engine = self.load()
        for brand in ("netflix", "hulu"):
            self.save(brand)
            self.engine.reload()
            decisions = self.engine.classify(pl.DataFrame({"descriptor": self.texts}))
            said = dict(zip(self.texts, decisions["brand"].to_list(), strict=True))
            assert said["SOAKTEST SHOP 12"] == brand
            self.said[self.engine.fingerprint] = said

    def save(self, brand: str) -> None:
        passing = self.folder / "passing"
        passing.write_text(_RULE.format(brand=brand))
        passing.replace(self.folder / "soak.yaml")

    def load(self) -> Engine:
        return Engine.load(
            overlay=self.folder,
            cache=self.folder.parent / "cache",
            settings=Settings(state=self.folder.parent / "state"),
        )

    def count(self, what: str, n: int = 1) -> None:
        with self.lock:
            self.counts[what] += n

    def guarded(self, work: Any) -> None:
        """Do it over and over until the end; whatever it raises but EngineError is wrong."""
        chance = random.Random(threading.get_ident())
        while not self.stop.is_set():
            try:
                work(chance)
            except EngineError:
                self.count("refused")
            except Exception as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
                self.stop.set()

    def check(self, fingerprint: str, text: str, brand: str | None) -> None:
        if self.said.get(fingerprint, {}).get(text, "never seen") != brand:
            self.wrong.append(f"{fingerprint[:12]}: {text!r} -> {brand}")
            self.stop.set()

    def ask(self, chance: random.Random) -> None:
        engine, texts = self.engine, chance.choices(self.texts, k=chance.choice((1, 20, 2_000)))
        if len(texts) == 1:
            one = engine.classify_one(texts[0])
            self.check(one.fingerprint, texts[0], one.brand)
        elif len(texts) == 20:
            for text, decision in zip(texts, engine.classify_many(texts), strict=True):
                self.check(decision.fingerprint, text, decision.brand)
        else:
            result = engine.run(pl.DataFrame({"descriptor": texts}))
            for text, brand in zip(texts, result.rows["brand"].to_list(), strict=True):
                self.check(result.fingerprint, text, brand)
        self.count("rows", len(texts))

    def change(self, chance: random.Random) -> None:
        what = chance.choice(("reloads", "rollbacks", "saves"))
        if what == "saves":
            self.save(chance.choice(("netflix", "hulu")))
        elif what == "reloads":
            self.engine.reload()
        else:
            self.engine.rollback()
        self.count(what)
        self.stop.wait(0.3)

    def close(self, _: random.Random) -> None:
        if self.stop.wait(LIFE):
            return
        old, self.engine = self.engine, self.load()
        self.engine.watch(every=0.1)
        old.close()
        self.count("closes")


def resources() -> dict[str, int]:
    status = Path("/proc/self/status").read_text()
    rss = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return {"rss_mb": int(rss.split()[1]) // 1024, "files": len(os.listdir("/proc/self/fd"))}  # noqa: PTH208


def main() -> None:
    parser = argparse.ArgumentParser(description="Hours of use in one process.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    inputs = Inputs.find()
    texts = Simulator.of(inputs.registry, inputs.book, inputs.lists).traffic(3_000, seed=5)["descriptor"].to_list()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "rules"
        folder.mkdir()
        soak = Soak(folder, texts)
        works = [soak.ask] * given.threads + [soak.change, soak.close]
        threads = [threading.Thread(target=soak.guarded, args=(work,), daemon=True) for work in works]
        for thread in threads:
            thread.start()
        end, seen = time.monotonic() + 60 * given.minutes, [resources()]
        while not soak.stop.wait(min(30.0, max(0.0, end - time.monotonic()))) and time.monotonic() < end:
            seen.append(resources())
            print(json.dumps({**soak.counts, **seen[-1]}), flush=True)
        soak.stop.set()
        for thread in threads:
            thread.join(120)
        stuck = sum(thread.is_alive() for thread in threads)
        soak.engine.close()
    figures = {**soak.counts, "minutes": given.minutes, "wrong": soak.wrong[:10], "stuck": stuck, "seen": seen}
    print(json.dumps({**figures, "seen": [seen[0], seen[-1]]}, indent=2))
    print(keep("soak", figures, {}, load, [], given.out))
    sys.exit(1 if soak.wrong or stuck else 0)


if __name__ == "__main__":
    main()
