"""Stores on disk: their names, manifests and secrets; listing and removing them. Knows nothing of LMDB.

<root>/<fingerprint>/manifest.json   the parts of the name, written out, checked at every open
                     secret          32 random bytes, mode 0600: the key of the digests
                     data.mdb        LMDB's tree
                     lock.mdb        LMDB's table of readers
<root>/<fingerprint>.damaged/        the store that was last found damaged, for whoever wants to know why; one is kept
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tierbreak.errors import CacheError
from tierbreak.files import atomic

#: Counted up when the layout of a store changes; a store of another format is never read.
FORMAT = 1

#: What shapes evidence. All must be named: a part left out would let one model answer for another.
PARTS = frozenset({"weights", "tokenizer", "labels", "normaliser", "backend"})

#: Below this a map has no room for two generations and the copies of a write.
LEAST_SIZE = 1 << 20

#: LMDB keeps one host's locks in shared memory: on these file systems another host would not see them.
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "fuse.sshfs", "fuse.s3fs"})

#: What to do where a folder is of no use.
OTHERWISE = "give a folder that this user may write to, or leave the cache out"

_SUFFIX = ".damaged"
_NAME = re.compile(rf"[0-9a-f]{{32}}({re.escape(_SUFFIX)})?")

_log = logging.getLogger(__name__)


class Damaged(Exception):
    """A store that holds something else than was put there, said in words. Nothing is lost but work: make it anew."""


@dataclass(frozen=True, slots=True)
class Store:
    """One store on disk, open or not. `evidence` is empty where the manifest cannot be read, and once set aside."""

    path: Path
    fingerprint: str
    evidence: dict[str, str]
    bytes_on_disk: int
    used: datetime


def fingerprint(evidence: Mapping[str, str]) -> str:
    """The name of a store: 32 hex digits of the SHA-256 of its parts as canonical JSON.

    >>> fingerprint({"weights": "a", "labels": "b"}) == fingerprint({"labels": "b", "weights": "a"})
    True
    """
    text = json.dumps(dict(evidence), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def find_or_make(root: Path, evidence: Mapping[str, str], size_bytes: int, read_only: bool) -> tuple[Path, int, bytes]:
    """The store's folder, the size it was made with, and its secret; raises as `CacheTier.open`, and Damaged."""
    lacking = sorted(part for part in PARTS | set(evidence) if not evidence.get(part))
    if lacking:
        raise CacheError(f"cache: evidence has no value for {', '.join(lacking)}; every part must be named")
    if size_bytes < LEAST_SIZE:
        raise CacheError(f"cache: a size of {size_bytes} bytes is too small; the least is {LEAST_SIZE}")
    path = root / fingerprint(evidence)
    try:
        if root.exists() and not root.is_dir():
            raise CacheError(f"cache: {root} is a file, expected a folder, there already or not; {OTHERWISE}")
        if (kind := _filesystem(root.resolve(), _mounts())) in REMOTE:
            raise CacheError(f"cache: {root} is on a {kind} file system; LMDB needs a local disk")
        if not read_only and not path.exists():
            _make(path, evidence, size_bytes)
        size_bytes = _checked(path, evidence)
        secret = (path / "secret").read_bytes()
    except FileNotFoundError as error:
        if path.exists():
            raise Damaged(f"{Path(error.filename).name} is not there") from error
        raise CacheError(f"cache store {path}: {error.filename} is not there; open it once for writing") from error
    except OSError as error:
        raise CacheError(f"cache store {path} cannot be opened: {error.strerror}; {OTHERWISE}") from error
    if len(secret) != 32:
        raise Damaged(f"`secret` holds {len(secret)} bytes, expected 32")
    return path, size_bytes, secret


