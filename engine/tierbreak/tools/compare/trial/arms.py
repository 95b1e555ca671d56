"""Which arm each user counts for, and what was meant and measured at that moment: exposures, one user a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.errors import InputError

ARMS = ("old", "new")

#: What a column of a metric before the experiment is called: `before_retained` stands beside `retained`.
BEFORE = "before_"

#: Columns of exposures that are no metrics.
_OWN = ("user", "arm", "at", "share", "ramp")


@dataclass(frozen=True, eq=False)
class Users:
    """Every user once, by the first exposure.

    rows     metrics and what they were before, Float64, NaN where there is no finite number; segments, String
    new      bool [n], who is in the new arm
    share    [n], the share of the new arm that was meant when the user came
    moved    users that were in the old arm first and in the new one later; the other way round
    metrics  columns of `rows` that are metrics, in the order of the exposures
    """

    rows: pl.DataFrame
    new: npt.NDArray[np.bool_]
    share: npt.NDArray[np.float64]
    moved: tuple[int, int]
    metrics: tuple[str, ...]
    notices: tuple[str, ...]

    @classmethod
    def of(cls, exposures: pl.DataFrame, segments: Sequence[str], expected: float | None, name: str) -> Users:
        """Read exposures as `experiment` takes them; `expected` stands in where a row has no share, and half for it."""
        notices: list[str] = []
        if wrong := [
            f"no column {column!r}" for column in ("user", "arm", *segments) if column not in exposures.columns
        ]:
            raise InputError(f"{name}: {'; '.join(wrong)}; there are {', '.join(map(repr, exposures.columns))}")
        measured = [
            column
            for column, kind in exposures.schema.items()
            if (kind.is_numeric() or kind == pl.Boolean) and column not in (*_OWN, *segments)
        ]
        frame = _checked(exposures, measured, segments, expected, name, notices)
        told = [pl.col(column).drop_nulls() for column in measured]
        first = frame.group_by("user", maintain_order=True).agg(
            pl.col("arm", "share", *segments).first(),
            *(values.first() for values in told),
            *(values.n_unique().alias(f"n {column}") for column, values in zip(measured, told, strict=True)),
            crossed=pl.col("arm").n_unique() > 1,
        )
        new = (first["arm"] == "new").to_numpy()
        crossed = first["crossed"].to_numpy()
        moved = (int((crossed & ~new).sum()), int((crossed & new).sum()))
        if sum(moved):
            notices.append(f"users seen in both arms: {moved[0]:,} first in the old, {moved[1]:,} first in the new; "
                           "each counts for the first, which draws differences towards 0")  # fmt: skip
        for column in measured:
            if several := int((first[f"n {column}"] > 1).sum()):
                notices.append(f"{column}: {several:,} users have more than one value; the first counts")
        rows = first.select(*(pl.col(column).fill_null(np.nan) for column in measured), *segments)
        metrics = tuple(column for column in measured if not column.startswith(BEFORE))
        alone = [
            column for column in measured if column.startswith(BEFORE) and column.removeprefix(BEFORE) not in metrics
        ]
        notices += [f"{column} stands beside no metric {column.removeprefix(BEFORE)!r}: not used" for column in alone]
        return cls(rows, new, first["share"].to_numpy(), moved, metrics, tuple(notices))


def _checked(
    exposures: pl.DataFrame, measured: Sequence[str], segments: Sequence[str], expected: float | None, name: str,
    notices: list[str],
) -> pl.DataFrame:  # fmt: skip
    """Rows in the order of time: user and arm String, share Float64 without gaps, metrics null where not finite."""
    user = pl.col("user").cast(pl.String)
    whole = exposures.height
    exposures = exposures.filter(user.str.strip_chars() != "")
    if nobody := whole - exposures.height:
        notices.append(f"{nobody:,} exposures name no user and are left out")
    if strange := sorted({str(arm) for arm in exposures["arm"].cast(pl.String).unique()} - set(ARMS)):
        raise InputError(f"{name}: arm {strange[0]!r} is neither 'old' nor 'new'")
    if "at" in exposures.columns:
        exposures = exposures.with_columns(_time(exposures["at"], name)).sort(
            "at", maintain_order=True, nulls_last=True
        )
    share = pl.col("share").cast(pl.Float64) if "share" in exposures.columns else pl.lit(None, pl.Float64)
    value = [pl.col(column).cast(pl.Float64) for column in measured]
    frame = exposures.select(
        user,
        pl.col("arm").cast(pl.String),
        share.alias("share"),
        *(pl.when(one.is_finite()).then(one).alias(column) for one, column in zip(value, measured, strict=True)),
        *(pl.col(segment).cast(pl.String) for segment in segments),
    )
    if expected is None and frame["share"].null_count():
        notices.append("the share of the new arm that was meant is not known: nothing can be said of the split")
    frame = frame.with_columns(pl.col("share").fill_null(0.5 if expected is None else expected))
    outside = frame["share"].filter(~frame["share"].is_between(0, 1))
    if outside.len():
        raise InputError(f"{name}: share {outside[0]:g} is not in 0..1")
    return frame


def _time(at: pl.Series, name: str) -> pl.Series:
    if at.dtype.is_temporal() or at.dtype.is_numeric() or not at.len():
        return at
    read = at.cast(pl.String).str.to_datetime("%+", strict=False)
    if (strange := at.filter(read.is_null() & at.is_not_null())).len():
        raise InputError(f"{name}: at {strange[0]!r} is not a time such as 2026-12-01T09:30:00Z")
    return read.alias(at.name)
