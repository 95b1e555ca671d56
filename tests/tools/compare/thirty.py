"""Thirty rows, every kind of difference among them, small enough to be counted by hand.

An old list of names against a new engine. What the rows add up to, by hand:

    same                13   netflix 4, uber 2, x 2 (the old side says twitter: a rebrand), shell 2, target 1, spotify 2
    both abstain         3   joe's cafe 2, maria's taqueria 1
    same family          3   the old side says uber, the new one uber-eats
    another brand        2   the old side says delta-air-lines, the new one delta-dental
    gained               5   starbucks 3, lyft 2
    lost                 4   shell, target, apple, and one name that no registry has
    all                 30   the money of all but row 29, whose amount cannot be read, is 729.94
"""

import datetime as dt
from functools import cache

import polars as pl

from tierbreak.bundle import shipped
from tierbreak.registry import Registry
from tierbreak.tools.compare.joint import ABSTAINED, Joint, today
from tierbreak.tools.compare.pairs import DECIDERS, OUTCOMES, PAIR, Pairs, SideFacts, TrafficFacts, Writer

#: descriptor, key, user, amount, day of October (30 is 30 October; 32 is 1 November), old brand or name, old rule,
#: new brand, new tier, new rule, new confidence, new reason
ROWS = [
    ("NETFLIX.COM", "NETFLIX.COM", "u1", 15.49, 1, "netflix", "NETFLIX", "netflix", "rules", "netflix.com", None, None),
    ("NETFLIX.COM", "NETFLIX.COM", "u2", 15.49, 2, "netflix", "NETFLIX", "netflix", "rules", "netflix.com", None, None),
    ("NETFLIX.COM", "NETFLIX.COM", "u3", 15.49, 3, "netflix", "NETFLIX", "netflix", "rules", "netflix.com", None, None),
    ("NETFLIX.COM", "NETFLIX.COM", "u1", 15.49, 32, "netflix", "NETFLIX", "netflix", "rules", "netflix.com", None,
     None),
    ("UBER *TRIP HELP.UBER.COM", "UBER TRIP", "u1", 20.00, 5, "uber", "UBER", "uber", "rules", "uber.trip", None, None),
    ("UBER *TRIP HELP.UBER.COM", "UBER TRIP", "u2", 30.00, 6, "uber", "UBER", "uber", "rules", "uber.trip", None, None),
    ("UBER *EATS SAN FRANCISCO", "UBER EATS", "u1", 25.00, 7, "uber", "UBER", "uber-eats", "rules", "uber-eats.eats",
     None, None),
    ("UBER *EATS SAN FRANCISCO", "UBER EATS", "u3", 35.00, 8, "uber", "UBER", "uber-eats", "rules", "uber-eats.eats",
     None, None),
    ("UBER *EATS OAKLAND", "UBER EATS", "u4", 40.00, 9, "uber", "UBER", "uber-eats", "rules", "uber-eats.eats", None,
     None),
    ("TWITTER ONLINE", "TWITTER ONLINE", "u2", 8.00, 10, "twitter", "TWITTER", "x", "rules", "x.twitter", None, None),
    ("TWITTER ONLINE", "TWITTER ONLINE", "u5", 8.00, 11, "twitter", "TWITTER", "x", "rules", "x.twitter", None, None),
    ("SBUX 0423 SEATTLE", "SBUX", "u1", 5.00, 12, None, None, "starbucks", "model", None, 0.97, None),
    ("SBUX 0771 TACOMA", "SBUX", "u2", 6.00, 13, None, None, "starbucks", "model", None, 0.97, None),
    ("SBUX 0771 TACOMA", "SBUX", "u5", 6.50, 14, None, None, "starbucks", "model", None, 0.97, None),
    ("SHELL SEEKERS BOOKS", "SHELL SEEKERS BOOKS", "u3", 12.00, 15, "shell", "SHELL", None, None, None, None,
     "no-known-brand"),
    ("SHELL OIL 5744", "SHELL OIL", "u4", 50.00, 16, "shell", "SHELL", "shell", "rules", "shell.oil", None, None),
    ("SHELL OIL 5744", "SHELL OIL", "u5", 60.00, 17, "shell", "SHELL", "shell", "rules", "shell.oil", None, None),
    ("TARGET PRACTICE RANGE", "TARGET PRACTICE RANGE", "u6", 45.00, 18, "target", "TARGET", None, None, None, None,
     "below-threshold"),
    ("TARGET T-1023", "TARGET T", "u6", 80.00, 19, "target", "TARGET", "target", "rules", "target.store", None, None),
    ("APPLE HILL ORCHARD", "APPLE HILL ORCHARD", "u4", 18.00, 20, "apple", "APPLE", None, None, None, None,
     "no-known-brand"),
    ("JOES CAFE", "JOES CAFE", "u1", 9.00, 21, None, None, None, None, None, None, "no-known-brand"),
    ("JOES CAFE", "JOES CAFE", "u2", 9.50, 22, None, None, None, None, None, None, "no-known-brand"),
    ("MARIAS TAQUERIA", "MARIAS TAQUERIA", "u6", 14.00, 23, None, None, None, None, None, None, "no-known-brand"),
    ("SPOTIFY USA", "SPOTIFY USA", "u3", 10.99, 24, "spotify", "SPOTIFY", "spotify", "rules", "spotify.usa", None,
     None),
    ("SPOTIFY USA", "SPOTIFY USA", "u4", 10.99, 25, "spotify", "SPOTIFY", "spotify", "rules", "spotify.usa", None,
     None),
    ("LYFT *RIDE", "LYFT RIDE", "u5", 17.00, 26, None, None, "lyft", "cache", None, 0.95, None),
    ("LYFT *RIDE", "LYFT RIDE", "u6", 18.00, 27, None, None, "lyft", "cache", None, 0.95, None),
    ("DELTA DENTAL", "DELTA DENTAL", "u2", 100.00, 28, "delta-air-lines", "DELTA", "delta-dental", "model", None, 0.91,
     None),
    ("DELTA DENTAL", "DELTA DENTAL", "u3", None, 29, "delta-air-lines", "DELTA", "delta-dental", "model", None, 0.91,
     None),
    ("LOCAL GYM", "LOCAL GYM", "u4", 30.00, 30, "Local Gym", "GYM", None, None, None, None, "below-threshold"),
]  # fmt: skip

