"""Claims about rules: each verdict on a book made for it, then random books against the engine on every text."""

import datetime as dt
import random

import pytest

from tierbreak.errors import SettingsError
from tierbreak.tools.rules.proofs import proof_cache, prove
from tierbreak.tools.rules.proofs.conditions import Row, cells
from tierbreak.tools.rules.proofs.rulings import rule_on, scan
from tools.rules.proofs.conftest import folded_texts

UBER, LYFT, EATS = "uber", "lyft", "uber-eats"  # uber-eats is a child of uber


def rules(*lines):
    return "rules:\n" + "".join(f"- {{{line}}}\n" for line in lines)


def deny(*lines):
    return "deny:\n" + "".join(f"- {{{line}}}\n" for line in lines)


def claims_of(parts):
    return {claim.rule: claim for claim in prove(parts).claims}


def said(claim):
    return claim.verdict, claim.how, claim.others


def test_the_shortest_text_that_only_it_finds(parts_of):
    parts = parts_of(
        {
            UBER: rules("id: u, match: [{words: UBER}]"),
            LYFT: rules(
                "id: l, match: [{words: UBER}, {words: LYFT}]", "id: s, match: [{words: UBER A}], status: shadow"
            ),
        }
    )
    claims = claims_of(parts)
    assert list(claims) == ["l", "u"]  # a shadow never wins, so nothing is claimed of it
    assert (claims["l"].verdict, claims["l"].witness.text, claims["l"].witness.rule) == ("separate", "LYFT", "l")
    # Every text with UBER is also l's, and both matches are the same: nobody wins it.
    assert said(claims["u"]) == ("never-wins", ("contested",), ("l",))


def test_a_longer_match_wins_though_all_it_finds_is_found(parts_of):
    claims = claims_of(
        parts_of({UBER: rules("id: u, match: [{regex: UBER}]"), LYFT: rules("id: l, match: [{words: UBER EATS}]")})
    )
    assert claims["l"].verdict == "wins"
    assert (claims["l"].witness.text, claims["l"].witness.collision, claims["l"].others) == ("UBEREATS", "span", ("u",))
    assert claims["u"].witness.text == "UBER"


def test_dead_by_edge_but_not_where_the_one_above_is_denied(parts_of):
    above = "id: l, match: [{words: UBER}], outranks: [u]"
    under = rules("id: u, match: [{words: UBER TRIP}]", "id: t, match: [{words: TRIP}]")
    both = {UBER: under, LYFT: rules(above)}
    # `UBERTRIP` is one word, which l does not find.
    assert claims_of(parts_of(both))["u"].witness.text == "UBERTRIP"
    narrow = rules("id: u, match: [{regex: '\\bUBER TRIP\\b'}]")
    assert said(claims_of(parts_of({UBER: narrow, LYFT: rules(above)}))["u"]) == ("never-wins", ("edge",), ("l",))
    denied = rules(above) + deny("id: d, match: [{words: TRIP}]")
    claim = claims_of(parts_of({UBER: narrow, LYFT: denied}))["u"]
    assert (claim.verdict, claim.witness.text, claim.witness.collision) == ("wins", "UBER TRIP", "denied")


def test_dead_by_deny_rules_and_through_the_union_of_several(parts_of):
    book = rules("id: u, match: [{regex: 'UBER[0-9]'}]") + deny(
        "id: d.low, match: [{regex: 'UBER[0-4]'}]", "id: d.high, match: [{regex: '[4-9]'}]"
    )
    claims = claims_of(parts_of({UBER: book}))
    assert said(claims["u"]) == ("never-wins", ("deny",), ("d.high", "d.low"))
    assert claims["d.low"].witness.text == "UBER0"
    gap = book.replace("[0-4]", "[0-2]")
    claim = claims_of(parts_of({UBER: gap}))["u"]
    assert (claim.verdict, claim.witness.text) == ("separate", "UBER3")


def test_deny_rules_of_one_brand_take_nothing_from_each_other(parts_of):
    """The guarded one vetoes where its guard holds; the other vetoes everywhere: it is needed, and no claim is made."""
    book = deny("id: all, match: [{words: UBERALL}]", "id: small, match: [{words: UBERALL}], when: {amount: {lt: 5}}")
    proofs = prove(parts_of({UBER: book}))
    assert [claim.verdict for claim in proofs.claims] == ["unknown", "unknown"]
    assert [(double.rule, double.by) for double in proofs.redundant] == [("small", ("all",))]


