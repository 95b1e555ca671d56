"""The small list as a rulebook: lines, edges and examples counted by hand, and the replay of both on the traffic."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tierbreak import Engine, Settings
from tierbreak.tools.rules.authoring.fmt import formatted
from tierbreak.tools.rules.importing import Imported, OrderedBook, imported, replay
from tierbreak.tools.rules.importing.write import write
from tierbreak.tools.rules.traffic import Traffic


@pytest.fixture(scope="module")
def result(legacy, registry, expected) -> Imported:
    """Imported with the traffic at hand, and nothing left to chance but what it does not show."""
    return imported(OrderedBook.read(legacy), registry, traffic=[pl.Series(list(expected))], unseen=1.0)


def edges(result: Imported) -> dict[tuple[int, int], str]:
    """(line above, line below) -> why."""
    return {(result.kept[a].line, result.kept[b].line): why for (a, b), why in result.order.edges.items()}


def loaded(folder: Path, result: Imported, registry) -> Engine:
    write(folder / "rules", result.files(registry, "mobility"))
    return Engine.load(rules=folder / "rules", model=None, cache=None, settings=Settings(state=folder / "state"))


@pytest.fixture(scope="module")
def engine(result, registry, tmp_path_factory):
    """The folder that was written, loaded as any other."""
    with loaded(tmp_path_factory.mktemp("imported"), result, registry) as engine:
        yield engine


def test_each_line_has_its_fate(result):
    fates = {entry.line: (entry.fate, entry.because) for entry in result.entries if entry.fate != "active"}
    assert fates == {9: ("shadow", (5,)), 10: ("redundant", (3,))}
    assert [(fault.line, fault.says) for fault in result.faults] == [(11, "repeat is too large")]
    assert [entry.id for entry in result.kept] == [
        "air-france.legacy-7", "corner-shop.legacy-8", "delta-air-lines.legacy-6", "netflix-kids.legacy-9",
        "netflix.legacy-5", "paypal.legacy-4", "power-company.legacy-12", "uber-eats.legacy-2", "uber.legacy-3",
    ]  # fmt: skip


def test_edges_only_where_two_rules_meet_and_the_longer_match_does_not_win_anyway(result):
    # UBER EATS contains UBER: no edge. SQ * stands before other names: proved with made strings such as "SQ *PAYPAL".
    assert edges(result) == {
        (4, 5): "seen", (6, 7): "seen",
        (4, 8): "proved", (5, 8): "proved", (6, 8): "proved", (7, 8): "proved", (8, 12): "proved",
    }  # fmt: skip
    assert result.order.texts == 2  # PAYPAL *NETFLIX, DELTA AIR FRANCE CARGO
    assert result.order.unseen == pytest.approx(2 / 9)  # both of their pairs were seen once, in 9 decided texts


def test_without_traffic_only_what_is_proved(legacy, registry):
    got = edges(imported(OrderedBook.read(legacy), registry))
    assert got == dict.fromkeys([(6, 7), (4, 8), (5, 8), (6, 8), (7, 8), (8, 12)], "proved")


def test_examples_are_made_and_won(engine):
    for rule in engine.parts.book.rules:
        assert rule.examples, rule.id
        for example in (*rule.examples, *rule.counterexamples):
            got = engine.classify_one(example.descriptor)
            assert rule.status == "shadow" or got.brand == example.expect, (rule.id, example.descriptor)
    shop = next(rule for rule in engine.parts.book.rules if rule.id == "corner-shop.legacy-8")
    assert [(one.descriptor, one.expect) for one in shop.counterexamples] == [("SQ *UBER 0417 AUSTIN TX", "uber")]


def test_the_folder_holds_a_file_a_brand_names_and_refusals(result, registry):
    files = result.files(registry, "mobility")
    assert sorted(files) == [
        "airline/air-france.yaml", "airline/delta-air-lines.yaml", "brands.csv", "delivery/uber-eats.yaml", "names.tsv",
        "payments/paypal.yaml", "refused.tsv", "rideshare/uber.yaml", "streaming/netflix.yaml",
        "unsorted/corner-shop.yaml", "unsorted/netflix-kids.yaml", "unsorted/power-company.yaml",
    ]  # fmt: skip
    assert files["unsorted/corner-shop.yaml"] == (
        "brand: corner-shop\n"
        "owner: mobility\n"
        "rules:\n"
        "  - id: corner-shop.legacy-8\n"
        "    match:\n"
        "      - regex: '^SQ \\*'\n"
        "    unless:\n"
        "      - regex: '^SQ \\*UBER'\n"
        "    outranks: [power-company.legacy-12]\n"
        "    examples:\n"
        "      - SQ * 0417 AUSTIN TX\n"
        "    counterexamples:\n"
        "      - {descriptor: SQ *UBER 0417 AUSTIN TX, expect: uber}\n"
        "    note: legacy.csv:8\n"
    )
    assert "status: shadow" in files["unsorted/netflix-kids.yaml"]
    assert "line 5 finds all that it finds (proved)" in files["unsorted/netflix-kids.yaml"]
    assert files["refused.tsv"].splitlines()[1].split("\t")[:5] == ["11", "3", "L005", "X{1,2000}Y", "{1,2000}"]
    for name, text in files.items():
        if name.endswith(".yaml"):
            assert formatted(text) == text


def test_replay_names_every_difference(result, engine, traffic):
    got = replay(engine, result, Traffic.read(str(traffic), []), learned=True)
    assert (got.distinct, got.decided, got.same) == (10, 9, 7)
    assert (got.rows, got.rows_decided, got.rows_same) == (11, 10, 8)
    assert got.share == pytest.approx(7 / 9)
    columns = ("descriptor", "line", "old", "new", "why", "says")
    assert got.differences.select(columns).rows() == [
        ("ENERGY ", 12, "power-company", None, "folding",
         "line 12 finds the descriptor as it came, and not its folded text"),
        ("BOXY CAFE", 11, "xylophones", None, "refused", "line 11 was refused: repeat is too large"),
    ]  # fmt: skip
    assert got.beyond.is_empty()


def test_two_rules_never_seen_together_contest_what_they_both_find(result, engine, tmp_path):
    (tmp_path / "july.csv").write_text("descriptor\nPAYPAL *AIR FRANCE 4417\nUBER\nNOËL\n")
    got = replay(engine, result, Traffic.read(str(tmp_path / "july.csv"), []), learned=False)
    assert (got.decided, got.same) == (2, 1)
    assert got.differences.select("descriptor", "line", "old", "new", "rules", "why").rows() == [
        ("PAYPAL *AIR FRANCE ####", 4, "paypal", None, ["air-france.legacy-7", "paypal.legacy-4"], "contested"),
    ]  # fmt: skip


LONGER = [("WHOLE CLUB", "Costco"), ("CLUB", "Corner Club"), ("PUMP", "Costco Gas"), ("BIG WHOLE CLUB", "Big Club"),
          ("LONG PUMP", "Long"), ("Noel", "Noel")]  # fmt: skip


def test_differences_that_only_unseen_strings_have(registry, tmp_path):
    result = imported(OrderedBook.of(LONGER, flags=""), registry)
    (tmp_path / "july.csv").write_text("descriptor\nWHOLE CLUB PUMP\nNOËL\nCLUB WHOLE  CLUB\nLONG PUMP CLUB\n")
    with loaded(tmp_path, result, registry) as engine:
        got = replay(engine, result, Traffic.read(str(tmp_path / "july.csv"), []), learned=False)
    assert got.differences.select("descriptor", "old", "new", "why").rows() == [
        ("LONG PUMP CLUB", "corner-club", None, "contested"),
        ("WHOLE CLUB PUMP", "costco", "costco-gas", "family"),  # disjoint, and the one brand is the other's parent
        ("CLUB WHOLE  CLUB", "corner-club", None, "folding"),  # line 1 asks for one space
    ]
    assert got.beyond.select("descriptor", "old", "new", "why").rows() == [("NOËL", None, "noel", "folding")]


def test_once_seen_the_family_and_the_longer_match_get_their_edge(registry):
    texts = pl.Series(["WHOLE CLUB PUMP", "BIG WHOLE CLUB"])
    # Line 1 finds BIG WHOLE CLUB as well, line 3 LONG PUMP: the list never comes to lines 4 and 5.
    result = imported(OrderedBook.of(LONGER), registry, traffic=[texts], unseen=1.0)
    assert edges(result) == {(1, 3): "seen"}
    assert [(entry.line, entry.because) for entry in result.entries if entry.fate == "shadow"] == [(4, (1,)), (5, (3,))]


SHOPS = ["ALPHAMART", "BETAMART", "GAMMAMART", "DELTAMART", "KAPPAMART", "SIGMAMART", "OMEGAMART", "THETAMART"]


def test_a_rule_that_meets_many_brands_keeps_its_place_against_all(registry):
    book = OrderedBook.of([(r"RING\s", "Ring Alarm"), *((shop, shop.title()) for shop in SHOPS)])
    texts = pl.Series([f"SPRING {shop}" for shop in SHOPS[:6]] + ["PLAIN OMEGAMART"])
    rare = imported(book, registry, traffic=[texts], unseen=1.0)
    assert edges(rare) == {(1, line): "seen" for line in range(2, 8)}
    assert rare.order.unseen == pytest.approx(6 / 7)  # six pairs seen once, seven texts decided
    often = imported(book, registry, traffic=[texts], unseen=0.0)
    assert edges(often) == edges(rare) | {(1, 8): "generic", (1, 9): "generic"}
    assert {often.kept[at].line: brands for at, brands in often.order.generic.items()} == {1: 6}
    assert often.order.unseen == 0.0


def test_a_late_generic_rule_yields_to_all_before_it(registry):
    book = OrderedBook.of([*((shop, shop.title()) for shop in SHOPS), (r"RING\s", "Ring Alarm")])
    texts = pl.Series([f"SPRING {shop}" for shop in SHOPS[:6]])
    got = edges(imported(book, registry, traffic=[texts], unseen=0.0))
    assert sorted(pair for pair, why in got.items() if why == "generic") == [(7, 9), (8, 9)]


def test_lines_that_find_no_folded_text_are_refused(registry):
    result = imported(OrderedBook.of([("SHELL  OIL", "Shell"), ("UBER", "Uber")]), registry)
    assert [(fault.line, fault.says) for fault in result.faults] == [
        (1, "it finds no text as rules see it: upper case, no accents, no two spaces in a row")
    ]
    assert [entry.line for entry in result.kept] == [2]


def test_a_line_is_left_behind_by_several_together_with_a_look_ahead_among_them(registry):
    lines = [(r"COSTCO\s*GAS", "Costco Gas"), (r"COSTCO(?!\s*GAS)", "Costco"), ("COSTCO.*CLUB", "Corner Club")]
    result = imported(OrderedBook.of(lines), registry)
    assert [(entry.line, entry.fate, entry.because) for entry in result.entries if entry.because] == [
        (3, "shadow", (1, 2))
    ]


def test_a_line_that_minds_case_leaves_nothing_behind(registry):
    result = imported(OrderedBook.of([("[a-z]BER", "Lower"), ("UBER", "Uber")], flags=""), registry)
    assert [entry.fate for entry in result.entries] == ["active", "active"]
