"""What a change to the rulebook would do to last month: rows that flip, by traffic and by money, with strings.

found = diff(Compared(), "HEAD", None, "june.parquet")
found.flips, found.changes.rules
Budget.of("0.05%").held(found)
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tierbreak.bundle import DEFAULT, Default, fingerprint_of
from tierbreak.core.tables import MASKED, NO_BRAND, NOT_A_MERCHANT
from tierbreak.files import atomic
from tierbreak.parts import Parts
from tierbreak.registry import Registry
from tierbreak.settings import Settings
from tierbreak.tools.rules.traffic.diff import approvals as approving
from tierbreak.tools.rules.traffic.diff.answers import changed
from tierbreak.tools.rules.traffic.diff.approvals import Approval
from tierbreak.tools.rules.traffic.diff.budget import Budget
from tierbreak.tools.rules.traffic.diff.changes import Changes, changes
from tierbreak.tools.rules.traffic.diff.reach import Labels, Reach
from tierbreak.tools.rules.traffic.diff.report import Approved, Diff, Flip, Seen, Side, grouped
from tierbreak.tools.rules.traffic.diff.versions import Compared, Version
from tierbreak.tools.rules.traffic.read import Traffic

__all__ = [
    "Approval", "Approved", "Budget", "Changes", "Compared", "Diff", "Flip", "Side", "Version", "between", "changes",
    "diff",
]  # fmt: skip


def diff(
    compared: Compared,
    a: str | None,
    b: str | None,
    input: str,
    *,
    cache: Path | Default | None = DEFAULT,
    settings: Settings | None = None,
    approvals: Path | None = None,
    today: dt.date | None = None,
    advance: Callable[[int], None] = lambda rows: None,
    **reading: Any,
) -> Diff:
    """Compare two versions of a rulebook on the traffic in a file.

    a, b        folders or git revisions, None for the folder as it lies; see Compared.version
    cache       where the model's answers are looked up; the model itself is never asked
    approvals   a file of flips that somebody answers for; see approvals.py
    today       on which approvals must still hold, and the date of rows without one; None is today
    advance     told how many rows a chunk had
    reading     how the file is read: `format`, `columns`, `date_order` of Traffic.read

    Only texts that the change can reach are decided, by both rulebooks whole; see reach.py.

    Raises SettingsError, RegistryError, RulebookError, ModelError, CacheError or InputError.
    """
    settings = settings or Settings.of()
    with atomic.scratch() as folder:
        old, new = (
            compared.version(given, folder / side, settings.state / "rulebooks") for side, given in (("a", a), ("b", b))
        )
        return between(
            old, new, input, cache=cache, settings=settings, approvals=approvals, today=today, advance=advance,
            **reading,
        )  # fmt: skip


def between(
    old: Version,
    new: Version,
    input: str,
    *,
    cache: Path | Default | None = DEFAULT,
    settings: Settings | None = None,
    approvals: Path | None = None,
    today: dt.date | None = None,
    advance: Callable[[int], None] = lambda rows: None,
    **reading: Any,
) -> Diff:
    """The same of two versions that have been read."""
    today, settings = today or dt.date.today(), settings or Settings.of()
    settings = settings.model_copy(update={"as_of": settings.as_of or today})
    allowed = approving.read(approvals, {*old.registry.ids, *new.registry.ids}) if approvals else ()
    both = _Both(old, new, cache, settings)
    try:
        return _between(both, input, allowed, today, advance, reading)
    finally:
        both.close()


class _Both:
    """Two engines with one model and one cache; loaded when first asked for: most changes reach few rows or none."""

    def __init__(self, old: Version, new: Version, cache: Path | Default | None, settings: Settings) -> None:
        self.old, self.new, self.settings = old, new, settings
        self.notices: list[str] = []
        self._cache, self._parts = cache, None  # type: Path | Default | None, tuple[Parts, Parts] | None

    @property
    def parts(self) -> tuple[Parts, Parts]:
        if self._parts is None:
            bare = dataclasses.replace(self.old.bundle, model=None)
            new = Parts.load(self.new.bundle, self._cache, self.settings, self.new.book, self.new.registry)
            old = Parts.load(bare, None, self.settings, self.old.book, self.old.registry)
            self._parts = self._with_model(old, new), new
            self.notices += [*dict.fromkeys((*old.notices, *new.notices))]
        return self._parts

    def _with_model(self, old: Parts, new: Parts) -> Parts:
        if new.model is None:
            return old
        registry = old.registry
        lacking = sum(label not in registry for label in new.model.labels)
        if lacking:
            self.notices.append(f"{lacking} brands that the model knows are not in the registry of {self.old.name}")
        sectors = [brand.sector for brand in registry.brands]
        return dataclasses.replace(
            old, model=new.model, cache=new.cache, fallback=new.fallback,
            brand_of_label=_codes(registry, new.model.labels),
            thresholds=new.model.policy.thresholds(registry.ids, sectors),
        )  # fmt: skip

    def labels(self) -> Labels | None:
        """What the registry changes about the model's answers."""
        return Labels.between(*self.parts)

    def close(self) -> None:
        if self._parts is not None and self._parts[1].cache is not None:
            self._parts[1].cache.close()


