r"""Flips that somebody answers for: a TOML file, each entry with owner, reason and the day on which it lapses.

[[approval]]
from = "uber"               # a brand id, "none" for no answer, "model" where only the model could say
to = "uber-eats"
rule = "uber.eats"          # if given: the rule that decided before, or decides now
pattern = 'UBER ?\* ?EATS'   # if given: a regex found in the folded descriptor
owner = "mobility"
reason = "Uber Eats has its own brand since the spring"
expires = 2027-06-30        # the last day on which it holds
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tierbreak.core.nearest import nearest
from tierbreak.errors import InputError
from tierbreak.tools.rules.traffic.diff.answers import MODEL, NONE

_KEYS = ("from", "to", "rule", "pattern", "owner", "reason", "expires")
_DUE = ("from", "to", "owner", "reason", "expires")
_HEAD = re.compile(r"^\s*\[\[\s*approval\s*\]\]")


@dataclass(frozen=True)
class Approval:
    """One entry; `line` is where it stands, 0 where that cannot be told."""

    line: int
    old: str
    new: str
    rule: str | None
    pattern: str | None
    owner: str
    reason: str
    expires: dt.date

    def covers(self) -> pl.Expr:
        """Boolean, on rows of answers.CHANGED."""
        here = (_answer("old") == self.old) & (_answer("new") == self.new)
        if self.rule is not None:
            named = [pl.col(f"{side}_rule").str.split("|").list.contains(self.rule) for side in ("old", "new")]
            here &= pl.any_horizontal(column.fill_null(False) for column in named)
        if self.pattern is not None:
            here &= pl.col("folded").str.contains(f"(?i){self.pattern}")
        return here


def _answer(side: str) -> pl.Expr:
    """A brand id, `none` or `model`."""
    model = pl.when(pl.col(f"{side}_tier") == MODEL).then(pl.lit(MODEL)).otherwise(pl.lit(NONE))
    return pl.col(f"{side}_brand").fill_null(model)


def read(path: Path, brands: Collection[str]) -> tuple[Approval, ...]:
    """The approvals of a file, in its order.

    brands   ids that `from` and `to` may name

    Raises InputError that lists all that is wrong, each with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        given = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not TOML: {error}") from None
    entries = given.pop("approval", [])
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines, start=1) if _HEAD.match(line)]
    if len(heads) != len(entries):  # written some other way: then no line can be told
        heads = [0] * len(entries)
    faults = [f"{path}: unknown table {name!r}; expected [[approval]]" for name in given]
    out = []
    for at, (entry, head) in enumerate(zip(entries, heads, strict=True)):
        end = heads[at + 1] - 1 if at + 1 < len(heads) else len(lines)
        own = _Entry(path, entry if isinstance(entry, dict) else {}, head, lines[head:end] if head else [], at + 1)
        faults += own.faults(brands)
        if not faults:
            out.append(own.approval())
    if faults:
        raise InputError("\n".join(faults))
    return tuple(out)


@dataclass(frozen=True)
class _Entry:
    """A table of the file, with the lines below its head."""

    path: Path
    given: dict[str, Any]
    head: int
    lines: list[str]
    number: int

    def approval(self) -> Approval:
        given = self.given
        rule, pattern = given.get("rule"), given.get("pattern")
        said = given["owner"], given["reason"], given["expires"]
        return Approval(self.head, given["from"], given["to"], rule, pattern, *said)

    def faults(self, brands: Collection[str]) -> list[str]:
        out = [
            self._at("", f"approval has no `{name}`", self._example(name)) for name in _DUE if name not in self.given
        ]
        for name, value in self.given.items():
            if name not in _KEYS:
                near = difflib.get_close_matches(name, _KEYS, n=1)
                fix = f"did you mean `{near[0]}`?" if near else f"the keys are {', '.join(_KEYS)}"
                out.append(self._at(name, f"approval has no key `{name}`", fix))
            elif name == "expires":
                if type(value) is not dt.date:  # a datetime is a date to Python
                    out.append(self._at(name, f"`expires` is {value!r}", self._example(name)))
            elif not isinstance(value, str) or not value.strip():
                out.append(self._at(name, f"`{name}` is {value!r}", "text in quotes"))
            elif name in ("from", "to") and value not in brands and value not in (NONE, MODEL):
                near = nearest(value, brands)
                fix = f"did you mean {' or '.join(near)}?" if near else "a brand id, `none` or `model`"
                out.append(self._at(name, f"`{name}` names no brand: {value!r}", fix))
            elif name == "pattern":
                out += self._pattern(value)
        return out

    def _pattern(self, value: str) -> list[str]:
        try:
            pl.Series([""]).str.contains(f"(?i){value}")
        except pl.exceptions.PolarsError as error:
            found = re.search(r"^error: (.+)", str(error), re.MULTILINE)
            says = f"not a regex: {found[1] if found else value}"
            return [self._at("pattern", says, "a regex without look-around")]
        return []

    def _example(self, name: str) -> str:
        if name == "expires":
            return f"a date without quotes: expires = {dt.date.today().year + 1}-06-30"
        return f'add {name} = "…"'

    def _at(self, key: str, says: str, fix: str) -> str:
        line = self.head
        for below, text in enumerate(self.lines, start=1):
            if key and self.head and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", text):
                line = self.head + below
        where = f"{self.path}:{line}" if line else f"{self.path}: approval {self.number}"
        return f"{where}: {says}\n  fix: {fix}"


def assigned(rows: pl.DataFrame, approvals: tuple[Approval, ...], today: dt.date) -> tuple[pl.DataFrame, list[float]]:
    """Which approval covers each row.

    rows      answers.CHANGED
    returns   the rows with `approval`: the position of the first one that covers it and holds today, null where none
              does; and for each approval how many rows are put to it. One that has expired covers none: told of it is
              what it would cover and no other does.
    """
    order = sorted(range(len(approvals)), key=lambda at: approvals[at].expires < today)
    number = pl.lit(None, pl.Int32)
    for at in reversed(order):
        number = pl.when(approvals[at].covers()).then(pl.lit(at, pl.Int32)).otherwise(number)
    found = rows.with_columns(approval=number)
    counted = dict(found.drop_nulls("approval").group_by("approval").agg(pl.sum("n")).iter_rows())
    lapsed = [at for at in order if approvals[at].expires < today]
    holds = pl.when(~pl.col("approval").is_in(lapsed)).then("approval")
    return found.with_columns(approval=holds), [counted.get(at, 0.0) for at in range(len(approvals))]
