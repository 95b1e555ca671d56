"""Who gets the new engine: a share of the users that a schedule file raises step by step.

    name = "engine"                       # what the switch is called
    salt = "2026-11"                      # another salt draws other users
    hold = 2027-01-15                     # optional: steps from then on do not begin
    rollback = 2027-01-20T09:30:00Z       # optional: from then on everybody has the old engine

    [[step]]
    from = 2026-12-01
    share = 0.05

    [[step]]
    from = 2027-01-01
    share = 0.5

A user's place in 0..1 is a keyed hash of the user's id: the same in every process and version of Python. Who lies below
the share has the new engine, so nobody leaves it while the share grows. A date without a time is midnight, UTC.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tierbreak.errors import BatchError, SettingsError

Arm = Literal["old", "new"]

_KEYS = {"name", "salt", "hold", "rollback", "step"}
_RANGE = 1 << 64


@dataclass(frozen=True)
class Step:
    """From a moment on (UTC) a share (0..1) of the users has the new engine."""

    start: dt.datetime
    share: float


@dataclass(frozen=True)
class Exposure:
    """That a user was given an arm: one line of the exposure log."""

    user: str
    arm: Arm
    at: dt.datetime
    share: float
    ramp: str

    def line(self) -> str:
        """One line of JSON."""
        moment = self.at.isoformat(timespec="milliseconds")
        row = {"user": self.user, "arm": self.arm, "at": moment, "share": self.share, "ramp": self.ramp}
        return json.dumps(row, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class Ramp:
    """A schedule. Safe to share between threads; equal files assign alike everywhere.

    A user's id is a text; anything else, and a moment that is none in UTC, raises BatchError.

    steps      in the order of time, shares never falling
    hold       steps that begin at this moment or later are left out
    rollback   from this moment on everybody is in the old arm

    >>> day = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    >>> ramp = Ramp("engine", "2026-11", (Step(day, 0.5),))
    >>> [ramp.arm(f"user-{number}", at=day) for number in range(4)]
    ['new', 'old', 'old', 'old']
    >>> ramp.arm("user-0", at=day - dt.timedelta(seconds=1))
    'old'
    """

    name: str
    salt: str
    steps: tuple[Step, ...]
    hold: dt.datetime | None = None
    rollback: dt.datetime | None = None

    @classmethod
    def read(cls, path: Path | str) -> Ramp:
        """Read a schedule file. Raises SettingsError that names all that is wrong with it."""
        try:
            content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except RecursionError:
            raise SettingsError(f"{path}: cannot be read as a ramp: brackets are nested too deep") from None
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: cannot be read as a ramp: {error}") from None
        wrong = [f"no such key `{key}`; there are {', '.join(sorted(_KEYS))}" for key in content if key not in _KEYS]
        for key in ("name", "salt"):
            if not isinstance(content.get(key), str) or not content[key].strip():
                wrong.append(f"`{key}` must be a text that is not empty")
        ends = {key: _moment(content[key], key, wrong) for key in ("hold", "rollback") if key in content}
        steps = _steps(content.get("step"), wrong)
        if wrong:
            raise SettingsError(f"{path}: the ramp is wrong:\n" + "\n".join(f"  {line}" for line in wrong))
        return cls(content["name"], content["salt"], steps, ends.get("hold"), ends.get("rollback"))

    @property
    def fingerprint(self) -> str:
        """Hex digest of all that assigns; it stands beside every exposure."""
        parts = [self.name, self.salt, self.hold, self.rollback, [(step.start, step.share) for step in self.steps]]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def share(self, at: dt.datetime | None = None) -> float:
        """The share of users that has the new engine at a moment, now unless told. Naive moments are UTC."""
        at = _aware(at)
        if self.rollback is not None and at >= self.rollback:
            return 0.0
        begun = [step for step in self.steps if step.start <= at and (self.hold is None or step.start < self.hold)]
        return begun[-1].share if begun else 0.0

    def place(self, user: str) -> float:
        """Where a user stands, 0 ..< 1: below the share is the new arm. The same for ever under one salt."""
        return self._place(user) / _RANGE

    def arm(self, user: str, *, at: dt.datetime | None = None) -> Arm:
        """The arm of a user at a moment, now unless told."""
        # Compared as whole numbers: a place so near 1 that a float rounds it up must still lie below a share of 1.
        return "new" if self._place(user) < int(self.share(at) * _RANGE) else "old"

    def expose(self, user: str, log: Path | str, *, at: dt.datetime | None = None) -> Arm:
        """The arm of a user, and a line on it in the exposure log: appended in one write, whole among processes."""
        at = _aware(at)
        arm = self.arm(user, at=at)
        append(log, [Exposure(user, arm, at, self.share(at), self.fingerprint)])
        return arm

    def _place(self, user: str) -> int:
        if not isinstance(user, str):
            raise BatchError(f"a user's id must be a text, got {user!r}; give str() of what the user is known by")
        try:
            salted = f"{self.name}\0{self.salt}\0{user}".encode()
        except UnicodeEncodeError:
            raise BatchError(f"the user's id {user!r} is no Unicode text, it holds half a surrogate pair") from None
        return int.from_bytes(hashlib.blake2b(salted, digest_size=8).digest(), "big")


def append(log: Path | str, exposures: Iterable[Exposure]) -> None:
    """Add lines to an exposure log, which its owner alone may read. Raises OSError where it cannot be written."""
    data = "".join(one.line() for one in exposures).encode()
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, data)
    finally:
        os.close(file)


def _steps(given: Any, wrong: list[str]) -> tuple[Step, ...]:
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        wrong.append("there must be one [[step]] or more, each with `from` and `share`")
        return ()
    steps: list[Step] = []
    for number, one in enumerate(given, start=1):
        for key in one.keys() - {"from", "share"}:
            wrong.append(f"step {number}: no such key `{key}`; there are from, share")
        start = _moment(one.get("from"), f"step {number}: from", wrong)
        share = one.get("share")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            wrong.append(f"step {number}: `share` must be a number from 0 to 1, got {share!r}")
            continue
        if steps and share < steps[-1].share:
            wrong.append(f"step {number}: share falls from {steps[-1].share} to {share}; to go back, set `rollback`")
        if start is not None and steps and start <= steps[-1].start:
            wrong.append(f"step {number}: begins at {start.isoformat()}, not after the step before it")
        if start is not None:
            steps.append(Step(start, float(share)))
    return tuple(steps)


def _moment(given: Any, what: str, wrong: list[str]) -> dt.datetime | None:
    if isinstance(given, dt.date) and not isinstance(given, dt.datetime):
        given = dt.datetime(given.year, given.month, given.day)
    if isinstance(given, dt.datetime):
        try:
            return _aware(given)
        except BatchError as error:
            wrong.append(f"`{what}`: {error}")
            return None
    wrong.append(f"`{what}` must be a date such as 2026-12-01, or a time such as 2026-12-01T09:30:00Z, got {given!r}")
    return None


def _aware(at: dt.datetime | None) -> dt.datetime:
    if at is None:
        return dt.datetime.now(dt.UTC)
    if not isinstance(at, dt.datetime):
        raise BatchError(f"a moment must be a datetime, got {at!r}")
    try:
        return at.replace(tzinfo=dt.UTC) if at.tzinfo is None else at.astimezone(dt.UTC)
    except OverflowError:
        raise BatchError(f"{at.isoformat()} lies outside of the years 1 to 9999 in UTC; give another moment") from None