def test_a_deny_rule_for_every_brand_takes_in_another(parts_of):
    book = {UBER: deny("id: d, match: [{words: WAGES UBER}]"), LYFT: "deny:\n- {id: e, match: [{regex: WAGES}]}\n"}
    assert claims_of(parts_of(book))["d"].verdict == "separate"  # e denies another brand
    book["*"] = book.pop(LYFT)
    proofs = prove(parts_of(book))
    assert [said(claim) for claim in proofs.claims] == [("never-wins", ("deny",), ("e",)), ("separate", (), ())]
    assert [(each.rule, each.by, each.harmless) for each in proofs.redundant] == [("d", ("e",), True)]


def test_nothing_is_left_and_no_row_passes(parts_of):
    claims = claims_of(
        parts_of(
            {
                UBER: rules(
                    "id: none, match: [{words: UBER EATS}], unless: [{regex: EATS}]",
                    "id: row, match: [{words: CAB}], when: {amount: {lt: 5, gt: 7}}",
                    "id: sign, match: [{words: TAXI}], when: {sign: debit, amount: {gt: 5}}",
                )
            }
        )
    )
    assert said(claims["none"]) == ("never-wins", ("nothing",), ())
    assert said(claims["row"]) == ("never-wins", ("guard",), ())
    assert claims["row"].says() == "can never win: no row passes its guard (proved)"
    witness = claims["sign"].witness
    assert (witness.text, witness.row.amount < -5, witness.brand) == ("TAXI", True, "uber")


def test_a_child_of_the_family_takes_all_that_its_parent_finds(parts_of):
    book = {UBER: rules("id: u, match: [{words: UBER}]"), EATS: rules("id: e, match: [{regex: UBER}]")}
    claims = claims_of(parts_of(book))
    assert said(claims["u"]) == ("never-wins", ("contested",), ("e",))
    # The parent's rule wins nothing; the child's wins even where the parent's is found too.
    assert (claims["e"].witness.text, claims["e"].verdict) == ("0UBER", "separate")


@pytest.mark.parametrize(
    ("above", "under", "dead"),
    [
        ("when: {sign: debit}", "", False),
        ("when: {sign: debit}", "when: {sign: debit, amount: {lt: 5}}", True),
        ("when: {amount: {lt: 5}}", "when: {amount: {le: 5}}", False),
        ("when: {amount: {le: 5}}", "when: {amount: {lt: 5}}", True),
        ("when: {mcc: ['4121', '5812']}", "when: {mcc: ['4121']}", True),
        ("when: {mcc: ['4121']}", "when: {mcc: ['4121'], optional: true}", False),
        ("when: {mcc: ['4121'], optional: true}", "when: {mcc: ['4121']}", True),
        ("when: {mcc: ['4121'], optional: true}", "", False),  # it wins on a code that no rule names
        ("valid: {from: 2020-01-01}", "valid: {from: 2021-01-01}", True),
        ("valid: {from: 2020-01-01}", "valid: {from: 2019-01-01}", False),
    ],
)
def test_a_guard_shadows_where_it_is_implied(parts_of, above, under, dead):
    narrow, wide = (f", {text}" if text else "" for text in (under, above))
    book = {
        UBER: rules(f"id: u, match: [{{words: UBER}}]{narrow}"),
        LYFT: rules(f"id: l, match: [{{words: UBER}}], outranks: [u]{wide}"),
    }
    claim = claims_of(parts_of(book))["u"]
    assert claim.verdict == ("never-wins" if dead else "wins")


@pytest.mark.parametrize(
    ("dates", "day"),
    [("{from: 2020-01-01}", dt.date(2019, 12, 31)), ("{to: 2030-12-31}", dt.date(2031, 1, 1))],
)
def test_a_rule_wins_on_the_day_beside_the_dates_of_the_one_above(parts_of, dates, day):
    above = f"id: l, match: [{{regex: UBER}}], outranks: [u], valid: {dates}"
    claim = claims_of(parts_of({UBER: rules("id: u, match: [{regex: UBER}]"), LYFT: rules(above)}))["u"]
    assert (claim.verdict, claim.witness.row.date) == ("wins", day)


@pytest.mark.parametrize("limit", ["valid: {to: 2030-12-31}", "when: {amount: {lt: 5}}"])
def test_a_deny_rule_with_a_limit_ends_no_other_for_ever(parts_of, limit):
    every = deny(f"id: e, match: [{{regex: WAGES}}], {limit}")
    claims = claims_of(parts_of({UBER: deny("id: d, match: [{words: WAGES UBER}]"), "*": every}))
    assert said(claims["d"]) == ("unknown", (), ())


