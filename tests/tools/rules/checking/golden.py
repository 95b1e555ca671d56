"""Deliberately broken rule files and what `rules check` says of each, word for word.

    broken/NAME.yaml, or broken/NAME/ with several files     what is checked, by itself
    broken/NAME.out                                          what is said
    formats/FORMAT.out                                       what is said of broken/formats/ in the other formats

After a message was changed on purpose, write all outputs anew and read the difference:

    python tests/tools/rules/checking/golden.py
"""

import contextlib
import datetime as dt
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from tierbreak import Settings
from tierbreak.bundle import Bundle
from tierbreak.tools.rules import checking

BROKEN = Path(__file__).parent / "broken"
CASES = sorted([path for path in BROKEN.iterdir() if path.suffix == ".yaml" or path.is_dir()])

FORMATTED = BROKEN / "formats"
FORMATS = {name: BROKEN.parent / "formats" / f"{name}.out" for name in checking.FORMATS if name != "text"}

#: Today, as these outputs see it.
AS_OF = dt.date(2024, 6, 1)


def report(case: Path, folder: Path, state: Path) -> checking.Report:
    """What is found in one case, which is copied to an empty folder and checked there.

    A case's own brands.csv stands in for the common one, its traffic.csv is given as traffic.
    """
    rules = folder / "rules"
    if case.is_dir():
        shutil.copytree(case, rules)
    else:
        rules.mkdir()
        shutil.copy(case, rules)
    registry = rules / "brands.csv" if (rules / "brands.csv").exists() else BROKEN / "brands.csv"
    traffic = rules / "traffic.csv" if (rules / "traffic.csv").exists() else None
    bundle = Bundle((rules,), (registry,), None, {})
    return checking.check(bundle, Settings(state=state, as_of=AS_OF), traffic=traffic)


def said(case: Path, folder: Path, state: Path) -> str:
    """What `rules check` says of a case, whose folder is left out of every place."""
    found = report(case, folder, state)
    text = checking.FORMATS["text"](found.faults) + found.says() + "\n"
    return text.replace(f"{folder / 'rules'}/", "")


def formatted(name: str, folder: Path, state: Path) -> str:
    """What a machine is told of FORMATTED, run from its folder; this package's version is left out."""
    found = report(FORMATTED, folder, state)
    with contextlib.chdir(folder / "rules"):
        text = checking.FORMATS[name](found.faults)
    return text.replace(f"{folder / 'rules'}/", "").replace(f'"{version("tierbreak")}"', '"VERSION"')


def main() -> None:
    with tempfile.TemporaryDirectory() as state:
        for case in CASES:
            with tempfile.TemporaryDirectory() as folder:
                case.with_suffix(".out").write_text(said(case, Path(folder), Path(state)))
        for name, path in FORMATS.items():
            with tempfile.TemporaryDirectory() as folder:
                path.parent.mkdir(exist_ok=True)
                path.write_text(formatted(name, Path(folder), Path(state)))


if __name__ == "__main__":
    main()
