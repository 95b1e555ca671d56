"""Which rows collide, how, and between which rules: one pass over the traffic, in arrays."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.core.arbitration import Precedence, SpansOf, any_inside
from tierbreak.core.codes import COLLISIONS as RECORDED
from tierbreak.core.codes import Outcome
from tierbreak.core.tables import schema
from tierbreak.parts import Parts
from tierbreak.settings import Settings
from tierbreak.tools.rules.traffic.read import Traffic
from tierbreak.tools.rules.traffic.replay import Replayed, replayed

#: What a row's collision comes to, the gravest first; a row counts with its gravest. `family` and `brand` are harmless.
KINDS = ("contested", "denied", "edge", "span", "family", "brand")
CONTESTED, DENIAL, EDGE, INSIDE, RELATED, BRAND = range(len(KINDS))
HARMLESS = (RELATED, BRAND)
#: In these no side wins over the other: a link names the lower rule index as its winner.
EVEN = (CONTESTED, BRAND)
#: In LINKS while they are made: two brands of one family do not contest.
_NONE = 255

#: Which rule collides with which in a case; `*_match` is the lowest number of the rule's patterns that match.
LINKS = schema(
    case=pl.Int64, kind=pl.UInt8, winner=pl.UInt32, winner_match=pl.UInt16, loser=pl.UInt32, loser_match=pl.UInt16
)
_LIVE = (Outcome.STANDS, Outcome.OUTRANKED, Outcome.SPAN, Outcome.FAMILY)
_IN_DISPUTE = 1 << RECORDED.index("contested")
#: Distinct rows that one thread replays at a time.
CHUNK = 500_000


@dataclass(frozen=True)
class _Part:
    """What is kept of one replayed part: its first row, each row's case, and which rules matched in which case."""

    start: int
    cases: int
    of_row: np.ndarray
    case: np.ndarray
    rule: np.ndarray

    def rows(self, cases: np.ndarray) -> np.ndarray:
        """Rows of the traffic, ascending, whose case is among `cases`."""
        hit = np.zeros(self.cases, dtype=bool)
        hit[cases] = True
        return np.flatnonzero(hit[self.of_row]) + self.start


@dataclass(frozen=True)
class Found:
    """The cases in which rules collide. Cases are the positions of all arrays.

    kind       uint8, a position in KINDS
    row        int64, the case's first row in Traffic.rows
    n, money   float64
    links      LINKS, ordered by case
    """

    kind: np.ndarray
    row: np.ndarray
    n: np.ndarray
    money: np.ndarray
    links: pl.DataFrame
    _part: np.ndarray
    _local: np.ndarray
    _parts: tuple[_Part, ...]

    def rows_of_rule(self, rule: int) -> np.ndarray:
        """int64: rows of the traffic in which a rule matched and was not silenced by its own `unless` or guard."""
        return np.concatenate([part.rows(part.case[part.rule == rule]) for part in self._parts])

    def rows_of_cases(self, cases: np.ndarray) -> np.ndarray:
        """int64: all rows of the traffic that some of these cases stand for, ascending."""
        part, local = self._part[cases], self._local[cases]
        rows = [one.rows(local[part == at]) for at, one in enumerate(self._parts) if (part == at).any()]
        return np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)

    def cases_of_rule(self, rule: int) -> np.ndarray:
        """int64: the cases in which a rule collides."""
        links = self.links.filter((pl.col("winner") == rule) | (pl.col("loser") == rule))
        return np.unique(links["case"].to_numpy())


def find(
    parts: Parts,
    traffic: Traffic,
    settings: Settings,
    *,
    chunk: int = CHUNK,
    advance: Callable[[int], None] = lambda rows: None,
) -> Found:
    """Replay the traffic and keep what collides. Two parts at a time: half of the work leaves a core idle."""
    starts = range(0, traffic.rows.height, chunk)

    def one(start: int) -> _Found:
        rows = traffic.rows[start : start + chunk]
        part = replayed(parts, rows, settings)
        found = _found(part, parts.precedence, start)
        advance(part.rows.height)
        return found

    pool = ThreadPoolExecutor(2)
    try:
        each = list(pool.map(one, starts))
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for all of the traffic
    offsets = np.cumsum([0, *(len(one.kind) for one in each)])
    links = pl.concat([one.links.with_columns(pl.col("case") + at) for one, at in zip(each, offsets[:-1], strict=True)])
    joined = {name: np.concatenate([getattr(one, name) for one in each]) for name in ("kind", "row", "n", "money")}
    return Found(
        **joined,
        links=links,
        _part=np.repeat(np.arange(len(each)), [len(one.kind) for one in each]),
        _local=np.concatenate([one.local for one in each]),
        _parts=tuple(one.part for one in each),
    )


@dataclass(frozen=True)
class _Found:
    kind: np.ndarray
    row: np.ndarray
    n: np.ndarray
    money: np.ndarray
    local: np.ndarray
    links: pl.DataFrame
    part: _Part


