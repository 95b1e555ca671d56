"""Gates: what a file may say, what is wrong with it, and finding a figure by its path."""

import datetime as dt
import hashlib
import math
import os
import tomllib
from collections import namedtuple
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierbreak import SettingsError
from tierbreak.tools.compare.measure.agreement import Agreement
from tierbreak.tools.compare.measure.correctness import Correctness
from tierbreak.tools.compare.report.experiment import Experimented
from tierbreak.tools.compare.report.operations import Operations
from tierbreak.tools.compare.verdicts.gates import SECTIONS, SHORT, STARTER, Gates, Prices
from tierbreak.tools.compare.verdicts.paths import UnknownPath, find, possible

FILE = """
[prices]
core_hour = 0.04
currency = "EUR"

[gate.negative-flips]
measure = "negative-flips"
max = 0.003
why = "agreed on with support"

[gate.srm]
min = 0.001
stop = true

[gate.family]
measure = "agreement.by.rows.family_share"
min = 0.8
max = 1
"""


@dataclass(frozen=True)
class Line:
    unit: str
    exact_share: float


@dataclass(frozen=True)
class Section:
    by: tuple[Line, ...]
    users: Line | None
    pair: tuple[float, float]
    words: str = "text"


#: What the sections of a report have as figures.
KINDS = {"agreement": Agreement, "correctness": Correctness, "experiment": Experimented, "operations": Operations}

Point = namedtuple("Point", "x y")
FIGURES = {
    "agreement": Section((Line("rows", 0.5), Line("users", math.nan)), None, (0.1, 0.2)),
    "brands": {"brands": [{"id": "booking.com", "net": -3}, {"id": "booking", "net": 2}], "at": Point(1, 2)},
    "experiment": {"segments": [{"metric": "kept", "p": 0.1}, {"metric": "kept", "p": 0.2}]},
    "correctness": {"withheld": "one class only", "exact": {"share": {"value": None, "part": 0, "whole": 0}}},
    "operations": None,
}


def write(folder, text, name="gates.toml"):
    path = folder / name
    path.write_text(text)
    return path


def test_a_file(tmp_path):
    path = write(tmp_path, FILE)
    gates = Gates.read(path)
    assert gates.prices == Prices(0.04, "EUR")
    assert [(one.name, one.path, one.min, one.max, one.stop, one.why) for one in gates.gates] == [
        ("negative-flips", "correctness.exact.negative.share.value", None, 0.003, False, "agreed on with support"),
        ("srm", "experiment.srm_p", 0.001, None, True, ""),
        ("family", "agreement.by.rows.family_share", 0.8, 1.0, False, ""),
    ]
    assert gates.fingerprint == hashlib.sha256(FILE.encode()).hexdigest()


def test_all_that_is_wrong_is_named(tmp_path):
    path = write(
        tmp_path,
        """
limit = 3
[prices]
core_hours = 1
[gate.one]
measure = "negativ-flips"
max = "0.3 %"
[gate.two]
measure = "experiment.srm_p"
[gate.three]
measure = "srm"
min = 0.5
max = 0.1
maximum = 3
stop = "yes"
why = 3
[gate.four]
measure = ""
min = nan
""",
    )
    with pytest.raises(SettingsError) as error:
        Gates.read(path)
    for said in (
        "gates.toml: the gates are wrong:", "no such key `limit`", "prices: no such key `core_hours`",
        "prices: there must be `core_hour`", "gate one: no measure 'negativ-flips', nearest: 'negative-flips'",
        "gate one: `max` must be a number, got '0.3 %'", "gate two: there must be `min` or `max`",
        "gate three: nothing is at least 0.5 and at most 0.1", "gate three: no such key `maximum`",
        "gate three: `stop` must be true or false", "gate three: `why` must be a text", "gate four: `measure`",
        "gate four: `min` must be a number, got nan",
    ):  # fmt: skip
        assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no gate"),
        ("gate = 3", "gates stand as [gate.NAME]"),
        ("[gate]\nmax = 3", "gates stand as [gate.NAME]"),
        ("[gate", "cannot be read as gates"),
        ("[prices]\ncore_hour = -1", "must not be below 0"),
        ("prices = 3", "[prices] has"),
        ("[prices]\ncore_hour = 1\ncurrency = ''", "`currency` must be a text"),
        ("[gate.srm]\nmin = true", "must be a number, got True"),
    ],
)
def test_a_wrong_file(tmp_path, text, says):
    with pytest.raises(SettingsError) as error:
        Gates.read(write(tmp_path, text))
    assert says in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read as gates"):
        Gates.read(tmp_path / "none.toml")


def test_prices_alone_are_enough(tmp_path):
    """USD where no currency is named."""
    gates = Gates.read(write(tmp_path, "[prices]\ncore_hour = 1"))
    assert (gates.prices, gates.gates) == (Prices(1.0, "USD"), ())


