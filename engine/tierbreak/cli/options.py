"""Options that several commands share, and the engine they ask for."""

from __future__ import annotations

import datetime as dt
import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

if TYPE_CHECKING:
    from tierbreak import Engine

_ENGINE = "Engine"

RulesOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--rules", metavar="DIR", help="Rules in place of the shipped ones.", rich_help_panel=_ENGINE),
]
OverlayOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--overlay", metavar="DIR", help="Rules beside the shipped ones.", rich_help_panel=_ENGINE),
]
ModelOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--model", metavar="DIR", help="A model in place of the shipped one.", rich_help_panel=_ENGINE),
]
NoModelOption: TypeAlias = Annotated[
    bool, typer.Option("--no-model", help="Leave the model out.", rich_help_panel=_ENGINE)
]
CacheOption: TypeAlias = Annotated[
    Path | None, typer.Option("--cache", metavar="DIR", help="Where the cache lies.", rich_help_panel=_ENGINE)
]
NoCacheOption: TypeAlias = Annotated[
    bool, typer.Option("--no-cache", help="Leave the cache out.", rich_help_panel=_ENGINE)
]
DebitsOption: TypeAlias = Annotated[
    Literal["negative", "positive"] | None,
    typer.Option("--debits", help="The sign of money going out. [default: negative]", rich_help_panel=_ENGINE),
]
AsOfOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="DATE", help="Date for rows that have none. [default: today]", rich_help_panel=_ENGINE
    ),
]
FormatOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--format", metavar="FORMAT", help="Input: csv, tsv, jsonl, parquet or lines. [default: by its name]"),
]


def load(
    *,
    bundle: Path | None = None,
    rules: Path | None,
    overlay: Path | None,
    model: Path | None,
    no_model: bool,
    cache: Path | None,
    no_cache: bool,
    settings: dict[str, Any],
) -> Engine:
    """The engine that the options ask for. Raises SettingsError where two of them exclude each other."""
    from tierbreak import DEFAULT, SHIPPED, Engine, Settings

    exclude(("--model", model, "--no-model", no_model), ("--cache", cache, "--no-cache", no_cache))
    # What is loaded stays until the end: collecting garbage while it is made, or looking at it again, is for nothing.
    gc.disable()
    try:
        return Engine.load(
            bundle=bundle,
            rules=rules or SHIPPED,
            overlay=overlay,
            model=None if no_model else model or SHIPPED,
            cache=None if no_cache else cache or DEFAULT,
            settings=Settings.of(**{name: value for name, value in settings.items() if value is not None}),
            freeze=False,  # done below, with what the command line itself has loaded
        )
    finally:
        gc.freeze()
        gc.enable()


def exclude(*pairs: tuple[str, object, str, object]) -> None:
    """Raise SettingsError where both options of a pair are given: name, value, name, value."""
    from tierbreak.errors import SettingsError

    for one, given, other, also in pairs:
        if given and also:
            raise SettingsError(f"{one} and {other} exclude each other; leave one out")


def day(text: str | None, option: str) -> dt.date | None:
    """A date given as YYYY-MM-DD; raises SettingsError naming the option."""
    from tierbreak.errors import SettingsError

    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise SettingsError(f"{option}: {text!r} is no date; write it as YYYY-MM-DD") from None
