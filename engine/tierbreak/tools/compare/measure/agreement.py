"""How far the two sides agree: by transactions, keys, users and money; exact, and by family."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.tools.compare.measure.cells import ByKey, Users, total
from tierbreak.tools.compare.pairs import AGREE, OUTCOMES, SIDES, Pairs


@dataclass(frozen=True)
class Agreed:
    """How much of something the sides agree on.

    unit       `rows`; `weighted rows`, each as often as its weight says; `keys` and `users`: of which every row agrees;
               `money`
    total      all of it, >= 0
    exact      of it, what has one brand on both sides, redirects followed, or none on both
    family     the same, and two brands of one family
    exact_share, family_share   0..1; NaN where there is nothing
    """

    unit: str
    total: float
    exact: float
    family: float
    exact_share: float
    family_share: float


@dataclass(frozen=True)
class Became:
    """One outcome: `share` and `money_share` are of all that rows count for, and of all money; NaN where there is none.

    keys    distinct keys of which at least one row has it
    """

    outcome: str
    rows: int
    n: float
    share: float
    money: float
    money_share: float
    keys: int


@dataclass(frozen=True)
class Covered:
    """One side's coverage: for how much it names a brand; and why it does not for the rest: reason -> n."""

    side: str
    rows: int
    n: float
    share: float
    money: float
    money_share: float
    reasons: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Agreement:
    """The whole of it.

    by              by each unit that can be said; `omitted` says why another cannot
    both_named      of what both sides name a brand for
    both_mapped     without rows on which a side says a name that no registry has; None where there are none
    outcomes        in order of OUTCOMES
    coverage        old side, new side
    rebrands        rows that agree only since a redirect is followed
    no_money        rows without an amount that can be read: they add 0 to money
    unmapped        rows on which at least one side says a name that no registry has
    users           None where the traffic names none
    """

    by: tuple[Agreed, ...]
    both_named: Agreed
    both_mapped: Agreed | None
    outcomes: tuple[Became, ...]
    coverage: tuple[Covered, Covered]
    rebrands: int
    no_money: int
    unmapped: int
    users: Users | None
    omitted: tuple[str, ...]


def agreement(pairs: Pairs, cells: pl.DataFrame, keys: ByKey, users: Users) -> Agreement:
    """Count agreement.

    cells, keys, users   of these pairs, from the functions `cells`, `by_key` and `by_user`
    """
    has, omitted = pairs.traffic.has, []
    weighted = "weight" in has
    of = "weighted rows" if weighted else "rows"
    by = [_of(cells, "rows", "rows")]
    if weighted:
        by.append(_of(cells, "weighted rows", "n"))
    by.append(_agreed("keys", keys.keys, keys.agree["exact"], keys.agree["family"]))
    counted = users.users > 0
    if counted:
        same = {level: users.users - changed for level, changed in users.changed.items()}
        by.append(_agreed("users", users.users, same["exact"], same["family"]))
    else:
        omitted.append("By users: the traffic names no user.")
    money = total(cells, "money")
    if money > 0:
        by.append(_of(cells, "money", "money"))
    else:
        omitted.append(
            "By money: the amounts add up to 0." if "amount" in has else "By money: the traffic has no amounts."
        )
    known = np.append(pairs.joint.known, True)  # an abstention, -1, looks at the end
    mapped = pl.Series(known[cells["old_brand"].to_numpy()] & known[cells["new_brand"].to_numpy()], dtype=pl.Boolean)
    unmapped = int(cells.filter(~mapped)["rows"].sum())
    named = (pl.col("old_brand") >= 0) & (pl.col("new_brand") >= 0)
    return Agreement(
        tuple(by), _of(cells.filter(named), of, "n"), _of(cells.filter(mapped), of, "n") if unmapped else None,
        _outcomes(cells, keys), (_covered(pairs, cells, SIDES[0]), _covered(pairs, cells, SIDES[1])),
        int(cells["rebrands"].sum()), int(cells["no_money"].sum()), unmapped,
        users if counted else None, tuple(omitted),
    )  # fmt: skip


def _agreed(unit: str, total: float, exact: float, family: float) -> Agreed:
    return Agreed(unit, total, exact, family, share(exact, total), share(family, total))


def _of(cells: pl.DataFrame, unit: str, column: str) -> Agreed:
    exact, family = (total(cells.filter(pl.col("outcome").is_in(fine)), column) for fine in AGREE.values())
    return _agreed(unit, total(cells, column), exact, family)


def _outcomes(cells: pl.DataFrame, keys: ByKey) -> tuple[Became, ...]:
    n, money = total(cells, "n"), total(cells, "money")
    out = []
    for at, outcome in enumerate(OUTCOMES):
        mine = cells.filter(pl.col("outcome") == at)
        rows, counts, worth = int(mine["rows"].sum()), total(mine, "n"), total(mine, "money")
        out.append(Became(outcome, rows, counts, share(counts, n), worth, share(worth, money), keys.outcomes[at]))
    return tuple(out)


def _covered(pairs: Pairs, cells: pl.DataFrame, side: str) -> Covered:
    names = pl.col(f"{side}_brand") >= 0
    named, rest = cells.filter(names), cells.filter(~names)
    why = rest.group_by(f"{side}_reason").agg(pl.col("n").sum()).sort("n", f"{side}_reason", descending=[True, False])
    reasons = tuple((pairs.reasons[at] if at >= 0 else "not said", n) for at, n in why.iter_rows())
    n, money = total(named, "n"), total(named, "money")
    shares = share(n, total(cells, "n")), share(money, total(cells, "money"))
    return Covered(side, int(named["rows"].sum()), n, shares[0], money, shares[1], reasons)


def share(part: float, whole: float) -> float:
    """
    >>> share(1, 4), share(0, 0)
    (0.25, nan)
    """
    return part / whole if whole else math.nan
