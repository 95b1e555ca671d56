"""Settings, checked when loaded: arguments first, then TIERBREAK_* in the environment, then the defaults here."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tierbreak.errors import SettingsError


class Settings(BaseSettings):
    """How an engine runs; nothing here changes what the bundle holds.

    debits        which sign of `amount` money going out has in the caller's rows
    as_of         the date that `valid` is read against for rows without one; None is today
    audit         0..1, the share of settled keys that the later tiers are shown as well
    threads       cores the model may use; None is all of them
    device        where the model runs: cpu (int8, onnxruntime) or cuda (bfloat16, torch; needs the extra `gpu`)
    cache_bytes   most bytes the cache store may take on disk
    memo_rows     decisions of single rows that are remembered, about a kilobyte each
    warm_keys     most keys that a new model is asked for before it serves: those this engine was asked most
    fallback      a bag of words that answers where the model cannot be loaded; None: then the engine does not start
    off           names of normaliser steps that are switched off
    state         folder for what can be made again: compiled databases and, by default, the cache

    >>> Settings(debits="negative").audit
    0.0
    """

    model_config = SettingsConfigDict(env_prefix="TIERBREAK_", extra="forbid", frozen=True)

    debits: Literal["negative", "positive"] = "negative"
    as_of: dt.date | None = None
    audit: float = Field(default=0.0, ge=0.0, le=1.0)
    threads: int | None = Field(default=None, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"
    cache_bytes: int = Field(default=1 << 30, ge=1 << 20)
    memo_rows: int = Field(default=20_000, ge=0)
    warm_keys: int = Field(default=10_000, ge=0)
    fallback: Path | None = None
    state: Path = Field(default_factory=lambda: user_cache_path("tierbreak"))
    off: frozenset[str] = frozenset()

    @classmethod
    def of(cls, **given: object) -> Settings:
        """Settings from keyword arguments; raises SettingsError that names every one that is wrong."""
        try:
            return cls(**given)  # type: ignore[arg-type]
        except ValidationError as error:
            wrong = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors()]
            raise SettingsError("settings are wrong:\n" + "\n".join(wrong)) from None
