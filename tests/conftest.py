"""Engines that tests share; loading one compiles its rules, so each is loaded once a run."""

import pytest

from engines import CASE_RULES
from tierbreak import Engine, Settings


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
