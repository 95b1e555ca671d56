"""Everything an engine decides with, loaded, checked against each other, and never changed afterwards."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tierbreak.bundle import DEFAULT, Bundle, Default, fingerprint_of
from tierbreak.core import normalise
from tierbreak.core.arbitration import Precedence
from tierbreak.core.conditions import Conditions
from tierbreak.core.decisions import Names
from tierbreak.core.policy import Policy
from tierbreak.errors import CacheError, ModelError
from tierbreak.registry import Registry
from tierbreak.rulebook import DECIDES, EVERY, Rulebook
from tierbreak.settings import Settings
from tierbreak.tiers.cache import CacheTier
from tierbreak.tiers.rules import RulesTier

if TYPE_CHECKING:
    from tierbreak.tiers.model import ModelTier
    from tierbreak.tiers.model.bag import BagTier
    from tierbreak.tiers.model.torch_backend import TorchTier

    AnyModel = ModelTier | TorchTier | BagTier

_SILENT = Policy(temperature=1.0, null_score=0.0, threshold=1.0)


@dataclass(frozen=True)
class Parts:
    """What one engine decides with. Swapped whole on reload, so that no batch sees two versions.

    brand_of_label   int32 [labels + 2]: registry index of each of the model's labels, redirects followed, -1 for
                     a brand that is not live; at its end, where the labels -2 and -1 of the reserved answers look,
                     -3 (not a merchant) and -2 (no known brand)
    thresholds       float32 [brands]: the least confidence to speak of each
    fingerprints     registry, rulebook, model, policy, normaliser, and `all` of them together: what a bundle states
    settings         what else shapes a decision, as text
    notices          what a person must know about how this engine serves
    cache_asked      where the caller wanted the cache
    fallback         `model` is the bag of words of the settings: the bundle's own model could not be loaded
    """

    bundle: Bundle
    registry: Registry
    book: Rulebook
    rules: RulesTier
    cache: CacheTier | None
    model: AnyModel | None
    precedence: Precedence
    conditions: Conditions
    brand_of_label: np.ndarray
    thresholds: np.ndarray
    names: Names
    fingerprints: dict[str, str]
    settings: str
    notices: tuple[str, ...]
    fallback: bool
    cache_asked: Path | Default | None

    def fingerprint(self, as_of: dt.date) -> str:
        """Of all that decides, the day included where it counts for any rule: equal fingerprint, equal decision."""
        day = as_of.isoformat() if self.conditions.dated else ""
        return fingerprint_of([("all", self.fingerprints["all"]), ("settings", self.settings), ("as_of", day)])

    @property
    def threshold(self) -> float:
        """The least confidence to speak that holds for every brand; nobody speaks without a model."""
        return self.policy.threshold

    @property
    def policy(self) -> Policy:
        """The model's, or without a model one under which nothing speaks."""
        return self.model.policy if self.model is not None else _SILENT

    @classmethod
    def load(
        cls,
        bundle: Bundle,
        cache: Path | Default | None,
        settings: Settings,
        book: Rulebook | None = None,
        registry: Registry | None = None,
    ) -> Parts:
        """Load every part and let it pass its gate; raises before anything is half there.

        book       stands in for the bundle's rules: what could be read of files that have faults
        registry   the bundle's, where it is loaded already
        """
        registry = registry or Registry.load(*bundle.registries)
        with ThreadPoolExecutor(1) as beside:  # the model's files are hashed and opened while the rules are read
            loading = beside.submit(_load_model_or_fallback, bundle.model, registry, settings)
            book = book or _book(bundle, registry, settings)
            rules = _rules(bundle, book, settings)
            model, lost = loading.result()
        fingerprints = _fingerprints(bundle, registry, book, model, settings, fallback=bool(lost))
        notices = list(lost)
        # What the bag says is worth no store: it answers faster than the model, and only until the model is mended.
        store = _open_cache(cache, None if lost else model, fingerprints["normaliser"], settings, notices)
        return cls._of(bundle, registry, book, rules, store, model, fingerprints, settings, notices, bool(lost), cache)

    def again(self, settings: Settings) -> Parts:
        """The same with registry and rules read anew, beside these; model and cache serve in both as they are."""
        bundle = self.bundle.again()
        registry = Registry.load(*bundle.registries)
        book = _book(bundle, registry, settings)
        rules = _rules(bundle, book, settings)
        fingerprints = _fingerprints(bundle, registry, book, self.model, settings, fallback=self.fallback)
        notices = [notice for notice in self.notices if notice not in self.rules.notices]
        return self._of(
            bundle,
            registry,
            book,
            rules,
            self.cache,
            self.model,
            fingerprints,
            settings,
            notices,
            self.fallback,
            self.cache_asked,
        )

    @classmethod
    def _of(
        cls,
        bundle: Bundle,
        registry: Registry,
        book: Rulebook,
        rules: RulesTier,
        cache: CacheTier | None,
        model: AnyModel | None,
        fingerprints: dict[str, str],
        settings: Settings,
        notices: Sequence[str],
        fallback: bool,
        cache_asked: Path | Default | None,
    ) -> Parts:
        return cls(
            bundle=bundle,
            registry=registry,
            book=book,
            rules=rules,
            cache=cache,
            model=model,
            precedence=_precedence(book, registry),
            conditions=Conditions.of((rule.when, rule.valid) for rule in book.rules),
            brand_of_label=registry.codes(model.labels if model else ()),
            thresholds=_thresholds(model, registry),
            names=Names.of(
                ((brand.id, brand.name) for brand in registry.brands),
                ((rule.id, str(rule.place)) for rule in book.rules),
            ),
            fingerprints=fingerprints,
            # What is rounded otherwise may decide otherwise, so the device counts.
            settings=f"debits {settings.debits}, device {settings.device}",
            notices=(*rules.notices, *notices),
            fallback=fallback,
            cache_asked=cache_asked,
        )