def test_guards_that_cover_only_together(parts_of):
    book = {
        UBER: rules("id: u, match: [{words: UBER}], when: {amount: {gt: 0}}"),
        LYFT: rules(
            "id: l, match: [{words: UBER}], outranks: [u], when: {amount: {lt: 10}}",
            "id: m, match: [{words: UBER}], outranks: [u], when: {amount: {ge: 10}}",
        ),
    }
    assert said(claims_of(parts_of(book))["u"]) == ("never-wins", ("edge",), ("l", "m"))
    book[LYFT] = book[LYFT].replace("ge: 10", "gt: 10")
    claim = claims_of(parts_of(book))["u"]
    assert (claim.verdict, abs(claim.witness.row.amount)) == ("wins", 10.0)


def test_what_looks_around_is_proved_too_and_a_look_within_one_is_unknown(parts_of):
    book = {
        UBER: rules("id: u, match: [{regex: 'COSTCO(?!\\s*GAS)'}]"),
        LYFT: rules("id: l, match: [{regex: 'COSTCO'}]", "id: b, match: [{regex: 'A(?=B(?!C))B'}]"),
    }
    claims = claims_of(parts_of(book))
    assert said(claims["u"]) == ("unknown", (), ("l",))
    assert claims["l"].witness.text == "COSTCOGAS"
    assert claims["b"].says() == "unknown, because it looks around within a look-around"


def test_redundant_within_a_brand(parts_of):
    book = {
        UBER: rules(
            "id: a, match: [{words: UBER}]",
            "id: b, match: [{words: UBER}, {words: CAB}]",
            "id: c, match: [{regex: '\\bUBER [12]'}]",
            "id: d, match: [{words: UBER}], when: {sign: debit}",
        ),
    }
    proofs = prove(parts_of(book))
    found = {each.rule: (each.by, each.harmless) for each in proofs.redundant}
    assert found["a"] == (("b",), True)
    assert found["d"][0] in (("a",), ("b",))
    assert found["c"][1] is False  # its match is longer than UBER: it may settle a text that UBER cannot
    assert "b" not in found
    assert [claim.verdict for claim in proofs.claims] == ["separate"] * 4


@pytest.mark.parametrize(
    "idle",
    [
        {},
        {"starbucks": rules("id: s, match: [{regex: UBER}], outranks: [u], status: shadow")},
        {UBER: deny("id: e, match: [{regex: UBER}], status: shadow")},
    ],
)
def test_a_rule_wins_where_the_one_above_is_denied_far_from_its_shortest_texts(parts_of, idle):
    """Nothing that u finds by itself holds ZEBRA: only the search for a text that l is denied finds it, and rules that
    do not decide are not in its way."""
    book = {
        UBER: rules("id: u, match: [{regex: UBER}]"),
        LYFT: rules("id: l, match: [{regex: UBER}], outranks: [u]") + deny("id: d, match: [{words: ZEBRA}]"),
    }
    claim = claims_of(parts_of({brand: book.get(brand, "") + idle.get(brand, "") for brand in book | idle}))["u"]
    assert (claim.verdict, sorted(claim.witness.text.split())) == ("wins", ["UBER", "ZEBRA"])


def test_of_two_equal_rules_the_one_with_an_edge_of_its_own_is_no_harm_to_keep(parts_of):
    """a beats l by its edge: to drop a loses texts to l. h beats a by its edge: to drop b leaves them to h."""
    book = {
        UBER: rules("id: a, match: [{words: UBER}], outranks: [l]", "id: b, match: [{words: UBER}]"),
        LYFT: rules("id: l, match: [{words: UBER TRIP}]"),
    }
    assert {each.rule: each.harmless for each in prove(parts_of(book)).redundant} == {"a": False, "b": True}
    book = {
        UBER: rules("id: a, match: [{words: UBER}]", "id: b, match: [{words: UBER}]"),
        LYFT: rules("id: h, match: [{words: TRIP}], outranks: [a]"),
    }
    assert {each.rule: each.harmless for each in prove(parts_of(book)).redundant} == {"a": True, "b": False}


def test_entangled_pairs(parts_of):
    book = {
        UBER: rules("id: delta, match: [{words: DELTA AIR}]", "id: other, match: [{words: AIR TRAIN}]"),
        LYFT: rules("id: france, match: [{words: AIR FRANCE}]", "id: far, match: [{words: FARE}]"),
        EATS: rules("id: child, match: [{words: DELTA}]"),
    }
    pairs = {pair.rules: pair for pair in prove(parts_of(book)).entangled}
    assert set(pairs) == {("delta", "france")}  # delta and child are one family
    pair = pairs["delta", "france"]
    assert (pair.witness.text, pair.shared, pair.whole) == ("DELTA AIR FRANCE", "AIR", True)
    assert (pair.witness.rule, pair.witness.collision) == (None, "contested+span")  # child yields to delta
    book[UBER] = book[UBER].replace("id: delta", "id: delta, outranks: [france]")
    pair = prove(parts_of(book)).entangled[0]
    assert (pair.witness.rule, pair.witness.collision, pair.contested) == ("delta", "edge+span", False)


