"""Real texts of a cause, masked, with what each rule found in them marked."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.core.normalise import Texts
from tierbreak.parts import Parts
from tierbreak.settings import Settings
from tierbreak.tools.rules.traffic.collisions.causes import Group
from tierbreak.tools.rules.traffic.collisions.find import Found
from tierbreak.tools.rules.traffic.masking import masked
from tierbreak.tools.rules.traffic.read import Traffic

#: Texts of a cause that are looked at, most rows first.
LOOKED_AT = 200
#: Texts shown, and tokens named of a rule.
TEXTS, TOKENS = 3, 3


@dataclass(frozen=True)
class Sample:
    """The texts of a cause with most rows.

    cases    int64 [k], positions in Found
    folded   [k], what rules see
    met      [k], the rules that the leader meets there
    """

    cases: np.ndarray
    folded: list[str]
    met: list[list[int]]

    @classmethod
    def of(cls, group: Group, found: Found, traffic: Traffic, settings: Settings) -> Sample:
        """settings   under which no keys are made"""
        cases = group.cases[:LOOKED_AT]
        texts = Texts.of(traffic.rows["descriptor"].gather(found.row[cases]), settings.off)
        met: dict[int, list[int]] = {}
        for case, rule in (
            group.met.filter(pl.col("case").is_in(cases)).select("case", "rule").unique().sort("rule").rows()
        ):
            met.setdefault(case, []).append(rule)
        return cls(cases, texts.folded.gather(texts.of_row).to_list(), [met[case] for case in cases.tolist()])

    def tokens(self, parts: Parts, rule: int, weights: np.ndarray, *, leader: bool) -> tuple[str, ...]:
        """What a rule found, most rows first, digits as `#`.

        weights   float64, by position in Found
        """
        said: Counter[str] = Counter()
        for case, text, met in zip(self.cases.tolist(), self.folded, self.met, strict=True):
            if leader or rule in met:
                for start, end in _characters(text, parts.rules.spans(text, rule)):
                    said[re.sub(r"\d", "#", text[start:end])] += float(weights[case])  # type: ignore[assignment]
        return tuple(token for token, _ in sorted(said.items(), key=lambda one: (-one[1], one[0]))[:TOKENS])

    def chosen(self, weights: np.ndarray) -> list[int]:
        """Positions of the texts to show, most rows first, the shorter of equals; every rule once before any twice.

        weights   float64, by position in Found
        """
        shown = masked(pl.Series(self.folded, dtype=pl.String)).to_list()
        order = sorted(range(len(shown)), key=lambda at: (-weights[self.cases[at]], len(shown[at]), shown[at]))
        seen_rules: set[int] = set()
        seen_texts: set[str] = set()
        first: list[int] = []
        rest: list[int] = []
        for at in order:
            if shown[at] in seen_texts:
                continue
            seen_texts.add(shown[at])
            (rest if seen_rules.issuperset(self.met[at]) else first).append(at)
            seen_rules.update(self.met[at])
        return sorted([*first, *rest][:TEXTS], key=order.index)


def _characters(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Byte offsets as those of characters, within the text."""
    encoded = text.encode()
    return [
        (len(encoded[: max(start, 0)].decode(errors="ignore")), len(encoded[:end].decode(errors="ignore")))
        for start, end in spans
    ]


def marked(
    text: str, leader: Iterable[tuple[int, int]], other: Iterable[tuple[int, int]]
) -> tuple[str, tuple[tuple[int, int, str], ...]]:
    """A folded text masked, and who found what in it.

    leader, other   byte offsets in the text
    returns         the masked text; (start, end, "leader", "other" or "both") in characters, ascending, apart

    >>> marked("UBER EATS 42", [(0, 4)], [(0, 9)])
    ('UBER EATS ##', ((0, 4, 'both'), (4, 9, 'other')))
    """
    who = [0] * len(text)
    for bit, spans in ((1, leader), (2, other)):
        for start, end in _characters(text, spans):
            who[start:end] = [mark | bit for mark in who[start:end]]
    (shown,) = masked(pl.Series([text])).to_list()
    if len(shown) != len(text):
        who = _carried(re.sub(r"\d", "#", text), shown, who)
    return shown, tuple(_runs(who))


def _carried(old: str, new: str, who: Sequence[int]) -> list[int]:
    """Marks of a text for what masking made of it: what was hidden has none."""
    out = [0] * len(new)
    for start, at, size in difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        out[at : at + size] = who[start : start + size]
    return out


def _runs(who: Sequence[int]) -> Iterable[tuple[int, int, str]]:
    names = {1: "leader", 2: "other", 3: "both"}
    start = 0
    for at in range(1, len(who) + 1):
        if at == len(who) or who[at] != who[start]:
            if who[start]:
                yield start, at, names[who[start]]
            start = at
