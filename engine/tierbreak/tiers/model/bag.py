"""Tier `model` without a BERT: hashed n-grams of the key and one linear model a brand. numpy alone.

What companies served before encoders, kept as the rival to measure against, and as what answers where the BERT cannot
be loaded. Weights are whole numbers, so that a sum is exact in whatever order it is taken: a key's evidence depends on
the key alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core.json_text import parse
from tierbreak.core.policy import Policy
from tierbreak.core.tables import EVIDENCE, TOP_K
from tierbreak.errors import Fault, ModelError
from tierbreak.files import atomic
from tierbreak.tiers.model.ngrams import HASHING, SIZE, Ngrams

#: The format of the file that this code reads and writes.
FORMAT = "tierbreak bag 1"

#: Scores are logits in tens: a confidence is as far away as that of a cosine, and one policy search fits both.
LOGITS = 10.0

#: Keys scored at once: their sums fill the core's cache and no more.
_CHUNK = 64

#: A feature that so large a share of the labels gives a weight to is multiplied, the others are looked up one by one.
_DENSE_SHARE = 1 / 16

#: The arrays of a file, with the type of each.
_ARRAYS = {"starts": np.int32, "owners": np.uint16, "weights": np.int8, "bias": np.int32}

_REBUILD = "train it anew: python -m tierbreak.tools.models.training.bag"

Sums = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Weights:
    """One linear model a label, by feature: feature f has weight `weights[at]` for label `owners[at]`, at in
    starts[f]..starts[f + 1], labels ascending. A logit is `unit` times the sum of a key's weights and the bias.

    starts   int32 [SIZE + 1]; owners uint16 [w]; weights int8 [w], none of them 0; bias int32 [labels]
    """

    starts: npt.NDArray[np.int32]
    owners: npt.NDArray[np.uint16]
    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    unit: float
    _row: npt.NDArray[np.int32] = field(init=False, repr=False)
    _table: npt.NDArray[np.float32] = field(init=False, repr=False)
    _count: npt.NDArray[np.int32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        count = np.diff(self.starts)
        dense = np.flatnonzero(count > max(64, len(self.bias) * _DENSE_SHARE))
        row = np.full(SIZE, -1, dtype=np.int32)
        row[dense] = np.arange(len(dense), dtype=np.int32)
        table = np.zeros((len(dense), len(self.bias)), dtype=np.float32)
        for at, feature in enumerate(dense):
            own = slice(self.starts[feature], self.starts[feature + 1])
            table[at, self.owners[own]] = self.weights[own]
        object.__setattr__(self, "_row", row)
        object.__setattr__(self, "_table", table)
        object.__setattr__(self, "_count", np.where(row < 0, count, 0))

    def sums(self, ngrams: Ngrams, start: int, end: int) -> Sums:
        """int64 [end - start, labels]: bias and weights of the texts start..end, in whole numbers of `unit`."""
        labels = len(self.bias)
        own = slice(ngrams.starts[start], ngrams.starts[end])
        feature = ngrams.features[own]
        text = np.repeat(np.arange(end - start), np.diff(ngrams.starts[start : end + 1]))
        row, table, counts = self._row[feature], self._table, self._count[feature]
        total = np.repeat(self.bias[None].astype(np.float64), end - start, axis=0)
        if len(table):
            has = np.zeros((end - start, len(table)), dtype=np.float32)
            has[text[row >= 0], row[row >= 0]] = 1.0
            # Whole numbers far below 2^24: float32 adds them without rounding, in any order.
            total += has @ table
        at = np.repeat(self.starts[feature] - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
        place = np.repeat(text * labels, counts) + self.owners[at]
        total += np.bincount(place, self.weights[at], minlength=total.size).reshape(total.shape)
        return total.astype(np.int64)


def best(sums: Sums, k: int) -> npt.NDArray[np.int32]:
    """The k labels with the largest sums, best first; of equal ones the first label.

    >>> best(np.array([[3, 9, 3, 1]]), 3).tolist()
    [[1, 0, 2]]
    """
    labels = sums.shape[1]
    ordered = sums * -labels + np.arange(labels)  # all different, so that any way of sorting gives one answer
    chosen = np.sort(np.partition(ordered, k - 1, axis=1)[:, :k], axis=1)
    return (chosen % labels).astype(np.int32)


class BagTier:
    """A loaded bag of words, with the interface of ModelTier. Safe to share between threads.

    labels        brand ids, in the order of the model's outputs
    policy        temperature, null score and threshold; not part of the evidence
    evidence      what shapes the evidence, by name: it names a cache's store
    fingerprint   hex digest of weights, hashing and labels
    """

    def __init__(self, labels: tuple[str, ...], weights: Weights, policy: Policy) -> None:
        self.labels, self.policy, self._weights = labels, policy, weights
        arrays = b"".join(getattr(weights, name).tobytes() for name in _ARRAYS)
        self.evidence = {
            "weights": hashlib.sha256(arrays + repr(weights.unit).encode()).hexdigest(),
            "tokenizer": hashlib.sha256(HASHING.encode()).hexdigest(),
            "labels": hashlib.sha256("\n".join(labels).encode()).hexdigest(),
            "backend": f"{FORMAT}, whole numbers",
        }
        of = ("weights", "tokenizer", "labels")
        self.fingerprint = hashlib.sha256("\n".join(self.evidence[name] for name in of).encode()).hexdigest()

    @classmethod
    def load(cls, path: Path, *, registry_ids: Collection[str], threads: int | None = None) -> BagTier:
        """Load the file `path` through its gate.

        registry_ids   the ids of brands.csv; every label must be one
        threads        taken for the sake of ModelTier's interface; one core scores

        Raises ModelError, with every fault found, where the file is missing, is not what its own header says, was
        hashed in another way, or names labels that the registry lacks.
        """
        header, arrays = _read(path)
        labels = tuple(header["labels"])
        faults = [*_misfits(path, arrays, len(labels)), *_label_faults(path, labels, registry_ids)]
        if header["hashing"] != HASHING:
            faults.append(_fault("M006", path, "features were hashed in another way", header["hashing"], HASHING))
        try:
            policy = Policy(**header["policy"])
        except (TypeError, ValueError) as error:
            faults.append(_fault("M009", path, "the policy is wrong", error, "the values that the fit writes"))
        if faults:
            raise ModelError(faults=faults)
        tier = cls(labels, Weights(**arrays, unit=header["unit"]), policy)
        if tier.fingerprint != header["fingerprint"]:
            says, due = "the content is not what the header says", f"fingerprint {header['fingerprint']}"
            found, fix = f"fingerprint {tier.fingerprint}", "restore the file, or train it anew"
            raise ModelError(faults=[_fault("M003", path, says, found, due, fix)])
        return tier

    def save(self, path: Path) -> None:
        """Write the file: a header and the arrays, in numpy's npz."""
        header = {
            "format": FORMAT, "hashing": HASHING, "labels": self.labels, "policy": asdict(self.policy),
            "unit": self._weights.unit, "fingerprint": self.fingerprint,
        }  # fmt: skip
        arrays: dict[str, Any] = {name: getattr(self._weights, name) for name in _ARRAYS}
        with atomic.writing(path) as file:
            np.savez_compressed(file, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)

    def judge(self, texts: pl.Series) -> pl.DataFrame:
        """What the model sees in each text, as EVIDENCE: one row for every text, in order.

        texts   String [n], keys as the normaliser makes them, no nulls; an empty key is a key, of which only the
                biases speak
        """
        ngrams = Ngrams.of(texts)
        labels = np.empty((len(texts), TOP_K), dtype=np.int32)
        scores = np.empty((len(texts), TOP_K), dtype=np.float32)
        for start in range(0, len(texts), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(texts)))
            sums = self._weights.sums(ngrams, start, part.stop)
            labels[part] = best(sums, TOP_K)
            scores[part] = np.take_along_axis(sums, labels[part], axis=1) * (self._weights.unit / LOGITS)
        keys = pl.Series("key", np.arange(len(texts), dtype=np.uint32))
        return pl.DataFrame([keys, pl.Series("labels", labels), pl.Series("scores", scores)], schema=EVIDENCE)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """The header and the arrays; raises ModelError where they cannot be had."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            faults=[_fault("M001", path, "file is missing or cannot be read", error.strerror, "a file")]
        ) from None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            header = parse(file["header"].tobytes())
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']!r}")
            if not isinstance(header["unit"], float) or not isinstance(header["policy"], dict):
                raise ValueError("no unit or policy in the header")
            if not all(isinstance(label, str) for label in header["labels"]):
                raise ValueError("a label is no text")
            for name in ("hashing", "fingerprint"):
                header[name] = str(header[name])
            return header, {name: file[name] for name in _ARRAYS}
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OSError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        found = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ModelError(faults=[_fault("M002", path, "cannot be read", found, f"a file of {FORMAT!r}")]) from None


def _misfits(path: Path, arrays: dict[str, npt.NDArray[Any]], labels: int) -> Iterator[Fault]:
    """Arrays that do not fit together, any of which would lead a look-up astray."""
    starts, owners, weights = arrays["starts"], arrays["owners"], arrays["weights"]
    found = {name: f"{array.dtype} {list(array.shape)}" for name, array in arrays.items()}
    due = {"starts": [SIZE + 1], "owners": [weights.size], "weights": [weights.size], "bias": [labels]}
    wrong = [name for name, kind in _ARRAYS.items() if found[name] != f"{np.dtype(kind)} {due[name]}"]
    for name in wrong:
        yield _fault("M005", path, f"array {name} does not fit", found[name], f"{np.dtype(_ARRAYS[name])} {due[name]}")
    if not wrong and (starts[0] != 0 or starts[-1] != len(weights) or (np.diff(starts) < 0).any()):
        yield _fault(
            "M005", path, "array starts does not fit", "bounds out of order", f"0 to {len(weights)}, ascending"
        )
    if not wrong and (owners >= labels).any():
        yield _fault("M005", path, "array owners does not fit", f"label {owners.max()}", f"below {labels}")


def _label_faults(path: Path, labels: tuple[str, ...], registry_ids: Collection[str]) -> Iterator[Fault]:
    if len(labels) < TOP_K:
        yield _fault("M005", path, "has too few labels", len(labels), f"{TOP_K} or more")
    if len(set(labels)) < len(labels):
        yield _fault("M004", path, "has labels twice", len(labels) - len(set(labels)), "each brand id once")
    known = set(registry_ids)
    unknown = [label for label in labels if label not in known]
    if unknown:
        some = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        fix = "restore the brands (retire a brand, never delete it), or train it anew"
        says = f"{len(unknown)} labels are not in the registry"
        yield _fault("M004", path, says, some, "brand ids of brands.csv", fix)


def _fault(code: str, path: Path, says: str, found: object, expected: str, fix: str = _REBUILD) -> Fault:
    return Fault(code, path, 0, 0, says, str(found), expected, fix)
