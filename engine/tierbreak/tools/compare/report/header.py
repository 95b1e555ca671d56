"""What was compared: both sides, the traffic, and what is in no figure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from tierbreak.tools.compare.document import Block, Fold, Section, Table, Text, Tile, Tiles, count, percent
from tierbreak.tools.compare.pairs import SIDES, Pairs, SideFacts, TrafficFacts
from tierbreak.tools.rules.traffic import masked

ID, TITLE = "header", "What was compared"

#: Names that no registry has which are seen at once, and those that are shown at all.
SEEN, SHOWN = 10, 200

KINDS = {
    "engine": "an engine: rules, cache and model",
    "list": "an ordered list of names: the first that matches decides",
    "file": "a file of decisions made before",
}

FOUND = {
    "id": "by id",
    "name": "by name",
    "alias": "by alias",
    "normalised": "by name, written otherwise",
    "map": "by the map that was given",
}


@dataclass(frozen=True)
class Side:
    """A side as it is reported; see SideFacts.

    unmapped  (name, rows) of each name that no registry has, most rows first. It may be a descriptor that an old system
              passed on, so that a person's name in it is masked; digits stay, as a map of names is written by it
    """

    name: str
    kind: str
    fingerprint: str
    parts: Mapping[str, str]
    lost: int
    extra: int
    mapped: Mapping[str, int]
    unmapped: tuple[tuple[str, int], ...]
    notices: tuple[str, ...]

    @classmethod
    def of(cls, facts: SideFacts) -> Side:
        """The facts of a side."""
        ranked = sorted(facts.unmapped.items(), key=lambda item: (-item[1], item[0]))
        names = masked(pl.Series([name for name, _ in ranked], dtype=pl.String), digits=False)
        unmapped = tuple((name, n) for name, (_, n) in zip(names, ranked, strict=True))
        return cls(facts.name, facts.kind, facts.fingerprint, facts.parts, facts.lost, facts.extra, facts.mapped,
                   unmapped, facts.notices)  # fmt: skip


@dataclass(frozen=True)
class Header:
    """Facts of a comparison.

    rows      that both sides decided: those that figures are of
    distinct  keys, users   how many there are; None where it was not counted, or the traffic names no users
    seconds   that the comparison took, None where it was not timed
    """

    old: Side
    new: Side
    traffic: TrafficFacts
    rows: int
    distinct: int | None
    users: int | None
    seconds: float | None


def section(
    pairs: Pairs,
    *,
    distinct: int | None = None,
    users: int | None = None,
    noise: Sequence[Block] | None = None,
    seconds: float | None = None,
) -> Section:
    """`noise` are the blocks about the noise floor, which stand last; None: it was not measured."""
    rows = int(pairs.scan().select(pl.len()).collect().item())
    facts = Header(Side.of(pairs.old), Side.of(pairs.new), pairs.traffic, rows, distinct, users, seconds)
    return Section(ID, TITLE, tuple(_blocks(facts, noise)), facts)


def _blocks(facts: Header, noise: Sequence[Block] | None) -> Iterator[Block]:
    traffic = facts.traffic
    yield Tiles(tuple(_tiles(facts)))
    yield _sides(facts)
    if facts.old.fingerprint == facts.new.fingerprint:
        yield Text("Both sides have one fingerprint: they are the same, and what differs is noise.", "warn")
    yield from _left_out(facts)
    for side in (facts.old, facts.new):
        yield from (Text(f"{side.name}: {notice}", "warn") for notice in side.notices)
    yield from (Text(f"{traffic.name}: {notice}", "warn") for notice in traffic.notices)
    for name, side in zip(SIDES, (facts.old, facts.new), strict=True):
        yield from _names(name, side)
    yield from _fingerprints(facts)
    if noise is None:
        yield Text("The noise floor was not measured: how far a side differs from itself is not known.", "soft")
    else:
        yield from noise
    if facts.seconds is not None:
        yield Text(f"The comparison took {facts.seconds:,.1f} s.", "soft")


def _tiles(facts: Header) -> Iterator[Tile]:
    traffic = facts.traffic
    yield Tile("Transactions compared", count(facts.rows), f"of {count(traffic.rows)} in {traffic.name}")
    if facts.distinct is not None:
        yield Tile("Distinct keys", count(facts.distinct), "descriptors as cache and model see them")
    if facts.users is not None:
        yield Tile("Users", count(facts.users))
    if traffic.window:
        first, last = traffic.window
        days = (last - first).days + 1
        yield Tile("Dates", f"{_day(first)} to {_day(last)}", _of(days, "day"))


def _sides(facts: Header) -> Table:
    old, new = facts.old, facts.new
    lines = [
        ("name", old.name, new.name),
        ("what it is", KINDS.get(old.kind, old.kind), KINDS.get(new.kind, new.kind)),
        ("fingerprint", old.fingerprint[:12] or "-", new.fingerprint[:12] or "-"),
        ("rows without a decision", count(old.lost), count(new.lost)),
        ("decisions without a row", count(old.extra), count(new.extra)),
        ("names that no registry has", count(len(old.unmapped)), count(len(new.unmapped))),
    ]
    return Table(("", "old side", "new side"), tuple(lines), words=frozenset({0, 1, 2}))


def _left_out(facts: Header) -> Iterator[Text]:
    """What is in no figure, or counts for nothing in some."""
    traffic = facts.traffic
    for name, side in zip(SIDES, (facts.old, facts.new), strict=True):
        if side.lost:
            yield Text(f"The {name} side has no decision for {count(side.lost)} of {count(traffic.rows)} rows "
                       f"({percent(side.lost / traffic.rows, 2)}): they are in no figure.", "warn")  # fmt: skip
        if side.extra:
            yield Text(f"The {name} side has decisions for {_of(side.extra, 'row')} that the traffic does not have: "
                       "they are not used.", "warn")  # fmt: skip
    if traffic.broken:
        yield Text(f"{_of(traffic.broken, 'row')} of {traffic.name} could not be read: in no figure.", "warn")
    if traffic.bad_money:
        yield Text(f"In {_of(traffic.bad_money, 'row')} the amount is no number: counted as rows, and in no figure of "
                   "money.", "warn")  # fmt: skip
    absent = [word for word in ("amount", "date", "user") if word not in traffic.has]
    if absent:
        what = {"amount": "money", "date": "dates", "user": "users"}
        listed = " or ".join(f"by {what[word]}" for word in absent)
        yield Text(f"The traffic has no column for {', '.join(absent)}: nothing is counted {listed}.", "soft")
    if "weight" in traffic.has:
        yield Text("Rows are weighted: a row counts for as many transactions as its weight says.", "soft")


def _names(name: str, side: Side) -> Iterator[Block]:
    """How names were found, and those that were not."""
    if side.mapped:
        found = ", ".join(f"{count(n)} {FOUND.get(how, how)}" for how, n in side.mapped.items())
        yield Text(f"Names of the {name} side found in the registry: {found}.", "soft")
    if not side.unmapped:
        return
    names = side.unmapped
    rows = sum(n for _, n in names)
    note = f"{_of(len(names), 'name')}, {_of(rows, 'row')}. Each name is a brand of its own."
    if len(names) > SHOWN:
        note += f" The {SHOWN} with most rows are shown."
    yield Table(
        ("name", "rows"), tuple((word, count(n)) for word, n in names[:SHOWN]),
        f"Names of the {name} side that no registry has", note, shown=SEEN,
    )  # fmt: skip


def _of(n: int, what: str) -> str:
    """
    >>> _of(1, "row"), _of(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count(n)} {what}{'' if n == 1 else 's'}"


def _fingerprints(facts: Header) -> Iterator[Block]:
    rows = []
    for name, side in zip(SIDES, (facts.old, facts.new), strict=True):
        rows += [(f"{name} side", "all", side.fingerprint or "none")]
        rows += [(f"{name} side", part, fingerprint) for part, fingerprint in side.parts.items()]
    yield Fold("Fingerprints in full", (Table(("", "part", "fingerprint"), tuple(rows), words=frozenset({0, 1, 2})),))


def _day(day: dt.date) -> str:
    """
    >>> _day(dt.date(2026, 10, 1))
    '1 Oct 2026'
    """
    return f"{day.day} {day:%b %Y}"
