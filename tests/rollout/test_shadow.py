"""The caller gets the old engine's answers; the other side is asked beside it, and cannot be felt."""

import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from engines import CASE_RULES
from tierbreak import Engine, Settings, SettingsError, Shadow
from tierbreak.rollout import shadow as module
from tierbreak.rollout import shadowed

ROWS = pl.DataFrame(
    {"descriptor": ["UBER TRIP", "NOBODY", "LYFT RIDE", "UBER EATS"], "amount": [-1.0, -2.0, None, -4.0]}
)


class Fixed:
    """A side that always says lyft."""

    def classify(self, rows):
        said = {"brand": "lyft", "tier": "rules", "confidence": None, "rule": "x", "reason": None}
        return rows.with_columns(pl.lit(value, dtype=pl.String).alias(name) for name, value in said.items())


class Failing:
    def classify(self, rows):
        raise RuntimeError("no such luck")


class Hangs:
    def classify(self, rows):
        time.sleep(600)


class Exits:
    """Answers nothing and is gone, whatever it is asked."""

    def classify(self, rows):
        os._exit(3)


class Fewer(Fixed):
    def classify(self, rows):
        return super().classify(rows).head(1)


def dies():
    raise SystemExit(1)


@contextlib.contextmanager
def ended(shadow):
    """A Shadow that has all the time it needs to send what waits: on a machine that is busy its process waits long."""
    try:
        yield shadow
    finally:
        shadow.close(timeout=240)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_old_side_answers_and_both_are_logged(case_engine, tmp_path):
    log = tmp_path / "log.jsonl"
    with ended(Shadow(case_engine, Fixed, log=log)) as shadow:
        assert shadow.classify(ROWS).equals(case_engine.classify(ROWS))
        assert shadow.classify_one("UBER TRIP", amount=-3.0) == case_engine.classify_one("UBER TRIP", amount=-3.0)
    rows = lines(log)
    assert [row["descriptor"] for row in rows] == [*ROWS["descriptor"], "UBER TRIP"]
    assert [row["old.brand"] for row in rows[:4]] == case_engine.classify(ROWS)["brand"].to_list()
    assert {row["new.brand"] for row in rows} == {"lyft"}
    assert rows[4]["amount"] == -3.0
    assert log.stat().st_mode & 0o777 == 0o600
    assert vars(shadow.counts) == {"asked": 5, "sampled": 5, "sent": 5, "dropped": 0}


def test_an_engine_is_loaded_again_without_its_cache(case_engine, tmp_path):
    settings = Settings(state=tmp_path / "state")
    log = tmp_path / "log.jsonl"
    with (
        Engine.load(rules=CASE_RULES, model=None, cache=None, settings=settings) as new,
        ended(Shadow(case_engine, new, log=log)) as shadow,
    ):
        shadow.classify(ROWS)
    rows = lines(log)
    assert [row["new.brand"] for row in rows] == [row["old.brand"] for row in rows]
    assert len(rows) == 4


def test_a_failing_side_is_not_felt(case_engine, tmp_path):
    """Nor a log's folder that is not there: it is made."""
    log = tmp_path / "not" / "there" / "log.jsonl"
    with ended(Shadow(case_engine, Failing, log=log)) as shadow:
        assert shadow.classify(ROWS).height == 4
    assert {row["error"] for row in lines(log)} == {"RuntimeError: no such luck"}
    assert {row["new.brand"] for row in lines(log)} == {None}
    assert adds_up(shadow) == {"asked": 4, "sampled": 4, "sent": 4, "dropped": 0}


def adds_up(shadow):
    """What became of the rows of a closed Shadow: each of those sampled was sent or dropped."""
    counts = vars(shadow.counts)
    assert counts["sampled"] == counts["sent"] + counts["dropped"]
    assert not shadow.alive
    assert not shadow._process.is_alive()
    return counts


