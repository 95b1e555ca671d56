"""`rules check` and `rules explain` as a person runs them: what is shown, what is left out, and how they leave."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tierbreak import cli
from tierbreak.bundle import Bundle
from tierbreak.tiers.rules import RulesTier
from tierbreak.tools.rules import checking
from tierbreak.tools.rules.checking import ignores
from tierbreak.tools.rules.checking.codes import CODES
from tools.rules.checking import golden

SOUND = """\
brand: uber
owner: mobility
rules:
  - id: uber.trip
    match: [{words: UBER TRIP}]
    examples: [UBER *TRIP HELP.UBER.COM]
"""


def lyft(text: str) -> str:
    """The same of another brand."""
    return text.replace("uber", "lyft").replace("UBER", "LYFT").replace("UBR", "LFT")


NOTED = SOUND.replace("{words: UBER TRIP}", "{regex: 'UBER.*TRIP.*'}")
WARNED = SOUND.replace("    examples: [UBER *TRIP HELP.UBER.COM]\n", "")
#: Of another brand, with an edge over the first.
ABOVE = lyft(SOUND).replace("examples", "outranks: [uber.trip]\n    examples")
FAULTY = SOUND.replace("UBER *TRIP HELP.UBER.COM", "UBR TRIP")


@pytest.fixture
def folder(tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    return rules


@pytest.fixture
def run(folder, state, capsys, monkeypatch):
    """Write files into the rules folder and run a command line; exit code, standard output, standard error."""
    monkeypatch.setenv("TIERBREAK_STATE", str(state))
    monkeypatch.setenv("TIERBREAK_AS_OF", str(golden.AS_OF))

    def run(*arguments, **files):
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text)
        code = cli.run(["rules", "check", "--rules", str(folder), *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out.replace(f"{folder}/", ""), err.replace(f"{folder}/", "")

    return run


def check(folder, settings, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    report = checking.check(Bundle((folder,), (golden.BROKEN / "brands.csv",), None, {}), settings)
    return [(fault.path.name, fault.line, fault.code) for fault in report.faults]


class TestLeaving:
    def test_a_sound_book_is_one_line(self, run):
        assert run(uber=SOUND) == (0, "1 rules for 1 brands, 1 examples: no fault\n", "")

    def test_nothing_there_is_no_fault_and_is_said(self, run, folder):
        said = f"notice: {folder}: no rule files (*.yaml) in it\n"
        assert run() == (0, "0 rules for 0 brands, 0 examples: no fault\n", said)

    @pytest.mark.parametrize(
        ("text", "limit", "code"),
        [
            (NOTED, "error", 0),
            (NOTED, "warning", 0),
            (NOTED, "note", 3),
            (WARNED, "error", 0),
            (WARNED, "warning", 3),
            (FAULTY, "error", 3),
            (FAULTY, "note", 3),
        ],
    )
    def test_the_exit_code_is_by_severity(self, run, text, limit, code):
        got, out, err = run("--fail-on", limit, uber=text)
        assert got == code
        assert "[R0" in out
        assert err.startswith("1 rules for 1 brands, ")

    def test_the_default_fails_on_errors(self, run):
        assert run(uber=WARNED)[0] == 0
        assert run(uber=FAULTY)[0] == 3

    def test_what_was_found_is_counted(self, run):
        assert run(uber=FAULTY, lyft=lyft(WARNED))[2] == ("2 rules for 2 brands, 1 examples: 1 error, 1 warning\n")

    def test_a_code_is_left_out_by_option(self, run):
        assert run("--ignore", "r030", "--ignore", "R040,R051", uber=FAULTY) == (
            0, "1 rules for 1 brands, 1 examples: no fault\n", "",
        )  # fmt: skip

    @pytest.mark.parametrize("arguments", [["--ignore", "R3O"], ["nowhere.yaml"], ["--traffic", "nowhere.csv"]])
    def test_what_cannot_be_asked_is_said(self, run, arguments):
        code, out, err = run(*arguments, uber=SOUND)
        assert (code, out) in ((2, ""), (4, ""))
        assert err.startswith("error: ")

    def test_a_folder_that_is_not_there(self, capsys):
        assert cli.run(["rules", "check", "--rules", "nowhere"]) == 3
        assert "nowhere: no such folder" in capsys.readouterr().err

    def test_control_characters_do_not_reach_a_terminal(self, run):
        text = SOUND.replace("[UBER *TRIP HELP.UBER.COM]", '["UBR \\e[31m\\u202e"]')
        assert "\x1b" not in run(uber=text)[1]

    def test_machines_get_nothing_but_their_format(self, run):
        code, out, err = run("--format", "json", uber=FAULTY)
        assert [fault["code"] for fault in json.loads(out)] == ["R030"]
        assert (code, err) == (3, "1 rules for 1 brands, 1 examples: 1 error\n")
        assert json.loads(run("--format", "json", uber=SOUND)[1]) == []


class TestFiles:
    def test_only_what_stands_in_the_files_named_is_shown(self, run, folder):
        code, out, _ = run(folder / "uber.yaml", uber=SOUND, lyft=lyft(FAULTY))
        assert (code, out) == (0, "2 rules for 2 brands, 2 examples: no fault\n")
        assert run(folder / "lyft.yaml")[0] == 3
        assert run(folder)[0] == 3

    def test_a_file_elsewhere_is_no_part_of_the_book(self, run, tmp_path):
        (tmp_path / "other.yaml").write_text(SOUND)
        code, _, err = run(tmp_path / "other.yaml", uber=SOUND)
        assert code == 2
        assert "not part of the rulebook in" in err

    def test_fix_writes_what_is_safe_and_shows_the_rest(self, run, folder):
        text = FAULTY.replace("{words: UBER TRIP}", "{words: UBER TRIP}, {words: UBER TRIP}")
        code, out, err = run("--fix", uber=text)
        assert (code, err.splitlines()[0]) == (3, "mended 1 file: uber.yaml")
        assert "R030" in out
        assert "R048" not in out
        assert (folder / "uber.yaml").read_text() == FAULTY
        assert "mended" not in run("--fix")[2]


class TestProved:
    def test_of_two_rules_that_find_the_same_one_is_to_go_and_not_both(self, folder, settings):
        """Whoever followed both would lose the brand."""
        twice = SOUND + SOUND.partition("rules:\n")[2].replace("uber.trip", "uber.too")
        thrice = twice + SOUND.partition("rules:\n")[2].replace("uber.trip", "uber.third")
        for text, told in ((SOUND, 0), (twice, 1), (thrice, 2)):
            assert [code for _, _, code in check(folder, settings, uber=text)].count("R061") == told

    def test_a_pattern_that_an_engine_refuses_is_a_fault_and_hides_no_other(self, folder, settings):
        refused = "match: [{regex: '^(?:[AB].{0,99}){3,19}C'}]\n    unless: [{words: UBER}]"
        text = SOUND + f"  - id: uber.large\n    {refused}\n    examples: [ABABAC]\n"
        assert check(folder, settings, uber=text, lyft=lyft(WARNED)) == [
            ("lyft.yaml", 4, "R040"),
            ("uber.yaml", 8, "R020"),
        ]


class TestIgnores:
    def test_hidden_behind_above_and_for_the_file(self, folder, settings):
        behind = WARNED.replace("uber.trip", "uber.trip  # tierbreak: ignore[R040] soon")
        above = WARNED.replace("  - id", "  # tierbreak: ignore[R040] soon\n  # and more\n\n  - id")
        whole = "# any comment\n# tierbreak: ignore-file[R040, R051] soon\n" + WARNED
        assert check(folder, settings, a=behind) == []
        assert check(folder, settings, a=above) == []
        assert check(folder, settings, a=whole) == [("a.yaml", 2, "R055")]

    def test_a_comment_within_a_text_is_none(self, folder, settings):
        text = SOUND.replace("[UBER *TRIP HELP.UBER.COM]", "['UBER TRIP # tierbreak: ignore[R040] no']")
        assert check(folder, settings, a=text) == []

    def test_an_error_of_reading_is_hidden_too(self, folder, settings):
        text = SOUND.replace("brand: uber", "brand: ubber  # tierbreak: ignore[R012] comes with an overlay")
        assert check(folder, settings, a=text) == []

    def test_what_is_not_judged_is_not_called_idle(self, folder, settings):
        text = SOUND.replace("uber.trip", "uber.trip  # tierbreak: ignore[R047] one file has no amounts")
        assert check(folder, settings, a=text) == []

    def test_a_file_whose_rules_an_overlay_replaces_keeps_its_ignores(self, folder, tmp_path, settings):
        overlay = tmp_path / "overlay"
        overlay.mkdir()
        (folder / "a.yaml").write_text(WARNED.replace("uber.trip", "uber.trip  # tierbreak: ignore[R040] soon"))
        (overlay / "a.yaml").write_text(SOUND)
        bundle = Bundle((folder, overlay), (golden.BROKEN / "brands.csv",), None, {})
        assert checking.check(bundle, settings).faults == ()

    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    def test_with_a_byte_order_mark_and_either_line_end(self, folder, settings, line_end):
        text = "\ufeff# tierbreak: ignore-file[R040] soon\n" + WARNED
        (folder / "a.yaml").write_bytes(text.replace("\n", line_end).encode())
        assert check(folder, settings) == []

    def test_own_codes_are_codes(self):
        assert set(CODES) >= ignores.OWN


class TestPartialBooks:
    """What can be read is checked, and what was lost is not missed a second time."""

    def test_a_broken_file_hides_nothing_and_adds_nothing(self, folder, settings):
        counter = ABOVE + "    counterexamples: [{descriptor: UBER TRIP, expect: uber}]\n"
        counter = counter.replace("[LYFT *TRIP", "[LYFT RIDE, LYFT *TRIP")
        found = check(folder, settings, uber="brand: [uber", lyft=counter)
        assert found == [("lyft.yaml", 7, "R030"), ("uber.yaml", 2, "R001")]

    def test_a_rule_that_is_lost_is_no_loose_end(self, folder, settings):
        uber = SOUND.replace("examples", "exampels")
        assert check(folder, settings, uber=uber, lyft=ABOVE) == [("uber.yaml", 6, "R004")]

    def test_a_pattern_that_does_not_compile_takes_its_rules_out_and_no_others(self, folder, settings):
        refused = SOUND.replace("{words: UBER TRIP}", "{regex: 'UBER\\bTRIP'}")
        again = refused.replace("uber.trip", "uber.again").replace(
            "    examples", "    when: {sign: debit}\n    examples"
        )
        found = check(folder, settings, a=refused, b=again, c=lyft(FAULTY))
        assert found == [("a.yaml", 5, "R020"), ("b.yaml", 5, "R020"), ("c.yaml", 6, "R030")]

    def test_rules_are_checked_without_a_registry(self, folder, settings):
        bundle = Bundle((folder,), (folder / "none.csv",), None, {})
        (folder / "a.yaml").write_text(WARNED)
        assert [fault.code for fault in checking.check(bundle, settings).faults] == ["R040", "B001"]


def test_a_quarantined_rule_is_named(folder, settings, monkeypatch):
    loaded = RulesTier.__init__

    def lossy(tier, *given, **more):
        loaded(tier, *given, **more)
        tier.quarantined = ("uber.trip",)

    monkeypatch.setattr(RulesTier, "__init__", lossy)
    assert check(folder, settings, a=SOUND) == [("a.yaml", 4, "R050")]


class TestExplain:
    def explain(self, capsys, *arguments):
        return cli.run(["rules", "explain", *arguments]), *capsys.readouterr()

    @pytest.mark.parametrize("code", ["R012", "r012", " R012 "])
    def test_a_page_comes_as_it_is_written_where_nobody_looks(self, capsys, code):
        assert self.explain(capsys, code) == (0, checking.page("R012"), "")

    def test_a_page_is_laid_out_on_a_terminal(self, capsys, monkeypatch):
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        code, out, _ = self.explain(capsys, "R012")
        assert code == 0
        assert "brand is not in the registry" in out
        assert "```" not in out

    @pytest.mark.parametrize(
        ("asked", "said"),
        [("R12", "did you mean R012?"), ("R112", "did you mean R012"), ("frog", "`tierbreak rules explain` lists")],
    )
    def test_an_unknown_code_names_near_ones(self, capsys, asked, said):
        code, out, err = self.explain(capsys, asked)
        assert (code, out) == (2, "")
        assert said in err

    def test_without_a_code_all_are_listed(self, capsys):
        code, out, _ = self.explain(capsys)
        assert code == 0
        assert [line.split()[0] for line in out.splitlines()] == list(CODES)


SCALARS = """\
uber|UBER TRIP|''|NO|010|12:30|~|2019-01-01|'A*'|'(A'|'[[A]'|{a: b}|&x a|*x|!!int 3|'A\\B'|'.*'|'(?!A)B'|'\\b'|É|'É+'|
lyft.a|{words: A}|{regex: 'A(?=B)'}|{exact: Ж}|{words: A, at: end}|{regex: '(?:A,B*)*(?!C)'}|{{x}}|1e999|
# tierbreak: ignore[R012]""".replace("\n", "").split("|")
KEYS = ["id", "match", "unless", "when", "amount", "mcc", "valid", "to", "examples", "todo", "counterexamples",
        "expect", "descriptor", "outranks", "regex", "words"]  # fmt: skip
