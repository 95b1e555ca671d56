"""An old system against a new one, from their names to the report: who is asked what, in which order.

sides, traffic -> pairs -> figures -> sections
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from tierbreak.bundle import Bundle
from tierbreak.core.cells import DateOrder
from tierbreak.core.tables import GUARDED
from tierbreak.engine import Engine
from tierbreak.errors import InputError
from tierbreak.files import Source, open_source
from tierbreak.files.columns import Columns, choose
from tierbreak.registry import Registry
from tierbreak.rollout.ramp import Ramp
from tierbreak.settings import Settings
from tierbreak.tools.compare.judging import judged
from tierbreak.tools.compare.labelling import labels
from tierbreak.tools.compare.labelling.sampling import Sample, draw
from tierbreak.tools.compare.measure.intervals import scipy_stats
from tierbreak.tools.compare.measure.latency import Latency, asked, latency, of_engine, throughput, unasked
from tierbreak.tools.compare.measure.noise import ROWS, Noise, noise, repeats
from tierbreak.tools.compare.pairing import pair
from tierbreak.tools.compare.pairs import SIDES, Pairs
from tierbreak.tools.compare.reporting import FIGURES, Given, Report, report
from tierbreak.tools.compare.rows import Reading
from tierbreak.tools.compare.sides import Asked, Side, columns_of, open_side
from tierbreak.tools.compare.sides.engine import EngineSide
from tierbreak.tools.compare.sides.side import Lines
from tierbreak.tools.compare.trial import exposures
from tierbreak.tools.compare.trial.experiment import experiment
from tierbreak.tools.compare.verdicts.gates import Gates
from tierbreak.tools.models.evaluation import Gold
from tierbreak.tools.rules.importing import read_map

#: Lines of the sample whose two decisions are explained beside each other.
EXPLAINED = 60

#: Usual names of a column of users, letters and digits only, in lower case.
USERS = ("user", "userid", "customer", "customerid", "account", "accountid", "member", "memberid")


#: Usual names of a column of ids, likewise.
IDS = ("id", "transactionid", "transid", "txnid", "txid", "rowid", "uuid", "recordid")


@dataclass(frozen=True)
class Question:
    """What is to be compared.

    old, new     sides, by the names that `sides` takes
    traffic      a file, or '-' for standard input
    columns      part -> column of the traffic, as files.columns.choose takes them
    user         its column of users; None: looked for by usual names; '': there is none
    id           the traffic's column of ids, by which rows of files are found; None: one of a usual name that all files
                 have, else rows are paired by their order; '': by their order
    names        TSV, name -> id
    gold, exposures, labels, gates, ramp   files; None: that part of the report says how to give it
    segments     columns of the exposures to be read apart
    model        whether engines load a model
    """

    old: str
    new: str
    traffic: str
    format: str | None = None
    columns: Mapping[str, str | None] = field(default_factory=dict)
    user: str | None = None
    id: str | None = None
    date_order: DateOrder | None = None
    old_columns: Mapping[str, str] = field(default_factory=dict)
    new_columns: Mapping[str, str] = field(default_factory=dict)
    names: Path | None = None
    gold: Path | None = None
    exposures: Path | None = None
    segments: Sequence[str] = ()
    labels: Path | None = None
    gates: Path | None = None
    ramp: Path | None = None
    settings: Settings = field(default_factory=Settings)
    model: bool = True
    seed: int = 0

    @property
    def inputs(self) -> list[str]:
        """Every file that the answer depends on, the gates left out."""
        files = (self.traffic, self.old, self.new, self.gold, self.exposures, self.labels)
        return [str(file) for file in files if file is not None]


def compare(
    question: Question,
    folder: Path,
    *,
    watch: Callable[[Source], AbstractContextManager[Callable[[], None]]] = lambda source: nullcontext(lambda: None),
) -> Report:
    """Ask both sides, and make the report.

    folder   an empty one, for the table of paired decisions; it may grow to 60 bytes a row
    watch    given the traffic, a context whose value is called after each chunk

    Raises SettingsError (without scipy too), InputError and what a side raises. Nothing is written outside `folder` and
    the folders for what passes, which are taken away again.
    """
    scipy_stats()  # without it the report cannot be made: said before hours of asking, not after
    gates = None if question.gates is None else Gates.read(question.gates)
    if gates is not None:
        gates.check(FIGURES)
    ramp = None if question.ramp is None else Ramp.read(question.ramp)
    tried = None if question.exposures is None else _experiment(question, question.exposures, ramp)
    shipped = Registry.load(*Bundle.find().registries)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(question.traffic, question.format))
        columns = choose(source.columns, dict(question.columns), name=source.name)
        id = _id(source, columns, question)
        old, new = (_opened(stack, question, side, columns, id) for side in SIDES)
        sides = (old, new)
        registry = next((side.registry for side in (new, old) if side.registry is not None), shipped)
        names = None if question.names is None else read_map(question.names, registry, none=True)
        gold = None if question.gold is None else _gold(question.gold, registry)
        user = _user(source, columns, question.user)
        reading = Reading(columns, user, id, question.settings.debits, question.date_order)
        with watch(source) as advance:
            paired = pair(old, new, source, reading, folder, shipped=shipped, given=names, advance=advance)
        pairs = paired.pairs
        sample = draw(pairs, seed=question.seed)
        noises = [_noise(pairs, side, name, question.seed) for side, name in zip(sides, SIDES, strict=True)]
        latencies = [_latency(pairs, side, name, question.seed) for side, name in zip(sides, SIDES, strict=True)]
        given = Given(
            gold=None if gold is None else judged(gold, sides, paired),
            experiment=tried,
            ramp=ramp,
            labels=None if question.labels is None else labels.read(question.labels, pairs, registry),
            gates=gates,
            late=None if gates is None else gates.late(question.inputs),
            sample=sample,
            records=_records(pairs, sides, sample),
            noise=(noises[0], noises[1]),
            latency=(latencies[0], latencies[1]),
            throughput=tuple(
                throughput(
                    name, pairs.traffic.rows, spent.wall, spent.cpu,
                    core_hour=gates.prices.core_hour if gates and gates.prices else None,
                    currency=gates.prices.currency if gates and gates.prices else "",
                )
                for name, side, spent in zip(SIDES, sides, paired.spent, strict=True)
                if side.kind != "file"  # looking a decision up is not what it once cost
            ),
            cache_bytes=question.settings.cache_bytes,
            seed=question.seed,
        )  # fmt: skip
        return report(pairs, given)


def _gold(path: Path, registry: Registry) -> Gold:
    try:
        return Gold.read(path, registry)
    except InputError as error:
        raise InputError(
            f"{error}\nThe brands are those of the new side's registry. Leave rows out whose brand only the old side "
            "has: an empty cell would say that they are no known brand's, and count the old side's answer as wrong."
        ) from None


def _experiment(question: Question, path: Path, ramp: Ramp | None) -> Any:
    """The experiment; the share that was meant is the exposures' own, else the ramp's at the time of each."""
    read = exposures.read(path)
    if unknown := [name for name in question.segments if name not in read.segments]:
        there = ", ".join(map(repr, read.segments)) or "none"
        raise InputError(f"{path}: no column {unknown[0]!r} of words to be read apart; there are: {there}")
    rows = read.rows
    if ramp is not None and "share" not in rows.columns and "at" in rows.columns:
        times = rows["at"].unique().drop_nulls()
        meant = {time: ramp.share(time) for time in times.to_list()}
        rows = rows.with_columns(share=pl.col("at").replace_strict(meant, default=None, return_dtype=pl.Float64))
    found = experiment(rows, expected=read.expected, segments=question.segments, name=read.name)
    return replace(found, notices=(*read.notices, *found.notices))


def _id(source: Source, columns: Columns, question: Question) -> str | None:
    """The traffic's column of ids: as told, or one that it shares with every file of decisions; None: there is none.

    Raises InputError where one is asked for that is not there.
    """
    if question.id == "":
        return None
    if question.id == "descriptor" and "descriptor" not in source.columns:
        return columns.descriptor
    if question.id is not None:
        if question.id not in source.columns:
            there = ", ".join(map(repr, source.columns))
            raise InputError(f"{source.name}: no column {question.id!r} for --id\n  columns: {there}")
        return question.id
    files = [have for name in (question.old, question.new) if (have := columns_of(name)) is not None]
    plain = {name: "".join(filter(str.isalnum, name.casefold())) for name in source.columns}
    shared = [name for name in source.columns if plain[name] in IDS and files and all(name in have for have in files)]
    return shared[0] if shared else None


def _opened(stack: ExitStack, question: Question, side: str, columns: Columns, id: str | None) -> Side:
    told = question.old_columns if side == "old" else question.new_columns
    asked_for = Asked(told, id, columns.descriptor, question.settings, question.model)
    opened = open_side(question.old if side == "old" else question.new, asked_for)
    stack.callback(opened.close)
    return opened


def _user(source: Source, columns: Columns, told: str | None) -> str | None:
    """The traffic's column of users. Raises InputError where one is asked for that is not there."""
    if told == "":
        return None
    if told is not None:
        if told not in source.columns:
            there = ", ".join(map(repr, source.columns))
            raise InputError(f"{source.name}: no column {told!r} for --user\n  columns: {there}")
        return told
    taken = set(columns.names.values())
    by_plain = {"".join(filter(str.isalnum, name.casefold())): name for name in source.columns if name not in taken}
    return next((by_plain[usual] for usual in USERS if usual in by_plain), None)


