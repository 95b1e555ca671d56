"""What a person wrote for the truth of a descriptor, as a brand."""

from __future__ import annotations

from functools import cached_property

from tierbreak.core.nearest import nearest
from tierbreak.registry import Registry
from tierbreak.tools.compare.joint import ABSTAINED, Joint, today

#: In place of a brand: the person looked and could not tell.
UNSURE = -2

NONE, CANNOT_TELL = "none", "?"


class Truths:
    """Reads truths.

    >>> from pathlib import Path
    >>> import tierbreak.bundle
    >>> registry = Registry.load(tierbreak.bundle.shipped() / "rules" / "brands.csv")
    >>> joint = Joint.of([registry], ["Joe's"])
    >>> truths = Truths(joint, registry)
    >>> [joint.ids[truths.of(cell)] for cell in ("uber-eats", "Uber Eats", "twitter", "Joe's")]
    ['uber-eats', 'uber-eats', 'x', "Joe's"]
    >>> truths.of("none"), truths.of("?"), truths.of("  ")
    (-1, -2, None)
    """

    def __init__(self, joint: Joint, registry: Registry) -> None:
        self.joint, self.registry = joint, registry
        self._said: dict[str, str] = {}

    def of(self, cell: str) -> int | None:
        """A position in `joint.ids`, -1 for no known brand, UNSURE, or None where the cell is blank.

        Raises ValueError that says what it could have been.
        """
        cell = cell.strip()
        if not cell:
            return None
        if cell == CANNOT_TELL:
            return UNSURE
        if cell.casefold() == NONE:
            return ABSTAINED
        # An id counts before a name: a brand may be called what another's id is.
        exact = self.joint.position.get(today(cell, [self.registry]))
        found = {exact} if exact is not None else self._names.get(cell.casefold(), set())
        if len(found) == 1:
            return next(iter(found))
        if found:
            raise ValueError(f"`{cell}` is several brands: {', '.join(sorted(self.joint.ids[at] for at in found))}")
        if cell not in self._said:
            self._said[cell] = f"no brand `{cell}`{self._near(cell)}"
        raise ValueError(self._said[cell])

    @cached_property
    def _names(self) -> dict[str, set[int]]:
        """Names and aliases of the registry, and names that only a side knows, without case -> brands."""
        names: dict[str, set[int]] = {}
        for at, brand in enumerate(self.registry.brands):
            position = self.joint.position.get(self.registry.ids[self.registry.redirect[at]])
            if position is not None:
                for name in (brand.id, brand.name, *brand.aliases):
                    names.setdefault(name.casefold(), set()).add(position)
        for position, known in enumerate(self.joint.known.tolist()):
            if not known:
                names.setdefault(self.joint.ids[position].casefold(), set()).add(position)
        return names

    def _near(self, cell: str) -> str:
        near = nearest(cell.casefold(), self._names)
        ids = dict.fromkeys(self.joint.ids[at] for name in near for at in sorted(self._names[name]))
        return f"; near it: {', '.join(ids)}" if ids else ""
