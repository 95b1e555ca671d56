"""A rulebook that was read before, kept as JSON: reading thousands of YAML files is most of a cold start.

Kept under a hash of every byte it was read from and of the code that read it, so it is never stale. JSON and
not pickle: what lies in a cache folder is data, and must not be able to run.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tierbreak.rulebook.rule import Rule

log = logging.getLogger(__name__)

#: Rulebooks kept in a folder; the ones read longest ago are removed beyond that.
KEPT = 8


def key(files: Mapping[Path, bytes], folders: Sequence[Path], brands: Collection[str]) -> str:
    """What a rulebook is kept under: the files with their places, the brands it may name, and this code."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {_code()}".encode())
    for part in (*folders, *sorted(brands)):
        digest.update(f"{part}\n".encode())
    for path, data in files.items():
        digest.update(f"{path} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:32]


def _code() -> str:
    """A hash of the reader itself, truer than a version number: in a checkout that does not change with the code."""
    own = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in own)).hexdigest()


def load(folder: Path, kept_as: str) -> tuple[Rule, ...] | None:
    """The rules kept there, or None where there are none that can be read."""
    path = folder / f"{kept_as}.json"
    try:
        rules = _adapter().validate_json(path.read_bytes())
        path.touch()
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("kept rulebook %s is set aside and read anew: %s", path.name, str(error).splitlines()[0])
        return None
    return rules


def store(folder: Path, kept_as: str, rules: tuple[Rule, ...]) -> None:
    """Keep rules, whole or not at all; a folder that cannot be written costs start-up time and nothing else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(_adapter().dump_json(rules))
        Path(file.name).replace(folder / f"{kept_as}.json")
        newest = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in newest[KEPT:]:
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("rulebook is not kept: %s", error)


def _adapter() -> TypeAdapter[tuple[Rule, ...]]:
    return TypeAdapter(tuple[Rule, ...])