@pytest.mark.parametrize(
    ("new", "log"),
    [
        (dies, "log"),
        (Exits, "log"),
        (Fixed, "file/log"),  # where a folder should be there is a file
        pytest.param(Fixed, "/dev/full", marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")),
    ],
    ids=["dies", "exits", "no folder", "disk full"],
)
def test_a_dead_side_is_counted_and_not_felt(case_engine, tmp_path, new, log):
    (tmp_path / "file").touch()
    with Shadow(case_engine, new, log=tmp_path / log) as shadow:
        deadline = time.monotonic() + 120
        while shadow.alive and time.monotonic() < deadline:
            assert shadow.classify(ROWS).height == 4
            assert shadow.classify_one("UBER TRIP").brand == "uber"
            time.sleep(0.01)
        assert not shadow.alive
        assert shadow.classify(ROWS).height == 4
    # That it is gone may only be seen when something is sent: until then rows wait, and are counted at the end.
    assert adds_up(shadow) == {**vars(shadow.counts), "sent": 0, "dropped": shadow.counts.asked}


def test_a_hanging_side_drops_and_is_ended(case_engine, tmp_path, monkeypatch):
    """40 rows: at most 3 wait, and one batch of at most 2 is on its way; closing takes no longer than it may."""
    monkeypatch.setattr(module, "TOGETHER", 2)
    shadow = Shadow(case_engine, Hangs, log=tmp_path / "log", queue=3)
    for _ in range(10):
        assert shadow.classify(ROWS).height == 4
    assert 35 <= shadow.counts.dropped < 40
    began = time.monotonic()
    shadow.close(timeout=0.2)
    assert time.monotonic() - began < 10
    assert adds_up(shadow) == {"asked": 40, "sampled": 40, "sent": 0, "dropped": 40}
    shadow.classify(ROWS)
    assert (shadow.counts.asked, shadow.counts.dropped) == (44, 44)
    shadow.close()


LEFT_ALONE = """
import sys, time
sys.path[:0] = {path!r}
from rollout.test_shadow import Hangs
from tierbreak import Engine, Settings, SettingsError, Shadow

if __name__ == "__main__":
    engine = Engine.load(rules={rules!r}, model=None, cache=None, settings=Settings(state={state!r}))
    shadow = Shadow(engine, Hangs, log={log!r})
    shadow.classify_one("UBER TRIP")
    while not shadow._sender.is_alive() or shadow._waiting:
        time.sleep(0.01)
    print(shadow._process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for the process in /proc")
def test_a_killed_caller_leaves_no_process_behind(state, tmp_path):
    """Even where the shadow side hangs and the caller had no time to end it."""
    script = tmp_path / "script.py"
    here = [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent.parent)]
    script.write_text(
        LEFT_ALONE.format(path=here, rules=str(CASE_RULES), state=str(state), log=str(tmp_path / "log.jsonl"))
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as caller:
        shadow = Path("/proc") / caller.stdout.readline().strip()
        deadline = time.monotonic() + 120
        while not (tmp_path / "log.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.02)  # the side is up, and asked
        assert shadow.exists()
        caller.kill()
    while gone(shadow) is False and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(shadow)


def gone(process):
    """Whether a process has ended; one that nobody has looked after stays as a zombie."""
    try:
        return process.joinpath("stat").read_text().rpartition(") ")[2].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_share_is_sampled(case_engine, tmp_path):
    """Of 2,000 rows a tenth is 200; four standard deviations are 54."""
    log = tmp_path / "log.jsonl"
    with ended(Shadow(case_engine, Fixed, log=log, sample=0.1, seed=1)) as shadow:
        shadow.classify(pl.concat([ROWS] * 500))
    assert abs(len(lines(log)) - 200) < 54
    assert shadow.counts.sampled == len(lines(log))


def single(descriptor, **columns):
    return {"descriptor": descriptor, **columns}, ("uber", "rules", None, "uber.trip", None)


def logged(side, *batch):
    return [json.loads(line) for line in shadowed.lines(side, batch)]


def test_values_are_read_as_the_old_engine_reads_them():
    """What is a number in one call and text in the next, an amount that is none, a table between single rows."""
    table = ROWS.head(1).with_columns(
        *(pl.lit(None, dtype=pl.String).alias(f"old.{name}") for name in shadowed.SAID), mcc=pl.lit(742)
    )
    rows = logged(
        Fixed(),
        single("A", mcc=742, date="2026-10-01", user="u1"),
        single("B", mcc="0742", date=dt.date(2026, 10, 2), amount=None),
        table,
        single("C", amount=float("nan"), country=None),
        single("D", amount=3),
    )
    assert [row["descriptor"] for row in rows] == ["A", "B", "UBER TRIP", "C", "D"]
    assert [row["mcc"] for row in rows] == ["0742", "0742", "0742", None, None]
    assert [row["date"] for row in rows] == ["2026-10-01", "2026-10-02", None, None, None]
    assert [row["amount"] for row in rows] == [None, None, -1.0, None, 3.0]
    assert [row["old.brand"] for row in rows] == ["uber", "uber", None, "uber", "uber"]
    assert len({tuple(row) for row in rows}) == 1  # every line has the same names
    assert {row["error"] for row in rows} == {None}


def test_columns_that_nobody_gave_are_not_shown_to_the_side():
    seen = []

    class Watching(Fixed):
        def classify(self, rows):
            seen.append(rows.columns)
            return super().classify(rows)

    logged(Watching(), single("A", amount=-1.0))
    assert seen == [["descriptor", "amount"]]


def test_a_side_that_loses_rows_has_an_error_beside_every_row():
    assert [row["error"] for row in logged(Fewer(), single("A"), single("B"))] == [
        "ValueError: 1 decisions for 2 rows"
    ] * 2


def test_a_line_that_was_cut_off_is_ended(tmp_path):
    path = tmp_path / "log"
    path.write_text('{"descriptor": "A')
    with shadowed._opened(path) as file:
        file.write("{}\n")
    assert path.read_text() == '{"descriptor": "A\n{}\n'
    with shadowed._opened(path) as file:
        file.write("{}\n")
    assert path.read_text() == '{"descriptor": "A\n{}\n{}\n'


class Unsendable(float):
    """A number like any other, but for this."""

    def __reduce__(self):
        raise TypeError("not to be pickled")


def test_what_cannot_be_sent_is_dropped_alone(case_engine, tmp_path, monkeypatch):
    """One of three rows that go over together. A column that nobody logs does not matter."""
    monkeypatch.setattr(module, "WAIT", 600.0)  # all three wait for the end
    log = tmp_path / "log.jsonl"
    with ended(Shadow(case_engine, Fixed, log=log)) as shadow:
        shadow.classify_one("UBER TRIP")
        shadow.classify_one("LYFT RIDE", amount=Unsendable(-1.0))
        shadow.classify(ROWS.head(1).with_columns(note=pl.Series([threading.Lock()], dtype=pl.Object)))
    assert adds_up(shadow) == {"asked": 3, "sampled": 3, "sent": 2, "dropped": 1}
    assert [row["descriptor"] for row in lines(log)] == ["UBER TRIP", "UBER TRIP"]
    assert "note" not in lines(log)[0]


class Rules:
    """An old system: brands and nothing else; `classify_one` gives the brand itself."""

    def classify(self, rows):
        return rows.select(brand=pl.col("descriptor").str.head(4).str.to_lowercase())

    def classify_one(self, descriptor, **columns):
        return descriptor[:4].lower()


def brands(rows):
    return ["uber" if "UBER" in one else None for one in rows["descriptor"]]


@pytest.mark.parametrize(
    ("old", "said"), [(Rules(), ["uber", "nobo", "lyft", "uber"]), (brands, ["uber", None, None, "uber"])]
)
def test_the_old_side_may_be_any_that_says_brands(tmp_path, old, said):
    """Its answers come back as it gives them; what else an Engine would say is null in the log."""
    log = tmp_path / "log.jsonl"
    with ended(Shadow(old, Fixed, log=log, keep=["user"])) as shadow:
        out = shadow.classify(ROWS.with_columns(user=pl.Series([7, 8, None, 9])))
    assert (out if isinstance(out, list) else out["brand"].to_list()) == said
    assert [(row["old.brand"], row["old.tier"], row["old.confidence"]) for row in lines(log)] == [
        (brand, None, None) for brand in said
    ]
    assert [row["user"] for row in lines(log)] == ["7", "8", None, "9"]
    assert {row["new.brand"] for row in lines(log)} == {"lyft"}
    assert adds_up(shadow) == {"asked": 4, "sampled": 4, "sent": 4, "dropped": 0}


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ("uber", ("uber", None, None, None, None)),
        (None, (None, None, None, None, None)),
        ({"brand": 7, "tier": "old", "confidence": 1, "other": 2}, ("7", "old", 1.0, None, None)),
        ({"brand": "x", "confidence": "high"}, ("x", None, None, None, None)),
    ],
)
def test_a_single_answer_of_an_old_side(decision, said):
    assert module._said_of(decision) == said


def test_single_rows_of_an_old_side(tmp_path):
    log = tmp_path / "log.jsonl"
    with ended(Shadow(Rules(), Fixed, log=log, keep=["id"])) as shadow:
        assert shadow.classify_one("UBER TRIP", id=17, amount=[1.0]) == "uber"
    assert [(row["old.brand"], row["id"], row["amount"]) for row in lines(log)] == [("uber", "17", None)]
    assert lines(log)[0]["error"].startswith("BatchError: ")  # no Engine would take such an amount
    with (
        Shadow(brands, Fixed, log=log) as shadow,
        pytest.raises(SettingsError, match="has no `classify_one`; give `classify` one row"),
    ):
        shadow.classify_one("UBER TRIP")


def test_an_engine_is_not_shown_what_is_kept(case_engine, tmp_path):
    log = tmp_path / "log.jsonl"
    with ended(Shadow(case_engine, Fixed, log=log, keep=["user", "id"])) as shadow:
        assert shadow.classify_one("UBER TRIP", user="u\ud800") == case_engine.classify_one("UBER TRIP")
    assert [(row["user"], row["id"]) for row in lines(log)] == [("u?", None)]


class Short:
    def classify(self, rows):
        return ["uber"]


def test_an_old_side_that_loses_rows_is_not_felt(tmp_path, caplog):
    with ended(Shadow(Short(), Fixed, log=tmp_path / "log")) as shadow:
        assert shadow.classify(ROWS) == ["uber"]
    assert adds_up(shadow) == {"asked": 4, "sampled": 4, "sent": 0, "dropped": 4}
    assert "1 decisions for 4 rows" in caplog.text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"old": Fixed}, "old: <class 'rollout.test_shadow.Fixed'> does not classify; give an Engine, an object with"),
        ({"old": 7}, "old: 7 does not classify"),
        ({"new": "engine"}, "new: 'engine' is no side; give an Engine, or a function without arguments"),
        ({"new": lambda side=Fixed: side()}, "new: cannot be sent to another process: "),
        ({"sample": 1.5}, "sample: must lie in 0..1, got 1.5"),
        ({"sample": float("nan")}, "sample: must lie in 0..1, got nan"),
        ({"queue": -1}, "queue: must be 0 or more, got -1"),
        ({"keep": ["amount"]}, "keep: 'amount' stands in the log already"),
        ({"keep": ["old.brand"]}, "keep: 'old.brand' stands in the log already"),
        ({"keep": ["id", "id"]}, "keep: 'id' stands in the log already"),
        ({"keep": "user"}, "keep: must be a list of names, got the text 'user'"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_starts(tmp_path, given, said):
    with pytest.raises(SettingsError) as caught:
        Shadow(**{"old": Rules(), "new": Fixed, "log": tmp_path / "log"} | given)
    assert said.replace("rollout.test_shadow", __name__) in str(caught.value)
    assert not (tmp_path / "log").exists()


def test_a_log_that_was_renamed_is_begun_anew(tmp_path):
    path = tmp_path / "log"
    with contextlib.closing(shadowed.Log(path)) as log:
        log.write(["1\n"])
        path.rename(tmp_path / "log.1")
        log.write(["2\n"])
        log.write(["3\n"])
        path.unlink()
        log.write(["4\n"])
        assert path.read_text() == "4\n"
    assert (tmp_path / "log.1").read_text() == "1\n"


def test_only_its_owner_reads_the_log(tmp_path):
    before = os.umask(0)
    try:
        shadowed.Log(tmp_path / "log").close()
    finally:
        os.umask(before)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_rows_that_cannot_be_read_have_an_error_and_the_others_an_answer():
    table = ROWS.head(2).with_columns(
        *(pl.lit(None, dtype=pl.String).alias(f"old.{name}") for name in shadowed.SAID), amount=pl.lit([1.0, 2.0])
    )
    rows = logged(Fixed(), single("A"), table, single("B", date=[1]), single("C", amount=1.0))
    assert [row["descriptor"] for row in rows] == ["A", "UBER TRIP", "NOBODY", "B", "C"]
    assert [row["new.brand"] for row in rows] == ["lyft", None, None, None, "lyft"]
    assert [row["error"] is None for row in rows] == [True, False, False, False, True]
