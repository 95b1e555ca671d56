"""The command line: `tierbreak --help`. One file a command; each imports what it needs when it is called.

`main` holds the one error handler: exit codes come from the error tree, and no traceback reaches a person.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from tierbreak.cli import (
    bundle,
    cache,
    classify,
    compare,
    evaluate,
    explain,
    model,
    normalise,
    rules,
    simulate,
    train,
    warm,
)
from tierbreak.cli.output import complain
from tierbreak.errors import TierbreakError

#: Set it to see where an unexpected error came from.
DEBUG = "TIERBREAK_DEBUG"

INTERRUPTED, PIPE_CLOSED = 128 + signal.SIGINT, 128 + signal.SIGPIPE

#: What ends a process unless it is caught: a closed terminal sends SIGHUP, `timeout` and others let one choose.
ENDING = (
    signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM,
    signal.SIGPROF, signal.SIGXCPU,
)  # fmt: skip

#: What typer raises for a wrong option or argument, whichever click it brings: the parent of BadParameter.
_UsageError: Any = typer.BadParameter.__base__

#: What opens a tag of rich's markup. Its own `escape` would be imported at every start.
_MARKUP = re.compile(r"\[(?=[a-z#/@][^\[]*\])")

app = typer.Typer(
    name="tierbreak",
    help="Bank-statement descriptors into brands: rules, cache, BERT, and arbitration that explains every answer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(classify.classify)
app.command()(explain.explain)
app.command()(normalise.normalise)
app.add_typer(cache.app, name="cache")
app.add_typer(model.app, name="model")
app.add_typer(rules.app, name="rules")
app.command()(evaluate.evaluate)
app.command()(compare.compare)
app.command()(simulate.simulate)
app.command()(train.train)
app.command()(bundle.bundle)
app.command()(warm.warm)


#: Signals that came, in order.
_caught: list[int] = []
#: All that is left to do is to tidy up, which no signal is to keep from its end.
_leaving = threading.Event()


class Terminated(BaseException):
    """A signal of `ENDING`, as an exception, so that files half written are taken away on the way out."""

    def __init__(self, number: int) -> None:
        self.name, self.exit_code = signal.Signals(number).name, 128 + number


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"tierbreak {version('tierbreak')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


def main() -> NoReturn:
    """Run the command line and leave with its exit code; see errors.py for what the codes mean."""
    for each in (signal.SIGINT, *ENDING):
        if signal.getsignal(each) is not signal.SIG_IGN:  # `nohup` ignores SIGHUP, and that is to stay so
            signal.signal(each, _end)
    try:
        try:
            code = run(sys.argv[1:])
        finally:
            _leaving.set()
            for each in (signal.SIGINT, *ENDING):  # Python gives up its handlers while it leaves
                signal.signal(each, signal.SIG_IGN)
    except (Terminated, KeyboardInterrupt):  # one more signal, while the first was told
        code = 1
    sys.exit(128 + _caught[0] if code and _caught else code)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where the shell closed it
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _command()(arguments, prog_name="tierbreak", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except TierbreakError as error:
        complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        return _pipe_closed()
    except SystemExit as leaving:
        # typer turns a closed pipe into exit code 1.
        return _pipe_closed() if isinstance(leaving.__context__, BrokenPipeError) else int(leaving.code or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException as error:  # a panic of the Rust side is no Exception
        return _other(error)


def _command() -> Any:
    """The command line, with help texts as they are written: rich would take `[default: …]` for markup and drop it."""
    command = typer.main.get_command(app)
    below: list[Any] = [command]
    while below:
        each = below.pop()
        below += getattr(each, "commands", {}).values()
        for text in (each, *each.params):
            if getattr(text, "help", None):
                text.help = _MARKUP.sub(r"\\[", text.help)
    return command


def _other(error: BaseException) -> int:
    """Say what an exception that is not ours means to the person, and return the exit code."""
    if isinstance(error, Terminated):
        complain(f"ended by {error.name}; no output file was changed")
        return error.exit_code
    if isinstance(error, _UsageError):
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "tierbreak"
        if message := _message(error):  # without arguments typer has printed the help by itself
            complain(f"{message}\nTry '{where} --help'.")
        return 2
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exc()
        return 1
    if isinstance(error, typer.Abort):
        return 1
    complain(
        f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:300]}\n"
        f"This is a fault in tierbreak, not in your input. Set {DEBUG}=1 and run again to see where."
    )
    return 1


def _message(error: Any) -> str:
    return str(error.format_message())


def _pipe_closed() -> int:
    """Whoever read our output has seen enough. Python must not try to flush the rest when it leaves."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return PIPE_CLOSED


def _end(number: int, frame: FrameType | None) -> None:
    _caught.append(number)
    if not _leaving.is_set():
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)
