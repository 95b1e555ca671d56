"""Rulebooks small enough to try every text on, and random patterns over an alphabet of four characters."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from tierbreak.core.conditions import Conditions
from tierbreak.parts import _precedence
from tierbreak.rulebook import Rulebook
from tierbreak.rulebook.patterns import PatternError, from_regex
from tierbreak.tiers.rules import RulesTier

ATOMS = ["A", "B", r"\*", " ", ".", "[AB]", "[^A]", r"\w", r"\W", r"\s", r"\d", "[^ B]", "A", "B"]
LOOKS = ["(?!", "(?=", "(?<!", "(?<="]


def folded_texts(alphabet, longest):
    """Every folded text over an alphabet, the shortest first, then in the order of bytes."""
    for size in range(1, longest + 1):
        for letters in itertools.product(sorted(alphabet), repeat=size):
            text = "".join(letters)
            if text == " ".join(text.split()):
                yield text


def random_expression(rng, *, looks=False):
    """An expression over A, B, star and space with repeats, alternatives and assertions."""
    while True:
        try:
            return from_regex(_random(rng, 0, looks))
        except PatternError:  # it can match nothing at all
            continue


def _random(rng, depth, looks):
    kind = rng.random()
    if depth > 3 or kind < 0.35:
        return rng.choice(ATOMS)
    one, other = (_random(rng, depth + 1, looks) for _ in range(2))
    ahead = "".join(rng.choice(["A", "B", " ", ".", r"\b", "[^A]", r"\w", "$"]) for _ in range(rng.randint(1, 3)))
    shapes = {
        0.5: rng.choice(["^", "$", r"\b", r"\B", r"\b"]) + one,
        0.62: one + (f"{rng.choice(LOOKS)}{ahead})" if looks else "") + other,
        0.7: one + other,
        0.8: f"(?:{one}|{other})",
        0.95: f"(?:{one})" + rng.choice(["*", "?", "+", "{2}", "{1,2}", "*?", "{0,2}"]),
        1.0: one + rng.choice(["$", r"\b", r"\B"]),
    }
    return shapes[min(limit for limit in shapes if kind < limit)]


@pytest.fixture
def parts_of(case_engine, tmp_path):
    """Parts of an engine with rules written as YAML in one file a brand, given as brand -> text, or denials."""
    turn = itertools.count()

    def make(files):
        folder = tmp_path / f"book{next(turn)}"
        folder.mkdir()
        for brand, text in files.items():
            (folder / f"{brand.replace('*', 'every')}.yaml").write_text(f"brand: '{brand}'\nowner: x\n{text}")
        registry = case_engine.parts.registry
        book = Rulebook.load([folder], frozenset(registry.ids))
        return dataclasses.replace(
            case_engine.parts,
            book=book,
            rules=RulesTier(book, [[] for _ in book.rules], shelf=None),
            precedence=_precedence(book, registry),
            conditions=Conditions.of((rule.when, rule.valid) for rule in book.rules),
        )

    return make
