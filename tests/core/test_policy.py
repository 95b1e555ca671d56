"""Expected values are worked out by hand beside each test."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierbreak.core.policy import SILENCES, Policy, band, confidences, rank, weigh
from tierbreak.errors import ModelError
from tierbreak.tools.models.training.fit import fit_policy

POLICY = Policy(temperature=1.0, null_score=0.0, threshold=0.5)


def f32(*rows):
    return np.array(rows, dtype=np.float32)


def i32(*rows):
    return np.array(rows, dtype=np.int32)


def test_confidences_of_known_masses():
    """Scores ln 2 and ln 1 beside a null of ln 1 weigh 2, 1 and 1: half, a quarter, a quarter for no brand."""
    got = confidences(f32([math.log(2), 0.0]), 1.0, 0.0)
    assert got.tolist() == [[pytest.approx(0.5, abs=1e-6), pytest.approx(0.25, abs=1e-6)]]


def test_temperature_sharpens():
    """At T = 0.5 the masses are squared: 4, 1 and 1."""
    got = confidences(f32([math.log(2), 0.0]), 0.5, 0.0)
    assert got.tolist() == [[pytest.approx(4 / 6, abs=1e-6), pytest.approx(1 / 6, abs=1e-6)]]


def test_a_threshold_of_one_silences_the_model():
    _, confidence = rank(Policy(0.01, 0.0, 1.0), i32([3]), f32([1e4]))
    assert confidence[0, 0] < 1.0


def test_large_scores_do_not_overflow():
    assert confidences(f32([1e4, -1e4]), 0.01, 0.0).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_an_error(broken):
    with pytest.raises(ValueError, match="row 1 are not finite"):
        confidences(f32([0.1, 0.2], [0.1, broken]), 0.1, 0.0)


def test_rank_merges_labels_of_one_brand():
    """Masses 2, 1, 1, null 1: brand 3 has 1 + 1 of 5, as much as brand 5 with 2; the lower index stands first."""
    brands, confidence = rank(POLICY, i32([5, 3, 3]), f32([math.log(2), 0.0, 0.0]))
    assert brands.tolist() == [[3, 5, -1]]
    assert confidence.tolist() == [[pytest.approx(0.4), pytest.approx(0.4), 0.0]]


def test_rank_drops_masked_labels_and_their_mass():
    """Without the masked mass of 8 there are 1 and null 1: half."""
    brands, confidence = rank(POLICY, i32([-1, 7]), f32([math.log(8), 0.0]))
    assert brands.tolist() == [[7, -1]]
    assert confidence.tolist() == [[0.5, 0.0]]


def shares(*masses):
    """Raw scores whose masses, at temperature 1, are to each other as these."""
    return f32([math.log(mass) for mass in masses])


@pytest.mark.parametrize(
    ("masses", "confidence", "silence"),
    [
        ((8, 1, 1, 0.001), 0.8, "below-threshold"),  # 8 of 10, the second has an eighth of it
        ((4, 2, 1, 1), 0.5, "torn"),  # the second has half of the first
        ((2, 1, 6, 1), 0.2, "no-known-brand"),
        ((2, 1, 1, 6), 0.2, "not-a-merchant"),
        ((2, 1, 3, 4), 0.2, "not-a-merchant"),
    ],
)
def test_reserved_answers_take_mass_and_say_why(masses, confidence, silence):
    """Labels: brands 4 and 7, no known brand, not a merchant."""
    found = weigh(Policy(1.0, -99.0, 1.0), i32([4, 7, -2, -3]), shares(*masses))
    assert found.brands.tolist() == [[4, 7, -1, -1]]
    assert found.confidences[0, 0] == pytest.approx(confidence, abs=2e-4)
    assert SILENCES[found.silence[0]] == silence


def test_a_shift_moves_the_reserved_answers_only():
    """4 against 1 is 0.8; with the reserved mass four times as large it is a half."""
    scores, brands = shares(4, 1), i32([4, -2])
    assert rank(Policy(1.0, -99.0, 1.0), brands, scores)[1][0, 0] == pytest.approx(0.8)
    shifted = Policy(1.0, -99.0, 1.0, reserved_shift=math.log(4))
    assert rank(shifted, brands, scores)[1][0, 0] == pytest.approx(0.5)


def test_fit_learns_that_reserved_answers_come_too_readily():
    """Right brand and `no brand` score alike on 60 keys that all have a brand: the shift must go down."""
    brands, scores = i32(*[[4, -2]] * 60), f32(*[[0.5, 0.5]] * 60)
    policy = fit_policy(brands, scores, np.full(60, 4, dtype=np.int32))
    assert policy.reserved_shift < -0.1
    assert rank(policy, brands, scores)[1][0, 0] > 0.95


def test_bands_hold_what_they_promise():
    """400 keys, of the 200 surest none wrong, then one in 20: 0.975 in all, 0.95 in the second half."""
    brands, scores = i32(*[[3]] * 400), np.linspace(0.9, 0.6, 400, dtype=np.float32)[:, None]
    truth = np.full(400, 3, dtype=np.int32)
    truth[210::20] = 5
    policy = fit_policy(brands, scores, truth)
    bands = band(policy, rank(policy, brands, scores)[1][:, 0])
    assert (bands[:200] == 2).all()
    assert (truth == 3)[bands == 2].mean() >= 0.985
    assert (truth == 3)[bands == 1].mean() >= 0.92
    assert set(bands) == {1, 2}


def test_rank_of_masked_labels_only():
    brands, confidence = rank(POLICY, i32([-1, -1]), f32([0.9, 0.8]))
    assert brands.tolist() == [[-1, -1]]
    assert confidence.tolist() == [[0.0, 0.0]]


def test_rank_leaves_its_input_alone():
    given_brands, given_scores = i32([2, 2]), f32([0.1, 0.9])
    rank(POLICY, given_brands, given_scores)
    assert given_brands.tolist() == [[2, 2]]
    assert given_scores.tolist() == f32([0.1, 0.9]).tolist()


EVIDENCE = st.integers(1, 20).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(st.integers(-1, 5), min_size=8, max_size=8), min_size=n, max_size=n),
        st.lists(st.lists(st.floats(-1, 1, width=32), min_size=8, max_size=8), min_size=n, max_size=n),
        st.permutations(range(n)),
    )
)


@given(EVIDENCE)
def test_a_row_does_not_depend_on_the_rows_beside_it(evidence):
    brands, scores, order = i32(*evidence[0]), f32(*evidence[1]), list(evidence[2])
    policy = Policy(0.04, 0.6, 0.9)
    together = rank(policy, brands, scores)
    shuffled = rank(policy, brands[order], scores[order])
    alone = [rank(policy, brands[[row]], scores[[row]]) for row in range(len(brands))]
    for part in (0, 1):
        assert (shuffled[part] == together[part][order]).all(), "the order of the rows shows"
        assert (np.concatenate([one[part] for one in alone]) == together[part]).all(), "the size of the batch shows"


@given(EVIDENCE)
def test_what_rank_returns_is_in_order_and_no_more_than_one(evidence):
    brands, confidence = rank(Policy(0.04, 0.6, 0.9), i32(*evidence[0]), f32(*evidence[1]))
    assert (np.diff(confidence, axis=1) <= 0).all()
    assert (confidence.sum(axis=1) <= 1 + 1e-6).all()
    for row in brands:
        named = row[row >= 0].tolist()
        assert len(named) == len(set(named)), f"a brand twice: {row}"


def split(right, wrong, no_brand):
    """Keys whose best score is high for `right`, lower for `wrong`, and low for `no_brand`; brand 1 is true."""
    scores = [0.9] * right + [0.7] * wrong + [0.2] * no_brand
    brands = [1] * right + [2] * wrong + [2] * no_brand
    truth = [1] * (right + wrong) + [-1] * no_brand
    return np.array(brands, np.int32)[:, None], np.array(scores, np.float32)[:, None], np.array(truth, np.int32)


def answered(brands, scores, truth):
    """Which keys the policy fitted on them answers."""
    policy = fit_policy(brands, scores, truth)
    return (rank(policy, brands, scores)[1][:, 0] >= policy.threshold).tolist()


def test_threshold_keeps_the_wrong_ones_out():
    """60 right, 10 wrong: with the wrong ones 60 of 70 would be right, so the threshold stands above them."""
    assert answered(*split(right=60, wrong=10, no_brand=100)) == [True] * 60 + [False] * 110


@pytest.mark.parametrize(("right", "speaks"), [(49, True), (48, False)])
def test_few_keys_show_no_precision(right, speaks):
    """One more error than seen: 49 of 50 is 0.98, 48 of 49 is less."""
    assert any(answered(*split(right, wrong=0, no_brand=100))) is speaks


@pytest.mark.parametrize(("right", "speaks"), [(99, True), (97, False)])
def test_one_more_error_than_was_seen_is_held_in_reserve(right, speaks):
    """One wrong among keys that are all equally sure: 99 of 101 is 0.98; 97 of 99 is less, though 97 of 98 is more."""
    n = right + 101
    brands, scores = np.full((n, 1), 1, np.int32), np.full((n, 1), 0.9, np.float32)
    truth = np.full(n, 1, np.int32)
    truth[right] = 2
    truth[right + 1 :], scores[right + 1 :] = -1, 0.2
    assert any(answered(brands, scores, truth)) is speaks


@pytest.mark.parametrize(("no_brand", "speaks"), [(50, True), (49, False)])
def test_few_keys_without_a_brand_show_no_silence(no_brand, speaks):
    """One more answer than seen, which is none: 1 of 50 is 0.02, 1 of 49 is more."""
    assert any(answered(*split(60, wrong=0, no_brand=no_brand))) is speaks


def test_fit_finds_the_policy_that_made_the_truth():
    """2,000 keys whose truth is drawn from T = 0.05 and a null score of 0.6."""
    rng = np.random.default_rng(7)
    scores = rng.uniform(0.3, 0.9, (2_000, 2)).astype(np.float32)
    brands = np.tile(i32(0, 1), (2_000, 1))
    chance = confidences(scores, 0.05, 0.6).cumsum(axis=1)
    drawn = rng.random(2_000)
    truth = np.where(drawn < chance[:, 0], 0, np.where(drawn < chance[:, 1], 1, -1)).astype(np.int32)
    policy = fit_policy(brands, scores, truth)
    assert policy.temperature == pytest.approx(0.05, rel=0.15)
    assert policy.null_score == pytest.approx(0.6, abs=0.03)


def test_fit_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="has no keys"):
        fit_policy(np.empty((0, 8), np.int32), np.empty((0, 8), np.float32), np.empty(0, np.int32))


def test_policy_comes_back_from_its_file(tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(POLICY.to_json())
    assert Policy.from_json(path) == POLICY


def test_fingerprint_changes_with_each_value():
    others = [Policy(2.0, 0.0, 0.5), Policy(1.0, 0.1, 0.5), Policy(1.0, 0.0, 0.6)]
    assert len({policy.fingerprint for policy in [POLICY, *others]}) == 4


def test_every_fault_of_a_file_is_named_at_once(tmp_path):
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"temperature": 0, "treshold": 0.5, "null_score": "0.6"}))
    with pytest.raises(ModelError) as caught:
        Policy.from_json(path)
    fix = "  = fix: fit it anew: python -m tierbreak.tools.models.training.export"
    assert str(caught.value).replace(f"{path}", "calibration.json").splitlines() == [
        "calibration.json: error[M009]: `threshold` is missing",
        "  = expected: a number",
        fix,
        "calibration.json: error[M009]: `treshold` is not known",
        "  = found: treshold",
        "  = expected: temperature, null_score, threshold, reserved_shift, high, very_high, by_sector, by_brand",
        fix,
        "calibration.json: error[M009]: `temperature` is wrong",
        "  = found: 0",
        "  = expected: a number between 0.000001 and 1,000,000",
        fix,
        "calibration.json: error[M009]: `null_score` is wrong",
        "  = found: '0.6'",
        "  = expected: a number between -1,000,000 and 1,000,000",
        fix,
    ]


@pytest.mark.parametrize(
    "content",
    ["", "[1]", "{", '{"temperature": NaN, "null_score": 0, "threshold": 0}', "[" * 100_000, '{"\\ud800": 1}',
     '{"temperature": 1' + "0" * 400 + ', "null_score": 0, "threshold": 0}'],
)  # fmt: skip
def test_a_broken_file_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=r"calibration\.json: error\[M009\]"):
        Policy.from_json(path)


@pytest.mark.parametrize(
    "wrong",
    [{"reserved_shift": 1e308}, {"reserved_shift": -1e39}, {"null_score": 1e300}, {"temperature": 1e-320},
     {"temperature": 1e300}, {"temperature": True}, {"high": -0.1}, {"by_brand": {"lyft": 2}}, {"by_sector": [1]}],
)  # fmt: skip
def test_a_value_that_would_overflow_later_is_refused_when_it_is_read(wrong):
    name = f"{next(iter(wrong))}"
    with pytest.raises(ValueError, match=rf"^{name}[.a-z]*: expected an? \w+.*, got ") as caught:
        Policy(**{"temperature": 1.0, "null_score": 0.0, "threshold": 0.5} | wrong)
    assert str(caught.value).count("expected") == 1


@pytest.mark.parametrize("shift", [-1e6, 0.0, 1e6])
@pytest.mark.parametrize("null_score", [-1e6, 1e6])
@pytest.mark.parametrize("temperature", [1e-6, 1e6])
def test_any_policy_that_can_be_made_can_be_applied(temperature, null_score, shift):
    found = weigh(
        Policy(temperature, null_score, 0.5, shift),
        i32([4, 7, -2, -3], [-1, -1, -2, -3]),
        f32([1, -1, 0.5, 0.5], [1, 1, 1, 1]),
    )
    assert np.isfinite(found.confidences).all()
    assert (found.confidences >= 0).all()
    assert (found.confidences.sum(axis=1) <= 1 + 1e-6).all()


def test_a_policy_out_of_range_cannot_be_made():
    with pytest.raises(ValueError, match=r"threshold: expected a number between 0 and 1, got 1\.5"):
        Policy(1.0, 0.0, 1.5)
