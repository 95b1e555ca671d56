"""Suggestions from ten lines of traffic and a model that knows two words, counted by hand."""

import json

import pytest

from engines import TinyModel, with_model
from tierbreak import Engine, Settings, cli
from tierbreak.bundle import Bundle
from tierbreak.cli import options
from tierbreak.errors import RulebookError
from tierbreak.tools.rules.checking import check
from tierbreak.tools.rules.mining import Limits, ask_model, mine, patch, suggest, write
from tierbreak.tools.rules.mining.evidence import tokens
from tierbreak.tools.rules.mining.words import Candidate, candidates, hits
from tierbreak.tools.rules.traffic import Traffic

RULES = {
    "uber.yaml": """brand: uber
owner: mobility
rules:
  - id: uber.trip
    match: [{words: UBER}]
    examples: [UBER TRIP]
""",
    "target.yaml": """brand: target
owner: retail
rules:
  - id: target.store
    match: [{words: TARGET}, {words: ROAD CLUB}]
    examples: [TARGET STORE, ROAD CLUB]
""",
    "starbucks.yaml": """brand: starbucks
owner: food
rules:
  - id: starbucks.store
    match: [{words: STARBUCKS}]
    examples: [STARBUCKS]
""",
}

#: descriptor, amount, weight. KETTLE is starbucks and LYFT is lyft, says the model.
ROWS = [
    ("KETTLE NORTH #0411", -10, 3),  # key KETTLE NORTH
    ("KETTLE NORTH 12/03", -1, 4),  # the same key
    ("KETTLE SOUTH", -5, 2),
    ("KETTLE EAST 0001", -5, 1),  # key KETTLE EAST
    ("TARGET NORTH", -1, 1),  # a rule's, so NORTH is no word of Starbucks'
    ("NORTH PIE", -2, 2),  # the model names nobody
    ("LYFT GREEN A", -1, 5),
    ("LYFT GREEN B", -1, 5),
    ("LYFT GREEN", -2, 5),
    ("UBER NORTH", -3, 1),
]
LIMITS = Limits(rows=5, keys=2, confidence=0.99)


def rules_in(folder):
    folder.mkdir()
    for name, text in RULES.items():
        (folder / name).write_text(text)
    return folder


def rows_in(folder, rows=ROWS):
    path = folder / "june.csv"
    path.write_text("descriptor,amount,count\n" + "".join(f"{text},{amount},{n}\n" for text, amount, n in rows))
    return str(path)


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    return rules_in(tmp_path_factory.mktemp("mining") / "rules")


@pytest.fixture(scope="module")
def bare(rules, state):
    with Engine.load(rules=rules, model=None, cache=None, settings=Settings(state=state)) as engine:
        yield engine


@pytest.fixture
def engine(bare, tmp_path):
    with with_model(bare, TinyModel(), tmp_path / "cache") as engine:
        yield engine


def mined(engine, tmp_path, rows=ROWS, most=100):
    traffic = Traffic.read(rows_in(tmp_path, rows), [engine.parts.book], columns={"weight": "count"})
    if most:
        ask_model(engine.parts, traffic, engine.settings, most)
    return mine(engine.parts, traffic, engine.settings)


def suggested(engine, tmp_path, rows=ROWS, limits=LIMITS):
    return suggest(engine.parts, mined(engine, tmp_path, rows), engine.settings, limits)


def test_what_is_not_asked_is_no_evidence(engine, tmp_path):
    before = mined(engine, tmp_path, most=0)
    assert before.unknown == 3 + 4 + 2 + 1 + 2 + 15
    assert suggest(engine.parts, before, engine.settings, LIMITS).suggestions == ()


def test_the_heaviest_keys_are_asked_first(engine, tmp_path):
    traffic = Traffic.read(rows_in(tmp_path), [engine.parts.book], columns={"weight": "count"})
    assert ask_model(engine.parts, traffic, engine.settings, 1) == 1
    assert engine.parts.model.asked == ["KETTLE NORTH"]  # 7 rows; each key of LYFT has 5
    assert ask_model(engine.parts, traffic, engine.settings, 100) == 6
    assert ask_model(engine.parts, traffic, engine.settings, 100) == 0


def test_two_brands(engine, tmp_path):
    found = suggested(engine, tmp_path)
    lyft, starbucks = found.suggestions
    assert found.left_out == ()
    assert (lyft.id, lyft.words, lyft.owner) == ("lyft.mined", ("LYFT GREEN",), "mobility")
    assert (lyft.rows, lyft.keys, lyft.money, lyft.share) == (15, 3, 20, 1.0)
    assert (starbucks.id, starbucks.words, starbucks.owner) == ("starbucks.mined", ("KETTLE",), "food")
    assert (starbucks.rows, starbucks.keys, starbucks.money) == (10, 3, 30 + 4 + 10 + 5)
    assert starbucks.examples == ("KETTLE NORTH 00/00", "KETTLE SOUTH", "KETTLE EAST 0000")
    assert 0.999 < starbucks.low == starbucks.high < 1
    assert (starbucks.unsure, starbucks.unknown) == (0, 0)


def test_lyft_alone_stands_in_names_of_others(engine, tmp_path):
    """LYFT *DIVVY is another brand: so the words are LYFT GREEN, and such names are counterexamples."""
    lyft = suggested(engine, tmp_path).suggestions[0]
    assert ("LYFT *DIVVY", None) in lyft.counterexamples


