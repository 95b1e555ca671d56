"""What the integers in the engine's arrays stand for: each an enum, with the text that a reader sees.

numpy takes an enum for a 64-bit integer: write `.value` where an array of fewer bits is changed in place.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag


def _text(name: str) -> str:
    return name.lower().replace("_", "-")


class _Code(IntEnum):
    @property
    def text(self) -> str:
        """The name as a decision says it.

        >>> Reason.NO_MATCH.text
        'no-match'
        """
        return _text(self.name)


class Tier(_Code):
    """Who decided. Order is precedence: the first tier that settles a case decides it. `FALLBACK` stands in for a
    model that cannot be loaded: the two never serve together. -1 stands for none."""

    RULES = 0
    CACHE = 1
    MODEL = 2
    FALLBACK = 3


class Outcome(_Code):
    """What became of a rule's match, in the order in which it can happen. Only what `STANDS` may decide."""

    STANDS = 0
    UNLESS = 1
    WHEN = 2
    VALID = 3
    MISSING = 4
    SHADOW = 5
    VETO = 6
    DENIED = 7
    OUTRANKED = 8
    SPAN = 9
    FAMILY = 10


class Reason(_Code):
    """Why the engine abstains. -1 stands for a decision that names a brand."""

    CONTESTED = 0
    DENIED = 1
    BELOW_THRESHOLD = 2
    NO_KNOWN_BRAND = 3
    NO_MATCH = 4
    NOT_A_MERCHANT = 5
    TORN = 6
    BLANK = 7


class Band(_Code):
    """What a confidence is worth: of `very-high` at least 98 % are right, of `high` at least 90 %. -1: none."""

    LOW = 0
    HIGH = 1
    VERY_HIGH = 2


class Collision(IntFlag):
    """How it came that two brands were named; a decision may have several kinds on record."""

    CONTESTED = 1
    EDGE = 2
    SPAN = 4
    FAMILY = 8
    DENIED = 16


#: The texts, each at the place of its code.
TIERS = tuple(tier.text for tier in Tier)
OUTCOMES = tuple(outcome.text for outcome in Outcome)
REASONS = tuple(reason.text for reason in Reason)
BANDS = tuple(band.text for band in Band)
COLLISIONS = tuple(_text(kind.name or "") for kind in Collision)


def collision_text(kinds: int) -> str | None:
    """The kinds on record, joined by `+`, or None.

    >>> collision_text(Collision.EDGE | Collision.SPAN)
    'edge+span'
    """
    return _COLLISION_TEXTS[kinds]


_COLLISION_TEXTS = tuple(
    "+".join(_text(kind.name or "") for kind in Collision if kinds & kind) or None
    for kinds in range(1 << len(Collision))
)
