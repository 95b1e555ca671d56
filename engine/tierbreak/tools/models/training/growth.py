"""A brand added to a model without training: its names and a few descriptors, embedded, are its prototypes.

    folder, brand, examples -> grown Source -> report on held-out keys -> accepted or refused -> new folder

Nothing of the model changes but the labels, which get one more at their end, and the head, which gets its rows: all
other scores stay as they are, bit for bit. Whether the new brand takes answers from others is measured beforehand.
"""

from __future__ import annotations

import csv
import dataclasses
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.core import normalise
from tierbreak.core.policy import Policy, rank
from tierbreak.errors import ModelError
from tierbreak.files import atomic
from tierbreak.registry import Registry
from tierbreak.tiers.model import ModelTier
from tierbreak.tiers.model.folder import FILES
from tierbreak.tools.models.training.folder import Source, half, read_golden, read_weights, write
from tierbreak.tools.models.training.head import names, squeeze
from tierbreak.tools.models.training.runs import Runner

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

#: The share of held-out answers that a new brand may change, at which it is refused.
MOST_CHANGED = 0.001

#: Length of the prototypes of a brand that was added without training; those that were trained have length 1. No key
#: was ever trained away from them, so that they lie nearer to everything than others do. Measured with 500 added brands
#: on 1,304 held-out keys: at length 1.0, 10.4 % of the answers change, nearly all to none; at 0.8, 2.1 %, and of four
#: made-up descriptors a brand still as many are answered (99.6 %; of names cut after 14 letters 97.2 %); at 0.7, 0.4 %,
#: but 91 % are.
LENGTH = np.float32(0.8)

_ROUNDS = 20


@dataclass(frozen=True)
class Change:
    """A held-out key that the new brand answers otherwise; None is no answer. `nearest` is the new brand's text."""

    key: str
    before: str | None
    after: str | None
    nearest: str


@dataclass(frozen=True)
class Report:
    """What adding a brand does.

    texts     keys that the new prototypes are made of: first those of the registry's names, `named` of them
    held_out  keys whose answers were compared
    changes   the ones that changed
    known     whether the policy answers the brand's own name with it
    """

    id: str
    texts: tuple[str, ...]
    named: int
    held_out: int
    changes: tuple[Change, ...]
    known: bool

    @property
    def accepted(self) -> bool:
        return len(self.changes) < MOST_CHANGED * self.held_out or not self.changes

    def __str__(self) -> str:
        share = len(self.changes) / self.held_out if self.held_out else 0.0
        name = "is answered" if self.known else "is not sure enough to be answered"
        lines = [
            f"{self.id}: prototypes of {len(self.texts)} keys: {', '.join(self.texts[:8])}"
            f"{f' and {len(self.texts) - 8} more' if len(self.texts) > 8 else ''}",
            f"its own name {name}",
            f"{len(self.changes)} of {self.held_out:,} held-out answers change ({share:.2%}; refused from "
            f"{MOST_CHANGED:.1%})",
        ]
        lines += [f"  {change.key!r}: {change.before or 'no answer'} -> {change.after or 'no answer'}, nearest to "
                  f"{change.nearest!r}" for change in self.changes[:10]]  # fmt: skip
        return "\n".join(lines)


def add_brand(
    folder: Path,
    out: Path,
    registry: Registry,
    id: str,
    examples: Sequence[str] = (),
    held_out: pl.DataFrame | None = None,
) -> Report:
    """Write to `out` the model in `folder` with one more label.

    id         a brand of the registry that may be decided on, and that was never a label of this model
    examples   descriptors of the brand as they come
    held_out   `descriptor` and, if known, `brand`; None takes the folder's golden strings and calibration.tsv. Rows of
               the new brand itself are left out
    returns    the report of what it changes; `out` is written only where it is accepted

    Raises ModelError where the id cannot be added, `out` exists, a file of the folder is wrong, or the brand would
    change too many answers: the message then says which texts to leave out.
    """
    if out.exists():
        raise ModelError(f"{out}: exists; give the name of a folder that does not")
    ModelTier.load(folder, registry_ids=registry.ids)
    source, policy = read_weights(folder), Policy.from_json(folder / "calibration.json")
    _check_id(id, source, registry)
    keys = _keys(held_out, folder, registry, id)
    texts, named = texts_of(registry, id, examples)
    grown = grow(source, id, texts)
    changes, known = compare(source, grown, policy, registry, keys, texts)
    report = Report(id, texts, named, len(keys), changes, known)
    if not report.accepted:
        raise ModelError(f"{report}\n{_advice(report)}")
    pairs = [*read_golden(folder), (texts[0], id)]
    with atomic.folder(out) as whole:
        shutil.copytree(folder, whole, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*FILES, "manifest.json"))
        write(whole, grown, policy, pairs)
        _note(whole / "README.md", report)
        ModelTier.load(whole, registry_ids=registry.ids)
    return report


