"""What a change would do to last month, counted by hand; and never more or less than deciding all of it twice."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from tierbreak import Settings
from tierbreak.errors import InputError, RulebookError, SettingsError
from tierbreak.tools.rules.traffic.diff import Budget, Compared, diff
from tierbreak.tools.rules.traffic.diff.markdown import markdown
from tierbreak.tools.rules.traffic.diff.words import percent
from tools.rules.traffic.books import AFTER, BEFORE, HEAD, MONTH, as_json, asked, month, ship, tiny, write

TODAY = dt.date(2026, 6, 1)


@pytest.fixture(scope="module")
def world(tmp_path_factory, state):
    """Both rulebooks, the month, and the cache of a model that was asked of some rows."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        ship(patch, folder / "shipped")
        write(folder / "before", BEFORE)
        write(folder / "after", AFTER)
        with pytest.MonkeyPatch.context() as inner:
            tiny(inner)
            asked(folder / "before", folder / "cache", state)
        month(folder)
        yield folder


@pytest.fixture(scope="module")
def known():
    """What was compared already."""
    return {}


@pytest.fixture
def compare(world, state, known, monkeypatch):
    """Compare two folders of the world on its month; the model must never be asked."""
    model = tiny(monkeypatch)

    def compared(a="before", b="after", *, cache=True, model_too=True, **options):
        what = (a, b, cache, model_too, *options.items())
        if what not in known:
            known[what] = anew(a, b, cache=cache, model_too=model_too, **options)
        return known[what]

    def anew(a, b, *, cache, model_too, **options):
        found = diff(
            Compared(rules=world / "after", model=world if model_too else None),
            str(world / a), str(world / b), str(world / "month.csv"),
            cache=world / "cache" if cache else None, settings=Settings(state=state), today=TODAY, **options,
        )  # fmt: skip
        assert model.asked == []
        return found

    return compared


def test_each_kind_of_flip(compare):
    """17 rows for 289: ten flip, for 206; two keep their brand, and one its silence."""
    found = compare()
    assert (found.traffic.rows, found.traffic.money) == (17, 289)
    assert found.by_kind() == {
        "other-brand": (2, 50),
        "lost": (3, 40 + 9 + 14),
        "gained": (1, 7),
        "to-model": (1, 50),
        "from-model": (2, 8 + 13),
        "model-denied": (1, 15),
        "same-brand": (2, 5 + 25),
        "same-none": (1, 12),
    }
    assert (found.rows, found.money) == (10, 206)


def test_who_decided_before_and_after(compare):
    said = {(flip.strings, str(flip.old), str(flip.new), flip.family) for flip in (*compare().flips, *compare().same)}
    assert said == {
        (("UBER EATS ALPHA", "UBER EATS BETA"), "uber-eats by uber-eats.name", "uber by uber.trip", True),
        (("STARBUCKS GAMMA",), "starbucks by starbucks.store", "none (no-known-brand)", False),
        (("NETFLIX SPOTIFY",), "netflix by netflix.name", "none (contested: netflix.name, spotify.name)", False),
        (("LYFTER ALPHA",), "lyft by the model", "none (denied)", False),
        (("SPOTIFY ALPHA",), "none (no-known-brand)", "spotify by spotify.name", False),
        (("STARBUCKS DELTA",), "starbucks by starbucks.store", "model", False),
        (("SPOTIFY BETA",), "model", "spotify by spotify.name", False),
        (("GIFT BETA",), "model", "none (not-a-merchant: none.gift)", False),
        (("LYFTER BETA",), "model", "model (not lyft)", False),
        (("LYFT RIDE",), "lyft by lyft.name", "lyft by lyft.ride", False),
        (("STARBUCKS KETTLE",), "starbucks by starbucks.store", "starbucks by the model", False),
        (("GIFT ALPHA",), "none (no-known-brand)", "none (not-a-merchant: none.gift)", False),
    }


def test_only_what_the_change_can_reach_is_decided(compare):
    """Of the distinct rows UBER TRIP, NETFLIX and JOE CAFE hold no word of a rule that changed."""
    found = compare()
    assert found.traffic.reached == len(MONTH) - 3
    # UBER EATS; LYFT twice the same; STARBUCKS twice the same; LYFTER, SPOTIFY, GIFT
    assert found.traffic.patterns == 6


