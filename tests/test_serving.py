"""What serves: closing under use, forks, reloads that keep what was asked for, brands that are retired."""

import datetime as dt
import multiprocessing
import os
import subprocess
import sys
import threading

import polars as pl
import pytest

import tierbreak
from engines import TinyModel, with_model
from tierbreak import Engine, EngineError, Settings

ROWS = pl.DataFrame({"descriptor": ["UBER", "SQ *KETTLE & CO"]})


class SlowModel(TinyModel):
    """Waits inside `judge` until it is let go."""

    def __init__(self):
        super().__init__()
        self.inside, self.go_on = threading.Event(), threading.Event()

    def judge(self, texts):
        self.inside.set()
        assert self.go_on.wait(60)
        return super().judge(texts)


def asked_for_ever(engine):
    """Ask until the engine says that it is closed: the closing thread may take its time to come to that."""
    while True:
        engine.classify_one("UBER")


def test_close_waits_for_those_who_are_being_answered(case_engine, tmp_path):
    model = SlowModel()
    engine = with_model(case_engine, model, tmp_path)
    said = []
    asking = threading.Thread(target=lambda: said.append(engine.classify(ROWS)["brand"].to_list()))
    asking.start()
    assert model.inside.wait(60)
    closing = threading.Thread(target=engine.close)
    closing.start()
    with pytest.raises(EngineError, match="this engine is closed"):
        asked_for_ever(engine)
    assert closing.is_alive(), "somebody is still being answered"
    model.go_on.set()
    asking.join(60)
    closing.join(60)
    assert said == [["uber", "starbucks"]]
    engine.close()  # twice does nothing


@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.classify(ROWS),
        lambda engine: engine.classify_one("UBER"),
        lambda engine: engine.classify_many(["UBER"]),
        lambda engine: engine.explain("UBER"),
        lambda engine: engine.reload(),
    ],
)
def test_a_closed_engine_says_so_for_every_call(case_engine, call):
    engine = with_model(case_engine, TinyModel())
    engine.close()
    with pytest.raises(EngineError, match="this engine is closed; load another one"):
        call(engine)


