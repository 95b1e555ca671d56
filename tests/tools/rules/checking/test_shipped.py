"""The shipped rulebook has no fault that a person would have to look at."""

import pytest

from tierbreak import Settings
from tierbreak.bundle import Bundle
from tierbreak.tools.rules import checking


@pytest.mark.slow
def test_nothing_is_found_in_the_shipped_rules(state):
    report = checking.check(Bundle.find(model=None), Settings(state=state))
    grave = [str(fault) for fault in report.faults if checking.at_least(fault.severity, "warning")]
    assert not grave, "\n".join(grave)
    assert report.rules > 2_000
