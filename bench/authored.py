"""A rulebook as its authors keep it, invented, of any size: what `tierbreak rules check` and `Engine.watch` are given.

    python -m bench.authored 4000 /tmp/book        writes one of 4,000 rules there

One file a rule, as many patterns, examples and `unless` as real ones have. Some faults are planted, so that the right
answer of a check is known from how the book was made.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench import haystacks

#: Of so many rules one has an `unless`, a counterexample, an example that no rule finds.
UNLESS, COUNTER, FAULTY = 5, 3, 500
_PLACES = ("AUSTIN TX", "BOISE ID", "MIAMI FL", "OMAHA NE", "RENO NV")


@dataclass(frozen=True)
class Authored:
    """A folder of rules with its brands.csv.

    rules    how many there are
    faults   code -> how many faults of it a check must find
    """

    folder: Path
    rules: int
    faults: dict[str, int]

    @classmethod
    def write(cls, count: int, folder: Path, seed: int = 1) -> Authored:
        """`count` rules for as many brands, in folders of a hundred files each."""
        book = haystacks.brands(count, seed)
        for at, brand in enumerate(book):
            text = yaml.safe_dump(_file(at, brand), sort_keys=False)
            _path(folder, at).parent.mkdir(parents=True, exist_ok=True)
            _path(folder, at).write_text(text, encoding="utf-8")
        columns = ["id", "name", "sector", "parent", "aliases", "domain", "wikidata", "status", "replaced_by", "since"]
        with (folder / "brands.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(columns)
            table.writerows(
                [brand.id, f"Bench {brand.id[6:]}", "grocery", *[""] * 4, "active", "", ""] for brand in book
            )
        return cls(folder, count, {"R030": -(-count // FAULTY)})

    def edit(self, turn: int) -> str:
        """Save one file with one pattern and one example more than it had; returns the example."""
        path = _path(self.folder, 1 + turn % (self.rules - 1))
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        rule = content["rules"][0]
        # A word that no other is made like: rules of the book end in a consonant.
        example = f"EDIT{turn:05} {_PLACES[turn % len(_PLACES)]}"
        rule["match"].append({"words": f"EDIT{turn:05}"})
        rule["examples"].append(example)
        new = path.with_suffix(".new")
        new.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        new.replace(path)
        return example

    def edited(self, turn: int) -> str:
        """The brand that must answer for the example of that edit."""
        return f"bench-{1 + turn % (self.rules - 1)}"


def _path(folder: Path, at: int) -> Path:
    return folder / f"{at // 100:03}" / f"bench-{at}.yaml"


def _file(at: int, brand: haystacks.Brand) -> dict[str, object]:
    patterns = _distinct(brand.patterns)
    head = brand.patterns[0][2].split(" ")[0].rstrip("*#.-").partition(".")[0]
    found = [_filled(what) for _, _, what in patterns]
    examples = [f"{text} {_PLACES[(at + n) % len(_PLACES)]}" for n, text in enumerate(found)]
    rule: dict[str, object] = {
        "id": f"{brand.id}.name",
        "match": [{kind: pattern} for kind, pattern, _ in patterns],
        "examples": examples,
    }
    if at % FAULTY == 0:
        examples.append(f"{head[:-1]}Q {_PLACES[0]}")
    counter = [{"descriptor": f"X{head}X {_PLACES[0]}", "expect": "none"}] if at % COUNTER == 0 else []
    if at % UNLESS == 0:
        rule["unless"] = [{"words": "UNIVERSITY"}]
        counter.append({"descriptor": f"{found[0]} UNIVERSITY", "expect": "none"})
    if counter:
        rule["counterexamples"] = counter
    return {"brand": brand.id, "owner": "bench", "rules": [rule]}


def _distinct(patterns: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return list({pattern: (kind, pattern, what) for kind, pattern, what in patterns}.values())


def _filled(what: str) -> str:
    return what.format(n=4711) if "{n" in what else what


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.authored", description=__doc__.splitlines()[0])
    parser.add_argument("rules", type=int, help="how many rules")
    parser.add_argument("folder", type=Path, help="where they are written")
    given = parser.parse_args()
    book = Authored.write(given.rules, given.folder)
    print(f"{book.rules:,} rules in {book.folder}; a check must find {book.faults}")


if __name__ == "__main__":
    main()
