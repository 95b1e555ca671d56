"""`tierbreak rules stats` as a person runs it."""

import csv
import io
import json

import pytest

from engines import TinyModel, with_model
from tierbreak import Engine, cli, pipeline
from tierbreak.cli import options
from tools.rules.traffic.stats_book import GOLD, KNOWN, write_rows, write_rules


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    with Engine.load(rules=write_rules(tmp_path_factory.mktemp("stats") / "rules"), model=None, cache=None) as engine:
        yield engine


@pytest.fixture
def run(bare, tmp_path, monkeypatch, capsys):
    """Run the command on the twenty rows, with a model whose cache knows some of them."""
    rows = write_rows(tmp_path)
    (tmp_path / "gold.tsv").write_text(GOLD)

    def load(**_):
        engine = with_model(bare, TinyModel(), tmp_path / "cache")
        pipeline.warm(engine.parts, KNOWN)
        return engine

    monkeypatch.setattr(options, "load", load)
    monkeypatch.chdir(tmp_path)

    def ran(*arguments, rows=rows):
        code = cli.run(["rules", "stats", rows, "--weight", "count", *map(str, arguments)])
        return code, *capsys.readouterr()

    return ran


def test_the_table(run):
    code, out, err = run("--gold", "gold.tsv", "--no-cost", "-q")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith("rows.csv: 28 rows, 477 of money, 2024-01-05 to 2024-01-24 (20 days)")
    assert lines[1] == "8 rules decide 16 rows (57.1 %); advice: 2 fix, 0 merge, 0 retire, 6 keep"
    assert lines[2] == "the cache knows what the model says of 27.8 % of the rows that rules decide"
    eats = next(line for line in lines if line.startswith("uber-eats.name"))
    assert eats.split()[1:6] == ["4", "14.3", "%", "120", "100.0"]
    assert "another, by a rule 100.0 %" in eats
    assert "fix (2 rules)" in lines
    says = "it is right on 1 of 2 keys of the gold set that it decides (95 % interval 10 % to 90 %), and wrong on"
    assert f"    {says} `UBR HOME`, which is lyft: narrow it" in lines
    order = [line.split()[0] for line in lines[5:13]]
    assert order == [
        "uber-eats.name", "starbucks.store", "uber.again", "uber.trip", "lyft.name", "lyft.freight", "none.gift",
        "starbucks.new",
    ]  # fmt: skip


def test_sorted_and_cut(run):
    _, out, _ = run("--sort", "conflict", "--top", "2", "--no-cost", "-q")
    rules = [line.split()[0] for line in out.splitlines()[5:8]]
    assert rules == ["uber.trip", "uber-eats.name", "and"]
    _, out, _ = run("--advice", "fix", "--gold", "gold.tsv", "--no-cost", "-q", "--format", "csv")
    assert [row["rule"] for row in csv.DictReader(io.StringIO(out))] == ["uber.trip", "none.gift"]
    _, out, _ = run("--advice", "retire", "--no-cost", "-q")
    assert "no rule with this advice" in out


def test_one_rule_in_full(run):
    code, out, _ = run("--rule", "uber.trip", "--gold", "gold.tsv", "-q")
    assert code == 0
    for line in (
        "overlap     8 rows (80.0 %)",
        "contested   1 row (10.0 %)",
        "            by lyft.name (lyft): 1",
        "pattern     #1 UBER: fired 9, decided 1",
        "unless      #1 UBER FREIGHT: 1",
        "            wrong: UBR HOME is lyft",
        "            UBR HOME #2: 1, unlike its examples",
    ):
        assert line in out
    code, _, err = run("--rule", "uber.tip")
    assert (code, err) == (2, "error: --rule: no rule 'uber.tip'; did you mean uber.trip or uber.again?\n")
    code, _, err = run("--rule", "starbucks.draft")
    assert (code, "is a draft" in err) == (2, True)


def test_for_machines(run):
    code, out, _ = run("--format", "json", "--gold", "gold.tsv")
    found = json.loads(out)
    assert code == 0
    assert found["facts"]["days"] == 20
    rule = next(rule for rule in found["rules"] if rule["id"] == "uber.trip")
    assert rule["fired"] == {"rows": 10, "money": 191}
    assert rule["last"] == "2024-01-23"
    assert rule["without"]["same_confidence"] is None
    assert rule["advice"]["action"] == "fix"
    assert rule["advice"]["why"] == "wrong"
    _, out, _ = run("--format", "csv", "--no-cost", "-q")
    rows = {row["rule"]: row for row in csv.DictReader(io.StringIO(out))}
    assert len(rows) == 8
    assert (rows["lyft.name"]["without_other_rule"], rows["lyft.name"]["last_fired"]) == ("3.0", "2024-01-23")


def test_markdown(run):
    _, out, _ = run("--format", "markdown", "--gold", "gold.tsv", "--top", "1", "-q")
    lines = out.splitlines()
    assert lines[0] == "# What each rule is good for"
    assert sum(line.startswith("| ") for line in lines) == 3
    assert any(line.startswith("- `uber.trip` (`") for line in lines)


def test_the_model_is_asked_when_told(run):
    _, out, err = run("--ask-model", "100", "--no-cost")
    assert "the model was asked for 10 keys; the cache has them now" in err
    assert "the cache knows what the model says of 100.0 % of the rows that rules decide" in out


def test_what_is_wrong_is_said(run, tmp_path):
    code, _, err = run(rows=str(tmp_path / "nowhere.csv"))
    assert (code, "nowhere.csv" in err) == (4, True)
    code, _, err = run("--gold", tmp_path / "nowhere.tsv")
    assert (code, "G001" in err) == (4, True)
    (tmp_path / "empty.csv").write_text("descriptor,count\n")
    code, _, err = run(rows=str(tmp_path / "empty.csv"))
    assert (code, "no rows" in err) == (4, True)
    code, _, err = run("--sort", "beauty")
    assert (code, "--sort" in err) == (2, True)
