"""Every example of a rulebook decided again as if one rule were another: the real arbiter, one match exchanged."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from tierbreak import pipeline
from tierbreak.core.arbitration import CASE_MATCHES, SPANS, STANDS, UNLESS, Standing, settle, stand
from tierbreak.core.normalise import normalise
from tierbreak.core.tables import GUARDED, read
from tierbreak.engine import Engine
from tierbreak.rulebook import DECIDES, EVERY, Example, Pattern, Rule
from tierbreak.rulebook.patterns import Expression
from tierbreak.tiers.rules.exact import ExactPattern
from tierbreak.tools.rules.proofs.conditions import Row, holds

#: Texts that are decided together.
TOGETHER = 100_000

#: A folded text with the rest of its row, the position of a rule, and what stands in its place: None for itself.
Trial = tuple[str, Row, int, Rule | None]


@dataclass(frozen=True)
class Asked:
    """An example. `rule`: the position of its rule; `want`: the brand index that is due, -1 for none, -2 for any;
    `green`: whether it comes out as it should today."""

    rule: int
    kind: str
    example: Example
    text: str
    row: Row
    want: int
    green: bool = True


@lru_cache(maxsize=1 << 16)
def _compiled(expression: Expression) -> ExactPattern:
    return ExactPattern(expression)


def found(patterns: Sequence[Pattern], text: bytes) -> bool:
    """Whether any of the patterns finds a folded text."""
    return any(_compiled(pattern.expression).matches(text) for pattern in patterns)


def finds(rule: Rule, text: bytes, row: Row) -> bool:
    """Whether a rule's match would stand before arbitration: found, not excluded, guard and dates passed."""
    return found(rule.match, text) and not found(rule.unless, text) and holds(rule, row)


class Court:
    """The rulebook's examples, and what the engine decides on them.

    of_rule   position of a rule -> its own examples and counterexamples
    matched   position of a rule -> examples of any rule whose text a pattern of it finds
    texts     the distinct folded texts of all examples; of_text: theirs
    brand     int [rules], redirects followed; ids: of the registry
    """

    def __init__(self, engine: Engine) -> None:
        self._parts, self._settings = engine.parts, engine.settings
        self.rules = engine.parts.book.rules
        self.brand = engine.parts.precedence.brand
        self.ids = engine.parts.registry.ids
        asked = self._judged(self._collected())
        self.texts = list(dict.fromkeys(each.text for each in asked))
        index = {text: at for at, text in enumerate(self.texts)}
        self.of_rule: dict[int, list[Asked]] = defaultdict(list)
        self.of_text: dict[int, list[Asked]] = defaultdict(list)
        for each in asked:
            self.of_rule[each.rule].append(each)
            self.of_text[index[each.text]].append(each)
        self.matched: dict[int, list[Asked]] = defaultdict(list)
        matches = engine.parts.rules.judge(pl.Series(self.texts, dtype=pl.String))
        for text, rule in matches.select("folded", "rule").iter_rows():
            self.matched[rule] += self.of_text[text]

    def _collected(self) -> list[Asked]:
        out, registry = [], self._parts.registry
        for at, rule in enumerate(self.rules):
            if rule.status not in DECIDES:
                continue
            for kind in ("examples", "counterexamples"):
                for example in getattr(rule, kind):
                    want = -1 if example.expect is None else -2
                    if example.expect not in (None, EVERY):
                        want = int(registry.redirect[registry.index(example.expect)])
                    given = {name: getattr(example, name) for name in GUARDED}
                    given["date"] = given["date"] or self._settings.as_of or dt.date.today()
                    out.append(Asked(at, kind, example, "", Row(**given), want))
        texts = normalise(pl.Series([each.example.descriptor for each in out], dtype=pl.String), off=self._settings.off)
        return [
            Asked(each.rule, each.kind, each.example, text, each.row, each.want)
            for each, text in zip(out, texts["folded"].to_list(), strict=True)
        ]

    def _judged(self, asked: Sequence[Asked]) -> list[Asked]:
        brands = self.settle([(each.text, each.row, -1, None) for each in asked])
        return [
            dataclasses.replace(each, green=not self.red(each, brand, self.rules[each.rule]))
            for each, brand in zip(asked, brands, strict=True)
        ]

    def red(self, asked: Asked, brand: int, own: Rule) -> bool:
        """Whether an example fails where rules settle `brand` (-1 for none) and its own rule is `own`."""
        if asked.kind == "counterexamples":
            return brand != asked.want
        unmatched = not found(own.match, asked.text.encode())
        if own.deny:
            return unmatched or (brand >= 0 and asked.want in (brand, -2))
        return unmatched or brand != asked.want

    def settle(self, trials: Sequence[Trial]) -> list[int]:
        """The brand index that rules settle on each trial, -1 where they settle none."""
        out: list[int] = []
        for start in range(0, len(trials), TOGETHER):
            out += self._settle(trials[start : start + TOGETHER])
        return out

    def _settle(self, trials: Sequence[Trial]) -> list[int]:
        parts, n = self._parts, len(trials)
        columns = {name: [getattr(row, name) for _, row, _, _ in trials] for name in GUARDED}
        texts = pl.Series([text for text, *_ in trials], dtype=pl.String)
        schema = {"descriptor": pl.String, **GUARDED}
        batch = read(pl.DataFrame({"descriptor": texts, **columns}, schema=schema))
        # A text of its own for each trial, so that each is one case, whatever the others are.
        distinct = pipeline.Texts(np.arange(n), texts, texts)
        cases = pipeline.cases(parts, batch, distinct, pipeline.match(parts, distinct), self._settings)
        standing = stand(self._exchanged(trials, cases.matches, cases.of_row), n, parts.precedence)
        trial_of = np.empty(n, dtype=np.int64)
        trial_of[cases.of_row] = np.arange(n)
        decided = settle(standing, self._spans(trials, standing, trial_of), parts.precedence)
        brand = np.where(decided.tier == 0, decided.brand, -1)
        return [int(each) for each in brand[cases.of_row]]

    def _exchanged(self, trials: Sequence[Trial], matches: pl.DataFrame, case_of: np.ndarray) -> pl.DataFrame:
        """The matches with those of the rules that stand in for others."""
        new = [
            (int(case_of[at]), rule, 1, STANDS if finds(other, text.encode(), row) else UNLESS)
            for at, (text, row, rule, other) in enumerate(trials)
            if other is not None
        ]
        if not new:
            return matches
        extra = pl.DataFrame(new, schema=CASE_MATCHES, orient="row")
        return pl.concat([matches.join(extra, on=["case", "rule"], how="anti"), extra])

    def _spans(self, trials: Sequence[Trial], standing: Standing, trial_of: np.ndarray) -> pl.DataFrame:
        rows = []
        for at in np.flatnonzero(standing.doubtful).tolist():
            case, rule = int(standing.case[at]), int(standing.rule[at])
            text, _, exchanged, other = trials[int(trial_of[case])]
            if rule == exchanged and other is not None:
                encoded = text.encode()
                spans = sorted({span for each in other.match for span in _compiled(each.expression).spans(encoded)})
            else:
                spans = self._parts.rules.spans(text, rule)
            rows += [(case, rule, start, end) for start, end in spans]
        return pl.DataFrame(rows, schema=SPANS, orient="row")
