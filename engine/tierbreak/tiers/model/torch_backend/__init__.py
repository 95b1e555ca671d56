"""The torch twin of tier `model`: the same weights in floating point, for a GPU. Needs the extra `gpu`.

Built from weights.safetensors, from whose values model.onnx is made too. Its scores lie a little off those of the int8
graph, so that its evidence names a store of its own in the cache.

How it answers. Keys are tokenised in a thread of their own, ahead of the device. A batch has one of few static shapes
(buckets.py); on a GPU a CUDA graph is captured for each when the tier is loaded, a copy stream brings one batch in
while the device is at the one before, and a handful of numbers a key comes back (device.py).

Same answer in any batch: a key meets products of one shape only, and torch has no reason to add up a row otherwise
when other rows change; but it promises nothing. What is stated: in float32 scores differ by less than
FLOAT32_TOLERANCE between batches. For bfloat16 nothing is: a key near the threshold may be answered in one batch and
not in another. `python -m bench.gpu` says what a card does.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.policy import Policy
from tierbreak.core.tables import EVIDENCE, TOP_K
from tierbreak.errors import Fault, ModelError
from tierbreak.tiers.model import backend_name, gate, open_tokenizer
from tierbreak.tiers.model.folder import WEIGHTS, Folder, fault, sealed
from tierbreak.tiers.model.torch_backend.buckets import WIDTHS, Shape, Tokens, pack, plan, shapes
from tierbreak.tiers.model.torch_backend.device import RING, Launch, checked, eager, replayed, share_out
from tierbreak.tiers.model.torch_backend.network import Network, layers

if TYPE_CHECKING:
    import tokenizers

#: What scores in float32 may differ by: between batches, between devices, and from the float32 ONNX graph.
FLOAT32_TOLERANCE = 1e-4

#: How many times the folder's tolerance a golden string may be off, as its score is the int8 graph's. So far from the
#: threshold each of them stands.
_GOLDEN_ALLOWANCE = 2

#: Tokens in a batch. On a GPU enough to fill it; on a CPU few, as padding costs there what it costs.
BATCH_TOKENS = {"cuda": 16_384, "cpu": 512}

#: Keys tokenised at once: bounds the memory, and is how far the tokeniser runs ahead.
_CHUNK = 65_536

_Array = npt.NDArray[Any]
_Int32 = npt.NDArray[np.int32]
_Float32 = npt.NDArray[np.float32]


class TorchTier:
    """A loaded twin, with the interface of ModelTier. Safe to share between threads, which take turns.

    labels        brand ids, in the order of the model's outputs
    policy        temperature, null score and threshold; not part of the evidence
    evidence      what shapes the evidence, by name; the backend is torch with its device, dtype and shapes
    fingerprint   that of ModelTier: it says which folder was loaded, not on what it runs
    shapes        of its batches
    """

    def __init__(
        self, folder: Folder, launch: Launch, tokenizer: tokenizers.Tokenizer, given: Sequence[Shape], backend: str
    ) -> None:
        self.labels = folder.labels
        self.policy: Policy = folder.policy
        sha256 = {name: folder.sha256[name] for name in (WEIGHTS, "model.onnx", "tokenizer.json", "labels.json")}
        self.evidence = {
            "weights": sha256[WEIGHTS],
            "tokenizer": sha256["tokenizer.json"],
            "labels": sha256["labels.json"],
            "backend": backend,
        }
        served = ("model.onnx", "tokenizer.json", "labels.json")
        self.fingerprint = hashlib.sha256("\n".join(sha256[name] for name in served).encode()).hexdigest()
        self.shapes = tuple(given)
        self._tokenizer = tokenizer
        self._launch = launch
        self._turn = threading.Lock()

    @classmethod
    def load(
        cls, folder: Path, *, registry_ids: Collection[str], threads: int | None = None, device: str = "cuda",
        dtype: str = "bfloat16", batch_tokens: int | None = None, compiled: bool = False,
    ) -> TorchTier:  # fmt: skip
        """Load the twin of the model in `folder` through the same gate.

        registry_ids   the ids of brands.csv; every label must be one
        threads        cores to use; None is all. On a GPU all but one tokenise; the last drives the device
        device         "cuda" (the first one that is visible) or "cpu" (for tests: ModelTier is faster there)
        dtype          "bfloat16" or "float32"
        batch_tokens   tokens in a batch; None is BATCH_TOKENS
        compiled       whether torch.compile fuses the network first: minutes of loading, to be measured before use

        Sets, for the whole process, torch's threads and on a GPU (unless it is set, or too late) RAYON_NUM_THREADS, so
        that torch and the tokeniser do not fight for cores.

        Raises SettingsError where torch or the device is not there, and ModelError as ModelTier.load does.
        """
        torch = checked(device, dtype)
        share_out(threads or os.cpu_count() or 1, device)
        content = Folder.read(folder, registry_ids)
        tokenizer = open_tokenizer(content)
        weights = _weights(content, tokenizer)
        given = shapes(batch_tokens or BATCH_TOKENS[device])
        network = Network(weights, device, dtype)
        run = torch.compile(network.__call__, dynamic=False) if compiled else network
        launch = replayed(run, given, device) if device == "cuda" else eager(run)
        on = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        how = f"{dtype}, {'compiled, ' if compiled else ''}{' '.join(f'{rows}x{width}' for rows, width in given)}"
        tier = cls(content, launch, tokenizer, given, backend_name(f"torch {torch.__version__} {on} {how}"))
        lenient = replace(content, tolerance=_GOLDEN_ALLOWANCE * content.tolerance)
        faults = [*gate.misbehaviour(lenient, lambda keys: tier._said(pl.Series(keys)))]
        if faults:
            raise ModelError(faults=faults)
        return tier

    def judge(self, texts: pl.Series) -> pl.DataFrame:
        """What the model sees in each text, as EVIDENCE: one row for every text, in order.

        texts   String [n], keys as the normaliser makes them, no nulls; an empty key is a key

        Raises ModelError where a score is not a number: a broken model file, never a strange key.
        """
        labels, scores = self._said(texts)
        if not np.isfinite(scores).all():
            raise ModelError(f"the model gave a score that is not a number; restore {WEIGHTS} or export it anew")
        keys = pl.Series("key", np.arange(len(texts), dtype=np.uint32))
        return pl.DataFrame([keys, pl.Series("labels", labels), pl.Series("scores", scores)], schema=EVIDENCE)

    def tokenise(self, texts: list[str]) -> Tokens:
        """The tokens of each text; the tokeniser shares the work out to its own threads."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]
        lengths = np.fromiter(map(len, tokens), np.intp, len(tokens))
        return Tokens(np.fromiter(chain.from_iterable(tokens), np.int32, int(lengths.sum())), lengths)

    def answer(self, tokens: Tokens, labels: _Int32, scores: _Float32) -> None:
        """Fill in labels int32 and scores float32 [n, TOP_K] of n keys, RING batches at a time."""
        under_way: deque[tuple[npt.NDArray[np.intp], Callable[[], _Int32]]] = deque()

        def collect() -> None:
            at, wait = under_way.popleft()
            found = wait()[: len(at)]
            labels[at], scores[at] = found[:, :TOP_K], found[:, TOP_K:].view(np.float32)

        with self._turn:
            for shape, positions in plan(tokens.lengths, self.shapes):
                batch = pack(shape, positions, tokens)
                if len(under_way) == RING:
                    collect()
                under_way.append((positions, self._launch(batch)))
            while under_way:
                collect()

    def _said(self, texts: pl.Series) -> tuple[_Int32, _Float32]:
        """Labels and scores of all texts."""
        labels, scores = np.empty((len(texts), TOP_K), np.int32), np.empty((len(texts), TOP_K), np.float32)
        for part, tokens in self._ahead(texts):
            self.answer(tokens, labels[part], scores[part])
        return labels, scores

    def _ahead(self, texts: pl.Series) -> Iterator[tuple[slice, Tokens]]:
        """The texts in chunks with their tokens; the next chunk is tokenised while the caller is at one."""
        parts = [slice(start, min(start + _CHUNK, len(texts))) for start in range(0, len(texts), _CHUNK)]
        with ThreadPoolExecutor(1, thread_name_prefix="tierbreak-tokenise") as beside:
            coming = deque(beside.submit(self.tokenise, texts[part].to_list()) for part in parts[:1])
            for number, part in enumerate(parts):
                tokens = coming.popleft().result()
                following = parts[number + 1 : number + 2]
                coming.extend(beside.submit(self.tokenise, texts[after].to_list()) for after in following)
                yield part, tokens


