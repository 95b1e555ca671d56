"""What was read before is what a fresh reading gives, after any edits; and only what changed is read again."""

import errno
import os
import stat
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.errors import RulebookError
from tierbreak.rulebook import Rulebook, files, parse_cache

BRANDS = {"uber", "taxi"}
COMMON = "fragments:\n  shop: 'SQ ?\\*'\n"
SHOP = "brand: uber\nowner: x\nrules: [{id: shop, match: [{regex: '{{shop}} *UBER'}]}]\n"


def rule_file(id="a", word="TAXI", brand="taxi", more=""):
    return f"brand: {brand}\nowner: x\nrules: [{{id: {id}, match: [{{words: {word}}}]{more}}}]\n"


@pytest.fixture
def write(tmp_path):
    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return tmp_path

    return write


@pytest.fixture
def keep(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def parsed(monkeypatch):
    """Names of the files that were read and not taken from what is kept."""
    names = []
    read = files.FileReader.rules
    monkeypatch.setattr(files.FileReader, "rules", lambda reader: names.append(reader.path.stem) or read(reader))
    return names


def load(folder, keep):
    return Rulebook.load([folder], BRANDS, keep=keep)


def everything(reading):
    edges = reading.book.edges.tolist()
    return reading.book.rules, reading.book.fingerprint, edges, reading.faults, reading.lost, dict(reading.files)


# Any edits at all


CONTENT = st.sampled_from(
    [
        rule_file(),
        rule_file(word="CAB"),
        rule_file(id="b", more=", outranks: [a]"),
        rule_file(id="a", more=", outranks: [b]"),
        rule_file(id="b", more=", examples: [TAXI É, {descriptor: TAXI 1, amount: -1.5, date: 2020-02-03}]"),
        rule_file(brand="nobody"),
        SHOP,
        "brand: taxi\nowner: NO\n",
        "brand: [",
        "",
    ]
)
EDIT = st.one_of(
    st.tuples(st.sampled_from(["one", "two", "sub/three"]), CONTENT | st.none()),
    st.tuples(st.just("common"), st.sampled_from([COMMON, COMMON.replace("SQ", "TST"), "fragments: 1\n", None])),
)


@settings(max_examples=60, deadline=None)
@given(rounds=st.lists(st.lists(EDIT, min_size=1, max_size=3), min_size=1, max_size=6))
def test_after_any_edits_what_is_kept_is_what_a_fresh_reading_gives(tmp_path_factory, rounds):
    folder, keep = tmp_path_factory.mktemp("rules"), tmp_path_factory.mktemp("kept")
    (folder / "sub").mkdir()
    for edits in rounds:
        for name, text in edits:
            path = folder / f"{name}.yaml"
            if text is None:
                path.unlink(missing_ok=True)
            else:
                path.write_text(text)
        for _ in range(2):
            again = Rulebook.read([folder], BRANDS, keep=keep)
            assert everything(again) == everything(Rulebook.read([folder], BRANDS))


# What is read again


def test_only_the_edited_file_is_read_again(write, keep, parsed):
    folder = write(one=rule_file("a"), two=rule_file("b"), three=rule_file("c"))
    first = load(folder, keep)
    assert parsed == ["one", "three", "two"]
    parsed.clear()
    assert load(folder, keep).rules == first.rules
    assert parsed == []
    write(two=rule_file("b", word="CAB"))
    assert load(folder, keep).rules[1].match[0].text == "CAB"
    assert parsed == ["two"]


def test_a_file_with_faults_is_kept_with_them(write, keep, parsed):
    folder = write(one=rule_file("a"), two="brand: taxi\nowner: x\nrules: [{id: b}]\n")
    messages = []
    for _ in range(2):
        with pytest.raises(RulebookError) as caught:
            load(folder, keep)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert "rule has no `match`" in messages[0]
    assert parsed == ["one", "two"]


def test_a_changed_fragment_reads_again_the_files_that_name_one(write, keep, parsed):
    folder = write(common=COMMON, one=rule_file("a"), two=SHOP)
    load(folder, keep)
    parsed.clear()
    write(common=COMMON.replace("SQ", "TST"))
    assert load(folder, keep).rules[1].match[0].expression.source == rb"(?:TST ?\*) *UBER"
    assert parsed == ["two"]


def test_another_registry_is_asked_anew(write, keep):
    folder = write(one=rule_file())
    load(folder, keep)
    with pytest.raises(RulebookError, match="not in the registry"):
        Rulebook.load([folder], {"uber"}, keep=keep)


def test_the_same_file_at_another_place_is_another(write, keep, tmp_path_factory):
    load(write(one=rule_file()), keep)
    other = tmp_path_factory.mktemp("other")
    (other / "one.yaml").write_text(rule_file())
    assert load(other, keep).rules[0].place.path == str(other / "one.yaml")


def test_what_was_read_at_one_place_holds_at_another(write, keep, parsed, tmp_path_factory):
    """As a bundle brings it: another folder, other names of folders, and only ever read."""
    reading = Rulebook.read(
        [write(one=rule_file("a"), two="brand: taxi\nowner: x\nrules: [{id: b}]\n")], BRANDS, keep=keep
    )
    other = tmp_path_factory.mktemp("other") / "deep" / "er"
    other.mkdir(parents=True)
    for path in reading.files:
        (other / path.name).write_bytes(path.read_bytes())
    parsed.clear()
    before = {path: path.stat().st_mtime_ns for path in keep.iterdir()}
    again = Rulebook.read([other], BRANDS, keep=tmp_path_factory.mktemp("own"), shipped=keep)
    assert parsed == []
    assert everything(again) == everything(Rulebook.read([other], BRANDS))
    assert again.book.rules[0].place.path == str(other / "one.yaml")
    assert {path: path.stat().st_mtime_ns for path in keep.iterdir()} == before


def test_a_text_that_looks_like_what_stands_for_the_path_is_not_kept(write, keep, parsed):
    folder = write(one='brand: taxi\nowner: x\nrules: [{id: a, match: [{words: TAXI}], examples: ["\\0"]}]\n')
    first, again = (Rulebook.read([folder], BRANDS, keep=keep) for _ in range(2))
    assert everything(first) == everything(again)
    assert parsed == ["one", "one"]


def test_a_folder_that_may_only_be_read_serves(write, keep, parsed, monkeypatch, caplog):
    folder = write(one=rule_file())
    load(folder, keep)

    def refuse(*_args, **_named):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(parse_cache.Path, "touch", refuse)
    load(folder, keep)
    assert (parsed, caplog.records) == (["one"], [])


def test_other_code_reads_everything_again(write, keep, parsed, monkeypatch):
    folder = write(one=rule_file())
    load(folder, keep)
    monkeypatch.setattr(files, "_code", lambda: b"other")
    load(folder, keep)
    assert parsed == ["one", "one"]


def test_the_code_that_read_is_all_of_the_package():
    assert parse_cache.code("tierbreak.rulebook") != parse_cache.code("tierbreak.rulebook", "tierbreak.errors")
    assert parse_cache.code("tierbreak.rulebook") == parse_cache.code("tierbreak.rulebook")


# The file it is kept in


@pytest.mark.parametrize("harm", ["empty", "cut", "flip", "other"])
def test_a_harmed_file_is_set_aside(write, keep, caplog, harm):
    folder = write(one=rule_file("a"), two=rule_file("b"))
    first = load(folder, keep)
    (path,) = keep.glob("*.kept")
    data = path.read_bytes()
    at = data.index(b"TAXI")
    harmed = {"empty": b"", "cut": data[:-9], "flip": data[:at] + b"M" + data[at + 1 :], "other": b"{}"}
    path.write_bytes(harmed[harm])
    assert load(folder, keep).rules == first.rules
    assert "is set aside and made anew" in caplog.text
    assert path.read_bytes() == data


def test_an_entry_of_another_shape_is_read_anew(write, keep):
    folder = write(one=rule_file())
    first = load(folder, keep)
    name = files.kept_name([folder])
    parse_cache.write(keep, name, dict.fromkeys(parse_cache.read(keep, name), b'{"rules": 1}'))
    assert load(folder, keep).rules == first.rules


def test_a_folder_that_cannot_be_written_costs_only_time(write, keep, caplog):
    blocked = keep / "file"
    blocked.write_text("a file where the folder should be")
    assert load(write(one=rule_file()), blocked).rules
    assert "is not kept" in caplog.text


def test_only_the_newest_are_kept(keep, monkeypatch):
    monkeypatch.setattr(parse_cache, "KEPT", 2)
    for n in range(4):
        parse_cache.write(keep, str(n), {b"x" * parse_cache.KEY: b"value"})
        os.utime(keep / f"{n}.kept", (n, n))
    assert sorted(path.stem for path in keep.glob("*.kept")) == ["2", "3"]


@given(
    st.dictionaries(st.binary(min_size=parse_cache.KEY, max_size=parse_cache.KEY), st.binary(max_size=40), max_size=6)
)
def test_what_is_written_is_read(tmp_path_factory, entries):
    folder = tmp_path_factory.mktemp("kept")
    parse_cache.write(folder, "name", entries)
    assert parse_cache.read(folder, "name") == entries


def test_what_another_user_keeps_is_read(tmp_path, monkeypatch):
    """It may be read and not touched."""
    entries = {bytes(parse_cache.KEY): b"answer"}
    parse_cache.write(tmp_path, "name", entries)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "name.kept").stat().st_mode) == 0o666 & ~umask

    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refused)
    assert parse_cache.read(tmp_path, "name") == entries


