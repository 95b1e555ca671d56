"""The load gate: do the parts of a folder fit together, and does the model say what it said when it was exported?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tierbreak.core.policy import rank
from tierbreak.core.tables import NOT_A_MERCHANT_LABEL, TOP_K
from tierbreak.errors import Fault
from tierbreak.tiers.model.folder import Folder, digest, fault, some

if TYPE_CHECKING:
    import tokenizers

    from tierbreak.tiers.model.runtime import Session

#: How many times the reference work a golden string may take. The shipped model takes 0.3 times, so one that fails is
#: a hundred times slower than it, and no load of the machine makes it so: both are measured in processor time.
SLOWEST = 30.0

#: How often the golden strings are timed before the model is called too slow.
_ATTEMPTS = 3

_Int32 = npt.NDArray[np.int32]
_Float32 = npt.NDArray[np.float32]
Judge = Callable[[list[str]], tuple[_Int32, _Float32]]


def brand_codes(labels: _Int32) -> _Int32:
    """Labels as `calibration.rank` wants them where every label is a brand of its own: reserved answers moved below -1.

    >>> brand_codes(np.array([7, 0, -1, -2], dtype="int32"))
    array([ 7,  0, -2, -3], dtype=int32)
    """
    return np.where(labels < 0, labels - 1, labels).astype(np.int32)


def best(labels: Sequence[str], at: _Int32, scores: _Float32) -> tuple[str | None, float]:
    """The best answer of one key and its raw score; None stands for either reserved answer.

    >>> scores = np.array([0.5, 0.25, 0.75], dtype="float32")
    >>> best(["lyft", "uber"], np.array([1, 0, -2]), scores), best(["lyft", "uber"], np.array([1, 0]), scores[:2])
    ((None, 0.75), ('uber', 0.5))
    """
    first = int(scores.argmax())
    return (labels[at[first]] if at[first] >= 0 else None), float(scores[first])


def disagreements(folder: Folder, session: Session, tokenizer: tokenizers.Tokenizer) -> Iterator[Fault]:
    """Where the parts of a folder do not fit together."""
    path = folder.path / "model.onnx"
    shapes = {f"input {node.name}": node.shape[1:] for node in session.get_inputs()}
    shapes |= {f"output {node.name}": node.shape[1:] for node in session.get_outputs()}
    due: dict[str, list[Any]] = {"input input_ids": ["tokens"], "output labels": [TOP_K], "output scores": [TOP_K]}
    if shapes != due:
        yield fault("M005", path, "has other inputs or outputs", shapes, str(due))
    stated = session.get_modelmeta().custom_metadata_map
    for name, found, what in (
        ("labels", len(folder.labels), "labels in labels.json"),
        ("vocabulary", tokenizer.get_vocab_size(), "words in tokenizer.json"),
    ):
        if stated.get(name) != str(found):
            code = "M006" if name == "vocabulary" else "M005"
            yield fault(code, path, f"was made for {stated.get(name, 'an unstated number of')} {what}", found,
                        "files of one export")  # fmt: skip

    given = digest(folder.labels)
    if stated.get("labels") == str(len(folder.labels)) and stated.get("labels.sha256", given) != given:
        yield fault("M005", path, "was made for other labels, or for these in another order", f"labels.json {given}",
                    f"labels.json {stated['labels.sha256']}")  # fmt: skip


def misbehaviour(folder: Folder, judge: Judge) -> Iterator[Fault]:
    """What is wrong with what the model says of the golden strings, and of brands' own names.

    judge   keys -> labels int32 [n, TOP_K] and raw scores float32 [n, TOP_K], on the calling thread
    """
    path = folder.path / "model.onnx"
    keys = [*(string.key for string in folder.golden), *(key for key, _ in folder.names)]
    (labels, scores), seconds = _timed(judge, keys)
    if not np.isfinite(scores).all():
        row = int(np.argwhere(~np.isfinite(scores))[0, 0])
        yield fault("M011", path, f"gives {keys[row]!r} a score that is not a number", scores[row], "finite scores")
    elif labels.max() >= len(folder.labels) or labels.min() < NOT_A_MERCHANT_LABEL:
        found = f"labels from {labels.min()} to {labels.max()}"
        yield fault("M005", path, "names labels that labels.json lacks", found, f"{NOT_A_MERCHANT_LABEL} to "
                    f"{len(folder.labels) - 1}")  # fmt: skip
    else:
        strings = len(folder.golden)
        yield from _unlike_golden(folder, labels[:strings], scores[:strings])
        yield from _misnamed(folder, labels[strings:], scores[strings:])
        yield from _too_slow(folder, judge, keys, seconds)


def _unlike_golden(folder: Folder, labels: _Int32, scores: _Float32) -> Iterator[Fault]:
    """Golden strings of which the model says something else than when it was exported."""
    path, policy = folder.path / "golden.json", folder.policy
    _, confidence = rank(policy, brand_codes(labels), scores)
    for row, string in enumerate(folder.golden):
        label, score = best(folder.labels, labels[row], scores[row])
        expected = f"{string.label} with a score of {string.score:.4f} +- {folder.tolerance}"
        # A second label may stand as near as the first: the score alone tells these apart from a broken model.
        near = folder.tolerance >= abs(score - string.score)
        tied = labels[row][scores[row] >= score - folder.tolerance]
        if not (near and string.label in {folder.labels[at] if at >= 0 else None for at in tied}):
            yield fault("M007", path, f"the model does not know {string.key!r} any more",
                        f"{label} with a score of {score:.4f}", expected)  # fmt: skip
        elif (confidence[row, 0] >= policy.threshold) != string.known:
            says = "is answered" if not string.known else "is not answered"
            yield fault("M007", path, f"{string.key!r} {says}", f"confidence {confidence[row, 0]:.3f}",
                        f"{'at least' if string.known else 'below'} {policy.threshold}")  # fmt: skip


def _misnamed(folder: Folder, labels: _Int32, scores: _Float32) -> Iterator[Fault]:
    """Brands of the sample whose own name is nearest to another: one fault for all of them."""
    found = [best(folder.labels, *row)[0] for row in zip(labels, scores, strict=True)]
    wrong = [f"{key} is {label}" for (key, due), label in zip(folder.names, found, strict=True) if label != due]
    if wrong:
        says = f"the model takes {len(wrong)} of {len(found)} brands' own names for another's"
        yield fault("M007", folder.path / "golden.json", says, some(wrong), "each name nearest to its own brand")


def _too_slow(folder: Folder, judge: Judge, keys: list[str], seconds: float) -> Iterator[Fault]:
    """A model that takes far longer than work of known size on the same processor, time after time."""
    times = []
    for _ in range(_ATTEMPTS):
        times.append(seconds / len(keys) / reference_seconds())
        if times[-1] <= SLOWEST:
            return
        _, seconds = _timed(judge, keys)
    yield fault("M008", folder.path / "model.onnx", "is too slow to serve",
                f"a key takes {min(times):.1f} times the reference work", f"at most {SLOWEST:g} times")  # fmt: skip


def _timed(judge: Judge, keys: list[str]) -> tuple[tuple[_Int32, _Float32], float]:
    start = time.thread_time()
    found = judge(keys)
    return found, time.thread_time() - start


def reference_seconds() -> float:
    """Processor time of a product of two integer matrices, 2 million terms: numpy does it on the calling thread."""
    matrix = np.arange(128 * 128, dtype=np.int32).reshape(128, 128) % 7
    start = time.thread_time()
    matrix @ matrix
    return max(time.thread_time() - start, 1e-6)
