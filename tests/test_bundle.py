"""Bundles: overlays, packing, tars, and what is refused."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tierbreak import BundleError, Engine, RegistryError, Settings
from tierbreak.bundle import Bundle, fingerprint_of
from tierbreak.packing import pack
from tierbreak.rulebook import files
from tierbreak.tiers.rules import database

BRANDS = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since\n"


def write_mine(folder):
    """A brand of its own, and another name for a shipped one."""
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
def mine(tmp_path):
    return write_mine(tmp_path / "mine")


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


def test_an_overlay_adds_to_the_shipped_ones(load, mine, tmp_path, monkeypatch):
    """To two rules here: thousands would be compiled anew with an overlay's."""
    own = tmp_path / "shipped" / "rules"
    own.mkdir(parents=True)
    (own / "brands.csv").write_text(
        BRANDS + "netflix,Netflix,streaming,,,,,active,,\nstarbucks,Starbucks,coffee,,,,,active,,\n"
    )
    for brand in ("netflix", "starbucks"):
        rule = f"{{id: {brand}.name, match: [{{words: {brand}}}]}}"
        (own / f"{brand}.yaml").write_text(f"brand: {brand}\nowner: x\nrules: [{rule}]\n")
    monkeypatch.setattr("tierbreak.bundle.shipped", lambda: own.parent)
    engine = load(overlay=mine)
    assert engine.classify_one("CORNER SHOP 3").brand == "corner-shop-of-mine"
    assert engine.classify_one("STARBUCKS STORE 01234 SEATTLE WA").brand == "starbucks"
    assert [engine.classify_one(text).brand_name for text in ("NFLX", "NETFLIX")] == ["Netflix Renamed"] * 2


def test_rules_and_overlay_together(load, mine, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "brands.csv").write_text(BRANDS + "kiosk-of-mine,Kiosk,grocery,,,,,active,,\n")
    (other / "kiosk.yaml").write_text("brand: kiosk-of-mine\nowner: me\nrules: [{id: k, match: [{words: KIOSK}]}]\n")
    engine = load(rules=mine, overlay=other)
    assert [engine.classify_one(text).brand for text in ("CORNER SHOP", "KIOSK", "NFLX")] == [
        "corner-shop-of-mine", "kiosk-of-mine", "netflix",
    ]  # fmt: skip


# --- packing


@pytest.fixture(scope="session")
def packed_once(tmp_path_factory, state):
    folder = tmp_path_factory.mktemp("packed")
    rules = write_mine(folder / "mine")
    with Engine.load(rules=rules, cache=None, model=None, settings=Settings(state=state)) as engine:
        pack(engine, folder / "packed")
    return folder / "packed"


@pytest.fixture
def packed(packed_once, tmp_path):
    """A bundle of the two brands' rules, with the shipped registry and without a model."""
    return Path(shutil.copytree(packed_once, tmp_path / "packed"))


@pytest.fixture
def tar(packed, tmp_path):
    with tarfile.open(tmp_path / "packed.tar", "w") as file:
        file.add(packed, "packed")
    return tmp_path / "packed.tar"


@pytest.fixture
def kiosk(tmp_path):
    """An overlay with a brand and a rule of its own."""
    folder = tmp_path / "kiosk"
    folder.mkdir()
    (folder / "brands.csv").write_text(BRANDS + "kiosk-of-mine,Kiosk,grocery,,,,,active,,\n")
    (folder / "kiosk.yaml").write_text("brand: kiosk-of-mine\nowner: me\nrules: [{id: k, match: [{words: KIOSK}]}]\n")
    return folder


def test_packed_and_loaded_it_decides_alike(load, mine, packed, tar):
    engine = load(rules=mine)
    for bundle in (packed, tar):
        again = load(bundle)
        assert again.fingerprint == engine.fingerprint
        assert again.classify_one("CORNER SHOP 3").rule == "mine.shop"


def test_a_packed_bundle_takes_an_overlay(load, packed, kiosk):
    engine = load(packed, overlay=kiosk)
    assert [engine.classify_one(text).brand for text in ("CORNER SHOP", "KIOSK", "NFLX")] == [
        "corner-shop-of-mine", "kiosk-of-mine", "netflix",
    ]  # fmt: skip


