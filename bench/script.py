"""What the benchmarks share that run as scripts of their own: the keys they ask, and the record they leave."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from bench import record
from bench.model import calibration_keys
from tierbreak.core.normalise import normalise


def keys_of(folder: Path, descriptors: Path | None) -> pl.Series:
    """Distinct keys: of the file's descriptors, one a line, or of the model's own calibration split."""
    if descriptors is None:
        return calibration_keys(folder)
    lines = pl.Series(descriptors.read_text(encoding="utf-8").splitlines(), dtype=pl.String)
    return normalise(lines)["key"].unique(maintain_order=True)


def keep(
    name: str, figures: Mapping[str, Any], fingerprints: Mapping[str, str], load: float, packages: Sequence[str],
    out: Path | None,
) -> Path:  # fmt: skip
    """Write the record: machine, versions, fingerprints and commit beside the figures; returns its path.

    packages   whose versions are named beside those that every record names
    out        None is <name>.json in the folder of the day and the machine
    """
    about = record.about(fingerprints, load)
    about["versions"] |= {package: importlib.metadata.version(package) for package in packages}
    path = out or record.write({}, about) / f"{name}.json"
    path.write_text(json.dumps({**about, "figures": figures}, indent=2) + "\n", encoding="utf-8")
    return path
