"""Files that a command writes beside what it prints: looked at before any work is done, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

#: Permissions of a new report or sample: it holds what customers' statements say.
PRIVATE = 0o600


def check(paths: Iterable[Path], inputs: Mapping[Path, str]) -> None:
    """Refuse places that cannot be written to.

    inputs   files that must stay, and what each is, as in "is the gold set"

    Raises InputError that names every place that is wrong.
    """
    from tierbreak.errors import InputError

    wrong = []
    taken = {os.path.realpath(path): what for path, what in inputs.items()}
    for path in paths:
        if why := taken.get(os.path.realpath(path)):
            wrong.append(f"{path}: {why}; write to another file")
        elif path.is_dir():
            wrong.append(f"{path}: is a folder; name a file in it")
        elif not path.absolute().parent.is_dir():
            wrong.append(f"{path}: there is no folder {str(path.parent)!r}; make it first")
        taken[os.path.realpath(path)] = "is written by another option of this command"
    if wrong:
        raise InputError("\n".join(wrong))


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, for this user alone where it is new. Raises InputError."""
    from tierbreak.errors import InputError
    from tierbreak.files import atomic

    try:
        atomic.write(path, text, PRIVATE)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
