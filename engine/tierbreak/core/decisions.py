"""Step 8: decisions in the reader's words. Indexes become ids, and the record says why."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Literal, cast

import numpy as np
import polars as pl

from tierbreak.core.arbitration import Decisions, Standing
from tierbreak.core.codes import BANDS, OUTCOMES, REASONS, TIERS, Collision, Outcome, Reason, Tier, collision_text
from tierbreak.core.normalise import Texts
from tierbreak.core.policy import Policy, band
from tierbreak.core.tables import DECISION, Cases, Evidence, schema

#: Brands named beside a decision, the decided one first.
CANDIDATES = 5


TierName = Literal["rules", "cache", "model", "fallback"]
BandName = Literal["low", "high", "very-high"]
ReasonName = Literal[
    "contested", "denied", "below-threshold", "no-known-brand", "no-match", "not-a-merchant", "torn", "blank"
]


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
    fingerprint   of all that decided: equal input and fingerprint, equal decision
    as_of         the date that stood for a row without one
    """

    brand: str | None
    brand_name: str | None
    tier: TierName | None
    confidence: float | None
    band: BandName | None
    rule: str | None
    candidates: tuple[str, ...]
    collision: str | None
    reason: ReasonName | None
    fingerprint: str
    as_of: dt.date

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON holds them: `candidates` a list, `as_of` as YYYY-MM-DD."""
        return dataclasses.asdict(self) | {"candidates": list(self.candidates), "as_of": self.as_of.isoformat()}


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
        """The fields by name, as JSON holds them."""
        return dataclasses.asdict(self) | {"decision": self.decision.to_dict()}


@dataclass(frozen=True)
class Names:
    """What indexes stand for, each list with a null behind the last: built once an engine, not once a batch.

    places   where each rule stands: file, line and column
    """

    ids: pl.Series
    brands: pl.Series
    rules: pl.Series
    places: tuple[str, ...]

    @cached_property
    def texts(self) -> tuple[tuple[str | None, ...], ...]:
        """`ids`, `brands` and `rules` for those who take one at a time; -1 is the null behind the last."""
        return tuple(tuple(column.to_list()) for column in (self.ids, self.brands, self.rules))

    @classmethod
    def of(cls, brands: Iterable[tuple[str, str]], rules: Iterable[tuple[str, str]]) -> Names:
        """Of (id, name) of each brand and (id, place) of each rule."""
        ids, names = zip(*brands, strict=True)
        pairs = list(rules)
        return cls(
            ids=pl.Series([*ids, None], dtype=pl.String),
            brands=pl.Series([*names, None], dtype=pl.String),
            rules=pl.Series([*(id for id, _ in pairs), None], dtype=pl.String),
            places=tuple(place for _, place in pairs),
        )


@dataclass(frozen=True)
class Record:
    """All that one batch was decided from, still as indexes; the ids are put in when asked for."""

    names: Names
    policy: Policy
    texts: Texts
    cases: Cases
    standing: Standing
    decided: Decisions
    evidence: Evidence

    @cached_property
    def reason(self) -> np.ndarray:
        """int [cases], of Reason, -1 where a brand is named."""
        return np.where(self._blank(), Reason.BLANK, self.decided.reason)

    def emit(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The caller's rows with the columns of tables.DECISION, in the order they came."""
        decided, names = self.decided, self.names
        by_case = pl.DataFrame(
            {
                "brand": _take(names.ids, decided.brand),
                "brand_name": _take(names.brands, decided.brand),
                "tier": _take(_TIERS, decided.tier),
                "confidence": pl.Series(decided.confidence).fill_nan(None),
                "band": _take(_BANDS, band(self.policy, decided.confidence)),
                "rule": self._with_contested(_take(names.rules, decided.rule)),
                "candidates": self._candidates(names.ids),
                "collision": _take(_COLLISIONS, decided.kinds),
                "reason": _take(_REASONS, self.reason),
            },
            schema=DECISION,
        )
        return rows.hstack(by_case[self.cases.of_row].get_columns())

    def decision(self, fingerprint: str, as_of: dt.date) -> Decision:
        """The decision of a batch of one row."""
        return self.by_case(fingerprint, as_of)[int(self.cases.of_row[0])]

    def by_case(self, fingerprint: str, as_of: dt.date) -> list[Decision]:
        """The decision of each case: what `emit` says, without a table."""
        decided, (ids, brands, rules) = self.decided, self.names.texts
        out = []
        for case, (brand, rule, tier, reason, level, confidence, kinds, ranking) in enumerate(
            zip(
                decided.brand.tolist(), decided.rule.tolist(), decided.tier.tolist(), self.reason.tolist(),
                band(self.policy, decided.confidence).tolist(), decided.confidence.tolist(), decided.kinds.tolist(),
                self._ranking().tolist(), strict=True,
            )
        ):  # fmt: skip
            contested = decided.open_rules.get(case)
            out.append(
                Decision(
                    brand=ids[brand],
                    brand_name=brands[brand],
                    tier=cast(TierName, TIERS[tier]) if tier >= 0 else None,
                    confidence=confidence if level >= 0 else None,
                    band=cast(BandName, BANDS[level]) if level >= 0 else None,
                    rule="|".join(str(rules[index]) for index in contested) if contested else rules[rule],
                    candidates=tuple(str(ids[index]) for index in ranking if index >= 0),
                    collision=collision_text(kinds),
                    reason=cast(ReasonName, REASONS[reason]) if reason >= 0 else None,
                    fingerprint=fingerprint,
                    as_of=as_of,
                )
            )
        return out

    def _blank(self) -> np.ndarray:
        return (self.texts.folded == "").to_numpy()[self.cases.text]

    def _with_contested(self, rule: pl.Series) -> pl.Series:
        """Where rules contest a case, every one of them is named."""
        contested = self.decided.open_rules
        if not contested:
            return rule
        every = np.array([index for rules in contested.values() for index in rules])
        ids = iter(_take(self.names.rules, every).to_list())
        joined = ["|".join(islice(ids, len(rules))) for rules in contested.values()]
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
                lists.append(pl.repeat([], len(named), dtype=DECISION["candidates"], eager=True))
        place = np.empty(len(order), dtype=np.uint32)
        place[order] = np.arange(len(order), dtype=np.uint32)
        return pl.concat(lists)[place]

    def verdicts(self) -> pl.DataFrame:
        """One row for each answer a tier gave about one case; `reason` says what kept it from deciding.

        columns   case UInt32, folded, key, tier, brand, confidence, rule, match, reason; ordered by case and tier
        """
        ids = np.array(self.names.ids, dtype=object)
        standing, decided, evidence = self.standing, self.decided, self.evidence
        reasons = np.array([None, *OUTCOMES[1:]], dtype=object)[decided.outcome]
        contested = (decided.outcome == Outcome.STANDS) & (decided.kinds[standing.case] & Collision.CONTESTED > 0)
        reasons[contested] = "contested"
        rules = pl.DataFrame(
            {
                "case": standing.case,
                "tier": [Tier.RULES.text] * len(standing.case),
                "brand": _take(self.names.ids, standing.brand),
                "confidence": [None] * len(standing.case),
                "rule": _take(self.names.rules, standing.rule),
                "match": standing.pattern,
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
            self.texts.keys(self.cases.text).alias("key"),
        )
        both = pl.concat([rules, later]).sort("case", "tier", maintain_order=True)
        return texts.join(both, on="case", maintain_order="right")

    def _later_reasons(self, asked: np.ndarray, width: int) -> np.ndarray:
        decided = self.decided
        out = np.full((len(asked), width), "not the best", dtype=object)
        reason = np.array([*REASONS, None], dtype=object)[decided.reason[asked]]
        out[:, 0] = np.where(decided.by_rules[asked], "rules settled it", reason)
        return out.reshape(-1)

    def _number(self, case: int) -> int:
        """Which pattern of the deciding rule matched."""
        at = (self.standing.case == case) & (self.standing.rule == self.decided.rule[case])
        return int(self.standing.pattern[at][0])

    def _rule(self, case: int) -> str:
        """The deciding rule's pattern and its place."""
        rule = int(self.decided.rule[case])
        return f"rule {self.names.rules[rule]}#{self._number(case)} at {self.names.places[rule]}"

    def why(self, case: int) -> str:
        """One sentence on how a case was decided."""
        decided, names = self.decided, self.names
        by_rules = bool(decided.by_rules[case])
        beaten = [
            f"{names.rules[int(self.standing.rule[at])]} ({OUTCOMES[decided.outcome[at]]})"
            for at in np.flatnonzero(self.standing.case == case)
            if decided.outcome[at] not in (Outcome.STANDS, Outcome.FAMILY) or not by_rules
        ]
        contest = decided.open_rules.get(case)
        if contest:
            named = ", ".join(names.rules[index] for index in contest)
            opening = f"rules contest it ({named}), so the next tier is asked: "
        else:
            opening = "" if by_rules else "no rule settles it: "
        if by_rules:
            body = f"{self._rule(case)} settles it"
        elif decided.tier[case] >= 0:
            brand, confidence = names.ids[int(decided.brand[case])], decided.confidence[case]
            body = f"tier {TIERS[decided.tier[case]]} names {brand} with confidence {confidence:.2f}"
        else:
            reason = Reason.BLANK if self._blank()[case] else Reason(decided.reason[case])
            body = f"the engine abstains, {_SAYS[reason]}"
            if reason == Reason.TORN:
                body += f", {' and '.join(names.ids[int(index)] for index in decided.top[case, :2])}"
            if decided.rule[case] >= 0:
                return f"{self._rule(case)} closes it: {body}"
        return opening + body + (f"; set aside: {', '.join(beaten)}" if beaten and not contest else "")


_SAYS = {
    Reason.CONTESTED: "rules name different brands and no later tier settles it",
    Reason.DENIED: "the brand that was named is denied for this text",
    Reason.BELOW_THRESHOLD: "no brand reaches the threshold",
    Reason.NO_KNOWN_BRAND: "it looks like no brand that is known",
    Reason.NO_MATCH: "no tier has anything to say",
    Reason.NOT_A_MERCHANT: "because the text is no merchant's",
    Reason.TORN: "torn between two brands",
    Reason.BLANK: "because the text is blank",
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
    names, decided = record.names, record.decided
    kinds = np.where(
        (named < 0) | (confidence < thresholds[named]),
        "silent",
        np.where(named == decided.brand[case], "agree", np.where(tier == Tier.CACHE, "rule-cache", "rule-model")),
    )
    return pl.DataFrame(
        {
            "key": record.texts.keys(record.cases.text[case]),
            "rule": _take(names.rules, decided.rule[case]),
            "brand": _take(names.ids, decided.brand[case]),
            "tier": _take(_TIERS, tier),
            "named": _take(names.ids, named),
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
_COLLISIONS = pl.Series([*(collision_text(kinds) for kinds in range(1 << len(Collision))), None], dtype=pl.String)
_REASONS = pl.Series([*REASONS, None], dtype=pl.String)


def _take(values: pl.Series, index: np.ndarray) -> pl.Series:
    """values[index], null where index is -1; the last of `values` is null."""
    return values[np.where(index < 0, len(values) - 1, index).astype(np.uint32)]
