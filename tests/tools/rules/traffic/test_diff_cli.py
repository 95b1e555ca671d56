"""`tierbreak rules diff` as a person and as CI run it."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from tierbreak import cli
from tools.rules.traffic.books import AFTER, BEFORE, month, ship, write

GOLDEN = """\
    A  before  5 rules, 15 brands
    B  after   7 rules, 15 brands

    rules: 4 added, 1 changed, 2 removed
      - lyft.name (lyft)  before/lyft.yaml:5
      + lyft.not-lyfter (lyft)  after/lyft.yaml:10
          deny
          match: words LYFTER
      + lyft.ride (lyft)  after/lyft.yaml:5
          match: words LYFT
      + none.gift (*)  after/gift.yaml:5
          deny
          match: words GIFT
      + spotify.name (spotify)  after/media/spotify.yaml:5  3 rows flip
          match: words SPOTIFY
      ~ starbucks.store (starbucks)  after/starbucks.yaml:5  3 rows flip
          when: always -> amount lt 20
      - uber-eats.name (uber-eats)  before/eats.yaml:5  2 rows flip
    in owner, examples or notes alone: netflix.name

    month.csv: 17 rows, 289.00 of money
    8 rows (47.1 %), 189.00 of money (65.4 %) get another answer

                                             rows   share   money   share
    another brand                               2  11.8 %   50.00  17.3 %
    no answer any more                          4  23.5 %  124.00  42.9 %
    an answer where there was none              2  11.8 %   15.00  5.19 %
    same brand, decided otherwise               1  5.88 %    5.00  1.73 %
    no answer as before, for another reason     2  11.8 %   25.00  8.65 %

    rows   share   money   share  before -> after, and such strings
       3  17.6 %  115.00  39.8 %  starbucks by starbucks.store -> none (no-match)
                                    STARBUCKS DELTA
                                    STARBUCKS GAMMA
                                    STARBUCKS KETTLE
       2  11.8 %   50.00  17.3 %  uber-eats by uber-eats.name -> uber by uber.trip  [one family]
                                    UBER EATS ALPHA
                                    UBER EATS BETA
    and 2 more, of 3 rows together; --top shows more

    the same answer, decided otherwise:
    rows   share  money   share  before -> after, and such strings
       2  11.8 %  25.00  8.65 %  none (no-match) -> none (not-a-merchant: none.gift)
                                   GIFT ALPHA
                                   GIFT BETA
       1  5.88 %   5.00  1.73 %  lyft by lyft.name -> lyft by lyft.ride
                                   LYFT RIDE
    """


@pytest.fixture
def run(tmp_path, state, monkeypatch, capsys):
    """Run a command line in a folder with both rulebooks and the month."""
    ship(monkeypatch, tmp_path / "shipped")
    write(tmp_path / "before", BEFORE)
    write(tmp_path / "after", AFTER)
    month(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIERBREAK_STATE", str(state))

    def ran(*arguments):
        code = cli.run(["rules", "diff", *arguments])
        return code, *capsys.readouterr()

    return ran


def test_text(run):
    code, out, err = run("before", "after", "--traffic", "month.csv", "--no-model", "--top", "2")
    assert (code, err) == (0, "")
    assert out == dedent(GOLDEN)


def test_sorted_by_money(run):
    code, out, _ = run("before", "after", "--traffic", "month.csv", "--no-model", "--sort", "money", "--format", "json")
    money = [flip["money"] for flip in json.loads(out)["flips"]]
    assert (code, money) == (0, [115, 50, 15, 9])


def test_over_budget_the_report_stands_and_ci_fails(run):
    code, out, err = run(
        "before", "after", "--traffic", "month.csv", "--no-model", "--budget", "0.05%", "--format", "markdown"
    )
    assert code == 3
    assert out.startswith("### 8 rows get another answer")
    assert err.startswith("error: 47.1 % of rows (8 of 17) flip without approval, 7.99 more than the budget of 0.05 %")


def test_approved_is_within_budget(run, tmp_path):
    """Three of eight rows are not approved: 17.6 %."""
    entry = '[[approval]]\nfrom = "{}"\nto = "{}"\nowner = "o"\nreason = "r"\nexpires = {}\n'
    pairs = [("starbucks", "none", "2999-01-01"), ("uber-eats", "uber", "2999-01-01"), ("uber", "none", "2999-01-01"),
             ("netflix", "none", "2020-01-01")]  # fmt: skip
    (tmp_path / "ok.toml").write_text("".join(entry.format(*pair) for pair in pairs))
    given = ("before", "after", "--traffic", "month.csv", "--no-model", "--approvals", "ok.toml")
    code, out, err = run(*given, "--budget", "17.7%")
    assert code == 0
    assert "[one family, approved]" in out
    assert err.splitlines() == [
        "notice: approval at line 13 (uber -> none, o) is not used: no such row flips",
        "notice: approval at line 19 (netflix -> none, o) expired on 2020-01-01; 1 row flips without it",
    ]
    assert run(*given, "--budget", "17.6%")[0] == 3


def test_nothing_flips(run):
    code, out, err = run("before", "before", "--traffic", "month.csv", "--no-model", "--budget", "0%")
    assert (code, err) == (0, "")
    assert out.splitlines()[3:] == [
        "no rule and no brand decides otherwise", "", "month.csv: 17 rows, 289.00 of money",
        "no row of 17 gets another answer",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["before", "after"], 2, "--traffic"),
        (["befor", "after", "--traffic", "month.csv"], 2, "befor: n"),
        (["before", "after", "--traffic", "mont.csv"], 4, "mont.csv"),
        (["before", "after", "--traffic", "month.csv", "--budget", "1"], 2, "--budget: '1' is no share"),
        (["before", "after", "--traffic", "month.csv", "--approvals", "no.toml"], 4, "no.toml: cannot be read"),
        (["before", "after", "--traffic", "month.csv", "--amount", "amt"], 4, "no column 'amt'"),
        (["before", "after", "--traffic", "month.csv", "--as-of", "june"], 2, "--as-of: 'june' is no date"),
        (["before", "after", "--traffic", "month.csv", "--format", "html"], 2, "html"),
        (["before", "after", "--traffic", "month.csv", "--model", "after"], 2, "--model and --no-model exclude"),
        (["--rules", "nowhere", "--traffic", "month.csv"], 3, "nowhere: no such folder"),
    ],
)
def test_what_is_wrong_is_said(run, arguments, code, says):
    got, out, err = run(*arguments, "--no-model")
    assert (got, out) == (code, "")
    assert says in err
