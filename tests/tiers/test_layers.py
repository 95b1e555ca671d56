"""Compiled rulebooks on the shelf: an edit compiles what it changed, answers do not depend on what lay there."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import threading

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.rulebook import Rulebook
from tierbreak.tiers.rules import RulesTier, compiled_cache, cross_check, database, layers

pytestmark = pytest.mark.skipif(not database.available(), reason="no hyperscan wheel for this platform")


@pytest.fixture
def compiled(monkeypatch):
    """How many expressions each database was compiled of, in turn."""
    sizes = []
    compile_ = database.Database.compile
    monkeypatch.setattr(database.Database, "compile", lambda e: sizes.append(len(e)) or compile_(e))
    return sizes


@pytest.fixture
def tried(monkeypatch):
    """The sources that the guard was asked to try, in turn."""
    asked = []
    wrong = cross_check.wrong

    def spy(scan, expressions, exact):
        if exact:
            asked.append(sorted(expressions[number].source.decode() for number in exact))
        return wrong(scan, expressions, exact)

    monkeypatch.setattr(cross_check, "wrong", spy)
    return asked


@pytest.fixture
def build(tmp_path):
    """build(regexes, examples) -> a tier with a shelf that lasts for the test; one rule for each regex."""

    def build(regexes, examples=None):
        rules = "".join(f"- {{id: r{n:03}, match: [{{regex: '{regex}'}}]}}\n" for n, regex in enumerate(regexes))
        (tmp_path / "x.yaml").write_text("brand: x\nowner: x\nrules:\n" + rules)
        book = Rulebook.load([tmp_path], {"x"})
        return RulesTier(book, examples or [[] for _ in regexes], shelf=tmp_path / "shelf")

    return build


def found(tier, texts):
    matches = tier.judge(pl.Series(texts))
    return list(zip(matches.text.tolist(), matches.rule.tolist(), strict=True))


def words(count, prefix="W"):
    """Regexes none of which is part of another."""
    return [f"{prefix}{n:03}" for n in range(count)]


# What is compiled


def test_the_second_start_compiles_nothing(build, compiled):
    for _ in range(2):
        assert found(build(["TEAL", r"[^A]\W"]), ["TEAL", "B."]) == [(0, 0), (1, 1)]
    assert compiled == [2]


def test_an_edit_compiles_what_it_changed(build, compiled):
    before, after = words(20), words(20)
    after[7] = "CHANGED"
    build(before)
    tier = build(after)
    assert compiled == [20, 1]
    assert found(tier, ["W007", "CHANGED", "W019 W000"]) == [(1, 7), (2, 0), (2, 19)], "W007 is gone"
    assert found(build(after), ["CHANGED"]) == [(0, 7)]
    assert found(build(before), ["W007 CHANGED"]) == [(0, 7)]
    assert compiled == [20, 1], "both lie on the shelf"


def test_small_layers_are_merged(build, compiled):
    regexes = words(100)
    build(regexes)
    for n in range(12):
        regexes[n] = f"CHANGED{n:02}"
        assert found(build(regexes), [f"CHANGED{n:02} W099"]) == [(0, n), (0, 99)]
    # A layer is taken in where what is new is half of it or more: 1, 1+1, 2+1, beside 3 one of 1, 3+1+1, …
    assert compiled == [100, 1, 2, 3, 1, 5, 1, 2, 8, 1, 2, 3, 1]
    assert len(build(regexes)._match._fast._parts) == layers.MOST


def test_where_most_has_changed_all_is_compiled_anew(build, compiled):
    build(words(30))
    tier = build([*words(15), *words(15, "V")])
    assert compiled == [30, 30]
    assert len(tier._match._fast._parts) == 1


def test_another_order_of_the_same_compiles_nothing(build, compiled):
    build(["TEAL", "KETTLE", "FARM"])
    assert found(build(["FARM", "TEAL", "KETTLE"]), ["TEAL", "FARM KETTLE"]) == [(0, 1), (1, 0), (1, 2)]
    assert compiled == [3]


def test_a_rule_taken_away_compiles_nothing(build, compiled):
    build(["TEAL", "KETTLE", "FARM"])
    assert found(build(["TEAL", "FARM"]), ["TEAL KETTLE", "FARM"]) == [(0, 0), (1, 1)]
    assert compiled == [3]


ATOMS = st.sampled_from(["TEAL", "KETTLE", "FARM", r"TEAL(?! FARM)", r"[^A]FARM", "T.*L", r"\bE", "É"])


@pytest.fixture(scope="module")
def sound():
    """The engine is not tried on the known shapes: that takes longer than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_check, "loses_known_shapes", lambda _probe: False)
        yield


