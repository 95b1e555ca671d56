"""Fine-tuning: encoder and head on rounds of examples, with checkpoints; the same plan gives the same weights.

    encoder, registry, rulebook -> start -> rounds of examples -> batches of one length -> Net -> Source

A batch holds keys of one length in tokens, as in serving: nothing is padded. Where a run was killed it goes on from its
last checkpoint, batch by batch as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tokenizers
import torch
from torch import Tensor

from tierbreak.core.tables import NO_BRAND_LABEL, NOT_A_MERCHANT_LABEL
from tierbreak.errors import TierbreakError
from tierbreak.files import atomic
from tierbreak.tools.models.training.encoder import Encoder
from tierbreak.tools.models.training.examples import Examples
from tierbreak.tools.models.training.graph import HIDDEN
from tierbreak.tools.models.training.head import names, prototypes, squeeze
from tierbreak.tools.models.training.net import Net, layers_of
from tierbreak.tools.models.training.vocabulary import pieces, trim

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Plan:
    """What a run does; equal plans on equal data give equal weights on one machine.

    layers      which of the encoder's layers are kept
    examples    how many are learned from, over all rounds
    batch       keys a step
    rate        learning rate of the encoder; the head's is `head_rate` times it
    warm_up     share of the run in which the rate rises; then it falls to nothing in a straight line
    reserved    prototypes of each reserved answer
    common      pieces of the vocabulary that are kept unseen: the first so many, which are the commonest
    seed        of everything that is drawn
    """

    layers: tuple[int, ...] = (0, 1, 2, 4, 5)
    examples: int = 1_200_000
    batch: int = 256
    rate: float = 3e-4
    head_rate: float = 5.0
    warm_up: float = 0.05
    reserved: int = 32
    common: int = 10_000
    seed: int = 0

    @property
    def fingerprint(self) -> str:
        """Hex digest: a checkpoint of another plan is not gone on from."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Progress:
    """Where a run stands: examples seen of all, and the mean loss since the last report."""

    seen: int
    examples: int
    loss: float


