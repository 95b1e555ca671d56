"""The formatter: one layout, every comment kept where it belongs, and never another meaning."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak import cli
from tierbreak.bundle import shipped
from tierbreak.errors import RulebookError
from tierbreak.rulebook import Place
from tierbreak.rulebook.reader import FileReader
from tierbreak.tools.rules.authoring import fmt, scalars
from tierbreak.tools.rules.authoring.files import lay_out, rule_files, write
from tierbreak.tools.rules.authoring.fmt import formatted, same_meaning
from tierbreak.tools.rules.authoring.layout import Unusual

WILD = """\
# about the file
owner:   mobility # who
brand: "uber"   # the app

deny: []
rules:    # in short

# before the first
- examples:
    - UBER *TRIP    # seen in March
    - "NO"
    # the next two are traps
    - '010'
    - 12:30 PM: late
    - {expect: none, descriptor: "HUBER BAKERY"}
  # about match
  match: [ {words: "UBER TRIP"}, # first
    {at: start, words: UBER}     # second
  ]
  status: shadow
  # about the id
  id: uber.trip
  note: |  # as it was written
      EATS split out

      in 2019
  valid: {to: 2020-01-01, from: 2014-01-01}
  # nothing more of this rule


- id: uber.pool
  match:
  - regex: UBER POOL
  unless: [{words: one}, {words: two}]
# the end
"""

TIDY = """\
# about the file
brand: uber  # the app
owner: mobility  # who
rules:  # in short
  # before the first
  # about the id
  - id: uber.trip
    status: shadow
    # about match
    match:
      - {words: UBER TRIP}  # first
      - {words: UBER, at: start}  # second
    valid: {from: 2014-01-01, to: 2020-01-01}
    examples:
      - UBER *TRIP  # seen in March
      - 'NO'
      # the next two are traps
      - '010'
      - 12:30 PM: late
      - {descriptor: HUBER BAKERY, expect: none}
    # as it was written
    note: |
      EATS split out

      in 2019
    # nothing more of this rule

  - id: uber.pool
    match:
      - regex: 'UBER POOL'
    unless: [{words: one}, {words: two}]

