"""Leaving: exit codes from the error tree, quiet ends, no traceback, nothing half written."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

import tierbreak
from tierbreak import cli, errors
from tierbreak.cli import options
from tierbreak.cli.output import visible

COMMAND = [sys.executable, "-c", "from tierbreak.cli import main; main()"]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(tierbreak.__file__).parents[1]), **more}


def kinds(root: type[errors.TierbreakError]) -> list[type[errors.TierbreakError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


@pytest.mark.parametrize("kind", kinds(errors.TierbreakError), ids=lambda kind: kind.__name__)
def test_exit_code_is_that_of_the_error(run, monkeypatch, kind):
    def fail(**_: object) -> None:
        raise kind("first\nsecond \x1b[31m")

    monkeypatch.setattr(options, "load", fail)
    ran = run("explain", "NETFLIX")
    assert ran == (kind.exit_code, "", "error: first\nsecond \\x1b[31m\n")


def test_an_unexpected_error_is_one_line_and_a_way_on(run, monkeypatch):
    monkeypatch.delenv("TIERBREAK_DEBUG", raising=False)
    monkeypatch.setattr(options, "load", lambda **_: 1 / 0)
    ran = run("explain", "NETFLIX")
    assert ran.code == 1
    assert ran.err == (
        "error: unexpected ZeroDivisionError: division by zero\n"
        "This is a fault in tierbreak, not in your input. Set TIERBREAK_DEBUG=1 and run again to see where.\n"
    )


def test_debug_shows_where(run, monkeypatch):
    monkeypatch.setenv("TIERBREAK_DEBUG", "1")
    monkeypatch.setattr(options, "load", lambda **_: 1 / 0)
    assert "Traceback" in run("explain", "NETFLIX").err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["classify", "--bogus"], "error: No such option: --bogus\nTry 'tierbreak classify --help'.\n"),
        (["explain"], "error: Missing argument 'DESCRIPTOR'.\nTry 'tierbreak explain --help'.\n"),
    ],
)
def test_wrong_usage(run, arguments, text):
    assert run(*arguments) == (2, "", text)


def test_without_arguments_there_is_help_and_no_complaint(run):
    ran = run()
    assert (ran.code, ran.err) == (2, "")
    assert "Usage: tierbreak" in ran.out


def test_closed_standard_output_is_named(tmp_path):
    (tmp_path / "in.txt").write_text("NETFLIX\n")
    command = [*COMMAND, "classify", str(tmp_path / "in.txt")]
    ran = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command], env=environment(), stderr=subprocess.PIPE, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (4, "error: standard output is closed; name a file with -o\n")


def test_version(run, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", {"tierbreak": "1.2.3"}.__getitem__)
    assert run("--version") == (0, "tierbreak 1.2.3\n", "")


def commands(command=None, path=()):
    """Every command and group, with the words that call it."""
    command = command or typer.main.get_command(cli.app)
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


@pytest.mark.parametrize(
    ("path", "command"), list(commands()), ids=lambda it: " ".join(it) if isinstance(it, tuple) else ""
)
def test_every_command_has_help_that_says_what_its_source_does(run, monkeypatch, path, command):
    """Nothing in it is taken for markup, as `[default: …]` once was."""
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 300)
    ran = run(*path, "--help")
    assert ran.code == 0
    assert "Usage: " + " ".join(["tierbreak", *path]) in ran.out
    shown = " ".join(ran.out.replace("│", " ").split())
    texts = [command.help, *(getattr(each, "help", None) for each in command.params)]
    paragraphs = [part for text in texts if text for part in text.split("\n\n")]
    assert paragraphs
    assert [part for part in paragraphs if " ".join(part.split()) not in shown] == []


def test_visible_leaves_no_character_that_does_not_print():
    """Tab, escape, right-to-left override, a lone surrogate; letters of any script stay."""
    assert visible("A\t\x1b\u202e\ud800 é 星") == "A\\t\\x1b\\u202e\\ud800 é 星"


def test_help_needs_no_heavy_library():
    """Start-up is what a person waits for: the modules of the command line load none of these."""
    code = (
        "import sys, tierbreak.cli; print(sorted({'polars', 'onnxruntime', 'hyperscan', 'numpy'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


@pytest.fixture
def bash(monkeypatch, tmp_path):
    """A home of its own, and bash as the shell that called."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    return tmp_path


def test_completion_is_shown_and_installed(run, bash):
    shown = run("--show-completion")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.endswith("complete -o default -F _tierbreak_completion tierbreak\n")
    assert run("--install-completion").code == 0
    assert (bash / ".bash_completions" / "tierbreak.sh").read_text().strip() == shown.out.strip()


@pytest.mark.parametrize(
    ("line", "words"),
    [("tierbreak cla", ["classify"]), ("tierbreak rules ch", ["check"]), ("tierbreak classify --no-m", ["--no-model"])],
)
def test_the_shell_completes_a_line(run, monkeypatch, line, words):
    """What the installed script does at every Tab: this process is asked, and answers instead of running."""
    monkeypatch.setenv("_TIERBREAK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    ran = run()
    assert (ran.code, ran.out.split(), ran.err) == (0, words, "")


def test_a_shell_that_is_not_known_is_named(run, monkeypatch):
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("csh", "/bin/csh"))
    ran = run("--show-completion")
    assert (ran.code, ran.out) == (1, "")
    assert "csh" in ran.err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_ends_it_quietly(tmp_path, rules, unbuffered):
    """Unbuffered, Python hands writes straight to the pipe, which may take a part of one without a word."""
    (tmp_path / "in.txt").write_text("NETFLIX\n" * 200_000)
    arguments = ["classify", str(tmp_path / "in.txt"), "--rules", str(rules), "--no-model", "--no-cache", "-q"]
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(PYTHONUNBUFFERED=unbuffered), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline().startswith("descriptor,brand")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 128 + signal.SIGPIPE


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGALRM"])
def test_a_signal_leaves_nothing_half_written(classifying, tmp_path, name):
    classifying.send_signal(getattr(signal, name))
    err = classifying.communicate()[1]
    said = "" if name == "SIGINT" else f"error: ended by {name}; no output file was changed\n"
    assert (classifying.returncode, err) == (128 + getattr(signal, name), said)
    assert list(tmp_path.iterdir()) == []


def test_several_signals_leave_nothing_half_written(classifying, tmp_path):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        classifying.send_signal(number)
    classifying.communicate()
    assert classifying.returncode in {129, 130, 143}  # whichever came first
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def begun(tmp_path, rules, *before):
    """A command that has begun to write `out.csv`; its standard input is kept open, so it waits for more rows."""
    arguments = ["classify", "-", "--format", "lines", "-o", str(tmp_path / "out.csv"), "--rules", str(rules)]
    process = subprocess.Popen(
        [*before, *COMMAND, *arguments, "--no-model", "--no-cache", "-q"],
        env=environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdin.write("NETFLIX\n" * 3_000_000)  # more than one block: the first is being classified
    process.stdin.flush()
    while not list(tmp_path.glob(".out.csv.*")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def classifying(tmp_path, rules):
    with begun(tmp_path, rules) as process:
        yield process


def test_a_hangup_that_is_ignored_ends_nothing(tmp_path, rules):
    """So `nohup` starts a command."""
    with begun(tmp_path, rules, "sh", "-c", 'trap "" HUP; exec "$@"', "sh") as process:
        process.send_signal(signal.SIGHUP)
        process.communicate()
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
