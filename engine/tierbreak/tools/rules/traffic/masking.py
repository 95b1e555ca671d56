"""Descriptors fit to be shown in a report: what may point at a person or a card is masked."""

from __future__ import annotations

import polars as pl

#: What a person's name stands behind: a payment from one to another, wages, a transfer, a cheque and its number, which
#: is `#` by then. Purchases have no such words, so a merchant's name stays.
_TO_PERSON = (
    r"(?i)(\b(?:ZELLE(?: (?:PAYMENT|TRANSFER|PMT))?(?: (?:TO|FROM))?|VENMO(?: PAYMENT)?|CASH ?APP|INDN|IND NAME|"
    r"BENEFICIARY|(?:MONEY|PAYMENT|GIFT|RENT|SENT|PAID|RECEIVED) (?:TO|FROM)|PAID BY|"
    r"(?:WIRE|TRANSFER|XFER|TFR|TRF|DEPOSIT)\b.{0,40}?\b(?:TO|FROM)|"
    r"ACH CREDIT|DIR(?:ECT)? DEP(?:OSIT)?|PAYROLL|SALARY|WAGES)\b[ *:]+|"
    r"\bCHECK(?: NO\.?| NUMBER)? ?#+[ *:]+).+$"
)


def masked(descriptors: pl.Series, *, digits: bool = True) -> pl.Series:
    """The same, digits as `#`, the name before an `@` and all that follows a payment to a person as `…`.

    digits   False: they stay, as in names (Studio 54) and where numbers are what brands are called

    >>> masked(pl.Series(["UBER *TRIP 8005928996", "Zelle to Kim Lee", "PP*KIM@MAIL.COM", "CHECK 1234 KIM"])).to_list()
    ['UBER *TRIP ##########', 'Zelle to …', 'PP*…@MAIL.COM', 'CHECK #### …']
    """
    hidden = descriptors.str.replace_all(r"\d", "#") if digits else descriptors
    return hidden.str.replace_all(r"[A-Za-z\d#._+-]+@", "…@").str.replace(_TO_PERSON, "${1}…")
