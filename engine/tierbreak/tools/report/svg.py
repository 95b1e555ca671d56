"""Elements of a plot in a report: SVG that needs nothing from outside, as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tierbreak.tools.report.page import text


def element(name: str, inside: str = "", **attributes: object) -> str:
    """An element; `inside` is markup, attributes are plain.

    >>> element("text", "a &amp; b", x=1.0, text_anchor="end", class_="tick")
    '<text x="1.00" text-anchor="end" class="tick">a &amp; b</text>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(f"{value:.2f}" if isinstance(value, float) else str(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{given}>{inside}</{name}>"


def image(inside: Sequence[str], high: float, name: str, says: str, *, wide: int) -> str:
    """The whole of a plot, `wide` by `high` units, with its name and what it shows for those who do not see it."""
    head = f"<title>{text(name)}</title><desc>{text(says)}</desc>"
    return (
        f'<svg viewBox="0 0 {wide} {math.ceil(high)}" role="img" aria-label="{text(name)}: {text(says)}">{head}'
        + "".join(inside)
        + "</svg>"
    )
