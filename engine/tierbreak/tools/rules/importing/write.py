"""The overlay folder: proposed brands, one YAML file a brand, and what became of names and of refused lines.

brands.csv      the proposed brands
SECTOR/ID.yaml  the rules of a brand
names.tsv       what each name of the list was mapped to; corrected, it is what `--map` takes
refused.tsv     lines that no rule can stand for, and why
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tierbreak.errors import Fault, InputError
from tierbreak.files import atomic
from tierbreak.registry import reader
from tierbreak.registry.reader import COLUMNS
from tierbreak.tools.rules.authoring.fmt import formatted
from tierbreak.tools.rules.authoring.scalars import text as scalar
from tierbreak.tools.rules.importing.examples import Shown
from tierbreak.tools.rules.importing.names import MAP_COLUMNS, Named, registry_rows
from tierbreak.tools.rules.importing.plan import Entry
from tierbreak.tools.rules.importing.translate import Written

NAMES, REFUSED = "names.tsv", "refused.tsv"
_REFUSED_COLUMNS = ("line", "column", "code", "pattern", "found", "why", "fix")


@dataclass(frozen=True)
class Leaf:
    """One rule as it is written."""

    entry: Entry
    shown: Shown
    outranks: tuple[str, ...]
    note: str


def files(
    leaves: Iterable[Leaf],
    names: Sequence[Named],
    refused: Sequence[tuple[Fault, str]],
    sectors: Mapping[str, str],
    owner: str,
) -> dict[str, str]:
    """Path within the folder -> text.

    refused   each with the pattern of its line
    sectors   brand id -> the folder its file lies in
    owner     who answers for the rules
    """
    of_brand: dict[str, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        of_brand[leaf.entry.brand].append(leaf)
    out = {"brands.csv": _table(COLUMNS, registry_rows(names), ",")}
    for brand, own in sorted(of_brand.items()):
        own.sort(key=lambda leaf: leaf.entry.line)
        out[f"{sectors[brand]}/{brand}.yaml"] = formatted(_file(brand, owner, own))
    rows = [
        {"name": one.name, "id": one.id, "how": one.how, "lines": " ".join(map(str, one.lines)),
         "near": " ".join(one.near), "doubt": one.doubt} for one in names
    ]  # fmt: skip
    out[NAMES] = _table(MAP_COLUMNS, rows, "\t")
    if refused:
        said = [
            {"line": fault.line, "column": fault.column, "code": fault.code, "pattern": pattern, "found": fault.found,
             "why": fault.says, "fix": fault.fix} for fault, pattern in refused
        ]  # fmt: skip
        out[REFUSED] = _table(_REFUSED_COLUMNS, said, "\t")
    return out


def alone(texts: Mapping[str, str], registries: Sequence[Path]) -> dict[str, str]:
    """The folder as it can be loaded alone: its brands.csv holds those of other overlays, which its rules may name."""
    rows = {row.cells["id"]: row.cells for path in registries for row in reader.read(path)[0]}
    rows |= {row["id"]: row for row in csv.DictReader(io.StringIO(texts["brands.csv"]))}
    return {**texts, "brands.csv": _table(COLUMNS, (rows[id] for id in sorted(rows)), ",")}


def check_place(folder: Path, *, force: bool) -> None:
    """Raise InputError where a folder cannot be made at this place, before any work is done.

    force   an earlier import that lies there is replaced
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder that does not exist yet")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / NAMES).is_file():
            raise InputError(f"{folder}: is not empty, and no earlier import; name a folder that does not exist yet")
        if not force:
            raise InputError(f"{folder}: holds an earlier import; --force replaces it, with all that was edited there")
    if not folder.absolute().parent.is_dir():
        raise InputError(f"{folder}: there is no folder {str(folder.parent)!r}; make it first")


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the folder, whole or not at all; what lay there before is taken away."""
    try:
        with atomic.folder(folder, replace=True) as whole:
            for name, text in texts.items():
                (whole / name).parent.mkdir(parents=True, exist_ok=True)
                (whole / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _table(columns: Sequence[str], rows: Iterable[Mapping[str, object]], separator: str) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _file(brand: str, owner: str, leaves: Sequence[Leaf]) -> str:
    lines = [f"brand: {scalar(brand)}", f"owner: {scalar(owner)}", "rules:"]
    for leaf in leaves:
        entry = leaf.entry
        lines.append(f"  - id: {scalar(entry.id)}")
        if entry.fate == "shadow":
            lines.append("    status: shadow")
        lines += ["    match:", *map(_pattern, entry.became.match)]
        if entry.became.unless:
            lines += ["    unless:", *map(_pattern, entry.became.unless)]
        if leaf.outranks:
            lines.append(f"    outranks: [{', '.join(map(scalar, leaf.outranks))}]")
        if leaf.shown.examples:
            lines += ["    examples:", *(f"      - {scalar(text)}" for text in leaf.shown.examples)]
        if leaf.shown.counterexamples:
            lines.append("    counterexamples:")
            for text, brand_or_none in leaf.shown.counterexamples:
                lines.append(f"      - {{descriptor: {scalar(text)}, expect: {scalar(brand_or_none or 'none')}}}")
        lines.append(f"    note: {scalar(leaf.note, 'note')}")
    return "\n".join(lines) + "\n"


def _pattern(written: Written) -> str:
    text = f"{written.kind}: {scalar(written.text, written.kind)}"
    return f"      - {{{text}, at: {written.at}}}" if written.at else f"      - {text}"
