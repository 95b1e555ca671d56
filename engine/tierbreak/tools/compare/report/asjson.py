"""A comparison as plain data, for programs: the figures of every section, unrounded, with NaN as null."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tierbreak.tools.compare.document import Section, plain
from tierbreak.tools.compare.report.page import ordered

#: Raised when a key changes its meaning or goes; new keys may come at any time.
FORMAT = 1


def asjson(sections: Sequence[Section], meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The report as one object: `format`, what `meta` adds, and under `sections` the figures of each by its id.

    A section that has nothing to say is null, and still there.
    Raises ValueError where `meta` takes one of the names that are the report's own, or two sections have one id.
    """
    extra = dict(meta or {})
    if taken := extra.keys() & {"format", "sections"}:
        raise ValueError(f"meta takes {', '.join(sorted(taken))}, which is the report's own")
    ids = [one.id for one in sections]
    if len(set(ids)) < len(ids):
        raise ValueError(f"sections share an id: {', '.join(ids)}")
    figures = {one.id: plain(one.figures) for one in ordered(sections)}
    return {"format": FORMAT, **plain(extra), "sections": figures}


def dumps(sections: Sequence[Section], meta: Mapping[str, Any] | None = None) -> str:
    """The same as text, in standard JSON: no NaN, and one line at the end."""
    return json.dumps(asjson(sections, meta), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
