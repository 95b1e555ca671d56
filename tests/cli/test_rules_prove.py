"""`tierbreak rules prove` as a person runs it."""

import json

import pytest

from tierbreak import Engine, Settings
from tierbreak.cli import options

RULES = {
    "uber": "[{id: uber.any, match: [{words: UBER}]}, {id: uber.cab, match: [{words: CAB}], status: draft}]",
    "lyft": "[{id: lyft.any, match: [{words: LYFT}, {words: UBER}]}, {id: lyft.air, match: [{words: DELTA AIR}]}]",
    "delta-air-lines": "[{id: france.air, match: [{words: AIR FRANCE}]}]",
}


@pytest.fixture
def prove(run, tmp_path, monkeypatch):
    """The command on the rules above, whose answers are kept in a folder of the test's own."""
    for brand, rules in RULES.items():
        (tmp_path / f"{brand}.yaml").write_text(f"brand: {brand}\nowner: x\nrules: {rules}\n")
    with Engine.load(rules=tmp_path, model=None, cache=None, settings=Settings(state=tmp_path / "state")) as engine:
        monkeypatch.setattr(options, "load", lambda **_: engine)
        yield lambda *arguments: run("rules", "prove", *arguments)


def test_a_summary_of_all(prove, tmp_path):
    ran = prove()
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "4 rules decide",
        "     3  with a text of their own: the shortest that no rule of another brand finds",
        "     0  that win, though rules of other brands find all that they find",
        "     0  of which nothing could be proved",
        "     1  that can never win (proved)",
        "     0  redundant in their brand (proved)",
        "     2  entangled pairs of different brands; 2 share whole words and are contested",
        "",
        "that can never win (proved):",
        f"  {tmp_path}/uber.yaml:3:9: uber.any can never win: everything it finds, lyft.any finds too; lost by "
        "contested (proved)",
        "",
        "entangled, contested, sharing whole words:",
        "  france.air and lyft.air share `AIR` in `DELTA AIR FRANCE`: won by nobody, contested",
        "  lyft.any and uber.any share `UBER` in `UBER`: won by nobody, contested",
    ]
    assert prove("--top", "1").out.splitlines()[-2:] == [
        "entangled, contested, sharing whole words, the first 1; --format json or --top 2 for 1 more:",
        "  france.air and lyft.air share `AIR` in `DELTA AIR FRANCE`: won by nobody, contested",
    ]


def test_one_rule(prove, tmp_path):
    assert prove("lyft.any").out.splitlines() == [
        f"{tmp_path}/lyft.yaml:3:9: lyft.any",
        "  found by it alone: LYFT",
        "  lyft.any and uber.any share `UBER` in `UBER`: won by nobody, contested",
    ]
    assert prove("uber.cab").out == "no rule that was asked for decides: drafts and shadows never win\n"
    ran = prove("uber.an")
    assert (ran.code, ran.err) == (2, "error: no rule is called `uber.an`; did you mean uber.any or uber.cab?\n")


def test_json(prove, tmp_path):
    told = json.loads(prove("--format", "json", "uber.any").out)
    (claim,) = told["claims"]
    assert claim == {
        "rule": "uber.any", "brand": "uber", "path": str(tmp_path / "uber.yaml"), "line": 3, "column": 9,
        "verdict": "never-wins", "witness": None, "how": ["contested"], "others": ["lyft.any"], "why": "",
    }  # fmt: skip
    assert told["redundant"] == []
    assert [pair["rules"] for pair in told["entangled"]] == [["lyft.any", "uber.any"]]
    kept = json.loads((tmp_path / "state" / "proofs" / "answers.json").read_text())
    assert ["UBER", False, ""] in kept.values()