def test_the_file_to_start_from_is_right(tmp_path):
    gates = Gates.read(write(tmp_path, STARTER))
    assert [one.name for one in gates.gates] == list(tomllib.loads(STARTER)["gate"])
    gates.check(KINDS)


def test_gates_younger_than_the_data_are_noticed(tmp_path):
    path, traffic, gold = (write(tmp_path, FILE, name) for name in ("gates.toml", "june.csv", "gold.tsv"))
    for file, at in ((path, 1_000_000), (traffic, 900_000), (gold, 1_000_060)):
        os.utime(file, (at, at))
    gates = Gates.read(path)
    assert gates.written == dt.datetime(1970, 1, 12, 13, 46, 40, tzinfo=dt.UTC)
    assert gates.late([traffic, gold]) is None
    says = gates.late([traffic, tmp_path / "not-there", "-"])
    assert "last changed at 1970-01-12 13:46 UTC, after the newest input" in says
    assert f"{traffic}, 1970-01-11 10:00 UTC" in says
    assert "proves neither" in says


def test_figures_by_path():
    def at(path):
        return find(FIGURES, path).value

    assert at("agreement.by.rows.exact_share") == at("agreement.by.0.exact_share") == 0.5
    assert (at("agreement.pair.low"), at("agreement.pair.high"), at("agreement.pair.1")) == (0.1, 0.2, 0.2)
    assert (at("brands.brands.booking.com.net"), at("brands.brands.booking.net")) == (-3, 2)
    assert at("brands.at.y") == 2
    assert at("experiment.segments.1.p") == 0.2


def test_a_sections_own_name_need_not_be_said_twice():
    figures = {"experiment": {"experiment": {"srm_p": 0.4}, "ramp": None}}
    assert find(figures, "experiment.srm_p").value == find(figures, "experiment.experiment.srm_p").value == 0.4
    assert math.isnan(find({"experiment": {"experiment": None, "ramp": None}}, "experiment.srm_p").value)
    with pytest.raises(UnknownPath, match=r"experiment has no 'srm'; nearest: experiment\.experiment\.srm_p"):
        find(figures, "experiment.srm")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("agreement.by.users.exact_share", ""),
        ("agreement.by.money.exact_share", "agreement.by has no 'money' here; it has rows, users"),
        ("agreement.users.exact_share", "agreement.users is not in this report"),
        ("operations.cost.new", "operations is not in this report"),
        ("correctness.exact.share", "one class only"),
    ],
)
def test_what_cannot_be_said(path, why):
    found = find(FIGURES, path)
    assert math.isnan(found.value)
    assert found.why == why


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("agreement.by.rows.exact_shar", "agreement.by.rows has no 'exact_shar'; nearest: agreement.by.rows.exact_s"),
        ("agrement.by.rows.exact_share", "there is no 'agrement'; nearest: agreement.by.rows.exact_share"),
        ("agreement.by.rows", "agreement.by.rows is no number; nearest: agreement.by.rows.exact_share"),
        ("agreement.words", "agreement.words is no number"),
        ("agreement.pair.middle", "agreement.pair has no 'middle'; nearest: "),
        ("experiment.segments.kept.p", "2 entries are called 'kept'; name one by its position"),
    ],
)
def test_what_no_report_has(path, says):
    with pytest.raises(UnknownPath) as error:
        find(FIGURES, path)
    assert says in str(error.value)


words = st.sampled_from(["a", "b", "a.b", "c"])
trees = st.recursive(
    st.floats(-1, 1), lambda inside: st.dictionaries(words, inside, min_size=1, max_size=3), max_leaves=8
)


@given(st.dictionaries(words, trees, min_size=1))
def test_every_figure_has_a_path(tree):
    """Found by walking down in plain Python; where words with dots make a path mean two figures, either may come."""
    leaves = []

    def walk(here, path):
        if isinstance(here, dict):
            for word, one in here.items():
                walk(one, f"{path}.{word}" if path else word)
        else:
            leaves.append((path, here))

    walk(tree, "")
    for path, _ in leaves:
        assert find(tree, path).value in [value for other, value in leaves if other == path]


def test_short_names_are_figures_of_the_report():
    assert [name for name, (path, _) in SHORT.items() if not possible(path, KINDS)] == []
    assert {path.split(".")[0] for path, _ in SHORT.values()} <= set(SECTIONS)


def test_wrong_paths_are_found_before_the_run(tmp_path):
    gates = Gates.read(
        write(
            tmp_path,
            """
[gate.one]
measure = "agreement.by.rows.exact_shar"
min = 0
[gate.two]
measure = "agreement.users.exact_share"
min = 0
[gate.three]
measure = "agreement.by.exact_share"
min = 0
""",
        )
    )
    with pytest.raises(SettingsError) as error:
        gates.check({"agreement": Section})
    assert "gate one: no figure 'agreement.by.rows.exact_shar'" in str(error.value)
    assert "gate two" not in str(error.value)
    assert "gate three" in str(error.value)
