"""The eight steps in order: the one place. The engine and every tool call it, nobody repeats it.

    1 read       core/cells.py         caller's rows -> batch
    2 normalise  core/normalise.py     distinct descriptors -> texts
    3 match      tiers/rules           folded texts -> matches of rules
    4 case       core/conditions.py    rows x conditions of the rules that matched -> cases
    5 recall     tiers/cache           keys of cases that rules have not settled -> evidence
    6 infer      tiers/model           keys still unanswered -> evidence
    7 arbitrate  core/arbitration.py   all that was said -> one decision a case
    8 emit       core/decisions.py     decisions joined back on, in the order the rows came

Rules are weighed between 4 and 5, because only what they leave open goes on.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.core.arbitration import Decisions, Ruled, Spans, decide, rule_on
from tierbreak.core.codes import Reason, Tier
from tierbreak.core.conditions import Debits, split
from tierbreak.core.decisions import Record
from tierbreak.core.normalise import Texts, distinct_of
from tierbreak.core.policy import SILENCES, weigh
from tierbreak.core.tables import EVIDENCE, TOP_K, Cases, Evidence, Matches
from tierbreak.parts import Parts

_SILENCE = np.array([Reason[name.upper().replace("-", "_")] for name in SILENCES], dtype=np.int8)


@dataclass(frozen=True)
class Run:
    """What the steps are run with beside the parts.

    off      names of normaliser steps that are switched off
    debits   the sign of `amount` that money going out has
    as_of    the date of rows without one
    """

    off: frozenset[str]
    debits: Debits
    as_of: dt.date


@dataclass(frozen=True)
class Fresh:
    """What the model said anew: EVIDENCE whose `key` is a position in `keys`. It is for the cache."""

    keys: pl.Series
    evidence: pl.DataFrame


_NOTHING_NEW = Fresh(pl.Series("key", [], dtype=pl.String), pl.DataFrame(schema=EVIDENCE))


@dataclass(frozen=True)
class Ruling:
    """Steps 2 to 4 of a batch, and what rules make of its cases."""

    texts: Texts
    cases: Cases
    ruled: Ruled


def rule(parts: Parts, batch: pl.DataFrame, run: Run, *, texts: Texts | None = None) -> Ruling:
    """Steps 2 to 4 on what `cells.read` returned, and the rules' part of step 7.

    texts   those of the batch, where another rulebook has seen them
    """
    texts = texts or Texts.of(batch["descriptor"], run.off)  # 2 normalise
    matches = match(parts, texts)  # 3 match
    cases = case(parts, batch, texts, matches, run)  # 4 case
    return Ruling(
        texts, cases, rule_on(cases.matches, len(cases.text), parts.precedence, spans_of(parts, texts, cases))
    )


def conclude(parts: Parts, ruling: Ruling, *, ask_all: bool = False) -> tuple[Record, Fresh]:
    """Steps 5 to 7 for what rules left open. `ask_all` shows every case to the later tiers, settled or not."""
    settled = ruling.ruled.decided
    wanted = np.ones(len(ruling.cases.text), dtype=bool) if ask_all else settled.unsettled
    evidence, fresh = ask(parts, ruling.texts, ruling.cases, wanted)  # 5 recall, 6 infer
    decided = decided_with(parts, ruling.ruled, evidence)  # 7 arbitrate
    record = Record(
        names=parts.names,
        policy=parts.policy,
        texts=ruling.texts,
        cases=ruling.cases,
        standing=ruling.ruled.standing,
        decided=decided,
        evidence=evidence,
    )
    return record, fresh


def match(parts: Parts, texts: Texts) -> Matches:
    """Step 3, of every text; each distinct folded text is scanned once."""
    distinct, of_text = distinct_of(texts.folded)
    found = parts.rules.judge(distinct)
    if len(distinct) == len(texts.folded):
        return found
    order = np.argsort(of_text, kind="stable")  # the texts that fold alike, one after the other
    start, end = (np.searchsorted(of_text[order], found.text, side=side) for side in ("left", "right"))
    source = np.repeat(np.arange(len(found)), end - start)
    within = np.arange(len(source)) - np.repeat(np.cumsum(end - start) - (end - start), end - start)
    text = order[start[source] + within]
    by_text = np.argsort(text, kind="stable")
    source = source[by_text]
    return Matches(text[by_text], found.rule[source], found.pattern[source], found.excluded[source])


def case(parts: Parts, batch: pl.DataFrame, texts: Texts, matches: Matches, run: Run) -> Cases:
    """Step 4."""
    return split(
        batch, texts.of_row, len(texts.folded), matches, parts.conditions, debits=run.debits, as_of=run.as_of
    )  # fmt: skip


def spans_of(parts: Parts, texts: Texts, cases: Cases) -> Callable[[int, int], Spans]:
    """(case, rule) -> where the rule's match stands: a call of the exact engine, where two brands are named."""
    folded: list[str] = []  # as a list: to take one text out of a column costs as much as to find its spans

    def spans(case: int, rule: int) -> Spans:
        if not folded:
            folded.extend(texts.folded.to_list())
        return parts.rules.spans(folded[cases.text[case]], rule)

    return spans


