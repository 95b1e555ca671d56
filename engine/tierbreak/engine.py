"""The engine: what a service or a script holds. The steps, in their order, are in `pipeline.py`."""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Never

import polars as pl

from tierbreak import pipeline
from tierbreak.bundle import DEFAULT, SHIPPED, Bundle, Default
from tierbreak.core import cells, decisions
from tierbreak.core.decisions import Decision, Explanation, Record
from tierbreak.core.tables import GUARDED
from tierbreak.errors import BatchError
from tierbreak.parts import Parts
from tierbreak.registry import Brand
from tierbreak.serving import Serving, Servings, can_run
from tierbreak.settings import Settings
from tierbreak.stats import Stats
from tierbreak.watch import Watch

__all__ = ["DEFAULT", "SHIPPED", "Engine", "Result"]

#: What the caller leaves as it is.
KEEP = Default.KEEP

#: Rows of `classify_stream` that are decided together: enough that a batch costs little more than its rows.
STREAM_ROWS = 10_000


@dataclass(frozen=True)
class Result:
    """What `Engine.run` returns.

    rows          the caller's columns, then tables.DECISION; n rows in the order they came
    audit         what later tiers say of a share of the settled keys, or None when none was asked for
    silenced      rule id -> rows in which its condition had no value to look at
    unreadable    column -> cells that hold something that could not be read; they count as missing
    fingerprint   of all that decided: equal input and fingerprint, equal decision
    as_of         the date that stood for rows without one
    """

    rows: pl.DataFrame
    audit: pl.DataFrame | None
    silenced: Mapping[str, int]
    unreadable: Mapping[str, int]
    fingerprint: str
    as_of: dt.date
    _record: Record = field(repr=False)

    @cached_property
    def verdicts(self) -> pl.DataFrame:
        """The whole verdict table, ids as text: one row for each answer a tier gave about one case."""
        return self._record.verdicts()


