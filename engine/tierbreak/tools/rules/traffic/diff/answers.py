"""Rows decided by both rulebooks, and those on which they do not say the same.

What the rules left open is looked up in the cache. A key that the cache has not seen is the model's to answer: it
stands as `model`, and what the model would say is never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.core.codes import REASONS, TIERS
from tierbreak.core.normalise import Texts
from tierbreak.core.tables import schema
from tierbreak.parts import Parts
from tierbreak.settings import Settings
from tierbreak.tools.rules.traffic.replay import CHUNK, Replayed, recalled, replayed

#: Who answers: a tier; `none` where the engine abstains; `model` where only the model could say. No row is answered
#: by the model here, so that the name is free.
RULES, CACHE, NONE, MODEL = "rules", "cache", "none", "model"
NO_MERCHANT = "not-a-merchant"

#: What differs in kind. The first six are flips: another answer, or one that is not known.
KINDS = ("other-brand", "lost", "gained", "to-model", "from-model", "model-denied", "same-brand", "same-none")
FLIPS = KINDS[:6]

#: One answer: `rule` decided, closed, or (joined by `|`) contested; `reason` is one of tables' for `none`, and for
#: `model` the brands that it may not answer.
_ANSWER = dict.fromkeys(("tier", "brand", "rule", "reason"), pl.String)
#: Rows that both rulebooks decide and do not decide alike.
CHANGED = schema(
    descriptor=pl.String, folded=pl.String, n=pl.Float64, money=pl.Float64, kind=pl.Enum(KINDS),
    **{f"{side}_{name}": kind for side in ("old", "new") for name, kind in _ANSWER.items()},
)  # fmt: skip


@dataclass(frozen=True)
class _Side:
    """One rulebook's view of some rows, brands and rules by name."""

    parts: Parts
    part: Replayed
    ids: np.ndarray
    rules: np.ndarray

    @classmethod
    def of(cls, parts: Parts, rows: pl.DataFrame, settings: Settings, texts: Texts) -> _Side:
        ids = np.array([*parts.registry.ids, None], dtype=object)
        rules = np.array([*(rule.id for rule in parts.book.rules), None], dtype=object)
        return cls(parts, replayed(parts, rows, settings, texts), ids, rules)

    @property
    def case(self) -> np.ndarray:
        """int64 [rows]"""
        return self.part.cases.of_row

    @property
    def open(self) -> np.ndarray:
        """bool [cases]: rules have not settled it."""
        return self.part.settled.unsettled

    def denied(self) -> np.ndarray:
        """object [cases]: the brands that deny rules took out, joined by `+`; empty where none were."""
        out = np.full(len(self.part.cases.text), "", dtype=object)
        for pair in self.part.standing.vetoed.tolist():  # by case, then brand
            case, id = pair >> 32, self.ids[pair & 0xFFFFFFFF]
            out[case] = f"{out[case]}+{id}" if out[case] else id
        return out

    def answers(self, rows: np.ndarray, denied: np.ndarray) -> pl.DataFrame:
        """tier, brand, rule, reason of the rows at the positions `rows`."""
        which = np.zeros(len(denied), dtype=bool)
        which[self.case[rows]] = True
        which &= self.open
        _, decided, unknown = recalled(self.parts, self.part, which)
        if self.parts.model is None:
            unknown = np.zeros_like(which)  # rules have the last word
        blank = (self.part.texts.key.str.len_bytes() == 0).to_numpy()[self.part.cases.text]
        unknown &= ~blank  # the model is not asked of nothing
        tier = np.array([*TIERS, NONE], dtype=object)[decided.tier]
        tier[unknown] = MODEL
        reason = np.array([*REASONS, None], dtype=object)[decided.reason]
        reason[unknown] = np.where(denied[unknown] == "", None, denied[unknown])
        rule = self.rules[decided.rule]
        for at, open_rules in decided.open_rules.items():
            rule[at] = "|".join(self.rules[open_rules])
        case = self.case[rows]
        columns = {"tier": tier, "brand": self.ids[decided.brand], "rule": rule, "reason": reason}
        return pl.DataFrame({name: values[case].tolist() for name, values in columns.items()}, schema=_ANSWER)


