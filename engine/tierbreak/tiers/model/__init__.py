"""Tier `model`: key -> the nearest brands with raw scores. runtime.py runs the graph.

A key's evidence depends on the key alone, bit for bit: not on the batch, its order or size, nor on the number of
threads. Three things bring that about. The graph works on one token or one key at a time, with integer products
(see training/graph.py). Keys of one length in tokens make a batch, so that nothing is ever padded. And a session
runs on one thread: threads share out batches, never the inside of one, which is faster for small matrices too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.policy import Policy
from tierbreak.core.tables import EVIDENCE, TOP_K
from tierbreak.errors import ModelError
from tierbreak.tiers.model import gate
from tierbreak.tiers.model.folder import Folder, fault

if TYPE_CHECKING:
    import tokenizers

    from tierbreak.tiers.model.runtime import Session

#: Tokens in a batch: enough that a product is worth its call, few enough that its input stays in the core's cache.
BATCH_TOKENS = 512

#: Keys tokenised at once: bounds the memory, not the answer.
_CHUNK = 65_536

_Int32 = npt.NDArray[np.int32]
_Float32 = npt.NDArray[np.float32]


class ModelTier:
    """A loaded model. Safe to share between threads.

    labels        brand ids, in the order of the model's outputs
    policy        temperature, null score and threshold; not part of the evidence
    evidence      what shapes the evidence, by name: it names the cache's store
    fingerprint   hex digest of weights, tokenizer and labels
    """

    def __init__(self, folder: Folder, session: Session, tokenizer: tokenizers.Tokenizer, threads: int) -> None:
        from tierbreak.tiers.model.runtime import VERSION

        self.labels = folder.labels
        self.policy: Policy = folder.policy
        self.evidence = {
            "weights": folder.sha256["model.onnx"],
            "tokenizer": folder.sha256["tokenizer.json"],
            "labels": folder.sha256["labels.json"],
            "backend": backend_name(f"onnxruntime {VERSION} cpu int8, one scale a token"),
        }
        of = ("weights", "tokenizer", "labels")
        self.fingerprint = hashlib.sha256("\n".join(self.evidence[name] for name in of).encode()).hexdigest()
        self._session = session
        self._tokenizer = tokenizer
        self._threads = threads

    @classmethod
    def load(cls, folder: Path, *, registry_ids: Collection[str], threads: int | None = None) -> ModelTier:
        """Load the model in `folder` through its gate.

        registry_ids   the ids of brands.csv; every label must be one
        threads        cores that `judge` may use; None is all of them

        Raises ModelError, with every fault found, where a file is missing, is not the one the manifest names,
        disagrees with another, or where the model no longer says of the golden strings what it said when it was
        exported, says what is no number, or is far too slow.
        """
        content = Folder.read(folder, registry_ids)
        session = open_session(content)
        tokenizer = open_tokenizer(content)
        tier = cls(content, session, tokenizer, threads or os.cpu_count() or 1)
        faults = [*gate.disagreements(content, session, tokenizer)]
        if faults := faults or [*gate.misbehaviour(content, tier._on_one_thread)]:
            raise ModelError(faults=faults)
        return tier

    def judge(self, texts: pl.Series) -> pl.DataFrame:
        """What the model sees in each text, as EVIDENCE: one row for every text, in order.

        texts   String [n], keys as the normaliser makes them, no nulls; an empty key is a key

        Raises ModelError where a score is not a number: a broken model file, never a strange key.
        """
        labels = np.empty((len(texts), TOP_K), dtype=np.int32)
        scores = np.empty((len(texts), TOP_K), dtype=np.float32)
        for start in range(0, len(texts), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(texts)))
            self._judge(texts[part].to_list(), labels[part], scores[part])
        if not np.isfinite(scores).all():
            raise ModelError("the model gave a score that is not a number; restore model.onnx or export it anew")
        keys = pl.Series("key", np.arange(len(texts), dtype=np.uint32))
        return pl.DataFrame(
            [keys, pl.Series("labels", labels), pl.Series("scores", scores)],
            schema=EVIDENCE,
        )

    def _on_one_thread(self, texts: list[str]) -> tuple[_Int32, _Float32]:
        """Labels and scores, worked out on the calling thread whatever `threads` is."""
        labels, scores = np.empty((len(texts), TOP_K), np.int32), np.empty((len(texts), TOP_K), np.float32)
        self._judge(texts, labels, scores, threads=1)
        return labels, scores

    def _judge(self, texts: list[str], labels: _Int32, scores: _Float32, threads: int | None = None) -> None:
        """Fill in labels and scores of a chunk, batch by batch."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]

        def run(batch: npt.NDArray[np.intp]) -> None:
            ids = np.array([tokens[at] for at in batch], dtype=np.int64)
            labels[batch], scores[batch] = self._session.run(["labels", "scores"], {"input_ids": ids})

        work = [*batches(np.array([len(ids) for ids in tokens], dtype=np.intp))]
        workers = min(threads or self._threads, len(work))
        if workers < 2:
            for batch in work:
                run(batch)
            return
        with ThreadPoolExecutor(workers, thread_name_prefix="tierbreak-model") as pool:
            for _ in pool.map(run, work):
                pass


def batches(lengths: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[np.intp]]:
    """Positions of keys of one length, at most BATCH_TOKENS tokens together; the longest first, to end evenly.

    >>> [batch.tolist() for batch in batches(np.array([4, 100, 4, 100, 4]))]
    [[1, 3], [0, 2, 4]]
    """
    order = np.argsort(-lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        rows = max(1, BATCH_TOKENS // int(lengths[same[0]])) if len(same) else 1
        yield from (same[start : start + rows] for start in range(0, len(same), rows))


def backend_name(runtime: str) -> str:
    """The part `backend` of the evidence: what runs the model and what cuts its texts, each with its version."""
    from tokenizers import __version__

    return f"{runtime}; tokenizers {__version__}"


def open_session(folder: Folder) -> Session:
    from tierbreak.tiers.model.runtime import session

    try:
        return session(folder.graph, threads=1)
    except Exception as error:  # onnxruntime's own exceptions share no base but this one
        found = str(error).splitlines()[0]
        raise ModelError(
            faults=[fault("M010", folder.path / "model.onnx", "onnxruntime cannot open it", found, "an ONNX model")]
        ) from None


def open_tokenizer(folder: Folder) -> tokenizers.Tokenizer:
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_str(folder.tokenizer)
    except Exception as error:  # tokenizers raises plain Exception
        raise ModelError(
            faults=[fault("M006", folder.path / "tokenizer.json", "cannot be read", error, "a tokenizer")]
        ) from None
