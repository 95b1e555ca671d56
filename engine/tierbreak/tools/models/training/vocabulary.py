"""A smaller vocabulary: the pieces that keys use, and every single character, so that none becomes unreadable."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy.typing as npt
import tokenizers

Array = npt.NDArray[Any]

_WORDS = "embeddings.word_embeddings.weight"


def trim(weights: Mapping[str, Array], tokenizer: str, keep: Collection[str]) -> tuple[dict[str, Array], str]:
    """Leave out the pieces that are not needed; ids are counted anew, in the old order.

    weights     an encoder's; only `embeddings.word_embeddings.weight` [V, 384] changes
    tokenizer   the text of a tokenizer.json whose model is WordPiece
    keep        pieces to keep beside the special tokens, all single characters and their `##` forms; pieces that the
                vocabulary lacks are passed over
    returns     weights and tokenizer; a text all of whose pieces are kept is cut as before

    Raises ValueError where the vocabulary does not fit the weights.
    """
    content = json.loads(tokenizer)
    old: dict[str, int] = content["model"]["vocab"]
    if sorted(old.values()) != list(range(len(weights[_WORDS]))):
        raise ValueError(f"the tokenizer has {len(old)} pieces, the weights {len(weights[_WORDS])} vectors")
    special = {token["content"] for token in content["added_tokens"]} | {content["model"]["unk_token"]}
    prefix = content["model"]["continuing_subword_prefix"]
    kept = [
        (piece, at)
        for piece, at in sorted(old.items(), key=lambda item: item[1])
        if piece in special or piece in keep or len(piece.removeprefix(prefix)) == 1 or len(piece) == 1
    ]
    new = {piece: at for at, (piece, _) in enumerate(kept)}
    content["model"]["vocab"] = new
    for token in content["added_tokens"]:
        token["id"] = new[token["content"]]
    ends = content["post_processor"] or {}
    for token in ends.get("special_tokens", {}).values():
        token["ids"] = [new[piece] for piece in token["tokens"]]
    for end in ("sep", "cls"):
        if end in ends:
            ends[end] = [ends[end][0], new[ends[end][0]]]
    if content.get("padding"):
        content["padding"]["pad_id"] = new[content["padding"]["pad_token"]]
    rows = [at for _, at in kept]
    return {**weights, _WORDS: weights[_WORDS][rows]}, json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def pieces(tokenizer: str, texts: Sequence[str]) -> dict[str, int]:
    """How often each piece comes up in `texts`, special tokens left out: what `keep` may be chosen from."""
    reader = tokenizers.Tokenizer.from_str(tokenizer)
    counts: dict[str, int] = {}
    for encoding in reader.encode_batch(list(texts), add_special_tokens=False):
        for piece in encoding.tokens:
            counts[piece] = counts.get(piece, 0) + 1
    return counts
