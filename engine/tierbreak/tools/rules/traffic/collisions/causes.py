"""Colliding cases -> causes: the rule that meets the most others takes all its cases, then the next of what is left.

Forty brands that one generic rule runs into are one thing to mend, not forty. So a cause is a kind, one pattern of
one rule (its leader), and the side that the leader is on; each case belongs to one cause, and causes add up to all
that collides.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from tierbreak.tools.rules.traffic.collisions.find import BRAND, EVEN, Found

Role = Literal["winner", "loser", "even"]


class Star(NamedTuple):
    """A pattern of a rule in the middle of its links; `rule` is a rule index, `match` the pattern's number."""

    kind: int
    role: Role
    rule: int
    match: int


@dataclass(frozen=True)
class Group:
    """A cause as indexes.

    cases      int64, positions in Found, by n falling
    met        case, rule, match: what the leader meets in each of them
    partners   rule, n, money: what it meets, by n falling
    """

    star: Star
    cases: np.ndarray
    n: float
    money: float
    met: pl.DataFrame
    partners: pl.DataFrame


def group(found: Found, brands: np.ndarray) -> list[Group]:
    """Causes, in no set order.

    brands   int [r], each rule's brand
    """
    links = found.links.unique(maintain_order=True)
    if not links.height:
        return []
    ends = ["kind", "winner", "winner_match", "loser", "loser_match"]
    distinct = links.select(ends).unique(maintain_order=True).with_row_index("link")
    links = links.join(distinct, on=ends, maintain_order="left")
    # Cases with the same links are told apart by nothing here: they are one signature.
    signed = links.group_by("case").agg(pl.col("link").sort().cast(pl.String).str.join(",").alias("signature"))
    signed = signed.sort("case").with_columns(n=found.n)
    signatures = signed.group_by("signature").agg("case", pl.sum("n")).sort("signature")
    of_link = distinct.rows()
    weights = signatures["n"].to_list()
    stars_of: list[list[Star]] = []
    reach: dict[Star, dict[int, set[int]]] = defaultdict(dict)
    for at, signature in enumerate(signatures["signature"].to_list()):
        here: dict[Star, set[int]] = defaultdict(set)
        for link in map(int, signature.split(",")):
            _, kind, winner, winner_match, loser, loser_match = of_link[link]
            roles: tuple[Role, Role] = ("even", "even") if kind in EVEN else ("winner", "loser")
            whose = (lambda rule: rule) if kind == BRAND else (lambda rule: int(brands[rule]))
            here[Star(kind, roles[0], winner, winner_match)].add(whose(loser))
            here[Star(kind, roles[1], loser, loser_match)].add(whose(winner))
        stars_of.append(list(here))
        for star, met in here.items():
            reach[star][at] = met
    cases = signatures["case"].to_list()
    led = _greedy(reach, stars_of, weights)
    mine = [np.array([case for at in taken for case in cases[at]], dtype=np.int64) for _, taken in led]
    each = _met(links, [star for star, _ in led], mine)
    return [
        Group(
            star=star,
            cases=own[np.lexsort((own, -found.n[own]))],
            n=float(found.n[own].sum()),
            money=float(found.money[own].sum()),
            met=each[at],
            partners=_partners(found, each[at]),
        )
        for at, ((star, _), own) in enumerate(zip(led, mine, strict=True))
    ]


def _greedy(
    reach: dict[Star, dict[int, set[int]]], stars_of: list[list[Star]], weights: list[float]
) -> list[tuple[Star, list[int]]]:
    """Stars with the signatures they take: most partners first, then most rows. What is left only ever shrinks."""

    def worth(star: Star) -> tuple[int, float, Star]:
        partners = set().union(*reach[star].values()) if reach[star] else set()
        return -len(partners), -sum(weights[at] for at in reach[star]), star

    heap = [worth(star) for star in reach]
    heapq.heapify(heap)
    out = []
    while heap:
        claimed = heapq.heappop(heap)
        star = claimed[-1]
        if not reach[star]:
            continue
        now = worth(star)
        if now != claimed:
            heapq.heappush(heap, now)
            continue
        taken = sorted(reach[star])
        out.append((star, taken))
        for at in taken:
            for other in stars_of[at]:
                reach[other].pop(at, None)
    return out


def _met(links: pl.DataFrame, stars: list[Star], mine: list[np.ndarray]) -> list[pl.DataFrame]:
    """What each star meets in its own cases: case, rule, match."""
    owner = np.empty(sum(map(len, mine)), dtype=np.int64)
    for cause, own in enumerate(mine):
        owner[own] = cause
    rule, match = (np.array([star[field] for star in stars]) for field in (2, 3))
    at = owner[links["case"].to_numpy()]
    met = []
    for lead, other in (("winner", "loser"), ("loser", "winner")):
        may = np.array([star.role in ("even", lead) for star in stars])
        here = may[at] & (links[lead].to_numpy() == rule[at]) & (links[f"{lead}_match"].to_numpy() == match[at])
        chosen = links.with_columns(cause=pl.Series(at)).filter(pl.Series(here))
        met.append(chosen.select("cause", "case", rule=other, match=f"{other}_match"))
    whole = pl.concat(met).unique().sort("cause", "case", "rule", "match")
    return whole.partition_by("cause", include_key=False, maintain_order=True)


def _partners(found: Found, met: pl.DataFrame) -> pl.DataFrame:
    once = met.select("case", "rule").unique()
    at = once["case"].to_numpy()
    return (
        once.with_columns(n=pl.Series(found.n[at]), money=pl.Series(found.money[at]))
        .group_by("rule")
        .agg(pl.sum("n"), pl.sum("money"))
        .sort("n", "rule", descending=[True, False])
    )
