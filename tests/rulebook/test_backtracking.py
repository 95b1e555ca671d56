"""Look-around loads only where `re` reads every text in few ways, which is counted before anything runs it."""

import re
from itertools import product

# Private, as in rulebook/language.py, which says why.
from re import _constants as sre
from re import _parser as sre_parser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.rulebook.backtracking import WAYS, bounded
from tierbreak.rulebook.byte_sets import taken
from tierbreak.rulebook.patterns import PatternError, from_regex


@pytest.mark.parametrize(
    "pattern",
    [
        r"COSTCO(?!\s*GAS)", r"(?<!THE )GAP\b", r"^(?!.*GAS).*COSTCO", r"UBER(?!.*EATS|.*PASS|.*ONE)",
        r"AMAZON(?!.*(?:PRIME|WEB|AWS|FRESH|KINDLE|MUSIC))", r"\bAPPLE(?!\.COM/BILL)(?!.*PAY).*STORE",
        r"(?<!THE |ANY |OUR )GAP(?! INSURANCE| COVERAGE)", r"(?:[A-Z]+ )+(?!X)D", r"\d{3,5}(?!\d)X", r"A.{20}B(?!C)",
        r"(?:AB|CD){12}(?!E)", r"(?:A?B)*C(?!X)", r"(?:A|AB)*B(?!X)", r"(?:(?:A|B)+C)+(?!X)", r"A.*B(?!C)",
        r"[A-Z ]{3,40}\d{4,}(?!X)", r"WAL-?MART(?!.*\b(?:PAY|GRO)\b)", r"(?:AB){2,20}(?!X)", r".*.*UBER(?!X)",
    ],
)  # fmt: skip
def test_what_reads_a_text_in_few_ways_loads(pattern):
    assert from_regex(pattern).host_only


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?:A+)+B(?!C)", r"(A+)+(?=B)C", r"(?!Z)(A|A)*(A|A)*B", r"(?:A*)*B(?!C)", r"(?:[A-Z]+ ?)+(?!X)D",
        r"^(?!(?:\d+-?)*$)AB", r"UBER(?=(?:\w+\s?)*:)", r"(?:A?B?)*C(?!X)", r"(?:A|AB|B)*C(?!X)", r"((?:AB)*)*C(?!X)",
        r"(?:[A-Z]{1,3})*B(?!X)", r"(?:\d+)+B(?!X)",
        r"A.*B.*C(?!D)", r"A\d*\d*B(?!C)", r"A(?!.*B.*C)", r"A.*(?!.*B)C",  # two that share a text: its square
        r"(?:A?){12}B(?!C)", r"(?:\w*,?){5}X(?!Y)", r"(?:(?:A{1,12}){1,12}){1,12}B(?!X)",  # no loop, and as slow
        r"(?:A|A){20}B(?!C)", r"(?:|A)(?:|A)(?:|A)(?:|A)(?:|A)(?:|A)(?:|A)B(?!C)",
        r"(?:.{1,99}){3}(?!C)X", r"A(?=.{0,30}B.{0,30}C)",
    ],
)  # fmt: skip
def test_what_may_read_one_in_very_many_is_refused(pattern):
    with pytest.raises(PatternError, match="very many ways") as caught:
        from_regex(pattern)
    assert caught.value.code == "R043"
    assert "`unless`" in caught.value.fix


def test_without_look_around_no_engine_tries_ways_and_all_load():
    assert not from_regex("(?:A+)+B").host_only


class Tried:
    """A matcher that tries every way, as `re` does, and counts the characters it reads: slow, and right."""

    def __init__(self, text):
        self.text, self.read = text, 0

    def ends(self, tree, at):
        """Every end of a match of a tree that begins at a place, in each way that leads to it."""
        if not tree:
            yield at
            return
        for end in self.part(tree[0], at):
            yield from self.ends(tree[1:], end)

    def part(self, node, at):
        op, value = node
        codes = taken(op, value)
        if codes is not None:
            if at < len(self.text) and codes >> self.text[at] & 1:
                self.read += 1
                yield at + 1
        elif op is sre.SUBPATTERN:
            yield from self.ends(list(value[3]), at)
        elif op is sre.BRANCH:
            for branch in value[1]:
                yield from self.ends(list(branch), at)
        elif op is sre.ASSERT or op is sre.ASSERT_NOT:
            list(self.ends(list(value[1]), at))  # all of it: more than `re` tries
            yield at
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            yield from self.repeat(*value, at)
        else:
            yield at

    def repeat(self, least, most, tree, at):
        if not least:
            yield at
        if most:
            for end in self.ends(list(tree), at):
                if end > at or least:
                    yield from self.repeat(
                        max(least - 1, 0), most - 1 if most is not sre.MAXREPEAT else most, tree, end
                    )


PIECE = st.sampled_from(
    ["A", "B", ".", "A*", "A+", ".*", "A?", "[AB]{0,3}", "(?:A|AB)", "(?!A*B)", "(?=.*B)", "(?:A|.)?"]
)
SEQUENCE = st.lists(PIECE, min_size=1, max_size=4).map("".join)
PATTERN = st.lists(
    SEQUENCE | SEQUENCE.map("(?:{})*".format) | SEQUENCE.map("(?:{}){{1,3}}".format), min_size=1, max_size=3
)
TEXTS = [bytes(letters) for letters in product(b"AB", repeat=7)]


@settings(max_examples=150, deadline=None)
@given(PATTERN.map("".join))
def test_what_is_bounded_reads_each_place_at_most_as_often_as_is_said(pattern):
    """Independent of the automaton: every way is tried, and characters are counted."""
    tree = sre_parser.parse(pattern.encode(), re.IGNORECASE)
    if not bounded(tree):
        return
    for text in TEXTS:
        tried = Tried(text)
        list(tried.ends(list(tree), 0))
        assert tried.read <= WAYS * len(text), text