def test_an_overlay_is_packed_with_what_it_lies_over(load, mine, kiosk, tmp_path):
    engine = load(rules=mine, overlay=kiosk)
    pack(engine, tmp_path / "both")
    again = load(tmp_path / "both")
    assert again.fingerprint == engine.fingerprint
    assert again.classify_one("KIOSK").brand_name == "Kiosk"


def test_what_the_caller_replaces_is_all_that_is_not_checked(packed, kiosk, mine):
    stated = Bundle.find(packed).stated
    assert set(stated) == {"registry", "rulebook", "normaliser"}
    with_model = dict.fromkeys(["registry", "rulebook", "normaliser", "model", "policy"], "0" * 64)
    write_manifest(packed, model="rules-0", fingerprints={**with_model, "all": fingerprint_of(with_model.items())})
    assert set(Bundle.find(packed).stated) == set(with_model)
    assert set(Bundle.find(packed, overlay=kiosk).stated) == {"normaliser", "model", "policy"}
    assert set(Bundle.find(packed, rules=mine).stated) == {"normaliser", "model", "policy"}
    assert set(Bundle.find(packed, model=None).stated) == {"registry", "rulebook", "normaliser"}


def test_a_part_changed_after_packing_is_refused(load, packed):
    (packed / "rules-0" / "shop.yaml").write_text(
        "brand: corner-shop-of-mine\nowner: me\nrules: [{id: mine.shop, match: [{words: OTHER}]}]\n"
    )
    with pytest.raises(BundleError, match=r"its manifest states(.|\n)*rulebook: the manifest states"):
        load(packed)


def test_packing_where_something_stands_or_nothing_can_be_written(load, mine, tmp_path):
    engine = load(rules=mine)
    with pytest.raises(BundleError, match="exists; give the name of a folder that does not"):
        pack(engine, tmp_path)
    with pytest.raises(BundleError, match=r"nowhere/out: cannot be written: .*No such file"):
        pack(engine, tmp_path / "nowhere" / "out")


# --- what is compiled comes along


@pytest.fixture
def compiled(monkeypatch):
    """How many expressions each database was compiled of, in turn."""
    sizes = []
    compile_ = database.Database.compile
    monkeypatch.setattr(database.Database, "compile", lambda e: sizes.append(len(e)) or compile_(e))
    return sizes


@pytest.fixture
def fresh(tmp_path):
    """Loads a bundle as a machine does that has never seen one."""

    def fresh(bundle, **chosen):
        settings = Settings(state=tmp_path / f"state-{len(list(tmp_path.iterdir()))}")
        with Engine.load(bundle, cache=None, settings=settings, **chosen) as engine:
            assert engine.classify_one("CORNER SHOP 3").brand == "corner-shop-of-mine"
            return engine

    return fresh


def test_a_fresh_machine_compiles_nothing_and_reads_no_rule_file(fresh, packed, tar, compiled, monkeypatch):
    read = []
    rules = files.FileReader.rules
    monkeypatch.setattr(files.FileReader, "rules", lambda reader: read.append(reader.path.name) or rules(reader))
    before = {path: path.stat().st_mtime_ns for path in packed.rglob("*")}
    for bundle in (packed, tar):
        rule = fresh(bundle).parts.book.rules[0]
        assert Path(rule.place.path).is_file(), "where it lies now, not where it was packed"
    assert (compiled, read) == ([], [])
    assert {path: path.stat().st_mtime_ns for path in packed.rglob("*")} == before, "what is shipped is only read"


def test_a_fresh_process_compiles_nothing(packed, tmp_path):
    code = (
        "import sys, tierbreak; from tierbreak.tiers.rules import database\n"
        "database.Database.compile = None\n"
        "with tierbreak.Engine.load(sys.argv[1], cache=None) as engine:\n"
        "    print(engine.classify_one('CORNER SHOP 3').brand)"
    )
    environment = {**os.environ, "TIERBREAK_STATE": str(tmp_path / "home")}
    ran = subprocess.run(
        [sys.executable, "-c", code, packed], capture_output=True, text=True, env=environment, check=False
    )
    assert (ran.stdout, ran.stderr) == ("corner-shop-of-mine\n", "")


def test_an_overlay_is_compiled_with_what_it_lies_over(fresh, packed, kiosk, compiled):
    """A rulebook of two words is small: they are compiled once more with the third."""
    fresh(packed, overlay=kiosk)
    assert compiled == [3]


