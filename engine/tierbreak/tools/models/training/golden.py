"""Keys whose answer is beyond doubt: the load gate asks the model for them each time it is loaded.

Golden strings are chosen by hand and checked to the number. The own names of a sample of the brands are drawn, and only
the answer counts: they tell labels that were mixed up, and a graph of which a part is broken.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.policy import Policy, rank
from tierbreak.errors import ModelError
from tierbreak.tiers.model.folder import LEAST_GOLDEN, digest
from tierbreak.tiers.model.gate import best, brand_codes

Array = npt.NDArray[Any]

#: How far a raw score may lie off on another machine, whose floating point rounds otherwise.
TOLERANCE = 0.01

#: How many times TOLERANCE a key must lie from the threshold, so that another machine answers it alike.
_CLEAR = 2

#: How many brands' own names are asked, about 0.2 s of one core without VNNI, and how far ahead of every other answer
#: the right one must lie: beyond what any other machine or backend may round.
NAMES, _LEAD = 200, 5 * TOLERANCE

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


def draw(labels: Sequence[str]) -> dict[str, str]:
    """Key -> label of NAMES brands, or of all where there are fewer; equal labels draw equal brands. Ids read as names.

    >>> draw(["home-depot", "lyft"])
    {'HOME DEPOT': 'home-depot', 'LYFT': 'lyft'}
    """
    seed = bytes.fromhex(digest(labels))
    drawn = sorted(labels, key=lambda label: hashlib.blake2b(label.encode(), key=seed).digest())[:NAMES]
    return {label.replace("-", " ").upper(): label for label in sorted(drawn)}


def clear(labels: Sequence[str], names: dict[str, str], at: Array, scores: Array) -> dict[str, str]:
    """Those of `names` that the model knows with a lead of _LEAD; of the others the gate cannot demand it.

    at, scores   [names, TOP_K], labels and raw scores, best brand first
    """
    own = np.array([labels[best] for best in at[:, 0]]) == [*names.values()]
    known = own & (scores[:, 0] - scores[:, 1:].max(axis=1) >= _LEAD)
    return {key: label for (key, label), holds in zip(names.items(), known, strict=True) if holds}


def _log_odds(confidence: float) -> float:
    """What the raw score of a lone label moves in proportion; kept off 0 and 1."""
    confidence = min(max(confidence, 1e-9), 1 - 1e-9)
    return math.log(confidence / (1 - confidence))
