"""The part of a report on agreement."""

from __future__ import annotations

from tierbreak.tools.compare.document import Block, Figure, Section, Table, Text, Tile, Tiles, count, percent
from tierbreak.tools.compare.measure.agreement import Agreed, Agreement
from tierbreak.tools.compare.report.plots import Bar, bars

TITLE = "Agreement"

#: How an outcome is said to people, and its class in plots.
OUTCOME = {
    "same": ("same brand", "same"),
    "both-abstain": ("neither answers", "abstain"),
    "family": ("same family", "family"),
    "changed": ("another brand", "changed"),
    "gained": ("gained", "gained"),
    "lost": ("lost", "lost"),
}
_MEANS = {
    "same": "both sides name one brand",
    "both-abstain": "both sides give no answer",
    "family": "two brands of one family, such as a company and its delivery service",
    "changed": "two brands of different families",
    "gained": "only the new side gives an answer",
    "lost": "only the old side gave an answer",
}
#: A unit in a tile, and in a table.
_UNIT = {
    "rows": ("transactions", "transactions"),
    "weighted rows": ("weighted transactions", "transactions, each as often as its weight says"),
    "keys": ("distinct keys", "distinct keys of which every transaction agrees"),
    "users": ("users", "users of whom every transaction agrees"),
    "money": ("money", "money"),
}


def section(found: Agreement) -> Section:
    """What `measure.agreement` found, as blocks."""
    if not found.by[0].total:
        nothing = Text("There are no paired decisions: nothing can be said of agreement.", "warn")
        return Section("agreement", TITLE, (nothing,), found)
    blocks: list[Block] = [
        Text(
            "Answers agree exactly where both sides name one brand, renamed brands under today's name, or where both "
            "give no answer. They agree by family where both brands belong to one family."
        ),
        Tiles(tuple(
            Tile(f"agreement by {_UNIT[one.unit][0]}", percent(one.exact_share),
                 f"{percent(one.family_share)} by family; of {count(one.total)}")
            for one in found.by
        )),
        _agreed(found),
        _figure(found),
        _became(found),
        _coverage(found),
    ]  # fmt: skip
    if found.users:
        blocks.append(_users(found))
    return Section("agreement", TITLE, (*blocks, *_said(found)), found)


def _agreed(found: Agreement) -> Table:
    def line(name: str, one: Agreed) -> tuple[str, ...]:
        shares = percent(one.exact_share), percent(one.family_share)
        return name, count(one.total), count(one.exact), shares[0], count(one.family), shares[1]

    rows = [line(_UNIT[one.unit][1], one) for one in found.by]
    rows.append(line("transactions for which both sides name a brand", found.both_named))
    if found.both_mapped:
        rows.append(line("transactions without names that no registry has", found.both_mapped))
    columns = "counted by", "all", "agree exactly", "exact share", "agree by family", "family share"
    return Table(columns, tuple(rows), title="How far the sides agree")


def _figure(found: Agreement) -> Figure:
    groups = []
    for one in found.outcomes:
        name, role = OUTCOME[one.outcome]
        groups.append((name, [Bar(role, one.share, f"{name}: {percent(one.share)}")]))
    says = "; ".join(f"{name} {percent(group[0].value)}" for name, group in groups)
    title = "What becomes of transactions"
    return Figure(title, bars(title, groups, says), says)


def _became(found: Agreement) -> Table:
    weighted, money = _has(found, "weighted rows"), _has(found, "money")
    rows = []
    for one in found.outcomes:
        row = [OUTCOME[one.outcome][0], _MEANS[one.outcome], count(one.rows)]
        row += [count(one.n)] if weighted else []
        row += [percent(one.share), count(one.keys)]
        row += [count(one.money), percent(one.money_share)] if money else []
        rows.append(tuple(row))
    columns = ["outcome", "meaning", "transactions", *(["weighted"] if weighted else []), "share", "distinct keys"]
    columns += ["money", "share of money"] if money else []
    return Table(
        tuple(columns), tuple(rows), title="What becomes of answers", words=frozenset({0, 1}),
        note="A key counts under each outcome that at least one of its transactions has.",
    )  # fmt: skip


def _coverage(found: Agreement) -> Table:
    money, rows = _has(found, "money"), []
    for one in found.coverage:
        why = ", ".join(f"{reason} {count(n)}" for reason, n in one.reasons) or "-"
        of_money = [percent(one.money_share)] if money else []
        rows.append((f"{one.side} side", why, count(one.n), percent(one.share), *of_money))
    columns = "side", "why it gives no answer", "transactions", "coverage", *(["coverage of money"] if money else [])
    return Table(
        columns, tuple(rows), title="Coverage", words=frozenset({0, 1}),
        note="Coverage is the share for which a side names a brand, right or wrong.",
    )  # fmt: skip


def _users(found: Agreement) -> Table:
    users = found.users
    assert users is not None
    names = "none", "1", "2 to 5", "6 or more"
    rows = [
        (name, count(exact), percent(exact / users.users), count(family), percent(family / users.users))
        for name, exact, family in zip(names, users.spread["exact"], users.spread["family"], strict=True)
    ]
    return Table(
        ("changed transactions of a user", "users", "share", "users, by family", "share, by family"), tuple(rows),
        title="Users by how many of their transactions change", note=f"Of {count(users.users)} users.",
    )  # fmt: skip


def _has(found: Agreement, unit: str) -> bool:
    return any(one.unit == unit for one in found.by)


def _said(found: Agreement) -> tuple[Text, ...]:
    """What was left out, or counted in a way that is not plain."""
    out = [Text(said, "soft") for said in found.omitted]
    if found.rebrands:
        out.append(Text(
            f"Transactions for which the sides name two ids of one brand, which was renamed or merged: "
            f"{count(found.rebrands)}. They count as the same brand.", "soft",
        ))  # fmt: skip
    if found.no_money and _has(found, "money"):
        out.append(Text(
            f"Transactions without an amount that can be read: {count(found.no_money)}. They add 0 to money.", "soft"
        ))  # fmt: skip
    if found.users and found.users.rows_without:
        out.append(Text(
            f"Transactions that name no user: {count(found.users.rows_without)}. No figure of users has them.", "soft"
        ))  # fmt: skip
    if found.unmapped:
        out.append(Text(
            f"Transactions on which a side says a name that no registry has: {count(found.unmapped)}. Such a name "
            "agrees only with itself; the table shows agreement without these transactions too.", "warn",
        ))  # fmt: skip
    return tuple(out)
