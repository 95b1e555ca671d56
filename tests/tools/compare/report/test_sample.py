"""The part of a report on single disagreements: the thirty rows by hand, and nothing shown that has to be masked."""

import pytest

from tierbreak.tools.compare.document import Beside, Fold, Table, Text, plain, tables
from tierbreak.tools.compare.labelling.estimate import estimate
from tierbreak.tools.compare.labelling.sampling import draw
from tierbreak.tools.compare.report.sample import section
from tools.compare import thirty
from tools.compare.samples import labelled, truth_of


@pytest.fixture(scope="module")
def october(tmp_path_factory):
    pairs = thirty.pairs(tmp_path_factory.mktemp("thirty"))
    return pairs, draw(pairs, ranked=3)


@pytest.fixture(scope="module")
def whole(october):
    """Everything that there is has been drawn and labelled: a count."""
    pairs, sample = october
    return estimate(labelled(sample, pairs.joint, truth_of(pairs)), sample.rows)


def records(sample):
    line = (("brand", "uber (Uber)"), ("confidence", "0.970"), ("key", "UBER 8005551234"), ("why", "Zelle to Kim Lee"))
    return {unit.id: (line, ()) for unit in sample.units}


def folds(blocks):
    for block in blocks:
        if isinstance(block, Fold):
            yield block
            yield from folds(block.blocks)


def test_the_section_by_hand(october, whole):
    _, sample = october
    made = section(sample, whole, {})
    assert (made.id, made.title) == ("sample", "Disagreements to look at")
    assert "make up 4 of the 14 transactions on which the sides differ (28.6 %)" in made.blocks[0].text
    ranked, precision, who, lines = tables(made.blocks)
    first = "DELTA DENTAL", "2", "Delta Air Lines", "list DELTA", "Delta Dental", "model 0.91", "another brand"
    assert ranked.rows[0] == first
    assert {row[0] for row in ranked.rows[1:]} < {
        "SHELL SEEKERS BOOKS", "TARGET PRACTICE RANGE", "APPLE HILL ORCHARD", "LOCAL GYM"}  # fmt: skip
    assert ranked.rows[1][4] == "-"
    # 13/22 and 23/23; 16/22; 22/30 and 23/30
    assert precision.rows[0][1:] == ("59.1 %", "59.1 to 59.1", "12", "100.0 %", "100.0 to 100.0", "10")
    assert precision.rows[3][1] == "72.7 %"
    assert precision.rows[-1][1:] == ("73.3 %", "", "", "76.7 %", "", "")
    # 14/14, by family 11/14 and 3/14
    assert [(row[1], row[4]) for row in who.rows[:4]] == [
        ("0.0 %", "0.0 %"), ("100.0 %", "78.6 %"), ("0.0 %", "21.4 %"), ("0.0 %", "0.0 %")]  # fmt: skip
    assert [row[2:] for row in lines.rows] == [("3", "3", "4"), ("5", "5", "10"), ("6", "6", "13")]
    (net,) = [block for block in made.blocks if isinstance(block, Text) and "points" in block.text]
    assert "+46.67 points (+46.67 to +46.67); the new side is right more often" in net.text  # 14/30
    assert net.tone == "good"


def test_the_section_shows_no_descriptor_as_it_came(tmp_path):
    rows = [("ZELLE TO KIM LEE 42", "Z", "u1", 1.0, 1, "uber", "UBER", None, None, None, None, "no-known-brand")]
    sample = draw(thirty.pairs(tmp_path, rows, ["lost"]))
    made = section(sample, None, records(sample))
    shown = str(plain(made))
    assert "KIM" not in shown.upper()
    assert "42" not in shown
    assert "8005551234" not in shown
    (beside,) = [block for fold in folds(made.blocks) for block in fold.blocks if isinstance(block, Beside)]
    assert dict(beside.old) == {
        "brand": "uber (Uber)", "confidence": "0.970", "key": "UBER ##########", "why": "Zelle to …"}  # fmt: skip
    assert beside.new == ()


def test_the_section_without_labels(october):
    _, sample = october
    made = section(sample, None, records(sample))
    assert [table.title for table in tables(made.blocks)] == ["Ranked disagreements", "What there is to label"]
    titles = [fold.title for fold in folds(made.blocks)]
    assert titles[:2] == ["Both decision records of each", "1. DELTA DENTAL: Delta Air Lines -> Delta Dental"]
    assert sum(isinstance(block, Beside) for fold in folds(made.blocks) for block in fold.blocks) == 3
    how = next(fold for fold in folds(made.blocks) if fold.title.startswith("How to label"))
    said = " ".join(block.text for block in how.blocks if isinstance(block, Text))
    assert "--sample FILE" in said
    assert "--labels FILE" in said
    assert "confidential" in said


def test_the_section_says_what_cannot_be_said(october):
    pairs, _ = october
    sample = draw(pairs, ranked=3, random=6)
    none = estimate(labelled(sample, pairs.joint, lambda unit: None), sample.rows)
    said = [block for block in section(sample, none, {}).blocks if isinstance(block, Text) and block.tone == "warn"]
    assert [block.text for block in said] == ["No line has a truth yet, so nothing can be said of who is right."]
    some = estimate(labelled(sample, pairs.joint, truth_of(pairs)), sample.rows)
    made = section(sample, some, {})
    assert any(isinstance(block, Text) and block.text.startswith("Cannot be said: precision") for block in made.blocks)
    cells = [cell for table in tables(made.blocks) for row in table.rows for cell in row]
    assert not [cell for cell in cells if "nan" in cell.lower()]
    assert plain(made.figures)["estimates"]["levels"]["exact"]["sides"]["new"]["precision"]["value"] is None


def test_the_section_of_sides_that_agree(tmp_path):
    rows, outcome = thirty.ROWS[:6], thirty.OUTCOME[:6]
    made = section(draw(thirty.pairs(tmp_path, rows, outcome)), None, {})
    assert made.blocks[0].text == "The sides do not disagree on any transaction."
    nobody = section(draw(thirty.pairs(tmp_path / "b", thirty.ROWS[20:23], thirty.OUTCOME[20:23])), None, {})
    assert nobody.blocks[-1].text == "There is nothing to label: no side gives an answer."
    assert not [block for block in nobody.blocks if isinstance(block, Table)]
