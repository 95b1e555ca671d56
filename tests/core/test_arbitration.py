"""Arbitration on tables small enough to check by eye, then properties that hold for any table."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierbreak.core.arbitration import Precedence, decide, settle, stand
from tierbreak.core.codes import OUTCOMES, REASONS, TIERS, Collision, Outcome, Reason, collision_text
from tierbreak.core.tables import TOP_K, CaseMatches, Ranked

# Brands 0 uber, 1 uber-eats (child of uber), 2 taxi, 3 bakery, 4 uber-one (child of uber).
PARENT = np.array([-1, 0, -1, -1, 0])
DEPTH = np.array([0, 1, 0, 0, 1])
# Rules: 0 and 1 name uber, 2 uber-eats, 3 taxi, 4 bakery, 5 a shadow bakery, 6 denies uber, 7 uber-one.
# 8 denies every brand.
BRAND = np.array([0, 0, 1, 2, 3, 3, 0, 4, -1])
DECIDES = np.array([True, True, True, True, True, False, True, True, True])
DENY = np.array([False] * 6 + [True, False, True])
BOOK = Precedence(BRAND, DECIDES, DENY, np.array([[0, 3]]), PARENT, DEPTH)  # uber's first rule outranks taxi


def matches(*rows):
    """(case, rule) or (case, rule, outcome) -> CaseMatches."""
    full = [(row[0], row[1], 1, row[2] if len(row) > 2 else Outcome.STANDS) for row in rows]
    case, rule, pattern, outcome = np.array(full, dtype=np.int64).reshape(-1, 4).T
    return CaseMatches(case, rule, pattern.astype(np.uint16), outcome.astype(np.uint8))


def spans(*rows):
    """(case, rule, start, end) -> spans by case and rule."""
    out = defaultdict(list)
    for case, rule, start, end in rows:
        out[case, rule].append((start, end))
    return out


def rules_only(table, cases, where=(), book=BOOK):
    standing = stand(table, cases, book)
    return settle(standing, spans(*where), book)


def every(threshold):
    """The same threshold for all brands."""
    return np.full(len(BOOK.parent), threshold, dtype=np.float32)


def ranked(*rows):
    """(case, tier, [(brand, confidence), …]) -> Ranked."""
    brands = [[brand for brand, _ in top] + [-1] * (TOP_K - len(top)) for _, _, top in rows]
    confidences = [[confidence for _, confidence in top] + [0.0] * (TOP_K - len(top)) for _, _, top in rows]
    silence = [Reason.BELOW_THRESHOLD if top else Reason.NO_KNOWN_BRAND for _, _, top in rows]
    return Ranked(
        case=np.array([case for case, _, _ in rows], dtype=np.int64),
        tier=np.array([TIERS.index(tier) for _, tier, _ in rows], dtype=np.uint8),
        brands=np.array(brands, dtype=np.int32).reshape(-1, TOP_K),
        confidences=np.array(confidences, dtype=np.float32).reshape(-1, TOP_K),
        silence=np.array(silence, dtype=np.int8),
    )


def outcomes(decisions):
    return [OUTCOMES[code] for code in decisions.outcome]


def kinds(decisions):
    return [collision_text(int(bits)) for bits in decisions.kinds]


def reasons(decisions):
    return [REASONS[code] if code >= 0 else None for code in decisions.reason]


def test_each_way_a_match_can_fare():
    """Seven cases, one for each thing that can happen to a match before spans are asked for."""
    out = rules_only(
        matches(
            (0, 4),  # one rule speaks: bakery
            (1, 4, Outcome.UNLESS),  # its `unless` matched: nothing left
            (2, 4, Outcome.WHEN),  # its guard failed: nothing left
            (3, 5),  # shadow: recorded, never decides
            (4, 0), (4, 3),  # the edge takes taxi out
            (5, 0), (5, 1),  # two rules, one brand: settled, no collision
        ),
        cases=7,  # and case 6: no rule at all
    )  # fmt: skip
    assert out.brand.tolist() == [3, -1, -1, -1, 0, 0, -1]
    assert out.rule.tolist() == [4, -1, -1, -1, 0, 0, -1]
    assert outcomes(out) == ["stands", "unless", "when", "shadow", "stands", "outranked", "stands", "stands"]
    assert kinds(out) == [None, None, None, None, "edge", None, None]
    assert reasons(out) == [None, "no-match", "no-match", "no-match", None, None, "no-match"]


def test_two_brands_contest():
    out = rules_only(matches((0, 0), (0, 4)), 1, where=[(0, 0, 0, 4), (0, 4, 5, 9)])
    assert out.brand.tolist() == [-1]
    assert kinds(out) == ["contested"]
    assert reasons(out) == ["contested"]
    assert out.open_rules == {0: [0, 4]}
    assert out.named == {0: [0, 3]}


def test_a_match_inside_another_yields():
    """`UBER` at 0..4 lies inside `UBER BAKERY` at 0..11; the two name brands of no common chain."""
    out = rules_only(matches((0, 0), (0, 4)), 1, where=[(0, 0, 0, 4), (0, 4, 0, 11)])
    assert out.brand.tolist() == [3]
    assert outcomes(out) == ["span", "stands"]
    assert kinds(out) == ["span"]


def test_every_occurrence_must_lie_inside():
    """`UBER` stands once inside `UBER BAKERY` and once outside: it does not yield."""
    out = rules_only(matches((0, 0), (0, 4)), 1, where=[(0, 0, 0, 4), (0, 0, 20, 24), (0, 4, 0, 11)])
    assert kinds(out) == ["contested"]


def test_occurrences_inside_two_different_rules_do_not_yield():
    """Both occurrences of `UBER` are covered, but not by one rule's match: house rule says one."""
    where = [(0, 0, 0, 4), (0, 0, 20, 24), (0, 4, 0, 11), (0, 3, 20, 30)]
    book = Precedence(BRAND, DECIDES, DENY, np.empty((0, 2), dtype=int), PARENT, DEPTH)
    assert kinds(rules_only(matches((0, 0), (0, 3), (0, 4)), 1, where, book)) == ["contested"]


