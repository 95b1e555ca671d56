"""`tierbreak rules import` as a person runs it."""

from __future__ import annotations

import json
import shutil

import pytest

from tierbreak import cli


@pytest.fixture
def run(capsys, monkeypatch, tmp_path, home):
    for name in ("legacy.csv", "june.csv"):
        shutil.copy(home / name, tmp_path)
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: object) -> tuple[int, str, str]:
        code = cli.run(["rules", "import", *map(str, arguments)])
        return code, *capsys.readouterr()

    return ran


TEXT = """\
legacy.csv: 11 lines
rules     9 for 9 brands; lines refused 1, redundant 1, never reached 1
patterns  8 regex, 1 words; look-ahead: 1 as `unless`, 0 kept
names     6 by id; 4 proposed, 0 to look at
order     7 edges: 2 seen, 5 proved
          in more traffic like this, 22.22% of what the list decides will hold two rules never seen together
replay    77.777 % of 9 distinct strings alike, 80.000 % of rows: june.csv (learned from)

lines that no rule can stand for (1)
legacy.csv:11:3: warning[L005]: repeat is too large
   |
11 | "X{1,2000}Y",Xylophones,i,Music
   |   ^^^^^^^^
   = expected: what they share
   = fix: use `*`, or a smaller number, at most 999

redundant lines: an earlier line of the same brand finds all that they find (proved); not written (1)
  line 10 UBER TRIP (Uber): line 3 finds it all

lines that the list never comes to (proved); written with `status: shadow` (1)
  line 9 \\bNETFLIX KIDS\\b (Netflix Kids): line 5 finds it all

look-around (1)
  line 8 ^SQ \\*(?!UBER): now match: ^SQ \\*, unless: ^SQ \\*UBER (proved to be the same)

proposed brands: names that no brand of the registry has; --map corrects (4)
  Corner Shop -> corner-shop
  Netflix Kids -> netflix-kids
  Xylophones -> xylophones
  Power Company -> power-company

differences on june.csv (2 distinct strings)
  1 folding: power-company -> nothing; line 12 finds the descriptor as it came, and not its folded text
      ENERGY\u0020
  1 refused: xylophones -> nothing; line 11 was refused: repeat is too large
      BOXY CAFE
"""


def test_the_whole_report(run, tmp_path):
    code, out, err = run("legacy.csv", "-o", "new", "--replay", "june.csv")
    assert (code, out) == (0, TEXT)
    assert err == (
        "10 lines become patterns\nlooking for rules that meet in the traffic\n7 edges\n"
        "new: written; look at names.tsv, then try it with --overlay new, or with --rules new alone\n"
    )
    assert (tmp_path / "new" / "rideshare" / "uber.yaml").is_file()


def test_json_and_markdown_hold_all_of_it(run, tmp_path):
    code, out, _ = run("legacy.csv", "--replay", "june.csv", "--format", "json", "--report", "import.md")
    data = json.loads(out)
    assert code == 0
    assert data["order"]["edges"] == {"seen": 2, "proved": 5}
    assert [one["line"] for one in data["refused"]] == [11]
    (replayed,) = data["replays"]
    assert (replayed["decided"], replayed["same"], replayed["why"]) == (9, 7, {"folding": 1, "refused": 1})
    assert [one["descriptor"] for one in replayed["differences"]] == ["ENERGY ", "BOXY CAFE"]
    page = (tmp_path / "import.md").read_text()
    assert "7 of 9 distinct strings alike (77.777 %). Differences: 1 refused, 1 folding." in page
    assert "| BOXY CAFE | 1 | xylophones | - | refused: line 11 was refused: repeat is too large |" in page
    # Signs that Markdown reads are escaped.
    assert r"- line 8 ^SQ \\\*\(?\!UBER\): now match: ^SQ \\\*, unless: ^SQ \\\*UBER" in page


def test_the_folder_of_an_earlier_import_is_replaced_only_when_told(run, tmp_path):
    assert run("legacy.csv", "-o", "new")[0] == 0
    (tmp_path / "new" / "mine.txt").write_text("kept?")
    code, _, err = run("legacy.csv", "-o", "new")
    assert (code, err) == (
        4,
        "error: new: holds an earlier import; --force replaces it, with all that was edited there\n",
    )
    names = (tmp_path / "new" / "names.tsv").read_text().replace("corner-shop\tproposed", "the-shop\tproposed")
    (tmp_path / "names.tsv").write_text(names)
    assert run("legacy.csv", "-o", "new", "--force", "--map", "names.tsv")[0] == 0
    assert (tmp_path / "new" / "unsorted" / "the-shop.yaml").is_file()
    assert not (tmp_path / "new" / "mine.txt").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_brands_of_an_overlay_are_known(run, tmp_path):
    (tmp_path / "mine").mkdir()
    header = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since"
    (tmp_path / "mine" / "brands.csv").write_text(f"{header}\ncorner-shop,Corner Shop,grocery,,,,,active,,\n")
    code, out, _ = run("legacy.csv", "-o", "new", "--overlay", "mine", "--replay", "june.csv")
    assert code == 0
    assert "names     7 by id; 3 proposed" in out
    assert (tmp_path / "new" / "grocery" / "corner-shop.yaml").is_file()
    assert "corner-shop" not in (tmp_path / "new" / "brands.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing.csv",), "error: nothing.csv: cannot be read: No such file or directory\n"),
        (("legacy.csv", "-o", "."), "error: .: is not empty, and no earlier import; name a folder that does not exist"),
        (("legacy.csv", "-o", "a/b"), "error: a/b: there is no folder 'a'; make it first\n"),
        (("legacy.csv", "-o", "legacy.csv"), "error: legacy.csv: is a file; name a folder that does not exist yet\n"),
        (
            ("legacy.csv", "--report", "legacy.csv"),
            "error: legacy.csv: is the list itself; write to another file",
        ),
        (("legacy.csv", "--report", "a/b.md"), "error: a/b.md: there is no folder 'a'; make it first"),
        (("legacy.csv", "--replay", "nothing.csv"), "error: nothing.csv: "),
    ],
)
def test_what_cannot_be_done_is_said_before_any_work(run, arguments, says):
    code, out, err = run(*arguments)
    assert (code, out) == (4, "")
    assert says in err


def test_a_list_without_a_rule(run, tmp_path):
    (tmp_path / "old.csv").write_text("pattern,name\n[A,Uber\n")
    code, out, err = run("old.csv")
    assert (code, out) == (4, "")
    assert "old.csv:2:1: warning[L004]" in err
    assert err.endswith("old.csv: no line of it can become a rule\n")
