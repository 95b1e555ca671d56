"""Words as small numbers, given out as the words come."""

from __future__ import annotations

import polars as pl


class Codes:
    """A list of distinct words that grows.

    >>> codes = Codes()
    >>> codes.of(pl.Series(["UBER", None, "LYFT", "UBER"])).to_list(), codes.values
    ([0, -1, 1, 0], ['UBER', 'LYFT'])
    >>> codes.words(pl.Series([1, -1, 0])).to_list()
    ['LYFT', None, 'UBER']
    """

    def __init__(self) -> None:
        self.values: list[str] = []
        self._at: dict[str, int] = {}

    def of(self, words: pl.Series) -> pl.Series:
        """Int32: the number of each word, -1 for null; new words get the next numbers."""
        distinct = words.unique(maintain_order=True).drop_nulls().to_list()
        for word in distinct:
            if word not in self._at:
                self._at[word] = len(self.values)
                self.values.append(word)
        if not distinct:
            return pl.repeat(-1, len(words), dtype=pl.Int32, eager=True)
        return words.replace_strict(
            distinct, [self._at[word] for word in distinct], default=-1, return_dtype=pl.Int32
        ).fill_null(-1)

    def words(self, numbers: pl.Series) -> pl.Series:
        """The word of each number; null for -1 and for null."""
        words = pl.Series([*self.values, None], dtype=pl.String)
        at = numbers.fill_null(-1)
        return words.gather(pl.select(pl.when(at >= 0).then(at).otherwise(len(self.values))).to_series())
