"""One line of a sample: a key with one answer of each side, in words."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tierbreak.tools.compare.pairs import DECIDERS, OUTCOMES, SIDES, Pairs


@dataclass(frozen=True)
class Answer:
    """What one side says of a unit.

    brand   id of Joint; empty where it abstains
    name    as shown; empty where it abstains
    known   whether a registry has it
    by      who decided: tier, and rule or confidence; where it abstains, the reason if there is one
    """

    brand: str
    name: str
    known: bool
    by: str


@dataclass(frozen=True)
class Unit:
    """One line of a sample.

    id            of stratum, descriptor, answers, rows and probability: none of them can change without it
    outcome       one of OUTCOMES
    rows          what it counts for: the sum of `n`
    probability   0..1, of being taken
    score         rows x uncertainty, what the ranked are ranked by
    descriptor    the most frequent one, as it came: NOT masked
    row           the first row of the traffic that has this descriptor and these answers
    """

    id: str
    stratum: str
    outcome: str
    rows: float
    probability: float
    score: float
    descriptor: str
    row: int
    old: Answer
    new: Answer


def identity(sides: str, stratum: str, rows: float, probability: float, descriptor: str, old: str, new: str) -> str:
    """The id of a line: its stratum's letter, and a hash of all that an estimate rests on.

    It never looks like a number, which a spreadsheet would rewrite.

    >>> identity("a..b..c", "ranked", 3.0, 1.0, "UBER *EATS", "uber", "uber-eats")
    'r-d4117d4642d5'
    """
    parts = [sides, stratum, number(rows), number(probability), descriptor, old, new]
    return f"{stratum[0]}-{hashlib.sha256(chr(31).join(parts).encode()).hexdigest()[:12]}"


def number(value: float) -> str:
    """As it stands in the labelling file: six digits of a share, twelve of a count.

    >>> number(3.0), number(1 / 3), number(1234567.25)
    ('3', '0.333333', '1234567.25')
    """
    return f"{value:.6g}" if value < 1 else f"{value:.12g}"


def unit_of(pairs: Pairs, row: Mapping[str, Any], sides: str) -> Unit:
    """A unit in words.

    row     columns of PAIR, and `stratum`, `probability` and `score`
    sides   as sampling.sides_of says it
    """
    old, new = (_answer(pairs, at, row) for at in range(len(SIDES)))
    descriptor = row["descriptor"] or ""
    return Unit(
        identity(sides, row["stratum"], row["n"], row["probability"], descriptor, old.brand, new.brand),
        row["stratum"], OUTCOMES[row["outcome"]], row["n"], row["probability"], row["score"], descriptor, row["row"],
        old, new,
    )  # fmt: skip


def _answer(pairs: Pairs, at: int, row: Mapping[str, Any]) -> Answer:
    side = SIDES[at]
    brand, tier, rule, reason, confidence = (
        row[f"{side}_{what}"] for what in ("brand", "tier", "rule", "reason", "confidence")
    )
    if brand < 0:
        return Answer("", "", True, pairs.reasons[reason] if reason >= 0 else "")
    by = [DECIDERS[tier]] if tier >= 0 else []
    if rule >= 0:
        by.append(pairs.rules[at][rule])
    if confidence is not None:
        by.append(f"{confidence:.2f}")
    joint = pairs.joint
    return Answer(joint.ids[brand], joint.names[brand], bool(joint.known[brand]), " ".join(by))