def ask(parts: Parts, texts: Texts, cases: Cases, wanted: np.ndarray) -> tuple[Evidence, Fresh]:
    """Cache, then model, for the keys of the cases `wanted` (bool [cases]); beside it what the model said anew."""
    if parts.model is None or not wanted.any():
        return Evidence.none(len(cases.text)), _NOTHING_NEW
    keys, of_case = _keys(texts, cases, wanted)
    labels, scores, tier = _recalled(parts, keys)
    left = np.flatnonzero(tier != Tier.CACHE)
    unknown = keys.gather(left)
    said = parts.model.judge(unknown)
    place = left[said["key"].to_numpy()]
    labels[place], scores[place] = said["labels"].to_numpy(), said["scores"].to_numpy()
    return _weighed(parts, keys, of_case, tier, labels, scores), Fresh(unknown, said)


def recall(parts: Parts, texts: Texts, cases: Cases, wanted: np.ndarray) -> Evidence:
    """The cache alone for the keys of the cases `wanted`; a key that it does not hold counts as not asked."""
    if parts.model is None or parts.cache is None or not wanted.any():
        return Evidence.none(len(cases.text))
    keys, of_case = _keys(texts, cases, wanted)
    labels, scores, tier = _recalled(parts, keys)
    known = np.flatnonzero(tier == Tier.CACHE)
    place = np.full(len(keys) + 1, -1, dtype=np.int64)  # its last element stands for a case that asks nothing
    place[known] = np.arange(len(known))
    return _weighed(parts, keys.gather(known), place[of_case], tier[known], labels[known], scores[known])


def decided_with(parts: Parts, ruled: Ruled, evidence: Evidence) -> Decisions:
    """Step 7 once the later tiers have been asked."""
    ranked = evidence.ranked(ruled.decided.unsettled)
    return decide(ruled.decided, ranked, ruled.standing.vetoed, parts.thresholds)


def _keys(texts: Texts, cases: Cases, wanted: np.ndarray) -> tuple[pl.Series, np.ndarray]:
    """The distinct keys of the cases `wanted`, and where each case's stands among them, -1 for the others."""
    of_case = np.full(len(cases.text), -1, dtype=np.int64)
    keys = texts.keys(cases.text[wanted])
    asked = keys.str.len_bytes().to_numpy() > 0  # a blank one is asked of nobody
    distinct, place = distinct_of(keys.filter(pl.Series(asked)))
    of_case[np.flatnonzero(wanted)[asked]] = place
    return distinct, of_case


def _recalled(parts: Parts, keys: pl.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and tier of each key: what the cache holds, and room for what the model will say."""
    labels = np.zeros((len(keys), TOP_K), dtype=np.int32)
    scores = np.zeros((len(keys), TOP_K), dtype=np.float32)
    tier = np.full(len(keys), Tier.FALLBACK if parts.fallback else Tier.MODEL, dtype=np.uint8)
    if parts.cache is not None:
        known = parts.cache.judge(keys)
        place = known["key"].to_numpy()
        labels[place], scores[place] = known["labels"].to_numpy(), known["scores"].to_numpy()
        tier[place] = Tier.CACHE
    return labels, scores, tier


def _weighed(
    parts: Parts, keys: pl.Series, of_case: np.ndarray, tier: np.ndarray, labels: np.ndarray, scores: np.ndarray
) -> Evidence:
    assert parts.model is not None
    found = weigh(parts.model.policy, parts.brand_of_label[labels], scores)
    return Evidence(
        keys=keys,
        of_case=of_case,
        tier=tier,
        brands=found.brands,
        confidences=found.confidences,
        silence=_SILENCE[found.silence],
    )


def warm(parts: Parts, keys: list[str]) -> None:
    """Have the store hold what the model says of `keys`; asks for those alone that it lacks."""
    if parts.model is None or parts.cache is None or not keys:
        return
    asked = pl.Series(keys)
    known = parts.cache.judge(asked)["key"].to_numpy()
    unknown = asked.gather(np.setdiff1d(np.arange(len(asked)), known))
    if len(unknown):
        parts.cache.store(unknown, parts.model.judge(unknown))


def audited(record: Record, share: float) -> np.ndarray:
    """bool [cases]: a share of the cases that rules settled, chosen by a salted hash of the key."""
    limit = int(share * (1 << 64))
    chosen = record.decided.by_rules.copy()
    settled = np.flatnonzero(chosen)
    keys = record.texts.keys(record.cases.text[settled]).to_list()
    for case_index, key in zip(settled.tolist(), keys, strict=True):
        digest = hashlib.blake2b(key.encode(), digest_size=8, salt=b"audit").digest()
        chosen[case_index] = int.from_bytes(digest, "little") < limit
    return chosen
