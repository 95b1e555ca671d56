"""Every code of the rulebook's faults, its severity and its title; a page a code lies in rules/codes/."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from tierbreak.bundle import shipped
from tierbreak.errors import SEVERITIES, Fault, SettingsError, Severity
from tierbreak.rulebook import Place


class Code(NamedTuple):
    """How grave a fault of a code is, and what it is called."""

    severity: Severity
    title: str


#: Codes are stable for ever. B is the registry, L a line of a list that `rules import` leaves out, R000-R019 reading,
#: R020 compiling, R03x examples, R04x and R05x what is risky or for nothing, R06x what is proved of a rule against the
#: others.
CODES: dict[str, Code] = {
    "B001": Code("error", "registry cannot be read"),
    "B002": Code("error", "unknown or repeated column of the registry"),
    "B003": Code("error", "column of the registry is missing"),
    "B004": Code("error", "broken line of the registry"),
    "B005": Code("error", "cell that must be a slug is none"),
    "B006": Code("error", "name or alias is empty or has blanks around it"),
    "B007": Code("error", "domain or Wikidata number is none"),
    "B008": Code("error", "unknown status of a brand"),
    "B009": Code("error", "`since` is no date"),
    "B010": Code("error", "brand id stands twice"),
    "B011": Code("error", "parent or redirect names no brand"),
    "B012": Code("error", "`replaced_by` and status contradict each other"),
    "B013": Code("error", "redirects in a circle"),
    "B014": Code("error", "parents in a circle"),
    "L001": Code("warning", "broken line of an ordered list"),
    "L002": Code("warning", "line of an ordered list without pattern or name"),
    "L003": Code("warning", "unknown flag in an ordered list"),
    "L004": Code("warning", "pattern of an ordered list that `re` refuses"),
    "L005": Code("warning", "pattern of an ordered list that no rule can hold"),
    "R001": Code("error", "file or folder cannot be read as rules"),
    "R002": Code("error", "mapping or list is due"),
    "R003": Code("error", "part of a rule is missing"),
    "R004": Code("error", "unknown key, or key that stands twice"),
    "R005": Code("error", "rule id has characters that ids do not have"),
    "R006": Code("error", "pattern is not one of words, regex, exact"),
    "R007": Code("error", "`valid` ends before it starts"),
    "R008": Code("error", "YAML reads something else than the text, number or date that is due"),
    "R009": Code("error", "value is not one of the choices"),
    "R010": Code("error", "pattern that the engines cannot take"),
    "R011": Code("error", "rule id stands twice"),
    "R012": Code("error", "brand is not in the registry"),
    "R013": Code("error", "`outranks` names no other rule"),
    "R014": Code("error", "`outranks` goes in a circle"),
    "R015": Code("error", "`*` in place of a brand"),
    "R020": Code("error", "an engine refuses the pattern"),
    "R030": Code("error", "example is not matched by its rule"),
    "R031": Code("error", "counterexample comes out otherwise"),
    "R032": Code("error", "`todo` is done"),
    "R033": Code("error", "deny rule does not deny its example"),
    "R034": Code("error", "example is matched, but its brand does not win"),
    "R040": Code("warning", "rule has no examples"),
    "R041": Code("warning", "common word alone"),
    "R042": Code("warning", "pattern without a fixed part"),
    "R043": Code("error", "look-around that may take very long"),
    "R044": Code("warning", "empty alternative"),
    "R045": Code("warning", "`unless` that can never match"),
    "R046": Code("note", "`valid` lies in the past"),
    "R047": Code("warning", "guard on a column that the traffic lacks"),
    "R048": Code("warning", "pattern stands twice"),
    "R049": Code("warning", "`outranks` without need"),
    "R050": Code("warning", "rule is quarantined to the exact engine"),
    "R051": Code("note", "leading or trailing `.*`"),
    "R052": Code("note", "look-around that could be an `unless`"),
    "R053": Code("note", "without effect"),
    "R054": Code("warning", "ignore without a reason"),
    "R055": Code("warning", "ignore without effect"),
    "R056": Code("warning", "class, count or `\\b` beside a character that is not ASCII"),
    "R060": Code("warning", "rule can never win"),
    "R061": Code("warning", "rule is redundant in its brand"),
}


def fault(code: str, place: Place, says: str, found: str, expected: str, fix: str) -> Fault:
    """A fault of a known code at a place, as grave as the code is."""
    made = place.fault(code, says, found, expected, fix)
    return Fault(made.code, made.path, made.line, made.column, says, found, expected, fix, CODES[code].severity)


def known(code: str) -> str:
    """`code` as it is written; raises SettingsError that names the nearest code where there is none.

    >>> known("r012")
    'R012'
    >>> known("R12")
    Traceback (most recent call last):
        ...
    tierbreak.errors.SettingsError: no code 'R12'; did you mean R012?
    """
    upper = code.strip().upper()
    if upper in CODES:
        return upper
    raise SettingsError(f"no code {code!r}; {near(upper)}")


def near(code: str) -> str:
    """The end of a message on a code that does not exist."""
    letter, digits = code[:1], "".join(sign for sign in code if sign.isdigit())
    padded = f"{letter}{digits:0>3}"
    found = [padded] if padded in CODES else difflib.get_close_matches(code, CODES, n=2)
    return f"did you mean {' or '.join(found)}?" if found else "`tierbreak rules explain` lists them"


def page(code: str) -> str:
    """The page of a code, Markdown: what it is, why it matters, a bad and a good example, the fix.

    Raises SettingsError where there is no such code.

    >>> page("R012").splitlines()[0]
    '# R012: brand is not in the registry'
    """
    return (shipped() / "rules" / "codes" / f"{known(code)}.md").read_text(encoding="utf-8")


def at_least(severity: Severity, limit: Severity) -> bool:
    """Whether a severity is as grave as a limit, or graver.

    >>> at_least("warning", "error"), at_least("error", "warning")
    (False, True)
    """
    return SEVERITIES.index(severity) <= SEVERITIES.index(limit)