#: What a person says of each distinct descriptor; None: no known brand's.
TRUTH = {
    "NETFLIX.COM": "netflix", "UBER *TRIP HELP.UBER.COM": "uber", "UBER *EATS SAN FRANCISCO": "uber-eats",
    "UBER *EATS OAKLAND": "uber-eats", "TWITTER ONLINE": "x", "SBUX 0423 SEATTLE": "starbucks",
    "SBUX 0771 TACOMA": "starbucks", "SHELL SEEKERS BOOKS": None, "SHELL OIL 5744": "shell",
    "TARGET PRACTICE RANGE": None, "TARGET T-1023": "target", "APPLE HILL ORCHARD": None, "JOES CAFE": None,
    "MARIAS TAQUERIA": None, "SPOTIFY USA": "spotify", "LYFT *RIDE": "lyft", "DELTA DENTAL": "delta-dental",
    "LOCAL GYM": None,
}  # fmt: skip


#: The outcome of each row, in their order.
OUTCOME = [
    *["same"] * 6, *["family"] * 3, *["same"] * 2, *["gained"] * 3, "lost", *["same"] * 2, "lost", "same", "lost",
    *["both-abstain"] * 3, *["same"] * 2, *["gained"] * 2, *["changed"] * 2, "lost",
]  # fmt: skip


@cache
def registry():
    return Registry.load(shipped() / "rules" / "brands.csv")


@cache
def joint():
    return Joint.of([registry()], ["Local Gym"])


def date(day):
    return dt.date(2026, 9, 30) + dt.timedelta(days=day)


def files(folder):
    """The thirty rows as a person has them: october.csv; old.csv and new.csv, each in an order of its own; gold.tsv."""
    rows = ROWS
    ids = [f"t{at}" for at in range(len(rows))]
    pl.DataFrame(
        {
            "id": ids,
            "descriptor": [row[0] for row in rows],
            "user": [row[2] for row in rows],
            "amount": ["oops" if row[3] is None else f"{row[3]:.2f}" for row in rows],
            "date": [date(row[4]).isoformat() for row in rows],
        }
    ).write_csv(folder / "october.csv")
    old = pl.DataFrame({"id": ids, "merchant": [row[5] for row in rows], "rule": [row[6] for row in rows]})
    old.reverse().write_csv(folder / "old.csv")
    pl.DataFrame(
        {
            "id": ids,
            "brand": [row[7] for row in rows],
            "tier": [row[8] for row in rows],
            "rule": [row[9] for row in rows],
            "confidence": [row[10] for row in rows],
            "reason": [row[11] for row in rows],
        },
        schema_overrides={"confidence": pl.Float64},
    ).write_csv(folder / "new.csv")
    truth = "".join(f"{descriptor}\t{brand or ''}\n" for descriptor, brand in TRUTH.items())
    (folder / "gold.tsv").write_text("descriptor\ttruth\n" + truth)
    return folder


def pairs(folder, rows=None, outcome=None, *, weights=None):
    """The Pairs of ROWS, or of others like them."""
    rows, outcome = (ROWS, OUTCOME) if rows is None else (rows, outcome)
    given, brands = [registry()], joint()
    rules = tuple(tuple(sorted({row[at] for row in rows} - {None})) for at in (6, 9))
    reasons = tuple(sorted({row[11] for row in rows} - {None}))
    table = []
    for at, (descriptor, key, user, amount, day, old, old_rule, new, tier, rule, confidence, reason) in enumerate(rows):
        n = 1.0 if weights is None else weights[at]
        ids = [None if id is None else today(id, given) for id in (old, new)]
        table.append(
            {
                "row": at, "descriptor": descriptor, "key": hash_of(key), "user": hash_of(user), "n": n,
                "money": None if amount is None else amount * n, "date": date(day),
                "outcome": OUTCOMES.index(outcome[at]),
                "rebrand": old != new and None not in ids and ids[0] == ids[1],
                "old_brand": ABSTAINED if old is None else brands.position[ids[0]],
                "old_tier": -1 if old is None else DECIDERS.index("list"),
                "old_rule": -1 if old_rule is None else rules[0].index(old_rule),
                "old_reason": -1, "old_confidence": None,
                "new_brand": ABSTAINED if new is None else brands.position[ids[1]],
                "new_tier": -1 if tier is None else DECIDERS.index(tier),
                "new_rule": -1 if rule is None else rules[1].index(rule),
                "new_reason": -1 if reason is None else reasons.index(reason),
                "new_confidence": confidence,
            }
        )  # fmt: skip
    writer = Writer(folder)
    writer.add(pl.DataFrame(table, schema=PAIR))
    writer.flush()
    days = [date(row[4]) for row in rows]
    return Pairs(
        folder, brands, rules, reasons,
        SideFacts("old.tsv", "list", "a" * 64, unmapped={"Local Gym": 1}),
        SideFacts("default", "engine", "b" * 64, parts={"rules": "c" * 64}),
        TrafficFacts("october.csv", len(rows), has=frozenset({"amount", "date", "user"}),
                     window=(min(days), max(days))),
    )  # fmt: skip


def hash_of(text):
    return pl.Series([text]).hash()[0]
