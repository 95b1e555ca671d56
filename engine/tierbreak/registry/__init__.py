"""The brand registry: stable ids, names, aliases, families and redirects, as arrays by brand index.

    brands.csv (+ an overlay's) -> rows -> Registry

An answer is stored as an id and re-mapped through redirects when it is read: a rebrand changes one
line here and no stored answer.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tierbreak.core.nearest import TOLD, nearest
from tierbreak.core.tables import MASKED, NO_BRAND, NOT_A_MERCHANT
from tierbreak.errors import Fault, RegistryError
from tierbreak.registry import reader
from tierbreak.registry.reader import Brand, Row

__all__ = ["Brand", "Registry", "UnknownBrand"]


class UnknownBrand(KeyError):
    """An id that the registry does not have; the message names the nearest ones."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclasses.dataclass(frozen=True, eq=False)
class Registry:
    """Every brand, and what the tiers need to know about it by brand index.

    ids           sorted; a brand's position here is its index in every internal table
    brands        [n] in the same order
    fingerprint   sha256 of the content: the order of lines and columns and the line ends do not count
    redirect      int32 [n], the brand that answers for this one today: itself, or the end of `replaced_by`
    parent        int32 [n], the parent after redirects; -1 where there is none
    depth         int32 [n], how many ancestors: 0 for a brand without a parent
    live          bool [n], may be decided on: active after redirects, or proposed by an overlay
    """

    ids: tuple[str, ...]
    brands: tuple[Brand, ...]
    fingerprint: str
    redirect: np.ndarray
    parent: np.ndarray
    depth: np.ndarray
    live: np.ndarray
    _index: Mapping[str, int] = dataclasses.field(repr=False)

    @classmethod
    def load(cls, path: Path, *overlays: Path) -> Registry:
        """Read a registry file, and overlays whose lines add to it or stand in for it by id, the last one first.

        Raises RegistryError with every fault of all files: cells, columns, ids that stand twice,
        parents and redirects that lead nowhere or in a circle.
        """
        rows: dict[str, Row] = {}
        faults: list[Fault] = []
        whole = True
        files = [path, *overlays]
        for file in files:
            read, wrong = reader.read(file)
            whole = whole and (bool(read) or not wrong)
            faults += [*wrong, *_twice(read)]
            rows |= {row.cells["id"]: row for row in read}
        rows = dict(sorted(rows.items()))
        # Where a file could not be read, every reference into it would be called loose: not said.
        if whole:
            faults += [*_loose_ends(rows), *_circles(rows)]
        if faults:
            layer = {file: number for number, file in enumerate(files)}
            raise RegistryError(faults=sorted(faults, key=lambda fault: (layer[fault.path], fault.line, fault.column)))
        return cls._of(rows, overlays)

    @classmethod
    def _of(cls, rows: Mapping[str, Row], overlays: Sequence[Path]) -> Registry:
        index = {id: at for at, id in enumerate(rows)}
        brands = tuple(row.brand for row in rows.values() if row.brand)
        ends = [index[_end(rows, id)] for id in rows]
        redirect = np.array(ends, dtype=np.int32)
        parent = np.array([ends[index[brand.parent]] if brand.parent else -1 for brand in brands], dtype=np.int32)
        depth = np.zeros(len(brands), dtype=np.int32)
        above = parent
        while (above >= 0).any():
            depth += above >= 0
            above = np.where(above >= 0, parent[above], -1).astype(np.int32)
        live = np.array(
            [
                brand.status == "active" or (brand.status == "proposed" and row.path in overlays)
                for brand, row in zip(brands, rows.values(), strict=True)
            ],
            dtype=bool,
        )[redirect]
        content = "\n".join(
            "\x1f".join([row.cells[column] for column in reader.COLUMNS]) + ("\x1f+" if alive else "")
            for row, alive in zip(rows.values(), live.tolist(), strict=True)
        )
        fingerprint = hashlib.sha256(content.encode()).hexdigest()
        return cls(tuple(rows), brands, fingerprint, redirect, parent, depth, live, index)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, id: object) -> bool:
        return id in self._index

    def __getitem__(self, id: str) -> Brand:
        return self.brands[self.index(id)]

    def index(self, id: str) -> int:
        """The brand's position in `ids`. Raises UnknownBrand, which names the nearest ids."""
        try:
            return self._index[id]
        except KeyError:
            raise UnknownBrand(f"no brand `{id}`{_near(id, self.ids)}") from None

    def codes(self, labels: Sequence[str]) -> np.ndarray:
        """What each of a model's labels stands for: an array that `labels` of tables.EVIDENCE are looked up in.

        returns   int32 [labels + 2]: registry index, redirects followed, or MASKED for a brand that is not live; at its
                  end, where the labels -2 and -1 look, NOT_A_MERCHANT and NO_BRAND

        Raises UnknownBrand.
        """
        brand = self.redirect[np.array([self.index(label) for label in labels], dtype=np.int64)]
        live = np.where(self.live[brand], brand, MASKED)
        return np.append(live, [NOT_A_MERCHANT, NO_BRAND]).astype(np.int32)

    def ancestors(self, index: int) -> tuple[int, ...]:
        """Indexes of the parent, its parent, and so on, nearest first; empty where there is none."""
        chain = []
        while (index := int(self.parent[index])) >= 0:
            chain.append(index)
        return tuple(chain)


