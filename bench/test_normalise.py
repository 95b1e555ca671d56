"""The normaliser; definitions/normalise.toml says what is measured."""

from __future__ import annotations

import polars as pl

from bench import haystacks
from tierbreak.core.normalise import normalise


def test_normalise(measure, size, books):
    found = haystacks.descriptors(size.units, books(size.make["brands"])[0], matched=0.5)
    texts = pl.Series(haystacks.untidy(found.texts))
    folded, names = pl.Series(found.texts), pl.Series(found.names)

    def answer(out):
        return {"folded": (out["folded"] == folded).sum(), "named": (out["key"] == names).sum()}

    measure(lambda: normalise(texts), answer)
