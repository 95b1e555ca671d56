"""Stores on disk: what is damaged stops nothing, what is too much goes, and where a store may lie."""

import json
import os
import re

import pytest

from cache_starts import data_file, finish, start
from cache_worker import BATCH, PARTS, batch, evidence, right, texts
from tierbreak.errors import CacheError
from tierbreak.tiers.cache import CacheTier, stores


@pytest.fixture
def tier(tmp_path):
    with CacheTier.open(tmp_path, PARTS) as tier:
        yield tier


# --- damage found in use


def test_one_changed_byte_is_a_miss(tier):
    """72 bytes of record, each changed in turn in the file: 72 times corrupt, never an answer."""
    numbers = [1, 123456, 2]
    tier.store(texts(numbers), evidence(numbers))
    at = data_file(tier).read_bytes().index(evidence([123456])["labels"].to_numpy().tobytes())
    with data_file(tier).open("r+b", buffering=0) as file:
        for offset in range(at, at + 72):
            byte = os.pread(file.fileno(), 1, offset)
            os.pwrite(file.fileno(), bytes([byte[0] ^ 1 << offset % 8]), offset)
            assert right(tier, numbers) == 2, f"byte {offset - at} of the record"
            os.pwrite(file.fileno(), byte, offset)
        assert right(tier, numbers) == 3
        assert tier.stats().corrupt == 72
        os.pwrite(file.fileno(), b"\xff", at)
    tier.store(texts(numbers), evidence(numbers))
    assert right(tier, numbers) == 3, "stored anew, a damaged record is whole again"


def test_a_record_under_another_texts_digest_is_a_miss(tier):
    numbers = [1000, 2000]
    tier.store(texts(numbers), evidence(numbers))
    whole = data_file(tier).read_bytes()
    first, second = (whole.index(evidence([number])["labels"].to_numpy().tobytes()) for number in numbers)
    with data_file(tier).open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), whole[second : second + 72], first)
        os.pwrite(file.fileno(), whole[first : first + 72], second)
    assert right(tier, numbers) == 0
    assert tier.stats().corrupt == 2


def test_a_lost_secret_finds_nothing(tmp_path):
    with CacheTier.open(tmp_path, PARTS) as tier:
        tier.store(texts(batch(0)), evidence(batch(0)))
    secret = tier._environment.path / "secret"
    secret.write_bytes(bytes(32))
    with CacheTier.open(tmp_path, PARTS) as tier:
        assert right(tier, batch(0)) == 0


@pytest.mark.parametrize("pages", [0, 1, 2, 3, 8, 40])
def test_a_file_cut_short_does_not_crash(tmp_path, pages):
    with CacheTier.open(tmp_path, PARTS) as tier:
        tier.store(texts(list(range(2000))), evidence(list(range(2000))))
        assert data_file(tier).stat().st_size > 40 * 4096
    finish(start("cut_short", tmp_path, pages))


# --- what is damaged is set aside, said, and made anew


def damage(path, harm):
    """Harm the store at `path` in one way."""
    data = path / "data.mdb"
    manifest = path / "manifest.json"
    if harm == "header":
        data.write_bytes(bytes(8192) + data.read_bytes()[8192:])
    elif harm == "other file":
        data.write_bytes(b"no LMDB file at all " * 1000)
    elif harm == "last page":  # both headers name a page far beyond the end
        whole = bytearray(data.read_bytes())
        for page in (0, 4096):
            whole[page + 16 + 120 : page + 16 + 128] = (1 << 40).to_bytes(8, "little")
        data.write_bytes(whole)
    elif harm == "no secret":
        (path / "secret").unlink()
    elif harm == "short secret":
        (path / "secret").write_bytes(b"short")
    elif harm == "no manifest":
        manifest.unlink()
    elif harm == "format":
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 2}))
    elif harm == "renamed":
        manifest.write_text(manifest.read_text().replace('"w1"', '"w2"'))
    else:
        manifest.write_text(harm)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("header", "MDB_INVALID: File is not an LMDB file"),
        ("other file", "its header names more pages than it may have"),
        ("last page", "its header names more pages than it may have"),
        ("no secret", "secret is not there"),
        ("short secret", "`secret` holds 5 bytes, expected 32"),
        ("no manifest", "manifest.json is not there"),
        ("format", "it has format 2, this release reads 1"),
        ("renamed", r"it is of another model \(weights: expected 'w1', found 'w2'\)"),
        ("{", "manifest.json is broken"),
        ('{"format": 1}', "manifest.json is broken"),
        ("[]", "manifest.json is broken"),
        ("", "manifest.json is broken"),
        ("[" * 100_000, "manifest.json is broken"),
    ],
)
def test_a_damaged_store_is_set_aside_and_made_anew(tmp_path, harm, says):
    with CacheTier.open(tmp_path, PARTS) as tier:
        tier.store(texts(batch(0)), evidence(batch(0)))
        assert tier.notices == ()
    path = tmp_path / stores.fingerprint(PARTS)
    damage(path, harm)
    with pytest.raises(CacheError, match=f"is damaged: .*{says}.*; open it once for writing"):
        CacheTier.open(tmp_path, PARTS, read_only=True)
    with CacheTier.open(tmp_path, PARTS) as tier:
        (notice,) = tier.notices
        assert re.search(f"was damaged and is made anew, the old one is {path}.damaged: .*{says}", notice)
        assert right(tier, batch(0)) == 0
        assert tier.store(texts(batch(1)), evidence(batch(1))) == BATCH
    with CacheTier.open(tmp_path, PARTS) as tier:
        assert (right(tier, batch(1)), tier.notices) == (BATCH, ())
    assert sorted(store.path.name for store in CacheTier.stores(tmp_path)) == [path.name, f"{path.name}.damaged"]
    assert [store.evidence for store in CacheTier.stores(tmp_path) if store.path.suffix] == [{}]


