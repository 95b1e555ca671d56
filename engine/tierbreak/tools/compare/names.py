"""What each side's answers are called on the scale of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from tierbreak.registry import Registry
from tierbreak.tools.compare.joint import Joint, today
from tierbreak.tools.compare.sides.side import Side
from tierbreak.tools.rules.importing.names import Meanings


@dataclass(frozen=True)
class Named:
    """What a side's labels stand for.

    today      label -> id of the joint scale, redirects followed; empty where a person says that it is no brand's
    written    label -> id as the side means it, before redirects
    how        label -> `id`, `name`, `alias`, `normalised`, `map`, or `unknown`
    """

    today: Mapping[str, str]
    written: Mapping[str, str]
    how: Mapping[str, str]

    def spoken(self, said: pl.DataFrame) -> pl.DataFrame:
        """What a side says, where names that are no brand's are no answers: SAID in, SAID out."""
        silent = [label for label, id in self.today.items() if not id]
        if not silent:
            return said
        named = ~pl.col("brand").is_in(silent).fill_null(False)
        return said.with_columns(
            pl.when(named).then("brand").alias("brand"),
            pl.when(named).then("tier").alias("tier"),
            pl.when(named).then("confidence").alias("confidence"),
            pl.when(named).then("reason").otherwise(pl.lit("no-brand")).alias("reason"),
        )


def named(side: Side, registries: Sequence[Registry], given: Mapping[str, str]) -> Named:
    """What the labels of a side stand for. An engine's are ids; others are looked up in the first registry.

    given   name -> id, where a person has said so
    """
    if side.registry is not None:
        labels = {label: today(label, registries) for label in side.labels}
        return Named(labels, dict(zip(labels, labels, strict=True)), dict.fromkeys(labels, "id"))
    meanings = Meanings(registries[0], given)
    now: dict[str, str] = {}
    written: dict[str, str] = {}
    how: dict[str, str] = {}
    for label in side.labels:
        if given.get(label) == "":
            now[label] = written[label] = ""
            how[label] = "map"
            continue
        meaning = meanings.find(label)
        if meaning.how == "proposed" and label in given:
            # A brand that a person has named, and that no registry has yet: names may share it.
            now[label] = written[label] = meaning.id
            how[label] = "unknown"
        elif meaning.how == "proposed":
            known = next((registry for registry in registries if label in registry), None)
            now[label] = today(label, registries) if known else label
            written[label], how[label] = label, "id" if known else "unknown"
        else:
            now[label], written[label], how[label] = today(meaning.id, registries), meaning.written, meaning.how
    return Named(now, written, how)


def joint(registries: Sequence[Registry], *sides: Named) -> Joint:
    """The scale of both sides: all brands, then what no registry knows."""
    unknown = [now for side in sides for label, now in side.today.items() if side.how[label] == "unknown"]
    return Joint.of(registries, unknown)
