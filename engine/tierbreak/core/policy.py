"""Policy on evidence: temperature and threshold, applied to raw scores; `tools/models/training/fit.py` fits them.

A model's raw score says which brand is nearest, not how sure one may be. A policy turns the top-k scores of a
key into confidences that sum, with the mass of "no known brand", to 1. It holds no model and needs none, so it
can change daily while cache and model stay as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tierbreak.core.json_text import parse
from tierbreak.core.tables import MASKED, NOT_A_MERCHANT
from tierbreak.errors import Fault, ModelError

Floats = npt.NDArray[np.float32]
Brands = npt.NDArray[np.int32]

#: Values are laid out in rows of a multiple of so many, the widest SIMD register in doubles: no value is ever
#: in the tail of an array, where `exp` may round otherwise than in its middle.
_LANES = 8

#: The largest confidence: never 1, so that a threshold of 1 silences the model whatever it says.
_SUREST = np.nextafter(np.float32(1.0), np.float32(0.0))


@dataclass(frozen=True, slots=True)
class Policy:
    """How raw scores become confidences, and the least confidence to speak.

    temperature      1e-6..1e6, in units of the raw score; small means that a small lead decides
    null_score       -1e6..1e6, the raw score at which "no known brand" stands: one more logit in the softmax
    threshold        0..1; a confidence below it abstains
    reserved_shift   -1e6..1e6, added to the raw scores of the reserved answers: above 0 the model abstains more readily
    high, very_high  0..1, the least confidences of the bands of these names
    by_sector        sector -> threshold for brands that have none of their own
    by_brand         brand id -> threshold; a brand's or a sector's counts where it lies above `threshold`

    >>> Policy(temperature=0.05, null_score=0.7, threshold=0.9).fingerprint[:12]
    '6c2b9e57f3b1'
    """

    temperature: float
    null_score: float
    threshold: float
    reserved_shift: float = 0.0
    high: float = 1.0
    very_high: float = 1.0
    by_sector: Mapping[str, float] = field(default_factory=dict)
    by_brand: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = _wrong_values(asdict(self))
        if wrong:
            raise ValueError(
                "; ".join(f"{name}: expected {expected}, got {found!r}" for name, found, expected in wrong)
            )

    @property
    def fingerprint(self) -> str:
        """Hex digest of all values."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, path: Path) -> Policy:
        """Read calibration.json; raises ModelError that names every value that is missing, unknown or out of range."""
        try:
            given = parse(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ModelError(faults=[_fault(path, "cannot be read", str(error), "a JSON object")]) from None
        if not isinstance(given, dict):
            raise ModelError(faults=[_fault(path, "is not an object", type(given).__name__, "a JSON object")])
        names = [one.name for one in fields(cls)]
        due = [one.name for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING]
        faults = [_fault(path, f"`{name}` is missing", "", "a number") for name in due if name not in given]
        faults += [
            _fault(path, f"`{name}` is not known", name, ", ".join(names)) for name in given if name not in names
        ]
        faults += [_fault(path, f"`{name}` is wrong", repr(found), want) for name, found, want in _wrong_values(given)]
        if faults:
            raise ModelError(faults=faults)
        return cls(**given)

    def to_json(self) -> str:
        """The text of calibration.json, names sorted."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    def thresholds(self, ids: Sequence[str], sectors: Sequence[str]) -> Floats:
        """float32 [brands]: the least confidence to speak of each brand, given all ids and sectors in one order.

        >>> policy = Policy(0.05, 0.7, 0.8, by_sector={"fuel": 0.9}, by_brand={"shell": 0.95, "bp": 0.5})
        >>> policy.thresholds(["bp", "gap", "gulf", "shell"], ["fuel", "clothing", "fuel", "fuel"]).round(2).tolist()
        [0.800000011920929, 0.800000011920929, 0.8999999761581421, 0.949999988079071]
        """
        own = [
            self.by_brand.get(id, self.by_sector.get(sector, self.threshold))
            for id, sector in zip(ids, sectors, strict=True)
        ]
        return np.maximum(np.array(own, dtype=np.float32), np.float32(self.threshold))


def confidences(scores: Floats, temperature: float, null_score: float) -> Floats:
    """Turn raw scores into confidences; what a row lacks to 1 is the mass of "no known brand".

    scores        float32 [n, k]   raw scores, any order; -inf has no mass
    temperature   > 0
    null_score    one more logit, the same in every row
    returns       float32 [n, k]   exp(s/T) / (sum over k of exp(s/T) + exp(null/T))

    Each row is worked out by itself and in a fixed order, so that it does not change with the rows beside it.
    Raises ValueError where a score is NaN or +inf: that is a broken model file, never a strange descriptor.

    Source: Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks", temperature
    scaling; the null logit is the open-set variant in which rejection is one more class.

    >>> confidences(np.array([[0.8, 0.7], [0.2, 0.1]], dtype="float32"), 0.1, 0.5).round(3)
    array([[0.705, 0.259],
           [0.047, 0.017]], dtype=float32)
    """
    n, k = scores.shape
    if not (scores < np.inf).all():
        row = int(np.argwhere(~(scores < np.inf))[0, 0])
        raise ValueError(f"scores of row {row} are not finite: {scores[row]}")
    logits = np.full((n, -(-(k + 1) // _LANES) * _LANES), -np.inf)
    logits[:, :k] = scores
    logits[:, k] = null_score
    masses = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    total = masses[:, k].copy()
    for column in range(k):
        total += masses[:, column]
    return (masses[:, :k] / total[:, None]).astype(np.float32)


#: Why a model does not speak, as `Weighed.silence` says it.
SILENCES = ("below-threshold", "no-known-brand", "not-a-merchant", "torn")

#: Two brands are torn between where the second has at least so much of the first one's confidence.
_TORN = 0.5


@dataclass(frozen=True, slots=True)
class Weighed:
    """A policy's view of evidence.

    brands        int32 [n, k]     registry indexes, best first; behind the last one -1
    confidences   float32 [n, k]   beside them; behind the last one 0
    silence       int8 [n]         a position in SILENCES: the reason where no brand reaches its threshold
    """

    brands: Brands
    confidences: Floats
    silence: npt.NDArray[np.int8]


def weigh(policy: Policy, brands: Brands, scores: Floats) -> Weighed:
    """Apply a policy to evidence.

    brands    int32 [n, k]     registry index of each label; MASKED, or NO_BRAND and NOT_A_MERCHANT for reserved labels
    scores    float32 [n, k]   raw scores beside them

    Labels that lead to one brand are one answer: their confidences are summed. A masked label is left out
    before the softmax: its mass goes to nobody. A reserved answer takes mass and is never ranked. Equal confidences
    stand in the order of the brand index. None is 1: a threshold of 1 silences the model.

    >>> policy = Policy(temperature=1.0, null_score=-99.0, threshold=0.9)
    >>> found = weigh(policy, np.array([[4, 7, -2, -3]], dtype="int32"),
    ...               np.log(np.array([[4.0, 2.0, 1.0, 1.0]], dtype="float32")))
    >>> found.brands.tolist(), found.confidences.tolist(), SILENCES[found.silence[0]]
    ([[4, 7, -1, -1]], [[0.5, 0.25, 0.0, 0.0]], 'torn')
    """
    brands = brands.copy()
    aside = brands < MASKED
    shifted = np.where(aside, scores + np.float32(policy.reserved_shift), scores)
    known = np.where(brands != MASKED, shifted, np.float32(-np.inf)).astype(np.float32)
    confidence = confidences(known, policy.temperature, policy.null_score)
    no_merchant = _across(np.where(brands == NOT_A_MERCHANT, confidence, np.float32(0.0)))
    confidence[aside] = 0.0
    brands[aside] = MASKED
    for later in range(1, brands.shape[1]):
        for earlier in range(later):
            same = (brands[:, later] == brands[:, earlier]) & (brands[:, later] >= 0)
            confidence[same, earlier] += confidence[same, later]
            brands[same, later] = MASKED
    unknown = 1.0 - no_merchant - _across(np.where(brands >= 0, confidence, np.float32(0.0)))
    confidence[brands < 0] = -1.0
    order = np.lexsort((brands, -confidence), axis=1)
    brands = np.take_along_axis(brands, order, axis=1)
    sure = np.clip(np.take_along_axis(confidence, order, axis=1), np.float32(0.0), _SUREST)
    best, second = sure[:, 0], sure[:, 1] if sure.shape[1] > 1 else np.zeros(len(sure), np.float32)
    silence = np.select(
        [(no_merchant > unknown) & (no_merchant > best), (unknown > best) | (brands[:, 0] < 0), second >= _TORN * best],
        [2, 1, 3], 0,
    ).astype(np.int8)  # fmt: skip
    return Weighed(brands, sure, silence)


def rank(policy: Policy, brands: Brands, scores: Floats) -> tuple[Brands, Floats]:
    """The brands of each key, best first, with their confidence, as `weigh` finds them.

    >>> policy = Policy(temperature=0.1, null_score=0.5, threshold=0.9)
    >>> rank(policy, np.array([[4, -1, 7, 4]], dtype="int32"), np.array([[0.8, 0.8, 0.7, 0.7]], dtype="float32"))
    (array([[ 4,  7, -1, -1]], dtype=int32), array([[0.76608473, 0.20603187, 0.        , 0.        ]], dtype=float32))
    """
    found = weigh(policy, brands, scores)
    return found.brands, found.confidences


def _across(values: Floats) -> Floats:
    """float32 [n]: each row's sum, column after column; `sum` may add up in another order where there is one row."""
    total = values[:, 0].copy()
    for column in range(1, values.shape[1]):
        total += values[:, column]
    return total


def band(policy: Policy, confidence: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """int8 [n]: 2 for `very-high`, 1 for `high`, 0 for `low`, -1 where the confidence is NaN.

    >>> policy = Policy(0.1, 0.5, 0.5, high=0.7, very_high=0.9)
    >>> band(policy, np.array([0.95, 0.8, 0.6, np.nan], dtype="float32")).tolist()
    [2, 1, 0, -1]
    """
    above = (confidence >= np.float32(policy.high)).astype(np.int8) + (confidence >= np.float32(policy.very_high))
    return np.where(np.isnan(confidence), -1, above).astype(np.int8)


#: Of each value the least, the largest, and both in words. Beyond these a float overflows where it is used.
_Range = tuple[float, float, str]
_SHARE: _Range = (0, 1, "a number between 0 and 1")
_SCORE: _Range = (-1e6, 1e6, "a number between -1,000,000 and 1,000,000")
_RANGES: dict[str, _Range] = {
    "temperature": (1e-6, 1e6, "a number between 0.000001 and 1,000,000"),
    "null_score": _SCORE,
    "threshold": _SHARE,
    "reserved_shift": _SCORE,
    "high": _SHARE,
    "very_high": _SHARE,
}


def _wrong_values(given: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """(name, found, expected) of each value that is of the wrong kind or out of its range."""
    numbers = [(name, given[name], allowed) for name, allowed in _RANGES.items() if name in given]
    wrong = []
    for name in ("by_sector", "by_brand"):
        table = given.get(name, {})
        if isinstance(table, Mapping):
            numbers += [(f"{name}.{key}", value, _SHARE) for key, value in table.items()]
        else:
            wrong.append((name, table, "an object"))
    return [
        (name, value, expected)
        for name, value, (least, most, expected) in numbers
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most
    ] + wrong


def _fault(path: Path, says: str, found: str, expected: str) -> Fault:
    return Fault(
        "M009", path, 0, 0, says, found, expected, "fit it anew: python -m tierbreak.tools.models.training.export"
    )
