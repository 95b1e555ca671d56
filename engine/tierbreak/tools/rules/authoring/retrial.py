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
from tierbreak.core.arbitration import Spans, rule_on
from tierbreak.core.cells import read
from tierbreak.core.codes import Outcome
from tierbreak.core.normalise import Texts, normalise
from tierbreak.core.tables import GUARDED, CaseMatches
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


class Retrial:
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
        for text, rule in zip(matches.text.tolist(), matches.rule.tolist(), strict=True):
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
        batch = read(pl.DataFrame({"descriptor": texts, **columns}, schema=schema)).rows
        # A text of its own for each trial, so that each is one case, whatever the others are.
        distinct = Texts(np.arange(n), texts, texts, frozenset())
        run = pipeline.Run(frozenset(), self._settings.debits, self._settings.as_of or dt.date.today())
        cases = pipeline.case(parts, batch, distinct, pipeline.match(parts, distinct), run)
        trial_of = np.empty(n, dtype=np.int64)
        trial_of[cases.of_row] = np.arange(n)

        def spans(case: int, rule: int) -> Spans:
            text, _, exchanged, other = trials[int(trial_of[case])]
            if rule != exchanged or other is None:
                return parts.rules.spans(text, rule)
            encoded = text.encode()
            return sorted({span for each in other.match for span in _compiled(each.expression).spans(encoded)})

        decided = rule_on(self._exchanged(trials, cases.matches, cases.of_row), n, parts.precedence, spans).decided
        brand = np.where(decided.by_rules, decided.brand, -1)
        return [int(each) for each in brand[cases.of_row]]

    def _exchanged(self, trials: Sequence[Trial], matches: CaseMatches, case_of: np.ndarray) -> CaseMatches:
        """The matches with those of the rules that stand in for others."""
        new = [
            (int(case_of[at]), rule, Outcome.STANDS if finds(other, text.encode(), row) else Outcome.UNLESS)
            for at, (text, row, rule, other) in enumerate(trials)
            if other is not None
        ]
        if not new:
            return matches
        case, rule, outcome = np.array(new, dtype=np.int64).T
        kept = matches.take(~np.isin(matches.case << 32 | matches.rule, case << 32 | rule))
        return CaseMatches(
            case=np.r_[kept.case, case],
            rule=np.r_[kept.rule, rule],
            pattern=np.r_[kept.pattern, np.ones(len(new), dtype=np.uint16)],
            outcome=np.r_[kept.outcome, outcome.astype(np.uint8)],
        )
