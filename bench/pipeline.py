"""Tier `model` against a `transformers` pipeline with the same weights, on the CPU, in one run.

    python -m bench.pipeline                         the shipped model on its own calibration split
    python -m bench.pipeline --keys descriptors.txt  one descriptor a line

Needs the extra `train`. Measured: keys in, the best brands with their scores out, on --threads cores.

Ours is `ModelTier.judge`: the int8 graph, keys of one length in a batch. The rival is what one writes without us:
`pipeline("feature-extraction")` around `BertModel` in float32, every batch padded to its longest key, and one product
with the same head. It is spared what would slow it down for no reason of its own: its model pools inside the batch,
so that one vector a key comes back; nothing is turned into lists; the best of --sizes is its batch size. It is timed
twice: keys as they come, and sorted by length, which the pipeline itself does not do but a careful caller may.

Bias. int8 is not float32: the two must name the same best brand for 95 % of the keys or nothing is timed, and the share
is among the figures. Keys are short; of long ones the rival pads less in proportion. The rival's tokeniser is asked
for one key at a time, as the pipeline does it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from bench.model import SHIPPED, in_turns
from bench.script import keep, keys_of
from tierbreak.core.tables import TOP_BRANDS
from tierbreak.tiers.model import ModelTier

if TYPE_CHECKING:
    from tierbreak.tools.models.training.folder import Source

#: The least share of keys for which both must name the same best brand.
AGREE = 0.95

#: Keys on which the rival's batch sizes are tried.
_TRIED = 256

#: A rival: keys -> labels int64 and scores float32 [n, TOP_BRANDS], best first.
Rival = Callable[[list[str]], tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]


def rival(source: Source, size: int, by_length: bool = False) -> Rival:
    """The pipeline and the head behind it, in batches of `size` keys."""
    import tokenizers
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, pipeline
    from transformers.modeling_outputs import BaseModelOutput

    from tierbreak.tools.models.training.graph import EPSILON, HEADS, HIDDEN, MAX_TOKENS, layers

    class Pooled(BertModel):
        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> BaseModelOutput:
            hidden = super().forward(input_ids, attention_mask, token_type_ids).last_hidden_state
            pooled = (hidden * attention_mask[:, :, None]).sum(dim=1, keepdim=True)
            return BaseModelOutput(torch.nn.functional.normalize(pooled, dim=2))

    weights = {name: torch.from_numpy(value.astype(np.float32)) for name, value in source.encoder.items()}
    config = BertConfig(
        vocab_size=len(weights["embeddings.word_embeddings.weight"]), hidden_size=HIDDEN, num_attention_heads=HEADS,
        num_hidden_layers=layers(source.encoder), layer_norm_eps=EPSILON,
        intermediate_size=len(weights["encoder.layer.0.intermediate.dense.weight"]),
        max_position_embeddings=len(weights["embeddings.position_embeddings.weight"]),
    )  # fmt: skip
    model = Pooled(config, add_pooling_layer=False).eval()
    lacks = model.load_state_dict(weights, strict=False).missing_keys
    if lacks:
        raise ValueError(f"{len(lacks)} weights are missing, among them {lacks[0]}")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer.from_str(source.tokenizer), pad_token="[PAD]", model_max_length=MAX_TOKENS
    )
    extract = pipeline("feature-extraction", model=model, tokenizer=tokenizer, device="cpu")
    head = torch.from_numpy(source.head.astype(np.float32))

    def judge(keys: list[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        order = np.argsort([len(key) for key in keys], kind="stable") if by_length else np.arange(len(keys))
        found = extract(
            [keys[at] for at in order], batch_size=size, return_tensors=True, tokenize_kwargs={"truncation": True}
        )
        scores = torch.cat(found)[:, 0] @ head.view(-1, HIDDEN).T
        best = scores.view(len(keys), *head.shape[:2]).amax(dim=1).topk(TOP_BRANDS, dim=1)
        back = np.argsort(order)
        return best.indices.numpy()[back], best.values.numpy()[back]

    return judge


def fastest(source: Source, keys: list[str], sizes: list[int]) -> tuple[int, dict[int, int]]:
    """The rival's best batch size, and the keys a second of each, the better of two calls."""
    rates = {}
    for size in sizes:
        judge, seconds = rival(source, size), []
        for _ in range(2):
            start = time.perf_counter()
            judge(keys)
            seconds.append(time.perf_counter() - start)
        rates[size] = round(len(keys) / min(seconds))
    return max(rates, key=rates.__getitem__), rates


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=SHIPPED, help="the model's folder")
    parser.add_argument("--keys", type=Path, help="a file of descriptors, one a line; else the calibration split")
    parser.add_argument("--count", type=int, help="so many of the keys; else all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 8, 32, 128], help="the rival's batch sizes to try")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--out", type=Path, help="where the record goes; else record/<date>-<machine>/pipeline.json")
    given = parser.parse_args()

    import torch
    import transformers

    from tierbreak.tools.models.training.folder import read_weights
    from tierbreak.tools.models.training.graph import layers

    load = os.getloadavg()[0]
    torch.set_num_threads(given.threads)
    transformers.logging.set_verbosity_error()
    labels = json.loads((given.folder / "labels.json").read_text(encoding="utf-8"))
    tier = ModelTier.load(given.folder, registry_ids=labels, threads=given.threads)
    source = read_weights(given.folder)
    keys = keys_of(given.folder, given.keys)[: given.count]
    texts = keys.to_list()

    size, tried = fastest(source, texts[:_TRIED], given.sizes)
    rivals = {"as they come": rival(source, size), "by length": rival(source, size, by_length=True)}
    ours = tier.judge(keys)["labels"].to_numpy()[:, 0]
    figures: dict[str, Any] = {"same_best_brand": {}}
    for name, judge in rivals.items():
        share = round(float((judge(texts)[0][:, 0] == ours).mean()), 4)
        figures["same_best_brand"][name] = share
        if share < AGREE:
            sys.exit(f"wrong answer, not timed: tier and pipeline ({name}) name the same best brand of {share:.1%} "
                     f"of keys only; expected {AGREE:.0%}")  # fmt: skip

    work: dict[str, Callable[[], object]] = {"model": lambda: tier.judge(pl.Series(texts))}
    work |= {f"pipeline, {name}": lambda judge=judge: judge(texts) for name, judge in rivals.items()}
    rates = in_turns(work, len(texts), given.repeat)
    figures |= {
        "keys": len(texts),
        "threads": given.threads,
        "pipeline batch size": size,
        "pipeline keys a second by batch size": tried,
        "keys a second": rates,
        "ratio": {name: round(rates["model"]["median"] / rate["median"], 2)
                  for name, rate in rates.items() if name != "model"},
        "model": {"layers": layers(source.encoder), "labels": len(labels), "folder": given.folder.name},
    }  # fmt: skip
    path = keep("pipeline", figures, {"model": tier.fingerprint}, load, ("torch", "transformers"), given.out)
    print(json.dumps(figures, indent=2))
    print(f"recorded in {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