def _book(bundle: Bundle, registry: Registry, settings: Settings) -> Rulebook:
    shipped = bundle.compiled and bundle.compiled / "rulebooks"
    return Rulebook.load(bundle.rules, frozenset(registry.ids), keep=settings.state / "rulebooks", shipped=shipped)


def _rules(bundle: Bundle, book: Rulebook, settings: Settings) -> RulesTier:
    shipped = bundle.compiled and bundle.compiled / "databases"
    return RulesTier(book, _folded_examples(book), shelf=settings.state / "databases", shipped=shipped)


def _fingerprints(
    bundle: Bundle, registry: Registry, book: Rulebook, model: AnyModel | None, settings: Settings, *, fallback: bool
) -> dict[str, str]:
    """Of each part and of all. Raises BundleError where one is not what the bundle's manifest states."""
    fingerprints = {
        "registry": registry.fingerprint,
        "rulebook": book.fingerprint,
        "normaliser": normalise.fingerprint(normalise.checked(settings.off)),
    }
    if model is not None:
        fingerprints |= {"model": model.fingerprint, "policy": model.policy.fingerprint}
    fingerprints["all"] = fingerprint_of(fingerprints.items())
    _check(bundle, fingerprints, fallback=fallback)
    return fingerprints


def _load_model_or_fallback(
    folder: Path | None, registry: Registry, settings: Settings
) -> tuple[AnyModel | None, list[str]]:
    """The model, or what stands in for it and the notice that says so."""
    try:
        return _load_model(folder, registry, settings), []
    except (ModelError, ImportError) as error:  # ImportError: onnxruntime or torch has no build for this machine
        if settings.fallback is None:
            raise
        lost = error
    from tierbreak.tiers.model.bag import BagTier

    try:
        bag = BagTier.load(settings.fallback, registry_ids=registry.ids)
    except ModelError as error:
        raise ModelError(f"{lost}\n{error}\nneither the model nor its fallback can be loaded") from None
    return bag, [f"the fallback {settings.fallback} answers, tier `fallback`: the model cannot be loaded: {lost}"]


def _check(bundle: Bundle, fingerprints: dict[str, str], *, fallback: bool) -> None:
    """Raise where a part is not what the bundle's manifest states; a model that is not there states nothing."""
    if fallback:
        stated = {part: it for part, it in bundle.stated.items() if part not in ("model", "policy", "all")}
        bundle = dataclasses.replace(bundle, stated=stated)
    bundle.check(fingerprints)


def _load_model(folder: Path | None, registry: Registry, settings: Settings) -> ModelTier | TorchTier | None:
    if folder is None:
        return None
    if settings.device == "cuda":
        from tierbreak.tiers.model.torch_backend import TorchTier

        return TorchTier.load(folder, registry_ids=registry.ids, threads=settings.threads, device="cuda")
    # Here, not at the top: onnxruntime is half of the start-up time of an engine that has no model.
    from tierbreak.tiers.model import ModelTier

    return ModelTier.load(folder, registry_ids=registry.ids, threads=settings.threads)


def _folded_examples(book: Rulebook) -> list[Sequence[str]]:
    """The folded examples of each rule: what the truth guard moves about."""
    texts = [example.descriptor for rule in book.rules for example in (*rule.examples, *rule.counterexamples)]
    folded = iter(normalise.folded(pl.Series(texts, dtype=pl.String)).to_list())
    return [[next(folded) for _ in (*rule.examples, *rule.counterexamples)] for rule in book.rules]


def _open_cache(
    cache: Path | Default | None,
    model: AnyModel | None,
    normaliser: str,
    settings: Settings,
    notices: list[str],
) -> CacheTier | None:
    """The cache is there to save work: where it cannot be opened the engine says so and does the work."""
    if cache is None or model is None:
        return None
    root = settings.state / "cache" if cache is DEFAULT else cache
    assert isinstance(root, Path)
    try:
        store = CacheTier.open(root, {**model.evidence, "normaliser": normaliser}, size_bytes=settings.cache_bytes)
    except CacheError as error:
        if cache is not DEFAULT:
            raise
        notices.append(f"no cache: {error}")
        return None
    notices += store.notices
    return store


def _precedence(book: Rulebook, registry: Registry) -> Precedence:
    brands = [-1 if rule.brand == EVERY else int(registry.redirect[registry.index(rule.brand)]) for rule in book.rules]
    return Precedence(
        brand=np.array(brands, dtype=np.int64),
        # A brand that is not live is never decided on; its deny rules say no to nothing.
        decides=np.array(
            [
                rule.status in DECIDES and (brand < 0 or bool(registry.live[brand]))
                for rule, brand in zip(book.rules, brands, strict=True)
            ],
            dtype=bool,
        ),
        deny=np.array([rule.deny for rule in book.rules], dtype=bool),
        edges=book.edges,
        parent=registry.parent,
        depth=registry.depth,
    )


def _thresholds(model: AnyModel | None, registry: Registry) -> np.ndarray:
    if model is None:
        return np.ones(len(registry), dtype=np.float32)
    return model.policy.thresholds(registry.ids, [brand.sector for brand in registry.brands])
