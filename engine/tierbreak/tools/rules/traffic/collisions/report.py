"""A report of collisions as plain data: what text, Markdown, page and JSON all say."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

#: What a decision is in a change: by a rule, open between rules, left by all rules, denied, or no merchant's.
How = Literal["rule", "contested", "no rule", "denied", "not-a-merchant"]


@dataclass(frozen=True)
class Volume:
    """rows (or the sum of their weights), money (None where the traffic has no amounts), and distinct texts."""

    rows: float
    money: float | None
    texts: int


@dataclass(frozen=True)
class Party:
    """One rule in a cause.

    place     file:line:column
    patterns  those that matched, as written in the file
    tokens    what they found there, most rows first, digits as `#`
    """

    rule: str
    brand: str | None
    brand_name: str | None
    place: str
    patterns: tuple[str, ...]
    tokens: tuple[str, ...]
    rows: float
    money: float | None


@dataclass(frozen=True)
class Sides:
    """Whom the model sides with, in rows; `unknown` are those whose key nobody has asked it.

    leader, others   the cause's leading rule, and what that collides with
    third            a brand that none of the rules names
    silent           it is not sure enough to speak
    loser            those of `leader` and `others` that lost; None where nobody wins: contested
    loser_money      of these
    """

    leader: float
    others: float
    third: float
    silent: float
    unknown: float
    loser: float | None
    loser_money: float | None


@dataclass(frozen=True)
class Shown:
    """A real text, as rules see it, masked; `marks` are (start, end, "leader" or "other") in characters, ascending."""

    text: str
    rows: float
    money: float | None
    other: str
    model: str
    marks: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class Proof:
    """What is proved of the leader and the rule that it meets most.

    shortest    the shortest text that both find; None where there is none, or nothing is known
    entangled   it is shorter than their own two shortest ones together, so the matches share text
    inside      the rule all of whose texts the other one finds too
    says        all of it in a sentence
    """

    other: str
    shortest: str | None
    entangled: bool | None
    inside: str | None
    says: str


@dataclass(frozen=True)
class Answer:
    """What becomes of a row. `brand` is the rules'; `model` is what the model says where rules leave the row open:
    a brand, "silent", "not asked", or None where it is not the model's turn or there is none."""

    how: How
    brand: str | None
    model: str | None

    def __str__(self) -> str:
        """
        >>> print(Answer("rule", "uber", None), "|", Answer("contested", None, "uber"))
        uber | contested, the model says uber
        """
        if self.brand is not None:
            return self.brand
        said = {None: "", "silent": ", the model is silent", "not asked": ", the model was not asked"}
        return self.how + said.get(self.model, f", the model says {self.model}")


@dataclass(frozen=True)
class Flow:
    """Rows whose answer would change, what to what, with one masked text of them."""

    before: Answer
    after: Answer
    rows: float
    money: float | None
    example: str


@dataclass(frozen=True)
class Edit:
    """What to write: `before` is empty where a line is added."""

    rule: str
    place: str
    before: str
    after: str


@dataclass(frozen=True)
class Repair:
    """A change that was tried: the collision is gone, and every example that came out right before still does.

    kind     word-edge, unless, outranks, drop-outranks or guard
    cost     patterns, words, ids and guards to write
    flows    the traffic diff, most rows first
    changed  rows whose answer changes
    outside  those of them that are no part of the cause
    agrees   of the changed rows on which the model speaks (`spoken`), those that get the model's brand
    """

    kind: str
    says: str
    edits: tuple[Edit, ...]
    cost: int
    flows: tuple[Flow, ...]
    changed: Volume
    outside: float
    agrees: float
    spoken: float


@dataclass(frozen=True)
class Cause:
    """One cause of collisions.

    id       kind, rule and pattern number of the leader, and its role: stable while the rulebook is
    role     the leader is the winner, the loser, or neither (even)
    others   what the leader meets, most rows first; `met` is how many they are in all
    rank     place by rows, and by money (None without amounts), among the causes of the kind
    sides    None where there is no model
    tried    repairs that were tried and thrown away: they left the collision, or lost an example
    """

    id: str
    kind: str
    role: str
    leader: Party
    others: tuple[Party, ...]
    met: int
    volume: Volume
    rank: tuple[int, int | None]
    sides: Sides | None
    shown: tuple[Shown, ...]
    proof: Proof | None
    repairs: tuple[Repair, ...]
    tried: int


@dataclass(frozen=True)
class Kind:
    """All causes of one kind. `against` are rows in which the model sides with the loser, None without a model."""

    kind: str
    volume: Volume
    causes: int
    against: float | None
    unknown: float | None


@dataclass(frozen=True)
class Report:
    """What collides in some traffic.

    rules      fingerprint of the rulebook
    total      of the traffic
    colliding  rows in which two rules or more speak up
    kinds      in the order of KINDS; a row is counted once, with its gravest kind
    causes     by kind, then rank; at most so many a kind as were asked for
    keys       distinct keys of colliding rows that are not harmless; known to the cache; asked anew
    """

    traffic: str
    window: tuple[dt.date, dt.date] | None
    rules: str
    total: Volume
    colliding: Volume
    kinds: tuple[Kind, ...]
    causes: tuple[Cause, ...]
    model: bool
    keys: tuple[int, int, int]
    notices: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; dates as text, answers as objects."""
        out = dataclasses.asdict(self)
        out["window"] = [day.isoformat() for day in self.window] if self.window else None
        return out
