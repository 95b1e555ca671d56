"""`tierbreak rules explain`: the page of a code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def explain(
    code: Annotated[
        str | None,
        typer.Argument(metavar="CODE", help="A code such as R012. [default: list them all]", show_default=False),
    ] = None,
) -> None:
    """Say what a code means: what is wrong, why it matters, a bad and a good example, and the fix."""
    from tierbreak.cli.output import aligned
    from tierbreak.tools.rules.checking import CODES, page

    if code is None:
        print("\n".join(aligned([(name, of.severity, of.title) for name, of in CODES.items()])))
        return
    text = page(code)
    if not sys.stdout.isatty():
        print(text, end="")
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))
