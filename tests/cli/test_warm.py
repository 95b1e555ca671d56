"""`tierbreak warm`: afterwards a start compiles nothing, and it says so where that cannot be."""

from __future__ import annotations

import pytest

from tierbreak import Engine, Settings, cli
from tierbreak.packing import pack
from tierbreak.tiers.rules import database

pytestmark = pytest.mark.skipif(not database.available(), reason="no hyperscan wheel for this platform")


@pytest.fixture
def warm(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TIERBREAK_STATE", str(tmp_path / "state"))

    def warm(*options):
        code = cli.run(["warm", *map(str, options)])
        return code, *capsys.readouterr()

    return warm


@pytest.fixture
def compiled(monkeypatch):
    """How many expressions each database was compiled of, in turn."""
    sizes = []
    compile_ = database.Database.compile
    monkeypatch.setattr(database.Database, "compile", lambda e: sizes.append(len(e)) or compile_(e))
    return sizes


def test_it_compiles_once_and_says_where(warm, rules, compiled, tmp_path):
    code, out, err = warm("--rules", rules, "--no-model")
    assert (code, err, compiled) == (0, "", [3])
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert lines["rules"] == "3 checked, compiled now"
    assert lines["model"] == "left out"
    assert lines["kept"] == f"in      {tmp_path / 'state'}"
    code, out, _ = warm("--rules", rules, "--no-model")
    assert (code, compiled) == (0, [3])
    assert "3 checked, compiled before" in out
    with Engine.load(rules=rules, model=None, cache=None) as engine:
        assert engine.fingerprint[:16] == lines["fingerprint"]
    assert compiled == [3]


def test_what_a_bundle_brings_is_compiled_before(warm, rules, compiled, state, tmp_path):
    with Engine.load(rules=rules, model=None, cache=None, settings=Settings(state=state)) as engine:
        pack(engine, tmp_path / "bundle")
    compiled.clear()
    code, out, _ = warm("--bundle", tmp_path / "bundle")
    assert (code, compiled) == (0, [])
    assert "3 checked, compiled before" in out


def test_a_place_that_keeps_nothing_is_an_error(warm, rules, tmp_path):
    (tmp_path / "state").write_text("a file where the folder should be")
    code, out, err = warm("--rules", rules, "--no-model")
    assert (code, out) == (2, "")
    assert "set TIERBREAK_STATE to a folder of this user" in err


def test_rules_that_do_not_load_are_an_error(warm, tmp_path):
    code, _, err = warm("--rules", tmp_path / "nowhere", "--no-model")
    assert code == 3
    assert "no such folder" in err
