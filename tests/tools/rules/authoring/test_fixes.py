"""Safe repairs: only the characters concerned change, and nothing that a rule does or a comment says."""

import pytest

from tierbreak.errors import Fault
from tierbreak.rulebook.reader import FileReader
from tierbreak.tools.rules.authoring import fixes

HEAD = "brand: uber # the app\nowner:   mobility\nrules:\n  - id: uber.trip\n"


@pytest.fixture
def mend(tmp_path):
    """Write a file, say what is wrong at each `found` in it, and return what it becomes."""

    def mend(text, *wrong, name="uber.yaml"):
        path = tmp_path / name
        path.write_text(text, newline="")
        after = fixes.apply([fault(path, text, *one) for one in wrong])
        assert set(after) <= {path}
        assert path.read_text() == text, "nothing is written"
        return after.get(path, text)

    return mend


def fault(path, text, code, found, nth=0, says="", fix="drop it"):
    at = -1
    for _ in range(nth + 1):
        at = text.index(found, at + 1)
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return Fault(code, path, line, column, says, found, "", fix)


def read(path, text):
    reader = FileReader(path, text.encode(), {}, lambda words: " ".join(words.upper().split()))
    return reader.rules(), reader.faults


# R008: the reader's own faults


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("examples: [NO, 010, UBER]", "examples: ['NO', '010', UBER]"),
        ("examples:\n      - 12:30   # late\n      - 010", "examples:\n      - '12:30'   # late\n      - '010'"),
        ("examples: [2014-01-01]", "examples: ['2014-01-01']"),
        ("when: {country: [NO], mcc: [0742]}", "when: {country: ['NO'], mcc: ['0742']}"),
        ("note: ~", "note: '~'"),
    ],
)  # fmt: skip
def test_a_trap_is_quoted(wrong, right, tmp_path):
    path = tmp_path / "uber.yaml"
    text = HEAD + "    match: [{words: UBER}]\n    " + wrong
    path.write_text(text)
    after = fixes.apply(read(path, text)[1])
    assert after == {path: text.replace(wrong, right)}
    rules, faults = read(path, after[path])
    assert (len(rules), faults) == (1, [])


def test_what_is_no_text_at_all_is_not_quoted(tmp_path):
    path = tmp_path / "uber.yaml"
    for wrong in ("note:", "note: [a]", "valid: {from: May}", "examples: [{descriptor: A, amount: '5'}]"):
        text = HEAD + f"    match: [{{words: UBER}}]\n    {wrong}\n"
        path.write_text(text)
        faults = read(path, text)[1]
        assert [fault.code for fault in faults] == ["R008"]
        assert not fixes.apply(faults)


def test_a_trap_in_common_yaml(tmp_path):
    path = tmp_path / "common.yaml"
    path.write_text("fragments: {a: 010, b: x}\n")
    reader = FileReader(path, path.read_bytes(), {}, str.upper)
    reader.read_fragments()
    assert fixes.apply(reader.faults) == {path: "fragments: {a: '010', b: x}\n"}


# R051


def test_idle_ends_go(mend):
    text = HEAD + "    match:\n      - {regex: '^.*UBER.*$'}  # wide\n      - regex: .*LYFT\n"
    wrong = ("R051", "^.*"), ("R051", ".*$"), ("R051", ".*", 2)
    assert mend(text, *wrong) == text.replace("^.*UBER.*$", "UBER").replace(".*LYFT", "LYFT")


@pytest.mark.parametrize("pattern", ["'.*UBER|LYFT'", ".* UBER", ".*{{gap}}LYFT"])
def test_ends_that_are_not_idle_stay(mend, pattern):
    text = HEAD + f"    match: [{{regex: {pattern}}}]\n"
    assert mend(text, ("R051", ".*")) == text


# R048


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("match: [{words: A}, {words: B}, {words: a}]", "match: [{words: A}, {words: B}]"),
        ("match: [{words: A},   {words: a} , {words: B}]", "match: [{words: A} , {words: B}]"),
        ("match:\n      - words: A\n      - words: a\n      - words: B", "match:\n      - words: A\n      - words: B"),
        ("match:\n      - words: A\n\n      - {words: a}", "match:\n      - words: A\n\n"),
    ],
)
def test_the_second_of_two_patterns_goes(mend, wrong, right):
    text = HEAD + f"    {wrong}\n    note: x\n"
    assert mend(
        text, ("R048", "a}" if "{words: a" in wrong else "a\n", text[: text.index("words: a")].count("a\n"))
    ) == (HEAD + f"    {right.rstrip()}" + ("\n" * (right.endswith("\n"))) + "\n    note: x\n")


def test_a_pattern_that_another_rule_has_or_that_has_a_comment_stays(mend):
    two = HEAD + "    match: [{words: A}, {words: C}]\n  - id: uber.pool\n    match: [{words: B}, {words: A}]\n"
    assert mend(two, ("R048", "A}", 1)) == two
    said = HEAD + "    match:\n      - words: A\n      - words: A  # as riders write it\n"
    assert mend(said, ("R048", "A", 1)) == said


# R032

