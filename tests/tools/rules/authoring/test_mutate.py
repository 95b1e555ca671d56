"""Mutants of a small book, each counted by hand: who kills them, and that what is proposed for the rest would."""

import dataclasses
import json
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tierbreak import Engine, Settings, cli
from tierbreak.errors import SettingsError
from tierbreak.rulebook import Pattern, Place, Rule
from tierbreak.rulebook.patterns import PatternError, from_regex
from tierbreak.tools.rules.authoring.mutants import mutants
from tierbreak.tools.rules.authoring.mutate import mutate, overall, share
from tierbreak.tools.rules.authoring.retrial import found

COMMON = """
    fragments:
      lead: '(?:^|\\* ?)'
"""
UBER = """
    brand: uber
    owner: mobility
    rules:
      - id: t.uber
        match:
          - words: UBER TRIP
        unless:
          - words: UBER TRIP GAME
        examples:
          - UBER TRIP 123
          - SQ *UBER TRIP
        counterexamples:
          - {descriptor: HUBER TRIP, expect: none}
          - {descriptor: UBER TRIP GAME, expect: none}
      - id: t.uber-draft
        status: draft
        match: [{words: RIDE}]
"""
LYFT = """
    brand: lyft
    owner: mobility
    rules:
      - id: t.lyft
        match:
          - regex: '{{lead}}LYFT(?: RIDE| SCOOTER)\\b'
          - exact: LYFT
        when: {sign: debit, amount: {lt: 100}}
        examples:
          - {descriptor: LYFT RIDE, amount: -5}
          - {descriptor: LYFT, amount: -5}
        counterexamples:
          - {descriptor: LYFT RIDE, amount: -500, expect: none}
"""


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        lines = text.strip("\n").splitlines()
        (folder / f"{name}.yaml").write_text("\n".join(line[4:] for line in lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def engine(tmp_path_factory, state):
    rules = write(tmp_path_factory.mktemp("mutate") / "rules", common=COMMON, uber=UBER, lyft=LYFT)
    with Engine.load(rules=rules, model=None, cache=None, settings=Settings(state=state)) as engine:
        yield engine


@pytest.fixture(scope="module")
def scores(engine):
    return {score.rule.id: score for score in mutate(engine)}


def fates(score):
    return {(each.kind, each.says): each.fate for each in score.mutants}


def test_words_and_unless(scores):
    """Of `UBER TRIP` the edge in front and the word UBER are held by HUBER TRIP; of the `unless` its being
    there is held, and not one of its edges or words, which make it find more."""
    assert fates(scores["t.uber"]) == {
        ("edge", "match#1 `UBER TRIP` without the word edge in front"): "killed",
        ("edge", "match#1 `UBER TRIP` without the word edge behind"): "survived",
        ("word", "match#1 `UBER TRIP` without the word UBER"): "killed",  # HUBER TRIP again
        ("word", "match#1 `UBER TRIP` without the word TRIP"): "survived",
        ("edge", "unless#1 `UBER TRIP GAME` without the word edge in front"): "survived",
        ("edge", "unless#1 `UBER TRIP GAME` without the word edge behind"): "survived",
        ("word", "unless#1 `UBER TRIP GAME` without the word UBER"): "survived",
        ("word", "unless#1 `UBER TRIP GAME` without the word TRIP"): "killed",
        ("word", "unless#1 `UBER TRIP GAME` without the word GAME"): "killed",
        ("unless", "without unless#1 `UBER TRIP GAME`"): "killed",
    }
    assert scores["t.uber"].score == 5 / 10
    killers = {each.says: each.killer for each in scores["t.uber"].mutants if each.killer}
    assert killers["match#1 `UBER TRIP` without the word edge in front"] == "HUBER TRIP"
    assert killers["without unless#1 `UBER TRIP GAME`"] == "UBER TRIP GAME"


def test_a_regex_an_exact_and_a_guard(scores):
    """What stands in a fragment is not mutated. `exact: LYFT` is held as a pattern, by its own example."""
    assert fates(scores["t.lyft"]) == {
        ("edge", r"match#1 `{{lead}}LYFT(?: RIDE| SCOOTER)\b` without the `\b` at character 31"): "survived",
        ("alternative", r"match#1 `{{lead}}LYFT(?: RIDE| SCOOTER)\b` without the alternative ` RIDE`"): "killed",
        ("alternative", r"match#1 `{{lead}}LYFT(?: RIDE| SCOOTER)\b` without the alternative ` SCOOTER`"): "survived",
        ("anchor", "match#2 `LYFT` without its start"): "survived",
        ("anchor", "match#2 `LYFT` without its end"): "survived",
        ("pattern", r"without match#1 `{{lead}}LYFT(?: RIDE| SCOOTER)\b`"): "killed",
        ("pattern", "without match#2 `LYFT`"): "killed",
        ("guard", "when without `sign`"): "survived",
        ("guard", "when without `amount: {lt: 100}`"): "killed",
    }
    proposals = scores["t.lyft"].proposals
    assert proposals["examples"] == ["{descriptor: LYFT SCOOTER, amount: -50}"]
    assert "{descriptor: LYFT, amount: 1, expect: none}" in proposals["counterexamples"]


def test_drafts_are_left_out(scores):
    assert sorted(scores) == ["t.lyft", "t.uber"]


def test_every_proposal_kills_its_mutant(engine, scores, tmp_path, state):
    """With everything proposed pasted in, nothing that can be told apart survives, and every example is green."""
    text = {"uber": UBER, "lyft": LYFT}
    for name, score in (("uber", scores["t.uber"]), ("lyft", scores["t.lyft"])):
        for key, items in score.proposals.items():
            lines = "".join(f"          - {item}\n" for item in items)
            text[name] = re.sub(
                rf"(?m)^        {key}:\n", lambda found, more=lines: found.group() + more, text[name], count=1
            )
    rules = write(tmp_path / "rules", common=COMMON, **text)
    with Engine.load(rules=rules, model=None, cache=None, settings=Settings(state=state)) as better:
        assert share(mutate(better)) == 1.0


def test_an_equivalent_mutant_is_not_counted(tmp_path, state):
    """UBERX is found by UBER without an edge behind: to drop it as an alternative changes nothing."""
    book = """
    brand: uber
    owner: mobility
    rules:
      - id: t.uber
        match: [{regex: 'UBER|UBERX'}]
        examples: [UBER]
    """
    rules = write(tmp_path / "rules", uber=book)
    with Engine.load(rules=rules, model=None, cache=None, settings=Settings(state=state)) as engine:
        (score,) = mutate(engine)
    assert [each.fate for each in score.mutants] == ["killed", "equivalent"]
    assert score.score == 1.0


def test_another_rules_example_kills_and_look_around_is_taken_away(tmp_path, state):
    uber = """
    brand: uber
    owner: mobility
    rules:
      - id: t.uber
        match: [{regex: '\\bUBER\\b(?! CUP)'}]
        examples: [UBER]
    """
    lyft = """
    brand: lyft
    owner: mobility
    rules:
      - id: t.lyft
        match: [{exact: UBERS LYFT}]
        examples: [LYFT]
        counterexamples: [{descriptor: UBERS, expect: none}]
    """
    rules = write(tmp_path / "rules", uber=uber, lyft=lyft)
    with Engine.load(rules=rules, model=None, cache=None, settings=Settings(state=state)) as engine:
        (score,) = mutate(engine, ["t.uber"])
        with pytest.raises(SettingsError, match=r"no rule is called `t.ubr`; did you mean t.uber"):
            mutate(engine, ["t.ubr"])
    front, behind, around = score.mutants
    assert (front.kind, front.fate) == ("edge", "survived")
    assert (behind.fate, behind.killer) == ("killed", "UBERS")
    assert (around.kind, around.fate) == ("look-around", "survived")
    assert around.proposal == "{descriptor: UBER CUP, expect: none}"


ATOMS = st.sampled_from(["A", "B", "AB", r"\b", "^", "$", "[AB]", "[|(]", r"\|", "A?", " "])
REGEXES = st.recursive(
    st.lists(ATOMS, min_size=1, max_size=3).map("".join),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda each: "(?:" + "|".join(each) + ")"),
    max_leaves=5,
)


@given(REGEXES, st.lists(st.text("AB| ", min_size=1, max_size=6), min_size=5, max_size=20))
def test_less_asked_finds_more_and_fewer_alternatives_find_less(regex, texts):
    """What a mutant says of itself holds on every text, however brackets, bars and classes stand."""
    try:
        expression = from_regex(regex)
    except PatternError:
        assume(False)
    pattern = Pattern("regex", regex, None, expression, 1, Place("x", 1, 1))
    rule = Rule(
        id="x", brand="uber", owner="", status="active", deny=False, match=(pattern,), unless=(), when=None,
        valid=(None, None), outranks=(), examples=(), counterexamples=(), todo=(), note="", place=Place("x", 1, 1),
        fingerprint="",
    )  # fmt: skip
    for mutant in mutants(rule, {}):
        for text in texts:
            before, after = (found(one.match, text.encode()) for one in (rule, mutant.rule))
            assert (after or not before) if mutant.wider else (before or not after)


def test_no_mutant_stands_twice_or_is_the_rule(engine):
    for rule in engine.parts.book.rules:
        seen = [
            ([p.expression.source for p in each.rule.match], [p.expression.source for p in each.rule.unless],
             each.rule.when)
            for each in mutants(rule, {"lead": r"(?:^|\* ?)"})
        ]  # fmt: skip
        own = ([p.expression.source for p in rule.match], [p.expression.source for p in rule.unless], rule.when)
        assert own not in seen
        assert all(dataclasses.is_dataclass(each) for each in mutants(rule, {"lead": "^"}))


def test_the_command(engine, capsys):
    folder = str(engine.parts.bundle.rules[0])
    assert cli.run(["rules", "mutate", "--rules", folder, "--format", "json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert (out["killed"], out["survived"], out["equivalent"]) == (9, 10, 0)
    assert out["score"] == 9 / 19
    assert out["kinds"]["guard"] == {"killed": 1, "survived": 1, "equivalent": 0}
    assert overall(mutate(engine)) == out
    assert cli.run(["rules", "mutate", "--rules", folder]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 rules: mutation score 47.4 % (9 mutants killed, 10 survived, 0 equivalent")
    assert [line.split()[:5] for line in lines[3:5]] == [
        ["t.lyft", "44.4", "%", "4", "5"], ["t.uber", "50.0", "%", "5", "5"],
    ]  # fmt: skip
    assert cli.run(["rules", "mutate", "--rules", folder, "--rule", "t.uber"]) == 0
    assert "    counterexamples:\n      - {descriptor: " in capsys.readouterr().out
