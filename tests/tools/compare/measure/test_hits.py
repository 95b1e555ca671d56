"""What a cache would have known: counted by hand, and against a plain simulation of the engine's store."""

import dataclasses
import datetime as dt
import functools
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import TinyModel, with_model
from tierbreak.core.normalise import normalise
from tierbreak.core.tables import EVIDENCE, TOP_K
from tierbreak.tiers.cache import CacheTier
from tierbreak.tools.compare.measure.hits import BYTES_A_KEY, follow, hits, keys_of
from tierbreak.tools.compare.pairs import DECIDERS, PAIR, Writer
from tools.compare import thirty

PARTS = ("hit", "switch", "capacity", "normaliser", "cold")
REASONS = (
    "below-threshold", "blank", "contested", "denied", "no-known-brand", "no-match", "not-a-merchant", "torn",
)  # fmt: skip


def parts(found):
    return tuple(getattr(found, name) for name in PARTS)


@functools.cache
def base():
    """What pairs need beside their table; the registry is read once."""
    with tempfile.TemporaryDirectory() as folder:
        return thirty.pairs(Path(folder))


def made(folder, rows):
    """Pairs of (key, brand, tier or reason, rule); the descriptor is the key."""
    table = [
        {
            "row": at, "descriptor": row[0], "key": thirty.hash_of(row[0]), "n": 1.0,
            "date": dt.date(2026, 10, 1) + dt.timedelta(days=at), "outcome": 0, "rebrand": False,
            "old_brand": -1, "old_tier": -1, "old_rule": -1, "old_reason": -1,
            "new_brand": row[1], "new_tier": DECIDERS.index(row[2]) if row[2] in DECIDERS else -1,
            "new_rule": row[3], "new_reason": REASONS.index(row[2]) if row[2] in REASONS else -1,
        }
        for at, row in enumerate(rows)
    ]  # fmt: skip
    writer = Writer(folder / "made")
    writer.add(pl.DataFrame(table, schema=PAIR))
    writer.flush()
    return dataclasses.replace(base(), folder=folder / "made", reasons=REASONS)


def asked(folder, keys):
    """Pairs whose rows a model answered, one after the other."""
    return made(folder, [(key, 1, "model", -1) for key in keys])


def test_thirty(tmp_path):
    """Rules left 14 of the 30 rows open: starbucks 3, lyft 2, delta dental 2, and 7 that nobody answered, of 6 keys.

    That is 9 keys; each is missed once, so 5 of 14 are known. No two keys share their first two words.
    """
    found = hits(thirty.pairs(tmp_path), "new")
    assert (found.rows, found.lookups, found.keys) == (30, 14, 9)
    assert parts(found) == (5, 0, 0, 0, 9)
    assert (found.rate, found.ceiling, found.finer) == (5 / 14, 5 / 14, 5 / 14)
    assert (found.followed, found.error) == (14, 0.0)
    # starbucks 3 and delta dental 2 were the model's in the run, lyft 2 the cache's
    assert dict(found.run) == {"cache": 2, "model": 5, "fallback": 0}


def test_thirty_with_a_new_model(tmp_path):
    """A switch before row 12 (13 October), the second of three starbucks: it is asked again, the others come later."""
    pairs = thirty.pairs(tmp_path)
    by_row = hits(pairs, "new", switches=[12])
    assert parts(by_row) == (4, 1, 0, 0, 9)
    assert by_row.rate == 4 / 14
    assert by_row.ceiling == 5 / 14
    assert parts(hits(pairs, "new", switches=[dt.date(2026, 10, 13)])) == parts(by_row)
    # Between lyft's two rows (25, 26) as well, which are 26 and 27 October.
    assert parts(hits(pairs, "new", switches=[dt.date(2026, 10, 27), 12])) == (3, 2, 0, 0, 9)


def test_a_switch_outside_the_traffic_is_said(tmp_path):
    found = hits(thirty.pairs(tmp_path), "new", switches=[dt.date(2030, 1, 1), 0, 99])
    assert found.switch == 0
    assert found.notices == tuple(
        f"a switch at {at} lies outside the traffic and counts for nothing" for at in ("2030-01-01", 0, 99)
    )


