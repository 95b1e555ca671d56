"""Collisions as one HTML page: what collides most, and for each cause the strings, the proof and what would mend it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tierbreak.tools.report.page import more, shell, text
from tierbreak.tools.rules.traffic.collisions import words
from tierbreak.tools.rules.traffic.collisions.report import Cause, Edit, Flow, Kind, Party, Repair, Report, Shown

_STYLE = Path(__file__).with_name("page.css")
#: Causes in a ranking, and lines of a traffic diff that are not folded away.
RANKED, FLOWS = 12, 6


def page(report: Report) -> str:
    """The whole page. Every text from outside is escaped; descriptors are masked already."""
    return shell(
        f"What collides in {Path(report.traffic).name}",
        opening=_opening(report),
        sections=_sections(report),
        footer=_provenance(report),
        style=_STYLE,
    )


def _said(sentence: str) -> str:
    """A sentence with code between backticks, as HTML.

    >>> _said("`uber` & `UBER <EATS>`")
    '<code>uber</code> &amp; <code>UBER &lt;EATS&gt;</code>'
    """
    parts = sentence.split("`")
    return "".join(f"<code>{text(part)}</code>" if at % 2 else text(part) for at, part in enumerate(parts))


def _opening(report: Report) -> str:
    kinds = {one.kind: one for one in report.kinds}
    settled = [kinds[name] for name in ("denied", "edge", "span")]
    harmless = [kinds[name] for name in words.HARMLESS]
    tiles = [
        _tile("Contested", [kinds["contested"]], "no rule wins"),
        _tile("Settled by rules", settled, "by edge, by span, or denied"),
        _tile("Harmless", harmless, "one brand or one family"),
    ]
    if report.model:
        against = sum(one.against or 0.0 for one in report.kinds)
        small = "of those settled by rules"
        tiles.insert(
            1, f'<div class="tile">Model sides with the loser<b>{words.number(against)}</b><small>{small}</small></div>'
        )
    shown = [one for one in report.kinds if one.volume.rows]
    bars = "".join(f'<span class="k-{one.kind}" style="flex:{one.volume.rows:.6g}"></span>' for one in shown)
    key = "".join(f'<span class="k-{one.kind}">{text(_tells(one))}</span>' for one in shown)
    told = text(", ".join(map(_tells, shown)))
    split = f'<div class="split" role="img" aria-label="{told}">{bars}</div>' if shown else ""
    return (
        f"<p>{_said(words.opening(report))}</p>"
        + "".join(f"<p><b>Note:</b> {text(notice)}.</p>" for notice in report.notices)
        + f'<div class="tiles">{"".join(tiles)}</div>{split}<p class="key">{key}</p>'
        + f'<p class="soft">{_said(words.listening(report))}</p>'
    )


def _tells(one: Kind) -> str:
    return f"{words.KINDS[one.kind][0]}: {words.rows(one.volume.rows)}"


def _tile(name: str, kinds: Sequence[Kind], says: str) -> str:
    rows = sum(one.volume.rows for one in kinds)
    money = sum(one.volume.money or 0.0 for one in kinds)
    causes = sum(one.causes for one in kinds)
    worth = "" if kinds[0].volume.money is None else f" worth {words.amount(money)}"
    return (
        f'<div class="tile">{text(name)}<b>{words.number(rows)}</b><small>rows{worth} from {causes:,} '
        f"cause{'s' * (causes != 1)}; {text(says)}</small></div>"
    )


def _sections(report: Report) -> Iterator[tuple[str, str, str]]:
    """(id, title, content) of each section."""
    grave = [cause for cause in report.causes if cause.kind not in words.HARMLESS]
    if grave:
        yield "ranking", "What collides most", _ranking(report, grave)
    for one in report.kinds:
        causes = [cause for cause in report.causes if cause.kind == one.kind]
        if not causes:
            continue
        title, says = words.KINDS[one.kind]
        inside = f"<p>{_said(says[:1].upper() + says[1:])}.</p>"
        inside += _harmless(causes) if one.kind in words.HARMLESS else "".join(map(_card, causes))
        if len(causes) < one.causes:
            left = one.volume.rows - sum(cause.volume.rows for cause in causes)
            inside += (
                f'<p class="soft">And {one.causes - len(causes):,} more causes, of {words.rows(left)} together.</p>'
            )
        yield one.kind, title, inside


def _ranking(report: Report, causes: Sequence[Cause]) -> str:
    """Two lists with bars, by rows and by money, of what needs a person: contested, or settled against the model."""
    wanted = [one for one in causes if one.kind == "contested" or (one.sides and one.sides.loser)]
    if not wanted:
        return "<p>Nothing is contested, and nothing is known to be settled against the model.</p>"
    out = _bars("By rows", wanted, _rows, words.rows)
    if report.total.money is not None:
        out += _bars("By money", wanted, _money, words.amount)
    also = ", and what is settled against the model: the rows in which it sides with the loser" if report.model else ""
    return f'<p>What is contested{also}.</p><div class="ranks">{out}</div>'


def _rows(one: Cause) -> float:
    """Rows that need a person."""
    return one.volume.rows if one.sides is None or one.sides.loser is None else one.sides.loser


def _money(one: Cause) -> float:
    if one.sides is None or one.sides.loser is None:
        return one.volume.money or 0.0
    return one.sides.loser_money or 0.0


def _bars(title: str, causes: Sequence[Cause], worth: Callable[[Cause], float], says: Callable[[float], str]) -> str:
    ranked = sorted(causes, key=lambda one: (-worth(one), one.id))[:RANKED]
    most = worth(ranked[0]) or 1.0
    items = "".join(
        f'<li><a href="#{_anchor(one)}"><span class="name">{text(words.title(one))}</span>'
        f'<span class="figure">{says(worth(one))}</span></a>'
        f'<span class="bar"><i class="k-{one.kind}" style="width:{100 * worth(one) / most:.1f}%"></i></span></li>'
        for one in ranked
    )
    return f"<div><h3>{title}</h3><ol>{items}</ol></div>"


def _anchor(cause: Cause) -> str:
    return "c-" + re.sub(r"[^a-z0-9]+", "-", cause.id)


def _card(cause: Cause) -> str:
    money = f" · #{cause.rank[1]} by money" if cause.rank[1] else ""
    meta = f"{words.volume(cause.volume)} · {cause.volume.texts:,} texts · #{cause.rank[0]} by rows{money}"
    parties = [_party(cause.leader, "leader"), *(_party(one, "other") for one in cause.others[:3])]
    rest = [_party(one, "other") for one in cause.others[3:]]
    hidden = cause.met - len(cause.others)
    if hidden:
        rest.append(f"<li>and {hidden:,} more</li>")
    folded = more(f"{cause.met - 3:,} more rules", f'<ul class="rules">{"".join(rest)}</ul>') if rest else ""
    proof = f"<p>{_said(cause.proof.says)}</p>" if cause.proof else ""
    none = words.unrepaired(cause)
    repairs = "".join(_repair(at, one) for at, one in enumerate(cause.repairs, start=1))
    return (
        f'<article id="{_anchor(cause)}"><h3>{text(words.title(cause))}</h3><p class="meta">{text(meta)}</p>'
        f"<p>{_said(words.sentence(cause))}</p>{_sides(cause)}"
        f'<ul class="strings">{"".join(map(_shown, cause.shown))}</ul>'
        f'<ul class="rules">{"".join(parties)}</ul>{folded}{proof}'
        + (f'<p class="none">{text(none)}</p>' if none else "")
        + f"{repairs}</article>"
    )


def _party(one: Party, side: str) -> str:
    patterns = " ".join(f"<code>{text(pattern)}</code>" for pattern in one.patterns)
    brand = text(one.brand_name or "every brand")
    return (
        f'<li class="{side}"><b>{text(one.rule)}</b> {brand}: {patterns} <span class="at">{text(one.place)}</span></li>'
    )


def _shown(one: Shown) -> str:
    out, at = [], 0
    for start, end, who in one.marks:
        out += [text(one.text[at:start]), f'<mark class="{who}">{text(one.text[start:end])}</mark>']
        at = end
    out.append(text(one.text[at:]))
    model = f" · model: {text(one.model)}" if one.model else ""
    return f"<li><code>{''.join(out)}</code><small>{words.worth(one.rows, one.money)}{model}</small></li>"


def _sides(cause: Cause) -> str:
    said = words.sided(cause)
    if not said or cause.sides is None:
        return ""
    shares = {name: getattr(cause.sides, name) for name in ("leader", "others", "third", "silent", "unknown")}
    bars = "".join(f'<span class="{name}" style="flex:{value:.6g}"></span>' for name, value in shares.items() if value)
    return f'<div class="sides" role="img" aria-label="{text(said)}">{bars}</div><p class="soft">{_said(said)}</p>'


def _repair(number: int, one: Repair) -> str:
    opened = " open" if number == 1 else ""
    return (
        f'<details class="repair"{opened}><summary>Repair {number}: {_said(one.says)} '
        f'<span class="cost">{text(one.kind)}, cost {one.cost}</span></summary>'
        f"<pre>{''.join(map(_edit, one.edits))}</pre><p>{_said(words.effect(one))}</p>{_flows(one.flows[:FLOWS])}"
        + (more("The rest of it", _flows(one.flows[FLOWS:])) if one.flows[FLOWS:] else "")
        + (f'<p class="soft">{left}</p>' if (left := words.rest(one, len(one.flows))) else "")
        + "</details>"
    )


def _edit(one: Edit) -> str:
    lines = [f'<span class="where">{text(one.rule)} at {text(one.place)}</span>']
    lines += [f'<span class="was">- {text(one.before)}</span>'] if one.before else []
    lines += [f'<span class="new">+ {text(one.after)}</span>'] if one.after else []
    return "\n".join(lines) + "\n"


def _flows(flows: Sequence[Flow]) -> str:
    money = flows[0].money is not None
    heads = [
        ("before", True),
        ("after", True),
        ("rows", False),
        *([("money", False)] if money else []),
        ("such as", True),
    ]
    head = "".join(f'<th scope="col"{" class=words" if wordy else ""}>{name}</th>' for name, wordy in heads)
    rows = []
    for flow in flows:
        cells = [str(flow.before), str(flow.after), words.number(flow.rows)]
        cells += [words.amount(flow.money)] if flow.money is not None else []
        cells.append(flow.example)
        inside = "".join(
            f'<td data-of="{name}"{" class=words" if wordy else ""}><span>{text(cell)}</span></td>'
            for cell, (name, wordy) in zip(cells, heads, strict=True)
        )
        rows.append(f"<tr>{inside}</tr>")
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="What would change">'
        f'<table class="stack"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _harmless(causes: Sequence[Cause]) -> str:
    items = "".join(
        f"<li><code>{text(cause.shown[0].text)}</code><small>{words.volume(cause.volume)}</small>"
        f'<span class="soft">{_said(words.sentence(cause))}</span></li>'
        for cause in causes
    )
    return more(f"The {len(causes):,} largest", f'<ul class="strings">{items}</ul>')


def _provenance(report: Report) -> str:
    days = f", {report.window[0]} to {report.window[1]}" if report.window else ""
    lines = [
        f"Traffic <code>{text(report.traffic)}</code>: {words.volume(report.total)}{days}",
        f"Rulebook {text(report.rules[:16])}",
        "A row counts once, with its gravest collision. Texts are shown as rules see them, digits and persons masked. "
        "Each repair was tried on these rows and on every example of the rulebook.",
    ]
    return f'<p class="soft">{"<br>".join(lines)}</p>'
