"""Keys whose answer is beyond doubt: the load gate asks the model for them each time it is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from tierbreak.core.policy import Policy, rank
from tierbreak.errors import ModelError
from tierbreak.tiers.model.folder import LEAST_GOLDEN
from tierbreak.tiers.model.gate import best, brand_codes

#: How far a raw score may lie off on another machine, whose floating point rounds otherwise.
TOLERANCE = 0.01

#: How many times TOLERANCE a key must lie from the threshold, so that another machine answers it alike.
_CLEAR = 2

#: A key and its brand, or None where the model must not answer.
Pair = tuple[str, str | None]

STRINGS: tuple[Pair, ...] = (
    ("STARBUCKS", "starbucks"), ("STARBUCKS STORE", "starbucks"), ("WALMART", "walmart"),
    ("WALMART SUPERCENTER", "walmart"), ("NETFLIX", "netflix"), ("NETFLIX.COM", "netflix"), ("SPOTIFY", "spotify"),
    ("UBER EATS", "uber-eats"), ("LYFT", "lyft"), ("DOORDASH", "doordash"), ("HULU", "hulu"), ("ETSY", "etsy"),
    ("AIRBNB", "airbnb"), ("CHIPOTLE MEXICAN GRILL", "chipotle"), ("MCDONALD'S", "mcdonalds"),
    ("PANERA BREAD", "panera-bread"), ("TRADER JOE'S", "trader-joes"), ("TRADER JOES", "trader-joes"),
    ("PLANET FITNESS", "planet-fitness"), ("VERIZON WIRELESS", "verizon"), ("COMCAST XFINITY", "xfinity"),
    ("SOUTHWEST AIRLINES", "southwest-airlines"), ("BEST BUY", "best-buy"), ("DOLLAR GENERAL", "dollar-general"),
    ("PETSMART", "petsmart"), ("WAYFAIR", "wayfair"), ("HOBBY LOBBY", "hobby-lobby"), ("DUNKIN DONUTS", "dunkin"),
    ("BARNES & NOBLE", "barnes-and-noble"), ("PEET'S COFFEE", "peets-coffee"), ("OLIVE GARDEN", "olive-garden"),
    ("", None), ("MARIBEL AND SONS TREE CARE", None), ("INTEREST PAID", None), ("RENT APRIL UNIT B", None),
    ("PAYROLL", None), ("OVERDRAFT FEE", None), ("LAKESIDE DENTAL GROUP OF ELKHORN", None),
    ("FIRST STREET BARBER SHOP", None),
)  # fmt: skip


def choose(
    labels: Sequence[str], found: pl.DataFrame, policy: Policy, pairs: Sequence[Pair] = STRINGS
) -> tuple[dict[str, Any], list[str]]:
    """The content of golden.json, and the keys left out because the model or the registry does not bear them out.

    found   EVIDENCE of the keys of `pairs`

    Raises ModelError where too few are left: such a model must not be published.
    """
    at, scores = found["labels"].to_numpy(), found["scores"].to_numpy()
    _, confidence = rank(policy, brand_codes(at), scores)
    strings, left_out = [], []
    for row, (key, brand) in enumerate(pairs):
        lead = _log_odds(float(confidence[row, 0])) - _log_odds(policy.threshold)
        clear = abs(lead) * policy.temperature > _CLEAR * TOLERANCE
        known = bool(confidence[row, 0] >= policy.threshold)
        label, score = best(labels, at[row], scores[row])
        if (label == brand if brand else not known) and clear:
            strings.append({"key": key, "label": label, "score": round(score, 6), "known": known})
        else:
            left_out.append(key)
    unknown = sum(not string["known"] for string in strings)
    if len(strings) < LEAST_GOLDEN or not unknown:
        raise ModelError(f"of {len(pairs)} golden strings only {len(strings)} hold, {unknown} of them unanswered")
    return {"tolerance": TOLERANCE, "strings": strings}, left_out


def _log_odds(confidence: float) -> float:
    """What the raw score of a lone label moves in proportion; kept off 0 and 1."""
    confidence = min(max(confidence, 1e-9), 1 - 1e-9)
    return math.log(confidence / (1 - confidence))
