"""This engine against the one of another commit, and against what stands in its place, on the same rows in one run.

    python -m bench.versus COMMIT [--rounds 5] [--rows 200000] [--file-rows 1000000] [--out FILE]

The other commit is checked out aside; both engines run in processes of their own, in turns, on one core (`file` on
all). No model, no cache. What is measured, in rows a second:

    distinct    a batch of distinct rows, nine in ten nobody's; beside it `re2.Set` of the registry's bare names,
                which finds much less, and says neither which rule wins nor why
    contested   a batch of distinct rows in each of which two brands are named
    one         `classify_one` of the distinct rows, and a batch of one row by the same engine; percentiles as well
    argued      `classify_one` of contested rows that were not asked before
    file        `tierbreak classify` from Parquet to Parquet; beside it polars alone, which reads, joins back, writes

Before any time is taken both engines must decide every row alike; otherwise there is no figure.

Predicted before the first run: distinct 2.9 times the commit before (its profile had a fifth in empty lists, two
fifths in keys nobody asked for, an eighth in calls of RE2), one row 60 times a batch of one, the file twice.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from bench.script import keep

ROOT = Path(__file__).parents[1]

#: Runs in a process whose tierbreak is that of one commit: loads once, then answers a line of JSON for each work asked.
WORKER = """
import datetime as dt, hashlib, json, sys, time
import numpy as np, polars as pl
from tierbreak import Engine, Settings
engine = Engine.load(model=None, cache=None, settings=Settings(as_of=dt.date(2026, 1, 1)))
rows = {name: pl.read_parquet(f"{sys.argv[1]}/{name}.parquet") for name in ("distinct", "contested")}

def answer(name):
    out = engine.classify(rows[name]).with_columns(pl.col("candidates").list.join("|"))
    return [hashlib.sha256(out.write_csv().encode()).hexdigest(), int(out["collision"].is_not_null().sum())]

def batch(name):
    start = time.perf_counter()
    engine.classify(rows[name])
    return rows[name].height / (time.perf_counter() - start)

def singles(texts, call):
    times = []
    for text in texts:
        start = time.perf_counter_ns()
        call(text)
        times.append(time.perf_counter_ns() - start)
    micros = np.array(times) / 1000
    return {"p50": float(np.median(micros)), "p99": float(np.percentile(micros, 99)), "mean": float(micros.mean())}

def one(at):
    texts = rows["distinct"]["descriptor"].to_list()[at * 5000 : (at + 1) * 5000]
    return singles(texts, engine.classify_one)

def argued(at):
    return singles(rows["contested"]["descriptor"].to_list()[at * 300 : (at + 1) * 300], engine.classify_one)

def one_by_batch(at):
    texts = rows["distinct"]["descriptor"].to_list()[at * 300 : (at + 1) * 300]
    return singles(texts, lambda text: engine.classify(pl.DataFrame({"descriptor": [text]})))

for line in sys.stdin:
    name, *given = json.loads(line)
    print(json.dumps(globals()[name](*given)), flush=True)
