"""What is checked: the rulebook as far as it could be read, and an engine that decides with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tierbreak.bundle import Bundle
from tierbreak.engine import Engine
from tierbreak.errors import Fault, RegistryError, RulebookError
from tierbreak.parts import Parts
from tierbreak.registry import Registry
from tierbreak.rulebook import Pattern, Reading, Rule, Rulebook
from tierbreak.settings import Settings
from tierbreak.tools.rules.checking.sources import Sources


@dataclass(frozen=True)
class Subject:
    """What every family of checks is given.

    reading    the rule files as far as they could be read
    faults     what kept the rest from being read or compiled
    engine     decides with the rules that could be read, no model; None where there is no registry
    as_of      the day that counts as today
    layers     folders of the rulebook, a later one above an earlier one
    """

    reading: Reading
    faults: tuple[Fault, ...]
    engine: Engine | None
    sources: Sources
    settings: Settings
    as_of: dt.date
    layers: tuple[Path, ...]

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> Subject:
        """Read what can be read. Raises BundleError where a folder is not there."""
        faults: list[Fault] = []
        registry = None
        try:
            registry = Registry.load(*bundle.registries)
        except RegistryError as error:
            faults += error.faults
        brands = frozenset(registry.ids) if registry is not None else _Every()
        reading = Rulebook.read(bundle.rules, brands, keep=settings.state / "rulebooks")
        sources = Sources(reading.files, reading.book.rules)
        faults += [sources.sharpen(fault) for fault in reading.faults]
        engine = None
        if registry is not None:
            engine, refused = _engine(bundle, reading.book, registry, settings)
            faults += refused
        return cls(reading, tuple(faults), engine, sources, settings, settings.as_of or dt.date.today(), bundle.rules)

    @property
    def readable(self) -> tuple[Rule, ...]:
        """The rules that could be read, and of the others what could."""
        return (*self.rules, *self.reading.broken)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that could be read, by id."""
        return self.reading.book.rules

    def patterns(self) -> Iterator[tuple[Rule, str, Pattern]]:
        """Every pattern of every rule, with its rule and the key it stands under: match or unless."""
        for rule in self.rules:
            for pattern in rule.match:
                yield rule, "match", pattern
            for pattern in rule.unless:
                yield rule, "unless", pattern


class _Every(frozenset[str]):
    """Stands for the brands of a registry that cannot be read: none is called unknown."""

    def __contains__(self, brand: object) -> bool:
        return True


def _engine(bundle: Bundle, book: Rulebook, registry: Registry, settings: Settings) -> tuple[Engine, list[Fault]]:
    """An engine of the rules that compile, and a fault for each pattern that does not."""
    refused: list[Fault] = []
    bare = Bundle(bundle.rules, bundle.registries, None, {})
    while True:
        try:
            return Engine(Parts.load(bare, None, settings, book, registry), settings), refused
        except RulebookError as error:
            sound, faults = _without(book, error.faults)
            if not faults:
                raise
            refused += faults
            book = Rulebook.of(sound)


def _without(book: Rulebook, faults: Collection[Fault]) -> tuple[tuple[Rule, ...], list[Fault]]:
    """The rules without the expressions that stand where the faults are, and a fault wherever else they stand."""
    by_place: dict[tuple[object, ...], Fault] = {(str(fault.path), fault.line, fault.column): fault for fault in faults}
    each = [(rule, pattern) for rule in book.rules for pattern in (*rule.match, *rule.unless)]
    found = ((pattern.expression.source, by_place.get(tuple(pattern.place))) for _, pattern in each)
    by_source = {source: fault for source, fault in found if fault}
    out, dropped = [], set()
    for rule, pattern in each:
        if first := by_source.get(pattern.expression.source):
            dropped.add(rule.id)
            path, line, column = pattern.place
            out.append(replace(first, path=Path(path), line=line, column=column, found=pattern.text))
    return tuple(rule for rule in book.rules if rule.id not in dropped), out
