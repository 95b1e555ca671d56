"""The labelling file: it comes back as it went, through what spreadsheets do to it, and says what is wrong with it."""

import csv
import dataclasses
import io
import re

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tierbreak.errors import InputError
from tierbreak.tools.compare.labelling.labels import COLUMNS, read, text
from tierbreak.tools.compare.labelling.sampling import draw
from tierbreak.tools.compare.labelling.spreadsheet import safe, unsafe
from tierbreak.tools.compare.labelling.truths import UNSURE
from tierbreak.tools.compare.pairs import Pairs, Writer
from tools.compare import thirty

TRUTHS = {descriptor: brand or "none" for descriptor, brand in thirty.TRUTH.items()}


@pytest.fixture(scope="module")
def registry():
    return thirty.registry()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return thirty.pairs(tmp_path_factory.mktemp("thirty"))


@pytest.fixture(scope="module")
def sample(pairs):
    return draw(pairs, ranked=3)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "labels.tsv"


def rows(written):
    return list(csv.DictReader(io.StringIO(written), delimiter="\t"))


def written(lines):
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def renamed(pairs, folder, descriptors):
    """The thirty rows with other descriptors."""
    writer = Writer(folder)
    writer.add(pairs.scan().collect().with_columns(pl.col("descriptor").replace(descriptors)))
    writer.flush()
    return Pairs(folder, pairs.joint, pairs.rules, pairs.reasons, pairs.old, pairs.new, pairs.traffic)


def test_a_line_as_it_is_written(sample):
    lines = text(sample).splitlines()
    assert lines[0] == "\t".join(COLUMNS)
    assert len(lines) == 15
    want = (
        "ranked\t2\t1\tDELTA DENTAL\tdelta-air-lines\tlist DELTA\tdelta-dental\tmodel 0.91\t\t\t"
        + sample.sides
        + "\t14"
    )
    assert re.fullmatch(r"r-[0-9a-f]{12}\t" + re.escape(want), lines[1])


def test_what_was_written_is_read_back(pairs, registry, sample, file):
    file.write_text(text(sample, TRUTHS))
    labels = read(file, pairs, registry)
    joint = pairs.joint
    for unit, label in zip(sample.units, labels.lines, strict=True):
        assert (label.id, label.stratum, label.rows, label.probability) == (
            unit.id, unit.stratum, unit.rows, unit.probability)  # fmt: skip
        answers = [joint.ids[at] if at >= 0 else "" for at in (label.old, label.new)]
        assert answers == [unit.old.brand, unit.new.brand]
        truth = thirty.TRUTH[unit.descriptor]
        assert label.truth == (-1 if truth is None else joint.position[truth])
    assert [label.line for label in labels.lines] == list(range(2, 16))
    assert (labels.carried, labels.notices) == ({}, ())


def test_chances_below_one_come_back(pairs, registry, file):
    sample = draw(pairs, ranked=1, random=6)
    file.write_text(text(sample))
    found = {label.id: label.probability for label in read(file, pairs, registry).lines}
    assert found == {unit.id: pytest.approx(unit.probability, rel=1e-5) for unit in sample.units}
    assert min(found.values()) < 1


def test_what_a_truth_may_be(pairs, registry, sample, file):
    """An id, an id that was redirected, a name, an alias, a name that only the old side knows, none, ? and nothing."""
    cells = ["uber-eats", "twitter", "Uber Eats", "1800CONTACTS.COM", "local gym", "None", "?", " "]
    lines = rows(text(sample))
    for line, cell in zip(lines, cells, strict=False):
        line["truth"] = cell
    file.write_text(written(lines))
    at = pairs.joint.position
    want = [at["uber-eats"], at["x"], at["uber-eats"], at["1-800-contacts"], at["Local Gym"], -1, UNSURE, None]
    assert [label.truth for label in read(file, pairs, registry).lines][:8] == want


