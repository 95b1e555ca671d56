"""The gold set: frozen, of the size that was promised, and kept apart from what a model is made of."""

import hashlib
from dataclasses import replace

import polars as pl
import pytest

from tierbreak.bundle import shipped
from tierbreak.core.normalise import normalise
from tierbreak.core.policy import Policy, band
from tierbreak.registry import Registry
from tierbreak.tools.models.evaluation import Gold, ask, evaluate
from tierbreak.tools.models.simulate.inputs import Inputs

GOLD = shipped() / "models" / "gold.tsv"


@pytest.fixture(scope="module")
def gold():
    return pl.read_csv(GOLD, separator="\t", infer_schema=False, quote_char=None).with_columns(
        pl.col("truth").fill_null("")
    )


def test_it_is_frozen():
    """A label that turns out wrong is mended in a commit of its own, with the hash, and CHANGELOG says which."""
    assert hashlib.sha256(GOLD.read_bytes()).hexdigest() == GOLD.with_suffix(".sha256").read_text().strip()


def test_it_is_what_it_says(gold):
    registry = Registry.load(shipped() / "rules" / "brands.csv")
    assert gold.height == 1_982
    assert (gold["truth"] == "").sum() == 482
    assert gold["descriptor"].is_unique().all()
    assert set(gold["truth"]) - {""} <= set(registry.ids)
    assert ((gold["truth"] == "") == gold["format"].str.starts_with("none-")).all()
    assert (gold["format"] == "none-look-alike").sum() == 159


def test_it_shares_no_descriptor_with_the_splits_that_were_looked_at(gold):
    for path in (shipped() / "models" / "us-brands" / "calibration.tsv", shipped() / "tests" / "sample.tsv"):
        if path.is_file():
            other = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)
            assert not set(gold["descriptor"]) & set(other["descriptor"]), path


def test_none_of_its_keys_is_learned_from(gold):
    """What the shipped recipe makes of its inputs: a round without the keys of gold and calibration."""
    pytest.importorskip("onnx", reason="the extra `train` is not installed")
    from tierbreak.tools.models.training.examples import Examples, calibration_file, gold_files, keys_of

    kept_out = frozenset().union(*map(keys_of, (calibration_file(), *gold_files())))
    made = Examples.of(Inputs.find(), kept_out)
    keys = set(normalise(gold["descriptor"])["key"])
    assert keys <= made.kept_out
    learned = made.round(3, rows=60_000)
    assert learned.height > 30_000
    assert not keys & set(learned["key"])
    careless = replace(made, kept_out=frozenset()).round(3, rows=60_000)
    assert keys & set(careless["key"]), "without the list there would be some: the check can fail"


@pytest.fixture(scope="module")
def measured():
    """The shipped model on the gold set, against exact names."""
    registry = Registry.load(shipped() / "rules" / "brands.csv")
    rows = Gold.read(GOLD, registry)
    sides = [ask(str(side), rows, registry) for side in (shipped() / "models" / "us-brands", "exact-name")]
    return evaluate(rows, registry, *sides), sides[0], rows


def test_the_shipped_model_on_it(measured):
    """What was promised of it; a worse one must not be shipped unnoticed. Machines round otherwise: hence 0.021."""
    evaluation = measured[0]
    family = evaluation.model.family
    at_98 = next(at for at in family.at_precision if at.precision == 0.98)
    assert family.top_1.value >= 0.95
    assert at_98.coverage.value >= 0.85
    assert family.calibration_answered.error <= 0.021
    assert family.deployed.no_brand_answered.value <= 0.021
    assert family.deployed.precision.value >= 0.98
    exact = evaluation.comparison.exact
    assert exact.n01 > exact.n10, "exact names are right more often"
    assert exact.exact < 0.01


def test_bands_are_worth_what_they_promise(measured):
    """Of `very-high` at least 98 % are right, of `high` at least 90 %; a band of fewer than 30 keys shows nothing."""
    _, answers, rows = measured
    policy = Policy.from_json(shipped() / "models" / "us-brands" / "calibration.json")
    bands = band(policy, answers.confidence[:, 0])
    right = answers.brands[:, 0] == rows.truth
    for code, least in ((2, 0.98), (1, 0.90)):
        here = (bands == code) & answers.answered
        if here.sum() >= 30:
            assert right[here].mean() >= least, (code, int(here.sum()))
    assert ((bands == 2) & answers.answered).sum() > 1_000
