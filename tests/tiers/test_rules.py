"""Tier rules: what is found, what happens when the fast engine is wrong, and what is kept on disk."""

import dataclasses
import re
import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.errors import RulebookError
from tierbreak.rulebook import Rulebook
from tierbreak.rulebook.patterns import Expression, PatternError, from_regex
from tierbreak.tiers.rules import RulesTier, cross_check, database
from tierbreak.tiers.rules.exact import ExactPattern, ExactScanner

needs_hyperscan = pytest.mark.skipif(not database.available(), reason="no hyperscan wheel for this platform")


def book_of(tmp_path, patterns, extra=""):
    """A rulebook with one rule for each regex: r00, r01, …"""
    rules = "".join(f"- {{id: r{n:02}, match: [{{regex: '{p}'}}]{extra}}}\n" for n, p in enumerate(patterns))
    (tmp_path / "x.yaml").write_text("brand: x\nowner: x\nrules:\n" + rules)
    return Rulebook.load([tmp_path], {"x"})


def tier_of(tmp_path, patterns, examples=None, shelf=None):
    return RulesTier(book_of(tmp_path, patterns), examples or [[] for _ in patterns], shelf=shelf)


def found(tier, texts):
    """[(text, rule), …] that are not excluded."""
    matches = tier.judge(pl.Series(texts))
    stands = ~matches.excluded
    return list(zip(matches.text[stands].tolist(), matches.rule[stands].tolist(), strict=True))


def test_matches_unless_and_numbers(tmp_path):
    (tmp_path / "x.yaml").write_text(
        "brand: x\nowner: x\nrules:\n"
        "- {id: a, match: [{words: KETTLE}, {words: TEAL}], unless: [{words: FARM}]}\n"
        "- {id: b, status: draft, match: [{words: TEAL}]}\n"
        "- {id: c, match: [{words: FARM}]}\n"
    )
    tier = RulesTier(Rulebook.load([tmp_path], {"x"}), [[], [], []], shelf=None)
    texts = ["TEAL", "TEAL KETTLE", "TEAL FARM", "FARM", "ELSE"]
    found = tier.judge(pl.Series(texts))
    rows = zip(found.text.tolist(), found.rule.tolist(), found.pattern.tolist(), found.excluded.tolist(), strict=True)
    assert [tier.find(text.encode()) for text in texts] == [[0], [0], [2], [2], []]
    assert list(rows) == [(0, 0, 2, False), (1, 0, 1, False), (2, 0, 2, True), (2, 2, 1, False), (3, 2, 1, False)]


def test_an_empty_rulebook_and_no_texts(tmp_path):
    (tmp_path / "x.yaml").write_text("brand: x\nowner: x\nrules: [{id: a, status: draft, match: [{words: A}]}]\n")
    tier = RulesTier(Rulebook.load([tmp_path], {"x"}), [[]], shelf=None)
    assert len(tier.judge(pl.Series(["A"]))) == 0
    assert len(tier_of(tmp_path, ["A"]).judge(pl.Series([], dtype=pl.String))) == 0


ATOM = st.sampled_from(["A", "B", "AB", r"\s", r"\W", "[^A]", ".", r"\b", "É", ".*"])
REGEX = st.lists(st.tuples(ATOM, st.sampled_from(["", "", "+", "?"])).map("".join), min_size=1, max_size=4).map("".join)
REGEX = REGEX | st.tuples(REGEX, st.sampled_from(["(?!A)", "(?=B)", "(?<!A)"]), REGEX).map("".join)
FOLDED = st.text(alphabet="AB É.", min_size=1, max_size=10).map(lambda text: " ".join(text.split()) or "A")


def readable(regex):
    try:
        from_regex(regex)
        re.compile(regex)
    except (PatternError, re.error):
        return False
    return r"\b+" not in regex and r"\b?" not in regex and ".*+" not in regex and ".*?" not in regex


