"""Checking a rulebook, and an engine that follows it; definitions/check.toml says what is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from bench.authored import Authored
from tierbreak import Engine, Settings

TWO_GB = 2 << 30
#: Where the bytecode of this run's processes lies, whatever the environment says of it.
BYTECODE = Path(tempfile.gettempdir()) / "tierbreak-bench-bytecode"
#: Turns of edits: no file is edited in the same way twice, whatever was measured before.
TURNS = count()


@pytest.fixture(scope="session")
def authored(tmp_path_factory):
    """rules -> an authored book of so many."""
    made = {}

    def book(rules):
        if rules not in made:
            made[rules] = Authored.write(rules, tmp_path_factory.mktemp("authored") / "rules")
        return made[rules]

    return book


@contextmanager
def peak_of(pid):
    """A list of one: the most bytes that a process took until now, where Linux says it; looked up 20 times a second."""
    peak, over = [0], threading.Event()

    def look():
        while not over.wait(0.05):
            try:
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            except OSError:
                return
            peak[0] = next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), peak[0])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


class Check:
    """Runs `tierbreak rules check` in a process of its own; `used` is its processor time and its most memory."""

    def __init__(self, rules: Path | None, folder: Path) -> None:
        self.folder, self.states = folder, count()
        self.state = folder / "state"
        self.command = [str(Path(sys.executable).with_name("tierbreak")), "rules", "check", "--format", "json"]
        self.command += ["--rules", str(rules)] if rules else []
        self.used = (0.0, 0)

    def forget(self):
        """The next run finds nothing of the runs before it."""
        self.state = self.folder / f"state-{next(self.states)}"
        return ()

    def run(self):
        out, said = self.folder / "out.json", self.folder / "err.txt"
        with out.open("w") as stdout, said.open("w") as stderr:
            environment = {**os.environ, "TIERBREAK_STATE": str(self.state), "PYTHONPYCACHEPREFIX": str(BYTECODE)}
            environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode beside it
            child = subprocess.Popen(self.command, stdout=stdout, stderr=stderr, env=environment)
            with peak_of(child.pid) as peak:
                _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode in (0, 3), said.read_text()
        # The system counts for a process what the one took that it was forked of: of use where nothing else is known.
        unsure = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        self.used = (usage.ru_utime + usage.ru_stime, peak[0] or unsure)
        return json.loads(out.read_text())

    def answer(self, faults):
        """The errors, as the codes that were planted are errors; what else may be said better is not counted."""
        codes = Counter(fault["code"] for fault in faults if fault["severity"] == "error")
        return {"faults": dict(codes), "under_2_gb": self.used[1] < TWO_GB}


def cold(measure, check):
    measure(check.run, check.answer, setup=check.forget, child=lambda: check.used)


def after_edit(measure, check, book):
    def edit():
        book.edit(next(TURNS))
        return ()

    check.run()
    measure(check.run, check.answer, setup=edit, child=lambda: check.used)


def watch(measure, book, state):
    last = {}

    def edit():
        turn = next(TURNS)
        last.update(example=book.edit(turn), brand=book.edited(turn))
        return ()

    def answered():
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if engine.classify_one(last["example"]).brand == last["brand"]:
                return True
            time.sleep(0.01)
        return False

    with (
        Engine.load(rules=book.folder, model=None, cache=None, settings=Settings(state=state)) as engine,
        engine.watch(),
    ):
        measure(answered, lambda found: {"answered": found}, setup=edit)


def test_check_cold(measure, size, authored, tmp_path):
    cold(measure, Check(authored(size.units).folder, tmp_path))


def test_check_after_edit(measure, size, authored, tmp_path):
    book = authored(size.units)
    after_edit(measure, Check(book.folder, tmp_path), book)


def test_check_watch(measure, size, authored, state):
    watch(measure, authored(size.make["rules"]), state)


def test_check_cold_20000(measure, size, authored, tmp_path):
    cold(measure, Check(authored(size.units).folder, tmp_path))


def test_check_after_edit_20000(measure, size, authored, tmp_path):
    book = authored(size.units)
    after_edit(measure, Check(book.folder, tmp_path), book)


def test_check_watch_20000(measure, size, authored, state):
    watch(measure, authored(size.make["rules"]), state)


def test_check_cold_shipped(measure, size, full, authored, tmp_path):
    cold(measure, Check(None if full else authored(size.make["rules"]).folder, tmp_path))


def test_an_authored_book_is_what_it_says(authored):
    book = authored(60)
    assert len(list(book.folder.rglob("*.yaml"))) == book.rules == 60
    assert book.faults == {"R030": 1}
