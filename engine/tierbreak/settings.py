"""Settings, checked when loaded: arguments first, then TIERBREAK_* in the environment, then the defaults here."""

from __future__ import annotations

import datetime as dt
import difflib
import os
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_cache_path
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)

from tierbreak.core.json_text import parse
from tierbreak.errors import SettingsError

#: What the variable of a setting begins with; the rest is its name in capitals.
PREFIX = "TIERBREAK_"


class Settings(BaseModel):
    """How an engine runs; nothing here changes what the bundle holds.

    Each can be set in the environment, as TIERBREAK_AUDIT=0.01; an empty variable is none. Raises SettingsError that
    names every argument and every variable that is wrong, misspelt ones included.

    debits        which sign of `amount` money going out has in the caller's rows
    as_of         the date that `valid` is read against for rows without one; None is today
    audit         0..1, the share of settled keys that the later tiers are shown as well
    threads       cores the model may use; None is all of them
    device        where the model runs: cpu (int8, onnxruntime) or cuda (bfloat16, torch; needs the extra `gpu`)
    cache_bytes   most bytes the cache store may take on disk
    memo_rows     decisions of single rows that are remembered, about a kilobyte each
    warm_keys     most keys that a new model is asked for before it serves: those this engine was asked most
    fallback      a bag of words that answers where the model cannot be loaded; None: then the engine does not start
    off           names of normaliser steps that are switched off; as text, names with commas between or a JSON list
    state         folder for what can be made again: compiled databases and, by default, the cache

    >>> Settings(debits="negative").audit
    0.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    debits: Literal["negative", "positive"] = "negative"
    as_of: dt.date | None = None
    audit: float = Field(default=0.0, ge=0.0, le=1.0, allow_inf_nan=False)
    threads: int | None = Field(default=None, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"
    cache_bytes: int = Field(default=1 << 30, ge=1 << 20, le=1 << 46)
    memo_rows: int = Field(default=20_000, ge=0, le=1 << 31)
    warm_keys: int = Field(default=10_000, ge=0, le=1 << 31)
    fallback: Path | None = None
    state: Path = Field(default_factory=lambda: user_cache_path("tierbreak"))
    off: frozenset[str] = frozenset()

    @classmethod
    def of(cls, **given: object) -> Settings:
        """Settings from keyword arguments of any type."""
        return cls(**given)  # type: ignore[arg-type]

    @field_validator("off", mode="before")
    @classmethod
    def _names(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        if given.lstrip().startswith("["):
            return parse(given)
        return [name.strip() for name in given.split(",") if name.strip()]

    @model_validator(mode="wrap")
    @classmethod
    def _with_environment(cls, given: Any, check: ModelWrapValidatorHandler[Settings]) -> Settings:
        variables = {f"{PREFIX}{name.upper()}": name for name in cls.model_fields}
        found = {name: os.environ[variable] for variable, name in variables.items() if os.environ.get(variable)}
        wrong = [
            f"{name}: there is no such setting; did you mean {near}?"
            for name in os.environ
            if name.startswith(PREFIX) and name not in variables and (near := _near(name, variables))
        ]
        try:
            made = check(found | given)
        except ValidationError as error:
            for one in error.errors():
                name = str(one["loc"][0])
                if one["type"] == "extra_forbidden":
                    near = _near(name, cls.model_fields) or f"one of {', '.join(cls.model_fields)}"
                    wrong.append(f"{name}: there is no such setting; did you mean {near}?")
                else:
                    whose = name if name in given else f"{PREFIX}{name.upper()}"
                    wrong.append(f"{whose}: {one['msg']}, got {reprlib.repr(one['input'])}")
        if wrong:
            raise SettingsError("settings are wrong:\n" + "\n".join(f"  {line}" for line in wrong))
        return made


def _near(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that is nearly so called: what stands behind the prefix counts."""
    ends = {one.removeprefix(PREFIX): one for one in known}
    near = difflib.get_close_matches(name.removeprefix(PREFIX), ends, n=1, cutoff=0.75)
    return ends[near[0]] if near else None
