"""Repairs of one cause: candidates are tried on the traffic and on every example, and what does not hold is dropped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from tierbreak.core.normalise import Texts
from tierbreak.parts import Parts
from tierbreak.rulebook import Rule
from tierbreak.settings import Settings
from tierbreak.tools.rules.traffic.collisions import candidates
from tierbreak.tools.rules.traffic.collisions.answers import BY_RULE, OPEN, Answers, answers
from tierbreak.tools.rules.traffic.collisions.candidates import ORDER, Candidate
from tierbreak.tools.rules.traffic.collisions.causes import Group
from tierbreak.tools.rules.traffic.collisions.examples import Examples
from tierbreak.tools.rules.traffic.collisions.find import CONTESTED, DENIAL, EDGE, INSIDE, Found, related
from tierbreak.tools.rules.traffic.collisions.model_answers import ModelAnswers
from tierbreak.tools.rules.traffic.collisions.report import Flow, Repair, Volume
from tierbreak.tools.rules.traffic.collisions.trial import Scene, finds
from tierbreak.tools.rules.traffic.masking import masked
from tierbreak.tools.rules.traffic.read import LAST, Traffic

#: Repairs shown of one cause.
MOST = 5
#: Lines of a traffic diff that are kept; the rest is added up in `changed`.
MOST_FLOWS = 12


@dataclass(frozen=True)
class _Own:
    """A rule's rows.

    colliding, clean   int64: those in which it collides, and those that it has to itself
    scene              of `colliding`, None where there are none
    texts              of `clean`, None likewise
    """

    colliding: np.ndarray
    clean: np.ndarray
    scene: Scene | None
    texts: Texts | None


class Bench:
    """Where repairs are tried. Made once a report: what is known of a rule serves all causes that it stands in."""

    def __init__(
        self, parts: Parts, traffic: Traffic, found: Found, settings: Settings, model_answers: ModelAnswers
    ) -> None:
        self._parts, self._traffic, self._found, self._model_answers = parts, traffic, found, model_answers
        self._settings = settings
        self._examples = Examples(parts, self._settings)
        self._own = lru_cache(maxsize=8)(self._look)

    def repairs(self, group: Group, against: np.ndarray) -> tuple[tuple[Repair, ...], int]:
        """The repairs that hold, cheapest first, and how many more were tried.

        against   int64, cases in which the model sides with the loser: what is wrong with a settled cause
        """
        cases = group.cases if group.star.kind == CONTESTED else against
        if not len(cases):
            return (), 0
        wrong = self._found.rows_of_cases(cases)
        held, tried = [], 0
        for candidate in self._candidates(group, wrong):
            tried += 1
            if repair := self._tried(candidate, group, wrong):
                held.append(repair)
        held.sort(key=lambda one: (one.cost, _disagreement(one), one.outside, ORDER.index(one.kind), one.says))
        return tuple(held[:MOST]), tried - len(held)

    def _look(self, rule: int) -> _Own:
        rows = self._found.rows_of_rule(rule)
        colliding = self._found.rows_of_cases(self._found.cases_of_rule(rule))
        clean = np.setdiff1d(rows, colliding, assume_unique=True)
        table = self._traffic.rows
        return _Own(
            colliding=colliding,
            clean=clean,
            scene=Scene.of(self._parts, table[colliding], self._settings) if len(colliding) else None,
            texts=Texts.of(table["descriptor"].gather(clean), self._settings.off) if len(clean) else None,
        )

    def _candidates(self, group: Group, wrong: np.ndarray) -> Iterator[Candidate]:
        book, (kind, role, leader, _) = self._parts.book.rules, group.star
        lead = [(leader, book[leader])]
        met = [(at, book[at]) for at in dict.fromkeys(group.partners["rule"].to_list())]
        if kind == CONTESTED or role == "winner":
            yield from self._narrowings(leader, wrong, [rule for _, rule in met])
        if len(met) == 1 and (kind == CONTESTED or role == "loser"):
            yield from self._narrowings(met[0][0], wrong, [book[leader]])
        winners, losers = (met, lead) if role == "loser" else (lead, met)
        edges = self._parts.precedence.edges
        if kind == CONTESTED:
            yield from candidates.outranking(lead, met, edges)
            yield from candidates.outranking(met, lead, edges)
        elif kind == INSIDE:
            yield from candidates.outranking(losers, winners, edges)
        elif kind == EDGE:
            yield candidates.unranking(winners, losers, edges)

    def _narrowings(self, index: int, wrong: np.ndarray, others: Sequence[Rule]) -> Iterator[Candidate]:
        rule, own, table = self._parts.book.rules[index], self._own(index), self._traffic.rows[wrong]
        folded = Texts.of(table["descriptor"], self._settings.off)
        weights = np.bincount(folded.of_row, weights=table["n"].to_numpy(), minlength=len(folded.folded))
        texts = folded.folded.gather(np.argsort(-weights, kind="stable")).to_list()
        yield from candidates.word_edges(index, rule, texts, alone=own.texts is not None)
        if own.texts is None:  # nothing to tell right from wrong by: what is left of the rule might be nothing
            return
        yield from candidates.excluding(index, rule, texts, own.texts.folded, others)
        clean = self._traffic.rows[own.clean]
        yield from candidates.guarding(index, rule, table, clean, debits=self._settings.debits)

    def _tried(self, candidate: Candidate, group: Group, wrong: np.ndarray) -> Repair | None:
        """The repair with its traffic diff, or None where it does not hold."""
        touched = candidate.narrowed if candidate.narrowed >= 0 else group.star.rule
        own = self._own(touched)
        lost = self._lost(candidate, own)
        if lost is None or own.scene is None or not self._examples.hold(candidate.change, touched):
            return None
        after = own.scene.after(candidate.change, _with(own.scene.rows, candidate.asks, "low"))
        old, new = [answers(own.scene)], [answers(after)]
        if candidate.asks:  # rows of one text whose values lie on both sides of the guard: nothing can be said of them
            other = own.scene.after(candidate.change, _with(own.scene.rows, candidate.asks, "high"))
            if new[0].differ(answers(other)).any():
                return None
        is_wrong = np.isin(own.colliding, wrong)
        if not self._mended(group, after, old[0], new[0], is_wrong):
            return None
        if len(lost):
            alone = Scene.of(self._parts, self._traffic.rows[lost], self._settings)
            old.append(answers(alone))
            new.append(answers(alone.after(candidate.change)))
        rows = np.concatenate([own.colliding, lost])
        return self._repair(candidate, rows, Answers.joined(old), Answers.joined(new), np.isin(rows, wrong))

    def _lost(self, candidate: Candidate, own: _Own) -> np.ndarray | None:
        """int64: rows that a rule has to itself and would not find any more; None where they are too many."""
        none = np.empty(0, dtype=np.int64)
        if candidate.narrowed < 0 or candidate.asks or own.texts is None:
            return none
        rule = candidate.change.rules[candidate.narrowed]
        lost = ~finds(own.texts.folded.to_list(), rule)[own.texts.of_row]
        n = self._traffic.rows["n"].gather(own.clean).to_numpy()
        return own.clean[lost] if n[lost].sum() <= candidate.may_lose * n.sum() else None

    def _mended(self, group: Group, after: Scene, old: Answers, new: Answers, wrong: np.ndarray) -> bool:
        """Whether the collision is gone from every wrong row."""
        if group.star.kind == DENIAL:
            return bool((new.how[wrong] != old.how[wrong]).all())
        if group.star.kind != CONTESTED:
            return not (related(old.brand, new.brand, self._parts.precedence) & wrong).any()
        partners = set(group.partners["rule"].to_list())
        cases = np.unique(after.cases.of_row[wrong & (new.how == OPEN)])
        still = [set(after.decided.open_rules[case]) for case in cases.tolist()]
        return not any(group.star.rule in rules and rules & partners for rules in still)

    def _repair(
        self, candidate: Candidate, rows: np.ndarray, old: Answers, new: Answers, wrong: np.ndarray
    ) -> Repair | None:
        changed = np.flatnonzero(old.differ(new))
        if not len(changed):
            return None
        table = self._traffic.rows[rows[changed]]
        says = self._model_answers.says(table["descriptor"])
        old, new = old.of(changed), new.of(changed)
        agrees = related(new.brand, says, self._parts.precedence) | (new.how != BY_RULE)
        n, money = table["n"].to_numpy(), float(table["money"].sum())
        return Repair(
            kind=candidate.kind,
            says=candidate.says,
            edits=candidate.edits,
            cost=candidate.cost,
            flows=self._flows(table, old, new, says),
            changed=Volume(float(n.sum()), None if self._traffic.money is None else money, table.height),
            outside=float(n[~wrong[changed]].sum()),
            agrees=float(n[agrees & (says >= 0)].sum()),
            spoken=float(n[says >= 0].sum()),
        )

    def _flows(self, table: pl.DataFrame, old: Answers, new: Answers, says: np.ndarray) -> tuple[Flow, ...]:
        """The traffic diff."""
        ids, voiced = self._parts.registry.ids, self._model_answers.present
        before, after = (each.named(says, ids, model=voiced) for each in (old, new))
        flows = (
            table.select("descriptor", "n", "money")
            .with_row_index("at")
            .with_columns(before=pl.Series(list(map(str, before))), after=pl.Series(list(map(str, after))))
            .sort("n", "at", descending=[True, False])
            .group_by("before", "after", maintain_order=True)
            .agg(pl.col("at").first(), pl.col("descriptor").first(), pl.sum("n"), pl.sum("money"))
            .sort("n", "before", "after", descending=[True, False, False])[:MOST_FLOWS]
        )
        return tuple(
            Flow(before[at], after[at], n, None if self._traffic.money is None else money, example)
            for at, n, money, example in zip(
                flows["at"].to_list(), flows["n"].to_list(), flows["money"].to_list(),
                masked(flows["descriptor"]).to_list(), strict=True,
            )
        )  # fmt: skip


def _with(rows: pl.DataFrame, column: str, end: str) -> pl.DataFrame:
    """Rows whose guarded column has one end of the values that it stands for; null where they have none."""
    if not column:
        return rows
    value = pl.col(f"{column}_{end}")
    none = value.is_infinite() if column == "amount" else value.is_in(["", LAST])
    return rows.with_columns(pl.when(~none).then(value).alias(column))


def _disagreement(repair: Repair) -> float:
    """The share of the model's answers that the repair goes against; a half where there are none."""
    return 1 - repair.agrees / repair.spoken if repair.spoken else 0.5
