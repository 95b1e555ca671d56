"""Which column of a table is the descriptor, the amount and so on: as told, else by usual names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from tierbreak.errors import InputError

#: Usual names of each column, best first, in lower case with spaces and underscores left out.
USUAL = {
    "descriptor": (
        "descriptor",
        "statementdescriptor",
        "originaldescription",
        "rawdescription",
        "description",
        "transactiondescription",
        "narrative",
        "memo",
        "details",
        "transactiondetails",
        "transaction",
        "payee",
        "merchantname",
        "merchant",
        "vendor",
        "name",
    ),
    "amount": ("amount", "transactionamount", "amountusd"),
    "date": ("date", "transactiondate", "posteddate", "postingdate", "postdate", "transdate"),
    "mcc": ("mcc", "merchantcategorycode", "mcccode"),
    "country": ("country", "countrycode", "merchantcountry"),
    "source": ("source",),
    "weight": (),
}


@dataclass(frozen=True)
class Columns:
    """Which column of the input plays which part.

    names   part ('descriptor', 'amount' …) -> column of the input; 'descriptor' is always there
    found   the parts that were found by usual names, not told
    """

    names: Mapping[str, str]
    found: tuple[str, ...]

    @property
    def descriptor(self) -> str:
        return self.names["descriptor"]


def looks_like_descriptor(name: str) -> bool:
    """Whether a column of this name is taken for the descriptor unasked."""
    return _plain(name) in USUAL["descriptor"]


def choose(have: Sequence[str], told: Mapping[str, str | None], *, name: str) -> Columns:
    """Decide which of the columns `have` play which parts.

    have   the input's columns, in order
    told   part -> column asked for; None: look for a usual name; '': leave this part out
    name   of the input, for messages

    Raises InputError where a column asked for is missing, or no column looks like the descriptor.

    >>> choose(["Date", "Memo", "Total"], {"amount": "Total"}, name="june.csv").names
    {'descriptor': 'Memo', 'amount': 'Total', 'date': 'Date'}
    """
    names: dict[str, str] = {}
    found: list[str] = []
    for part, usual in USUAL.items():
        asked = told.get(part)
        if asked:
            names[part] = _present(asked, have, part, name)
        elif asked is None and (column := _by_usual_name(have, usual)) is not None:
            names[part] = column
            found.append(part)
    if "descriptor" not in names:
        raise InputError(
            f"{name}: no column looks like the descriptor\n"
            f"  columns: {_listed(have)}\n"
            "  fix: name it with --descriptor COLUMN; "
            "if the file has no header and one descriptor a line, say --format lines"
        )
    return Columns(names, tuple(found))


def _present(asked: str, have: Sequence[str], part: str, name: str) -> str:
    if asked in have:
        return asked
    by_plain = {_plain(column): column for column in have}
    near = get_close_matches(_plain(asked), by_plain, n=1)
    guess = f"\n  nearest: {by_plain[near[0]]!r}" if near else ""
    raise InputError(f"{name}: no column {asked!r} for --{part}\n  columns: {_listed(have)}{guess}")


def _by_usual_name(have: Sequence[str], usual: Sequence[str]) -> str | None:
    for wanted in usual:
        for column in have:
            if _plain(column) == wanted:
                return column
    return None


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _listed(have: Sequence[str]) -> str:
    shown = [repr(column if len(column) <= 40 else column[:39] + "…") for column in have[:20]]
    return ", ".join(shown) + (f" and {len(have) - 20} more" if len(have) > 20 else "")
