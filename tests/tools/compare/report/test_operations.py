"""What the report says of speed, cache and cost: every number of the thirty rows, and why what is missing is."""

import dataclasses
import re
from xml.etree import ElementTree

import pytest

from tierbreak.tools.compare.document import Figure, Fold, Table, Text, plain
from tierbreak.tools.compare.measure.hits import Hits, hits
from tierbreak.tools.compare.measure.latency import Latency, Times, throughput, unasked
from tierbreak.tools.compare.measure.noise import Noise, repeats
from tierbreak.tools.compare.report.operations import Operations, noise_blocks, section
from tools.compare import thirty

NAN = float("nan")
LATENCY = Latency(
    "new",
    "",
    (Times("rules", 200, 0.81, 1.2, 2.345), Times("model", 12, 4.0, NAN, NAN)),
    Times("all", 212, 0.9, 4, 5.5),
)


def written(blocks, kind):
    return [block for block in blocks if isinstance(block, kind)]


def says(blocks):
    return " ".join(block.text for block in written(blocks, Text))


def table(blocks, title):
    return next(block for block in written(blocks, Table) if block.title == title)


@pytest.fixture
def found(tmp_path):
    pairs = thirty.pairs(tmp_path)
    return section(
        Operations(
            (unasked("old"), LATENCY),
            (hits(pairs, "old"), hits(pairs, "new", switches=[12])),
            (throughput("old", 30, 0.5, 0.3), throughput("new", 30, 0.25, 0.6)),
        )
    )


def test_its_place(found):
    assert (found.id, found.title) == ("operations", "Speed, cache and cost")
    assert plain(found.figures)["hits"][1]["hit"] == 4
    assert plain(found.figures)["latency"][1]["tiers"][1]["p99"] is None


def test_latency(found):
    assert table(found.blocks, "How long one answer takes").rows == (
        ("new", "rules", "200", "0.81", "1.20", "2.35"),
        ("new", "model", "12", "4.00", "-", "-"),
        ("new", "all", "212", "0.90", "4.00", "5.50"),
    )
    assert "Latency of the old side is not measured: it is a file of decisions" in says(found.blocks)


def test_the_cache(found):
    """Of 14 lookups 9 keys are new, one is asked again of a new model, 4 are known: 28.6, 7.1 and 64.3 %."""
    assert table(found.blocks, "Lookups of the new side").rows == (
        ("known", "4", "28.6 %", ""),
        ("dropped to make room", "0", "0.0 %", "a larger cache"),
        ("model was switched", "1", "7.1 %", "fewer switches, or warming the new model's store"),
        ("new only in its spelling", "0", "0.0 %", "at most: a key that sees less of the text"),
        ("never seen before", "9", "64.3 %", "nothing: each key is new once"),
        ("all", "14", "100.0 %", ""),
    )
    text = says(found.blocks)
    assert "Of 30 rows rules left 14 open; their 9 distinct keys" in text
    assert "it would have known 28.6 % of them. Its ceiling on this traffic is 35.7 %" in text  # 5 of 14
    assert "answered by: cache 2, model 5." in text
    assert "Cache of the old side: no figure, it is no engine: it has no cache." in text


def test_the_plot(found):
    """A bar for each part, each beginning where the one before it ends; 198 units are 100 %."""
    (figure,) = written(found.blocks, Figure)
    bars = [(float(bar.get("x")), float(bar.get("width"))) for bar in ElementTree.fromstring(figure.svg).iter("rect")]
    starts, shares = (0, 4, 4, 5, 5), (4, 0, 1, 0, 9)
    for (x, width), start, share in zip(bars, starts, shares, strict=True):
        assert x == pytest.approx(150 + 198 * start / 14, abs=0.01)
        assert width == pytest.approx(max(198 * share / 14, 0.5), abs=0.01)
    assert "ceiling: 35.7 %" in figure.svg
    assert "never seen before: 9 lookups, 64.3 %" in figure.svg
    assert not re.search(r"NaN|nan|http", figure.svg)


def test_costs(found):
    """30 rows in 0.5 s are 60 a second; 0.3 s of CPU for 30 rows are 10,000 s a million."""
    costs = table(found.blocks, "The run in batches")
    assert costs.rows == (("old", "30", "0.5", "60", "10,000"), ("new", "30", "0.25", "120", "20,000"))
    assert "No price is given" in costs.note
    assert "The new side takes 2 times the CPU of the old one." in says(found.blocks)


def test_costs_at_a_price():
    """7.2 s of CPU a million rows at 0.05 an hour are 0.0001."""
    priced = throughput("new", 500_000, 2.0, 3.6, core_hour=0.05, currency="EUR")
    costs = table(section(Operations((), (), (priced,))).blocks, "The run in batches")
    assert costs.columns[-1] == "cost a million rows"
    assert costs.rows == (("new", "500,000", "2", "250,000", "7.2", "0.0001 EUR"),)
    assert costs.note.startswith("At 0.05 EUR for an hour of one core")


def test_nothing_at_all():
    blocks = section(Operations((), (), ())).blocks
    assert "no side was run here" in says(blocks)


def test_a_sample_and_its_error_are_said():
    sample = Hits(
        "new", "", 1_000, 800, 300, 50, 400, 0, 100, 60, 240, 0.5, 0.625, 0.7, 200, 0.0123, (("cache", 0),), ("a b",)
    )
    blocks = section(Operations((), (sample,), ())).blocks
    text = says(blocks)
    assert "would have known 50.0 % of them (standard error 1.23 %)" in text
    assert "200 of 800 lookups" in text
    assert "could lift the ceiling to 70.0 % at most" in text
    assert "A b." in text
    assert "holds 50 keys for sure" in table(blocks, "Lookups of the new side").note


def test_the_noise_floor(tmp_path):
    asked = Noise("new", "asked", "", 20_000, 3, 3 / 20_000, 0.000051, 0.000441, 0, ("ZELLE TO KIM 12", "A 1"))
    blocks = noise_blocks(repeats(thirty.pairs(tmp_path), "old"), asked)
    assert table(blocks, "Noise floor").rows == (
        ("old against old", "10 descriptors that come up more than once, 22 rows", "0", "0.000 %", ""),
        ("new against new", "20,000 distinct rows asked twice, in another order and other batches", "3", "0.015 %",
         "0.005 to 0.044"),
    )  # fmt: skip
    (fold,) = written(blocks, Fold)
    assert fold.blocks[0].rows == (("ZELLE TO …",), ("A #",))


def test_no_noise_floor():
    blocks = noise_blocks(Noise("old", "asked", "there is no row to ask"), Noise("new", "repeats", "x"))
    assert says(blocks) == (
        "Noise floor of the old side: no figure, there is no row to ask. "
        "Noise floor of the new side: no figure, x."
    )  # fmt: skip
    assert not written(blocks, Table)


def test_figures_are_plain():
    assert plain(dataclasses.replace(LATENCY, tiers=()))["all"]["n"] == 212
