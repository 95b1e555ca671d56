"""Names of the list become ids of the registry, or proposed brands."""

from __future__ import annotations

import pytest

from tierbreak.errors import InputError
from tierbreak.tools.rules.importing.names import Named, as_id, mapped, read_map, registry_rows
from tierbreak.tools.rules.importing.reading import LegacyRule

REGISTRY = """id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since
cafe-rouge,Café Rouge,restaurant,,,,,active,,
chilis,Chili's,restaurant,,Chilis Grill,,,active,,
denizen,Denizen,restaurant,,,,,active,,
huntington-bank,Huntington Bank,bank,,Huntington,,,active,,
kumon,Kumon,education,,,,,active,,
sylvan,Sylvan,education,,,,,active,,
twitter,Twitter,social,,,,,retired,x,2023-07-23
x,X,social,,,,,active,,
"""


@pytest.fixture
def small(tmp_path):
    from tierbreak.registry import Registry

    (tmp_path / "brands.csv").write_text(REGISTRY)
    return Registry.load(tmp_path / "brands.csv")


def rules(*pairs: tuple[str, str]) -> list[LegacyRule]:
    return [LegacyRule(line, 1, "A", name, category, "i") for line, (name, category) in enumerate(pairs, start=2)]


@pytest.mark.parametrize(
    ("name", "id", "how"),
    [
        ("Denizen", "denizen", "id"),
        ("Chili's", "chilis", "id"),
        ("Twitter", "x", "id"),
        ("chilis GRILL", "chilis", "alias"),
        ("The Cafe Rouge", "cafe-rouge", "normalised"),
        ("CaféRouge", "cafe-rouge", "normalised"),
        ("Parking", "parking", "proposed"),
        ("Chilis Grill & Bar", "chilis-grill-and-bar", "proposed"),
    ],
)
def test_a_name_is_mapped_where_one_brand_can_be_meant(small, name, id, how):
    got = mapped(rules((name, "")), small)
    assert [(one.name, one.id, one.how, one.lines) for one in got] == [(name, id, how, (2,))]


def test_a_brand_of_another_sector_than_the_rest_is_worth_a_look(small):
    got = mapped(rules(("Kumon", "Learn"), ("Sylvan", "Learn"), ("Huntington", "Learn"), ("Tutors", "Learn")), small)
    assert [one.doubt for one in got] == ["", "", "its sector is bank, most of its category are education", ""]
    assert got[3].sector == "education"


def test_a_name_with_a_slash_is_not_mapped_but_guessed(small):
    (got,) = mapped(rules(("Chili's/Denizens", "")), small)
    assert (got.how, got.near) == ("proposed", ("chilis", "denizen"))


def test_one_name_on_several_lines_is_one(small):
    got = mapped(rules(("Kumon", ""), ("Sylvan", ""), ("Kumon", "")), small)
    assert [(one.name, one.lines) for one in got] == [("Kumon", (2, 4)), ("Sylvan", (3,))]


def test_the_author_has_the_last_word(small, tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("name\tid\thow\nHuntington\thuntington-learning\tproposed\nTutors\tkumon\tproposed\n")
    given = read_map(path, small)
    got = mapped(rules(("Huntington", ""), ("Tutors", ""), ("Sylvan", "")), small, given)
    assert [(one.id, one.how) for one in got] == [
        ("huntington-learning", "proposed"), ("kumon", "map"), ("sylvan", "id"),
    ]  # fmt: skip
    assert [row["id"] for row in registry_rows(got)] == ["huntington-learning"]


def test_a_map_names_every_id_that_is_none(small, tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("name\tid\nA\tkumo\nB\tkumon\nC\tnowhere\n")
    with pytest.raises(InputError) as raised:
        read_map(path, small)
    assert str(raised.value) == (
        f"{path}: ids that the registry does not have\n"
        "  line 2: no brand `kumo`; near it: kumon\n"
        "  line 4: no brand `nowhere`\n"
        "  fix: mend the id; for a new brand write `proposed` into the column `how`"
    )


def test_a_map_without_its_columns(small, tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text("brand,id\nA,kumon\n")
    with pytest.raises(InputError, match="no columns `name` and `id`"):
        read_map(path, small)


def test_a_name_of_signs_only_needs_the_author(small):
    with pytest.raises(InputError, match="line 2: of the name '!!' nothing is left as an id"):
        mapped(rules(("!!", "")), small)


def test_a_proposed_brand_is_a_line_of_the_overlay():
    rows = registry_rows([Named("Corner  Shop", "corner-shop", "proposed", (2,), (), "grocery")])
    assert [(row["id"], row["name"], row["sector"], row["status"]) for row in rows] == [
        ("corner-shop", "Corner Shop", "grocery", "proposed")
    ]


def test_ids_are_made_as_those_of_the_registry():
    assert [as_id(name) for name in ("AT&T", "Disney+", "Häagen-Dazs", "7-Eleven", "L'Oréal")] == [
        "at-and-t", "disney-plus", "haagen-dazs", "7-eleven", "loreal",
    ]  # fmt: skip
