"""What a timed run leaves behind: record/<date>-<machine>/<group>.csv and .json, figures beside what they hold for."""

from __future__ import annotations

import csv
import datetime as dt
import importlib.metadata
import json
import math
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.definition import Definition

FOLDER = Path(__file__).parent / "record"
PACKAGES = ("tierbreak", "polars", "numpy", "hyperscan", "google-re2", "lmdb", "onnxruntime", "tokenizers")
#: Fewer samples than this have no 99th percentile.
MANY = 100


@dataclass(frozen=True)
class Figures:
    """What was measured of one definition; times in seconds, of one call.

    seconds   wall-clock time of each call
    cpu       this process's own processor time of each call, all its threads: on a machine that others use
              too it is the steadier figure, and where a call waits it leaves the wait out
    model     the model's part of each of `seconds`, where that is taken apart; else zeros
    peak      most bytes of memory that a call took, where it ran in a process of its own; else 0
    """

    definition: Definition
    seconds: Sequence[float]
    cpu: Sequence[float]
    model: Sequence[float]
    peak: int = 0

    def row(self, others: Mapping[str, Figures]) -> dict[str, Any]:
        """One line of a record."""
        of, size = self.definition, self.definition.full
        rate = size.units / statistics.median(self.seconds)
        row = {
            "name": of.name,
            "unit": of.unit,
            "units": size.units,
            "cores": of.cores,
            "n": len(self.seconds),
            "median_seconds": _short(statistics.median(self.seconds)),
            "min_seconds": _short(min(self.seconds)),
            "max_seconds": _short(max(self.seconds)),
            "p99_seconds": _short(percentile(self.seconds, 99)) if len(self.seconds) >= MANY else None,
            "cpu_median_seconds": _short(statistics.median(self.cpu)),
            "model_median_seconds": _short(statistics.median(self.model)) if any(self.model) else None,
            "peak_bytes": self.peak or None,
            "rate": _short(rate),
            "best_rate": _short(size.units / min(self.seconds)),
            "rate_less_model": self._rate_less_model(),
            "rival": of.rival,
            "ratio": None,
        }
        if of.rival in others:
            rival = others[of.rival]
            row["ratio"] = _short(rate / (rival.definition.full.units / statistics.median(rival.seconds)))
        row["target"] = " ".join(f"{name}={value}" for name, value in of.target.items())
        row["met"] = _met(of.target, row)
        return row

    def _rate_less_model(self) -> float | None:
        if not any(self.model):
            return None
        rest = [all_ - model for all_, model in zip(self.seconds, self.model, strict=True)]
        return _short(self.definition.full.units / statistics.median(rest))


def percentile(seconds: Sequence[float], share: int) -> float:
    """The least of the samples that `share` percent of them do not exceed.

    >>> percentile([3.0, 1.0, 2.0, 4.0], 50)
    2.0
    """
    return sorted(seconds)[math.ceil(len(seconds) * share / 100) - 1]


def _met(target: Mapping[str, float], row: Mapping[str, Any]) -> str:
    """ "yes", "no", or "" where there is no target or what it is about was not measured."""
    found = {
        "rate": row["rate"], "rate_less_model": row["rate_less_model"], "ratio": row["ratio"],
        "median": row["median_seconds"], "p99": row["p99_seconds"],
    }  # fmt: skip
    if not target or any(found[name] is None for name in target):
        return ""
    least = ("rate", "rate_less_model", "ratio")
    return "yes" if all(
        found[name] >= value if name in least else found[name] <= value for name, value in target.items()
    ) else "no"  # fmt: skip


def about(fingerprints: Mapping[str, str], load: float) -> dict[str, Any]:
    """Machine, versions, fingerprints of what was measured, and the commit. `load`: its average before the run."""
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "memory_bytes": _memory_bytes(),
            "system": f"{platform.system()} {platform.machine()}",
            "load_average_before": round(load, 2),
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "fingerprints": dict(fingerprints),
        "commit": _commit(),
    }


def write(figures: Mapping[str, Figures], about: Mapping[str, Any]) -> Path:
    """Write the records of a run, one pair of files for each group that was run; returns their folder.

    A group that was run in part replaces its record with what was run: a record is of one run.
    """
    day = str(about["date"])[:10]
    folder = FOLDER / f"{day}-{_slug(processor())}-{os.cpu_count()}-cores"
    folder.mkdir(parents=True, exist_ok=True)
    for group in sorted({one.definition.group for one in figures.values()}):
        mine = [one for one in figures.values() if one.definition.group == group]
        rows = [one.row(figures) for one in mine]
        with (folder / f"{group}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, rows[0], lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        content = {**about, "figures": [
            {**row, "measures": one.definition.measures, "expect": one.definition.full.expect,
             "made_with": one.definition.full.make}
            for row, one in zip(rows, mine, strict=True)
        ]}  # fmt: skip
        (folder / f"{group}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return folder


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit checked out, `+` behind it where files differ from it; None outside a checkout."""
    git = ["git", "-C", str(FOLDER.parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed else "")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((?:R|TM)\)", "", text).lower()).strip("-")


def _short(value: float) -> float:
    """Four figures: more would be noise."""
    return float(f"{value:.4g}")
