"""What only looks at the texts that a change can reach finds what deciding everything with both rulebooks finds."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import product
from random import Random

import polars as pl
import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from engines import TinyModel
from tierbreak import Engine, Settings
from tierbreak.bundle import Bundle
from tierbreak.core.normalise import folded, normalise
from tierbreak.core.policy import Policy
from tierbreak.core.tables import TOP_K
from tierbreak.parts import Parts
from tierbreak.tiers.cache import CacheTier
from tierbreak.tools.rules.traffic.diff import Version, between
from tools.rules.traffic.books import HEAD

DAY = dt.date(2026, 6, 1)
WORDS = ["UBER", "LYFT", "KETTLE", "JOE"]
#: Every text of at most three words.
TEXTS = [" ".join(words) for count in range(4) for words in product(WORDS, repeat=count)]
IDS = ["lyft", "starbucks", "uber", "uber-eats", "reserve"]
SLOTS = list(range(5))


class Model(TinyModel):
    """Thinks twice before it says starbucks where that is in sector `coffee`."""

    policy = Policy(temperature=0.05, null_score=0.5, threshold=0.9, by_sector={"coffee": 0.99999})


PATTERNS = [*WORDS, "UBER LYFT", "LYFT KETTLE", "KETTLE JOE"]
AMOUNTS, CODES, DAYS = [None, -5.0, -10.0, 12.0], [None, "4121", "5812"], [None, dt.date(2026, 5, 31), DAY]


def rule(random):
    return {
        "brand": random.choice(IDS),
        "kind": random.choice([*["rule"] * 7, "deny", "deny *"]),
        "status": random.choice([*["active"] * 5, "retiring", "shadow", "draft"]),
        "match": random.sample(PATTERNS, random.choice([1, 1, 2])),
        "unless": random.choice([None, None, *PATTERNS]),
        "when": random.choice([*[None] * 4, "{amount: {lt: 10}}", "{sign: debit}", "{mcc: ['4121'], optional: true}"]),
        "valid": random.choice([*[None] * 4, "{from: 2026-06-01}", "{to: 2026-05-31}"]),
        "outranks": random.choice([None, *SLOTS]),
    }


def line(random):
    return {
        "sector": random.choice(["coffee", "rideshare"]),
        "parent": random.random() < 0.5,
        "retired": random.random() < 0.3,
    }


def edited(random, what):
    """Two rulebooks and two registries; of `what` the second ones are the first with something drawn anew."""
    before = {slot: rule(random) for slot in SLOTS if random.random() < 0.8}
    lines = {id: line(random) for id in IDS}
    after, changed = dict(before), dict(lines)
    if what == "registry":
        changed |= {id: line(random) for id in random.sample(IDS, random.choice([1, 2, 3]))}
        return (before, lines), (after, changed)
    for slot in random.sample(SLOTS, random.choice([1, 1, 2])):
        drawn, old = rule(random), before.get(slot)
        if old is None or random.random() < 0.3:
            after[slot] = drawn
        elif random.random() < 0.3:
            del after[slot]
        else:  # one part of a rule is another one
            key = random.choice(list(old))
            after[slot] = {**old, key: drawn[key]}
    return (before, lines), (after, changed)


def write(folder, book, lines):
    """A rule file for each slot; edges lead from a higher slot to a lower one, so that none comes back."""
    folder.mkdir()
    for slot, given_rule in book.items():
        deny = given_rule["kind"] != "rule"
        brand = "'*'" if given_rule["kind"] == "deny *" else given_rule["brand"]
        parts = [f"id: r.{slot}", f"status: {given_rule['status']}"]
        parts.append(f"match: [{', '.join(f'{{words: {words}}}' for words in given_rule['match'])}]")
        parts += [f"unless: [{{words: {given_rule['unless']}}}]"] if given_rule["unless"] else []
        parts += [f"{key}: {given_rule[key]}" for key in ("when", "valid") if given_rule[key]]
        edge = given_rule["outranks"]
        if edge is not None and edge < slot and edge in book and not deny:
            parts.append(f"outranks: [r.{edge}]")
        text = f"brand: {brand}\nowner: x\n{'deny' if deny else 'rules'}:\n  - {{{', '.join(parts)}}}\n"
        (folder / f"{slot}.yaml").write_text(text)
    out = HEAD + "".join(f"filler-{n},f,software,,,,,active,,\n" for n in range(TOP_K))
    for id, cells in lines.items():
        parent = {"uber-eats": "uber", "reserve": "starbucks"}.get(id, "") if cells["parent"] else ""
        # Only those that nothing else leads to are retired, so that no redirect comes back.
        retired = cells["retired"] and id in ("uber-eats", "reserve", "lyft")
        status, by = ("retired", "uber" if id == "lyft" else "lyft") if retired and id != "lyft" else ("active", "")
        out += f"{id},{id},{cells['sector']},{parent},,,,{status},{by},{'2026-01-01' if by else ''}\n"
    (folder / "brands.csv").write_text(out)


# The seed is all that hypothesis draws: drawn part by part, most examples differ little from the one before.
@pytest.mark.parametrize("what", ["rules", "registry"])
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(seed=st.integers(0, 1 << 32))
def test_deciding_all_rows_twice_finds_the_same_flips(tmp_path_factory, state, what, seed):
    random = Random(seed)
    edit = edited(random, what)
    given_rows = [(text, random.choice(AMOUNTS), random.choice(CODES), random.choice(DAYS)) for text in TEXTS]
    seen = random.sample(WORDS, 2)
    folder = tmp_path_factory.mktemp("edit")
    options = Settings(state=state, as_of=DAY)
    model = Model()
    versions = []
    for name, (book, lines) in zip("ab", edit, strict=True):
        write(folder / name, book, lines)
        bundle = Bundle((folder / name,), (folder / name / "brands.csv",), folder, {})
        versions.append(Version.load(name, folder / name, name, bundle, None))
    kinds = {"descriptor": pl.String, "amount": pl.Float64, "mcc": pl.String, "date": pl.Date}
    frame = pl.DataFrame(given_rows, schema=kinds, orient="row")
    frame.write_parquet(folder / "rows.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tierbreak.parts._load_model", lambda found, *_: found and model)
        # The cache has seen the keys that begin with one of two words.
        keys = normalise(frame["descriptor"])["key"].unique(maintain_order=True)
        keys = keys.filter(keys.str.split(" ").list.first().is_in(seen))
        parts = [Parts.load(version.bundle, None, options, book=version.book) for version in versions]
        evidence = {**model.evidence, "normaliser": parts[0].fingerprints["normaliser"]}
        with CacheTier.open(folder / "cache", evidence, size_bytes=1 << 20) as cache:
            cache.store(keys, model.judge(keys))
        told = [told_of(part, frame, set(keys.to_list()), options) for part in parts]
        model.asked.clear()
        found = between(*versions, str(folder / "rows.parquet"), cache=folder / "cache", settings=options, today=DAY)
    assert model.asked == []
    want = Counter()
    for old, new, (_, amount, *_) in zip(*told, given_rows, strict=True):
        if kind := kind_of(old, new):
            want[kind] += 1
            want[kind, "money"] += abs(amount or 0)
    got = Counter()
    for flip in (*found.flips, *found.same):
        got[flip.kind] += flip.rows
        got[flip.kind, "money"] += flip.money
    for kind in want:
        event(str(kind))
    assert +got == +want


def told_of(parts, frame, known, options):
    """(tier, brand, rule, what else) of each row, as the engine decides them all, its model asked of every key."""
    result = Engine(parts, options).run(frame)
    denied: dict[int, list[str]] = {}
    for case, brand in result.verdicts.filter(pl.col("reason") == "veto").select("case", "brand").iter_rows():
        denied.setdefault(case, []).append(brand)
    out = []
    keys = normalise(frame["descriptor"])["key"].to_list()
    for row, key, case in zip(result.rows.iter_rows(named=True), keys, result._record.cases.of_row, strict=True):
        if row["tier"] == "rules":
            out.append(("rules", row["brand"], row["rule"], None))
        elif row["reason"] == "not-a-merchant" and row["rule"]:
            out.append(("none", None, None, "closed"))
        elif key and key not in known:
            out.append(("model", None, None, sorted(set(denied.get(case, [])))))
        else:
            out.append(("cache" if row["brand"] else "none", row["brand"], None, "open"))
    return out


def kind_of(old, new):
    """What kind of flip it is, said the slow way; None where nothing is."""
    (was, brand, rule, more), (now, other, by, also) = old, new
    if "model" in (was, now):
        unlike = "model-denied" if more != also else None
        return unlike if was == now else "to-model" if now == "model" else "from-model"
    if brand and other:
        unlike = "same-brand" if (was, rule) != (now, by) else None
        return unlike if brand == other else "other-brand"
    if brand or other:
        return "lost" if brand else "gained"
    return "same-none" if more != also else None


@given(st.lists(st.text(max_size=30) | st.sampled_from(["Café  Roßi", " sq *X\t", "Ｆｕｌｌ"]), max_size=20))
def test_folded_alone_is_what_normalise_says(texts):
    descriptors = pl.Series(texts, dtype=pl.String)
    assert folded(descriptors).equals(normalise(descriptors)["folded"])
