"""The part of a report on single disagreements: which to look at, and how to label them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from tierbreak.tools.compare.document import Beside, Block, Fold, Section, Table, Text, count, percent
from tierbreak.tools.compare.labelling.estimate import MINIMUM, Estimates
from tierbreak.tools.compare.labelling.sampling import RANKED, STRATA, UNSTATED, WITHIN_FAMILY, Sample
from tierbreak.tools.compare.labelling.units import Answer
from tierbreak.tools.compare.pairs import BOTH_ABSTAIN, OUTCOMES, SAME
from tierbreak.tools.compare.report import labelled
from tierbreak.tools.compare.report.agreement import OUTCOME
from tierbreak.tools.rules.traffic.masking import masked

TITLE = "Disagreements to look at"

#: (label, value) of one side's record.
Lines = tuple[tuple[str, str], ...]

#: Ranked disagreements that are seen at once.
SHOWN = 10

#: Lines of a record that hold ids, rules and numbers; all others may hold what stands on a statement, and are masked.
_PLAIN = frozenset({
    "brand", "decided by", "tier", "rule", "confidence", "candidates", "collision", "pattern", "also match",
    "fingerprint",
})  # fmt: skip

_STRATUM = {
    "ranked": "the greatest disagreements, by transactions x uncertainty, each key once",
    "disagree": "a random part of all other disagreements",
    "agree": "a random part of what both sides answer alike",
}


@dataclass(frozen=True)
class Disagreement:
    """One ranked disagreement.

    descriptor        the most frequent one, masked
    rows              transactions, each as often as its weight says
    score             rows x uncertainty
    old, new          what is said; empty where a side abstains
    old_by, new_by    who decided
    """

    id: str
    descriptor: str
    outcome: str
    rows: float
    score: float
    old: str
    old_by: str
    new: str
    new_by: str


@dataclass(frozen=True)
class Drawn:
    """A stratum: units and rows in it, and lines drawn from it."""

    units: int
    rows: float
    lines: int


@dataclass(frozen=True)
class Figures:
    ranked: tuple[Disagreement, ...]
    strata: Mapping[str, Drawn]
    estimates: Estimates | None


def section(sample: Sample, estimates: Estimates | None, records: Mapping[str, tuple[Lines, Lines]]) -> Section:
    """A sample, and what its labels say.

    estimates   None where no labels were given
    records     id of a line -> its decision record on the old side and on the new; empty for a side that has none
    """
    figures = Figures(_ranked(sample), _drawn(sample), estimates)
    blocks = [*_disagreements(figures, sample), *_opened(figures, records)]
    if estimates is not None:
        blocks += labelled.blocks(estimates)
    return Section("sample", TITLE, (*blocks, *_labelling(figures)), figures)


def _ranked(sample: Sample) -> tuple[Disagreement, ...]:
    units = [unit for unit in sample.units if unit.stratum == RANKED]
    shown = masked(pl.Series([unit.descriptor for unit in units], dtype=pl.String)).to_list()
    return tuple(
        Disagreement(unit.id, descriptor, unit.outcome, unit.rows, unit.score, _name(unit.old), unit.old.by,
                     _name(unit.new), unit.new.by)
        for unit, descriptor in zip(units, shown, strict=True)
    )  # fmt: skip


def _name(answer: Answer) -> str:
    """As shown; a name that no registry has may be anything, so it is masked."""
    return answer.name if answer.known else masked(pl.Series([answer.name]))[0]


def _drawn(sample: Sample) -> dict[str, Drawn]:
    return {
        stratum: Drawn(*sample.strata[stratum], sum(unit.stratum == stratum for unit in sample.units))
        for stratum in STRATA
    }


def _disagreements(figures: Figures, sample: Sample) -> Iterator[Block]:
    agree = (OUTCOMES[SAME], OUTCOMES[BOTH_ABSTAIN])
    differing = sum(rows for outcome, rows in sample.rows.items() if outcome not in agree)
    if not differing:
        yield Text("The sides do not disagree on any transaction.")
        return
    if not figures.ranked:
        yield Text("No disagreements were ranked.", "soft")
        return
    rows = figures.strata[RANKED].rows
    yield Text(
        f"The {len(figures.ranked):,} disagreements that matter most make up {count(rows)} of the {count(differing)} "
        f"transactions on which the sides differ ({percent(rows / differing)}). They are ranked by transactions x "
        f"uncertainty. The uncertainty of an answer is 1 less its confidence, and {UNSTATED:g} where it has none, as "
        "those of rules and lists; of two answers it is the mean. Two brands of one family count "
        f"{WITHIN_FAMILY:g} times as much."
    )
    table = [
        (one.descriptor, count(one.rows), one.old or "-", one.old_by, one.new or "-", one.new_by,
         OUTCOME[one.outcome][0])
        for one in figures.ranked
    ]  # fmt: skip
    yield Table(
        ("Descriptor", "Transactions", "Old", "decided by", "New", "decided by", "What it is"), tuple(table),
        title="Ranked disagreements", note="'-': no answer, and why where the side says so. Descriptors are masked.",
        words=frozenset({0, 2, 3, 4, 5, 6}), shown=SHOWN,
    )  # fmt: skip


def _opened(figures: Figures, records: Mapping[str, tuple[Lines, Lines]]) -> Iterator[Block]:
    """Each ranked disagreement that has a record, to be opened."""
    folds = []
    for rank, one in enumerate(figures.ranked, start=1):
        old, new = records.get(one.id, ((), ()))
        if old or new:
            title = f"{rank}. {one.descriptor}: {one.old or 'no answer'} -> {one.new or 'no answer'}"
            folds.append(Fold(title, (Beside(_masked(old), _masked(new)),)))
    if folds:
        yield Fold("Both decision records of each", tuple(folds))


def _masked(lines: Lines) -> Lines:
    values = masked(pl.Series([value for _, value in lines], dtype=pl.String)).to_list()
    return tuple(
        (label, value if label in _PLAIN else hidden)
        for (label, value), hidden in zip(lines, values, strict=True)
    )  # fmt: skip


def _labelling(figures: Figures) -> Iterator[Block]:
    """What there is to label, and how."""
    lines = sum(one.lines for one in figures.strata.values())
    if not lines:
        yield Text("There is nothing to label: no side gives an answer.", "soft")
        return
    rows = tuple(
        (name, _STRATUM[name], f"{one.lines:,}", f"{one.units:,}", count(one.rows))
        for name, one in figures.strata.items()
    )
    blocks = (
        Text(
            f"Write the {lines:,} lines to a file with --sample FILE, and open it in a spreadsheet with every column "
            "as text. It holds descriptors as they came: it is as confidential as the traffic."
        ),
        Text(
            "Fill the column truth: the id, name or alias of the brand; 'none' where the descriptor is no brand of "
            "the registry; '?' where it cannot be told; nothing where you have not looked. The column note is yours. "
            "Leave all else as it is, and take no line out. The lines at the top are worth most."
        ),
        Text(
            f"Read it back with --labels FILE in the same comparison. {MINIMUM} labelled lines drawn by chance are the "
            "least that anything is said from; with 100 of them a share near 90 % has an interval of about 12 points."
        ),
        Table(("Part", "What is in it", "Lines", "Units", "Transactions"), rows, title="What there is to label",
              note="unit: one key with one answer of each side", words=frozenset({0, 1})),
    )  # fmt: skip
    yield Fold("How to label them, and what that tells", blocks)
