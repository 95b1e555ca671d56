"""Every code has its page, and what a page calls bad is bad, and what it calls good is good."""

import re
from pathlib import Path

import pytest

import tierbreak
from tierbreak.bundle import Bundle, shipped
from tierbreak.errors import Fault, RegistryError
from tierbreak.registry import Registry
from tierbreak.tools.rules import checking
from tierbreak.tools.rules.checking.codes import CODES, page
from tierbreak.tools.rules.importing import reading
from tierbreak.tools.rules.importing.translate import translated

PAGES = shipped() / "rules" / "codes"
#: Codes whose bad example cannot be shown: a file without a place, and an engine that loses matches.
UNSHOWN = {"B001", "R050"}


def blocks(code, part):
    """The examples of a page under `## Bad` or `## Good`."""
    section = page(code).partition(f"## {part}\n")[2].partition("\n## ")[0]
    return re.findall(r"```(?:yaml|csv)\n(.*?)```", section, flags=re.DOTALL)


def test_every_code_in_the_package_has_a_page_and_every_page_a_code():
    sources = Path(tierbreak.__file__).parent.rglob("*.py")
    used = {code for path in sources for code in re.findall(r'"([BLR]\d{3})"', path.read_text())}
    assert used == set(CODES)
    assert {path.stem for path in PAGES.iterdir()} == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_page_has_its_parts(code):
    text = page(code)
    assert text.startswith(f"# {code}: {CODES[code].title}\n\nSeverity: {CODES[code].severity}\n\n")
    assert max(map(len, text.splitlines())) <= 120
    parts = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    shown = [] if code in UNSHOWN else ["Bad", "Good"]
    assert parts == ["Why it matters", *shown, "Fix"]


@pytest.mark.parametrize("code", [code for code in CODES if code.startswith("B") and code not in UNSHOWN])
def test_a_bad_registry_is_refused_and_a_good_one_is_not(code, tmp_path):
    path = tmp_path / "brands.csv"
    for text in blocks(code, "Bad"):
        path.write_text(text)
        with pytest.raises(RegistryError) as caught:
            Registry.load(path)
        assert code in {fault.code for fault in caught.value.faults}
    for text in blocks(code, "Good"):
        path.write_text(text)
        Registry.load(path)


@pytest.mark.parametrize("code", [code for code in CODES if code.startswith("L")])
def test_a_line_of_a_bad_list_is_no_rule_and_all_of_a_good_one_are(code, tmp_path):
    path = tmp_path / "old.csv"

    def found(text):
        path.write_text(text)
        listing = reading.read(path)
        made = [translated(rule, path) for rule in listing.rules]
        return [fault.code for fault in (*listing.faults, *made) if isinstance(fault, Fault)]

    for text in blocks(code, "Bad"):
        assert found(text) == [code] * (len(text.splitlines()) - 1), "every line below the header"
    assert [found(text) for text in blocks(code, "Good")] == [[]]


def checked(folder, settings, codes, part):
    """The faults of all examples of some pages in one folder, by the code whose page they stand on."""
    rules = folder / "rules"
    rules.mkdir()
    for code in codes:
        for number, text in enumerate(blocks(code, part)):
            (rules / f"{code}-{number}.yaml").write_text(text)
    traffic = folder / "rows.csv"
    traffic.write_text("descriptor,amount\nUBER,1\n")
    report = checking.check(Bundle.find(rules=rules, model=None), settings, traffic=traffic)
    found = {code: [] for code in codes}
    for fault in report.faults:
        found[fault.path.stem.partition("-")[0]].append(fault)
    return found


SHOWN = [code for code in CODES if code.startswith("R") and code not in UNSHOWN]


#: Apart, because what depends on a file that cannot be read is not said twice.
GROUPS = [("R001", "R010"), ("R011", "R015"), ("R020", "R061")]


@pytest.mark.parametrize("codes", [[code for code in SHOWN if a <= code <= b] for a, b in GROUPS], ids=map(str, GROUPS))
def test_what_is_called_bad_is_bad(codes, tmp_path, settings):
    found = checked(tmp_path, settings, codes, "Bad")
    missed = {code: [fault.code for fault in faults] for code, faults in found.items() if code not in
              {fault.code for fault in faults}}  # fmt: skip
    assert not missed


def test_what_is_called_good_has_no_fault(tmp_path, settings):
    # R034's and R049's good examples are of brands that others' examples name too; all in one folder hold together.
    found = checked(tmp_path, settings, SHOWN, "Good")
    assert not [str(fault) for faults in found.values() for fault in faults]