def best_device() -> str:
    """`cuda` where there is a GPU, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def train(
    encoder: Encoder,
    examples: Examples,
    plan: Plan,
    checkpoint: Path,
    *,
    say: Callable[[Progress], None],
    device: str = "cpu",
    every: int = 50_000,
) -> tuple[Net, str]:
    """Train, from the checkpoint if it is there.

    checkpoint   file that is written every so many examples and left when done
    say          told how far it is, about once in 5,000 examples
    device       `cpu` or `cuda`
    every        examples between two checkpoints
    returns      the network, on the CPU, and its tokenizer's text

    Raises TierbreakError where the checkpoint is of another plan, or the loss is not a number.
    """
    torch.manual_seed(plan.seed)
    net, tokenizer = start(encoder, examples, plan)
    net.to(device)
    heads = [net.prototypes, net.reserved]
    body = [value for value in net.parameters() if not any(value is head for head in heads)]
    rates = (plan.rate, plan.rate * plan.head_rate)
    optimizer = torch.optim.AdamW(
        [{"params": body, "weight_decay": 0.01}, {"params": heads, "weight_decay": 0.0}], lr=plan.rate, fused=True
    )
    seen = _resume(checkpoint, plan, net, optimizer)
    reader = tokenizers.Tokenizer.from_str(tokenizer)
    saved, told, losses, count = seen, seen, 0.0, 0
    for at, (ids, labels) in enumerate(_batches(reader, examples, plan)):
        due = min((at + 1) * plan.batch, plan.examples)
        if due <= seen:
            continue
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * _share(seen / plan.examples, plan.warm_up)
        loss = _step(net, optimizer, ids.to(device), labels.to(device), device)
        losses, count, seen = losses + loss, count + 1, due
        if seen - told >= 5_000 or seen >= plan.examples:
            say(Progress(seen, plan.examples, losses / count))
            told, losses, count = seen, 0.0, 0
        if seen - saved >= every or seen >= plan.examples:
            _save(checkpoint, plan, net, optimizer, seen)
            saved = seen
    return net.cpu().eval(), tokenizer


def start(encoder: Encoder, examples: Examples, plan: Plan) -> tuple[Net, str]:
    """The network before its first step, and its tokenizer: prototypes are the embeddings of names, as in a head
    without training; those of the reserved answers are means of some of their examples."""
    registry = examples.simulator.registry
    keys, owner = names([registry[label] for label in examples.labels])
    first = examples.round(0)
    squeezed = [squeeze(keys[at]) for at in np.unique(owner, return_index=True)[1]]
    counts = pieces(encoder.tokenizer, [*first["key"].to_list(), *keys, *squeezed])
    vocabulary: dict[str, int] = json.loads(encoder.tokenizer)["model"]["vocab"]
    keep = {piece for piece, count in counts.items() if count > 2}
    keep |= {piece for piece, at in vocabulary.items() if at < plan.common and piece.isascii()}
    weights, tokenizer = trim(layers_of(encoder.weights, plan.layers), encoder.tokenizer, keep)
    reader = tokenizers.Tokenizer.from_str(tokenizer)
    bare = Net(weights, np.zeros((1, 1, HIDDEN)), np.zeros((1, 2, HIDDEN))).eval()
    head = prototypes(embed(bare, reader, keys), owner, embed(bare, reader, squeezed))
    # Two are enough for a head that learns: the name, and its aliases or, without any, the name squeezed.
    alone = (head[0] == head[1]).all(axis=1)
    head = np.stack([head[0], np.where(alone[:, None], head[2], head[1])])
    aside = np.empty((plan.reserved, 2, HIDDEN), dtype=np.float32)
    for place, label in enumerate((NO_BRAND_LABEL, NOT_A_MERCHANT_LABEL)):
        some = first.filter(first["label"] == label)["key"].head(plan.reserved * 20).to_list()
        means = [part.mean(axis=0) for part in np.array_split(embed(bare, reader, some), plan.reserved)]
        aside[:, place] = np.stack(means)
    return Net(weights, head, aside), tokenizer


def embed(net: Net, reader: tokenizers.Tokenizer, keys: Sequence[str]) -> Array:
    """float32 [keys, HIDDEN], in order."""
    ids = [encoding.ids for encoding in reader.encode_batch_fast(list(keys))]
    out = np.empty((len(keys), HIDDEN), dtype=np.float32)
    with torch.no_grad():
        for batch in _of_one_length(np.array([len(one) for one in ids]), 512):
            out[batch] = net.embed(torch.tensor([ids[at] for at in batch])).numpy()
    return out


def _batches(reader: tokenizers.Tokenizer, examples: Examples, plan: Plan) -> Iterator[tuple[Tensor, Tensor]]:
    """Ids and labels of batch after batch, in an order that the seed makes, until the plan's examples are through."""
    left, number = plan.examples, 0
    brands = len(examples.labels)
    while left > 0:
        data = examples.round(plan.seed * 10_000 + number)
        label = data["label"].to_numpy().astype(np.int64)
        label = np.where(label >= 0, label, brands - 1 - label)
        ids = [encoding.ids for encoding in reader.encode_batch_fast(data["key"].to_list())]
        random = np.random.Generator(np.random.PCG64((plan.seed, number)))
        whole = list(_of_one_length(np.array([len(one) for one in ids]), plan.batch))
        for place in random.permutation(len(whole)):
            batch = whole[place]
            yield torch.tensor([ids[at] for at in batch]), torch.from_numpy(label[batch])
            left -= plan.batch
            if left <= 0:
                return
        number += 1


def _of_one_length(lengths: npt.NDArray[np.intp], size: int) -> Iterator[npt.NDArray[np.intp]]:
    order = np.argsort(lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        yield from (same[start : start + size] for start in range(0, len(same), size))


def _step(net: Net, optimizer: torch.optim.Optimizer, ids: Tensor, labels: Tensor, device: str) -> float:
    with torch.autocast(device, dtype=torch.bfloat16):
        scores = net(ids)
    loss = torch.nn.functional.cross_entropy(scores.float() * net.log_scale.exp(), labels)
    value = float(loss.detach())
    if not np.isfinite(value):
        raise TierbreakError("training: the loss is not a number; give a smaller --rate and delete the checkpoint")
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return value


def _share(done: float, warm_up: float) -> float:
    """The share of the full learning rate at a point of the run, 0..1.

    >>> [round(_share(done, 0.1), 2) for done in (0.0, 0.05, 0.1, 0.55, 1.0)]
    [0.01, 0.5, 1.0, 0.5, 0.0]
    """
    return max(done / warm_up, 0.01) if done < warm_up else (1.0 - done) / (1.0 - warm_up)


def _resume(checkpoint: Path, plan: Plan, net: Net, optimizer: torch.optim.Optimizer) -> int:
    """Examples that were seen, once the checkpoint is loaded; 0 where there is none."""
    if not checkpoint.is_file():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    if state["plan"] != plan.fingerprint:
        raise TierbreakError(f"{checkpoint}: is of another plan; delete it, or give the options it was made with")
    net.load_state_dict(state["net"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["seen"])


def _save(checkpoint: Path, plan: Plan, net: Net, optimizer: torch.optim.Optimizer, seen: int) -> None:
    """Whole or not at all: a run killed while it writes goes on from the checkpoint before."""
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with atomic.writing(checkpoint) as file:
        torch.save(
            {"plan": plan.fingerprint, "net": net.state_dict(), "optimizer": optimizer.state_dict(), "seen": seen}, file
        )
