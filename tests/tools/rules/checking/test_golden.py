"""What is said of broken rule files, word for word. golden.py, run as a script, writes them anew."""

import json
import re
from pathlib import Path

import pytest

from tierbreak.errors import Fault
from tierbreak.tools.rules.checking import FORMATS
from tierbreak.tools.rules.checking.codes import CODES
from tools.rules.checking import golden

#: Said by test_check.py, where an engine is made to lose matches.
ELSEWHERE = {"R050"}


@pytest.mark.parametrize("case", golden.CASES, ids=lambda case: case.stem)
def test_what_is_said_of_a_broken_file(case, tmp_path, settings):
    assert golden.said(case, tmp_path, settings.state) == case.with_suffix(".out").read_text()


def test_every_code_is_said_somewhere():
    said = "".join(case.with_suffix(".out").read_text() for case in golden.CASES)
    codes = set(re.findall(r"(?:error|warning|note)\[([BR]\d{3})\]", said))
    assert {code for code in CODES if code.startswith("R")} - codes == ELSEWHERE


def test_every_output_has_its_case():
    assert {path.stem for path in golden.BROKEN.glob("*.out")} == {case.stem for case in golden.CASES}


@pytest.mark.parametrize("format", golden.FORMATS)
def test_what_a_machine_is_told(format, tmp_path, settings):
    assert golden.formatted(format, tmp_path, settings.state) == golden.FORMATS[format].read_text()


def test_json_is_a_list_of_objects_with_these_keys():
    faults = json.loads(golden.FORMATS["json"].read_text())
    assert [fault["code"] for fault in faults] == ["R001", "R051", "R042", "R030"]
    keys = ["code", "severity", "path", "line", "column", "message", "fix"]
    assert all(list(fault) == keys for fault in faults)
    assert [(fault["line"], fault["column"]) for fault in faults] == [(0, 0), (5, 22), (5, 45), (6, 16)]


def test_sarif_has_what_version_2_1_0_requires():
    """The required properties of sarifLog, run, tool, toolComponent, reportingDescriptor, result and message."""
    log = json.loads(golden.FORMATS["sarif"].read_text())
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "tierbreak"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"].startswith(f"# {rule['id']}: ")
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert not place["artifactLocation"]["uri"].startswith("/")
        region = place.get("region")
        assert region is None or 1 <= region["startColumn"] < region["endColumn"]
        assert region is None or region["startLine"] >= 1


def test_github_says_one_line_a_fault_and_escapes_what_ends_one():
    lines = golden.FORMATS["github"].read_text().splitlines()
    assert len(lines) == 4
    assert all(line.count("::") == 2 for line in lines)
    assert lines[0].startswith(
        "::error file=empty.yaml,title=R001%3A file or folder cannot be read as rules::file is empty; "
    )
    assert lines[1].startswith("::notice file=hulu.yaml,line=5,col=22,title=R051%3A ")
    assert all("%0Afix: " in line for line in lines)


def test_what_would_end_an_annotation_is_escaped():
    fault = Fault("R012", Path("a,b:c.yaml"), 3, 4, "100 % wrong\nand more", "", "less", "mend it", "note")
    assert FORMATS["github"]([fault]) == (
        "::notice file=a%2Cb%3Ac.yaml,line=3,col=4,title=R012%3A brand is not in the registry"
        "::100 %25 wrong%0Aand more; expected: less%0Afix: mend it\n"
    )
