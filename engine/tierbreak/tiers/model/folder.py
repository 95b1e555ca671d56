"""A model's folder: its manifest, its files and what they must agree on; read before any of it is run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tierbreak.core.json_text import parse
from tierbreak.core.policy import Policy
from tierbreak.core.tables import TOP_K
from tierbreak.errors import Fault, ModelError

#: What model.onnx is built from. A CPU serves without it, so that it is not read when a model is loaded.
WEIGHTS = "weights.safetensors"

#: What every folder holds beside manifest.json; the manifest gives the SHA-256 and the length of each.
FILES = ("model.onnx", WEIGHTS, "tokenizer.json", "labels.json", "calibration.json", "golden.json")

#: The format of the folder that this code reads.
FORMAT = 2

#: The fewest golden strings that are worth the name of a check.
LEAST_GOLDEN = 20

#: The largest tolerance of golden scores that is worth the name of a check.
MOST_TOLERANCE = 0.1

_T = TypeVar("_T")

_REBUILD = "export the model anew: python -m tierbreak.tools.models.training.export"


@dataclass(frozen=True, slots=True)
class Golden:
    """A key, and what the model said of it when it was exported: its best answer and that answer's raw score.

    label   None where the best is a reserved answer: no brand, or not a merchant
    known   whether the policy of that day answered it
    """

    key: str
    label: str | None
    score: float
    known: bool


@dataclass(frozen=True, slots=True)
class Folder:
    """The checked content of a model's folder.

    sha256      by file name
    graph       the bytes of model.onnx
    golden      keys that stand for all that the model must know and must not
    names       of a sample of the brands: the own name as a key, and the label; by far the nearest when exported
    tolerance   what a golden string's score may be off
    """

    path: Path
    sha256: dict[str, str]
    graph: bytes
    tokenizer: str
    labels: tuple[str, ...]
    policy: Policy
    golden: tuple[Golden, ...]
    names: tuple[tuple[str, str], ...]
    tolerance: float

    @classmethod
    def read(cls, path: Path, registry_ids: Collection[str]) -> Folder:
        """Read and check every file; raises ModelError that lists all that is wrong."""
        manifest = _manifest(path / "manifest.json")
        content, faults = _files(path, manifest)
        if faults:
            raise ModelError(faults=faults)
        labels = _parsed(path / "labels.json", content["labels.json"], _labels)
        golden, names, tolerance = _parsed(path / "golden.json", content["golden.json"], _golden)
        faults = [*_label_faults(path / "labels.json", labels, registry_ids)]
        faults += _golden_faults(path / "golden.json", golden, names, labels)
        if faults:
            raise ModelError(faults=faults)
        policy = Policy.from_json(path / "calibration.json")
        tokenizer = content["tokenizer.json"].decode("utf-8", errors="replace")
        return cls(path, manifest.sha256, content["model.onnx"], tokenizer, labels, policy, golden, names, tolerance)


@dataclass(frozen=True, slots=True)
class _Manifest:
    """Of each file, by its name: SHA-256 in hex, and length."""

    sha256: dict[str, str]
    bytes: dict[str, int]


def sealed(folder: Path, name: str) -> bytes:
    """The content of one file of a model's folder; raises ModelError where it is not the one the manifest names."""
    manifest = _manifest(folder / "manifest.json")
    content, wrong = _file(folder / name, manifest.sha256[name])
    if wrong:
        raise ModelError(faults=[wrong])
    return content


def digest(labels: Sequence[str]) -> str:
    """Hex digest of brand ids in their order: what a graph says it was made for."""
    return hashlib.sha256("\n".join(labels).encode()).hexdigest()


def fault(code: str, path: Path, says: str, found: object, expected: str, fix: str = _REBUILD) -> Fault:
    """A fault of a file as a whole, with what was found in it."""
    return Fault(code, path, 0, 0, says, str(found), expected, fix)


def _manifest(path: Path) -> _Manifest:
    if not path.parent.is_dir():
        raise ModelError(faults=[fault("M001", path.parent, "there is no such folder", "", "a model's folder",
                                       "give the path of a folder under models/")])  # fmt: skip
    if not path.is_file():
        raise ModelError(faults=[fault("M001", path, "file is missing", "", "the SHA-256 of each file")])
    return _parsed(path, path.read_bytes(), _sums)


