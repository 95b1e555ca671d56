"""What an author writes and what the engines read must find the same texts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierbreak.rulebook.patterns import PatternError, from_exact, from_regex, from_words

#: Folded texts: upper case, no control character, single spaces inside.
FOLDED = st.text(alphabet="AB1 *.-'É", max_size=12).map(lambda text: " ".join(text.split()))
ATOM = st.sampled_from(["A", "B", "1", r"\s", r"\S", r"\W", r"\D", "[^A]", "[AB]", r"[\s*]", ".", "É", r"\*", "[^]1]"])
REGEX = st.lists(st.tuples(ATOM, st.sampled_from(["", "", "*", "+", "?"])).map("".join), min_size=1, max_size=5).map(
    "".join
)


@given(regex=REGEX, text=FOLDED)
def test_the_rewritten_regex_finds_what_the_written_one_finds(regex, text):
    """Rewriting keeps the newline out and nothing else changes on folded texts."""
    try:
        expression = from_regex(regex)
    except PatternError:
        return
    bare = re.sub(r"^(?:\.\*)+|(?:\.\*)+$", "", regex).encode()
    written = re.search(bare, text.encode(), re.IGNORECASE) is not None
    assert (re.search(expression.source, text.encode(), re.IGNORECASE) is not None) == written


@given(regex=REGEX, one=FOLDED, two=FOLDED)
def test_a_one_line_expression_never_matches_a_newline(regex, one, two):
    try:
        expression = from_regex(regex)
    except PatternError:
        return
    if expression.one_line:
        both = f"{one}\n{two}".encode()
        assert all(b"\n" not in match.group() for match in re.finditer(expression.source, both, re.IGNORECASE))


@given(regex=REGEX, ahead=REGEX, text=FOLDED)
def test_a_prefilter_finds_all_that_the_whole_finds(regex, ahead, text):
    try:
        expression = from_regex(f"{regex}(?!{ahead})")
    except PatternError:
        return
    if expression.prefilter and re.search(expression.source, text.encode(), re.IGNORECASE):
        assert re.search(expression.prefilter, text.encode(), re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("UBER TRIP", True),
        ("X UBER *TRIP HELP", True),
        ("UBERTRIP", True),
        ("UBER-TRIP", True),
        ("HUBER TRIP", False),
        ("UBER TRIPS", False),
        ("UBER X TRIP", False),
    ],
)
def test_words(text, found):
    assert (re.search(from_words("UBER TRIP", None).source, text.encode()) is not None) == found


def test_words_at_an_end_and_beside_signs():
    assert from_words("7-ELEVEN", "start").source == rb"^7-ELEVEN\b"
    assert from_words("DISNEY+", "end").source == rb"\bDISNEY\+$"
    assert from_words("*LYFT", None).source == rb"\*LYFT\b"


def test_exact_escapes_everything():
    expression = from_exact("A.B (C) [D] $E ^F")
    assert re.search(expression.source, b"A.B (C) [D] $E ^F")
    assert not re.search(expression.source, b"AXB (C) [D] $E ^F")


@pytest.mark.parametrize("pattern", ["A*", r"\b", "", ".*", "^$", "A|", "(?=A)"])
def test_what_can_match_nothing_is_refused(pattern):
    with pytest.raises(PatternError, match="can match nothing"):
        from_regex(pattern)
