"""The shipped rulebook has no fault that a person would have to look at."""

import pytest

from tierbreak import Settings, lint
from tierbreak.bundle import Bundle


@pytest.mark.slow
def test_nothing_is_found_in_the_shipped_rules(state):
    report = lint.check(Bundle.find(model=None), Settings(state=state))
    grave = [str(fault) for fault in report.faults if lint.at_least(fault.severity, "warning")]
    assert not grave, "\n".join(grave)
    assert report.rules > 2_000
