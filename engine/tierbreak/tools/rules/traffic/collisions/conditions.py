"""A guard that parts the wrong rows of a rule from its right ones, where a column of the traffic does."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl

from tierbreak.rulebook import Condition

Sign: TypeAlias = Literal["debit", "credit"]

#: A guard is proposed only where chance would part so many rows so cleanly less often than once in so many.
CHANCE = 1_000
#: Codes that a proposed guard may list.
MOST_CODES = 6


def parting(
    wrong: pl.DataFrame, right: pl.DataFrame, has: Condition | None, *, debits: str
) -> Iterator[tuple[Condition, str]]:
    """RowReader that all right rows pass and no wrong one does.

    wrong, right   rows of TRAFFIC, read with `ranges`
    has            the rule's guard today
    returns        the guard with the new part, and the column that it asks for
    """
    if math.comb(wrong.height + right.height, min(wrong.height, right.height)) < CHANCE or not right.height:
        return
    own = has or Condition()
    if "amount_low" in wrong.columns:
        if own.sign is None and (sign := _sign(wrong, right, debits)):
            yield dataclasses.replace(own, sign=sign), "amount"
        if not own.amount and (bound := _bound(wrong, right)):
            yield dataclasses.replace(own, amount=(bound,)), "amount"
    for name in ("mcc", "country", "source"):
        if f"{name}_low" in wrong.columns and not getattr(own, name):
            codes = _codes(wrong, name), _codes(right, name)
            if codes[0] is not None and codes[1] and len(codes[1]) <= MOST_CODES and not codes[0] & codes[1]:
                listed: dict[str, Any] = {name: tuple(sorted(codes[1]))}
                yield dataclasses.replace(own, **listed), name


def _sign(wrong: pl.DataFrame, right: pl.DataFrame, debits: str) -> Sign | None:
    """The sign that all right rows have and no wrong one."""

    def all_of(rows: pl.DataFrame) -> Sign | None:
        below = bool((rows["amount_high"] < 0).all())
        above = bool((rows["amount_low"] > 0).all())
        if not below and not above:
            return None
        return "debit" if above == (debits == "positive") else "credit"

    one, other = all_of(right), all_of(wrong)
    return one if one and other and one != other else None


def _sizes(rows: pl.DataFrame) -> tuple[float, float]:
    """The least and the greatest magnitude; 0 and infinity where some row has none, or both signs."""
    low, high = rows["amount_low"].to_numpy(), rows["amount_high"].to_numpy()
    least = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    return float(least.min()), float(np.maximum(np.abs(low), np.abs(high)).max())


def _bound(wrong: pl.DataFrame, right: pl.DataFrame) -> tuple[str, float] | None:
    """A bound on the magnitude with all right rows on one side and all wrong ones on the other."""
    (wrong_least, wrong_most), (right_least, right_most) = _sizes(wrong), _sizes(right)
    if right_most < wrong_least:
        return "lt", _round_between(right_most, wrong_least)
    if wrong_most < right_least:
        return "ge", _round_between(wrong_most, right_least)
    return None


def _round_between(low: float, high: float) -> float:
    """The roundest number above `low` and up to `high`: a power of ten, else the one that lies most in the middle.

    >>> _round_between(80, 500), _round_between(120, 480), _round_between(9.99, 10.0)
    (100.0, 250.0, 10.0)
    """
    powers = [10.0**power for power in range(6, -5, -1)]
    if tens := [power for power in powers if low < power <= high]:
        return tens[0]
    middle = math.sqrt(max(low, 0.01) * high)
    for size in (step * power for power in powers for step in (5.0, 2.5, 1.0)):
        first, last = math.floor(low / size) + 1, math.floor(high / size)
        if first <= last:
            return round(min(max(round(middle / size), first), last) * size, 6)
    return high


def _codes(rows: pl.DataFrame, name: str) -> set[str] | None:
    """Every code that the rows have; None where some row has several, or none."""
    low, high = rows[f"{name}_low"], rows[f"{name}_high"]
    return set(low.to_list()) if bool((low == high).all()) else None
