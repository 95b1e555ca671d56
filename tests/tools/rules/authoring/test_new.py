"""The first file of a brand: what it holds, that all of it comes out so, and that nothing is ever written over."""

import polars as pl
import pytest

import tierbreak
from tierbreak import Engine, Settings, cli
from tierbreak.errors import RulebookError, SettingsError
from tierbreak.tools.rules.authoring import new
from tierbreak.tools.rules.authoring.new import Words, scaffold

REGISTRY = """\
id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since
zyxo,Zyxo's,coffee,,ZYXO.COM|Zyxo Tea|ZYXOS TEA ROOM,zyxo.com,,active,,
zyxo-eats,Zyxo Eats,delivery,zyxo,,,,active,,
zyxos-bar,Zyxo's Bar,restaurant,,,,,active,,
tea,Qaqa Zyxo Tea Room,coffee,,,,,active,,
prezyxo,Prezyxosa,coffee,,,,,active,,
qx,QX,streaming,,,qx.com,,active,,
zyxold,Zyxold,coffee,,,,,retired,zyxo,2020-01-01
"""

RULES = """\
brand: zyxo-eats
owner: food
rules:
  - id: zyxo-eats.name
    match: [{words: ZYXO EATS}]
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    (folder / "brands.csv").write_text(REGISTRY)
    (folder / "eats.yaml").write_text(RULES)
    (folder / "coffee.yaml").write_text(
        "brand: prezyxo\nowner: cafes\nrules:\n  - {id: a.b, match: [{words: PREZYXOSA}]}\n"
    )
    return folder


@pytest.fixture(scope="module")
def engine(rules, state):
    with Engine.load(rules=rules, model=None, cache=None, settings=Settings(state=state)) as engine:
        yield engine


def test_the_file(engine, tmp_path):
    made = scaffold("zyxo", engine, tmp_path)
    assert made.path == tmp_path / "coffee" / "zyxo.yaml"
    assert (made.rule, made.beside) == ("zyxo.name", ())
    assert (
        made.text
        == """\
