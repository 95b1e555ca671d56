"""Step 8: decisions in the reader's words. Indexes become ids, and the record says why."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tierbreak.core.arbitration import FAMILY, KINDS, OUTCOMES, REASONS, STANDS, Decisions, Standing, kind_names
from tierbreak.core.conditions import Cases
from tierbreak.core.policy import Policy, band
from tierbreak.core.tables import BANDS, DECISION, TIERS, schema
from tierbreak.registry import Registry
from tierbreak.rulebook import Rulebook

if TYPE_CHECKING:
    from tierbreak.pipeline import Evidence, Texts

#: Brands named beside a decision, the decided one first.
CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class Decision:
    """The engine's answer for one row; the fields of tables.DECISION.

    brand         registry id; None where the engine abstained, and then `reason` says why
    tier          "rules", "cache", "model" or "fallback"; None where it abstained
    confidence    0..1, calibrated; None for rules, which have none, and where it abstained
    band          what the confidence is worth: "very-high", "high" or "low"; None where there is none
    rule          the rule that decided; where rules contested, all of theirs joined by `|`
    candidates    brands named by any tier that was asked, best first, at most five
    collision     kinds on record, joined by `+`; None where no two brands were named
    fingerprint   of all that decided
    """

    brand: str | None
    brand_name: str | None
    tier: str | None
    confidence: float | None
    band: str | None
    rule: str | None
    candidates: tuple[str, ...]
    collision: str | None
    reason: str | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """How one decision came about.

    verdicts      one dict for each answer of a tier: tier, brand, confidence, rule, match, reason
    why           one sentence
    fingerprints  of each part, and of `all`
    """

    descriptor: str
    folded: str
    key: str
    verdicts: list[dict[str, Any]]
    decision: Decision
    why: str
    fingerprints: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Names:
    """What indexes stand for, each list with a null behind the last: built once an engine, not once a batch."""

    ids: pl.Series
    brands: pl.Series
    rules: pl.Series

    @classmethod
    def of(cls, registry: Registry, book: Rulebook) -> Names:
        return cls(
            pl.Series([*registry.ids, None], dtype=pl.String),
            pl.Series([*(brand.name for brand in registry.brands), None], dtype=pl.String),
            pl.Series([*(rule.id for rule in book.rules), None], dtype=pl.String),
        )


@dataclass(frozen=True)
class Record:
    """All that one batch was decided from, still as indexes; the ids are put in when asked for."""

    names: Names
    registry: Registry
    book: Rulebook
    policy: Policy
    texts: Texts
    cases: Cases
    standing: Standing
    decided: Decisions
    evidence: Evidence

    def emit(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The caller's rows with the columns of tables.DECISION, in the order they came."""
        decided, names = self.decided, self.names
        reason = np.where(self._blank(), len(REASONS), decided.reason)
        by_case = pl.DataFrame(
            {
                "brand": _take(names.ids, decided.brand),
                "brand_name": _take(names.brands, decided.brand),
                "tier": _take(_TIERS, decided.tier),
                "confidence": pl.Series(decided.confidence).fill_nan(None),
                "band": _take(_BANDS, band(self.policy, decided.confidence)),
                "rule": self._with_contested(_take(names.rules, decided.rule)),
                "candidates": self._candidates(names.ids),
                "collision": _take(_KINDS, decided.kinds),
                "reason": _take(_REASONS, reason),
            },
            schema=DECISION,
        )
        return rows.hstack(by_case[self.cases.of_row].get_columns())

    def decision(self, fingerprint: str) -> Decision:
        """The decision of a batch of one row: what `emit` says, without building a table for it."""
        decided, names = self.decided, self.names
        brand, rule = int(decided.brand[0]), int(decided.rule[0])
        contested = decided.open_rules.get(0)
        confidence = float(decided.confidence[0])
        return Decision(
            brand=names.ids[brand] if brand >= 0 else None,
            brand_name=names.brands[brand] if brand >= 0 else None,
            tier=TIERS[decided.tier[0]] if decided.tier[0] >= 0 else None,
            confidence=None if np.isnan(confidence) else confidence,
            band=None if np.isnan(confidence) else BANDS[band(self.policy, decided.confidence)[0]],
            rule="|".join(names.rules[i] for i in contested) if contested else names.rules[rule] if rule >= 0 else None,
            candidates=tuple(names.ids[at] for at in self._ranking()[0].tolist() if at >= 0),
            collision=kind_names(int(decided.kinds[0])),
            reason=self._reason(),
            fingerprint=fingerprint,
        )

    def _reason(self) -> str | None:
        """The reason of a batch of one row."""
        if not self.texts.folded[0]:
            return "blank"
        reason = int(self.decided.reason[0])
        return REASONS[reason] if reason >= 0 else None

    def _blank(self) -> np.ndarray:
        return (self.texts.folded.str.len_bytes() == 0).to_numpy()[self.cases.text]

    def _with_contested(self, rule: pl.Series) -> pl.Series:
        """Where rules contest a case, every one of them is named."""
        contested = self.decided.open_rules
        if not contested:
            return rule
        joined = ["|".join(self.book.rules[index].id for index in rules) for rules in contested.values()]
        return rule.scatter(list(contested), joined)

    def _ranking(self) -> np.ndarray:
        """int32 [cases, CANDIDATES]: brands named by any tier, the decided one first, -1 behind the last."""
        top = self.decided.top[:, :CANDIDATES].copy()
        for case, named in self.decided.named.items():
            first = int(self.decided.brand[case])
            order = [*([first] if first >= 0 else []), *named, *self.decided.top[case].tolist()]
            distinct = [brand for brand in dict.fromkeys(order) if brand >= 0][:CANDIDATES]
            top[case] = distinct + [-1] * (CANDIDATES - len(distinct))
        return top

    def _candidates(self, ids: pl.Series) -> pl.Series:
        """List(String) [cases]. Cases with as many candidates are made together: with nulls dropped from a list a
        case, this was four fifths of the time of `emit`.
        """
        top = self._ranking()
        count = (top >= 0).sum(axis=1)
        order = np.argsort(count, kind="stable")
        lists = [pl.Series([], dtype=DECISION["candidates"])]
        for many in np.unique(count).tolist():
            named = top[count == many]
            if many:
                lists.append(_take(ids, named[named >= 0]).reshape((len(named), many)).arr.to_list())
            else:
                lists.append(pl.Series([[]] * len(named), dtype=DECISION["candidates"]))
        place = np.empty(len(order), dtype=np.uint32)
        place[order] = np.arange(len(order), dtype=np.uint32)
        return pl.concat(lists)[place]

    def verdicts(self) -> pl.DataFrame:
        """One row for each answer a tier gave about one case; `reason` says what kept it from deciding.

        columns   case UInt32, folded, key, tier, brand, confidence, rule, match, reason; ordered by case and tier
        """
        ids = np.array(self.registry.ids, dtype=object)
        standing, decided, evidence = self.standing, self.decided, self.evidence
        reasons = np.array([None, *OUTCOMES[1:]], dtype=object)[decided.outcome]
        contested = (decided.outcome == STANDS) & (decided.kinds[standing.case] & 1 > 0)
        reasons[contested] = "contested"
        rules = pl.DataFrame(
            {
                "case": standing.case,
                "tier": ["rules"] * len(standing.case),
                "brand": [ids[index] if index >= 0 else None for index in standing.brand],
                "confidence": [None] * len(standing.case),
                "rule": [self.book.rules[index].id for index in standing.rule],
                "match": standing.match,
                "reason": reasons.tolist(),
            },
            schema=_VERDICTS,
        )
        asked = np.flatnonzero(evidence.of_case >= 0)
        key = evidence.of_case[asked]
        rank = np.arange(evidence.brands.shape[1])
        brand = evidence.brands[key]
        known = brand.reshape(-1) >= 0
        later = pl.DataFrame(
            {
                "case": np.repeat(asked, len(rank))[known],
                "tier": np.array(TIERS, dtype=object)[np.repeat(evidence.tier[key], len(rank))[known]].tolist(),
                "brand": ids[brand.reshape(-1)[known]].tolist(),
                "confidence": evidence.confidences[key].reshape(-1)[known],
                "rule": [None] * int(known.sum()),
                "match": [None] * int(known.sum()),
                "reason": self._later_reasons(asked, len(rank))[known].tolist(),
            },
            schema=_VERDICTS,
        )
        texts = pl.DataFrame({"case": np.arange(len(self.cases.text)), "text": self.cases.text})
        texts = texts.select(
            pl.col("case").cast(pl.UInt32),
            self.texts.folded.gather(self.cases.text).alias("folded"),
            self.texts.key.gather(self.cases.text).alias("key"),
        )
        both = pl.concat([rules, later]).sort("case", "tier", maintain_order=True)
        return texts.join(both, on="case", maintain_order="right")

    def _later_reasons(self, asked: np.ndarray, width: int) -> np.ndarray:
        decided = self.decided
        out = np.full((len(asked), width), "not the best", dtype=object)
        reason = np.array([*REASONS, None], dtype=object)[decided.reason[asked]]
        out[:, 0] = np.where(decided.tier[asked] == 0, "rules settled it", reason)
        return out.reshape(-1)

    def _number(self, case: int) -> int:
        """Which pattern of the deciding rule matched."""
        at = (self.standing.case == case) & (self.standing.rule == self.decided.rule[case])
        return int(self.standing.match[at][0])

    def why(self, case: int) -> str:
        """One sentence on how a case was decided."""
        decided = self.decided
        tier = int(decided.tier[case])
        beaten = [
            f"{self.book.rules[self.standing.rule[at]].id} ({OUTCOMES[decided.outcome[at]]})"
            for at in np.flatnonzero(self.standing.case == case)
            if decided.outcome[at] not in (STANDS, FAMILY) or tier != 0
        ]
        contest = decided.open_rules.get(case)
        if contest:
            named = ", ".join(self.book.rules[index].id for index in contest)
            opening = f"rules contest it ({named}), so the next tier is asked: "
        elif tier != 0:
            opening = "no rule settles it: "
        else:
            opening = ""
        if tier == 0:
            rule = self.book.rules[decided.rule[case]]
            body = f"rule {rule.id}#{self._number(case)} at {rule.place} settles it"
        elif tier > 0:
            brand, confidence = self.registry.ids[decided.brand[case]], decided.confidence[case]
            body = f"tier {TIERS[tier]} names {brand} with confidence {confidence:.2f}"
        else:
            reason = "blank" if self._blank()[case] else REASONS[decided.reason[case]]
            body = f"the engine abstains, {_SAYS[reason]}"
            if reason == "torn":
                body += f", {' and '.join(self.registry.ids[index] for index in decided.top[case, :2])}"
            if decided.rule[case] >= 0:
                rule = self.book.rules[decided.rule[case]]
                return f"rule {rule.id}#{self._number(case)} at {rule.place} closes it: {body}"
        return opening + body + (f"; set aside: {', '.join(beaten)}" if beaten and not contest else "")


