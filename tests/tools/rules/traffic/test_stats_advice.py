"""Advice at its borders: each figure on its limit, and just short of it."""

import dataclasses
import datetime as dt
import math

import pytest

from tierbreak.rulebook import Place, Rulebook
from tierbreak.tools.rules.traffic.stats import Limits, Share, advise
from tierbreak.tools.rules.traffic.stats.edits import set_status
from tierbreak.tools.rules.traffic.stats.figures import (
    Agreement,
    Beside,
    Cost,
    Facts,
    Mistake,
    RuleFigures,
    Stats,
    Text,
    UnlessFigures,
    Volume,
    Without,
)

LIMITS = Limits()
NOBODY = Without(0, 0, 0, 0, 0, 0, 0, 0, 0.0, math.nan, math.nan)
GOOD = RuleFigures(
    id="uber.trip", brand="uber", owner="x", status="active", deny=False, place=Place("no-such-file.yaml", 4, 5),
    found=1000, fired=Volume(1000, 0), decided=Volume(1000, 0), coverage=0.01, overlap=0, conflict=0, contested=0,
    last=dt.date(2024, 1, 31), patterns=(), without=dataclasses.replace(NOBODY, nothing=1000),
    model=Agreement(0, 0, 0, 1000, 0), precision=None, mistakes=(), excluded=0, woke=0, needless=0, unless=(),
    unlike=0.0, texts=(), beside=(), rivals=(), cost=None,
)  # fmt: skip
MONTH = (dt.date(2024, 1, 1), dt.date(2024, 1, 31))


def facts(window=MONTH, rows=100_000):
    return Facts("rows.csv", rows, None, Volume(rows / 2, 0), window, 0, None, "book", "model", None, None, ())


def days(count):
    """A window of so many days that ends with January 2024."""
    return facts((MONTH[1] - dt.timedelta(days=count - 1), MONTH[1]))


def told(rule, of=None, *others, limits=LIMITS):
    advice = advise(Stats(of or facts(), (rule, *others)), limits)[rule.id]
    return advice.action, advice.why


def but(**changed):
    return dataclasses.replace(GOOD, **changed)


def silent(**changed):
    nothing = Volume(0, 0)
    return but(found=0, fired=nothing, decided=nothing, without=NOBODY, last=None, unlike=None, **changed)


def test_a_rule_that_alone_decides_is_kept():
    advice = advise(Stats(facts(), (GOOD,)))["uber.trip"]
    assert (advice.action, advice.reason) == ("keep", "decides 1,000 rows; without it 1,000 have no answer")
    assert advice.edit is None


@pytest.mark.parametrize(("right", "of", "want"), [
    (0, 1, "fix"),      # the interval ends at 0.79
    (2, 3, "fix"),      # at 0.94
    (3, 4, "keep"),     # at 0.954: three of four may well be a rule that is right
    (1, 1, "keep"),
    (0, 0, "keep"),
])  # fmt: skip
def test_wrong_on_the_gold_set(right, of, want):
    rule = but(precision=Share.of(right, of), mistakes=(Mistake("UBER CAFE", None),) * (right < of))
    assert told(rule)[0] == want
    if want == "fix":
        reason = advise(Stats(facts(), (rule,)))["uber.trip"].reason
        assert "wrong on `UBER CAFE`, which is no known brand" in reason


@pytest.mark.parametrize(("contested", "fired", "want"), [(50, 1000, "fix"), (49, 1000, "keep"), (29, 29, "keep")])
def test_contested(contested, fired, want):
    rivals = (Beside("contested", "lyft.name", "lyft", contested),)
    rule = but(contested=contested, fired=Volume(fired, 0), decided=Volume(fired - contested, 0), rivals=rivals)
    assert told(rule)[0] == want


@pytest.mark.parametrize(("woke", "want"), [(10, "fix"), (9, "keep")])
def test_an_unless_that_wakes_a_rule(woke, want):
    rule = but(excluded=20, woke=woke, beside=(Beside("woke", "lyft.freight", "lyft", woke),))
    assert told(rule)[0] == want


@pytest.mark.parametrize(("other", "texts", "want"), [(20, 10, "fix"), (19, 10, "keep"), (20, 9, "keep")])
def test_a_model_that_says_otherwise(other, texts, want):
    """Of 100 rows that the cache knows; the 900 that it does not know say nothing."""
    rule = but(model=Agreement(80, other, 20 - other, 900, texts))
    assert told(rule)[0] == want


def test_what_is_wrong_comes_before_what_is_superfluous():
    rule = but(precision=Share.of(0, 1), mistakes=(Mistake("X", "lyft"),), unlike=1.0,
               texts=(Text("UBR", 2, 1.0, familiar=False),))  # fmt: skip
    advice = advise(Stats(facts(), (rule,)))["uber.trip"]
    assert advice.why == "wrong"
    assert advice.also == (
        "100 % of its heaviest texts, by rows, have a form that none of its examples has, such as `UBR` (pattern #2): "
        "add such an example",
    )


