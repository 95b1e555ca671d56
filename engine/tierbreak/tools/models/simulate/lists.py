"""lists.toml, read once: what simulated traffic is made of."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _content() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("lists.toml").read_text(encoding="utf-8"))


@cache
def words(name: str) -> tuple[str, ...]:
    """Entries of one word each.

    >>> words("streets")[:2]
    ('ROAD', 'RD')
    """
    return tuple(_content()[name].split())


@cache
def entries(name: str) -> tuple[str, ...]:
    """Entries between bars, or those of an array.

    >>> entries("branches")[:2]
    ('MALL', 'PLAZA')
    """
    found = _content()[name]
    return tuple(found if isinstance(found, list) else found.replace("\n", "").split("|"))


@cache
def pairs(name: str, by: str) -> tuple[tuple[str, str], ...]:
    """Entries of two parts each, cut at the last `by`.

    >>> pairs("places", " ")[0], pairs("trades", ":")[0]
    (('Abilene', 'TX'), ('NAIL SALON', 'beauty'))
    """
    parts = (entry.rpartition(by) for entry in entries(name))
    return tuple((first, last) for first, _, last in parts)


def table(name: str) -> dict[str, Any]:
    """A table, in the order in which it is written."""
    return dict(_content()[name])
