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
reads a text: `stand` says which cases need spans, the engine fetches them, `settle` goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from tierbreak.core.tables import TOP_K, schema

#: What became of a rule's match, in the order in which it can happen. `stands` may decide.
OUTCOMES = ("stands", "unless", "when", "valid", "missing", "shadow", "veto", "denied", "outranked", "span", "family")
STANDS, UNLESS, WHEN, VALID, MISSING, SHADOW, VETO, DENIED, OUTRANKED, SPAN, FAMILY = range(len(OUTCOMES))

#: Collision kinds of a decision; a bit each, named in this order when several are on record.
KINDS = ("contested", "edge", "span", "family", "denied")
_CONTESTED, _EDGE, _SPAN, _FAMILY, _DENIED = (1 << bit for bit in range(len(KINDS)))

#: Which rules matched in which case: one row each, `outcome` a position in OUTCOMES.
CASE_MATCHES = schema(case=pl.UInt32, rule=pl.UInt32, match=pl.UInt16, outcome=pl.UInt8)
#: Where a rule's match stands in the text of a case.
SPANS = schema(case=pl.UInt32, rule=pl.UInt32, start=pl.Int32, end=pl.Int32)
#: What cache or model answer for the cases that rules left open, policy applied, best first, -1 behind the last.
RANKED = schema(
    case=pl.UInt32,
    tier=pl.UInt8,  # position in tables.TIERS
    brands=pl.Array(pl.Int32, TOP_K),
    confidences=pl.Array(pl.Float32, TOP_K),
    silence=pl.Int8,  # position in REASONS: why nobody speaks, where no brand reaches its threshold
)


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

    def deepest(self, brands: Sequence[int]) -> int:
        """The brand whose ancestors hold all the others, or -1 where they do not lie on one parent chain."""
        best = max(brands, key=lambda brand: int(self.depth[brand]))
        chain, at = set(), best
        while at >= 0:
            chain.add(at)
            at = int(self.parent[at])
        return best if chain.issuperset(brands) else -1


@dataclass(frozen=True)
class Standing:
    """CASE_MATCHES as arrays, ordered by case and rule, with what has become of each match so far.

    kinds      uint8 [cases]  collision kinds on record, a bit each
    vetoed     int64 [v]      case << 32 | brand for every brand a deny rule took out of a case
    closed     int64 [cases]  the deny rule that took every brand out of a case, -1 where none did
    doubtful   bool [m]       standing matches of cases that name two brands: their spans are needed
    """

    case: np.ndarray
    rule: np.ndarray
    match: np.ndarray
    brand: np.ndarray
    outcome: np.ndarray
    kinds: np.ndarray
    vetoed: np.ndarray
    closed: np.ndarray
    doubtful: np.ndarray


