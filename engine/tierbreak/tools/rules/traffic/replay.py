"""Traffic through the steps of the engine, as arrays: what rules matched, what arbitration made of it, for how much."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak import pipeline
from tierbreak.core.arbitration import Decisions, SpansOf, Standing, decide
from tierbreak.core.cells import read
from tierbreak.core.normalise import Texts
from tierbreak.core.tables import Cases, Evidence
from tierbreak.parts import Parts
from tierbreak.settings import Settings
from tierbreak.tools.rules.traffic.read import Traffic

#: Distinct rows that are replayed together: what arbitration keeps of a batch takes about 300 bytes a row.
CHUNK = 1_000_000


@dataclass(frozen=True)
class Replayed:
    """What tier `rules` makes of a part of the traffic. Cases are the positions of all arrays but `rows`.

    rows       the part of `Traffic.rows`
    spans      of the doubtful matches
    settled    decisions; tier 0 where rules settled, else -1
    n, money   float64 [cases], what the rows of each case count for
    row        int64 [cases], the first row of each case: where a string to show is found
    """

    rows: pl.DataFrame
    texts: Texts
    cases: Cases
    standing: Standing
    spans: SpansOf
    settled: Decisions
    n: np.ndarray
    money: np.ndarray
    row: np.ndarray

    def descriptors(self, which: np.ndarray) -> pl.Series:
        """String: a descriptor of each of the cases `which` (int64)."""
        return self.rows["descriptor"].gather(self.row[which])


def replays(parts: Parts, traffic: Traffic, settings: Settings, *, chunk: int = CHUNK) -> Iterator[Replayed]:
    """Steps 2 to 4 and the rules' part of step 7 on all of the traffic, `chunk` distinct rows at a time."""
    for start in range(0, traffic.rows.height, chunk):
        yield replayed(parts, traffic.rows[start : start + chunk], settings)


def replayed(parts: Parts, rows: pl.DataFrame, settings: Settings, texts: Texts | None = None) -> Replayed:
    """The same on some rows of TRAFFIC; `texts` are theirs where another rulebook has seen them."""
    batch = read(rows.drop("n", "money", "last")).rows
    run = pipeline.Run(settings.off, settings.debits, settings.as_of or dt.date.today())
    ruling = pipeline.rule(parts, batch, run, texts=texts)
    texts, cases, ruled = ruling.texts, ruling.cases, ruling.ruled
    n, money = (
        np.bincount(cases.of_row, weights=rows[name].to_numpy(), minlength=len(cases.text)) for name in ("n", "money")
    )
    first = np.empty(len(cases.text), dtype=np.int64)
    first[cases.of_row[::-1]] = np.arange(len(cases.of_row))[::-1]
    return Replayed(rows, texts, cases, ruled.standing, ruled.spans, ruled.decided, n, money, first)


def recalled(parts: Parts, part: Replayed, which: np.ndarray) -> tuple[Evidence, Decisions, np.ndarray]:
    """What the cache knows of some cases; the model is never asked, and nothing is guessed.

    which     bool [cases]
    returns   the evidence; the decisions with it (cases outside `which` as rules left them); bool [cases]: those of
              `which` whose key the cache has not seen, so that only the model could say
    """
    evidence = pipeline.recall(parts, part.texts, part.cases, which)
    ranked = evidence.ranked(which & part.settled.unsettled)
    decided = decide(part.settled, ranked, part.standing.vetoed, parts.thresholds)
    return evidence, decided, which & (evidence.of_case < 0)
