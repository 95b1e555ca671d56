"""The registry loader, and what must hold of the shipped registry."""

import datetime as dt
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierbreak.errors import Fault, RegistryError
from tierbreak.registry import Registry, UnknownBrand

RULES = Path(__file__).parents[2] / "rules"
HEADER = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since"

#: Six brands: a family of three, one redirect, one proposed. Sorted by id, so the index counts from 0.
SOUND = f"""{HEADER}
alder,Alder,coffee,,ALDR|Alder Coffee,alder.example,Q12,active,,
alder-eats,Alder Eats,delivery,alder,,,,active,,
alder-eats-now,Alder Eats Now,delivery,alder-eats,,,,active,,
birch,Birch,software,,,,,retired,cedar,2023-07-23
cedar,"Cedar, the",software,,,,,active,,
dogwood,Dogwood,software,birch,,,,proposed,,
"""


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


@pytest.fixture
def sound(tmp_path: Path) -> Registry:
    return Registry.load(write(tmp_path / "brands.csv", SOUND))


def faults(path: Path, *overlays: Path) -> str:
    with pytest.raises(RegistryError) as caught:
        Registry.load(path, *overlays)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_cells_become_typed_fields(sound):
    brand = sound["alder"]
    assert (brand.id, brand.name, brand.sector, brand.parent) == ("alder", "Alder", "coffee", None)
    assert (brand.aliases, brand.domain, brand.wikidata) == (("ALDR", "Alder Coffee"), "alder.example", "Q12")
    assert sound["birch"].since == dt.date(2023, 7, 23)
    assert sound["cedar"].name == "Cedar, the"


def test_arrays_by_index(sound):
    """Counted by hand: 0 alder, 1 alder-eats, 2 alder-eats-now, 3 birch, 4 cedar, 5 dogwood."""
    assert sound.ids == ("alder", "alder-eats", "alder-eats-now", "birch", "cedar", "dogwood")
    assert sound.redirect.tolist() == [0, 1, 2, 4, 4, 5]
    assert sound.parent.tolist() == [-1, 0, 1, -1, -1, 4], "dogwood's parent birch is cedar today"
    assert sound.depth.tolist() == [0, 1, 2, 0, 0, 1]
    assert sound.live.tolist() == [True, True, True, True, True, False], "birch answers as cedar; dogwood is proposed"
    assert (sound.redirect.dtype, sound.parent.dtype, sound.depth.dtype) == (np.int32, np.int32, np.int32)
    assert sound.live.dtype == np.bool_


def test_ancestors_come_nearest_first(sound):
    assert sound.ancestors(2) == (1, 0)
    assert sound.ancestors(0) == ()


def test_lookup(sound):
    assert (len(sound), sound.index("cedar")) == (6, 4)
    assert "cedar" in sound
    assert "oak" not in sound
    with pytest.raises(UnknownBrand) as caught:
        sound.index("alder-eat")
    assert str(caught.value) == "no brand `alder-eat`; near it: alder-eats, alder-eats-now, alder"
    with pytest.raises(UnknownBrand) as caught:
        sound["zzz"]
    assert str(caught.value) == "no brand `zzz`"


def test_a_retired_brand_without_successor_is_not_live(tmp_path):
    text = f"{HEADER}\nelm,Elm,news,,,,,retired,,\nfir,Fir,news,,,,,retired,elm,2020-01-01\n"
    assert Registry.load(write(tmp_path / "brands.csv", text)).live.tolist() == [False, False]


def test_bom_crlf_column_order_and_line_order_do_not_count(tmp_path, sound):
    lines = SOUND.strip().split("\n")
    swapped = "\n".join([lines[0], *reversed(lines[1:])]).replace("\n", "\r\n")
    other = Registry.load(write(tmp_path / "other.csv", "\ufeff" + swapped))
    assert other.brands == sound.brands
    assert other.fingerprint == sound.fingerprint
    assert re.fullmatch(r"[0-9a-f]{64}", other.fingerprint)


