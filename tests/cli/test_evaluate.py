"""`tierbreak evaluate`: against the shipped registry, with a side that needs no model."""

from __future__ import annotations

import json

import pytest

# By name alone: both branded rows right, the third missed; the row without a brand is left alone.
GOLD = "descriptor\ttruth\tformat\nNETFLIX\tnetflix\tbare\nSPOTIFY\tspotify\tbare\nNFLX 8665797172\tnetflix\tcut\n"
GOLD += "CAFE OF NOBODY\t\tnone\n"


@pytest.fixture
def gold(tmp_path):
    path = tmp_path / "gold.tsv"
    path.write_text(GOLD)
    return path


def test_prints_the_figures_and_writes_the_files(run, gold, tmp_path):
    files = {name: tmp_path / f"report.{name}" for name in ("html", "json", "md")}
    ran = run(
        "evaluate", gold, "--model", "exact-name", "--baseline", "exact-name", "--report", files["html"],
        "--json", files["json"], "--markdown", files["md"],
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "66.7 %" in ran.out
    assert "McNemar exact p = 1.0000" in " ".join(ran.out.split())
    assert ran.err.startswith("written: ")
    figures = json.loads(files["json"].read_text())
    top_1 = figures["model"]["exact"]["top_1"]
    assert (top_1["part"], top_1["whole"]) == (2, 3)
    assert figures["model"]["exact"]["deployed"]["no_brand_answered"]["part"] == 0
    assert files["html"].read_text().startswith("<!doctype html>")
    assert files["md"].read_text().startswith("# How right is `exact-name`?")


def test_the_engine_is_a_side(run, gold, tmp_path, monkeypatch, engine):
    """The engine of this folder's tests: three rules, no model; NFLX is nothing to it."""
    from tierbreak import Engine

    monkeypatch.setattr(Engine, "load", classmethod(lambda cls, **_: engine))
    ran = run("evaluate", gold, "--model", "engine", "--json", tmp_path / "e.json")
    assert ran.code == 0, ran.err
    figures = json.loads((tmp_path / "e.json").read_text())["model"]
    assert [(tier["name"], tier["rows"]) for tier in figures["tiers"]] == [
        ("rules", 2), ("cache", 0), ("model", 0), ("abstained", 2),
    ]  # fmt: skip
    assert figures["exact"]["deployed"]["precision"]["part"] == 2
    assert figures["reasons"] == [{"name": "no-match", "rows": 2, "branded": 1, "no_brand": 1}]


def test_the_brands_of_an_overlay_are_known(run, tmp_path):
    """Its rules are the engine's too: one of two rows is right, by name."""
    head = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since\n"
    overlay, gold = tmp_path / "overlay", tmp_path / "gold.tsv"
    overlay.mkdir()
    (overlay / "brands.csv").write_text(head + "teal-kettle,Teal Kettle,coffee,,,,,active,,\n")
    gold.write_text("descriptor\ttruth\nTEAL KETTLE\tteal-kettle\nCAFE OF NOBODY\t\n")
    told = ("evaluate", gold, "--model", "exact-name", "--json", tmp_path / "o.json")
    assert "no brand `teal-kettle`" in run(*told).err
    ran = run(*told, "--overlay", overlay)
    assert ran.code == 0, ran.err
    assert json.loads((tmp_path / "o.json").read_text())["model"]["exact"]["top_1"]["part"] == 1


def test_a_wrong_gold_set_is_refused(run, tmp_path):
    (tmp_path / "gold.tsv").write_text("descriptor\ttruth\nNETFLIX\tnetflicks\n")
    ran = run("evaluate", tmp_path / "gold.tsv", "--model", "exact-name")
    assert ran.code == 4
    assert "gold.tsv:2:9: error[G005]: no brand `netflicks`; near it: netflix" in ran.err


def test_an_unknown_side_is_refused(run, gold):
    ran = run("evaluate", gold, "--model", "nobody")
    assert ran.code == 2
    assert "'nobody' is nothing that can be evaluated" in ran.err


def test_a_place_that_cannot_be_written_to_is_refused_first(run, gold, tmp_path):
    ran = run(
        "evaluate", gold, "--model", "nobody", "--json", tmp_path / "none" / "a.json", "--report", gold,
        "--markdown", tmp_path,
    )  # fmt: skip
    assert ran.code == 4
    assert ran.err.count("\n") == 3
    assert "make it first" in ran.err
    assert "is the gold set" in ran.err
    assert "is a folder" in ran.err
    assert gold.read_text() == GOLD
