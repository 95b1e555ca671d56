"""Descriptors fit to be shown in a report: what may point at a person or a card is masked."""

from __future__ import annotations

import polars as pl

#: What a person's name stands behind: a payment from one to another, wages, a transfer.
_TO_PERSON = (
    r"(?i)\b(ZELLE(?: (?:PAYMENT|TRANSFER|PMT))?(?: (?:TO|FROM))?|VENMO(?: PAYMENT)?|CASH ?APP|INDN|IND NAME|"
    r"BENEFICIARY|(?:WIRE|TRANSFER|MONEY|PAYMENT|XFER) (?:TO|FROM))\b([ *:]+).+$"
)


def masked(descriptors: pl.Series) -> pl.Series:
    """The same, digits as `#`, the name before an `@` and all that follows a payment to a person as `…`.

    >>> masked(pl.Series(["UBER *TRIP 8005928996", "Zelle to Kim Lee", "PP*KIM@MAIL.COM"])).to_list()
    ['UBER *TRIP ##########', 'Zelle to …', 'PP*…@MAIL.COM']
    """
    return (
        descriptors.str.replace_all(r"\d", "#")
        .str.replace_all(r"[A-Za-z#._+-]+@", "…@")
        .str.replace(_TO_PERSON, "${1}${2}…")
    )