def test_pairs_that_no_row_brings_together_are_not_entangled(parts_of):
    book = {
        UBER: rules("id: delta, match: [{words: DELTA AIR}], when: {sign: debit}"),
        LYFT: rules("id: france, match: [{words: AIR FRANCE}], when: {sign: credit}"),
    }
    assert prove(parts_of(book)).entangled == ()


def test_only_and_a_name_that_is_none(parts_of):
    parts = parts_of({UBER: rules("id: uber.a, match: [{words: UBER}]", "id: uber.b, match: [{words: CAB}]")})
    assert [claim.rule for claim in prove(parts, ["uber.b"]).claims] == ["uber.b"]
    with pytest.raises(SettingsError, match=r"no rule is called `uber\.c`; did you mean uber\.b or uber\.a"):
        prove(parts, ["uber.c"])


def test_answers_are_kept_by_content(parts_of, tmp_path):
    book = {UBER: rules("id: u, match: [{words: UBER}]"), LYFT: rules("id: l, match: [{words: LYFT}, {words: UBER}]")}
    folder = tmp_path / "proofs"
    with proof_cache.answers(folder) as known:
        first = prove(parts_of(book), known=known).to_dict()
        cold = len(known)
    with proof_cache.answers(folder) as known:
        assert len(known) == cold
        again = prove(parts_of(book), known=known).to_dict()
        assert len(known) == cold
        assert [claim["witness"] for claim in again["claims"]] == [claim["witness"] for claim in first["claims"]]
    book[LYFT] = rules("id: l, match: [{words: LYFT}]")
    with proof_cache.answers(folder) as known:
        assert claims_of_known(parts_of(book), known)["u"] == "separate"
    (folder / proof_cache.FILE).write_text("[]")
    with proof_cache.answers(folder) as known:
        assert known == {}


def claims_of_known(parts, known):
    return {claim.rule: claim.verdict for claim in prove(parts, known=known).claims}


# Random books, against the engine on every text and every row.

PATTERNS = [
    "words: A", "words: B", "words: A B", "words: AB", "regex: A", "regex: 'A ?B'", "regex: '^A'", "regex: 'B$'",
    "exact: A B", "exact: A", "regex: 'A(?! B)'", "regex: '(?<!A )B'", "regex: 'A+'", "regex: '[AB]B'", "regex: 'B.A'",
    "regex: '\\bA\\b'",
]  # fmt: skip
GUARDS = [
    "when: {sign: debit}", "when: {amount: {lt: 5}}", "when: {amount: {ge: 5}}", "when: {mcc: ['1111']}",
    "when: {mcc: ['1111'], optional: true}", "valid: {from: 2020-01-01}", "valid: {to: 2019-12-31}",
    "when: {sign: credit, amount: {gt: 2}}", "when: {sign: credit}",
]  # fmt: skip


def random_book(rng):
    """Files of a book with three to seven rules, and the ids in order."""
    count = rng.randint(3, 7)
    files = {}
    brands = rng.sample([UBER, LYFT, EATS, "starbucks"], rng.randint(2, 4))
    for number in range(count):
        brand = rng.choice(brands)
        denies = rng.random() < 0.15
        parts = [f"id: r{number}", f"match: [{_patterns(rng, 2)}]"]
        if rng.random() < 0.2:
            parts.append(f"unless: [{_patterns(rng, 1)}]")
        if rng.random() < 0.25:
            parts.append(rng.choice(GUARDS))
        if rng.random() < 0.1:
            parts.append("status: " + rng.choice(["shadow", "draft"]))
        below = [f"r{other}" for other in range(number + 1, count) if rng.random() < 0.15]
        if below and not denies:
            parts.append(f"outranks: [{', '.join(below)}]")
        files.setdefault((brand, denies), []).append("- {" + ", ".join(parts) + "}\n")
    out = {}
    for (brand, denies), lines in sorted(files.items()):
        out[brand] = out.get(brand, "") + ("deny:\n" if denies else "rules:\n") + "".join(lines)
    return out


def _patterns(rng, most):
    return ", ".join(f"{{{rng.choice(PATTERNS)}}}" for _ in range(rng.randint(1, most)))


