"""The heads of a registry: every way in which a descriptor may begin to name a brand, with how often it does.

A head is what card data makes of a name: cut, squeezed, its vowels dropped, its long words shortened, its apostrophe a
space. One that could as well be another brand's (AMERICAN E) is nobody's, unless it is that brand's written name.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.core.tables import schema
from tierbreak.registry import Registry
from tierbreak.registry.reader import Brand
from tierbreak.tools.models.simulate.draw import Draw
from tierbreak.tools.models.simulate.lists import table
from tierbreak.tools.models.simulate.popular import popularity

#: How much of a brand's traffic each kind of head carries, before it is shared out among the heads of that kind.
KINDS = {
    "name": 0.34, "alias": 0.20, "rule": 0.18, "tailed": 0.10, "short": 0.07, "cut": 0.06, "joined": 0.03,
    "domain": 0.04, "vowels": 0.03,
}  # fmt: skip

#: Splits by a hash of brand and head, in percent: what training never sees is what a test on it means something for.
SPLITS = {"train": 92, "calibration": 4, "test": 4}

#: One row a head. `brand` is a registry index, `weight` its share of all branded traffic, `split` a name of SPLITS.
HEADS = schema(brand=pl.Int32, head=pl.String, kind=pl.String, weight=pl.Float64, split=pl.String)

#: Words as card data shortens them: word -> ways, the commonest first.
_SHORT = {word: short.split() for word, short in table("short").items()}

#: Sector -> what stands behind a name where the string says more than the name.
_TAILS = {sector: tails.split("|") for sector, tails in table("tails").items()}

#: Cut names are between so many letters long.
_CUTS = (9, 16)
_MOST_OF_A_KIND = 8


def heads(registry: Registry, written: Mapping[str, Sequence[str]] | None = None) -> pl.DataFrame:
    """HEADS of every live brand of the registry, sorted by brand and head.

    registry   the brands
    written    brand id -> further heads that people wrote down, such as those that its rules ask for

    >>> from tierbreak.bundle import shipped
    >>> table = heads(Registry.load(shipped() / "rules" / "brands.csv"))
    >>> "OUTBACK STEAKHSE" in table["head"], table.schema == HEADS
    (True, True)
    """
    shares = popularity(registry)
    owners = _owners(registry, written or {})
    prefixes = _prefixes(owners)
    rows: list[tuple[int, str, str, float]] = []
    for at, brand in enumerate(registry.brands):
        if shares[at]:
            rows += _of_brand(at, brand, (written or {}).get(brand.id, ()), owners, prefixes, registry)
    table = pl.DataFrame(rows, schema=["brand", "head", "kind", "weight"], orient="row").with_columns(
        pl.col("brand").cast(pl.Int32)
    )
    table = _nobodys(table, shares).sort("brand", "head")
    share = pl.Series("share", shares)[table["brand"]]
    whole = pl.col("weight").sum().over("brand")
    plainest = {(at, spellings(_plain(brand.name))[0]) for at, brand in enumerate(registry.brands)}
    split = [  # a brand's plain name is what it is told by: training always has it
        "train" if pair in plainest else split_of(f"{registry.ids[pair[0]]} {pair[1]}")
        for pair in table.select("brand", "head").iter_rows()
    ]
    return table.with_columns(
        (pl.col("weight") / whole * share).alias("weight"), pl.Series("split", split)
    ).select(HEADS.names())  # fmt: skip


def split_of(what: str) -> str:
    """The split that a hash puts something in, always the same.

    >>> split_of("starbucks STARBUCKS"), split_of("starbucks SBUX")
    ('train', 'train')
    """
    percent = int.from_bytes(hashlib.blake2b(what.encode(), digest_size=4).digest(), "big") % 100
    for split, share in SPLITS.items():
        if percent < share:
            return split
        percent -= share
    raise AssertionError("the splits do not sum to 100")


def letters(text: str) -> str:
    """What a name comes down to: its letters and digits.

    >>> letters("McDonald's #12")
    'MCDONALDS12'
    """
    return re.sub("[^A-Z0-9]", "", text.upper())


def spellings(name: str) -> list[str]:
    """Upper-case spellings of a name, the plainest first.

    >>> spellings("Lowe's"), spellings("Bath & Body Works")[:2]
    (['LOWES', "LOWE'S", 'LOWE S'], ['BATH & BODY WORKS', 'BATH AND BODY WORKS'])
    """
    text = name.upper().strip()
    found = [text.replace("'", "")]
    if "'" in text:
        found += [text, text.replace("'", " ")]
    for old, new in (
        ("&", "AND"),
        (" & ", "&"),
        (" & ", " "),
        ("-", " "),
        ("-", ""),
        (".COM", ""),
        (".", ""),
        ("!", ""),
        (",", ""),
    ):
        if old in text:
            found.append(re.sub(" +", " ", found[0].replace(old, new)).strip())
    if text.startswith("THE "):
        found.append(found[0][4:])
    return [text for text in dict.fromkeys(found) if len(letters(text)) > 1 or len(text) == len(name)]


def shortened(name: str) -> Iterator[str]:
    """The name with one of its words, then all of them, as card data shortens words."""
    words = name.split()
    every = [_SHORT.get(word, [word])[0] for word in words]
    for at, word in enumerate(words):
        yield from (" ".join([*words[:at], short, *words[at + 1 :]]) for short in _SHORT.get(word, ()))
    if every != words:
        yield " ".join(every)


def without_vowels(name: str) -> Iterator[str]:
    """The last long word without its inner vowels, then every long word so."""
    words = name.split()
    bare = [word[0] + re.sub("[AEIOU]", "", word[1:]) if len(word) > 4 else word for word in words]
    if bare != words:
        yield " ".join([*words[:-1], bare[-1]])
        yield " ".join(bare)
        yield "".join(bare)


def _of_brand(
    at: int, brand: Brand, written: Sequence[str], owners: Mapping[str, set[int]], prefixes: Mapping[str, set[int]],
    registry: Registry,
) -> Iterator[tuple[int, str, str, float]]:  # fmt: skip
    names = spellings(_plain(brand.name))
    main = names[0]
    draw = Draw(int.from_bytes(hashlib.blake2b(brand.id.encode(), digest_size=6).digest(), "big"))
    kinds: dict[str, list[str]] = {
        "name": names,
        "alias": [text for alias in brand.aliases for text in spellings(_plain(alias))[:2]],
        "rule": list(written),
        "tailed": [_behind(main, tail) for tail in _TAILS.get(brand.sector, ()) if tail not in main],
        "short": [*shortened(main), *(short for name in brand.aliases for short in shortened(_plain(name).upper()))],
        "cut": [main[:length].rstrip() for length in range(*_CUTS) if len(letters(main)) > length],
        "joined": [joined for joined in (letters(main), letters(main)[:11]) if joined != main and len(joined) > 4],
        "domain": [brand.domain.upper(), f"WWW.{brand.domain.upper()}"] if brand.domain else
                  ([f"{letters(main)}.COM"] if brand.sector in _ONLINE else []),
        "vowels": list(without_vowels(main)),
    }  # fmt: skip
    family = {at, *registry.ancestors(at)}
    seen: set[str] = set()
    for kind, texts in kinds.items():
        good = []
        for text in dict.fromkeys(texts):
            bare = letters(text)
            if text in seen or (len(bare) < 3 and kind not in ("name", "alias")):
                continue
            if kind not in ("name", "alias", "rule") and (owners.get(bare, family) - family):
                continue
            if kind == "cut" and prefixes.get(bare, family) - family:
                continue
            seen.add(text)
            good.append(text)
        if len(good) > _MOST_OF_A_KIND:
            # The plainest always; of the others some, so that an old brand's forty spellings leave room for its name.
            keep = draw.shares(len(good)).argsort()[: 3 * _MOST_OF_A_KIND]
            good = [good[0], *(good[place] for place in sorted(keep.tolist()) if place)]
        # Halved from one to the next: the first spelling is the one that is met.
        parts = 0.7 ** np.minimum(np.arange(len(good)), 6)
        yield from ((at, text, kind, KINDS[kind] * part / parts.sum()) for text, part in zip(good, parts, strict=True))


_ONLINE = frozenset(
    {"software", "streaming", "gaming", "marketplace", "social", "news", "travel", "investing", "tax", "delivery"}
)


def _behind(main: str, tail: str) -> str:
    return main + tail if tail.startswith(".") else f"{main} {tail}"


def _plain(name: str) -> str:
    """The name as rules see it: upper case, ASCII where it has such a form."""
    return name if name.isascii() else str(normalise(pl.Series([name]))["folded"][0])


def _owners(registry: Registry, written: Mapping[str, Iterable[str]]) -> dict[str, set[int]]:
    """Letters of every written name -> the brands that are called so."""
    owners: defaultdict[str, set[int]] = defaultdict(set)
    for at, brand in enumerate(registry.brands):
        for name in (brand.name, *brand.aliases, *written.get(brand.id, ())):
            owners[letters(name)].add(int(registry.redirect[at]))
    return dict(owners)


def _prefixes(owners: Mapping[str, Collection[int]]) -> dict[str, set[int]]:
    """What names begin with, as far as cut heads reach -> the brands that begin so."""
    prefixes: defaultdict[str, set[int]] = defaultdict(set)
    for name, brands in owners.items():
        for length in range(3, min(len(name), _CUTS[1]) + 1):
            prefixes[name[:length]] |= set(brands)
    return dict(prefixes)


def _nobodys(table: pl.DataFrame, shares: np.ndarray) -> pl.DataFrame:
    """Take heads of several brands from all but the brand that has nearly all of their traffic."""
    table = table.with_columns(
        letters=pl.col("head").str.replace_all("[^A-Z0-9]", ""),
        traffic=pl.Series(shares)[table["brand"]] * table["weight"],
    )
    most, whole = pl.col("traffic").max().over("letters"), pl.col("traffic").sum().over("letters")
    several = pl.col("brand").n_unique().over("letters") > 1
    named = pl.col("kind").is_in(["name", "alias", "rule"])
    keep = ~several | (pl.col("traffic") == most) & ((most > 0.8 * whole) | named)
    return table.filter(keep).drop("letters", "traffic")
