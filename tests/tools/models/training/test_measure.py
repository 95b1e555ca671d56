"""What the card says of a policy: fitted on one half, measured on the other."""

import numpy as np
import pytest

from tierbreak.core.policy import Policy
from tierbreak.tools.models.training import measure


def split(right, wrong, no_brand):
    """Keys of brand 1: some answered with it, some with brand 2, equally surely; and keys without a brand, far less."""
    n = right + wrong + no_brand
    brands, scores = np.full((n, 1), 1, np.int32), np.full((n, 1), 0.9, np.float32)
    truth = np.full(n, 1, np.int32)
    brands[right : right + wrong] = 2
    truth[right + wrong :], scores[right + wrong :] = -1, 0.2
    return brands, scores, truth


def test_what_was_fitted_on_is_not_what_is_measured_on(monkeypatch):
    """Each key is a score of its own. Five times the halves share no key, are all keys together, and change places."""
    fitted, measured = [], []

    def fit(brands, scores, truth, precision, no_brand_rate):
        fitted.append({*scores[:, 0].tolist()})
        return Policy(0.05, 0.5, 0.5)

    def rank(policy, brands, scores):
        measured.append({*scores[:, 0].tolist()})
        return brands, scores

    monkeypatch.setattr(measure, "fit_policy", fit)
    monkeypatch.setattr(measure, "rank", rank)
    scores = np.arange(21, dtype=np.float32)[:, None] / 32
    measure.crossfit(np.ones((21, 1), np.int32), scores, np.array([1] * 20 + [-1], np.int32), 0.98, 0.02)
    whole = {*scores[:, 0].tolist()}
    assert len(fitted) == len(measured) == 10
    for one, other in zip(fitted, measured, strict=True):
        assert not one & other
        assert one | other == whole
    assert fitted[::2] == measured[1::2]
    assert len({frozenset(half) for half in fitted}) == 10, "each time other halves"


def test_figures_of_a_split_without_errors():
    """Every key with a brand is answered rightly, no other is; confidences come near 1 and 0."""
    found = measure.crossfit(*split(400, 0, 400), 0.98, 0.02)
    assert (found["coverage"], found["precision"], found["no_brand_answered"]) == (1.0, 1.0, 0.0)
    assert found["calibration_error"] < 0.01


def test_figures_of_a_split_with_errors():
    """3 of 400 are wrong and as sure as the others: 397 of 400 answers are right, in whichever half they lie."""
    found = measure.crossfit(*split(397, 3, 400), 0.9, 0.02)
    assert found["coverage"] == 1.0
    assert found["precision"] == pytest.approx(397 / 400)
    assert found["no_brand_answered"] == 0.0


def test_int8_beside_float32():
    """The second key has another best label; scores are off by 0.25 and 0.5."""
    reference = [np.array([[1, 2], [3, 4]]), np.array([[0.75, 0.5], [1.0, 0.5]])]
    found = measure.agreement(reference, np.array([[1, 3], [4, 3]]), np.array([[1.0, 0.5], [0.5, 0.5]]))
    assert found == {"same_best_label": 0.5, "largest_score_error": 0.5, "mean_score_error": 0.375}
