"""What becomes of rows, as arrays: which of them a change would answer otherwise, and in whose words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from tierbreak.core.codes import REASONS
from tierbreak.tools.rules.traffic.collisions.model_answers import SILENT, UNKNOWN
from tierbreak.tools.rules.traffic.collisions.report import Answer, How
from tierbreak.tools.rules.traffic.collisions.trial import Scene

HOWS: tuple[How, ...] = get_args(How)
BY_RULE, OPEN = HOWS.index("rule"), HOWS.index("contested")
#: The later tiers have no say in these.
_LAST_WORD = (BY_RULE, HOWS.index("not-a-merchant"))


@dataclass(frozen=True)
class Answers:
    """By row: a position in HOWS, and the brand that rules settled on, or -1."""

    how: np.ndarray
    brand: np.ndarray

    def of(self, which: np.ndarray) -> Answers:
        return Answers(self.how[which], self.brand[which])

    def differ(self, other: Answers) -> np.ndarray:
        """bool: rows whose answer is another one."""
        return np.asarray((self.how != other.how) | (self.brand != other.brand))

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        return cls(np.concatenate([one.how for one in parts]), np.concatenate([one.brand for one in parts]))

    def named(self, says: np.ndarray, ids: Sequence[str], *, model: bool) -> list[Answer]:
        """In the reader's words.

        says    what the model says of each row: a brand, SILENT or UNKNOWN
        model   whether there is one
        """
        words = {SILENT: "silent", UNKNOWN: "not asked"}
        return [
            Answer(
                HOWS[how],
                ids[brand] if how == BY_RULE else None,
                None if how in _LAST_WORD or not model else words.get(said) or ids[said],
            )
            for how, brand, said in zip(self.how.tolist(), self.brand.tolist(), says.tolist(), strict=True)
        ]


def answers(scene: Scene) -> Answers:
    """What rules make of each row of a scene."""
    decided = scene.decided
    hows = np.full(len(REASONS) + 1, HOWS.index("no rule"))
    for reason in ("contested", "denied", "not-a-merchant"):
        hows[REASONS.index(reason)] = HOWS.index(reason)
    settled = decided.tier == 0
    how = np.where(settled, BY_RULE, hows[decided.reason])
    return Answers(how[scene.cases.of_row], np.where(settled, decided.brand, -1)[scene.cases.of_row])
