"""Both sides' answers on one scale: every brand that either can name, what it is called today, and its family.

The registry is the newer system's where that is an engine. What the other side names beyond it is kept, as itself: an
answer that no registry knows is still an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.registry import Registry
from tierbreak.tools.rules.traffic import masked

Index = npt.NDArray[np.int32]

#: In place of a brand: the side gave no answer.
ABSTAINED = -1


@dataclass(frozen=True, eq=False)
class Joint:
    """Every brand that can be answered; a brand's position here is its number in every table of a comparison.

    ids        [n] registry ids, redirects already followed; or, behind them, names that no registry knows, as given
    names      [n] as shown
    sectors    [n] empty where none is known
    family     int32 [n], the head of its family: the brand itself where it has no parent
    known      bool [n], whether a registry has it
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    sectors: tuple[str, ...]
    family: Index
    known: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, registries: Sequence[Registry], unknown: Iterable[str] = ()) -> Joint:
        """All brands of some registries, the first one's word counting where several have an id, and further names.

        >>> from pathlib import Path
        >>> import tierbreak.bundle
        >>> registry = Registry.load(tierbreak.bundle.shipped() / "rules" / "brands.csv")
        >>> joint = Joint.of([registry], ["Joe's"])
        >>> joint.ids[joint.position["x"]], joint.known[joint.position["Joe's"]].item()
        ('x', False)
        """
        ids: list[str] = []
        names: list[str] = []
        sectors: list[str] = []
        parents: list[str] = []
        seen: set[str] = set()
        for registry in registries:
            for at, brand in enumerate(registry.brands):
                if brand.id not in seen and registry.redirect[at] == at:
                    seen.add(brand.id)
                    ids.append(brand.id)
                    names.append(brand.name)
                    sectors.append(brand.sector or "")
                    above = int(registry.parent[at])
                    parents.append(registry.ids[above] if above >= 0 else "")
        known = len(ids)
        for name in dict.fromkeys(unknown):
            if name not in seen:
                seen.add(name)
                ids.append(name)
                # An old system may have passed a descriptor on: what points at a person in it is not shown.
                names.append(masked(pl.Series([name]), digits=False)[0])
                sectors.append("")
                parents.append("")
        at_of = {id: at for at, id in enumerate(ids)}
        # One registry's parent may have another name in the next.
        heads = [today(parent, registries) for parent in parents]
        family = np.array([at_of.get(head, at) for at, head in enumerate(heads)], dtype=np.int32)
        while (family[family] != family).any():
            family = family[family]
        return cls(tuple(ids), tuple(names), tuple(sectors), family, np.arange(len(ids)) < known)

    @cached_property
    def position(self) -> Mapping[str, int]:
        """id -> number."""
        return {id: at for at, id in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)


def today(id: str, registries: Sequence[Registry]) -> str:
    """What an id is called today: the end of its redirects, in the first registry that has it.

    An id that no registry has stands for itself.
    """
    for registry in registries:
        if id in registry:
            return registry.ids[registry.redirect[registry.index(id)]]
    return id
