"""One engine with three small rules, no model and no cache, and a way to run a command line against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tierbreak import Engine, cli
from tierbreak.cli import options

RULES = """\
brand: {brand}
owner: media
rules:
  - id: {brand}.name
    match:
      - {{regex: '\\b{word}\\b'}}
    examples: ["{word}.COM 866-579-7172 CA", "{word} 123"]
"""


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    for brand, word in (("netflix", "NETFLIX"), ("hulu", "HULU"), ("spotify", "SPOTIFY")):
        (folder / f"{brand}.yaml").write_text(RULES.format(brand=brand, word=word))
    return folder


@pytest.fixture(scope="session")
def engine(rules: Path) -> Iterator[Engine]:
    with Engine.load(rules=rules, model=None, cache=None) as engine:
        yield engine


@pytest.fixture
def run(engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command line in this process, with `engine` in place of the one its options ask for."""
    monkeypatch.setattr(options, "load", lambda **_: engine)
    monkeypatch.setattr(engine, "close", lambda: None)  # the next command line is run against it too

    def ran(*arguments: object) -> Ran:
        code = cli.run([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return ran
