"""The study of simulated experiments runs through on few users; what it counts at full size stands in its record."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("scipy", reason="the extra `compare` is not installed")

from bench import experiment


def test_the_study(monkeypatch, tmp_path, capsys):
    """Five seeds of 1,000 users: an effect of 0.3 is ten standard errors and is found by all; counts are of 5."""
    out = tmp_path / "experiment.json"
    monkeypatch.setattr(
        sys, "argv", ["experiment", "--seeds", "5", "--users", "1000", "--effects", "0.3", "--out", str(out)]
    )
    experiment.main()
    found = json.loads(out.read_text())["figures"]
    assert (found["seeds"], found["users"]) == ("0 to 4", 1_000)
    (power,) = found["power"]
    assert power["found"] == {"welch": 5, "cuped": 5, "always": 5}
    assert all(0 <= count <= 5 for counts in found["no effect, alarms"].values() for count in counts.values())
    assert len(found["met"]) == 4
    once, daily = found["no effect, alarms"]["once"], found["no effect, alarms"]["every day"]
    assert all(once[kind] <= daily[kind] for kind in once)
    assert "5 seeds of 1,000 users" in capsys.readouterr().out


def test_where_80_percent_are_found():
    """Half a width of 1.96 standard errors of 0.01: 0.0196 and 0.8416 errors more."""
    least = experiment.eighty({"welch": 0.0196, "cuped": 0.0098, "always": 0.02})
    assert least["welch"] == pytest.approx(0.0280, abs=1e-4)
    assert least["cuped"] == pytest.approx(0.0140, abs=1e-4)
    assert least["always"] == pytest.approx(0.02 + 0.8416 * 0.005, abs=1e-4)


def test_days_are_looked_at_from_enough_users_on():
    rows = experiment.exposures(1, 1_000, 0.0)
    looks = [seen.height for seen in experiment.days(rows)]
    assert looks == sorted(looks)
    assert looks[0] >= experiment.LEAST
    assert looks[-1] == 1_000