def _found(part: Replayed, book: Precedence, start: int) -> _Found:
    """What collides in one part."""
    standing, outcome = part.standing, part.settled.outcome
    links = _links(part, book)
    cases, place = np.unique(links["case"].to_numpy(), return_inverse=True)
    links = links.with_columns(case=pl.Series(place.astype(np.int64))).sort("case", "winner", "loser")
    kind = links.unique("case", keep="first", maintain_order=True)["kind"].to_numpy()
    live = np.flatnonzero(np.isin(outcome, (*_LIVE, Outcome.DENIED, Outcome.VETO)))
    kept = _Part(
        start,
        len(part.n),
        part.cases.of_row.astype(np.int32),
        standing.case[live].astype(np.int32),
        standing.rule[live].astype(np.int32),
    )
    return _Found(kind, part.row[cases] + start, part.n[cases], part.money[cases], cases, links, kept)


def _links(part: Replayed, book: Precedence) -> pl.DataFrame:
    """LINKS of the part's cases, of each case those of its gravest kind."""
    standing, outcome = part.standing, part.settled.outcome
    live = np.isin(outcome, _LIVE)
    busy = (part.settled.kinds > 0) | (np.bincount(standing.case[live], minlength=len(part.n)) > 1)
    at = np.flatnonzero(busy[standing.case])
    columns = {
        "case": standing.case[at],
        "rule": standing.rule[at].astype(np.uint32),
        "match": standing.pattern[at],
        "brand": standing.brand[at],
        "outcome": outcome[at],
    }
    matches = pl.DataFrame(columns)

    def of(*outcomes: int) -> pl.DataFrame:
        return matches.filter(pl.col("outcome").is_in(list(outcomes)))

    def pairs(winners: pl.DataFrame, losers: pl.DataFrame) -> pl.DataFrame:
        return winners.join(losers, on="case", suffix="_lost").filter(pl.col("rule") != pl.col("rule_lost"))

    def marked(table: pl.DataFrame, kind: int, alike: int) -> pl.DataFrame:
        """LINKS of a kind, or of another one where the brands are of one family."""
        same = related(table["brand"].to_numpy(), table["brand_lost"].to_numpy(), book)
        names = {"winner": "rule", "winner_match": "match", "loser": "rule_lost", "loser_match": "match_lost"}
        kinds = pl.Series("kind", np.where(same, alike, kind), dtype=pl.UInt8)
        return table.select("case", kinds, **{name: pl.col(of_table) for name, of_table in names.items()})

    differ, upward = pl.col("brand") != pl.col("brand_lost"), pl.col("rule") < pl.col("rule_lost")
    in_dispute = matches.filter(pl.Series(part.settled.kinds[columns["case"]] & _IN_DISPUTE > 0))
    stood = in_dispute.filter(pl.col("outcome") == Outcome.STANDS)
    edges = pl.DataFrame(book.edges.astype(np.uint32), schema=["rule", "rule_lost"], orient="row")
    above = of(*_LIVE)
    links = pl.concat([
        marked(pairs(stood, stood).filter(differ & upward), CONTESTED, _NONE),
        marked(pairs(of(Outcome.VETO), of(Outcome.DENIED)).filter(~differ | (pl.col("brand") < 0)), DENIAL, DENIAL),
        marked(pairs(above, of(Outcome.OUTRANKED)).filter(differ).join(edges, on=["rule", "rule_lost"], how="semi"),
               EDGE, RELATED),
        marked(pairs(above, of(Outcome.SPAN)).filter(differ)
               .join(_insides(part.spans), on=["case", "rule", "rule_lost"], how="semi"), INSIDE, RELATED),
        marked(pairs(of(Outcome.STANDS), of(Outcome.FAMILY)), RELATED, RELATED),
        marked(pairs(above, above).filter(upward & ~differ), BRAND, BRAND),
    ])  # fmt: skip
    gravest = pl.col("kind") == pl.col("kind").min().over("case")
    return links.filter((pl.col("kind") != _NONE) & gravest).match_to_schema(LINKS)


def _insides(spans: SpansOf) -> pl.DataFrame:
    """Which rule (`rule_lost`) has an occurrence inside a longer one of which other (`rule`), by case."""
    of_case: dict[int, list[int]] = {}
    for case, rule in spans:
        of_case.setdefault(case, []).append(rule)
    pairs = [
        (case, outer, inner)
        for case, rules in of_case.items()
        for inner in rules
        for outer in rules
        if outer != inner and any_inside(spans[case, inner], spans[case, outer])
    ]
    return pl.DataFrame(pairs, schema={"case": pl.Int64, "rule": pl.UInt32, "rule_lost": pl.UInt32}, orient="row")


def related(one: np.ndarray, other: np.ndarray, book: Precedence) -> np.ndarray:
    """bool [n]: whether two brands are the same or one is the other's ancestor; a brand of -1 is nobody's."""
    alike = one == other
    for above, below in ((one, other), (other, one)):
        at = below.copy()
        while (at >= 0).any():
            at = np.where(at >= 0, book.parent[at], -1)
            alike = alike | ((at == above) & (at >= 0))
    return np.asarray(alike & (one >= 0) & (other >= 0))
