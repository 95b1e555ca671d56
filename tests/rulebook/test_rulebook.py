"""The rulebook loader: what it reads, and the whole text of what it says when it cannot."""

import datetime as dt
from pathlib import Path

import pytest

from tierbreak.errors import RulebookError
from tierbreak.rulebook import Rulebook

BRANDS = {"uber", "uber-eats", "taxi"}

WHOLE = """\
brand: uber
owner: mobility
rules:
  - id: uber.trip
    status: retiring
    match:
      - words: uber  trip
      - {words: UBER, at: start}
      - regex: '{{facilitator}}\\s*UBER'
      - exact: Uber BV Amsterdam NL
    unless: [{words: UBER EATS}]
    when: {sign: debit, amount: {lt: 500, ge: 1.5}, mcc: ['4121'], country: [US], optional: true}
    outranks: [taxi.any]
    valid: {from: 2014-01-01}
    examples:
      - UBER *TRIP HELP.UBER.COM
      - {descriptor: UBER   BV AMSTERDAM NL, amount: -12.40, date: 2020-02-03, mcc: '0742'}
    counterexamples:
      - {descriptor: UBER EATS SAN FRANCISCO, expect: uber-eats}
      - {descriptor: HUBER BAKERY, expect: none}
    todo: [UBR* PENDING.UBER.COM]
    note: EATS split out in 2019
deny:
  - id: uber.not-uberall
    match: [{words: UBERALL}]
    examples: [UBERALL INC BERLIN]
"""
TAXI = """\
brand: taxi
owner: mobility
rules:
  - id: taxi.any
    match: [{words: TAXI}]
"""


@pytest.fixture
def write(tmp_path):
    def write(**files):
        for name, text in files.items():
            path = tmp_path / f"{name}.yaml"
            path.write_text(text)
        return tmp_path

    return write


def refused(folder, *more):
    with pytest.raises(RulebookError) as caught:
        Rulebook.load([folder, *more], BRANDS)
    return str(caught.value).replace(f"{folder}/", "")


def test_every_part_of_a_rule_is_read(write):
    folder = write(common="fragments:\n  facilitator: '(?:SQ|TST) ?\\*'\n", uber=WHOLE, taxi=TAXI)
    book = Rulebook.load([folder], BRANDS)
    assert [rule.id for rule in book.rules] == ["taxi.any", "uber.not-uberall", "uber.trip"]
    trip = book.rules[2]
    assert [pattern.expression.source for pattern in trip.match] == [
        rb"\bUBER[ *.#/-]*TRIP\b",
        rb"^UBER\b",
        rb"(?:(?:SQ|TST) ?\*) *UBER",
        rb"^UBER BV AMSTERDAM NL$",
    ]
    assert [pattern.number for pattern in trip.match] == [1, 2, 3, 4]
    assert trip.unless[0].expression.source == rb"\bUBER[ *.#/-]*EATS\b"
    assert trip.when.sign == "debit"
    assert trip.when.amount == (("lt", 500.0), ("ge", 1.5))
    assert (trip.when.mcc, trip.when.country, trip.when.optional) == (("4121",), ("US",), True)
    assert trip.valid == (dt.date(2014, 1, 1), None)
    second = trip.examples[1]
    assert (second.amount, second.date, second.mcc, second.country) == (-12.4, dt.date(2020, 2, 3), "0742", None)
    assert [example.expect for example in trip.counterexamples] == ["uber-eats", None]
    assert (trip.status, trip.note, trip.owner) == ("retiring", "EATS split out in 2019", "mobility")
    assert str(trip.place) == f"{folder}/uber.yaml:4:5"
    assert book.rules[1].deny
    assert book.edges.tolist() == [[2, 0]]


def test_a_fingerprint_is_of_what_decides_not_of_what_is_said(write):
    first = Rulebook.load([write(taxi=TAXI)], BRANDS)
    noted = Rulebook.load([write(taxi=TAXI + "    note: seen in March\n")], BRANDS)
    changed = Rulebook.load([write(taxi=TAXI.replace("TAXI", "CAB"))], BRANDS)
    assert first.fingerprint == noted.fingerprint
    assert first.fingerprint != changed.fingerprint


def test_an_overlay_replaces_a_rule_by_id_and_adds_others(write, tmp_path_factory):
    overlay = tmp_path_factory.mktemp("overlay")
    (overlay / "mine.yml").write_text(
        "brand: uber\nowner: me\nrules:\n"
        "  - {id: taxi.any, match: [{words: MINICAB}]}\n"
        "  - {id: uber.mine, match: [{words: UBR}]}\n"
    )
    book = Rulebook.load([write(taxi=TAXI), overlay], BRANDS)
    assert [(rule.id, rule.brand) for rule in book.rules] == [("taxi.any", "uber"), ("uber.mine", "uber")]


