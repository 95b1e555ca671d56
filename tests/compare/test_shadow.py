"""The caller gets the old engine's answers; the other side is asked beside it, and cannot be felt."""

import json
import time

import polars as pl
import pytest

from engines import CASE_RULES
from tierbreak import Engine, Settings, Shadow
from tierbreak.compare import shadow as module

ROWS = pl.DataFrame(
    {"descriptor": ["UBER TRIP", "NOBODY", "LYFT RIDE", "UBER EATS"], "amount": [-1.0, -2.0, None, -4.0]}
)


class Fixed:
    """A side that always says lyft."""

    def classify(self, rows):
        said = {"brand": "lyft", "tier": "rules", "confidence": None, "rule": "x", "reason": None}
        return rows.with_columns(pl.lit(value, dtype=pl.String).alias(name) for name, value in said.items())


class Failing:
    def classify(self, rows):
        raise RuntimeError("no such luck")


class Slow:
    def classify(self, rows):
        time.sleep(60)
        return rows


def dies():
    raise SystemExit(1)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_old_side_answers_and_both_are_logged(case_engine, tmp_path):
    log = tmp_path / "log.jsonl"
    with Shadow(case_engine, Fixed, log=log) as shadow:
        assert shadow.classify(ROWS).equals(case_engine.classify(ROWS))
        assert shadow.classify_one("UBER TRIP", amount=-3.0) == case_engine.classify_one("UBER TRIP", amount=-3.0)
    rows = lines(log)
    assert [row["descriptor"] for row in rows] == [*ROWS["descriptor"], "UBER TRIP"]
    assert [row["old.brand"] for row in rows[:4]] == case_engine.classify(ROWS)["brand"].to_list()
    assert {row["new.brand"] for row in rows} == {"lyft"}
    assert rows[4]["amount"] == -3.0
    assert vars(shadow.counts) == {"asked": 5, "sampled": 5, "sent": 5, "dropped": 0}


def test_an_engine_is_loaded_again_without_its_cache(case_engine, tmp_path):
    settings = Settings(state=tmp_path / "state")
    log = tmp_path / "log.jsonl"
    with (
        Engine.load(rules=CASE_RULES, model=None, cache=None, settings=settings) as new,
        Shadow(case_engine, new, log=log) as shadow,
    ):
        shadow.classify(ROWS)
    rows = lines(log)
    assert [row["new.brand"] for row in rows] == [row["old.brand"] for row in rows]
    assert len(rows) == 4


def test_a_failing_side_is_not_felt(case_engine, tmp_path):
    log = tmp_path / "log.jsonl"
    with Shadow(case_engine, Failing, log=log) as shadow:
        assert shadow.classify(ROWS).height == 4
    assert {row["error"] for row in lines(log)} == {"RuntimeError: no such luck"}
    assert {row["new.brand"] for row in lines(log)} == {None}


def test_a_dead_side_is_counted_and_not_felt(case_engine, tmp_path):
    with Shadow(case_engine, dies, log=tmp_path / "log") as shadow:
        deadline = time.monotonic() + 60
        while shadow.alive and time.monotonic() < deadline:
            assert shadow.classify(ROWS).height == 4
            time.sleep(0.01)
        assert not shadow.alive
        before = shadow.counts.dropped
        shadow.classify(ROWS)
        assert shadow.counts.dropped == before + 4
    assert (shadow.counts.sent, shadow.counts.dropped) == (0, shadow.counts.asked)


def test_a_full_queue_drops_and_counts(case_engine, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TOGETHER", 2)
    shadow = Shadow(case_engine, Slow, log=tmp_path / "log", queue=3)
    for _ in range(10):
        assert shadow.classify(ROWS).height == 4
    shadow.close(timeout=0.2)
    counts = shadow.counts
    assert counts.asked == counts.sampled == 40
    assert counts.sent == 0
    assert 33 <= counts.dropped <= 40


def test_a_share_is_sampled(case_engine, tmp_path):
    """Of 2,000 rows a tenth is 200; four standard deviations are 54."""
    log = tmp_path / "log.jsonl"
    with Shadow(case_engine, Fixed, log=log, sample=0.1, seed=1) as shadow:
        shadow.classify(pl.concat([ROWS] * 500))
    assert abs(len(lines(log)) - 200) < 54
    assert shadow.counts.sampled == len(lines(log))
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Shadow(case_engine, Fixed, log=log, sample=1.5)
