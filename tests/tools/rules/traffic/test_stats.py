"""Figures of a small book on twenty rows, each counted by hand."""

import datetime as dt
import math

import pytest

from engines import TinyModel, with_model
from tierbreak import Engine, pipeline
from tierbreak.rulebook import Rulebook
from tierbreak.tools.models.evaluation import Gold
from tierbreak.tools.rules.traffic import Traffic
from tierbreak.tools.rules.traffic.stats import Share, ask_model, measure, wilson
from tierbreak.tools.rules.traffic.stats.cost import costs
from tierbreak.tools.rules.traffic.stats.figures import Mistake
from tierbreak.tools.rules.traffic.stats.forms import Forms
from tools.rules.traffic.stats_book import GOLD, KNOWN, write_rows, write_rules


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    return write_rules(tmp_path_factory.mktemp("stats") / "rules")


@pytest.fixture(scope="module")
def bare(rules):
    with Engine.load(rules=rules, model=None, cache=None) as engine:
        yield engine


@pytest.fixture(scope="module")
def engine(bare, tmp_path_factory):
    engine = with_model(bare, TinyModel(), tmp_path_factory.mktemp("cache"))
    pipeline.warm(engine.parts, KNOWN)
    with engine:
        yield engine


@pytest.fixture(scope="module")
def traffic(engine, tmp_path_factory):
    return Traffic.read(write_rows(tmp_path_factory.mktemp("rows")), [engine.parts.book], columns={"weight": "count"})


@pytest.fixture(scope="module")
def stats(engine, traffic, tmp_path_factory):
    path = tmp_path_factory.mktemp("gold") / "gold.tsv"
    path.write_text(GOLD)
    gold = Gold.read(path, engine.parts.registry)
    return measure(engine.parts, traffic, engine.settings, gold=gold, timed=False, chunk=4)


def without(rule):
    """What is not 0 of what would decide without the rule."""
    names = ("idle", "same_rule", "same_model", "same_none", "other_rule", "other_model", "nothing", "unknown")
    return {name: value for name in names if (value := getattr(rule.without, name))}


def says(rule):
    return rule.model.agrees, rule.model.other, rule.model.silent, rule.model.unknown, rule.model.texts


def test_the_whole(stats):
    facts = stats.facts
    assert (facts.rows, facts.settled.rows, facts.broken) == (28, 16, 0)
    assert facts.window == (dt.date(2024, 1, 5), dt.date(2024, 1, 24))
    assert facts.days == 20
    assert [rule.id for rule in stats.rules] == [
        "lyft.freight", "lyft.name", "none.gift", "starbucks.new", "starbucks.store", "uber-eats.name", "uber.again",
        "uber.trip",
    ]  # fmt: skip  # the draft never runs
    assert sum(rule.decided.rows for rule in stats.rules if not rule.deny) == 16
    with pytest.raises(KeyError, match="no-such-rule"):
        stats["no-such-rule"]


def test_a_rule_among_others(stats):
    """uber.trip: found in 11, one of them excluded; two decided alone, three beside uber.again, four beaten by
    uber-eats.name, one contested with lyft.name."""
    rule = stats["uber.trip"]
    assert (rule.found, rule.fired.rows, rule.fired.money) == (11, 10, 191)
    assert (rule.decided.rows, rule.decided.money) == (2, 10)
    assert (rule.coverage, rule.overlap, rule.conflict, rule.contested) == (10 / 28, 8, 5, 1)
    assert rule.last == dt.date(2024, 1, 23)
    assert [(pattern.number, pattern.fired, pattern.decided) for pattern in rule.patterns] == [(1, 9, 1), (2, 1, 1)]
    assert without(rule) == {"idle": 7, "unknown": 2, "other_rule": 1}
    assert says(rule) == (0, 0, 0, 2, 0)
    assert [(each.rule, each.brand, each.rows) for each in rule.rivals] == [("lyft.name", "lyft", 1)]


def test_an_unless_that_wakes_a_rule(stats):
    rule = stats["uber.trip"]
    assert (rule.excluded, rule.woke, rule.needless) == (1, 1, 0)
    assert [(each.text, each.fired, each.shown) for each in rule.unless] == [
        ("UBER FREIGHT", 1, True), ("UBER ROCKET", 0, False),
    ]  # fmt: skip
    woken = [each for each in rule.beside if each.change == "woke"]
    assert [(each.rule, each.brand, each.rows) for each in woken] == [("lyft.freight", "lyft", 1)]


