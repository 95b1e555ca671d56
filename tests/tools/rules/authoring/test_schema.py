"""The schema says what the reader says: the same keys, the same choices, the same verdict on small broken files."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tierbreak import cli
from tierbreak.bundle import shipped
from tierbreak.rulebook import reader
from tierbreak.tools.rules.authoring import schema
from tierbreak.tools.rules.authoring.files import rule_files

RULES = shipped() / "rules"
RULE_FILE, COMMON = (Draft202012Validator(schema.schema(kind)) for kind in ("rules", "common"))


class Loader(yaml.CSafeLoader):
    """Reads as editors do: a date is a text."""


Loader.yaml_implicit_resolvers = {
    sign: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
    for sign, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}

RULE = "brand: uber\nowner: mobility\nrules:\n  - id: uber.trip\n    match: [{words: UBER}]\n"
SOUND = [
    RULE,
    RULE.replace("words: UBER", "words: UBER, at: start"),
    RULE.replace("words", "regex"),
    RULE + "    status: shadow\n    outranks: [a.b]\n    note: x\n",
    RULE + "    when: {sign: debit, amount: {lt: 500, ge: 1.5}, mcc: ['4121'], country: [US], optional: true}\n",
    RULE + "    valid: {from: 2014-01-01, to: 2015-01-01}\n",
    RULE + "    examples: [A, {descriptor: B, amount: -12.40, date: 2020-02-03, mcc: '0742', expect: none}]\n",
    "brand: '*'\nowner: core\ndeny: [{id: a, match: [{exact: A}], counterexamples: [B]}]\nnote: x\n",
]
BROKEN = [
    "[]",
    "brand: uber\nowner: a\n",
    "owner: a\nrules: []\n",
    "brand: uber\nrules: []\n",
    "brand: NO\nowner: a\nrules: []\n",
    "brand: '*'\nowner: a\nrules: [{id: a, match: [{words: A}]}]\n",
    RULE + "extra: x\n",
    RULE + "    extra: x\n",
    RULE.replace("rules:", "deny:") + "    outranks: [a.b]\n",
    RULE.replace("rules:", "deny:") + "    todo: [A]\n",
    RULE.replace("id: uber.trip", "id: Uber Trip"),
    RULE.replace("id: uber.trip", "id: 010"),
    RULE.replace("  - id: uber.trip\n    match", "  - match"),
    RULE.replace("    match: [{words: UBER}]\n", ""),
    RULE.replace("[{words: UBER}]", "[]"),
    RULE.replace("[{words: UBER}]", "{words: UBER}"),
    RULE.replace("{words: UBER}", "UBER"),
    RULE.replace("{words: UBER}", "{words: UBER, exact: UBER}"),
    RULE.replace("{words: UBER}", "{at: start}"),
    RULE.replace("{words: UBER}", "{exact: UBER, at: start}"),
    RULE.replace("{words: UBER}", "{words: UBER, at: middle}"),
    RULE.replace("words: UBER", "words: ' '"),
    RULE.replace("words: UBER", "words: 12:30"),
    RULE + "    status: on\n",
    RULE + "    status: live\n",
    RULE + "    unless: []\n",
    RULE + "    when: {sign: out}\n",
    RULE + "    when: {mcc: [4121]}\n",
    RULE + "    when: {country: [NO]}\n",
    RULE + "    when: {country: US}\n",
    RULE + "    when: {amount: {less: 5}}\n",
    RULE + "    when: {amount: {lt: '5'}}\n",
    RULE + "    when: {optional: 'true'}\n",
    RULE + "    valid: {from: 1 May}\n",
    RULE + "    valid: 2014\n",
    RULE + "    examples: A\n",
    RULE + "    examples: [010]\n",
    RULE + "    examples: [{expect: none}]\n",
    RULE + "    examples: [{descriptor: A, amount: x}]\n",
    RULE + "    todo: [{descriptor: A, extra: x}]\n",
    RULE + "    note: [x]\n",
]


def fold(text):
    return " ".join(text.upper().split())


def faults(text):
    read = reader.FileReader(Path("x.yaml"), text.encode(), {}, fold)
    read.rules()
    return read.faults


@pytest.mark.parametrize("text", SOUND)
def test_both_take_sound_files(text):
    assert not faults(text)
    assert not [error.message for error in RULE_FILE.iter_errors(yaml.load(text, Loader))]


@pytest.mark.parametrize("text", BROKEN)
def test_both_refuse_broken_files(text):
    assert faults(text)
    assert not RULE_FILE.is_valid(yaml.load(text, Loader))


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("fragments: {gap: ' *'}\nnote: x", True),
        ("fragments: {gap: 010}", False),
        ("fragments: [a]", False),
        ("note: x", False),
        ("fragments: {}\nrules: []", False),
    ],
)
def test_both_agree_on_common_yaml(text, sound):
    read = reader.FileReader(Path("common.yaml"), text.encode(), {}, fold)
    read.read_fragments()
    assert (not read.faults, COMMON.is_valid(yaml.load(text, Loader))) == (sound, sound)


def test_shipped_files_are_valid():
    wrong = [
        f"{path}: {error.message}"
        for path in rule_files([RULES])
        for error in (COMMON if path.name == "common.yaml" else RULE_FILE).iter_errors(
            yaml.load(path.read_bytes(), Loader)
        )
    ]
    assert not wrong, "\n".join(wrong)


def keys_of(text, what):
    """The keys that the reader allows in a part of a file, from what it says of a key that it does not have."""
    (fault,) = [fault for fault in faults(text) if fault.found == "strange"]
    assert fault.says == f"{what} has no key `strange`"
    return fault.expected.removeprefix("one of ").split(", ")


@pytest.mark.parametrize(
    ("at", "text", "what"),
    [
        ((), RULE + "strange: x\n", "a rule file"),
        (("$defs", "rule"), RULE + "    strange: x\n", "a rule"),
        (("$defs", "deny-rule"), RULE.replace("rules:", "deny:") + "    strange: x\n", "a deny rule"),
        (("$defs", "pattern"), RULE.replace("words: UBER", "words: UBER, strange: x"), "a pattern"),
        (("$defs", "example", "anyOf", 1), RULE + "    todo: [{descriptor: A, strange: x}]\n", "an example"),
        (("$defs", "guard"), RULE + "    when: {strange: x}\n", "`when`"),
        (("$defs", "guard", "properties", "amount"), RULE + "    when: {amount: {strange: 1}}\n", "`amount`"),
        (("$defs", "valid"), RULE + "    valid: {strange: x}\n", "`valid`"),
    ],
)
def test_keys_are_the_readers_and_each_is_explained(at, text, what):
    part = schema.schema()
    for step in at:
        part = part[step]
    assert list(part["properties"]) == keys_of(text, what)
    assert part["additionalProperties"] is False
    assert all(shape["description"].endswith(".") for shape in part["properties"].values())


@pytest.mark.parametrize(
    ("line", "part", "key"),
    [
        ("    status: strange\n", "rule", "status"),
        ("    when: {sign: strange}\n", "guard", "sign"),
        ("    unless: [{words: A, at: strange}]\n", "pattern", "at"),
    ],
)
def test_choices_are_the_readers(line, part, key):
    (fault,) = faults(RULE + line)
    assert fault.expected.split(" or ") == schema.schema()["$defs"][part]["properties"][key]["enum"]


@pytest.mark.parametrize(("kind", "name"), [("rules", "schema.json"), ("common", "common.schema.json")])
def test_the_kept_schema_is_what_the_command_prints(kind, name, capsys):
    assert cli.run(["rules", "schema", *(["--common"] if kind == "common" else [])]) == 0
    printed = capsys.readouterr().out
    assert (RULES / name).read_text() == printed, f"run `tierbreak rules schema` again and keep it as rules/{name}"
    Draft202012Validator.check_schema(schema.schema(kind))
