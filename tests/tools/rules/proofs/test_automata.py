"""Automata and shortest texts: known answers, then agreement with `re` on every text of a small alphabet."""

import random
import re

import pytest

from tierbreak.rulebook.patterns import Expression, from_exact, from_regex, from_words
from tierbreak.tiers.rules import database
from tierbreak.tiers.rules.exact import ExactPattern
from tierbreak.tools.rules.proofs import Unprovable, automaton_of, shortest
from tools.rules.proofs.conftest import folded_texts, random_expression


def words(text, at=None):
    return automaton_of(from_words(text, at))


def regex(pattern):
    return automaton_of(from_regex(pattern))


def raw(source):
    """A source that no loader has looked at."""
    return automaton_of(Expression(source, host_only=False, one_line=True))


@pytest.mark.parametrize(
    ("found_by", "missed_by", "text"),
    [
        ([words("UBER")], [], "UBER"),
        ([words("UBER TRIP")], [], "UBERTRIP"),
        ([words("DELTA AIR"), words("AIR FRANCE")], [], "DELTA AIR FRANCE"),
        ([words("DELTA AIR")], [words("DELTA")], "DELTAAIR"),
        ([words("UBER")], [words("UBER", "start")], "!UBER"),
        ([words("UBER")], [words("UBER", "start"), words("UBER", "end")], "!UBER!"),
        ([automaton_of(from_exact("7-11 #2"))], [], "7-11 #2"),
        ([regex("A{3,5}B")], [], "AAAB"),
        ([regex("A{3,5}B"), regex("^.{7}$")], [regex("A{4}")], "! !AAAB"),
        ([regex(r"\BX\B")], [], "0X0"),
        ([regex(r"COSTCO(?!\s*GAS)"), regex("GAS")], [], "GASCOSTCO"),
        ([regex(r"(?<!THE )GAP\b"), regex("THE GAP")], [], "THE GAPGAP"),
        ([regex("X[^a-z]Y")], [], "X Y"),
        ([regex("Ж")], [], "Ж"),
        ([regex("ЧАЙ"), words("TEA")], [], "TEAЧАЙ"),
    ],
)
def test_the_shortest_text(found_by, missed_by, text):
    assert shortest(found_by, missed_by).text == text


@pytest.mark.parametrize(
    ("found_by", "missed_by"),
    [
        ([words("UBER EATS")], [regex("UBER")]),
        ([words("UBER", "start"), words("LYFT", "start")], []),
        ([regex("A|B")], [regex("A"), regex("B")]),
        ([regex("[0-9]{4}")], [regex("[0-4]"), regex("[5-9]")]),
        ([regex("  ")], []),  # a folded text has single spaces
        ([regex(" $")], []),
        ([regex("^ ")], []),
        ([regex(r"\bUBER")], [regex(r"(?<!\w)UBER")]),
        ([regex("COSTCO")], [regex(r"COSTCO(?!\s*GAS)"), regex(r"COSTCO\s*GAS")]),
        ([words("UBER")], [regex(".")]),
        ([regex("É")], [regex("[^A]")]),  # both bytes of it are other than A
    ],
)
def test_there_is_none(found_by, missed_by):
    answer = shortest(found_by, missed_by)
    assert (answer.text, answer.empty) == (None, True)


def test_any_of_and_nothing_asked():
    assert shortest([words("AIR")], any_of=[words("DELTA"), words("JET")]).text == "AIR JET"
    assert shortest([], [regex("!")]).text == '"'
    assert shortest([], any_of=[words("JET")]).text == "JET"


def test_a_budget_that_is_used_up_claims_nothing():
    answer = shortest([regex("A.{12}B"), regex("C.{12}D")], [regex(".{60}")], states=50)
    assert (answer.text, answer.empty, answer.why) == (None, False, "state budget of 50 used up")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (rb"(A)\1", "groupref"),
        (rb"(?>A+)B", "atomic_group"),
        (rb"A++B", "possessive"),
        (rb"A(?=B(?!C))", "within a look-around"),
        (rb"(?-i:A)", "minds case"),
        (rb"(?:A{99}){99}", "more than"),
        (rb"(A", "no regex"),
    ],
)
def test_what_has_no_automaton_is_said(source, why):
    with pytest.raises(Unprovable, match=why):
        raw(source)


def test_no_folded_text_holds_a_character_that_automata_leave_out():
    import polars as pl

    from tierbreak.core.normalise import normalise

    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    folded = normalise(pl.Series(every))["folded"]
    assert folded.filter(folded.str.contains(r"[a-z\x00-\x1F\x7F]|  |^ | $")).to_list() == []


def agree(seed, cases, *, longest, looks=False):
    """Emptiness, intersection and difference of random patterns against every text; the witnesses are returned."""
    rng = random.Random(seed)
    texts = [text.encode() for text in folded_texts(" *AB", longest)]
    witnesses = []
    for _ in range(cases):
        expressions = [random_expression(rng, looks=looks) for _ in range(rng.randint(1, 3))]
        inside = rng.randint(1, len(expressions))
        automata = [automaton_of(expression) for expression in expressions]
        answer = shortest(automata[:inside], automata[inside:])
        patterns = [re.compile(expression.source, re.IGNORECASE) for expression in expressions]

        def matches(text, patterns=patterns, inside=inside):
            return all(each.search(text) for each in patterns[:inside]) and not any(
                each.search(text) for each in patterns[inside:]
            )

        first = next(filter(matches, texts), None)
        said = f"{[each.source for each in expressions]}, {inside} of them find it: {answer}, but {first}"
        if answer.text is None:
            assert answer.empty, said
            assert first is None, said
            continue
        text = answer.text.encode()
        assert matches(text), said
        assert first is None or (len(text), text) <= (len(first), first), said
        for automaton, pattern in zip(automata, patterns, strict=True):
            assert automaton.finds(text) == bool(pattern.search(text)), said
        witnesses.append((expressions, inside, text))
    return witnesses


def confirmed(witnesses):
    """Every witness, by the engines that serve."""
    for expressions, inside, text in witnesses:
        for at, expression in enumerate(expressions):
            assert ExactPattern(expression).matches(text) == (at < inside)
    if not database.available():
        return
    plain = list({each.source: each for each, *_ in _each(witnesses) if not each.host_only}.values())
    try:
        database.Database.compile(plain)
    except database.CannotCompile as refused:  # an anchor in the middle, or a pattern that can never match
        plain = [each for at, each in enumerate(plain) if at not in refused.numbers]
    assert len(plain) > 50
    number = {expression.source: at for at, expression in enumerate(plain)}
    where, what = database.Database.compile(plain).scan([text for *_, text in witnesses])
    found = set(zip(where.tolist(), what.tolist(), strict=True))
    for at, (expressions, inside, _) in enumerate(witnesses):
        for position, expression in enumerate(expressions):
            if expression.source in number:
                assert ((at, number[expression.source]) in found) == (position < inside)


def _each(witnesses):
    return ((expression, inside) for expressions, inside, _ in witnesses for expression in expressions)


def test_agreement_with_every_text_and_every_engine():
    witnesses = agree(1, 1200, longest=5)
    assert len(witnesses) > 600
    confirmed(witnesses)


def test_agreement_of_patterns_that_look_around():
    witnesses = agree(2, 500, longest=5, looks=True)
    assert any(expression.host_only for expression, _ in _each(witnesses))
    confirmed(witnesses)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_agreement_of_ten_thousand(seed):
    confirmed(agree(seed + 100, 1000, longest=6, looks=seed % 3 == 0))
