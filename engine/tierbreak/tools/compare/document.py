"""A report as blocks, written once: page, Markdown and JSON say the same because they are made from the same.

All text is plain: a writer escapes it. Descriptors are masked before they come here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Text:
    """A paragraph; `tone` is `plain`, `soft`, `good`, `bad` or `warn`."""

    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Tile:
    """One figure that is to be seen first."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Table:
    """rows are as long as `columns`.

    words   columns that hold words; the others hold numbers, and stand to the right
    shown   rows that are seen at once; those after them unfold. None: all are seen
    tones   tone of each row, if any is to stand out
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    note: str = ""
    words: frozenset[int] = frozenset({0})
    shown: int | None = None
    tones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A plot: SVG that needs nothing from outside, and what it says in words, which Markdown shows in its place."""

    title: str
    svg: str
    says: str


@dataclass(frozen=True)
class Beside:
    """Two records beside each other: (label, value) lines of the old side and of the new."""

    old: tuple[tuple[str, str], ...]
    new: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fold:
    """Blocks that open under a title."""

    title: str
    blocks: tuple[Block, ...]


Block = Text | Tiles | Table | Figure | Beside | Fold


@dataclass(frozen=True)
class Section:
    """One part of the report.

    id       anchor of the page and key of the JSON
    figures  what the section says as plain data: a dataclass, or None where it has nothing to say
    """

    id: str
    title: str
    blocks: tuple[Block, ...]
    figures: Any = field(default=None)


def plain(value: Any) -> Any:
    """Figures as JSON has them: dataclasses become objects, NaN and infinities null, sets lists in order.

    >>> plain((1.5, math.nan, {"a": Text("hello")}))
    [1.5, None, {'a': {'text': 'hello', 'tone': 'plain'}}]
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    elif hasattr(value, "item"):  # a number of numpy's
        value = value.item()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset | list | tuple):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if hasattr(value, "isoformat") else value


def percent(value: float, digits: int = 1) -> str:
    """
    What is not all, or not nothing, never looks so.

    >>> percent(0.9028), percent(0.00031, 2), percent(math.nan), percent(0.9996), percent(0.0004), percent(1.0)
    ('90.3 %', '0.03 %', '-', '>99.9 %', '<0.1 %', '100.0 %')
    """
    if math.isnan(value):
        return "-"
    shown, least = f"{100 * value:.{digits}f}", 10.0**-digits
    if value < 1 - 1e-9 and shown == f"{100:.{digits}f}":
        return f">{100 - least:.{digits}f} %"
    if value > 1e-12 and shown == f"{0:.{digits}f}":
        return f"<{least:.{digits}f} %"
    return f"{shown} %"


def count(value: float) -> str:
    """
    >>> count(1234567.0), count(12.25)
    ('1,234,567', '12.2')
    """
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def spread(low: float, high: float, digits: int = 1) -> str:
    """An interval of shares; nothing where there is none.

    >>> spread(0.9, 0.952), spread(math.nan, 1.0)
    ('90.0 to 95.2', '')
    """
    return "" if math.isnan(low) or math.isnan(high) else f"{100 * low:.{digits}f} to {100 * high:.{digits}f}"


def tables(blocks: tuple[Block, ...]) -> Iterator[Table]:
    """Every table of some blocks, folded ones too."""
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Fold):
            yield from tables(block.blocks)
