"""What is claimed of rules and of pairs of rules: plain, frozen, as JSON and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from tierbreak.rulebook import Place
from tierbreak.tools.rules.proofs.conditions import Row

Verdict = Literal["separate", "wins", "never-wins", "unknown"]
VERDICTS: tuple[Verdict, ...] = ("never-wins", "unknown", "wins", "separate")


@dataclass(frozen=True)
class Witness:
    """A folded text, with what the other columns of its row must say; a column that is None may be missing.

    rule, brand   the rule and the brand that the engine's tier `rules` settles it for, None where it settles nothing
    collision     the kinds of collision on record for it, joined by `+`
    """

    text: str
    row: Row
    rule: str | None
    brand: str | None
    collision: str | None

    def to_dict(self) -> dict[str, Any]:
        row = {name: value for name, value in self.row._asdict().items() if value is not None and name != "date"}
        if self.row.date != Row().date:
            row["date"] = self.row.date.isoformat()
        return {"text": self.text, **row, "rule": self.rule, "brand": self.brand, "collision": self.collision}


@dataclass(frozen=True)
class Claim:
    """What is known of one rule that decides.

    verdict   separate     the witness is the shortest text that it finds and no rule of another brand does
              wins         rules of other brands find all that it finds; it settles the witness all the same
              never-wins   proved: whatever the row, its match never settles a case
              unknown      none of these could be proved, because of `why`
    how       never-wins: `nothing` (it finds no text), `guard` (no row passes), `deny`, `edge`, `contested`
    others    never-wins: the rules that find all that it finds; wins, unknown: the rules that are in its way
    """

    rule: str
    brand: str
    place: Place
    verdict: Verdict
    witness: Witness | None = None
    how: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule, "brand": self.brand, "path": self.place.path, "line": self.place.line,
            "column": self.place.column, "verdict": self.verdict,
            "witness": self.witness.to_dict() if self.witness else None,
            "how": list(self.how), "others": list(self.others), "why": self.why,
        }  # fmt: skip

    def says(self) -> str:
        """The claim in words, without the rule's name."""
        others = ", ".join(self.others)
        if self.verdict == "separate":
            return "found by it alone: " + (self.witness.text if self.witness else "")
        if self.verdict == "wins":
            return f"wins `{self.witness.text if self.witness else ''}` over {others}"
        if self.verdict == "unknown":
            return f"unknown, because {self.why}"
        by = " and ".join(self.how)
        return {
            "nothing": "can never win: it finds no text (proved)",
            "guard": "can never win: no row passes its guard (proved)",
        }.get(
            by,
            f"can never win: everything it finds, {_too(self.others)}; lost by {by} (proved)",
        )


def _too(rules: tuple[str, ...]) -> str:
    """Who finds it as well, in words."""
    return f"{', '.join(rules)} {'finds' if len(rules) == 1 else 'find'} too"


@dataclass(frozen=True)
class Redundant:
    """Proved: everything a rule finds, other rules of its brand that decide find too, under no stricter guard.

    by         those rules, each of them needed
    harmless   proved too: without it no decision names another brand. Where this is not set, its match may be what
               settles a text against another brand, by an edge or by being longer
    """

    rule: str
    brand: str
    place: Place
    by: tuple[str, ...]
    harmless: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule, "brand": self.brand, "path": self.place.path, "line": self.place.line,
            "column": self.place.column, "by": list(self.by), "harmless": self.harmless,
        }  # fmt: skip

    def says(self) -> str:
        """The claim in words, without the rule's name."""
        without = "without it every decision stays" if self.harmless else "but its longer match or its edges may settle"
        return f"redundant: everything it finds, {_too(self.by)} (proved); {without}"


@dataclass(frozen=True)
class Entangled:
    """Two rules of different brands and families whose matches share text: both find the witness.

    It is shorter than the two rules' shortest texts with a space between, as the shortest is that both find; gaps
    that may be nothing hold a space where that leaves it so.

    shared   the text that both matches hold
    whole    it is whole words there; else a match ends, or begins, within a word
    """

    rules: tuple[str, str]
    brands: tuple[str, str]
    witness: Witness
    shared: str
    whole: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "rules": list(self.rules), "brands": list(self.brands), "witness": self.witness.to_dict(),
            "shared": self.shared, "whole": self.whole,
        }  # fmt: skip

    @property
    def contested(self) -> bool:
        """Whether rules settle the witness for nobody because several brands stand."""
        return "contested" in (self.witness.collision or "")

    def says(self) -> str:
        """The claim in words."""
        won = self.witness.rule or "nobody"
        how = f", {self.witness.collision}" if self.witness.collision else ""
        one, other = self.rules
        return f"{one} and {other} share `{self.shared}` in `{self.witness.text}`: won by {won}{how}"


@dataclass(frozen=True)
class Proofs:
    """All that `prove` claims.

    claims      one for each rule that was asked about and decides, in the order of their ids
    redundant   rules that others of their brand make superfluous
    """

    claims: tuple[Claim, ...]
    redundant: tuple[Redundant, ...]
    find_entangled: Callable[[], tuple[Entangled, ...]] = field(repr=False, compare=False)

    @cached_property
    def entangled(self) -> tuple[Entangled, ...]:
        """Pairs of rules of different brands whose matches share text: contested ones first, of those whole words.

        Looked for when first asked: that is half of the work.
        """
        return self.find_entangled()

    def by_verdict(self) -> dict[str, int]:
        """How many claims each verdict has."""
        count = Counter(claim.verdict for claim in self.claims)
        return {verdict: count[verdict] for verdict in VERDICTS}

    def to_dict(self) -> dict[str, Any]:
        return {
            "claims": [claim.to_dict() for claim in self.claims],
            "redundant": [claim.to_dict() for claim in self.redundant],
            "entangled": [pair.to_dict() for pair in self.entangled],
        }