def test_rules_added_changed_and_removed(compare):
    changes = compare().changes
    assert [(change.id, change.kind, change.says) for change in changes.rules] == [
        ("lyft.name", "removed", ()),
        ("lyft.not-lyfter", "added", ("deny", "match: words LYFTER")),
        ("lyft.ride", "added", ("match: words LYFT",)),
        ("none.gift", "added", ("deny", "match: words GIFT")),
        ("spotify.name", "added", ("match: words SPOTIFY",)),
        ("starbucks.store", "changed", ("when: always -> amount lt 20",)),
        ("uber-eats.name", "removed", ()),
    ]
    assert changes.words == ("netflix.name",)
    assert not changes.brands


def test_rows_that_flip_by_rule(compare):
    assert compare().by_rule() == {
        "uber-eats.name": 2, "uber.trip": 2, "starbucks.store": 2, "netflix.name": 1, "spotify.name": 3, "none.gift": 1,
    }  # fmt: skip


def test_without_a_model_rules_have_the_last_word(compare):
    """What no rule settles has no answer: the three STARBUCKS above the bound, and NETFLIX SPOTIFY, lose theirs."""
    assert compare(model_too=False).by_kind() == {
        "other-brand": (2, 50),
        "lost": (4, 25 + 40 + 50 + 9),
        "gained": (2, 15),
        "same-brand": (1, 5),
        "same-none": (2, 25),
    }


def test_without_a_cache_nothing_is_guessed(compare):
    found = compare(cache=False)
    assert found.by_kind() == {
        "other-brand": (2, 50),
        "to-model": (4, 25 + 40 + 50 + 9),
        "from-model": (4, 7 + 8 + 12 + 13),
        "model-denied": (2, 29),
        "same-brand": (1, 5),
    }


def test_nothing_changes(compare):
    found = compare("before", "before")
    assert found.changes.nothing
    assert (found.flips, found.same, found.traffic.reached) == ((), (), 0)
    assert markdown(found, top=5).startswith("### No row of 17 gets another answer\n")
    Budget.of("0%").held(found)


def test_the_registry_changes_what_answers_stand_for(world, compare):
    """lyft is retired for uber: LYFT RIDE and LYFTER ALPHA, which the model knows, flip; LYFTER BETA nobody asked of.

    LYFTER BETA and the other rows whose key the cache has not seen are counted, eleven of them.
    """
    retired = "lyft,Lyft,rideshare,,,,,retired,uber,2026-01-01\n"
    write(world / "redirected", BEFORE, HEAD + retired)
    found = compare("before", "redirected")
    assert [(brand.id, brand.kind, brand.says) for brand in found.changes.brands] == [
        ("lyft", "changed", ("status: active -> retired", "replaced_by: none -> uber"))
    ]
    assert not found.changes.rules
    assert {(flip.strings, str(flip.old), str(flip.new)) for flip in found.flips} == {
        (("LYFT RIDE",), "lyft by lyft.name", "uber by lyft.name"),
        (("LYFTER ALPHA",), "lyft by the model", "uber by the model"),
    }
    unknown = sum(not known for *_, known in MONTH)
    assert [f"of {unknown} rows the cache does not know" in notice for notice in found.notices] == [True]


def test_a_parent_settles_what_was_contested(world, compare):
    """netflix becomes a child of spotify: the two no longer contest NETFLIX SPOTIFY, though no rule changed."""
    child = "netflix,Netflix,streaming,spotify,,,,active,,\n"
    write(world / "family", AFTER, HEAD + child)
    found = compare("after", "family")
    assert {(flip.strings, str(flip.old), str(flip.new)) for flip in found.flips} == {
        (("NETFLIX SPOTIFY",), "none (contested: netflix.name, spotify.name)", "netflix by netflix.name")
    }


def test_a_fragment_that_changes_is_a_change_of_the_rule(world, compare):
    one = {"f.yaml": "brand: filler-1\nowner: x\nrules:\n  - {id: f.x, match: [{regex: '{{end}}'}], examples: [JOE]}\n"}
    write(world / "one", {**one, "common.yaml": "fragments: {end: JOE}\n"})
    write(world / "two", {**one, "common.yaml": "fragments: {end: JOE CAFE}\n"})
    (change,) = compare("one", "two").changes.rules
    assert change.says == ("match: regex {{end}}: a fragment in it has changed",)


