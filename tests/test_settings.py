"""Arguments, then the environment, then defaults; whatever is wrong is said by the name the user wrote."""

import datetime as dt
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tierbreak import Settings, SettingsError


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TIERBREAK_{name.upper()}", raising=False)


def test_arguments_then_environment_then_defaults(monkeypatch):
    monkeypatch.setenv("TIERBREAK_AUDIT", "0.5")
    monkeypatch.setenv("TIERBREAK_THREADS", "3")
    settings = Settings(audit=0.25)
    assert (settings.audit, settings.threads, settings.debits) == (0.25, 3, "negative")
    assert Settings.of(threads=2).threads == 2


def test_every_setting_can_be_a_variable(monkeypatch):
    given = {
        "debits": "positive", "as_of": "2026-12-01", "audit": "0.01", "threads": "2", "device": "cpu",
        "cache_bytes": "2097152", "memo_rows": "5", "warm_keys": "0", "fallback": "words.bag", "state": "/var/lib/x",
        "off": "tildes",
    }  # fmt: skip
    assert given.keys() == Settings.model_fields.keys()
    for name, text in given.items():
        monkeypatch.setenv(f"TIERBREAK_{name.upper()}", text)
    assert Settings() == Settings(
        debits="positive", as_of=dt.date(2026, 12, 1), audit=0.01, threads=2, device="cpu", cache_bytes=1 << 21,
        memo_rows=5, warm_keys=0, fallback=Path("words.bag"), state=Path("/var/lib/x"), off=frozenset({"tildes"}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "off"),
    [("tildes", {"tildes"}), ("tildes, dots ,", {"tildes", "dots"}), ('["tildes", "dots"]', {"tildes", "dots"}),
     (" [] ", set()), ("", set()), (",", set())],
)  # fmt: skip
def test_steps_to_switch_off_by_commas_or_as_json(monkeypatch, text, off):
    assert Settings(off=text).off == off
    monkeypatch.setenv("TIERBREAK_OFF", text)
    assert Settings().off == off


def test_an_empty_variable_is_none(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.setenv(f"TIERBREAK_{name.upper()}", "")
    empty = Settings()
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TIERBREAK_{name.upper()}")
    assert empty == Settings()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("AUDIT", "2", "Input should be less than or equal to 1, got '2'"),
        ("AUDIT", "nan", "Input should be a finite number, got 'nan'"),
        ("AS_OF", "soon", "got 'soon'"),
        ("THREADS", "0", "Input should be greater than or equal to 1, got '0'"),
        ("THREADS", "two", "got 'two'"),
        ("DEBITS", "minus", "Input should be 'negative' or 'positive', got 'minus'"),
        ("DEVICE", "gpu", "Input should be 'cpu' or 'cuda', got 'gpu'"),
        ("CACHE_BYTES", "1" + "0" * 30, "Input should be less than or equal to 70368744177664"),
        ("WARM_KEYS", "-1", "Input should be greater than or equal to 0, got '-1'"),
        ("OFF", "[tildes]", "got '[tildes]'"),
        ("OFF", "[1]", "Input should be a valid string, got 1"),
        ("OFF", "[" * 100_000, "brackets are nested too deep"),
        ("AUDT", "0.1", "there is no such setting; did you mean TIERBREAK_AUDIT?"),
        ("THREAD", "1", "there is no such setting; did you mean TIERBREAK_THREADS?"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch, name, text, said):
    monkeypatch.setenv(f"TIERBREAK_{name}", text)
    for make in (Settings, Settings.of):
        with pytest.raises(SettingsError) as caught:
            make()
        lines = str(caught.value).splitlines()
        assert lines[0] == "settings are wrong:"
        assert lines[1].startswith(f"  TIERBREAK_{name}: ")
        assert said in lines[1]
        assert len(lines) == 2
        assert len(lines[1]) < 200


def test_all_that_is_wrong_is_said_at_once_and_an_argument_by_its_own_name(monkeypatch):
    monkeypatch.setenv("TIERBREAK_AUDIT", "0.1")
    monkeypatch.setenv("TIERBREAK_THREADS", "0")
    with pytest.raises(SettingsError) as caught:
        Settings.of(audit=-1, thread=3, colour="red")
    assert str(caught.value).splitlines()[1:] == [
        "  audit: Input should be greater than or equal to 0, got -1",
        "  TIERBREAK_THREADS: Input should be greater than or equal to 1, got '0'",
        "  thread: there is no such setting; did you mean threads?",
        "  colour: there is no such setting; did you mean one of debits, as_of, audit, threads, device, cache_bytes, "
        "memo_rows, warm_keys, fallback, state, off?",
    ]


def test_other_variables_are_no_concern(monkeypatch):
    monkeypatch.setenv("TIERBREAK_DEBUG", "1")
    monkeypatch.setenv("TIERBREAK_FRONTEND_URL", "x")
    monkeypatch.setenv("TIEBREAK_AUDIT", "7")
    assert Settings().audit == 0.0


def test_settings_do_not_change_and_come_through_a_process_as_they_are(monkeypatch):
    settings = Settings(threads=2)
    with pytest.raises(ValueError, match="frozen"):
        settings.threads = 3
    sent = pickle.dumps(settings)
    monkeypatch.setenv("TIERBREAK_THREADS", "none")
    assert pickle.loads(sent) == settings


def test_no_other_library_reads_them():
    code = "import sys, tierbreak.settings\nprint('pydantic_settings' in sys.modules, 'polars' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False False\n"
    )