def texts_of(registry: Registry, id: str, examples: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Distinct keys of a brand: name, aliases, squeezed name, then examples; and how many come before the examples."""
    own, _ = names([registry[id]])
    own = [*dict.fromkeys([*own, squeeze(own[0])])]
    keys = normalise.normalise(pl.Series([*examples], dtype=pl.String))["key"].to_list()
    return tuple(dict.fromkeys(key for key in [*own, *keys] if key)), len(own)


def grow(source: Source, id: str, texts: Sequence[str]) -> Source:
    """The model with one more label, whose prototypes are made of `texts`, the brand's name first."""
    (embeddings,) = source.embedder.run(texts, "embedding")
    added = half(LENGTH * prototypes(embeddings, len(source.head)))
    head = np.concatenate([source.head, added[:, None]], axis=1)
    return dataclasses.replace(source, head=head, labels=(*source.labels, id))


def prototypes(embeddings: Floats, count: int) -> Floats:
    """`count` unit vectors near which all of a brand's texts lie.

    embeddings   float32 [n, d], unit length, the brand's name first
    returns      float32 [count, d]: the texts themselves, repeated, where they are not more; else the means of groups.
                 The first group is that of the name, each further one starts with the text farthest from all before

    >>> prototypes(np.array([[1, 0], [0, 1]], dtype="float32"), 3).tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    >>> prototypes(np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], dtype="float32"), 2).round(2)
    array([[ 0.66,  0.75],
           [-1.  ,  0.  ]], dtype=float32)
    """
    if len(embeddings) <= count:
        return embeddings[np.arange(count) % len(embeddings)]
    chosen = [0]
    while len(chosen) < count:
        chosen.append(int((embeddings @ embeddings[chosen].T).max(axis=1).argmin()))
    centres = embeddings[chosen]
    for _ in range(_ROUNDS):
        group = (embeddings @ centres.T).argmax(axis=1)
        means = [embeddings[group == at].mean(axis=0) if (group == at).any() else centres[at] for at in range(count)]
        centres = np.stack([mean / max(float(np.linalg.norm(mean)), 1e-12) for mean in means])
    return centres.astype(np.float32)


def compare(
    before: Source, after: Source, policy: Policy, registry: Registry, keys: Sequence[str], texts: tuple[str, ...]
) -> tuple[tuple[Change, ...], bool]:
    """What both models say of `keys`, where that differs; and whether the grown one answers the new brand's name."""
    asked = [*keys, texts[0]]
    answers = [_answers(source, policy, registry, asked) for source in (before, after)]
    differ = [at for at in range(len(keys)) if answers[0][at] != answers[1][at]]
    changes: list[Change] = []
    if differ:
        new, old = (before.embedder.run(group, "embedding")[0] for group in (texts, [keys[at] for at in differ]))
        nearest = (old @ new.T).argmax(axis=1)
        changes = [
            Change(keys[at], answers[0][at], answers[1][at], texts[text])
            for at, text in zip(differ, nearest, strict=True)
        ]
    return tuple(changes), answers[1][-1] == after.labels[-1]


def _answers(source: Source, policy: Policy, registry: Registry, keys: Sequence[str]) -> list[str | None]:
    """The brand that each key is answered with, redirects followed, None for none."""
    labels, scores = Runner(source.model, source.tokenizer).run(keys, "labels", "scores")
    ranked, confidence = rank(policy, registry.codes(source.labels)[labels], scores)
    thresholds = policy.thresholds(registry.ids, [brand.sector for brand in registry.brands])
    return [
        registry.ids[brand] if brand >= 0 and sure >= thresholds[brand] else None
        for brand, sure in zip(ranked[:, 0], confidence[:, 0], strict=True)
    ]


def read_descriptors(path: Path) -> pl.DataFrame:
    """`descriptor` and `brand` of a file: tab-separated with these columns, or one descriptor a line.

    Raises ModelError where it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from None
    rows: Iterable[dict[str, str]]
    if lines and "descriptor" in lines[0].split("\t"):
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        rows = ({"descriptor": line} for line in lines if line.strip())
    read = [(row["descriptor"] or "", row.get("brand") or None) for row in rows]
    return pl.DataFrame(read, schema={"descriptor": pl.String, "brand": pl.String}, orient="row")


def _keys(held_out: pl.DataFrame | None, folder: Path, registry: Registry, id: str) -> list[str]:
    """Distinct held-out keys, those of the new brand itself left out."""
    keys = []
    if held_out is None:
        keys = [key for key, _ in read_golden(folder)]
        split = folder / "calibration.tsv"
        held_out = read_descriptors(split) if split.is_file() else pl.DataFrame(schema=dict.fromkeys(
            ("descriptor", "brand"), pl.String))  # fmt: skip
    known = [brand for brand in held_out["brand"].drop_nulls().unique() if brand in registry]
    own = [brand for brand in known if registry.redirect[registry.index(brand)] == registry.index(id)]
    others = held_out.filter(pl.col("brand").is_null() | ~pl.col("brand").is_in(own))
    return [*dict.fromkeys([*keys, *normalise.normalise(others["descriptor"])["key"].to_list()])]


def _check_id(id: str, source: Source, registry: Registry) -> None:
    if id in source.labels:
        raise ModelError(f"{id}: is a label of this model already; ids are never used again, a retired one neither")
    if id not in registry:
        raise ModelError(f"{id}: the registry has no such brand; add it to brands.csv, or to an overlay's")
    index = registry.index(id)
    if registry.redirect[index] != index or not registry.live[index]:
        raise ModelError(f"{id}: the registry does not let it be decided on (retired, or proposed outside an overlay)")


def _advice(report: Report) -> str:
    blamed = Counter(change.nearest for change in report.changes)
    worst, count = blamed.most_common(1)[0]
    if worst in report.texts[: report.named]:
        return (
            f"{count} of them come of its name or an alias, {worst!r}: leave this brand to a rule, or train the model"
        )
    return f"{count} of them come of the example {worst!r}: leave that example out"


def _note(card: Path, report: Report) -> None:
    """One more line at the end of the model's card."""
    if not card.is_file():
        return
    text = card.read_text(encoding="utf-8")
    heading = "\n## Added without training\n\n"
    line = f"- `{report.id}`, from {len(report.texts)} keys\n"
    atomic.write(card, text + (line if heading in text else heading + line))