def test_which_rows_are_lookups(tmp_path):
    """Of 9 rows 5 are asked: not that of a rule, the blank one, one without later tiers, and one a deny rule closes."""
    rows = [
        ("A", 1, "rules", 0), ("B", 1, "cache", -1), ("C", -1, "contested", 0), ("D", -1, "denied", -1),
        ("", -1, "blank", -1), ("H", -1, "no-match", -1), ("E", -1, "not-a-merchant", 0),
        ("F", -1, "not-a-merchant", -1), ("G", -1, "below-threshold", -1),
    ]  # fmt: skip
    found = hits(made(tmp_path, rows), "new")
    assert (found.lookups, found.keys) == (5, 5)


def test_a_coarser_key(tmp_path):
    """JOES CAFE comes with three numbers, always unanswered: two of three keys are nothing new.

    DELTA AIR comes with two answers: that form is too coarse. 12345 has no letter, so no form.
    """
    rows = [
        ("JOES CAFE 1A2", -1, "below-threshold", -1), ("JOES CAFE 1A3", -1, "below-threshold", -1),
        ("JOE'S CAFE B", -1, "below-threshold", -1), ("DELTA AIR LINES", 1, "model", -1),
        ("DELTA AIR HOSES", 2, "model", -1), ("12.5", -1, "below-threshold", -1), ("13.5", -1, "below-threshold", -1),
    ]  # fmt: skip
    found = hits(made(tmp_path, rows), "new")
    assert parts(found) == (0, 0, 0, 2, 5)
    assert (found.ceiling, found.finer) == (0.0, 2 / 7)


def test_room_for_one_key_and_the_one_before(tmp_path):
    """A generation of one key. A B A C A: at C the older one, A, goes, as it was stored first, used or not."""
    found = hits(asked(tmp_path, ["A ONE", "B TWO", "A ONE", "C THREE", "A ONE"]), "new", capacity_keys=1)
    assert parts(found) == (1, 0, 1, 0, 3)
    assert (found.rate, found.ceiling) == (1 / 5, 2 / 5)


def test_where_nothing_can_be_said(tmp_path):
    pairs = thirty.pairs(tmp_path)
    assert hits(pairs, "old").why == "it is no engine: it has no cache"
    rules = made(tmp_path / "rules", [("A", 1, "rules", 0), ("", -1, "blank", -1)])
    assert hits(rules, "new").why == "it has no model: nothing is asked of a cache"
    idle = dataclasses.replace(rules, new=dataclasses.replace(rules.new, parts={"model": "d" * 64}))
    found = hits(idle, "new")
    assert found.why == "rules settled every row: nothing was asked of a cache"
    assert (found.rows, found.lookups) == (2, 0)
    assert np.isnan([found.rate, found.ceiling, found.finer]).all()


def test_an_empty_table(tmp_path):
    assert hits(made(tmp_path, []), "new").lookups == 0


def test_weights_are_said(tmp_path):
    pairs = thirty.pairs(tmp_path)
    weighted = dataclasses.replace(pairs, traffic=dataclasses.replace(pairs.traffic, has=frozenset({"weight"})))
    assert "rows have weights" in hits(weighted, "new").notices[0]


def plain(keys, switches, generation):
    """The store of the engine, a lookup at a time, and a word for each: the slow way."""
    held, seen, last, out, model = [[]], set(), {}, [], 0
    for at, key in enumerate(keys):
        if at in switches and at > 0:
            held, model = [[]], model + 1
        if key in [one for part in held for one in part]:
            out.append("hit")
        else:
            out.append("cold" if key not in seen else "switch" if last[key] != model else "capacity")
            if len(held[-1]) == generation:
                held = [held[-1], []]
            held[-1].append(key)
        seen.add(key)
        last[key] = model
    return out