def test_a_word_of_another_brands_rows_is_none(engine, tmp_path):
    """KETTLE alone has as many rows as KETTLE NORTH and is shorter, but stands in a row of Uber's."""
    rows = [("KETTLE NORTH A", -1, 5), ("KETTLE NORTH B", -1, 5), ("UBER KETTLE", -1, 1)]
    (found,) = suggested(engine, tmp_path, rows).suggestions
    assert found.words == ("KETTLE NORTH",)  # a rule gives UBER KETTLE to Uber
    assert ("UBER KETTLE", "uber") in found.counterexamples


def test_words_that_share_text_with_a_rule_are_left_out(engine, tmp_path):
    """`LYFT ROAD` and the rule's `ROAD CLUB` share ROAD in LYFT ROAD CLUB."""
    rows = [(f"LYFT ROAD {letter}", -1, 5) for letter in "AB"]
    found = suggested(engine, tmp_path, rows)
    assert found.suggestions == ()
    ((brand, words, why),) = found.left_out
    assert (brand, words) == ("lyft", "LYFT ROAD")
    assert "shares `ROAD` with target.store" in why


def test_other_words_take_the_place_of_refused_ones(engine, tmp_path):
    """LYFT ROAD is refused as above; ROAD GREEN stands in as many rows and shares nothing with ROAD CLUB."""
    rows = [(f"LYFT ROAD GREEN {letter}", -1, 5) for letter in "AB"]
    found = suggested(engine, tmp_path, rows)
    assert [one.words for one in found.suggestions] == [("ROAD GREEN",)]
    assert [words for _, words, _ in found.left_out] == ["LYFT ROAD"]


def test_digits_of_the_words_stay(engine, tmp_path):
    """LYFT alone stands in names of other brands, so the words hold a digit."""
    rows = [(f"LYFT 4U {n}", -1, 5) for n in ("SHOP", "CORNER", "12345")]
    (found,) = suggested(engine, tmp_path, rows).suggestions
    assert found.words == ("LYFT 4U",)
    assert set(found.examples) == {"LYFT 4U SHOP", "LYFT 4U CORNER", "LYFT 4U 00000"}


@pytest.mark.parametrize(
    "limits",
    [Limits(rows=16, keys=2, confidence=0.99), Limits(rows=5, keys=4, confidence=0.99), Limits(rows=5, keys=2)],
    ids=["rows", "keys", "very-high"],
)
def test_too_little_behind_it(engine, tmp_path, limits):
    """The tiny model's policy has no band very-high: its bar is 1."""
    assert suggested(engine, tmp_path, limits=limits).suggestions == ()


def test_names_of_people_are_no_examples(engine, tmp_path):
    rows = [("ZELLE TO KETTLE JO", -1, 5), ("KETTLE A 77", -1, 5), ("KETTLE B", -1, 5)]
    (found,) = suggested(engine, tmp_path, rows).suggestions
    assert set(found.examples) == {"KETTLE A 00", "KETTLE B"}


@pytest.mark.parametrize("status", ["shadow", "draft"])
def test_the_files_load_and_pass_the_check(engine, tmp_path, rules, state, status):
    found = suggested(engine, tmp_path)
    paths = write(found, tmp_path / "overlay", status)
    assert [path.name for path in paths] == ["lyft.yaml", "starbucks.yaml"]
    bundle = Bundle.find(rules=rules, overlay=tmp_path / "overlay", model=None)
    report = check(bundle, Settings(state=state))
    assert report.of("error") == ()
    assert report.rules == 5
    with pytest.raises(RulebookError, match=r"lyft\.yaml: exists"):
        write(found, tmp_path / "overlay", status)


def test_as_an_active_rule_its_examples_hold(engine, tmp_path, rules, state):
    for path in write(suggested(engine, tmp_path), tmp_path / "overlay"):
        path.write_text(path.read_text().replace("status: shadow", "status: active"))
    report = check(Bundle.find(rules=rules, overlay=tmp_path / "overlay", model=None), Settings(state=state))
    assert report.of("error") == ()


def test_the_patch_adds_files(engine, tmp_path):
    lines = patch(suggested(engine, tmp_path)).splitlines()
    assert lines[:3] == ["--- /dev/null", "+++ b/mined/lyft.yaml", lines[2]]
    assert lines.count("--- /dev/null") == 2
    assert "+    status: shadow" in lines
    assert all(line.startswith(("+", "---", "@@")) for line in lines)


def test_words_that_texts_share(engine, tmp_path):
    assert list(tokens("A*B/C 123 D")) == [["A", "B", "C"], ["D"]]
    found = hits([Candidate("KETTLE", 0), Candidate("NORTH PIE", 1)], ["KETTLES", "THE KETTLE", "NORTH-PIE KETTLE"])
    assert [where.tolist() for where in found] == [[1, 2], [2]]
    sure = mined(engine, tmp_path).texts.filter(brand=engine.parts.registry.index("starbucks"))
    assert [one.words for one in candidates(sure)][:3] == ["KETTLE", "NORTH", "KETTLE NORTH"]


def test_the_command(bare, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(options, "load", lambda **_: with_model(bare, TinyModel(), tmp_path / "cache"))
    given = ["rules", "suggest", rows_in(tmp_path), "--weight", "count", "--min-rows", "5", "--min-keys", "2"]
    given += ["--confidence", "0.99"]
    assert cli.run(given) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "27 rows that no rule finds have no answer in the cache; --ask-model N asks" in err
    assert cli.run([*given, "--ask-model", "50", "--format", "json", "-q"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert [(one["rule"], one["rows"], one["keys"]) for one in read["suggestions"]] == [
        ("lyft.mined", 15, 3), ("starbucks.mined", 10, 3),
    ]  # fmt: skip
    assert cli.run([*given, "-o", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert (tmp_path / "out" / "mined" / "lyft.yaml").is_file()
    assert "lyft.mined: LYFT GREEN: 15 rows, 3 keys, 20.00 of money" in err
