"""What can be evaluated, and its answers to a gold set, all in one form.

models/us-brands   a model's folder, with its policy; one that was never trained is a folder like any other
words.bag          a bag-of-words model
exact-name         a key that is the name or an alias of one brand, and of no other
engine             the whole engine with the shipped model; `engine:DIR` with the model in DIR
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.bundle import SHIPPED, Default
from tierbreak.core.codes import TIERS
from tierbreak.core.normalise import normalise
from tierbreak.core.policy import SILENCES, Policy, Weighed, weigh
from tierbreak.core.tables import TOP_K
from tierbreak.errors import SettingsError
from tierbreak.registry import Registry
from tierbreak.tools.models.evaluation.gold import Gold

ENGINE, EXACT_NAME, BAG = "engine", "exact-name", ".bag"

#: Reasons of an abstaining engine under which a lower threshold would have let the named brand through.
_ONLY_UNSURE = ("below-threshold", "contested", "torn", "no-known-brand")

Brands = npt.NDArray[np.int32]
Confidences = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Answers:
    """What one side says of n rows.

    side          as it was asked for
    kind          `model`, `bag`, `exact-name` or `engine`
    fingerprint   of all that answered; empty where there is nothing to tell apart
    threshold     the confidence from which it speaks; None where that is not one number
    brands        int32 [n, k], registry index, best first, -1 behind the last; named whether or not it speaks
    confidence    float32 [n, k], beside them; a rule has none and counts as 1
    answered      bool [n], it speaks as deployed
    reason        str [n], why it does not; empty where it does
    tier          str [n], who decided; empty where nobody did. None for sides without tiers
    """

    side: str
    kind: str
    fingerprint: str
    threshold: float | None
    brands: Brands
    confidence: Confidences
    answered: npt.NDArray[np.bool_]
    reason: npt.NDArray[np.str_]
    tier: npt.NDArray[np.str_] | None = None


class Judge(Protocol):
    """What the model tier and the bag of words have in common."""

    @property
    def labels(self) -> Sequence[str]: ...

    policy: Policy

    def judge(self, texts: pl.Series, /) -> pl.DataFrame: ...


def ask(
    side: str,
    gold: Gold,
    registry: Registry,
    *,
    rules: Path | Default = SHIPPED,
    overlay: Path | None = None,
    threads: int | None = None,
) -> Answers:
    """The answers of a side, by the name that the command line takes.

    rules, overlay   for the engine: the rules it loads
    threads          cores that a model may use; None is all of them

    Raises SettingsError where the name stands for nothing, ModelError where a model does not pass its gate.
    """
    if side == EXACT_NAME:
        return exact_name(gold, registry)
    if side == ENGINE or side.startswith(f"{ENGINE}:"):
        model = Path(side.partition(":")[2]) if ":" in side else SHIPPED
        return _engine(side, gold, registry, rules, overlay, model)
    path = Path(side)
    if side and path.is_dir():
        from tierbreak.tiers.model import ModelTier

        tier = ModelTier.load(path, registry_ids=registry.ids, threads=threads)
        return of_evidence(side, "model", tier.fingerprint, tier, gold, registry)
    if path.is_file() and path.suffix == BAG:
        from tierbreak.tiers.model.bag import BagTier

        bag: Any = BagTier.load(path, registry_ids=registry.ids)
        return of_evidence(side, "bag", bag.fingerprint, bag, gold, registry)
    raise SettingsError(
        f"{side!r} is nothing that can be evaluated\n"
        f"  expected: a model's folder, a bag of words (*{BAG}), `{EXACT_NAME}`, `{ENGINE}` or `{ENGINE}:DIR`"
    )


def of_evidence(side: str, kind: str, fingerprint: str, tier: Judge, gold: Gold, registry: Registry) -> Answers:
    """The answers of a tier that gives evidence, its own policy applied; it sees each distinct key once."""
    evidence = tier.judge(gold.keys)
    codes = registry.codes(tier.labels)[evidence["labels"].to_numpy()]
    found = weigh(tier.policy, codes, evidence["scores"].to_numpy())
    thresholds = tier.policy.thresholds(registry.ids, [brand.sector for brand in registry.brands])
    answered, reason = speaks(found, thresholds)
    at = gold.key
    return Answers(
        side, kind, fingerprint, tier.policy.threshold, found.brands[at], found.confidences[at], answered[at],
        reason[at],
    )  # fmt: skip


def speaks(found: Weighed, thresholds: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[Any]]:
    """Does a policy let the best brand through, and if not, why? The only place that knows how a policy decides.

    found        of n keys
    thresholds   float32 [brands], of each
    returns      bool [n], str [n]
    """
    best = found.brands[:, 0]
    answered = (best >= 0) & (found.confidences[:, 0] >= thresholds[best])
    return answered, np.where(answered, "", np.array(SILENCES)[found.silence])


def exact_name(gold: Gold, registry: Registry) -> Answers:
    """The least that any model must beat: a key that is, as a key, the name or an alias of one live brand."""
    names = [(name, at) for at, brand in enumerate(registry.brands) for name in (brand.name, *brand.aliases)]
    keys = normalise(pl.Series([name for name, _ in names], dtype=pl.String))["key"].to_list()
    owners: dict[str, set[int]] = {}
    for key, (_, brand) in zip(keys, names, strict=True):
        today = int(registry.redirect[brand])
        if registry.live[today]:
            owners.setdefault(key, set()).add(today)
    found = [owners.get(key, set()) for key in gold.keys.to_list()]
    brands = np.full((len(found), TOP_K), -1, dtype=np.int32)
    brands[:, 0] = [next(iter(brand)) if len(brand) == 1 else -1 for brand in found]
    confidence = np.where(brands >= 0, 1, 0).astype(np.float32)
    reason = np.array(["" if len(brand) == 1 else "ambiguous" if brand else "no-match" for brand in found])
    at = gold.key
    return Answers(
        EXACT_NAME, EXACT_NAME, registry.fingerprint, None, brands[at], confidence[at], brands[at, 0] >= 0, reason[at]
    )  # fmt: skip


def _engine(
    side: str, gold: Gold, registry: Registry, rules: Path | Default, overlay: Path | None, model: Path | Default
) -> Answers:
    from tierbreak.engine import Engine

    with Engine.load(rules=rules, overlay=overlay, model=model, cache=None) as engine:
        result = engine.run(gold.rows)
        threshold = engine.parts.threshold
        fingerprint = engine.fingerprint
    return of_decisions(side, fingerprint, threshold, result.rows, result.verdicts, gold, registry)


def of_decisions(
    side: str,
    fingerprint: str,
    threshold: float,
    rows: pl.DataFrame,
    verdicts: pl.DataFrame,
    gold: Gold,
    registry: Registry,
) -> Answers:
    """The answers in an engine's decisions.

    rows       [n] with the columns of tables.DECISION
    verdicts   as of Result.verdicts: where the engine abstains only because it is not sure, the confidence of the
               brand it would have named stands there

    A row that is denied, or no merchant's, names no brand: no threshold would make the engine speak.
    """
    reason = rows["reason"].fill_null("")
    unsure = reason.is_in(_ONLY_UNSURE).to_numpy()
    answered = rows["brand"].is_not_null().to_numpy()
    brands = np.full((len(rows), TOP_K), -1, dtype=np.int32)
    for at, named in enumerate(rows["candidates"].to_list()):
        if answered[at] or unsure[at]:
            brands[at, : len(named)] = [registry.index(id) for id in named]
    later = verdicts.filter(pl.col("tier") != TIERS[0]).unique("key", keep="first", maintain_order=True)
    sure = {key: (brand, sure) for key, brand, sure in later.select("key", "brand", "confidence").iter_rows()}
    confidence = np.zeros((len(rows), TOP_K), dtype=np.float32)
    given = rows["confidence"].fill_null(1.0).to_numpy()  # rules have none
    keys = gold.keys.to_list()
    for at in range(len(rows)):
        if answered[at]:
            confidence[at, 0] = given[at]
        elif brands[at, 0] >= 0:
            brand, best = sure.get(keys[gold.key[at]], (None, 0.0))
            confidence[at, 0] = best if brand == registry.ids[brands[at, 0]] else 0.0
    return Answers(
        side, ENGINE, fingerprint, threshold, brands, confidence, answered,
        reason.to_numpy().astype(str), rows["tier"].cast(pl.String).fill_null("").to_numpy().astype(str),
    )  # fmt: skip