@pytest.mark.parametrize("harm", ["other processor", "damaged", "gone"])
def test_what_does_not_fit_this_machine_is_compiled_anew(fresh, packed, compiled, monkeypatch, caplog, harm):
    (path,) = (packed / "state" / "databases").glob("*.hsdb")
    if harm == "other processor":
        monkeypatch.setattr(database, "engine", lambda: "another one")
    elif harm == "damaged":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        shutil.rmtree(packed / "state")
    fresh(packed)
    assert compiled == [2]
    assert bool(caplog.records) == (harm == "damaged")


# --- manifests


def write_manifest(folder, **changed):
    path = folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"format": True}, "format: found true, expected the number 1"),
        ({"format": 2}, "format 2, this version reads 1"),
        ({"rules": []}, r"rules: found \[\], expected one or more folders in the bundle"),
        ({"rules": "rules-0"}, "rules: found"),
        ({"rules": ["rules-0", 1]}, "rules: found"),
        ({"rules": [""]}, "rules: found"),
        ({"rules": ["gone"]}, "rules: found"),
        ({"rules": ["bundle.json"]}, "rules: found"),
        ({"rules": ["/tmp"]}, "rules: found"),
        ({"rules": ["../packed/rules-0"]}, "rules: found"),
        ({"rules": ["link"]}, "rules: found"),
        ({"rules": ["circle"]}, "rules: found"),
        ({"rules": ["a\0b"]}, "rules: found"),
        ({"rules": ["\ud800"]}, "rules: found"),
        ({"rules": None, "model": 3}, r"rules: found null(.|\n)*model: found 3, expected a folder .* or null"),
        ({"registries": []}, r"registries: found \[\], expected one or more files in the bundle"),
        ({"registries": ["rules-0"]}, "registries: found"),
        ({"registries": ["../other.csv"]}, "registries: found"),
        ({"model": "../packed"}, "model: found"),
        ({"model": ""}, "model: found"),
        ({"model": "rules-0"}, "fingerprints: found .*each of registry, rulebook, normaliser, model, policy, all"),
        ({"fingerprints": {}}, r"fingerprints: found {}, expected 64 hex digits for each of registry, rulebook"),
        ({"fingerprints": []}, "fingerprints: found"),
        ({"fingerprints": dict.fromkeys(["registry", "rulebook", "normaliser", "all"], "0" * 64)}, "`all` to be"),
        ({"fingerprints": dict.fromkeys(["registry", "rulebook", "normaliser", "all"], "0")}, "64 hex digits"),
        ({"extra": 1}, "expected an object with the keys format, rules, .* and no others"),
    ],
)
def test_a_manifest_that_is_not_as_it_was_written_is_refused(packed, tmp_path, changed, says):
    (packed / "link").symlink_to(tmp_path)
    (packed / "circle").symlink_to("circle")
    (tmp_path / "other.csv").write_text(BRANDS)
    write_manifest(packed, **changed)
    with pytest.raises(BundleError, match=f"(?i){says}(.|\\n)*pack the bundle again"):
        Bundle.find(packed)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "cannot be read as JSON"),
        (b"\xff", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b'{"format": ' + b"[" * 100_000, "cannot be read as JSON"),
        (b'{"format": ' + b"[" * 300 + b"]" * 300 + b"}", "format .*this version reads 1"),
        (b'{"format": ' + b"9" * 5000 + b"}", "cannot be read as JSON"),
        (b'{"format": 1, "format": 1}', "a key stands twice"),
        (b" " * 2_000_000, "more than 1,048,576 bytes"),
        (b"[]", r"found \[\], expected an object"),
        (b"{}", r"found \[\], expected an object"),
        (b'{"format": 1}', r'found \["format"\], expected an object'),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, text, says):
    (tmp_path / "bundle.json").write_bytes(text)
    with pytest.raises(BundleError, match=f"{says}.*; pack the bundle again"):
        Bundle.find(tmp_path)


def test_what_is_not_there_is_said(tmp_path, load, mine):
    with pytest.raises(BundleError, match="nowhere: no such folder"):
        Bundle.find(rules=tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"no bundle\.json in it"):
        Bundle.find(tmp_path)
    (mine / "brands.csv").write_text(BRANDS + "No Slug,X,grocery,,,,,active,,\n")
    with pytest.raises(RegistryError, match=r"brands\.csv:2:1"):
        load(rules=mine)