def _noise(pairs: Pairs, side: Side, name: str, seed: int) -> Noise:
    """How often a side differs from itself: an engine or list is asked again, of a file its equal rows are compared."""
    if side.kind == "file":
        return repeats(pairs, name)
    given = [f"given_{column}" for column in GUARDED]
    have = [column for column in pairs.scan().collect_schema() if column in given]
    drawn = pl.col("descriptor").hash(seed).alias("drawn")
    parts = [
        bucket.select("descriptor", *have).unique().with_columns(drawn).bottom_k(ROWS, by="drawn").collect()
        for bucket in pairs.buckets()
    ]
    chosen = pl.concat(parts).bottom_k(ROWS, by="drawn").drop("drawn")
    chosen = chosen.rename({column: column.removeprefix("given_") for column in have})
    if isinstance(side, EngineSide):
        again = Engine(replace(side.engine.parts, cache=None), side.engine.settings)
        return noise(side.decide, again.classify, chosen, side=name, seed=seed)
    return noise(side.decide, side.decide, chosen, side=name, seed=seed)


def _latency(pairs: Pairs, side: Side, name: str, seed: int) -> Latency:
    if side.kind == "file":
        return unasked(name)
    drawn = asked(pairs, name, seed=seed)
    if isinstance(side, EngineSide):
        return of_engine(side.engine, drawn, side=name)

    def ask(descriptor: str) -> str | None:
        said = side.decide(pl.DataFrame({"descriptor": [descriptor]}))
        tier: str | None = said["tier"][0]
        return tier

    return latency(ask, drawn, side=name)


def _records(pairs: Pairs, sides: Sequence[Side], sample: Sample) -> dict[str, tuple[Lines, Lines]]:
    """Both decision records of the first lines of a sample, each with what guards saw of its row."""
    units = sample.units[:EXPLAINED]
    columns = [name for name in pairs.scan().collect_schema() if name.startswith("given_")]
    rows = pairs.scan().filter(pl.col("row").is_in([unit.row for unit in units])).select("row", *columns).collect()
    seen: Mapping[int, dict[str, Any]] = {row.pop("row"): row for row in rows.to_dicts()}
    out = {}
    for unit in units:
        guards = {name.removeprefix("given_"): value for name, value in seen.get(unit.row, {}).items()}
        known = {name: value for name, value in guards.items() if value is not None}
        records = [
            side.explain(unit.descriptor, **known) or (("brand", said.name or "none"), ("decided by", said.by))
            for side, said in zip(sides, (unit.old, unit.new), strict=True)
        ]
        out[unit.id] = (records[0], records[1])
    return out