def listed(root: Path) -> list[Store]:
    """Every store under `root`, the one opened last first."""
    found = []
    for path in (path for path in root.glob("*") if _NAME.fullmatch(path.name)):
        manifest = path / "manifest.json"
        try:
            used = (manifest if manifest.exists() else path).stat().st_mtime
            evidence = {} if path.suffix else dict(json.loads(manifest.read_text("utf-8"))["evidence"])
        except FileNotFoundError:
            if not path.exists():
                continue  # removed meanwhile
            evidence = {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            evidence = {}
        found.append(Store(path, path.name, evidence, bytes_on_disk(path), datetime.fromtimestamp(used, UTC)))
    return sorted(found, key=lambda store: store.used, reverse=True)


def removed(store: Store) -> None:
    """Delete a store. A process that has it open goes on with the deleted files and is not disturbed."""
    try:
        # Moved first: a removal cut short leaves nothing that looks like a store.
        with atomic.scratch(store.path.parent) as gone:
            store.path.rename(gone / store.fingerprint)
    except OSError as error:
        raise CacheError(f"cache store {store.path} cannot be removed: {error}") from error


def set_aside(path: Path) -> None:
    """Take a damaged store out of the way, in the place of one that was set aside before. Raises CacheError."""
    try:
        for before in path.parent.glob(f"*{_SUFFIX}"):
            shutil.rmtree(before, ignore_errors=True)
        with suppress(FileNotFoundError):  # another process did
            path.rename(path.with_name(path.name + _SUFFIX))
    except OSError as error:
        raise CacheError(f"cache store {path} is damaged and cannot be set aside: {error}; remove it") from error


def trimmed(root: Path, own: Path, root_bytes: int) -> None:
    """Mark `own` as opened now, remove stores opened longest ago until all fit."""
    try:
        os.utime(own / "manifest.json")
        stores = listed(root)
        total = sum(store.bytes_on_disk for store in stores)
        for store in reversed(stores):
            if total > root_bytes and store.path != own:
                _log.info("cache: removing store %s, opened last on %s", store.path, store.used.date())
                removed(store)
                total -= store.bytes_on_disk
    except (OSError, CacheError) as error:  # another process trims too; the next open will do it
        _log.info("cache: stores under %s not trimmed: %s", root, error)


def bytes_on_disk(path: Path) -> int:
    """Length of a store's files; 0 where it is gone."""
    try:
        return sum(file.stat().st_size for file in path.iterdir())
    except FileNotFoundError:
        return 0


def _make(path: Path, evidence: Mapping[str, str], size_bytes: int) -> None:
    """Make a store's folder whole, then give it its name: who finds the name finds all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = {"format": FORMAT, "size_bytes": size_bytes, "created": made, "evidence": dict(evidence)}
    with suppress(FileExistsError), atomic.folder(path) as draft:
        draft.chmod(0o700)
        (draft / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True), "utf-8")
        atomic.write(draft / "secret", secrets.token_bytes(32), mode=0o600)


def _checked(path: Path, evidence: Mapping[str, str]) -> int:
    """The size in the manifest; raises Damaged where that is not of this format or not of this model."""
    try:
        manifest = json.loads((path / "manifest.json").read_text("utf-8"))
        format_, size_bytes, parts = manifest["format"], int(manifest["size_bytes"]), dict(manifest["evidence"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"manifest.json is broken ({error!r})") from error
    if format_ != FORMAT:
        raise Damaged(f"it has format {format_}, this release reads {FORMAT}")
    wrong = [
        f"{part}: expected {evidence.get(part)!r}, found {parts.get(part)!r}"
        for part in sorted(parts.keys() | evidence.keys())
        if parts.get(part) != evidence.get(part)
    ]
    if wrong:
        raise Damaged(f"it is of another model ({'; '.join(wrong)})")
    return size_bytes


def _mounts() -> str:
    """The kernel's table of mounts; empty where there is none (macOS)."""
    try:
        return Path("/proc/self/mountinfo").read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _filesystem(path: Path, mounts: str) -> str:
    r"""The type of the file system `path` lies on, or "" where the table does not say.

    >>> table = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n35 21 0:44 / /srv/shared rw shared:9 - nfs4 nas:/x rw\n"
    >>> _filesystem(Path("/srv/shared/cache"), table), _filesystem(Path("/srv/sharedness"), table)
    ('nfs4', 'ext4')
    """
    best, kind = -1, ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        mount = Path(left.split(" ")[4].replace("\\040", " "))
        if path.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), right.split(" ")[0]
    return kind
