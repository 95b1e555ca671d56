"""The normaliser: hand-written cases, what others rely on as properties, and each step's switch."""

from __future__ import annotations

import sys
import tomllib
import unicodedata
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.core import normalise as normalise_module
from tierbreak.core.normalise import FOLDED_CHARS, KEY_CHARS, LARGE, checked, fingerprint, normalise
from tierbreak.core.normaliser_steps import STEPS
from tierbreak.core.tables import NORMALISED, check
from tierbreak.errors import SettingsError
from tierbreak.tools.normaliser import stats

CASES = tomllib.loads((Path(__file__).parents[1] / "cases" / "normalise.toml").read_text(encoding="utf-8"))["case"]
NAMES = [step.name for step in STEPS]

#: Pieces that steps look for, whole and in halves: glued at random they reach every step and its edges.
PIECES = [
    "POS", "PIN", "DEBIT", "PURCHASE", "AUTHORIZED ON", "CHECKCARD", "SQ *", "PAYPAL *", "PAYPAL", "INST XFER",
    "DES:", "ID:", "INDN:", "CO ID:", "PPD ID:", "~~", "*", "#", "#12", "-", ",", "12", "123", "12345", "123456789",
    "X", "XXXX", "07/15", "14SEP19", "12:45", "S380000000000000", "CARD", "CARD 1234", "CARD#", "SEQ#", "REF #", "OF",
    "THE", "CA", "OR", "CO", "MA", "US", "USA", "CAUS", "BOSTON", "NEW YORK", "SAN JOSE", "T03", "F1199", "Q35",
    "AMT 10.5", "EURO", "AMZN.COM/BILL", "G.CO/X#", "AMZN MKTP US", "AUDIBLE", "*AB12CD", "CD 5347", "DEB",
    "GB - POS", ", BEDFORD", "APLPAY", "DD DOORDASH", "ZETTLE_", "TRAN DATE/TIME:", "DATE", "ON", "/01", "TEL",
    "ORIG CO NAME:", "ORIG ID:", "TYPE:", "  ", "\t", "\x00", "É", "é", "\u0301", "\u0410", "日本", "🍕", "\u200b", "ß",
    "´", "ＦＵ", "ﬁ", "02110-1234", "508-555-0100", "1-", "(", ".", "'", "/", ":", "?", "$", "cafe", "Blue Heron",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(["", " ", " ", "  "])), max_size=9).map(
        lambda parts: "".join(piece + gap for piece, gap in parts)
    ),
)
MANY = st.lists(TEXTS, min_size=1, max_size=80)


