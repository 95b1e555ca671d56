"""Which rules do nothing that another rule of their brand does not do as well."""

from __future__ import annotations

from collections.abc import Callable

from tierbreak.tools.rules.traffic.stats.figures import Beside, Stats


def mergers(stats: Stats, sure: Callable[[float], bool]) -> dict[str, Beside]:
    """Rules whose every row another rule of their brand decides as well, each with the one that does most of it.

    Never both of two rules that do each other's work: those that never decide go first, then the ones of fewest rows.

    sure   whether so many rows without an exception are enough
    """
    brands = {rule.id: rule.brand for rule in stats.rules}
    able = []
    for rule in stats.rules:
        fired, without = rule.fired.rows, rule.without
        if (
            rule.deny
            or rule.status == "shadow"
            or not sure(fired)
            or not whole(without.idle + without.same_rule, fired)
        ):
            continue
        doing = [beside for beside in rule.beside if beside.change in ("idle", "same-rule")]
        kin = [beside for beside in doing if beside.rule is not None and brands[beside.rule] == rule.brand]
        if kin and whole(sum(beside.rows for beside in kin), fired):
            able.append((not whole(without.idle, fired), fired, rule.id, kin))
    going: dict[str, Beside] = {}
    for _, _, id, kin in sorted(able, key=lambda each: (each[0], each[1], each[2])):
        if not any(beside.rule in going for beside in kin):
            going[id] = kin[0]
    return going


def whole(part: float, of: float) -> bool:
    """Whether a part is all of it: sums of weights, added up in two orders, differ in their last digits."""
    return part >= of * (1 - 1e-9)
