"""Writes what an engine decides with as a bundle: one folder that another machine loads as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tierbreak.bundle import ALWAYS, FORMAT, MANIFEST, OF_MODEL, STATE, Bundle, fingerprint_of
from tierbreak.engine import Engine
from tierbreak.errors import BundleError
from tierbreak.files import atomic
from tierbreak.parts import Parts


def pack(engine: Engine, out: Path) -> None:
    """Write one folder, whole or not at all: a copy of each part, the manifest, and what is compiled of the rules.

    out   must not exist

    Raises BundleError where it cannot be written or a part has changed since it was loaded, and ModelError where the
    model's weights are not what its own manifest states: loading looks at their length only.
    """
    if out.exists():
        raise BundleError(f"{out}: exists; give the name of a folder that does not")
    parts = engine.parts
    if parts.fallback:
        raise BundleError("the fallback answers here, and a bundle brings its own model; mend the model first")
    bundle = parts.bundle
    if bundle.model is not None:
        from tierbreak.tiers.model.folder import WEIGHTS, sealed

        sealed(bundle.model, WEIGHTS)
    skip = shutil.ignore_patterns("sources", "__pycache__")
    try:
        with atomic.folder(out) as whole:
            rules = [f"rules-{at}" for at in range(len(bundle.rules))]
            registries = [f"brands-{at}.csv" for at in range(len(bundle.registries))]
            for name, source in zip(rules, bundle.rules, strict=True):
                shutil.copytree(source, whole / name, ignore=skip)
            for name, source in zip(registries, bundle.registries, strict=True):
                shutil.copyfile(source, whole / name)
            if bundle.model is not None:
                shutil.copytree(bundle.model, whole / "model")
            stated = {part: parts.fingerprints[part] for part in (*ALWAYS, *OF_MODEL) if part in parts.fingerprints}
            manifest = {
                "format": FORMAT,
                "rules": rules,
                "registries": registries,
                "model": "model" if bundle.model is not None else None,
                "fingerprints": {**stated, "all": fingerprint_of(stated.items())},
            }
            (whole / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
            # Compiled anew: what lies in this machine's state folder may hold patterns of other rules as well.
            settings = engine.settings.model_copy(update={"state": whole / STATE})
            Parts.load(Bundle.find(whole, model=None), None, settings)
            (whole / STATE / "databases" / ".lock").unlink(missing_ok=True)
    except OSError as error:
        raise BundleError(f"{out}: cannot be written: {error}") from None
