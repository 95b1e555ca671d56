"""What is read off a pattern's shape holds: against brute force on all short texts, or counted by hand."""

import re
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tierbreak.rulebook import Pattern, Place
from tierbreak.rulebook.patterns import PatternError, from_exact, from_regex, from_words
from tierbreak.tiers.rules.exact import ExactPattern
from tierbreak.tools.rules.checking.edges import _longer
from tierbreak.tools.rules.checking.lookaround import as_unless
from tierbreak.tools.rules.checking.patterns import ATOM, _has_atom
from tierbreak.tools.rules.checking.shape import anchored, empty_alternatives, fixed, idle_ends, parsed

#: Every folded text of at most five characters over an alphabet of three.
TEXTS = [
    "".join(letters)
    for size in range(1, 6)
    for letters in product("AB ", repeat=size)
    if (text := "".join(letters)).split(" ") == text.split() and text.strip() == text
]
PIECE = st.sampled_from(["A", "B", " ", "AB", ".", "[AB]", "A?", "B*", r"\b", "(?:A|B)", "(?:A|BB)", ".*"])
PART = st.lists(PIECE, max_size=3).map("".join)


@settings(max_examples=300)
@given(st.sampled_from(["^{0}(?!{1}){2}", "{0}(?!{1}){2}", "^(?!.*{1}){2}", "{0}(?<!{1}){2}$"]), PART, PART, PART)
def test_a_look_around_is_an_unless_only_where_both_find_the_same(form, one, two, three):
    pattern = form.format(one, two, three)
    try:
        re.compile(pattern)
    except re.error:
        assume(False)
    pair = as_unless(pattern)
    if pair is None:
        return
    match, unless = pair
    for text in TEXTS:
        found = re.search(match, text) is not None and re.search(unless, text) is None
        assert (re.search(pattern, text) is not None) == found, (text, pair)


@settings(max_examples=300)
@given(PART, PART)
def test_what_every_match_holds_is_in_every_match(one, two):
    """A fixed part of n bytes: every match has a run of n characters that few texts can be; here, none that is `.`."""
    pattern = one + two
    least = fixed(parsed(pattern.encode()))
    spelled = re.sub(r"\.\*|B\*|\.", "~", pattern).replace("[AB]", "A").replace("(?:A|B)", "A").replace("(?:A|BB)", "A")
    shortest = max(map(len, re.split("~", spelled.replace("A?", "").replace(r"\b", ""))))
    assert least == shortest


@given(
    st.lists(st.sampled_from(["A", "ABC", r"\b", "|", "(?:AB|C)", "?", "[]|]", r"\|", "^", "B*"]), max_size=5).map(
        "".join
    )
)
def test_a_quick_look_for_a_fixed_part_says_what_the_tree_says(pattern):
    try:
        tree = parsed(pattern.encode())
    except re.error:
        return
    assert _has_atom(pattern.encode()) == (anchored(tree) or fixed(tree) >= ATOM)


def pattern(kind, text, at=None):
    make = {"words": lambda: from_words(text, at), "exact": lambda: from_exact(text)}
    return Pattern(kind, text, at, make[kind](), 1, Place("x", 1, 1))


WORDS = st.lists(st.sampled_from(["A", "B", "AB"]), min_size=1, max_size=3).map(" ".join)
ANY = st.one_of(
    st.builds(pattern, st.just("words"), WORDS, st.sampled_from([None, "start", "end"])),
    st.builds(pattern, st.just("exact"), WORDS),
)


@given(ANY, ANY)
def test_a_match_that_is_always_longer_is(long, short):
    if not _longer(long, short):
        return
    one, other = ExactPattern(long.expression), ExactPattern(short.expression)
    for text in (each.encode() for each in TEXTS):
        around = one.spans(text)
        if not around:
            continue
        for start, end in other.spans(text):
            assert any(a <= start and end <= b and b - a > end - start for a, b in around), text


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("A|B", []),
        ("(?:A|)", ["|)"]),
        ("(A||B)", ["||"]),
        ("(?:|A)", ["(?:|"]),
        ("(?!|A)B", ["(?!|"]),
        ("|A", ["|"]),
        ("A|", ["|"]),
        (r"A\|\|B", []),
        ("[||]A", []),
        (r"(A|\))", []),
        ("(?:A|B)||C", ["||"]),
        ("()A", []),
        ("(?<=A|)B", ["|)"]),
    ],
)
def test_empty_alternatives(pattern, found):
    assert [text for _, text in empty_alternatives(pattern)] == found
    assert all(pattern.startswith(text, at) for at, text in empty_alternatives(pattern))


GROUPED = st.recursive(
    st.sampled_from(["A", r"\|", "[|)(]", "B?", ":"]),
    lambda part: st.tuples(st.sampled_from(["(", "(?:", "(?=", "(?<!"]), st.lists(part, min_size=1, max_size=3)).map(
        lambda group: group[0] + "|".join(group[1]) + ")"
    ),
)


@given(st.lists(GROUPED, min_size=1, max_size=3), st.sampled_from(["(", "(?:", "(?!"]), st.integers(0, 3))
def test_exactly_the_alternatives_that_are_empty_are_found(parts, opening, at):
    assert not empty_alternatives(f"A{opening}{'|'.join(parts)})B")
    holed = [*parts[:at], "", *parts[at:]]
    assert len(empty_alternatives(f"A{opening}{'|'.join(holed)})B")) == 1


@pytest.mark.parametrize(
    ("alternative", "found"),
    [
        ("UBER", []),
        (".*UBER", [".*"]),
        ("^.*?UBER.*$", ["^.*?", ".*$"]),
        (r"UBER\.*", []),
        (r"UBER\\.*", [".*"]),
        (".*", [".*"]),
        ("UBER.*.*", [".*.*"]),
        ("UBER.+", []),
        ("^UBER$", []),
    ],
)
def test_idle_ends(alternative, found):
    assert [text for _, text in idle_ends(alternative)] == found
    assert all(alternative.startswith(text, at) for at, text in idle_ends(alternative))


@given(PART)
def test_idle_ends_change_no_answer(part):
    for at, text in idle_ends(part):
        try:
            whole, rest = from_regex(part), from_regex(part[:at] + part[at + len(text) :])
        except PatternError:
            continue
        for each in TEXTS:
            one, other = (re.search(e.source, each.encode()) is not None for e in (whole, rest))
            assert one == other, each