@settings(max_examples=60, deadline=None)
@given(
    keys=st.lists(st.integers(0, 12), min_size=1, max_size=60),
    generation=st.none() | st.integers(1, 5),
    switches=st.sets(st.integers(1, 59), max_size=3),
)
def test_as_a_plain_simulation(tmp_path_factory, keys, generation, switches):
    """Any keys, any size, any switches; the words of each key are its own, so that no coarser key helps."""
    texts = [f"{chr(65 + key) * 3} SHOP" for key in keys]
    pairs = asked(tmp_path_factory.mktemp("plain"), texts)
    found = hits(pairs, "new", capacity_keys=generation, switches=sorted(switches))
    due = plain(keys, switches, generation or len(keys))
    assert parts(found) == tuple(due.count(name) for name in PARTS)
    assert sum(parts(found)) == found.lookups == len(keys)
    assert found.rate <= found.ceiling <= found.finer


def test_a_sample_of_keys_comes_near(tmp_path):
    """40,000 lookups of 8,000 keys, a store for 1,000; a quarter is followed. Five standard errors are never left."""
    chance = np.random.default_rng(1)
    keys = [f"{at} X" for at in (chance.pareto(0.4, 40_000) * 20).astype(int) % 8_000]
    pairs = asked(tmp_path, keys)
    exact = hits(pairs, "new", capacity_keys=1_000)
    found = hits(pairs, "new", capacity_keys=1_000, followed=10_000)
    assert exact.capacity > 2_000
    assert exact.error == 0.0
    assert found.followed < 0.6 * exact.followed
    assert 0 < found.error < 0.05
    assert abs(found.rate - exact.rate) < 5 * found.error
    assert sum(parts(found)) == found.lookups
    assert (found.cold, found.normaliser, found.ceiling) == (exact.cold, exact.normaliser, exact.ceiling)


def test_follow_forgets_at_a_switch():
    """Generations of one: 3 pushes 1 out; for the new model 1 is no key that it has dropped."""
    keys, models = pl.Series([1, 2, 3, 1, 1]), pl.Series([0, 0, 0, 0, 1])
    assert follow(keys, models, 1).tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("size", [1 << 20, 1 << 21])
def test_a_store_holds_about_as_many_keys_as_are_counted_on(tmp_path, size):
    """What the first generation holds when it is dropped, within a tenth."""
    evidence = pl.DataFrame(
        {
            "key": np.arange(200),
            "labels": np.zeros((200, TOP_K), np.int32),
            "scores": np.zeros((200, TOP_K), np.float32),
        },
        schema=EVIDENCE,
    )
    names = dict.fromkeys(["weights", "tokenizer", "labels", "normaliser", "backend"], "0")
    with CacheTier.open(tmp_path, names, size_bytes=size) as store:
        stored = 0
        while not store.stats().evicted:
            store.store(pl.Series([f"K{stored + at}" for at in range(200)]), evidence)
            stored += 200
            assert stored < 20_000
        dropped = store.stats().evicted
    assert dropped == pytest.approx(keys_of(size), rel=0.1)
    assert keys_of(size) * BYTES_A_KEY <= size * 2 // 5


def test_as_the_engine_itself_counts(case_engine, tmp_path):
    """An engine asked row by row from an empty cache: its store counts the same lookups, hits and misses."""
    texts = [
        "UBER EATS 8005928996", "UBER LYFT 22", "SQ *KETTLE & CO", "JOE CAFE LEEDS", "   ", "UBER PAYROLL 0117",
        "LYFT OFF GYM", "LYFT OFF GYM PAYROLL", "UBER STARBUCKS", "EATS OF TOWN", "RENTAL SCOOTER", "JOE CAFE LEEDS",
    ]  # fmt: skip
    chance = np.random.default_rng(0)
    asked = [texts[at] for at in chance.integers(len(texts), size=200)]
    with with_model(case_engine, TinyModel(), tmp_path / "cache", memo_rows=0) as engine:
        decisions = [engine.classify_one(text) for text in asked]
        store = engine.parts.cache.stats()
    keys = normalise(pl.Series(asked))["key"].to_list()
    assert {decision.reason for decision in decisions} >= {"contested", "blank", "no-known-brand", "not-a-merchant"}
    found = hits(
        made(
            tmp_path,
            [
                (key, -1 if decision.brand is None else 1, decision.tier or decision.reason, 0 if decision.rule else -1)
                for key, decision in zip(keys, decisions, strict=True)
            ],
        ),
        "new",
    )
    assert (found.lookups, found.hit, found.keys) == (store.hits + store.misses, store.hits, store.misses)
    assert found.hit > 50