def test_overlap_without_containment_does_not_yield():
    """`DELTA AIR` 0..9 and `AIR FRANCE` 6..16: neither is inside the other."""
    assert kinds(rules_only(matches((0, 0), (0, 4)), 1, where=[(0, 0, 0, 9), (0, 4, 6, 16)])) == ["contested"]


def test_equal_spans_do_not_yield():
    assert kinds(rules_only(matches((0, 0), (0, 4)), 1, where=[(0, 0, 0, 9), (0, 4, 0, 9)])) == ["contested"]


def test_one_parent_chain_the_deepest_wins():
    out = rules_only(matches((0, 0), (0, 2)), 1, where=[(0, 0, 0, 4), (0, 2, 6, 10)])
    assert out.brand.tolist() == [1]
    assert out.rule.tolist() == [2]
    assert kinds(out) == ["family"]


def test_two_children_of_one_parent_are_no_chain():
    out = rules_only(matches((0, 0), (0, 2), (0, 7)), 1, where=[(0, 0, 0, 4), (0, 2, 6, 10), (0, 7, 12, 15)])
    assert kinds(out) == ["contested"]


def test_edges_are_applied_at_once_and_are_not_transitive():
    """0 over 3 and 3 over 4: with all three there, 3 and 4 both go, though 3 itself is out."""
    book = Precedence(BRAND, DECIDES, DENY, np.array([[0, 3], [3, 4]]), PARENT, DEPTH)
    out = rules_only(matches((0, 0), (0, 3), (0, 4), (1, 0), (1, 4)), 2, where=[(1, 0, 0, 4), (1, 4, 5, 9)], book=book)
    assert out.brand.tolist() == [0, -1]
    assert outcomes(out) == ["stands", "outranked", "outranked", "stands", "stands"]
    assert kinds(out) == ["edge", "contested"]


def test_deny_takes_its_brand_out_for_every_tier():
    """Case 0: rules name uber, denied. Case 1: uber denied, bakery stands. Case 2: the model names uber, denied."""
    table = matches((0, 0), (0, 6), (1, 0), (1, 4), (1, 6), (2, 6))
    standing = stand(table, 3, BOOK)
    settled = settle(standing, spans(), BOOK)
    assert settled.brand.tolist() == [-1, 3, -1]
    assert kinds(settled) == ["denied", "denied", None]
    top = [(0, 0.99), (3, 0.005)]
    out = decide(settled, ranked((0, "model", top), (2, "model", top)), standing.vetoed, every(0.9))
    assert out.brand.tolist() == [-1, 3, -1], "a denied top answer abstains, it never promotes the second"
    assert reasons(out) == ["denied", None, "denied"]
    assert kinds(out) == ["denied", "denied", "denied"]


def test_a_deny_rule_that_its_unless_silences_denies_nothing():
    settled = rules_only(matches((0, 0), (0, 6, Outcome.UNLESS), (1, 0), (1, 8, Outcome.WHEN)), 2)
    assert (settled.brand.tolist(), kinds(settled)) == ([0, 0], [None, None])


def test_of_two_rules_that_close_a_case_the_first_is_named():
    book = replace(BOOK, brand=np.where(DENY, -1, BRAND))  # rule 6 denies every brand too
    assert rules_only(matches((0, 8), (0, 0), (0, 6)), 1, book=book).rule.tolist() == [6]


def test_an_edge_between_rules_of_one_brand_is_no_collision():
    settled = rules_only(matches((0, 0), (0, 1)), 1, book=replace(BOOK, edges=np.array([[1, 0]])))
    assert (settled.rule.tolist(), kinds(settled)) == ([1], [None])


def test_a_denied_answer_is_the_reason_although_rules_contest_the_case():
    """Taxi and bakery contest both cases; of the first uber is denied, which the model names in both."""
    standing = stand(matches((0, 3), (0, 4), (0, 6), (1, 3), (1, 4)), 2, BOOK)
    where = spans((0, 3, 0, 4), (0, 4, 5, 9), (1, 3, 0, 4), (1, 4, 5, 9))
    answers = ranked((0, "model", [(0, 0.99)]), (1, "model", [(0, 0.5)]))
    out = decide(settle(standing, where, BOOK), answers, standing.vetoed, every(0.9))
    assert reasons(out) == ["denied", "contested"]
    assert kinds(out) == ["contested+denied", "contested"]


