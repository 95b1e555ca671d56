"""All of it: the traffic's collisions found, gathered into causes, told with strings, proofs and repairs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import polars as pl

from tierbreak.engine import Engine
from tierbreak.rulebook import EVERY, Rule
from tierbreak.tools.rules.traffic.collisions.causes import Group, group
from tierbreak.tools.rules.traffic.collisions.drafts import nearby
from tierbreak.tools.rules.traffic.collisions.find import HARMLESS, KINDS, find
from tierbreak.tools.rules.traffic.collisions.model_answers import SILENT, UNKNOWN, ModelAnswers
from tierbreak.tools.rules.traffic.collisions.proof import prove
from tierbreak.tools.rules.traffic.collisions.repairs import Bench
from tierbreak.tools.rules.traffic.collisions.report import Cause, Kind, Party, Report, Shown, Volume
from tierbreak.tools.rules.traffic.collisions.sides import Listening
from tierbreak.tools.rules.traffic.collisions.strings import Sample, marked
from tierbreak.tools.rules.traffic.read import Traffic

#: Causes of a kind that are told in full.
TOP = 10
#: Rules named beside a leader.
NAMED = 8


def collisions(
    engine: Engine,
    traffic: Traffic,
    *,
    top: int = TOP,
    ask_model: int = 0,
    advance: Callable[[int], None] = lambda rows: None,
) -> Report:
    """What collides in some traffic.

    traffic     read for the engine's rulebook, with `ranges` if guards are to be proposed
    top         causes of each kind that are told in full, with strings, proof and repairs
    ask_model   keys of these causes, that the cache does not hold, that the model is asked for; nothing is stored
    advance     told how many more distinct rows were replayed
    """
    made = _Collisions(engine, traffic, advance)
    chosen = [made.order(kind)[:top] for kind in range(len(KINDS))]
    if ask_model:
        made.listening.ask([one for kind, own in enumerate(chosen) if kind not in HARMLESS for one in own], ask_model)
        chosen = [made.order(kind)[:top] for kind in range(len(KINDS))]
    return Report(
        traffic=traffic.name,
        window=traffic.window,
        rules=engine.parts.book.fingerprint,
        total=Volume(traffic.total, traffic.money, traffic.rows.height),
        colliding=made.volume(np.arange(len(made.found.kind))),
        kinds=tuple(made.kind(kind) for kind in range(len(KINDS))),
        causes=tuple(made.cause(one) for own in chosen for one in own),
        model=made.listening.model_answers.present,
        keys=made.listening.keys(),
        notices=(*engine.notices, *traffic.notices, *made.notices()),
    )


class _Collisions:
    """What has been found, and how it is told."""

    def __init__(self, engine: Engine, traffic: Traffic, advance: Callable[[int], None]) -> None:
        self.parts, self.settings, self.traffic = engine.parts, engine.settings, traffic
        self.found = find(self.parts, traffic, self.settings, advance=advance)
        self.groups = group(self.found, self.parts.precedence.brand)
        model_answers = ModelAnswers(self.parts, self.settings)
        self.listening = Listening(self.found, traffic, model_answers, self.parts.precedence)
        self._ranks = self._ranked()

    @cached_property
    def bench(self) -> Bench:
        return Bench(self.parts, self.traffic, self.found, self.settings, self.listening.model_answers)

    def notices(self) -> list[str]:
        broken = self.traffic.broken
        return [f"{broken:,} rows could not be read as written and are not counted"] if broken else []

    # Order

    def _ranked(self) -> dict[int, tuple[int, int | None]]:
        """By id of a group its place by rows and by money, among those of its kind."""
        out: dict[int, tuple[int, int | None]] = {}
        for kind in range(len(KINDS)):
            mine = [one for one in self.groups if one.star.kind == kind]
            by_rows = sorted(mine, key=lambda one: (-one.n, one.star))
            by_money = sorted(mine, key=lambda one: (-one.money, one.star))
            place = {id(one): at for at, one in enumerate(by_money, start=1)}
            for at, one in enumerate(by_rows, start=1):
                out[id(one)] = at, None if self.traffic.money is None else place[id(one)]
        return out

    def order(self, kind: int) -> list[Group]:
        """The causes of a kind: where the model sides with the loser first, then by the better of the two ranks."""

        def key(one: Group) -> tuple[float, int, int]:
            rows, money = self._ranks[id(one)]
            return -float(self.found.n[self.listening.against(one)].sum()), min(rows, money or rows), rows

        return sorted((one for one in self.groups if one.star.kind == kind), key=key)

    # What is told

    def volume(self, cases: np.ndarray) -> Volume:
        money = None if self.traffic.money is None else float(self.found.money[cases].sum())
        return Volume(float(self.found.n[cases].sum()), money, len(cases))

    def kind(self, kind: int) -> Kind:
        mine = [one for one in self.groups if one.star.kind == kind]
        modelled = self.listening.model_answers.present and kind not in HARMLESS
        settled = modelled and any(one.star.role != "even" for one in mine)
        against = sum(float(self.found.n[self.listening.against(one)].sum()) for one in mine)
        return Kind(
            kind=KINDS[kind],
            volume=self.volume(np.flatnonzero(self.found.kind == kind)),
            causes=len(mine),
            against=against if settled else None,
            unknown=self.listening.unknown(kind) if modelled else None,
        )

    def cause(self, one: Group) -> Cause:
        book, star = self.parts.book.rules, one.star
        leader, partners, grave = book[star.rule], one.partners.rows(), star.kind not in HARMLESS
        sample = Sample.of(one, self.found, self.traffic, self.settings)
        repairs, tried = self.bench.repairs(one, self.listening.against(one)) if grave else ((), 0)
        others = [
            self._party(
                book[rule], one.met.filter(pl.col("rule") == rule)["match"].to_list(),
                sample.tokens(self.parts, rule, self.found.n, leader=False), n, money,
            )
            for rule, n, money in partners[:NAMED]
        ]  # fmt: skip
        tokens = sample.tokens(self.parts, star.rule, self.found.n, leader=True)
        return Cause(
            id=f"{KINDS[star.kind]}:{leader.id}#{star.match}" + (f":{star.role}" if star.role != "even" else ""),
            kind=KINDS[star.kind],
            role=star.role,
            leader=self._party(leader, [star.match], tokens, one.n, one.money),
            others=tuple(others),
            met=len(partners),
            volume=self.volume(one.cases),
            rank=self._ranks[id(one)],
            sides=self.listening.sides(one),
            shown=tuple(self._shown(one, sample, at) for at in sample.chosen(self.found.n)),
            proof=prove(leader, book[partners[0][0]]) if grave else None,
            repairs=repairs,
            tried=tried,
        )

    def _party(self, rule: Rule, matches: list[int], tokens: tuple[str, ...], n: float, money: float) -> Party:
        registry = self.parts.registry
        brand = None if rule.brand == EVERY else registry.ids[registry.redirect[registry.index(rule.brand)]]
        return Party(
            rule=rule.id,
            brand=brand,
            brand_name=registry[brand].name if brand else None,
            place=nearby(rule.place),
            patterns=tuple(pattern.text for pattern in rule.match if pattern.number in matches),
            tokens=tokens,
            rows=n,
            money=None if self.traffic.money is None else money,
        )

    def _shown(self, one: Group, sample: Sample, at: int) -> Shown:
        case, text, other = int(sample.cases[at]), sample.folded[at], sample.met[at][0]
        spans = self.parts.rules.spans
        shown, marks = marked(text, spans(text, one.star.rule), spans(text, other))
        said = int(self.listening.says[case])
        model = {SILENT: "silent", UNKNOWN: "not asked"}.get(said) or self.parts.registry.ids[said]
        modelled = self.listening.model_answers.present and one.star.kind not in HARMLESS
        return Shown(
            text=shown,
            rows=float(self.found.n[case]),
            money=None if self.traffic.money is None else float(self.found.money[case]),
            other=self.parts.book.rules[other].id,
            model=model if modelled else "",
            marks=marks,
        )
