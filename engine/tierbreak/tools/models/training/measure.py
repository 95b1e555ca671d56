"""What the card says of a model: how near int8 stays to float32, and what the policy brings, cross-fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tierbreak.core.policy import Brands, Floats, rank
from tierbreak.tools.models.training.fit import fit_policy
from tierbreak.tools.models.training.graph import EPSILON, HEADS, HIDDEN, layers

Array = npt.NDArray[Any]


def by_transformers(weights: Mapping[str, Array], tokenizer: str, texts: Sequence[str]) -> Array:
    """Embeddings by the reference implementation, float32 [n, 384]: what our graph must agree with."""
    import tokenizers
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(weights["embeddings.word_embeddings.weight"]), hidden_size=HIDDEN,
        max_position_embeddings=len(weights["embeddings.position_embeddings.weight"]),
        num_hidden_layers=layers(weights), num_attention_heads=HEADS, intermediate_size=1536, layer_norm_eps=EPSILON,
    )  # fmt: skip
    model: Any = BertModel(config, add_pooling_layer=False)
    model.eval()
    state = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    lacks = model.load_state_dict(state, strict=False).missing_keys
    if lacks:
        raise ValueError(f"the encoder lacks {lacks}")
    reader = tokenizers.Tokenizer.from_str(tokenizer)
    rows = []
    with torch.no_grad():
        for text in texts:
            hidden = model(torch.tensor([reader.encode(text).ids])).last_hidden_state[0]
            rows.append(torch.nn.functional.normalize(hidden.mean(dim=0), dim=0).numpy())
    return np.stack(rows)


def crossfit(
    brands: Brands, scores: Floats, truth: Brands, precision: float, no_brand_rate: float, rounds: int = 5
) -> dict[str, float]:
    """Fit on one half of the calibration split, measure on the other, both ways, `rounds` times; bounds as for `fit`.

    Returns, pooled over all measured halves: `coverage`, answered among keys that have a brand; `precision`,
    right among answered; `no_brand_answered`, answered among keys that have none; `calibration_error`, the mean
    distance of confidence from precision over ten bins of equal numbers of keys.
    """
    confidence, right, has_brand, answered = [], [], [], []
    for seed in range(rounds):
        halves = np.array_split(np.random.default_rng(seed).permutation(len(truth)), 2)
        for fitted, measured in (halves, halves[::-1]):
            policy = fit_policy(brands[fitted], scores[fitted], truth[fitted], precision, no_brand_rate)
            ranked, sure = rank(policy, brands[measured], scores[measured])
            confidence.append(sure[:, 0])
            right.append(ranked[:, 0] == truth[measured])
            has_brand.append(truth[measured] >= 0)
            answered.append(sure[:, 0] >= policy.threshold)
    sure, hit, branded, spoken = map(np.concatenate, (confidence, right, has_brand, answered))
    bins = np.array_split(np.argsort(sure, kind="stable"), 10)
    return {
        "coverage": float(spoken[branded].mean()),
        "precision": float(hit[spoken].mean()) if spoken.any() else 1.0,
        "no_brand_answered": float(spoken[~branded].mean()),
        "calibration_error": float(np.mean([abs(sure[part].mean() - hit[part].mean()) for part in bins])),
    }


def agreement(reference: Sequence[Array], labels: Array, scores: Array) -> dict[str, float]:
    """int8 beside float32: how often the best label is the same, and how far its score is off at most."""
    return {
        "same_best_label": float((reference[0][:, 0] == labels[:, 0]).mean()),
        "largest_score_error": float(np.abs(reference[1][:, 0] - scores[:, 0]).max()),
        "mean_score_error": float(np.abs(reference[1][:, 0] - scores[:, 0]).mean()),
    }
