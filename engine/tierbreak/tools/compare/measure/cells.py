"""Three passes over the paired decisions; most figures of a report are counted from the small tables that they leave.

`cells` streams over everything once. `by_key` and `by_user` say how many keys and users something is true of, which
cannot be added up from cells; never more than one bucket's keys, or so many users, are in memory at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl
import polars.selectors as cs

from tierbreak.tools.compare.joint import Joint
from tierbreak.tools.compare.pairs import AGREE, OUTCOMES, SIDES, Pairs

#: What all rows of a cell have in common.
SHARED = (
    "outcome", "old_brand", "new_brand", "old_tier", "new_tier", "old_rule", "new_rule", "old_reason", "new_reason",
)  # fmt: skip

#: Digits of a sum that count.
DIGITS = 12

#: Rows of one pass over users: a pass holds at most so many users.
TOGETHER = 50_000_000

#: Users are sorted by how many changed rows they have: 0, 1, 2 to 5, more. The most of each but the last.
FEW = (0, 1, 5)


def cells(pairs: Pairs) -> pl.DataFrame:
    """All rows, those together that have in common who says what and why; in order of SHARED.

    Beside SHARED, as in PAIR, a cell has

        rows            int64
        n               float64, what its rows count for
        money           float64; a row without money, or with one that is no finite number, adds 0
        no_money        int64, such rows
        rebrands        int64, rows that only a redirect makes agree; `rebrand_n` what they count for
        old_sure        float64, the old side's confidences, each times its row's n; 0 where there are none
        old_sure_n      float64, what the rows with a confidence count for: the mean is old_sure / old_sure_n
        new_sure, new_sure_n
    """
    n, rebrand = pl.col("n"), pl.col("rebrand")
    money = pl.when(pl.col("money").is_finite()).then("money")  # one NaN would leave no figure of money
    sums = [
        pl.len().cast(pl.Int64).alias("rows"),
        n.sum(),
        money.sum().alias("money"),
        money.null_count().cast(pl.Int64).alias("no_money"),
        rebrand.sum().cast(pl.Int64).alias("rebrands"),
        (rebrand * n).sum().alias("rebrand_n"),
    ]
    for side in SIDES:
        sure = pl.col(f"{side}_confidence").cast(pl.Float64)
        sums += [(sure * n).sum().alias(f"{side}_sure"), (sure.is_not_null() * n).sum().alias(f"{side}_sure_n")]
    table = pairs.scan().group_by(SHARED).agg(sums).sort(SHARED).collect(engine="streaming")
    # Threads add up in any order, which shows in a sum's last digits: equal rows are to give equal figures.
    return table.with_columns(cs.float().round_sig_figs(DIGITS))


def total(cells: pl.DataFrame, column: str) -> float:
    """The sum of a column of some cells; 0 where there are none."""
    return float(cells[column].sum())


@dataclass(frozen=True, eq=False)
class ByKey:
    """What is true of how many distinct keys. One key can have several answers, where rules look at amount or country.

    keys       distinct keys
    agree      level of AGREE -> keys of which every row agrees
    outcomes   keys of which at least one row has the outcome, in order of OUTCOMES
    pairs      outcome, old_brand, new_brand, keys: keys of which at least one row is answered so
    brands     brand, keys_old, keys_new, keys_gained, keys_lost, of every brand that a side names, in order of `brand`.
               A side names a brand for a key where it does in at least one of the key's rows. A key is gained for a
               brand where the new side names it and the old one does not, lost the other way round: so
               keys_new - keys_gained = keys_old - keys_lost, the keys for which both do.
    """

    keys: int
    agree: Mapping[str, int]
    outcomes: tuple[int, ...]
    pairs: pl.DataFrame
    brands: pl.DataFrame


def by_key(pairs: Pairs) -> ByKey:
    """Count keys, a bucket at a time."""
    keys, agree = 0, Counter(dict.fromkeys(AGREE, 0))
    outcomes = [0] * len(OUTCOMES)
    answers, brands = [], []
    for bucket in pairs.buckets():
        # The outcome follows from the two brands, so that it adds no rows.
        distinct = (
            bucket.select("key", "old_brand", "new_brand", "outcome")
            .unique(["key", "old_brand", "new_brand"])
            .collect(engine="streaming")
        )
        alone = distinct["key"].is_unique()
        # Nearly every key has one answer of each side: those are counted as they stand, the few others key by key.
        single, several = distinct.filter(alone), distinct.filter(~alone)
        keys += single.height + several["key"].n_unique()
        answers.append(distinct.group_by("outcome", "old_brand", "new_brand").agg(keys=pl.len().cast(pl.Int64)))
        for frame in (single, several.unique(["key", "outcome"])):
            for outcome, found in frame["outcome"].value_counts().iter_rows():
                outcomes[outcome] += found
        for level, agreeing in AGREE.items():
            fine = pl.col("outcome").is_in(agreeing)
            agree[level] += single.select(fine.sum()).item()
            agree[level] += int(several.group_by("key").agg(fine.all())["outcome"].sum())
        brands += [*_named(single.select(named_old="old_brand", named_new="new_brand")), *_named_of_several(several)]
    counted = _added(answers, ["outcome", "old_brand", "new_brand"])
    of_brand = _added(brands, ["brand"]).filter(pl.col("brand") >= 0)
    return ByKey(
        keys, dict(agree), tuple(outcomes), counted,
        of_brand.select(
            "brand", "keys_old", "keys_new", keys_gained=pl.col("keys_new") - pl.col("keys_both"),
            keys_lost=pl.col("keys_old") - pl.col("keys_both"),
        ),
    )  # fmt: skip


_NAMED = ("keys_old", "keys_new", "keys_both")


def _counts(brand: pl.Series, column: str) -> pl.DataFrame:
    """brand and _NAMED: how often a brand stands in a column, as one of the three counts."""
    zeros = [pl.lit(0, pl.Int64).alias(name) for name in _NAMED if name != column]
    counted = brand.alias("brand").to_frame().group_by("brand").agg(pl.len().cast(pl.Int64).alias(column))
    return counted.with_columns(zeros).select("brand", *_NAMED)


def _named(single: pl.DataFrame) -> list[pl.DataFrame]:
    both = single.filter(pl.col("named_old") == pl.col("named_new"))
    return [
        _counts(single["named_old"], "keys_old"),
        _counts(single["named_new"], "keys_new"),
        _counts(both["named_new"], "keys_both"),
    ]


def _named_of_several(several: pl.DataFrame) -> list[pl.DataFrame]:
    old = several.select("key", brand="old_brand").unique()
    new = several.select("key", brand="new_brand").unique()
    both = old.join(new, on=["key", "brand"], how="semi")
    return [_counts(frame["brand"], column) for frame, column in zip((old, new, both), _NAMED, strict=True)]


def _added(parts: Iterable[pl.DataFrame], by: list[str]) -> pl.DataFrame:
    return pl.concat(parts).group_by(by).sum().sort(by)


@dataclass(frozen=True)
class Users:
    """What changes for how many users; each counts once, whatever the weights of rows.

    users           users that the traffic names
    rows_without    rows that name none: they are in no figure of users
    changed         level of AGREE -> users with at least one row on which the sides do not agree
    spread          level -> users with no such row, one, two to five, more
    """

    users: int
    rows_without: int
    changed: Mapping[str, int]
    spread: Mapping[str, tuple[int, int, int, int]]


def by_user(pairs: Pairs) -> Users:
    """Count users; those of TOGETHER rows at a time, chosen by their hash."""
    rows, rows_without = pairs.scan().select(pl.len(), without=pl.col("user").null_count()).collect().row(0)
    passes = -(-rows // TOGETHER) or 1
    spread = {level: [0] * (len(FEW) + 1) for level in AGREE}
    differs = [(~pl.col("outcome").is_in(fine)).cast(pl.UInt32).alias(level) for level, fine in AGREE.items()]
    for turn in range(passes if rows_without < rows else 0):
        mine = pl.col("user").is_not_null() & (pl.col("user") % passes == turn)
        few = [_how_many(pl.col(level).sum()).alias(level) for level in AGREE]
        found = (
            pairs.scan().filter(mine).select("user", *differs).group_by("user").agg(few)
            .group_by(*AGREE).len().collect(engine="streaming")
        )  # fmt: skip
        for row in found.iter_rows(named=True):
            for level in AGREE:
                spread[level][row[level]] += row["len"]
    users = sum(spread["exact"])
    return Users(
        users, rows_without, {level: users - counts[0] for level, counts in spread.items()},
        {level: (counts[0], counts[1], counts[2], counts[3]) for level, counts in spread.items()},
    )  # fmt: skip


def _how_many(rows: pl.Expr) -> pl.Expr:
    """The place in a spread: how many of FEW are exceeded."""
    return pl.sum_horizontal((rows > most).cast(pl.UInt8) for most in FEW)


#: What is shown where a side abstains.
NO_ANSWER = "no answer"


def shown(joint: Joint) -> tuple[str, ...]:
    """Each brand's name, and last, where -1 finds it, NO_ANSWER. Where two brands have one name, their ids stand by."""
    often = Counter([*joint.names, NO_ANSWER])
    named = zip(joint.names, joint.ids, strict=True)
    return (*(name if often[name] == 1 else f"{name} ({id})" for name, id in named), NO_ANSWER)
