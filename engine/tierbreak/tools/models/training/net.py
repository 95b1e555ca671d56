"""The network as it is trained: BERT, mean pooling, a head of cosines; torch lives here and in `train`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel

from tierbreak.tools.models.training.graph import EPSILON, HEADS, HIDDEN

Array = npt.NDArray[Any]

#: Raw scores are cosines; the loss sees them this many times as large to begin with, and learns the factor.
SCALE = 20.0


class Net(nn.Module):
    """Encoder and head.

    weights      float arrays by their names in a BERT checkpoint; what they hold says how many layers there are
    prototypes   float32 [P, brands, HIDDEN]
    reserved     float32 [R, 2, HIDDEN], of "no known brand" and "not a merchant"
    """

    def __init__(self, weights: Mapping[str, Array], prototypes: Array, reserved: Array) -> None:
        super().__init__()
        layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
        config = BertConfig(
            vocab_size=len(weights["embeddings.word_embeddings.weight"]), hidden_size=HIDDEN, num_hidden_layers=layers,
            num_attention_heads=HEADS, intermediate_size=weights["encoder.layer.0.intermediate.dense.bias"].shape[0],
            layer_norm_eps=EPSILON, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
            max_position_embeddings=len(weights["embeddings.position_embeddings.weight"]),
        )  # fmt: skip
        self.encoder = BertModel(config, add_pooling_layer=False)
        state = {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in weights.items()}
        lacks = self.encoder.load_state_dict(state, strict=False).missing_keys
        if lacks:
            raise ValueError(f"the encoder lacks {lacks}")
        self.prototypes = nn.Parameter(torch.from_numpy(np.array(prototypes, dtype=np.float32)))
        self.reserved = nn.Parameter(torch.from_numpy(np.array(reserved, dtype=np.float32)))
        self.log_scale = nn.Parameter(torch.tensor(math.log(SCALE)))

    def embed(self, ids: Tensor) -> Tensor:
        """float32 [n, HIDDEN] of unit length, for int64 [n, tokens]: keys of one length, nothing padded."""
        hidden = self.encoder(input_ids=ids).last_hidden_state
        return functional.normalize(hidden.float().mean(dim=1), dim=1)

    def forward(self, ids: Tensor) -> Tensor:
        """float32 [n, brands + 2]: the cosine with each label's nearest prototype, then the reserved answers'."""
        embedding = self.embed(ids)
        return torch.cat([self._nearest(embedding, self.prototypes), self._nearest(embedding, self.reserved)], dim=1)

    @staticmethod
    def _nearest(embedding: Tensor, rows: Tensor) -> Tensor:
        flat = functional.normalize(rows, dim=2).flatten(0, 1)
        return (embedding @ flat.T).view(len(embedding), len(rows), -1).amax(dim=1).float()

    def weights(self) -> dict[str, Array]:
        """The encoder's weights, float32, by their names in a BERT checkpoint."""
        return {name: value.detach().numpy().copy() for name, value in self.encoder.state_dict().items()}

    def heads(self) -> tuple[Array, Array]:
        """Prototypes and reserved, float32, of unit length."""
        return tuple(functional.normalize(rows.detach(), dim=2).numpy() for rows in (self.prototypes, self.reserved))  # type: ignore[return-value]


def layers_of(weights: Mapping[str, Array], keep: Sequence[int]) -> dict[str, Array]:
    """The encoder with some of its layers, in order: what a smaller one starts from.

    >>> sorted(layers_of({"encoder.layer.0.x": np.ones(1), "encoder.layer.3.x": np.ones(1), "y": np.ones(1)}, [3]))
    ['encoder.layer.0.x', 'y']
    """
    out = {}
    for name, value in weights.items():
        if not name.startswith("encoder.layer."):
            out[name] = value
            continue
        _, _, at, rest = name.split(".", 3)
        if int(at) in keep:
            out[f"encoder.layer.{keep.index(int(at))}.{rest}"] = value
    return out