def _sums(given: Any) -> _Manifest:
    if given["format"] != FORMAT:
        raise ValueError(f"format {given['format']!r}; this version reads format {FORMAT}")
    sums = {name: given["files"][name] for name in FILES}
    if not all(isinstance(digest, str) and len(digest) == 64 for digest in sums.values()):
        raise ValueError("a digest is not 64 hexadecimal digits")
    return _Manifest(sums, {name: int(given["bytes"][name]) for name in FILES})


def _labels(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(label, str) for label in given):
        raise ValueError("not a list of strings")
    return tuple(given)


def _golden(given: Any) -> tuple[tuple[Golden, ...], tuple[tuple[str, str], ...], float]:
    strings = tuple(
        Golden(str(g["key"]), None if g["label"] is None else str(g["label"]), float(g["score"]), bool(g["known"]))
        for g in given["strings"]
    )
    names = tuple((str(key), str(label)) for key, label in given.get("names", {}).items())
    tolerance = float(given["tolerance"])
    if not 0 <= tolerance <= MOST_TOLERANCE:
        raise ValueError(
            f"a tolerance of {tolerance}; scores are cosines, so that more than {MOST_TOLERANCE} checks nothing"
        )
    return strings, names, tolerance


def _parsed(path: Path, content: bytes, shape: Callable[[Any], _T]) -> _T:
    """The content as JSON, in the shape that is due."""
    try:
        return shape(parse(content))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        found = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ModelError(
            faults=[fault("M002", path, "cannot be read", found, "the JSON that the export writes")]
        ) from None


def _files(path: Path, manifest: _Manifest) -> tuple[dict[str, bytes], list[Fault]]:
    """Every file that serving needs, and what is wrong with any.

    Of the weights only the length is looked at: to hash them would make loading a quarter longer, and nothing of them
    is served. Who reads them does so by `sealed`; `tierbreak bundle` and `tierbreak model check` hash them too.
    """
    content: dict[str, bytes] = {}
    faults = []
    for name in FILES:
        if name == WEIGHTS:
            wrong = _length(path / name, manifest.bytes[name])
        else:
            content[name], wrong = _file(path / name, manifest.sha256[name])
        if wrong:
            faults.append(wrong)
    return content, faults


def _file(path: Path, sha256: str) -> tuple[bytes, Fault | None]:
    try:
        content = path.read_bytes()
    except OSError as error:
        return b"", _missing(path, error)
    found = hashlib.sha256(content).hexdigest()
    return content, None if found == sha256 else _other(path, f"sha256 {found}", f"sha256 {sha256}")


def _length(path: Path, expected: int) -> Fault | None:
    try:
        found = path.stat().st_size
    except OSError as error:
        return _missing(path, error)
    return None if found == expected else _other(path, f"{found} bytes", f"{expected} bytes")


def _missing(path: Path, error: OSError) -> Fault:
    return fault("M001", path, "file is missing or cannot be read", error.strerror, "a file")


def _other(path: Path, found: str, expected: str) -> Fault:
    says = "is not the file that manifest.json names"
    return fault("M003", path, says, found, expected, "restore the file, or export the model anew")


def _label_faults(path: Path, labels: tuple[str, ...], registry_ids: Collection[str]) -> Iterator[Fault]:
    known = set(registry_ids)
    if len(labels) < TOP_K:
        yield fault("M005", path, "has too few labels", len(labels), f"{TOP_K} or more")
    if len(set(labels)) < len(labels):
        twice = sorted({label for label in labels if labels.count(label) > 1})
        yield fault("M004", path, "has labels twice", some(twice), "each brand id once")
    unknown = [label for label in labels if label not in known]
    if unknown:
        says = f"{len(unknown)} labels are not in the registry"
        fix = "restore the brands (retire a brand, never delete it), or export the model anew"
        yield fault("M004", path, says, some(unknown), "brand ids of brands.csv", fix)


def _golden_faults(
    path: Path, golden: tuple[Golden, ...], names: tuple[tuple[str, str], ...], labels: tuple[str, ...]
) -> Iterator[Fault]:
    if len(golden) < LEAST_GOLDEN:
        yield fault("M007", path, "has too few strings", len(golden), f"{LEAST_GOLDEN} or more")
    if not any(not string.known for string in golden):
        yield fault("M007", path, "has no string without a brand", "", "at least one")
    named = {string.label for string in golden if string.label is not None} | {label for _, label in names}
    unknown = sorted(named - set(labels))
    if unknown:
        yield fault("M007", path, "names labels that labels.json lacks", some(unknown), "labels of labels.json")


def some(names: Sequence[str]) -> str:
    """The first five of them, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
