"""What a comparison found: flips by traffic and by money, what changed in the rules, who approved of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from tierbreak.tools.rules.traffic.diff.answers import CACHE, FLIPS, MODEL, RULES
from tierbreak.tools.rules.traffic.diff.approvals import Approval
from tierbreak.tools.rules.traffic.diff.changes import Changes
from tierbreak.tools.rules.traffic.diff.words import number, percent
from tierbreak.tools.rules.traffic.masking import masked

#: Strings shown of one flip.
STRINGS = 3

_ANSWER = ("tier", "brand", "rule", "reason")
_GROUP = ["kind", "approval", *(f"{side}_{name}" for side in ("old", "new") for name in _ANSWER)]

#: What a kind of flip is called.
SAYS = {
    "other-brand": "another brand",
    "lost": "no answer any more",
    "gained": "an answer where there was none",
    "to-model": "left to the model, which has not been asked yet",
    "from-model": "settled, before the model was asked",
    "model-denied": "the model's before and after, other brands denied",
    "same-brand": "same brand, decided otherwise",
    "same-none": "no answer as before, for another reason",
}


@dataclass(frozen=True)
class Answer:
    """One answer, as in answers.CHANGED: who gives it, and why."""

    tier: str
    brand: str | None
    rule: str | None
    reason: str | None

    @property
    def name(self) -> str:
        """A brand id, `none` or `model`: what an approval calls it."""
        return self.brand or (MODEL if self.tier == MODEL else "none")

    def __str__(self) -> str:
        """
        >>> print(Answer("rules", "uber", "uber.trip", None), Answer("none", None, "a|b", "contested"), sep="; ")
        uber by uber.trip; none (contested: a, b)
        """
        rules = ", ".join(self.rule.split("|")) if self.rule else ""
        if self.tier == RULES:
            return f"{self.brand} by {rules}"
        if self.tier == CACHE or self.brand:
            return f"{self.brand} by the model"
        why = f"not {self.reason}" if self.tier == MODEL and self.reason else self.reason
        said = ": ".join(part for part in (why, rules) if part)
        return f"{self.name} ({said})" if said else self.name


@dataclass(frozen=True)
class Flip:
    """Rows that get another answer, all alike.

    kind      one of answers.KINDS
    rows      how many, or the sum of their weights; money the sum of their magnitudes
    strings   masked descriptors, the most frequent first
    family    both brands are of one family
    approval  position in Diff.approvals, None where nobody approved
    """

    kind: str
    old: Answer
    new: Answer
    rows: float
    money: float
    strings: tuple[str, ...]
    family: bool
    approval: int | None

    def stanza(self) -> str:
        """The entry of an approvals file that approves of it, but for owner, reason and expiry."""
        rule = self.new.rule if self.new.tier == RULES else self.old.rule
        named = f'rule = "{rule}"\n' if rule and "|" not in rule else ""
        blank = 'owner = ""\nreason = ""\nexpires = ""\n'
        return f'[[approval]]\nfrom = "{self.old.name}"\nto = "{self.new.name}"\n{named}{blank}'


@dataclass(frozen=True)
class Side:
    """One of the rulebooks: its name, how much is in it, and its fingerprint with that of its registry."""

    name: str
    rules: int
    brands: int
    fingerprint: str


@dataclass(frozen=True)
class Seen:
    """The traffic: rows and money in all; distinct rows that the change can reach, by how many patterns."""

    name: str
    rows: float
    money: float | None
    broken: int
    window: tuple[dt.date, dt.date] | None
    reached: int
    patterns: int


@dataclass(frozen=True)
class Approved:
    """An approval and what became of it: `used`, `unused`, or `expired`. `rows` of an expired one are not approved."""

    approval: Approval
    state: str
    rows: float


@dataclass(frozen=True)
class Diff:
    """Everything that is known of a change.

    flips    rows with another answer, or one that only the model could tell; the most rows first
    same     rows with the same answer that another rule or tier gives, or for another reason
    """

    a: Side
    b: Side
    traffic: Seen
    changes: Changes
    flips: tuple[Flip, ...]
    same: tuple[Flip, ...]
    approvals: tuple[Approved, ...]
    notices: tuple[str, ...]

    @property
    def rows(self) -> float:
        return sum(flip.rows for flip in self.flips)

    @property
    def money(self) -> float:
        return sum(flip.money for flip in self.flips)

    def sorted(self, by: Literal["rows", "money"]) -> Diff:
        """The same with the flips of the most rows, or of the most money, first."""
        flips, same = (tuple(sorted(some, key=lambda flip: -getattr(flip, by))) for some in (self.flips, self.same))
        return dataclasses.replace(self, flips=flips, same=same)

    @property
    def open(self) -> tuple[Flip, ...]:
        """The flips that nobody approved of."""
        return tuple(flip for flip in self.flips if flip.approval is None)

    def by_rule(self) -> dict[str, float]:
        """Rule id -> rows that flip from or to what it says."""
        out: dict[str, float] = {}
        for flip in self.flips:
            for rule in {rule for answer in (flip.old, flip.new) for rule in (answer.rule or "").split("|") if rule}:
                out[rule] = out.get(rule, 0.0) + flip.rows
        return out

    def by_kind(self) -> dict[str, tuple[float, float]]:
        """Kind -> rows and money, of those kinds of which there are any, the flips first."""
        out: dict[str, tuple[float, float]] = {}
        for kind in SAYS:
            alike = [flip for flip in (*self.flips, *self.same) if flip.kind == kind]
            if alike:
                out[kind] = sum(flip.rows for flip in alike), sum(flip.money for flip in alike)
        return out

    @property
    def columns(self) -> list[str]:
        """What `figures` gives: of money only where the traffic has amounts."""
        return ["rows", "share"] + (["money", "share"] if self.traffic.money is not None else [])

    def figures(self, rows: float, money: float) -> list[str]:
        """As a person reads them."""
        whole = self.traffic
        out = [number(rows), percent(rows, whole.rows)]
        return out + ([f"{money:,.2f}", percent(money, whole.money)] if whole.money is not None else [])

    def stanzas(self, top: int) -> list[str]:
        """What would approve of the first `top` flips that nobody approved of."""
        return list(dict.fromkeys(flip.stanza() for flip in self.open[:top]))

    def to_dict(self) -> dict[str, Any]:
        """As it is written in JSON; shares are of all rows and of all money, 0..1."""
        flips = [{**_plain(flip), **self._shares(flip.rows, flip.money)} for flip in self.flips]
        unapproved = sum(flip.rows for flip in self.open), sum(flip.money for flip in self.open)
        return {
            "a": _plain(self.a),
            "b": _plain(self.b),
            "traffic": _plain(self.traffic),
            "rules": [_plain(change) for change in self.changes.rules],
            "rules_in_words_only": list(self.changes.words),
            "brands": [_plain(change) for change in self.changes.brands],
            "brands_in_names_only": list(self.changes.names),
            "flipped": {"rows": self.rows, "money": self.money, **self._shares(self.rows, self.money)},
            "unapproved": {"rows": unapproved[0], "money": unapproved[1], **self._shares(*unapproved)},
            "kinds": {kind: {"rows": rows, "money": money} for kind, (rows, money) in self.by_kind().items()},
            "flips": flips,
            "same_answer": [{**_plain(flip), **self._shares(flip.rows, flip.money)} for flip in self.same],
            "approvals": [_plain(approved) for approved in self.approvals],
            "notices": list(self.notices),
        }

    def _shares(self, rows: float, money: float) -> dict[str, float | None]:
        whole = self.traffic
        return {
            "share_of_rows": rows / whole.rows if whole.rows else 0.0,
            "share_of_money": (money / whole.money if whole.money else 0.0) if whole.money is not None else None,
        }


def _plain(given: Any) -> Any:
    """Dataclasses as JSON takes them."""
    if dataclasses.is_dataclass(given):
        return {field.name: _plain(getattr(given, field.name)) for field in dataclasses.fields(given)}
    if isinstance(given, tuple | list):
        return [_plain(one) for one in given]
    return given.isoformat() if isinstance(given, dt.date) else given


def grouped(rows: pl.DataFrame, families: dict[str, str]) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    """Rows that differ, those that differ alike together: flips, and those whose answer is the same.

    rows       answers.CHANGED with `approval`
    families   brand id -> the head of its family
    """
    each = rows.with_columns(shown=masked(rows["descriptor"])).group_by(*_GROUP, "shown").agg(pl.sum("n", "money"))
    groups = (
        each.sort("n", "shown", descending=[True, False])
        .group_by(_GROUP, maintain_order=True)
        .agg(pl.sum("n", "money"), pl.col("shown").head(STRINGS))
        .sort("n", "money", *_GROUP, descending=[True, True, *[False] * len(_GROUP)], nulls_last=True)
    )
    flips = [_flip(row, families) for row in groups.iter_rows(named=True)]
    return (
        tuple(flip for flip in flips if flip.kind in FLIPS),
        tuple(flip for flip in flips if flip.kind not in FLIPS),
    )


def _flip(row: dict[str, Any], families: dict[str, str]) -> Flip:
    old, new = (Answer(*(row[f"{side}_{name}"] for name in _ANSWER)) for side in ("old", "new"))
    kin = row["kind"] == "other-brand" and families[old.name] == families[new.name]
    return Flip(row["kind"], old, new, row["n"], row["money"], tuple(row["shown"]), kin, row["approval"])
