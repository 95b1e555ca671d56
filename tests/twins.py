"""A model folder small enough to make in a test: two layers of chance, an alphabet for a vocabulary."""

import json
import string

import numpy as np

from tierbreak.core.policy import Policy

HIDDEN, INNER, LAYERS = 384, 1536, 2

#: What it knows, each brand by its own name. Of lengths on both sides of every bucket's width but the last.
BRANDS = (
    "lyft", "uber", "etsy", "hulu", "chase", "target", "netflix", "walmart", "spotify", "airbnb", "costco", "kroger",
    "chevron", "peets", "aldi", "ross", "macys", "hobby-lobby", "dunkin-donuts", "olive-garden",
    "trader-joes-company-store", "planet-fitness-clubs-of-all-america-north",
)  # fmt: skip

#: What it must not answer.
STRANGERS = ("qzx 77", "rent april unit b", "payroll", "")


def tokenizer():
    """A word is its letters: one token each, with [CLS] before and [SEP] behind the whole; cut at 64."""
    signs = string.ascii_lowercase + string.digits + "-'&"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *signs, *(f"##{sign}" for sign in signs)]
    ends = [{"SpecialToken": {"id": name, "type_id": 0}} for name in ("[CLS]", "[SEP]")]
    middle = {"Sequence": {"id": "A", "type_id": 0}}
    return json.dumps({
        "version": "1.0", "padding": None, "decoder": None,
        "truncation": {"direction": "Right", "max_length": 64, "strategy": "LongestFirst", "stride": 0},
        "added_tokens": [
            {"id": at, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": True}
            for at, name in enumerate(words[:4])
        ],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing", "single": [ends[0], middle, ends[1]], "pair": [ends[0], middle, ends[1]],
            "special_tokens": {name: {"id": name, "ids": [words.index(name)], "tokens": [name]}
                               for name in ("[CLS]", "[SEP]")},
        },
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {word: at for at, word in enumerate(words)}},
    })  # fmt: skip


def encoder(words):
    """Float32 arrays by their names in a BERT checkpoint, drawn from a seed."""
    draw = np.random.default_rng(11)

    def some(*shape, spread):
        return draw.normal(0, spread, shape).astype(np.float32)

    arrays = {f"embeddings.{name}_embeddings.weight": some(count, HIDDEN, spread=0.3)
              for name, count in (("word", words), ("position", 64), ("token_type", 2))}  # fmt: skip
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
        square = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
        for part, out, width in (*((part, HIDDEN, HIDDEN) for part in square),
                                 ("intermediate.dense", INNER, HIDDEN), ("output.dense", HIDDEN, INNER)):  # fmt: skip
            arrays[f"{name}.{part}.weight"] = some(out, width, spread=width**-0.5)
            arrays[f"{name}.{part}.bias"] = some(out, spread=0.02)
    for norm in norms:
        arrays |= {f"{norm}.weight": 1 + some(HIDDEN, spread=0.1), f"{norm}.bias": some(HIDDEN, spread=0.1)}
    return arrays


def write_folder(out, reserved=True):
    """Write the folder; returns what it was made from. Needs the extra `train`."""
    from tierbreak.tools.models.training.folder import Source, write

    text = tokenizer()
    arrays = encoder(len(json.loads(text)["model"]["vocab"]))
    empty = np.zeros((1, len(BRANDS), HIDDEN), np.float32)
    names = [brand.replace("-", " ").upper() for brand in BRANDS]
    embed = Source.of(arrays, empty, text, BRANDS, ranges=[*names, *STRANGERS]).embedder
    (own,) = embed.run(names, "embedding")
    (other,) = embed.run([name[:-1] for name in names], "embedding")
    (aside,) = embed.run(STRANGERS, "embedding")
    made = Source.of(
        arrays, np.stack([own, other, own]), text, BRANDS, ranges=[*names, *STRANGERS],
        reserved=aside.reshape(2, 2, HIDDEN) if reserved else None,
    )  # fmt: skip
    policy = Policy(temperature=0.01, null_score=0.97, threshold=0.5)
    write(out, made, policy, [*zip(names, BRANDS, strict=True), *((key, None) for key in STRANGERS)])
    return made
