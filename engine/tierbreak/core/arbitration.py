"""Verdicts -> one decision a case, every disagreement on record. Pure: no clock, no randomness, no row order.

The order in which the matches of one case are weighed:

1. dropped     an `unless` matched, a guard failed, the date lies outside: the engine says so beside the match
2. status      `shadow` is recorded and never decides
   deny        a deny rule that matches takes its brand out, for every tier; one for every brand closes the
               case: it is no merchant's text, and no later tier is asked
3. outranks    for each edge A over B with both there, B goes; all edges at once, never transitive
4. span        a rule yields if every occurrence of its match lies inside, and is shorter than, an occurrence of
               one other rule's match; asked only where two brands are still named
5. brands      one left: settled. Several on one parent chain: the deepest (`family`). Else: contested

A case that rules have not settled goes to the next tier; the first tier that settles decides. Nothing here
reads a text: spans are fetched by who calls, and only where two brands are still named.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from tierbreak.core.codes import Collision, Outcome, Reason, Tier
from tierbreak.core.tables import TOP_K, CaseMatches, Ranked

#: Where a rule's match stands in the text of a case: byte offsets, ascending by start.
Spans = Sequence[tuple[int, int]]
#: Spans by (case, rule), of the matches for which they were asked.
SpansOf = Mapping[tuple[int, int], Spans]


@dataclass(frozen=True)
class Precedence:
    """What arbitration knows of rules and brands: arrays by rule index (r) and brand index (b).

    brand     int32 [r]    the rule's brand, redirects followed; -1 for a deny rule that stands for every brand
    decides   bool [r]     status active or retiring
    deny      bool [r]
    edges     int32 [e, 2] edges[i, 0] outranks edges[i, 1]
    parent    int32 [b]    -1 where none
    depth     int32 [b]    length of the parent chain
    """

    brand: np.ndarray
    decides: np.ndarray
    deny: np.ndarray
    edges: np.ndarray
    parent: np.ndarray
    depth: np.ndarray

    @cached_property
    def outranks(self) -> Mapping[int, frozenset[int]]:
        """rule -> the rules below it, for rules that outrank any."""
        below: dict[int, set[int]] = {}
        for above, under in self.edges.tolist():
            below.setdefault(above, set()).add(under)
        return {above: frozenset(unders) for above, unders in below.items()}

    @cached_property
    def outranks_any(self) -> np.ndarray:
        """bool [r]"""
        out = np.zeros(len(self.brand), dtype=bool)
        out[self.edges[:, 0]] = True
        return out

    def deepest(self, brands: Sequence[int]) -> int:
        """The brand whose ancestors hold all the others, or -1 where they do not lie on one parent chain."""
        best = max(brands, key=lambda brand: int(self.depth[brand]))
        chain, above = set(), best
        while above >= 0:
            chain.add(above)
            above = int(self.parent[above])
        return best if chain.issuperset(brands) else -1


@dataclass(frozen=True)
class Standing:
    """Matches ordered by case and rule, m of them, with what has become of each so far.

    case, rule   int64 [m]; pattern uint16 [m]; brand int64 [m], redirects followed
    outcome      uint8 [m], of Outcome
    kinds        uint8 [cases], of Collision: the kinds on record
    vetoed       int64 [v]      case << 32 | brand for every brand a deny rule took out of a case
    closed       int64 [cases]  the deny rule that took every brand out of a case, -1 where none did
    doubtful     bool [m]       standing matches of cases that name two brands: their spans are needed
    """

    case: np.ndarray
    rule: np.ndarray
    pattern: np.ndarray
    brand: np.ndarray
    outcome: np.ndarray
    kinds: np.ndarray
    vetoed: np.ndarray
    closed: np.ndarray
    doubtful: np.ndarray


@dataclass(frozen=True)
class Decisions:
    """One decision a case, as arrays of length `cases`; -1 is "none".

    brand, rule                int32
    tier                       int32, of Tier
    confidence                 float32, NaN where none
    kinds                      uint8, of Collision
    reason                     int8, of Reason
    named                      case -> brands named by rules, for cases where rules named two or more
    open_rules                 case -> standing rules of a contested case
    top                        int32 [cases, TOP_K] brands of the tier that was asked last, best first
    outcome                    uint8 [m], of Outcome: what became of each match of Standing
    """

    brand: np.ndarray
    tier: np.ndarray
    rule: np.ndarray
    confidence: np.ndarray
    kinds: np.ndarray
    reason: np.ndarray
    named: dict[int, list[int]]
    open_rules: dict[int, list[int]]
    top: np.ndarray
    outcome: np.ndarray

    @cached_property
    def by_rules(self) -> np.ndarray:
        """bool [cases]: those that rules settled."""
        return np.asarray(self.tier == Tier.RULES)

    @cached_property
    def unsettled(self) -> np.ndarray:
        """bool [cases]: those that are still open, the only ones that the next tier needs to see."""
        return np.asarray((self.tier < 0) & (self.reason != Reason.NOT_A_MERCHANT))


@dataclass(frozen=True)
class Ruled:
    """What rules make of the cases of a batch: `decided` has tier -1 where they settle nothing."""

    standing: Standing
    spans: SpansOf
    decided: Decisions


def rule_on(matches: CaseMatches, cases: int, book: Precedence, spans_of: Callable[[int, int], Spans]) -> Ruled:
    """Steps 1 to 5, in order: the one place where rules are weighed.

    spans_of   (case, rule) -> where the rule's match stands in the text of the case
    """
    standing = stand(matches, cases, book)
    doubtful = np.flatnonzero(standing.doubtful)
    pairs = zip(standing.case[doubtful].tolist(), standing.rule[doubtful].tolist(), strict=True)
    spans = {(case, rule): spans_of(case, rule) for case, rule in pairs}
    return Ruled(standing, spans, settle(standing, spans, book))


def stand(matches: CaseMatches, cases: int, book: Precedence) -> Standing:
    """Steps 1 to 3.

    matches   in any order; `outcome` is STANDS, UNLESS, WHEN, VALID or MISSING
    cases     how many cases the batch has
    """
    matches = matches.take(np.lexsort((matches.rule, matches.case)))
    case, rule, outcome = matches.case, matches.rule, matches.outcome
    brand = book.brand[rule].astype(np.int64)
    kinds = np.zeros(cases, dtype=np.uint8)

    outcome[(outcome == Outcome.STANDS) & ~book.decides[rule]] = Outcome.SHADOW
    outcome[(outcome == Outcome.STANDS) & book.deny[rule]] = Outcome.VETO
    veto = np.flatnonzero(outcome == Outcome.VETO)
    vetoed = np.empty(0, dtype=np.int64)
    closed = np.full(cases, -1, dtype=np.int64)
    if len(veto):
        vetoed = np.unique((case << 32 | brand)[veto[brand[veto] >= 0]])
        every = veto[brand[veto] < 0][::-1]  # so that the first rule of a case is the one that is named
        closed[case[every]] = rule[every]
        denied = (outcome == Outcome.STANDS) & (np.isin(case << 32 | brand, vetoed) | (closed[case] >= 0))
        outcome[denied] = Outcome.DENIED
        kinds[case[denied]] |= Collision.DENIED.value

    live = np.flatnonzero(outcome == Outcome.STANDS)
    crowded = live[_crowded(case[live], rule[live])]
    if len(crowded) and len(book.edges):
        _outrank(crowded, case, rule, brand, outcome, kinds, book)

    live = np.flatnonzero(outcome == Outcome.STANDS)
    doubtful = np.zeros(len(case), dtype=bool)
    doubtful[live[_crowded(case[live], brand[live])]] = True
    return Standing(
        case=case,
        rule=rule,
        pattern=matches.pattern,
        brand=brand,
        outcome=outcome,
        kinds=kinds,
        vetoed=vetoed,
        closed=closed,
        doubtful=doubtful,
    )


def _crowded(case: np.ndarray, values: np.ndarray) -> np.ndarray:
    """bool [m]: rows of cases that hold two different values. `case` is ascending."""
    start = _first(case)
    if not len(start):
        return np.zeros(0, dtype=bool)
    several = np.minimum.reduceat(values, start) != np.maximum.reduceat(values, start)
    return np.repeat(several, np.diff(start, append=len(case)))


def _first(case: np.ndarray) -> np.ndarray:
    """Positions at which a new case begins. `case` is ascending."""
    begins = np.ones(len(case), dtype=bool)
    np.not_equal(case[1:], case[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def _groups(positions: np.ndarray, case: np.ndarray) -> Sequence[np.ndarray]:
    """The positions, those of one case together. `case[positions]` is ascending."""
    start = _first(case[positions]).tolist()
    return [positions[here:there] for here, there in pairwise([*start, len(positions)])]


def _outrank(
    crowded: np.ndarray,
    case: np.ndarray,
    rule: np.ndarray,
    brand: np.ndarray,
    outcome: np.ndarray,
    kinds: np.ndarray,
    book: Precedence,
) -> None:
    """Step 3 for the matches `crowded`: those of cases in which two rules stand."""
    outranks = book.outranks
    busy = np.zeros(len(kinds), dtype=bool)
    busy[case[crowded[book.outranks_any[rule[crowded]]]]] = True
    for group in _groups(crowded[busy[case[crowded]]], case):
        position = dict(zip(rule[group].tolist(), group.tolist(), strict=True))
        for above in position.keys() & outranks.keys():
            for below in outranks[above] & position.keys():
                outcome[position[below]] = Outcome.OUTRANKED
                if brand[position[above]] != brand[position[below]]:
                    kinds[case[group[0]]] |= Collision.EDGE.value


def settle(standing: Standing, spans: SpansOf, book: Precedence) -> Decisions:
    """Steps 4 and 5.

    spans     of the doubtful matches
    returns   decisions in which a case that rules settle has tier RULES and every other one tier -1
    """
    case, rule, brand = standing.case, standing.rule, standing.brand
    outcome, kinds = standing.outcome.copy(), standing.kinds.copy()
    for group in _groups(np.flatnonzero(standing.doubtful), case):
        _yield_spans(group, standing, spans, outcome, kinds)

    cases = len(kinds)
    open_rules: dict[int, list[int]] = {}
    live = np.flatnonzero(outcome == Outcome.STANDS)
    for group in _groups(live[_crowded(case[live], brand[live])], case):
        _keep_deepest(group, standing, outcome, kinds, open_rules, book)

    reason = np.full(cases, Reason.NO_MATCH, dtype=np.int8)
    reason[kinds & Collision.DENIED > 0] = Reason.DENIED
    reason[kinds & Collision.CONTESTED > 0] = Reason.CONTESTED
    decided, tier, by_rule = (np.full(cases, -1, dtype=np.int32) for _ in range(3))
    top = np.full((cases, TOP_K), -1, dtype=np.int32)
    live = np.flatnonzero((outcome == Outcome.STANDS) & (kinds[case] & Collision.CONTESTED == 0))
    first = live[_first(case[live])]
    winner = case[first]
    decided[winner], by_rule[winner] = brand[first], rule[first]
    tier[winner], top[winner, 0], reason[winner] = Tier.RULES, brand[first], -1
    closed = np.flatnonzero(standing.closed >= 0)
    by_rule[closed], reason[closed] = standing.closed[closed], Reason.NOT_A_MERCHANT

    named: dict[int, list[int]] = {}
    for position in np.flatnonzero((kinds[case] > 0) & _NAMES_A_BRAND[outcome]):
        brands = named.setdefault(int(case[position]), [])
        if brand[position] not in brands:
            brands.append(int(brand[position]))
    return Decisions(
        brand=decided,
        tier=tier,
        rule=by_rule,
        confidence=np.full(cases, np.nan, dtype=np.float32),
        kinds=kinds,
        reason=reason,
        named=named,
        open_rules=open_rules,
        top=top,
        outcome=outcome,
    )


#: Whether the brand of a match with this outcome counts among those that rules have named, by outcome.
_NAMES_A_BRAND = np.zeros(len(Outcome), dtype=bool)
_NAMES_A_BRAND[[Outcome.STANDS, Outcome.OUTRANKED, Outcome.SPAN, Outcome.FAMILY, Outcome.DENIED]] = True


def _yield_spans(group: np.ndarray, standing: Standing, spans: SpansOf, outcome: np.ndarray, kinds: np.ndarray) -> None:
    """Step 4 for the matches of one case."""
    case, brand = int(standing.case[group[0]]), standing.brand[group].tolist()
    own = [spans[case, rule] for rule in standing.rule[group].tolist()]
    reach = [_reach(each) for each in own]
    for inner, inner_spans in enumerate(own):
        for outer, outer_reach in enumerate(reach):
            if outer != inner and inner_spans and all(_inside(inner_spans, outer_reach)):
                outcome[group[inner]] = Outcome.SPAN
                if brand[inner] != brand[outer]:
                    kinds[case] |= Collision.SPAN.value


def any_inside(inner: Spans, outer: Spans) -> bool:
    """Whether one of the spans lies inside a longer one of the others.

    >>> any_inside([(0, 4), (20, 24)], [(0, 9)]), any_inside([(0, 4)], [(0, 4)])
    (True, False)
    """
    return any(_inside(inner, _reach(outer)))


def _reach(spans: Spans) -> tuple[list[int], list[tuple[int, int]]]:
    """Starts, ascending, and beside each the farthest end of what begins there or before, with its first start."""
    starts, farthest = [], []
    best = (-2, 0)
    for start, end in spans:
        if end > best[0]:
            best = (end, start)
        starts.append(start)
        farthest.append(best)
    return starts, farthest


def _inside(inner: Spans, outer: tuple[list[int], list[tuple[int, int]]]) -> Iterator[bool]:
    """Of each span, whether it lies inside a longer one of the others."""
    starts, farthest = outer
    for start, end in inner:
        before = bisect_right(starts, start) - 1
        far_end, far_start = farthest[before] if before >= 0 else (-2, 0)
        yield far_end > end or (far_end == end and far_start < start)


def _keep_deepest(
    group: np.ndarray,
    standing: Standing,
    outcome: np.ndarray,
    kinds: np.ndarray,
    open_rules: dict[int, list[int]],
    book: Precedence,
) -> None:
    """Step 5 for the matches of one case that name two brands."""
    case, brands = int(standing.case[group[0]]), standing.brand[group]
    deepest = book.deepest(brands.tolist())
    if deepest < 0:
        kinds[case] |= Collision.CONTESTED.value
        open_rules[case] = standing.rule[group].tolist()
    else:
        kinds[case] |= Collision.FAMILY.value
        outcome[group[brands != deepest]] = Outcome.FAMILY


def decide(settled: Decisions, ranked: Ranked, vetoed: np.ndarray, thresholds: np.ndarray) -> Decisions:
    """The later tiers' turn: their answers fill the cases that rules left open.

    settled     what rules decided
    ranked      at most one row a case
    vetoed      int64, case << 32 | brand, as in Standing
    thresholds  float32 [brands], the least confidence to speak of each

    A denied top answer abstains; it never promotes the second.
    """
    still = settled.unsettled[ranked.case]
    case, brands, confidences = ranked.case[still], ranked.brands[still], ranked.confidences[still]
    if not len(case):
        return settled
    top, confidence = brands[:, 0], confidences[:, 0]

    changed = ("brand", "tier", "confidence", "kinds", "reason", "top")
    out = replace(settled, **{name: getattr(settled, name).copy() for name in changed})
    denied = np.isin(case << 32 | top.astype(np.int64), vetoed) & (top >= 0)
    speaks = (top >= 0) & (confidence >= thresholds[top])
    out.kinds[case[denied & speaks]] |= Collision.DENIED.value
    wins = speaks & ~denied
    out.brand[case[wins]] = top[wins]
    out.tier[case[wins]] = ranked.tier[still][wins]
    out.confidence[case[wins]] = confidence[wins]
    out.top[case] = brands
    silent = np.where(speaks, Reason.DENIED, ranked.silence[still])
    contested = out.kinds[case] & Collision.CONTESTED > 0
    silent = np.where(contested & ~(denied & speaks), Reason.CONTESTED, silent)
    out.reason[case] = np.where(wins, -1, silent)
    return out
