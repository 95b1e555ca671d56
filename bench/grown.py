"""The shipped engine with some hundred brands more, none of them trained: what `model add-brand` comes to in a year.

    python -m bench.grown 500 OUT      OUT/overlay with their brands.csv, OUT/bundle with the grown model

The brands are companies of other countries from rules/sources/elsewhere.txt, drawn by a seed; training has seen these
names, as names of nobody that the registry knows, so that they are no easy ones. All are added at once: what one brand
after the other may change is refused from 0.1 % on, what all of them change together is only seen by comparing.
Needs the extra `train`.
"""

from __future__ import annotations

import csv
import dataclasses
import random
import re
import shutil
import sys
from pathlib import Path

import numpy as np

from tierbreak import Engine
from tierbreak.bundle import Bundle, shipped
from tierbreak.core.policy import Policy
from tierbreak.packing import pack
from tierbreak.registry import Registry
from tierbreak.registry.reader import COLUMNS
from tierbreak.tiers.model.folder import FILES
from tierbreak.tools.rules.importing.names import as_id

_NAME = re.compile(r"[A-Za-z][A-Za-z .&'-]{5,24}")


def names(registry: Registry, count: int) -> dict[str, str]:
    """id -> name of so many companies that the registry lacks."""
    known = {form.casefold() for brand in registry.brands for form in (brand.name, *brand.aliases)}
    lines = (shipped() / "rules" / "sources" / "elsewhere.txt").read_text(encoding="utf-8").splitlines()
    fit = [line.strip() for line in lines if _NAME.fullmatch(line.strip())]
    random.Random(7).shuffle(fit)
    chosen: dict[str, str] = {}
    for name in fit:
        if name.casefold() not in known and as_id(name) not in registry and len(chosen) < count:
            chosen.setdefault(as_id(name), name)
    return chosen


def grow(count: int, out: Path) -> None:
    """Write overlay, model and bundle below `out`."""
    from tierbreak.tools.models.training.folder import half, read_golden, read_weights, write
    from tierbreak.tools.models.training.growth import LENGTH, prototypes, texts_of

    found = Bundle.find()
    assert found.model is not None
    chosen = names(Registry.load(*found.registries), count)
    overlay = out / "overlay"
    overlay.mkdir(parents=True)
    with (overlay / "brands.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for id in sorted(chosen):
            writer.writerow({"id": id, "name": chosen[id], "sector": "grocery", "status": "proposed"})
    registry = Registry.load(*found.registries, overlay / "brands.csv")
    source, policy = read_weights(found.model), Policy.from_json(found.model / "calibration.json")
    texts = [texts_of(registry, id, ())[0] for id in chosen]
    (embedded,) = source.embedder.run([text for one in texts for text in one], "embedding")
    ends = np.cumsum([len(one) for one in texts])
    added = [half(LENGTH * prototypes(part, len(source.head))) for part in np.split(embedded, ends[:-1])]
    head = np.concatenate([source.head, np.stack(added, axis=1)], axis=1)
    grown = dataclasses.replace(source, head=head, labels=(*source.labels, *chosen))
    shutil.copytree(found.model, out / "model", ignore=shutil.ignore_patterns(*FILES, "manifest.json"))
    write(out / "model", grown, policy, read_golden(found.model))
    with Engine.load(overlay=overlay, model=out / "model", cache=None) as engine:
        pack(engine, out / "bundle")


if __name__ == "__main__":
    grow(int(sys.argv[1]), Path(sys.argv[2]))