def test_any_changed_cell_changes_the_fingerprint(tmp_path, sound):
    changed = Registry.load(write(tmp_path / "other.csv", SOUND.replace("ALDR|", "ALDRX|")))
    assert changed.fingerprint != sound.fingerprint


def test_overlay_adds_and_stands_in_by_id(tmp_path, sound):
    overlay = f"{HEADER}\ncedar,Cedar Two,news,,,,,active,,\noak,Oak,news,alder,,,,proposed,,\n"
    both = Registry.load(tmp_path / "brands.csv", write(tmp_path / "overlay.csv", overlay))
    assert (len(both), both["cedar"].name, both["cedar"].sector) == (7, "Cedar Two", "news")
    assert bool(both.live[both.index("oak")]), "proposed by an overlay"
    assert not bool(both.live[both.index("dogwood")]), "proposed by the registry itself"
    assert both.parent[both.index("oak")] == both.index("alder")
    assert both.fingerprint != sound.fingerprint


def test_a_file_is_read_once_however_many_faults_it_has(tmp_path, monkeypatch):
    lines = "".join(f"brand-{n},Brand,coffee,,,,,Active,,\n" for n in range(300))
    path = write(tmp_path / "brands.csv", f"{HEADER}\n{lines}")
    reads = []
    for name in ("read_text", "read_bytes"):
        whole = getattr(Path, name)
        monkeypatch.setattr(Path, name, lambda self, *a, _whole=whole, **k: reads.append(self) or _whole(self, *a, **k))
    said = faults(path)
    assert said.count("error[B008]") == 300
    assert "301 | brand-299,Brand,coffee,,,,,Active,,\n    |                            ^^^^^^" in said
    assert len(reads) == 2, "once to read it, once to show its lines"


def test_a_fault_shows_the_line_as_it_is_now(tmp_path):
    fault = Fault("B008", write(tmp_path / "a.csv", "one\ntwo\n"), 2, 1, "says", "two", "expected", "fix")
    assert "2 | two" in str(fault)
    write(tmp_path / "a.csv", "one\nthree\n")
    assert "2 | three" in str(fault)


def test_the_first_ten_loose_references_are_told_what_may_have_been_meant(tmp_path):
    lines = "".join(f"brand-{n:02},Brand,coffee,aldr,,,,active,,\n" for n in range(20))
    said = faults(write(tmp_path / "brands.csv", f"{HEADER}\nalder,Alder,coffee,,,,,active,,\n{lines}"))
    assert (said.count("error[B011]"), said.count("mend the id; near it: alder")) == (20, 10)


def test_every_fault_at_once_with_its_place(tmp_path):
    """Nine faulty cells on eight lines, each named; the sound line 2 is not."""
    path = write(
        tmp_path / "brands.csv",
        f"""{HEADER}
alder,Alder,coffee,,,,,active,,
Alder Two,Alder Two,coffee,,,,,active,,
birch, Birch,coffee,,A||B,,,active,,
"cedar","Ce, dar",coffee,,,https://cedar.example/,,active,,
dogwood,Dogwood,coffee,aldr,,,12,active,,
elm,Elm,coffee,,,,,closed,,
fir,Fir,coffee,,,,,retired,alder,20230723
gum,Gum,coffee
alder,Alder,coffee,,,,,active,,
""",
    )
    heads = [line for line in faults(path).split("\n") if line.startswith("brands.csv")]
    assert heads == [
        "brands.csv:3:1: error[B005]: id is not a slug",
        "brands.csv:4:7: error[B006]: name is empty or has blanks around it",
        "brands.csv:4:22: error[B006]: an alias is empty or has blanks around it",
        "brands.csv:5:28: error[B007]: domain is not a host name",
        "brands.csv:6:24: error[B011]: parent `aldr` is no brand",
        "brands.csv:6:31: error[B007]: wikidata is not a Q-number",
        "brands.csv:7:20: error[B008]: unknown status",
        "brands.csv:8:34: error[B009]: since is not a date",
        "brands.csv:9:1: error[B004]: 3 cells instead of 10",
        "brands.csv:10:1: error[B010]: id `alder` stands twice",
    ]