def test_a_truth_that_is_no_brand(pairs, registry, sample, file):
    lines = rows(text(sample))
    lines[1]["truth"], lines[4]["truth"] = "Ubr Eats", "Q"
    file.write_text(written(lines))
    with pytest.raises(InputError) as error:
        read(file, pairs, registry)
    said = str(error.value)
    first = said.index(f"{file}:3:")
    assert "error[S007]: no brand `Ubr Eats`; near it: uber-eats" in said[first:]
    assert "= expected: a brand's id, name or alias; `none`; `?`; or nothing" in said
    assert f"{file}:6:" in said, "every fault is told"
    column = said[first:].split(":")[2]
    source = file.read_text().splitlines()[2]
    assert source[int(column) - 1 :].startswith("Ubr Eats")


@pytest.mark.parametrize("column", ["rows", "probability", "descriptor", "old", "new", "stratum", "id"])
def test_a_cell_that_was_changed(pairs, registry, sample, file, column):
    lines = rows(text(sample))
    lines[2][column] = {"stratum": "agree", "rows": "77", "probability": "0.5"}.get(column, "uber")
    file.write_text(written(lines))
    with pytest.raises(InputError, match=r":4:1: error\[S005\]: the cells of this line do not fit its id"):
        read(file, pairs, registry)


def test_lines_that_are_missing_or_stand_twice(pairs, registry, sample, file):
    lines = rows(text(sample))
    file.write_text(written(lines[:-2]))
    with pytest.raises(
        InputError, match=r"error\[S008\]: lines are missing\n  = found: 12 lines\n  = expected: the 14"
    ):
        read(file, pairs, registry)
    file.write_text(written([*lines, lines[0]]))
    with pytest.raises(InputError, match=r":16:1: error\[S006\]: this line stands twice(.|\n)*line 2 has it too"):
        read(file, pairs, registry)


def test_what_is_no_labelling_file(pairs, registry, sample, file):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read(file, pairs, registry)
    for content, says in (
        (b"", r"S002.*no column `id`"),
        (text(sample).replace("\t", ",").encode(), r"S002.*no column `id`"),
        (b"\x80", r"S001.*is not UTF-8"),
        (text(sample).splitlines()[0].encode(), r"S003.*holds no lines"),
        (text(sample).encode() + b"r-1\tranked\n", r":16:1: error\[S003\]: 2 cells instead of 13"),
        (text(sample).encode() + b'"r-1\tranked\n', r":16:1: error\[S003\]: cannot be read: unexpected end of data"),
    ):
        file.write_bytes(content)
        with pytest.raises(InputError, match=says):
            read(file, pairs, registry)


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(lambda written: written.encode("utf-8-sig"), id="byte order mark"),
        pytest.param(lambda written: written.encode("utf-16"), id="Unicode text"),
        pytest.param(lambda written: written.replace("\n", "\r\n").encode(), id="line ends"),
        pytest.param(lambda written: (written + "\t" * 12 + "\n\n").encode(), id="blank lines"),
        pytest.param(lambda written: written.replace("\t0.", "\t0,").encode(), id="decimal commas"),
        pytest.param(
            lambda written: "".join(
                "\t".join(f'"{cell}"' for cell in line.split("\t")) + "\n" for line in written.splitlines()
            ).encode(),
            id="quotes",
        ),
        pytest.param(
            lambda written: "\n".join([(lines := written.splitlines())[0], *reversed(lines[1:])]).encode(), id="order"
        ),
        pytest.param(
            lambda written: "".join(f"{line}\textra\n" for line in written.splitlines()).encode(), id="a new column"
        ),
    ],
)
def test_what_spreadsheets_do(pairs, registry, file, spoilt):
    sample = draw(pairs, ranked=1, random=6)
    file.write_text(text(sample, TRUTHS))
    want = {label.id: label.truth for label in read(file, pairs, registry).lines}
    file.write_bytes(spoilt(file.read_text()))
    assert {label.id: label.truth for label in read(file, pairs, registry).lines} == want


def test_a_note_of_many_lines(pairs, registry, sample, file):
    lines = rows(text(sample))
    lines[0]["note"], lines[1]["truth"] = 'two\nlines and a "quote"', "nobody-at-all"
    file.write_text(written(lines))
    with pytest.raises(InputError, match=r":4:\d+: error\[S007\]"):  # the note takes lines 2 and 3
        read(file, pairs, registry)
    lines[1]["truth"] = ""
    file.write_text(written(lines))
    assert read(file, pairs, registry).lines[0].note == 'two\nlines and a "quote"'


