"""`measure`: run what a definition defines, refuse a wrong answer, and only then take the time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import definition, haystacks, record
from tierbreak import Engine, Settings
from tierbreak.core import normalise

_FIGURES = pytest.StashKey[dict[str, record.Figures]]()
_FINGERPRINTS = pytest.StashKey[dict[str, str]]()
_LOAD = pytest.StashKey[float]()
#: Times the whole of a definition's rounds is called before any is counted.
WARM = 1


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = {}
    config.stash[_FINGERPRINTS] = {"normaliser": normalise.fingerprint()}
    config.stash[_LOAD] = os.getloadavg()[0]


@pytest.fixture(scope="session")
def definitions() -> dict[str, definition.Definition]:
    return definition.load()


@pytest.fixture(scope="session")
def fingerprints(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the record names beside the figures; a test adds what it loaded."""
    return request.config.stash[_FINGERPRINTS]


@pytest.fixture
def defined(request: pytest.FixtureRequest, definitions: dict[str, definition.Definition]) -> definition.Definition:
    """The definition whose name the test has."""
    return definitions[request.node.originalname.removeprefix("test_").replace("_", "-")]


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether times are taken, and so at the full size."""
    return not request.config._benchmarksession.disabled


@pytest.fixture
def size(defined: definition.Definition, full: bool) -> definition.Size:
    return defined.full if full else defined.small


@pytest.fixture
def measure(
    request: pytest.FixtureRequest, benchmark: Any, defined: definition.Definition, size: definition.Size, full: bool
) -> Iterator[Callable[..., None]]:
    """measure(work, answer, setup=tuple, apart=…, child=…): what a test hands its definition to

    work     what is timed
    answer   what `work` returned -> the answer, which must be the one expected; called before any time is taken, and
             once more on what the last timed call returned
    setup    called before each call of `work`, untimed; returns its arguments
    apart    called after each call of `work`: the model's seconds within it
    child    called after each call: processor seconds and peak bytes of the process that did the work in place of this
    """

    def measure(
        work: Callable[..., Any],
        answer: Callable[[Any], dict[str, Any]],
        setup: Callable[[], tuple[Any, ...]] = tuple,
        apart: Callable[[], float] = lambda: 0.0,
        child: Callable[[], tuple[float, int]] | None = None,
    ) -> None:
        def check(found: Any) -> None:
            got = answer(found)
            if got != size.expect:
                raise AssertionError(
                    f"{defined.name}: wrong answer, not timed: expected {dict(size.expect)}, got {got}"
                )

        cpu: list[float] = []
        inside: list[float] = []
        peak = 0

        def timed(*given: Any) -> Any:
            nonlocal peak
            start = time.process_time()
            found = work(*given)
            seconds = time.process_time() - start
            if child is not None:
                seconds, bytes_ = child()
                peak = max(peak, bytes_)
            cpu.append(seconds)
            inside.append(apart())
            return found

        unchecked = full

        def ready() -> tuple[tuple[Any, ...], dict[str, Any]]:
            nonlocal unchecked
            if unchecked:
                unchecked = False
                check(work(*setup()))
            return setup(), {}

        found = benchmark.pedantic(timed, setup=ready, rounds=size.rounds, warmup_rounds=WARM)
        check(found)
        if full:
            counted = slice(-size.rounds, None)
            request.config.stash[_FIGURES][defined.name] = record.Figures(
                defined, benchmark.stats.stats.data, cpu[counted], inside[counted], peak
            )

    with _cores(defined.cores):
        yield measure


class _cores:
    """Keep this process, every thread of it, on `count` cores, where the system can; afterwards as before."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> None:
        self.before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        self._keep_on(set(sorted(self.before)[-self.count :]))

    def __exit__(self, *_: object) -> None:
        self._keep_on(self.before)

    @staticmethod
    def _keep_on(cores: set[int]) -> None:
        threads = Path("/proc/self/task")
        if cores and threads.is_dir():
            for thread in threads.iterdir():
                os.sched_setaffinity(int(thread.name), cores)


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where engines of this run keep what can be made again."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], tuple[list[haystacks.Brand], Path]]:
    """count -> the invented book of so many brands, and the folder it was written to."""
    made: dict[int, tuple[list[haystacks.Brand], Path]] = {}

    def book(count: int) -> tuple[list[haystacks.Brand], Path]:
        if count not in made:
            brands = haystacks.brands(count)
            made[count] = brands, haystacks.write_rulebook(brands, tmp_path_factory.mktemp("book") / "rules")
        return made[count]

    return book


@pytest.fixture(scope="session")
def engines(
    request: pytest.FixtureRequest, full: bool, state: Path, books: Callable[[int], tuple[list[haystacks.Brand], Path]]
) -> Iterator[Callable[[int], Engine]]:
    """count -> an engine with the invented book of so many brands, the shipped model and no cache.

    At the full size the shipped rulebook is loaded as well; at the small one it would cost more than all the rest.
    """
    made: dict[int, Engine] = {}

    def engine(count: int) -> Engine:
        if count not in made:
            folder = books(count)[1]
            rules = {"overlay": folder} if full else {"rules": folder}
            made[count] = Engine.load(**rules, cache=None, settings=Settings(state=state))
            assert not made[count].notices, made[count].notices
            request.config.stash[_FINGERPRINTS].update(made[count].fingerprints)
        return made[count]

    yield engine
    for one in made.values():
        one.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the records of a timed run and show their figures."""
    figures = config.stash[_FIGURES]
    if not figures:
        return
    load = config.stash[_LOAD]
    folder = record.write(figures, record.about(config.stash[_FINGERPRINTS], load))
    terminalreporter.section("figures")
    for one in figures.values():
        row = one.row(figures)
        ratio = f", {row['ratio']:,.3g}x {row['rival']}" if row["ratio"] else ""
        less = f", less model {row['rate_less_model']:,.4g}" if row["rate_less_model"] else ""
        p99 = f", p99 {row['p99_seconds'] * 1e3:.3g} ms" if row["p99_seconds"] else ""
        peak = f", peak {row['peak_bytes'] / 1e6:,.0f} MB" if row["peak_bytes"] else ""
        target = f" [{row['target']}: {row['met'] or 'not measured'}]" if row["target"] else ""
        terminalreporter.write_line(
            f"{row['name']}: {row['rate']:,.4g} {row['unit']}/s (best {row['best_rate']:,.4g}, n={row['n']}), "
            f"median {row['median_seconds']:.4g} s{less}{p99}{peak}{ratio}{target}"
        )
    where = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    terminalreporter.write_line(f"recorded in {where}; load average before: {load:.2f}")
