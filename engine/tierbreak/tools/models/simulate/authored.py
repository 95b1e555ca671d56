"""What rule authors wrote down of each brand: heads that its patterns ask for, and the examples beside them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.core.tables import schema
from tierbreak.rulebook import EVERY, Pattern, Rulebook
from tierbreak.tiers.rules.exact import ExactPattern
from tierbreak.tools.models.simulate.draw import Draw

#: One row an example or counterexample: `brand` a registry id, null where no brand's; `merchant` is false where the
#: text is no merchant's at all.
EXAMPLES = schema(descriptor=pl.String, brand=pl.String, merchant=pl.Boolean)

#: Strings drawn from each pattern.
_TRIES = 8


def written(book: Rulebook) -> dict[str, list[str]]:
    """Brand id -> heads, in the order of the rules: what its patterns match at their plainest, as keys.

    A pattern is a regex: strings are drawn from it by walking its parse tree, and kept where the pattern then
    finds itself in them and a name of three letters is left when they are normalised.
    """
    brands: list[str] = []
    texts: list[str] = []
    for at, rule in enumerate(book.rules):
        if rule.deny:
            continue
        for pattern in rule.match:
            for text in _drawn(pattern, Draw(at, pattern.number)):
                brands.append(rule.brand)
                texts.append(text)
    keys = normalise(pl.Series(texts, dtype=pl.String))["key"].to_list()
    found: dict[str, dict[str, None]] = {}
    for brand, key in zip(brands, keys, strict=True):
        if sum(map(str.isalpha, key)) >= 3:
            found.setdefault(brand, {})[key] = None
    return {brand: list(heads) for brand, heads in found.items()}


def examples(book: Rulebook) -> pl.DataFrame:
    """EXAMPLES of the whole book: each example with its rule's brand, each counterexample with who should win it."""
    nobodys = [ExactPattern(pattern.expression) for rule in book.rules if rule.brand == EVERY for pattern in rule.match]
    rows = []
    for rule in book.rules:
        for example in (*rule.examples, *rule.counterexamples):
            none = rule.deny and example in rule.examples
            brand = None if none else example.expect
            if rule.deny and not none and brand is None:
                continue
            merchant = brand is not None or not any(at.matches(example.descriptor.upper().encode()) for at in nobodys)
            if rule.deny and rule.brand != EVERY and none:
                merchant = True
            rows.append((example.descriptor, brand, merchant))
    return pl.DataFrame(rows, schema=EXAMPLES, orient="row").unique(maintain_order=True)


def _drawn(pattern: Pattern, draw: Draw) -> Iterator[str]:
    if pattern.kind != "regex":
        yield pattern.text
        return
    source = pattern.expression.source.decode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from re import _parser  # type: ignore[attr-defined]  # private; what it cannot walk is left out

    try:
        tree = _parser.parse(source)
    except re.error:
        return
    exact = ExactPattern(pattern.expression)  # not `re`, which may try ways without end
    seen = set()
    for _ in range(_TRIES):
        text = re.sub(" +", " ", "".join(_walk(tree, draw))).strip()
        if text not in seen and exact.matches(text.encode()):
            seen.add(text)
            yield text


def _walk(tree: Any, draw: Draw) -> Iterator[str]:
    """One string of the tree: options and repeats at their least or one more, characters of a class by chance."""
    for op, what in tree:
        name = str(op)
        if name == "LITERAL":
            yield chr(what)
        elif name == "IN":
            yield _of_class(what, draw)
        elif name == "ANY":
            yield " "
        elif name == "BRANCH":
            yield from _walk(what[1][int(draw.below(1, len(what[1]))[0])], draw)
        elif name == "SUBPATTERN":
            yield from _walk(what[3], draw)
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, inner = what
            for _ in range(least + int(least == 0 and most > 0 and draw.happens(1, 0.5)[0])):
                yield from _walk(inner, draw)


def _of_class(members: Any, draw: Draw) -> str:
    """A character of a class: a space or a sign as it stands, else a digit or a letter."""
    found: list[str] = []
    for op, what in members:
        name = str(op)
        if name == "LITERAL":
            found.append(chr(what))
        elif name == "RANGE":
            found += [chr(code) for code in range(what[0], min(what[1], what[0] + 25) + 1)]
        elif name == "CATEGORY":
            found += list("0123456789") if str(what) == "CATEGORY_DIGIT" else [" "]
        elif name == "NEGATE":
            return " "
    return found[int(draw.below(1, len(found))[0])] if found else " "
