"""How right each rule is, on rows whose brand a person has given."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.parts import Parts
from tierbreak.settings import Settings
from tierbreak.tools.rules.traffic.masking import masked
from tierbreak.tools.rules.traffic.replay import replayed
from tierbreak.tools.rules.traffic.stats.figures import Mistake, Share


class Labelled(Protocol):
    """Rows with their brands: `evaluation.Gold` is such a set.

    name    of the file
    rows    [n] `descriptor` and those of tables.GUARDED that are there
    key     int64 [n], rows with an equal key count once
    truth   int32 [n], registry index, -1 for no known brand
    """

    @property
    def name(self) -> str: ...
    @property
    def rows(self) -> pl.DataFrame: ...
    @property
    def key(self) -> npt.NDArray[np.int64]: ...
    @property
    def truth(self) -> npt.NDArray[np.int32]: ...


#: Mistakes kept of each rule.
SHOWN = 5


class Judged(NamedTuple):
    """One rule on the gold set."""

    precision: Share
    mistakes: tuple[Mistake, ...]


def judged(parts: Parts, gold: Labelled, settings: Settings) -> list[Judged]:
    """For each rule, of the keys that it decides those with the right brand; right of a rule that closes is none.

    A key that stands in several rows counts once, and once more if it is right here and wrong there: rows alike are no
    trials of their own, and counting them would make the interval narrower than what is known.
    """
    rows = gold.rows.with_columns(n=pl.lit(1.0), money=pl.lit(0.0), last=pl.lit(None, pl.Date))
    part = replayed(parts, rows, settings)
    case = part.cases.of_row
    rule = part.settled.rule[case]
    row = np.flatnonzero(rule >= 0)
    right = part.settled.brand[case[row]] == gold.truth[row]
    table = pl.DataFrame({"rule": rule[row], "key": gold.key[row], "right": right, "row": row})
    once = table.unique(["rule", "key", "right"], keep="first", maintain_order=True)
    of, hit = once["rule"].to_numpy(), once["right"].to_numpy()
    count = len(parts.book.rules)
    trials, hits = np.bincount(of, minlength=count), np.bincount(of[hit], minlength=count)
    mistakes: dict[int, list[Mistake]] = defaultdict(list)
    wrong = once.filter(~pl.col("right"))
    shown = masked(gold.rows["descriptor"].gather(wrong["row"]))
    for index, text, truth in zip(wrong["rule"].to_list(), shown.to_list(), gold.truth[wrong["row"]].tolist(),
                                  strict=True):  # fmt: skip
        mistakes[index].append(Mistake(text, parts.registry.ids[truth] if truth >= 0 else None))
    return [Judged(Share.of(int(hits[at]), int(trials[at])), tuple(mistakes[at][:SHOWN])) for at in range(count)]
