"""The deployable whole: registry, rulebook, model, policy and normaliser, found, and fingerprinted together.

A bundle folder (or its tar) holds `bundle.json`, which names the folders and files of its parts in order. The
shipped one is the default; this is the only module that knows where it lies. `rules` in place of the shipped rules, and
`overlay` beside them, are folders of YAML files that may hold a `brands.csv`.
"""

from __future__ import annotations

import enum
import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tierbreak.errors import BundleError

MANIFEST = "bundle.json"
REGISTRY = "brands.csv"
FORMAT = 1


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
    stated      fingerprints its manifest states, checked once the parts are loaded; empty for the shipped one
    asked       what `find` was asked for, so that it can be asked again
    """

    rules: tuple[Path, ...]
    registries: tuple[Path, ...]
    model: Path | None
    stated: Mapping[str, str]
    asked: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def find(
        cls,
        bundle: Path | None = None,
        *,
        rules: Path | Default = SHIPPED,
        overlay: Path | None = None,
        model: Path | Default | None = SHIPPED,
    ) -> Bundle:
        """Resolve what the caller chose; raises BundleError where a folder is not there."""
        asked = {"bundle": bundle, "rules": rules, "overlay": overlay, "model": model}
        if bundle is not None:
            base = _open(bundle)
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
        as_stated = isinstance(rules, Default) and isinstance(model, Default) and overlay is None
        for folder in [*folders, *([chosen] if chosen else [])]:
            if not folder.is_dir():
                raise BundleError(f"{folder}: no such folder")
        return cls(tuple(folders), tuple(registries), chosen, base.stated if as_stated else {}, asked)

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

    def pack(self, out: Path, fingerprints: Mapping[str, str]) -> None:
        """Write this bundle as one folder, whole or not at all: a copy of each part, and the manifest."""
        if out.exists():
            raise BundleError(f"{out}: exists; give the name of a folder that does not")
        with tempfile.TemporaryDirectory(dir=out.absolute().parent) as folder:
            whole = Path(folder) / "whole"
            skip = shutil.ignore_patterns("sources", "__pycache__")
            rules = [f"rules-{at}" for at in range(len(self.rules))]
            registries = [f"brands-{at}.csv" for at in range(len(self.registries))]
            for name, source in zip(rules, self.rules, strict=True):
                shutil.copytree(source, whole / name, ignore=skip)
            for name, source in zip(registries, self.registries, strict=True):
                shutil.copyfile(source, whole / name)
            if self.model:
                shutil.copytree(self.model, whole / "model")
            manifest = {
                "format": FORMAT, "rules": rules, "registries": registries, "model": "model" if self.model else None,
                "fingerprints": dict(fingerprints),
            }  # fmt: skip
            (whole / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
            whole.rename(out)


def _registry_in(folder: Path) -> list[Path]:
    return [folder / REGISTRY] if (folder / REGISTRY).is_file() else []


def _open(path: Path) -> Bundle:
    if path.is_file():
        path = _unpack(path)
    manifest = path / MANIFEST
    if not manifest.is_file():
        raise BundleError(f"{path}: no {MANIFEST} in it; give a folder that `tierbreak bundle` wrote, or its tar")
    try:
        read = json.loads(manifest.read_text())
        if read["format"] != FORMAT:
            raise BundleError(f"{manifest}: format {read['format']}, this version reads {FORMAT}")
        return Bundle(
            tuple(path / name for name in read["rules"]),
            tuple(path / name for name in read["registries"]),
            path / read["model"] if read["model"] else None,
            {str(part): str(stated) for part, stated in read["fingerprints"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BundleError(f"{manifest}: not a bundle's manifest; pack the bundle again") from None


def _unpack(path: Path) -> Path:
    """Into a folder of the temporary files named by the tar's content, so that it is unpacked once."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    target = Path(tempfile.gettempdir()) / f"tierbreak-bundle-{digest}"
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            try:
                with tarfile.open(path) as tar:
                    tar.extractall(folder, filter="data")
            except tarfile.TarError as error:
                raise BundleError(f"{path}: not a tar of a bundle: {error}") from None
            tops = list(Path(folder).iterdir())
            whole = tops[0] if len(tops) == 1 and tops[0].is_dir() else Path(folder)
            shutil.copytree(whole, target)
    return target


def fingerprint_of(parts: Iterable[tuple[str, str]]) -> str:
    """One fingerprint of many, by name and in any order.

    >>> fingerprint_of([("a", "1"), ("b", "2")]) == fingerprint_of([("b", "2"), ("a", "1")])
    True
    """
    content = json.dumps(sorted(parts))
    return hashlib.sha256(content.encode()).hexdigest()
