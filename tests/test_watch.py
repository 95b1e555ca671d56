"""An engine follows its rule files: what loads is taken over whole, what does not leaves the old rules serving."""

import threading
import time

import polars as pl
import pytest

from engines import TinyModel
from tierbreak import Engine, Settings, watch
from tierbreak.core.tables import TOP_K
from tierbreak.packing import pack
from tierbreak.parts import Parts
from tierbreak.rulebook import files

#: Seconds that a test waits at most for what is to come soon: others may be using the machine.
LONG = 60


def soon(happened):
    """Wait until `happened()`; fails where it does not."""
    end = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def save(folder, brand, words=("TEAL", "KETTLE"), name="rules"):
    """Write a rule for each of `words`, all of one brand, in one step as editors do."""
    rules = "".join(f"- {{id: {brand}.{word.lower()}, match: [{{words: {word}}}]}}\n" for word in words)
    put(folder, f"brand: {brand}\nowner: x\nrules:\n{rules}", name)


def put(folder, text, name="rules"):
    (folder / f"{name}.new").write_text(text)
    (folder / f"{name}.new").replace(folder / f"{name}.yaml")


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """Files are written in one step here, so they need not come to rest for as long as an editor's; and every change
    reads the registry anew, which is one of few brands."""
    monkeypatch.setattr(watch, "REST", 0.01)
    brands = ("lyft", "starbucks", "uber", *(label for label in TinyModel.labels if label.startswith("filler")))
    lines = "".join(f"{brand},{brand},x,,,,,active,,\n" for brand in brands)
    (tmp_path / "shipped" / "rules").mkdir(parents=True)
    (tmp_path / "shipped" / "rules" / "brands.csv").write_text(
        f"id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since\n{lines}"
    )
    monkeypatch.setattr("tierbreak.bundle.shipped", lambda: tmp_path / "shipped")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    save(folder, "lyft")
    return folder


@pytest.fixture
def engine(folder, state):
    with Engine.load(rules=folder, model=None, cache=None, settings=Settings(state=state)) as engine:
        yield engine


def brand(engine, text="TEAL"):
    return engine.classify_one(text).brand


def test_a_save_serves(engine, folder):
    told = []
    with engine.watch(every=0.01, on_change=told.append) as following:
        assert brand(engine) == "lyft"
        save(folder, "starbucks")
        soon(lambda: brand(engine) == "starbucks")
        save(folder, "uber", name="more", words=["FARM"])
        soon(lambda: brand(engine, "FARM") == "uber")
        (folder / "more.yaml").unlink()
        soon(lambda: brand(engine, "FARM") is None)
        soon(lambda: len(told) == 3)
    assert following.reloads == 3
    assert told == [None, None, None]
    assert engine.notices == []


def test_what_was_saved_before_the_watch_began_serves(engine, folder):
    save(folder, "starbucks")
    with engine.watch(every=LONG):
        soon(lambda: brand(engine) == "starbucks")


def test_a_broken_file_never_takes_the_old_rules_down(engine, folder):
    told = []
    serving = engine.fingerprint
    with engine.watch(every=0.01, on_change=told.append) as following:
        put(folder, "brand: starbucks\nowner: x\nrules: [{id: a}, {id: b, match: [{regex: '('}]}]\n")
        soon(lambda: following.error)
        assert (brand(engine), engine.fingerprint) == ("lyft", serving)
        assert [fault.code for fault in following.error.faults] == ["R003", "R010"]
        assert engine.notices == [
            "the rules on disk do not load, the old ones serve on: 2 faults in the rulebook; nothing was loaded"
        ]
        put(folder, "brand: [")
        soon(lambda: len(told) == 2)
        assert brand(engine) == "lyft"
        save(folder, "starbucks")
        soon(lambda: brand(engine) == "starbucks")
        soon(lambda: len(told) == 3)
        assert (engine.notices, following.error, told[2]) == ([], None, None)
        assert all(isinstance(error, Exception) for error in told[:2])


def test_a_file_that_is_mended_as_it_was_is_said_to_be(engine, folder):
    told = []
    whole = (folder / "rules.yaml").read_text()
    with engine.watch(every=0.01, on_change=told.append) as following:
        put(folder, "brand: [")
        soon(lambda: following.error)
        put(folder, whole)
        soon(lambda: len(told) == 2)
    assert (following.error, told[1], following.reloads) == (None, None, 0)


