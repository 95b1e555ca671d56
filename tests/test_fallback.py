"""The bag of words stands in for a model that cannot be loaded, says so, and keeps away from the model's cache."""

import numpy as np
import polars as pl
import pytest

from engines import CASE_RULES
from tierbreak import Engine, Settings
from tierbreak.bundle import shipped
from tierbreak.core.policy import Policy
from tierbreak.errors import ModelError
from tierbreak.packing import pack
from tierbreak.tiers.model.bag import BagTier, Weights
from tierbreak.tiers.model.ngrams import SIZE, Ngrams

pytestmark = pytest.mark.skipif("fallback" not in Settings.model_fields, reason="the engine has no such setting yet")

LABELS = ("lyft", "starbucks", "netflix", "walmart", "target", "costco", "shell", "apple")


@pytest.fixture
def bag(tmp_path):
    """Knows lyft by the n-grams of KETTLE ZIPPY, and nothing else: no rule answers that."""
    own = Ngrams.of(pl.Series(["KETTLE ZIPPY"])).features
    weights = Weights(
        starts=np.searchsorted(own, np.arange(SIZE + 1)).astype(np.int32),
        owners=np.zeros(len(own), np.uint16),
        weights=np.full(len(own), 10, np.int8),
        bias=np.full(len(LABELS), -50, np.int32),
        unit=0.1,
    )
    BagTier(LABELS, weights, Policy(temperature=0.1, null_score=0.5, threshold=0.9)).save(tmp_path / "us.bag")
    return tmp_path / "us.bag"


@pytest.fixture
def broken(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    return folder


def load(state, model, bag, **given):
    return Engine.load(rules=CASE_RULES, model=model, settings=Settings(state=state, fallback=bag), **given)


def test_it_answers_and_says_so(state, broken, bag, tmp_path):
    with load(state, broken, bag, cache=tmp_path / "cache") as engine:
        (notice,) = engine.notices
        assert notice.startswith(f"the fallback {bag} answers, tier `fallback`: the model cannot be loaded: {broken}")
        assert "error[M001]: file is missing" in notice
        rows = pl.DataFrame({"descriptor": ["KETTLE ZIPPY", "NOBODY KNOWS THIS", "KETTLE ZIPPY"]})
        decided = engine.classify(rows)
        again = engine.classify(rows)
        explained = engine.explain("KETTLE ZIPPY")
        assert engine.fingerprints["model"] == BagTier.load(bag, registry_ids=LABELS).fingerprint
    assert decided["brand"].to_list() == ["lyft", None, "lyft"]
    assert decided["tier"].to_list() == ["fallback", None, "fallback"]
    assert again.equals(decided), "nothing of the fallback is remembered"
    assert explained.decision.tier == "fallback"
    assert "tier fallback names lyft" in explained.why
    assert not (tmp_path / "cache").exists(), "no store is opened, least of all the model's"


def test_without_one_the_engine_does_not_start(state, broken):
    with pytest.raises(ModelError, match="M001"):
        load(state, broken, None, cache=None)


def test_neither_can_be_loaded(state, broken, tmp_path):
    with pytest.raises(ModelError) as caught:
        load(state, broken, tmp_path / "none.bag", cache=None)
    said = str(caught.value)
    assert f"{broken}/manifest.json: error[M001]" in said
    assert "none.bag: error[M001]" in said
    assert said.endswith("neither the model nor its fallback can be loaded")


def test_a_model_that_loads_needs_none(state, tmp_path):
    """The fallback is not even read."""
    settings = Settings(state=state, fallback=tmp_path / "none.bag")
    with Engine.load(rules=CASE_RULES, cache=None, settings=settings) as engine:
        assert not engine.notices
        assert not engine.parts.fallback


def test_a_reload_never_puts_it_in_a_models_place(state, broken, bag):
    with load(state, shipped() / "models" / "us-brands", bag, cache=None) as engine:
        before = engine.fingerprint
        with pytest.raises(ModelError, match="M001"):
            engine.reload(rules=CASE_RULES, model=broken, cache=None)
        assert engine.fingerprint == before
        assert not engine.notices


def test_a_bundle_whose_model_is_broken_still_serves(state, bag, tmp_path):
    """Its manifest states the fingerprint of a model that is not there."""
    with load(state, shipped() / "models" / "us-brands", None, cache=None) as engine:
        pack(engine, tmp_path / "bundle")
    (tmp_path / "bundle" / "model" / "labels.json").unlink()
    with Engine.load(tmp_path / "bundle", cache=None, settings=Settings(state=state, fallback=bag)) as engine:
        assert engine.classify_one("KETTLE ZIPPY").tier == "fallback"
