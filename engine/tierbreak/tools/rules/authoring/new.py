"""The first rule file of a brand, from what the registry knows: its names, and the brands that it is taken for.

    names and aliases -> `words`, without those that others find anyway
    brands whose name holds this name -> `unless`, and a counterexample each
    brands whose name this name holds, and names with the same letters in them -> counterexamples
    the layouts of `tierbreak simulate` -> invented examples, until the author has real ones

Nothing is written that the rules in force contradict: an example that they settle otherwise is left out, and a
counterexample expects what they say today.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

import tierbreak
from tierbreak.bundle import shipped
from tierbreak.core.nearest import nearest
from tierbreak.core.normalise import normalise
from tierbreak.engine import Engine
from tierbreak.errors import RulebookError, SettingsError
from tierbreak.files import atomic
from tierbreak.registry import Brand, Registry
from tierbreak.rulebook import Rulebook
from tierbreak.rulebook.patterns import from_words
from tierbreak.tools.models.simulate.draw import Draw
from tierbreak.tools.models.simulate.prefixes import letters, spellings
from tierbreak.tools.models.simulate.shapes import AFAR, SHAPES, fields
from tierbreak.tools.rules.authoring import scalars
from tierbreak.tools.rules.authoring.fmt import formatted
from tierbreak.tools.rules.authoring.schema import first_line

#: So many at most: what a person still reads.
EXAMPLES, COUNTEREXAMPLES, UNLESS = 4, 6, 12

#: Names with fewer letters say nothing by themselves.
_SHORT = 3
_ADDRESS = re.compile(r"\.[A-Z]{2,4}\b")
#: From this share of distant bills on, a sector's example has a telephone number in it.
_DISTANT = 0.4


@dataclass(frozen=True)
class Words:
    """A pattern to be: words, and where they must stand."""

    text: str
    at: str | None = None

    @cached_property
    def _expression(self) -> re.Pattern[bytes]:
        return re.compile(from_words(self.text, self.at).source, re.IGNORECASE)

    def finds(self, folded: str) -> bool:
        """Whether it finds itself in a folded text.

        >>> Words("UBER EATS").finds("SQ *UBER* EATS"), Words("UBER", "start").finds("HUBER")
        (True, False)
        """
        return self._expression.search(folded.encode()) is not None

    def __str__(self) -> str:
        return f"{{words: {scalars.text(self.text)}" + (f", at: {self.at}}}" if self.at else "}")


@dataclass(frozen=True)
class Scaffold:
    """A file to be.

    path       where it belongs
    text       what it holds
    rule       the id of its rule
    beside     ids of rules that decide for this brand already
    """

    path: Path
    text: str
    rule: str
    beside: tuple[str, ...]

    def write(self) -> None:
        """Write the file where there is none. Raises RulebookError."""
        try:
            if self.path.exists():
                raise RulebookError(f"{self.path}: exists; add a rule to it")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(self.path, self.text)
        except OSError as error:
            raise RulebookError(f"{self.path}: cannot be written: {error.strerror}") from None


def scaffold(brand: str, engine: Engine, folder: Path, owner: str | None = None) -> Scaffold:
    """The first rule file of a brand, for `folder`.

    brand    an id of the registry
    engine   the rules in force, loaded with `model=None`
    folder   the root of the rules, or of an overlay
    owner    the team that answers; None: who answers for most rules of its sector

    Raises RulebookError where the brand is unknown or retired, has a file already, or no owner can be told.
    """
    registry, book = engine.parts.registry, engine.parts.book
    one = _known(brand, registry)
    path = folder / one.sector / f"{brand}.yaml"
    for there in sorted([*folder.rglob(f"{brand}.yaml"), *folder.rglob(f"{brand}.yml")]):
        raise RulebookError(f"{there}: exists; add a rule to it")
    owner = owner or _owner(one.sector, registry, book)
    taken = {rule.id for rule in book.rules}
    rule = next(id for n in itertools.count(1) if (id := f"{brand}.name" + f"-{n}" * (n > 1)) not in taken)

    names = [_fold(name) for name in (one.name, *one.aliases)]
    bare = brand in _common_words() or len(letters(names[0])) < _SHORT
    patterns = _patterns(names, one.domain, bare)
    longer, others = _neighbours(brand, names[0], patterns, registry)
    unless = _needed([Words(spelled) for name in longer for spelled in _spelled(name)])[:UNLESS]
    examples, counterexamples = _tried(engine, one, names, [*longer, *others], patterns, unless)

    lines = [f"brand: {scalars.text(brand)}", f"owner: {scalars.text(owner)}", "rules:"]
    lines += [f"- id: {scalars.text(rule)}", "  status: draft"]
    if bare:
        lines += [f"  # {names[0]} alone is no evidence: say more than the name, or add `when`."]
    lines += ["  match:", *(f"  - {pattern}" for pattern in patterns)]
    if unless:
        lines += ["  unless:", *(f"  - {pattern}" for pattern in unless)]
    if examples:
        lines += ["  # Invented, in layouts that banks use: put real descriptors in their place."]
        lines += ["  examples:", *(f"  - {scalars.text(text)}" for text in examples)]
    if counterexamples:
        lines += ["  counterexamples:"]
        lines += [
            f"  - {{descriptor: {scalars.text(text)}, expect: {scalars.text(who or 'none')}}}"
            for text, who in counterexamples
        ]
    beside = tuple(other.id for other in book.rules if other.brand == brand and not other.deny)
    return Scaffold(path, formatted("\n".join(lines), first_line(path)), rule, beside)


def home(rules: Path | None, overlay: Path | None) -> Path:
    """The folder that a new file belongs in. Raises SettingsError where that would be inside an installed package."""
    if overlay or rules:
        return overlay or rules or Path()
    folder = shipped() / "rules"
    if shipped() == Path(tierbreak.__file__).parent / "shipped":
        raise SettingsError(f"{folder} is part of the installed package; say where your rules are: --overlay DIR")
    return folder


def _known(brand: str, registry: Registry) -> Brand:
    if brand not in registry:
        called = [
            one.id for one in registry.brands if letters(brand) in map(letters, (one.id, one.name, *one.aliases))
        ]  # fmt: skip
        near = called or nearest(brand.lower().replace(" ", "-"), registry.ids)
        hint = f"did you mean {' or '.join(near[:3])}?" if near else "add it to brands.csv first"
        raise RulebookError(f"brand `{brand}` is not in the registry; {hint}")
    one = registry[brand]
    if one.status == "retired":
        now = f", and `{one.replaced_by}` answers for it" if one.replaced_by else ""
        raise RulebookError(f"brand `{brand}` is retired{now}: a rule for it would never decide")
    return one


def _owner(sector: str, registry: Registry, book: Rulebook) -> str:
    owners = Counter(
        rule.owner for rule in book.rules if rule.brand in registry and registry[rule.brand].sector == sector
    )
    if not owners:
        raise RulebookError(f"no rule of sector `{sector}` has an owner to take over; say who answers: --owner TEAM")
    return min(owners, key=lambda owner: (-owners[owner], owner))


def _fold(text: str) -> str:
    """The text as rules see it."""
    return " ".join(text.upper().split()) if text.isascii() else str(normalise(pl.Series([text]))["folded"][0])


def _common_words() -> frozenset[str]:
    """Ids of brands whose bare name is also a word, a surname or a place."""
    path = shipped() / "rules" / "sources" / "generic.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return frozenset(line for line in lines if line and not line.startswith("#"))


def _patterns(names: Sequence[str], domain: str | None, bare: bool) -> list[Words]:
    """Patterns for the names. `bare`: the first of them alone is no evidence."""
    found = []
    for number, name in enumerate(names):
        for spelled in _spelled(name):
            weak = (bare and number == 0) or len(letters(spelled)) < _SHORT
            found.append(Words(spelled, "start" if weak else None))
    if bare and domain:
        found.append(Words(domain.upper()))
    return _needed(found)


def _spelled(name: str) -> list[str]:
    """How a name is written; an address is written in one way only."""
    return [name] if _ADDRESS.search(name) else spellings(name)


def _needed(patterns: Sequence[Words]) -> list[Words]:
    """The patterns without those whose every text another one finds.

    >>> list(map(str, _needed([Words("LOWES"), Words("LOWE S"), Words("LOWES HOME")])))
    ['{words: LOWE S}']
    """
    distinct = list(dict.fromkeys(patterns))
    rank = {pattern: (-len(pattern.text.split()), at) for at, pattern in enumerate(distinct)}

    def covered(one: Words, other: Words) -> bool:
        if one is other or other.at not in (None, one.at) or not other.finds(one.text):
            return False
        return not (one.finds(other.text) and one.at in (None, other.at)) or rank[other] < rank[one]

    return [one for one in distinct if not any(covered(one, other) for other in distinct)]


def _neighbours(
    brand: str, name: str, patterns: Sequence[Words], registry: Registry
) -> tuple[list[str], list[str]]:  # fmt: skip
    """Names of other brands that the patterns find, and further ones that a person could take for this brand's."""
    longer: list[str] = []
    others: list[tuple[int, int, str]] = []
    own = letters(name)
    for other in registry.brands:
        if other.id == brand or other.status == "retired" or other.replaced_by == brand:
            continue
        for text in map(_fold, (other.name, *other.aliases)):
            bare = letters(text)
            if any(pattern.finds(text) for pattern in patterns):
                longer.append(text)
            elif f" {text} " in f" {name} ":
                others.append((0, len(text), text))
            elif len(own) >= _SHORT and own in bare:
                others.append((1 if bare.startswith(own) else 2, len(text), text))
    return sorted(longer, key=lambda text: (len(text), text)), [text for *_, text in sorted(others)]


