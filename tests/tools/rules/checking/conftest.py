"""Settings of a day that does not pass, with a state folder that all tests of a run share."""

import datetime as dt

import pytest

from tierbreak import Settings

#: Today, as golden outputs see it.
AS_OF = dt.date(2024, 6, 1)


@pytest.fixture(scope="session")
def settings(state):
    return Settings(state=state, as_of=AS_OF)
