"""Engines that tests share; loading one compiles its rules, so each is loaded once a run."""

from functools import cache
from importlib.util import find_spec

import hypothesis
import pytest

from engines import CASE_RULES
from tierbreak import Engine, Settings, cli
from tierbreak.tiers.rules import cross_check

# A slow machine makes no test fail.
hypothesis.settings.register_profile("tierbreak", deadline=None)
hypothesis.settings.load_profile("tierbreak")

#: What builds models needs the extra `train`.
collect_ignore = (
    [] if find_spec("onnx") and find_spec("safetensors") else ["encoders.py", "twins.py", "cli/test_model.py"]
)


def pytest_report_header():
    """What is not collected is said in one line."""
    lacking = [name for name in ("torch", "transformers", "onnx", "safetensors") if not find_spec(name)]
    if lacking:
        return f"not installed: {', '.join(lacking)}; tests of training that need the extra `train` are left out"
    return None


@pytest.fixture(scope="session", autouse=True)
def made_once():
    """What stays the same all run long, and takes longer than most tests: whether the engine that is installed loses
    known matches, which a book compiled without a cache asks anew, and the command line put together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_check, "loses_known_shapes", cache(cross_check.loses_known_shapes))
        patch.setattr(cli, "_command", cache(cli._command))
        yield


@pytest.fixture(scope="session")
def state(tmp_path_factory):
    """A folder for compiled databases that all tests of a run share."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def case_engine(state):
    """The rules of tests/cases, no model, no cache."""
    with Engine.load(rules=CASE_RULES, model=None, cache=None, settings=Settings(state=state)) as engine:
        yield engine


@pytest.fixture(scope="session")
def shipped_rules(state):
    """The shipped rules, no model, no cache."""
    with Engine.load(model=None, cache=None, settings=Settings(state=state)) as engine:
        yield engine
