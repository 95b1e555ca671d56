"""Which descriptors a change can reach: only these are decided by both rulebooks.

A text that no changed rule finds is matched by the same rules before and after, each the same in all that arbitration
asks of it, so rules settle it alike or leave it open alike. What cache and model say of a text does not depend on the
rulebook; what it stands for depends on the registry. So a text can also change where a label among its evidence stands
for another brand, or needs another confidence. Nothing else can change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from tierbreak.core.normalise import folded, normalise
from tierbreak.core.tables import MASKED
from tierbreak.parts import Parts
from tierbreak.rulebook import Rule, Rulebook
from tierbreak.tiers.rules import RulesTier


@dataclass(frozen=True)
class Labels:
    """Labels of the model that stand for something else after the change.

    parts   with the model and the cache that both rulebooks ask
    other   bool [labels + 2], by label; the reserved answers at its end never change
    """

    parts: Parts
    other: np.ndarray

    @classmethod
    def between(cls, a: Parts, b: Parts) -> Labels | None:
        """None where every label means the same."""
        if b.model is None:
            return None
        other = np.array([one != two for one, two in zip(_meanings(a), _meanings(b), strict=True)], dtype=bool)
        return cls(b, other) if other.any() else None


def _meanings(parts: Parts) -> list[tuple[str, float] | int]:
    """What each label stands for: a brand and the confidence it needs, or what stands in a brand's place."""
    return [
        (parts.registry.ids[brand], float(parts.thresholds[brand])) if brand > MASKED else brand
        for brand in parts.brand_of_label.tolist()
    ]


class Reach:
    """Says of descriptors whether the change can reach them.

    patterns   how many distinct patterns are looked for
    unseen     descriptors so far of which it is not known, because the cache has not seen their key
    """

    def __init__(self, concerned: Sequence[Rule], labels: Labels | None, off: frozenset[str]) -> None:
        """
        concerned   as in Changes
        labels      None where the registry changes no answer of the model
        off         steps of the normaliser that are switched off
        """
        self._off, self._labels, self.unseen = off, labels, 0
        # Whatever `unless`, guard and edges make of a match, without one the rule has no say.
        bare = tuple(replace(rule, unless=(), outranks=()) for rule in concerned)
        self.patterns = len({pattern.expression.source for rule in bare for pattern in rule.match})
        self._tier = RulesTier(Rulebook.of(bare), _examples(bare), shelf=None) if bare else None

    def __call__(self, descriptors: pl.Series) -> pl.Series:
        """Boolean [n], for String [n]."""
        reached = np.zeros(len(descriptors), dtype=bool)
        if self._tier is not None and len(descriptors):
            reached[self._tier.judge(folded(descriptors, off=self._off)).text] = True
        if self._labels is not None and len(descriptors):
            reached |= self._by_label(descriptors, self._labels)
        return pl.Series("reached", reached)

    def _by_label(self, descriptors: pl.Series, labels: Labels) -> np.ndarray:
        rows = normalise(descriptors, off=self._off).select("key")
        keys = rows.unique().filter(pl.col("key") != "").with_row_index("at")
        place = rows.join(keys, on="key", how="left", maintain_order="left")["at"].fill_null(keys.height).to_numpy()
        hit, seen = np.zeros(keys.height + 1, dtype=bool), np.zeros(keys.height + 1, dtype=bool)
        seen[-1] = True  # a blank text asks nobody
        if labels.parts.cache is not None:
            known = labels.parts.cache.judge(keys["key"])
            at = known["key"].to_numpy()
            seen[at] = True
            hit[at] = labels.other[known["labels"].to_numpy()].any(axis=1)
        self.unseen += int((~seen[place]).sum())
        return np.asarray(hit[place])


def _examples(rules: Sequence[Rule]) -> list[list[str]]:
    """The folded examples of each rule, for the truth guard."""
    texts = [example.descriptor for rule in rules for example in (*rule.examples, *rule.counterexamples)]
    each = iter(folded(pl.Series(texts, dtype=pl.String)).to_list())
    return [[next(each) for _ in (*rule.examples, *rule.counterexamples)] for rule in rules]
