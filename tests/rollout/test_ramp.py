"""Who has the new engine, when, and that it is the same everywhere."""

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierbreak import BatchError, Ramp, SettingsError
from tierbreak.rollout.ramp import Step

RAMP = """name = "engine"
salt = "2026-11"
[[step]]
from = 2026-12-01
share = 0.05
[[step]]
from = 2027-01-01T12:00:00+01:00
share = 0.5
[[step]]
from = 2027-02-01
share = 1
"""
USERS = [f"user-{number}" for number in range(20_000)]


def moment(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "ramp.toml").write_text(RAMP)
    return tmp_path / "ramp.toml"


def test_the_share_follows_the_schedule(path):
    ramp = Ramp.read(path)
    at = [moment(2026, 11, 30, 23, 59), moment(2026, 12, 1), moment(2027, 1, 1, 10, 59), moment(2027, 1, 1, 11)]
    assert [ramp.share(one) for one in at] == [0.0, 0.05, 0.05, 0.5]
    assert ramp.share(dt.datetime(2027, 2, 1)) == 1.0  # no zone: UTC
    assert {ramp.arm(user, at=moment(2027, 2, 1)) for user in USERS} == {"new"}
    assert {ramp.arm(user, at=moment(2026, 11, 1)) for user in USERS} == {"old"}


def test_hold_and_rollback(path):
    path.write_text("hold = 2027-01-15\nrollback = 2027-03-01\n" + RAMP)
    ramp = Ramp.read(path)
    assert [ramp.share(moment(2027, month, 20)) for month in (1, 2, 3)] == [0.5, 0.5, 0.0]


def test_nobody_leaves_while_the_share_grows_and_shares_are_exact(path):
    """Of 20,000 users 5 % are 1,000 and 50 % are 10,000; four standard errors are 123 and 283."""
    ramp = Ramp.read(path)
    small = {user for user in USERS if ramp.arm(user, at=moment(2026, 12, 2)) == "new"}
    large = {user for user in USERS if ramp.arm(user, at=moment(2027, 1, 2)) == "new"}
    assert small < large
    assert abs(len(small) - 1_000) < 123
    assert abs(len(large) - 10_000) < 283


def test_another_salt_draws_other_users():
    """Two independent halves share a quarter of the users: 5,000 of 20,000, four standard errors are 245."""
    step = (Step(moment(2026, 1, 1), 0.5),)
    one, other = Ramp("engine", "a", step), Ramp("engine", "b", step)
    both = sum(one.arm(user) == "new" == other.arm(user) for user in USERS)
    assert abs(both - 5_000) < 245


def test_assignments_are_fixed_for_ever():
    """Written down once: a change of the hash would move people between the arms in the middle of an experiment."""
    ramp = Ramp("engine", "2026-11", (Step(moment(2026, 1, 1), 0.5),))
    assert [round(ramp.place(user), 6) for user in ("user-0", "user-1", "Zoë", "")] == [
        0.132368,
        0.893806,
        0.213048,
        0.204675,
    ]


def test_another_process_says_the_same(path):
    code = (
        f"from tierbreak import Ramp; ramp = Ramp.read({str(path)!r})\n"
        "print(sum(ramp._place(f'user-{n}') for n in range(500)), ramp.fingerprint)"
    )
    ramp = Ramp.read(path)
    want = f"{sum(ramp._place(f'user-{n}') for n in range(500))} {ramp.fingerprint}"
    for seed in ("0", "1"):
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert run.stdout.strip() == want


@given(user=st.text(), share=st.floats(0, 1))
def test_the_place_decides(user, share):
    ramp = Ramp("engine", "s", (Step(moment(2026, 1, 1), share),))
    assert 0 <= ramp.place(user) <= 1
    if abs(ramp.place(user) - share) > 1e-9:
        assert ramp.arm(user) == ("new" if ramp.place(user) < share else "old")


