"""Each kind of side gives its answers in one form."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tierbreak.core.policy import Policy
from tierbreak.core.tables import DECISION, EVIDENCE, TOP_K
from tierbreak.errors import SettingsError
from tierbreak.tools.models.evaluation import Gold, ask
from tierbreak.tools.models.evaluation.sides import exact_name, of_decisions, of_evidence


@pytest.fixture
def few(tmp_path, registry):
    """Six rows, five keys."""
    rows = ["UBER\tuber", "UBER #1234\tuber", "MAX STREAM\tmax", "HBO\thbo", "DELTA\tdelta", "SOME DINER\t"]
    path = tmp_path / "gold.tsv"
    path.write_text("\n".join(["descriptor\ttruth", *rows]) + "\n")
    return Gold.read(path, registry)


def named(answers, registry):
    return [[registry.ids[at] for at in row if at >= 0] for row in answers.brands.tolist()]


def test_exact_names(few, registry):
    """An alias is a name; hbo is max today; two brands are called Delta."""
    answers = exact_name(few, registry)
    assert named(answers, registry) == [["uber"], ["uber"], ["max"], ["max"], [], []]
    assert answers.answered.tolist() == [True, True, True, True, False, False]
    assert answers.reason.tolist() == ["", "", "", "", "ambiguous", "no-match"]
    assert answers.confidence[:, 0].tolist() == [1, 1, 1, 1, 0, 0]


class FakeTier:
    """Knows four labels; sees each distinct key once."""

    labels = ("hbo", "max", "gone", "uber")
    policy = Policy(temperature=1.0, null_score=0.0, threshold=0.6)

    def judge(self, texts):
        self.asked = texts.to_list()
        labels, scores = np.full((len(texts), TOP_K), 3), np.full((len(texts), TOP_K), -50.0)
        labels[:, -2:] = -1, -2  # the reserved answers
        labels[:, 0], scores[:, 0] = 3, np.log(3)  # uber, three quarters of the mass
        labels[1, :2], scores[1, :2] = (0, 1), (0.0, 0.0)  # hbo and max, which are one brand: a third each
        labels[2, 0], scores[2, 0] = 2, 50  # a brand that is no more
        labels[2, 1:6] = 2
        scores[3, 0] = 0.0  # half
        keys = np.arange(len(texts), dtype=np.uint32)
        return pl.DataFrame({"key": keys, "labels": labels, "scores": scores}, schema_overrides=EVIDENCE)


def test_evidence_with_its_policy(few, registry):
    tier = FakeTier()
    answers = of_evidence("fake", "model", "", tier, few, registry)
    assert tier.asked == ["UBER", "MAX STREAM", "HBO", "DELTA", "SOME DINER"]
    assert [row[:1] for row in named(answers, registry)] == [["uber"], ["uber"], ["max"], [], ["uber"], ["uber"]]
    assert answers.confidence[:, 0] == pytest.approx([0.75, 0.75, 2 / 3, 0, 0.5, 0.75], abs=1e-6)
    assert answers.answered.tolist() == [True, True, True, False, False, True]
    assert answers.reason.tolist() == ["", "", "", "no-known-brand", "below-threshold", ""]


def test_decisions_of_an_engine(few, registry):
    """A rule counts as sure; an answer below the threshold keeps its confidence; a denied one names nothing."""
    rows = pl.DataFrame(
        {
            "brand": ["uber", "uber", "max", None, None, None],
            "tier": ["rules", "rules", "model", None, None, None],
            "confidence": [None, None, 0.97, None, None, None],
            "candidates": [["uber"], ["uber"], ["max", "uber"], ["max"], ["delta", "max"], ["uber"]],
            "reason": [None, None, None, "denied", "below-threshold", "not-a-merchant"],
        },
        schema_overrides={name: DECISION[name] for name in ("tier", "confidence")},
    )
    verdicts = pl.DataFrame(
        {
            "key": ["UBER", "HBO", "DELTA", "DELTA"],
            "tier": ["rules", "model", "model", "model"],
            "brand": ["uber", "max", "delta", "max"],
            "confidence": [None, 0.99, 0.5, 0.25],
        }
    )
    answers = of_decisions("engine", "f", 0.9, rows, verdicts, few, registry)
    assert named(answers, registry) == [["uber"], ["uber"], ["max", "uber"], [], ["delta", "max"], []]
    assert answers.confidence[:, 0] == pytest.approx([1, 1, 0.97, 0, 0.5, 0])
    assert answers.answered.tolist() == [True, True, True, False, False, False]
    assert answers.tier.tolist() == ["rules", "rules", "model", "", "", ""]
    assert answers.reason.tolist() == ["", "", "", "denied", "below-threshold", "not-a-merchant"]


@pytest.mark.parametrize("side", ["models/none", "words.bag", "exact", ""])
def test_a_name_that_stands_for_nothing(side, few, registry):
    with pytest.raises(SettingsError, match="is nothing that can be evaluated"):
        ask(side, few, registry)
