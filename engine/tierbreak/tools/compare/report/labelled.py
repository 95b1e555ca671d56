"""The part of a report on what a labelled sample says of all transactions."""

from __future__ import annotations

from collections.abc import Iterator

from tierbreak.tools.compare.document import Block, Table, Text, percent, spread
from tierbreak.tools.compare.labelling.estimate import Estimates, OfLevel, Share

_WHO = {
    "old": "only the old side is right",
    "new": "only the new side is right",
    "both": "both are right",
    "neither": "neither is right",
}
#: How a level is said.
_LEVEL = {"exact": "exact brand", "family": "family"}

_NOTE = "lines: labelled ones it is from. An interval without width is a count: every such line has been labelled."


def blocks(found: Estimates) -> Iterator[Block]:
    """What a labelled sample says, in blocks."""
    labelled = sum(one.labelled for one in found.response)
    if not labelled:
        yield Text("No line has a truth yet, so nothing can be said of who is right.", "warn")
        yield from (Text(notice, "soft") for notice in found.notices)
        return
    level = f"{100 * found.level:g} %"
    yield _precision(found, level)
    yield _who(found, level)
    yield Text(_net(found), _tone(found.levels["exact"].net))
    yield Text(
        f"These are estimates for all transactions, from {labelled:,} labelled lines and the chance each had to be "
        f"drawn. Of intervals made in this way about {level} hold the true share. They tell of the luck of the draw "
        "alone: not of labels that are wrong, and not of other traffic. One label counts for all transactions with its "
        "key and answers.",
        "soft",
    )
    for why, names in _reasons(found).items():
        yield Text(f"Cannot be said: {', '.join(names)}. Why: {why}.", "warn")
    for notice in found.notices:
        yield Text(f"{notice[0].upper()}{notice[1:]}.", "soft")


def _precision(found: Estimates, level: str) -> Table:
    rows = []
    for name, one in found.levels.items():
        for what, label in (
            ("precision", "precision: right, of all answers"),
            ("right", "right answers, of all transactions"),
            ("differing", "precision where the sides differ"),
        ):
            old, new = (getattr(one.sides[side], what) for side in ("old", "new"))
            rows.append((f"{label}, {_LEVEL[name]}", *_cells(old), *_cells(new)))
    coverage = (percent(found.coverage[side]) for side in ("old", "new"))
    rows.append(("coverage: answers, of all transactions; counted", next(coverage), "", "", next(coverage), "", ""))
    columns = "Share", "Old", level, "lines", "New", level, "lines"
    return Table(columns, tuple(rows), title="Precision of both sides, estimated", note=_NOTE)


def _who(found: Estimates, level: str) -> Table:
    exact, family = found.levels["exact"], found.levels["family"]
    rows = [(label, *_cells(exact.who[who]), *_cells(family.who[who])[:2]) for who, label in _WHO.items()]
    rows.append(("gained answers that are right", *_cells(found.gained), "", ""))
    rows.append(("lost answers that were right", *_cells(found.lost), "", ""))
    columns = "Where the sides differ", "Exact brand", level, "lines", "Family", level
    note = "To give no answer is right where the descriptor is no known brand's."
    return Table(columns, tuple(rows), title="Who is right where the sides differ, estimated", note=note)


def _cells(one: Share) -> tuple[str, str, str]:
    return percent(one.value), spread(one.low, one.high), f"{one.labelled:,}"


def _net(found: Estimates) -> str:
    one = found.levels["exact"].net
    if one.why:
        return "How much more often the new side is right than the old one cannot be said."
    if one.low > 0:
        says = "the new side is right more often"
    elif one.high < 0:
        says = "the old side is right more often"
    else:
        says = "the labels do not tell which side is right more often"
    return (
        f"Of all transactions, those on which only the new side is right, less those on which only the old side is: "
        f"{100 * one.value:+.2f} points ({100 * one.low:+.2f} to {100 * one.high:+.2f}); {says}."
    )


def _tone(one: Share) -> str:
    return "warn" if one.why else "good" if one.low > 0 else "bad" if one.high < 0 else "plain"


def _reasons(found: Estimates) -> dict[str, list[str]]:
    """Why -> the figures that cannot be said for it."""
    reasons: dict[str, list[str]] = {}
    for name, one in found.levels.items():
        for what, share in _shares(one):
            if share.why:
                reasons.setdefault(share.why, []).append(f"{what} ({_LEVEL[name]})")
    for what, share in (("gained answers that are right", found.gained), ("lost answers that were right", found.lost)):
        if share.why:
            reasons.setdefault(share.why, []).append(what)
    return reasons


def _shares(one: OfLevel) -> Iterator[tuple[str, Share]]:
    for side, of in one.sides.items():
        yield f"precision of the {side} side", of.precision
        yield f"right answers of the {side} side", of.right
        yield f"precision of the {side} side where they differ", of.differing
    for who, share in one.who.items():
        yield _WHO[who], share