def test_exposures_are_logged(path, tmp_path):
    ramp, log = Ramp.read(path), tmp_path / "exposures.jsonl"
    for user in ("user-1", "Zoë"):
        ramp.expose(user, log, at=moment(2027, 2, 1))
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert rows == [
        {"user": user, "arm": "new", "at": "2027-02-01T00:00:00.000+00:00", "share": 1.0, "ramp": ramp.fingerprint}
        for user in ("user-1", "Zoë")
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "`name` must be a text"),
        (RAMP.replace("0.05", "5"), "step 1: `share` must be a number from 0 to 1, got 5"),
        (RAMP.replace("0.05", "true"), "step 1: `share` must be a number"),
        (RAMP.replace("0.5", "0.01"), "step 2: share falls from 0.05 to 0.01; to go back, set `rollback`"),
        (RAMP.replace("2026-12-01", "'soon'"), "`step 1: from` must be a date"),
        (RAMP.replace("2027-02-01", "2026-02-01"), "step 3: begins at 2026-02-01T00:00:00+00:00, not after"),
        ("slat = 'x'\n" + RAMP, "no such key `slat`"),
        (RAMP + "users = 3\n", "step 3: no such key `users`"),
        ("name = ", "cannot be read as a ramp"),
        ("name = " + "[" * 100_000, "brackets are nested too deep"),
        (
            RAMP.replace("2026-12-01", "0001-01-01T00:00:00+14:00"),
            "`step 1: from`: 0001-01-01T00:00:00+14:00 lies outside",
        ),
        ("hold = 9999-12-31T23:59:59-14:00\n" + RAMP, "`hold`: 9999-12-31T23:59:59-14:00 lies outside of the years"),
        (RAMP.replace("2026-12-01", "12:00:00"), "`step 1: from` must be a date"),
        (RAMP.replace("0.05", "nan"), "step 1: `share` must be a number from 0 to 1, got nan"),
    ],
)
def test_a_wrong_schedule_is_refused_with_all_that_is_wrong(path, content, said):
    path.write_text(content)
    with pytest.raises(SettingsError, match="ramp") as caught:
        Ramp.read(path)
    assert said in str(caught.value)


@pytest.mark.parametrize("user", [None, b"x", 1.0, 7, True, ["u"], "\ud800"])
def test_an_id_that_is_no_text_is_refused(path, tmp_path, user):
    ramp = Ramp.read(path)
    for ask in (ramp.place, ramp.arm, lambda user: ramp.expose(user, tmp_path / "log")):
        with pytest.raises(BatchError, match="id") as caught:
            ask(user)
        assert repr(user) in str(caught.value)
        str(caught.value).encode()
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    "at", ["2026-12-01", dt.date(2026, 12, 1), dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14)))]
)
def test_a_moment_that_is_none_is_refused(path, at):
    with pytest.raises(BatchError, match=r"must be a datetime|lies outside"):
        Ramp.read(path).arm("user-1", at=at)


def test_only_its_owner_reads_the_log(path, tmp_path):
    before = os.umask(0)
    try:
        Ramp.read(path).expose("user-1", tmp_path / "log")
    finally:
        os.umask(before)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_openfeature(path, tmp_path):
    pytest.importorskip("openfeature", reason="the extra `openfeature` is not installed")
    from openfeature import api
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.exception import ErrorCode

    from tierbreak.rollout.openfeature import RampProvider

    path.write_text(RAMP.replace("2026-12-01", "2020-01-01").replace("0.05", "0.5"))
    ramp, log = Ramp.read(path), tmp_path / "log.jsonl"
    api.set_provider(RampProvider(ramp, log=log))
    client = api.get_client()
    try:
        for user in USERS[:20]:
            context = EvaluationContext(targeting_key=user)
            assert client.get_boolean_value("engine", False, context) == (ramp.arm(user) == "new")
            assert client.get_string_value("engine", "?", context) == ramp.arm(user)
        assert len(log.read_text().splitlines()) == 40
        context = EvaluationContext(targeting_key="user-1")
        assert client.get_boolean_details("other", False, context).error_code == ErrorCode.FLAG_NOT_FOUND
        assert client.get_boolean_details("engine", False).error_code == ErrorCode.TARGETING_KEY_MISSING
        assert client.get_integer_details("engine", 1, context).error_code == ErrorCode.TYPE_MISMATCH
    finally:
        api.shutdown()