# A rule without traffic


@pytest.mark.parametrize(("window", "want"), [(399, "keep"), (400, "retire")])
def test_no_traffic_is_no_reason_before_the_season_has_passed(window, want):
    assert told(silent(), days(window))[0] == want
    assert told(silent(), days(window), limits=Limits(seasonal_days=31))[0] == "retire"


def test_rows_without_dates_say_nothing_of_seasons():
    assert told(silent(), facts(None)) == ("keep", "keep")
    reason = advise(Stats(facts(None), (silent(),)))["uber.trip"].reason
    assert reason == "it did not fire, and the rows have no dates: it may have its season, judge it by 400 days or more"
    reason = advise(Stats(facts(), (silent(),)))["uber.trip"].reason
    assert reason == (
        "it did not fire in the 31 days of this traffic: it may have its season, judge it by 400 days or more"
    )


@pytest.mark.parametrize(("ago", "want"), [(400, "retire"), (399, "keep")])
def test_fired_last_long_ago(ago, want):
    assert told(but(last=MONTH[1] - dt.timedelta(days=ago)), days(800))[0] == want


@pytest.mark.parametrize(("rows", "want"), [(38_411, "retire"), (38_410, "keep")])
def test_few_rows_do_not_show_a_rule(rows, want):
    of = facts((MONTH[1] - dt.timedelta(days=399), MONTH[1]), rows)
    assert told(silent(), of)[0] == want
    if want == "keep":
        assert advise(Stats(of, (silent(),)))["uber.trip"].reason == (
            "it did not fire in the 400 days of this traffic, but 38,410 rows are too few to show a rule that decides "
            "0.01 % of them"
        )


# What another does as well


def double(id, *, fired, idle, by, kind="same-rule"):
    changed = {"idle": idle, "same_rule": fired - idle}
    beside = [Beside("idle", by, "uber", idle)] * (idle > 0) + [Beside(kind, by, "uber", fired - idle)] * (fired > idle)
    return but(id=id, fired=Volume(fired, 0), decided=Volume(fired - idle, 0), beside=tuple(beside),
               without=dataclasses.replace(NOBODY, **changed))  # fmt: skip


def test_never_both_of_two_that_do_each_others_work():
    """uber.a is named for all rows, uber.b for none: uber.b goes, whatever the number of rows."""
    one, two = double("uber.a", fired=100, idle=0, by="uber.b"), double("uber.b", fired=100, idle=100, by="uber.a")
    assert told(one, None, two) == ("keep", "keep")
    assert told(two, None, one) == ("merge", "redundant")


def test_a_rule_into_a_larger_one():
    large = but(id="uber.z", without=dataclasses.replace(NOBODY, nothing=900, idle=100))
    small = double("uber.a", fired=100, idle=0, by="uber.z")
    assert told(small, None, large) == ("merge", "redundant")
    assert told(large, None, small) == ("keep", "keep")
    few = double("uber.a", fired=72, idle=0, by="uber.z")
    assert told(few, None, large) == ("keep", "keep")
    almost = dataclasses.replace(small, without=dataclasses.replace(NOBODY, same_rule=99, unknown=1))
    assert told(almost, None, large) == ("keep", "keep")


@pytest.mark.parametrize(("fired", "want"), [(73, ("retire", "beaten")), (72, ("keep", "keep"))])
def test_always_beaten_by_another_brand(fired, want):
    beside = (Beside("idle", "uber-eats.name", "uber-eats", fired),)
    rule = but(fired=Volume(fired, 0), found=fired, decided=Volume(0, 0), beside=beside,
               without=dataclasses.replace(NOBODY, idle=fired))  # fmt: skip
    eats = but(id="uber-eats.name", brand="uber-eats")
    assert told(rule, None, eats) == want


@pytest.mark.parametrize(("rows", "texts", "unknown", "want"), [
    (100, 73, 0, ("retire", "small")),     # 100 of 1,000,000 rows is the most that is small
    (101, 73, 0, ("keep", "keep")),
    (100, 72, 0, ("keep", "keep")),        # 72 of 72 may be 94.9 %
    (100, 73, 1, ("keep", "keep")),        # one of them is not known: nobody says what it would be
])  # fmt: skip
def test_small_and_the_model_says_the_same(rows, texts, unknown, want):
    same = dataclasses.replace(NOBODY, same_model=rows - unknown, unknown=unknown, same_confidence=0.97)
    rule = but(found=rows, fired=Volume(rows, 0), decided=Volume(rows, 0), without=same,
               model=Agreement(rows - unknown, 0, 0, unknown, texts))  # fmt: skip
    assert told(rule, facts(rows=1_000_000)) == want


# Examples, time, `unless`


