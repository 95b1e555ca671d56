"""The rebuild of brands.csv: a three-way merge on a package folder of a few made-up brands."""

import csv
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SOURCES = Path(__file__).parents[2] / "rules" / "sources"


def module(name: str) -> ModuleType:
    """A script of rules/sources, imported by path: the folder is no package and is not installed."""
    spec = importlib.util.spec_from_file_location(name, SOURCES / f"{name}.py")
    assert spec
    assert spec.loader
    sys.modules[name] = made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


packages = module("packages")
build = module("build")


def item(name: str, *include: str, **tags: str) -> dict:
    return {"displayName": name, "locationSet": {"include": list(include)}, "tags": {"brand": name} | tags}


class Workshop:
    """A folder with made-up packages, the inputs of the build, and the registry it writes."""

    def __init__(self, root: Path) -> None:
        self.root, self.registry, self.inputs = root, root / "brands.csv", root / "inputs"
        self.inputs.mkdir()
        (self.inputs / "sectors.csv").write_text("category,sector\nshop/tea,coffee\nshop/books,hobby\n")
        (self.inputs / "drop.csv").write_text("name,category,why\nFarland Tea,,not in the US\n")
        (self.inputs / "icons.csv").write_text("title,sector\nQuillo,software\n")
        (self.inputs / "mcc.csv").write_text("mcc,name,sector\n3999,Zephyr Air,airline\n")
        icons = root / "simple-icons" / "data"
        icons.mkdir(parents=True)
        titles = [{"title": "Quillo", "aliases": {"aka": ["Quillo Cloud"]}}, {"title": "libdev"}]
        (icons / "simple-icons.json").write_text(json.dumps(titles))
        codes = root / "iso18245" / "data"
        codes.mkdir(parents=True)
        (codes / "visa_list.csv").write_text("MCC,DESCRIPTION,REQUIRED NAME\n3999,ZEPHYR AIRLINES,ZEPHYR AIR LN\n")
        self.shops(item("Tealith", "us", alt_name="Tealith Tea House"), item("The Leafery", "001"))

    def shops(self, *teas: dict) -> None:
        folder = self.root / "name-suggestion-index" / "dist" / "json"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "nsi.json").write_text(json.dumps({"nsi": {"brands/shop/tea": {"items": list(teas)}}}))
        (folder / "genericWords.json").write_text(json.dumps({"genericWords": ["^shops?$"]}))

    def build(self) -> list[str]:
        return build.build(self.root, self.registry, self.inputs)

    def rows(self) -> dict[str, dict[str, str]]:
        return build.load(self.registry)

    def edit(self, **cells: dict[str, str]) -> None:
        """Change cells by hand: `edit(tealith={"name": "Tealith Tea"})`."""
        rows = self.rows()
        for key, change in cells.items():
            rows[key] |= change
        build.save(self.registry, rows)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_first_build_takes_what_the_inputs_let_in(workshop):
    """Of 6 entries 4 come in: not the dropped one, not the icon that no list names, not the word `shop`."""
    workshop.shops(
        item("Tealith", "us", alt_name="Tealith Tea House"), item("The Leafery", "001"),
        item("Farland Tea", "001"), item("Shop", "us"), item("Nippon Cha", "jp"),
    )  # fmt: skip
    assert workshop.build() == []
    rows = workshop.rows()
    assert sorted(rows) == ["quillo", "tealith", "the-leafery", "zephyr-air"]
    assert {key: row["sector"] for key, row in rows.items()} == {
        "quillo": "software", "tealith": "coffee", "the-leafery": "coffee", "zephyr-air": "airline",
    }  # fmt: skip
    assert rows["tealith"]["aliases"] == "Tealith Tea House"
    assert rows["zephyr-air"]["aliases"] == "ZEPHYR AIR LN"


def test_a_second_build_changes_no_byte(workshop):
    workshop.build()
    workshop.edit(tealith={"aliases": "TLTH", "sector": "grocery"})
    workshop.build()
    before = [path.read_bytes() for path in (workshop.registry, workshop.inputs / "bulk.csv")]
    assert workshop.build() == []
    assert [path.read_bytes() for path in (workshop.registry, workshop.inputs / "bulk.csv")] == before


