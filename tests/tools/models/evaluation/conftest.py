"""A registry of nine brands and a gold set of twenty rows, small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tierbreak.core.tables import TOP_K
from tierbreak.registry import Registry
from tierbreak.tools.models.evaluation import Answers, Gold

#: hbo is max today; gone is nothing today; two live brands are called Delta; uber-eats is of the family of uber.
REGISTRY = """\
id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since
delta,Delta,airline,,,,,active,,
delta-faucet,Delta,furniture,,,,,active,,
gone,Gone,news,,,,,retired,,2020-01-01
hbo,HBO,streaming,,,,,retired,max,2023-05-23
max,Max,streaming,,MAX STREAM,,,active,,
netflix,Netflix,streaming,,,,,active,,
uber,Uber,rideshare,,,,,active,,
uber-eats,Uber Eats,delivery,uber,,,,active,,
zelle,Zelle,payments,,,,,active,,
"""

#: descriptor, truth, format, weight, what the model names (best first), how sure it is. It speaks from 0.8 on.
#: The first two rows have one key: store numbers do not count. 15 rows are branded, 5 are not; 19 distinct keys.
ROWS = [
    ("UBER TRIP ALPHA #1234", "uber", "card", 4, ["uber"], 0.99),
    ("UBER TRIP ALPHA #5678", "uber", "card", 6, ["uber"], 0.99),
    ("UBER TRIP BRAVO", "uber", "card", 1, ["uber-eats", "uber"], 0.90),
    ("UBER TRIP CHARLIE", "uber", "ach", 1, ["uber"], 0.85),
    ("UBEREATS DELTAONE", "uber-eats", "card", 2, ["uber-eats"], 0.95),
    ("UBEREATS ECHO", "uber-eats", "ach", 2, ["uber", "uber-eats"], 0.70),
    ("NETFLIX FOXTROT", "netflix", "card", 10, ["netflix"], 0.99),
    ("NETFLIX GOLF", "netflix", "card", 5, ["netflix"], 0.97),
    ("NETFLIX HOTEL", "netflix", "ach", 5, ["netflix"], 0.60),
    ("NTFLX INDIA", "netflix", "ach", 1, ["max", "delta", "uber", "uber-eats", "delta-faucet", "netflix"], 0.40),
    ("HBO JULIETT", "hbo", "card", 3, ["max"], 0.95),
    ("MAX KILO", "max", "ach", 3, ["netflix", "max"], 0.88),
    ("DLTA LIMA", "delta", "card", 2, [], 0.0),
    ("DELTA MIKE", "delta", "ach", 2, ["delta"], 0.75),
    ("CINEMA NOVEMBER", "", "card", 7, ["netflix"], 0.82),
    ("OSCARS BAKERY", "", "card", 1, [], 0.0),
    ("PAPAS DINER", "", "ach", 1, ["delta"], 0.30),
    ("QUEBEC CAFE", "", "ach", 1, [], 0.0),
    ("GONE ROMEO", "gone", "ach", 1, [], 0.0),
    ("SIERRA CLIMBING", "", "ach", 2, ["max"], 0.75),
]
THRESHOLD = 0.8


@pytest.fixture(scope="session")
def registry(tmp_path_factory) -> Registry:
    path = tmp_path_factory.mktemp("registry") / "brands.csv"
    path.write_text(REGISTRY)
    return Registry.load(path)


@pytest.fixture(scope="session")
def gold(tmp_path_factory, registry) -> Gold:
    path = tmp_path_factory.mktemp("gold") / "gold.tsv"
    lines = ["\t".join(map(str, row[:4])) for row in ROWS]
    path.write_text("\n".join(["descriptor\ttruth\tformat\tweight", *lines]) + "\n")
    return Gold.read(path, registry)


def answers(registry, named, confidence, answered, side="fixture") -> Answers:
    """Answers as a side would give them: `named` best first, `confidence` of the best."""
    brands = np.full((len(named), TOP_K), -1, dtype=np.int32)
    for row, ids in zip(brands, named, strict=True):
        row[: len(ids)] = [registry.index(id) for id in ids]
    sure = np.zeros((len(named), TOP_K), dtype=np.float32)
    sure[:, 0] = confidence
    answered = np.array(answered)
    reason = np.where(answered, "", np.where(brands[:, 0] >= 0, "below-threshold", "no-known-brand"))
    return Answers(side, "model", "f" * 64, THRESHOLD, brands, sure, answered, reason)


@pytest.fixture(scope="session")
def model(registry) -> Answers:
    named, confidence = [row[4] for row in ROWS], [row[5] for row in ROWS]
    return answers(registry, named, confidence, [sure >= THRESHOLD for sure in confidence], "models/fixture")


@pytest.fixture(scope="session")
def baseline(registry) -> Answers:
    """Names uber on rows 1 to 3, netflix on row 7, max on row 12, all rightly, and speaks there; nothing else."""
    named = [[] for _ in ROWS]
    for row, id in ((1, "uber"), (2, "uber"), (3, "uber"), (7, "netflix"), (12, "max")):
        named[row - 1] = [id]
    return answers(registry, named, [float(bool(ids)) for ids in named], [bool(ids) for ids in named], "words.bag")