def both(*descriptors: str, off: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    return normalise(pl.Series(descriptors, dtype=pl.String), off=off).rows()


def test_cases() -> None:
    wrong = []
    for case, (folded, key) in zip(CASES, both(*(case["descriptor"] for case in CASES)), strict=True):
        for column, got in (("folded", folded), ("key", key)):
            if got != case.get(column, got):
                wrong.append(f"{case['name']}: {column} of {case['descriptor']!r} is {got!r}, not {case[column]!r}")
    assert not wrong, "\n".join(wrong)


def test_cases_are_many_and_each_says_something() -> None:
    assert len(CASES) >= 120
    assert len({case["name"] for case in CASES}) == len(CASES), "two cases have one name"
    assert all({"folded", "key"} & set(case) for case in CASES), "a case expects nothing"


def test_the_table_is_as_promised() -> None:
    check(normalise(pl.Series(["A", "b"])), NORMALISED, name="normalised")
    check(normalise(pl.Series([], dtype=pl.String)), NORMALISED, name="normalised")


@given(MANY)
@settings(deadline=None, max_examples=150)
def test_folded_is_upper_case_single_spaced_and_free_of_controls(descriptors: list[str]) -> None:
    for descriptor, (folded, _) in zip(descriptors, both(*descriptors), strict=True):
        odd = [
            char for char in folded if char != " " and (char.isspace() or unicodedata.category(char) in ("Cc", "Cf"))
        ]
        assert not odd, f"{descriptor!r} keeps {odd!r}"
        assert folded == " ".join(folded.split(" ")).strip(), f"{descriptor!r} has a space at an end"
        assert "  " not in folded, f"{descriptor!r} has two spaces running"
        lower = [char for char in folded if unicodedata.category(char) == "Ll" and char.upper() != char]
        assert not lower, f"{descriptor!r} keeps {lower!r}"


@given(MANY)
@settings(deadline=None, max_examples=300)
def test_a_second_time_changes_nothing(descriptors: list[str]) -> None:
    first = both(*descriptors)
    folded_again = [folded for folded, _ in both(*(folded for folded, _ in first))]
    key_again = both(*(key for _, key in first))
    for descriptor, (folded, key), again, twice in zip(descriptors, first, folded_again, key_again, strict=True):
        assert again == folded, f"folding {descriptor!r} twice"
        assert twice == (key, key), f"the key of {descriptor!r} is no key of its own"


@given(MANY)
@settings(deadline=None, max_examples=150)
def test_a_key_is_empty_for_blank_descriptors_only_and_never_long(descriptors: list[str]) -> None:
    for descriptor, (folded, key) in zip(descriptors, both(*descriptors), strict=True):
        assert (key == "") == (folded == ""), f"{descriptor!r} -> {folded!r} -> {key!r}"
        assert key == key.strip(" ") and "  " not in key, f"{descriptor!r} -> {key!r}"  # noqa: PT018
        assert len(key) <= KEY_CHARS


@given(MANY, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_a_row_depends_on_itself_only(descriptors: list[str], random: object) -> None:
    together = dict(zip(descriptors, both(*descriptors), strict=True))
    shuffled = descriptors.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert both(*shuffled) == [together[descriptor] for descriptor in shuffled]
    assert both(descriptors[0]) == [together[descriptors[0]]], "alone"


def test_a_large_batch_gives_what_small_ones_give() -> None:
    """LARGE and more rows are split over the cores; 3 more than a multiple, so that the last part is short."""
    texts = [case["descriptor"] for case in CASES]
    times = LARGE // len(texts) + 1
    large = [f"{texts[index % len(texts)]}" for index in range(len(texts) * times + 3)]
    small = both(*texts)
    assert both(*large) == [small[index % len(texts)] for index in range(len(large))]


def test_every_character_folds_to_a_fixed_point_and_stays_in_its_script() -> None:
    """All of Unicode but the surrogates, one descriptor a character, with a letter on each side."""
    chars = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    folded = normalise(pl.Series([f"A{char}B" for char in chars]))["folded"]
    again = normalise(folded)["folded"]
    moved = [hex(ord(char)) for char, same in zip(chars, folded == again, strict=True) if not same]
    assert not moved, f"{len(moved)} characters change when folded twice: {moved[:10]}"
    scripts = ("CYRILLIC", "GREEK", "ARABIC", "HEBREW", "ARMENIAN", "CHEROKEE", "CJK", "HANGUL", "HIRAGANA", "KATAKANA")
    lost = [
        f"{char!r} -> {text!r}"
        for char, text in zip(chars, folded, strict=True)
        if unicodedata.category(char).startswith("L")
        and unicodedata.name(char, "").startswith(scripts)
        and any(mark.isascii() and mark.isalnum() for mark in text[1:-1])
    ]
    assert not lost, f"letters of another script became ASCII letters: {lost[:10]}"


def test_look_alikes_of_three_scripts_stay_three_texts() -> None:
    """A in Latin, Cyrillic (U+0410) and Greek (U+0391)."""
    assert len({folded for folded, _ in both("A", "\u0410", "\u0391")}) == 3


def test_ten_kilobytes() -> None:
    """Words of three letters and a space: 256 are 1,023 characters with the spaces between, 32 of them 127."""
    [(folded, key)] = both("abc " * 2_500)
    assert folded == " ".join(["ABC"] * 256)
    assert key == " ".join(["ABC"] * 32)


def test_ten_kilobytes_without_a_space() -> None:
    [(folded, key)] = both("é" * 10_000)
    assert folded == "E" * FOLDED_CHARS
    assert key == "E" * KEY_CHARS


def test_ten_kilobytes_of_nothing() -> None:
    assert both("\x00 \t" * 3_000) == [("", "")]


#: One descriptor a step, which comes out otherwise when that step alone is switched off.
SHOWS = {
    "compatibility": "ＣＡＦＥ", "case": "cafe", "signs": "JOE’S", "separators": "A\u200bB", "marks": "CAFÉ",
    "composed": "ЙЁ", "spaces": "A  B", "spaced-star": "PAYPAL  BLUE HERON",
    "city-field": "BLUE HERON             TINYVILLE     TX", "ach": "BLUE HERON DES:PAYMENT ID:1",
    "tildes": "BLUE HERON~~08888", "bank": "POS DEBIT BLUE HERON",
    "name-twice": "BLUE HERON CAF 05/07 #000900000 PURCHASE BLUE HERON CAFE", "uk-card": "9680 13JUN14 , BLUE HERON",
    "wallet": "APLPAY BLUE HERON", "facilitator": "SQ *BLUE HERON", "number-first": "#01026 BLUE HERON",
    "order-id": "BLUE HERON*AB12CD9", "loose-star": "BLUE * HERON", "store": "BLUE HERON #12",
    "phone": "BLUE HERON 508-555-0100", "date": "BLUE HERON 07/15", "reference": "BLUE HERON CARD 1234",
    "state": "BLUE HERON BOSTON MA", "country": "BLUE HERON GBR", "uk-tail": "BLUE HERON CD 5347 DEB",
    "exchange": "BLUE HERON AMT 105.98 EURO", "site": "BLUE HERON BLUEHERON.COM/BILL",
    "bank-tail": "BLUE HERON CHECKCARD PURCHASE", "signs-last": "BLUE HERON -", "number": "BLUE 00009183 HERON",
}  # fmt: skip


def test_every_step_is_shown() -> None:
    assert list(SHOWS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_step_switched_off_does_not_run(name: str) -> None:
    descriptor = SHOWS[name]
    assert both(descriptor) != both(descriptor, off=frozenset([name]))


def test_with_all_steps_off_nothing_changes() -> None:
    texts = ["Caf\u00e9  #12", "SQ *x", "\ttab", ""]
    assert both(*texts, off=frozenset(NAMES)) == [(text, text) for text in texts]


def test_an_unknown_step_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(
        SettingsError, match=r"no normaliser step is called 'facilitators'; did you mean 'facilitator'\?"
    ):
        normalise(pl.Series(["A"]), off=frozenset(["facilitators"]))
    with pytest.raises(SettingsError) as caught:
        checked(["stores", "marcs"])
    assert str(caught.value).count("did you mean") == 2, "every wrong name is in the message"


def test_the_fingerprint_is_a_hash_that_names_what_is_off() -> None:
    every = [fingerprint(), *(fingerprint(frozenset([name])) for name in NAMES)]
    assert len(set(every)) == len(NAMES) + 1
    assert all(len(one) == 64 for one in every)
    assert fingerprint(frozenset(["store", "phone"])) == fingerprint(frozenset(["phone", "store"]))


@pytest.mark.parametrize("at", range(len(STEPS)), ids=NAMES)
def test_the_fingerprint_follows_what_each_step_does(monkeypatch, at: int) -> None:
    before = fingerprint()
    changed = replace(STEPS[at], how=(("replace_all", "NO SUCH TEXT", ""),))
    monkeypatch.setattr(normalise_module, "STEPS", (*STEPS[:at], changed, *STEPS[at + 1 :]))
    assert fingerprint() != before


def test_stats_counts_what_each_step_saves() -> None:
    """Four texts: `case` folds two of them into one; of the three keys, `phone` and then `state` make one."""
    texts = pl.Series(["BLUE HERON", "blue heron", "BLUE HERON 508-555-0100", "BLUE HERON BOSTON MA"])
    table = stats(texts)
    assert table["step"].to_list() == NAMES
    saved = table.filter(pl.col("saved") != 0)
    assert saved.rows() == [("case", "folded", 4, 3, 1), ("phone", "key", 3, 2, 1), ("state", "key", 2, 1, 1)]
    assert stats(texts, off=frozenset(["state"]))["step"].to_list() == [name for name in NAMES if name != "state"]


def test_step_names_are_unique_and_say_what_they_do_in_a_line() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(step.says and "\n" not in step.says and len(step.says) <= 100 for step in STEPS)
    first_key = next(index for index, step in enumerate(STEPS) if step.of == "key")
    assert all(step.of == "key" for step in STEPS[first_key:]), "a step of `folded` after one of `key`"
