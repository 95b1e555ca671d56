"""Old against new on traffic: the list, first match wins, and the engine with the imported rules alone.

Every difference has a name:

    refused     the deciding line is one that no rule could stand for
    folding     a line finds the descriptor as it came and not its folded text, or the other way round: blanks at the
                end, accents, two spaces, a pattern that minds case
    contested   two rules find it and no edge parts them, because nobody has seen them together: the engine says so
    span        a later line finds a longer piece of the text, and nobody has seen them together
    family      the brands are of one family, and the deeper one answers
    unless      an `unless` of the rule finds it too
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from tierbreak.core.codes import Outcome
from tierbreak.core.tables import schema
from tierbreak.engine import Engine
from tierbreak.tools.rules.importing.importing import Imported, lines
from tierbreak.tools.rules.traffic import Replayed, Traffic, masked, replays

Why = Literal["refused", "folding", "contested", "span", "family", "unless"]
WHYS: tuple[Why, ...] = ("refused", "folding", "contested", "span", "family", "unless")

#: One distinct descriptor that the two decide otherwise. `descriptor` is masked; `old` and `new` are brand ids, `line`
#: the list's, `rules` those that the engine was left with; null where there is none.
DIFFERENCE = schema(
    descriptor=pl.String, n=pl.Float64, line=pl.UInt32, old=pl.String, new=pl.String, rules=pl.List(pl.String),
    why=pl.String, says=pl.String,
)  # fmt: skip


@dataclass(frozen=True)
class Replay:
    """What came out.

    name          of the traffic
    learned       edges were learned from it: a share of 1 there says little of next month
    distinct      distinct descriptors
    decided       of these, those that the list decides
    same          of these, those that the engine gives the same brand
    rows, rows_decided, rows_same   the same as rows
    differences   DIFFERENCE: those that the list decides and the engine does not, or otherwise
    beyond        DIFFERENCE: those that the engine decides and the list does not
    """

    name: str
    learned: bool
    distinct: int
    decided: int
    same: int
    rows: float
    rows_decided: float
    rows_same: float
    differences: pl.DataFrame
    beyond: pl.DataFrame

    @property
    def share(self) -> float:
        """0..1, of the distinct descriptors that the list decides; 1 where it decides none."""
        return self.same / self.decided if self.decided else 1.0


def replay(engine: Engine, imported: Imported, traffic: Traffic, *, learned: bool) -> Replay:
    """Decide a traffic file both ways.

    engine    loaded with the imported folder as its rules, without model and cache
    learned   the edges were learned from this traffic
    """
    side = _Sides(engine, imported)
    counts = np.zeros(5)
    decided = same = 0
    parts: list[pl.DataFrame] = []
    for part in replays(engine.parts, traffic, engine.settings):
        case = part.cases.of_row
        first = imported.book.first(part.rows["descriptor"])
        old, new = side.brand_of_line[first], part.settled.brand[case]
        n = part.rows["n"].to_numpy()
        decided += int((first >= 0).sum())
        same += int(((first >= 0) & (old == new)).sum())
        counts += [0, 0, 0, n[first >= 0].sum(), n[(first >= 0) & (old == new)].sum()]
        at = np.flatnonzero((old != new) & ((first >= 0) | (new >= 0)))
        parts.append(side.differences(part, at, first))
    found = pl.concat([pl.DataFrame(schema=DIFFERENCE), *parts])
    by_list = pl.col("line").is_not_null()
    return Replay(
        traffic.name, learned, traffic.rows.height, decided, same, traffic.total, float(counts[3]), float(counts[4]),
        found.filter(by_list).sort("why", "line", "descriptor"), found.filter(~by_list).sort("descriptor"),
    )  # fmt: skip


class _Sides:
    """What a line is to the engine: its brand, its rule."""

    def __init__(self, engine: Engine, imported: Imported) -> None:
        self.book, self.registry = imported.book, engine.parts.registry
        brand = {named.name: named.id for named in imported.names}
        codes = [int(self.registry.redirect[self.registry.index(brand[rule.name])]) for rule in self.book.rules]
        self.brand_of_line = np.array([*codes, -1], dtype=np.int64)  # behind the last: nobody decides
        self.rule_ids = [rule.id for rule in engine.parts.book.rules]
        index = {id: at for at, id in enumerate(self.rule_ids)}
        self.rule_of_line = {entry.position: index[entry.id] for entry in imported.kept}
        self.line_of_rule = {index[entry.id]: entry.position for entry in imported.kept}
        self.refused = {fault.line: fault.says for fault in imported.faults}

    def differences(self, part: Replayed, at: np.ndarray, first: np.ndarray) -> pl.DataFrame:
        """DIFFERENCE of the rows `at` (int64) of a part of the traffic."""
        case = part.cases.of_row[at]
        descriptors = part.rows["descriptor"].gather(at)
        start, end = (np.searchsorted(part.standing.case, case, side=side) for side in ("left", "right"))
        rows = []
        for row, here, low, high, text in zip(
            at.tolist(), case.tolist(), start.tolist(), end.tolist(), descriptors.to_list(), strict=True
        ):
            rules, outcome = part.standing.rule[low:high].tolist(), part.settled.outcome[low:high].tolist()
            left = [rule for rule, what in zip(rules, outcome, strict=True) if what == Outcome.STANDS]
            line = int(first[row])
            why, says = self._explain(line, text, dict(zip(rules, outcome, strict=True)), left)
            old, new = int(self.brand_of_line[line]), int(part.settled.brand[here])
            rows.append((
                self.book.rules[line].line if line >= 0 else None, self._id(old), self._id(new),
                [self.rule_ids[rule] for rule in left], why, says,
            ))  # fmt: skip
        columns = {name: kind for name, kind in DIFFERENCE.items() if name not in ("descriptor", "n")}
        shown = pl.DataFrame({"descriptor": masked(descriptors), "n": part.rows["n"].gather(at)})
        return shown.hstack(pl.DataFrame(rows, schema=columns, orient="row")).select(DIFFERENCE.names())

    def _id(self, brand: int) -> str | None:
        return self.registry.ids[brand] if brand >= 0 else None

    def _explain(self, line: int, text: str, outcome: dict[int, int], left: Sequence[int]) -> tuple[Why, str]:
        """Why a text is decided otherwise.

        line      position of the line that decides it, -1 where none does
        outcome   rule -> what became of it
        left      rules that stand at the end
        """
        # A line that the engine finds and the list does not, before the one that decides: it should not be there.
        ghosts = [
            rule
            for rule in left
            if (line < 0 or self.line_of_rule[rule] < line) and not self.book.finds(self.line_of_rule[rule], text)
        ]
        if ghosts:
            return "folding", f"{self._lines(ghosts)} the folded text, and not the descriptor as it came"
        number = self.book.rules[line].line
        rule = self.rule_of_line.get(line)
        if rule is None and number in self.refused:
            return "refused", f"line {number} was refused: {self.refused[number]}"
        # Not there, or outranked by a line that should not be there: the texts differ.
        otherwise: tuple[Why, str] = (
            "folding",
            f"line {number} finds the descriptor as it came, and not its folded text",
        )
        found = self._lines(left) if left else "another line finds"
        said: dict[int, tuple[Why, str]] = {
            Outcome.UNLESS: ("unless", f"an `unless` of the rule of line {number} finds it too"),
            Outcome.SPAN: ("span", f"{found} a longer piece of it, and no edge puts line {number} above"),
            Outcome.FAMILY: ("family", f"{found} a deeper brand of the same family"),
            Outcome.STANDS: ("contested", f"{found} it, and no edge parts them: never seen together"),
        }  # fmt: skip
        return said.get(outcome.get(rule, -1) if rule is not None else -1, otherwise)

    def _lines(self, rules: Sequence[int]) -> str:
        return lines(sorted({self.book.rules[self.line_of_rule[rule]].line for rule in rules}))
