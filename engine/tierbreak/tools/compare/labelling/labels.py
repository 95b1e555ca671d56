"""The labelling file: written for a person with a spreadsheet, and read back with every cell checked.

    id stratum rows probability descriptor old old_by new new_by truth note sides of

Cells apart by tabs, UTF-8, a header line, quotes as spreadsheets write them. A person fills `truth`: a brand's id, name
or alias; `none` where the descriptor is no brand of the registry; `?` where nobody can tell; nothing where it has not
been looked at. `note` is theirs. Descriptors are NOT masked, because a person has to read them: the file is as
confidential as the traffic that it is taken from.

A line keeps what its estimate rests on, so that the file alone is enough: `id` is a hash of those cells, `sides` says
which comparison they are of, `of` how many lines the file has.

What a spreadsheet would make of cells is seen to in compare/spreadsheet.py, and decimal commas are understood. A line
in which anything else has changed does not fit its `id` any more, and is refused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from tierbreak.errors import Fault, InputError
from tierbreak.registry import Registry
from tierbreak.tools.compare.joint import ABSTAINED, Index
from tierbreak.tools.compare.labelling import spreadsheet
from tierbreak.tools.compare.labelling.sampling import STRATA, Sample, sides_of, totals
from tierbreak.tools.compare.labelling.spreadsheet import safe, unsafe, whole
from tierbreak.tools.compare.labelling.truths import Truths
from tierbreak.tools.compare.labelling.units import Unit, identity, number
from tierbreak.tools.compare.pairs import Pairs, outcomes

COLUMNS = (
    "id", "stratum", "rows", "probability", "descriptor", "old", "old_by", "new", "new_by", "truth", "note", "sides",
    "of",
)  # fmt: skip

#: Faults that are printed; the rest are counted.
SHOWN = 50

#: How a spreadsheet may have written a number: as it was, with a decimal comma, with separators of thousands.
_READINGS = (("", ""), (",", "."), (",", ""), (".", ""))


@dataclass(frozen=True)
class Label:
    """One line of a labelled file.

    line          1-based
    outcome       position in OUTCOMES
    rows          what it counts for
    probability   0..1, of having been drawn
    old, new      positions in Joint.ids, -1 where the side abstained
    truth         likewise, -1 for no known brand; truths.UNSURE where the person could not tell; None where empty
    """

    line: int
    id: str
    stratum: str
    outcome: int
    rows: float
    probability: float
    old: int
    new: int
    truth: int | None
    note: str


@dataclass(frozen=True, eq=False)
class Labels:
    """A labelled file.

    lines     those of this comparison, all that were drawn, labelled or not
    family    int32 [brands], as in Joint
    carried   descriptor -> truth, as it was written, of lines made for other sides or another traffic, where this
              traffic has the descriptor too: no estimate comes of them, but nobody has to look twice
    notices   what a person must know
    """

    name: str
    fingerprint: str
    lines: tuple[Label, ...]
    family: Index
    carried: Mapping[str, str]
    notices: tuple[str, ...]


def text(sample: Sample, truths: Mapping[str, str] | None = None) -> str:
    """A sample as a labelling file. It shows descriptors as they came.

    truths   descriptor -> truth, of earlier labels
    """
    file = io.StringIO()
    writer = csv.writer(file, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for unit in sample.units:
        writer.writerow(_cells(unit, sample, (truths or {}).get(unit.descriptor, "")))
    return file.getvalue()


def read(path: Path, pairs: Pairs, registry: Registry) -> Labels:
    """Read a labelled file.

    pairs      the comparison that it is to say something of
    registry   whose ids, names and aliases a truth may be

    Raises InputError that names every fault with its line: cells that do not fit their id, lines that are missing or
    stand twice, truths that are no brand, with the nearest; or a file that is of another comparison as a whole.
    """
    fingerprint, header, records = spreadsheet.records(path, COLUMNS)
    truths = Truths(pairs.joint, registry)
    sides = sides_of(pairs, totals(pairs))
    own: dict[str, Label] = {}
    others: list[dict[str, str]] = []
    faults: list[Fault] = []
    wanted: set[str] = set()
    for place, cells in records:
        if place.cells != len(header):
            says, expected = f"{place.cells} cells instead of {len(header)}", "cells apart by tabs"
            faults.append(place.fault("S003", "id", says, cells.get("id", ""), expected, _AGAIN))
        elif cells["sides"] != sides:
            others.append(cells)
        elif (label := _label(cells, place.line, pairs)) is None:
            says, expected = "the cells of this line do not fit its id", "all but `truth` and `note` as written"
            faults.append(place.fault("S005", "id", says, cells["id"], expected, _AGAIN))
        elif label.id in own:
            expected = f"each line once; line {own[label.id].line} has it too"
            faults.append(place.fault("S006", "id", "this line stands twice", label.id, expected, "take one out"))
        else:
            own[label.id] = label
            wanted.add(cells["of"])
            try:
                own[label.id] = replace(label, truth=truths.of(unsafe(cells["truth"])))
            except ValueError as error:
                expected = "a brand's id, name or alias; `none`; `?`; or nothing"
                fix = "mend it, or write `none` where the registry does not have the brand"
                faults.append(place.fault("S007", "truth", str(error), cells["truth"], expected, fix))
    if own and not faults and wanted != {str(len(own))}:
        says, expected = "lines are missing", f"the {' or '.join(sorted(wanted))} that were written"
        fix = "give the whole file; leave `truth` empty where nothing is known"
        faults.append(whole(path, "S008", says, f"{len(own)} lines", expected, fix))
    if faults:
        more = [f"and {len(faults) - SHOWN} more faults"] if len(faults) > SHOWN else []
        raise InputError("\n".join([*map(str, faults[:SHOWN]), *more]))
    carried, notices = _carried(path, others, pairs, sides, alone=not own)
    return Labels(str(path), fingerprint, tuple(own.values()), pairs.joint.family, carried, notices)


_AGAIN = "copy the line from the file as it was written; open it with every column as text"


def _cells(unit: Unit, sample: Sample, truth: str) -> list[str]:
    note = "truth from earlier labels" if truth else ""
    free = (unit.descriptor, unit.old.brand, unit.old.by, unit.new.brand, unit.new.by, truth, note)
    return [
        unit.id, unit.stratum, number(unit.rows), number(unit.probability), *map(safe, free), sample.sides,
        str(len(sample.units)),
    ]  # fmt: skip


def _label(cells: Mapping[str, str], line: int, pairs: Pairs) -> Label | None:
    """The line without its truth, or None where its cells do not fit its id."""
    descriptor, old, new = (unsafe(cells[column]) for column in ("descriptor", "old", "new"))
    if cells["stratum"] not in STRATA:
        return None
    position = pairs.joint.position
    at = [ABSTAINED if not side else position.get(side) for side in (old, new)]
    if at[0] is None or at[1] is None:
        return None
    for cut, put in _READINGS:
        try:
            rows, chance = (float(cells[column].replace(cut, put) if cut else cells[column])
                            for column in ("rows", "probability"))  # fmt: skip
        except ValueError:
            continue
        if identity(cells["sides"], cells["stratum"], rows, chance, descriptor, old, new) == cells["id"]:
            outcome = int(outcomes(pairs.joint, np.array([at[0]], np.int32), np.array([at[1]], np.int32))[0])
            return Label(line, cells["id"], cells["stratum"], outcome, rows, chance, at[0], at[1], None,
                         unsafe(cells["note"]))  # fmt: skip
    return None


def _carried(
    path: Path, others: list[dict[str, str]], pairs: Pairs, sides: str, *, alone: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Truths of lines that another comparison wrote, where this traffic has the descriptor, and what to say of them.

    alone   no line is of this comparison. Raises InputError where there is nothing to carry over either.
    """
    if not others:
        return {}, ()
    given = {unsafe(cells["descriptor"]): unsafe(cells["truth"]).strip() for cells in others if cells["truth"].strip()}
    here = pairs.scan().select("descriptor").filter(pl.col("descriptor").is_in(list(given))).unique()
    there = set(here.collect(engine="streaming")["descriptor"])
    carried = {descriptor: truth for descriptor, truth in given.items() if descriptor in there}
    differs = " and ".join(_differs(others[0]["sides"], sides))
    if alone and not carried:
        says = f"the labels are of another comparison: {differs}"
        fix = "give the same two sides and traffic, or write a new labelling file with --sample"
        raise InputError(str(whole(path, "S004", says, others[0]["sides"], sides, fix)))
    notice = (
        f"{len(others):,} lines are of another comparison ({differs}): no estimate comes of them. {len(carried):,} of "
        f"their {len(given):,} truths are of descriptors of this traffic, and --sample writes them into the new file"
    )
    return carried, (notice,)


def _differs(found: str, wanted: str) -> Iterator[str]:
    parts = [found.split(".."), wanted.split("..")]
    if len(parts[0]) != len(parts[1]):
        yield "its column `sides` cannot be read"
        return
    for what, was, now in zip(("old side", "new side", "traffic"), *parts, strict=True):
        if was != now:
            yield f"the {what} is {now}, and was {was}"
