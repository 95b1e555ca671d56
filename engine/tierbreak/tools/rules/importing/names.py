"""Names of the old list -> ids of the registry; what has none becomes a proposed brand of the overlay.

A name is mapped only where one live brand, and no other, can be meant:

    map         the author's own list says so
    id          the name, written as an id, is one
    name        it is a brand's name
    alias       it is a brand's alias
    normalised  it is one of these but for case, accents, signs, spaces, or a leading THE

A retired brand stands for the one that took its place.
"""

from __future__ import annotations

import csv
import difflib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tierbreak.core.nearest import TOLD, nearest
from tierbreak.errors import InputError
from tierbreak.registry import Registry
from tierbreak.registry.reader import COLUMNS, SLUG
from tierbreak.tools.rules.importing.reading import LegacyRule

#: How a name was mapped, in the order in which it is tried; `proposed`: it was not.
HOW = ("map", "id", "name", "alias", "normalised", "proposed")
#: The sector of a proposed brand whose category tells none.
UNSORTED = "unsorted"
#: The columns of names.tsv, which `--map` reads again.
MAP_COLUMNS = ("name", "id", "how", "lines", "near", "doubt")


@dataclass(frozen=True, slots=True)
class Named:
    """What became of one name.

    name     as the list writes it
    id       of the registry, or of the proposed brand
    how      one of HOW
    lines    of the list, that answer it
    near     ids that look like it, for a proposed one
    sector   of a proposed one
    doubt    why a mapped one is worth a look; empty where nothing speaks against it
    """

    name: str
    id: str
    how: str
    lines: tuple[int, ...]
    near: tuple[str, ...] = ()
    sector: str = ""
    doubt: str = ""


class Meaning(NamedTuple):
    """What a name means.

    id        today's; a new one for a proposed brand
    written   the id that the name stands for as written: a retired one where that is what it is called
    how       one of HOW
    """

    id: str
    written: str
    how: str


class Meanings:
    """What names mean in a registry.

    given   name -> id, of the author: what `read_map` returned
    """

    def __init__(self, registry: Registry, given: Mapping[str, str] | None = None) -> None:
        self._registry, self._given = registry, given or {}
        # For each of HOW that is looked up: what is written -> today's id -> the id written.
        self._ways: dict[str, dict[str, dict[str, str]]] = {
            how: defaultdict(dict) for how in ("name", "alias", "normalised")
        }
        for at, brand in enumerate(registry.brands):
            today = registry.ids[registry.redirect[at]]
            self._add("name", brand.name, today, brand.id)
            for alias in brand.aliases:
                self._add("alias", alias.casefold(), today, brand.id)
            for form in (brand.id, brand.name, *brand.aliases):
                if bare := _bare(form):
                    self._add("normalised", bare, today, brand.id)

    def _add(self, how: str, form: str, today: str, written: str) -> None:
        meant = self._ways[how][form]
        if today not in meant or written == today:
            meant[today] = written

    def find(self, name: str) -> Meaning:
        """What one name means; `proposed` where no one brand of the registry can be meant."""
        registry = self._registry
        if name in self._given:
            id = self._given[name]
            return Meaning(self._today(id), id, "map") if id in registry else Meaning(id, id, "proposed")
        id = as_id(name)
        if id in registry:
            return Meaning(self._today(id), id, "id")
        for how, form in (("name", name), ("alias", name.casefold()), ("normalised", _bare(name))):
            meant = self._ways[how].get(form, {})
            if len(meant) == 1:
                ((today, written),) = meant.items()
                return Meaning(today, written, how)
        return Meaning(id, id, "proposed")

    def _today(self, id: str) -> str:
        return self._registry.ids[self._registry.redirect[self._registry.index(id)]]


def mapped(rules: Sequence[LegacyRule], registry: Registry, given: Mapping[str, str] | None = None) -> list[Named]:
    """What becomes of each name, in the order of the list.

    given   name -> id, of the author: what `read_map` returned

    Raises InputError for a name of which nothing is left as an id.
    """
    meanings = Meanings(registry, given)
    lines: dict[str, list[int]] = defaultdict(list)
    for rule in rules:
        lines[rule.name].append(rule.line)
    found = {name: meanings.find(name) for name in lines}
    sectors = _sectors(rules, found, registry)
    guess = _Guess(registry)
    out = []
    for name, at in lines.items():
        id, _, how = found[name]
        if how != "proposed":
            doubt = _doubt(id, sectors.get(name, ""), registry) if how != "map" else ""
            out.append(Named(name, id, how, tuple(at), doubt=doubt))
            continue
        if not re.fullmatch(SLUG, id):
            raise InputError(f"line {at[0]}: of the name {name!r} nothing is left as an id; give it one with --map")
        out.append(Named(name, id, how, tuple(at), guess.near(name), sectors.get(name, UNSORTED)))
    return out


