"""The deployable whole: registry, rulebook, model, policy and normaliser, found, and fingerprinted together.

A bundle folder (or its tar) holds `bundle.json`, `rules/` and, if it has a model, `model/`. The shipped one
is the default; this is the only module that knows where it lies. `rules` in place of the shipped rules, and
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
from dataclasses import dataclass
from pathlib import Path

from tierbreak.errors import BundleError

MANIFEST = "bundle.json"
REGISTRY = "brands.csv"
FORMAT = 1


class Default(enum.Enum):
    """Stands for what the caller did not choose; None means "none at all"."""

    SHIPPED = "the shipped one"
    DEFAULT = "the default place"


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
    """

    rules: tuple[Path, ...]
    registries: tuple[Path, ...]
    model: Path | None
    stated: Mapping[str, str]

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
        if bundle is not None:
            base_rules, base_model, stated = _open(Path(bundle))
        else:
            base_rules, base_model, stated = shipped() / "rules", shipped() / "models" / "us-brands", {}
        folders, registries = [base_rules], [base_rules / REGISTRY]
        if not isinstance(rules, Default):
            folders, stated = [Path(rules)], {}
            registries += [Path(rules) / REGISTRY] * (Path(rules) / REGISTRY).is_file()
        if overlay is not None:
            folders, stated = [*folders, Path(overlay)], {}
            registries += [Path(overlay) / REGISTRY] * (Path(overlay) / REGISTRY).is_file()
        chosen = base_model if model is SHIPPED else model
        stated = stated if model is SHIPPED else {}
        for folder in [*folders, *([chosen] if chosen else [])]:
            if not Path(folder).is_dir():
                raise BundleError(f"{folder}: no such folder")
        return cls(tuple(folders), tuple(registries), Path(chosen) if chosen else None, stated)

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
        """Write this bundle as one folder: rules and registry merged by copying layer over layer, model, manifest."""
        out = Path(out)
        if out.exists():
            raise BundleError(f"{out}: exists; give the name of a folder that does not")
        if len(self.rules) > 1 or len(self.registries) > 1:
            raise BundleError("a bundle with an overlay cannot be packed: put the overlay's files into its rules first")
        with tempfile.TemporaryDirectory(dir=out.absolute().parent) as folder:
            whole = Path(folder) / "whole"
            shutil.copytree(self.rules[0], whole / "rules", ignore=shutil.ignore_patterns("sources", "__pycache__"))
            if self.model:
                shutil.copytree(self.model, whole / "model")
            manifest = {"format": FORMAT, "fingerprints": dict(fingerprints)}
            (whole / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
            whole.rename(out)


def _open(path: Path) -> tuple[Path, Path | None, Mapping[str, str]]:
    if path.is_file():
        path = _unpack(path)
    manifest = path / MANIFEST
    if not manifest.is_file():
        raise BundleError(f"{path}: no {MANIFEST} in it; give a folder that `tierbreak bundle` wrote, or its tar")
    try:
        read = json.loads(manifest.read_text())
        stated = {str(part): str(value) for part, value in read["fingerprints"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BundleError(f"{manifest}: not a bundle's manifest; pack the bundle again") from None
    if read.get("format") != FORMAT:
        raise BundleError(f"{manifest}: format {read.get('format')}, this version reads {FORMAT}")
    model = path / "model"
    return path / "rules", model if model.is_dir() else None, stated


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
