"""`tierbreak compare`, from files to files."""

import json
import sys

import pytest

from tools.compare import thirty

GATES = """
[gate.agreement]
measure = "agreement"
min = 0.5

[gate.lost]
measure = "lost"
max = 0.1
"""


@pytest.fixture
def compare(run, tmp_path):
    """Compare the thirty rows; further options may follow."""
    thirty.files(tmp_path)

    def compared(*more, old="old.csv", new="new.csv", on="october.csv", id="id"):
        sides = [tmp_path / old, tmp_path / new, "--on", tmp_path / on]
        return run("compare", *sides, *(["--id", id] if id else []), *more)

    return compared


def test_the_report_is_written_three_times_alike(compare, tmp_path):
    files = [tmp_path / name for name in ("out.html", "out.json", "out.md")]
    code, out, err = compare("--gold", tmp_path / "gold.tsv", "--report", files[0], "--json", files[1],
                             "--markdown", files[2])  # fmt: skip
    assert code == 0
    # Of thirty rows 13 have one brand on both sides and 3 none on either: 16 of 30.
    assert "53.3 %" in out
    found = json.loads(files[1].read_text())
    assert (found["old"], found["format"]) == (str(tmp_path / "old.csv"), 1)
    assert list(found["sections"]) == ["header", "verdict", "agreement", "flow", "brands", "correctness", "attribution",
                                       "sample", "operations", "experiment"]  # fmt: skip
    by = {one["unit"]: one for one in found["sections"]["agreement"]["by"]}
    assert (by["rows"]["exact"], by["rows"]["total"]) == (16, 30)
    for text in (files[0].read_text(), files[2].read_text()):
        assert "53.3 %" in text
        assert "old.csv against new.csv" in text
        assert "Local Gym" in text
    assert found["sections"]["verdict"] is None
    assert f"written: {files[0]}, {files[1]}, {files[2]}" in err


def test_gates_give_a_verdict_and_an_exit_code(compare, tmp_path):
    (tmp_path / "gates.toml").write_text(GATES)
    code, out, _ = compare("--gates", tmp_path / "gates.toml")
    # 16 of 30 agree; 4 of 30 rows, 13.3 %, are lost.
    assert code == 7
    assert "1 of 2 gates pass. Failed: lost." in out
    (tmp_path / "gates.toml").write_text(GATES.replace("0.1", "0.14"))
    assert compare("--gates", tmp_path / "gates.toml").code == 0


def test_a_wrong_gate_is_said_before_anything_is_read(compare, tmp_path):
    (tmp_path / "gates.toml").write_text(GATES.replace('"lost"', '"lots"'))
    code, out, err = compare("--gates", tmp_path / "gates.toml", on="nowhere.csv")
    assert (code, out) == (2, "")
    assert "gate lost: no measure 'lots', nearest: 'lost'" in err


def test_a_sample_is_labelled_and_read_back(compare, tmp_path):
    written = tmp_path / "sample.tsv"
    code, _, err = compare("--sample", written)
    assert code == 0
    assert "holds descriptors as they came" in err
    header, *lines = [line.split("\t") for line in written.read_text().splitlines()]
    place = {name: at for at, name in enumerate(header)}
    for cells in lines:
        cells[place["truth"]] = thirty.TRUTH[cells[place["descriptor"]].removeprefix("'")] or "none"
    written.write_text("".join("\t".join(cells) + "\n" for cells in [header, *lines]))
    report = tmp_path / "out.json"
    assert compare("--labels", written, "--json", report).code == 0
    exact = json.loads(report.read_text())["sections"]["sample"]["estimates"]["levels"]["exact"]["sides"]
    # The new side answers 23 rows, all rightly: 13 the same, 3 in the family, 2 changed, 5 gained. The old one answers
    # 22, of which 13 rightly.
    assert exact["new"]["precision"]["value"] == pytest.approx(1.0)
    assert exact["old"]["precision"]["value"] == pytest.approx(13 / 22)


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (
            ["--old-column", "brand"],
            2,
            "--old-column: 'brand' is no PART=COLUMN; a part is one of brand, id, tier, rule",
        ),
        (["--new-column", "brand=nothing"], 4, "no column 'nothing' for brand"),
        (["--user", "nobody"], 4, "no column 'nobody' for --user"),
        (["--report", "nowhere/out.html"], 4, "there is no folder 'nowhere'"),
        (["--gold", "nowhere.tsv"], 4, "nowhere.tsv"),
        (["--users", "nowhere.csv"], 4, "nowhere.csv"),
        (["--ramp", "nowhere.toml"], 2, "nowhere.toml: cannot be read as a ramp"),
    ],
)
def test_what_is_wrong_is_said(compare, more, code, says):
    ran = compare(*more)
    assert ran.code == code
    assert says in ran.err


