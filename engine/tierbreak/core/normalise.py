"""Descriptor -> `folded`, which rules see, and `key`, which cache and model see.

STEPS (normaliser_steps.py) is the whole of it: an ordered list of named steps, each of which can be switched off.
A step is data (polars string methods with their arguments), so that the fingerprint can name it. Steps at the same
end of the text run as one expression, over and over until nothing more comes off: "NAME #12 AUSTIN TX 78701 USA"
has four tails.

A step that few rows can need runs on those rows only, found by a search for a literal, and a large batch is
split over the cores.

`key` is a function of the descriptor, not of `folded`: two steps read the padding of the card field, which
folding takes away. With `spaced-star` and `city-field` switched off it is a function of `folded`.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from operator import or_
from typing import Any

import numpy as np
import polars as pl

from tierbreak.core.normaliser_steps import CONTROL, NAMELESS, OPEN_END, STEPS
from tierbreak.core.tables import NORMALISED
from tierbreak.errors import SettingsError

#: The longest key, in characters. Longer descriptors are lists of fields: the name stands near the front.
KEY_CHARS = 128

#: The most that rules see of a descriptor, in characters, cut between words. No statement prints so much; without a
#: bound, one cell of a megabyte costs what a million rows cost.
FOLDED_CHARS = 1024

#: From so many rows on, splitting the work over the cores saves more than it costs.
LARGE = 20_000


@dataclass(frozen=True)
class _Stage:
    """Part of a plan: columns that are computed, by name, for all rows or for those where column `needs` is true."""

    columns: dict[str, pl.Expr]
    needs: str | None = None


def normalise(descriptors: pl.Series, *, off: frozenset[str] = frozenset()) -> pl.DataFrame:
    """What rules see and what cache and model see of each descriptor.

    descriptors   String [n], no nulls; give distinct ones, the work is done for every row
    off           names of steps that do not run
    returns       NORMALISED [n], same order. `folded` has no control characters and no whitespace but single
                  spaces (with every step on), and at most FOLDED_CHARS characters. `key` is at most KEY_CHARS
                  characters, and is empty only where the descriptor is blank: where nothing would be left, less
                  is taken away.

    A row's result depends on that row only. Raises SettingsError where `off` names no step.

    >>> normalise(pl.Series(["Caf\u00e9  Ro\u00dfi", "SQ *BLUE HERON CAFE #12 AUSTIN TX"])).rows()
    [('CAFE ROSSI', 'CAFE ROSSI'), ('SQ *BLUE HERON CAFE #12 AUSTIN TX', 'BLUE HERON CAFE')]
    """
    return _on_all_cores(descriptors, _plan(checked(off)), NORMALISED.names())


def folded(descriptors: pl.Series, *, off: frozenset[str] = frozenset()) -> pl.Series:
    """`folded` of `normalise` alone, at a seventh of the cost.

    >>> folded(pl.Series(["Caf\u00e9  Ro\u00dfi"])).to_list()
    ['CAFE ROSSI']
    """
    plan = _plan(checked(off))
    stages = plan[: 1 + max(at for at, stage in enumerate(plan) if "folded" in stage.columns)]
    return _on_all_cores(descriptors, stages, ["folded"])["folded"]


@dataclass(frozen=True)
class Texts:
    """Step 2: the distinct descriptors of a batch. Keys are made when they are asked for: rules need none.

    of_row       int64 [n]: each row's text
    descriptor   String [texts], distinct
    folded       String [texts]: what rules see; two descriptors may fold into one
    """

    of_row: np.ndarray
    descriptor: pl.Series
    folded: pl.Series
    off: frozenset[str]

    @classmethod
    def of(cls, descriptors: pl.Series, off: frozenset[str]) -> Texts:
        """The texts of n descriptors (String, no nulls)."""
        distinct, of_row = distinct_of(descriptors)
        if len(distinct) == 1 and (text := fold_one(distinct[0], off)) is not None:
            return cls(of_row, distinct, pl.Series([text]), off)
        return cls(of_row, distinct, folded(distinct, off=off), off)

    @cached_property
    def key(self) -> pl.Series:
        """String [texts]: what cache and model see."""
        return self.keys(np.arange(len(self.descriptor)))

    def keys(self, texts: np.ndarray) -> pl.Series:
        """String: the keys of the texts at these positions."""
        return normalise(self.descriptor.gather(texts), off=self.off)["key"]


def distinct_of(texts: pl.Series) -> tuple[pl.Series, np.ndarray]:
    """The distinct values in the order they first come, and int64 [n]: where each of `texts` stands among them.

    >>> distinct_of(pl.Series(["B", "A", "B"]))[1]
    array([0, 1, 0])
    """
    distinct = texts.unique(maintain_order=True) if len(texts) > 1 else texts
    if len(distinct) == len(texts):
        return texts, np.arange(len(texts))
    places = distinct.alias("text").to_frame().with_row_index("place")
    of_row = texts.alias("text").to_frame().join(places, on="text", how="left", maintain_order="left")["place"]
    return distinct, of_row.to_numpy().astype(np.int64)


_FOLDING = frozenset(step.name for step in STEPS if step.of == "folded")

#: Every ASCII control character to a space: what `split` then takes for one.
_TO_SPACES = dict.fromkeys((*range(32), 127), " ")


def fold_one(text: str, off: frozenset[str] = frozenset()) -> str | None:
    """What `folded` makes of one text, without a table; None where only that can say: the text is not ASCII, or too
    long, or a step is switched off.

    >>> fold_one("Wal-Mart\\t #12 "), fold_one("Café")
    ('WAL-MART #12', None)
    """
    if not text.isascii() or (off and not off.isdisjoint(_FOLDING)):
        return None
    out = " ".join(text.translate(_TO_SPACES).upper().split())
    return out if len(out) <= FOLDED_CHARS else None


def _on_all_cores(descriptors: pl.Series, plan: tuple[_Stage, ...], columns: list[str]) -> pl.DataFrame:
    if len(descriptors) < LARGE:
        return _run(descriptors, plan).select(columns)
    cores = pl.thread_pool_size()
    size = -(-len(descriptors) // cores)
    parts = [descriptors.slice(start, size) for start in range(0, len(descriptors), size)]
    with ThreadPoolExecutor(cores) as pool:
        return pl.concat(pool.map(lambda part: _run(part, plan).select(columns), parts))


def fingerprint(off: frozenset[str] = frozenset()) -> str:
    """sha256, in hex, of every step and its patterns, in order, and of what is switched off."""
    gone = checked(off)
    what = repr([(step.name, step.of, step.at, step.how) for step in STEPS]) + repr(
        (FOLDED_CHARS, KEY_CHARS, OPEN_END, NAMELESS)
    )
    return hashlib.sha256((what + repr(sorted(gone))).encode()).hexdigest()


def checked(off: Iterable[str]) -> frozenset[str]:
    """`off` as a set; raises SettingsError that names the nearest step for each name that is none.

    >>> checked(["tilde"])
    Traceback (most recent call last):
        ...
    tierbreak.errors.SettingsError: no normaliser step is called 'tilde'; did you mean 'tildes'?
    """
    names = [step.name for step in STEPS]
    wrong = []
    for name in sorted(set(off) - set(names)):
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
        wrong.append(f"no normaliser step is called {name!r}; did you mean {near[0]!r}?")
    if wrong:
        raise SettingsError("\n".join(wrong))
    return frozenset(off)


def _run(descriptors: pl.Series, plan: tuple[_Stage, ...]) -> pl.DataFrame:
    """Run the stages in order, each on the rows that need it."""
    frame = descriptors.alias("raw").to_frame()
    for stage in plan:
        if stage.needs is None or frame[stage.needs].all():  # all: a single row, for which each call counts
            frame = frame.with_columns(**stage.columns)
        elif frame[stage.needs].any():
            rows = frame[stage.needs].arg_true()
            part = frame[rows].select(**stage.columns)
            frame = frame.with_columns(frame[column.name].scatter(rows, column) for column in part)
    return frame


@lru_cache(maxsize=64)
def _plan(off: frozenset[str]) -> tuple[_Stage, ...]:
    """The stages for the steps that are on."""
    steps = [step for step in STEPS if step.name not in off]
    raw, folded, whole, key, short = (pl.col(name) for name in ("raw", "folded", "whole", "key", "short"))

    def calls(text: pl.Expr, *, of: str = "key", at: str | None = None) -> pl.Expr:
        for step in steps:
            if step.of == of and at in (None, step.at) and not isinstance(step.how, str):
                text = reduce(_call, step.how, text)
        return text

    def start(text: pl.Expr) -> pl.Expr:
        each = "|".join(str(step.how) for step in steps if step.at == "start")
        return text.str.replace(f"^(?:{each})+", "") if each else text

    def end(text: pl.Expr) -> pl.Expr:
        each = "|".join(str(step.how) for step in steps if step.at == "end")
        return text.str.replace(f"(?:{each})+$", "") if each else text

    def holds(text: pl.Expr, *literals: str) -> pl.Expr:
        return reduce(or_, (text.str.contains(literal, literal=True) for literal in literals))

    # What a stage needs is looked for as early as may be, several at once: a search too many costs a row less than
    # a call of polars costs a batch of one.
    of_raw = {
        "untidy": holds(raw, "  ") | raw.str.contains(CONTROL) | raw.str.starts_with(" ") | raw.str.ends_with(" "),
        "foreign": raw.str.len_bytes() != raw.str.len_chars(),
        "padded": holds(raw, "  "),
    }
    of_folded = {"endless": folded.str.len_bytes() > FOLDED_CHARS}
    of_whole = {
        "fielded": holds(whole, ":", "~~"),
        "starred": holds(whole, "*"),
        "long": whole.str.len_bytes() > KEY_CHARS,
    }
    inner = [step.how[0][1] for step in steps if step.at == "numbers"]
    again = end(start(calls(calls(key, at="numbers"), at="fields")))
    return (
        _Stage({"folded": calls(raw, of="folded", at="text"), **of_raw}),
        _Stage({"folded": calls(folded, of="folded", at="untidy")}, "untidy"),
        _Stage({"folded": calls(raw, of="folded")}, "foreign"),
        _Stage({**of_folded}),
        _Stage({"folded": _cut(folded, FOLDED_CHARS)}, "endless"),
        _Stage({"whole": folded}),
        _Stage({"whole": _cut(calls(calls(raw, at="raw"), of="folded"), FOLDED_CHARS)}, "padded"),
        _Stage({"key": whole, **of_whole}),
        _Stage({"key": calls(key, at="fields")}, "fielded"),
        _Stage({"key": start(key)}),
        # A field, or one more thing that comes off an end, may stand behind a star or a number.
        _Stage({"key": start(calls(calls(key, at="stars"), at="fields"))}, "starred"),
        _Stage({"key": _cut(key, KEY_CHARS)}, "long"),
        _Stage({"key": end(key), "short": key}),
        *[_Stage({"numbered": key.str.contains(pattern)}) for pattern in inner],
        *[_Stage({"key": again}, "numbered") for _ in inner],
        _Stage({"nameless": key.str.contains(f"{NAMELESS}|{OPEN_END}")}),
        _Stage(
            {"key": pl.when(short.str.contains(NAMELESS)).then(_cut(whole, KEY_CHARS)).otherwise(short)}, "nameless"
        ),
    )


def _call(text: pl.Expr, call: tuple[Any, ...]) -> pl.Expr:
    """Make one of the calls of a step."""
    method, *args = call
    if method == "replace_where":
        where, pattern, value = args
        return pl.when(text.str.contains(where)).then(text.str.replace(pattern, value)).otherwise(text)
    called = getattr(text.str, method)(*(list(arg) if isinstance(arg, tuple) else arg for arg in args))
    assert isinstance(called, pl.Expr)
    return called


def _cut(text: pl.Expr, most: int) -> pl.Expr:
    """At most so many characters, cut between words where there is a space."""
    whole_words = text.str.head(most + 1).str.replace(" [^ ]*$", "").str.head(most)
    return pl.when(text.str.len_chars() > most).then(whole_words).otherwise(text)
