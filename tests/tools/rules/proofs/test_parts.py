"""The smaller parts: samples of patterns, which matches cover others, candidates for entangled pairs."""

import pytest

from tierbreak.rulebook.patterns import from_exact, from_regex, from_words
from tierbreak.tools.rules.proofs.overlaps import Sample, candidates
from tierbreak.tools.rules.proofs.samples import samples
from tierbreak.tools.rules.proofs.search import shortest
from tierbreak.tools.rules.proofs.spans import all_covered, covers


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        (from_words("DELTA AIR", None).source, ("DELTA AIR",)),
        (from_regex(r"UBER\s*\*?(?:TRIP|EATS)").source, ("UBER TRIP", "UBER *TRIP", "UBER EATS")),
        (from_regex("[^A-Z]X{3}").source, ("XXX", "! XXX")[:1]),
        (from_regex("COSTCO(?! GAS)").source, ("COSTCO",)),
        (rb"(A)\1", ()),
        (rb"(A", ()),
    ],
)
def test_samples(source, texts):
    assert samples(source) == texts


@pytest.mark.parametrize(
    ("outer", "inner", "known"),
    [
        (r"\bUBER\b", r"\bUBER\b", True),
        (r"UBER", r"\bUBER$", True),
        (r"\bUBER$", r"UBER", False),
        (r"^UBER", r"UBER", False),
        (r"UBER", r"^UBER$", True),
        (r"UBER", r"UBERS", False),
        (r"ABA", r"ABA\b", False),  # in ABABA the first is found at the start alone, the second at the end
        (r"A+", r"A", False),
    ],
)
def test_covers(outer, inner, known):
    assert covers(from_regex(outer), from_regex(inner)) is known


def test_a_whole_text_counts_as_wider_than_what_fills_it():
    exact, regex = from_exact("UBER"), from_regex("^UBER$")
    assert exact.source == regex.source
    assert (covers(exact, regex), covers(regex, exact), covers(exact, exact)) == (True, False, True)


def test_each_pattern_needs_one_that_covers_it(parts_of):
    match = {"a": "[{regex: UBER}, {regex: CAB}]", "b": "[{words: UBER}]", "c": "[{regex: UBER}]"}
    rules = "".join(f"- {{id: {name}, match: {patterns}}}\n" for name, patterns in match.items())
    a, b, c = parts_of({"uber": f"rules:\n{rules}"}).book.rules
    assert all_covered(a, b)
    assert not all_covered(c, a)


def test_candidates():
    """Rules 0 DELTA AIR, 1 AIR FRANCE, 2 DELTA, 3 FRANCE TV; 2 and 3 are of one family."""
    texts = {0: "DELTA AIR", 1: "AIR FRANCE", 2: "DELTA", 3: "FRANCE TV"}

    def scan(asked):
        return [frozenset(rule for rule, words in texts.items() if words in text) for text in asked]

    known = [Sample(rule, b"", text) for rule, text in texts.items()]
    found = candidates(known, scan, lambda one, other: {one, other} == {2, 3})
    assert [tuple(each) for each in found] == [
        (0, 1, "DELTA AIR FRANCE"),
        (0, 2, "DELTA AIR"),
        (1, 3, "AIR FRANCE TV"),
    ]


def test_an_exact_text_is_the_only_one_that_is_found():
    from tierbreak.tools.rules.proofs import automaton_of

    exact = automaton_of(from_exact("UBER *TRIP"))
    assert shortest([exact]).text == "UBER *TRIP"
    assert shortest([exact], [automaton_of(from_words("UBER TRIP", None))]).empty