def test_a_text_that_is_no_merchants_is_closed():
    """Rules name bakery and the text is denied to every brand: nobody answers, and the model is not heard."""
    standing = stand(matches((0, 4), (0, 8), (1, 8), (2, 4)), 3, BOOK)
    settled = settle(standing, spans(), BOOK)
    assert settled.unsettled.tolist() == [False, False, False]
    out = decide(settled, ranked((0, "model", [(2, 1.0)]), (1, "model", [(2, 1.0)])), standing.vetoed, every(0.5))
    assert out.brand.tolist() == [-1, -1, 3]
    assert out.rule.tolist() == [8, 8, 4]
    assert reasons(out) == ["not-a-merchant", "not-a-merchant", None]
    assert kinds(out) == ["denied", None, None]


def test_a_brand_may_have_a_threshold_of_its_own():
    """Cases 0 and 1 stand at 0.9: brand 2 speaks from 0.9, brand 3 from 0.95 only."""
    standing = stand(matches(), 2, BOOK)
    thresholds = every(0.9)
    thresholds[3] = 0.95
    answers = ranked((0, "model", [(2, 0.9)]), (1, "model", [(3, 0.9)]))
    out = decide(settle(standing, spans(), BOOK), answers, standing.vetoed, thresholds)
    assert out.brand.tolist() == [2, -1]
    assert reasons(out) == [None, "below-threshold"]


def test_the_next_tier_decides_what_rules_left_open():
    """Cases: 0 contested, model sure; 1 contested, unsure; 2 no rule, sure; 3 unsure; 4 nothing it names is live."""
    contest = [(0, 0), (0, 4), (1, 0), (1, 4)]
    where = [(0, 0, 0, 4), (0, 4, 5, 9), (1, 0, 0, 4), (1, 4, 5, 9)]
    standing = stand(matches(*contest), 5, BOOK)
    settled = settle(standing, spans(*where), BOOK)
    answers = ranked(
        (0, "cache", [(3, 0.95)]),
        (1, "model", [(3, 0.5)]),
        (2, "model", [(2, 0.9)]),
        (3, "model", [(2, 0.89)]),
        (4, "model", []),
    )
    out = decide(settled, answers, standing.vetoed, every(0.9))
    assert out.brand.tolist() == [3, -1, 2, -1, -1]
    assert [TIERS[tier] if tier >= 0 else None for tier in out.tier] == ["cache", None, "model", None, None]
    assert reasons(out) == [None, "contested", None, "below-threshold", "no-known-brand"]
    assert kinds(out) == ["contested", "contested", None, None, None]
    assert out.confidence[[0, 2]] == pytest.approx([0.95, 0.9])
    assert np.isnan(out.confidence[[1, 3, 4]]).all()


def test_a_later_tier_never_overturns_rules():
    standing = stand(matches((0, 4)), 1, BOOK)
    out = decide(settle(standing, spans(), BOOK), ranked((0, "model", [(0, 1.0)])), standing.vetoed, every(0.5))
    assert out.brand.tolist() == [3]
    assert out.tier.tolist() == [0]


ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 8)), max_size=40, unique=True)


@given(rows=ROWS, seed=st.randoms(use_true_random=False))
def test_row_order_does_not_matter(rows, seed):
    shuffled = list(rows)
    seed.shuffle(shuffled)
    one, two = rules_only(matches(*rows), 10), rules_only(matches(*shuffled), 10)
    for field in ("brand", "tier", "rule", "kinds", "reason", "outcome"):
        assert getattr(one, field).tolist() == getattr(two, field).tolist(), field


@given(rows=ROWS)
def test_a_case_is_decided_the_same_alone(rows):
    together = rules_only(matches(*rows), 10)
    for case in range(10):
        alone = rules_only(matches(*[(0, rule) for at, rule in rows if at == case]), 1)
        assert (alone.brand[0], alone.kinds[0], alone.reason[0]) == (
            together.brand[case], together.kinds[case], together.reason[case],
        )  # fmt: skip


@given(rows=ROWS)
def test_a_collision_is_never_silent(rows):
    """Where standing rules of a case name two brands, or an edge or a veto took another brand, a kind is on record."""
    out = rules_only(matches(*rows), 10)
    for case in range(10):
        named = {int(BRAND[rule]) for at, rule in rows if at == case and DECIDES[rule] and not DENY[rule]}
        denied = ((case, 6) in rows and 0 in named) or ((case, 8) in rows and bool(named))
        assert (out.kinds[case] > 0) == (len(named) > 1 or denied), f"case {case}: {named}"


def test_kinds_have_a_bit_each():
    named = [collision_text(1 << bit) for bit in range(5)]
    assert named == ["contested", "edge", "span", "family", "denied"]
    assert collision_text(Collision.FAMILY | Collision.DENIED) == "family+denied"