def test_a_message_in_full(tmp_path):
    path = write(tmp_path / "brands.csv", f"{HEADER}\nelm,Elm,coffee,,,,,closed,,\n")
    assert faults(path) == (
        "brands.csv:2:20: error[B008]: unknown status\n"
        "  |\n"
        "2 | elm,Elm,coffee,,,,,closed,,\n"
        "  |                    ^^^^^^\n"
        "  = expected: active, proposed or retired\n"
        "  = fix: write one of the three"
    )


def test_an_unknown_parent_names_the_nearest_id(tmp_path):
    path = write(tmp_path / "brands.csv", SOUND.replace("delivery,alder,", "delivery,aldre,"))
    assert faults(path) == (
        "brands.csv:3:32: error[B011]: parent `aldre` is no brand\n"
        "  |\n"
        "3 | alder-eats,Alder Eats,delivery,aldre,,,,active,,\n"
        "  |                                ^^^^^\n"
        "  = expected: an id of this file\n"
        "  = fix: add the brand or mend the id; near it: alder"
    )


def test_circles(tmp_path):
    text = f"""{HEADER}
a,A,news,,,,,retired,b,
b,B,news,,,,,retired,a,
c,C,news,d,,,,active,,
d,D,news,e,,,,active,,
e,E,news,c,,,,active,,
f,F,news,f,,,,active,,
"""
    heads = [line for line in faults(write(tmp_path / "brands.csv", text)).split("\n") if "error[" in line]
    assert heads == [
        "brands.csv:2:22: error[B013]: redirects in a circle: a -> b -> a",
        "brands.csv:4:10: error[B014]: parents in a circle: c -> d -> e -> c",
        "brands.csv:7:10: error[B014]: parents in a circle: f -> f",
    ]


def test_a_parent_that_was_replaced_by_its_own_child_is_a_circle(tmp_path):
    text = f"{HEADER}\nx,X,news,twit,,,,active,,\ntwit,Twit,news,,,,,retired,x,2023-07-23\n"
    assert "parents in a circle: x -> x" in faults(write(tmp_path / "brands.csv", text))


def test_an_active_brand_is_not_replaced(tmp_path):
    path = write(tmp_path / "brands.csv", SOUND.replace("retired,cedar", "active,cedar"))
    assert "brands.csv:5:33: error[B012]: a brand that is not retired is replaced" in faults(path)


def test_columns_are_checked_first_and_alone(tmp_path):
    path = write(tmp_path / "brands.csv", SOUND.replace("wikidata,status", "wiki,status,status"))
    heads = [line for line in faults(path).split("\n") if "error[" in line]
    assert heads == [
        "brands.csv:1:1: error[B003]: column `wikidata` is missing",
        "brands.csv:1:38: error[B002]: unknown column `wiki`",
        "brands.csv:1:50: error[B002]: column `status` stands twice",
    ]


def test_both_files_are_read_before_anything_is_raised(tmp_path):
    path = write(tmp_path / "brands.csv", SOUND.replace("active,,\ndogwood", "activ,,\ndogwood"))
    overlay = write(tmp_path / "overlay.csv", f"{HEADER}\nOAK,Oak,news,,,,,active,,\n")
    heads = [line for line in faults(path, overlay).split("\n") if "error[" in line]
    assert heads == [
        "brands.csv:6:33: error[B008]: unknown status",
        "overlay.csv:2:1: error[B005]: id is not a slug",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (HEADER.encode() + b"\nelm,\xff,news,,,,,active,,\n", "error[B001]: file is not UTF-8"),
        (HEADER.encode() + b'\nelm,"Elm,news,,,,,active,,\n', "error[B004]: quotes do not match"),
        (b"", "error[B003]: column `id` is missing"),
    ],
    ids=["not UTF-8", "open quote", "empty file"],
)
def test_broken_files(tmp_path, content, expected):
    path = tmp_path / "brands.csv"
    path.write_bytes(content)
    assert expected in faults(path)


def test_a_missing_file_is_a_fault_with_its_path(tmp_path):
    assert "nowhere.csv: error[B001]: file cannot be read" in faults(tmp_path / "nowhere.csv")