_SAYS = {
    "contested": "rules name different brands and no later tier settles it",
    "denied": "the brand that was named is denied for this text",
    "below-threshold": "no brand reaches the threshold",
    "no-known-brand": "it looks like no brand that is known",
    "no-match": "no tier has anything to say",
    "not-a-merchant": "because the text is no merchant's",
    "torn": "torn between two brands",
    "blank": "because the text is blank",
}

_VERDICTS = schema(
    case=pl.UInt32,
    tier=pl.Enum(TIERS),
    brand=pl.String,
    confidence=pl.Float32,
    rule=pl.String,
    match=pl.UInt16,
    reason=pl.String,
)


def audit(record: Record, evidence: Evidence, thresholds: np.ndarray) -> pl.DataFrame:
    """What a later tier says of settled cases: kept apart, never decides, never stored.

    returns   key, rule, brand, tier, named, confidence, kind: `agree`, `silent` (below the threshold), or the
              collision `rule-cache` or `rule-model`; one row a case
    """
    case = np.flatnonzero(evidence.of_case >= 0)
    at = evidence.of_case[case]
    named, confidence, tier = evidence.brands[at, 0], evidence.confidences[at, 0], evidence.tier[at]
    ids, rules, decided = record.registry.ids, record.book.rules, record.decided
    kinds = np.where(
        (named < 0) | (confidence < thresholds[named]),
        "silent",
        np.where(named == decided.brand[case], "agree", np.where(tier == 1, "rule-cache", "rule-model")),
    )
    return pl.DataFrame(
        {
            "key": record.texts.key.gather(record.cases.text[case]),
            "rule": [rules[index].id for index in decided.rule[case]],
            "brand": [ids[index] for index in decided.brand[case]],
            "tier": [TIERS[index] for index in tier],
            "named": [ids[index] if index >= 0 else None for index in named],
            "confidence": confidence,
            "kind": kinds.tolist(),
        },
        schema={
            "key": pl.String, "rule": pl.String, "brand": pl.String, "tier": pl.Enum(TIERS), "named": pl.String,
            "confidence": pl.Float32, "kind": pl.String,
        },
    )  # fmt: skip


#: Lists to name an index from; a null stands last, so that -1 and what lies beyond the end name nothing.
_TIERS = pl.Series([*TIERS, None], dtype=DECISION["tier"])
_BANDS = pl.Series([*BANDS, None], dtype=DECISION["band"])
_KINDS = pl.Series([*(kind_names(bits) for bits in range(1 << len(KINDS))), None], dtype=pl.String)
_REASONS = pl.Series([*REASONS, "blank", None], dtype=pl.String)


def _take(values: pl.Series, index: np.ndarray) -> pl.Series:
    """values[index], null where index is -1; the last of `values` is null."""
    return values[np.where(index < 0, len(values) - 1, index).astype(np.uint32)]