@given(st.text())
@example("=cmd|' /C calc'!A0")
@example("'")
@example("''=1")
@example("\\x41\t\r\n\\")
@example("7-11")
@example(" MAR 5 ")
def test_any_cell_comes_back(cell):
    there = safe(cell)
    assert unsafe(there) == cell
    assert there[:1] not in tuple("=+-@0123456789 ＝＋－＠") or not there
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", there)


NASTY = {
    "DELTA DENTAL": "=HYPERLINK(\"http://x\")", "SHELL SEEKERS BOOKS": "+1-800", "APPLE HILL ORCHARD": "-5 OFF",
    "LYFT *RIDE": "@cmd", "NETFLIX.COM": "'QUOTED'", "SPOTIFY USA": "7-11", "SBUX 0771 TACOMA": "A\tB\nC\\x",
    "LOCAL GYM": '"', "TWITTER ONLINE": "ÅÉ 🏪", "TARGET T-1023": "",
}  # fmt: skip


def test_descriptors_that_spreadsheets_would_spoil(pairs, registry, tmp_path, file):
    nasty = renamed(pairs, tmp_path / "nasty", NASTY)
    sample = draw(nasty, ranked=3)
    assert set(NASTY.values()) <= {unit.descriptor for unit in sample.units}
    file.write_text(text(sample))
    cells = [cell for line in csv.reader(io.StringIO(file.read_text()), delimiter="\t") for cell in line]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@")]
    assert len(read(file, nasty, registry).lines) == len(sample.units), "each descriptor fits its id again"


def test_labels_of_another_comparison(pairs, registry, sample, file, tmp_path):
    file.write_text(text(sample, TRUTHS))
    other = dataclasses.replace(pairs, new=dataclasses.replace(pairs.new, fingerprint="d" * 64))
    labels = read(file, other, registry)
    assert labels.lines == ()
    assert labels.carried == {unit.descriptor: TRUTHS[unit.descriptor] for unit in sample.units}
    (notice,) = labels.notices
    assert "14 lines are of another comparison (the new side is dddddddddddd, and was bbbbbbbbbbbb)" in notice
    # They go on into the new file, where a person looks at the rest.
    again = text(draw(other, ranked=3), labels.carried)
    file.write_text(again)
    assert all(label.truth is not None for label in read(file, other, registry).lines)
    assert {row["note"] for row in rows(again)} == {"truth from earlier labels"}


def test_lines_of_two_comparisons_in_one_file(pairs, registry, sample, file):
    """Those of this one count; of the other, the truths that are known go on."""
    other = dataclasses.replace(pairs, new=dataclasses.replace(pairs.new, fingerprint="d" * 64))
    theirs = text(draw(other, ranked=3), {"NETFLIX.COM": "netflix"}).split("\n", 1)[1]
    file.write_text(text(sample, TRUTHS) + theirs)
    labels = read(file, pairs, registry)
    assert {label.id for label in labels.lines} == {unit.id for unit in sample.units}
    assert labels.carried == {"NETFLIX.COM": "netflix"}
    assert "14 lines are of another comparison" in labels.notices[0]


def test_labels_of_which_nothing_applies(pairs, registry, sample, file, tmp_path):
    file.write_text(text(sample, TRUTHS))
    mapping = {descriptor: f"OTHER {descriptor}" for descriptor in thirty.TRUTH}
    other = renamed(pairs, tmp_path / "other", mapping)
    other = dataclasses.replace(other, old=dataclasses.replace(pairs.old, fingerprint="e" * 64))
    with pytest.raises(InputError) as error:
        read(file, other, registry)
    assert "error[S004]: the labels are of another comparison: the old side is eeeeeeeeeeee, and was aa" in str(
        error.value
    )


def test_labels_of_other_traffic(pairs, registry, sample, file, tmp_path):
    """One row fewer of NETFLIX: 12 rows are the same, not 13, and a sample of 13 says nothing of it."""
    file.write_text(text(sample, TRUTHS))
    fewer = thirty.pairs(tmp_path / "fewer", thirty.ROWS[1:], thirty.OUTCOME[1:])
    labels = read(file, fewer, registry)
    assert labels.lines == ()
    assert "the traffic is" in labels.notices[0]
