"""The head without training: each brand's names, embedded, are its prototypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.brandfile import Brand
from tierbreak.normalise import normalise

Floats = npt.NDArray[np.float32]

#: Prototypes a brand: one mean blurs `Starbucks` and `SBUX`; more than two answered no more on the calibration split.
PROTOTYPES = 2

#: A name as near as this to a prototype (cosine) needs none of its own.
_NEAR = 0.98

#: Rounds of moving names to their nearer prototype; nothing moves any more after a few.
_ROUNDS = 10


def names(brands: Sequence[Brand]) -> tuple[list[str], npt.NDArray[np.intp]]:
    """The distinct keys of each brand's name and aliases, name first; beside each the brand's position."""
    texts = [(name, at) for at, brand in enumerate(brands) for name in (brand.name, *brand.aliases)]
    keys = normalise(pl.Series([name for name, _ in texts]))["key"].to_list()
    # A name of signs only leaves an empty key: its own letters are better than nothing.
    pairs = dict.fromkeys((key or name, at) for key, (name, at) in zip(keys, texts, strict=True))
    return [key for key, _ in pairs], np.array([at for _, at in pairs], dtype=np.intp)


def prototypes(embeddings: Floats, owner: npt.NDArray[np.intp]) -> Floats:
    """The head's rows.

    embeddings   float32 [names, d]   of unit length, in the order of `owner`
    owner        [names]              position of the brand, ascending, every brand at least once
    returns      float32 [PROTOTYPES, brands, d], of unit length; a brand with less to say repeats itself

    k-means on the sphere, begun with the name itself and the alias farthest from it: no randomness.

    >>> two = prototypes(np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype="float32"), np.array([0, 0, 1]))
    >>> two[:, 0].tolist(), two[:, 1].round(1).tolist()
    ([[1.0, 0.0], [0.0, 1.0]], [[0.6000000238418579, 0.800000011920929], [0.6000000238418579, 0.800000011920929]])
    """
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    head = np.empty((PROTOTYPES, len(starts), embeddings.shape[1]), dtype=np.float32)
    for brand, own in enumerate(np.split(embeddings, starts[1:])):
        centres = _centres(own)
        head[:, brand] = centres[np.arange(PROTOTYPES) % len(centres)]
    return head


def _centres(own: Floats) -> Floats:
    """One or PROTOTYPES centres of a brand's names."""
    centres: npt.NDArray[Any] = own[:1]
    while len(centres) < PROTOTYPES:
        nearest = (own @ centres.T).max(axis=1)
        if nearest.min() > _NEAR:
            break
        centres = np.concatenate([centres, own[[nearest.argmin()]]])
    for _ in range(_ROUNDS):
        nearer = (own @ centres.T).argmax(axis=1)
        sums = np.stack([own[nearer == at].sum(axis=0) for at in range(len(centres))])
        centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centres.astype(np.float32)
