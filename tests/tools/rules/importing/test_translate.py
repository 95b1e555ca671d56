"""A pattern of the list becomes patterns of a rule that find the same folded texts, or is refused with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tierbreak.errors import Fault
from tierbreak.tools.rules.importing.lookahead import Kept, Turned, turned
from tierbreak.tools.rules.importing.reading import LegacyRule
from tierbreak.tools.rules.importing.strings import samples
from tierbreak.tools.rules.importing.translate import Translated, translated, written


def of(pattern: str, flags: str = "i") -> Translated | Fault:
    return translated(LegacyRule(7, 11, pattern, "Uber", "", flags), Path("old.tsv"))


@pytest.mark.parametrize(
    ("pattern", "kind", "text", "at"),
    [
        (r"\bNETFLIX\b", "words", "NETFLIX", None),
        (r"\buber[ *.#/-]*eats\b", "words", "UBER EATS", None),
        (r"\bUBER[\s*.#/-]*EATS\b", "words", "UBER EATS", None),
        (r"^UBER\b", "words", "UBER", "start"),
        (r"\bUBER$", "words", "UBER", "end"),
        (r"\bB&H\b", "words", "B&H", None),
        ("^UBER BV$", "exact", "UBER BV", None),
        # Each of these finds another text than the words would: XNETFLIX, UBER*EATS, HUBER, UBERX.
        ("NETFLIX", "regex", "NETFLIX", None),
        (r"\bUBER EATS\b", "regex", r"\bUBER EATS\b", None),
        (r"UBER\b", "regex", r"UBER\b", None),
        (r"^UBER", "regex", r"^UBER", None),
        ("^UBER.BV$", "regex", "^UBER.BV$", None),
    ],
)
def test_words_only_where_they_find_the_same(pattern, kind, text, at):
    got = written(pattern)
    assert (got.kind, got.text, got.at) == (kind, text, at)


@pytest.mark.parametrize(
    ("pattern", "becomes"),
    [
        ("A|B(C|D)|[|]", ["A", "B(C|D)", "[|]"]),
        ("(?:A|B)", ["A", "B"]),
        ("(A|B)", ["A", "B"]),
        ("(A)|(B)", ["(A)", "(B)"]),
        ("A|A|B", ["A", "B"]),
        ("(?i)uber", ["uber"]),
        ("(?P<x>A)B", ["(A)B"]),
        (r"\AA\Z", ["A"]),
        ("CAFÉ|STRAẞE?", ["CAFE", "STRA(?:SS)E?"]),
        ("{{wages}}A", [r"\{\{wages}}A"]),
    ],
)
def test_the_same_in_the_spelling_of_the_rulebook(pattern, becomes):
    got = of(pattern)
    assert isinstance(got, Translated)
    assert [one.text for one in got.match] == becomes
    assert got.unless == ()


MANY_WAYS = "pattern looks around, and may read one text in very many ways, which `re` tries one by one"


@pytest.mark.parametrize(
    ("pattern", "flags", "column", "says"),
    [
        (r"A\d{1000}", "i", 14, "repeat is too large"),
        ("A*", "i", 11, "pattern can match nothing at all"),
        ("UBER|", "i", 11, "pattern can match nothing at all"),
        ("A[[:alpha:]]", "i", 13, "a `[` in a class is not read alike by all engines"),
        (r"(A|B)\1", "i", 16, "a reference back cannot be read in bounded time"),
        (
            "A(?:B+)+(?!C)",
            "i",
            11,
            MANY_WAYS,
        ),
        ("A B", "ix", 11, "flag x: blanks and comments in the pattern do not count"),
        ("(?x)A B", "i", 11, "(?x): blanks and comments do not count"),
    ],
)
def test_what_no_rule_can_hold_is_refused_with_its_place(pattern, flags, column, says):
    got = of(pattern, flags)
    assert isinstance(got, Fault)
    assert (got.code, got.line, got.column, got.says, got.severity) == ("L005", 7, column, says, "warning")
    assert got.fix


@pytest.mark.parametrize(
    ("pattern", "match", "unless"),
    [
        (r"^PAYPAL \*(?!UBER)", r"^PAYPAL \*", r"^PAYPAL \*UBER"),
        (r"^PAYPAL \*(?!UBER|LYFT)", r"^PAYPAL \*", r"^PAYPAL \*(?:UBER|LYFT)"),
        (r"^UBER\b(?!\s*EATS)", r"^UBER\b", r"^UBER\b\s*EATS"),
        ("^(?:SQ|TST) ?[*](?!UBER)", "^(?:SQ|TST) ?[*]", "^(?:SQ|TST) ?[*]UBER"),
        ("^(?!.*GAS).*COSTCO", "COSTCO", "GAS"),
        ("^(?!GAS|FUEL)COSTCO", "^COSTCO", "^(?:GAS|FUEL)"),
    ],
)
def test_a_look_ahead_that_is_proved_to_be_an_unless(pattern, match, unless):
    assert turned(pattern) == Turned(match, unless)


@pytest.mark.parametrize(
    ("pattern", "separating"),
    [
        (r"COSTCO(?!\s*GAS)", "COSTCOCOSTCOGAS"),  # a second one, without GAS
        (r"^UBER\s*\*\s*(?!EATS)", "UBER* EATS"),  # the space may be left to what follows
        (r"^A+(?!B)", "AAB"),
    ],
)
def test_a_look_ahead_that_is_not_stays_with_a_text_that_shows_it(pattern, separating):
    got = turned(pattern)
    assert isinstance(got, Kept)
    assert got.separating == separating
    assert re.search(pattern, separating)
    assert re.search(got.match, separating)
    assert re.search(got.unless, separating)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("A(?!B)C", "it stands in the middle of the pattern"),
        ("(?<!A)B", "only one negative look-ahead, and no look-behind, can be an `unless`"),
        ("^(?!A)(?!B)C", "only one negative look-ahead, and no look-behind, can be an `unless`"),
        ("A(?=B)", "only one negative look-ahead, and no look-behind, can be an `unless`"),
        ("^(?!A?)B", "as `unless` it would be refused: pattern can match nothing at all"),
    ],
)
def test_other_look_around_stays(pattern, why):
    got = turned(pattern)
    assert isinstance(got, Kept)
    assert (got.why, got.separating) == (why, "")


def test_beside_other_alternatives_a_look_ahead_stays():
    got = of("LYFT|^UBER(?!EATS)")
    assert isinstance(got, Translated)
    assert [one.text for one in got.match] == ["LYFT", "^UBER(?!EATS)"]
    assert (
        got.kept[0].why == "other alternatives of the rule have no such exception, and `unless` holds for all of them"
    )


PARTS = st.sampled_from(["A", "B", "AB", "A?", "B*", "A+", r"\s*", r"\s", "A|B", ".", ".*", r"\b", "[AB]", "-"])


@settings(deadline=None)
@given(st.lists(PARTS, max_size=3), st.lists(PARTS, min_size=1, max_size=3), st.booleans(), st.booleans(), st.data())
def test_whatever_it_becomes_finds_the_same(before, ahead, bound, in_front, data):
    a, b = "".join(f"(?:{part})" for part in before), "".join(f"(?:{part})" for part in ahead)
    pattern = f"^(?!{b}){a}" if in_front else ("^" if bound else "") + f"{a}(?!{b})"
    got = of(pattern)
    assume(isinstance(got, Translated))
    text = " ".join(data.draw(st.text("AB -", min_size=1, max_size=7)).split())
    found = any(re.search(one.expression.source, text.encode(), re.I) for one in got.match)
    barred = any(re.search(one.expression.source, text.encode(), re.I) for one in got.unless)
    assert bool(re.search(pattern, text, re.I)) == (found and not barred)


@pytest.mark.parametrize(
    ("pattern", "strings"),
    [
        (r"UBER\s*EATS", ["UBER EATS", "UBEREATS"]),
        ("CHICK.FIL.A", ["CHICK-FIL-A"]),
        ("E.?ZPASS", ["EZPASS", "E-ZPASS"]),
        ("MACY.*S", ["MACY S", "MACYS"]),
        (r"^CHECK\s+\d+$", ["CHECK 444"]),
        ("(?:FOO|BAR)S", ["FOOS", "BARS"]),
        ("[^A-Z]Q", [" Q"]),
        ("A{2,3}[", []),
    ],
)
def test_strings_of_a_pattern(pattern, strings):
    assert samples(pattern) == strings