@pytest.mark.parametrize(("unlike", "fired", "want"), [(0.5, 30, "fix"), (0.49, 30, "keep"), (1.0, 29, "keep")])
def test_examples_unlike_the_traffic(unlike, fired, want):
    texts = (Text("UBR", 2, 1.0, familiar=False),)
    assert told(but(unlike=unlike, fired=Volume(fired, 0), texts=texts))[0] == want


@pytest.mark.parametrize(("each", "want"), [(20.0, "fix"), (19.9, "keep")])
def test_slow_patterns(each, want):
    assert told(but(cost=Cost(1.0, 3.0, each)))[0] == want


@pytest.mark.parametrize(("window", "found", "shown", "want"), [
    (400, 381, False, "fix"), (399, 381, False, "keep"), (400, 380, False, "keep"), (400, 381, True, "keep"),
])  # fmt: skip
def test_an_unless_that_never_fires(window, found, shown, want):
    rule = but(found=found, unless=(UnlessFigures(1, "UBER ROCKET", 0, shown, GOOD.place),))
    assert told(rule, days(window))[0] == want
    said = advise(Stats(days(window), (rule,)))["uber.trip"].also
    assert said == (("its `unless` did not fire; it may have its season: `UBER ROCKET`",) if window == 399 else ())


# The way out


def test_the_way_out_goes_through_shadow(tmp_path):
    path = tmp_path / "uber.yaml"
    path.write_text(BOOK)
    rules = {rule.id: rule for rule in Rulebook.load([tmp_path], {"uber"}).rules}
    for status, want in (("active", "retiring"), ("retiring", "shadow")):
        rule = silent(place=rules["uber.plain"].place, status=status)
        advice = advise(Stats(days(400), (rule,)))["uber.trip"]
        assert (advice.action, advice.edit.after) == ("retire", f"    status: {want}")
    advice = advise(Stats(days(400), (silent(place=rules["uber.plain"].place, status="shadow"),)))["uber.trip"]
    assert (advice.action, advice.edit) == ("retire", None)
    assert advice.reason.endswith("it is in shadow, a person may take it out")
    assert path.read_text() == BOOK  # nothing is changed by itself


@pytest.mark.parametrize(("status", "changed", "unknown", "want"), [
    ("retiring", 0, 0, ("retire", "retiring")),  # of 1,000 rows
    ("retiring", 1, 0, ("keep", "keep")),
    ("retiring", 0, 1, ("keep", "keep")),
    ("shadow", 0, 0, ("retire", "shadow")),
    ("shadow", 1, 0, ("keep", "keep")),
    ("shadow", 0, 1, ("keep", "keep")),
])  # fmt: skip
def test_only_what_changes_nothing_goes_on(status, changed, unknown, want):
    without = dataclasses.replace(NOBODY, other_rule=changed, unknown=unknown, same_rule=1000 - changed - unknown)
    assert told(but(status=status, without=without)) == want


BOOK = """\
brand: uber
owner: x
rules:
  - id: uber.plain
    match: [{words: UBER}]
    examples: [UBER]

  # The old one.
  - match: [{words: UBR}]
    id: uber.old  # was uber.first
    examples:
      - UBR
    status: active   # since 2019
  - {id: uber.flow, match: [{words: UBERX}], examples: [UBERX]}
  - match:
      - words: UBERY
    id: uber.last
    examples: [UBERY]"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_edit_changes_the_status_and_nothing_else(tmp_path, end):
    path = tmp_path / "uber.yaml"
    path.write_bytes(BOOK.replace("\n", end).encode())
    rules = {rule.id: rule for rule in Rulebook.load([tmp_path], {"uber"}).rules}
    assert set_status(rules["uber.flow"].place, "shadow") is None
    for id in ("uber.plain", "uber.old", "uber.last"):
        edit = set_status(rules[id].place, "shadow")
        path.write_bytes(edit.applied(BOOK.replace("\n", end)).encode())
        again = {rule.id: rule for rule in Rulebook.load([tmp_path], {"uber"}).rules}
        assert [rule.status for rule in again.values()] == ["shadow" if rule == id else "active" for rule in again]
        assert len(path.read_text().splitlines()) == len(BOOK.splitlines()) + (id != "uber.old")
        path.write_bytes(BOOK.replace("\n", end).encode())
    assert set_status(Place(str(tmp_path / "gone.yaml"), 1, 1), "shadow") is None


def test_an_edit_as_a_diff(tmp_path):
    path = tmp_path / "uber.yaml"
    path.write_text(BOOK)
    rules = {rule.id: rule for rule in Rulebook.load([tmp_path], {"uber"}).rules}
    assert set_status(rules["uber.plain"].place, "retiring").diff() == (
        f"--- {path}\n+++ {path}\n@@ -4,2 +4,3 @@\n   - id: uber.plain\n+    status: retiring\n"
        "     match: [{words: UBER}]"
    )
    old = set_status(rules["uber.old"].place, "retiring")
    assert (old.before, old.after) == ("    status: active   # since 2019", "    status: retiring   # since 2019")