def _near(id: str, ids: Iterable[str]) -> str:
    near = nearest(id, ids)
    return f"; near it: {', '.join(near)}" if near else ""


def _end(rows: Mapping[str, Row], id: str) -> str:
    """The id at the end of the redirects; only called where they have been found to end."""
    while target := rows[id].cells["replaced_by"]:
        id = target
    return id


def _twice(rows: Sequence[Row]) -> list[Fault]:
    faults: list[Fault] = []
    first: dict[str, int] = {}
    for row in rows:
        id = row.cells["id"]
        if id in first:
            expected, fix = f"each id once; line {first[id]} has it too", "merge the two lines"
            faults.append(row.fault("B010", "id", f"id `{id}` stands twice", expected, fix))
        first.setdefault(id, row.line)
    return faults


def _loose_ends(rows: Mapping[str, Row]) -> list[Fault]:
    """References to no brand, and redirects of brands that are not retired."""
    faults: list[Fault] = []
    for row in rows.values():
        for column in ("parent", "replaced_by"):
            target = row.cells[column]
            if target and target not in rows:
                fix = f"add the brand or mend the id{_near(target, rows) if len(faults) < TOLD else ''}"
                faults.append(row.fault("B011", column, f"{column} `{target}` is no brand", "an id of this file", fix))
        if row.cells["replaced_by"] and row.brand and row.brand.status != "retired":
            says, expected = "a brand that is not retired is replaced", "replaced_by on retired brands only"
            faults.append(row.fault("B012", "replaced_by", says, expected, "set status to retired, or empty this"))
    return faults


def _circles(rows: Mapping[str, Row]) -> list[Fault]:
    """Redirects that come back, and families in which a brand is its own ancestor."""
    moved = {id: row.cells["replaced_by"] for id, row in rows.items() if row.cells["replaced_by"] in rows}
    faults, looped = [], set()
    for circle in _loops(moved):
        looped |= set(circle)
        says = f"redirects in a circle: {' -> '.join([*circle, circle[0]])}"
        fix = "empty one replaced_by"
        faults.append(rows[circle[0]].fault("B013", "replaced_by", says, "redirects that end", fix))

    def today(id: str) -> str:
        while id in moved and id not in looped:
            id = moved[id]
        return id

    above = {id: today(row.cells["parent"]) for id, row in rows.items() if row.cells["parent"] in rows}
    for circle in _loops(above):
        says = f"parents in a circle: {' -> '.join([*circle, circle[0]])}"
        faults.append(rows[circle[0]].fault("B014", "parent", says, "families with a head", "empty one parent"))
    return faults


def _loops(steps: Mapping[str, str]) -> list[list[str]]:
    """The circles of a graph in which every node has one way out at most, each from its least id.

    >>> _loops({"a": "b", "c": "b", "b": "c", "d": "d"})
    [['b', 'c'], ['d']]
    """
    circles, done = [], set()
    for start in sorted(steps):
        path: list[str] = []
        at = start
        while at in steps and at not in done:
            done.add(at)
            path.append(at)
            at = steps[at]
        if at in path:
            circle = path[path.index(at) :]
            least = circle.index(min(circle))
            circles.append(circle[least:] + circle[:least])
    return circles
