"""Whom the model sides with where rules collide. What it was never asked counts as unknown: nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tierbreak.core.arbitration import Precedence
from tierbreak.tools.rules.traffic.collisions.causes import Group
from tierbreak.tools.rules.traffic.collisions.find import DENIAL, HARMLESS, Found, related
from tierbreak.tools.rules.traffic.collisions.model_answers import SILENT, UNKNOWN, ModelAnswers
from tierbreak.tools.rules.traffic.collisions.report import Sides
from tierbreak.tools.rules.traffic.read import Traffic

#: Keys of one cause that the model is asked for at most.
ASKED = 200

_LEADER, _OTHERS, _THIRD, _SILENT, _UNKNOWN = range(5)


class Listening:
    """The model's word on each case that is not harmless.

    says    int64 [cases of Found]: a brand, SILENT or UNKNOWN
    asked   keys that the model was asked for anew
    """

    def __init__(self, found: Found, traffic: Traffic, model_answers: ModelAnswers, book: Precedence) -> None:
        self._found, self._traffic, self.model_answers, self._book = found, traffic, model_answers, book
        self._grave = np.flatnonzero(~np.isin(found.kind, HARMLESS))
        self.says = np.full(len(found.kind), UNKNOWN, dtype=np.int64)
        self.asked = 0
        self._hear()

    def _hear(self) -> None:
        self.says[self._grave] = self.model_answers.says(self._descriptors(self._grave))

    def _descriptors(self, cases: np.ndarray) -> pl.Series:
        return self._traffic.rows["descriptor"].gather(self._found.row[cases])

    def ask(self, groups: Sequence[Group], most: int) -> None:
        """Ask the model for `most` keys of these causes that are not known, ASKED of one cause; none is stored."""
        for one in groups:
            unknown = one.cases[self.says[one.cases] == UNKNOWN][: min(ASKED, most - self.asked)]
            self.asked += self.model_answers.ask(self._descriptors(unknown))
        self._hear()

    def keys(self) -> tuple[int, int, int]:
        """Distinct keys, those that the cache knew, and those asked anew."""
        if not self.model_answers.present:
            return 0, 0, 0
        keys, known = self.model_answers.heard(self._descriptors(self._grave))
        return keys, known - self.asked, self.asked

    def unknown(self, kind: int) -> float:
        """Rows of a kind of which nobody has asked the model."""
        return float(self._found.n[(self._found.kind == kind) & (self.says == UNKNOWN)].sum())

    def sided(self, one: Group) -> np.ndarray:
        """int [cases of the group]: whom the model sides with in each."""
        says = self.says[one.cases]
        out = np.where(says == UNKNOWN, _UNKNOWN, np.where(says == SILENT, _SILENT, _THIRD))
        spoken = one.cases[says >= 0]
        if not len(spoken):
            return out
        met = one.met.filter(pl.col("case").is_in(spoken))
        case = met["case"].to_numpy()
        said, other = self.says[case], self._book.brand[met["rule"].to_numpy()].copy()
        lead = np.full(len(case), self._book.brand[one.star.rule])
        if one.star.kind == DENIAL:  # a deny rule has no brand of its own to side with
            (lead if one.star.role == "winner" else other)[:] = -1
        named = {"leader": (said == lead, related(said, lead, self._book)),
                 "others": (said == other, related(said, other, self._book))}  # fmt: skip
        flat = {f"{side}_{how}": votes for side, pair in named.items() for how, votes in zip("en", pair, strict=True)}
        by_case = pl.DataFrame({"case": case, **flat}).group_by("case").agg(pl.all().any())
        exact = pl.col("leader_e") | pl.col("others_e")  # the brand itself goes before one of its family
        leader, others = (pl.when(exact).then(f"{side}_e").otherwise(f"{side}_n") for side in named)
        for mine, its, code in ((leader, others, _LEADER), (others, leader, _OTHERS)):
            out[np.isin(one.cases, by_case.filter(mine & ~its)["case"].to_numpy())] = code
        return out

    def sides(self, one: Group) -> Sides | None:
        """In rows; None where there is no model, or nothing to side with."""
        if not self.model_answers.present or one.star.kind in HARMLESS:
            return None
        rows = np.bincount(self.sided(one), weights=self._found.n[one.cases], minlength=5).tolist()
        lost, settled = self.against(one), one.star.role != "even"
        return Sides(
            leader=rows[_LEADER],
            others=rows[_OTHERS],
            third=rows[_THIRD],
            silent=rows[_SILENT],
            unknown=rows[_UNKNOWN],
            loser=float(self._found.n[lost].sum()) if settled else None,
            loser_money=float(self._found.money[lost].sum()) if settled and self._traffic.money is not None else None,
        )

    def against(self, one: Group) -> np.ndarray:
        """int64: the cases in which the model sides with the loser; none where nobody loses."""
        if one.star.role == "even":
            return one.cases[:0]
        return one.cases[self.sided(one) == (_OTHERS if one.star.role == "winner" else _LEADER)]
