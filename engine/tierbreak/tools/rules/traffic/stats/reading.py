"""A traffic, a book, perhaps a gold set -> the figures of every rule that runs."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from tierbreak.core.normalise import normalise
from tierbreak.parts import Parts
from tierbreak.rulebook import RUNS, Rule
from tierbreak.settings import Settings
from tierbreak.tools.rules.traffic.masking import masked
from tierbreak.tools.rules.traffic.read import Traffic
from tierbreak.tools.rules.traffic.replay import CHUNK, replays
from tierbreak.tools.rules.traffic.stats import cost, forms
from tierbreak.tools.rules.traffic.stats.figures import (
    Agreement,
    Beside,
    Cost,
    Facts,
    PatternFigures,
    RuleFigures,
    Stats,
    Text,
    UnlessFigures,
    Volume,
    Without,
)
from tierbreak.tools.rules.traffic.stats.gold import Judged, Labelled, judged
from tierbreak.tools.rules.traffic.stats.tally import DISAGREES, NEVER, SAYS, WOKE, Tally
from tierbreak.tools.rules.traffic.stats.variants import CHANGES, OTHER_MODEL, SAME_MODEL

_EPOCH = dt.date(1970, 1, 1)


def measure(
    parts: Parts,
    traffic: Traffic,
    settings: Settings,
    *,
    gold: Labelled | None = None,
    timed: bool = True,
    chunk: int = CHUNK,
    advance: Callable[[int], None] = lambda rows: None,
) -> Stats:
    """The figures of every rule that runs, on the traffic given.

    gold      rows with trusted brands, for each rule's precision
    timed     take the time of each rule
    chunk     distinct rows that are replayed together
    advance   told how many distinct rows a part had

    Nothing is asked of the model: what the cache does not know is counted as unknown. `ask_model` comes before.
    """
    tally = Tally(parts)
    for part in replays(parts, traffic, settings, chunk=chunk):
        tally.add(part)
        advance(part.rows.height)
    rules = parts.book.rules
    times: tuple[list[Cost | None], float | None, float | None] = ([None] * len(rules), None, None)
    if timed:
        times = cost.costs(rules, sample(traffic, settings))
    right: Sequence[Judged | None] = judged(parts, gold, settings) if gold is not None else [None] * len(rules)
    facts = Facts(
        traffic=traffic.name,
        rows=traffic.total,
        money=traffic.money,
        settled=Volume(*tally.rows.tolist()),
        window=traffic.window,
        broken=traffic.broken,
        gold=gold.name if gold is not None else None,
        rulebook=parts.book.fingerprint,
        model=parts.model.fingerprint if parts.model is not None else None,
        median_cost=times[1],
        cost_noise=times[2],
        notices=(*traffic.notices, *parts.notices),
    )
    return Stats(facts, _Reading(parts, tally).rules(traffic.total, right, times[0]))


def sample(traffic: Traffic, settings: Settings) -> list[str]:
    """Folded texts spread evenly over the distinct rows."""
    step = max(1, traffic.rows.height // cost.TEXTS)
    texts = normalise(traffic.rows["descriptor"].gather_every(step).head(cost.TEXTS), off=settings.off)["folded"]
    return [text for text in texts.to_list() if text] or ["X"]


class _Reading:
    """Sums by rule -> a RuleFigures each."""

    def __init__(self, parts: Parts, tally: Tally) -> None:
        self.parts, self.tally = parts, tally
        self.ids = [rule.id for rule in parts.book.rules]
        self.beside: dict[int, list[Beside]] = defaultdict(list)
        for rule, change, by, brand, n in tally.beside().iter_rows():
            name = {WOKE: "woke", DISAGREES: "disagrees"}.get(change) or CHANGES[change]
            self.beside[rule].append(Beside(name, self._id(by), self._brand(brand), n))
        self.rivals: dict[int, list[Beside]] = defaultdict(list)
        for rule, by, n in tally.rivals().iter_rows():
            self.rivals[rule].append(Beside("contested", self._id(by), parts.book.rules[by].brand, n))
        self.texts: dict[int, list[tuple[str, str, int, float]]] = defaultdict(list)
        texts = tally.texts()
        for rule, text, shown, number, n in texts.with_columns(masked(texts["descriptor"])).iter_rows():
            self.texts[rule].append((text, shown, number, n))
        self.examples = forms.folded([rule.examples for rule in parts.book.rules])
        self.counterexamples = forms.folded([rule.counterexamples for rule in parts.book.rules])

    def rules(
        self, total: float, right: Sequence[Judged | None], times: Sequence[Cost | None]
    ) -> tuple[RuleFigures, ...]:
        return tuple(
            self._rule(at, rule, total, right[at], times[at])
            for at, rule in enumerate(self.parts.book.rules)
            if rule.status in RUNS
        )

    def _id(self, rule: int) -> str | None:
        return self.ids[rule] if rule >= 0 else None

    def _brand(self, brand: int) -> str | None:
        return self.parts.registry.ids[brand] if brand >= 0 else None

    def _rule(self, at: int, rule: Rule, total: float, right: Judged | None, time: Cost | None) -> RuleFigures:
        tally = self.tally
        fired = Volume(*tally.fired[:, at].tolist())
        texts, unlike = self._texts(at, rule)
        first, u = int(tally.first[at]), int(tally.first_unless[at])
        return RuleFigures(
            id=rule.id,
            brand=rule.brand,
            owner=rule.owner,
            status=rule.status,
            deny=rule.deny,
            place=rule.place,
            found=float(tally.found[0, at]),
            fired=fired,
            decided=Volume(*tally.decided[:, at].tolist()),
            coverage=fired.rows / total if total else 0.0,
            overlap=float(tally.overlap[at]),
            conflict=float(tally.conflict[at]),
            contested=float(tally.contested[at]),
            last=_EPOCH + dt.timedelta(days=int(tally.last[at])) if tally.last[at] > NEVER else None,
            patterns=tuple(
                PatternFigures(pattern.number, pattern.text, float(tally.pattern_fired[first + place]),
                               float(tally.pattern_decided[first + place]))
                for place, pattern in enumerate(rule.match)
            ),
            without=self._without(at),
            model=Agreement(**_named(SAYS, tally.says[at]), texts=int(tally.known[at])),
            precision=right.precision if right else None,
            mistakes=right.mistakes if right else (),
            excluded=float(tally.excluded[at]),
            woke=float(tally.woke[at]),
            needless=float(tally.needless[at]),
            unless=tuple(
                UnlessFigures(number, pattern.text, float(tally.unless_fired[u + number - 1]),
                              forms.found_in(pattern, self.counterexamples[at]), pattern.place)
                for number, pattern in enumerate(rule.unless, start=1)
            ),
            unlike=unlike,
            texts=texts,
            beside=tuple(self.beside[at]),
            rivals=tuple(self.rivals[at]),
            cost=time,
        )  # fmt: skip

    def _without(self, at: int) -> Without:
        rows, money = self.tally.change[:, at]
        sure = self.tally.confidence[at]
        same, other = (float(sure[kind] / rows[kind]) if rows[kind] else math.nan for kind in (SAME_MODEL, OTHER_MODEL))
        changed = float(money[OTHER_MODEL - 1 : OTHER_MODEL + 2].sum())
        return Without(**_named(CHANGES, rows), money=changed, same_confidence=same, other_confidence=other)

    def _texts(self, at: int, rule: Rule) -> tuple[tuple[Text, ...], float | None]:
        if not self.texts[at]:
            return (), None
        known = forms.Forms(rule, self.examples[at])
        out = tuple(
            Text(shown, number, n, known.of(text, number) in known.own) for text, shown, number, n in self.texts[at]
        )
        whole = sum(text.rows for text in out)
        strange = sum(text.rows for text in out if not text.familiar)
        return out, strange / whole if whole else None


def _named(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return {name.replace("-", "_"): float(value) for name, value in zip(names, values, strict=True)}
