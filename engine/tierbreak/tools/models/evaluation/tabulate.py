"""An evaluation as tables of words, the same ones for terminal, Markdown and page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from tierbreak.tools.models.evaluation.figures import Evaluation, GoldFacts, Group, Level, Paired, Share, SideFigures

NO_BRAND = "no brand"


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, what stands small beside or under it, and how many that is where there is room."""

    main: str
    small: str = ""
    count: str = ""

    def __str__(self) -> str:
        return f"{self.main} {self.small}".strip()


@dataclass(frozen=True)
class Table:
    """rows are as long as columns; columns after the first are numbers unless `words`; `note` explains."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    words: frozenset[int] = field(default=frozenset({0}))


def percent(value: float) -> str:
    """
    >>> percent(0.9028), percent(float("nan"))
    ('90.3 %', '-')
    """
    return "-" if math.isnan(value) else f"{value:.1%}".replace("%", " %")


def number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def p_value(value: float) -> str:
    """
    >>> p_value(0.01234), p_value(1e-9)
    ('p = 0.0123', 'p < 0.0001')
    """
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.4f}"


def span(share: Share) -> str:
    """The interval in percent, or nothing where there is none."""
    return "" if math.isnan(share.low) else f"{100 * share.low:.1f} to {100 * share.high:.1f}"


def bracket(share: Share) -> str:
    return f"({span(share)})" if span(share) else ""


def of(share: Share, *, counts: bool = True) -> Cell:
    """A share with its interval, and how many of how many it is where those are counts."""
    if math.isnan(share.value):
        return Cell("-")
    return Cell(percent(share.value), bracket(share), f"{share.part:,.0f} of {share.whole:,.0f}" if counts else "")


def opening(gold: GoldFacts) -> str:
    """What the figures are of, in one sentence."""
    weighed = "weights given" if gold.weighted else "no weights, so every row weighs the same"
    return (
        f"{gold.rows:,} rows with {gold.keys:,} distinct keys: {gold.branded:,} of {gold.brands:,} brands "
        f"({gold.head_brands:,} of them in the head, with {gold.head_keys} distinct keys or more), "
        f"{gold.no_brand:,} without a brand; {weighed}"
    )


def sides(evaluation: Evaluation) -> list[SideFigures]:
    """The model, and the baseline if there is one."""
    return [evaluation.model, *([evaluation.baseline] if evaluation.baseline else [])]


_NOTE = (
    "In brackets: the 95 % interval. Coverage at 98 %: branded rows answered at the lowest threshold at which 98 % of "
    "all that is answered is right. Deployed: with the side's own policy. Found rightly: of all branded rows."
)

#: What the page and the terminal call the two, shorter than their paths.
ROLES = ("model", "baseline")


def main(evaluation: Evaluation, level: str) -> Table:
    """The figures that answer how right, how sure, how often, one line each."""
    levels: list[Level] = [getattr(side, level) for side in sides(evaluation)]
    weighted = evaluation.gold.weighted
    lines: list[tuple[str, list[Cell], str]] = [
        ("top-1", [of(each.top_1) for each in levels], "top_1"),
        ("top-5", [of(each.top_5) for each in levels], ""),
        ("top-1, mean over brands", [Cell(percent(each.top_1_macro)) for each in levels], ""),
        ("top-1, head brands", [of(each.head) for each in levels], ""),
        ("top-1, tail brands", [of(each.tail) for each in levels], ""),
    ]
    if weighted:
        cells = [of(each.top_1_weighted, counts=False) for each in levels]
        lines.append(("top-1 by weight", cells, "top_1_weighted"))
    for at, wanted in enumerate(levels[0].at_precision):
        cells = [of(each.at_precision[at].coverage) for each in levels]
        lines.append((f"coverage at {100 * wanted.precision:g} %", cells,
                      "coverage_at_98" if at == 0 else ""))  # fmt: skip
    lines += [
        ("deployed precision", [of(each.deployed.precision) for each in levels], "precision"),
        ("deployed coverage", [of(each.deployed.coverage) for each in levels], "coverage"),
        ("found rightly", [of(each.deployed.found) for each in levels], ""),
        ("no-brand answered", [of(each.deployed.no_brand_answered) for each in levels], ""),
    ]
    if weighted:
        lines += [
            ("precision by weight", [of(each.deployed.precision_weighted, counts=False) for each in levels], ""),
            ("coverage by weight", [of(each.deployed.coverage_weighted, counts=False) for each in levels], ""),
        ]
    lines += [
        ("ECE, answered", [Cell(number(each.calibration_answered.error)) for each in levels], ""),
        ("ECE, all named", [Cell(number(each.calibration_named.error)) for each in levels], ""),
        ("AURC", [Cell(number(each.risk_coverage.aurc, 4)) for each in levels], ""),
    ]
    gaps = _gaps(getattr(evaluation.comparison, level)) if evaluation.comparison else {}
    rows = [
        (Cell(name), *cells, *([gaps.get(key, Cell(""))] if evaluation.comparison else []))
        for name, cells, key in lines
    ]
    title = "Exact: the brand itself" if level == "exact" else "Family: any brand under the same head"
    ruled = any(side.tiers is not None for side in sides(evaluation))
    note = _NOTE + (" A rule has no confidence and counts as 1." if ruled else "")
    columns = ("figure", *ROLES[: len(levels)], *(["difference"] if evaluation.comparison else []))
    return Table(title, columns, tuple(rows), note)


def _gaps(paired: Paired) -> dict[str, Cell]:
    return {
        gap.name: Cell(
            "-" if math.isnan(gap.value) else f"{100 * gap.value:+.1f} pp",
            "" if math.isnan(gap.low) else f"({100 * gap.low:.1f} to {100 * gap.high:.1f})",
        )
        for gap in paired.differences
    }


def verdict(level: str, paired: Paired) -> str:
    """McNemar's test in a sentence."""
    return (
        f"{level}: of {paired.trials:,} branded keys, {paired.n01:,} are right with the model only and {paired.n10:,} "
        f"with the baseline only; McNemar exact {p_value(paired.exact)}, mid-p {p_value(paired.mid_p)}"
    )