class Engine:
    """Turns descriptors into brands. Safe to share between threads; `close` it, or use it in a `with`.

    It does not survive a fork: start worker processes with spawn, and load it in each of them.

    >>> with Engine.load(model=None, cache=None) as engine:
    ...     engine.classify_one("NETFLIX.COM 866-579-7172 CA").brand
    'netflix'
    """

    def __init__(self, parts: Parts, settings: Settings, *, on_batch: Callable[[Result], None] | None = None) -> None:
        self.settings, self._on_batch = settings, on_batch
        self._stats = Stats()
        self._servings = Servings(parts, settings)
        self._watch: Watch | None = None

    @classmethod
    def load(
        cls,
        bundle: Path | str | None = None,
        *,
        rules: Path | str | Default = SHIPPED,
        overlay: Path | str | None = None,
        model: Path | str | Default | None = SHIPPED,
        cache: Path | str | Default | None = DEFAULT,
        settings: Settings | None = None,
        on_batch: Callable[[Result], None] | None = None,
        freeze: bool = True,
    ) -> Engine:
        """Load a bundle, the shipped one unless told otherwise, and let every part pass its gate.

        bundle     a folder that `tierbreak bundle` wrote, or its tar
        rules      a folder of YAML files in place of the shipped ones; its brands.csv overlays the registry
        overlay    a folder that adds to the rules, or replaces them by id; its brands.csv likewise
        model      a model's folder; None leaves the tier out
        cache      folder of the cache; None leaves the tier out
        on_batch   called with the Result of every batch, in the thread that asked for it
        freeze     leave what is loaded out of garbage collection: a full one would stop a service for 60 ms

        Raises BundleError, RegistryError, RulebookError, ModelError or CacheError, each naming every fault;
        EngineError in a process that was forked after polars was used.
        """
        can_run()
        settings = settings or Settings.of()
        parts = _load(_asked(bundle, rules, overlay, model), cache, settings)
        if freeze and not gc.get_freeze_count():  # once a process: what is frozen and goes later is never collected
            gc.collect()
            gc.freeze()
        return cls(parts, settings, on_batch=on_batch)

    def classify(self, rows: Any) -> pl.DataFrame:
        """One decision a row, in the order the rows came.

        rows      a frame of polars, or anything that gives an Arrow stream (pandas, pyarrow, DuckDB): n rows with
                  `descriptor` (text) and, if the caller has them, `amount`, `date`, `mcc`, `country`, `source`; any
                  other column is kept as it is
        returns   the same rows with the columns of tables.DECISION added, as a frame of polars

        Raises BatchError where `descriptor` is missing, or a column has a type that cannot be read; EngineError where
        the engine is closed.

        >>> with Engine.load(model=None, cache=None) as engine:
        ...     engine.classify(pl.DataFrame({"descriptor": ["SPOTIFY USA", "ZELLE TO KIM"]}))["brand"].to_list()
        ['spotify', None]
        """
        return self.run(rows).rows

    def run(self, rows: Any, *, as_of: dt.date | None = None) -> Result:
        """Like `classify`, with the record of how each decision was made.

        as_of   the date of rows without one; None: that of the settings, else today
        """
        given = cells.frame(rows)
        with self._servings.serving(as_of) as serving:
            batch = cells.read(given, debits=self.settings.debits)
            record = self._record(serving, batch.rows)
            result = Result(
                rows=record.emit(given),  # 8 emit
                audit=self._audit(serving.parts, record),
                silenced={record.names.rules[rule]: count for rule, count in record.cases.silenced.items()},
                unreadable=batch.unreadable,
                fingerprint=serving.fingerprint,
                as_of=serving.run.as_of,
                _record=record,
            )
        if self._on_batch is not None:
            self._on_batch(result)
        return result

    def _record(self, serving: Serving, batch: pl.DataFrame, *, ask_all: bool = False) -> Record:
        """Steps 2 to 7; what the model says anew goes to the cache, for the next batch."""
        ruling = pipeline.rule(serving.parts, batch, serving.run)
        with self._stats.asking():
            record, fresh = pipeline.conclude(serving.parts, ruling, ask_all=ask_all)
        if serving.parts.cache is not None:
            serving.parts.cache.store(fresh.keys, fresh.evidence)
            self._servings.recent_keys.add(record.evidence.keys, record.evidence.times(record.cases.of_row))
        self._stats.add(record)
        return record

    def classify_one(
        self,
        descriptor: str,
        *,
        amount: object = None,
        date: object = None,
        mcc: object = None,
        country: object = None,
        source: object = None,
        **unknown: Never,
    ) -> Decision:
        """One descriptor, with what else is known of its row, as a typed decision.

        Raises BatchError where `descriptor` is no text, or a keyword is none of these.

        >>> with Engine.load(model=None, cache=None) as engine:
        ...     engine.classify_one("HULU 877-824-4858 CA").tier
        'rules'
        """
        row = (amount, date, mcc, country, source)
        if unknown or not isinstance(descriptor, str):
            raise cells.refused(descriptor, unknown)
        with self._servings.serving() as serving:
            bare = row == _BARE
            key = descriptor if bare else (descriptor, *map(repr, row))
            if bare and (decision := serving.single.decide(descriptor)) is not None:
                self._stats.count(decision)
                return decision
            if (remembered := serving.memo.get(key)) is not None:
                self._stats.count(remembered, memo=True)
                serving.remembered(descriptor, remembered)
                return remembered
            batch = cells.read(cells.one(descriptor, dict(zip(GUARDED, row, strict=True))), debits=self.settings.debits)
            decision = self._record(serving, batch.rows).decision(serving.fingerprint, serving.run.as_of)
            serving.memo.put(key, decision)
            return decision

    def classify_many(self, rows: Iterable[str | Mapping[str, Any]]) -> list[Decision]:
        """One decision a row, in order: of texts, or of mappings with `descriptor` and what else is known.

        Raises BatchError that says which row is wrong.

        >>> with Engine.load(model=None, cache=None) as engine:
        ...     [decision.brand for decision in engine.classify_many(["HULU CA", {"descriptor": "LYFT", "amount": -9}])]
        ['hulu', 'lyft']
        """
        return list(self.classify_stream(rows))

    def classify_stream(
        self, rows: Iterable[str | Mapping[str, Any]], *, chunk: int = STREAM_ROWS
    ) -> Iterator[Decision]:
        """Like `classify_many`, one decision after the other: at most `chunk` rows are held at a time."""
        left = iter(rows)
        start = 0
        while part := list(islice(left, chunk)):
            yield from self._many(part, start)
            start += len(part)

    def _many(self, rows: Sequence[str | Mapping[str, Any]], start: int) -> list[Decision]:
        with self._servings.serving() as serving:
            batch = cells.read(cells.many(rows, start), debits=self.settings.debits)
            record = self._record(serving, batch.rows)
            by_case = record.by_case(serving.fingerprint, serving.run.as_of)
            return [by_case[case] for case in record.cases.of_row.tolist()]

    def explain(self, descriptor: str, **columns: Any) -> Explanation:
        """How the decision on one descriptor came about, every tier's view included, from its own record."""
        if not isinstance(descriptor, str) or not columns.keys() <= GUARDED.keys():
            raise cells.refused(descriptor, {name: value for name, value in columns.items() if name not in GUARDED})
        with self._servings.serving() as serving:
            batch = cells.read(cells.one(descriptor, columns), debits=self.settings.debits)
            record = self._record(serving, batch.rows, ask_all=True)
            return Explanation(
                descriptor=descriptor,
                folded=record.texts.folded[0],
                key=record.texts.key[0],
                verdicts=record.verdicts().drop("case", "folded", "key").to_dicts(),
                decision=record.decision(serving.fingerprint, serving.run.as_of),
                why=record.why(0),
                fingerprints=dict(serving.parts.fingerprints),
            )

    def reload(
        self,
        bundle: Path | str | Default | None = KEEP,
        *,
        rules: Path | str | Default = KEEP,
        overlay: Path | str | Default | None = KEEP,
        model: Path | str | Default | None = KEEP,
        cache: Path | str | Default | None = KEEP,
    ) -> None:
        """Build the new beside the old, gate it, swap once. Where it raises, the old goes on serving.

        What is not given stays what it is and is read anew; what is given replaces that part alone.

        A new model begins with an empty store: before the swap it is asked for the keys that this engine was asked
        most, at most `warm_keys` of them, so that the share of cache hits stays about what it was.
        """
        # No fallback here: what serves now is better than what stands in for a model that cannot be loaded.
        settings = self.settings.model_copy(update={"fallback": None})
        with self._servings.serving() as serving:
            asked = {**serving.parts.bundle.asked}
            asked |= {name: value for name, value in _asked(bundle, rules, overlay, model).items() if value is not KEEP}
            place = serving.parts.cache_asked if cache is KEEP else cache
        parts = _load(asked, place, settings)
        pipeline.warm(parts, self._servings.most_asked(self.settings.warm_keys))
        self._servings.swap(parts)
        self._stats.reloaded()

    def rollback(self) -> None:
        """Go back to what served before the last `reload`; a second call goes forward again."""
        self._servings.rollback()

    def watch(self, *, every: float = 0.5, on_change: Callable[[Exception | None], None] | None = None) -> Watch:
        """Follow the rule files and the registry: what is saved there serves about a second later.

        Whatever has changed is built beside the old in a thread and swapped in once it loads; model and cache stay
        as they are. Where the files do not load the old rules go on serving, the error is logged and stands in
        `notices` and in the watch's `error`, and the next change is tried again.

        every       seconds between two looks at the files
        on_change   called in the watch's thread: with None once other rules serve, with the error where they do not
        returns     the watch; `stop` it, use it in a `with`, or `close` the engine. A second one ends the first

        >>> with Engine.load(model=None, cache=None) as engine, engine.watch() as watch:
        ...     watch.error is None
        True
        """
        if self._watch is not None:
            self._watch.stop()
        self._watch = Watch(
            lambda: self._servings.parts, self._servings.replace, self.settings, every=every, on_change=on_change
        )
        return self._watch

    @property
    def fingerprint(self) -> str:
        """Fingerprint of all that decides today: the parts, the settings, and the day where a rule asks for it."""
        return self._servings.now().fingerprint

    @property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprint of each part and of `all` of them, as a bundle's manifest states them."""
        return dict(self._servings.parts.fingerprints)

    @property
    def notices(self) -> list[str]:
        """What a person must know about how this engine serves; empty when all is well."""
        parts = self._servings.parts
        lost = parts.rules.lost
        out = [*parts.notices, *([f"the fast engine lost {lost} matches in use"] if lost else [])]
        if self._watch is not None and (error := self._watch.error) is not None:
            out.append(f"the rules on disk do not load, the old ones serve on: {str(error).rpartition(chr(10))[2]}")
        return out

    def stats(self) -> dict[str, Any]:
        """What this engine has done since it was loaded, as JSON holds it.

        rows by tier and by reason, rows answered from the memo, hits and misses of the cache, seconds in cache and
        model, reloads, matches that the fast engine lost, and reads or writes of the cache that failed
        """
        parts = self._servings.parts
        return self._stats.as_dict(parts)

    def brand(self, id: str) -> Brand:
        """The registry's line of a brand. Raises BatchError, which names the nearest ids.

        >>> with Engine.load(model=None, cache=None) as engine:
        ...     engine.brand("uber-eats").parent
        'uber'
        """
        try:
            return self._servings.parts.registry[id]
        except KeyError as error:
            raise BatchError(str(error)) from None

    @property
    def parts(self) -> Parts:
        """What the engine decides with at this moment."""
        return self._servings.parts

    def close(self) -> None:
        """Wait for those who are being answered, then give everything back. Every later call raises EngineError."""
        if self._watch is not None:
            self._watch.stop()
        self._servings.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _audit(self, parts: Parts, record: Record) -> pl.DataFrame | None:
        """What later tiers say of a share of what rules settled; kept apart, never stored."""
        if not self.settings.audit or parts.model is None:
            return None
        chosen = pipeline.audited(record, self.settings.audit)
        evidence, _ = pipeline.ask(parts, record.texts, record.cases, chosen)
        return decisions.audit(record, evidence, parts.thresholds)


_BARE = (None,) * len(GUARDED)


def _asked(bundle: Any, rules: Any, overlay: Any, model: Any) -> dict[str, Any]:
    given = {"bundle": bundle, "rules": rules, "overlay": overlay, "model": model}
    return {name: Path(value) if isinstance(value, str) else value for name, value in given.items()}


def _load(asked: Mapping[str, Any], cache: Any, settings: Settings) -> Parts:
    place = Path(cache) if isinstance(cache, str) else cache
    return Parts.load(Bundle.find(**{**asked, "state": settings.state}), place, settings)
