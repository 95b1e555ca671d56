"""The whole rulebook compiled, in as few databases as an edit leaves: what was compiled before is not compiled again.

Hyperscan compiles 8,000 expressions in four seconds and ten of them in ten milliseconds, and a database beside
another one costs a scan about a twelfth more. So a rulebook that is new is compiled whole; after an edit the old
database goes on serving for all that has not changed, and a small one beside it holds what has. Expressions that are
gone may stay in a database; what it finds of them is dropped. Small layers are merged into the next, so that there are
few, and what is compiled again is never much more than what is new.

The truth guard (guard.py) tries every database that serves, each with the expressions it holds. An expression is
tried again only in a new database, or on new examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from tierbreak.rulebook.patterns import Expression
from tierbreak.tiers.rules import cross_check, database
from tierbreak.tiers.rules.compiled_cache import Layer, Shelf, Shelved, mark, mark_of
from tierbreak.tiers.rules.cross_check import Probe, loses_known_shapes
from tierbreak.tiers.rules.exact import ExactPattern

#: Databases that serve together at most.
MOST = 4


class LosesMatches(Exception):
    """The engine loses matches of the known-bad shapes: it must not serve at all."""


class _Part(NamedTuple):
    """A layer in its place: `numbers`, int64 [n], are the numbers of its expressions in the rulebook, -1 if gone."""

    layer: Layer
    numbers: np.ndarray


class Layers:
    """Scans with every expression of the rulebook.

    wrong   numbers of the expressions that the exact engine must serve
    """

    def __init__(self, parts: Sequence[_Part], shelf: Shelf) -> None:
        self._parts, self._shelf = parts, shelf
        self._whole = len(parts) == 1 and bool((np.diff(parts[0].numbers, prepend=-1) == 1).all())
        self.wrong = {int(numbers[at]) for layer, numbers in parts for at in layer.wrong if numbers[at] >= 0}

    @classmethod
    def build(cls, expressions: Sequence[Expression], trials: Mapping[int, Sequence[bytes]], shelf: Shelf) -> Layers:
        """Take from the shelf what lies there, compile the rest, and let the guard try what is new.

        Of processes that start together one compiles, and the others take what it put on the shelf.

        expressions   distinct; their positions are their numbers
        trials        number of an expression -> texts to try it on, moved about

        Raises LosesMatches, and CannotCompile with every number that an engine refuses.
        """
        number_of = {mark_of(expression): number for number, expression in enumerate(expressions)}
        listed = shelf.listed()
        parts, missing = _chosen(number_of, listed, shelf)
        with nullcontext() if parts and not missing else shelf.alone():
            if (missing or not parts) and (now := shelf.listed()) != listed:
                parts, missing = _chosen(number_of, now, shelf)
            return cls(cls._completed(parts, missing, expressions, trials, shelf), shelf)

    @staticmethod
    def _completed(
        parts: list[_Part],
        missing: Mapping[bytes, int],
        expressions: Sequence[Expression],
        trials: Mapping[int, Sequence[bytes]],
        shelf: Shelf,
    ) -> list[_Part]:
        """These parts, and one more for what is missing; all of them tried, and on the shelf."""
        if not parts and _loses(database.probe):  # a layer on the shelf says that the engine passed
            raise LosesMatches
        shelved = len(parts)
        exact: dict[int, cross_check.Expected] = {}
        if missing or not parts:
            check_exact({number: expressions[number] for number in missing.values()})
            with ThreadPoolExecutor(1) as beside:  # Hyperscan compiles without Python's lock
                compiling = beside.submit(_compiled, missing, expressions)
                for number in missing.values():
                    if trials.get(number):
                        exact[number] = cross_check.expected(expressions[number], trials[number])
                parts.append(compiling.result())
        for at, part in enumerate(parts):
            if _try(part, expressions, trials, exact) or at >= shelved:
                shelf.store(part.layer)
        return parts

    def is_kept(self) -> bool:
        return all(self._shelf.holds(part.layer) for part in self._parts)

    def scan(self, texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """int64 [m] positions of texts, int64 [m] numbers of the expressions found there, each pair once."""
        if self._whole:
            return self._parts[0].layer.database.scan(texts)
        where, what = [], []
        for layer, numbers in self._parts:
            at, found = layer.database.scan(texts)
            found = numbers[found]
            there = found >= 0
            where.append(at[there])
            what.append(found[there])
        return np.concatenate(where), np.concatenate(what)

    def find(self, text: bytes) -> set[int]:
        """The numbers of the expressions found in one text."""
        if self._whole:
            return set(self._parts[0].layer.database.find(text))
        found = {int(numbers[at]) for layer, numbers in self._parts for at in layer.database.find(text)}
        return found - {-1}


@cache
def _loses(probe: Probe) -> bool:
    """Whether the engine loses known matches: asked once a process, not once a rulebook."""
    return loses_known_shapes(probe)


def check_exact(expressions: Mapping[int, Expression]) -> None:
    """Raise CannotCompile with every number that the exact engine refuses.

    It is asked before Hyperscan, which may go astray where it gives up; what lies in the compiled cache it has taken.
    """
    refused = {
        number: f"RE2 refuses it: {words}"
        for number, expression in expressions.items()
        if (words := ExactPattern(expression).refused())
    }
    if refused:
        raise database.CannotCompile(refused)


def _chosen(
    number_of: Mapping[bytes, int], listed: Sequence[Shelved], shelf: Shelf
) -> tuple[list[_Part], dict[bytes, int]]:
    """The layers that serve on, the largest first, and what is to be compiled: numbers by mark, in order."""
    parts: list[_Part] = []
    missing = dict(number_of)
    shelved = list(listed)
    while missing and shelved:
        best = max(shelved, key=lambda one: sum(mark in missing for mark in one.marks))
        shelved.remove(best)
        numbers = np.array([missing.get(mark, -1) for mark in best.marks], dtype=np.int64)
        live = int((numbers >= 0).sum())
        if not live:
            break
        # A database of which most is gone costs a scan more than compiling what is left of it.
        if 2 * live >= len(numbers) and (layer := shelf.load(best)) is not None:
            parts.append(_Part(layer, numbers))
            missing = {mark: number for mark, number in missing.items() if mark not in best.holds}
    while parts and missing and (len(parts) >= MOST or (parts[-1].numbers >= 0).sum() <= 2 * len(missing)):
        layer, numbers = parts.pop()
        missing |= {mark: int(number) for mark, number in zip(layer.marks, numbers, strict=True) if number >= 0}
    return parts, dict(sorted(missing.items(), key=itemgetter(1)))


def _compiled(missing: Mapping[bytes, int], expressions: Sequence[Expression]) -> _Part:
    numbers = list(missing.values())
    try:
        compiled = database.Database.compile([expressions[number] for number in numbers])
    except database.CannotCompile as error:
        refused = {numbers[at]: f"Hyperscan refuses it: {words}" for at, words in error.numbers.items()}
        raise database.CannotCompile(refused) from None
    return _Part(Layer(compiled, tuple(missing), [b""] * len(missing), set()), np.array(numbers, dtype=np.int64))


def _try(
    part: _Part,
    expressions: Sequence[Expression],
    trials: Mapping[int, Sequence[bytes]],
    exact: Mapping[int, cross_check.Expected],
) -> bool:
    """Let the guard try what it has not tried in this database; whether there was any."""
    layer, numbers = part
    held: dict[int, Expression] = {}
    due: dict[int, cross_check.Expected] = {}
    for at, number in enumerate(numbers.tolist()):
        texts = trials.get(number)
        if texts and layer.tried[at] != (tried := mark(*texts)):
            layer.tried[at] = tried
            held[at] = expressions[number]
            due[at] = exact[number] if number in exact else cross_check.expected(held[at], texts)
    layer.wrong = (layer.wrong - set(due)) | set(cross_check.wrong(layer.database.scan, held, due))
    return bool(due)