@settings(max_examples=30, deadline=None)
@given(books=st.lists(st.lists(ATOMS, min_size=1, max_size=6, unique=True), min_size=2, max_size=5))
def test_after_any_edits_answers_are_those_of_a_fresh_compilation(tmp_path_factory, sound, books):
    folder = tmp_path_factory.mktemp("rules")
    texts = ["TEAL KETTLE FARM", "TEAL FARM", "AFARM É", "TEAL", "KETTLE"]
    for regexes in books:
        rules = "".join(f"- {{id: r{n}, match: [{{regex: '{regex}'}}]}}\n" for n, regex in enumerate(regexes))
        (folder / "x.yaml").write_text("brand: x\nowner: x\nrules:\n" + rules)
        book = Rulebook.load([folder], {"x"})
        examples = [["TEAL KETTLE"] for _ in regexes]
        edited = RulesTier(book, examples, shelf=folder / "shelf")
        fresh = RulesTier(book, examples, shelf=None)
        assert found(edited, texts) == found(fresh, texts)
        assert edited.quarantined == fresh.quarantined == ()


# What the guard tries


def test_an_edit_tries_what_it_changed(build, tried):
    regexes, examples = words(5), [[word] for word in words(5)]
    build(regexes, examples)
    assert tried == [regexes]
    build(regexes, examples)
    regexes[2], examples[2] = "CHANGED", ["CHANGED"]
    examples[4] = ["W004", "W004 AGAIN"]
    build(regexes, examples)
    assert tried[1:] == [["W004"], ["CHANGED"]], "an example more, and an expression that is new"
    build(regexes, examples)
    assert len(tried) == 3


def test_what_is_wrong_stays_known(build, monkeypatch, tried):
    """Quarantine holds over a restart and an edit elsewhere, and ends where the expression goes."""
    monkeypatch.setattr(cross_check, "wrong", lambda _scan, expressions, exact: {
        number: b"text" for number in exact if expressions[number].source == b"TEAL"
    })  # fmt: skip
    regexes, examples = ["TEAL", "KETTLE", "FARM"], [["TEAL"], ["KETTLE"], ["FARM"]]
    assert build(regexes, examples).quarantined == ("r000",)
    assert build(regexes, examples).quarantined == ("r000",)
    tier = build(["KETTLE", "TEAL", "BARN"], [["KETTLE"], ["TEAL"], []])
    assert tier.quarantined == ("r001",)
    assert found(tier, ["TEAL KETTLE", "FARM"]) == [(0, 0), (0, 1)]
    assert build(["KETTLE", "FARM"]).quarantined == ()


def test_a_merged_layer_is_tried_whole(build, tried):
    regexes, examples = words(9), [[word] for word in words(9)]
    build(regexes, examples)
    for n in range(2):
        regexes[n], examples[n] = f"CHANGED{n}", [f"CHANGED{n}"]
        build(regexes, examples)
    assert tried[1:] == [["CHANGED0"], ["CHANGED0", "CHANGED1"]]


# What lies on the shelf