def everything(parts, longest):
    """Every text over A, B and space with every row that the guards tell apart, and what the engine decides."""
    texts = list(folded_texts(" AB", longest))
    rows = [row for row, _ in cells(parts.book.rules)]
    asked = [(text, row) for text in texts for row in rows]
    rulings = rule_on(parts, [text for text, _ in asked], [row for _, row in asked])
    return asked, rulings


def check_claims(parts, longest):
    """Every claim of a book against everything; the verdicts that there were."""
    asked, rulings = everything(parts, longest)
    finders = {text: found for (text, _), found in zip(asked, _finders(parts, asked), strict=True)}
    proofs = prove(parts)
    index = {rule.id: at for at, rule in enumerate(parts.book.rules)}
    brand = parts.precedence.brand
    for claim in proofs.claims:
        at = index[claim.rule]
        won = [case for case, ruling in zip(asked, rulings, strict=True) if ruling.won_by(at)]
        rule = parts.book.rules[at]
        if claim.verdict == "never-wins" and not rule.deny:
            assert not won, (claim, won[0])
        own = [
            text for text, found in finders.items()
            if at in found and not rule.deny
            and not any(brand[other] != brand[at] or parts.book.rules[other].deny for other in found)
        ]  # fmt: skip
        if claim.verdict == "separate" and not rule.deny:
            text = claim.witness.text
            assert claim.witness.brand == claim.brand, claim
            assert not own or (len(text), text) <= (len(own[0]), own[0]), (claim, own[0])
        elif not rule.deny and claim.verdict in ("wins", "never-wins") and not claim.why and claim.how != ("guard",):
            assert not own, (claim, own[0])
        if claim.verdict == "wins":
            ruling = rule_on(parts, [claim.witness.text], [claim.witness.row])[0]
            assert ruling.won_by(at), claim
    return proofs, asked, rulings


def _finders(parts, asked):
    texts = list(dict.fromkeys(text for text, _ in asked))
    found = dict(zip(texts, scan(parts, texts), strict=True))
    return [found[text] for text, _ in asked]


def check_redundant(parts_of, files, proofs, parts, asked, rulings):
    """Without a rule that is redundant and harmless every decision names the same brand."""
    for each in proofs.redundant:
        if not each.harmless:
            continue
        bare = {
            brand: _without(text, each.rule) for brand, text in files.items() if _without(text, each.rule) is not None
        }
        if not bare:
            continue
        fewer = parts_of(bare)
        again = rule_on(fewer, [text for text, _ in asked], [row for _, row in asked])
        for case, before, after in zip(asked, rulings, again, strict=True):
            assert before.brand == after.brand, (each, case)


def _without(text, rule):
    """A file's text without one rule, and without edges to it; None where nothing is left."""
    lines = [line for line in text.splitlines() if f"id: {rule}," not in line]
    lines = [line.replace(f"[{rule}, ", "[").replace(f", {rule}]", "]").replace(f", {rule},", ",") for line in lines]
    lines = [line.replace(f", outranks: [{rule}]", "") for line in lines]
    kept_lines = [
        line for at, line in enumerate(lines)
        if line.startswith("-") or (at + 1 < len(lines) and lines[at + 1].startswith("-"))
    ]  # fmt: skip
    return "\n".join(kept_lines) + "\n" if kept_lines else None


def run_books(parts_of, seed, books, longest):
    rng = random.Random(seed)
    seen = []
    for _ in range(books):
        files = random_book(rng)
        parts = parts_of(files)
        proofs, asked, rulings = check_claims(parts, longest)
        check_redundant(parts_of, files, proofs, parts, asked, rulings)
        seen += [claim.verdict for claim in proofs.claims] + ["redundant" for each in proofs.redundant if each.harmless]
    return seen


def test_random_books(parts_of):
    seen = run_books(parts_of, 1, 40, 4)
    assert {verdict: seen.count(verdict) > 2 for verdict in set(seen)} == dict.fromkeys(set(seen), True)
    assert {"separate", "wins", "never-wins", "redundant"} <= set(seen)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_more_random_books(parts_of, seed):
    run_books(parts_of, seed, 50, 5)


def test_cells_say_what_cases_say(parts_of):
    """A row for each combination, and each holds what the engine lets stand."""
    lines = [f"id: r{number}, match: [{{words: A}}], {guard}" for number, guard in enumerate(GUARDS)]
    parts = parts_of({UBER: rules(*lines)})
    grid = cells(parts.book.rules)
    rulings = rule_on(parts, ["A"] * len(grid), [row for row, _ in grid])
    for (row, held), ruling in zip(grid, rulings, strict=True):
        assert ruling.standing == held, row
    assert len(grid) > 20
    assert all(isinstance(row, Row) for row, _ in grid)
