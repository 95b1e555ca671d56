"""How much may flip without anybody's approval."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tierbreak.errors import RulebookError, SettingsError
from tierbreak.tools.rules.traffic.diff.report import Diff, Flip
from tierbreak.tools.rules.traffic.diff.words import number, percent, rows_of

#: Flips named where a budget is exceeded.
NAMED = 5


@dataclass(frozen=True)
class Budget:
    """The share of rows, and of money, that may flip without approval; None asks nothing."""

    rows: float | None = None
    money: float | None = None

    @classmethod
    def of(cls, rows: str | None, money: str | None = None) -> Budget:
        """From what a person writes; raises SettingsError.

        >>> Budget.of("0.05%")
        Budget(rows=0.0005, money=None)
        """
        return cls(_share(rows, "--budget"), _share(money, "--budget-money"))

    def held(self, diff: Diff) -> None:
        """Raise RulebookError where the flips that nobody approved of are more than it allows."""
        whole, says = diff.traffic, []
        if self.money is not None and whole.money is None:
            raise SettingsError(f"--budget-money: {whole.name} has no amounts; name their column with --amount")
        for what, allowed, spent, all_of_it in (
            ("rows", self.rows, sum(flip.rows for flip in diff.open), whole.rows),
            ("money", self.money, sum(flip.money for flip in diff.open), whole.money or 0.0),
        ):
            # A billionth of a row is what adding up may be off by, and no row.
            if allowed is not None and spent > allowed * all_of_it * (1 + 1e-9):
                over = spent - allowed * all_of_it
                says.append(
                    f"{percent(spent, all_of_it)} of {what} ({number(spent)} of {number(all_of_it)}) flip without "
                    f"approval, {number(over)} more than the budget of {percent(allowed, 1.0)} allows"
                )
        if says:
            raise RulebookError("\n".join([*says, *_named(diff.open)]))


def _named(flips: Sequence[Flip]) -> list[str]:
    out = [f"  {rows_of(flip.rows)}: {flip.old} -> {flip.new}" for flip in flips[:NAMED]]
    if len(flips) > NAMED:
        out.append(f"  and {len(flips) - NAMED} more")
    return [
        *out,
        "  fix: mend the rules, or list the flips in a file (--approvals FILE) with owner, reason and expires:",
        *(f"    {line}" for line in flips[0].stanza().splitlines()),
    ]


def _share(given: str | None, option: str) -> float | None:
    if given is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", given)
    if not found or float(found[1]) > 100:
        raise SettingsError(f"{option}: {given!r} is no share; write a percentage, such as 0.05%")
    return round(float(found[1]) / 100, 12)
