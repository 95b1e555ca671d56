"""YAML -> Rulebook: every rule with its place, every fault of every file in one run. No Hyperscan here."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from tierbreak.core.conditions import Condition
from tierbreak.core.nearest import TOLD, nearest
from tierbreak.errors import Fault, RulebookError
from tierbreak.rulebook import files
from tierbreak.rulebook.rule import DECIDES, EVERY, RUNS, Example, Pattern, Place, Rule

__all__ = ["DECIDES", "EVERY", "RUNS", "Condition", "Example", "Pattern", "Place", "Reading", "Rule", "Rulebook"]


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
    def load(
        cls,
        folders: Sequence[Path],
        brands: Collection[str],
        *,
        keep: Path | None = None,
        shipped: Path | None = None,
    ) -> Rulebook:
        """Read every YAML file below `folders`; a later folder adds to or replaces rules by id.

        brands    the registry's ids: a rule must name one
        keep      folder for what was read before, file by file; None keeps nothing
        shipped   another one, of these very folders wherever they lay then, that is only ever read

        Raises RulebookError that lists every fault of every file.
        """
        reading = cls.read(folders, brands, keep=keep, shipped=shipped)
        if reading.faults:
            raise RulebookError(_count(len(reading.faults)), reading.faults)
        return reading.book

    @classmethod
    def read(
        cls,
        folders: Sequence[Path],
        brands: Collection[str],
        *,
        keep: Path | None = None,
        shipped: Path | None = None,
    ) -> Reading:
        """Like `load`, but faults do not raise: what could be read, and beside it what could not."""
        listed = [files.listed(folder) for folder in folders]
        layers = [paths for paths, _ in listed]
        data, faults = files.contents(path for layer in layers for path in layer)
        faults += [fault for _, unread in listed for fault in unread]
        rules, broken, more, lost = _read(layers, data, brands, files.Kept(keep, files.kept_name(folders), shipped))
        lost.files |= bool(faults)
        by_place = sorted([*faults, *more], key=lambda fault: (fault.path, fault.line, fault.column))
        return Reading(cls.of(rules), broken, tuple(by_place), lost, data)

    @classmethod
    def of(cls, rules: tuple[Rule, ...]) -> Rulebook:
        """A rulebook of these rules, sorted by id; an edge to a rule that is not among them is left out."""
        content = "\n".join(f"{rule.id} {rule.fingerprint}" for rule in rules)
        return cls(rules, hashlib.sha256(content.encode()).hexdigest(), _edges(rules)[0])


@dataclass
class Lost:
    """What faults kept from being read, so that nobody misses it twice.

    ids      of rules that were left out
    brands   whose rules were, some or all
    files    a file of which not even the brand is known was left out
    """

    ids: set[str] = field(default_factory=set)
    brands: set[str] = field(default_factory=set)
    files: bool = False


@dataclass(frozen=True)
class Reading:
    """Rule files as far as they could be read.

    book     of the rules without a fault
    broken   the other rules, without what could not be read of them: an id or a brand may be empty
    faults   of every file, by place; none where the book is whole
    files    what was read, a later folder's files behind an earlier one's
    """

    book: Rulebook
    broken: tuple[Rule, ...]
    faults: tuple[Fault, ...]
    lost: Lost
    files: Mapping[Path, bytes]


def _read(
    layers: Sequence[Sequence[Path]], data: Mapping[Path, bytes], brands: Collection[str], kept: files.Kept
) -> tuple[tuple[Rule, ...], tuple[Rule, ...], list[Fault], Lost]:
    """The rules that are sound, those that are not, every fault, and what was lost.

    Only what no file can say alone is found out here.
    """
    fragments, faults = files.read_fragments(data)
    lost = Lost()
    of_rules = {path: content for path, content in data.items() if path.name != files.COMMON}
    read = dict(zip(of_rules, files.read(of_rules, fragments, kept), strict=True))
    rules: dict[str, Rule] = {}
    broken: list[Rule] = []
    for layer in layers:
        own: dict[str, Rule] = {}
        first: dict[str, Rule] = {}
        for file in (read[path] for path in layer if path in read):
            for rule in (*file.rules, *file.broken):
                if rule.id and first.setdefault(rule.id, rule) is not rule:
                    faults.append(_twice(rule, first[rule.id]))
            for rule in file.rules:
                broken += [own[rule.id]] if rule.id in own else []
                own[rule.id] = rule
            broken += file.broken
            if file.faults:
                faults += file.faults
                lost.ids |= {rule.id for rule in file.broken}
                lost.brands.add(file.brand)
                lost.files |= not file.brand
        rules |= own
    ordered = tuple(rules[rule_id] for rule_id in sorted(rules))
    faults += [*_unknown_brands((*ordered, *broken), brands), *_edges(ordered, lost)[1]]
    faults += [
        fault
        for number, (rule, other) in enumerate((rule, other) for rule in broken for other in rule.outranks)
        if (fault := _loose(rule, other, rules, lost, suggest=number < TOLD))
    ]
    sound: list[Rule] = []
    for rule in ordered:
        (sound if rule.brand in brands or (rule.deny and rule.brand == EVERY) else broken).append(rule)
    return tuple(sound), tuple(broken), faults, lost


def _count(n: int) -> str:
    return f"{n} fault{'s' * (n != 1)} in the rulebook; nothing was loaded"


def _twice(rule: Rule, first: Rule) -> Fault:
    fix = f"rename one; the other is at {first.place}"
    return rule.place.fault("R011", f"rule id `{rule.id}` stands twice", "", "ids that are unique in a folder", fix)


def _unknown_brands(rules: Sequence[Rule], brands: Collection[str]) -> list[Fault]:
    out: list[Fault] = []
    for rule in rules:
        named = {rule.brand: rule.place}
        for example in (*rule.examples, *rule.counterexamples, *rule.todo):
            if example.expect is not None:
                named.setdefault(example.expect, example.place)
        for brand, place in named.items():
            if brand and brand not in brands and brand != EVERY:
                near = nearest(brand, brands) if len(out) < TOLD else []
                hint = f"did you mean {' or '.join(near)}?" if near else "add it to brands.csv first"
                says = f"brand `{brand}` is not in the registry"
                out.append(place.fault("R012", says, "", "an id of brands.csv", hint))
    return out


def _edges(rules: Sequence[Rule], lost: Lost | None = None) -> tuple[np.ndarray, list[Fault]]:
    """The edges that hold, and a fault for each that does not; one to a rule that was lost is not called loose."""
    index = {rule.id: position for position, rule in enumerate(rules)}
    faults: list[Fault] = []
    below: dict[int, list[int]] = {}
    for rule in rules:
        targets = []
        for other in rule.outranks:
            if other in index and other != rule.id:
                targets.append(index[other])
            elif fault := _loose(rule, other, index, lost, suggest=len(faults) < TOLD):
                faults.append(fault)
        below[index[rule.id]] = targets
    cycles = _cycles(below)
    faults += [
        rules[cycle[0]].place.fault(
            "R014", "outranks in a circle", "", "edges that never come back",
            "drop one of " + " > ".join(rules[i].id for i in cycle),
        )
        for cycle in cycles
    ]  # fmt: skip
    round_about = {pair for cycle in cycles for pair in pairwise(cycle)}
    pairs = [pair for above, unders in below.items() for under in unders if (pair := (above, under)) not in round_about]
    return np.array(pairs, dtype=np.int32).reshape(-1, 2), faults


def _loose(rule: Rule, other: str, known: Collection[str], lost: Lost | None, *, suggest: bool = False) -> Fault | None:
    """The fault of an edge that leads to no other rule, where no rule was lost that it may lead to."""
    if (other in known and other != rule.id) or (lost is not None and (lost.files or other in lost.ids)):
        return None
    near = [each for each in nearest(other, known) if each != rule.id] if suggest else []
    hint = f"did you mean {' or '.join(near)}?" if near else "drop the edge"
    says = f"outranks `{other}`, which is no other rule"
    return rule.place.fault("R013", says, "", "the id of another rule", hint)


def _cycles(below: dict[int, list[int]]) -> list[list[int]]:
    """One cycle for each strand that comes back to itself, found by walking depth first without recursion."""
    done: set[int] = set()
    cycles = []
    for start, targets in below.items():
        path: list[int] = []
        stack = [(start, iter(targets))] if targets and start not in done else []
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
