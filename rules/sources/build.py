"""Rebuild rules/brands.csv from the public packages without losing a single edit made by hand.

    python rules/sources/build.py [--packages DIR]

A three-way merge. bulk.csv is what the packages gave when the registry was last built, brands.csv is what
people edit. For each brand and column: where brands.csv differs from bulk.csv a person changed it, and the
change stays; where it does not, the new value of the packages is taken. Rows added by hand stay, rows deleted
by hand stay deleted, and a brand that vanishes from the packages stays, since ids are never reused. Running it
twice on the same packages changes nothing.

elsewhere.txt holds the names of companies that the packages know in other countries and the registry lacks: what a
model should say nothing of.
"""

import argparse
import csv
import tempfile
from collections.abc import Iterable
from pathlib import Path

from packages import HERE, Candidate, collapse, download, elsewhere, read, slug, table

COLUMNS = ["id", "name", "sector", "parent", "aliases", "domain", "wikidata", "status", "replaced_by", "since"]

Row = dict[str, str]
Rows = dict[str, Row]


def bulk(candidates: Iterable[Candidate]) -> Rows:
    """One row a brand: candidates whose names collapse to one are merged, the first one naming it."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(collapse(candidate.name), []).append(candidate)
    claims: dict[str, set[str]] = {}
    for key, group in groups.items():
        for alias in (alias for candidate in group for alias in candidate.aliases):
            claims.setdefault(collapse(alias), set()).add(key)
    rows: Rows = {}
    for group in groups.values():
        first = group[0]
        aliases: dict[str, str] = {}
        for alias in (alias for candidate in group for alias in candidate.aliases):
            short = collapse(alias)
            # An alias that two brands claim, or that is another brand's name, tells nobody apart.
            if len(short) >= 3 and alias.isascii() and short not in groups and len(claims[short]) == 1:
                aliases.setdefault(short, alias.replace("|", " "))
        row = dict.fromkeys(COLUMNS, "")
        row |= {"id": slug(first.name), "name": first.name, "sector": first.sector, "status": "active"}
        row["aliases"] = "|".join(sorted(aliases.values(), key=str.lower))
        row["wikidata"] = next((candidate.wikidata for candidate in group if candidate.wikidata), "")
        rows.setdefault(row["id"], row)
    return rows


def merge(old: Rows, new: Rows, mine: Rows) -> tuple[Rows, list[str]]:
    """The registry after a rebuild, and what a person should look at.

    old     bulk.csv before this build      new     what the packages give now
    mine    brands.csv, with the edits of people
    """
    taken = {collapse(text): row["id"] for row in mine.values() for text in (row["name"], *row["aliases"].split("|"))}
    merged, notes = {key: dict(row) for key, row in mine.items()}, []
    for key, row in new.items():
        if key in mine and key in old:
            for column in COLUMNS:
                if mine[key][column] == old[key][column]:
                    merged[key][column] = row[column]
        elif key not in mine and key not in old:
            if owner := taken.get(collapse(row["name"])):
                notes.append(f"not added: {key!r} is already a name or alias of {owner!r}")
            else:
                merged[key] = dict(row)
    notes += [f"kept: {key!r} is no longer in the packages" for key in sorted((old.keys() & mine.keys()) - new.keys())]
    names = {collapse(row["name"]): key for key, row in merged.items()}
    for key, row in merged.items():
        if row["aliases"] != mine.get(key, {}).get("aliases"):
            fresh = [a for a in row["aliases"].split("|") if taken.get(collapse(a), key) == key]
            row["aliases"] = "|".join(a for a in fresh if names.get(collapse(a), key) == key)
    return merged, notes


def load(path: Path) -> Rows:
    """The rows of a registry file by id; none where there is no file yet."""
    return {row["id"]: row for row in table(path)} if path.exists() else {}


def save(path: Path, rows: Rows) -> None:
    """Write rows sorted by id, so that one changed brand is one changed line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows))


def foreign(candidates: Iterable[Candidate], registry: Rows) -> list[str]:
    """Sorted names of at least four letters of companies that are no brand of the registry, nor called like one.

    A name that begins with a brand's (`Costa Coffee Club` with `Costa Coffee`) may be that brand's own: left out.
    """
    ours = {collapse(text) for row in registry.values() for text in (row["name"], *row["aliases"].split("|"))}
    numbers = {row["wikidata"] for row in registry.values()} - {""}

    def of_ours(name: str) -> bool:
        short = collapse(name)
        return any(short[:end] in ours for end in range(min(5, len(short)), len(short) + 1))

    names = {one.name for one in candidates if one.wikidata not in numbers and not of_ours(one.name)}
    return sorted(name for name in names if len(collapse(name)) > 3 and len(name) <= 30)


def build(packages: Path, registry: Path, inputs: Path = HERE) -> list[str]:
    """Rebuild `registry`, `inputs`/bulk.csv and `inputs`/elsewhere.txt in place; returns the notes of the merge."""
    old, new = load(inputs / "bulk.csv"), bulk(read(packages, inputs))
    merged, notes = merge(old, new, load(registry))
    save(registry, merged)
    names = foreign(elsewhere(packages), merged)
    (inputs / "elsewhere.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    # Rows the packages no longer have stay here: a brand deleted by hand must not come back with them.
    save(inputs / "bulk.csv", old | new)
    return notes


def main() -> None:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", type=Path, help="folder with the unpacked packages; downloaded where left out")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        packages = args.packages or download(Path(scratch))
        registry = HERE.parent / "brands.csv"
        for note in build(packages, registry):
            print(note)
        rows = load(registry).values()
        print(f"{len(rows)} brands, {sum(row['status'] == 'active' for row in rows)} of them active")


if __name__ == "__main__":
    main()