@given(st.permutations(range(5)), st.lists(st.integers(-1, 4), min_size=5, max_size=5))
def test_families_as_a_plain_walk_would_find_them(tmp_path_factory, order, above):
    """Brands in any order with a parent of lower rank: depth and ancestors equal those of a walk by hand."""
    parents = {order[rank]: order[above[rank]] for rank in range(5) if 0 <= above[rank] < rank}
    lines = [f"b{at},B{at},news,{f'b{parents[at]}' if at in parents else ''},,,,active,," for at in range(5)]
    path = write(tmp_path_factory.mktemp("family") / "brands.csv", "\n".join([HEADER, *lines]))
    registry = Registry.load(path)
    for at in range(5):
        walk, node = [], at
        while node in parents:
            node = parents[node]
            walk.append(node)
        assert registry.ancestors(at) == tuple(walk)
        assert registry.depth[at] == len(walk)


# The shipped registry


def _collapse(name: str) -> str:
    """Case, spaces, signs, `The` and legal suffixes taken away; written here anew, so as not to trust the build."""
    plain = unicodedata.normalize("NFKD", name.lower().replace("&", "and").replace("+", "plus"))
    words = re.sub(r"[^a-z0-9]+", " ", plain.encode("ascii", "ignore").decode().replace("'", "")).split()
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    if len(words) > 1 and words[-1] in {"inc", "llc", "ltd", "corp", "corporation", "incorporated"}:
        words = words[:-1]
    return "".join(words)


@pytest.fixture(scope="module")
def shipped() -> Registry:
    return Registry.load(RULES / "brands.csv")


def test_shipped_registry_is_large_enough_and_sorted(shipped):
    assert sum(brand.status == "active" for brand in shipped.brands) >= 4200
    lines = (RULES / "brands.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == list(shipped.ids), "brands.csv is not sorted by id"


def test_shipped_names_and_aliases_belong_to_one_brand(shipped):
    owner, wrong = {}, []
    answered = [brand for brand in shipped.brands if brand.status != "retired"]
    for brand in answered:
        if (first := owner.setdefault(_collapse(brand.name), brand.id)) != brand.id:
            wrong.append(f"{brand.id} and {first} are both called {brand.name!r}")
    for brand in answered:
        for alias in brand.aliases:
            if (first := owner.setdefault(_collapse(alias), brand.id)) != brand.id:
                wrong.append(f"alias {alias!r} of {brand.id} belongs to {first}")
    assert not wrong, "\n".join(wrong)


def test_shipped_sectors_are_those_of_the_readme(shipped):
    table = (RULES / "README.md").read_text(encoding="utf-8").split("### Sectors")[1].split("###")[0]
    listed = set(re.findall(r"^\| `([a-z-]+)` \|", table, flags=re.MULTILINE))
    assert {brand.sector for brand in shipped.brands} == listed


def test_shipped_redirects_end_at_a_live_brand(shipped):
    dead = [brand.id for at, brand in enumerate(shipped.brands) if brand.replaced_by and not shipped.live[at]]
    undated = [brand.id for brand in shipped.brands if brand.replaced_by and not brand.since]
    assert (dead, undated) == ([], [])


def test_common_words_are_brands_of_the_registry(shipped):
    lines = (RULES / "sources" / "generic.txt").read_text(encoding="utf-8").splitlines()
    ids = [line for line in lines if not line.startswith("#")]
    assert ids == sorted(set(ids)), "generic.txt is not sorted, or an id stands twice"
    assert [id for id in ids if id not in shipped] == []


def test_well_known_ids_stay(shipped):
    """Short names that stand for longer ones: a rename would orphan every stored answer."""
    ids = ["7-eleven", "att", "costco-gas", "cvs", "cvs-caremark", "dunkin", "h-and-r-block", "hbo-max", "home-depot"]
    ids += ["mcdonalds", "new-york-times", "openai", "prime-video", "safeway-fuel", "tmobile", "uber-eats", "x"]
    assert {id: shipped[id].status for id in ids} == dict.fromkeys(ids, "active")
