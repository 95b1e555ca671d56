"""What stands around a name before a bank sees it: facilitator, star, order id, store number, place.

And what keying, cutting and saving room do to the name itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tierbreak.tools.models.simulate.draw import Draw
from tierbreak.tools.models.simulate.lists import entries, table

#: Facilitators in front of small and of other merchants: how it is written -> how often.
_SMALL, _LARGE = table("small"), table("large")

_NAME = pl.col("name").str

#: What keying, cutting and saving room do to a name: (what is left of it, how often).
_DAMAGE: tuple[tuple[pl.Expr, float], ...] = (
    (_NAME.replace_all(r"\B[AEIOU]\B", ""), 3),
    (_NAME.replace(r"\B[AEIOU]\B", ""), 3),
    (_NAME.replace(r"([A-Z]{3})[AEIOU]([A-Z])", "$1$2"), 2),
    (_NAME.replace_all(r"\b([A-Z]{4})[A-Z]{3,}", "$1"), 1.5),
    (_NAME.replace(r"\b([A-Z]{5})[A-Z]{2,}$", "$1"), 2),
    (_NAME.replace_all(" ", ""), 2),
    (_NAME.replace(" ", ""), 2),
    (_NAME.replace_all(r"([A-Z])[A-Z]\b", "$1"), 0.5),
)

#: What stands behind the name of a shop, and how often. Columns in braces; {CITY} is upper case, {store5} has 5 digits.
_HERE = {
    "{name}": 30, "{name} #{store}": 18, "{name} {store}": 9, "{name} {store5}": 6, "{name} STORE {store}": 4,
    "{name} F{line}": 3, "{name} T{store4}": 2, "{name} {store} {CITY}": 3, "{name} Q{day}": 2, "{name} OF {CITY}": 1.5,
    "{name}-{CITY}": 1.5, "{name} - {CITY}": 1, "{name} {CITY}": 3, "{name} {CITY} {branch}": 1.5,
    "{name} {store} {branch}": 2, "{name} {branch}": 2, "{name} INC": 1, "{name} LLC": 1,
}  # fmt: skip
#: Behind that of a brand that bills from afar, without and with a star.
_AFAR = {"{name}": 6, "{name} INC": 0.6, "{name} {said}": 1}
_STARRED = {
    "{name}*{order}": 3, "{name} *{order}": 3, "{name}* {order}": 2, "{name} {order}": 1, "{name}*{said}": 2,
    "{name} *{said}": 2,
}  # fmt: skip

#: Behind that of a brand that sells for others: the seller.
_SELLERS = {"{name} {other}": 1, "{name}*{other}": 1, "{name} *{other}": 1, "{name}* {other}": 0.5}

#: Rows of such a brand that name the seller; small merchants that have a number or a branch, or stand behind a
#: facilitator; brands that do; bodies that lost a letter.
_SOLD, _SMALL_TAILED, _SMALL_BEHIND, _LARGE_BEHIND, _LOST = 0.2, 0.15, 0.38, 0.05, 0.02


def bodies(
    frame: pl.DataFrame,
    branded: npt.NDArray[np.bool_],
    afar: npt.NDArray[np.bool_],
    sells: npt.NDArray[np.bool_],
    stars: npt.NDArray[np.float64],
    draw: Draw,
) -> pl.Series:
    """String [n]: each name with what stands around it.

    frame     [n], the columns of shapes.fields, `name`, and `other`: a small merchant's name
    branded   the name is a brand's
    afar      it bills from afar
    sells     it sells for others
    stars     0..1, how often the row's source has a star behind such a name
    """
    n = frame.height
    branches, said = entries("branches"), entries("said")
    frame = frame.with_columns(
        pl.col("city").str.to_uppercase().alias("CITY"),
        pl.col("store").str.zfill(5).alias("store5"),
        pl.col("store").str.zfill(4).alias("store4"),
        branch=pl.Series(branches)[draw.below(n, len(branches))],
        said=pl.Series(said)[draw.below(n, len(said))],
    )
    away = branded & afar
    here, plain, starred = (draw.weighted(n, list(part.values())) for part in (_HERE, _AFAR, _STARRED))
    which = np.where(away, len(_HERE) + plain, here)
    which = np.where(away & (draw.shares(n) < 1.6 * stars), len(_HERE) + len(_AFAR) + starred, which)
    seller = len(_HERE) + len(_AFAR) + len(_STARRED) + draw.weighted(n, list(_SELLERS.values()))
    which = np.where(branded & sells & (draw.shares(n) < _SOLD), seller, which)
    which = np.where(branded | (draw.shares(n) < _SMALL_TAILED), which, 0)
    body = by_row(frame, [text(template) for template in (*_HERE, *_AFAR, *_STARRED, *_SELLERS)], which)
    for habits, rows in (
        (_SMALL, np.flatnonzero(~branded & draw.happens(n, _SMALL_BEHIND))),
        (_LARGE, np.flatnonzero(branded & draw.happens(n, _LARGE_BEHIND))),
    ):
        # PayPal prints names without spaces, cut at eleven characters.
        joined = pl.col("body").str.replace_all(" ", "").str.head(11)
        fronts = [
            pl.format(front, joined if front.startswith(("PAYPAL", "PP")) else pl.col("body")) for front in habits
        ]
        part = pl.DataFrame({"body": body[rows]})
        body = body.scatter(rows, by_row(part, fronts, draw.weighted(len(rows), list(habits.values()))))
    lost = np.flatnonzero(draw.happens(n, _LOST))
    part = pl.DataFrame({"body": body[lost], "at": 2 + draw.below(len(lost), 8)})
    whole, at = pl.col("body"), pl.col("at")
    return body.scatter(lost, part.select(whole.str.slice(0, at) + whole.str.slice(at + 1)).to_series())


def damaged(names: pl.Series, draw: Draw) -> pl.Series:
    """Each name shortened in one of the ways of _DAMAGE."""
    which = draw.weighted(len(names), [weight for _, weight in _DAMAGE])
    return by_row(names.alias("name").to_frame(), [left for left, _ in _DAMAGE], which)


def by_row(frame: pl.DataFrame, expressions: Sequence[pl.Expr], which: npt.NDArray[np.int64]) -> pl.Series:
    """String [n]: each row by the expression that `which` names."""
    out = pl.Series([""] * frame.height)
    for at, expression in enumerate(expressions):
        rows = np.flatnonzero(which == at)
        if len(rows):
            out = out.scatter(rows, frame[rows].with_columns(expression.alias("by_row"))["by_row"])
    return out


def text(template: str) -> pl.Expr:
    """A text with columns in braces."""
    names = re.findall(r"\{(\w+)\}", template)
    if not names:
        return pl.lit(template)
    return pl.format(re.sub(r"\{\w+\}", "{}", template), *names)
