"""What may have been meant by a name that is not known."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Iterable

#: Faults of a kind that are told what may have been meant; looking costs as many steps as there are names.
TOLD = 10
#: Names that share most with the one asked about, which are then compared letter by letter.
_CLOSE = 50


def nearest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """The names most like `name`, the best first; none where none is like it.

    >>> nearest("starbuks", ["costco", "starbucks", "starbucks-reserve"])
    ['starbucks', 'starbucks-reserve']
    """
    pairs = _pairs(name)
    # difflib compares each pair of letters of two names, which takes minutes for 100,000 of them.
    shared = heapq.nlargest(_CLOSE, ((len(pairs & _pairs(each)) / (len(each) + 1), each) for each in known))
    return difflib.get_close_matches(name, [each for _, each in shared], n=n)


def _pairs(name: str) -> set[str]:
    padded = f" {name} "
    return {padded[at : at + 2] for at in range(len(padded) - 1)}