@settings(max_examples=60, deadline=None)
@given(
    regexes=st.lists(REGEX.filter(readable), min_size=1, max_size=6),
    texts=st.lists(FOLDED, min_size=1, max_size=12, unique=True),
)
def test_joined_texts_single_texts_and_re_agree(tmp_path_factory, regexes, texts):
    """The joined scan, a text at a time, and `re` over the expression find the same."""
    try:
        tier = tier_of(tmp_path_factory.mktemp("rules"), regexes)
    except RulebookError as error:
        if "Pattern can never match" not in str(error):  # such as A\\bA: said when the book is loaded
            raise
        return
    together = found(tier, texts)
    alone = [(at, rule) for at, text in enumerate(texts) for _, rule in found(tier, [text])]
    exact = [
        (at, rule)
        for at, text in enumerate(texts)
        for rule, regex in enumerate(regexes)
        if re.search(from_regex(regex).source, text.encode(), re.IGNORECASE)
    ]
    assert together == alone == exact


def test_re2_and_re_read_an_expression_alike():
    texts = [b"UBER *TRIP", b"HUBER", b"UBER\xc3\x89 TRIP", b"UBER"]
    for regex in (r"\bUBER\b", r"UBER\s*\*", r"^UBER$", r"UBER[^X]T?", r"U(?:B|C)ER {1,2}\*"):
        expression = from_regex(regex)
        compiled = re.compile(expression.source, re.IGNORECASE)
        assert [ExactPattern(expression).matches(text) for text in texts] == [
            compiled.search(text) is not None for text in texts
        ], regex


def test_spans_are_trimmed_and_an_exact_pattern_is_one_wider(tmp_path):
    (tmp_path / "x.yaml").write_text(
        "brand: x\nowner: x\nrules:\n"
        "- {id: a, match: [{regex: 'SQ \\*TEAL ?'}]}\n"
        "- {id: b, match: [{exact: SQ *TEAL}]}\n"
    )
    tier = RulesTier(Rulebook.load([tmp_path], {"x"}), [[], []], shelf=None)
    assert tier.spans("SQ *TEAL X SQ *TEAL", 0) == [(0, 8), (11, 19)]
    assert tier.spans("SQ *TEAL", 1) == [(-1, 9)]


# When the fast engine is wrong


class Lossy(database.Database):
    """Misses every match that ends beyond byte 40 of its text, as a broken engine might."""

    def scan(self, texts, at_once=database.JOINED):
        where, what = super().scan(texts, at_once)
        short = [len(texts[at]) <= 40 for at in where]
        return where[short], what[short]


@needs_hyperscan
def test_a_rule_that_loses_matches_is_quarantined(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(database, "Database", Lossy)
    examples = [["PAYCO *SONGBIRD"], ["TEAL KETTLE"], []]
    tier = tier_of(tmp_path, [r"PAYCO.*\*\s*SONGBIRD", "TEAL KETTLE", "NOBODY"], examples)
    assert tier.quarantined == ("r00", "r01")
    assert "2 rules quarantined to RE2, Hyperscan gets them wrong: r00, r01" in tier.notices
    assert "quarantined" in caplog.text
    text = f"PAYCO {'X' * 50} * SONGBIRD TEAL KETTLE"
    assert found(tier, [text]) == [(0, 0), (0, 1)]


@needs_hyperscan
def test_an_engine_that_loses_the_known_shapes_serves_nothing(tmp_path, monkeypatch):
    def probe(expressions, texts):
        for pairs in database_probe(expressions, texts):
            yield pairs - {max(pairs)}

    database_probe = database.probe
    monkeypatch.setattr(database, "probe", probe)
    tier = tier_of(tmp_path, [source.decode().replace("'", "") for source in cross_check.SHAPES])
    assert "loses matches: RE2 serves every rule; install hyperscan 0.7.21" in tier.notices[0]
    texts = [text.decode() for text in cross_check.SHAPE_TEXTS]
    assert len(found(tier, texts)) == 4 * 70 + 60 * 12, "280 gaps and 720 endings, one rule each"


def test_the_known_shapes_lose_nothing_whichever_engine_is_installed(tmp_path):
    """The shapes as rules, their texts joined and one at a time, against `re`."""
    patterns = [source.decode() for source in cross_check.SHAPES]
    tier = tier_of(tmp_path, patterns)
    texts = [text.decode() for text in cross_check.SHAPE_TEXTS]
    exact = [(at, n) for at, text in enumerate(texts) for n, p in enumerate(patterns) if re.search(p, text)]
    assert len(exact) == 1000
    assert found(tier, texts) == exact
    assert [(at, rule) for at, text in enumerate(texts) for _, rule in found(tier, [text])] == exact


def test_without_hyperscan_re2_serves_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "hyperscan", None)
    tier = tier_of(tmp_path, ["TEAL", r"KETTLE(?! FARM)"])
    assert tier.notices == ["hyperscan is not installed here: RE2 serves every rule"]
    assert found(tier, ["TEAL KETTLE", "TEAL KETTLE FARM"]) == [(0, 0), (0, 1), (1, 0)]


