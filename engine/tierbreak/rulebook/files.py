"""The rule files below some folders: listed, read, and each read again only where it has changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from tierbreak.core import normalise
from tierbreak.errors import Fault, RulebookError
from tierbreak.rulebook import parse_cache
from tierbreak.rulebook.reader import FileReader
from tierbreak.rulebook.rule import Rule

COMMON = "common.yaml"
#: Stands in an entry for the path of its file, so that it holds wherever the file is moved or copied to.
_HERE = b'"\\u0000"'
SUFFIXES = (".yaml", ".yml")
#: Bytes of a rule file: beyond that it is something else, or ought to be several.
LARGEST = 1 << 20
_AT_ONCE = 1 << 16
#: A pipe that nobody writes to is not waited for.
_OPEN = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True)
class ReadFile:
    """What one rule file holds, whatever other files hold.

    rules    those that are sound
    faults   all that is wrong within the file
    brand    of the file; empty where it has none that can be read
    broken   those that were left out for a fault, as far as they could be read
    """

    rules: tuple[Rule, ...]
    faults: tuple[Fault, ...]
    brand: str
    broken: tuple[Rule, ...]


@dataclass(frozen=True)
class Kept:
    """Where what was read before is kept: written to `folder` under `name`, and also read from `shipped`."""

    folder: Path | None
    name: str
    shipped: Path | None = None


def walk(folder: Path) -> tuple[list[str], list[Fault]]:
    """The paths of every rule file below a folder, in order, and a fault for each place that cannot be looked into."""
    found: list[tuple[str, str]] = []
    faults: list[Fault] = []
    ahead = [str(folder)]
    while ahead:
        where = ahead.pop()
        try:
            with os.scandir(where) as entries:
                for entry in entries:
                    # What begins with a dot is an editor's lock, half a download, or another tool's settings.
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(entry.path)
                    elif entry.name.endswith(SUFFIXES):
                        found.append((where, entry.name))
                    elif (fault := _left_out(entry)) is not None:
                        faults.append(fault)
        except OSError as error:
            faults.append(_unreadable(where, "folder", error, "give leave to look into it, or take it away"))
    return [f"{where}{os.sep}{name}" for where, name in sorted(found)], sorted(faults, key=lambda fault: fault.path)


def _left_out(entry: os.DirEntry[str]) -> Fault | None:
    """The fault of what would be left out and looks as if it were not."""
    path = Path(entry.path)
    if entry.name.lower().endswith(SUFFIXES):
        # Not read: a formatter, a hook or an editor that looks for *.yaml would pass it over.
        fix = f"rename it to {path.with_suffix(path.suffix.lower()).name}"
        return Fault("R001", path, 0, 0, "suffix in capital letters", path.suffix, " or ".join(SUFFIXES), fix)
    if entry.is_symlink() and entry.is_dir():
        says, fix = "a link to a folder is not followed", "put the folder in its place, or give it as an overlay"
        return Fault("R001", path, 0, 0, says, "", "a folder", fix)
    return None


def _unreadable(path: str, what: str, error: OSError, fix: str) -> Fault:
    says = error.strerror or str(error)
    return Fault("R001", Path(path), 0, 0, f"{what} cannot be read", says, f"a {what} that may be read", fix)


def listed(folder: Path) -> tuple[list[Path], list[Fault]]:
    """Every rule file below a folder, in order, and what could not be looked into.

    Raises RulebookError where there is no such folder.
    """
    if not folder.is_dir():
        raise RulebookError(f"{folder}: no such folder; give a folder that holds YAML rule files")
    paths, faults = walk(folder)
    return [Path(path) for path in paths], faults


def contents(paths: Iterable[Path]) -> tuple[dict[Path, bytes], list[Fault]]:
    """The bytes of each file, and a fault for each that cannot be read or is not what a rule file is."""
    data, faults = {}, []
    for path in paths:
        try:
            read = _bytes(str(path))
        except OSError as error:
            read = _unreadable(str(path), "file", error, "give leave to read it, or take it away")
        if isinstance(read, Fault):
            faults.append(read)
        else:
            data[path] = read
    return data, faults


def _bytes(path: str) -> bytes | Fault:
    """What a file holds, in half the time that a file object takes: there are thousands, of some hundred bytes each."""
    number = os.open(path, _OPEN)
    try:
        is_file = stat.S_ISREG(os.fstat(number).st_mode)
        parts, size = [], 0
        while is_file and size <= LARGEST and (part := os.read(number, _AT_ONCE)):
            parts.append(part)
            size += len(part)
    finally:
        os.close(number)
    if not is_file:
        says, expected = "not a regular file", "a file with rules in it"
        return Fault("R001", Path(path), 0, 0, says, "", expected, "take it away, or give it another suffix")
    if size > LARGEST:
        return Fault("R001", Path(path), 0, 0, "file is too large", "", f"at most {LARGEST:,} bytes", "split it")
    return b"".join(parts)


def kept_name(folders: Sequence[Path]) -> str:
    """What is kept of these folders is kept under one name, however often they change."""
    return parse_cache.key(*(os.fsencode(folder.absolute()) for folder in folders)).hex()


def read(files: Mapping[Path, bytes], fragments: Mapping[str, str], kept: Kept) -> list[ReadFile]:
    """Each file read, in the order given; `fragments` are those of common.yaml."""
    if kept.folder is None:
        return [_read(path, data, fragments) for path, data in files.items()]
    code, common = _code(), repr(sorted(fragments.items())).encode()
    keys = [parse_cache.key(code, data, common if b"{{" in data else b"") for data in files.values()]
    before = parse_cache.read(kept.folder, kept.name)
    known = before
    if kept.shipped is not None and not before.keys() >= set(keys):
        known = parse_cache.read_all(kept.shipped) | before
    out = []
    entries = {}
    for key, (path, data) in zip(keys, files.items(), strict=True):
        entry = known.get(key)
        file = _known(path, entry)
        if file is None:
            file = _read(path, data, fragments)
            entry = _entry(path, file)
        if entry is not None:
            entries[key] = entry
        out.append(file)
    if entries != before:
        parse_cache.write(kept.folder, kept.name, entries)
    return out


def _read(path: Path, data: bytes, fragments: Mapping[str, str]) -> ReadFile:
    reader = FileReader(path, data, fragments, fold)
    rules = reader.rules()
    return ReadFile(tuple(rules), tuple(reader.faults), reader.brand, tuple(reader.broken))


def read_fragments(files: Mapping[Path, bytes]) -> tuple[dict[str, str], list[Fault]]:
    """The fragments of every common.yaml, a later one's over an earlier one's, and what is wrong with the files."""
    fragments: dict[str, str] = {}
    faults: list[Fault] = []
    for path, data in files.items():
        if path.name == COMMON:
            reader = FileReader(path, data, {}, fold)
            fragments |= reader.read_fragments()
            faults += reader.faults
    return fragments, faults


def fold(text: str) -> str:
    """Rules are folded as descriptors are, so that `words: Café Rouge` finds CAFE ROUGE."""
    if (folded := normalise.fold_one(text)) is not None:
        return folded
    return str(normalise.folded(pl.Series([text]))[0])


def _known(path: Path, entry: bytes | None) -> ReadFile | None:
    try:
        return _adapter().validate_json(entry.replace(_HERE, to_json(str(path)))) if entry else None
    except ValidationError:  # the entries are whole, so another version of pydantic wrote it
        return None


def _entry(path: Path, file: ReadFile) -> bytes | None:
    """None where it cannot be kept: the path is no Unicode, or a text of the rules looks like what stands for it."""
    try:
        entry = _adapter().dump_json(file)
        return None if _HERE in entry else entry.replace(to_json(str(path)), _HERE)
    except ValueError:
        return None


@cache
def _adapter() -> TypeAdapter[ReadFile]:
    return TypeAdapter(ReadFile)


@cache
def _code() -> bytes:
    """What an entry owes to other things than the file: the reader, and how it folds."""
    return parse_cache.key(parse_cache.code("tierbreak.rulebook", "tierbreak.errors"), normalise.fingerprint().encode())
