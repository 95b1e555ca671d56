"""What is no brand at all: invented local merchants, look-alikes of brands, and texts that are no merchant's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.registry import Registry
from tierbreak.tools.models.simulate.draw import Draw
from tierbreak.tools.models.simulate.lists import entries, pairs, words
from tierbreak.tools.models.simulate.names import by_row, text
from tierbreak.tools.models.simulate.prefixes import letters, spellings

#: Kinds, and their shares of what has no brand.
KINDS = {"local": 0.32, "look-alike": 0.22, "unlisted": 0.22, "not-a-merchant": 0.24}


@dataclass(frozen=True)
class Nobody:
    """Where texts without a brand come from.

    names       letters of every written name of a brand: an invented shop that is called so is left out
    single      brands' names that are one word of four letters or more
    parts       first and last words, of four letters or more, of brands' names of several words
    common      (word, sector) of brands whose bare name is a common word, a surname or a place
    unlisted    names of real companies that the registry leaves out
    """

    names: frozenset[str]
    single: tuple[str, ...]
    parts: tuple[str, ...]
    common: tuple[tuple[str, str], ...]
    unlisted: tuple[str, ...]

    @classmethod
    def of(cls, registry: Registry, common: Sequence[str], unlisted: Sequence[str]) -> Nobody:
        names = {letters(name) for brand in registry.brands for name in (brand.name, *brand.aliases)}
        ours = {city.upper() for city, _ in pairs("places", " ")}
        ours |= {word for name in ("surnames", "adjectives", "nouns") for word in words(name)}
        alike = [
            (spellings(brand.name)[0], brand.sector)
            for brand in registry.brands
            if brand.id in set(common) or brand.name.upper() in ours
        ]
        others = [name.upper() for name in unlisted if letters(name) not in names and len(letters(name)) > 3]
        alike = alike or [(surname, "-") for surname in words("surnames")]
        plain = [spellings(brand.name)[0] for brand in registry.brands]
        single = tuple(dict.fromkeys(name for name in plain if name.isalpha() and name.isascii() and len(name) > 3))
        ends = (word for name in plain for word in (name.split()[:1] + name.split()[-1:]) * (" " in name))
        part = tuple(dict.fromkeys(word for word in ends if word.isalpha() and word.isascii() and len(word) > 3))
        alike, others = list(dict.fromkeys(alike)), list(dict.fromkeys(others))
        return cls(frozenset(names), single, part or single, tuple(alike), tuple(others))

    def local(self, n: int, draw: Draw) -> pl.Series:
        """String [n]: invented names of small businesses."""
        return _Parts(n, draw).one_of(entries("local"))

    def look_alike(self, n: int, draw: Draw) -> pl.Series:
        """String [n]: a brand's word in the name of somebody else, of another trade than the brand's."""
        return _Parts(n, draw, self.common, self.single, self.parts).one_of(entries("look_alike"))

    def not_listed(self, n: int, draw: Draw) -> pl.Series:
        """String [n]: companies that the registry leaves out, and invented ones that sound like one."""
        first, middle, third = (self._of_list("syllables", n, draw) for _ in range(3))
        made = pl.DataFrame({
            "a": first, "b": third.zip_with(pl.Series(draw.happens(n, 0.5)), pl.Series([""] * n)), "c": middle,
            "d": self._of_list("company_ends", n, draw).replace("-", ""),
            "e": self._of_list("company_forms", n, draw).replace("-", "").str.replace("_", " "),
        }).select(pl.concat_str(pl.all())).to_series()  # fmt: skip
        if not self.unlisted:
            return made
        real = pl.Series(list(self.unlisted))[draw.below(n, len(self.unlisted))]
        return real.zip_with(pl.Series(draw.happens(n, 0.7)), made)

    @staticmethod
    def _of_list(name: str, n: int, draw: Draw) -> pl.Series:
        return pl.Series(words(name))[draw.below(n, len(words(name)))]

    def no_merchant(self, n: int, draw: Draw) -> pl.Series:
        """String [n]: whole descriptors of wages, transfers, cash, fees and payments between people."""
        return _Parts(n, draw).one_of(entries("no_merchant"))


class _Parts:
    """Columns to write names from, by the names that templates call them.

    brands   (word, sector): what `{brand}` may be; `{trade}` is then of another sector
    single   what `{any}` may be; `{stem}` is the beginning of one with an ending of its own
    parts    what `{part}` may be
    """

    def __init__(
        self,
        n: int,
        draw: Draw,
        brands: Sequence[tuple[str, str]] = (),
        single: Sequence[str] = ("",),
        parts: Sequence[str] = ("",),
    ) -> None:
        self._n, self._draw = n, draw
        places = pairs("places", " ")
        place = draw.below(n, len(places))
        trade, brand = self._trades(brands)
        adjectives, nouns, surnames = words("adjectives"), words("nouns"), words("surnames")
        self._columns: dict[str, Callable[[], pl.Series]] = {
            "surname": self._of(surnames), "surname2": self._of(surnames), "first": self._of(words("first_names")),
            "adjective": self._of(adjectives), "adjective2": self._of(adjectives),
            "noun": self._of(nouns), "noun2": self._of(nouns),
            "street": self._of(words("streets")), "employer": self._of(entries("employers")),
            "trade": lambda: trade, "trade2": self._of([name for name, _ in pairs("trades", ":")]),
            "any": self._of(single), "part": self._of(parts), "stem": lambda: self._stems(single),
            "suffix": self._of(words("suffixes")), "brand": lambda: brand,
            "near": lambda: brand.str.replace("[AEIOU]([A-Z])$", "${1}E").str.replace("([A-Z])([A-Z])$", "${2}${1}"),
            "city": lambda: pl.Series([city.upper() for city, _ in places])[place],
            "state": lambda: pl.Series([state for _, state in places])[place],
            "initials": self._of([one + two for one in "ABCDEGHJKLMNPRSTW" for two in "ABCDFGJKLMRSTW"]),
            "letters": self._of([one + two for one in "ABCDEFGHJKLM" for two in "0123456789"]),
            "n4": self._digits(4), "n6": self._digits(6), "n10": self._digits(10),
            "month": self._digits(1, 12), "day": self._digits(1, 28),
        }  # fmt: skip

    def one_of(self, templates: Sequence[str]) -> pl.Series:
        """String [n]: each row by a template of its own."""
        which = self._draw.below(self._n, len(templates))
        asked = [name for name in self._columns if any(f"{{{name}}}" in template for template in templates)]
        frame = pl.DataFrame({name: self._columns[name]() for name in asked})
        return by_row(frame, [text(template) for template in templates], which)

    def _of(self, things: Sequence[str]) -> Callable[[], pl.Series]:
        return lambda: pl.Series(list(things))[self._draw.below(self._n, len(things))]

    def _stems(self, single: Sequence[str]) -> pl.Series:
        """The first three to six letters of a brand's name, and a syllable or two that are not its own."""
        frame = pl.DataFrame({
            "name": self._of(single)(), "letters": 3 + self._draw.below(self._n, 4),
            "middle": self._of(words("syllables"))(), "end": self._of(words("company_ends"))().replace("-", ""),
        })  # fmt: skip
        return frame.select(
            pl.col("name").str.slice(0, pl.col("letters")) + pl.col("middle") + pl.col("end")
        ).to_series()

    def _digits(self, width: int, high: int = 0) -> Callable[[], pl.Series]:
        def made() -> pl.Series:
            return pl.Series(self._draw.below(self._n, high or 10**width) + bool(high)).cast(pl.String).str.zfill(width)

        return made

    def _trades(self, brands: Sequence[tuple[str, str]]) -> tuple[pl.Series, pl.Series]:
        """A trade for each row and, with brands, a brand's word beside it: never of the brand's own sector."""
        trades = pairs("trades", ":")
        names, sectors = pl.Series([name for name, _ in trades]), np.array([sector for _, sector in trades])
        trade = self._draw.below(self._n, len(trades))
        if not brands:
            return names[trade], pl.Series([""] * self._n)
        which = self._draw.below(self._n, len(brands))
        own = np.array([sector for _, sector in brands])[which]
        none = np.flatnonzero(sectors == "-")
        trade = np.where(_near(sectors[trade], own), none[trade % len(none)], trade)
        return names[trade], pl.Series([word for word, _ in brands])[which]


#: Sectors that sell each other's goods: a coffee brand's GRILL may well be its own.
_ALIKE = (
    {"coffee", "fast-food", "restaurant", "bakery-dessert"},
    {"grocery", "convenience", "fuel", "department-store", "pharmacy", "warehouse-club"},
    {"health", "pharmacy", "pet"},
    {"auto", "fuel", "rideshare", "parking-tolls"},
    {"clothing", "department-store", "sports", "gifts"},
    {"home-improvement", "furniture", "home-services", "housing"}, {"hotel", "travel", "entertainment"},
)  # fmt: skip


def _near(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    near = one == other
    for group in _ALIKE:
        members = list(group)
        near |= np.isin(one, members) & np.isin(other, members)
    return near