def test_rows_count_for_their_weight(world, compare, tmp_path):
    rows = [("UBER EATS ALPHA", -2.0, 10), ("UBER EATS BETA", -3.0, 1), ("JOE", -1.0, 9)]
    frame = pl.DataFrame(rows, schema=["descriptor", "amount", "count"], orient="row")
    frame.write_csv(world / "weighted.csv")
    found = diff(
        Compared(rules=world / "after", model=None), str(world / "before"), None, str(world / "weighted.csv"),
        cache=None, columns={"weight": "count"},
    )  # fmt: skip
    assert (found.traffic.rows, found.traffic.money) == (20, 32)
    assert (found.rows, found.money) == (11, 23)
    assert found.flips[0].strings == ("UBER EATS ALPHA", "UBER EATS BETA")


def test_guards_tell_rows_of_one_text_apart(world, compare, tmp_path):
    rows = [("STARBUCKS DELTA", -19.99), ("STARBUCKS DELTA", -20.0), ("STARBUCKS DELTA", -30.0)]
    pl.DataFrame(rows, schema=["descriptor", "amount"], orient="row").write_csv(world / "same.csv")
    found = diff(
        Compared(rules=world / "after", model=None), str(world / "before"), None, str(world / "same.csv"), cache=None
    )
    assert found.by_kind() == {"lost": (2, 50)}


def test_dates_are_read_against_one_day(world, tmp_path):
    old = {"f.yaml": "brand: filler-1\nowner: x\nrules:\n  - {id: f.x, match: [{words: JOE}], examples: [JOE]}\n"}
    new = {"f.yaml": old["f.yaml"].replace("match:", "valid: {to: 2026-06-30}, match:")}
    write(world / "ever", old)
    write(world / "june", new)

    def lost(**given):
        settings = Settings(**given.pop("settings", {}))
        found = diff(Compared(rules=world / "ever", model=None), None, str(world / "june"), str(world / "month.csv"),
                     cache=None, settings=settings, **given)  # fmt: skip
        return found.rows

    assert (lost(today=TODAY), lost(today=dt.date(2026, 7, 1))) == (0, 1)
    assert lost(today=TODAY, settings={"as_of": dt.date(2026, 7, 1)}) == 1


# Budget and approvals

APPROVED = """
[[approval]]
from = "uber-eats"
to = "uber"
rule = "uber.trip"
owner = "mobility"
reason = "one brand again"
expires = 2026-06-01
[[approval]]
from = "starbucks"
to = "none"
pattern = 'starbucks \\w+A$'
owner = "food"
reason = "large amounts are gift cards"
expires = 2026-12-31
"""


def test_budget(compare):
    found = compare()
    Budget.of("58.9%").held(found)
    with pytest.raises(RulebookError) as error:
        Budget.of("50%").held(found)
    assert error.value.exit_code == 3
    lines = str(error.value).splitlines()
    assert lines[0] == ("58.8 % of rows (10 of 17) flip without approval, 1.5 more than the budget of 50 % allows")
    assert lines[1] == "  2 rows: uber-eats by uber-eats.name -> uber by uber.trip"
    assert '    from = "uber-eats"' in lines
    Budget.of(None, "71.3%").held(found)
    with pytest.raises(RulebookError, match=r"^71.3 % of money \(206 of 289\)"):
        Budget.of("100%", "71.2%").held(found)


def test_a_budget_of_nothing_allows_nothing(compare):
    with pytest.raises(RulebookError, match="10 more than the budget of 0 % allows"):
        Budget.of("0%").held(compare())


def test_exactly_the_budget_is_within_it(world):
    pl.DataFrame({"descriptor": ["UBER EATS"] + ["JOE"] * 1999}).write_csv(world / "exact.csv")
    found = diff(
        Compared(rules=world / "after", model=None), str(world / "before"), None, str(world / "exact.csv"), cache=None
    )
    Budget.of("0.05%").held(found)
    with pytest.raises(RulebookError):
        Budget.of("0.0499%").held(found)
    with pytest.raises(SettingsError, match="no amounts"):
        Budget.of(None, "1%").held(found)


@pytest.mark.parametrize("wrong", ["0.05", "five", "-1%", "101%", ""])
def test_a_budget_is_a_percentage(wrong):
    with pytest.raises(SettingsError, match=f"--budget: '{wrong}' is no share"):
        Budget.of(wrong)