def test_yaml_traps_are_named_with_the_fix(write):
    text = (
        "brand: NO\nowner: 12:30\nrules:\n"
        "  - id: uber.a\n    id: uber.b\n    match: [{words: 010}, {words: 1_000}]\n    when: {mcc: [4121]}\n"
    )
    assert (
        refused(write(x=text))
        == """\
x.yaml:1:8: error[R008]: text is due, YAML reads bool
  |
1 | brand: NO
  |        ^^
  = expected: text
  = fix: quote it: 'NO'
x.yaml:2:8: error[R008]: text is due, YAML reads int
  |
2 | owner: 12:30
  |        ^^^^^
  = expected: text
  = fix: quote it: '12:30'
x.yaml:5:5: error[R004]: key stands twice
  |
5 |     id: uber.b
  |     ^^
  = expected: each key once
  = fix: merge the two
x.yaml:6:21: error[R008]: text is due, YAML reads int
  |
6 |     match: [{words: 010}, {words: 1_000}]
  |                     ^^^
  = expected: text
  = fix: quote it: '010'
x.yaml:6:35: error[R008]: text is due, YAML reads int
  |
6 |     match: [{words: 010}, {words: 1_000}]
  |                                   ^^^^^
  = expected: text
  = fix: quote it: '1_000'
x.yaml:7:18: error[R008]: text is due, YAML reads int
  |
7 |     when: {mcc: [4121]}
  |                  ^^^^
  = expected: text
  = fix: quote it: '4121'
6 faults in the rulebook; nothing was loaded"""
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "file is empty"),
        ("- a\n", "file is not a mapping"),
        ("brand: uber\nowner: x\n", "file has no rules"),
        ("brand: [uber\n", "not YAML: "),
        ("brand: '*'\nowner: x\nrules: [{id: a, match: [{words: A}]}]", "goes with `deny` only"),
        ("brand: uber\nowner: x\nrules: [{id: a, match: [{regex: 'A*'}]}]", "pattern can match nothing at all"),
        ("brand: uber\nowner: x\nrules: [{id: a, match: [{regex: '(A'}]}]", "not a regex: missing ), unterminated"),
        (r"{brand: uber, owner: x, rules: [{id: a, match: [{regex: 'A\h'}]}]}", r"\h is not read alike"),
        ("brand: uber\nowner: x\nrules: [{id: a, match: [{regex: '{{shop}}A'}]}]", "no fragment `shop`"),
        ("brand: uber\nowner: x\nrules: [{id: a, match: [{words: A, exact: B}]}]", "one of words, regex, exact"),
        ("brand: uber\nowner: x\nrules: [{id: a, match: []}]", "`match` is empty"),
        ("brand: uber\nowner: x\nrules: [{id: a}]", "rule has no `match`"),
        ("brand: uber\nowner: x\nrules: [{id: A b, match: [{words: A}]}]", "id has characters"),
        ("brand: uber\nowner: x\nrules: [{id: a, match: [{words: A}], exampels: [A]}]", "has no key `exampels`"),
        ("brand: uber\nowner: x\nrules: [{id: a, status: on, match: [{words: A}]}]", "not one of the choices"),
        ("brand: uber\nowner: x\nrules: [{id: a, match: [{words: A}], valid: {from: 1/2/2020}}]", "a date is due"),
        ("brand: ubr\nowner: x\nrules: [{id: a, match: [{words: A}]}]", "brand `ubr` is not in the registry"),
        ("brand: uber\nowner: x\nrules: [{id: a, match: [{words: A}], outranks: [b]}]", "outranks `b`, which is no"),
        (
            "brand: uber\nowner: x\nrules:\n- {id: a, match: [{words: A}], outranks: [b]}\n"
            "- {id: b, match: [{words: B}], outranks: [a]}",
            "outranks in a circle",
        ),
    ],
)
def test_each_fault_has_its_message(write, text, says):
    message = refused(write(x=text))
    assert says in message
    assert "1 fault in the rulebook" in message, message


def test_an_id_twice_in_one_folder(write):
    assert "rule id `taxi.any` stands twice" in refused(write(one=TAXI, two=TAXI))


def test_a_long_ring_of_edges_is_found_once(write):
    ring = "".join(f"- {{id: r{n}, match: [{{words: W{n}}}], outranks: [r{(n + 1) % 500}]}}\n" for n in range(500))
    message = refused(write(x="brand: uber\nowner: x\nrules:\n" + ring))
    assert message.count("outranks in a circle") == 1


def test_a_folder_that_is_not_there():
    with pytest.raises(RulebookError, match="no such folder"):
        Rulebook.load([Path("nowhere")], BRANDS)