TODO = HEAD + "    match: [{words: UBER}]\n"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (
            "    examples:\n      - UBER 1 # one\n    todo:\n      - UBER 2   # since May\n      - UBR\n",
            "    examples:\n      - UBER 1 # one\n      - UBER 2   # since May\n    todo:\n      - UBR\n",
        ),
        (
            "    examples: [UBER 1]\n    todo: [UBR, 'UBER, 2']\n    note: x\n",
            "    examples: [UBER 1, 'UBER, 2']\n    todo: [UBR]\n    note: x\n",
        ),
        (
            "    todo: [UBER 2]\n    note: x\n",
            "    examples:\n      - UBER 2\n    note: x\n",
        ),
        (
            "    note: x\n    todo:\n      - UBER 2\n    # the end",
            "    note: x\n    examples:\n      - UBER 2\n    # the end",
        ),
        (
            "    examples: []\n    todo:\n      - descriptor: UBER 2\n        amount: -5\n        mcc: '4121'",
            "    examples: [{descriptor: UBER 2, amount: -5, mcc: '4121'}]\n",
        ),
        (
            "    todo:\n    - {descriptor: UBER 2, date: 2020-01-01}\n    - UBR\n    examples:\n    - UBER 1",
            "    todo:\n    - UBR\n    examples:\n    - UBER 1\n    - {descriptor: UBER 2, date: 2020-01-01}",
        ),
    ],
)
def test_a_todo_that_is_done_becomes_an_example(mend, wrong, right):
    found = next(part for part in ("{descriptor: UBER 2", "descriptor: UBER 2", "'UBER, 2", "UBER 2") if part in wrong)
    assert mend(TODO + wrong, ("R032", found)) == TODO + right


def test_several_are_moved_in_their_order(mend):
    text = TODO + "    todo: [UBER 1, UBR, UBER 2, UBER 3]\n"
    wrong = [("R032", f"UBER {number}") for number in (3, 1, 2)]
    moved = "    examples:\n      - UBER 1\n      - UBER 2\n      - UBER 3\n"
    assert mend(text, *wrong) == TODO + moved + "    todo: [UBR]\n"
    assert mend(text.replace(", UBR", ""), *wrong) == TODO + moved


def test_a_todo_with_a_comment_stays_because_it_would_be_lost(mend):
    for todo in ("      # since May\n      - UBER 2\n", "      - UBER 2  # since May\n    examples: [UBER 1]\n"):
        text = TODO + "    todo:\n" + todo
        assert mend(text, ("R032", "UBER 2")) == text


# R055

NOTHING = "nothing here has `{}`"


@pytest.mark.parametrize(
    ("wrong", "codes", "right"),
    [
        ("note: x  # tierbreak: ignore[R041] all from one town\n", ["R041"], "note: x\n"),
        ("note: x # tierbreak: ignore[R041, R042,R043] y\n", ["R041"], "note: x # tierbreak: ignore[R042,R043] y\n"),
        ("note: x  # tierbreak: ignore[R041, R042] why\n", ["R042"], "note: x  # tierbreak: ignore[R041] why\n"),
        ("note: x  # tierbreak: ignore[R041, R042] why\n", ["R041", "R042"], "note: x\n"),
        ("# tierbreak: ignore[R041] why\n    note: x\n", ["R041"], "note: x\n"),
    ],
)  # fmt: skip
def test_an_ignore_without_effect_goes(mend, wrong, codes, right):
    text = HEAD + "    match: [{words: UBER}]\n    " + wrong
    found = text[text.index("# tierbreak") :].split("\n")[0]
    assert mend(text, *[("R055", found, 0, NOTHING.format(code)) for code in codes]) == (
        HEAD + "    match: [{words: UBER}]\n    " + right
    )


def test_an_ignore_of_a_code_that_does_not_exist_is_for_a_person(mend):
    text = HEAD + "    match: [{words: UBER}]  # tierbreak: ignore[R41] why\n"
    found = "# tierbreak: ignore[R41] why"
    assert mend(text, ("R055", found, 0, "there is no code `R41`", "did you mean R041?")) == text


# All together


def test_many_at_once_and_a_byte_order_mark(mend, tmp_path):
    text = TODO + "    examples: [NO]\n    unless: [{regex: .*X}, {regex: X}]\n    todo: [UBER 2]\n"
    wrong = [
        ("R008", "NO", 0, "", "quote it: 'NO'"), ("R051", ".*"), ("R048", "X}", 1), ("R032", "UBER 2"), ("R030", "NO"),
    ]  # fmt: skip
    right = text.replace("[NO]", "['NO', UBER 2]").replace(".*X}, {regex: X}", "X}").replace("    todo: [UBER 2]\n", "")
    assert mend(text, *wrong) == right
    path = tmp_path / "marked.yaml"
    path.write_text("\ufeff" + text)
    assert fixes.apply([fault(path, text, *one) for one in wrong]) == {path: "\ufeff" + right}


def test_files_that_changed_or_are_gone_or_are_no_yaml_are_left(tmp_path):
    path = tmp_path / "x.yaml"
    assert not fixes.apply([Fault("R051", path, 1, 1, "", ".*", "", "")])
    for text in ("brand: [", "brand: a\r\nnote: .*b\r\n", "brand: &a b\nnote: .*b\n", "brand: a\n"):
        path.write_text(text, newline="")
        assert not fixes.apply(
            [Fault("R051", path, 2, 7, "", ".*", "", ""), Fault("R051", path, 99, 1, "", ".*", "", "")]
        )
