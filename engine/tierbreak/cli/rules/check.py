"""`tierbreak rules check`: everything that is wrong with the rulebook, in one run."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tierbreak.cli import options

if TYPE_CHECKING:
    from tierbreak.bundle import Bundle
    from tierbreak.errors import Fault
    from tierbreak.settings import Settings
    from tierbreak.tools.rules.checking import Report

#: A fault of at least `--fail-on` stands: as for a rulebook that does not load.
FAILED = 3


def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Show only what stands in these files and folders.", show_default=False),
    ] = None,
    format: Annotated[
        Literal["text", "json", "sarif", "github"], typer.Option("--format", help="How faults are written.")
    ] = "text",
    fail_on: Annotated[
        Literal["error", "warning", "note"],
        typer.Option("--fail-on", help="The least severity that exit code 3 tells."),
    ] = "error",
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="CODE", help="Leave a code out; again for another.")
    ] = None,
    traffic: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Rows of real traffic: guards on columns that it lacks are named."),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Rewrite the files where a fix is safe; show what is left.")
    ] = False,
    rules: options.RulesOption = None,
    overlay: options.OverlayOption = None,
) -> None:
    """Read every rule, decide every example with the whole rulebook, prove what can be proved, and say what is wrong.

    Each fault has a code (`tierbreak rules explain R012`), its place, what was expected and the fix. A comment
    `# tierbreak: ignore[R012] reason` behind a line or above it leaves one out. All rules are looked at whatever FILEs
    are named; exit code 3 if a fault of at least --fail-on is shown.
    """
    # What is imported and read stays until the end, and thousands of rules are looked at: nothing is worth collecting.
    gc.disable()
    try:
        from tierbreak.bundle import SHIPPED, Bundle
        from tierbreak.cli.output import say, visible
        from tierbreak.settings import Settings
        from tierbreak.tools.rules.checking import FORMATS, at_least, known

        ignored = [known(code) for part in ignore or () for code in part.split(",")]
        bundle, settings = Bundle.find(rules=rules or SHIPPED, overlay=overlay, model=None), Settings.of()
        _inside(files or (), bundle.rules)
        report = _checked(bundle, settings, traffic).only(ignored=ignored, below=files or ())
        if fix and (written := _mended(report.faults)):
            say(f"mended {len(written)} file{'s' * (len(written) != 1)}: {', '.join(map(str, written))}")
            report = _checked(bundle, settings, traffic).only(ignored=ignored, below=files or ())
    finally:
        gc.freeze()
        gc.enable()
    out = FORMATS[format](report.faults)
    sys.stdout.write("".join(visible(line) + "\n" for line in out.splitlines()) if format == "text" else out)
    for notice in report.notices:
        say(f"notice: {notice}")
    if format == "text" and not report.faults:
        print(report.says())
    else:
        say(report.says())
    if any(at_least(each.severity, fail_on) for each in report.faults):
        raise typer.Exit(FAILED)


def _checked(bundle: Bundle, settings: Settings, traffic: Path | None) -> Report:
    from tierbreak.tools.rules import checking

    return checking.check(bundle, settings, traffic=traffic)


def _mended(faults: Sequence[Fault]) -> list[Path]:
    """Write what can safely be mended; the files that were written."""
    from tierbreak.tools.rules.authoring import fixes
    from tierbreak.tools.rules.authoring.files import write

    changed = fixes.apply(faults)
    for path, text in changed.items():
        write(path, text)
    return list(changed)


def _inside(files: Sequence[Path], folders: Sequence[Path]) -> None:
    """Raise SettingsError for a file that is no part of the rulebook: it would look as if it were sound."""
    from tierbreak.errors import SettingsError

    roots = [folder.resolve() for folder in folders]
    for file in files:
        if not file.exists():
            raise SettingsError(f"{file}: no such file or folder")
        place = file.resolve()
        if not any(place == root or root in place.parents for root in roots):
            where = " or ".join(map(str, folders))
            raise SettingsError(f"{file}: not part of the rulebook in {where}; say which with --rules or --overlay")