deny: []
# the end
"""


def test_the_layout():
    assert formatted(WILD.replace("12:30 PM: late", "'12:30 PM: late'")) == TIDY.replace(
        "12:30 PM: late", "'12:30 PM: late'"
    )
    assert formatted(WILD) == TIDY.replace("12:30 PM: late", "'12:30 PM': late"), "that one is a mapping"


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_line_ends_become_newlines(ends):
    assert formatted(WILD.replace("\n", ends)) == formatted(WILD)


def test_what_does_not_fit_in_a_line_goes_below():
    words = [f"A{'B' * at}" for at in range(12)]
    short = "brand: a\nowner: b\nrules:\n  - id: a.b\n    outranks: [{}]\n"
    assert formatted(short.format(", ".join(words[:9]))) == short.format(", ".join(words[:9]))
    below = "".join(f"\n      - {word}" for word in words * 2)
    assert formatted(short.format(", ".join(words * 2))) == short.format("").replace(" []", below)
    pair = f"{{descriptor: {'A ' * 60}B, expect: none}}"
    assert formatted(f"brand: a\nrules: [{{examples: [{pair}]}}]") == (
        f"brand: a\nrules:\n  - examples:\n      - descriptor: {'A ' * 60}B\n        expect: none\n"
    )
    one = f"      - {{regex: '{'A' * 130}'}}\n"
    assert formatted(f"brand: a\nrules:\n  - match:\n{one}").endswith(one), "one pair gains nothing from a second line"


def test_long_notes_are_wrapped_and_other_texts_are_not():
    note, text = "long, and longer; " * 12, "A" * 60 + " " + "B" * 80
    out = formatted(f"brand: a\nnote: '{note.strip()}'\nrules:\n  - todo: ['{text}']\n")
    assert out.count("\n") == 6
    assert max(map(len, out.splitlines()[1:3])) <= fmt.WIDTH
    assert f"      - {text}\n" in out
    assert yaml.safe_load(out)["note"] == note.strip()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("UBER *TRIP", "UBER *TRIP"),
        ("NO", "'NO'"),
        ("yes", "'yes'"),
        ("010", "'010'"),
        ("12:30", "'12:30'"),
        ("1e3", "'1e3'"),
        ("0o17", "'0o17'"),
        ("2014-01-01", "'2014-01-01'"),
        ("~", "'~'"),
        ("", "''"),
        (" X", "' X'"),
        ("GAP #12", "'GAP #12'"),
        ("MACY'S", "MACY'S"),
        ("MACY'S, INC", "'MACY''S, INC'"),
        ("A\nB", '"A\\nB"'),
        ("A\u202eB\U0001f4a9\ufeff", '"A\\u202eB\U0001f4a9\\ufeff"'),
        ("=", "'='"),
        ("- X", "'- X'"),
        ("-X", "-X"),
    ],
)
def test_quotes_where_they_are_needed(value, written):
    assert scalars.text(value) == written


@given(st.text())
def test_a_text_is_read_as_it_was(value):
    value = value.encode("utf-8", "ignore").decode()
    for context in ("- {}", "[{}, x]", "{{k: {}}}", "k: {}"):
        for key in ("", "regex"):
            node = yaml.compose(context.format(scalars.text(value, key)), Loader=yaml.CSafeLoader)
            while isinstance(node, yaml.CollectionNode):
                first = node.value[0]
                node = first[1] if isinstance(first, tuple) else first
            assert (node.tag, node.value) == ("tag:yaml.org,2002:str", value)


TEXTS = st.sampled_from(
    ["UBER *TRIP", "NO", "010", "12:30", "yes", "GAP #12", "MACY'S, INC", '"', "", " x ", "- a", "a: b", "é", "x" * 90]
) | st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]) | st.just("\n"), max_size=8)
KEYS = ["brand", "rules", "id", "match", "unless", "examples", "regex", "words", "at", "note", "when", "zzz"]
TREES = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)
FILES = st.dictionaries(st.sampled_from(KEYS), TREES, min_size=1, max_size=4)


class Hand:
    """Writes a tree as a careless person would: any quotes, brackets or not, comments and empty lines anywhere."""

    def __init__(self, draw):
        self.draw, self.comments = draw, 0

    def happens(self):
        return self.draw(st.booleans())

    def comment(self):
        self.comments += 1
        return f"# {self.comments}"

    def text(self, value, bare):
        if bare and scalars.is_bare(value) and self.happens():
            return value
        double = json.dumps(value, ensure_ascii=False)
        return "'" + value.replace("'", "''") + "'" if value.isprintable() and self.happens() else double

    def between(self, pad):
        for _ in range(self.draw(st.sampled_from([0, 0, 0, 1, 2]))):
            yield pad + " " * self.draw(st.integers(0, 3)) + self.comment() if self.happens() else ""

    def tail(self):
        return "  " + self.comment() if self.draw(st.sampled_from([False, False, True])) else ""

    def flow(self, node):
        if isinstance(node, str):
            return self.text(node, bare=True)
        gap = self.draw(st.sampled_from([" ", "", "\n          ", f" {self.comment()}\n          "]))
        if isinstance(node, list):
            return f"[{gap}" + f",{gap or ' '}".join(map(self.flow, node)) + f"{gap}]"
        return (
            f"{{{gap}" + f",{gap or ' '}".join(f"{key}: {self.flow(value)}" for key, value in node.items()) + f"{gap}}}"
        )

    def block(self, node, pad):
        for key, value in node.items() if isinstance(node, dict) else ((None, value) for value in node):
            start = pad + ("-" if key is None else f"{key}:")
            yield from self.between(pad)
            if isinstance(value, str):
                yield f"{start} {self.text(value, bare=True)}{self.tail()}"
            elif not value or self.happens():
                yield f"{start} {self.flow(value)}{self.tail()}"
            else:
                yield start + self.tail()
                yield from self.block(value, pad + " " * self.draw(st.integers(1, 4)))
        yield from self.between(pad)


@settings(max_examples=100, deadline=None)
@given(FILES, st.data())
def test_meaning_and_comments_are_kept_and_a_second_time_changes_nothing(tree, data):
    hand = Hand(data.draw)
    written = "\n".join(hand.block(tree, ""))
    out = formatted(written)
    assert same_meaning(written, out), f"{written}\n---\n{out}"
    assert formatted(out) == out, f"{out}\n---\n{formatted(out)}"
    assert yaml.load(out, yaml.CSafeLoader) == yaml.load(written, yaml.CSafeLoader)
    assert out.endswith("\n")
    assert not out.startswith("\n")
    assert not any(line != line.rstrip() for line in out.split("\n"))
    assert "\n\n\n" not in out


RULES = shipped() / "rules"
FRAGMENTS = FileReader(RULES / "common.yaml", (RULES / "common.yaml").read_bytes(), {}, str.upper).read_fragments()


def test_shipped_rules_are_laid_out():
    layouts, faults = lay_out(rule_files([RULES]))
    assert not faults
    wrong = [str(layout.path) for layout in layouts if layout.left_alone or layout.before != layout.after]
    assert not wrong, f"run `tierbreak rules fmt`; {len(wrong)} files are not as it leaves them: {wrong[:5]}"


@pytest.mark.parametrize("path", rule_files([RULES])[::40], ids=lambda path: path.stem)
def test_however_a_file_was_written_its_rules_are_the_same(path):
    if path.name == "common.yaml":
        return
    text = path.read_text()
    anyhow = yaml.safe_dump(yaml.safe_load(text), width=50, default_flow_style=len(text) % 2 == 0)
    assert rules_of(formatted(anyhow)) == rules_of(text)


def rules_of(text):
    reader = FileReader(Path("x.yaml"), text.encode(), FRAGMENTS, str.upper)
    here = Place("", 0, 0)
    rules = [
        replace(rule, place=here, match=(), unless=(), **{
            kind: [example and replace(example, place=here) for example in getattr(rule, kind)]
            for kind in ("examples", "counterexamples", "todo")
        })
        for rule in reader.rules()
    ]  # fmt: skip
    assert not reader.faults
    return rules


def test_meaning_is_more_than_the_tree():
    assert same_meaning("a: [b, c]  # d\ne: f", "e: f  # d\na:\n  - b\n  - c\n")
    for other in ("a: [b, c]\ne: f", "a: [c, b]  # d\ne: f", "a: [b, c]  # d\ne: yes", "a: [b", "a: &x [b, c]  # d"):
        assert not same_meaning("a: [b, c]  # d\ne: f", other)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("brand: &b uber\nowner: me", "an anchor in line 1"),
        ("brand: !!str 010", "a tag in line 1"),
        ("%YAML 1.1\n---\nbrand: x", "a directive in line 1"),
        ("? [a]\n: b", "a key that is no text in line 1"),
        ("# only\n{}", "an empty mapping"),
        ("\n".join("  " * depth + "a:" for depth in range(900)), "lists in lists more than 50 deep"),
    ],
)
def test_unusual_yaml_is_left_alone(text, what, tmp_path):
    with pytest.raises(Unusual, match=f"^{what}$"):
        formatted(text)
    path = tmp_path / "a.yaml"
    path.write_text(text)
    (layout,), _ = lay_out([path])
    assert (layout.after, layout.left_alone) == (text, f"it has {what}, which no rule needs")


# The files and the command


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "rules"
    (root / "rideshare").mkdir(parents=True)
    (root / "rideshare" / "uber.yaml").write_text(WILD)
    (root / "common.yaml").write_text("fragments: {gap: ' *'}\n")
    return root


def run(capsys, *arguments):
    code = cli.run([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def test_the_command_writes_and_then_has_nothing_to_do(folder, capsys):
    uber = folder / "rideshare" / "uber.yaml"
    assert run(capsys, "rules", "fmt", "--rules", folder) == (
        0, "2 of 2 files changed\n", f"changed {folder}/common.yaml\nchanged {uber}\n",
    )  # fmt: skip
    assert (folder / "common.yaml").read_text() == "fragments:\n  gap: ' *'\n"
    assert uber.read_text() == formatted(WILD)
    assert run(capsys, "rules", "fmt", "--rules", folder, "--check") == (0, "0 of 2 files would change\n", "")


def test_check_prints_a_diff_and_writes_nothing(folder, capsys):
    path = folder / "common.yaml"
    code, out, err = run(capsys, "rules", "fmt", "--check", path)
    assert (code, err) == (3, "error: 1 of 1 files would change; run `tierbreak rules fmt` to change them\n")
    assert out == f"--- {path}\n+++ {path}\n@@ -1 +1,2 @@\n-fragments: {{gap: ' *'}}\n+fragments:\n+  gap: ' *'\n"
    assert path.read_text() == "fragments: {gap: ' *'}\n"


def test_a_file_that_is_no_yaml_is_left_as_it_is_and_the_others_are_written(folder, capsys):
    bad = folder / "bad.yaml"
    bad.write_text("brand: [\n")
    code, out, err = run(capsys, "rules", "fmt", folder)
    assert (code, out) == (3, "")
    assert f"{bad}:2:1: error[R001]: not YAML" in err
    assert err.endswith("2 of 3 files changed, 1 could not be read\n")
    assert bad.read_text() == "brand: [\n"
    assert (folder / "common.yaml").read_text() == "fragments:\n  gap: ' *'\n"


def test_what_is_no_rule_file_is_said(folder, tmp_path, capsys):
    other = tmp_path / "notes.txt"
    other.write_text("x")
    assert run(capsys, "rules", "fmt", other)[::2] == (
        3, f"error: {other}: not a rule file; their names end in .yaml or .yml\n",
    )  # fmt: skip
    assert "no such file or folder" in run(capsys, "rules", "fmt", tmp_path / "nothing")[2]
    assert run(capsys, "rules", "fmt", other, "--rules", folder)[0] == 2
    (tmp_path / "empty").mkdir()
    assert run(capsys, "rules", "fmt", tmp_path / "empty") == (0, "0 of 0 files changed\n", "")


def test_the_schema_is_named_where_one_lies_above(folder, capsys):
    for kind, name in (("", "schema.json"), ("--common", "common.schema.json")):
        code, out, _ = run(capsys, "rules", "schema", *([kind] if kind else []))
        assert code == 0
        (folder / name).write_text(out)
    uber, common = folder / "rideshare" / "uber.yaml", folder / "common.yaml"
    uber.write_text("# mine\n# yaml-language-server:  $schema=old.json\n" + TIDY)
    assert run(capsys, "rules", "fmt", folder)[0] == 0
    line = "# yaml-language-server: $schema={}\n"
    assert uber.read_text().startswith(line.format("../schema.json") + "# mine\n# about the file\nbrand: uber")
    assert common.read_text() == line.format("common.schema.json") + "fragments:\n  gap: ' *'\n"
    assert run(capsys, "rules", "fmt", folder)[1] == "0 of 2 files changed\n"
    (folder / "schema.json").write_text('{"title": "another"}')
    assert run(capsys, "rules", "fmt", folder)[1] == "0 of 2 files changed\n", "then it stays as it is"


def test_a_file_keeps_its_mode_and_a_link_stays_one(folder, tmp_path):
    place = folder / "common.yaml"
    place.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(place)
    write(link, "new: x\n")
    assert link.is_symlink()
    assert (place.read_text(), stat.S_IMODE(place.stat().st_mode)) == ("new: x\n", 0o640)
    assert sorted(path.name for path in folder.iterdir()) == ["common.yaml", "rideshare"], "nothing is left beside it"


def test_a_failed_write_leaves_the_file(folder, monkeypatch):
    place = folder / "common.yaml"

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(RulebookError, match=r"common\.yaml: cannot be written: No space left on device"):
        write(place, "new: x\n")
    assert place.read_text() == "fragments: {gap: ' *'}\n"
    assert sorted(path.name for path in folder.iterdir()) == ["common.yaml", "rideshare"]


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029"])
def test_a_separator_that_yaml_alone_takes_for_a_line_is_left_alone(separator):
    with pytest.raises(Unusual, match="a line separator that is no newline"):
        formatted(f"brand: uber # a{separator}owner: me\nrules: []\n")
