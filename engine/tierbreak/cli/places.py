"""Files that a command writes beside what it prints: looked at before any work is done, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def check(paths: Iterable[Path], inputs: Mapping[Path, str]) -> None:
    """Refuse places that cannot be written to.

    inputs   files that must stay, and what each is, as in "is the gold set"

    Raises InputError that names every place that is wrong.
    """
    from tierbreak.errors import InputError

    wrong = []
    taken = {path.resolve(): what for path, what in inputs.items()}
    for path in paths:
        if why := taken.get(path.resolve()):
            wrong.append(f"{path}: {why}; write to another file")
        elif path.is_dir():
            wrong.append(f"{path}: is a folder; name a file in it")
        elif not path.absolute().parent.is_dir():
            wrong.append(f"{path}: there is no folder {str(path.parent)!r}; make it first")
        taken[path.resolve()] = "is written by another option of this command"
    if wrong:
        raise InputError("\n".join(wrong))


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises InputError."""
    from tierbreak.errors import InputError

    path = path.resolve()  # a link stays a link to what is written
    try:
        if path.exists() and not path.is_file():  # a device or a pipe: nothing may be moved over it
            path.write_text(text, encoding="utf-8")
            return
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as beside:
            try:
                beside.write(text)
                beside.close()
                mask = os.umask(0)
                os.umask(mask)
                Path(beside.name).chmod(0o666 & ~mask)
                Path(beside.name).replace(path)
            except BaseException:
                Path(beside.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
