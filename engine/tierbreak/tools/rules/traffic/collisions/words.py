"""A report's figures and causes in plain sentences: the same ones for terminal, Markdown and page.

Code stands between backticks; whoever prints turns them into what he has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tierbreak.tools.rules.traffic.collisions.report import Cause, Flow, Kind, Party, Repair, Report, Volume

#: Kind -> its title, and what settles it.
KINDS = {
    "contested": ("Contested", "no rule wins, so the model decides, or nobody"),
    "denied": ("Denied", "a deny rule takes the brand out"),
    "edge": ("Settled by edge", "`outranks` says who wins"),
    "span": ("Settled by span", "a match that lies inside a longer one yields"),
    "family": ("Harmless, one family", "the brands are of one family, and the nearest one wins"),
    "brand": ("Harmless, one brand", "rules of one brand match together"),
}
HARMLESS = ("family", "brand")

#: Rules of the other side that a sentence names.
_NAMED = 3


def number(value: float) -> str:
    """
    >>> number(1203.0), number(0.25), number(1203.4)
    ('1,203', '0.25', '1,203.4')
    """
    return f"{value:,.0f}" if value == round(value) else f"{value:,.{1 if value >= 10 else 2}f}"


def percent(part: float, whole: float) -> str:
    """
    >>> percent(1, 8), percent(1, 10_000_000), percent(0, 0)
    ('12.5 %', 'under 0.001 %', '0 %')
    """
    if not part or not whole:
        return "0 %"
    share = 100 * part / whole
    if share < 0.001:
        return "under 0.001 %"
    digits = max(1, 1 - math.floor(math.log10(share)))
    return f"{share:.{digits}f} %"


def rows(value: float) -> str:
    """
    >>> rows(1), rows(1203)
    ('1 row', '1,203 rows')
    """
    return f"{number(value)} row{'s' * (value != 1)}"


def worth(count: float, money: float | None) -> str:
    """
    >>> worth(2, 30.5), worth(2, None)
    ('2 rows worth 30.50', '2 rows')
    """
    return rows(count) if money is None else f"{rows(count)} worth {amount(money)}"


def amount(money: float) -> str:
    """
    >>> amount(30.5), amount(45210.4)
    ('30.50', '45,210')
    """
    return f"{money:,.2f}" if abs(money) < 1_000 else f"{money:,.0f}"


def volume(one: Volume) -> str:
    return worth(one.rows, one.money)


def opening(report: Report) -> str:
    """The report in a few sentences."""
    whole, part = report.total, report.colliding
    if not part.rows:
        return f"In {volume(whole)} no two rules find the same text: nothing collides."
    share = percent(part.rows, whole.rows)
    out = [f"{volume(part)}, {share} of {rows(whole.rows)}, {_are(part.rows)} found by two rules or more."]
    kinds = {one.kind: one for one in report.kinds}
    contested = kinds["contested"]
    if contested.volume.rows:
        first = next(one for one in report.causes if one.kind == "contested")
        out.append(
            f"{rows(contested.volume.rows)} {_are(contested.volume.rows)} contested, from {_causes(contested)}; "
            f"`{first.leader.rule}` alone is behind {number(first.volume.rows)} of them."
        )
    else:
        out.append("None is contested: every collision is settled.")
    settled = sum(kinds[name].volume.rows for name in ("denied", "edge", "span"))
    harmless = sum(kinds[name].volume.rows for name in HARMLESS)
    out.append(f"{rows(settled)} {_are(settled)} settled by rules, {rows(harmless)} {_are(harmless)} harmless.")
    if report.model:
        against = sum(one.against or 0.0 for one in report.kinds)
        out.append(f"In {rows(against)} the model is known to side with the rule that lost.")
    return " ".join(out)


def listening(report: Report) -> str:
    """What the model was heard on, or that it was not."""
    if not report.model:
        return "Without a model nothing is said of whom it sides with."
    keys, known, asked = report.keys
    unknown = keys - known - asked
    out = f"Of {keys:,} keys that collide without being harmless, the cache knows {known:,}"
    if asked:
        out += f", the model was asked for {asked:,}"
    out += f", and {unknown:,} nobody has asked it about"
    return out + ("; `--ask-model N` asks." if unknown and not asked else ".")


def _causes(one: Kind) -> str:
    return f"{one.causes:,} cause{'s' * (one.causes != 1)}"


def _are(count: float) -> str:
    return "is" if count == 1 else "are"


def title(cause: Cause) -> str:
    """
    A cause in a few words: `uber.trip × 2 rules`.
    """
    other = cause.others[0].rule if cause.met == 1 else f"{cause.met} rules"
    return f"{cause.leader.rule} × {other}"


def sentence(cause: Cause) -> str:
    """What happens, in one sentence or two."""
    leader, what = _rule(cause.leader), volume(cause.volume)
    finds, beside = _tokens([cause.leader]), _tokens(cause.others)
    others = _others(cause)
    winner, loser = (leader, others) if cause.role == "winner" else (others, leader)
    inner, outer = (beside, finds) if cause.role == "winner" else (finds, beside)
    claimed = (
        f"{leader} and {others} both claim {what}: {finds} beside {beside}."
        if cause.met == 1
        else f"{leader} takes {what} for {finds} that {cause.met:,} other rules claim too: {others}."
    )
    return {
        "contested": claimed,
        "denied": f"{winner} denies {loser} in {what} that say {outer}.",
        "edge": f"{winner} outranks {loser} in {what}: {outer} goes before {inner}.",
        "span": f"{loser} yields to {winner} in {what}: {inner} lies inside {outer}.",
        "family": f"{loser} yields to {winner} in {what}: the brands are of one family.",
        "brand": f"{leader} and {others} find the same {what}: they are of one brand, and nothing is lost.",
    }[cause.kind]


def _rule(party: Party) -> str:
    return f"`{party.rule}`"


def _others(cause: Cause) -> str:
    named = [_rule(one) for one in cause.others[:_NAMED]]
    left = cause.met - len(named)
    return _listed([*named, *([f"{left:,} more"] if left else [])])


def _tokens(parties: Sequence[Party]) -> str:
    """What the rules found: of one rule its two most frequent, of several one each."""
    each = [token for one in parties[:_NAMED] for token in one.tokens[: 2 if len(parties) == 1 else 1]]
    return _listed([f"`{token}`" for token in dict.fromkeys(each)], "or") or "other text"


def _listed(parts: Sequence[str], word: str = "and") -> str:
    """
    >>> _listed(["a"]), _listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return f" {word} ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def sided(cause: Cause) -> str:
    """Whom the model sides with; empty where there is nothing to say."""
    one = cause.sides
    if one is None:
        return ""
    if one.unknown == cause.volume.rows:
        return "The model was never asked about these rows."
    other = f"`{cause.others[0].rule}`" if cause.met == 1 else "one of the others"
    parts = [
        f"{words} in {number(value)}"
        for value, words in (
            (one.leader, f"sides with `{cause.leader.rule}`"),
            (one.others, f"sides with {other}"),
            (one.third, "names another brand"),
            (one.silent, "is silent"),
            (one.unknown, "was not asked"),
        )
        if value
    ]
    lost = f" In {rows(one.loser)} it sides with the rule that lost." if one.loser else ""
    return f"Of {rows(cause.volume.rows)} the model {_listed(parts)}.{lost}"


def flow(one: Flow) -> str:
    return f"{one.before} → {one.after}"


def rest(repair: Repair, shown: int) -> str:
    """What the first `shown` lines of a traffic diff leave out, or nothing."""
    left = repair.changed.rows - sum(one.rows for one in repair.flows[:shown])
    return f"and {rows(left)} more" if left > 0.5 / 1_000 else ""


def effect(repair: Repair) -> str:
    """What a repair changes, in a sentence."""
    out = f"{volume(repair.changed)} would be answered otherwise"
    out += f", {number(repair.outside)} of them outside this cause" if repair.outside else ", all of this cause"
    if repair.spoken:
        out += f"; the model agrees in {number(repair.agrees)} of {number(repair.spoken)} on which it speaks"
    return out + "."


def unrepaired(cause: Cause) -> str:
    """Why no repair is named; empty where one is, or none is due."""
    if (
        cause.repairs
        or cause.kind in HARMLESS
        or (cause.kind != "contested" and not (cause.sides and cause.sides.loser))
    ):
        return ""
    if not cause.tried:
        return "No repair was found worth trying."
    return f"No repair holds: {cause.tried} tried, each left the collision or lost a rule's own rows or an example."