@pytest.mark.parametrize("harm", ["cut", "flip", "flip a mark", "magic", "empty", "other engine", "header"])
def test_a_harmed_file_is_not_used_and_made_anew(build, tmp_path, compiled, caplog, harm):
    build(["TEAL", "KETTLE"])
    (path,) = (tmp_path / "shelf").glob("*.hsdb")
    data = path.read_bytes()
    mark = compiled_cache.mark_of(build(["TEAL"])._match.expressions[0])
    assert data.count(mark) == 1
    harmed = {
        "cut": data[: len(data) // 2],
        "flip": data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
        "flip a mark": data.replace(mark, mark[:-1] + bytes([mark[-1] ^ 1])),
        "magic": b"X" + data[1:],
        "empty": b"",
        "other engine": data.replace(b"wheel ", b"whale ", 1),
        "header": re.sub(rb'"expressions": \d+', b'"expressions": "2"', data),
    }
    path.write_bytes(harmed[harm])
    assert found(build(["TEAL", "KETTLE"]), ["TEAL", "KETTLE"]) == [(0, 0), (1, 1)]
    assert compiled == [2, 2]
    if harm in ("cut", "flip", "header"):
        assert "is set aside and made anew" in caplog.text
    build(["TEAL", "KETTLE"])
    assert compiled == [2, 2], "the file was replaced by a sound one"


def test_a_shelf_that_cannot_be_written_costs_only_time(build, tmp_path, compiled, caplog):
    (tmp_path / "shelf").write_text("a file where the folder should be")
    assert found(build(["TEAL"]), ["TEAL"]) == [(0, 0)]
    assert compiled == [1]
    assert "is not kept" in caplog.text


def test_only_the_newest_are_kept(build, tmp_path, monkeypatch):
    monkeypatch.setattr(compiled_cache, "KEPT", 2)
    for n in range(4):
        build([f"TEAL{n}"])
        newest = max((tmp_path / "shelf").glob("*.hsdb"), key=lambda path: path.stat().st_mtime)
        os.utime(newest, (n + 1, n + 1))
    assert len(list((tmp_path / "shelf").glob("*.hsdb"))) == 2


def test_an_engine_that_loses_the_known_shapes_leaves_nothing_on_the_shelf(build, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "probe", lambda _expressions, _texts: [set()])
    assert found(build(["TEAL"]), ["TEAL"]) == [(0, 0)]
    assert not list((tmp_path / "shelf").glob("*.hsdb"))


def test_a_shelf_that_may_only_be_read_serves(build, compiled, monkeypatch, caplog):
    build(["TEAL"])

    def refuse(*_args, **_named):
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(compiled_cache.os, "utime", refuse)
    monkeypatch.setattr(compiled_cache.atomic, "write", refuse)
    assert found(build(["TEAL"]), ["TEAL"]) == [(0, 0)]
    assert (compiled, caplog.records) == ([1], [])


# Several at once


@pytest.fixture
def locked(tmp_path):
    """The lock of the shelf, as another process has it while it compiles."""
    (tmp_path / "shelf").mkdir()
    with (tmp_path / "shelf" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def test_who_waits_takes_what_the_first_compiled(build, compiled, tmp_path, locked, monkeypatch):
    shelf = tmp_path / "shelf"
    shelf.rename(tmp_path / "aside")
    build(["TEAL"])
    made = list(shelf.glob("*.hsdb"))
    for path in made:
        path.rename(tmp_path / path.name)
    shutil.rmtree(shelf)
    (tmp_path / "aside").rename(shelf)
    assert compiled == [1]
    waits, tiers = threading.Event(), []
    sleep = compiled_cache.time.sleep
    monkeypatch.setattr(compiled_cache.time, "sleep", lambda seconds: waits.set() or sleep(seconds))
    thread = threading.Thread(target=lambda: tiers.append(build(["TEAL"])))
    thread.start()
    assert waits.wait(60)
    for path in made:
        (tmp_path / path.name).rename(path)
    fcntl.flock(locked, fcntl.LOCK_UN)
    thread.join(60)
    assert found(tiers[0], ["TEAL"]) == [(0, 0)]
    assert compiled == [1]


def test_nobody_waits_for_ever(build, compiled, locked, monkeypatch):
    monkeypatch.setattr(compiled_cache, "LOCK_SECONDS", 0.0)
    assert found(build(["TEAL"]), ["TEAL"]) == [(0, 0)]
    assert compiled == [1]


def test_of_processes_that_start_together_one_compiles(build, tmp_path):
    code = """if True:
        import sys
        from pathlib import Path
        from tierbreak.rulebook import Rulebook
        from tierbreak.tiers.rules import RulesTier, database
        compile_, sizes = database.Database.compile, []
        database.Database.compile = lambda e: sizes.append(len(e)) or compile_(e)
        folder = Path(sys.argv[1])
        RulesTier(Rulebook.load([folder], {"x"}), [[]] * 3, shelf=folder / "together")
        print(*sizes)
    """
    build(words(3))
    starts = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert sorted(start.communicate(timeout=120)[0] for start in starts) == ["\n", "\n", "3\n"]


# What a bundle brings


def test_a_shipped_shelf_is_read_and_never_written(build, compiled, tmp_path):
    build(["TEAL", "KETTLE", "FARM", "BARN"])
    shipped = (tmp_path / "shelf").rename(tmp_path / "shipped")
    (path,) = shipped.glob("*.hsdb")
    os.utime(path, (1, 1))
    book = Rulebook.load([tmp_path], {"x"})
    tier = RulesTier(book, [[]] * 4, shelf=tmp_path / "own", shipped=shipped)
    assert (found(tier, ["KETTLE"]), compiled, tier.is_kept()) == ([(0, 1)], [4], True)
    assert not (tmp_path / "own").exists()
    (tmp_path / "x.yaml").write_text((tmp_path / "x.yaml").read_text().replace("TEAL", "CHANGED"))
    tier = RulesTier(Rulebook.load([tmp_path], {"x"}), [[]] * 4, shelf=tmp_path / "own", shipped=shipped)
    assert (found(tier, ["CHANGED", "TEAL"]), compiled) == ([(0, 0)], [4, 1])
    assert set(shipped.iterdir()) == {shipped / ".lock", path}
    assert path.stat().st_mtime == 1
    assert len(list((tmp_path / "own").glob("*.hsdb"))) == 1


def test_databases_may_be_read_by_whoever_the_umask_allows(build, tmp_path):
    before = os.umask(0o022)
    try:
        build(["TEAL"])
    finally:
        os.umask(before)
    (path,) = (tmp_path / "shelf").glob("*.hsdb")
    assert oct(path.stat().st_mode)[-3:] == "644"
