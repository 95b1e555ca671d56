"""An evaluation as one HTML page that holds all it needs: no script, nothing from the network."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from tierbreak.tools.models.evaluation import plots, tabulate
from tierbreak.tools.models.evaluation.figures import Evaluation, Level, Share
from tierbreak.tools.models.evaluation.tabulate import ROLES, Cell, Table, percent
from tierbreak.tools.report.page import more, shell, text

_STYLE = Path(__file__).with_name("page.css")


def page(evaluation: Evaluation) -> str:
    """The whole page. Every text from outside is escaped, and what does not print in it is shown as an escape."""
    return shell(
        f"How right is {evaluation.model.side}?",
        opening=_opening(evaluation),
        sections=_sections(evaluation),
        footer=_provenance(evaluation),
        style=_STYLE,
    )


def _opening(evaluation: Evaluation) -> str:
    out = f"<p>{text(tabulate.opening(evaluation.gold))}.</p>"
    if evaluation.baseline:
        out += f"<p>Compared with <code>{text(evaluation.baseline.side)}</code>.</p>"
    out += "".join(f"<p><b>Note:</b> {text(notice)}.</p>" for notice in evaluation.gold.notices)
    levels = [side.exact for side in tabulate.sides(evaluation)]
    tiles = [
        _tile("Top-1 on branded rows", [each.top_1 for each in levels]),
        _tile("Coverage at 98 % precision", [each.at_precision[0].coverage for each in levels]),
        _tile("Precision as deployed", [each.deployed.precision for each in levels]),
        _tile("Coverage as deployed", [each.deployed.coverage for each in levels]),
    ]
    return out + f'<div class="tiles">{"".join(tiles)}</div>'


def _tile(name: str, shares: list[Share]) -> str:
    other = f'<br><span class="other">baseline {percent(shares[1].value)}</span>' if len(shares) > 1 else ""
    between = f"{tabulate.span(shares[0])}, 95 % interval" if tabulate.span(shares[0]) else "no interval"
    small = f"<small>{escape(between)}{other}</small>"
    return f'<div class="tile">{escape(name)}<b>{percent(shares[0].value)}</b>{small}</div>'


def _sections(evaluation: Evaluation) -> Iterator[tuple[str, str, str]]:
    """(id, title, content) of each section."""
    comparison = evaluation.comparison
    said = ""
    if comparison:
        pairs = (("Exact", comparison.exact), ("Family", comparison.family))
        said = "".join(f"<p>{text(tabulate.verdict(*pair))}.</p>" for pair in pairs)
    both = "".join(f"<h3>{escape(each.title)}</h3>{_table(each)}"
                   for each in (tabulate.main(evaluation, level) for level in ("exact", "family")))  # fmt: skip
    yield "figures", "Figures", said + both
    yield "confidence", "Confidence", _confidence(evaluation)
    yield "sectors", "Sectors", _groups(evaluation, "sector")
    if evaluation.model.exact.formats:
        yield "formats", "Formats", _groups(evaluation, "format")
    decided = [each for each in tabulate.short(evaluation) if each.columns[0] in ("tier", "reason")]
    if decided:
        inside = "".join(f"<div><h3>{escape(each.title)}</h3>{_table(each)}</div>" for each in decided)
        yield "decided", "Who decided, and who did not", f'<div class="pair">{inside}</div>'
    yield "mistakes", "Surest mistakes", _table(tabulate.mistakes(evaluation.model), stack=True)
    yield "confusions", "Most frequent confusions", _table(tabulate.confusions(evaluation.model), stack=True)


def _levels(evaluation: Evaluation) -> dict[str, Level]:
    return dict(zip(ROLES, (side.exact for side in tabulate.sides(evaluation)), strict=False))


def _key(evaluation: Evaluation) -> str:
    names = zip(ROLES, tabulate.sides(evaluation), strict=False)
    return (
        '<p class="key">' + "".join(f'<span class="{role}">{text(side.side)}</span>' for role, side in names) + "</p>"
    )


def _confidence(evaluation: Evaluation) -> str:
    levels = _levels(evaluation)
    diagram = plots.reliability({role: each.calibration_named.bins for role, each in levels.items()})
    deployed = {
        role: (each.deployed.coverage.value, 1 - each.deployed.precision.value) for role, each in levels.items()
    }
    curve = plots.risk_coverage({role: each.risk_coverage for role, each in levels.items()}, deployed)
    return (
        _key(evaluation)
        + '<div class="plots">'
        + _figure(diagram, "Right over confidence, 15 bins of equal mass over all rows that name a brand. "
                           "On the dashed line a side is as right as it is sure.")
        + _figure(curve, "Wrong answers as the threshold sinks. A ring stands where a side is deployed.")
        + "</div>"
        + more("The figures of both plots, and precision by confidence",
                _table(tabulate.bands(evaluation)) + "".join(_table(each) for each in _plotted(levels)))
    )  # fmt: skip


def _plotted(levels: dict[str, Level]) -> Iterator[Table]:
    """What stands in the two plots, as tables."""
    for role, each in levels.items():
        rows = tuple((Cell(f"{bin.confidence:.3f}"), Cell(percent(bin.right)), Cell(f"{bin.rows:,}"))
                     for bin in each.calibration_named.bins)  # fmt: skip
        yield Table("", ("confidence", "right", "rows"), rows, f"Reliability: {role}")
        points = each.risk_coverage.points[:: max(1, len(each.risk_coverage.points) // 20)]
        rows = tuple((Cell(f"{at.threshold:.3f}"), Cell(percent(at.coverage)), Cell(percent(at.risk)))
                     for at in points)  # fmt: skip
        yield Table("", ("threshold", "coverage", "wrong"), rows, f"Risk over coverage: {role}")


def _groups(evaluation: Evaluation, what: str) -> str:
    model, baseline = evaluation.model.exact, evaluation.baseline.exact if evaluation.baseline else None
    made = model.sectors if what == "sector" else model.formats
    other = None if baseline is None else baseline.sectors if what == "sector" else baseline.formats
    rights = plots.ranked(made, "top_1")
    nobody = plots.ranked(made, "no_brand_answered")
    # Where nothing stands beside them, many bars stand in two columns.
    half = -(-len(rights) // 2) if not nobody and len(rights) > 12 else len(rights)
    says = "share of branded rows whose brand is named first"
    parts = [
        plots.bars(f"Top-1 by {what}", part, other, "top_1", says) for part in (rights[:half], rights[half:]) if part
    ]
    captions = [f"Top-1 on branded rows by {what}, most rows first. The line is the 95 % interval.", "The rest."]
    if nobody:
        says = "share of rows without a brand that are answered"
        parts.append(plots.bars(f"No-brand rows answered, by {what}", nobody, other, "no_brand_answered", says))
        captions.insert(
            len(parts) - 1, f"Rows without a brand that are answered all the same, by {what}. Less is better."
        )
    figures = "".join(_figure(svg, caption) for svg, caption in zip(parts, captions, strict=False))
    table = more(f"All figures by {what}", _table(tabulate.groups(what, made, other)))
    return f'{_key(evaluation)}<div class="plots">{figures}</div>{table}'


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _table(table: Table, *, stack: bool = False) -> str:
    """A table; one that is wider than the page scrolls by itself, with the keyboard too. `stack`: cards on a phone."""
    if not table.rows:
        return "<p>None.</p>"
    kinds = [' class="words"' if at in table.words else "" for at in range(len(table.columns))]
    head = "".join(
        f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(table.columns, kinds, strict=True)
    )
    rows = []
    for row in table.rows:
        cells = []
        for at, (cell, kind, name) in enumerate(zip(row, kinds, table.columns, strict=True)):
            tag, scope = ("th", ' scope="row"') if at == 0 else ("td", "")
            of = f' data-of="{escape(name)}"' if stack else ""
            small = "".join(f" <small>{text(each)}</small>" for each in (cell.small, cell.count) if each)
            cells.append(f"<{tag}{scope}{kind}{of}><span>{text(cell.main)}{small}</span></{tag}>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    name = escape(table.title or table.note)
    caption = f"<caption>{escape(table.note)}</caption>" if table.note else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">'
        f"<table{' class=stack' if stack else ''}>{caption}<thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _provenance(evaluation: Evaluation) -> str:
    lines = [f"Gold set <code>{text(evaluation.gold.name)}</code> {text(evaluation.gold.fingerprint[:16])}"]
    for side, role in zip(tabulate.sides(evaluation), ROLES, strict=False):
        threshold = f", threshold {side.threshold:.6f}" if side.threshold is not None else ""
        lines.append(f"{role} <code>{text(side.side)}</code> ({side.kind}{threshold}) {text(side.fingerprint[:16])}")
    lines.append(f"Registry {text(evaluation.registry[:16])}")
    lines.append(f"Intervals: {evaluation.draws:,} bootstrap draws over distinct keys, seed {evaluation.seed}")
    return f'<p class="soft">{"<br>".join(lines)}</p>'
