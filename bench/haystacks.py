"""What the benchmarks read: an invented rulebook and descriptors made from it, equal for equal arguments.

Every name is made of syllables and stands for nobody. The head word of a brand starts with one set of syllables, that
of a shop no rule knows with another, and a head word belongs to one name only: so the rules a descriptor must match
are known from how it was made, and no engine is asked what it should have found.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

_Thing = TypeVar("_Thing")

_CONSONANTS, _VOWELS = "BDFGKLMNPRSTVZ", "AEIOU"
_SYLLABLES = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
#: How the head words of brands begin, and those of shops that no rule knows.
_BRANDS, _SHOPS = _SYLLABLES[: len(_SYLLABLES) // 2], _SYLLABLES[len(_SYLLABLES) // 2 :]
_TAILS = (  # noqa: SIM905  # a list would fill the page
    "BAKERY BARBER BOOKS CAFE CLEANERS CLINIC COFFEE DELI DENTAL DINER FARM FITNESS FLORIST FOODS FURNITURE GALLERY "
    "GARAGE GRILL HARDWARE JEWELERS KITCHEN LAUNDRY MARKET MEDIA MUSIC NAILS OPTICAL OUTFITTERS PAINT PARKING PIZZA "
    "PRINT REPAIR SALON SHOES STUDIO SUPPLY TACOS TOWING TOYS TRAVEL VIDEO VINTAGE WINES WORKSHOP YOGA"
).split()
_PLACES = (  # noqa: SIM905
    "AUSTIN TX|BOISE ID|BOSTON MA|CHICAGO IL|DALLAS TX|DENVER CO|DURHAM NC|EUGENE OR|FRESNO CA|HOUSTON TX|IRVINE CA|"
    "MESA AZ|MIAMI FL|NEWARK NJ|OAKLAND CA|OMAHA NE|PLANO TX|RENO NV|SEATTLE WA|TAMPA FL|TOLEDO OH|TUCSON AZ|TULSA OK|"
    "YONKERS NY"
).split("|")

#: Beginnings of real names that a word of syllables may have: the shipped rules know them.
_TAKEN = ("ROKU", "VUDU")

#: One brand in this many is a part of the brand before it: its descriptors are matched by the rules of both.
NESTED = 20
#: Of each ten patterns of the book seven are `words`; the others are regexes, of these two in five with a `.*`.
_KINDS = ("words",) * 7 + ("regex",) * 3
_REGEXES = (
    # how the pattern is written, and what it is to find; {h} head, {t} tail
    (r"\b{h}\s*\*\s*{t}\b", "{h}* {t}"),
    (r"\b{h}(?:\.COM|ONLINE| ?{t})", "{h}.COM"),
    (r"\b{h} #?\d{{3,5}}\b", "{h} #{n:04}"),
    (r"^{h}.*\b{t}\b", "{h} {n:04} {t}"),
    (r"{h}.*\*\s*{t}", "{h} {n:04} *{t}"),
)
_WORDS = ("{h} {t}", "{h}*{t}", "{h} {t}", "{h}-{t}")
#: What may stand before and behind; where a pattern asks for the start of the text only the first of the heads.
_BEFORE = ("", "", "", "SQ *", "TST* ", "POS DEBIT ", "CHECKCARD 0612 ")
_BEHIND = (" {place}", " #{n:04} {place}", " {place}", " 555-{a:03}-{n:04}", " {n:05} {place}")
#: Descriptors of 25 to 45 characters, as most of those on statements are.
SHORTEST, LONGEST = 25, 45


@dataclass(frozen=True)
class Brand:
    """One brand of the invented book: two patterns, as (kind, pattern, what it is to find)."""

    id: str
    patterns: tuple[tuple[str, str, str], ...]
    parent: int | None


@dataclass(frozen=True)
class Descriptors:
    """Distinct descriptors that are folded already, in mixed order.

    texts    n descriptors, 25 to 45 ASCII characters each
    brands   for each the positions of the brands whose rules must match, () where none may
    names    for each what is left of it once everything is taken off that is no name, "" where a pattern's own
             number or sign stands within
    """

    texts: list[str]
    brands: list[tuple[int, ...]]
    names: list[str]

    @property
    def matched(self) -> int:
        """How many some rule must match."""
        return sum(bool(brands) for brands in self.brands)

    @property
    def pairs(self) -> int:
        """How many (descriptor, rule) pairs there are."""
        return sum(map(len, self.brands))


def brands(count: int, seed: int = 1) -> list[Brand]:
    """`count` brands with two patterns each: 4,000 patterns are 2,000 brands.

    >>> one, *_ = brands(40)
    >>> one.id, len(one.patterns)
    ('bench-0', 2)
    """
    draw = _Draw(seed)
    heads = _words(_BRANDS, draw)
    out: list[Brand] = []
    for number in range(count):
        nested = number % NESTED == NESTED - 1
        head = _head(out[-1]) if nested else next(heads)
        # Not the tails of the brand it is part of: then it would be matched in that one's descriptors.
        tails = draw.several([tail for tail in _TAILS if not nested or tail not in out[-1].patterns[1][1]], 2)
        kinds = ("words", "words") if nested else (draw.one(_KINDS), draw.one(_KINDS))
        patterns = [_pattern(kind, head, tail, draw) for kind, tail in zip(kinds, tails, strict=True)]
        if nested:
            # The brand before it gets the bare head, and so its rule matches here as well.
            out[-1] = Brand(out[-1].id, (("words", head, head), out[-1].patterns[1]), None)
        out.append(Brand(f"bench-{number}", tuple(patterns), number - 1 if nested else None))
    return out


def write_rulebook(book: list[Brand], folder: Path) -> Path:
    """The book as a rules folder with its brands.csv; returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since"
    lines = [f"{brand.id},Bench {brand.id[6:]},grocery,,,,,active,," for brand in book]
    (folder / "brands.csv").write_text("\n".join([columns, *lines]) + "\n", encoding="utf-8")
    for brand in book:
        match = [{kind: pattern} for kind, pattern, _ in brand.patterns]
        examples = [_fill(found, 4711, _PLACES[0]) for _, _, found in brand.patterns]
        rule = {"id": f"{brand.id}.name", "match": match, "examples": examples}
        content = yaml.safe_dump({"brand": brand.id, "owner": "bench", "rules": [rule]}, sort_keys=False)
        (folder / f"{brand.id}.yaml").write_text(content, encoding="utf-8")
    return folder