@pytest.fixture(scope="module")
def third(tmp_path_factory):
    """Figures of three rules, each found within the text of the next. Without its `unless`, uber.part would take
    UBER FREIGHT CO from lyft.whole by its edge, and lose it to starbucks.longer, whose match is longer.
    """
    folder = tmp_path_factory.mktemp("third")
    rules = {
        "uber": "{id: uber.part, match: [{words: FREIGHT}], unless: [{words: CO}], outranks: [lyft.whole]}",
        "lyft": "{id: lyft.whole, match: [{words: UBER FREIGHT CO}]}",
        "starbucks": "{id: starbucks.longer, match: [{words: FREIGHT CO}]}",
    }
    for brand, rule in rules.items():
        (folder / f"{brand}.yaml").write_text(f"brand: {brand}\nowner: x\nrules: [{rule}]\n")
    (folder / "rows.csv").write_text("descriptor,date\nFREIGHT,2024-01-05\nUBER FREIGHT CO,2024-02-01\n")
    with Engine.load(rules=folder, model=None, cache=None) as engine:
        traffic = Traffic.read(str(folder / "rows.csv"), [engine.parts.book])
        yield measure(engine.parts, traffic, engine.settings, timed=False)


def test_what_a_third_rule_would_win_is_not_handed_over_by_an_unless(third):
    assert [(rule.id, rule.decided.rows) for rule in third.rules] == [
        ("lyft.whole", 1), ("starbucks.longer", 0), ("uber.part", 1),
    ]  # fmt: skip
    assert (third["uber.part"].excluded, third["uber.part"].woke, third["uber.part"].needless) == (1, 0, 0)


def test_an_unless_that_hands_rows_to_the_brands_own_family_wakes_nobody(tmp_path):
    """uber-eats is a child of uber: what the `unless` of its rule leaves to uber's is no other company's."""
    rule = "{id: eats, match: [{words: UBER EATS}], unless: [{words: RIDE}]}"
    (tmp_path / "eats.yaml").write_text(f"brand: uber-eats\nowner: x\nrules: [{rule}]\n")
    (tmp_path / "uber.yaml").write_text("brand: uber\nowner: x\nrules: [{id: trip, match: [{words: UBER}]}]\n")
    (tmp_path / "rows.csv").write_text("descriptor\nUBER EATS RIDE\n")
    with Engine.load(rules=tmp_path, model=None, cache=None) as engine:
        traffic = Traffic.read(str(tmp_path / "rows.csv"), [engine.parts.book])
        rule = measure(engine.parts, traffic, engine.settings, timed=False)["eats"]
    assert (rule.excluded, rule.woke, rule.needless) == (1, 0, 0)


def test_a_match_that_its_unless_silences_is_not_the_last(third):
    assert third["uber.part"].last == dt.date(2024, 1, 5)


def test_examples_and_traffic(stats):
    """UBR HOME is the one of uber.trip's ten rows whose form no example has."""
    assert stats["uber.trip"].unlike == 1 / 10
    assert [text.descriptor for text in stats["uber.trip"].texts if not text.familiar] == ["UBR HOME"]
    assert stats["lyft.name"].unlike == 0


def test_a_rule_that_another_does_all_the_work_of(stats):
    rule = stats["uber.again"]
    assert (rule.fired.rows, rule.decided.rows, rule.decided.money) == (3, 3, 50)
    assert (rule.overlap, rule.conflict) == (3, 0)
    assert without(rule) == {"same_rule": 3}
    assert [(each.change, each.rule, each.rows) for each in rule.beside] == [("same-rule", "uber.trip", 3)]
    assert says(rule) == (0, 0, 1, 2, 1)


def test_rules_of_which_the_model_knows_something(stats):
    """lyft.name: LYFT RIDE twice, which the model says as well; two rows contested with starbucks.store, which then
    decides; one with uber.trip."""
    rule = stats["lyft.name"]
    assert without(rule) == {"same_model": 2, "other_rule": 3}
    assert rule.without.changed == 3
    assert rule.without.money == 2 * 9 + 11
    assert 0.99 < rule.without.same_confidence < 1
    assert math.isnan(rule.without.other_confidence)
    assert says(rule) == (2, 0, 0, 0, 1)
    assert (rule.overlap, rule.conflict, rule.contested) == (3, 3, 3)
    # starbucks.store: the model said lyft of the contested two, and so would the rule that is left.
    rule = stats["starbucks.store"]
    assert without(rule) == {"idle": 1, "same_rule": 2, "same_model": 1, "nothing": 1, "unknown": 1}
    assert says(rule) == (1, 0, 1, 1, 2)
    assert (rule.fired.rows, rule.decided.rows, rule.overlap, rule.conflict) == (6, 3, 3, 3)
    assert without(stats["uber-eats.name"]) == {"other_rule": 4}


