"""Puts slips into a copy of the code, one at a time, and says whether the tests notice them.

    python tests/mutants/run.py                      all of them
    python tests/mutants/run.py cache core/last-day  an area, one slip
    python tests/mutants/run.py --jobs 4

Exit code 1 where a slip that is listed as noticed is not noticed any more, or cannot be put in.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from slip import PACKAGE, REPOSITORY, Slip, listed, wilson

#: Copied, because tests find the code and data of the project by their own place; the rest is linked.
COPIED = ("engine", "tests", "pyproject.toml")
#: Exit codes of pytest: a test failed, or a test file could not be loaded. Any other but 0 says nothing of the code.
NOTICED = (1, 2)


def main() -> int:
    parser = argparse.ArgumentParser(description="Whether the tests notice slips that are put into the code.")
    parser.add_argument("which", nargs="*", help="areas, or slips as area/id; all unless told")
    parser.add_argument("--jobs", type=int, default=1, help="slips tried at a time (default: 1)")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for the tests of a slip (default: 600)")
    told = parser.parse_args()
    slips = listed()
    unknown = set(told.which) - {slip.area for slip in slips} - {slip.name for slip in slips}
    if unknown:
        parser.error(f"no such area or slip: {', '.join(sorted(unknown))}")
    if told.which:
        slips = [slip for slip in slips if slip.area in told.which or slip.name in told.which]

    with tempfile.TemporaryDirectory(prefix="tierbreak-mutants-") as folder, ThreadPoolExecutor(told.jobs) as pool:
        warm = Path(folder)
        print("the tests without any slip ...", flush=True)
        said = outcome(None, sorted({test for slip in slips for test in slip.tests}), 4 * told.timeout, warm)
        if said != "not noticed":
            print(f"they do not pass: {said}")
            return 1
        outcomes = []
        tried = pool.map(lambda slip: outcome(slip, slip.tests, told.timeout, warm), slips)
        for slip, said in zip(slips, tried, strict=True):
            print(f"{said:<12} {slip.name:<45} {'' if said.startswith('noticed') else slip.why}", flush=True)
            outcomes.append(said)
    print(table(slips, outcomes))
    return 1 if any(worse(slip, said) for slip, said in zip(slips, outcomes, strict=True)) else 0


def outcome(slip: Slip | None, tests: Sequence[str], timeout: float, warm: Path) -> str:
    """`noticed`, `noticed (timeout)` or `not noticed`; anything else says why it cannot be told.

    warm   the cache folder that the tests without a slip fill; every slip begins with a copy of it
    """
    with tempfile.TemporaryDirectory(prefix="tierbreak-mutant-") as folder:
        copy = Path(folder) / "copy"
        copied(copy)
        if slip is not None:
            path = copy / PACKAGE / slip.file
            try:
                path.write_text(slip.applied(path.read_text(encoding="utf-8")), encoding="utf-8")
            except (ValueError, OSError) as error:
                return f"error: {error}"
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        # What a slip compiles and keeps must not be found by the next one, nor by the person at work here.
        cache = warm if slip is None else Path(shutil.copytree(warm, f"{folder}/cache"))
        own = {"PYTHONPATH": str(copy / "engine"), "XDG_CACHE_HOME": str(cache), "TMPDIR": folder}
        try:
            done = subprocess.run(
                command,
                cwd=copy,
                env={**os.environ, **own},
                timeout=timeout,
                capture_output=True,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "noticed (timeout)"
    if done.returncode == 0:
        return "not noticed"
    if done.returncode in NOTICED:
        return "noticed" if slip is not None else done.stdout[-2000:]
    return f"error: pytest ends with {done.returncode}: {(done.stderr or done.stdout)[-500:]}"


def copied(copy: Path) -> None:
    """The project at `copy`: what a slip may touch is copied, the rest is linked."""
    copy.mkdir()
    for path in REPOSITORY.iterdir():
        if path.name not in COPIED:
            (copy / path.name).symlink_to(path)
        elif path.is_dir():
            # Without bytecode: a slip that keeps a file's length, within a second, would be served as it was before.
            shutil.copytree(path, copy / path.name, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
        else:
            shutil.copyfile(path, copy / path.name)


def worse(slip: Slip, said: str) -> bool:
    """Whether a slip that is listed as noticed is not, or cannot be tried."""
    return said.startswith("error") or (slip.noticed and said == "not noticed")


def table(slips: Sequence[Slip], outcomes: Sequence[str]) -> str:
    """Noticed and made by area, with 95 % intervals.

    >>> slips = [Slip("core", str(n), "a.py", "a", "b", "", ()) for n in range(4)]
    >>> print(table(slips, ["noticed", "noticed", "noticed (timeout)", "not noticed"]))
    core              3 / 4     75 %   30 to 95 %
    all               3 / 4     75 %   30 to 95 %
    """
    by_area: dict[str, list[bool]] = {}
    for slip, said in zip(slips, outcomes, strict=True):
        for area in (slip.area, "all"):
            by_area.setdefault(area, []).append(said.startswith("noticed"))
    areas = [*sorted(by_area.keys() - {"all"}), "all"]
    return "\n".join(_line(area, by_area[area]) for area in areas)


def _line(area: str, noticed: Iterable[bool]) -> str:
    flags = list(noticed)
    low, high = wilson(sum(flags), len(flags))
    return f"{area:<16} {sum(flags):>2} / {len(flags):<3} {sum(flags) / len(flags):>4.0%}".replace("%", " %") + (
        f"   {100 * low:.0f} to {100 * high:.0f} %"
    )


if __name__ == "__main__":
    sys.exit(main())