def descriptors(count: int, book: list[Brand], *, matched: float, seed: int = 2) -> Descriptors:
    """`count` distinct descriptors, of which a share `matched` names a brand of the book.

    >>> found = descriptors(100, brands(40), matched=0.65)
    >>> found.matched, len(set(found.texts))
    (65, 100)
    """
    draw = _Draw(seed)
    shops = _words(_SHOPS, draw)
    due = round(count * matched)
    seen: set[str] = set()
    rows: list[tuple[str, tuple[int, ...], str]] = []
    while len(rows) < count:
        if len(rows) < due:
            number = draw.below(len(book))
            row = _of_brand(number, book[number], draw)
        else:
            row = _of_shop(shops, draw)
        if row[0] not in seen and SHORTEST <= len(row[0]) <= LONGEST:
            seen.add(row[0])
            rows.append(row)
    draw.shuffle(rows)
    return Descriptors([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


def untidy(texts: list[str]) -> list[str]:
    """The same descriptors as banks write them: of each eight four as they are, three in lower case, one
    in lower case and with two spaces.

    >>> untidy(["A B", "C D", "E F", "G H", "I J"])
    ['A B', 'c d', 'E F', 'g  h', 'I J']
    """
    changes = (str, str.lower, str, lambda text: text.lower().replace(" ", "  ", 1), str, str.lower, str, str.lower)
    return [changes[at % 8](text) for at, text in enumerate(texts)]


def visits(distinct: int, rows: int, seed: int = 3) -> list[int]:
    """`rows` positions of `distinct` things in mixed order, each at least once, some far more often than others."""
    draw = _Draw(seed)
    out = list(range(distinct))
    while len(out) < rows:
        # The cube of a uniform number: a tenth of the things takes nearly half of the visits.
        out.append(int(distinct * draw.share() ** 3))
    draw.shuffle(out)
    return out


def _of_brand(number: int, brand: Brand, draw: _Draw) -> tuple[str, tuple[int, ...], str]:
    kind, pattern, found = draw.one(brand.patterns)
    if kind == "words" and " " in pattern:
        head, tail = pattern.split(" ")
        found = draw.one(_WORDS).format(h=head, t=tail)
    before = "" if pattern.startswith("^") else draw.one(_BEFORE)
    core = found.format(n=draw.below(10_000)) if "{n" in found else found
    text = before + core + _behind(draw)
    named = (number,) if brand.parent is None else (brand.parent, number)
    return text, named, core if core.replace(" ", "").isalpha() else ""


def _of_shop(shops: Iterator[str], draw: _Draw) -> tuple[str, tuple[int, ...], str]:
    name = f"{next(shops)} {draw.one(_TAILS)}"
    return draw.one(_BEFORE) + name + _behind(draw), (), name


def _behind(draw: _Draw) -> str:
    return draw.one(_BEHIND).format(n=draw.below(10_000), a=draw.below(1_000), place=draw.one(_PLACES))


def _pattern(kind: str, head: str, tail: str, draw: _Draw) -> tuple[str, str, str]:
    if kind == "words":
        return "words", f"{head} {tail}", f"{head} {tail}"
    regex, found = draw.one(_REGEXES)
    return "regex", regex.format(h=head, t=tail), found.replace("{h}", head).replace("{t}", tail)


def _head(brand: Brand) -> str:
    """The head word, which every pattern of a brand's finds first."""
    found = brand.patterns[0][2]
    end = next((at for at, character in enumerate(found) if not character.isalpha()), len(found))
    return found[:end]


def _fill(found: str, number: int, place: str) -> str:
    return f"{found.format(n=number) if '{n' in found else found} {place}"


def _words(firsts: list[str], draw: _Draw) -> Iterator[str]:
    """Words of three syllables and a letter in mixed order, never the same twice."""
    middle = len(_SYLLABLES) ** 2
    every = len(firsts) * middle * len(_CONSONANTS)
    step = 7_919  # a prime that divides none of the counts: the walk comes past every number once
    at = draw.below(every)
    for _ in range(every):
        at = (at + step) % every
        rest, last = divmod(at, len(_CONSONANTS))
        rest, third = divmod(rest, len(_SYLLABLES))
        first, second = divmod(rest, len(_SYLLABLES))
        word = firsts[first] + _SYLLABLES[second] + _SYLLABLES[third] + _CONSONANTS[last]
        if not word.startswith(_TAKEN):
            yield word


class _Draw:
    """Draws that every Python makes alike: only `random.Random.random` is promised to stay as it is."""

    def __init__(self, seed: int) -> None:
        self.share = random.Random(seed).random

    def below(self, count: int) -> int:
        return int(self.share() * count)

    def one(self, things: Sequence[_Thing]) -> _Thing:
        return things[self.below(len(things))]

    def several(self, things: list[str], count: int) -> list[str]:
        rest = list(things)
        return [rest.pop(self.below(len(rest))) for _ in range(count)]

    def shuffle(self, things: list[_Thing]) -> None:
        for at in range(len(things) - 1, 0, -1):
            other = self.below(at + 1)
            things[at], things[other] = things[other], things[at]
