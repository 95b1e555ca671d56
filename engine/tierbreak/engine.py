"""The engine: eight steps, one way. The only module that knows their order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tierbreak import pipeline
from tierbreak.bundle import DEFAULT, SHIPPED, Bundle, Default
from tierbreak.core import decisions
from tierbreak.core.arbitration import decide, settle, stand, unsettled
from tierbreak.core.decisions import Decision, Explanation, Record
from tierbreak.core.tables import read
from tierbreak.parts import Parts
from tierbreak.pipeline import Texts
from tierbreak.recent_keys import Asked
from tierbreak.settings import Settings
from tierbreak.watch import Watch

__all__ = ["DEFAULT", "SHIPPED", "Engine", "Result"]


@dataclass(frozen=True)
class Result:
    """What `Engine.run` returns.

    rows       the caller's columns, then tables.DECISION; n rows in the order they came
    audit      what later tiers say of a share of the settled keys, or None when none was asked for
    silenced   rule id -> rows in which its guard had no value to look at
    """

    rows: pl.DataFrame
    audit: pl.DataFrame | None
    silenced: dict[str, int]
    _record: Record = field(repr=False)

    @cached_property
    def verdicts(self) -> pl.DataFrame:
        """The whole verdict table, ids as text: one row for each answer a tier gave about one case."""
        return self._record.verdicts()


class Engine:
    """Turns descriptors into brands. Safe to share between threads; `close` it, or use it in a `with`.

    >>> with Engine.load(model=None, cache=None) as engine:
    ...     engine.classify_one("NETFLIX.COM 866-579-7172 CA").brand
    'netflix'
    """

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self._parts, self._previous, self.settings = parts, None, settings  # type: tuple[Parts, Parts | None, Settings]
        self._swap = threading.Lock()
        self._watch: Watch | None = None
        self._asked = Asked(settings.warm_keys)

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
    ) -> Engine:
        """Load a bundle, the shipped one unless told otherwise, and let every part pass its gate.

        bundle    a folder that `tierbreak bundle` wrote, or its tar
        rules     a folder of YAML files in place of the shipped ones; its brands.csv overlays the registry
        overlay   a folder that adds to the rules, or replaces them by id; its brands.csv likewise
        model     a model's folder; None leaves the tier out
        cache     folder of the cache; None leaves the tier out

        Raises BundleError, RegistryError, RulebookError, ModelError or CacheError, each naming every fault.
        """
        settings = settings or Settings.of()
        return cls(_load(bundle, rules, overlay, model, cache, settings), settings)

    def classify(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One decision a row, in the order the rows came.

        rows      n rows with `descriptor` (String) and, if the caller has them, `amount`, `date`, `mcc`,
                  `country`, `source`; any other column is kept as it is
        returns   the same rows with the columns of tables.DECISION added

        Raises BatchError where `descriptor` is missing, or a column has a type that cannot be read.

        >>> with Engine.load(model=None, cache=None) as engine:
        ...     engine.classify(pl.DataFrame({"descriptor": ["SPOTIFY USA", "ZELLE TO KIM"]}))["brand"].to_list()
        ['spotify', None]
        """
        return self.run(rows).rows

    def run(self, rows: pl.DataFrame) -> Result:
        """Like `classify`, with the record of how each decision was made. The eight steps are in CONTRIBUTING.md."""
        parts = self._parts
        record = self._record(parts, read(rows))
        silenced = {parts.book.rules[index].id: count for index, count in record.cases.silenced.items()}
        return Result(record.emit(rows), self._audit(parts, record), silenced, record)  # 8 emit

    def _record(self, parts: Parts, batch: pl.DataFrame, *, ask_all: bool = False) -> Record:
        """Steps 2 to 7 on what `read` returned. `ask_all` shows every case to the later tiers, settled or not."""
        texts = Texts.of(batch["descriptor"], self.settings.off)  # 2 normalise
        matches = pipeline.match(parts, texts)  # 3 match
        split = pipeline.cases(parts, batch, texts, matches, self.settings)  # 4 case
        standing = stand(split.matches, len(split.text), parts.precedence)
        settled = settle(standing, pipeline.spans(parts, texts, split, standing), parts.precedence)
        wanted = np.ones(len(split.text), dtype=bool) if ask_all else unsettled(settled)
        evidence, fresh = pipeline.ask(parts, texts, split, wanted)  # 5 recall, 6 infer
        decided = decide(settled, evidence.ranked(unsettled(settled)), standing.vetoed, parts.thresholds)  # 7 arbitrate
        if parts.cache is not None:
            parts.cache.store(*fresh)  # for the next batch
            self._asked.add(evidence.keys, evidence.times(split.of_row))
        return Record(parts.names, parts.registry, parts.book, parts.policy, texts, split, standing, decided, evidence)

    def classify_one(self, descriptor: str, **columns: Any) -> Decision:
        """One descriptor, with `amount`, `date`, `mcc`, `country`, `source` if known, as a typed decision.

        >>> with Engine.load(model=None, cache=None) as engine:
        ...     engine.classify_one("HULU 877-824-4858 CA").tier
        'rules'
        """
        parts = self._parts
        record = self._record(parts, read(_one(descriptor, columns)))
        return record.decision(parts.fingerprints["all"])

    def explain(self, descriptor: str, **columns: Any) -> Explanation:
        """How the decision on one descriptor came about, every tier's view included, from its own record."""
        parts = self._parts
        record = self._record(parts, read(_one(descriptor, columns)), ask_all=True)
        return Explanation(
            descriptor=descriptor,
            folded=record.texts.folded[0],
            key=record.texts.key[0],
            verdicts=record.verdicts().drop("case", "folded", "key").to_dicts(),
            decision=record.decision(parts.fingerprints["all"]),
            why=record.why(0),
            fingerprints=dict(parts.fingerprints),
        )

    def reload(
        self,
        bundle: Path | str | None = None,
        *,
        rules: Path | str | Default = SHIPPED,
        overlay: Path | str | None = None,
        model: Path | str | Default | None = SHIPPED,
        cache: Path | str | Default | None = DEFAULT,
    ) -> None:
        """Build the new beside the old, gate it, swap once. Where it raises, the old goes on serving.

        A new model begins with an empty store: before the swap it is asked for the keys that this engine was asked
        most, at most `warm_keys` of them, so that the share of cache hits stays about what it was.
        """
        # No fallback here: what serves now is better than what stands in for a model that cannot be loaded.
        settings = self.settings.model_copy(update={"fallback": None})
        parts = _load(bundle, rules, overlay, model, cache, settings)
        pipeline.warm(parts, self._asked.most(self.settings.warm_keys))
        with self._swap:
            self._previous, self._parts = self._parts, parts

    def rollback(self) -> None:
        """Go back to what served before the last `reload`; a second call goes forward again."""
        with self._swap:
            if self._previous is not None:
                self._previous, self._parts = self._parts, self._previous

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
        self._watch = Watch(lambda: self._parts, self._replace, self.settings, every=every, on_change=on_change)
        return self._watch

    def _replace(self, old: Parts, new: Parts) -> bool:
        """Let `new` serve where `old` still does. What only says the same otherwise is nothing to go back to."""
        with self._swap:
            if self._parts is not old:
                return False
            if new.fingerprints != old.fingerprints:
                self._previous = old
            self._parts = new
            return True

    @property
    def fingerprint(self) -> str:
        """Fingerprint of all that decides."""
        return self._parts.fingerprints["all"]

    @property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprint of each part, and of `all`."""
        return dict(self._parts.fingerprints)

    @property
    def notices(self) -> list[str]:
        """What a person must know about how this engine serves; empty when all is well."""
        lost = self._parts.rules.lost
        out = [*self._parts.notices, *([f"the fast engine lost {lost} matches in use"] if lost else [])]
        if self._watch is not None and (error := self._watch.error) is not None:
            out.append(f"the rules on disk do not load, the old ones serve on: {str(error).rpartition(chr(10))[2]}")
        return out

    @property
    def parts(self) -> Parts:
        """What the engine decides with at this moment."""
        return self._parts

    def close(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        for parts in (self._parts, self._previous):
            if parts is not None and parts.cache is not None:
                parts.cache.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _audit(self, parts: Parts, record: Record) -> pl.DataFrame | None:
        """What later tiers say of a share of what rules settled; kept apart, never stored."""
        if not self.settings.audit or parts.model is None:
            return None
        chosen = pipeline.audited(record.texts, record.cases, record.decided.tier == 0, self.settings.audit)
        evidence, _ = pipeline.ask(parts, record.texts, record.cases, chosen)
        return decisions.audit(record, evidence, parts.thresholds)


def _load(
    bundle: Path | str | None,
    rules: Path | str | Default,
    overlay: Path | str | None,
    model: Path | str | Default | None,
    cache: Path | str | Default | None,
    settings: Settings,
) -> Parts:
    def path(given: Path | str | Default | None) -> Any:
        return Path(given) if isinstance(given, str) else given

    found = Bundle.find(path(bundle), rules=path(rules), overlay=path(overlay), model=path(model))
    return Parts.load(found, path(cache), settings)


def _one(descriptor: str, columns: dict[str, Any]) -> pl.DataFrame:
    given = {name: [value] for name, value in columns.items() if value is not None}
    return pl.DataFrame({"descriptor": [descriptor], **given}, schema_overrides={"descriptor": pl.String})