"""


class Side:
    """An engine of one commit, in a process of its own."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.tree = tree
        self.environment = {
            **os.environ, "PYTHONPATH": str(tree / "engine"), "TIERBREAK_STATE": str(folder / tree.name),
        }  # fmt: skip
        one_core = {**self.environment, "POLARS_MAX_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(folder)], env=one_core, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, *work: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(work), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def file(self, source: Path, out: Path) -> float:
        """Seconds of one run of the command line."""
        code = "import sys; from tierbreak.cli import main; sys.argv[0] = 'tierbreak'; main()"
        command = [sys.executable, "-c", code, "classify", str(source), "-o", str(out), "--no-model", "--quiet"]
        start = time.perf_counter()
        subprocess.run(command, check=True, env=self.environment)
        return time.perf_counter() - start

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def haystack(folder: Path, rows: int, file_rows: int) -> None:
    """distinct.parquet, contested.parquet and file.parquet, from the simulator and the shipped rules' own examples."""
    from tierbreak.tools.models.simulate import Simulator
    from tierbreak.tools.models.simulate.inputs import Inputs

    inputs = Inputs.find()
    simulator = Simulator.of(inputs.registry, inputs.book, inputs.lists)
    made = simulator.traffic(2 * rows, seed=1, no_brand=0.9)["descriptor"].unique(maintain_order=True).head(rows)
    pl.DataFrame({"descriptor": made}).write_parquet(folder / "distinct.parquet")
    shown = [rule.examples[0].descriptor for rule in inputs.book.rules if rule.examples and not rule.deny]
    pairs = [f"{one} {other}" for one, other in zip(shown, shown[1:] + shown[:1], strict=True)]
    pl.DataFrame({"descriptor": list(dict.fromkeys(pairs))}).write_parquet(folder / "contested.parquet")
    distinct = simulator.traffic(file_rows // 4, seed=2)["descriptor"]
    pl.concat([distinct] * 4).alias("descriptor").to_frame().with_row_index("id").sample(
        fraction=1.0, shuffle=True, seed=3
    ).write_parquet(folder / "file.parquet")


def by_set(folder: Path) -> list[float]:
    """Rows a second of `re2.Set` with every bare name of the registry, three times."""
    import re2

    from tierbreak.core.normalise import folded
    from tierbreak.tools.models.simulate.inputs import Inputs

    options = re2.Options()
    options.case_sensitive, options.max_mem = False, 1 << 30
    names = re2.Set.SearchSet(options)
    for brand in Inputs.find().registry.brands:
        names.Add(rf"\b{re2.escape(brand.name.upper())}\b")
    names.Compile()
    rows = pl.read_parquet(folder / "distinct.parquet")["descriptor"]
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        for text in folded(rows).to_list():
            names.Match(text)
        rates.append(len(rows) / (time.perf_counter() - start))
    return rates


def by_polars(source: Path, out: Path) -> float:
    """Seconds that polars alone takes for what any way of doing it must do."""
    start = time.perf_counter()
    rows = pl.read_parquet(source)
    distinct = rows.select("descriptor").unique(maintain_order=True).with_row_index("place")
    rows.join(distinct, on="descriptor", how="left", maintain_order="left").write_parquet(out)
    return time.perf_counter() - start


def compared(new: Side, old: Side, folder: Path, rounds: int, file_rows: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name in ("distinct", "contested"):
        ours, theirs = new.ask("answer", name), old.ask("answer", name)
        if ours != theirs:
            sys.exit(f"{name}: the two commits decide otherwise ({ours} and {theirs}); there is nothing to time")
        rates = {"new": [], "old": []}
        for _ in range(rounds):
            rates["new"].append(new.ask("batch", name))
            rates["old"].append(old.ask("batch", name))
        figures[name] = {side: statistics.median(each) for side, each in rates.items()}
        figures[name]["ratio"] = figures[name]["new"] / figures[name]["old"]
    figures["distinct"]["re2.Set"] = statistics.median(by_set(folder))
    for name in ("one", "argued", "one_by_batch"):
        each = {"new": [], "old": []}
        for at in range(rounds):
            each["new"].append(new.ask(name, at))
            each["old"].append(old.ask(name, at))
        figures[name] = {
            side: {part: statistics.median(one[part] for one in taken) for part in ("p50", "p99", "mean")}
            for side, taken in each.items()
        }
    figures["one"]["times a batch of one"] = figures["one_by_batch"]["new"]["p50"] / figures["one"]["new"]["p50"]
    source, out = folder / "file.parquet", folder / "out.parquet"
    seconds = {"new": [], "old": [], "polars": []}
    for _ in range(rounds):
        seconds["new"].append(new.file(source, out))
        seconds["old"].append(old.file(source, out))
        seconds["polars"].append(by_polars(source, out))
    figures["file"] = {side: file_rows / statistics.median(each) for side, each in seconds.items()}
    figures["file"]["ratio"] = figures["file"]["new"] / figures["file"]["old"]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="This engine against that of another commit.")
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--file-rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            ["git", "worktree", "add", "--quiet", "--detach", folder / "before", given.commit], cwd=ROOT, check=True
        )
        try:
            haystack(folder, given.rows, given.file_rows)
            new, old = Side(ROOT, folder), Side(folder / "before", folder)
            figures = compared(new, old, folder, given.rounds, given.file_rows)
            new.close()
            old.close()
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", folder / "before"], cwd=ROOT, check=True)
    figures["against"] = given.commit
    print(json.dumps(figures, indent=2))
    print(keep("versus", figures, {}, load, [], given.out))


if __name__ == "__main__":
    main()
