"""The closing summary of `tierbreak classify`, as lines of text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tierbreak.cli.output import aligned, cut
from tierbreak.core.summary import Summary
from tierbreak.files.rows import unreadable_lines
from tierbreak.files.streams import NOT_UTF8

if TYPE_CHECKING:
    from tierbreak import Engine
    from tierbreak.files import Source
    from tierbreak.files.rows import RowReader

#: Of a list that may be long, this many are shown.
SHOWN = 10


def summary_lines(summary: Summary, source: Source, guards: RowReader, engine: Engine, seconds: float) -> list[str]:
    """What a person should know after a run: what became of the rows, what was odd, how fast, decided by what."""
    plus = "more than " if summary.distinct_is_floor else ""
    lines = [f"rows {summary.rows:,}, distinct descriptors {plus}{summary.distinct:,}"]
    lines += aligned(_tiers(summary), indent="  ")
    if summary.reasons:
        lines.append(f"abstained by reason: {_named(summary.reasons)}")
    lines.append(f"collisions {summary.collided:,}" + (f": {_named(summary.collisions)}" if summary.collisions else ""))
    if summary.audit:
        lines.append(f"audit of {sum(summary.audit.values()):,} settled cases: {_named(summary.audit)}")
    if source.broken.total:
        lines.append(f"broken rows {source.broken.total:,}, kept without a brand (reason broken-row)")
        lines += [f"  {row}: {cut(row.text, 60)}" for row in source.broken.first]
        if source.broken.total > len(source.broken.first):
            lines.append(f"  and {source.broken.total - len(source.broken.first):,} more")
        if any(row.why == NOT_UTF8 for row in source.broken.first):
            lines.append("  a file from a spreadsheet may be CP1252: `iconv -f CP1252 -t UTF-8` makes it UTF-8")
    if summary.silenced:
        first = dict(summary.silenced.most_common(SHOWN))
        more = f" and {len(summary.silenced) - SHOWN} more" if len(summary.silenced) > SHOWN else ""
        lines.append(f"rules silent for want of a value, by rows: {_named(Counter(first))}{more}")
    notes = [*source.notices, *unreadable_lines(guards.unreadable, guards.columns), *engine.notices]
    lines += [f"note: {note}" for note in notes]
    lines.append(f"{summary.rows / max(seconds, 1e-9):,.0f} rows/s in {seconds:.2f} s, reading and writing included")
    lines.append(f"fingerprint {engine.fingerprint}")
    return lines


def _tiers(summary: Summary) -> list[list[str]]:
    total = sum(summary.weights.values())
    out = []
    for tier in summary.reported:
        cells = [tier, f"{summary.tiers[tier]:>11,}", f"{summary.share(tier):>7.1%}"]
        if summary.weighted:
            cells.append(f"{summary.weights[tier] / total if total else 0:>7.1%} by weight")
        out.append(cells)
    return out


def _named(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
