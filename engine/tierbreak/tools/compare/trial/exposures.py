"""Exposures from a file: which user was given which arm, when, and what became of the user.

Any format that traffic is read in, and the log that Ramp.expose writes. Columns are found by their usual names or told;
what is left over is a metric where it holds numbers, a segment where it holds a few words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import polars as pl

from tierbreak.errors import InputError
from tierbreak.files import open_source
from tierbreak.tools.compare.trial.arms import ARMS, BEFORE

#: Usual names of each part, best first, in lower case, letters and digits alone.
USUAL = {
    "user": ("user", "userid", "targetingkey", "customer", "customerid", "account", "accountid", "member", "memberid",
             "subject", "unit", "unitid"),
    "arm": ("arm", "variant", "variation", "group", "experimentgroup", "treatment", "assignment", "bucket"),
    "at": ("at", "exposedat", "firstexposure", "firstexposedat", "exposuretime", "assignedat", "timestamp", "time",
           "date"),
    "share": ("share", "rollout", "newshare"),
    "ramp": ("ramp",),
}  # fmt: skip

#: What the arms are called elsewhere.
WORDS = {
    "old": ("old", "control", "a", "off", "false", "0", "baseline", "legacy"),
    "new": ("new", "treatment", "b", "on", "true", "1", "test", "variant", "candidate"),
}

#: Most distinct words that make a segment.
SEGMENT = 50

#: Words that stand for no value, and those that stand for a number.
_NOTHING = ("", "nan", "na", "n/a", "null", "none", "-", "inf", "-inf")
_NUMBERS = {"true": "1", "yes": "1", "false": "0", "no": "0"}

#: What a column of ids is called; `paid` is none.
_ID = re.compile(r"(?:^|[_\- ])(?:id|Id|ID)$|[a-z](?:Id|ID)$")

_TIMES = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")


@dataclass(frozen=True, eq=False)
class Exposures:
    """What an exposures file says.

    name      the file
    rows      `user`, `arm` (old or new), `at` (UTC) and `share` where there are such, then metrics (Float64, null for
              no value) and segments (String); rows that say the same twice stand once
    columns   part -> the file's column
    metrics   what became of users, those called `before_x` left out
    segments  columns of words
    expected  0..1, the share of the new arm that was meant, averaged over users at their first exposure; None where
              the file does not say
    notices   what a reader must know
    """

    name: str
    rows: pl.DataFrame
    columns: Mapping[str, str]
    metrics: tuple[str, ...]
    segments: tuple[str, ...]
    expected: float | None
    notices: tuple[str, ...]


def read(
    path: Path | str,
    *,
    told: Mapping[str, str] | None = None,
    arms: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    format: str | None = None,
) -> Exposures:
    """Read an exposures file.

    told      part (`user`, `arm`, `at`, `share`) -> column; the others are looked for by usual names
    arms      word of the file -> `old` or `new`, in place of the usual words
    metrics   columns that are metrics; None: every column of numbers left over
    format    one of tierbreak.files.FORMATS; None: by the name

    Raises InputError where users or arms cannot be found, an arm is an unknown word or there is one arm only, a user
    has two values of one metric, or has two arms and no time says which came first.
    """
    name = str(path)
    notices: list[str] = []
    with open_source(path, format) as source:
        parts = []
        for chunk in source:
            keep = ~pl.select(pl.int_range(chunk.rows.height).is_in(chunk.broken.implode())).to_series()
            parts.append(chunk.rows.filter(keep))
        rows = pl.concat(parts, how="vertical_relaxed") if parts else pl.DataFrame(schema=source.schema)
        if source.broken.total:
            first = source.broken.first[0]
            notices.append(f"{source.broken.total:,} rows could not be read and are left out; the first: {first}")
    if not rows.height:
        raise InputError(f"{name}: no row")
    columns = _columns(rows.columns, told or {}, name)
    frame = pl.DataFrame({"user": rows[columns["user"]].cast(pl.String)})
    frame = frame.with_columns(_arms(rows[columns["arm"]], arms, name, notices))
    if "at" in columns:
        frame = frame.with_columns(_times(rows[columns["at"]], columns["at"], notices))
    if "share" in columns:
        frame = frame.with_columns(_share(rows[columns["share"]], columns["share"], name))
    left = [column for column in rows.columns if column not in columns.values()]
    found, segments = _measured(rows, left, metrics, name, notices)
    frame = frame.with_columns(found)
    nobody = frame["user"].is_null() | (frame["user"].str.strip_chars() == "")
    if nobody.any():
        notices.append(f"{int(nobody.sum()):,} rows name no user and are left out")
    frame = frame.filter(~nobody)
    if len(there := frame["arm"].unique()) < 2:
        only = f"all {frame['user'].n_unique():,} users are in the {there[0]} arm" if len(there) else "no user"
        raise InputError(f"{name}: {only}: there is nothing to compare\n  fix: give exposures of both arms, or none")
    frame = _once(frame, [one.name for one in found], name, notices)
    outcomes = tuple(one.name for one in found if one.dtype == pl.Float64 and not one.name.startswith(BEFORE))
    return Exposures(name, frame, columns, outcomes, segments, _expected(frame, notices), tuple(notices))


def _columns(have: Sequence[str], told: Mapping[str, str], name: str) -> dict[str, str]:
    plain = {"".join(letter for letter in column.casefold() if letter.isalnum()): column for column in reversed(have)}
    out: dict[str, str] = {}
    wrong = []
    for part, usual in USUAL.items():
        if asked := told.get(part):
            out[part] = asked
            if asked not in have:
                near = get_close_matches(asked, have, n=1)
                wrong.append(f"no column {asked!r} for the {part}" + (f"; nearest: {near[0]!r}" if near else ""))
        elif column := next((plain[one] for one in usual if one in plain), None):
            out[part] = column
    wrong += [f"no column looks like the {part}" for part in ("user", "arm") if part not in out]
    if wrong:
        listed = ", ".join(map(repr, have[:20])) + (" …" if len(have) > 20 else "")
        raise InputError(f"{name}: {'; '.join(wrong)}\n  columns: {listed}\n  fix: say which column it is")
    return out


def _arms(cells: pl.Series, told: Mapping[str, str] | None, name: str, notices: list[str]) -> pl.Series:
    words = {word.casefold(): arm for word, arm in told.items()} if told else {
        word: arm for arm, known in WORDS.items() for word in known
    }  # fmt: skip
    text = cells.cast(pl.String).fill_null("").str.strip_chars()
    counted = text.value_counts(sort=True, name="n")
    strange = [(word, n) for word, n in counted.iter_rows() if words.get(word.casefold()) not in ARMS]
    if strange:
        shown = ", ".join(f"{word!r} ({n:,} rows)" for word, n in strange[:5])
        more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
        raise InputError(
            f"{name}: column {cells.name!r}: unknown arm: {shown}{more}\n"
            f"  known: {', '.join(words)}\n  fix: say which word is old and which is new"
        )
    read = {word: words[word.casefold()] for word in counted[text.name]}
    for arm in ARMS:
        if len(same := sorted({word.casefold() for word, of in read.items() if of == arm})) > 1:
            raise InputError(
                f"{name}: column {cells.name!r}: {', '.join(map(repr, same))} would all be the {arm} arm\n"
                "  fix: an experiment here has two arms; leave the rows of the others out, or give both one word"
            )
    if other := sorted(f"{word!r} is read as {arm}" for word, arm in read.items() if word != arm):
        notices.append(f"arms: {', '.join(other)}")
    return text.replace_strict(read, return_dtype=pl.String).alias("arm")


def _times(cells: pl.Series, column: str, notices: list[str]) -> pl.Series:
    """UTC; a time without a zone is taken for UTC, a date for its midnight."""
    if isinstance(cells.dtype, pl.Datetime):
        zoned = cells.dt.convert_time_zone("UTC") if cells.dtype.time_zone else cells.dt.replace_time_zone("UTC")
        return zoned.cast(pl.Datetime("us", "UTC")).alias("at")
    if cells.dtype == pl.Date:
        return cells.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("at")
    text = cells.cast(pl.String).str.strip_chars()
    out = text.str.to_datetime("%+", time_zone="UTC", time_unit="us", strict=False)
    for shape in _TIMES:
        naive = text.str.to_datetime(shape, time_unit="us", strict=False)
        out = out.fill_null(naive.dt.replace_time_zone("UTC"))
    out = out.fill_null(text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    if lost := int((out.is_null() & text.is_not_null() & (text != "")).sum()):
        example = text.filter(out.is_null() & text.is_not_null() & (text != ""))[0]
        notices.append(f"{column}: {lost:,} times cannot be read, such as {example!r}; they count as the last")
    return out.alias("at")


def _share(cells: pl.Series, column: str, name: str) -> pl.Series:
    out = _numbers(cells)
    if out.null_count() or not out.is_between(0, 1).all():
        strange = cells.filter((~out.is_between(0, 1)).fill_null(True))
        raise InputError(f"{name}: column {column!r}: a share lies in 0..1, got {strange[0]!r} ({len(strange):,} rows)")
    return out.alias("share")


def _measured(
    rows: pl.DataFrame, left: Sequence[str], asked: Sequence[str] | None, name: str, notices: list[str]
) -> tuple[list[pl.Series], tuple[str, ...]]:
    """The metrics and segments among the columns that are left."""
    if lost := [one for one in asked or () if one not in left]:
        raise InputError(f"{name}: no column {lost[0]!r} for a metric\n  columns: {', '.join(map(repr, left))}")
    found: list[pl.Series] = []
    segments = []
    for column in left:
        if asked is None and _ID.search(column):
            notices.append(f"column {column!r} is taken for an id, and no metric")
            continue
        cells, read = rows[column], _numbers(rows[column])
        text = cells.cast(pl.String, strict=False) if cells.dtype not in (pl.List, pl.Struct) else pl.Series([None])
        filled = text.is_not_null() & ~text.str.strip_chars().str.to_lowercase().is_in(_NOTHING)
        strange = text.filter(filled & read.is_null())
        wanted = asked is None or column in asked or column.startswith(BEFORE)
        if wanted and not len(strange) and filled.any():
            found.append(read.alias(column))
        elif asked is not None and column in asked:
            what = f"{len(strange):,} cells hold no number, such as {strange[0]!r}" if len(strange) else "no value"
            raise InputError(f"{name}: metric {column!r}: {what}")
        elif len(strange) and 2 <= text.n_unique() <= SEGMENT:
            found.append(text.replace("", None).alias(column))
            segments.append(column)
        elif wanted:
            what = f"{len(strange):,} cells hold no number, such as {strange[0]!r}" if len(strange) else "no value"
            notices.append(f"column {column!r} is neither metric nor segment and is left out: {what}")
    return found, tuple(segments)


def _numbers(cells: pl.Series) -> pl.Series:
    """Float64; null where there is no finite number."""
    if cells.dtype.is_numeric() or cells.dtype == pl.Boolean:
        out = cells.cast(pl.Float64)
    elif cells.dtype == pl.String:
        text = cells.str.strip_chars().str.to_lowercase()
        out = text.replace(_NUMBERS).cast(pl.Float64, strict=False)
    else:
        out = pl.Series([None] * len(cells), dtype=pl.Float64)
    return pl.select(pl.when(out.is_finite()).then(out)).to_series().alias(cells.name)


def _once(frame: pl.DataFrame, measured: Sequence[str], name: str, notices: list[str]) -> pl.DataFrame:
    """One row for each exposure, a user's values on all of the user's rows."""
    rows = frame.height
    for column in measured:
        values = pl.col(column).drop_nulls()
        different = frame.group_by("user").agg(n=values.n_unique()).filter(pl.col("n") > 1)
        if different.height:
            user = different["user"].min()
            one, other = frame.filter(pl.col("user") == user)[column].drop_nulls().unique(maintain_order=True)[:2]
            raise InputError(
                f"{name}: column {column!r}: {different.height:,} users have more than one value; user {user!r} has "
                f"{one!r} and {other!r}\n  fix: write one value a user, such as the sum"
            )
    frame = frame.with_columns(pl.col(column).drop_nulls().first().over("user") for column in measured)
    frame = frame.unique(maintain_order=True)
    if frame.height < rows:
        notices.append(f"{rows - frame.height:,} rows say what another says already; they count once")
    # Without any time, or with one time for both arms, both are the earliest.
    time = pl.col("at") if "at" in frame.columns else pl.lit(0)
    earliest = pl.col("arm").filter((time == time.min()).fill_null(time.max().is_null()))
    unclear = frame.group_by("user").agg(arms=earliest.n_unique()).filter(pl.col("arms") > 1)
    if unclear.height:
        raise InputError(
            f"{name}: {unclear.height:,} users are in both arms, and no time says which came first: user "
            f"{unclear['user'].min()!r} is one\n  fix: give the time of each exposure, or one row a user"
        )
    return frame


def _expected(frame: pl.DataFrame, notices: list[str]) -> float | None:
    if "share" not in frame.columns:
        return None
    ordered = frame.sort("at", maintain_order=True, nulls_last=True) if "at" in frame.columns else frame
    shares = ordered.unique("user", keep="first", maintain_order=True)["share"].to_numpy()
    low, high = float(shares.min()), float(shares.max())
    if low != high:
        notices.append(
            f"the share of the new arm was {low:g} for some users and {high:g} for others: the arms hold users of "
            "different times, and users are compared only with those of their own share"
        )
    return float(np.mean(shares))
