"""What simulating and training start from: registry, rulebook, and the lists of the registry's build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tierbreak.bundle import SHIPPED, Bundle, shipped
from tierbreak.registry import Registry
from tierbreak.rulebook import Rulebook


@dataclass(frozen=True)
class Inputs:
    """A registry with its rulebook.

    lists   folder with generic.txt, drop.csv and elsewhere.txt, or None where the rules have none
    """

    registry: Registry
    book: Rulebook
    lists: Path | None

    @classmethod
    def find(cls, rules: Path | None = None, overlay: Path | None = None) -> Inputs:
        """The shipped rules, or those in `rules` in their place, and those in `overlay` beside them.

        Raises BundleError, RegistryError or RulebookError.
        """
        bundle = Bundle.find(rules=rules or SHIPPED, overlay=overlay, model=None)
        registry = Registry.load(*bundle.registries)
        book = Rulebook.load(bundle.rules, frozenset(registry.ids))
        lists = shipped() / "rules" / "sources"
        return cls(registry, book, lists if lists.is_dir() else None)
