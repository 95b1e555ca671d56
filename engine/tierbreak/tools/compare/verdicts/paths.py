"""A figure of a report by its path: `correctness.exact.negative.share`, as the JSON of the report has it.

    agreement.by.users.exact_share     an entry of a list by the word it is known by, or by its position: `by.0`
    experiment.metrics.retained.always.low   of a pair of numbers, `low` and `high`
    brands.brands.booking.com.net      a word may have dots
    correctness.exact.precision.new    of an object with a `value`, that
    experiment.srm_p                   where a section holds what is called as itself, that need not be said twice

What cannot be said is NaN, with the reason; what no report has is an error that names the nearest.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin, get_type_hints

#: Fields by which an entry of a list is known.
_KNOWN_BY = ("id", "unit", "side", "outcome", "metric", "segment", "name", "tier")

#: Most figures that are looked through for one of a like name.
_LOOKED = 2_000


class UnknownPath(LookupError):
    """No figure has this path; the message names the nearest."""


@dataclass(frozen=True)
class Found:
    """A figure.

    value    NaN where it cannot be said
    holder   the object in which it stands
    leaf     what it is called there
    why      why it cannot be said, as far as the report says it
    """

    value: float
    holder: Mapping[str, Any]
    leaf: str
    why: str = ""


def find(figures: Mapping[str, Any], path: str) -> Found:
    """The figure at a path.

    figures   section id -> its figures, None where it has nothing to say

    Raises UnknownPath where no figure can have this path, or what has it is no number.

    >>> find({"flow": {"lost": {"part": 1, "whole": 4, "value": 0.25}}}, "flow.lost")
    Found(value=0.25, holder={'part': 1, 'whole': 4, 'value': 0.25}, leaf='value', why='')
    """
    parts = path.split(".")
    try:
        return _walk(figures, parts, [], {}, "", "")
    except UnknownPath:
        if parts[0] in (_fields(figures.get(parts[0])) or {}):
            return _walk(figures, [parts[0], *parts], [], {}, "", "")
        raise


def _walk(here: Any, parts: list[str], done: list[str], holder: Mapping[str, Any], leaf: str, why: str) -> Found:
    """The figure below `here`.

    parts    of the path, still to go; `done` those gone
    holder   the last object on the way, `leaf` what was taken of it
    why      what the report says of why figures are missing
    """
    if here is None:
        missing = f"{'.'.join(done)} is not in this report" if parts else "the report cannot say it"
        return Found(math.nan, holder, leaf, why or missing)
    fields = _fields(here)
    if fields is not None:
        why = str(fields.get("withheld") or why)
        if not parts and "value" in fields:
            return _walk(fields["value"], parts, [*done, "value"], fields, "value", why)
        holder = fields
    if not parts:
        if not isinstance(here, int | float) and not hasattr(here, "__float__"):
            raise UnknownPath(_nearest(here, done, parts))
        value = float(here)
        return Found(value, holder, leaf, "" if math.isfinite(value) else why)
    wrong: UnknownPath | None = None
    for below, used in _steps(here, parts):
        try:
            return _walk(below, parts[used:], done + parts[:used], holder, ".".join(parts[:used]), why)
        except UnknownPath as error:
            wrong = wrong or error
    if wrong is not None:
        raise wrong
    if _listed(here) and not len(here):
        return Found(math.nan, holder, leaf, f"{'.'.join(done)} has nothing in it here")
    if known := _words(here):
        return Found(
            math.nan, holder, leaf, f"{'.'.join(done)} has no {parts[0]!r} here; it has {', '.join(known[:8])}"
        )
    raise UnknownPath(_nearest(here, done, parts))


def _fields(here: Any) -> Mapping[str, Any] | None:
    """What an object has by name; None where it is none."""
    if isinstance(here, Mapping):
        return here
    if dataclasses.is_dataclass(here) and not isinstance(here, type):
        return {one.name: getattr(here, one.name) for one in dataclasses.fields(here)}
    return here._asdict() if hasattr(here, "_asdict") else None


def _listed(here: Any) -> bool:
    return isinstance(here, Sequence) and not isinstance(here, str) and not hasattr(here, "_asdict")


def _words(here: Any) -> list[str]:
    """What the entries of a list are known by; empty for what is no list."""
    if not _listed(here):
        return []
    entries = [fields for one in here if (fields := _fields(one)) is not None]
    return [str(one[by]) for one in entries for by in _KNOWN_BY if one.get(by) is not None]


def _steps(here: Any, parts: Sequence[str]) -> Iterator[tuple[Any, int]]:
    """Every step down that can be taken, and how many parts it takes: most first, as words may have dots."""
    fields = _fields(here)
    for used in range(len(parts), 0, -1):
        word = ".".join(parts[:used])
        if fields is not None and word in fields:
            yield fields[word], used
        if not _listed(here):
            continue
        if len(here) == 2 and word in ("low", "high"):
            yield here[word == "high"], used
        entries = [one for one in here if word in _words([one])]
        if len(entries) > 1:
            raise UnknownPath(f"{len(entries)} entries are called {word!r}; name one by its position, from 0")
        if entries:  # before positions: there is a brand that is called 76
            yield entries[0], used
        if word.isdecimal() and int(word) < len(here):
            yield here[int(word)], used


def _nearest(here: Any, done: Sequence[str], parts: Sequence[str]) -> str:
    under = ".".join(done)
    leaves = []
    for path in _leaves(here):
        leaves.append(path)
        if len(leaves) == _LOOKED:
            break
    if not parts:
        what = f"{under} is no number"
        near = leaves[:5]
    else:
        what = f"{under + ' has' if under else 'there is'} no {parts[0]!r}"
        rest = ".".join(parts)
        near = get_close_matches(rest, leaves, n=3, cutoff=0.5)
        ends = [leaf for leaf in leaves if leaf.rpartition(".")[2] == parts[-1]]
        near = list(dict.fromkeys([*near, *get_close_matches(rest, ends, n=2, cutoff=0.0)])) or leaves[:3]
    shown = ", ".join(".".join([*done, leaf]) for leaf in near)
    return f"{what}; nearest: {shown}" if shown else what


def _leaves(here: Any) -> Iterator[str]:
    """Paths of all numbers below, and of what cannot be said."""
    fields = _fields(here)
    if fields is None and _listed(here):
        words = [next((str(one[by]) for by in _KNOWN_BY if one.get(by) is not None), "") if one else ""
                 for one in map(_fields, here)]  # fmt: skip
        fields = {word or str(at): one for at, (word, one) in enumerate(zip(words, here, strict=True))}
    if fields is None:
        return
    for name, one in fields.items():
        if one is None or isinstance(one, int | float):
            yield name
        else:
            yield from (f"{name}.{leaf}" for leaf in _leaves(one))


def possible(path: str, kinds: Mapping[str, Any]) -> bool:
    """Whether a path can be one of figures of these types: to be asked before there are figures.

    kinds   section id -> the dataclass of its figures; a section that is not there may have anything

    >>> possible("a.value", {"a": Found}), possible("a.valeu", {"a": Found}), possible("b.x", {"a": Found})
    (True, False, True)
    """
    section, *parts = path.split(".")
    if section not in kinds:
        return True
    return _possible(kinds[section], parts) or _possible(kinds[section], [section, *parts])


def _possible(kind: Any, parts: Sequence[str]) -> bool:
    if get_origin(kind) in (Union, types.UnionType):
        return any(_possible(one, parts) for one in get_args(kind) if one is not type(None))
    fields = get_type_hints(kind) if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields") else None
    if fields is not None:
        name, rest = (parts[0], parts[1:]) if parts else ("value", [])
        return name in fields and _possible(fields[name], rest)
    if get_origin(kind) is tuple:
        inside = [one for one in get_args(kind) if one is not ...]
        # A word of an entry may have dots: how many parts it takes is not known.
        return any(_possible(one, list(parts[used:])) for one in inside for used in range(1, len(parts) + 1))
    return kind is not str if not parts else kind not in (int, float, str, bool)
