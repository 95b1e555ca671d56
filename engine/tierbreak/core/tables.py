"""What passes between the steps: the columns of each table, the arrays of each record, and `check`.

Texts and brands travel as indexes, not strings: a batch holds few distinct texts, and an index joins at array speed.
A brand is a position in `Registry.ids`, a rule one in `Rulebook.rules`; both become ids again at the last step only.
Frames stand where a caller meets them; between two steps there are arrays, because a frame costs a single row more
than the work on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.core.codes import BANDS, TIERS
from tierbreak.errors import BatchError


def schema(**columns: pl.DataType | type[pl.DataType]) -> pl.Schema:
    """The columns of a table, in order.

    >>> schema(key=pl.UInt32).names()
    ['key']
    """
    return pl.Schema(columns)


#: How many answers cache and model give for a key. A trained head gives the best TOP_BRANDS brands, best first, and
#: behind them always its two reserved answers; a head without reserved answers gives TOP_K brands.
TOP_K = 8
TOP_BRANDS = TOP_K - 2

#: The reserved answers, as labels: below 0, so that an array by label holds what they stand for at its end.
NO_BRAND_LABEL, NOT_A_MERCHANT_LABEL = -1, -2

#: What stands in place of a registry index: for a brand that is not live, and for the reserved answers.
MASKED, NO_BRAND, NOT_A_MERCHANT = -1, -2, -3

#: What a caller may give beside `descriptor`, and what it is read as. `mcc` is text: 0742 is a code.
GUARDED = {
    "amount": pl.Float64,
    "date": pl.Date,
    "mcc": pl.String,
    "country": pl.String,
    "source": pl.String,
}

#: Step 2, distinct descriptors. `folded` is what rules see, `key` what cache and model see.
#:
#:     folded                          key
#:     SQ *TEAL KETTLE #12 AUSTIN TX   TEAL KETTLE
#:     UBER EATS 8005928996 CA         UBER EATS
#:     ZELLE TO KIM                    ZELLE TO KIM
NORMALISED = schema(folded=pl.String, key=pl.String)

#: Steps 5 and 6, one row a key: what the model saw, before any policy. `key` is the position of the text in the
#: list that was judged; `labels` are positions in labels.json, best first, then the reserved answers, and `scores` the
#: raw scores beside them. A row exists for every key the model looked at, a known brand or not.
#:
#:     key   labels                      scores
#:     0     [17, 4, 902, 3, 8, 1, -1, -2]   [0.91, 0.40, 0.38, 0.35, 0.31, 0.30, 0.44, 0.12]
#:     1     [4, 17, 55, 6, 9, 2, -1, -2]    [0.42, 0.41, 0.36, 0.30, 0.29, 0.22, 0.83, 0.20]
#:     3     [8, 1, 4, 17, 3, 5, -1, -2]     [0.31, 0.28, 0.22, 0.21, 0.20, 0.19, 0.35, 0.88]
EVIDENCE = schema(key=pl.UInt32, labels=pl.Array(pl.Int32, TOP_K), scores=pl.Array(pl.Float32, TOP_K))

#: What `Engine.classify` adds to the caller's columns, in this order.
#:
#:     brand       brand_name  tier   confidence  band       rule               candidates      collision  reason
#:     netflix     Netflix     rules  null        null       netflix.name       [netflix]       null       null
#:     lyft        Lyft        model  0.993       very-high  null               [lyft, lidl]    null       null
#:     null        null        null   null        null       no-merchant.zelle []              null       not-a-merchant
DECISION = schema(
    brand=pl.String,
    brand_name=pl.String,
    tier=pl.Enum(TIERS),
    confidence=pl.Float32,
    band=pl.Enum(BANDS),
    rule=pl.String,
    candidates=pl.List(pl.String),
    collision=pl.String,
    reason=pl.String,
)


@dataclass(frozen=True, slots=True)
class Matches:
    """Step 3: which rules match which texts, m pairs ordered by text and rule, each once.

    text       int64 [m]   position of the text in the list that was judged
    rule       int64 [m]
    pattern    uint16 [m]  the lowest 1-based number of the rule's patterns that match
    excluded   bool [m]    one of the rule's `unless` patterns matches too

    Of the texts UBER EATS, JOE CAFE, UBER TRIP (rule 7 is UBER unless UBER EATS, rule 8 is UBER EATS):

        text   rule   pattern   excluded
        0      7      1         True
        0      8      1         False
        2      7      1         False
    """

    text: np.ndarray
    rule: np.ndarray
    pattern: np.ndarray
    excluded: np.ndarray

    def __len__(self) -> int:
        return len(self.text)


@dataclass(frozen=True, slots=True)
class CaseMatches:
    """Step 4: which rules matched in which case, m pairs in any order.

    case, rule   int64 [m]
    pattern      uint16 [m]
    outcome      uint8 [m]   of Outcome: what `unless`, `when` and `valid` made of the match so far

        case   rule   pattern   outcome
        0      7      1         UNLESS
        0      8      1         STANDS
        2      7      1         WHEN       of the rows of text 2, those above the amount that rule 7 allows
    """

    case: np.ndarray
    rule: np.ndarray
    pattern: np.ndarray
    outcome: np.ndarray

    @classmethod
    def none(cls) -> CaseMatches:
        empty = np.empty(0, dtype=np.int64)
        return cls(empty, empty, empty.astype(np.uint16), empty.astype(np.uint8))

    def take(self, which: np.ndarray) -> CaseMatches:
        """Those at the positions, or under the mask, `which`."""
        return CaseMatches(self.case[which], self.rule[which], self.pattern[which], self.outcome[which])


@dataclass(frozen=True, slots=True)
class Cases:
    """Step 4: the cases of a batch.

    of_row     int64 [n]      each row's case
    text       int64 [cases]  each case's text
    matches    the rules that matched, with what `unless`, `when` and `valid` made of them
    silenced   rule index -> rows in which its condition had no value to look at
    """

    of_row: np.ndarray
    text: np.ndarray
    matches: CaseMatches
    silenced: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Ranked:
    """What cache or model answer for r cases that rules left open, policy applied.

    case          int64 [r], each once
    tier          uint8 [r], of Tier
    brands        int32 [r, TOP_K], best first, -1 behind the last; confidences float32 [r, TOP_K] beside them
    silence       int8 [r], of Reason: why nobody speaks, where no brand reaches its threshold
    """

    case: np.ndarray
    tier: np.ndarray
    brands: np.ndarray
    confidences: np.ndarray
    silence: np.ndarray


_NO_KEYS = pl.Series("key", [], dtype=pl.String)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Steps 5 and 6: what cache and model know of some keys, policy applied.

    keys         String [k], distinct
    of_case      int64 [cases]: position of each case's key in `keys`, -1 where it was not asked
    tier         uint8 [k], of Tier; brands int32 [k, TOP_K], best first; confidences float32 [k, TOP_K]
    silence      int8 [k], of Reason: why no brand is named, where none reaches its threshold
    """

    keys: pl.Series
    of_case: np.ndarray
    tier: np.ndarray
    brands: np.ndarray
    confidences: np.ndarray
    silence: np.ndarray

    @classmethod
    def none(cls, cases: int) -> Evidence:
        """Nobody was asked."""
        empty = np.empty((0, TOP_K), dtype=np.int32)
        return cls(
            keys=_NO_KEYS,
            of_case=np.full(cases, -1, dtype=np.int64),
            tier=np.empty(0, np.uint8),
            brands=empty,
            confidences=empty.astype(np.float32),
            silence=np.empty(0, np.int8),
        )

    def times(self, case_of_row: np.ndarray) -> np.ndarray:
        """int64 [k]: the rows that each key was asked for."""
        key = self.of_case[case_of_row]
        return np.bincount(key[key >= 0], minlength=len(self.keys))

    def ranked(self, wanted: np.ndarray) -> Ranked:
        """The answers for those of the cases `wanted` (bool [cases]) that were asked."""
        case = np.flatnonzero(wanted & (self.of_case >= 0))
        key = self.of_case[case]
        return Ranked(
            case=case,
            tier=self.tier[key],
            brands=self.brands[key],
            confidences=self.confidences[key],
            silence=self.silence[key],
        )


def check(table: pl.DataFrame, want: pl.Schema, *, name: str) -> pl.DataFrame:
    """Return `table` unchanged, or raise BatchError naming each column that is wrong.

    >>> check(pl.DataFrame({"folded": ["UBER"], "key": [1]}), NORMALISED, name="normalised")
    Traceback (most recent call last):
        ...
    tierbreak.errors.BatchError: table 'normalised' has the wrong shape:
      key: expected String, got Int64
    """
    wrong = [
        f"  {column}: expected {dtype}, got {table.schema.get(column, 'no such column')}"
        for column, dtype in want.items()
        if table.schema.get(column) != dtype
    ]
    wrong += [f"  {column}: not part of {name}" for column in table.columns if column not in want]
    if wrong:
        raise BatchError(f"table '{name}' has the wrong shape:\n" + "\n".join(wrong))
    return table