# Which files are read


def test_hidden_files_and_folders_are_not_rules(write, tmp_path):
    folder = write(one=rule_file())
    (tmp_path / ".#one.yaml").symlink_to("somebody@nowhere.1:1")  # an editor's lock
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "two.yaml").write_text("not a rule\n")
    assert [path.name for path in files.listed(folder)[0]] == ["one.yaml"]


def test_a_file_that_goes_while_others_are_read_is_a_fault(write, tmp_path):
    write(one=rule_file())
    data, faults = files.contents([tmp_path / "one.yaml", tmp_path / "gone.yaml"])
    assert [path.name for path in data] == ["one.yaml"]
    assert [(fault.code, fault.path.name, fault.found) for fault in faults] == [
        ("R001", "gone.yaml", "No such file or directory")
    ]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_fault(write, tmp_path):
    (write(one=rule_file()) / "one.yaml").chmod(0)
    with pytest.raises(RulebookError, match=r"one.yaml: error\[R001\]: file cannot be read"):
        load(tmp_path, None)


def test_a_link_in_a_circle_is_a_fault(write, tmp_path):
    folder = write(one=rule_file())
    (tmp_path / "two.yaml").symlink_to("two.yaml")
    reading = Rulebook.read([folder], BRANDS)
    assert [(fault.path.name, fault.says) for fault in reading.faults] == [("two.yaml", "file cannot be read")]
    assert [rule.id for rule in reading.book.rules] == ["a"]
    assert reading.lost.files