def bands(evaluation: Evaluation) -> Table:
    levels = [side.exact for side in sides(evaluation)]
    rows = []
    for at, band in enumerate(levels[0].bands):
        end = "]" if at == len(levels[0].bands) - 1 else ")"
        cells = [Cell(percent(each.bands[at].precision), f"({each.bands[at].right:,} of {each.bands[at].rows:,})"
                      if each.bands[at].rows else "") for each in levels]  # fmt: skip
        rows.append((Cell(f"[{band.low:.2f}, {band.high:.2f}{end}"), *cells))
    note = "Rows that name a brand, whether or not the side speaks at that confidence."
    return Table("Precision by confidence", ("confidence", *ROLES[: len(levels)]), tuple(rows), note)


def reasons(side: SideFigures, role: str) -> Table:
    rows = tuple((Cell(each.name), Cell(f"{each.rows:,}"), Cell(f"{each.branded:,}"), Cell(f"{each.no_brand:,}"))
                 for each in side.reasons)  # fmt: skip
    return Table(f"Not answered, by reason: {role}", ("reason", "rows", "branded", "no brand"), rows)


def tiers(side: SideFigures, role: str) -> Table:
    rows = tuple(
        (Cell(each.name), Cell(f"{each.rows:,}"), Cell(percent(each.share)), Cell(percent(each.share_weighted)),
         Cell(percent(each.precision)))
        for each in side.tiers or ()
    )  # fmt: skip
    return Table(f"Who decided: {role}", ("tier", "rows", "share", "by weight", "precision"), rows)


def groups(of_what: str, made: tuple[Group, ...], baseline: tuple[Group, ...] | None) -> Table:
    """Sectors or formats of the model, beside the baseline's top-1."""
    rows = []
    for at, group in enumerate(made):
        none = group.no_brand_answered
        cells = [Cell(group.name), Cell(f"{group.rows:,}"), Cell(percent(group.top_1.value), bracket(group.top_1))]
        if baseline is not None:
            cells.append(Cell(percent(baseline[at].top_1.value)))
        cells += [Cell(percent(group.coverage.value)), Cell(percent(group.precision.value)),
                  Cell("" if math.isnan(none.value) else f"{none.part:,.0f} of {none.whole:,.0f}")]  # fmt: skip
        rows.append(tuple(cells))
    columns = (of_what, "rows", "top-1", *(["baseline"] if baseline is not None else []), "coverage", "precision",
               "no-brand answered")  # fmt: skip
    if of_what == "sector":  # of the true brand: every row has one
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return Table(f"By {of_what}", columns, tuple(rows), "Exact; the last columns as deployed.")


def mistakes(side: SideFigures, shown: int | None = None) -> Table:
    rows = tuple(
        (Cell(each.descriptor), Cell(each.truth or NO_BRAND), Cell(each.said, "(family)" if each.family else ""),
         Cell(number(each.confidence)), Cell("yes" if each.answered else "no"))
        for each in side.mistakes[:shown]
    )  # fmt: skip
    note = "Named brands that are not the true one, one line a key; answered says whether the side spoke."
    columns = ("descriptor", "truth", "said", "confidence", "answered")
    return Table("Surest mistakes", columns, rows, note, frozenset({0, 1, 2, 4}))


def confusions(side: SideFigures) -> Table:
    rows = tuple(
        (Cell(each.truth or NO_BRAND), Cell(each.said), Cell(f"{each.rows:,}"), Cell(f"{each.keys:,}"),
         Cell(number(each.confidence)), Cell(each.descriptor))
        for each in side.confusions
    )  # fmt: skip
    columns = ("truth", "said", "rows", "keys", "confidence", "surest example")
    return Table("Most frequent confusions", columns, rows, words=frozenset({0, 1, 5}))


def everything(evaluation: Evaluation) -> Iterator[Table]:
    """Every table, in the order in which they are read."""
    yield main(evaluation, "exact")
    yield main(evaluation, "family")
    yield from short(evaluation)
    model, baseline = evaluation.model.exact, evaluation.baseline.exact if evaluation.baseline else None
    yield groups("sector", model.sectors, baseline.sectors if baseline else None)
    if model.formats:
        yield groups("format", model.formats, baseline.formats if baseline else None)
    yield confusions(evaluation.model)
    yield mistakes(evaluation.model)


def short(evaluation: Evaluation) -> Iterator[Table]:
    """The tables of a few lines."""
    for side, role in zip(sides(evaluation), ROLES, strict=False):
        if side.tiers is not None:
            yield tiers(side, role)
    yield bands(evaluation)
    for side, role in zip(sides(evaluation), ROLES, strict=False):
        if side.reasons:
            yield reasons(side, role)