def _codes(registry: Registry, labels: tuple[str, ...]) -> np.ndarray:
    """Like Registry.codes, but a label that the registry lacks is a brand that may not be answered."""
    known = [label for label in labels if label in registry]
    codes = dict(zip(known, registry.codes(known).tolist(), strict=False))
    return np.array([*(codes.get(label, MASKED) for label in labels), NOT_A_MERCHANT, NO_BRAND], dtype=np.int32)


def _between(
    both: _Both,
    input: str,
    allowed: tuple[Approval, ...],
    today: dt.date,
    advance: Callable[[int], None],
    reading: dict[str, Any],
) -> Diff:
    old, new, settings = both.old, both.new, both.settings
    what = changes(old, new)
    labels = both.labels() if what.brands and new.bundle.model is not None else None
    reach = Reach(what.concerned, labels, settings.off)
    traffic = Traffic.read(
        input, [old.book, new.book], debits=settings.debits, keep=reach, advance=advance, **reading
    )  # fmt: skip
    rows = changed(*both.parts, traffic.rows, settings, labels=labels is not None) if traffic.rows.height else None
    notices = [*traffic.notices, *both.notices]
    if reach.unseen:
        notices.append(
            f"the registry changes what the model says; of {reach.unseen:,} rows the cache does not know what that is, "
            "so it cannot be told whether they change"
        )
    flips: tuple[tuple[Flip, ...], tuple[Flip, ...]] = ((), ())
    covered = [0.0] * len(allowed)
    if rows is not None and rows.height:
        found, covered = approving.assigned(rows, allowed, today)
        flips = grouped(found, _families(old.registry) | _families(new.registry))
    seen = Seen(
        traffic.name, traffic.total, traffic.money, traffic.broken, traffic.window, traffic.rows.height, reach.patterns
    )  # fmt: skip
    return Diff(_side(old), _side(new), seen, what, *flips, tuple(_approved(allowed, covered, today)), tuple(notices))


def _families(registry: Registry) -> dict[str, str]:
    """Brand id -> the head of its family."""
    return {id: registry.ids[(at, *registry.ancestors(at))[-1]] for at, id in enumerate(registry.ids)}


def _side(version: Version) -> Side:
    whole = fingerprint_of([("registry", version.registry.fingerprint), ("rulebook", version.book.fingerprint)])
    return Side(version.name, len(version.book.rules), len(version.registry), whole)


def _approved(allowed: tuple[Approval, ...], covered: list[float], today: dt.date) -> list[Approved]:
    return [
        Approved(approval, "expired" if approval.expires < today else "used" if rows else "unused", rows)
        for approval, rows in zip(allowed, covered, strict=True)
    ]
