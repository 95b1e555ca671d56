"""Cases decided once more with one rule taken out of the book, or let in: what the rule is there for.

Taking a rule out of a case is not the same as giving its answer to the next: a rule that it outranked stands again, a
contest may end, a brand that it denied may be named. So the case is arbitrated anew, by the same code, on the matches
that are left; only cases in which the rule matched can change, and all of them are done at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tierbreak import pipeline
from tierbreak.core.arbitration import Decisions, rule_on
from tierbreak.core.codes import Outcome
from tierbreak.core.tables import CaseMatches, Cases, Evidence
from tierbreak.parts import Parts
from tierbreak.tools.rules.traffic.replay import Replayed, recalled

#: Outcomes of a match that has a say in its case, if only by being beaten.
EFFECTIVE = (Outcome.STANDS, Outcome.VETO, Outcome.DENIED, Outcome.OUTRANKED, Outcome.SPAN, Outcome.FAMILY)

#: What becomes of the answer where a rule fired, once it is taken out (a `shadow` rule: let in).
#:   idle         the rule was beaten or had nothing to do: all stays as it is
#:   same-…       the answer stays, and this gives it: another rule, the model; `none`: there was no answer and is none
#:   other-…      there is an answer, and it is another one, or there was none before
#:   nothing      nobody gives an answer any more
#:   unknown      it would be the model's to say, and the cache does not know the key
CHANGES = ("idle", "same-rule", "same-model", "same-none", "other-rule", "other-model", "nothing", "unknown")
IDLE, SAME_RULE, SAME_MODEL, SAME_NONE, OTHER_RULE, OTHER_MODEL, NOTHING, UNKNOWN = range(len(CHANGES))


@dataclass(frozen=True)
class Now:
    """The decisions as they are, with what the cache knows of every case in which a rule fired.

    unknown   bool [cases]: rules leave the case open, there is a model, and the cache does not know its key
    """

    part: Replayed
    evidence: Evidence
    decided: Decisions
    unknown: np.ndarray
    _unseen: np.ndarray

    @classmethod
    def of(cls, parts: Parts, part: Replayed) -> Now:
        fired = np.zeros(len(part.cases.text), dtype=bool)
        fired[part.standing.case] = True
        evidence, decided, _ = recalled(parts, part, fired)
        if parts.model is None:
            unseen = np.zeros(len(fired), dtype=bool)
        else:  # a blank key is asked of nobody
            blank = (part.texts.key == "").to_numpy()[part.cases.text]
            unseen = (evidence.of_case < 0) & ~blank
        return cls(part, evidence, decided, unseen & part.settled.unsettled, unseen)


@dataclass(frozen=True)
class Variants:
    """v cases, each decided with one match changed.

    at        int64 [v]  the match, a position in the part's Standing
    case      int64 [v]  its case
    denies    bool [v]   its rule is a deny rule
    decided   decisions by variant
    unknown   bool [v]   as in Now
    """

    at: np.ndarray
    case: np.ndarray
    denies: np.ndarray
    decided: Decisions
    unknown: np.ndarray

    def changes(self, now: Now) -> np.ndarray:
        """int8 [v]: positions in CHANGES, from the decision as it is to that of the variant."""
        rule = now.part.standing.rule[self.at]
        brand, tier, by = (getattr(now.decided, name)[self.case] for name in ("brand", "tier", "rule"))
        new_brand, new_tier, new_by = self.decided.brand, self.decided.tier, self.decided.rule
        open_before, open_now = _open(now.decided)[self.case], _open(self.decided)
        out = np.select(
            [
                # Neither before nor afterwards do rules settle it: the later tiers are asked the same, unless the rule
                # forbade them an answer.
                open_before & open_now & (~self.denies | ~self.unknown & (brand == new_brand)),
                (tier == 0) & (new_tier == 0) & (brand == new_brand) & (by != rule) & (new_by != rule),
                ~open_before & ~open_now & (tier < 0) & (new_tier < 0) & (by != rule) & (new_by != rule),
                # Closed by a rule that is let in: what the model says of it now is not known either.
                self.unknown | now.unknown[self.case] & ~open_now & (new_brand < 0),
                (new_brand >= 0) & (new_brand == brand) & (new_tier == 0),
                (new_brand >= 0) & (new_brand == brand),
                (new_brand >= 0) & (new_tier == 0),
                new_brand >= 0,
                brand >= 0,
            ],
            [IDLE, IDLE, IDLE, UNKNOWN, SAME_RULE, SAME_MODEL, OTHER_RULE, OTHER_MODEL, NOTHING],
            default=SAME_NONE,
        )
        return out.astype(np.int8)


def without(parts: Parts, now: Now) -> Variants:
    """Every case once for each rule that has a say in it, without that rule."""
    at = np.flatnonzero(np.isin(now.part.settled.outcome, EFFECTIVE))
    return _varied(parts, now, at, kept=False)


def let_in(parts: Parts, now: Now, outcome: int) -> Variants:
    """Every case once for each match that is SHADOW, as if its rule were active, or UNLESS, as if it had none.

    An `unless` of a rule with a guard or dates is left out: whether the guard would let the row pass was not asked.
    """
    at = np.flatnonzero(now.part.settled.outcome == outcome)
    if outcome == Outcome.UNLESS:
        at = at[
            ~parts.conditions.conditional[now.part.standing.rule[at]]
            & parts.precedence.decides[now.part.standing.rule[at]]
        ]
    else:
        assert outcome == Outcome.SHADOW
    return _varied(parts, now, at, kept=True)


def _varied(parts: Parts, now: Now, at: np.ndarray, *, kept: bool) -> Variants:
    standing, texts, cases = now.part.standing, now.part.texts, now.part.cases
    case = standing.case[at]
    effective = np.flatnonzero(np.isin(now.part.settled.outcome, EFFECTIVE))
    start = np.searchsorted(standing.case[effective], case, side="left")
    count = np.searchsorted(standing.case[effective], case, side="right") - start
    of = np.repeat(np.arange(len(at)), count)
    match = effective[np.repeat(start, count) + _within(count)]
    if kept:
        of, match = np.r_[of, np.arange(len(at))], np.r_[match, at]
    else:
        others = match != at[of]
        of, match = of[others], match[others]
    matches = CaseMatches(
        case=of,
        rule=standing.rule[match],
        pattern=standing.pattern[match],
        outcome=np.full(len(of), Outcome.STANDS, dtype=np.uint8),
    )
    # What is effective decides, and so does a shadow rule that is let in.
    book = replace(parts.precedence, decides=np.ones_like(parts.precedence.decides))
    varied = Cases(cases.of_row, cases.text[case], matches, {})
    ruled = rule_on(matches, len(at), book, pipeline.spans_of(parts, texts, varied))
    settled = ruled.decided
    evidence = replace(now.evidence, of_case=now.evidence.of_case[case])
    decided = pipeline.decided_with(parts, ruled, evidence)
    return Variants(at, case, book.deny[standing.rule[at]], decided, settled.unsettled & now._unseen[case])


def _open(decided: Decisions) -> np.ndarray:
    """bool: rules did not settle the case, nor close it."""
    closed = (decided.tier < 0) & (decided.rule >= 0)
    return (decided.tier != 0) & ~closed


def _within(count: np.ndarray) -> np.ndarray:
    """0, 1, … count[i] - 1 for each i, one after the other.

    >>> _within(np.array([2, 0, 3]))
    array([0, 1, 0, 1, 2])
    """
    return np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
