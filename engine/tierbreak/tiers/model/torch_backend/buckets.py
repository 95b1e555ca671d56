"""Static shapes for a device that runs nothing else: which keys make a batch, and the batch padded to its shape.

A key's width follows from its own length, and every batch of a width has as many rows. So a key always goes through
products of one shape, whatever keys are beside it; rows that no key takes are padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

#: Widths in tokens. The last one is the longest key that the model reads.
WIDTHS = (8, 16, 32, 64)


class Shape(NamedTuple):
    """Rows (keys) and width (tokens) of a batch."""

    rows: int
    width: int


@dataclass(frozen=True)
class Tokens:
    """The tokens of n keys, end to end.

    flat      int32 [sum of lengths]
    lengths   intp [n], 1 or more each
    """

    flat: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.intp]

    @property
    def starts(self) -> npt.NDArray[np.intp]:
        """Where in `flat` each key begins."""
        return np.cumsum(self.lengths) - self.lengths


def shapes(tokens: int, widths: Sequence[int] = WIDTHS) -> tuple[Shape, ...]:
    """One shape a width, of about `tokens` tokens each.

    >>> shapes(64)
    (Shape(rows=8, width=8), Shape(rows=4, width=16), Shape(rows=2, width=32), Shape(rows=1, width=64))
    """
    return tuple(Shape(max(1, tokens // width), width) for width in sorted(widths))


def plan(lengths: npt.NDArray[np.intp], given: Sequence[Shape]) -> Iterator[tuple[Shape, npt.NDArray[np.intp]]]:
    """Each batch's shape and the positions of its keys, `rows` at most; widest first.

    lengths   [n], none longer than the last shape is wide
    given     by width, ascending

    >>> [(shape.width, at.tolist()) for shape, at in plan(np.array([3, 9, 8, 2]), [Shape(2, 8), Shape(1, 16)])]
    [(16, [1]), (8, [0, 2]), (8, [3])]
    """
    fits = np.searchsorted([shape.width for shape in given], lengths)
    for number in reversed(range(len(given))):
        shape, mine = given[number], np.flatnonzero(fits == number)
        for start in range(0, len(mine), shape.rows):
            yield shape, mine[start : start + shape.rows]


def pack(shape: Shape, positions: npt.NDArray[np.intp], tokens: Tokens) -> npt.NDArray[np.int32]:
    """One batch as int32 [rows, 1 + width]: the length of each key, then its tokens, then zeros.

    A row without a key is one token long, as a softmax over no token at all has no value.

    >>> pack(Shape(2, 3), np.array([1]), Tokens(np.array([101, 102, 101, 7, 102], dtype="int32"), np.array([2, 3])))
    array([[  3, 101,   7, 102],
           [  1,   0,   0,   0]], dtype=int32)
    """
    batch = np.zeros((shape.rows, 1 + shape.width), dtype=np.int32)
    batch[:, 0] = 1
    count, lengths = len(positions), tokens.lengths[positions]
    batch[:count, 0] = lengths
    columns = np.arange(shape.width)
    taken = columns < lengths[:, None]
    batch[:count, 1:][taken] = tokens.flat[(tokens.starts[positions][:, None] + columns)[taken]]
    return batch
