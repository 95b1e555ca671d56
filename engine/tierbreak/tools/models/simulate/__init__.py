"""Labelled, realistic traffic from the registry: what training, benches and load tests read.

    registry (+ what rule authors wrote) -> heads -> bodies -> shapes -> rows

The same arguments give the same rows on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from tierbreak.core.tables import schema
from tierbreak.registry import Registry
from tierbreak.rulebook import Rulebook
from tierbreak.tools.models.simulate.authored import EXAMPLES, examples, written
from tierbreak.tools.models.simulate.draw import Draw
from tierbreak.tools.models.simulate.names import bodies, by_row, damaged
from tierbreak.tools.models.simulate.no_brand import KINDS, Nobody
from tierbreak.tools.models.simulate.prefixes import SPLITS, heads
from tierbreak.tools.models.simulate.shapes import AFAR, BILLS, PHONE, SHAPES, SOURCES, chosen, fields

__all__ = ["EXAMPLES", "SPLITS", "TRAFFIC", "Draw", "Simulator", "examples", "written"]

Split = Literal["train", "calibration", "test"]

#: One row a transaction. `brand` is null where there is none, and then `kind` says what there is; for a brand `kind` is
#: that of its head. `amount` is negative for money that goes out.
TRAFFIC = schema(
    descriptor=pl.String, amount=pl.Float64, source=pl.String, brand=pl.String, kind=pl.String, format=pl.String
)

#: Rows are made so many at once: the bound on memory, and part of what the seed means.
CHUNK = 100_000

#: Sectors of brands that sell for others and name the seller behind their own name.
_SELLERS = ("charity", "delivery", "entertainment", "payments", "social")

#: The share of names that somebody shortened in a way of his own.
_DAMAGED = 0.09


@dataclass(frozen=True)
class Simulator:
    """Makes traffic of a registry's brands.

    registry   whose brands
    table      HEADS, the heads of its brands
    nobody     where texts without a brand come from

    >>> from tierbreak.bundle import shipped
    >>> one = Simulator.of(Registry.load(shipped() / "rules" / "brands.csv"))
    >>> rows = one.traffic(1_000, seed=1)
    >>> rows.height, rows.schema == TRAFFIC, rows.equals(one.traffic(1_000, seed=1))
    (1000, True, True)
    """

    registry: Registry
    table: pl.DataFrame
    nobody: Nobody

    @classmethod
    def of(cls, registry: Registry, book: Rulebook | None = None, sources: Path | None = None) -> Simulator:
        """For a registry, with the heads that a rulebook asks for and the lists that stand in rules/sources.

        sources   folder with generic.txt, brands called like common words; drop.csv and elsewhere.txt, companies that
                  the registry leaves out
        """
        table = heads(registry, written(book) if book else None)
        common, unlisted = _lists(sources)
        return cls(registry, table, Nobody.of(registry, common, unlisted))

    def traffic(
        self, rows: int, *, seed: int = 0, no_brand: float = 0.35, split: Split | None = None, even: float = 0.0
    ) -> pl.DataFrame:
        """TRAFFIC [rows].

        seed       any whole number from 0; equal seeds give equal rows
        no_brand   0..1, the share of rows without a brand
        split      heads of this split only, None is all. `train` has no shape of shapes.HELD_OUT
        even       0..1: 0 is popularity as it is, 1 every brand alike; between, its power 1 - even
        """
        parts = list(self.chunks(rows, seed=seed, no_brand=no_brand, split=split, even=even))
        return pl.concat(parts) if parts else pl.DataFrame(schema=TRAFFIC)

    def chunks(
        self, rows: int, *, seed: int = 0, no_brand: float = 0.35, split: Split | None = None, even: float = 0.0
    ) -> Iterator[pl.DataFrame]:
        """The rows of `traffic`, CHUNK at a time."""
        table = self.table if split is None else self.table.filter(pl.col("split") == split)
        weights = table["weight"].to_numpy()
        if even:
            whole = table.select(pl.col("weight").sum().over("brand")).to_series().to_numpy()
            weights = weights / whole * whole ** (1.0 - even)
        for at, start in enumerate(range(0, rows, CHUNK)):
            yield self._chunk(min(CHUNK, rows - start), Draw(seed, at), table, weights, no_brand, split)

    def _chunk(
        self, n: int, draw: Draw, table: pl.DataFrame, weights: np.ndarray, no_brand: float, split: Split | None
    ) -> pl.DataFrame:
        branded = ~draw.happens(n, no_brand)
        kinds = np.array(list(KINDS))[draw.weighted(n, list(KINDS.values()))]
        picked = table[draw.weighted(n, weights)]
        sector = pl.Series([brand.sector for brand in self.registry.brands])[picked["brand"]].to_numpy()
        frame = fields(n, draw).with_columns(
            name=self._names(n, draw, branded, kinds, picked["head"]),
            other=self.nobody.local(n, draw).str.replace_all(" ", "").str.head(11),
        )
        sources, shapes = chosen(
            n,
            branded & np.isin(sector, list(BILLS)),
            draw,
            held_out=None if split is None else False if split == "train" else None,
        )
        afar = draw.shares(n) < np.array([AFAR.get(one, 0.04) for one in sector])
        stars = np.array([habit for _, habit in SOURCES.values()])[sources]
        frame = frame.with_columns(
            slot=self._slots(frame, picked["brand"], afar & branded, draw),
            body=bodies(frame, branded, afar, np.isin(sector, _SELLERS), stars, draw),
        )
        descriptor = pl.Series([""] * n)
        for at, shape in enumerate(SHAPES.values()):
            rows = np.flatnonzero(shapes == at)
            if len(rows):
                descriptor = descriptor.scatter(rows, frame[rows].select(shape.text).to_series())
        whole = np.flatnonzero(~branded & (kinds == "not-a-merchant"))
        descriptor = descriptor.scatter(whole, frame["name"][whole])
        format = pl.Series(list(SHAPES))[shapes].scatter(whole, "none")
        ids = pl.Series(self.registry.ids)[picked["brand"]]
        no = pl.Series(~branded)
        return pl.DataFrame({
            "descriptor": descriptor.str.strip_chars(),
            "amount": -np.round(np.exp(1.0 + 3.0 * draw.shares(n) + 0.8 * (draw.shares(n) - 0.5)), 2),
            "source": pl.Series(list(SOURCES))[sources],
            "brand": pl.select(pl.when(no).then(None).otherwise(ids)).to_series(),
            "kind": pl.Series(kinds).zip_with(no, picked["kind"]),
            "format": format,
        }, schema=TRAFFIC)  # fmt: skip

    def _names(self, n: int, draw: Draw, branded: np.ndarray, kinds: np.ndarray, head: pl.Series) -> pl.Series:
        """The head of each row's text: a brand's, or an invented one that is no brand's."""
        names = head
        makers = {
            "local": self.nobody.local, "look-alike": self.nobody.look_alike, "unlisted": self.nobody.not_listed,
            "not-a-merchant": self.nobody.no_merchant,
        }  # fmt: skip
        for kind, make in makers.items():
            rows = np.flatnonzero(~branded & (kinds == kind))
            if len(rows):
                made = make(len(rows), draw)
                if kind != "not-a-merchant":
                    taken = made.str.replace_all("[^A-Z0-9]", "").is_in(pl.Series(sorted(self.nobody.names)).implode())
                    made = made.zip_with(~taken, made + " OF THE VALLEY")
                names = names.scatter(rows, made)
        hit = np.flatnonzero(draw.happens(n, _DAMAGED) & (branded | (kinds != "not-a-merchant")))
        return names.scatter(hit, damaged(names[hit], draw))

    def _slots(self, frame: pl.DataFrame, brand: pl.Series, afar: np.ndarray, draw: Draw) -> pl.Series:
        """What stands in the city field of brands that bill from afar, "" elsewhere."""
        domains = pl.Series([(one.domain or "").upper() for one in self.registry.brands])[brand]
        part = frame.with_columns(domain=domains)
        which = np.where(afar, 1 + draw.below(frame.height, 4), 0)
        which = np.where((which > 2) & (domains == "").to_numpy(), 1, which)
        digits = pl.concat_str("area", "exchange", "line")
        return by_row(
            part, [pl.lit(""), PHONE, digits, pl.col("domain"), pl.format("{}/BILL", pl.col("domain"))], which
        )


def _lists(sources: Path | None) -> tuple[list[str], list[str]]:
    """Ids of brands called like common words, and names of companies that the registry leaves out."""
    if sources is None or not sources.is_dir():
        return [], []
    lines = (sources / "generic.txt").read_text(encoding="utf-8").splitlines()
    dropped = pl.read_csv(sources / "drop.csv", infer_schema=False)
    foreign = dropped.filter(pl.col("why").str.contains("does not sell"))["name"].to_list()
    elsewhere = (sources / "elsewhere.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")], foreign + elsewhere
