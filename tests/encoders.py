"""Models of random weights: small enough to be made in a test, real enough to know the names they are made with."""

import json
import string

import numpy as np

from tierbreak.core.policy import Policy
from tierbreak.tools.models.training.folder import Source
from tierbreak.tools.models.training.graph import HIDDEN, MAX_TOKENS

#: What the random models answer with: a name scores 1 with its own brand and far less with any other.
POLICY = Policy(temperature=0.01, null_score=0.9, threshold=0.9)

_INNER = 64


def tokenizer():
    """WordPiece with single characters only, uncased."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = string.ascii_lowercase + string.digits + "&'.-"
    words = [*special, *letters, *(f"##{letter}" for letter in letters), "coffee", "##mart"]
    ids = {word: at for at, word in enumerate(words)}
    marks = ["single_word", "lstrip", "rstrip", "normalized"]
    ends = {mark: {"id": mark, "ids": [ids[mark]], "tokens": [mark]} for mark in ("[CLS]", "[SEP]")}
    return json.dumps({
        "version": "1.0",
        "truncation": {"max_length": MAX_TOKENS, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": None,
        "added_tokens": [
            {"id": ids[mark], "content": mark, "special": True, **dict.fromkeys(marks, False)} for mark in special
        ],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                       "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": ends,
        },
        "decoder": None,
        "model": {"type": "WordPiece", "vocab": ids, "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100},
    })  # fmt: skip


def weights(layers=2, seed=0):
    """A BERT of random weights, float32, by its names in a checkpoint."""
    random = np.random.default_rng(seed)

    def linear(name, out, into):
        return {f"{name}.weight": random.normal(0, into**-0.5, (out, into)), f"{name}.bias": np.zeros(out)}

    def norm(name):
        return {f"{name}.weight": np.ones(HIDDEN), f"{name}.bias": np.zeros(HIDDEN)}

    found = {
        "embeddings.word_embeddings.weight": random.normal(
            0, 1, (len(json.loads(tokenizer())["model"]["vocab"]), HIDDEN)
        ),
        "embeddings.position_embeddings.weight": random.normal(0, 0.5, (MAX_TOKENS, HIDDEN)),
        "embeddings.token_type_embeddings.weight": np.zeros((2, HIDDEN)),
        **norm("embeddings.LayerNorm"),
    }
    for at in range(layers):
        name = f"encoder.layer.{at}"
        for part in ("query", "key", "value"):
            found |= linear(f"{name}.attention.self.{part}", HIDDEN, HIDDEN)
        found |= linear(f"{name}.attention.output.dense", HIDDEN, HIDDEN) | norm(f"{name}.attention.output.LayerNorm")
        found |= linear(f"{name}.intermediate.dense", _INNER, HIDDEN)
        found |= linear(f"{name}.output.dense", HIDDEN, _INNER) | norm(f"{name}.output.LayerNorm")
    return {name: value.astype(np.float32) for name, value in found.items()}


def name_of(label):
    """The key that a label's prototypes are made of."""
    return label.replace("-", " ").upper()


def source(labels, *, layers=2, nobody=("PAYROLL", "RENT APRIL"), prototypes=3, seed=0):
    """A model that knows the names of `labels`; with `nobody`, two keys, also its reserved answers."""
    encoder = weights(layers, seed=seed)
    bare = Source.of(encoder, np.zeros((1, len(labels), HIDDEN)), tokenizer(), labels, ranges={})
    (embeddings,) = bare.embedder.run([*map(name_of, labels), *nobody], "embedding")
    head = np.repeat(embeddings[None, : len(labels)], prototypes, axis=0)
    reserved = np.repeat(embeddings[None, len(labels) :], 2, axis=0) if nobody else None
    return Source.of(
        encoder, head, tokenizer(), labels, ranges=[name_of(label) for label in labels[:50]], reserved=reserved,
        origin={"name": "random"},
    )  # fmt: skip


def pairs(labels, nobody=("PAYROLL", "RENT APRIL", "")):
    """Golden strings of such a model."""
    return [*((name_of(label), label) for label in labels), *((key, None) for key in nobody)]
