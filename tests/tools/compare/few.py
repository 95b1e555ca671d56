"""Few paired decisions of chance, to be counted again in plain Python."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import strategies as st

from tierbreak.tools.compare.joint import Joint
from tierbreak.tools.compare.pairs import DECIDERS, OUTCOMES, PAIR, Pairs, SideFacts, TrafficFacts, Writer, outcomes

#: ba and bb are of b's family; no registry has f.
IDS = ("a", "b", "ba", "bb", "c", "f")
FAMILY = (0, 1, 1, 1, 4, 5)
JOINT = Joint(
    IDS, tuple(id.upper() for id in IDS), ("",) * 6, np.array(FAMILY, np.int32),
    np.array([True] * 5 + [False]),
)  # fmt: skip
RULES = (("r0", "r1"), ("s0", "s1"))
#: Of the old side, in DECIDERS.
LIST = DECIDERS.index("list")
REASONS = ("below-threshold", "no-known-brand")

#: key, user, old brand, new brand, n, money, new tier, new confidence. Few of each, so that all of them meet.
ROW = st.tuples(
    st.integers(0, 5), st.none() | st.integers(0, 3), st.integers(-1, 5), st.integers(-1, 5),
    st.sampled_from([0.5, 1.0, 2.0]), st.none() | st.sampled_from([0.0, 0.25, 8.0]), st.integers(0, 2),
    st.sampled_from([0.5, 0.75]),
)  # fmt: skip


def outcome(old, new):
    """By the words of OUTCOMES."""
    if old == new:
        return "same" if old >= 0 else "both-abstain"
    if old < 0 or new < 0:
        return "gained" if old < 0 else "lost"
    return "family" if FAMILY[old] == FAMILY[new] else "changed"


@contextmanager
def made(rows, has=("amount", "user", "weight")):
    """The Pairs of rows such as ROW makes, in a folder that goes again."""
    with tempfile.TemporaryDirectory() as folder:
        yield pairs(rows, Path(folder), has)


def pairs(rows, folder, has=("amount", "user", "weight")):
    """The Pairs of rows such as ROW makes. The old side is a list of two rules, the new one an engine."""
    table = []
    for at, (key, user, old, new, n, money, decided, sure) in enumerate(rows):
        tier = -1 if new < 0 else decided
        table.append({
            "row": at, "descriptor": f"D{key}", "key": key, "user": user, "n": n, "money": money, "date": None,
            "outcome": outcomes(JOINT, np.array([old], np.int32), np.array([new], np.int32))[0].item(),
            "rebrand": old == new >= 0 and at % 2 == 0,
            "old_brand": old, "old_tier": -1 if old < 0 else LIST, "old_rule": -1 if old < 0 else old % 2,
            "old_reason": -1, "old_confidence": None,
            "new_brand": new, "new_tier": tier, "new_rule": new % 2 if tier == 0 else -1,
            "new_reason": key % 2 if new < 0 else -1, "new_confidence": sure if tier > 0 else None,
        })  # fmt: skip
    writer = Writer(folder)
    writer.add(pl.DataFrame(table, schema=PAIR))
    writer.flush()
    return Pairs(
        folder, JOINT, RULES, REASONS, SideFacts("old", "list", "a"), SideFacts("new", "engine", "b"),
        TrafficFacts("few", len(rows), has=frozenset(has)),
    )  # fmt: skip


assert {outcome(old, new) for old in range(-1, 6) for new in range(-1, 6)} == set(OUTCOMES)
