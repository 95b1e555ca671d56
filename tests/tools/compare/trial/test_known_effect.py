"""Simulated experiments whose effect is known, a hundred of them; bench/experiment.py asks the same of ten times as
many users, and records it."""

import datetime as dt
import math

import pytest

from tierbreak import Ramp
from tierbreak.rollout.ramp import Step
from tierbreak.tools.compare.trial.experiment import ALARM, experiment
from tierbreak.tools.compare.verdicts.gates import Gate, Gates
from tierbreak.tools.compare.verdicts.verdict import verdict
from tierbreak.tools.models.simulate.users import Users

pytest.importorskip("scipy.stats", reason="the extra `compare` is not installed")

SEEDS, USERS = range(100), 2_000
EFFECT = 0.06


def run(seed, effect):
    users = Users(USERS, seed=seed)
    ramp = Ramp("simulated", str(seed), (Step(dt.datetime.combine(users.first, dt.time(), dt.UTC), 0.5),))
    return experiment(users.exposures(ramp, effect=effect))


@pytest.fixture(scope="module")
def with_effect():
    return [run(seed, EFFECT) for seed in SEEDS]


@pytest.fixture(scope="module")
def without():
    return [run(seed, 0.0) for seed in SEEDS]


@pytest.mark.parametrize("which", ["interval", "adjusted_interval", "always"])
def test_intervals_hold_the_effect(with_effect, which):
    """At 95 % five of a hundred miss on average; fewer than 88 hold in 1 of 600 studies, whatever the seeds."""
    held = sum(low <= EFFECT <= high for low, high in (getattr(one.metrics[0], which) for one in with_effect))
    assert held >= 88


def test_what_was_before_makes_the_interval_narrower(with_effect):
    """CUPED takes away the share that it explains, at base 0.6 with an effect of 0.06 about 0.21 of the variance."""
    for one in with_effect:
        (kept,) = one.metrics
        width, adjusted = (high - low for low, high in (kept.interval, kept.adjusted_interval))
        assert adjusted / width == pytest.approx(math.sqrt(1 - kept.explained), rel=0.01)


def test_estimates_centre_on_the_effect(with_effect):
    """A difference has a standard error of 2 sqrt(0.24 / 2,000) = 0.022, the mean of a hundred one of 0.0022."""
    for name in ("difference", "adjusted"):
        assert sum(getattr(one.metrics[0], name) for one in with_effect) / 100 == pytest.approx(EFFECT, abs=0.0088)


def test_without_an_effect_a_report_does_not_alarm(without):
    """Looked at once, the always-valid interval leaves 0 out in far fewer than 5 of 100. p < 0.05 is in 5 on average,
    and in more than 11 in 1 of 230 studies."""
    assert sum(not one.metrics[0].always[0] <= 0 <= one.metrics[0].always[1] for one in without) <= 2
    assert sum(one.srm_p < ALARM for one in without) <= 2
    assert sum(one.metrics[0].p < 0.05 for one in without) <= 11
    assert sum(one.metrics[0].adjusted_p < 0.05 for one in without) <= 11


def test_gates_on_harm_stop_where_there_is_harm_and_only_there(without):
    """An effect of -0.12 lies 6 standard errors below 0, and the always-valid interval reaches 3.3 of them each way:
    nearly all are found."""
    gate = Gate("retention", "retention", "experiment.metrics.retained.always.high", 0.0, None, True, "")
    gates = Gates("gates.toml", (gate,), None, "", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))

    def advice(found):
        return verdict(gates, {"experiment": found}).advice

    assert [advice(one) for one in without].count("go back") <= 2
    harmed = [advice(run(seed, -0.12)) for seed in range(50)]
    assert harmed.count("go back") >= 40
    assert set(harmed) <= {"go back", "go on"}