@needs_hyperscan
def test_a_sample_is_read_again_and_lost_matches_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("tierbreak.tiers.rules.scanner.SAMPLE", 100)
    tier = tier_of(tmp_path, ["TEAL"])
    texts = [f"TEAL {n} {'X' * 50}" for n in range(300)]
    assert len(found(tier, texts)) == 300
    assert tier.lost == 0
    (part,) = tier._match._fast._parts
    part.layer.database.__class__ = Lossy
    assert found(tier, texts) == []
    assert tier.lost == 3, "texts 0, 100 and 200 were read again"


@needs_hyperscan
def test_on_all_cores_as_on_one(tmp_path, monkeypatch):
    """Nine texts in parts of five and four: the same pairs at the same places."""
    tier = tier_of(tmp_path, ["TEAL", r"KETTLE(?! FARM)", "[^A]B"])
    texts = [f"{text} {n}" for n, text in enumerate(["TEAL KETTLE", "KETTLE FARM", "XB TEAL"] * 3)]
    alone = found(tier, texts)
    assert len(alone) == 3 * 2 + 0 + 3 * 2, "TEAL and KETTLE; KETTLE that is followed by FARM; XB and TEAL"
    monkeypatch.setattr("tierbreak.tiers.rules.scanner.LARGE", 9)
    monkeypatch.setattr("polars.thread_pool_size", lambda: 2)
    assert found(tier, texts) == alone


@needs_hyperscan
def test_a_pattern_hyperscan_refuses_is_named_with_its_place(tmp_path):
    book = book_of(tmp_path, ["TEAL", r"KETTLE\bFARM"])
    with pytest.raises(RulebookError, match=re.escape(f"{tmp_path}/x.yaml:5:")) as caught:
        RulesTier(book, [[], []], shelf=None)
    assert "Hyperscan refuses it" in str(caught.value)


def test_an_unless_that_the_exact_engine_refuses_is_named_with_its_place(tmp_path):
    book = book_of(tmp_path, ["TEAL"], ", unless: [{regex: 'KETTLE'}, {regex: '(?:[FARM].{0,99}){3,19}KETTLE'}]")
    with pytest.raises(RulebookError, match=re.escape(f"{tmp_path}/x.yaml:4:")) as caught:
        RulesTier(book, [[]], shelf=None)
    assert "RE2 refuses it" in str(caught.value)
    assert "1 patterns do not compile" in str(caught.value)


def test_exact_scanner_agrees_with_itself_pattern_by_pattern():
    expressions = [from_regex(r) for r in ("TEAL", r"KETTLE(?! FARM)", r"\bSQ \*")]
    texts = [b"SQ *TEAL KETTLE", b"TEAL KETTLE FARM"]
    where, what = ExactScanner(expressions).scan(texts)
    assert sorted(zip(where.tolist(), what.tolist(), strict=True)) == [(0, 0), (0, 1), (0, 2), (1, 0)]


@needs_hyperscan
@pytest.mark.parametrize(
    ("source", "example", "texts"),
    [
        (rb"(?s)FOO.*BAR", "SQ FOO X BAR AUSTIN TX", ["FOO", "X", "BAR"]),
        (rb"FOO[^X]BAR", "FOO BAR", ["FOO", "BAR"]),
        (rb"FOO\W*BAR", "FOOBAR", ["FOO", "BAR"]),
    ],
)
def test_a_pattern_that_crosses_from_text_to_text_is_quarantined_whatever_lets_it(tmp_path, source, example, texts):
    """None of these is made by the reader: it is as if one more way had been overlooked."""
    book = book_of(tmp_path, ["FOO"])
    rule = book.rules[0]
    crossing = dataclasses.replace(rule.match[0], expression=Expression(source, host_only=False, one_line=True))
    book = Rulebook.of((dataclasses.replace(rule, match=(crossing,)),))
    assert found(RulesTier(book, [[]], shelf=None), texts) == [(len(texts) - 1, 0)], "without an example nobody knows"
    tier = RulesTier(book, [[example]], shelf=None)
    assert tier.quarantined == ("r00",)
    assert found(tier, [*texts, example]) == [(len(texts), 0)]