def changed(a: Parts, b: Parts, rows: pl.DataFrame, settings: Settings, *, labels: bool) -> pl.DataFrame:
    """Rows on which two rulebooks do not say the same.

    rows      of TRAFFIC, with classes that tell the guards of both books apart
    labels    whether the model's labels stand for other brands in b
    returns   CHANGED, in the order of the rows
    """
    parts = [_changed(a, b, rows[start : start + CHUNK], settings, labels) for start in range(0, rows.height, CHUNK)]
    return pl.concat([pl.DataFrame(schema=CHANGED), *parts])


def _changed(a: Parts, b: Parts, rows: pl.DataFrame, settings: Settings, labels: bool) -> pl.DataFrame:
    texts = Texts.of(rows["descriptor"], settings.off)
    old, new = (_Side.of(parts, rows, settings, texts) for parts in (a, b))
    old_denied, new_denied = old.denied(), new.denied()
    at = np.flatnonzero(_may_differ(old, new, old_denied, new_denied, labels))
    if not len(at):
        return pl.DataFrame(schema=CHANGED)
    text = texts.of_row[at]
    both = pl.concat(
        [
            rows[at].select("descriptor", "n", "money").with_columns(folded=texts.folded.gather(text)),
            old.answers(at, old_denied).rename(lambda name: f"old_{name}"),
            new.answers(at, new_denied).rename(lambda name: f"new_{name}"),
        ],
        how="horizontal",
    )
    return both.with_columns(kind=_KIND).filter(_DIFFER).select(CHANGED.names()).cast(CHANGED)


def _may_differ(old: _Side, new: _Side, old_denied: np.ndarray, new_denied: np.ndarray, labels: bool) -> np.ndarray:
    """bool [rows]: those that rules do not leave as they were. What stays open is asked alike, so its answer stays."""
    a, b = old.part.settled, new.part.settled
    both_open = old.open[old.case] & new.open[new.case]
    settled_alike = (
        (old.ids[a.brand][old.case] == new.ids[b.brand][new.case])
        & (old.rules[a.rule][old.case] == new.rules[b.rule][new.case])
        & (old.open[old.case] == new.open[new.case])
    )
    asked_alike = (old_denied[old.case] == new_denied[new.case]) & (not labels)
    return np.where(both_open, ~asked_alike.astype(bool), ~settled_alike.astype(bool))


def _same(name: str) -> pl.Expr:
    return pl.col(f"old_{name}").eq_missing(pl.col(f"new_{name}"))


def _closed(side: str) -> pl.Expr:
    """A rule says that it is no merchant's text; the model may say so too."""
    reason, rule = pl.col(f"{side}_reason"), pl.col(f"{side}_rule")
    return reason.eq_missing(pl.lit(NO_MERCHANT)) & rule.is_not_null()


_OLD, _NEW = pl.col("old_brand").is_not_null(), pl.col("new_brand").is_not_null()
_FROM_MODEL, _TO_MODEL = pl.col("old_tier") == MODEL, pl.col("new_tier") == MODEL

_KIND = (
    pl.when(_FROM_MODEL & _TO_MODEL).then(pl.lit("model-denied"))
    .when(_TO_MODEL).then(pl.lit("to-model"))
    .when(_FROM_MODEL).then(pl.lit("from-model"))
    .when(_OLD & _NEW).then(pl.when(_same("brand")).then(pl.lit("same-brand")).otherwise(pl.lit("other-brand")))
    .when(_OLD).then(pl.lit("lost"))
    .when(_NEW).then(pl.lit("gained"))
    .otherwise(pl.lit("same-none"))
)  # fmt: skip

_DIFFER = ~(
    _same("tier")
    & _same("brand")
    & ((pl.col("old_tier") != RULES) | _same("rule"))
    & ((pl.col("old_tier") != MODEL) | _same("reason"))
    & ((pl.col("old_tier") != NONE) | (_closed("old") == _closed("new")))
)