def in_a_fork(work):
    """What `work` returns, or the error it raises, as text, in a forked child of this process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = str(work())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        said = file.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_says_so_at_once(case_engine, monkeypatch):
    case_engine.classify(ROWS)
    said = in_a_fork(lambda: case_engine.classify(ROWS))
    assert said.startswith("EngineError: this engine was loaded in process")
    assert "start worker processes with spawn" in said
    monkeypatch.setattr("tierbreak.serving._PATIENCE", 1.0)
    said = in_a_fork(lambda: Engine.load(model=None, cache=None, settings=case_engine.settings))
    assert said.startswith("EngineError: this process was forked from one that had used polars"), said
    assert in_a_fork(case_engine.close) == "None"


def _brand_in_a_child(folder):
    with Engine.load(model=None, cache=None, settings=Settings(state=folder)) as engine:
        return engine.classify_one("NETFLIX.COM CA").brand


@pytest.mark.slow
def test_a_spawned_child_loads_its_own(shipped_rules):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_brand_in_a_child, [shipped_rules.settings.state] * 2) == ["netflix", "netflix"]


def test_reload_means_the_same_again(tmp_path, state):
    """An engine with rules of its own, no model and no cache keeps all three, and reads the rules anew."""
    text = "brand: {}\nowner: x\nrules: [{{id: x, match: [{{words: KETTLE}}]}}]\n"
    (tmp_path / "x.yaml").write_text(text.format("uber"))
    with Engine.load(rules=tmp_path, model=None, cache=None, settings=Settings(state=state)) as engine:
        (tmp_path / "x.yaml").write_text(text.format("lyft"))
        engine.reload()
        assert engine.classify_one("KETTLE").brand == "lyft"
        assert [rule.id for rule in engine.parts.book.rules] == ["x"]
        assert (engine.parts.model, engine.parts.cache) == (None, None)
        assert engine.stats()["reloads"] == 1


def test_what_is_given_to_reload_replaces_that_part_alone(tmp_path, state):
    for folder, brand, word in (("own", "uber", "KETTLE"), ("over", "lyft", "TEAL")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.yaml").write_text(
            f"brand: {brand}\nowner: x\nrules: [{{id: {folder}, match: [{{words: {word}}}]}}]\n"
        )
    with Engine.load(rules=tmp_path / "own", model=None, cache=None, settings=Settings(state=state)) as engine:
        engine.reload(overlay=tmp_path / "over")
        assert [engine.classify_one(text).brand for text in ("KETTLE", "TEAL")] == ["uber", "lyft"]
        engine.reload()
        assert engine.classify_one("TEAL").brand == "lyft", "the overlay is now what was asked for"
        engine.reload(overlay=None)
        assert [engine.classify_one(text).brand for text in ("KETTLE", "TEAL")] == ["uber", None]


BRANDS = """id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since
gone,Gone,coffee,,,,,retired,,2020-01-01
moved,Moved,coffee,,,,,retired,uber,2020-01-01
"""


def test_rules_of_a_retired_brand_decide_only_for_its_successor(tmp_path, state):
    (tmp_path / "brands.csv").write_text(BRANDS)
    for brand, word in (("gone", "KETTLE"), ("moved", "TEAL")):
        (tmp_path / f"{brand}.yaml").write_text(
            f"brand: {brand}\nowner: x\nrules: [{{id: {brand}.x, match: [{{words: {word}}}]}}]\n"
        )
    with Engine.load(rules=tmp_path, model=None, cache=None, settings=Settings(state=state)) as engine:
        assert [engine.classify_one(text).brand for text in ("KETTLE", "TEAL")] == [None, "uber"]
        assert engine.classify(pl.DataFrame({"descriptor": ["KETTLE"]}))["brand"].to_list() == [None]


def test_what_an_engine_has_done(case_engine, tmp_path):
    """Of four rows two settled by rules, one by the model, one open; the model was asked for two keys."""
    seen = []
    engine = with_model(case_engine, TinyModel(), tmp_path)
    engine._on_batch = seen.append
    with engine:
        engine.classify(pl.DataFrame({"descriptor": ["UBER", "UBER", "SQ *KETTLE & CO", "NOBODY KNOWS"]}))
        engine.classify_one("UBER")
        stats = engine.stats()
    assert stats["rows"] == 5
    assert {tier: n for tier, n in stats["tiers"].items() if n} == {"rules": 3, "model": 1, "abstained": 1}
    assert {reason: n for reason, n in stats["reasons"].items() if n} == {"no-known-brand": 1}
    assert (stats["hits"], stats["misses"]) == (0, 2)
    assert [result.rows.height for result in seen] == [4]


def test_a_brand_of_the_registry(case_engine):
    assert case_engine.brand("uber-eats").name == "Uber Eats"
    with pytest.raises(tierbreak.BatchError, match="no brand `uber-eatz`; near it: uber-eats"):
        case_engine.brand("uber-eatz")


def test_the_version_and_the_module_as_a_command():
    assert tierbreak.__version__.count(".") == 2
    run = subprocess.run([sys.executable, "-m", "tierbreak", "--help"], capture_output=True, text=True, check=True)
    assert "classify" in run.stdout


USER = """
import datetime as dt
import tierbreak
from tierbreak import Decision, Engine

def brands(engine: Engine, rows: list[str]) -> list[str | None]:
    decisions: list[Decision] = engine.classify_many(rows)
    return [decision.brand for decision in decisions]

one = Engine.load(model=None).classify_one("UBER", amount=-5, date=dt.date(2024, 1, 1))
if one.tier == "rules":
    print(one.to_dict(), tierbreak.__version__)
if one.reason == "below-treshold":
    print("never")
Engine.load().classify_one("UBER", ammount=-5)
"""


def test_a_strictly_typed_program_sees_the_types(tmp_path):
    """A reason that does not exist and a misspelt column: mypy names both, and nothing else."""
    (tmp_path / "user.py").write_text(USER)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent", "user.py"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    lines = run.stdout.splitlines()
    assert [line.partition(": error: ")[0] for line in lines if ": error: " in line] == ["user.py:13", "user.py:15"], (
        lines
    )


def test_dates_are_taken_once_a_run(case_engine, monkeypatch):
    """Midnight between two chunks of one run changes nothing within it."""
    days = iter([dt.date(2024, 1, 1), dt.date(2024, 1, 2)])

    class Clock(dt.date):
        @classmethod
        def today(cls):
            return next(days)

    with with_model(case_engine, TinyModel()) as engine:
        monkeypatch.setattr("tierbreak.serving.dt.date", Clock)
        first = engine.run(ROWS)
        assert engine.run(ROWS, as_of=first.as_of).as_of == first.as_of
