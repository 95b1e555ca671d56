import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tierbreak.core.policy import Policy
from tierbreak.errors import InputError
from tierbreak.tiers.model.bag import BagTier
from tierbreak.tools.models.training import bag
from tierbreak.tools.models.training.logistic import logistic

REGISTRY = Path(__file__).parents[4] / "rules" / "brands.csv"
NAMES = {
    "lyft": "LYFT", "uber": "UBER", "uber-eats": "UBER EATS", "starbucks": "STARBUCKS", "netflix": "NETFLIX",
    "walmart": "WALMART", "costco": "COSTCO", "ikea": "IKEA", "hulu": "HULU",
}  # fmt: skip
NOBODY = ["LYNN", "UBALDO", "STARS", "WALLY", "COSTA", "NETTIE", "EATS", "HULA"]
TAILS = ["", " STORE", " AUSTIN", " TRIP", " HELP", " ONLINE"]
SMALL = dataclasses.replace(bag.DEFAULT, sample=20, alike=20, least=5.0)


def examples():
    rows = [(name + tail, id) for id, name in NAMES.items() for tail in TAILS]
    rows += [(name + tail, None) for name in NOBODY for tail in TAILS]
    return pl.DataFrame(rows, schema={"key": pl.String, "label": pl.String}, orient="row")


@pytest.fixture
def files(tmp_path):
    examples().write_parquet(tmp_path / "e.parquet")
    rows = [f"{name} TRIP\t{id}" for id, name in NAMES.items()] + [f"{name} TRIP\t" for name in NOBODY]
    (tmp_path / "calibration.tsv").write_text("\n".join(["descriptor\tbrand", *rows, "OLD ONE\tno-such-brand"]))
    return tmp_path / "e.parquet", tmp_path / "calibration.tsv", REGISTRY, tmp_path / "us.bag"


@pytest.fixture(scope="module")
def trained():
    ids, weights = bag.fit(examples()["key"], examples()["label"], SMALL)
    return BagTier(ids, weights, Policy(temperature=0.1, null_score=0.0, threshold=0.9))


def test_it_tells_brands_from_each_other_and_from_nobody(trained):
    keys = [*NAMES.values(), "LYFT BOISE", "UBR EATS", "STARBUCK"]
    evidence = trained.judge(pl.Series([*keys, *NOBODY]))
    best = [trained.labels[label] for label in evidence["labels"].arr.first()]
    assert best[: len(keys)] == [*NAMES, "lyft", "uber-eats", "starbucks"]
    scores = evidence["scores"].to_numpy()
    assert (scores[: len(NAMES), 0] > 0).all(), "a logit above 0 says yes"
    assert (scores[: len(NAMES), 1] < 0).all(), "and one below says no: one brand a key"
    assert (scores[len(keys) :, 0] < 0).all(), "nobody is none of them"


def test_training_depends_on_no_order(trained):
    mixed = examples().sample(fraction=1.0, shuffle=True, seed=3)
    ids, weights = bag.fit(mixed["key"], mixed["label"], SMALL)
    assert BagTier(ids, weights, trained.policy).fingerprint == trained.fingerprint


def test_few_weights_are_kept():
    ids, weights = bag.fit(examples()["key"], examples()["label"], dataclasses.replace(SMALL, kept=5))
    count = np.bincount(weights.owners, minlength=len(ids))
    assert (count <= 5).all()
    assert (count > 0).all()


def test_logistic_regression_ends_where_nothing_pulls():
    """At the least loss its slope is 0: ridge w = sum over rows of weight (right - chance) x."""
    random = np.random.default_rng(2)
    x = random.integers(0, 2, (60, 6)).astype(np.float32)
    right = random.random(60) < 0.4
    weight = random.random(60).astype(np.float32) + 0.5
    ridge = np.full(6, 0.7, np.float32)
    w = logistic(x, right, weight, ridge)
    chance = 1 / (1 + np.exp(-x @ w))
    assert ridge * w == pytest.approx(x.T @ (weight * (right - chance)), abs=0.05)
    assert np.abs(w).max() > 0.3


def test_a_file_is_made_and_measured(files):
    figures = bag.export(*files, SMALL)
    assert (figures["examples"], figures["labels"]) == (102, 9)  # (9 brands + 8 names) x 6 tails
    assert (figures["calibration_keys"], figures["calibration_keys_without_brand"]) == (17, 8)
    assert (figures["best_label_right"], figures["right_label_among_8"]) == (1.0, 1.0)
    tier = BagTier.load(files[3], registry_ids=NAMES)
    assert tier.labels == tuple(sorted(NAMES))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            {"key": [1], "brand": ["x"]},
            "  key: expected String, got Int64\n  label: expected String, got no such column",
        ),
        ({"key": ["A", "B"], "label": ["no-such-brand", "lyft"]}, "1 labels are not in the registry: no-such-brand"),
        ({"key": ["A", "", "C"], "label": ["lyft", "uber", None]}, "1 distinct labels; 8 or more are needed"),
    ],
)
def test_examples_that_cannot_be_used(files, rows, says):
    pl.DataFrame(rows).write_parquet(files[0])
    with pytest.raises(InputError) as caught:
        bag.export(*files, SMALL)
    assert says in str(caught.value)


def test_no_examples_no_calibration(files):
    files[0].write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        bag.export(*files, SMALL)
    examples().write_parquet(files[0])
    files[1].write_text("text\n")
    with pytest.raises(InputError, match="expected columns descriptor and brand"):
        bag.export(*files, SMALL)


def test_the_command(files):
    options = zip(("--examples", "--calibration", "--registry", "--out"), map(str, files), strict=True)
    command = [
        sys.executable,
        "-m",
        "tierbreak.tools.models.training.bag",
        *(part for pair in options for part in pair),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["labels"] == 9
    files[0].unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be read as Parquet" in done.stderr
