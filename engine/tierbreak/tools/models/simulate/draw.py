"""Draws that come out the same for the same seed on every machine and version of numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Draw:
    """A stream of draws. All of them are made from uniform doubles: how numpy makes those of PCG64's bits is
    promised to stay, how it makes its other distributions is not.

    >>> Draw(1).below(3, 10).tolist(), Draw(1).below(3, 10).tolist() == Draw(1).below(3, 10).tolist()
    ([5, 9, 1], True)
    """

    def __init__(self, *seed: int) -> None:
        self._random = np.random.Generator(np.random.PCG64(seed)).random

    def shares(self, n: int) -> npt.NDArray[np.float64]:
        """float64 [n], uniform in [0, 1)."""
        return self._random(n)

    def below(self, n: int, high: int) -> Ints:
        """int64 [n], uniform in 0 ..< high."""
        return (self._random(n) * high).astype(np.int64)

    def weighted(self, n: int, weights: Sequence[float] | npt.NDArray[np.float64]) -> Ints:
        """int64 [n], positions in `weights`, each as often as its weight says."""
        steps = np.cumsum(np.asarray(weights, dtype=np.float64))
        return np.searchsorted(steps, self._random(n) * steps[-1], side="right").clip(max=len(steps) - 1)

    def happens(self, n: int, share: float) -> npt.NDArray[np.bool_]:
        """bool [n], true for about `share` of them."""
        return self._random(n) < share
