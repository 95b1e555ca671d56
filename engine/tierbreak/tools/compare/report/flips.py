"""Flips in words and tables: where one side is right on the gold set and the other is not."""

from __future__ import annotations

from collections.abc import Iterator

from tierbreak.tools.compare.document import Fold, Table, count, percent, spread
from tierbreak.tools.compare.measure.correctness import Correctness
from tierbreak.tools.compare.measure.flips import LISTED, Flip
from tierbreak.tools.compare.measure.levels import Flips

#: Flips that are seen when their list is opened; the others unfold.
SHOWN = 30


def table(found: Correctness) -> Table:
    rows = []
    for level, what in ((found.exact, "exact"), (found.family, "family")):
        rows += [_flip_row(f"Negative, {what}", level.negative), _flip_row(f"Positive, {what}", level.positive)]
    columns = ("Flips", "Rows", "Keys", "Of all rows", "95 %", "By weight", "Wrong side answers", "Wrong side abstains")
    return Table(
        columns if found.weighted else (*columns[:5], *columns[6:]),
        tuple(row if found.weighted else (*row[:5], *row[6:]) for row in rows),
        title="Flips",
        note="Negative: the old side is right, the new one wrong. Positive: the other way about.",
    )


def _flip_row(label: str, flips: Flips) -> tuple[str, ...]:
    share = flips.share
    return (
        label,
        count(share.part),
        count(flips.keys),
        percent(share.value, 2),
        spread(share.low, share.high, 2),
        percent(flips.weighted.value, 2),
        count(flips.by_answer.part),
        count(flips.by_abstention.part),
    )


def meaning(found: Correctness) -> str:
    flips = found.exact.negative
    if not flips.share.part:
        return (
            "No row that the old side had right is wrong on the new one. That does not show that there are none: up to "
            f"{percent(flips.share.high, 2)} of rows fits with seeing none here."
        )
    return (
        f"Of {count(flips.share.part)} negative flips, {count(flips.by_answer.part)} are wrong answers, which users "
        f"see; {count(flips.by_abstention.part)} are abstentions, where they see no brand."
    )


def lists(found: Correctness) -> Iterator[Fold]:
    for kind, flips, total, order in (
        ("Negative", found.negative, found.exact.negative, "wrong answers first, then abstentions; most weight first"),
        ("Positive", found.positive, found.exact.positive, "wrong answers of the old side first; most weight first"),
    ):
        if not flips:
            continue
        rows = sum(flip.rows for flip in flips)
        left = total.share.part - rows
        more = f" {count(left)} further rows are not listed: the list ends at {LISTED}." if left else ""
        yield Fold(
            f"{kind} flips, {count(total.share.part)} rows",
            (_list(flips, found.weighted, f"Ordered: {order}. What may point at a person is masked.{more}"),),
        )


def _list(flips: tuple[Flip, ...], weighted: bool, note: str) -> Table:
    columns = ["Descriptor", "True brand", "Old", "New", "Rows", *(["Weight"] if weighted else [])]
    rows = tuple(
        (
            flip.descriptor or "(text not given)",
            flip.truth or "no known brand",
            _said(flip.old, flip.old_tier, flip.old_confidence),
            _said(flip.new, flip.new_tier, flip.new_confidence),
            count(flip.rows),
            *([count(flip.weight)] if weighted else []),
        )
        for flip in flips
    )
    return Table(tuple(columns), rows, note=note, words=frozenset({0, 1, 2, 3}), shown=SHOWN)


def _said(brand: str | None, tier: str | None, confidence: float | None) -> str:
    """
    >>> _said("Uber", "model", 0.974), _said("Uber", "rules", None), _said(None, None, None)
    ('Uber (model 0.97)', 'Uber (rules)', 'abstains')
    """
    if brand is None:
        return "abstains"
    by = " ".join([*([tier] if tier else []), *([f"{confidence:.2f}"] if confidence is not None else [])])
    return f"{brand} ({by})" if by else brand
