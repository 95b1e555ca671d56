"""Figures as a person reads them."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """
    >>> number(1234.0), number(0.5)
    ('1,234', '0.5')
    """
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}".rstrip("0")


def rows_of(value: float, verb: str = "") -> str:
    """
    >>> rows_of(1), rows_of(2.0, "flip"), rows_of(1, "flip")
    ('1 row', '2 rows flip', '1 row flips')
    """
    one = value == 1
    said = f" {verb}{'s' * one}" if verb else ""
    return f"{number(value)} row{'s' * (not one)}{said}"


def percent(part: float, whole: float) -> str:
    """A share with as many digits as it needs not to look like none.

    >>> percent(5, 10000), percent(1, 3), percent(0, 3), percent(1, 10_000_000)
    ('0.05 %', '33.3 %', '0 %', '0.00001 %')
    """
    share = 100 * part / whole if whole else 0.0
    if not share:
        return "0 %"
    digits = 1 if share >= 10 else 2 if share >= 1 else 3 if share >= 0.01 else math.ceil(-math.log10(share))
    text = f"{share:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"
