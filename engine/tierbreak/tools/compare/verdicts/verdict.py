"""What the gates come to: which hold, what the next step of the ramp may be, and what would change it.

A figure that cannot be said passes no gate: what is not known is no reason to go on.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from tierbreak.errors import SettingsError
from tierbreak.rollout.ramp import Ramp
from tierbreak.tools.compare.verdicts.advice import Advice, Ahead, advised
from tierbreak.tools.compare.verdicts.change import change, contributors, shown
from tierbreak.tools.compare.verdicts.gates import SHORT, Gate, Gates
from tierbreak.tools.compare.verdicts.paths import Found, UnknownPath, find

Says = Literal["pass", "fail", "cannot be said"]
PASS: Final = "pass"
FAIL: Final = "fail"
UNKNOWN: Final = "cannot be said"

#: What it takes to say figures, by the start of their path; the longest that fits counts.
NEEDS = {
    "agreement.by.users": "a column of users in the traffic",
    "agreement.users": "a column of users in the traffic",
    "agreement.by.money": "a column of amounts in the traffic",
    "brands.gold": "a gold set: --gold GOLD",
    "correctness": "a gold set: --gold GOLD",
    "experiment": "exposures of users with this metric: --users EXPOSURES",
    "sample": "labels of the sample: --labels FILE",
    "operations.throughput.old.cost_million": "[prices] with core_hour in the gates file",
    "operations.throughput.new.cost_million": "[prices] with core_hour in the gates file",
}


@dataclass(frozen=True)
class Judged:
    """A gate and what became of it.

    value     the figure; NaN where it cannot be said
    shown     the same as people read it; likewise `bound`
    margin    how far inside the nearer bound, negative outside; NaN where it cannot be said
    needs     where it cannot be said: why, and what it takes
    change    where it fails: the smallest change that would make it pass
    largest   where it fails: what contributes most, as far as the report lists it
    """

    name: str
    measure: str
    path: str
    min: float | None
    max: float | None
    stop: bool
    why: str
    says: Says
    value: float
    shown: str
    bound: str
    margin: float
    needs: str
    change: str
    largest: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """The whole.

    says         `pass` where every gate does, `fail` where one does, else `cannot be said`
    advice       of a pass `go on`, of a failed gate with `stop` `go back`, else `hold`
    words        the verdict in sentences, the most important first
    ahead        None without a ramp
    fingerprint  of the gates file, `written` when it was last changed, as its time says
    """

    says: Says
    advice: Advice
    words: tuple[str, ...]
    gates: tuple[Judged, ...]
    ahead: Ahead | None
    file: str
    fingerprint: str
    written: dt.datetime
    notices: tuple[str, ...]


def verdict(
    gates: Gates,
    figures: Mapping[str, Any],
    *,
    ramp: Ramp | None = None,
    at: dt.datetime | dt.date | None = None,
    notices: tuple[str, ...] = (),
) -> Verdict:
    """Hold figures against gates.

    figures   section id -> its figures (dataclass or plain); None where the section has nothing to say
    at        the moment up to which the data reach, where the ramp is read; a date stands for its end
    notices   what is to be said of the file, such as what Gates.late finds

    Raises SettingsError that names every measure that no figure of the report has.
    """
    judged: list[Judged] = []
    wrong = []
    for gate in gates.gates:
        try:
            judged.append(_judged(gate, figures))
        except UnknownPath as error:
            wrong.append(f"gate {gate.name}: no figure {gate.measure!r}: {error}")
    if wrong:
        raise SettingsError(f"{gates.name}: the gates are wrong:\n" + "\n".join(f"  {line}" for line in wrong))
    says = _overall(judged)
    stops = [one for one in judged if one.says == FAIL and one.stop]
    advice: Advice = "go on" if says == PASS else "go back" if stops else "hold"
    ahead = None if ramp is None or at is None else Ahead.of(ramp, at)
    words = (_counted(judged), advised(advice, [one.name for one in stops], ramp, ahead))
    return Verdict(says, advice, words, tuple(judged), ahead, gates.name, gates.fingerprint, gates.written, notices)


def _judged(gate: Gate, figures: Mapping[str, Any]) -> Judged:
    found = find(figures, _path(gate, figures))
    value = found.value
    room = [math.inf if gate.min is None else value - gate.min, math.inf if gate.max is None else gate.max - value]
    # A share counted as part / whole and a bound written in decimals may differ by the last bit: that is no failure.
    margin = 0.0 if math.isclose(min(room), 0.0, abs_tol=1e-12) else min(room)
    says: Says = UNKNOWN if math.isnan(value) else PASS if margin >= 0 else FAIL
    bounds = [f"at least {shown(gate.min, found)}"] if gate.min is not None else []
    bounds += [f"at most {shown(gate.max, found)}"] if gate.max is not None else []
    failed = says == FAIL
    return Judged(
        gate.name, gate.measure, gate.path, gate.min, gate.max, gate.stop, gate.why, says, value,
        shown(value, found), " and ".join(bounds), margin if says != UNKNOWN else math.nan,
        needs=_needs(gate, found) if says == UNKNOWN else "",
        change=change(gate, found) if failed else "",
        largest=contributors(gate, figures) if failed else (),
    )  # fmt: skip


def _path(gate: Gate, figures: Mapping[str, Any]) -> str:
    """Where a gate's figure stands: a short name means rows as they count, by their weights where they have some."""
    agreed = getattr(figures.get("agreement"), "by", ())
    if gate.measure in SHORT and any(getattr(one, "unit", "") == "weighted rows" for one in agreed):
        return gate.path.replace("agreement.by.rows.", "agreement.by.weighted rows.")
    return gate.path


def _needs(gate: Gate, found: Found) -> str:
    fit = [start for start in NEEDS if gate.path == start or gate.path.startswith(f"{start}.")]
    need = f"to say it takes {NEEDS[max(fit, key=len)]}" if fit else ""
    return "; ".join(part for part in (found.why, need) if part)


def _overall(judged: list[Judged]) -> Says:
    said = {one.says for one in judged}
    return FAIL if FAIL in said else UNKNOWN if UNKNOWN in said or not judged else PASS


def _counted(judged: list[Judged]) -> str:
    total = len(judged)
    if not total:
        return "The gates file has no gate: there is nothing to hold the figures against."
    of = {says: [one.name for one in judged if one.says == says] for says in (PASS, FAIL, UNKNOWN)}
    if len(of[PASS]) == total:
        return f"All {total} gates pass." if total > 1 else "The one gate passes."
    parts = [f"{len(of[PASS])} of {total} gates pass."]
    parts += [f"Failed: {', '.join(of[FAIL])}."] if of[FAIL] else []
    parts += [f"Cannot be said, and so not passed: {', '.join(of[UNKNOWN])}."] if of[UNKNOWN] else []
    return " ".join(parts)
