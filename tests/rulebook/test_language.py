"""What a regex may hold: what all engines read alike, of a size that all can compile. Nothing else loads."""

import pytest

from tierbreak.core.normalise import FOLDED_CHARS
from tierbreak.rulebook.language import DEEPEST, LONGEST, MOST_POSITIONS, checked, fits, parse
from tierbreak.rulebook.patterns import PatternError, from_regex


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("(?s)FOO.*BAR", "(?s)"),  # `.` would run on into the next text
        ("FOO(?s:.*)BAR", "(?s:"),
        ("FOO(?-i:bar)", "(?-i:"),  # folded texts are upper case: it could never match
        ("(?i)(?m)^FOO", "(?m)"),
        ("(?x)FOO BAR", "(?x)"),
        ("(?a)FOO", "(?a)"),
        ("(?im)FOO", "(?im)"),
        ("FOO(?i)BAR", "(?i)"),
        ("FOO (?P<n>A)", "(?P<n>"),
        ("FOO (?<n>A)", "(?<n>"),
        ("(?P<n>A)(?P=n)", "(?P<n>"),
        (r"(A)\1B", r"\1"),
        (r"FOO\12", r"\12"),
        ("FOO A{,5}B", "{,5}"),
        ("FOO A{0}B", "{0}"),
        ("FOO A{1000}B", "{1000}"),
        ("FOO A{1,1000}B", "{1,1000}"),
        ("FOO{B", "{"),
        ("FOO(?>A)", "(?>"),
        ("FOO A++", "++"),
        ("FOO A*+", "*+"),
        ("FOO A{2}{3}", "{2}{"),
        ("FOO(?|A|B)", "(?|A"),
        ("FOO(?#A)", "(?#A"),
        ("FOO(?(1)A)", "(?(1"),
        ("FOO[[A]", "["),
        ("FOO[[:alpha:]]", "[:alpha:]"),
        ("FOO[A&&B]", "&&"),
        ("FOO[A||B]", "||"),
        ("FOO[+--]", "--"),
        ("FOO[A~~B]", "~~"),
        (r"FOO[\b]", r"\b"),
        (r"FOO[\x41]", r"\x"),
        (r"FOO\x4", r"\x"),
        (r"FOO\x{41}", r"\x"),
        (r"FOO\012", r"\0"),
        (r"FOO\v", r"\v"),
        (r"FOO\R", r"\R"),
        (r"FOO\n", r"\n"),
        ("FOO\nBAR", "\n"),
        ("FOO[\tA]", "\t"),
        (r"FOO\<B", None),
        (r"FOO\É", r"\É"),
        (r"\QFOO\E", r"\Q"),
        (r"FOO\pL", r"\p"),
        (r"\AFOO", r"\A"),
        (r"FOO\K", r"\K"),
        ("FOO[A", ""),
        ("FOO\\", "\\"),
        ("FOO[A\\", "\\"),
    ],
)
def test_what_engines_read_otherwise_is_refused_with_its_place(pattern, found):
    if found is None:
        assert from_regex(pattern)
        return
    with pytest.raises(PatternError) as caught:
        from_regex(pattern)
    assert (caught.value.code, caught.value.found) == ("R010", found)
    assert caught.value.fix


@pytest.mark.parametrize(
    "pattern",
    [
        r"\bUBER\s*\*\s*(?:TRIP|PENDING)\b", "COSTCO(?!\\s*GAS)", "(?<!THE )GAP", "A{2}B{2,}C{0,2}D{1,3}?", "[^]A]B",
        r"[-A\]\w]B", "A]B", "A}B", r"\{A\}", r"\.\-\/\#\&\~\"\ A", "É+A", "(A|B)(C)", "A*?B+?C??D", "[]]A",
    ],
)  # fmt: skip
def test_what_all_read_alike_is_taken(pattern):
    assert checked(pattern) == pattern
    assert from_regex(pattern)


def test_a_leading_flag_that_changes_nothing_is_taken_off():
    assert from_regex("(?i)uber").source == b"uber"
    assert from_regex("(?i)(?i).*uber") == from_regex("uber")


def test_how_large_a_pattern_may_be():
    alternatives = "|".join(f"SHOP {number:05}" for number in range(20_000))
    with pytest.raises(PatternError, match="pattern has 219,999 characters"):
        from_regex(alternatives)
    with pytest.raises(PatternError, match=f"groups stand in more than {DEEPEST} others"):
        from_regex("(" * (DEEPEST + 1) + "A" + ")" * (DEEPEST + 1))
    assert from_regex("(" * DEEPEST + "A" + ")" * DEEPEST)
    with pytest.raises(PatternError):
        from_regex("(" * 5000 + "A" + ")" * 5000)
    assert from_regex("A" * MOST_POSITIONS)
    with pytest.raises(PatternError) as caught:
        from_regex("A" * (MOST_POSITIONS + 1))
    assert caught.value.code == "R020"
    assert checked("A" * LONGEST)


@pytest.mark.parametrize(
    ("pattern", "positions"),
    [
        ("A((B{900}){900}){900}", 1 + 900**3),
        ("(A{1,99}){1,99}B", 99 * 99 + 1),
        ("(?:A{50}|B)(?:C{2,40})*D{60,}(?!E{2000})", 51 + 40 + 60 + 2000),
    ],
)
def test_repeats_are_counted_written_out(pattern, positions):
    with pytest.raises(PatternError, match=f"pattern has {positions:,} characters"):
        parse(pattern)


def test_words_that_no_text_can_hold_are_refused():
    assert fits("A" * FOLDED_CHARS)
    with pytest.raises(PatternError, match="text has 300,000 characters"):
        fits("A" * 300_000)
