"""Simulated traffic: what the labels are worth, what is kept apart, and that the seed is all that matters."""

import os
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from tierbreak.bundle import shipped
from tierbreak.core.normalise import normalise
from tierbreak.registry import Registry
from tierbreak.rulebook import Rulebook
from tierbreak.tools.models.simulate import SPLITS, TRAFFIC, Simulator, authored, examples
from tierbreak.tools.models.simulate.inputs import Inputs
from tierbreak.tools.models.simulate.no_brand import KINDS
from tierbreak.tools.models.simulate.popular import BETWEEN_PEOPLE, HEAD, popularity
from tierbreak.tools.models.simulate.prefixes import heads, letters, shortened, spellings, without_vowels
from tierbreak.tools.models.simulate.shapes import HELD_OUT, SHAPES, SOURCES

REGISTRY = """id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since
american-eagle,American Eagle,clothing,,,,,active,,
american-express,American Express,bank,,AMEX,,,active,,
netflix,Netflix,streaming,,,netflix.com,,active,,
outback,Outback Steakhouse,restaurant,,,,,active,,
shell,Shell,fuel,,SHELL OIL,,,active,,
twitter,Twitter,social,,,,,retired,x,2023-07-23
venmo,Venmo,payments,,,,,active,,
x,X,social,,,,,active,,
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    path = tmp_path_factory.mktemp("registry") / "brands.csv"
    path.write_text(REGISTRY)
    return Registry.load(path)


@pytest.fixture(scope="module")
def simulator(registry):
    return Simulator.of(registry)


@pytest.fixture(scope="module")
def shipped_inputs():
    return Inputs.find()


def test_the_same_seed_makes_the_same_rows(simulator):
    one, same, other = (simulator.traffic(2_000, seed=seed) for seed in (5, 5, 6))
    assert one.schema == TRAFFIC
    assert one.equals(same)
    assert not one.equals(other)


def test_a_seed_means_the_same_in_every_process(tmp_path):
    """Python orders sets anew in each process: nothing may hang on that."""
    (tmp_path / "brands.csv").write_text(REGISTRY)
    code = (
        "import hashlib, pathlib, sys\n"
        "from tierbreak.registry import Registry\n"
        "from tierbreak.tools.models.simulate import Simulator\n"
        "made = Simulator.of(Registry.load(pathlib.Path(sys.argv[1]))).traffic(2_000, seed=1)\n"
        "print(hashlib.sha256(made.write_csv().encode()).hexdigest())"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", code, tmp_path / "brands.csv"], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(made) == 1


def test_chunks_are_the_rows_of_the_whole(simulator, monkeypatch):
    monkeypatch.setattr("tierbreak.tools.models.simulate.CHUNK", 700)
    parts = list(simulator.chunks(1_500, seed=3))
    assert [part.height for part in parts] == [700, 700, 100]
    assert pl.concat(parts).equals(simulator.traffic(1_500, seed=3))


@pytest.mark.parametrize("share", [0.0, 0.35, 1.0])
def test_the_share_without_a_brand(simulator, share):
    """20,000 draws: four standard errors are 1.4 %."""
    rows = simulator.traffic(20_000, seed=2, no_brand=share)
    assert rows["brand"].is_null().mean() == pytest.approx(share, abs=0.014)
    none = rows.filter(pl.col("brand").is_null())
    assert set(none["kind"]) <= set(KINDS)


def test_a_retired_brand_and_payments_between_people_are_never_simulated(simulator, registry):
    shares = dict(zip(registry.ids, popularity(registry), strict=True))
    assert shares["twitter"] == shares["venmo"] == 0
    assert sum(shares.values()) == pytest.approx(1)
    assert set(simulator.traffic(5_000, seed=1)["brand"].drop_nulls()) <= {
        "american-eagle", "american-express", "netflix", "outback", "shell", "x",
    }  # fmt: skip


def test_training_never_sees_the_other_splits_heads_nor_the_shapes_held_out(simulator):
    of_split = {
        split: set(simulator.table.filter(pl.col("split") == split).select("brand", "head").iter_rows())
        for split in SPLITS
    }
    assert not of_split["train"] & (of_split["test"] | of_split["calibration"])
    rows = simulator.traffic(20_000, seed=4, split="train")
    assert not set(rows["format"]) & HELD_OUT
    assert set(simulator.traffic(20_000, seed=4, split="test")["format"]) & HELD_OUT


def test_a_head_that_could_be_another_brands_is_nobodys(registry):
    table = heads(registry)
    said = {(registry.ids[brand], head) for brand, head in table.select("brand", "head").iter_rows()}
    assert ("american-express", "AMEX") in said
    assert not {head for _, head in said} & {"AMERICAN", "AMERICAN E"}
    assert {head for brand, head in said if brand == "outback"} >= {
        "OUTBACK STEAKHOUSE",
        "OUTBACK STEAKHSE",
        "OUTBACKSTEAK"[:11],
    }


def test_every_brand_has_its_plain_name_in_training(registry):
    table = heads(registry).filter(pl.col("split") == "train")
    plain = {registry.ids[brand] for brand, head in table.select("brand", "head").iter_rows()
             if head == registry.brands[brand].name.upper()}  # fmt: skip
    assert plain == {"american-eagle", "american-express", "netflix", "outback", "shell", "x"}


def test_weights_of_a_brands_heads_are_its_popularity(registry):
    table = heads(registry)
    sums = np.bincount(table["brand"], table["weight"], minlength=len(registry))
    assert sums == pytest.approx(popularity(registry))


def test_spelling_by_hand():
    assert spellings("Lowe's") == ["LOWES", "LOWE'S", "LOWE S"]
    assert list(shortened("OUTBACK STEAKHOUSE"))[:2] == ["OUTBACK STEAKHSE", "OUTBACK STKHSE"]
    assert list(without_vowels("PANERA BREAD")) == ["PANERA BRD", "PNR BRD", "PNRBRD"]
    assert letters("7-Eleven #12") == "7ELEVEN12"


def test_invented_shops_are_never_called_like_a_brand(simulator):
    """Names of brands, as letters, come up in no text of a local shop by themselves."""
    made = simulator.traffic(30_000, seed=9, no_brand=1.0).filter(pl.col("format") == "bare")
    names = {letters(name) for name in ("American Eagle", "American Express", "Netflix", "Outback Steakhouse", "Shell")}
    assert made.height > 200
    assert not set(made["descriptor"].map_elements(letters, return_dtype=pl.String)) & names


def test_every_shape_comes_from_a_source():
    assert {name for habits, _ in SOURCES.values() for name in habits} == set(SHAPES)
    assert set(SHAPES) > HELD_OUT


def test_the_popular_brands_are_in_the_shipped_registry(shipped_inputs):
    ids = set(shipped_inputs.registry.ids)
    assert not set(HEAD) - ids
    assert not BETWEEN_PEOPLE - ids - {"popmoney"}


def test_what_rule_authors_wrote(tmp_path, registry):
    (tmp_path / "shell.yaml").write_text(
        r"""