def test_approvals_are_used_lapse_and_lie_idle(compare, tmp_path):
    """Two rows are approved, on the last day, and one of the three that lose their answer; seven are left."""
    path = tmp_path / "ok.toml"
    idle = '[[approval]]\nfrom = "uber"\nto = "none"\nowner = "o"\nreason = "r"\nexpires = 2026-12-31\n'
    late = idle.replace('"uber"', '"netflix"').replace("2026-12-31", "2026-05-31")
    path.write_text(APPROVED + idle + late)
    found = compare(approvals=path)
    states = [(one.approval.line, one.state, one.rows) for one in found.approvals]
    assert states == [(2, "used", 2), (9, "used", 1), (16, "unused", 0), (22, "expired", 1)]
    assert sum(flip.rows for flip in found.open) == 7
    Budget.of("41.2%").held(found)
    with pytest.raises(RulebookError, match=r"\(7 of 17\)"):
        Budget.of("41%").held(found)
    assert as_json(found)["unapproved"]["rows"] == 7


def test_an_expired_approval_hides_no_other(compare, tmp_path):
    late = APPROVED.replace("2026-06-01", "2026-05-31")
    (tmp_path / "ok.toml").write_text(late + APPROVED.partition('[[approval]]\nfrom = "starbucks"')[0])
    found = compare(approvals=tmp_path / "ok.toml")
    assert [one.state for one in found.approvals] == ["expired", "used", "used"]
    assert sum(flip.rows for flip in found.open) == 7


def test_every_fault_of_an_approvals_file_is_named_with_its_line(compare, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(
        "[[approval]]\n"
        'from = "uber-eat"\n'
        'to = "none"\n'
        'reason = " "\n'
        "expires = 2026-12-31\n"
        "[[approval]]\n"
        'from = "uber"\n'
        'to = "model"\n'
        'owner = "o"\n'
        'reason = "r"\n'
        'expires = "2026-12-31"\n'
        'pattern = "(UBER"\n'
        'rules = "x"\n'
    )
    with pytest.raises(InputError) as error:
        compare(approvals=path)
    heads = [line for line in str(error.value).splitlines() if not line.startswith("  fix")]
    assert [line.removeprefix(f"{path}:") for line in heads] == [
        "1: approval has no `owner`",
        "2: `from` names no brand: 'uber-eat'",
        "4: `reason` is ' '",
        "11: `expires` is '2026-12-31'",
        "12: not a regex: unclosed group",
        "13: approval has no key `rules`",
    ]
    assert "did you mean uber-eats" in str(error.value)
    assert "did you mean `rule`?" in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[approval]\n", "not TOML"),
        ("a = " + "[" * 100_000, "not TOML"),
        ("[approvals]\n", "unknown table 'approvals'"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_none_of_approvals(compare, tmp_path, text, says):
    path = tmp_path / "x.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=says):
        compare(approvals=path)


# What is written


def test_json_is_whole(compare):
    out = as_json(compare())
    assert out["flipped"] == {
        "rows": 10, "money": 206, "share_of_rows": 10 / 17, "share_of_money": 206 / 289,
    }  # fmt: skip
    first = out["flips"][0]
    assert (first["kind"], first["rows"], first["money"], first["family"]) == ("other-brand", 2, 50, True)
    assert first["old"] == {"tier": "rules", "brand": "uber-eats", "rule": "uber-eats.name", "reason": None}
    assert first["strings"] == ["UBER EATS ALPHA", "UBER EATS BETA"]
    assert {change["id"] for change in out["rules"]} >= {"lyft.ride", "starbucks.store"}


def test_strings_are_masked(world):
    pl.DataFrame({"descriptor": ["ZELLE TO KIM UBER EATS 8005551234"]}).write_csv(world / "person.csv")
    found = diff(
        Compared(rules=world / "after", model=None), str(world / "before"), None, str(world / "person.csv"), cache=None
    )
    assert found.flips[0].strings == ("ZELLE TO …",)
    assert "KIM" not in markdown(found, top=5)


def test_markdown_is_a_comment_under_a_pull_request(compare):
    text = markdown(compare(), top=2)
    assert text.startswith("### 10 rows get another answer: 58.8 % of 17\n")
    row = (
        "| uber-eats by uber-eats.name | uber by uber.trip _(family)_ | `UBER EATS ALPHA`<br>`UBER EATS BETA` "
        "| 2 | 11.8 % | 50.00 | 17.3 % |"
    )
    assert row in text.splitlines()
    assert "and 7 more, of 7 rows together" in text
    assert "<summary>Rules: 4 added, 1 changed, 2 removed</summary>" in text
    assert "  - `when: always -> amount lt 20`" in text


def test_a_share_never_looks_like_none():
    assert [percent(part, 10_000_000) for part in (1, 1234, 150_000, 5_000_000)] == [
        "0.00001 %", "0.012 %", "1.5 %", "50 %",
    ]  # fmt: skip
