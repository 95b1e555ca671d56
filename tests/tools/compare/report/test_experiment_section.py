"""The experiment as it is told: words and rows against figures by hand, the plots against what they plot."""

import dataclasses
import datetime as dt
import math
import re

import polars as pl
import pytest

from tierbreak.rollout.ramp import Ramp, Step
from tierbreak.tools.compare.document import Figure, Fold, Table, Text, Tiles, plain
from tierbreak.tools.compare.report.experiment import section, told
from tierbreak.tools.compare.report.forest import Line, forest, ticks
from tierbreak.tools.compare.report.timeline import timeline, words
from tierbreak.tools.compare.trial.experiment import experiment

pytest.importorskip("scipy.stats", reason="the extra `compare` is not installed")


def day(month, number):
    return dt.datetime(2026, month, number, tzinfo=dt.UTC)


RAMP = Ramp("engine", "secret", (Step(day(10, 1), 0.05), Step(day(10, 21), 0.5), Step(day(11, 20), 1.0)))

#: Old: 1, 2, 3, 4; new: 3, 5, 7. Welch's standard error is sqrt(5/12 + 4/3) = 1.3229 with 3.2347 degrees of freedom,
#: the quantile 3.0557 of which makes 2.5 -+ 4.04. Four users to three have chi-square 1/7, which is p = 0.705.
ROWS = pl.DataFrame({"user": list("abcdefg"), "arm": ["old"] * 4 + ["new"] * 3, "share": [0.5] * 7,
                     "items": [1, 2, 3, 4, 3, 5, 7]})  # fmt: skip


def texts(blocks):
    return [(block.tone, block.text) for block in blocks if isinstance(block, Text)]


def tables(blocks):
    return {block.title: block for block in blocks if isinstance(block, Table)}


def test_seven_users():
    found = section(experiment(ROWS))
    assert (found.id, found.title) == ("experiment", "The experiment")
    (tiles,) = (block for block in found.blocks if isinstance(block, Tiles))
    assert [(tile.label, tile.value, tile.note) for tile in tiles.tiles] == [
        ("Users in the old arm", "4", ""),
        ("Users in the new arm", "3", ""),
        ("Share of the new arm", "42.9 %", "meant: 50.0 %"),
        ("Sample ratio", "p = 0.705", "chi-square; below 0.001 is an alarm"),
    ]
    assert isinstance(found.blocks[0], Tiles)
    assert texts(found.blocks) == [
        (
            "good",
            "No sign that the split is not as it was meant: 42.9 % of 7 users are in the new arm, 50.0 % were meant "
            "(p = 0.705).",
        ),
        ("plain", "items: no difference can be told from luck; new less old is +2.5 (95 %: -1.5 to +6.5)."),
        ("soft", "No metric has a column from before the experiment (before_…): nothing is adjusted."),
    ]
    (row,) = tables(found.blocks)["Metrics by arm"].rows
    assert row[:5] == ("items", "2.5", "5", "+2.5", "-1.5 to +6.5")
    assert row[5] == "0.148"
    assert row[7:] == ("4", "3", "0")
    assert plain(found.figures)["experiment"]["metrics"][0]["difference"] == 2.5
    assert plain(found.figures)["ramp"] is None


def test_an_uneven_split_comes_first_and_folds_the_rest():
    """600 of 1,000 are new, half was meant: chi-square 40, p = 2.5e-10."""
    rows = pl.DataFrame({"user": range(1_000), "arm": ["new"] * 600 + ["old"] * 400, "share": [0.5] * 1_000,
                         "kept": [1, 0] * 500})  # fmt: skip
    found = section(experiment(rows))
    (tone, said), *_ = texts(found.blocks)
    assert tone == "bad"
    assert "60.0 % of 1,000 users are in the new arm, 50.0 % were meant (p = 2.5e-10)" in said
    assert "Do not read on" in said
    assert not tables(found.blocks)
    (fold,) = (block for block in found.blocks if isinstance(block, Fold))
    assert "Metrics by arm" in tables(fold.blocks)


