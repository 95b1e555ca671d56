"""The deployable whole: registry, rulebook, model, policy and normaliser, found, and fingerprinted together.

A bundle folder (or its tar) holds `bundle.json`, which names the folders and files of its parts in order. The
shipped one is the default; this is the only module that knows where it lies. `rules` in place of the shipped rules, and
`overlay` beside them, are folders of YAML files that may hold a `brands.csv`.
"""

from __future__ import annotations

import enum
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tierbreak.errors import BundleError
from tierbreak.files import archive, atomic

MANIFEST = "bundle.json"
REGISTRY = "brands.csv"
#: Within a bundle: what was compiled when it was packed, laid out as the folder of the settings is.
STATE = "state"
FORMAT = 1

#: What has a fingerprint in every bundle, and what in one that has a model.
ALWAYS, OF_MODEL = ("registry", "rulebook", "normaliser"), ("model", "policy")

_MOST_MANIFEST_BYTES = 1 << 20


class Default(enum.Enum):
    """Stands for what the caller did not choose; None means "none at all"."""

    SHIPPED = "the shipped one"
    DEFAULT = "the default place"
    KEEP = "as it is"


SHIPPED, DEFAULT = Default.SHIPPED, Default.DEFAULT


def shipped() -> Path:
    """Where shipped data lies: inside the installed package, else the checkout this file stands in."""
    inside = Path(__file__).parent / "shipped"
    return inside if inside.is_dir() else Path(__file__).parents[2]


@dataclass(frozen=True)
class Bundle:
    """Where the parts of a bundle lie.

    rules       folders of YAML files; a later one adds to or replaces rules by id
    registries  brands.csv files; a later one adds to or overrides brands by id
    model       the model's folder, or None
    stated      fingerprints its manifest states of its parts, without those that the caller replaced; checked once the
                parts are loaded; empty for the shipped one
    asked       what `find` was asked for, so that it can be asked again
    compiled    folder of what was compiled when it was packed, only ever read; None if there is none
    """

    rules: tuple[Path, ...]
    registries: tuple[Path, ...]
    model: Path | None
    stated: Mapping[str, str]
    asked: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    compiled: Path | None = field(default=None, compare=False)

    @classmethod
    def find(
        cls,
        bundle: Path | None = None,
        *,
        rules: Path | Default = SHIPPED,
        overlay: Path | None = None,
        model: Path | Default | None = SHIPPED,
        state: Path | None = None,
    ) -> Bundle:
        """Resolve what the caller chose; `state` is the folder below which a tar is unpacked.

        Raises BundleError where a folder is not there, or the bundle is not what `tierbreak bundle` writes.
        """
        asked = {"bundle": bundle, "rules": rules, "overlay": overlay, "model": model, "state": state}
        if bundle is not None:
            base = _open(bundle, state)
        else:
            own = shipped() / "rules"
            base = cls((own,), (own / REGISTRY,), shipped() / "models" / "us-brands", {})
        folders, registries = list(base.rules), list(base.registries)
        if not isinstance(rules, Default):
            folders = [rules]
            registries += _registry_in(rules)
        if overlay is not None:
            folders.append(overlay)
            registries += _registry_in(overlay)
        chosen = base.model if isinstance(model, Default) else model
        replaced: set[str] = set()
        if overlay is not None or not isinstance(rules, Default):
            replaced |= {"registry", "rulebook"}
        if not isinstance(model, Default):
            replaced |= set(OF_MODEL)
        stated = {part: fingerprint for part, fingerprint in base.stated.items() if part not in replaced}
        for folder in [*folders, *([chosen] if chosen else [])]:
            if not folder.is_dir():
                raise BundleError(f"{folder}: no such folder")
        return cls(tuple(folders), tuple(registries), chosen, stated, asked, base.compiled)

    def again(self) -> Bundle:
        """Found anew as it was found: a folder may have got a brands.csv since."""
        return Bundle.find(**self.asked) if self.asked else self

    def check(self, fingerprints: Mapping[str, str]) -> None:
        """Raise BundleError where a part is not what the manifest states."""
        wrong = [
            f"  {part}: the manifest states {stated[:16]}, found {fingerprints.get(part, 'none')[:16]}"
            for part, stated in self.stated.items()
            if fingerprints.get(part) != stated
        ]
        if wrong:
            message = "bundle is not what its manifest states; a part was changed after it was packed:\n"
            raise BundleError(message + "\n".join(wrong) + "\nPack it again, or take the changed part back.")


def _registry_in(folder: Path) -> list[Path]:
    return [folder / REGISTRY] if (folder / REGISTRY).is_file() else []


def _open(path: Path, state: Path | None) -> Bundle:
    if path.is_file():
        path = _unpacked(path, state)
    if not (path / MANIFEST).is_file():
        raise BundleError(f"{path}: no {MANIFEST} in it; give a folder that `tierbreak bundle` wrote, or its tar")
    read = _manifest(path)
    stated = {part: fingerprint for part, fingerprint in read["fingerprints"].items() if part != "all"}
    compiled = path / STATE
    return Bundle(
        tuple(path / name for name in read["rules"]),
        tuple(path / name for name in read["registries"]),
        path / read["model"] if read["model"] else None,
        stated,
        compiled=compiled if compiled.is_dir() else None,
    )


