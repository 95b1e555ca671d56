"""Latency by tier on a clock of the test's own, and what a million rows cost."""

import dataclasses
import math

import pytest

from engines import TinyModel, with_model
from tierbreak.tools.compare.measure.latency import NOBODY, asked, latency, of_engine, throughput, unasked
from tools.compare import thirty


class Clock:
    """A side that takes as many milliseconds as its descriptor says, and the clock that shows it."""

    def __init__(self):
        self.now, self.asked = 0.0, []

    def __call__(self):
        return self.now

    def ask(self, descriptor):
        self.asked.append(descriptor)
        tier, milliseconds = descriptor.split()
        self.now += float(milliseconds) / 1e3
        return None if tier == "nobody" else tier


def measured(descriptors, **given):
    clock = Clock()
    return latency(clock.ask, descriptors, clock=clock, warm=0, **given), clock


def test_percentiles_by_tier():
    """200 of the rules take 1 to 200 ms, each once: 100 of them at most 100 ms, 190 at most 190, 198 at most 198.

    40 of the model take 301 to 340: 95 % of 40 are 38. 19 that nobody answered are too few for a p95. All of them are
    259: the 130th takes 130 ms, the 247th (246.05) 328, as 219 take at most 200, the 257th (256.41) 338.
    """
    found, _ = measured(
        [f"model {300 + at}" for at in range(1, 41)]
        + [f"nobody {at}" for at in range(1, 20)]
        + [f"rules {at}" for at in range(1, 201)],
        seconds=1e9,
    )
    rules, model, nobody = found.tiers
    assert (rules.tier, rules.n) == ("rules", 200)
    assert [round(value, 6) for value in (rules.p50, rules.p95, rules.p99)] == [100, 190, 198]
    assert (model.tier, model.n, round(model.p50, 6), round(model.p95, 6)) == ("model", 40, 320, 338)
    assert (nobody.tier, nobody.n, round(nobody.p50, 6)) == (NOBODY, 19, 10)
    assert math.isnan(model.p99)
    assert math.isnan(nobody.p95)
    assert (found.all.n, round(found.all.p95, 6), round(found.all.p99, 6)) == (259, 328, 338)
    # 19 + 111 = 130: nobody's 19 and rules' first 111 are the least, of which 1 to 19 stand there twice
    assert round(found.all.p50, 6) == 111


def test_the_first_calls_are_asked_and_not_counted():
    clock = Clock()
    found = latency(clock.ask, ["rules 500"] * 2 + ["rules 1"] * 48, warm=2, clock=clock)
    assert len(clock.asked) == 50
    assert (found.all.n, round(found.all.p50, 6), round(found.all.p95, 6)) == (48, 1, 1)
    few = latency(clock.ask, ["rules 500"] * 5, warm=2, clock=clock)
    assert few.all.n == 5  # a tenth of 5 is less than one call


def test_it_stops_when_the_time_is_over():
    """100 ms a call and half a second: the sixth call begins at 0.5 s, which is not over yet."""
    found, clock = measured(["rules 100"] * 50, seconds=0.45)
    assert found.all.n == len(clock.asked) == 5
    slow, _ = measured(["rules 100"] * 50, seconds=0.0)
    assert slow.all.n == 1


def test_without_descriptors_and_of_a_file():
    found, _ = measured([])
    assert (found.why, found.tiers, found.all) == ("there is no descriptor to ask", (), None)
    assert unasked("old").why == "it is a file of decisions, which nobody can time"


def test_which_descriptors_are_asked(tmp_path):
    """The new side of the thirty: 9 descriptors of rules, 3 of the model, 1 of the cache, 6 that nobody answered."""
    pairs = thirty.pairs(tmp_path)
    every = asked(pairs, "new")
    assert sorted(every) == sorted({row[0] for row in thirty.ROWS})
    two = asked(pairs, "new", each=2)
    assert len(two) == len(set(two)) == 2 + 2 + 1 + 2
    assert two == asked(pairs, "new", each=2)
    assert [one for one in every if one in two] == two
    assert two != asked(pairs, "new", each=2, seed=1)


def test_blank_descriptors_are_not_asked(tmp_path):
    blank = [("  ", *row[1:]) if at == 14 else row for at, row in enumerate(thirty.ROWS)]
    assert "  " not in asked(thirty.pairs(tmp_path, blank, thirty.OUTCOME), "new")


def test_an_engine_is_asked_with_an_empty_cache_and_again(case_engine, tmp_path):
    """Three descriptors that rules leave open, one a model knows: first the model answers it, then the cache."""
    model = TinyModel()
    with with_model(case_engine, model, tmp_path / "cache", memo_rows=0) as engine:
        engine.classify_one("KETTLE AND CO")
        model.asked.clear()
        found = of_engine(engine, ["KETTLE AND CO", "NOBODY AT ALL", "NOBODY ELSE"], seconds=60.0)
    assert {times.tier: times.n for times in found.tiers} == {"model": 1, "cache": 1, NOBODY: 4}
    assert len(model.asked) == 3
    assert found.all.n == 6


def test_an_engine_without_a_cache(case_engine):
    found = of_engine(case_engine, ["UBER TRIP"], side="old", seconds=60.0)
    assert (found.side, found.all.n) == ("old", 2)


def test_throughput():
    """2 M rows in 4 s of wall time and 7 s of processor: 3.5 s a million, at 0.05 an hour 3.5 / 3600 x 0.05."""
    found = throughput("new", 2_000_000, 4.0, 7.0, core_hour=0.05, currency="EUR")
    assert (found.rate, found.cpu_million) == (500_000, 3.5)
    assert found.cost_million == pytest.approx(3.5 / 3600 * 0.05)
    free = throughput("new", 2_000_000, 4.0, 7.0)
    assert dataclasses.replace(free, core_hour=0.05, currency="EUR", cost_million=0.0) == dataclasses.replace(
        found, cost_million=0.0
    )
    assert math.isnan(free.cost_million)
    assert math.isnan(throughput("new", 0, 0.0, 0.0).cpu_million)
    assert math.isnan(throughput("new", 10, 0.0, 0.0).rate)
