"""A benchmark's definition: what is measured, on what, at which size, and the answer without which no time counts.

Definitions stand in definitions/*.toml, several a file, each with the test `test_<name>` that runs it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "definitions"


@dataclass(frozen=True)
class Size:
    """One size of a definition.

    units    how many of `unit` one call does
    rounds   how many calls are timed
    expect   the answer, counted from how the haystack is made
    make     what the haystack is made with
    """

    units: int
    rounds: int
    expect: Mapping[str, Any]
    make: Mapping[str, Any]


@dataclass(frozen=True)
class Definition:
    """One benchmark.

    name       its name, also of its test and its row in a record
    group      the file it stands in: what is recorded together
    measures   what is inside the time, and what is not
    input      the haystack
    unit       what is counted a second
    cores      how many cores it may use
    rival      name of the definition whose rate it is compared with, or None
    target     least `rate` (units a second) or `rate_less_model`, least `ratio` to the rival, most `median` or `p99`
               (seconds)
    full       the size that is timed
    small      the size that the normal test run checks
    """

    name: str
    group: str
    measures: str
    input: str
    unit: str
    cores: int
    rival: str | None
    target: Mapping[str, float]
    full: Size
    small: Size


def load() -> dict[str, Definition]:
    """All definitions by name; raises ValueError where a name stands twice or a rival is none of them.

    >>> load()["normalise"].unit
    'descriptors'
    """
    out: dict[str, Definition] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for given in tomllib.loads(path.read_text(encoding="utf-8"))["bench"]:
            name = given["name"]
            if name in out:
                raise ValueError(f"{path.name}: the definition {name!r} stands twice")
            full, small = (_size(given[size]) for size in ("full", "small"))
            out[name] = Definition(
                name, path.stem, given["measures"], given["input"], given["unit"], given["cores"], given.get("rival"),
                given.get("target", {}), full, small,
            )  # fmt: skip
    if lost := sorted({one.rival for one in out.values() if one.rival} - set(out)):
        raise ValueError(f"rivals without a definition: {', '.join(lost)}")
    return out


def _size(given: Mapping[str, Any]) -> Size:
    make = {name: value for name, value in given.items() if name not in ("units", "rounds", "expect")}
    return Size(given["units"], given.get("rounds", 1), given["expect"], make)