def test_a_gold_set_of_one_class_or_none_is_refused(compare, tmp_path):
    gold = tmp_path / "gold.tsv"
    gold.write_text("descriptor\ttruth\n")
    assert "holds no rows" in compare("--gold", gold).err
    gold.write_text("descriptor\ttruth\nNETFLIX.COM\tnetflix\nNETFLIX.COM\tnetflix\n")
    code, _, err = compare("--gold", gold)
    assert code == 4
    assert "every row has the same truth" in err


def test_an_input_is_never_written_over(compare, tmp_path):
    code, _, err = compare("--report", tmp_path / "old.csv")
    assert code == 4
    assert "old.csv: is the old side; write to another file" in err


def test_quiet_says_nothing(compare):
    assert compare("--quiet") == (0, "", "")


def test_without_scipy_nothing_is_begun(compare, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    code, out, err = compare(on="nowhere.csv")
    assert (code, out) == (2, "")
    assert "need scipy: pip install 'tierbreak[compare]'" in err


def test_ids_that_all_files_have_are_used_unasked(compare):
    """Each file is in an order of its own: paired by place, nothing would agree, and nobody would know."""
    assert "53.3 %" in compare(id=None).out
    assert compare("--id", "", id=None).out != compare(id=None).out


def test_ids_may_have_another_name_in_each_file(compare, tmp_path):
    text = (tmp_path / "old.csv").read_text()
    (tmp_path / "old.csv").write_text(text.replace("id,", "txn,", 1))
    code, _, err = compare()
    assert code == 4
    assert "no column 'id' of ids" in err
    assert "53.3 %" in compare("--old-column", "id=txn").out
    code, _, err = compare(id="txn")
    assert code == 4
    assert "no column 'txn' for --id" in err


def test_a_side_none_of_whose_decisions_is_found_is_refused(compare, tmp_path):
    text = (tmp_path / "old.csv").read_text()
    (tmp_path / "old.csv").write_text("\n".join(line.replace("t", "T", 1) for line in text.split("\n")))
    code, _, err = compare()
    assert code == 4
    assert "has no decision for any of the 30 rows, by 'id'; the first of the traffic is 't0'" in err


def test_a_bound_in_percent_is_refused(compare, tmp_path):
    (tmp_path / "gates.toml").write_text(GATES.replace("0.1", "10"))
    code, _, err = compare("--gates", tmp_path / "gates.toml")
    assert code == 2
    assert "gate lost: `max` is 10, and lost is a share, 0 to 1: for 10 % write 0.1" in err


def test_gates_go_by_weights_where_rows_have_some(compare, tmp_path):
    """The last row, which is lost, weighs 71 of 100: 16 of 100 agree."""
    header, *rows = (tmp_path / "october.csv").read_text().splitlines()
    weighed = [f"{header},count", *(f"{row},{71 if row.startswith('t29,') else 1}" for row in rows)]
    (tmp_path / "october.csv").write_text("\n".join(weighed) + "\n")
    (tmp_path / "gates.toml").write_text(GATES.replace("0.1", "1"))
    code, out, _ = compare("--weight", "count", "--gates", tmp_path / "gates.toml")
    assert code == 7
    assert "Failed: agreement." in out


def test_three_arms_are_not_two(compare, tmp_path):
    (tmp_path / "users.csv").write_text("user,arm,kept\nu1,old,1\nu2,control,0\nu3,new,1\n")
    code, _, err = compare("--users", tmp_path / "users.csv")
    assert code == 4
    assert "'control', 'old' would all be the old arm" in err


def test_names_that_are_no_brands_are_no_answers(compare, tmp_path):
    (tmp_path / "names.tsv").write_text("name\tid\nLocal Gym\tnone\n")
    report = tmp_path / "out.json"
    assert compare("--map", tmp_path / "names.tsv", "--json", report).code == 0
    found = {one["outcome"]: one["rows"] for one in json.loads(report.read_text())["sections"]["agreement"]["outcomes"]}
    assert (found["lost"], found["both-abstain"]) == (3, 4)  # the gym was the fourth that was lost
