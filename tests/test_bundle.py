"""Bundles: overlays, packing, tars, and what is refused."""

import json
import tarfile

import pytest

from tierbreak import SHIPPED, BundleError, Engine, RegistryError, Settings
from tierbreak.bundle import Bundle

BRANDS = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since\n"


@pytest.fixture
def mine(tmp_path):
    """A rules folder with a brand of its own, and one that gives a shipped brand another name."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "brands.csv").write_text(
        BRANDS
        + "corner-shop-of-mine,Corner Shop,grocery,,,,,proposed,,\nnetflix,Netflix Renamed,streaming,,,,,active,,\n"
    )
    (folder / "shop.yaml").write_text(
        "brand: corner-shop-of-mine\nowner: me\nrules: [{id: mine.shop, match: [{words: CORNER SHOP}]}]\n"
    )
    (folder / "netflix.yaml").write_text(
        "brand: netflix\nowner: me\nrules: [{id: mine.netflix, match: [{words: NFLX}]}]\n"
    )
    return folder


@pytest.fixture
def load(state):
    engines = []

    def load(*given, **chosen):
        engines.append(Engine.load(*given, **{"cache": None, "model": None} | chosen, settings=Settings(state=state)))
        return engines[-1]

    yield load
    for engine in engines:
        engine.close()


def test_rules_stand_in_place_of_the_shipped_ones(load, mine):
    engine = load(rules=mine)
    assert engine.classify_one("CORNER SHOP 3").brand == "corner-shop-of-mine"
    assert engine.classify_one("NFLX").brand_name == "Netflix Renamed"
    assert engine.classify_one("STARBUCKS STORE 01234 SEATTLE WA").brand is None


def test_an_overlay_adds_to_the_shipped_ones(load, mine):
    engine = load(overlay=mine)
    assert engine.classify_one("CORNER SHOP 3").brand == "corner-shop-of-mine"
    assert engine.classify_one("STARBUCKS STORE 01234 SEATTLE WA").brand == "starbucks"


def test_rules_and_overlay_together(load, mine, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "brands.csv").write_text(BRANDS + "kiosk-of-mine,Kiosk,grocery,,,,,active,,\n")
    (other / "kiosk.yaml").write_text("brand: kiosk-of-mine\nowner: me\nrules: [{id: k, match: [{words: KIOSK}]}]\n")
    engine = load(rules=mine, overlay=other)
    assert [engine.classify_one(text).brand for text in ("CORNER SHOP", "KIOSK", "NFLX")] == [
        "corner-shop-of-mine", "kiosk-of-mine", "netflix",
    ]  # fmt: skip


def test_packed_and_loaded_it_decides_alike(load, mine, tmp_path):
    engine = load(overlay=mine)
    engine.parts.bundle.pack(tmp_path / "out", engine.fingerprints)
    tar = tmp_path / "out.tar"
    with tarfile.open(tar, "w") as file:
        file.add(tmp_path / "out", "out")
    for packed in (tmp_path / "out", tar):
        again = load(packed, model=SHIPPED)
        assert again.fingerprint == engine.fingerprint
        assert again.classify_one("CORNER SHOP 3").rule == "mine.shop"


def test_a_part_changed_after_packing_is_refused(load, mine, tmp_path, state):
    engine = load(rules=mine)
    engine.parts.bundle.pack(tmp_path / "out", engine.fingerprints)
    (tmp_path / "out" / "rules-0" / "shop.yaml").write_text(
        "brand: corner-shop-of-mine\nowner: me\nrules: [{id: mine.shop, match: [{words: OTHER}]}]\n"
    )
    with pytest.raises(BundleError, match=r"its manifest states(.|\n)*rulebook: the manifest states"):
        Engine.load(tmp_path / "out", cache=None, settings=Settings(state=state))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "rules": 3, "registries": []}'])
def test_a_broken_manifest_is_refused(tmp_path, text):
    (tmp_path / "bundle.json").write_text(text)
    with pytest.raises(BundleError, match="not a bundle's manifest; pack the bundle again"):
        Bundle.find(tmp_path)


def test_what_is_not_there_is_said(tmp_path, load, mine):
    with pytest.raises(BundleError, match="nowhere: no such folder"):
        Bundle.find(rules=tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"no bundle\.json in it"):
        Bundle.find(tmp_path)
    (tmp_path / "x.tar").write_text("not a tar")
    with pytest.raises(BundleError, match="not a tar of a bundle"):
        Bundle.find(tmp_path / "x.tar")
    (tmp_path / "bundle.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(BundleError, match="format 2, this version reads 1"):
        Bundle.find(tmp_path)
    (mine / "brands.csv").write_text(BRANDS + "No Slug,X,grocery,,,,,active,,\n")
    with pytest.raises(RegistryError, match=r"brands\.csv:2:1"):
        load(rules=mine)
    engine = load()
    with pytest.raises(BundleError, match="exists; give the name of a folder that does not"):
        engine.parts.bundle.pack(tmp_path, {})