def test_a_rule_in_shadow_is_let_in(stats):
    """KETTLE SHOP twice, where the model says starbucks; once beside starbucks.store."""
    rule = stats["starbucks.new"]
    assert (rule.status, rule.fired.rows, rule.decided.rows) == ("shadow", 3, 0)
    assert (rule.overlap, rule.conflict) == (1, 0)
    assert without(rule) == {"same_rule": 3}


def test_a_deny_rule(stats):
    rule = stats["none.gift"]
    assert (rule.fired.rows, rule.decided.rows, rule.overlap, rule.conflict) == (2, 2, 1, 1)
    assert without(rule) == {"other_rule": 1, "unknown": 1}


def test_precision_counts_a_key_once(stats):
    rule = stats["uber.trip"]
    assert (rule.precision.part, rule.precision.whole) == (1, 2)
    assert rule.mistakes == (Mistake("UBR HOME", "lyft"),)
    assert stats["none.gift"].precision == Share.of(1, 2)
    assert stats["lyft.name"].precision.whole == 0


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_parts_of_any_size_add_up_to_the_same(engine, traffic, stats, chunk):
    again = measure(engine.parts, traffic, engine.settings, timed=False, chunk=chunk)
    for one, two in zip(again.rules, stats.rules, strict=True):
        assert (one.fired, one.decided, one.overlap, one.conflict, one.last) == (
            two.fired, two.decided, two.overlap, two.conflict, two.last,
        )  # fmt: skip
        assert (without(one), says(one), one.patterns, one.unless) == (
            without(two), says(two), two.patterns, two.unless,
        )  # fmt: skip
        assert (one.texts, one.beside, one.rivals) == (two.texts, two.beside, two.rivals)


def test_without_a_model_nothing_is_unknown(bare, traffic):
    stats = measure(bare.parts, traffic, bare.settings, timed=False)
    assert without(stats["lyft.name"]) == {"nothing": 2, "other_rule": 3}
    assert all(rule.without.unknown == 0 for rule in stats.rules)
    assert stats.facts.model is None


def test_the_model_is_asked_by_way_of_the_cache(bare, traffic, tmp_path):
    model = TinyModel()
    with with_model(bare, model, tmp_path) as engine:
        # The heaviest key of each of the seven rules that decide, before a second one of any.
        assert ask_model(engine.parts, traffic, engine.settings, 7) == 7
        assert sorted(model.asked) == [
            "FREIGHT CO", "GIFT CARD", "KETTLE STARBUCKS", "LYFT RIDE", "UBER EATS BETA", "UBER HOME", "UBER TRIP BETA",
        ]  # fmt: skip
        assert ask_model(engine.parts, traffic, engine.settings, 100) == 7
        assert len(set(model.asked)) == len(model.asked) == 14
        stats = measure(engine.parts, traffic, engine.settings, timed=False)
        assert sum(rule.model.unknown for rule in stats.rules) == 0
        assert ask_model(engine.parts, traffic, engine.settings, 100) == 0
    with pytest.raises(Exception, match="--no-model"):
        ask_model(bare.parts, traffic, bare.settings, 1)


def test_intervals():
    """Wilson's, by hand: 0 of 4 reaches to z² / (4 + z²) = 3.8415 / 7.8415."""
    assert wilson(0, 4) == (0.0, pytest.approx(0.4899, abs=1e-4))
    assert wilson(4, 4) == (pytest.approx(0.5101, abs=1e-4), 1.0)
    low, high = wilson(50, 100)
    assert (round(low, 4), round(high, 4)) == (0.4038, 0.5962)
    assert math.isnan(Share.of(0, 0).value)


def test_times_are_of_rules_that_run(engine):
    book: Rulebook = engine.parts.book
    found, middle, noise = costs(book.rules, ["UBER TRIP", "LYFT"])
    assert [cost is None for cost in found] == [rule.status == "draft" for rule in book.rules]
    assert middle > 0
    assert noise >= 0
    ordered = sorted(cost.times for cost in found if cost)
    assert ordered[3] <= 1 <= ordered[4]  # eight rules: the middle lies between the fourth and the fifth


def test_forms(engine):
    rule = next(rule for rule in engine.parts.book.rules if rule.id == "uber.trip")
    forms = Forms(rule, ["SQ *UBER* TRIP", "NO SUCH"])
    assert forms.own == {(1, b"UBER")}
    assert forms.of("UBR 12", 2) == (2, b"UBR")
