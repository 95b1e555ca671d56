"""What the model says of descriptors: from the cache, and anew only for what a person asked for. Nothing is stored."""

from __future__ import annotations

import numpy as np
import polars as pl

from tierbreak import pipeline
from tierbreak.core.normalise import Texts
from tierbreak.core.tables import CaseMatches, Cases, Evidence
from tierbreak.parts import Parts
from tierbreak.settings import Settings

#: In place of a brand: the model does not speak; nobody has asked it.
SILENT, UNKNOWN = -1, -2


class ModelAnswers:
    """The model's answers for descriptors, as registry indexes.

    present   whether there is a model at all
    """

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self._parts, self._settings = parts, settings
        self._asked: dict[str, int] = {}
        self.present = parts.model is not None

    def says(self, descriptors: pl.Series) -> np.ndarray:
        """int64 [n]: the brand, where the model is sure enough to speak; else SILENT, or UNKNOWN. Asks nothing."""
        if not len(descriptors) or not self.present:
            return np.full(len(descriptors), UNKNOWN, dtype=np.int64)
        texts, cases = self._texts(descriptors)
        evidence = pipeline.recall(self._parts, texts, cases, np.ones(len(texts.key), dtype=bool))
        says = self._spoken(evidence)
        if self._asked:
            keys = texts.key.to_list()
            for at in np.flatnonzero(says == UNKNOWN).tolist():
                says[at] = self._asked.get(keys[at], UNKNOWN)
        return says[texts.of_row]

    def heard(self, descriptors: pl.Series) -> tuple[int, int]:
        """How many keys these descriptors have, and of how many of them the model's answer is known."""
        if not len(descriptors):
            return 0, 0
        texts, _ = self._texts(descriptors)
        of_text = np.full(len(texts.key), UNKNOWN, dtype=np.int64)
        of_text[texts.of_row] = self.says(descriptors)
        known = texts.key.filter(pl.Series(of_text != UNKNOWN))
        return texts.key.n_unique(), known.n_unique()

    def ask(self, descriptors: pl.Series) -> int:
        """Ask the model for the keys that the cache lacks, and remember the answers here; returns how many it was."""
        if not len(descriptors) or not self.present:
            return 0
        texts, cases = self._texts(descriptors)
        which = self.says(descriptors) == UNKNOWN
        of_text = np.zeros(len(texts.key), dtype=bool)
        of_text[texts.of_row[which]] = True
        evidence, fresh = pipeline.ask(self._parts, texts, cases, of_text)
        says = self._spoken(evidence)
        keys = texts.key.to_list()
        self._asked |= {keys[at]: int(says[at]) for at in np.flatnonzero(of_text)}
        return len(fresh.keys)

    def _texts(self, descriptors: pl.Series) -> tuple[Texts, Cases]:
        """Texts, and a case for each of them."""
        texts = Texts.of(descriptors, self._settings.off)
        return texts, Cases(texts.of_row, np.arange(len(texts.folded)), CaseMatches.none(), {})

    def _spoken(self, evidence: Evidence) -> np.ndarray:
        """int64 [texts]"""
        out = np.full(len(evidence.of_case), UNKNOWN, dtype=np.int64)
        known = np.flatnonzero(evidence.of_case >= 0)
        top = evidence.brands[evidence.of_case[known], 0].astype(np.int64)
        confidence = evidence.confidences[evidence.of_case[known], 0]
        speaks = (top >= 0) & (confidence >= self._parts.thresholds[top])
        out[known] = np.where(speaks, top, SILENT)
        return out
