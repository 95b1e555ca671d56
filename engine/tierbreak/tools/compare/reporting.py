"""The table of paired decisions, and what else is known, into the sections of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tierbreak.rollout.ramp import Ramp
from tierbreak.tools.compare.document import Section
from tierbreak.tools.compare.judging import Judged
from tierbreak.tools.compare.labelling.estimate import estimate
from tierbreak.tools.compare.labelling.labels import Labels
from tierbreak.tools.compare.labelling.sampling import Sample, draw
from tierbreak.tools.compare.measure.agreement import Agreement, agreement
from tierbreak.tools.compare.measure.attribution import Attribution, attribution
from tierbreak.tools.compare.measure.brands import Brands, Trusted, brands
from tierbreak.tools.compare.measure.cells import by_key, by_user, cells
from tierbreak.tools.compare.measure.correctness import Correctness, correctness
from tierbreak.tools.compare.measure.flow import Flows, flow
from tierbreak.tools.compare.measure.hits import hits, keys_of
from tierbreak.tools.compare.measure.latency import Latency, Throughput, unasked
from tierbreak.tools.compare.measure.noise import Noise
from tierbreak.tools.compare.pairs import SIDES, Pairs
from tierbreak.tools.compare.report import agreement as agreement_
from tierbreak.tools.compare.report import attribution as attribution_
from tierbreak.tools.compare.report import brands as brands_
from tierbreak.tools.compare.report import correctness as correctness_
from tierbreak.tools.compare.report import experiment as experiment_
from tierbreak.tools.compare.report import flow as flow_
from tierbreak.tools.compare.report import header as header_
from tierbreak.tools.compare.report import operations as operations_
from tierbreak.tools.compare.report import sample as sample_
from tierbreak.tools.compare.report import verdict as verdict_
from tierbreak.tools.compare.sides.side import Lines
from tierbreak.tools.compare.trial.experiment import Experiment
from tierbreak.tools.compare.verdicts.gates import Gates
from tierbreak.tools.compare.verdicts.verdict import verdict

#: Section id -> the dataclass of its figures: what a gate can be about, known before anything is measured.
FIGURES: Mapping[str, Any] = {
    "header": header_.Header,
    "agreement": Agreement,
    "flow": Flows,
    "brands": Brands,
    "correctness": Correctness,
    "attribution": Attribution,
    "sample": sample_.Figures,
    "operations": operations_.Operations,
    "experiment": experiment_.Experimented,
}


@dataclass(frozen=True, eq=False)
class Given:
    """What a report is made of beside the pairs; where something is None, its section says how to give it.

    late         why the gates may have been written too late, None where nothing speaks for it
    sample       None: it is drawn
    records      id of a line of the sample -> both decision records
    noise, latency, throughput   of the old side and the new one
    cache_bytes  what an engine's cache may hold
    """

    gold: Judged | None = None
    experiment: Experiment | None = None
    ramp: Ramp | None = None
    labels: Labels | None = None
    gates: Gates | None = None
    late: str | None = None
    sample: Sample | None = None
    records: Mapping[str, tuple[Lines, Lines]] = field(default_factory=dict)
    noise: tuple[Noise, Noise] | None = None
    latency: tuple[Latency, Latency] | None = None
    throughput: tuple[Throughput, ...] = ()
    cache_bytes: int | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Report:
    """What is to be written.

    sections   in the order of the report
    sample     for the file to be labelled
    carried    descriptor -> truth, of labels made for other sides or other traffic
    passed     whether all gates are; None where none were given
    """

    pairs: Pairs
    sections: tuple[Section, ...]
    sample: Sample
    carried: Mapping[str, str]
    passed: bool | None

    @property
    def heading(self) -> str:
        """Both sides by their short names."""
        return f"{_short(self.pairs.old.name)} against {_short(self.pairs.new.name)}"

    @property
    def opening(self) -> str:
        """One sentence on what was compared."""
        old, new, traffic = self.pairs.old, self.pairs.new, self.pairs.traffic
        return (
            f"What changes if {_short(new.name)} answers in place of {_short(old.name)}, on the rows of "
            f"{_short(traffic.name)}."
        )

    @property
    def meta(self) -> dict[str, Any]:
        """What stands beside the sections in the JSON."""
        return {"old": self.pairs.old.name, "new": self.pairs.new.name, "traffic": self.pairs.traffic.name}

    def section(self, id: str) -> Section:
        """One of the sections."""
        return next(section for section in self.sections if section.id == id)


def report(pairs: Pairs, given: Given) -> Report:
    """Work out every figure. Memory is bounded by one of BUCKETS parts of the pairs, whatever their number."""
    summed, keys, users = cells(pairs), by_key(pairs), by_user(pairs)
    gold = given.gold
    judged = None if gold is None else _correctness(gold, pairs, given.seed)
    if judged is not None and judged.withheld:
        gold = None  # what says nothing of the whole says nothing of its parts
    trusted = None if gold is None else Trusted(gold.truth, gold.key, *gold.brand)
    sample = draw(pairs, seed=given.seed) if given.sample is None else given.sample
    estimates = None if given.labels is None else estimate(given.labels, sample.rows)
    held = None if given.cache_bytes is None else keys_of(given.cache_bytes)
    operations = operations_.Operations(
        given.latency or (unasked(SIDES[0]), unasked(SIDES[1])),
        tuple(hits(pairs, side, capacity_keys=held) for side in SIDES),
        given.throughput,
    )
    window = pairs.traffic.window
    sections = (
        header_.section(
            pairs, distinct=keys.keys, users=users.users if "user" in pairs.traffic.has else None,
            noise=None if given.noise is None else operations_.noise_blocks(*given.noise),
        ),
        agreement_.section(agreement(pairs, summed, keys, users)),
        flow_.section(flow(pairs, summed, keys)),
        brands_.section(brands(summed, keys, pairs.joint, trusted)),
        correctness_.section(judged),
        attribution_.section(attribution(pairs, summed, None if gold is None else _outcomes(gold))),
        sample_.section(sample, estimates, given.records),
        operations_.section(operations),
        experiment_.section(given.experiment, given.ramp, window=window),
    )  # fmt: skip
    found = None
    if given.gates is not None and given.gates.gates:
        figures = {section.id: section.figures for section in sections}
        at = window[1] if window else None
        notices = () if given.late is None else (given.late,)
        found = verdict(given.gates, figures, ramp=given.ramp, at=at, notices=notices)
    return Report(
        pairs, (*sections, verdict_.section(found)), sample, given.labels.carried if given.labels else {},
        None if found is None else found.says == "pass",
    )  # fmt: skip


def _short(name: str) -> str:
    """A file by its name alone, where folders would only make a heading long."""
    return name.rstrip("/").rpartition("/")[2] or name


def _correctness(gold: Judged, pairs: Pairs, seed: int) -> Correctness:
    return correctness(
        gold.truth, gold.key, gold.weight, *gold.brand, pairs.joint,
        old_confidence=gold.confidence[0], new_confidence=gold.confidence[1],
        old_tier=gold.tier[0], new_tier=gold.tier[1],
        descriptor=gold.descriptor, missing=gold.missing, seed=seed,
    )  # fmt: skip


def _outcomes(gold: Judged) -> pl.DataFrame:
    """Who decided each row of the gold set, and who is right."""
    return pl.DataFrame(
        {
            "old_tier": gold.tier[0],
            "new_tier": gold.tier[1],
            "old_right": gold.brand[0] == gold.truth,
            "new_right": gold.brand[1] == gold.truth,
            "n": gold.weight,
        }
    )