def test_a_match_is_torn_where_it_stands():
    expression = from_regex(r"FOO.*BAR")
    halves = list(cross_check.torn(ExactPattern(expression), b"SQ FOO X BARS"))
    assert halves == [b"SQ FOO", b"X BARS", b"SQ FOO ", b"X BARS", b"SQ FOO X", b"BARS"]
    assert list(cross_check.torn(ExactPattern(expression), b"ELSE")) == []


def test_an_exact_text_is_whole_whatever_it_begins_and_ends_with(tmp_path):
    """`^PAY\\$` ends in a dollar, and `^PAY$` as a regex is no override: both are trimmed like any match."""
    (tmp_path / "x.yaml").write_text(
        "brand: x\nowner: x\nrules:\n"
        "- {id: a, match: [{exact: 'ACME INC.'}]}\n"
        "- {id: b, match: [{exact: '*#'}]}\n"
        "- {id: c, match: [{regex: '^PAY\\$'}]}\n"
        "- {id: d, match: [{regex: '^PAY$'}]}\n"
        "- {id: e, match: [{exact: PAY}]}\n"
    )
    tier = RulesTier(Rulebook.load([tmp_path], {"x"}), [[] for _ in range(5)], shelf=None)
    assert tier.spans("ACME INC.", 0) == [(-1, 10)]
    assert tier.spans("ACME INC. X", 0) == []
    assert tier.spans("*#", 1) == [(-1, 3)]
    assert tier.spans("PAY$", 2) == [(0, 4)]
    assert (tier.spans("PAY", 3), tier.spans("PAY", 4)) == ([(0, 3)], [(-1, 4)])
    assert found(tier, ["ACME INC.", "PAY$", "PAY"]) == [(0, 0), (1, 2), (2, 3), (2, 4)]


#: Pieces of patterns and what may stand behind them: what rules hold, and what engines are known to read otherwise.
PIECE = st.sampled_from([
    "A", "B", "1", " ", "É", "_", "-", ".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", "^", "$", "[AB]",
    "[^A]", r"[\w-]", r"[\S]", "[-A]", "[A-C1]", "[]A]", "[^]A]", r"[\]B]", "]", "}", r"\{", r"\.", r"\_", r"\-", r"\ ",
    r"\<", "(A", "(?:", ")", "|", r"\&", "[&]", "a", "[a-c]", "{", "[", "\\", "&&", "(?i)", "(?s)", r"\x41",
    r"\1", r"\v", "[[", r"[\b]",
])  # fmt: skip
BEHIND = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,2}", "{2,}", "*?", "+?", "??", "{0}", "{,2}"])
ANY_REGEX = st.lists(st.tuples(PIECE, BEHIND).map("".join), min_size=1, max_size=5).map("".join)
ANY_TEXT = st.text(alphabet="AAABB1 É_-.]}{<&C", min_size=1, max_size=9).map(lambda text: " ".join(text.split()) or "A")


@needs_hyperscan
@settings(max_examples=400, deadline=None)
@given(ANY_REGEX, st.lists(ANY_TEXT, min_size=8, max_size=8))
def test_what_the_reader_takes_three_engines_read_alike(regex, texts):
    """Each text alone, all of them joined, RE2 and `re`."""
    try:
        expression = from_regex(regex)
        compiled = database.Database.compile([expression])
    except (PatternError, database.CannotCompile):
        return
    exact = ExactPattern(expression)
    assert exact.refused() == ""
    encoded = [text.encode() for text in texts]
    expected = [bool(re.search(expression.source, text, re.IGNORECASE)) for text in encoded]
    assert [exact.matches(text) for text in encoded] == expected
    if not expression.host_only:
        for at_once in (1, 8):
            where, _ = compiled.scan(encoded, at_once)
            assert [at in where.tolist() for at in range(8)] == expected


def test_other_libraries_in_cpp_can_be_loaded_after_hyperscan():
    pytest.importorskip("pyarrow", reason="the extra `duckdb` is not installed")
    code = "import tierbreak.tiers.rules.database, tierbreak.tiers.model.runtime, pyarrow"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