NODE = st.recursive(
    st.sampled_from(SCALARS),
    lambda node: st.one_of(
        st.lists(node, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(st.sampled_from(KEYS), node), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=8,
)
FILE = st.one_of(
    st.text(max_size=40),
    st.builds("brand: {}\nowner: {}\nrules: {}\ndeny: {}\n".format, NODE, NODE, NODE, NODE),
    st.builds("brand: uber\nowner: me\nrules:\n- {{id: uber.a, match: [{}], unless: [{}], examples: [{}]}}\n".format,
              NODE, NODE, NODE),
)  # fmt: skip


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=FILE, common=st.booleans())
@example(text="a: &a [*a]", common=False)
@example(text="brand: uber\nowner: me\nrules: &r\n- {id: a, match: *r, note: *r}", common=False)
@example(text="[" * 900, common=False)
@example(text="fragments: {a: '|', b: [], 3: 'x'}", common=True)
@example(text="\x00", common=False)
@example(text="# tierbreak: ignore[R001] \ud7ff\x85\u2028\x0b# tierbreak: ignore-file[", common=False)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_no_text_makes_a_check_fail(text, common, folder, settings):
    """Whatever stands in a file, there is a report, every fault prints in every format, and what is sound is kept."""
    for path in folder.iterdir():
        path.unlink()
    (folder / "sound.yaml").write_text(SOUND)
    (folder / ("common.yaml" if common else "any.yaml")).write_text(text, encoding="utf-8", newline="")
    report = checking.check(Bundle((folder,), (golden.BROKEN / "brands.csv",), None, {}), settings)
    assert all(isinstance(write(report.faults), str) for write in checking.FORMATS.values())
    assert not [fault for fault in report.faults if fault.path.name == "sound.yaml" and fault.code < "R011"]
    assert {fault.severity for fault in report.faults} <= {"error", "warning", "note"}


def test_a_report_is_narrowed_without_being_changed(tmp_path, settings):
    report = golden.report(golden.BROKEN / "examples", tmp_path, settings.state)
    few = report.only(ignored=["R034"], below=[tmp_path / "rules" / "delta.yaml", Path("elsewhere")])
    assert few.faults == ()
    assert dataclasses.replace(few, faults=report.faults) == report
    assert {fault.code for fault in report.only(below=[tmp_path]).faults} == {fault.code for fault in report.faults}
