"""One rule in full, as lines of two cells: what, and what is said of it."""

from __future__ import annotations

from tierbreak.tools.rules.traffic.stats.advice import Advice
from tierbreak.tools.rules.traffic.stats.figures import Beside, RuleFigures
from tierbreak.tools.rules.traffic.stats.report import WORDS, gold_words, largest
from tierbreak.tools.rules.traffic.stats.words import number, percent, rows


def detail(rule: RuleFigures, advice: Advice) -> list[tuple[str, str]]:
    """One rule in full: (what, text) pairs; what is empty where a line goes on."""
    fired = rule.fired.rows
    out = [
        ("rule", f"{rule.id}, {rule.status}, brand {rule.brand}, owner {rule.owner}, {rule.place}"),
        ("advice", f"{advice.action}: {advice.reason}"),
        *(("", said) for said in advice.also),
        ("found", f"{rows(rule.found)}, {number(rule.excluded)} of them taken away by `unless`"),
        ("fired", f"{rows(fired)}, {percent(rule.coverage, 1)} of all"),
        ("decided", f"{rows(rule.decided.rows)}, {number(rule.decided.money)} of money"),
        ("overlap", f"{rows(rule.overlap)} ({percent(rule.overlap, fired)})"),
        ("conflict", f"{rows(rule.conflict)} ({percent(rule.conflict, fired)})"),
        ("contested", f"{rows(rule.contested)} ({percent(rule.contested, fired)})"),
        *(("", f"by {rival.rule} ({rival.brand}): {number(rival.rows)}") for rival in rule.rivals[:5]),
        ("last fired", str(rule.last or "not known")),
    ]
    out += [
        ("pattern" if not at else "", f"#{pattern.number} {pattern.text}: fired {number(pattern.fired)}, "
                                      f"decided {number(pattern.decided)}")
        for at, pattern in enumerate(rule.patterns)
    ]  # fmt: skip
    out += [
        ("unless" if not at else "", f"#{unless.number} {unless.text}: {number(unless.fired)}")
        for at, unless in enumerate(rule.unless)
    ]
    head = "let in" if rule.status == "shadow" else "without it"
    for change, many in largest(rule.without):
        sure = {"same-model": rule.without.same_confidence, "other-model": rule.without.other_confidence}.get(change)
        out.append((head, f"{WORDS[change]}: {rows(many)}" + (f", confidence {sure:.2f}" if sure else "")))
        head = ""
        told = [one for one in rule.beside if one.change == change and (one.rule or one.brand)]
        out += [("", f"  {_by(one)}: {number(one.rows)}") for one in told[:3]]
    model = rule.model
    out.append(
        ("model", f"agrees on {rows(model.agrees)}, names another on {number(model.other)}, is silent on "
                  f"{number(model.silent)}, is not known on {number(model.unknown)}; {model.texts:,} texts known")
    )  # fmt: skip
    if rule.precision is not None:
        out.append(("gold", gold_words(rule.precision) or "decides none of its keys"))
        out += [("", f"wrong: {wrong.descriptor} is {wrong.truth or 'no known brand'}") for wrong in rule.mistakes]
    if rule.cost is not None:
        out.append(
            ("cost", f"{rule.cost.seconds:.2f} s a million texts, {rule.cost.times:.1f} times the rule in the middle; "
                     f"its patterns {rule.cost.each:.1f} times the usual one each")
        )  # fmt: skip
    out += [
        ("texts" if not at else "", f"{text.descriptor} #{text.number}: {number(text.rows)}"
                                    f"{'' if text.familiar else ', unlike its examples'}")
        for at, text in enumerate(rule.texts)
    ]  # fmt: skip
    if advice.edit is not None:
        out.append(("edit", f"{advice.edit.path}:{advice.edit.line}"))
    return out


def _by(one: Beside) -> str:
    return f"{one.rule or 'the model'} ({one.brand or 'no brand'})"