def _weights(folder: Folder, tokenizer: tokenizers.Tokenizer) -> dict[str, _Array]:
    """The arrays of weights.safetensors; raises ModelError where they do not fit labels or tokenizer."""
    from safetensors.numpy import load

    path = folder.path / WEIGHTS
    content = sealed(folder.path, WEIGHTS)
    try:
        weights = load(content)
    except Exception as error:  # safetensors has an exception of its own, straight below this one
        raise ModelError(faults=[fault("M010", path, "safetensors cannot open it", error, "weights")]) from None
    faults = [*_disagreements(path, weights, len(folder.labels), tokenizer)]
    if faults:
        raise ModelError(faults=faults)
    return weights


def _disagreements(
    path: Path, weights: Mapping[str, _Array], labels: int, tokenizer: tokenizers.Tokenizer
) -> Iterator[Fault]:
    """What the weights lack, and where they do not fit the rest of the folder."""
    words, places = (f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position"))
    lacks = {words, places, "head.prototypes"} - set(weights)
    if lacks or not layers(weights):
        found = f"no {', '.join(sorted(lacks)) or 'encoder.layer'}"
        yield fault("M005", path, "lacks arrays", found, "an encoder's and head.prototypes")
        return
    for name, at, due, code in (
        ("head.prototypes", 1, labels, "M005"),
        (words, 0, tokenizer.get_vocab_size(), "M006"),
    ):
        if weights[name].shape[at] != due:
            yield fault(code, path, f"{name} does not fit the folder", weights[name].shape[at], f"{due}")
    longest = (tokenizer.truncation or {}).get("max_length", 0)
    if not 0 < longest <= min(WIDTHS[-1], len(weights[places])):
        yield fault("M006", path.with_name("tokenizer.json"), "does not cut keys to what the model reads",
                    f"{longest or 'any number of'} tokens", f"at most {WIDTHS[-1]}")  # fmt: skip
