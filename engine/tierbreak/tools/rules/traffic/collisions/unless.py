"""Words for an `unless`: they stand in the texts that a rule should not have, and never in its own."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

#: Words that one `unless` may need.
MOST_WORDS = 3
#: A word of no rule's match says something only where it stands in so many different texts, and is no state's code.
LEAST_TEXTS, LEAST_LETTERS = 5, 4
#: Words that are looked at, most texts first.
_LOOKED_AT = 60
_TOKEN = r"[A-Z][A-Z']*[A-Z]"


def words(wrong: Sequence[str], right: pl.Series, near: frozenset[str]) -> tuple[str, ...]:
    """The fewest words found, at most MOST_WORDS, that together stand in every wrong text and in no right one.

    wrong   distinct folded texts
    right   String, distinct folded texts
    near    words of what the other rules found in the wrong texts: they say most

    >>> right = pl.Series(["UBER TRIP", "UBER RIDE"])
    >>> words(["UBER EATS SF", "UBER EATS NY"], right, frozenset({"EATS"}))
    ('EATS',)
    """
    have = pl.Series("text", list(wrong), dtype=pl.String).to_frame().with_row_index("at")
    tokens = (
        have.select("at", pl.col("text").str.extract_all(_TOKEN).list.unique().alias("word"))
        .explode("word")
        .drop_nulls()
    )
    counted = tokens.group_by("word").agg(pl.col("at"), pl.len().alias("texts"))
    counted = counted.filter(
        pl.col("word").is_in(list(near))
        | ((pl.col("texts") >= LEAST_TEXTS) & (pl.col("word").str.len_chars() >= LEAST_LETTERS))
    )
    ranked = counted.with_columns(near=pl.col("word").is_in(list(near)), long=pl.col("word").str.len_chars()).sort(
        ["texts", "near", "long", "word"], descending=[True, True, True, False]
    )[:_LOOKED_AT]
    places = {word: set(at) for word, at in zip(ranked["word"].to_list(), ranked["at"].to_list(), strict=True)}
    clear: dict[str, bool] = {}
    left = set(range(have.height))
    chosen: list[str] = []
    while left and len(chosen) < MOST_WORDS:
        best = None
        for word in sorted(places, key=lambda word: -len(places[word] & left)):  # stable: the rank stays
            if not places[word] & left:
                break
            if word not in clear:
                clear[word] = not right.str.contains(rf"\b{word}\b").any()
            if clear[word]:
                best = word
                break
        if best is None:
            return ()
        chosen.append(best)
        left -= places[best]
    return tuple(chosen) if not left else ()