brand: zyxo
owner: cafes
rules:
  - id: zyxo.name
    status: draft
    match:
      - {words: ZYXO'S}
      - {words: ZYXO S}
      - {words: ZYXO.COM}
      - {words: ZYXO TEA}
    unless:
      - {words: ZYXO'S BAR}
      - {words: ZYXO S BAR}
      - {words: QAQA ZYXO TEA ROOM}
    # Invented, in layouts that banks use: put real descriptors in their place.
    examples:
      - ZYXO'S FAIRFIELD OH
      - 'ZYXO''S #3044 GRAND BERSTEAD MS'
      - ZYXO.COM ST CLOUD MN
      - ZYXO TEA ENCINITAS CA
    counterexamples:
      - {descriptor: ZYXO'S BAR BRANSON IN, expect: none}
      - {descriptor: QAQA ZYXO TEA ROOM LIBERTYVILLE RI, expect: none}
      - {descriptor: PREZYXOSA UPPER STANMOOR NV, expect: prezyxo}
"""
    )


@pytest.mark.parametrize("brand", ["zyxo", "zyxo-eats", "qx", "zyxos-bar", "tea"])
def test_made_active_it_does_what_it_says(brand, engine, rules, state, tmp_path):
    made = scaffold(brand, engine, tmp_path, "team")
    made.write()
    made.path.write_text(made.text.replace("status: draft", "status: active"))
    with Engine.load(rules=rules, overlay=tmp_path, model=None, cache=None, settings=Settings(state=state)) as with_it:
        (rule,) = [rule for rule in with_it.parts.book.rules if rule.id == made.rule]
        asked = [*rule.examples, *rule.counterexamples]
        assert len(rule.examples) >= 2
        said = with_it.classify(pl.DataFrame({"descriptor": [each.descriptor for each in asked]}))
        assert said["brand"].to_list() == [each.expect for each in asked]


def test_a_name_that_says_nothing_by_itself(engine, tmp_path):
    text = scaffold("qx", engine, tmp_path, "team").text
    assert (
        """\
    # QX alone is no evidence: say more than the name, or add `when`.
    match:
      - {words: QX, at: start}
      - {words: QX.COM}
"""
        in text
    )


def test_the_rule_id_is_one_that_is_free(engine, tmp_path):
    made = scaffold("zyxo-eats", engine, tmp_path)
    assert (made.rule, made.beside) == ("zyxo-eats.name-2", ("zyxo-eats.name",))
    assert "owner: food\n" in made.text


@pytest.mark.parametrize(
    ("brand", "says"),
    [
        ("zyxoo", r"brand `zyxoo` is not in the registry; did you mean zyxo or "),
        ("Zyxo Eats", r"brand `Zyxo Eats` is not in the registry; did you mean zyxo-eats\?"),
        ("7 Eleven", r"did you mean 7-eleven\?"),
        ("qqqqqqqqqqq", r"not in the registry; add it to brands.csv first"),
        ("zyxold", r"brand `zyxold` is retired, and `zyxo` answers for it: a rule for it would never decide"),
        ("qx", r"no rule of sector `streaming` has an owner to take over; say who answers: --owner TEAM"),
    ],
)
def test_what_cannot_be_made_is_said(brand, says, engine, tmp_path):
    with pytest.raises(RulebookError, match=says):
        scaffold(brand, engine, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["coffee/zyxo.yaml", "zyxo.yml", "else/where/zyxo.yaml"])
def test_a_file_that_exists_is_never_touched(name, engine, tmp_path):
    there = tmp_path / name
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_text("mine")
    with pytest.raises(RulebookError, match=rf"{name}: exists; add a rule to it"):
        scaffold("zyxo", engine, tmp_path)
    assert there.read_text() == "mine"


def test_not_even_one_that_came_meanwhile(engine, tmp_path):
    made = scaffold("zyxo", engine, tmp_path)
    made.path.parent.mkdir()
    made.path.write_text("mine")
    with pytest.raises(RulebookError, match=r"zyxo\.yaml: exists"):
        made.write()
    assert made.path.read_text() == "mine"


def test_twice_the_same(engine, tmp_path):
    assert scaffold("zyxo", engine, tmp_path) == scaffold("zyxo", engine, tmp_path)


def test_needed_patterns():
    names = ["LOWE'S", "LOWE S", "LOWES", "LOWES HOME", "THE LOWES"]
    assert list(map(str, new._needed([*map(Words, names), Words("LOWES", "start"), Words("HP", "start")]))) == [
        "{words: LOWE'S}", "{words: LOWE S}", "{words: HP, at: start}",
    ]  # fmt: skip


def test_home(tmp_path, monkeypatch):
    assert new.home(tmp_path, None) == tmp_path
    assert new.home(tmp_path, tmp_path / "overlay") == tmp_path / "overlay"
    assert new.home(None, None).name == "rules"
    inside = new.Path(tierbreak.__file__).parent / "shipped"
    monkeypatch.setattr(new, "shipped", lambda: inside)
    with pytest.raises(SettingsError, match="part of the installed package; say where your rules are: --overlay DIR"):
        new.home(None, None)


def test_the_command(rules, tmp_path, capsys, monkeypatch, state):
    monkeypatch.setenv("TIERBREAK_STATE", str(state))
    code = cli.run(["rules", "new", "zyxo", "--rules", str(rules), "--overlay", str(tmp_path), "--owner", "NO"])
    out = capsys.readouterr().out
    path = tmp_path / "coffee" / "zyxo.yaml"
    assert code == 0
    assert out.startswith(f"wrote {path}\nNext:\n  1. ")
    assert "owner: 'NO'\n" in path.read_text()
    assert cli.run(["rules", "fmt", "--check", str(path)]) == 0
    code = cli.run(["rules", "new", "zyxo", "--rules", str(rules), "--overlay", str(tmp_path)])
    assert (code, "exists; add a rule to it" in capsys.readouterr().err) == (3, True)
