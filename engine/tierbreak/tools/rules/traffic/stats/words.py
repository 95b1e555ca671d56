"""Figures as a person reads them."""

from __future__ import annotations


def number(value: float) -> str:
    """
    >>> number(1234567), number(2.5), number(0)
    ('1,234,567', '2.5', '0')
    """
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def rows(value: float) -> str:
    """
    >>> rows(1), rows(2000)
    ('1 row', '2,000 rows')
    """
    return f"{number(value)} row{'s' * (value != 1)}"


def percent(part: float, whole: float) -> str:
    """
    >>> percent(1, 8), percent(3, 100_000), percent(1, 0)
    ('12.5 %', '0.003 %', '-')
    """
    if not whole:
        return "-"
    share = 100 * part / whole
    return f"{share:.3f} %" if 0 < share < 0.1 else f"{share:.1f} %"


def share(value: float) -> str:
    """
    >>> share(0.294), share(0.0001)
    ('29 %', '0.01 %')
    """
    return f"{100 * value:.0f} %" if value >= 0.01 or not value else f"{100 * value:.2g} %"