def _doubt(id: str, sector: str, registry: Registry) -> str:
    if not registry.live[registry.index(id)]:
        return "a brand that is not answered any more"
    own = registry[id].sector
    return f"its sector is {own}, most of its category are {sector}" if sector not in ("", own) else ""


def read_map(path: Path, registry: Registry, *, none: bool = False) -> dict[str, str]:
    """name -> id from a TSV with a header, columns `name` and `id`: a names.tsv, corrected, will do.

    none   whether an id may be `none`: the name is no brand's, such as PAYROLL or FEE; it becomes an empty id

    A line whose `how` is `proposed` may name an id that is new. Raises InputError with every line that is wrong.
    """
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), delimiter="\t"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    header = rows[0] if rows else []
    if not {"name", "id"} <= set(header):
        raise InputError(f"{path}: no columns `name` and `id`; expected a TSV with these in its first line")
    out: dict[str, str] = {}
    wrong: list[str] = []
    for line, cells in enumerate(rows[1:], start=2):
        row = dict(zip(header, cells, strict=False))
        name, id = row.get("name", ""), row.get("id", "").strip()
        if not name or not id:
            continue
        if none and id == "none":
            out[name] = ""
        elif id in registry or (row.get("how") == "proposed" and re.fullmatch(SLUG, id)):
            out[name] = id
        else:
            near = nearest(id, registry.ids) if len(wrong) < TOLD else []
            wrong.append(f"  line {line}: no brand `{id}`" + (f"; near it: {', '.join(near)}" if near else ""))
    if wrong:
        hint = "\n  fix: mend the id; for a new brand write `proposed` into the column `how`"
        raise InputError(f"{path}: ids that the registry does not have\n" + "\n".join(wrong) + hint)
    return out


def as_id(name: str) -> str:
    """A name written as an id, the way the registry's are made.

    >>> as_id("Häagen-Dazs"), as_id("Ben & Jerry's"), as_id("Disney+")
    ('haagen-dazs', 'ben-and-jerrys', 'disney-plus')
    """
    text = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    text = re.sub(r"['`]", "", text).replace("&", " and ").replace("+", " plus ")
    return re.sub("[^a-z0-9]+", "-", text).strip("-")


def registry_rows(names: Iterable[Named]) -> list[dict[str, str]]:
    """The lines of the overlay's brands.csv: one a proposed brand, by id."""
    rows: dict[str, dict[str, str]] = {}
    for named in names:
        if named.how == "proposed":
            blank = dict.fromkeys(COLUMNS, "")
            name = " ".join(named.name.split())
            rows.setdefault(named.id, blank | {"id": named.id, "name": name, "sector": named.sector,
                                               "status": "proposed"})  # fmt: skip
    return [rows[id] for id in sorted(rows)]


def _bare(name: str) -> str:
    text = as_id(name).removeprefix("the-")
    return text.replace("-", "")


def _sectors(rules: Sequence[LegacyRule], found: Mapping[str, Meaning], registry: Registry) -> dict[str, str]:
    """The sector that most of the known brands of a name's category have, where more than half agree."""
    of_category: dict[str, Counter[str]] = defaultdict(Counter)
    category = {rule.name: rule.category for rule in rules if rule.category}
    for name, where in category.items():
        id, _, how = found[name]
        if how != "proposed":
            of_category[where][registry[id].sector] += 1
    best = {where: counts.most_common(1)[0] for where, counts in of_category.items()}
    return {
        name: best[where][0]
        for name, where in category.items()
        if where in best and 2 * best[where][1] > of_category[where].total() and best[where][1] > 1
    }


class _Guess:
    """Brands whose name looks like another name: only names that share a word or a beginning are compared."""

    def __init__(self, registry: Registry) -> None:
        self._of: dict[str, str] = {}
        self._shelves: dict[str, list[str]] = defaultdict(list)
        for brand in registry.brands:
            for form in (brand.name.casefold(), *map(str.casefold, brand.aliases)):
                self._of.setdefault(form, brand.id)
                for shelf in self._shelf(form):
                    self._shelves[shelf].append(form)

    @staticmethod
    def _shelf(form: str) -> set[str]:
        return {*re.findall(r"\w{3,}", form), form[:3]}

    def near(self, name: str) -> tuple[str, ...]:
        """At most three ids, for the name and for each side of a slash in it."""
        guesses: dict[str, None] = {}
        for part in dict.fromkeys((name, *name.split("/"))):
            form = part.strip().casefold()
            beside = {other for shelf in self._shelf(form) for other in self._shelves.get(shelf, ())}
            for other in difflib.get_close_matches(form, sorted(beside), n=2, cutoff=0.85):
                guesses[self._of[other]] = None
        return tuple(guesses)[:3]
