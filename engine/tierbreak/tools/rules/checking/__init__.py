"""All that is wrong with a rulebook, in one run: what cannot be read, what its examples say, what is proved.

    files -> Subject: what could be read, and an engine of it -> the families of checks -> ignores -> Report

A fault in one file never hides another: rules that cannot be read are left out, and the rest is checked without them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tierbreak.bundle import Bundle
from tierbreak.errors import SEVERITIES, Fault, Severity
from tierbreak.rulebook import Place
from tierbreak.settings import Settings
from tierbreak.tools.rules.checking import claims, conditions, edges, examples, files, ignores, patterns
from tierbreak.tools.rules.checking.codes import CODES, at_least, fault, known, page
from tierbreak.tools.rules.checking.formats import FORMATS
from tierbreak.tools.rules.checking.subject import Subject
from tierbreak.tools.rules.proofs import proof_cache
from tierbreak.tools.rules.proofs.prove import STATES
from tierbreak.tools.rules.proofs.questions import Answers

__all__ = ["CODES", "FORMATS", "Report", "at_least", "check", "known", "page"]


@dataclass(frozen=True)
class Report:
    """What a check found.

    faults    by path and place, those that comments ignore left out
    rules     rules that could be read; brands, examples: theirs
    notices   what a person must know about how these rules are served
    """

    faults: tuple[Fault, ...]
    rules: int
    brands: int
    examples: int
    notices: tuple[str, ...]

    def of(self, severity: Severity) -> tuple[Fault, ...]:
        """The faults of one severity."""
        return tuple(each for each in self.faults if each.severity == severity)

    def only(self, *, ignored: Collection[str] = (), below: Collection[Path] = ()) -> Report:
        """The same without the codes `ignored` and, where any are given, with files and folders `below` only."""
        places = [path.resolve() for path in below]

        def kept(each: Fault) -> bool:
            path = each.path.resolve()
            return each.code not in ignored and (
                not places or any(path == place or place in path.parents for place in places)
            )

        return dataclasses.replace(self, faults=tuple(filter(kept, self.faults)))

    def says(self) -> str:
        """One line: what was checked, and how many faults of which severity there are."""
        counts = {severity: len(self.of(severity)) for severity in SEVERITIES}
        said = ", ".join(f"{n} {severity}{'s' * (n != 1)}" for severity, n in counts.items() if n)
        return f"{self.rules} rules for {self.brands} brands, {self.examples} examples: {said or 'no fault'}"


def check(bundle: Bundle, settings: Settings, *, traffic: Path | None = None) -> Report:
    """Every fault of a bundle's rules.

    settings   what was read, compiled and proved is kept in its `state`, so that an edit costs what it touches
    traffic    a file of rows, whose columns guards are held against

    Raises BundleError where a folder is not there, InputError where the traffic cannot be read.
    """
    subject = Subject.load(bundle, settings)
    judged = set(CODES) - ({"R047"} if traffic is None else set())
    if subject.engine is None:
        judged -= {code for code in CODES if code > "R012"}  # what could not be asked without a registry
    found = sorted(
        set(_found(subject, traffic)),
        key=lambda each: (str(each.path), each.line, each.column, each.code, each.says),
    )
    # Not everything was looked for in a rule that could not be read: its file's ignores may have an effect.
    last = _below(subject.layers[-1], subject) - {rule.place.path for rule in subject.reading.broken}
    hidden = ignores.apply(found, subject.reading.files, judged=frozenset(judged), sure=frozenset(last))
    rules = subject.rules
    return Report(
        tuple(sorted(hidden, key=lambda each: (str(each.path), each.line, each.column, each.code))),
        len(rules),
        len({rule.brand for rule in rules}),
        sum(len(rule.examples) + len(rule.counterexamples) for rule in rules),
        tuple(_notices(subject)),
    )


def _notices(subject: Subject) -> Iterator[str]:
    for folder in subject.layers:
        if not _below(folder, subject):
            yield f"{folder}: no rule files (*.yaml) in it"
    if subject.engine is not None:
        yield from subject.engine.notices


def _below(folder: Path, subject: Subject) -> set[str]:
    """The files of a folder; by their names, as `Path.parents` of thousands takes a tenth of a second."""
    start = str(folder / "_")[:-1]
    return {name for path in subject.reading.files if (name := str(path)).startswith(start)}


def _found(subject: Subject, traffic: Path | None) -> Iterator[Fault]:
    yield from subject.faults
    yield from files.check(subject)
    yield from patterns.check(subject)
    yield from conditions.check(subject, traffic)
    yield from examples.check(subject)
    yield from _proved(subject)
    if subject.engine is not None:
        yield from _quarantined(subject, subject.engine.parts.rules.quarantined)


def _proved(subject: Subject) -> Iterator[Fault]:
    """What is proved; answers stay true after any edit and are kept for the next run."""
    with proof_cache.answers(subject.settings.state / "proofs") as known:
        answers = Answers(known, states=STATES)
        yield from edges.check(subject, answers)
        yield from claims.idle_unless(subject, answers)
        if subject.engine is not None:
            yield from claims.check(subject, subject.engine, known)


def _quarantined(subject: Subject, quarantined: Collection[str]) -> Iterator[Fault]:
    for rule in subject.rules:
        if rule.id in quarantined:
            place: Place = subject.sources.find(rule.place, rule.id)
            says = f"Hyperscan gets matches of `{rule.id}` wrong, so the slower exact engine serves it"
            fix = "split the pattern, or take a `.*` out of its middle"
            yield fault("R050", place, says, rule.id, "a pattern that both engines read alike", fix)
