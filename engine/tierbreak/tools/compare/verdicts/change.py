"""What would make a failed gate pass: the smallest change of its figure, in counts where it is counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tierbreak.tools.compare.document import count, percent
from tierbreak.tools.compare.verdicts.gates import Gate
from tierbreak.tools.compare.verdicts.paths import Found

#: Fields that hold shares, which people read in percent.
_SHARES = ("share", "exact_share", "family_share", "money_share", "stays", "rate", "ceiling")

#: What a share is of, where it stands beside it: the part and the whole.
_COUNTED = {
    "value": ("part", "whole"),
    "exact_share": ("exact", "total"),
    "family_share": ("family", "total"),
}

#: Contributors that are named.
_NAMED = 3


def shown(value: float | None, found: Found) -> str:
    """A value of a figure, or a bound of it, as people read it: shares in percent, their differences in points.

    >>> shown(0.003, Found(0.0, {"part": 1, "whole": 2}, "value")), shown(0.05, Found(0.0, {}, "srm_p"))
    ('0.3 %', '0.05')
    >>> shown(-0.005, Found(0.0, {"old": 1, "new": 2, "difference": 0.1}, "low"))
    '-0.5 points'
    """
    if value is None or math.isnan(value):
        return "-"
    if {"old", "new", "difference"} <= set(found.holder):
        return f"{100 * value:+.3g} points"
    if found.leaf in _SHARES or ("whole" in found.holder and found.leaf in ("value", "low", "high")):
        return f"{100 * value:.3g} %"
    return f"{value:.4g}"


def change(gate: Gate, found: Found) -> str:
    """What it takes for a gate that fails."""
    value, rises = found.value, gate.min is not None and found.value < gate.min
    bound = gate.min if rises else gate.max
    assert bound is not None  # a gate without bounds fails nowhere
    counted = _counted(gate, found, bound, rises)
    if counted:
        return counted
    moved = f"{shown(value, found)} must {'rise' if rises else 'fall'} to {shown(bound, found)}"
    return "; ".join(part for part in (moved, _wider(gate, found, bound, rises)) if part)


def _counted(gate: Gate, found: Found, bound: float, rises: bool) -> str:
    """In counts: how many fewer, or more, of the whole; empty where the figure is not counted, or by weights."""
    names = _COUNTED.get(found.leaf, ())
    if names and set(names) <= set(found.holder):
        part, whole = (float(found.holder[name]) for name in names)
    elif found.leaf == "share" and "n" in found.holder and found.value > 0:
        # Its whole stands elsewhere, and follows from both.
        part, whole = float(found.holder["n"]), round(float(found.holder["n"]) / found.value, 6)
    else:
        return ""
    if not (part.is_integer() and whole.is_integer() and 0 <= bound <= 1):
        return ""
    # As in the verdict, a share that meets the bound but for the last bit meets it.
    allowed = math.ceil(bound * whole - 1e-9) if rises else math.floor(bound * whole + 1e-9)
    difference = count(abs(part - allowed))
    what = gate.name.replace("-", " ")
    return (
        f"{difference} {'more' if rises else 'fewer'} of {count(whole)} ({what}: {count(part)} now, {count(allowed)} "
        + ("needed)" if rises else "allowed)")
    )


def _wider(gate: Gate, found: Found, bound: float, rises: bool) -> str:
    """For the end of an interval: whether more rows or users could do it, and how many times as many."""
    if found.leaf not in ("low", "high"):
        return ""
    # The intervals of an experiment lie around the adjusted difference where there is one, but for the raw one.
    centres = ("difference", "value") if gate.path.split(".")[-2] == "interval" else ("adjusted", "difference", "value")
    point = next((found.holder[name] for name in centres if found.holder.get(name) is not None), None)
    of = "users" if gate.path.startswith("experiment.") else "rows"
    if point is None or math.isnan(point):
        return ""
    if (point < bound) if rises else (point > bound):
        return f"the figure itself, {shown(point, found)}, lies beyond the bound: more {of} alone will not do"
    if point == bound:
        return f"the figure itself lies on the bound: more {of} alone will not do"
    times = ((point - found.value) / (point - bound)) ** 2
    return (
        f"the figure itself, {shown(point, found)}, would pass: if it stays so, about {times:.1f} times as many {of} "
        "make the interval narrow enough"
    )


def contributors(gate: Gate, figures: Mapping[str, Any]) -> tuple[str, ...]:
    """What contributes most to a figure that fails, where the report lists it.

    Of flips the worst that are listed; of what is lost or changed the heaviest flows.
    """
    if gate.path.startswith(("correctness.exact.negative.", "correctness.exact.positive.")):
        flips = _get(figures, "correctness", gate.path.split(".")[2]) or ()
        return tuple(
            f"{_get(one, 'descriptor')}: {_get(one, 'old') or 'no answer'} -> {_get(one, 'new') or 'no answer'}, "
            f"truly {_get(one, 'truth') or 'no known brand'} ({count(_get(one, 'rows'))} rows)"
            for one in flips[:_NAMED]
        )
    parts = gate.path.split(".")
    if parts[:2] == ["agreement", "outcomes"]:
        kinds = [one for one in _get(figures, "flow", "kinds") or () if _get(one, "outcome") == parts[2]]
        return tuple(
            f"{_get(one, 'old_name')} -> {_get(one, 'new_name')} ({percent(_get(one, 'share'), 2)} of the traffic)"
            for kind in kinds
            for one in _get(kind, "top")[:_NAMED]
        )
    return ()


def _get(here: Any, *names: str) -> Any:
    for name in names:
        here = here.get(name) if isinstance(here, Mapping) else getattr(here, name, None)
    return here
