"""The engine that the options ask for."""

from __future__ import annotations

import pytest

import tierbreak
from tierbreak.cli import options
from tierbreak.errors import SettingsError

NOTHING = {
    "rules": None, "overlay": None, "model": None, "no_model": False, "cache": None, "no_cache": False, "settings": {},
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    """What `Engine.load` is called with."""
    calls: list[dict] = []
    monkeypatch.setattr(tierbreak.Engine, "load", lambda **given: calls.append(given))

    def load(**given: object) -> dict:
        options.load(**{**NOTHING, **given})
        return calls[-1]

    return load


def test_nothing_said_is_the_shipped_whole(asked):
    given = asked()
    assert given["rules"] is tierbreak.SHIPPED
    assert given["model"] is tierbreak.SHIPPED
    assert given["cache"] is tierbreak.DEFAULT


def test_tiers_can_be_left_out(asked):
    given = asked(no_model=True, no_cache=True)
    assert (given["model"], given["cache"]) == (None, None)


def test_settings_said_win_and_the_rest_is_default(asked):
    given = asked(settings={"debits": "positive", "audit": None})
    assert (given["settings"].debits, given["settings"].audit) == ("positive", 0.0)


@pytest.mark.parametrize("part", ["model", "cache"])
def test_both_at_once_are_refused(asked, tmp_path, part):
    with pytest.raises(SettingsError, match=f"--{part} and --no-{part} exclude each other; leave one out"):
        asked(**{part: tmp_path, f"no_{part}": True})
