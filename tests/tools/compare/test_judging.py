"""Both sides' answers to a gold set."""

import numpy as np
import pytest

from tierbreak.tools.compare.judging import judged
from tierbreak.tools.compare.pairing import pair
from tierbreak.tools.models.evaluation import Gold
from tools.compare import thirty
from tools.compare.test_pairing import opened


def test_a_file_answers_with_what_it_says_most_often_of_a_descriptor(october):
    sides, source, reading = opened(october)
    with source:
        paired = pair(*sides, source, reading, october / "pairs", shipped=thirty.registry())
    gold = Gold.read(october / "gold.tsv", paired.registries[0])
    got = judged(gold, sides, paired)
    ids = [*paired.pairs.joint.ids, None]
    said = {
        row[0]: ("x" if row[5] == "twitter" else row[5], row[7]) for row in thirty.ROWS
    }  # every descriptor has one answer on each side
    assert {text: (ids[old], ids[new]) for text, old, new in zip(got.descriptor, *got.brand, strict=True)} == said
    assert [ids[at] for at in got.truth] == [thirty.TRUTH[text] for text in got.descriptor]
    assert got.missing == (0, 0)
    sure = dict(zip(got.descriptor, got.confidence[1].tolist(), strict=True))
    assert sure["DELTA DENTAL"] == pytest.approx(0.91)
    assert np.isnan(sure["NETFLIX.COM"])


def test_rows_without_a_decision_are_left_out_and_counted(october):
    with (october / "gold.tsv").open("a") as file:
        file.write("NEVER SEEN 12\thulu\n")
    sides, source, reading = opened(october)
    with source:
        paired = pair(*sides, source, reading, october / "pairs", shipped=thirty.registry())
    got = judged(Gold.read(october / "gold.tsv", paired.registries[0]), sides, paired)
    assert got.missing == (1, 1)
    assert len(got.truth) == len(thirty.TRUTH)
    assert "NEVER SEEN 12" not in got.descriptor


def test_a_brand_is_what_most_rows_say_whoever_said_it(october):
    """UBER six times uber, by rules and by the model three times each, four times lyft."""
    said = [("uber", "rules")] * 3 + [("uber", "model")] * 3 + [("lyft", "rules")] * 4
    rows = "".join(f"UBER,{brand},{tier}\n" for brand, tier in said)
    (october / "many.csv").write_text("descriptor,brand,tier\n" + rows)
    (october / "gold.tsv").write_text("descriptor\ttruth\nUBER\tuber\nNEVER\tlyft\n")
    sides, source, reading = opened(october, "many.csv", "many.csv", traffic="many.csv", id=None, user=None)
    with source:
        paired = pair(*sides, source, reading, october / "pairs", shipped=thirty.registry())
    got = judged(Gold.read(october / "gold.tsv", paired.registries[0]), sides, paired)
    assert [paired.pairs.joint.ids[at] for at in got.brand[0]] == ["uber"]
