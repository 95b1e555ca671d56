"""What a model learns from: simulated traffic and what rule authors wrote down, as keys with their labels.

    python -m tierbreak.tools.models.training.examples --rounds 2 --out FILE.parquet

writes them for the bag of words, which then learns from what the BERT learned from: columns `key` and `label`, a brand
id or null. The keys of the shipped gold set and calibration split are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from tierbreak.bundle import shipped
from tierbreak.core.normalise import normalise
from tierbreak.core.tables import NO_BRAND_LABEL, NOT_A_MERCHANT_LABEL, schema
from tierbreak.errors import InputError
from tierbreak.files import atomic
from tierbreak.tools.models.simulate import Draw, Simulator, examples
from tierbreak.tools.models.simulate.inputs import Inputs

#: One row a distinct key. `label` is a position among the labels, or a reserved one.
EXAMPLES = schema(key=pl.String, label=pl.Int32)

#: Simulated rows of one round: about half of them are distinct keys.
ROUND = 400_000

#: How even brands are in training: 0 is traffic as it is, in which the tail is never seen, 1 every brand alike.
EVEN = 0.65

#: How often each of the rule authors' examples stands in a round, once as it is, then with a letter lost.
_WRITTEN_TIMES = 3


@dataclass(frozen=True)
class Examples:
    """Makes rounds of examples.

    labels     brand ids, in the order of the head
    simulator  of traffic; its split `train` is used
    written    EXAMPLES: what rule authors wrote down
    extra      EXAMPLES: what the rules settled in a user's own traffic
    kept_out   keys that no example may have: those of gold and calibration
    """

    labels: Sequence[str]
    simulator: Simulator
    written: pl.DataFrame
    extra: pl.DataFrame
    kept_out: frozenset[str]

    @classmethod
    def of(cls, inputs: Inputs, kept_out: Collection[str], settled: pl.DataFrame | None = None) -> Examples:
        """Of all active brands of the registry. `settled`: descriptor and brand of rows that rules settled."""
        labels = [id for id in inputs.registry.ids if inputs.registry[id].status == "active"]
        simulator = Simulator.of(inputs.registry, inputs.book, inputs.lists)
        reserved = pl.when(pl.col("merchant")).then(NO_BRAND_LABEL).otherwise(NOT_A_MERCHANT_LABEL)
        written = _labelled(examples(inputs.book), labels, reserved)
        extra = settled if settled is not None else pl.DataFrame(schema={"descriptor": pl.String, "brand": pl.String})
        return cls(labels, simulator, written, _labelled(extra, labels, pl.lit(None)), frozenset(kept_out))

    def round(
        self,
        number: int,
        *,
        rows: int | None = None,
        no_brand: float = 0.3,
        split: Literal["train", "calibration", "test"] = "train",
    ) -> pl.DataFrame:
        """EXAMPLES of one round in mixed order; every number gives others, the same number the same."""
        traffic = self.simulator.traffic(
            rows or ROUND, seed=1_000_003 * (number + 1) + len(split), no_brand=no_brand, split=split, even=EVEN
        )
        reserved = pl.when(pl.col("kind") == "not-a-merchant").then(NOT_A_MERCHANT_LABEL).otherwise(NO_BRAND_LABEL)
        parts = [_labelled(traffic, self.labels, reserved)]
        draw = Draw(number, 77)
        if split == "train":
            parts += [self.extra, self.written]
            parts += [_damaged(self.written, draw) for _ in range(_WRITTEN_TIMES - 1)]
        whole = pl.concat(parts)
        if self.kept_out:
            whole = whole.filter(~pl.col("key").is_in(pl.Series(sorted(self.kept_out)).implode()))
        # A key that is a brand's is no nobody's: invented names hit upon a brand's now and then.
        whole = (
            whole.unique(maintain_order=True)
            .sort(pl.col("label") < 0, maintain_order=True)
            .unique("key", keep="first", maintain_order=True)
        )
        return whole[np.argsort(draw.shares(whole.height), kind="stable")]


def calibration_file() -> Path:
    """The shipped calibration split."""
    return shipped() / "models" / "us-brands" / "calibration.tsv"


def gold_files() -> list[Path]:
    """The shipped gold sets."""
    return [path for path in (shipped() / "models" / "gold.tsv",) if path.is_file()]


def keys_of(path: Path) -> frozenset[str]:
    """The keys of a TSV's `descriptor` column. Raises InputError."""
    try:
        rows = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)
        return frozenset(normalise(rows["descriptor"])["key"].to_list())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: cannot be read: {error}; expected a TSV with a column `descriptor`") from None


def _labelled(rows: pl.DataFrame, labels: Sequence[str], reserved: pl.Expr) -> pl.DataFrame:
    """EXAMPLES of rows with `descriptor` and `brand`; a null brand is what `reserved` says, unknown ones go."""
    index = pl.DataFrame({"brand": list(labels)}).with_row_index("label").with_columns(pl.col("label").cast(pl.Int32))
    keys = normalise(rows["descriptor"])["key"]
    return (
        rows.with_columns(keys)
        .join(index, on="brand", how="left", maintain_order="left")
        .with_columns(label=pl.when(pl.col("brand").is_null()).then(reserved).otherwise("label").cast(pl.Int32))
        .filter(pl.col("label").is_not_null() & (pl.col("key") != ""))
        .select("key", "label")
    )


def _damaged(rows: pl.DataFrame, draw: Draw) -> pl.DataFrame:
    """The keys with one of their letters lost, or cut short by a few."""
    n = rows.height
    at = 1 + draw.below(n, 16)
    keys = rows.with_columns(at=pl.Series(at), cut=pl.Series(draw.happens(n, 0.3)))
    lost = pl.col("key").str.slice(0, pl.col("at")) + pl.col("key").str.slice(pl.col("at") + 1)
    short = pl.col("key").str.head(-pl.col("at") % 5 - 1).str.strip_chars_end()
    long = pl.col("key").str.len_chars() > 9
    return keys.select(
        pl.when(pl.col("cut") & long).then(short).when(long).then(lost).otherwise("key").alias("key"), "label"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tierbreak.tools.models.training.examples", description="Write examples."
    )
    parser.add_argument("--rounds", type=int, default=2, help="how many rounds; a round has about 250,000 keys")
    parser.add_argument("--out", type=Path, required=True, help="the Parquet file to write")
    given = parser.parse_args()
    made = Examples.of(Inputs.find(), frozenset().union(*map(keys_of, (calibration_file(), *gold_files()))))
    ids = pl.Series([*made.labels, None], dtype=pl.String)
    rounds = pl.concat([made.round(number) for number in range(given.rounds)])
    label = rounds["label"].to_numpy()
    with atomic.writing(given.out) as file:
        rounds.with_columns(label=ids[np.where(label < 0, len(made.labels), label)]).write_parquet(file)


if __name__ == "__main__":
    main()