def test_nothing_given():
    nothing = section(None)
    assert nothing.figures is None
    ((tone, said),) = texts(nothing.blocks)
    assert tone == "soft"
    assert "--users FILE" in said
    ramp = section(None, RAMP)
    assert [type(block) for block in ramp.blocks] == [Text, Figure]
    assert plain(ramp.figures) == {
        "experiment": None,
        "ramp": {
            "name": "engine", "fingerprint": RAMP.fingerprint, "hold": None, "rollback": None,
            "steps": [["2026-10-01T00:00:00+00:00", 0.05], ["2026-10-21T00:00:00+00:00", 0.5],
                      ["2026-11-20T00:00:00+00:00", 1.0]],
        },
    }  # fmt: skip
    assert "secret" not in str(plain(ramp.figures)), "the salt is not for a report"


def test_what_cannot_be_said_is_not():
    one_arm = section(
        experiment(pl.DataFrame({"user": ["a", "b"], "arm": ["old"] * 2, "share": [0.0] * 2, "x": [1, 2]}))
    )
    assert texts(one_arm.blocks) == [
        ("warn", "Whether the split is as it was meant cannot be said: no user came while both arms had a share."),
        ("warn", "Note: no user in the new arm: nothing can be compared."),
        ("warn", "Note: x: 2 users came at a share at which an arm has fewer than two; left out."),
    ]
    assert not tables(one_arm.blocks)
    same = experiment(ROWS.with_columns(items=1)).metrics[0]
    assert told(same, "95 %") == "items: new less old is 0; nothing varies, so there is no interval."
    few = experiment(ROWS.filter(pl.col("user").is_in(["a", "g"]))).metrics[0]
    assert told(few, "95 %") == "items: cannot be said, for want of users with a value in both arms."


def many(effect=3.0):
    rows = pl.DataFrame({"user": range(400), "arm": ["old", "new"] * 200, "share": [0.5] * 400})
    wave = [at * 7919 % 101 / 10 for at in range(400)]
    return rows.with_columns(
        spend=pl.Series(wave) + effect * (pl.col("arm") == "new"),
        before_spend=pl.Series(wave) + pl.Series([at * 104729 % 13 / 10 for at in range(400)]),
        country=pl.Series(["UK", "UK", "US", "US"] * 100),
    )


def test_adjusted_and_by_segment():
    given = experiment(many(), segments=["country"])
    found = section(given)
    (metric,) = given.metrics
    ((_, ratio), (_, said), *_) = texts(found.blocks)
    assert ratio.startswith("No sign that the split is not as it was meant")
    assert said.startswith("spend is higher in the new arm: new less old is +")
    assert said.endswith(", adjusted for what came before.")
    (row,) = tables(found.blocks)["Adjusted for what users did before (CUPED)"].rows
    assert row[0] == "spend"
    assert float(row[1]) == pytest.approx(metric.adjusted, abs=0.05)
    assert row[4] == f"{100 * metric.explained:.1f} %"
    segments = tables(found.blocks)["By segment"]
    assert {(row[0], row[2]) for row in segments.rows} == {("country = UK", "200"), ("country = US", "200")}
    assert [float(row[6].replace("< 1e-300", "0")) for row in segments.rows] == sorted(
        float(row[6].replace("< 1e-300", "0")) for row in segments.rows
    )
    lower = section(experiment(many(-3.0)))
    assert texts(lower.blocks)[1][1].startswith("spend is lower in the new arm")


def test_the_shares_that_users_came_at():
    rows = many().with_columns(share=pl.Series([0.25, 0.5, 0.25, 0.25] * 50 + [0.5] * 200))
    found = section(experiment(rows))
    assert "and each share is held against its own users (p = " in texts(found.blocks)[0][1]
    table = tables(found.blocks)["Users by the share they came at"]
    assert table.columns == ("share meant", "old users", "new users", "share found", "p")
    # 50 of 4 first ones: two old and one new at 0.25, one new at 0.5; then 100 and 100.
    assert [row[:4] for row in table.rows] == [("25.0 %", "100", "50", "33.3 %"), ("50.0 %", "100", "150", "60.0 %")]


