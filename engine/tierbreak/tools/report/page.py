"""The shell of a report as one HTML page that holds all it needs: no script, nothing from the network."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

_STYLE = Path(__file__).with_name("page.css")


def shell(heading: str, *, opening: str, sections: Iterable[tuple[str, str, str]], footer: str, style: Path) -> str:
    """The whole page.

    heading    plain text
    opening    HTML below it
    sections   (id, title as plain text, HTML) of each
    style      what the page's own style sheet adds to that of all pages
    """
    listed = [*sections]
    links = "".join(f'<li><a href="#{id}">{text(title)}</a></li>' for id, title, _ in listed)
    body = "".join(f'<section id="{id}"><h2>{text(title)}</h2>{inside}</section>' for id, title, inside in listed)
    css = "".join(file.read_text(encoding="utf-8") for file in (_STYLE, style))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(heading)}</title>"
        f'<link rel="icon" href="data:,"><style>{css}</style></head>\n<body>'
        f"<header><h1>{text(heading)}</h1>{opening}"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>\n<main>{body}</main>\n'
        f"<footer>{footer}</footer></body></html>\n"
    )


def text(given: str) -> str:
    """Text as HTML: escaped, and what does not print in it shown as an escape.

    >>> text("A&B\\x1b<i>")
    'A&amp;B\\\\x1b&lt;i&gt;'
    """
    shown = (letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in given)
    return escape("".join(shown))


def more(title: str, inside: str) -> str:
    """HTML that is folded away under a title."""
    return f"<details><summary>{text(title)}</summary>{inside}</details>"
