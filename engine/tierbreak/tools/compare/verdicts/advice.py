"""What a verdict means for the ramp: which step it stands at, which comes next, and what to write into the schedule."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tierbreak.rollout.ramp import Ramp, Step

Advice = Literal["go on", "hold", "go back"]


@dataclass(frozen=True)
class Ahead:
    """Where a ramp stands at a moment, and its next step.

    at      the moment, UTC
    share   0..1, of users that have the new side then
    next    share of the next step that would begin, None where there is none
    start   when it was to begin: before `at` where a hold keeps it back
    """

    at: dt.datetime
    share: float
    next: float | None
    start: dt.datetime | None

    @classmethod
    def of(cls, ramp: Ramp, at: dt.datetime | dt.date) -> Ahead:
        """Of a ramp at a moment; naive ones are UTC, a date stands for its end."""
        if not isinstance(at, dt.datetime):
            at = dt.datetime.combine(at, dt.time.max)
        at = at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at.astimezone(dt.UTC)
        share = ramp.share(at)
        back = ramp.rollback is not None and at >= ramp.rollback
        step = None if back else next((one for one in ramp.steps if one.share > share), None)
        if step is not None and ramp.rollback is not None and step.start >= ramp.rollback:
            step = None  # the schedule goes back before it would begin
        return cls(at, share, step.share if step else None, step.start if step else None)


def advised(advice: Advice, stops: Sequence[str], ramp: Ramp | None, ahead: Ahead | None) -> str:
    """The next step in words.

    stops   names of the failed gates that say to stop
    ahead   of the ramp; None where there is none, or no moment to read it at
    """
    if ramp is None or ahead is None:
        without = "No ramp was given" if ramp is None else "The data have no dates by which the ramp could be read"
        return {
            "go on": f"The gates allow the next step. {without}: which that is cannot be said.",
            "hold": "Stay at the present share.",
            "go back": f"Go back to the old side: {_stopped(stops)}.",
        }[advice]
    if ramp.rollback is not None and ahead.at >= ramp.rollback:
        return (
            f"The ramp was rolled back at {_moment(ramp.rollback)}: nobody has the new side, whatever the gates say, "
            "until somebody takes rollback out of the schedule."
        )
    now = f"{_share(ahead.share)} of users, where the ramp stands at the end of the data ({_moment(ahead.at)})"
    if advice == "go back":
        return (
            f"Go back to the old side: {_stopped(stops)}. Set rollback in the schedule to the present moment; "
            f"so far the new side has {now}."
        )
    step = None if ahead.next is None or ahead.start is None else Step(ahead.start, ahead.next)
    return (_held if advice == "hold" else _allowed)(ramp, step, now)


def _held(ramp: Ramp, step: Step | None, now: str) -> str:
    if step is None or _kept_back(ramp, step):
        return f"Hold at {now}."
    moment = f"{step.start:%Y-%m-%d}" if step.start.time() == dt.time() else f"{step.start:%Y-%m-%dT%H:%M:%SZ}"
    return f"Hold at {now}. Write hold = {moment} into the schedule: it keeps back the step to {_share(step.share)}."


def _allowed(ramp: Ramp, step: Step | None, now: str) -> str:
    if step is None:
        return f"The gates are passed at {now}; the schedule has no further step."
    if _kept_back(ramp, step):
        return (
            f"The gates allow the step to {_share(step.share)} of users that was meant for {_moment(step.start)}; the "
            f"schedule holds it back. Take hold out of it to go on. The new side has {now}."
        )
    return (
        f"The gates allow the next step: {_share(step.share)} of users from {_moment(step.start)}. The new side has "
        f"{now}."
    )


def _kept_back(ramp: Ramp, step: Step) -> bool:
    return ramp.hold is not None and step.start >= ramp.hold


def _stopped(stops: Sequence[str]) -> str:
    return f"{' and '.join(stops)} failed, and {'that gate says' if len(stops) == 1 else 'those gates say'} to stop"


def _share(share: float) -> str:
    return f"{100 * share:g} %"


def _moment(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d}" if moment.time() in (dt.time(), dt.time.max) else f"{moment:%Y-%m-%d %H:%M} UTC"
