"""Running a graph while it is being made: embeddings, the range of each layer's input, the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import tokenizers
from onnx import TensorProto, helper

from tierbreak.tiers.model import batches
from tierbreak.tiers.model.runtime import session


class Runner:
    """A graph with its tokenizer; takes texts as they are (make them keys first)."""

    def __init__(self, model: onnx.ModelProto, tokenizer: str) -> None:
        self._session = session(model.SerializeToString(), threads=0)
        self._tokenizer = tokenizers.Tokenizer.from_str(tokenizer)

    def run(self, texts: Sequence[str], *outputs: str) -> list[npt.NDArray[Any]]:
        """Each output, one row a text."""
        whole: list[npt.NDArray[Any]] = []
        for batch, parts in self._batches(texts, outputs):
            whole = whole or [np.empty((len(texts), *part.shape[1:]), part.dtype) for part in parts]
            for name, part in zip(whole, parts, strict=True):
                name[batch] = part
        return whole

    def largest(self, texts: Sequence[str], tensors: dict[str, str]) -> dict[str, npt.NDArray[np.float32]]:
        """Layer -> float32 [channels], the largest size that each channel of its input takes on `texts`."""
        found: dict[str, npt.NDArray[np.float32]] = {layer: np.zeros(1, np.float32) for layer in tensors}
        for _, parts in self._batches(texts, tuple(tensors.values())):
            for layer, part in zip(tensors, parts, strict=True):
                found[layer] = np.maximum(found[layer], np.abs(part).max(axis=(0, 1)))
        return found

    def _batches(
        self, texts: Sequence[str], outputs: tuple[str, ...]
    ) -> Iterator[tuple[npt.NDArray[np.intp], list[npt.NDArray[Any]]]]:
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]
        for batch in batches(np.array([len(ids) for ids in tokens], dtype=np.intp)):
            ids = np.array([tokens[at] for at in batch], dtype=np.int64)
            yield batch, self._session.run(list(outputs), {"input_ids": ids})


def show(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """The same graph with inner tensors among its outputs."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors)
    return shown