def test_an_edit_by_hand_stays_and_the_other_cells_follow_the_packages(workshop):
    workshop.build()
    workshop.edit(tealith={"name": "Tealith & Sons"})
    workshop.shops(item("Tealith", "us", **{"brand:wikidata": "Q999"}), item("The Leafery", "001"))
    workshop.build()
    row = workshop.rows()["tealith"]
    assert (row["name"], row["wikidata"], row["aliases"]) == ("Tealith & Sons", "Q999", "")


def test_rows_added_stay_and_rows_deleted_stay_deleted(workshop):
    workshop.build()
    rows = workshop.rows()
    rows["mine"] = rows.pop("the-leafery") | {"id": "mine", "name": "Mine"}
    build.save(workshop.registry, rows)
    workshop.build()
    assert sorted(workshop.rows()) == ["mine", "quillo", "tealith", "zephyr-air"]


def test_a_brand_that_vanishes_from_the_packages_stays_and_is_named(workshop):
    workshop.build()
    workshop.shops(item("Tealith", "us", alt_name="Tealith Tea House"))
    assert workshop.build() == ["kept: 'the-leafery' is no longer in the packages"]
    assert "the-leafery" in workshop.rows()


def test_a_row_deleted_by_hand_does_not_come_back_after_it_vanished(workshop):
    workshop.build()
    rows = workshop.rows()
    del rows["the-leafery"]
    build.save(workshop.registry, rows)
    both = (item("Tealith", "us", alt_name="Tealith Tea House"), item("The Leafery", "001"))
    workshop.shops(both[0])
    workshop.build()
    workshop.shops(*both)
    workshop.build()
    assert "the-leafery" not in workshop.rows()


def test_a_new_entry_that_is_already_an_alias_is_not_a_second_brand(workshop):
    workshop.build()
    workshop.edit(tealith={"aliases": "BREWMOSS"})
    workshop.shops(item("Tealith", "us"), item("The Leafery", "001"), item("Brew-Moss", "us"))
    assert workshop.build() == ["not added: 'brew-moss' is already a name or alias of 'tealith'"]
    assert "brew-moss" not in workshop.rows()


def test_an_alias_that_another_brand_has_is_left_out(workshop):
    """`Quillo` is the icon's name, so the tea house of that alias does not get it."""
    workshop.shops(item("Tealith", "us", alt_name="Quillo; Tea Den", short_name="TL"))
    workshop.build()
    assert workshop.rows()["tealith"]["aliases"] == "Tea Den"


def test_companies_of_other_countries_are_listed_unless_they_are_called_like_a_brand(workshop):
    """Abroad: a name of its own stands; a brand's Wikidata number, a name that begins with a brand's, and one of three
    letters do not."""
    workshop.shops(
        item("Tealith", "us", **{"brand:wikidata": "Q1"}),
        item("Théhaus", "de"),
        item("Tealith Garten", "de"),
        item("Otherwise", "de", **{"brand:wikidata": "Q1"}),
        item("Tee", "de"),
    )
    workshop.build()
    assert (workshop.inputs / "elsewhere.txt").read_text() == "Théhaus\n"


def test_a_missing_package_is_an_error_not_an_empty_list(workshop):
    workshop.build()
    (workshop.root / "simple-icons" / "data" / "simple-icons.json").unlink()
    with pytest.raises(FileNotFoundError):
        workshop.build()


@pytest.mark.parametrize(
    ("one", "other"),
    [("The Home Depot", "home depot"), ("Acme, Inc.", "ACME"), ("Macy's", "MACYS"), ("H&R Block", "H and R Block")],
)
def test_spellings_of_one_brand_collapse(one, other):
    assert packages.collapse(one) == packages.collapse(other)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("7-Eleven", "7-eleven"),
        ("H&R Block", "h-and-r-block"),
        ("Disney+", "disney-plus"),
        ("Chili’s", "chilis"),
        ("Peñasco  Café!", "penasco-cafe"),
    ],
)
def test_slug(name, expected):
    assert packages.slug(name) == expected


def test_committed_inputs_are_whole():
    """Every file the build reads is committed, and no input line stands twice."""
    for name, key in (("sectors.csv", "category"), ("icons.csv", "title"), ("bulk.csv", "id")):
        with (SOURCES / name).open(encoding="utf-8", newline="") as file:
            keys = [row[key] for row in csv.DictReader(file)]
        twice = sorted({entry for entry in keys if keys.count(entry) > 1}) if len(set(keys)) < len(keys) else []
        assert keys, f"{name} is empty"
        assert not twice, f"{name}: {twice}"