def test_the_plot_of_differences():
    """From 0 to 8 over 250 units from 132 on: 2.5 lies at 132 + 250 * 4.5 / 10, of an axis from -2 to 8."""
    plot = forest("items", [Line("all", 2.5, (-1.5, 6.5), (-1.9, 7.9)), Line("none", 1.0, (math.nan, math.nan), None)],
                  "says")  # fmt: skip
    assert ticks(-1.9, 7.9) == [-2.0, 0.0, 2.0, 4.0, 6.0, 8.0]
    (dot,) = re.findall(r'<circle class="dot (\w+)" cx="([\d.]+)"', plot.svg)
    assert dot == ("soft", f"{132 + 250 * 4.5 / 10:.2f}")
    ends = re.findall(r'<line class="(stroke[ \w]*)" x1="([\d.]+)" x2="([\d.]+)"', plot.svg)
    assert ends == [
        ("stroke soft", f"{132 + 250 * 0.1 / 10:.2f}", f"{132 + 250 * 9.9 / 10:.2f}"),
        ("stroke wide soft", f"{132 + 250 * 0.5 / 10:.2f}", f"{132 + 250 * 8.5 / 10:.2f}"),
    ]
    assert "none" not in plot.svg
    assert forest("x", [Line("none", 1.0, (math.nan, math.nan), None)], "says") is None
    assert 'class="dot new"' in forest("x", [Line("sure", 2.0, (1.0, 3.0), None)], "says").svg


@pytest.mark.parametrize(("low", "high"), [(-1e-9, 3e-9), (0.0, 1e7), (-0.3, 0.0), (-1.0, 1.0), (-17.0, 4.0)])
def test_ticks_hold_both_ends(low, high):
    marks = ticks(low, high)
    assert marks[0] <= low
    assert marks[-1] >= high
    assert 0.0 in marks
    assert 3 <= len(marks) <= 8


def test_the_ramp_in_words():
    assert words(RAMP) == "5 % of users from 2026-10-01, 50 % from 2026-10-21, 100 % from 2026-11-20."
    held = dataclasses.replace(RAMP, hold=day(11, 10), rollback=day(11, 25))
    assert words(held, (dt.date(2026, 10, 1), dt.date(2026, 11, 1))) == (
        "5 % of users from 2026-10-01, 50 % from 2026-10-21, 100 % from 2026-11-20. Hold from 2026-11-10: 1 step does "
        "not begin. Rollback on 2026-11-25: everybody has the old engine. Data of 2026-10-01 to 2026-11-01."
    )


def test_the_ramp_as_a_plot():
    """The line stands at the share of the ramp on any day; 100 % lies at 34 and 0 % at 184."""
    held = dataclasses.replace(RAMP, hold=day(11, 10), rollback=day(11, 25))
    plot = timeline(held, (dt.date(2026, 10, 1), dt.date(2026, 11, 1)))
    (line,) = re.findall(r'class="stroke new" points="([^"]+)"', plot.svg)
    heights = [float(pair.split(",")[1]) for pair in line.split()]
    assert heights == [184.0, 184.0, 176.5, 176.5, 109.0, 109.0, 184.0, 184.0]
    (left_out,) = re.findall(r'class="stroke soft mark" points="([^"]+)"', plot.svg)
    assert [float(pair.split(",")[1]) for pair in left_out.split()] == [109.0, 109.0, 34.0, 34.0]
    assert [name in plot.svg for name in (">hold<", ">rollback<", ">the data<")] == [True] * 3
    assert "the data: 2026-10-01 to 2026-11-01" in plot.svg
    plain_plot = timeline(RAMP)
    assert "mark" not in plain_plot.svg
    assert plain_plot.svg.count("<circle") == 3
    one = timeline(Ramp("engine", "1", (Step(day(10, 1), 0.05),)))
    assert "5 % from 2026-10-01 00:00 UTC" in one.svg