def _tried(
    engine: Engine, brand: Brand, names: Sequence[str], neighbours: Sequence[str], patterns: Sequence[Words],
    unless: Sequence[Words],
) -> tuple[list[str], list[tuple[str, str | None]]]:  # fmt: skip
    """Examples, and counterexamples with who wins them: those of which the rules in force say nothing else."""
    draw = Draw(int.from_bytes(hashlib.blake2b(brand.id.encode(), digest_size=6).digest(), "big"))
    own = _invented([names[0], *names], draw, distant=AFAR.get(brand.sector, 0.0) >= _DISTANT)
    asked = dict.fromkeys([*own, *_invented(neighbours[: 3 * COUNTEREXAMPLES], draw)])
    said = engine.classify(pl.DataFrame({"descriptor": list(asked)}))
    examples, counterexamples = [], []
    for text, who, reason in said.select("descriptor", "brand", "reason").iter_rows():
        folded = _fold(text)
        ours = any(pattern.finds(folded) for pattern in patterns)
        dropped = any(pattern.finds(folded) for pattern in unless)
        if text in own:
            if ours and not dropped and (who == brand.id or reason == "no-match"):
                examples.append(text)
        elif (dropped or not ours) and who != brand.id:
            counterexamples.append((text, who))
    return examples[:EXAMPLES], counterexamples[:COUNTEREXAMPLES]


def _invented(names: Sequence[str], draw: Draw, *, distant: bool | None = None) -> list[str]:
    """A descriptor for each name: it, a town and a state.

    distant   None: no more than that. Else the second has more: a telephone number where the brand bills from afar, a
              store number where it does not.
    """
    frame = fields(len(names), draw)
    second = frame.row(min(1, len(names) - 1), named=True) if names else {}
    phone = "{area}-{exchange}-{line}".format(**second) if distant else ""
    store = " #{store}".format(**second) if distant is False else ""
    body = [name + store * (at == 1) for at, name in enumerate(names)]
    slot = [phone * (at == 1) for at in range(len(names))]
    whole = frame.with_columns(body=pl.Series(body, dtype=pl.String), slot=pl.Series(slot, dtype=pl.String))
    return whole.select(SHAPES["card-plain"].text).to_series().to_list()
