"""The core tests on every Python that pyproject.toml names, and on the oldest with the lowest versions it allows.

    python tests/versions.py             each Python that pyenv or PATH has, then the lowest versions
    python tests/versions.py --others    leaves out the Python that runs this: its suite has been run

Each run has a venv of its own in build/versions, made anew; exit status 1 where one is red.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "versions"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

#: The wheel is tested once, and what only tools use is tested by the suite of one Python.
WHEEL = "tests/test_wheel.py"
CORE = [
    "engine/tierbreak/core",
    *(f"tests/{name}" for name in ("core", "registry", "rulebook", "tiers", "files")),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests").glob("test_*.py"))),
]


def pythons() -> list[str]:
    """The versions that pyproject.toml claims, oldest first: "3.11"."""
    prefix = "Programming Language :: Python :: "
    return [line.removeprefix(prefix) for line in PROJECT["classifiers"] if line.startswith(prefix)]


def floors() -> list[str]:
    """`name==floor` of every direct dependency, those of the extra `dev` included; ValueError where one has none."""
    found = set()
    for requirement in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]:
        if not (match := re.match(r"([\w.-]+)[>=]=([\w.]+)", requirement)):
            raise ValueError(f"pyproject.toml: {requirement!r} has no lowest version; write NAME>=VERSION")
        found.add(f"{match[1]}=={match[2]}")
    return sorted(found)


def interpreter(version: str) -> str | None:
    """A Python of this version that can make a venv: the newest of pyenv, else that of PATH."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    of_pyenv = sorted(
        root.glob(f"versions/{version}.*/bin/python"), key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))]
    )
    for path in [*reversed(of_pyenv), shutil.which(f"python{version}")]:
        if path and not subprocess.run([path, "-c", "import ensurepip"], capture_output=True, check=False).returncode:
            return str(path)
    return None


def row(name: str, python: str, paths: list[str], constraints: Path | None) -> tuple[str, str, str, str]:
    """Make the venv `name`, run the tests at `paths` in it: name, passed, failed, seconds."""
    venv, report, start = BUILD / name, BUILD / f"{name}.xml", time.monotonic()
    report.unlink(missing_ok=True)
    print(f"\n== {name}: {python}", flush=True)
    limits = ["--constraint", str(constraints)] if constraints else []
    for command in (
        [python, "-m", "venv", "--clear", venv],
        [venv / "bin/python", "-m", "pip", "install", "--quiet", "--editable", ".[dev]", *limits],
        [venv / "bin/python", "-m", "pytest", f"--junitxml={report}", "-p", "no:cacheprovider", *paths],
    ):
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        if status and not report.exists():
            return name, "0", "nothing ran", f"{time.monotonic() - start:.0f}"
    suite = ElementTree.parse(report).getroot()[0]
    total, skipped, *wrong = (int(suite.get(key, 0)) for key in ("tests", "skipped", "failures", "errors"))
    failed = sum(wrong) or (f"exit status {status}" if status else 0)
    return name, str(total - skipped - sum(wrong)), str(failed), f"{time.monotonic() - start:.0f}"


def rows(others: bool) -> Iterator[tuple[str, str, str, str]]:
    """A row for each Python that is here, then one for the lowest versions."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = {version: path for version in pythons() if (path := interpreter(version))}
    for version in pythons():
        if version not in found:
            yield version, "", "not found: left out", ""
    wheel = None if others else next(reversed(found), None)
    core = [path for path in CORE if path != WHEEL]
    for version, path in found.items():
        if not others or version != own:
            yield row(version, path, CORE if version == wheel else core, None)
    if oldest := next(iter(found), None):
        constraints = BUILD / "lowest.txt"
        constraints.write_text("".join(f"{line}\n" for line in floors()), "utf-8")
        yield row(f"{oldest}-lowest", found[oldest], core, constraints)


def main() -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    done = [("version", "passed", "failed", "seconds"), *rows("--others" in sys.argv[1:])]
    print()
    for version, passed, failed, seconds in done:
        print(f"{version:12} {passed:>8} {failed:>20} {seconds:>8}")
    return int(any(passed and failed != "0" for _, passed, failed, _ in done[1:]))


if __name__ == "__main__":
    sys.exit(main())
