"""What may have been meant is found among many names without comparing each letter by letter."""

import difflib

from tierbreak.core import nearest as module
from tierbreak.core.nearest import nearest


def test_the_name_that_was_meant_is_found_among_many_and_few_are_compared(monkeypatch):
    compared = []
    close = difflib.get_close_matches

    def get_close_matches(word, possibilities, n):
        compared.append(len(possibilities))
        return close(word, possibilities, n=n)

    monkeypatch.setattr(module.difflib, "get_close_matches", get_close_matches)
    known = [f"brand-{number}" for number in range(20_000)] + ["starbucks", "starbucks-reserve"]
    assert nearest("starbuks", known) == ["starbucks", "starbucks-reserve"]
    assert nearest("strabucks", known, n=1) == ["starbucks"]
    assert nearest("zzz", known) == []
    assert compared == [50, 50, 50]


def test_nothing_is_near_nothing():
    assert nearest("", []) == nearest("a", [""]) == []
