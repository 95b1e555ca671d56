"""The measurement of what a Shadow costs runs through; no time is asserted."""

from __future__ import annotations

import json
import sys

from bench import shadow


def test_ratio_of_known_rounds():
    """Two rounds of 100 calls, each of 1 ms alone, of 1.1 ms and 1.3 ms with a shadow: of both together the median is
    1.2 ms, the slowest hundredth 1.3. Drawn again both rounds may be the same one: 1.1 to 1.3.
    """
    rounds = shadow.Rounds([[1e-3] * 100] * 2, [[1.1e-3] * 100, [1.3e-3] * 100], [0.0, 0.0])
    found = rounds.figures()
    assert (found["rounds"], found["calls"]) == (2, 200)
    assert (found["alone_p50_ms"], found["shadow_p50_ms"], found["shadow_p99_ms"]) == (1.0, 1.2, 1.3)
    assert (found["ratio_p50"], found["ratio_p50_interval"]) == (1.2, [1.1, 1.3])
    assert found["ratio_p99"] == 1.3


def test_calls_are_paced():
    """At 100 a second the fifth of five calls is due after 50 ms; sleeping may take longer, never less."""
    asked = []
    began = shadow.time.perf_counter()
    took = shadow.block(asked.append, list("abcde"), 100.0)
    assert shadow.time.perf_counter() - began >= 0.049
    assert asked == list("abcde")
    assert len(took) == 5


def test_it_runs_through(monkeypatch, state, tmp_path, capsys):
    out = tmp_path / "shadow.json"
    monkeypatch.setenv("TIERBREAK_STATE", str(state))
    monkeypatch.setattr(sys, "argv", ["shadow", "--rounds", "1", "--calls", "20", "--pace", "0", "--out", str(out)])
    shadow.main()
    figures = json.loads(out.read_text())["figures"]
    assert figures["rows"] == {"asked": 21, "sampled": 21, "sent": 21, "dropped": 0}
    assert figures["paces"]["full speed"]["calls"] == 20
    assert figures["target"] == 1.05
    assert "full speed, 20 calls each way in 1 rounds" in capsys.readouterr().out
