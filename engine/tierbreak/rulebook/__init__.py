"""YAML -> Rulebook: every rule with its place, every fault of every file in one run. No Hyperscan here."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tierbreak.errors import Fault, RulebookError
from tierbreak.normalise import normalise
from tierbreak.rulebook import kept
from tierbreak.rulebook.reader import FileReader
from tierbreak.rulebook.rule import DECIDES, EVERY, RUNS, Example, Guard, Pattern, Place, Rule

__all__ = ["DECIDES", "EVERY", "RUNS", "Example", "Guard", "Pattern", "Place", "Rule", "Rulebook"]

COMMON = "common.yaml"


@dataclass(frozen=True)
class Rulebook:
    """All rules, loaded.

    rules         sorted by id; a rule's position is its index in every internal table
    fingerprint   sha256 over ids and contents: equal fingerprint, equal decisions
    edges         int32 [e, 2]: rule edges[i, 0] outranks rule edges[i, 1]
    """

    rules: tuple[Rule, ...]
    fingerprint: str
    edges: np.ndarray

    @classmethod
    def load(cls, folders: Sequence[Path], brands: Collection[str], *, keep: Path | None = None) -> Rulebook:
        """Read every YAML file below `folders`; a later folder adds to or replaces rules by id.

        brands   the registry's ids: a rule must name one
        keep     folder for rulebooks that were read before; None keeps none

        Raises RulebookError that lists every fault of every file.
        """
        layers = [_files(folder) for folder in folders]
        files = {path: path.read_bytes() for layer in layers for path in layer}
        kept_as = kept.key(files, folders, brands)
        rules = kept.load(keep, kept_as) if keep else None
        if rules is None:
            rules = _read(layers, files, brands)
            if keep:
                kept.store(keep, kept_as, rules)
        content = "\n".join(f"{rule.id} {rule.fingerprint}" for rule in rules)
        return cls(rules, hashlib.sha256(content.encode()).hexdigest(), _edges(rules)[0])


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise RulebookError(f"{folder}: no such folder; give a folder that holds YAML rule files")
    return sorted(path for path in folder.rglob("*.y*ml") if path.suffix in (".yaml", ".yml"))


def _read(layers: Sequence[Sequence[Path]], files: Mapping[Path, bytes], brands: Collection[str]) -> tuple[Rule, ...]:
    faults: list[Fault] = []
    fragments: dict[str, str] = {}
    for path, data in files.items():
        if path.name == COMMON:
            reader = FileReader(path, data, {}, _fold)
            fragments |= reader.read_fragments()
            faults += reader.faults
    rules: dict[str, Rule] = {}
    for layer in layers:
        own: dict[str, Rule] = {}
        for path in layer:
            if path.name == COMMON:
                continue
            reader = FileReader(path, files[path], fragments, _fold)
            for rule in reader.rules():
                if rule.id in own:
                    faults.append(_twice(rule, own[rule.id]))
                own[rule.id] = rule
            faults += reader.faults
        rules |= own
    ordered = tuple(rules[rule_id] for rule_id in sorted(rules))
    faults += [*_unknown_brands(ordered, brands), *_edges(ordered)[1]]
    if faults:
        raise RulebookError(_count(len(faults)), sorted(faults, key=lambda f: (f.path, f.line, f.column)))
    return ordered


def _count(n: int) -> str:
    return f"{n} fault{'s' * (n != 1)} in the rulebook; nothing was loaded"


def _fold(text: str) -> str:
    """Rules are folded as descriptors are, so that `words: Café Rouge` finds CAFE ROUGE."""
    if text.isascii():
        return " ".join(text.upper().split())
    return str(normalise(pl.Series([text]))["folded"][0])


def _twice(rule: Rule, first: Rule) -> Fault:
    fix = f"rename one; the other is at {first.place}"
    return rule.place.fault("R011", f"rule id `{rule.id}` stands twice", "", "ids that are unique in a folder", fix)


def _unknown_brands(rules: Sequence[Rule], brands: Collection[str]) -> list[Fault]:
    out = []
    for rule in rules:
        named = {rule.brand: rule.place}
        for example in (*rule.examples, *rule.counterexamples):
            if example.expect is not None:
                named.setdefault(example.expect, example.place)
        for brand, place in named.items():
            if brand not in brands and brand != EVERY:
                near = difflib.get_close_matches(brand, sorted(brands), n=3)
                hint = f"did you mean {' or '.join(near)}?" if near else "add it to brands.csv first"
                says = f"brand `{brand}` is not in the registry"
                out.append(place.fault("R012", says, "", "an id of brands.csv", hint))
    return out


def _edges(rules: Sequence[Rule]) -> tuple[np.ndarray, list[Fault]]:
    index = {rule.id: position for position, rule in enumerate(rules)}
    faults, below = [], {}
    for rule in rules:
        targets = []
        for other in rule.outranks:
            if other in index and other != rule.id:
                targets.append(index[other])
            else:
                near = difflib.get_close_matches(other, [i for i in index if i != rule.id], n=2)
                hint = f"did you mean {' or '.join(near)}?" if near else "drop the edge"
                says = f"outranks `{other}`, which is no other rule"
                faults.append(rule.place.fault("R013", says, "", "the id of another rule", hint))
        below[index[rule.id]] = targets
    faults += [
        rules[cycle[0]].place.fault(
            "R014", "outranks in a circle", "", "edges that never come back",
            "drop one of " + " > ".join(rules[i].id for i in cycle),
        )
        for cycle in _cycles(below)
    ]  # fmt: skip
    pairs = [(above, under) for above, unders in below.items() for under in unders]
    return np.array(pairs, dtype=np.int32).reshape(-1, 2), faults


def _cycles(below: dict[int, list[int]]) -> list[list[int]]:
    """One cycle for each strand that comes back to itself, found by walking depth first without recursion."""
    done: set[int] = set()
    cycles = []
    for start, targets in below.items():
        path: list[int] = []
        stack = [(start, iter(targets))] if start not in done else []
        while stack:
            node, rest = stack[-1]
            if not path or path[-1] != node:
                path.append(node)
            following = next(rest, None)
            if following is None:
                done.add(node)
                path.pop()
                stack.pop()
            elif following in path:
                cycles.append([*path[path.index(following) :], following])
            elif following not in done:
                stack.append((following, iter(below[following])))
    return cycles
