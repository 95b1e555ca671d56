"""Figures and advice as a table of words for terminal and Markdown, and as plain values for JSON and CSV."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from tierbreak.rulebook import Place
from tierbreak.tools.rules.traffic.stats.advice import ACTIONS, WHYS, Advice
from tierbreak.tools.rules.traffic.stats.figures import RuleFigures, Share, Stats, Without
from tierbreak.tools.rules.traffic.stats.variants import CHANGES
from tierbreak.tools.rules.traffic.stats.words import number, percent, rows

Advices = Mapping[str, Advice]

#: What rules can be sorted by, the one to look at first on top.
SORTS: dict[str, Callable[[RuleFigures], tuple[Any, ...]]] = {
    "rows": lambda rule: (-rule.decided.rows, -rule.fired.rows),
    "money": lambda rule: (-rule.decided.money,),
    "id": lambda rule: (),
    "overlap": lambda rule: (-rule.overlap,),
    "conflict": lambda rule: (-rule.conflict,),
    "contested": lambda rule: (-rule.contested,),
    "changed": lambda rule: (-rule.without.changed,),
    "model": lambda rule: (_share(rule.model.agrees, rule.model.known, none=2.0),),
    "precision": lambda rule: (rule.precision.high, rule.precision.value) if _judged(rule) else (2.0, 2.0),  # type: ignore[union-attr]
    "last": lambda rule: (rule.last or dt.date.max,),
    "cost": lambda rule: (-rule.cost.times if rule.cost else 0.0,),
}

#: CHANGES in the words of a table.
WORDS = {
    "idle": "no change",
    "same-rule": "same, by a rule",
    "same-model": "same, by the model",
    "same-none": "no answer, as now",
    "other-rule": "another, by a rule",
    "other-model": "another, by the model",
    "nothing": "no answer",
    "unknown": "not known to the cache",
}

COLUMNS = (
    "rule", "rows", "share", "money", "overlap", "conflict", "without it", "model agrees", "gold", "last", "cost",
    "advice",
)  # fmt: skip


def ordered(stats: Stats, by: str) -> list[RuleFigures]:
    """The rules sorted by one of SORTS, equal ones by id."""
    key = SORTS[by]
    return sorted(stats.rules, key=lambda rule: (*key(rule), rule.id))


def advised(shown: Iterable[RuleFigures], advices: Advices, action: str) -> list[RuleFigures]:
    """Those with this advice, by what it rests on, the gravest first, and within that in the order given."""
    have = [rule for rule in shown if advices[rule.id].action == action]
    return sorted(have, key=lambda rule: WHYS.index(advices[rule.id].why))


def cells(stats: Stats, rule: RuleFigures, advice: Advice) -> list[str]:
    """A line of the table, a text for each of COLUMNS."""
    status = "" if rule.status == "active" else f" ({rule.status})"
    return [
        rule.id + status,
        number(rule.decided.rows),
        percent(rule.decided.rows, stats.facts.rows),
        number(rule.decided.money) if stats.facts.money is not None else "-",
        percent(rule.overlap, rule.fired.rows),
        percent(rule.conflict, rule.fired.rows),
        _without(rule),
        _agrees(rule),
        gold_words(rule.precision),
        str(rule.last or "-"),
        f"{rule.cost.times:.1f}" if rule.cost else "-",
        advice.action,
    ]


def opening(stats: Stats, advices: Advices) -> list[str]:
    """What the figures are of, and how to read them, a sentence each."""
    facts = stats.facts
    days = f", {facts.window[0]} to {facts.window[1]} ({facts.days:,} days)" if facts.window else ", without dates"
    money = f", {number(facts.money)} of money" if facts.money is not None else ""
    out = [
        f"{facts.traffic}: {rows(facts.rows)}{money}{days}",
        f"{len(stats.rules):,} rules decide {rows(facts.settled.rows)} "
        f"({percent(facts.settled.rows, facts.rows)}); advice: "
        + ", ".join(f"{sum(one.action == action for one in advices.values()):,} {action}" for action in ACTIONS),
    ]
    known, asked = (sum(getattr(rule.model, name) for rule in stats.rules) for name in ("known", "unknown"))
    if facts.model is None:
        out.append("no model: what it would say is in no figure")
    elif known + asked:
        out.append(
            f"the cache knows what the model says of {percent(known, known + asked)} of the rows that rules decide"
        )
    if facts.median_cost and facts.cost_noise is not None:
        out.append(
            f"cost: times the rule in the middle, which takes {facts.median_cost:.2f} s a million texts alone in the "
            f"exact engine; runs lie {percent(facts.cost_noise, 1)} apart"
        )
    if facts.broken:
        out.append(f"{facts.broken:,} rows could not be read as written and are left out")
    return out


def markdown(stats: Stats, advices: Advices, shown: Sequence[RuleFigures], *, top: int) -> str:
    """The report; ends in a newline.

    shown   rules in order; `top` of them stand in the table, and all those with an advice below it
    """
    lines = ["# What each rule is good for", "", *(f"- {_escaped(line)}" for line in opening(stats, advices))]
    figures = ["---:" if 0 < at < 6 or name == "cost" else "---" for at, name in enumerate(COLUMNS)]
    lines += ["", *("| " + " | ".join(row) + " |" for row in (COLUMNS, figures))]
    lines += ["| " + " | ".join(map(_escaped, cells(stats, rule, advices[rule.id]))) + " |" for rule in shown[:top]]
    for action in ACTIONS[:-1]:
        told = advised(shown, advices, action)
        lines += ["", f"## {action.capitalize()}", ""] if told else []
        for rule in told:
            advice = advices[rule.id]
            lines.append(f"- `{rule.id}` (`{rule.place}`): {_sentence(advice.reason)}")
            lines += [f"  - {_sentence(said)}" for said in advice.also]
            if advice.edit is not None:
                lines += ["", "  ```diff", *(f"  {line}" for line in advice.edit.diff().splitlines()), "  ```"]
    return "\n".join(lines) + "\n"


def to_dict(stats: Stats, advices: Advices, shown: Iterable[RuleFigures]) -> dict[str, Any]:
    """Every figure as JSON takes it: dates as text, what is not a number as null."""
    rules = [{**_plain(rule), "advice": _plain(advices[rule.id])} for rule in shown]
    return {"facts": {**_plain(stats.facts), "days": stats.facts.days}, "rules": rules}


def frame(stats: Stats, advices: Advices, shown: Iterable[RuleFigures]) -> pl.DataFrame:
    """A row a rule, plain figures; shares are left to whoever reads it."""
    rows = [
        {
            "rule": rule.id,
            "brand": rule.brand,
            "owner": rule.owner,
            "status": rule.status,
            "place": str(rule.place),
            "found": rule.found,
            "fired": rule.fired.rows,
            "decided": rule.decided.rows,
            "decided_money": rule.decided.money,
            "overlap": rule.overlap,
            "conflict": rule.conflict,
            "contested": rule.contested,
            "excluded": rule.excluded,
            "woke": rule.woke,
            "last_fired": rule.last,
            **{f"without_{change.replace('-', '_')}": rows for change, rows in _every(rule.without)},
            "model_agrees": rule.model.agrees,
            "model_other": rule.model.other,
            "model_silent": rule.model.silent,
            "model_unknown": rule.model.unknown,
            "gold_right": rule.precision.part if rule.precision else None,
            "gold_of": rule.precision.whole if rule.precision else None,
            "gold_low": rule.precision.low if rule.precision else None,
            "gold_high": rule.precision.high if rule.precision else None,
            "unlike_examples": rule.unlike,
            "cost_times": rule.cost.times if rule.cost else None,
            "advice": advices[rule.id].action,
            "why": advices[rule.id].why,
            "reason": advices[rule.id].reason,
        }
        for rule in shown
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _share(part: float, whole: float, *, none: float) -> float:
    return part / whole if whole else none


def _judged(rule: RuleFigures) -> bool:
    return rule.precision is not None and rule.precision.whole > 0


def _every(without: Without) -> list[tuple[str, float]]:
    return [(change, getattr(without, change.replace("-", "_"))) for change in CHANGES]


def largest(without: Without) -> list[tuple[str, float]]:
    return sorted([(change, rows) for change, rows in _every(without) if rows], key=lambda each: -each[1])


def _without(rule: RuleFigures) -> str:
    most = largest(rule.without)[:1]
    return "".join(f"{WORDS[change]} {percent(rows, rule.fired.rows)}" for change, rows in most) or "-"


def _agrees(rule: RuleFigures) -> str:
    model = rule.model
    return f"{percent(model.agrees, model.known)} of {model.texts:,}" if model.known else "-"


def gold_words(share: Share | None) -> str:
    if share is None or not share.whole:
        return "-"
    return f"{share.part:.0f}/{share.whole:.0f} ({100 * share.low:.0f} to {100 * share.high:.0f} %)"


def _plain(value: Any) -> Any:
    if isinstance(value, Place):
        return str(value)
    if dataclasses.is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dt.date):
        return value.isoformat()
    return None if isinstance(value, float) and math.isnan(value) else value


def _sentence(text: str) -> str:
    """What stands between backticks is code already; a pattern with a backtick of its own would end it."""
    parts = _line(text).split("`")
    if len(parts) % 2 == 0:
        return _escaped(text)
    return "".join(f"`{part}`" if at % 2 else _escaped(part) for at, part in enumerate(parts))


def _line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _escaped(text: str) -> str:
    """Text that no Markdown reads as markup, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", _line(text))
