"""The ordered list decides as trying one pattern after the other does."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.tiers.rules import database
from tierbreak.tools.rules.importing import OrderedBook
from tierbreak.tools.rules.importing.reading import LegacyRule, Listing

#: Of each kind that is decided in another way: scanned, confirmed by `re`, or tried one by one.
PATTERNS = [
    "AB", "A.B", "^A", "B$", r"\bA\b", "[^A]B", "A+B|BA", r"A\s+B", "A(?!B)", "(?<!A)B", r"(A|B)\1", r"\AAB", "B|",
    "(?i)ab", "(?P<x>A)B", "É", "[A-Z]{3}", r"\w \w", "A B", ".*AB.*", r"\S\D", "^$",
]  # fmt: skip
LINES = st.lists(st.tuples(st.sampled_from(PATTERNS), st.sampled_from(["i", "", "ix", "is"])), min_size=1, max_size=6)
TEXTS = st.lists(st.text("ABab É\t\n0ſ-", max_size=8), min_size=1, max_size=6)


def test_the_small_list_by_hand(legacy: Path, expected: dict[str, str | None]) -> None:
    book = OrderedBook.read(legacy)
    decided = book.decide(pl.Series(list(expected)))
    assert decided["name"].to_list() == list(expected.values())
    assert decided["line"].to_list() == [2, 3, 4, 6, 8, 3, 5, None, 11, 12]


@settings(max_examples=40, deadline=None)
@given(LINES, TEXTS)
def test_it_decides_as_trying_one_after_the_other_does(lines, texts):
    rules = tuple(LegacyRule(at, 1, pattern, f"name {at}", "", flags) for at, (pattern, flags) in enumerate(lines, 1))
    book = OrderedBook(Listing(Path("-"), rules, (), {}, ()))
    compiled = [rule.compiled() for rule in rules]
    expected = [
        next((rule.line for rule, pattern in zip(rules, compiled, strict=True) if pattern.search(text)), None)
        for text in texts
    ]
    assert book.decide(pl.Series(texts, dtype=pl.String))["line"].to_list() == expected


def test_without_hyperscan_it_decides_the_same(monkeypatch, legacy, expected):
    monkeypatch.setattr(database, "available", lambda: False)
    assert OrderedBook.read(legacy).decide(pl.Series(list(expected)))["name"].to_list() == list(expected.values())


def test_null_is_read_as_blank_and_equal_texts_are_decided_alike():
    book = OrderedBook.of([("^$", "Blank"), ("A", "Ay")])
    assert book.decide(pl.Series([None, "A", "", "A"]))["name"].to_list() == ["Blank", "Ay", "Blank", "Ay"]


def test_a_pattern_that_hyperscan_refuses_is_tried_one_by_one():
    book = OrderedBook.of([("(?:A{900}B{900}){900}", "Long"), ("A", "Ay")])
    assert book.decide(pl.Series(["A"]))["name"].to_list() == ["Ay"]
