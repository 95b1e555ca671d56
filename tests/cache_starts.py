"""Starts the other processes of the tests of tier `cache`; their work is in cache_worker.py."""

import subprocess
import sys
from pathlib import Path

from tierbreak.tiers.cache import CacheTier

WORKER = str(Path(__file__).with_name("cache_worker.py"))
MIB = 1 << 20


def start(function: str, root: Path, number: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, WORKER, function, str(root), str(number)]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process: subprocess.Popen[str], seconds: float = 300) -> str:
    """What it printed; a process that crashes, or does not end, is a failure."""
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{process.args[2]} hangs:\n{process.communicate()[0]}") from None
    assert process.returncode == 0, f"{process.args[2]} ended with {process.returncode}:\n{said}"
    return said


def data_file(tier: CacheTier) -> Path:
    return tier._environment.path / "data.mdb"