brand: shell
owner: me
rules:
  - id: shell.name
    match: [{regex: '\bSHELL ?OIL\b'}, {words: SHELL STATION}]
    examples: [SHELL OIL 574 WACO TX]
    counterexamples: [{descriptor: SHELL & CO SEAFOOD, expect: none}, {descriptor: NETFLIX.COM, expect: netflix}]
"""
    )
    (tmp_path / "none.yaml").write_text(
        r"""
brand: '*'
owner: me
deny:
  - id: none.wages
    match: [{regex: '\bPAYROLL\b'}]
    examples: [SHELL PAYROLL]
"""
    )
    book = Rulebook.load((tmp_path,), frozenset(registry.ids))
    heads_of = authored.written(book)
    assert set(heads_of) == {"shell"}
    assert set(heads_of["shell"]) <= {"SHELL OIL", "SHELLOIL", "SHELL STATION"}
    assert set(examples(book).rows()) == {
        ("SHELL OIL 574 WACO TX", "shell", True), ("SHELL & CO SEAFOOD", None, True), ("NETFLIX.COM", "netflix", True),
        ("SHELL PAYROLL", None, False),
    }  # fmt: skip


def test_drawn_heads_are_found_by_their_own_rules(shipped_inputs):
    """Of the shipped rulebook: a head drawn from a pattern is one that some pattern of the brand finds, or its key."""
    found = authored.written(shipped_inputs.book)
    patterns = {}
    for rule in shipped_inputs.book.rules:
        if not rule.deny:
            patterns.setdefault(rule.brand, []).extend(re.compile(one.expression.source.decode()) for one in rule.match)
    some = [(brand, head) for brand in sorted(found)[::50] for head in found[brand]]
    hits = sum(any(pattern.search(head) for pattern in patterns[brand]) for brand, head in some)
    assert len(some) > 100
    assert hits / len(some) > 0.9, "normalising takes a little away, never most"


def test_keys_of_simulated_traffic_are_never_empty(simulator):
    assert (normalise(simulator.traffic(5_000, seed=8)["descriptor"])["key"] != "").all()


def test_lists_lie_beside_the_shipped_rules(shipped_inputs):
    assert shipped_inputs.lists == shipped() / "rules" / "sources"
