"""A progress bar on a terminal, and nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierbreak.files import Source


@contextmanager
def bar(source: Source, *, shown: bool) -> Iterator[Callable[[], None]]:
    """Give a function to call after each chunk; it shows how far `source` has been read."""
    if not shown or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from tierbreak.cli.output import cut, visible

    label = escape(visible(cut(source.name, 30)))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)

        def advance() -> None:
            if (share := source.progress) is not None:
                progress.update(task, total=1.0, completed=share)

        yield advance


@contextmanager
def counter(label: str, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Give a function to tell how many more were done; it shows how many so far, where nobody knows of how many."""
    if not shown or not sys.stderr.isatty():
        yield lambda more: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} " + label), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=None)
        yield lambda more: progress.update(task, advance=more)
