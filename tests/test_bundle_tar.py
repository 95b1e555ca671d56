"""Tars of bundles: unpacked once, whole or not at all, within bounds, and where nobody else could have put anything."""

import gzip
import json
import os
import subprocess
import sys
import tarfile
from io import BytesIO

import pytest

from tierbreak import BundleError
from tierbreak.bundle import Bundle, fingerprint_of
from tierbreak.files import archive


@pytest.fixture
def packed(tmp_path):
    """A bundle that can be found, of rules that nobody loads."""
    folder = tmp_path / "packed"
    (folder / "rules-0").mkdir(parents=True)
    (folder / "rules-0" / "a.yaml").write_text("brand: a\n" * 500)
    (folder / "brands-0.csv").touch()
    stated = dict.fromkeys(["registry", "rulebook", "normaliser"], "0" * 64)
    manifest = {"format": 1, "rules": ["rules-0"], "registries": ["brands-0.csv"], "model": None}
    manifest["fingerprints"] = {**stated, "all": fingerprint_of(stated.items())}
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def tar(packed, tmp_path):
    with tarfile.open(tmp_path / "packed.tar", "w") as file:
        file.add(packed, "packed")
    return tmp_path / "packed.tar"


def write_tar(path, *members):
    """(name, size, kind) each; a file's content is zeros."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name, size, kind in members:
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname = size, kind, "../../etc"
            tar.addfile(member, BytesIO(bytes(size)) if size else None)
    return path


FILE = tarfile.REGTYPE


@pytest.mark.parametrize(
    ("member", "says"),
    [
        (("../out", 1, FILE), "would be extracted to .* outside"),
        (("/abs/../../out", 1, FILE), "would be extracted to .* outside"),
        (("link", 0, tarfile.SYMTYPE), "'link' in it is a link"),
        (("link", 0, tarfile.LNKTYPE), "'link' in it is a link"),
        (("pipe", 0, tarfile.FIFOTYPE), "'pipe' in it is a link, a device"),
        (("a/" * 1000 + "x", 1, FILE), "deeper than 32 folders"),
    ],
)
def test_a_tar_with_other_things_than_files_is_refused(tmp_path, member, says):
    tar = write_tar(tmp_path / "x.tar", member)
    with pytest.raises(BundleError, match=says):
        Bundle.find(tar, state=tmp_path / "state")
    assert left_in(tmp_path / "state") == []


def left_in(state):
    return sorted(path.name for path in (state / "bundles").iterdir())


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_tar_that_unpacks_to_more_than_it_may_is_refused(tmp_path, monkeypatch, suffix):
    """A mebibyte of zeros: in the plain tar the whole is too large, in the other one what a byte stands for."""
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 16)
    monkeypatch.setattr(archive, "MOST_BYTES", 1 << 19)
    tar = write_tar(tmp_path / f"x{suffix}", ("zeros", 1 << 20, FILE))
    with pytest.raises(BundleError, match=r"unpacks to more than 0 MiB; found [0-9,]* bytes"):
        Bundle.find(tar, state=tmp_path / "state")
    assert left_in(tmp_path / "state") == []


def test_a_tar_of_too_many_files_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_MEMBERS", 3)
    tar = write_tar(tmp_path / "x.tar", *((f"f{n}", 0, FILE) for n in range(4)))
    with pytest.raises(BundleError, match="more than 3 files in it"):
        Bundle.find(tar, state=tmp_path / "state")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_cut_short_anywhere_is_refused_and_the_whole_one_is_taken(packed, tmp_path, mode):
    path = tmp_path / "x.tar"
    with tarfile.open(path, mode) as tar:
        tar.add(packed, "x")
    data = path.read_bytes()
    end = len(data.rstrip(b"\0"))  # behind it is nothing that anybody would miss
    for parts in range(1, 16):
        path.write_bytes(data[: end * parts // 16])
        with pytest.raises(BundleError, match=r"cannot be unpacked|no bundle.json in it|found"):
            Bundle.find(path, state=tmp_path / "state")
    path.write_bytes(data)
    assert Bundle.find(path, state=tmp_path / "state").rules[0].name == "rules-0"


@pytest.mark.parametrize(
    "content", [b"", b"not a tar", b"\x1f\x8bno gzip", b"BZh", gzip.compress(b"not a tar"), bytes(9999)]
)
def test_what_is_no_tar_is_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BundleError):
        Bundle.find(tmp_path / "x", state=tmp_path / "state")


def test_a_tar_is_unpacked_once(tar, tmp_path, monkeypatch):
    first = Bundle.find(tar, state=tmp_path / "state")
    assert oct((tmp_path / "state" / "bundles").stat().st_mode)[-3:] == "700"
    monkeypatch.setattr(archive, "unpack", None)
    assert Bundle.find(tar, state=tmp_path / "state") == first
    assert first.again() == first
    with pytest.raises(BundleError, match="a tar is unpacked below a state folder, and none was given"):
        Bundle.find(tar)


def test_unpacking_that_ends_half_way_leaves_nothing(tar, tmp_path, monkeypatch):
    unpack = archive.unpack

    def half(path, folder):
        unpack(path, folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(archive, "unpack", half)
    with pytest.raises(KeyboardInterrupt):
        Bundle.find(tar, state=tmp_path / "state")
    assert left_in(tmp_path / "state") == []
    monkeypatch.undo()
    assert Bundle.find(tar, state=tmp_path / "state").rules[0].is_dir()


def test_of_two_that_unpack_the_second_takes_what_the_first_made(tar, tmp_path, monkeypatch):
    unpack, found = archive.unpack, []

    def late(path, folder):
        monkeypatch.setattr(archive, "unpack", unpack)
        found.append(Bundle.find(tar, state=tmp_path / "state"))
        unpack(path, folder)

    monkeypatch.setattr(archive, "unpack", late)
    assert Bundle.find(tar, state=tmp_path / "state") == found[0]
    assert len(left_in(tmp_path / "state")) == 1


def test_processes_that_start_together(tar, tmp_path):
    code = (
        "import sys; from pathlib import Path; from tierbreak.bundle import Bundle\n"
        "Bundle.find(Path(sys.argv[1]), state=Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, tar, tmp_path / "state"]
    starts = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [start.communicate(timeout=120)[1] for start in starts] == [""] * 4
    assert len(left_in(tmp_path / "state")) == 1


@pytest.mark.parametrize("planted", ["by anybody", "a link", "a file", "by another user"])
def test_a_folder_that_others_may_have_filled_is_refused(tar, tmp_path, monkeypatch, planted):
    place = tmp_path / "state" / "bundles"
    place.parent.mkdir()
    if planted == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "elsewhere")
    elif planted == "a file":
        place.touch()
    else:
        place.mkdir(mode=0o700)
        place.chmod(0o777 if planted == "by anybody" else 0o700)
    if planted == "by another user":
        os.chown(place, 65534, 65534) if os.geteuid() == 0 else monkeypatch.setattr(os, "geteuid", lambda: 65534)
    with pytest.raises(BundleError, match=r"expected a folder of user|cannot be unpacked below"):
        Bundle.find(tar, state=tmp_path / "state")
