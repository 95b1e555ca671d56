"""A gold set is read as it stands, or every fault of it is named with its line."""

from __future__ import annotations

import pytest

from tierbreak.errors import InputError
from tierbreak.tools.models.evaluation import Gold


@pytest.fixture
def read(tmp_path, registry):
    def read(text, name="gold.tsv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Gold.read(path, registry)

    return read


def test_rows_stay_and_keys_are_distinct(gold):
    """Rows 1 and 2 share a key."""
    assert (len(gold), len(gold.keys)) == (20, 19)
    assert gold.key[:3].tolist() == [0, 0, 1]
    assert gold.weight[:2].tolist() == [4, 6]


def test_truth_follows_redirects(gold, registry):
    assert registry.ids[gold.truth[10]] == "max"
    assert gold.truth[14] == -1


def test_commas_quotes_and_a_brand_column(read, registry):
    """The separator is the header's; a quote is a character like any other; line ends and a BOM do not matter."""
    gold = read(b'\xef\xbb\xbfdescriptor,brand\r\nJOE"S UBER,uber\r\n\r\nDINER,\r\n', "gold.csv")
    assert gold.rows["descriptor"].to_list() == ['JOE"S UBER', "DINER"]
    assert [registry.ids[at] if at >= 0 else None for at in gold.truth] == ["uber", None]
    assert not gold.weighted
    assert gold.weight.tolist() == [1, 1]
    assert gold.format == ("", "")


def test_what_guards_look_at_is_kept(read):
    gold = read("descriptor\ttruth\tmcc\tamount\nUBER\tuber\t4121\t-5\nDINER\t\t\t\n")
    assert gold.rows.to_dicts() == [
        {"descriptor": "UBER", "amount": "-5", "mcc": "4121"}, {"descriptor": "DINER", "amount": None, "mcc": None},
    ]  # fmt: skip


def test_every_fault_at_once_with_its_line(read):
    with pytest.raises(InputError) as caught:
        read("descriptor\ttruth\tweight\nUBER\tubr\t1\n \tuber\t1\nDINER\t\t-3\nCAFE\t\n")
    message = str(caught.value)
    for line, says in (
        ("gold.tsv:2:6: error[G005]: no brand `ubr`; near it: uber", "2 | UBER\tubr\t1"),
        ("gold.tsv:3:1: error[G004]: descriptor is blank", ""),
        ("gold.tsv:4:8: error[G006]: weight is no count", "= expected: a number above 0"),
        ("gold.tsv:5:1: error[G003]: 2 cells instead of 3", "write the set as TSV"),
    ):
        assert line in message
        assert says in message


def test_many_faults_are_counted(read):
    with pytest.raises(InputError, match="and 10 more faults"):
        read("descriptor\ttruth\n" + "UBER\tnobody\n" * 60)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"error\[G001\]: is empty"),
        ("text\ttruth\nUBER\tuber\n", r"error\[G002\]: no column `descriptor`"),
        ("descriptor\tname\nUBER\tuber\n", r"error\[G002\]: no column `truth`"),
        ("descriptor\ttruth\ttruth\nUBER\tuber\tuber\n", r"error\[G002\]: column `truth` stands twice"),
        ("descriptor\ttruth\n", r"error\[G003\]: holds no rows"),
        ("descriptor\ttruth\nUBER\tuber\nUBER 2\tuber\n", r"error\[G008\]: every row has the same truth"),
        ("descriptor\ttruth\nDINER\t\nCAFE\t\n", r"error\[G008\]: every row has the same truth"),
        (b"descriptor\ttruth\nCAF\xe9\t\n", r"error\[G001\]: is not UTF-8"),
        ('descriptor,truth\n"UBER",uber\nCAFE,\n', r"error\[G004\]: descriptor is in quotes"),
    ],
)
def test_what_cannot_be_used(read, text, says):
    with pytest.raises(InputError, match=says):
        read(text)


def test_a_file_that_is_not_there(tmp_path, registry):
    with pytest.raises(InputError, match="cannot be read"):
        Gold.read(tmp_path / "none.tsv", registry)


def test_what_a_person_must_know(read):
    gold = read("descriptor\ttruth\nUBER\tuber\nUBER\tuber-eats\nMAX\tmax\n")
    assert gold.notices == (
        "1 keys stand with more than one truth: whatever is said of them is wrong somewhere",
        "no row is without a brand: nothing is said of rows that should not be answered",
    )
