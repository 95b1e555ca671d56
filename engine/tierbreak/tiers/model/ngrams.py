"""Key -> hashed n-grams: what the bag of words sees of a text. The same code in training and in use.

A feature is one of SIZE numbers: the 64-bit FNV-1a hash, over code points, of
  - every 2 to 5 characters of a word with a space before and behind it (" UBER " -> " U", "UB", ..., "UBER ")
  - every word and every two neighbouring words, with `=` before them ("=UBER", "=UBER EATS")
folded to BITS by exclusive or. A feature counts once, however often it stands in a text.

Source: Fowler, Noll, Vo and Eastlake, "The FNV Non-Cryptographic Hash Algorithm". For ASCII a code point is an octet,
so that the published test values hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

#: Bits of a feature, and how many features there are.
BITS = 18
SIZE = 1 << BITS

#: Characters in an n-gram, least and most.
SHORTEST, LONGEST = 2, 5

#: The name of what this file does: a model says by it how it was hashed. Change one and the other must follow.
HASHING = f"fnv1a-64 over code points, folded to {BITS} bits; characters {SHORTEST}-{LONGEST} in words, words 1-2"

_BASIS, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_SPACE, _MARK = np.uint64(32), np.uint64(ord("="))

Hashes = npt.NDArray[np.uint64]


def fnv1a(text: str) -> int:
    """The 64-bit FNV-1a hash of a text's code points: what the arrays below hold, one text at a time.

    >>> hex(fnv1a("a")), hex(fnv1a("foobar"))
    ('0xaf63dc4c8601ec8c', '0x85944171f73967e8')
    """
    value = int(_BASIS)
    for character in text:
        value = (value ^ ord(character)) * int(_PRIME) & 0xFFFFFFFFFFFFFFFF
    return value


def fold(hashes: Hashes) -> npt.NDArray[np.int32]:
    """Hashes -> features, 0 up to SIZE.

    >>> fold(np.array([1, 1 << 18, (5 << 36) + 5], dtype="uint64")).tolist()
    [1, 1, 0]
    """
    bits = np.uint64(BITS)
    folded = hashes ^ (hashes >> bits) ^ (hashes >> (bits + bits)) ^ (hashes >> (bits + bits + bits))
    return (folded & np.uint64(SIZE - 1)).astype(np.int32)


@dataclass(frozen=True)
class Ngrams:
    """The features of n texts: text i has features[starts[i]:starts[i + 1]], ascending, each once."""

    starts: npt.NDArray[np.int64]
    features: npt.NDArray[np.int32]

    @classmethod
    def of(cls, texts: pl.Series) -> Ngrams:
        """The features of each text (String [n], no nulls); a text without words has none.

        >>> one, two = (Ngrams.of(pl.Series([text])).features.tolist() for text in ("A", " A  A"))
        >>> len(one), len(two), set(one) < set(two)
        (4, 5, True)
        """
        words = texts.str.split(" ").alias("word").to_frame().with_row_index("text").explode("word")
        words = words.filter(pl.col("word") != "")
        text = words["text"].to_numpy().astype(np.int64)
        # Every word with a space before and behind it, one behind the other.
        points = np.frombuffer("".join(f" {word} " for word in words["word"]).encode("utf-32-le"), np.uint32)
        length = words["word"].str.len_chars().to_numpy().astype(np.int64) + 2
        first = np.cumsum(length) - length
        pairs = [
            *_characters(points.astype(np.uint64), text, length, first),
            *_words(points.astype(np.uint64), text, length - 2, first + 1),
        ]
        owner = np.concatenate([owner for owner, _ in pairs])
        feature = np.concatenate([fold(hashes) for _, hashes in pairs])
        both = np.sort(owner << BITS | feature)  # not np.unique, which hashes first: a hundred times the time
        both = both[np.append(True, both[1:] != both[:-1])[: len(both)]]
        starts = np.searchsorted(both >> BITS, np.arange(len(texts) + 1))
        return cls(starts, (both & (SIZE - 1)).astype(np.int32))


def _step(hashes: Hashes, points: Hashes | np.uint64) -> Hashes:
    return (hashes ^ points) * _PRIME


def _characters(
    points: Hashes, text: npt.NDArray[np.int64], length: npt.NDArray[np.int64], first: npt.NDArray[np.int64]
) -> list[tuple[npt.NDArray[np.int64], Hashes]]:
    """(text, hash) of every n-gram of characters; a window grows by one character at a time and ends with its word."""
    at = np.arange(len(points))
    left = np.repeat(first + length, length) - at
    owner = np.repeat(text, length)
    hashes = np.full(len(points), _BASIS)
    out = []
    for n in range(1, LONGEST + 1):
        inside = left[at] >= n
        at, hashes = at[inside], hashes[inside]
        hashes = _step(hashes, points[at + n - 1])
        if n >= SHORTEST:
            out.append((owner[at], hashes))
    return out


def _words(
    points: Hashes, text: npt.NDArray[np.int64], length: npt.NDArray[np.int64], first: npt.NDArray[np.int64]
) -> list[tuple[npt.NDArray[np.int64], Hashes]]:
    """(text, hash) of every word, and of every word with the next one of its text."""

    def onward(hashes: Hashes, which: npt.NDArray[np.int64]) -> Hashes:
        """The hashes, each with the characters of one more word."""
        hashes = hashes.copy()
        for place in range(int(length[which].max(initial=0))):
            long = np.flatnonzero(length[which] > place)
            hashes[long] = _step(hashes[long], points[first[which[long]] + place])
        return hashes

    every = np.arange(len(text))
    one = onward(_step(np.full(len(text), _BASIS), _MARK), every)
    paired = every[:-1][text[:-1] == text[1:]]
    return [(text, one), (text[paired], onward(_step(one[paired], _SPACE), paired + 1))]
