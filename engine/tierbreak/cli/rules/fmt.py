"""`tierbreak rules fmt`: one layout for every rule file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tierbreak.cli import options


def fmt(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATH]...", help="Files and folders. [default: all rules]")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; print what would change.")] = False,
    rules: options.RulesOption = None,
) -> None:
    """Lay out rule files: keys in order, quotes only where they are needed, comments where they belong.

    What a file says never changes. With --check the changes are printed as a diff, and exit code 3 says that there
    are some; a file that is no YAML is left as it is, and is exit code 3 too.
    """
    from tierbreak.bundle import SHIPPED, Bundle
    from tierbreak.cli.output import say, visible
    from tierbreak.errors import RulebookError, SettingsError
    from tierbreak.tools.rules.authoring.files import lay_out, rule_files, write

    if paths and rules:
        raise SettingsError("PATH and --rules exclude each other; leave one out")
    files = rule_files(paths or Bundle.find(rules=rules or SHIPPED, model=None).rules)
    layouts, faults = lay_out(files)
    changes = [layout for layout in layouts if layout.before != layout.after]
    for layout in layouts:
        if layout.left_alone:
            say(f"notice: {layout.path}: left as it is: {layout.left_alone}")
    for layout in changes:
        if check:
            print("\n".join(map(visible, layout.diff().split("\n"))))
        else:
            write(layout.path, layout.after)
            say(f"changed {layout.path}")
    would = f"{len(changes)} of {len(files)} files"
    if faults:
        done = "would change" if check else "changed"
        raise RulebookError(f"{would} {done}, {len({fault.path for fault in faults})} could not be read", faults)
    if check and changes:
        raise RulebookError(f"{would} would change; run `tierbreak rules fmt` to change them")
    print(f"{would} would change" if check else f"{would} changed")
