"""The verdict, gate by gate, counted by hand on the thirty rows; and what the ramp may do next."""

import dataclasses
import datetime as dt
import json
import math
import re
from types import SimpleNamespace

import pytest

from tierbreak import Ramp, SettingsError
from tierbreak.rollout.ramp import Step
from tierbreak.tools.compare import document
from tierbreak.tools.compare.measure.agreement import agreement
from tierbreak.tools.compare.measure.cells import by_key, by_user, cells
from tierbreak.tools.compare.report.experiment import Experimented
from tierbreak.tools.compare.report.verdict import section
from tierbreak.tools.compare.verdicts.gates import SHORT, STARTER, Gate, Gates
from tierbreak.tools.compare.verdicts.verdict import verdict
from tools.compare import thirty


def moment(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


RAMP = Ramp("engine", "s", (Step(moment(2026, 10, 1), 0.05), Step(moment(2026, 11, 15), 0.5),
                            Step(moment(2026, 12, 1, 9, 30), 1.0)))  # fmt: skip

#: The thirty rows, as the report has them: 13 same and 3 without an answer on either side, of 30, agree exactly; 4 are
#: lost. Users u1 to u6: all have a row that differs. The new side is right in all 30, the old in 16.
FIGURES = {
    "agreement": {
        "by": [
            {"unit": "rows", "total": 30.0, "exact": 16.0, "family": 19.0, "exact_share": 16 / 30,
             "family_share": 19 / 30},
            {"unit": "users", "total": 6.0, "exact": 0.0, "family": 0.0, "exact_share": 0.0, "family_share": 0.0},
        ],
        "outcomes": [{"outcome": "lost", "rows": 4, "n": 4.0, "share": 4 / 30}],
        "coverage": [{"side": "old", "share": 22 / 30}, {"side": "new", "share": 23 / 30}],
    },
    "flow": {"kinds": [{"outcome": "lost", "top": [
        {"old_name": "Shell", "new_name": "no answer", "share": 1 / 30},
        {"old_name": "Target", "new_name": "no answer", "share": 1 / 30},
    ]}]},
    "correctness": {
        "withheld": "",
        "exact": {
            "negative": {"share": {"value": 12 / 1982, "low": 0.003, "high": 0.010, "part": 12.0, "whole": 1982.0}},
            "precision": {"old": {}, "new": {}, "difference": 0.002, "low": -0.010, "high": 0.014},
        },
        "negative": [{"descriptor": "SHELL OIL 5744", "old": "Shell", "new": None, "truth": "Shell", "rows": 7}],
    },
    "experiment": None,
}  # fmt: skip


def gates(*given):
    made = []
    for name, path, low, high, *stop in given:
        made.append(Gate(name, name, path, low, high, bool(stop), "because"))
    return Gates("gates.toml", tuple(made), None, "ab" * 32, moment(2026, 9, 1))


AGREE = "agreement.by.rows.exact_share"
FLIPS = "correctness.exact.negative.share.value"


def one(name, path, low, high, figures=FIGURES):
    (found,) = verdict(gates((name, path, low, high)), figures).gates
    return found


def test_pass_and_margin():
    """16 of 30 is 0.5333: at least 0.5 with 0.0333 to spare, at most 0.6 with 0.0667; the nearer one is the margin."""
    found = one("agreement", AGREE, 0.5, 0.6)
    assert (found.says, found.value) == ("pass", 16 / 30)
    assert found.margin == pytest.approx(16 / 30 - 0.5)
    assert (found.shown, found.bound) == ("53.3 %", "at least 50 % and at most 60 %")
    assert (found.change, found.needs, found.largest) == ("", "", ())


def test_a_bound_that_is_met_exactly_passes():
    """0.1 + 0.2 is not 0.3 in binary, and 3 of 10 allowed at most 0.3 must not fail for it."""
    for value in (0.3, 0.1 + 0.2):
        found = one("flips", "flow.stays", None, 0.3, {"flow": {"stays": value}})
        assert (found.says, found.margin) == ("pass", 0.0)


def test_the_smallest_change_in_counts():
    """At most 0.15 % of 1,982 is 2.97: 2 flips are allowed, and of 12 now 10 must go. At most 0.3 %: 5.9, 7 must go."""
    found = one("negative-flips", FLIPS, None, 0.0015)
    assert found.says == "fail"
    assert found.change == "10 fewer of 1,982 (negative flips: 12 now, 2 allowed)"
    assert one("negative-flips", FLIPS, None, 0.003).change == "7 fewer of 1,982 (negative flips: 12 now, 5 allowed)"
    assert found.largest == ("SHELL OIL 5744: Shell -> no answer, truly Shell (7 rows)",)


def test_the_smallest_change_of_what_must_rise():
    """At least 0.7 of 30 rows is 21 of them; 16 agree. Of users, at least 0.5 of 6 is 3, and none agrees."""
    assert one("agreement", AGREE, 0.7, None).change == "5 more of 30 (agreement: 16 now, 21 needed)"
    path = "agreement.by.users.exact_share"
    assert one("users", path, 0.5, None).change == "3 more of 6 (users: 0 now, 3 needed)"


@pytest.mark.parametrize("part", range(21))
@pytest.mark.parametrize("bound", [0.0, 0.05, 0.1, 0.3, 0.55, 1.0])
def test_the_change_that_is_named_is_enough_and_the_least(part, bound):
    """By trying every count of 20."""

    def judged(part, low, high):
        figures = {"flow": {"value": part / 20, "part": float(part), "whole": 20.0}}
        return one("f", "flow.value", low, high, figures)

    for low, high in ((None, bound), (bound, None)):
        found = judged(part, low, high)
        passing = [other for other in range(21) if judged(other, low, high).says == "pass"]
        if part in passing:
            assert found.says == "pass"
        else:
            assert found.change.startswith(f"{min(abs(part - other) for other in passing)} ")


def test_lost_rows_name_the_heaviest_flows():
    """4 of 30 are lost, and at most 0.1 is 3 of them."""
    found = one("lost", "agreement.outcomes.lost.share", None, 0.1)
    assert found.change == "1 fewer of 30 (lost: 4 now, 3 allowed)"
    assert found.largest == (
        "Shell -> no answer (3.33 % of the traffic)",
        "Target -> no answer (3.33 % of the traffic)",
    )


def test_what_is_not_counted_must_move_by_itself():
    """Weights are no counts, and neither is a chance."""
    weighted = {"agreement": {"outcomes": [{"outcome": "lost", "n": 4.5, "share": 0.15}]}}
    found = one("lost", "agreement.outcomes.lost.share", None, 0.1, weighted)
    assert found.change == "15 % must fall to 10 %"
    found = one("srm", "experiment.srm_p", 0.001, None, {"experiment": {"srm_p": 0.00002}})
    assert found.change == "2e-05 must rise to 0.001"


def test_the_end_of_an_interval_says_how_many_more_rows():
    """The figure 0.002 lies 0.012 above its low end and would lie 0.007 above the bound: (12 / 7)^2 = 2.94 times."""
    found = one("precision", "correctness.exact.precision.low", -0.005, None)
    assert found.change == (
        "-1 points must rise to -0.5 points; the figure itself, +0.2 points, would pass: if it stays so, about 2.9 "
        "times as many rows make the interval narrow enough"
    )
    beyond = one("precision", "correctness.exact.precision.low", 0.004, None)
    assert beyond.change.endswith("the figure itself, +0.2 points, lies beyond the bound: more rows alone will not do")


def test_an_interval_of_an_experiment_lies_around_its_own_estimate():
    """The adjusted difference 0.01 is 0.03 above its low end and 0.02 above the bound: (3 / 2)^2 = 2.25, of users; the
    raw one, 0.02, is 0.035 above its low end and 0.03 above the bound: (7 / 6)^2 = 1.36."""
    metric = {
        "metric": "kept",
        "difference": 0.02,
        "interval": [-0.015, 0.055],
        "adjusted": 0.01,
        "always": [-0.02, 0.04],
    }
    figures = {"experiment": {"metrics": [metric]}}
    for name, times in (("always", "2.2"), ("interval", "1.4")):
        found = one("kept", f"experiment.metrics.kept.{name}.low", -0.01, None, figures)
        assert f"about {times} times as many users" in found.change


def test_what_cannot_be_said_is_not_passed():
    """No exposures and no such metric: each says what it takes."""
    figures = FIGURES | {"experiment": {"srm_p": 0.4, "metrics": [{"metric": "kept", "p": math.nan}]}}
    for path, has, says in (
        ("experiment.srm_p", FIGURES, "experiment is not in this report"),
        ("experiment.metrics.retained.p", figures, "experiment.metrics has no 'retained' here; it has kept"),
        ("experiment.metrics.kept.p", figures, "exposures of users with this metric: --users EXPOSURES"),
        ("agreement.by.money.exact_share", FIGURES, "a column of amounts in the traffic"),
        ("operations.throughput.new.cost_million", {"operations": {"throughput": []}}, "[prices] with core_hour"),
        ("correctness.exact.negative.share", {"correctness": None}, "a gold set: --gold GOLD"),
    ):
        found = verdict(gates(("g", path, 0.0, None)), has)
        assert (found.says, found.advice) == ("cannot be said", "hold")
        (judged,) = found.gates
        assert says in judged.needs
        assert math.isnan(judged.margin)
        assert judged.shown == "-"
        assert found.words[0] == "0 of 1 gates pass. Cannot be said, and so not passed: g."


def test_the_thirty_rows_by_their_short_names(tmp_path):
    """16 of 30 rows agree exactly, none of the 6 users in all rows, 4 rows are lost and 2 change; the new side names a
    brand for 13 same + 3 family + 2 changed + 5 gained = 23. Without exposures the split cannot be checked."""
    pairs = thirty.pairs(tmp_path)
    found = agreement(pairs, cells(pairs), by_key(pairs), by_user(pairs))
    want = {"agreement": 16 / 30, "agreement-users": 0.0, "lost": 4 / 30, "changed": 2 / 30, "coverage": 23 / 30}
    asked = gates(*((name, SHORT[name][0], 0.5, None) for name in (*want, "srm")))
    judged = verdict(asked, {"agreement": found, "experiment": Experimented(None, None)}).gates
    assert [one.value for one in judged[:-1]] == pytest.approx(list(want.values()))
    assert [one.says for one in judged] == ["pass", "fail", "fail", "fail", "pass", "cannot be said"]
    assert judged[1].change == "3 more of 6 (agreement users: 0 now, 3 needed)"


def test_unknown_figures_are_all_named():
    with pytest.raises(SettingsError) as error:
        verdict(gates(("a", "agreement.by.rows.exact_shar", 0, 1), ("b", "flow.stay", 0, 1)), FIGURES)
    assert "gates.toml: the gates are wrong" in str(error.value)
    assert (
        "gate a: no figure 'a': agreement.by.rows has no 'exact_shar'; nearest: agreement.by.rows.exact_share"
        in str(error.value)
    )
    assert "gate b:" in str(error.value)


PASSING, FAILING = ("agreement", AGREE, 0.5, None), ("lost", "agreement.outcomes.lost.share", None, 0.1)
STOPPING = (*FAILING, True)
UNSAID = ("srm", "experiment.srm_p", 0.001, None, True)


@pytest.mark.parametrize(
    ("given", "says", "advice", "first"),
    [
        ([PASSING], "pass", "go on", "The one gate passes."),
        ([PASSING, PASSING], "pass", "go on", "All 2 gates pass."),
        ([PASSING, FAILING], "fail", "hold", "1 of 2 gates pass. Failed: lost."),
        ([PASSING, STOPPING], "fail", "go back", "1 of 2 gates pass. Failed: lost."),
        ([PASSING, UNSAID], "cannot be said", "hold", "1 of 2 gates pass. Cannot be said, and so not passed: srm."),
        ([], "cannot be said", "hold", "The gates file has no gate: there is nothing to hold the figures against."),
    ],
)
def test_the_whole(given, says, advice, first):
    found = verdict(gates(*given), FIGURES)
    assert (found.says, found.advice, found.words[0]) == (says, advice, first)


@pytest.mark.parametrize(
    ("gate", "ramp", "at", "words"),
    [
        (PASSING, RAMP, dt.date(2026, 11, 1), "The gates allow the next step: 50 % of users from 2026-11-15. The new "
         "side has 5 % of users, where the ramp stands at the end of the data (2026-11-01)."),
        (PASSING, RAMP, moment(2026, 11, 15), "The gates allow the next step: 100 % of users from 2026-12-01 09:30 "
         "UTC. The new side has 50 % of users, where the ramp stands at the end of the data (2026-11-15)."),
        (PASSING, RAMP, dt.date(2026, 12, 24), "The gates are passed at 100 % of users, where the ramp stands at the "
         "end of the data (2026-12-24); the schedule has no further step."),
        (PASSING, RAMP, dt.date(2026, 9, 1), "The gates allow the next step: 5 % of users from 2026-10-01. The new "
         "side has 0 % of users, where the ramp stands at the end of the data (2026-09-01)."),
        (FAILING, RAMP, dt.date(2026, 11, 1), "Hold at 5 % of users, where the ramp stands at the end of the data "
         "(2026-11-01). Write hold = 2026-11-15 into the schedule: it keeps back the step to 50 %."),
        (FAILING, RAMP, dt.date(2026, 12, 24), "Hold at 100 % of users, where the ramp stands at the end of the data "
         "(2026-12-24)."),
        (STOPPING, RAMP, dt.date(2026, 11, 1), "Go back to the old side: lost failed, and that gate says to stop. Set "
         "rollback in the schedule to the present moment; so far the new side has 5 % of users, where the ramp "
         "stands at the end of the data (2026-11-01)."),
        (PASSING, dataclasses.replace(RAMP, hold=moment(2026, 11, 2)), dt.date(2026, 11, 20), "The gates allow the "
         "step to 50 % of users that was meant for 2026-11-15; the schedule holds it back. Take hold out of it to go "
         "on. The new side has 5 % of users, where the ramp stands at the end of the data (2026-11-20)."),
        (FAILING, dataclasses.replace(RAMP, hold=moment(2026, 11, 2)), dt.date(2026, 11, 1), "Hold at 5 % of users, "
         "where the ramp stands at the end of the data (2026-11-01)."),
        (PASSING, dataclasses.replace(RAMP, rollback=moment(2026, 10, 5)), dt.date(2026, 11, 1), "The ramp was rolled "
         "back at 2026-10-05: nobody has the new side, whatever the gates say, until somebody takes rollback out of "
         "the schedule."),
        (PASSING, None, dt.date(2026, 11, 1), "The gates allow the next step. No ramp was given: which that is cannot "
         "be said."),
        (PASSING, RAMP, None, "The gates allow the next step. The data have no dates by which the ramp could be read: "
         "which that is cannot be said."),
        (FAILING, None, None, "Stay at the present share."),
        (STOPPING, None, None, "Go back to the old side: lost failed, and that gate says to stop."),
    ],
)  # fmt: skip
def test_what_the_ramp_may_do_next(gate, ramp, at, words):
    assert verdict(gates(gate), FIGURES, ramp=ramp, at=at).words[1] == words


def test_the_hold_that_is_advised_is_one_that_a_schedule_takes(tmp_path):
    """Held as advised, the share at the date of the next step is the present one."""
    text = 'name = "engine"\nsalt = "s"\n' + "".join(
        f"[[step]]\nfrom = {step.start.isoformat()}\nshare = {step.share}\n" for step in RAMP.steps
    )
    for at in (moment(2026, 11, 1), moment(2026, 11, 16)):
        found = verdict(gates(FAILING), FIGURES, ramp=RAMP, at=at)
        hold = re.search(r"hold = \S+(?= into)", found.words[1])[0]
        (tmp_path / "ramp.toml").write_text(f"{hold}\n{text}")
        held = Ramp.read(tmp_path / "ramp.toml")
        assert held.share(moment(2027, 1, 1)) == found.ahead.share == RAMP.share(at)


def test_figures_may_be_dataclasses():
    agreement = SimpleNamespace(**FIGURES["agreement"])
    made = dataclasses.make_dataclass("Agreement", vars(agreement))(**vars(agreement))
    assert verdict(gates(PASSING), {"agreement": made}).says == "pass"


def test_the_section():
    late = "gates.toml was last changed after the newest input"
    found = verdict(gates(PASSING, FAILING, UNSAID), FIGURES, ramp=RAMP, at=dt.date(2026, 11, 1), notices=(late,))
    made = section(found)
    assert (made.id, made.title, made.figures) == ("verdict", "Verdict", found)
    texts = [block for block in made.blocks if isinstance(block, document.Text)]
    assert (texts[0].text, texts[0].tone) == (found.words[0], "bad")
    assert "last changed 2026-09-01 00:00 UTC by its time, fingerprint abababababababab" in texts[2].text
    assert (texts[3].text, texts[3].tone) == (late, "warn")
    (tiles,) = (block for block in made.blocks if isinstance(block, document.Tiles))
    assert [(tile.value, tile.note) for tile in tiles.tiles] == [
        ("Hold", ""), ("1 of 3", ""), ("5 %", ""), ("50 %", "from 2026-11-15"),
    ]  # fmt: skip
    judged, changes = document.tables(made.blocks)
    assert judged.rows == (
        ("agreement", "pass", "53.3 %", "at least 50 %", "because"),
        ("lost", "fail", "13.3 %", "at most 10 %", "because"),
        ("srm, stops", "cannot be said", "-", "at least 0.001", "because"),
    )
    assert judged.tones == ("good", "bad", "warn")
    assert [row[0] for row in changes.rows] == ["lost", "srm"]
    assert "--users EXPOSURES" in changes.rows[1][1]
    plain = document.plain(found)
    json.dumps(plain, allow_nan=False)
    assert plain["gates"][2]["value"] is None


def test_without_gates_no_verdict_is_invented():
    made = section(None)
    assert made.figures is None
    assert "there is no verdict" in made.blocks[0].text
    lines, names = document.tables(made.blocks)
    assert "\n".join(line for (line,) in lines.rows) == "\n".join(line for line in STARTER.splitlines() if line)
    assert ("srm", "chance of so uneven a split of users by luck", "experiment.srm_p") in names.rows
