"""How often brands are met: a hand-made order of the head, and a Zipf tail behind it."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from tierbreak.registry import Registry
from tierbreak.tools.models.simulate.lists import words

#: The brands that US statements are full of, most frequent first.
HEAD = words("popular")

#: Registry brands whose texts are payments between people or of a card's bill: no merchant's, never simulated as one.
BETWEEN_PEOPLE = frozenset({"apple-card", "apple-cash", "cash-app", "popmoney", "venmo", "zelle"})

#: Share of transactions that the head's order gives away by Zipf's law, rank by rank; the tail goes on from there.
EXPONENT = 1.0


def popularity(registry: Registry) -> npt.NDArray[np.float64]:
    """float64 [brands], summing to 1: how large a share of branded traffic each live brand has; 0 where
    it is not live, and for BETWEEN_PEOPLE.

    The head stands in the order of HEAD. Behind it come brands with more aliases first, for people wrote down the
    spellings of what they meet; brands alike in that stand in an order that a hash makes.

    Source of the law: Zipf 1949; that purchases by merchant follow one is common in card data, the exponent is a guess.
    """
    rank = {id: at for at, id in enumerate(dict.fromkeys(HEAD))}

    def place(index: int) -> tuple[int, int, str]:
        brand = registry.brands[index]
        return (
            rank.get(brand.id, len(rank)),
            -min(len(brand.aliases), 4),
            hashlib.blake2b(brand.id.encode(), digest_size=8).hexdigest(),
        )

    live = [
        at
        for at, id in enumerate(registry.ids)
        if registry.live[at] and registry.redirect[at] == at and id not in BETWEEN_PEOPLE
    ]
    weights = np.zeros(len(registry))
    weights[sorted(live, key=place)] = 1.0 / (np.arange(len(live)) + 4.0) ** EXPONENT
    return weights / weights.sum()
