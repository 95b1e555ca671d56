"""The head without training: each brand's names, embedded, are its prototypes."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.registry.reader import Brand

Floats = npt.NDArray[np.float32]

#: Prototypes a brand: its name, the mean of its aliases, and its name squeezed. One mean of all blurs `Starbucks` and
#: `SBUX`; sorting aliases into groups by k-means brought no more on the calibration split. The squeezed name costs
#: half a point of best labels there and finds a third more of the brands that card data has shortened.
PROTOTYPES = 3


def names(brands: Sequence[Brand]) -> tuple[list[str], npt.NDArray[np.intp]]:
    """The distinct keys of each brand's name and aliases, name first; beside each the brand's position."""
    texts = [(name, at) for at, brand in enumerate(brands) for name in (brand.name, *brand.aliases)]
    keys = normalise(pl.Series([name for name, _ in texts]))["key"].to_list()
    # A name of signs only leaves an empty key: its own letters are better than nothing.
    pairs = dict.fromkeys((key or name, at) for key, (name, at) in zip(keys, texts, strict=True))
    return [key for key, _ in pairs], np.array([at for _, at in pairs], dtype=np.intp)


def squeeze(key: str) -> str:
    """A name as card data shortens it: vowels inside words dropped, doubled letters one, CK a K.

    >>> squeeze("PANERA BREAD"), squeeze("CRACKER BARREL"), squeeze("DELL")
    ('PNR BRD', 'CRKR BRL', 'DL')
    """
    words = [word if len(word) <= 2 else word[0] + re.sub("[AEIOU]", "", word[1:]) for word in key.split()]
    return re.sub(r"(.)\1", r"\1", re.sub("CK", "K", " ".join(words)))


def prototypes(embeddings: Floats, owner: npt.NDArray[np.intp], squeezed: Floats) -> Floats:
    """The head's rows.

    embeddings   float32 [names, d]   of unit length, in the order of `owner`, each brand's own name first
    owner        [names]              position of the brand, ascending, every brand at least once
    squeezed     float32 [brands, d]  of unit length: each brand's own name, squeezed
    returns      float32 [PROTOTYPES, brands, d], of unit length; a brand without aliases repeats its name

    >>> short = np.array([[0, -1], [0, 1]], dtype="float32")
    >>> prototypes(np.array([[1, 0], [0, 1], [-1, 0]], dtype="float32"), np.array([0, 0, 1]), short).tolist()
    [[[1.0, 0.0], [-1.0, 0.0]], [[0.0, 1.0], [-1.0, 0.0]], [[0.0, -1.0], [0.0, 1.0]]]
    """
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    head = np.empty((PROTOTYPES, len(starts), embeddings.shape[1]), dtype=np.float32)
    for brand, own in enumerate(np.split(embeddings, starts[1:])):
        mean = (own[1:] if len(own) > 1 else own).mean(axis=0)
        head[:, brand] = own[0], mean / max(float(np.linalg.norm(mean)), 1e-12), squeezed[brand]
    return head
