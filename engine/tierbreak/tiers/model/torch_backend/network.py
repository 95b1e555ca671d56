"""Encoder and head in torch: one function of a padded batch, the same on every device."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tierbreak.core.tables import NO_BRAND_LABEL, NOT_A_MERCHANT_LABEL, TOP_BRANDS, TOP_K

if TYPE_CHECKING:
    import torch

#: Width of an attention head, and the floor of a norm: those of every MiniLM.
HEAD_WIDTH, EPSILON = 32, 1e-12

_Array = npt.NDArray[Any]
_Pair = tuple["torch.Tensor", "torch.Tensor"]


class Network:
    """Encoder and head as one function of a padded batch.

    weights   by the names of weights.safetensors; any number of layers
    """

    def __init__(self, weights: Mapping[str, _Array], device: str, dtype: str) -> None:
        import torch

        kind = getattr(torch, dtype)

        def put(value: _Array, kind: torch.dtype = kind) -> torch.Tensor:
            return torch.from_numpy(np.array(value, dtype=np.float32)).to(device, kind)

        def pair(name: str) -> _Pair:
            return put(weights[f"{name}.weight"]), put(weights[f"{name}.bias"])

        self._words = put(weights["embeddings.word_embeddings.weight"])
        # All tokens are of segment 0, so that its vector belongs to the position.
        places = weights["embeddings.position_embeddings.weight"].astype(np.float32)
        self._places = put(places + weights["embeddings.token_type_embeddings.weight"][0])
        self._norm = pair("embeddings.LayerNorm")
        self._layers: list[tuple[_Pair, _Pair, _Pair, _Pair, _Pair, _Pair]] = []
        for number in range(layers(weights)):
            name = f"encoder.layer.{number}"
            # Query, key and value are one product.
            ins = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
            joint = (
                put(np.concatenate([weights[f"{part}.weight"] for part in ins])),
                put(np.concatenate([weights[f"{part}.bias"] for part in ins])),
            )
            attended = (pair(f"{name}.attention.output.dense"), pair(f"{name}.attention.output.LayerNorm"))
            fed = (pair(f"{name}.intermediate.dense"), pair(f"{name}.output.dense"), pair(f"{name}.output.LayerNorm"))
            self._layers.append((joint, *attended, *fed))
        # The head in float32 whatever the rest is: scores of 8 bits would make ties of what are none.
        self._prototypes = put(weights["head.prototypes"], torch.float32)
        self._reserved = put(weights["head.reserved"], torch.float32) if "head.reserved" in weights else None
        self._always = torch.tensor([[NO_BRAND_LABEL, NOT_A_MERCHANT_LABEL]], dtype=torch.int32, device=device)

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """int32 [rows, 1 + width] as `pack` makes it -> int32 [rows, 2 * TOP_K]: labels, then the scores' bits."""
        import torch

        embedding = self.embed(batch[:, 1:], batch[:, :1])
        scores = nearest(embedding, self._prototypes)
        labels = best(scores, TOP_K if self._reserved is None else TOP_BRANDS)
        scores = scores.gather(1, labels)
        found = labels.int()
        if self._reserved is not None:
            found = torch.cat([found, self._always.expand(len(found), -1)], dim=1)
            scores = torch.cat([scores, nearest(embedding, self._reserved)], dim=1)
        return torch.cat([found, scores.view(torch.int32)], dim=1)

    def embed(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """ids int32 [n, width], lengths int32 [n, 1] -> float32 [n, hidden] of unit length."""
        import torch
        from torch.nn import functional

        n, width = ids.shape
        hidden = self._words.shape[1]
        real = torch.arange(width, device=ids.device) < lengths

        def norm(x: torch.Tensor, pair: _Pair) -> torch.Tensor:
            return functional.layer_norm(x, (hidden,), *pair, eps=EPSILON)

        x = norm(functional.embedding(ids, self._words) + self._places[:width], self._norm)
        for joint, out, out_norm, inner, outer, outer_norm in self._layers:
            query, key, value = (
                functional.linear(x, *joint).view(n, width, 3, -1, HEAD_WIDTH).permute(2, 0, 3, 1, 4).unbind(0)
            )
            seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=real[:, None, None])
            x = norm(x + functional.linear(seen.transpose(1, 2).reshape(n, width, hidden), *out), out_norm)
            x = norm(x + functional.linear(functional.gelu(functional.linear(x, *inner)), *outer), outer_norm)
        # The sum will do for the mean: only its direction is left.
        return functional.normalize((x.float() * real[:, :, None]).sum(dim=1), dim=1, eps=EPSILON)


def layers(weights: Collection[str]) -> int:
    """How many layers the encoder has.

    >>> layers(["encoder.layer.0.attention.self.query.weight", "encoder.layer.1.attention.self.query.weight"])
    2
    """
    return sum(name.endswith(".attention.self.query.weight") for name in weights)


def nearest(embedding: torch.Tensor, prototypes: torch.Tensor) -> torch.Tensor:
    """The cosine with the best prototype of each answer: [n, d], [prototypes, answers, d] -> [n, answers]."""
    count, answers, width = prototypes.shape
    return (embedding @ prototypes.view(-1, width).T).view(-1, count, answers).amax(dim=1)


def best(scores: torch.Tensor, count: int) -> torch.Tensor:
    """Labels of the `count` largest scores of each row, int64 [n, count]; equal scores by label, as in ONNX.

    scores   float32 [n, labels]

    torch.topk takes any of several equal scores, and brands may share a prototype. So each score becomes an integer of
    the same order, and the label counted from the end fills its lower half: no two are equal.
    """
    import torch

    bits = scores.view(torch.int32)
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    backwards = torch.arange(scores.shape[1] - 1, -1, -1, device=scores.device)
    top = ((ordered.long() << 32) | backwards).topk(count, dim=1).values
    return scores.shape[1] - 1 - (top & 0xFFFFFFFF)