@dataclass(frozen=True)
class Decisions:
    """One decision a case, as arrays of length `cases`; -1 is "none".

    brand, tier, rule          int32
    confidence                 float32, NaN where none
    kinds                      uint8, a bit each in the order of KINDS
    reason                     int8, a position in REASONS
    named                      case -> brands named by rules, for cases where rules named two or more
    open_rules                 case -> standing rules of a contested case
    top                        int32 [cases, TOP_K] brands of the tier that was asked last, best first
    outcome                    uint8 [m], what became of each match of Standing
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


#: Why the engine abstains.
REASONS = ("contested", "denied", "below-threshold", "no-known-brand", "no-match", "not-a-merchant", "torn")
_R_CONTESTED, _R_DENIED, _, _, _R_NO_MATCH, _R_NO_MERCHANT, _ = range(len(REASONS))


def stand(matches: pl.DataFrame, cases: int, book: Precedence) -> Standing:
    """Steps 1 to 3.

    matches   CASE_MATCHES in any order; `outcome` is STANDS, UNLESS, WHEN, VALID or MISSING
    cases     how many cases the batch has
    """
    order = np.lexsort((matches["rule"].to_numpy(), matches["case"].to_numpy()))
    case, rule = (matches[name].to_numpy()[order].astype(np.int64) for name in ("case", "rule"))
    outcome = matches["outcome"].to_numpy()[order]
    brand = book.brand[rule].astype(np.int64)
    kinds = np.zeros(cases, dtype=np.uint8)

    outcome[(outcome == STANDS) & ~book.decides[rule]] = SHADOW
    outcome[(outcome == STANDS) & book.deny[rule]] = VETO
    veto = np.flatnonzero(outcome == VETO)
    vetoed = np.unique((case << 32 | brand)[veto[brand[veto] >= 0]])
    closed = np.full(cases, -1, dtype=np.int64)
    every = veto[brand[veto] < 0][::-1]  # so that the first rule of a case is the one that is named
    closed[case[every]] = rule[every]
    if len(veto):
        denied = (outcome == STANDS) & (np.isin(case << 32 | brand, vetoed) | (closed[case] >= 0))
        outcome[denied] = DENIED
        kinds[case[denied]] |= _DENIED

    live = np.flatnonzero(outcome == STANDS)
    if len(book.edges) and _crowded(case[live], rule[live]).any():
        _outrank(live[_crowded(case[live], rule[live])], case, rule, brand, outcome, kinds, book.edges)

    live = np.flatnonzero(outcome == STANDS)
    doubtful = np.zeros(len(case), dtype=bool)
    doubtful[live[_crowded(case[live], brand[live])]] = True
    return Standing(case, rule, matches["match"].to_numpy()[order], brand, outcome, kinds, vetoed, closed, doubtful)


def _crowded(case: np.ndarray, what: np.ndarray) -> np.ndarray:
    """bool [m]: rows of cases that hold two different values. `case` is ascending."""
    start = _first(case)
    if not len(start):
        return np.zeros(0, dtype=bool)
    several = np.minimum.reduceat(what, start) != np.maximum.reduceat(what, start)
    return np.repeat(several, np.diff(np.r_[start, len(case)]))


def _outrank(
    live: np.ndarray,
    case: np.ndarray,
    rule: np.ndarray,
    brand: np.ndarray,
    outcome: np.ndarray,
    kinds: np.ndarray,
    edges: np.ndarray,
) -> None:
    # Pairs of one case first: a rule may outrank thousands, of which a case holds one or two.
    here = pl.DataFrame({"case": case[live], "rule": rule[live], "row": live})
    over = pl.DataFrame({"rule": edges[:, 0].astype(np.int64), "rule_below": edges[:, 1].astype(np.int64)})
    lost = here.join(here, on="case", suffix="_below").join(over, on=["rule", "rule_below"], how="semi")
    above, below = lost["row"].to_numpy(), lost["row_below"].to_numpy()
    outcome[below] = OUTRANKED
    differ = brand[above] != brand[below]
    kinds[case[below[differ]]] |= _EDGE


def settle(standing: Standing, spans: pl.DataFrame, book: Precedence) -> Decisions:
    """Steps 4 and 5.

    spans     SPANS of the doubtful matches
    returns   decisions in which a case that rules settle has tier 0 (`rules`) and every other one tier -1
    """
    case, rule, brand = standing.case, standing.rule, standing.brand
    outcome, kinds = standing.outcome.copy(), standing.kinds.copy()
    if spans.height:
        _yield_spans(spans, case, rule, brand, outcome, kinds)

    cases = len(kinds)
    open_rules: dict[int, list[int]] = {}
    live = np.flatnonzero(outcome == STANDS)
    _family(live[_crowded(case[live], brand[live])], standing, outcome, kinds, open_rules, book)

    reason = np.full(cases, _R_NO_MATCH, dtype=np.int8)
    reason[kinds & _DENIED > 0] = _R_DENIED
    reason[kinds & _CONTESTED > 0] = _R_CONTESTED
    decided, tier, by_rule = (np.full(cases, -1, dtype=np.int32) for _ in range(3))
    top = np.full((cases, TOP_K), -1, dtype=np.int32)
    live = np.flatnonzero((outcome == STANDS) & (kinds[case] & _CONTESTED == 0))
    first = live[_first(case[live])]
    winner = case[first]
    decided[winner], by_rule[winner] = brand[first], rule[first]
    tier[winner], top[winner, 0], reason[winner] = 0, brand[first], -1
    nobody = np.flatnonzero(standing.closed >= 0)
    by_rule[nobody], reason[nobody] = standing.closed[nobody], _R_NO_MERCHANT

    named: dict[int, list[int]] = {}
    for at in np.flatnonzero((kinds[case] > 0) & np.isin(outcome, (STANDS, OUTRANKED, SPAN, FAMILY, DENIED))):
        brands = named.setdefault(int(case[at]), [])
        if brand[at] not in brands:
            brands.append(int(brand[at]))
    confidence = np.full(cases, np.nan, dtype=np.float32)
    return Decisions(decided, tier, by_rule, confidence, kinds, reason, named, open_rules, top, outcome)


def _first(case: np.ndarray) -> np.ndarray:
    """Positions at which a new case begins. `case` is ascending."""
    return np.flatnonzero(np.r_[True, case[1:] != case[:-1]][: len(case)])


def _yield_spans(
    spans: pl.DataFrame,
    case: np.ndarray,
    rule: np.ndarray,
    brand: np.ndarray,
    outcome: np.ndarray,
    kinds: np.ndarray,
) -> None:
    inner = spans.with_row_index("occurrence")
    total = inner.group_by("case", "rule").len("total")
    inside = (
        inner.join(spans, on="case", suffix="_outer")
        .filter(
            pl.col("rule") != pl.col("rule_outer"),
            pl.col("start_outer") <= pl.col("start"),
            pl.col("end_outer") >= pl.col("end"),
            pl.col("end_outer") - pl.col("start_outer") > pl.col("end") - pl.col("start"),
        )
        .group_by("case", "rule", "rule_outer")
        .agg(pl.col("occurrence").n_unique().alias("covered"))
        .join(total, on=["case", "rule"])
        .filter(pl.col("covered") == pl.col("total"))
    )
    pair = case << 32 | rule
    for lost, outer in zip(
        (inside["case"].cast(pl.Int64) * (1 << 32) + inside["rule"]).to_numpy(),
        (inside["case"].cast(pl.Int64) * (1 << 32) + inside["rule_outer"]).to_numpy(),
        strict=True,
    ):
        at, over = np.searchsorted(pair, lost), np.searchsorted(pair, outer)
        outcome[at] = SPAN
        if brand[at] != brand[over]:
            kinds[case[at]] |= _SPAN


def _family(
    crowded: np.ndarray,
    standing: Standing,
    outcome: np.ndarray,
    kinds: np.ndarray,
    open_rules: dict[int, list[int]],
    book: Precedence,
) -> None:
    for group in np.split(crowded, _first(standing.case[crowded])[1:]) if len(crowded) else []:
        here, brands = int(standing.case[group[0]]), standing.brand[group]
        deepest = book.deepest(brands.tolist())
        if deepest < 0:
            kinds[here] |= _CONTESTED
            open_rules[here] = standing.rule[group].tolist()
        else:
            kinds[here] |= _FAMILY
            outcome[group[brands != deepest]] = FAMILY


def decide(settled: Decisions, ranked: pl.DataFrame, vetoed: np.ndarray, thresholds: np.ndarray) -> Decisions:
    """The later tiers' turn: RANKED answers fill the cases that rules left open.

    settled     what `settle` returned
    ranked      RANKED, at most one row a case
    vetoed      int64, case << 32 | brand, as in Standing
    thresholds  float32 [brands], the least confidence to speak of each

    A denied top answer abstains; it never promotes the second.
    """
    if not ranked.height:
        return settled
    case = ranked["case"].to_numpy().astype(np.int64)
    brands = ranked["brands"].to_numpy()
    confidences = ranked["confidences"].to_numpy()
    tier = ranked["tier"].to_numpy().astype(np.int32)
    silence = ranked["silence"].to_numpy()
    still = unsettled(settled)[case]
    case, brands, confidences, tier, silence = (column[still] for column in (case, brands, confidences, tier, silence))
    top, confidence = brands[:, 0], confidences[:, 0]

    changed = ("brand", "tier", "confidence", "kinds", "reason", "top")
    out = replace(settled, **{name: getattr(settled, name).copy() for name in changed})
    denied = np.isin(case << 32 | top.astype(np.int64), vetoed) & (top >= 0)
    speaks = (top >= 0) & (confidence >= thresholds[top])
    out.kinds[case[denied & speaks]] |= _DENIED
    wins = speaks & ~denied
    out.brand[case[wins]] = top[wins]
    out.tier[case[wins]] = tier[wins]
    out.confidence[case[wins]] = confidence[wins]
    out.top[case] = brands
    silent = np.where(speaks, _R_DENIED, silence)
    contested = out.kinds[case] & _CONTESTED > 0
    silent = np.where(contested & ~(denied & speaks), _R_CONTESTED, silent)
    out.reason[case] = np.where(wins, -1, silent)
    return out


def unsettled(settled: Decisions) -> np.ndarray:
    """bool [cases]: the cases that are still open, the only ones the next tier needs to see."""
    return (settled.tier < 0) & (settled.reason != _R_NO_MERCHANT)


def kind_names(kinds: int) -> str | None:
    """The kinds on record, joined by `+`, or None.

    >>> kind_names(0b0110)
    'edge+span'
    """
    return "+".join(name for bit, name in enumerate(KINDS) if kinds >> bit & 1) or None