def test_a_pattern_that_does_not_compile_and_a_folder_that_goes(engine, folder, tmp_path):
    with engine.watch(every=0.01) as following:
        put(folder, "brand: lyft\nowner: x\nrules: [{id: a, match: [{regex: '(?:(?:FARM){900}){900}'}]}]\n")
        soon(lambda: following.error)
        assert [fault.code for fault in following.error.faults] == ["R020"]
        folder.rename(tmp_path / "away")
        soon(lambda: "no such folder" in str(following.error))
        assert brand(engine) == "lyft"
        save(tmp_path / "away", "starbucks")
        (tmp_path / "away").rename(folder)
        soon(lambda: brand(engine) == "starbucks")


def test_no_answer_is_wrong_or_half_while_rules_are_saved(engine, folder):
    """Twenty saves, every fifth of them broken, under two threads that classify: each batch is of one version."""
    seen, stop = set(), threading.Event()

    def classify():
        rows = pl.DataFrame({"descriptor": ["TEAL", "NOBODY", "KETTLE"] * 10})
        while not stop.is_set():
            seen.add(tuple(engine.classify(rows)["brand"].to_list()))

    threads = [threading.Thread(target=classify) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        with engine.watch(every=0.01) as following:
            for turn in range(1, 21):
                if turn % 5:
                    name = ("lyft", "starbucks")[turn % 2]
                    save(folder, name)
                    soon(lambda name=name: brand(engine) == name and following.error is None)
                else:
                    put(folder, "brand: starbucks\nowner: x\nrules: [{id: a")
                    soon(lambda: following.error)
            save(folder, "uber")
            soon(lambda: brand(engine) == "uber")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert seen <= {(name, None, name) * 10 for name in ("lyft", "starbucks", "uber")}
    assert len(seen) > 1


def test_words_of_a_comment_are_no_change(engine, folder):
    told = []
    with engine.watch(every=0.01, on_change=told.append) as following:
        put(folder, "# one line more\n" + (folder / "rules.yaml").read_text())
        soon(lambda: engine.parts.book.rules[0].place.line == 5)
    assert (following.reloads, told) == (0, [])


def test_a_brand_that_is_added_beside_the_rules_serves(engine, folder):
    with engine.watch(every=0.01) as following:
        save(folder, "corner-shop")
        soon(lambda: following.error)
        assert "brand `corner-shop` is not in the registry" in str(following.error)
        header = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since"
        (folder / "brands.csv").write_text(f"{header}\ncorner-shop,Corner Shop,grocery,,,,,active,,\n")
        soon(lambda: brand(engine) == "corner-shop")


def test_model_and_cache_stay_as_they_are(engine, folder):
    ids = engine.parts.registry.ids

    class Model(TinyModel):
        labels = ids[: TOP_K + 2]

    model = Model()
    with Engine(engine.parts, engine.settings) as other:
        object.__setattr__(other.parts, "model", model)
        with other.watch(every=0.01):
            save(folder, "starbucks")
            soon(lambda: brand(other) == "starbucks")
        assert other.parts.model is model
        assert other.fingerprints["model"] == model.fingerprint


def test_after_a_reload_the_other_rules_are_followed(engine, folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    save(other, "starbucks")
    with engine.watch(every=0.01):
        engine.reload(rules=other, model=None, cache=None)
        assert brand(engine) == "starbucks"
        save(other, "uber")
        soon(lambda: brand(engine) == "uber")
        save(folder, "lyft")
        time.sleep(0.3)
        assert brand(engine) == "uber"


def test_a_rollback_holds_until_the_next_save(engine, folder):
    with engine.watch(every=0.01):
        save(folder, "starbucks")
        soon(lambda: brand(engine) == "starbucks")
        engine.rollback()
        time.sleep(0.3)
        assert brand(engine) == "lyft"
        save(folder, "uber")
        soon(lambda: brand(engine) == "uber")


def test_what_was_built_for_an_engine_that_moved_on_is_dropped(engine, folder):
    old = engine.parts
    save(folder, "starbucks")
    new = old.again(engine.settings)
    engine.reload(rules=folder, model=None, cache=None)
    serving = engine.parts
    assert not engine._servings.replace(old, new)
    assert engine.parts is serving


def test_stopped_is_stopped(engine, folder):
    with engine.watch(every=0.01) as first, engine.watch(every=0.01) as second:
        assert not first._thread.is_alive(), "a second watch ends the first"
        second.stop()
        assert not second._thread.is_alive()
        save(folder, "starbucks")
        time.sleep(0.3)
        assert brand(engine) == "lyft"
        third = engine.watch(every=0.01)
    engine.close()
    assert not third._thread.is_alive()


def test_what_is_being_built_when_the_watch_is_stopped_does_not_serve(engine, folder, monkeypatch):
    again, begun = Parts.again, threading.Event()

    def stopped_meanwhile(parts, settings):
        begun.wait(10)
        following.stop()
        return again(parts, settings)

    save(folder, "starbucks")
    monkeypatch.setattr(Parts, "again", stopped_meanwhile)
    following = engine.watch(every=0.01)
    begun.set()
    soon(lambda: not following._thread.is_alive())
    assert (brand(engine), following.reloads) == ("lyft", 0)


def test_on_change_may_stop_the_watch_and_may_fail(engine, folder, caplog):
    def stop(_):
        following.stop()
        raise RuntimeError("mine")

    with engine.watch(every=0.01, on_change=stop) as following:
        save(folder, "starbucks")
        soon(lambda: not following._thread.is_alive())
    assert "on_change failed" in caplog.text


def test_a_fault_of_our_own_keeps_the_old_rules_too(engine, folder, monkeypatch, caplog):
    again = Parts.again

    def broken(*_):
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr(Parts, "again", broken)
    with engine.watch(every=0.01) as following:
        soon(lambda: following.error)
        assert brand(engine) == "lyft"
        assert "Traceback" in caplog.text
        monkeypatch.setattr(Parts, "again", again)
        save(folder, "starbucks")
        soon(lambda: brand(engine) == "starbucks")


def test_files_that_go_while_they_are_read_are_no_error_but_seen_anew(engine, folder, monkeypatch):
    read, told = files.contents, []

    def contents(paths):
        """On the first reading another program takes a file away that has been listed already."""
        (folder / "more.yaml").unlink(missing_ok=True)
        return read(paths)

    save(folder, "uber", name="more", words=["FARM"])
    save(folder, "starbucks")
    monkeypatch.setattr(files, "contents", contents)
    with engine.watch(every=0.01, on_change=told.append) as following:
        soon(lambda: brand(engine) == "starbucks")
        soon(lambda: told)
    assert (told, following.error) == ([None], None)


def test_a_rule_that_would_freeze_the_service_never_serves(engine, folder):
    told = []
    with engine.watch(every=0.01, on_change=told.append) as following:
        put(
            folder,
            "brand: lyft\nowner: x\nrules:\n- id: a\n  match: [{regex: '(A+)+(?=B)C'}]\n  examples: [" + "A" * 60 + "]",
        )
        soon(lambda: told)
        assert brand(engine) == "lyft"
    assert "error[R043]" in str(following.error)


def test_files_are_read_once_they_have_come_to_rest(monkeypatch):
    monkeypatch.setattr(watch, "REST", 0)
    looks = iter([1, 2, 3, 3, 3, 3, 4, 4, 5, 6, 6])
    stop = threading.Event()

    def look():
        return next(looks)

    found = []
    for seen in watch.changes(look, stop, every=0):
        found.append(seen)
        if seen == 6:
            stop.set()
    assert found == [3, 4, 6]


def test_files_that_never_come_to_rest_are_read_all_the_same(monkeypatch):
    monkeypatch.setattr(watch, "REST", 0)
    looks = iter(range(1000))
    assert next(watch.changes(lambda: next(looks), threading.Event(), every=0)) == watch.PATIENCE


def test_stamps_are_of_rule_files_that_are_there(folder):
    (folder / ".rules.yaml.swp").write_text("")
    (folder / ".hidden.yaml").write_text("")
    before = watch.stamps([folder], [folder / "brands.csv"])
    assert list(before) == [str(folder / "rules.yaml")]
    (folder / "brands.csv").write_text("")
    save(folder, "lyft")
    after = watch.stamps([folder], [folder / "brands.csv"])
    assert sorted(after) == [str(folder / "brands.csv"), str(folder / "rules.yaml")]
    assert after[str(folder / "rules.yaml")] != before[str(folder / "rules.yaml")], "the same content, saved again"


def test_a_packed_bundle_that_is_edited_is_not_what_its_manifest_states(engine, tmp_path, state):
    pack(engine, tmp_path / "packed")
    with Engine.load(tmp_path / "packed", cache=None, settings=Settings(state=state)) as packed:
        with packed.watch(every=0.01) as following:
            save(tmp_path / "packed" / "rules-0", "starbucks")
            soon(lambda: following.error)
        assert "bundle is not what its manifest states" in str(following.error)
        assert brand(packed) == "lyft"