def test_one_damaged_store_is_kept_and_can_be_removed(tmp_path):
    paths = []
    for weights in ("w1", "w2", "w1"):
        parts = {**PARTS, "weights": weights}
        paths.append(tmp_path / stores.fingerprint(parts))
        CacheTier.open(tmp_path, parts).close()
        damage(paths[-1], "header")
        CacheTier.open(tmp_path, parts).close()
        aside = [store for store in CacheTier.stores(tmp_path) if store.path.suffix]
        assert [store.path.name for store in aside] == [f"{paths[-1].name}.damaged"]
    for store in CacheTier.stores(tmp_path):
        CacheTier.remove(store)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - hidden ones as well


def test_who_has_it_open_is_not_disturbed_by_one_who_finds_it_damaged(tmp_path):
    """The other process sets the store aside; this one goes on with the file it has."""
    with CacheTier.open(tmp_path, PARTS) as tier:
        tier.store(texts(batch(0)), evidence(batch(0)))
        (tier._environment.path / "secret").unlink()
        finish(start("write", tmp_path, 1))
        assert right(tier, batch(0)) == BATCH
        with CacheTier.open(tmp_path, PARTS) as again:
            assert (right(again, batch(1)), right(again, batch(0))) == (BATCH, 0)


def test_whatever_is_changed_in_the_header_never_stops_a_run_nor_gives_a_wrong_answer(tmp_path):
    assert finish(start("headers", tmp_path, 60)) == "60 opened\n"


# --- room


def test_stores_opened_longest_ago_go_first(tmp_path):
    """Three stores of some kilobytes; room for one and a half: the two older ones go."""
    paths = []
    for number in range(3):
        with CacheTier.open(tmp_path, {**PARTS, "weights": f"w{number}"}) as tier:
            tier.store(texts(batch(0)), evidence(batch(0)))
            paths.append(tier._environment.path)
        os.utime(paths[-1] / "manifest.json", (1000 + number, 1000 + number))
    assert [store.path for store in CacheTier.stores(tmp_path)] == paths[::-1]
    room = CacheTier.stores(tmp_path)[0].bytes_on_disk * 3 // 2
    CacheTier.open(tmp_path, {**PARTS, "weights": "w2"}, root_bytes=room).close()
    assert [store.path for store in CacheTier.stores(tmp_path)] == [paths[2]]
    CacheTier.open(tmp_path, {**PARTS, "weights": "w2"}, root_bytes=0).close()
    assert [store.path for store in CacheTier.stores(tmp_path)] == [paths[2]], "never the one being opened"


def test_the_newest_stores_stay(tmp_path):
    """Four stores; room for two and a half: the two opened longest ago go, whatever order they were made in."""
    sizes, opened = {}, {"w0": 3000, "w1": 1000, "w2": 4000, "w3": 2000}
    for weights, moment in opened.items():
        with CacheTier.open(tmp_path, {**PARTS, "weights": weights}) as tier:
            tier.store(texts(batch(0)), evidence(batch(0)))
        os.utime(tier._environment.path / "manifest.json", (moment, moment))
        sizes[weights] = stores.bytes_on_disk(tier._environment.path)
    assert len(set(sizes.values())) == 1
    CacheTier.open(tmp_path, {**PARTS, "weights": "w0"}, root_bytes=sizes["w0"] * 5 // 2).close()
    assert [store.evidence["weights"] for store in CacheTier.stores(tmp_path)] == ["w0", "w2"]


# --- places


def test_read_only(tmp_path):
    with pytest.raises(CacheError, match="is not there; open it once for writing"):
        CacheTier.open(tmp_path, PARTS, read_only=True)
    with CacheTier.open(tmp_path, PARTS) as tier:
        tier.store(texts(batch(0)), evidence(batch(0)))
    with CacheTier.open(tmp_path, PARTS, read_only=True) as tier:
        assert right(tier, batch(0)) == BATCH
        assert tier.store(texts(batch(1)), evidence(batch(1))) == 0
        assert (tier.stats().skipped, tier.stats().failed) == (BATCH, 0)
        with pytest.raises(CacheError, match="already open in this process, read-only"):
            CacheTier.open(tmp_path, PARTS)
        with pytest.raises(CacheError, match="Permission denied"):
            tier.clear()


def test_unwritable_folder(tmp_path):
    finish(start("unwritable", tmp_path))


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match=r"file is a file, expected a folder, .*or leave the cache out"):
        CacheTier.open(tmp_path / "file", PARTS)
    with pytest.raises(CacheError, match=r"cannot be opened: Not a directory; give a folder .*or leave the cache out"):
        CacheTier.open(tmp_path / "file" / "below", PARTS)


def test_not_on_a_remote_file_system(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "_mounts", lambda: f"9 1 0:4 / {tmp_path} rw - nfs4 nas:/cache rw\n")
    with pytest.raises(CacheError, match="is on a nfs4 file system; LMDB needs a local disk"):
        CacheTier.open(tmp_path, PARTS)
