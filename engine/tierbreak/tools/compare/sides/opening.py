"""From what a person writes to a side that can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tierbreak.bundle import MANIFEST
from tierbreak.errors import InputError, SettingsError
from tierbreak.files import open_source
from tierbreak.settings import Settings
from tierbreak.tools.compare.sides.decided import DecidedSide
from tierbreak.tools.compare.sides.engine import EngineSide
from tierbreak.tools.compare.sides.ordered import OrderedSide
from tierbreak.tools.compare.sides.side import Side
from tierbreak.tools.rules.importing.reading import USUAL as OF_A_LIST

DEFAULT = "default"

#: What can stand before a colon, and says what follows.
KINDS = ("bundle", "model", "rules", "overlay", "list", "decisions")

_WAYS = f"`{DEFAULT}`, a bundle, a model's folder, a folder of rules, an ordered list, or a file of decisions"


@dataclass(frozen=True)
class Asked:
    """How a side is to be opened, beside its name.

    columns      of a file of decisions: part -> column, as DecidedSide takes them
    id           the column of ids, where rows are found by it
    descriptor   the traffic's column of descriptors
    settings     of an engine
    model        whether an engine loads a model at all
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None
    descriptor: str = "descriptor"
    settings: Settings = field(default_factory=Settings)
    model: bool = True


def open_side(name: str, asked: Asked | None = None) -> Side:
    """Open a side by what a person calls it; see the top of this folder.

    Raises SettingsError where the name stands for nothing, and what the side raises where it does not load.
    """
    asked = asked or Asked()
    kind, place = _kind(name)
    if kind == "list":
        return OrderedSide(name, Path(place))
    if kind == "decisions":
        path, prefix = _file(place)
        return DecidedSide(
            name, path, told=asked.columns, id=asked.id, descriptor=asked.descriptor,
            prefix=f"{prefix}." if prefix else "",
        )  # fmt: skip
    loading: dict[str, Path | None] = {} if kind == DEFAULT else {kind: Path(place)}
    if not asked.model and kind != "model":
        loading["model"] = None
    return EngineSide(name, loading, asked.settings)


def columns_of(name: str) -> list[str] | None:
    """The columns of a file of decisions; None of any other side."""
    kind, place = _kind(name)
    if kind != "decisions":
        return None
    with open_source(_file(place)[0]) as source:
        return list(source.columns)


def _file(place: str) -> tuple[str, str]:
    """A file of decisions, and the prefix of its columns."""
    path, _, prefix = place.partition("#") if not Path(place).exists() else (place, "", "")
    return path, prefix


def _kind(name: str) -> tuple[str, str]:
    """What a name stands for, and where that lies."""
    if name == DEFAULT:
        return DEFAULT, ""
    before, colon, after = name.partition(":")
    if colon and before in KINDS:
        return before, after
    path = Path(name)
    if path.is_dir():
        return _folder(path), name
    if path.is_file() and path.suffix in (".tar", ".tgz"):
        return "bundle", name
    if path.is_file():
        return ("list" if _patterns(path) else "decisions"), name
    if "#" in name and Path(name.rpartition("#")[0]).is_file():
        return "decisions", name
    raise SettingsError(f"{name!r}: no such file or folder; expected {_WAYS}")


def _folder(path: Path) -> str:
    if (path / MANIFEST).is_file():
        return "bundle"
    if (path / "labels.json").is_file():
        return "model"
    if any(path.glob("*.yaml")) or any(path.glob("*/*.yaml")):  # no deeper: it may be a whole disk
        return "rules"
    raise SettingsError(f"'{path}' is a folder of nothing that can be compared; expected {_WAYS}")


def _patterns(path: Path) -> bool:
    """Whether a file's first line names a column of patterns, and one of names."""
    if path.suffix.lower() not in (".csv", ".tsv", ".tab", ".txt"):
        return False
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            header = file.readline()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    cells = {"".join(filter(str.isalpha, cell.casefold())) for cell in header.replace("\t", ",").split(",")}
    # `rule` and `match` are columns of decisions as well.
    return bool(cells & {"pattern", "regex", "regexp", "expression"}) and bool(cells & set(OF_A_LIST["name"]))
