"""The figures of a comparison, old system against new; definitions/compare.toml says what is measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import paired

FOUR_GB = 4 << 30


class Count:
    """Runs `python -m bench.paired ROWS FOLDER --count`; `used` is its processor time and its most memory."""

    def __init__(self, rows: int, folder: Path) -> None:
        self.command = [sys.executable, "-m", "bench.paired", str(rows), str(folder), "--count"]
        self.used = (0.0, 0)
        paired.make(folder, rows)

    def run(self):
        said = subprocess.run(self.command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
        found = json.loads(said.stdout)
        self.used = (found["cpu"], found["peak_bytes"])
        return found

    @staticmethod
    def answer(found):
        return {**found["answer"], "under_4_gb": found["peak_bytes"] < FOUR_GB}


def counting(measure, size, folder):
    counted = Count(size.units, folder)
    try:
        measure(counted.run, counted.answer, child=lambda: counted.used)
    finally:
        shutil.rmtree(folder)  # seven gigabytes of a hundred million rows


def test_compare(measure, size, tmp_path):
    counting(measure, size, tmp_path / "pairs")


@pytest.mark.slow
def test_compare_100m(measure, size, tmp_path):
    counting(measure, size, tmp_path / "pairs")


def test_rows_are_as_many_as_their_shares_need(tmp_path):
    with pytest.raises(ValueError, match="a multiple of 10,000, not 15000"):
        paired.make(tmp_path, 15_000)
