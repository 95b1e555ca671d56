"""What an evaluation says, as plain data. `to_dict` of an Evaluation is the JSON that `--json` writes: its keys are the
names below and stay; `format` counts up if one ever changes. A figure that has no value is null.

Words: a row is *branded* where the gold set gives it a brand; a side *names* its best brand whether or not it is sure
enough to speak, and *answers* where it speaks. Right is judged twice: `exact`, the brand itself, and `family`, any
brand under the same head of a family. A row without a brand that is answered is answered wrongly.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class Share:
    """`part` of `whole`, and the 95 % interval of it: bootstrap over distinct keys."""

    value: float
    low: float
    high: float
    part: float
    whole: float


@dataclass(frozen=True)
class AtPrecision:
    """The deepest threshold at which all that is answered is still as precise as `precision`.

    threshold   null where no threshold is
    coverage    branded rows answered, of all branded rows
    answered, right   rows, branded or not
    """

    precision: float
    threshold: float
    coverage: Share
    answered: int
    right: int


@dataclass(frozen=True)
class Deployed:
    """With the side's own policy.

    precision           right, of all rows answered
    coverage            branded rows answered, of all branded rows
    found               branded rows answered rightly, of all branded rows
    no_brand_answered   rows without a brand answered, of all of them
    ..._weighted        the same by weight
    """

    precision: Share
    coverage: Share
    found: Share
    no_brand_answered: Share
    precision_weighted: Share
    coverage_weighted: Share


@dataclass(frozen=True)
class Band:
    """Rows whose named brand has a confidence from `low` to below `high` (the last one: up to and with 1)."""

    low: float
    high: float
    rows: int
    right: int
    precision: float


@dataclass(frozen=True)
class Mass:
    """One bin of equal mass: the data of the reliability diagram."""

    rows: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error over `rows` answers, and the bins, 15 at most, that it comes from."""

    error: float
    rows: int
    bins: tuple[Mass, ...]


@dataclass(frozen=True)
class Point:
    """At this threshold: branded rows answered of all branded rows, rows answered, share of those that is wrong."""

    threshold: float
    coverage: float
    answered: int
    risk: float


@dataclass(frozen=True)
class Curve:
    """Risk over coverage, 200 points at most, and the area: mean risk over every depth of the rows named."""

    aurc: float
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Group:
    """The rows of one sector (of the true brand) or of one format."""

    name: str
    rows: int
    branded: int
    top_1: Share
    top_5: Share
    coverage: Share
    precision: Share
    no_brand_answered: Share


@dataclass(frozen=True)
class Level:
    """Everything that depends on what counts as right.

    top_1, top_5          branded rows whose brand is the best named, or among the best five
    top_1_weighted        by weight
    top_1_macro           mean over brands of each brand's top-1
    head, tail            top-1 of brands with at least HEAD_KEYS distinct keys in the gold set, and of the others
    calibration_answered  over rows answered as deployed; `calibration_named` over all rows that name a brand
    """

    top_1: Share
    top_5: Share
    top_1_weighted: Share
    top_1_macro: float
    head: Share
    tail: Share
    at_precision: tuple[AtPrecision, ...]
    deployed: Deployed
    bands: tuple[Band, ...]
    calibration_answered: Calibration
    calibration_named: Calibration
    risk_coverage: Curve
    sectors: tuple[Group, ...]
    formats: tuple[Group, ...]


@dataclass(frozen=True)
class Tier:
    """Rows that one tier decided, or that nobody did (`abstained`)."""

    name: str
    rows: int
    share: float
    share_weighted: float
    precision: float


@dataclass(frozen=True)
class Reason:
    """Why rows were not answered."""

    name: str
    rows: int
    branded: int
    no_brand: int


@dataclass(frozen=True)
class Mistake:
    """One key whose named brand is not the true one; `truth` is null where there is none.

    rows       rows of this key
    answered   whether it was said as deployed
    family     whether the brand named is of the true one's family
    """

    descriptor: str
    truth: str | None
    said: str
    confidence: float
    answered: bool
    family: bool
    rows: int


@dataclass(frozen=True)
class Confusion:
    """A brand named in place of another: in how many rows and distinct keys, and the surest example."""

    truth: str | None
    said: str
    rows: int
    keys: int
    confidence: float
    descriptor: str


@dataclass(frozen=True)
class SideFigures:
    """All figures of one side; `tiers` is null for sides that have none."""

    side: str
    kind: str
    fingerprint: str
    threshold: float | None
    exact: Level
    family: Level
    tiers: tuple[Tier, ...] | None
    reasons: tuple[Reason, ...]
    confusions: tuple[Confusion, ...]
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class Difference:
    """Model less baseline, and the 95 % interval from the same draws of both."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """Model against baseline on branded rows, top-1; one key is one trial, right where all its rows are.

    n01, n10       trials that only the model, or only the baseline, has right
    exact, mid_p   two-sided p-values of McNemar's test
    differences    top_1, top_1_weighted, coverage at 98 %, deployed precision and coverage
    """

    trials: int
    both_right: int
    both_wrong: int
    n01: int
    n10: int
    exact: float
    mid_p: float
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Comparison:
    """Model against baseline at both levels."""

    exact: Paired
    family: Paired


@dataclass(frozen=True)
class GoldFacts:
    """The gold set that was used; `head_brands` have at least `head_keys` distinct keys in it."""

    name: str
    fingerprint: str
    rows: int
    keys: int
    branded: int
    no_brand: int
    brands: int
    head_brands: int
    head_keys: int
    weighted: bool
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation. The same gold set, sides, `draws` and `seed` give the same figures to the last digit."""

    format: int
    gold: GoldFacts
    registry: str
    draws: int
    seed: int
    model: SideFigures
    baseline: SideFigures | None
    comparison: Comparison | None

    def to_dict(self) -> dict[str, Any]:
        """The content of the JSON: NaN becomes null."""
        return _plain(dataclasses.asdict(self))


def _plain(value: Any) -> Any:
    """
    >>> _plain({"a": (1.0, math.nan)})
    {'a': [1.0, None]}
    """
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
