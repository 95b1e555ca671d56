"""No rule file is left out in silence, and none takes more than its size is worth."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from tierbreak.errors import RulebookError
from tierbreak.rulebook import Rulebook, files, nodes, reader
from tierbreak.tools.rules.authoring.files import lay_out


def rules(*lines, brand="uber"):
    return f"brand: {brand}\nowner: me\nrules:\n" + "".join(f"- {line}\n" for line in lines)


ONE = rules("{id: a, match: [{words: A}]}")
TWO = rules("{id: b, match: [{words: B}]}")


def faults(folder):
    return [(fault.code, fault.path.name, fault.says) for fault in Rulebook.read([folder], {"uber"}).faults]


def said(tmp_path, text):
    """The faults of a file: code, place, words."""
    (tmp_path / "x.yaml").write_bytes(text.encode())
    return [(each.code, each.line, each.column, each.says) for each in Rulebook.read([tmp_path], {"uber"}).faults]


# Nothing in silence


def test_a_folder_that_cannot_be_looked_into_is_a_fault(tmp_path, monkeypatch):
    (tmp_path / "one.yaml").write_text(ONE)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "two.yaml").write_text(TWO)
    look = os.scandir

    def scandir(path):
        if Path(path).name == "closed":  # root may look into any
            raise PermissionError(13, "Permission denied")
        return look(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert faults(tmp_path) == [("R001", "closed", "folder cannot be read")]
    with pytest.raises(RulebookError, match="Permission denied"):
        Rulebook.load([tmp_path], {"uber"})


@pytest.mark.parametrize("name", ["B.YAML", "b.Yml"])
def test_a_suffix_in_capitals_is_a_fault(tmp_path, name):
    (tmp_path / name).write_text(ONE)
    assert faults(tmp_path) == [("R001", name, "suffix in capital letters")]
    with pytest.raises(RulebookError, match=f"rename it to {name[:2].strip('.')}.{name[2:].lower()}"):
        Rulebook.load([tmp_path], {"uber"})


def test_a_link_to_a_folder_is_a_fault_and_one_to_a_file_is_not(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "one.yaml").write_text(ONE)
    (tmp_path / "rules" / "one.yaml").symlink_to(tmp_path / "one.yaml")
    (tmp_path / "rules" / "more").symlink_to(tmp_path / "elsewhere")
    assert faults(tmp_path / "rules") == [("R001", "more", "a link to a folder is not followed")]
    (tmp_path / "rules" / "more").unlink()
    (tmp_path / "rules" / "gone.yaml").symlink_to(tmp_path / "nowhere")
    assert faults(tmp_path / "rules") == [("R001", "gone.yaml", "file cannot be read")]


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
def test_a_pipe_is_a_fault_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "x.yaml")
    assert faults(tmp_path) == [("R001", "x.yaml", "not a regular file")]
    assert [fault.says for fault in lay_out([tmp_path / "x.yaml"])[1]] == ["not a regular file"]


def test_folders_may_lie_deep(tmp_path):
    folder = tmp_path
    for _ in range(1_500):
        os.mkdir(folder := folder / "a")  # noqa: PTH102  # mkdir of a Path resolves nothing either
    (folder / "one.yaml").write_text(ONE)
    assert [rule.id for rule in Rulebook.load([tmp_path], {"uber"}).rules] == ["a"]


# Limits that are said


def test_a_file_may_not_be_larger_than_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", len(ONE))
    monkeypatch.setattr(files, "_AT_ONCE", 7)
    (tmp_path / "x.yaml").write_text(ONE)
    assert faults(tmp_path) == []
    (tmp_path / "x.yaml").write_text(ONE + "#")
    assert faults(tmp_path) == [("R001", "x.yaml", "file is too large")]


def test_patterns_and_examples_of_a_file_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MOST", {"patterns": 3, "examples": 2})
    full = rules(
        "{id: a, match: [{words: A}, {words: B}], unless: [{words: C}], examples: [A]}",
        "{id: b, match: [{words: D}, {words: E}], examples: [D], counterexamples: [X], todo: [Y]}",
        "{id: c, match: [{words: F}], examples: [F]}",
    )
    assert said(tmp_path, full) == [
        ("R001", 5, 19, "file has too many patterns"),
        ("R001", 5, 77, "file has too many examples"),
    ]


def test_an_alias_is_refused_before_anything_stands_for_it(tmp_path):
    text = "brand: uber\nowner: me\nnote: &n H&M & CO\nrules:\n- {id: a, match: [{words: A}], note: *n}\n"
    assert said(tmp_path, text) == [("R002", 5, 38, "`*n` stands for what is written elsewhere")]
    sound = rules("{id: a, match: [{words: A}], examples: ['A &B *C', A & *B], note: &n text}")
    assert said(tmp_path, sound) == []


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029"])
def test_a_separator_that_few_programs_take_for_a_line_is_refused(tmp_path, separator):
    text = ONE + f"# one{separator}two\n"
    assert said(tmp_path, text) == [
        ("R001", 5, 6, f"a line separator (U+{ord(separator):04X}) that few programs take for one")
    ]
    assert lay_out([tmp_path / "x.yaml"])[0] == []


@pytest.mark.parametrize("text", ["[" * 5_000, "{a: " * 5_000, "- " * 5_000])
@pytest.mark.parametrize("loader", [nodes.Loader, yaml.SafeLoader])
def test_lists_in_lists_without_end_are_a_fault(tmp_path, monkeypatch, text, loader):
    monkeypatch.setattr(nodes, "Loader", loader)
    assert [fault[0] for fault in said(tmp_path, text)] == ["R001"]


def test_words_and_patterns_that_are_too_long_are_faults_at_their_place(tmp_path):
    text = rules(
        f"{{id: a, match: [{{words: {'A' * 300_000}}}]}}",
        f"{{id: b, match: [{{exact: {'É' * 2_000}}}]}}",
        f"{{id: c, match: [{{regex: '{'(' * 3_000}A{')' * 3_000}'}}]}}",
        f"{{id: d, match: [{{regex: '{'|'.join(f'SHOP{n}' for n in range(800))}'}}]}}",
    )
    assert [(code, line) for code, line, _, _ in said(tmp_path, text)] == [
        ("R010", 4), ("R010", 5), ("R010", 6), ("R020", 7),
    ]  # fmt: skip


def test_a_pattern_that_may_freeze_never_runs_its_example(tmp_path):
    text = rules("{id: a, match: [{regex: '(A+)+(?=B)C'}], examples: [" + "A" * 60 + "]}")
    assert [fault[:3] for fault in said(tmp_path, text)] == [("R043", 4, 27)]


# Suggestions


def test_the_first_ten_unknown_brands_are_told_what_may_have_been_meant(tmp_path):
    for number in range(20):
        text = rules(f"{{id: r{number:02}, match: [{{words: A}}]}}", brand=f"ubr{number:02}")
        (tmp_path / f"{number:02}.yaml").write_text(text)
    found = Rulebook.read([tmp_path], {"ubr", *(f"brand-{n}" for n in range(50))}).faults
    assert [fault.code for fault in found] == ["R012"] * 20
    assert [fault.fix for fault in found] == ["did you mean ubr?"] * 10 + ["add it to brands.csv first"] * 10


def test_the_first_ten_loose_edges_too(tmp_path):
    lines = [f"{{id: r{n:02}, match: [{{words: A}}], outranks: [above{n:02}]}}" for n in range(20)]
    (tmp_path / "x.yaml").write_text(rules("{id: above, match: [{words: A}]}", *lines))
    found = [fault.fix for fault in Rulebook.read([tmp_path], {"uber"}).faults]
    assert found == ["did you mean above?"] * 10 + ["drop the edge"] * 10