def _manifest(base: Path) -> dict[str, Any]:
    """The manifest of the bundle at `base`; raises BundleError that names every key that is wrong."""
    path = base / MANIFEST
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_MANIFEST_BYTES + 1)
        if len(data) > _MOST_MANIFEST_BYTES:
            raise ValueError(f"more than {_MOST_MANIFEST_BYTES:,} bytes")
        read = json.loads(data, object_pairs_hook=_each_once)
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: cannot be read as JSON: {error}; pack the bundle again") from None
    if isinstance(read, dict) and "format" in read and read["format"] != FORMAT:
        found = _shown(read["format"])
        raise BundleError(f"{path}: format {found}, this version reads {FORMAT}; pack the bundle again")
    known = ("format", "rules", "registries", "model", "fingerprints")
    if not isinstance(read, dict) or read.keys() != set(known):
        raise BundleError(
            f"{path}: found {_shown(sorted(read) if isinstance(read, dict) else read)}, expected an object with the "
            f"keys {', '.join(known)} and no others; pack the bundle again"
        )
    rules, registries, model = read["rules"], read["registries"], read["model"]
    checks = [
        ("format", type(read["format"]) is int, f"the number {FORMAT}"),
        ("rules", _all_lie_in(base, rules, Path.is_dir), "one or more folders in the bundle, as a list"),
        ("registries", _all_lie_in(base, registries, Path.is_file), "one or more files in the bundle, as a list"),
        ("model", model is None or _lies_in(base, model, Path.is_dir), "a folder in the bundle, or null"),
        *_fingerprints(read["fingerprints"], has_model=model is not None),
    ]
    wrong = [f"  {key}: found {_shown(read[key])}, expected {expected}" for key, sound, expected in checks if not sound]
    if wrong:
        raise BundleError("\n".join([f"{path}: not a bundle's manifest:", *wrong, "Pack the bundle again."]))
    return read


def _fingerprints(read: Any, *, has_model: bool) -> list[tuple[str, bool, str]]:
    """Every part must have one: what is not stated is not checked."""
    wanted = [*ALWAYS, *(OF_MODEL if has_model else ()), "all"]
    sound = isinstance(read, dict) and read.keys() == set(wanted) and all(map(_is_fingerprint, read.values()))
    said = [("fingerprints", sound, f"64 hex digits for each of {', '.join(wanted)}, and no others")]
    if sound:
        of_all = fingerprint_of((part, value) for part, value in read.items() if part != "all")
        said.append(("fingerprints", read["all"] == of_all, f"`all` to be {of_all}, that of the others together"))
    return said


def _is_fingerprint(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _all_lie_in(base: Path, names: Any, kind: Callable[[Path], bool]) -> bool:
    return isinstance(names, list) and bool(names) and all(_lies_in(base, name, kind) for name in names)


def _lies_in(base: Path, name: Any, kind: Callable[[Path], bool]) -> bool:
    """Whether that is the relative path of something in the bundle, links resolved."""
    if not isinstance(name, str) or not name or Path(name).is_absolute() or ".." in Path(name).parts:
        return False
    try:
        place = (base / name).resolve()
        return place.is_relative_to(base.resolve()) and kind(place)
    except (OSError, ValueError, RuntimeError):  # a name that no file can have, or links in a circle
        return False


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError(f"a key stands twice among {', '.join(key for key, _ in pairs)[:80]}")
    return read


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value)
    except RecursionError:
        return "lists within lists within lists"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _unpacked(path: Path, state: Path | None) -> Path:
    """The folder of a tar, unpacked below `state` once for each content; of several processes the first does it."""
    if state is None:
        raise BundleError(
            f"{path}: a tar is unpacked below a state folder, and none was given; give the bundle's folder"
        )
    try:
        with path.open("rb") as file:
            place = _private(state / "bundles") / hashlib.file_digest(file, "sha256").hexdigest()
        if not place.is_dir():
            with suppress(FileExistsError), atomic.folder(place) as folder:
                archive.unpack(path, folder)
    except OSError as error:
        raise BundleError(f"{path}: cannot be unpacked below {state}: {error}; give the bundle's folder") from None
    tops = [top for top in place.iterdir() if top.is_dir()]
    return place if (place / MANIFEST).is_file() or len(tops) != 1 else tops[0]


def _private(folder: Path) -> Path:
    """A folder that nobody else can have put anything into; made if it is not there. Raises BundleError, OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o022 or not stat.S_ISDIR(found.st_mode):
        raise BundleError(
            f"{folder}: found {stat.filemode(found.st_mode)} of user {found.st_uid}, expected a folder of user "
            f"{os.geteuid()} that nobody else can write to; remove it, or give another state folder"
        )
    return folder


def fingerprint_of(parts: Iterable[tuple[str, str]]) -> str:
    """One fingerprint of many, by name and in any order.

    >>> fingerprint_of([("a", "1"), ("b", "2")]) == fingerprint_of([("b", "2"), ("a", "1")])
    True
    """
    content = json.dumps(sorted(parts))
    return hashlib.sha256(content.encode()).hexdigest()
