"""The shapes of descriptors: what a card network's fields, an acquirer, a bank and an aggregator make of a head.

    head -> body (facilitator, star, store number) -> the bank's layout (fields, wrapper, tail)

Each shape is a polars expression over the columns of FIELDS; rows of one shape are written at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from tierbreak.tools.models.simulate.draw import Draw
from tierbreak.tools.models.simulate.lists import entries, pairs, words

Expr = pl.Expr

#: How likely a brand of a sector bills from afar: a telephone or an address stands where the city would.
AFAR = {
    "software": 0.8, "streaming": 0.8, "gaming": 0.8, "social": 0.8, "marketplace": 0.6, "news": 0.7, "travel": 0.6,
    "delivery": 0.6, "telecom": 0.4, "insurance": 0.4, "utility": 0.3, "investing": 0.6, "tax": 0.5, "airline": 0.5,
    "rideshare": 0.7, "lending": 0.5, "payments": 0.5, "charity": 0.3, "education": 0.3,
}  # fmt: skip

#: Sectors whose bills go through ACH.
BILLS = frozenset(
    {
        "insurance",
        "utility",
        "lending",
        "telecom",
        "investing",
        "bank",
        "housing",
        "tax",
        "payments",
        "health",
        "education",
    }
)

PHONE = pl.format("{}-{}-{}", pl.col("area"), pl.col("exchange"), pl.col("line"))
_DATE = pl.format("{}/{}", pl.col("month"), pl.col("day"))
_BODY, _CITY, _STATE = pl.col("body"), pl.col("city"), pl.col("state")
_UPPER, _SLOT = _CITY.str.to_uppercase(), pl.col("slot")


def _fixed(text: Expr, width: int) -> Expr:
    return text.str.head(width).str.pad_end(width)


def _spot(width: int) -> Expr:
    """What stands in the city field: a city, or for brands from afar a telephone or an address."""
    return pl.when(_SLOT != "").then(_SLOT).otherwise(_UPPER).str.head(width)


_CARD = pl.format("{} {} {}", _BODY, _spot(99), _STATE)
_AUTHORIZED = pl.format(
    "{} {} {} {} S{} CARD {}", _DATE, _BODY, _spot(99), _STATE, pl.col("arn").str.head(15), pl.col("line")
)
#: The company's name in an ACH entry has sixteen characters.
_COMPANY = _BODY.str.head(16)


class Shape(NamedTuple):
    """A layout, and whether it is for bills that go through ACH."""

    text: Expr
    ach: bool = False


def _words(template: str, *parts: Expr | str) -> Expr:
    """A text with `{}` for each part: an expression, or the name of a column."""
    return pl.format(template, *(pl.col(part) if isinstance(part, str) else part for part in parts))


#: Every layout by name: the text, with columns of `fields`, the body and what is made of them. The names are those
#: of the format column.
SHAPES: dict[str, Shape] = {
    "card-mastercard": Shape(_words("{} {} {}", _fixed(_BODY, 22), _spot(13).str.pad_end(13), _STATE)),
    "card-visa": Shape(_words("{}{}{}", _fixed(_BODY, 25), _spot(13).str.pad_end(13), _STATE)),
    "card-plain": Shape(_CARD),
    "card-cut": Shape(_words("{} {} {}", _BODY.str.head(22).str.strip_chars_end(), _spot(13), _STATE)),
    "card-country": Shape(_words("{} {} {} US", _BODY, _spot(13), _STATE)),
    "bare": Shape(_BODY),
    "suffix-date": Shape(_words("{} {}", _BODY, _DATE)),
    "suffix-mask": Shape(_words("{} {} {} XXXX{}", _BODY, _UPPER, _STATE, "line")),
    "suffix-phone": Shape(_words("{} {} {}", _BODY, PHONE, _STATE)),
    "suffix-zip": Shape(_words("{} {} {} {} USA", _BODY, _UPPER, _STATE, "zip")),
    "wrapper-checkcard": Shape(
        _words("CHECKCARD  {}{} {} {} {} {}", "month", "day", _BODY.str.head(24), _spot(13), _STATE, "arn")
    ),
    "wrapper-checkcard-short": Shape(_words("CHECKCARD {}{} {}", "month", "day", _CARD)),
    "wrapper-purchase-authorized": Shape(_words("PURCHASE AUTHORIZED ON {}", _AUTHORIZED)),
    "wrapper-recurring": Shape(_words("RECURRING PAYMENT AUTHORIZED ON {}", _AUTHORIZED)),
    "wrapper-debit-pin": Shape(
        _words("Debit PIN Purchase {} {}{} {}", _BODY.str.head(15), _BODY.str.head(12), _CITY, _STATE)
    ),
    "wrapper-pos": Shape(
        _words("POS PURCHASE          POS{}  {}     {}  {} {}", "long", "trace", _BODY, _UPPER, _STATE)
    ),
    "wrapper-pos-debit": Shape(_words("POS DEBIT {}", _CARD)),
    "wrapper-debit-card": Shape(_words("DEBIT CARD PURCHASE XXXXX{} {}", "line", _CARD)),
    "wrapper-name-twice": Shape(
        _words("{} {} #000{} PURCHASE {} {} {}", _BODY.str.head(15), _DATE, "trace", _BODY.str.head(22), _UPPER, _STATE)
    ),
    "wrapper-glued": Shape(_words("{} {} {}DEBIT FOR CHECKCARD XXXXXX{}", _BODY.str.head(22), _UPPER, _STATE, "line")),
    "wrapper-behind": Shape(_words("{} CHECKCARD PURCHASE", _BODY)),
    "wrapper-tilde": Shape(
        _words("{} {} {}~~{}~~XXXXXXXXXXXXXXXX~~{}~~0~~~~{}", _BODY, _UPPER, _STATE, "zip", "trace", "line")
    ),
    "wrapper-sig": Shape(_words("SIG DEBIT {} {}", "line", _CARD)),
    "wrapper-withdrawal": Shape(_words("Withdrawal Debit Card {} Date {} {}", _CARD, _DATE, "trace")),
    "wrapper-time": Shape(_words("{}:{} {}", "month", "day", _CARD)),
    "wrapper-visa": Shape(_words("VISA PURCHASE - {} {}", _DATE, _CARD)),
    "wrapper-withdrawal-ach": Shape(_words("Withdrawal ACH {} TYPE: {} ID: {}", _BODY, "entry", "company"), ach=True),
    "wallet": Shape(_words("AplPay {}", _CARD)),
    "ach": Shape(
        _words("{} DES:{} ID:{} INDN:{} CO ID:{} {}", _COMPANY, "entry", "long", "person", "company", "class"), ach=True
    ),
    "ach-plain": Shape(_words("{} {} {} {} ID: {}", _COMPANY, "entry", "trace", "class", "company"), ach=True),
    "ach-short": Shape(_words("{} {}", _BODY, "entry"), ach=True),
    "bill-pay": Shape(_words("BILL PAYMENT {} {}", _BODY, "trace"), ach=True),
    "fx-tail": Shape(_words("{} AMT {}.{} UNITED STATES DOLLAR", _CARD, "number", "day")),
    "uk-deb": Shape(_words("{} CD {} {}{}19 DEB", _BODY.str.head(18), "line", "day", "name_of_month")),
    "uk-pos": Shape(_words("{} {}{}14 , {} , {} GB - POS", "line", "day", "name_of_month", _BODY.str.head(18), _UPPER)),
    "feed": Shape(_BODY.str.to_titlecase()),
    "feed-place": Shape(_words("{} {}", _BODY.str.to_titlecase(), _CITY)),
}

#: Shapes that no training row has, so that a test on them shows what an unseen bank's layout does.
HELD_OUT = frozenset({"wrapper-tilde", "uk-pos", "card-country", "suffix-zip"})

#: Whose feed a row comes from: how often it uses which shape, its share of brands' stars, whether stars are lost.
SOURCES: dict[str, tuple[dict[str, float], float]] = {
    "mastercard": ({"card-mastercard": 8, "card-plain": 1, "ach-short": 0.3}, 0.30),
    "visa": ({"card-visa": 8, "card-cut": 2, "ach-short": 0.3}, 0.30),
    "big-bank-a": (
        {"wrapper-checkcard": 4, "wrapper-checkcard-short": 1, "ach": 3, "card-plain": 2, "bill-pay": 0.5}, 0.25,
    ),
    "big-bank-b": ({"wrapper-purchase-authorized": 5, "wrapper-recurring": 1.5, "ach-plain": 2, "bill-pay": 1}, 0.25),
    "big-bank-c": ({"card-plain": 6, "ach-plain": 2, "suffix-date": 2, "suffix-phone": 0.5}, 0.35),
    "credit-union": (
        {"wrapper-pos": 2, "wrapper-pos-debit": 3, "wrapper-debit-pin": 2, "ach-short": 1.5, "wrapper-tilde": 1,
         "wrapper-sig": 0.7, "wrapper-withdrawal": 1, "wrapper-withdrawal-ach": 1, "wrapper-visa": 0.7}, 0.05,
    ),
    "regional": (
        {"wrapper-name-twice": 2, "wrapper-debit-card": 3, "wrapper-glued": 1, "wrapper-behind": 1, "ach-short": 1,
         "suffix-mask": 1, "wrapper-time": 0.4}, 0.05,
    ),
    "neobank": ({"bare": 4, "card-cut": 2, "wallet": 2, "feed": 1, "suffix-zip": 1}, 0.30),
    "amex": ({"card-plain": 3, "wallet": 3, "suffix-phone": 2, "card-country": 1}, 0.30),
    "aggregator": ({"feed": 4, "feed-place": 3, "bare": 3}, 0.10),
    "uk": ({"uk-deb": 3, "uk-pos": 2, "card-mastercard": 2, "fx-tail": 1}, 0.0),
}  # fmt: skip
#: How much of all traffic comes from each source, in the order of SOURCES.
_SHARES = (16, 18, 10, 10, 10, 8, 7, 8, 6, 10, 2)

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_CLASSES = ("PPD", "WEB", "CCD", "TEL")
_ORDER = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def chosen(n: int, bills: np.ndarray, draw: Draw, *, held_out: bool | None) -> tuple[np.ndarray, np.ndarray]:
    """Source and shape of each of n rows, as positions in SOURCES and SHAPES.

    bills      bool [n]: the row may go through ACH; others never do
    held_out   None: any shape; False: none of HELD_OUT; True: those of HELD_OUT only
    """
    sources, names = draw.weighted(n, _SHARES), list(SHAPES)
    shapes = np.empty(n, dtype=np.int64)
    for at, (habits, _) in enumerate(SOURCES.values()):
        for bill in (False, True):
            rows = np.flatnonzero((sources == at) & (bills == bill))
            use = {
                name: weight * (4.0 if SHAPES[name].ach else 1.0)
                for name, weight in habits.items()
                if (bill or not SHAPES[name].ach) and (held_out is None or (name in HELD_OUT) == held_out)
            } or dict.fromkeys(sorted(HELD_OUT) if held_out else ["bare"], 1.0)
            shapes[rows] = np.array([names.index(name) for name in use])[draw.weighted(len(rows), list(use.values()))]
    return sources, shapes


def fields(n: int, draw: Draw) -> pl.DataFrame:
    """FIELDS: what numbers, places and people n descriptors carry; independent of what is sold."""

    def digits(width: int) -> pl.Series:
        return pl.Series(draw.below(n, 10**width)).cast(pl.String).str.zfill(width)

    def of(things: tuple[str, ...] | list[str]) -> pl.Series:
        return pl.Series(list(things))[draw.below(n, len(things))]

    city, state = towns(n, draw)
    month = draw.below(n, 12)
    return pl.DataFrame({
        "city": city, "state": state,
        "area": pl.Series(200 + draw.below(n, 789)).cast(pl.String),
        "exchange": pl.Series(200 + draw.below(n, 789)).cast(pl.String),
        "line": digits(4), "zip": digits(5), "number": pl.Series(1 + draw.below(n, 999)).cast(pl.String),
        "store": pl.Series((10 ** (1 + 3.5 * draw.shares(n))).astype(np.int64)).cast(pl.String),
        "month": pl.Series(1 + month).cast(pl.String).str.zfill(2),
        "day": pl.Series(1 + draw.below(n, 28)).cast(pl.String).str.zfill(2),
        "name_of_month": pl.Series(list(_MONTHS))[month],
        "trace": digits(6), "long": digits(10), "company": digits(10),
        "arn": pl.select(pl.concat_str(pl.lit("24"), digits(12), digits(9))).to_series(),
        "entry": of(entries("entries")), "class": of(_CLASSES),
        "person": pl.select(pl.concat_str(of(words("surnames")), pl.lit(" "), of(words("first_names")))).to_series(),
        "order": _orders(n, draw),
    })  # fmt: skip


#: Towns that are listed with their state, those listed without, and, the rest, those made of parts.
_LISTED, _OTHERS = 0.5, 0.25


def towns(n: int, draw: Draw) -> tuple[pl.Series, pl.Series]:
    """City and state of n rows. Half come from a list; the others teach that a town may be called anything.

    >>> city, state = towns(4, Draw(1))
    >>> len(city), state.str.len_chars().to_list()
    (4, [2, 2, 2, 2])
    """
    places = pairs("places", " ")
    place = draw.below(n, len(places))
    kind = draw.shares(n)
    parts = [pl.Series(entries(f"town_{part}"))[draw.below(n, len(entries(f"town_{part}")))]
             for part in ("befores", "roots", "ends")]  # fmt: skip
    made = pl.select(pl.concat_str(parts[0].replace("-", ""), *parts[1:]).str.to_titlecase()).to_series()
    other = pl.Series(entries("towns"))[draw.below(n, len(entries("towns")))]
    listed = pl.Series(kind < _LISTED)
    city = other.zip_with(pl.Series(kind < _LISTED + _OTHERS), made)
    state = pl.Series(words("states"))[draw.below(n, len(words("states")))]
    return (
        pl.Series([city for city, _ in places])[place].zip_with(listed, city),
        pl.Series([state for _, state in places])[place].zip_with(listed, state),
    )


def _orders(n: int, draw: Draw) -> pl.Series:
    """Order ids: nine letters and digits, as shops put behind a star."""
    codes = np.frombuffer(_ORDER.encode(), dtype=np.uint8)[draw.below(n * 9, len(_ORDER))]
    return pl.Series(codes.reshape(n, 9).view("S9").ravel().astype("U9"))
