"""Stores on disk: their names, manifests and secrets; listing and removing them. Knows nothing of LMDB.

<root>/<fingerprint>/manifest.json   the parts of the name, written out, checked at every open
                     secret          32 random bytes, mode 0600: the key of the digests
                     data.mdb        LMDB's tree
                     lock.mdb        LMDB's table of readers
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from tierbreak.errors import CacheError

#: Counted up when the layout of a store changes; a store of another format is never read.
FORMAT = 1

#: What shapes evidence. All must be named: a part left out would let one model answer for another.
PARTS = frozenset({"weights", "tokenizer", "labels", "normaliser", "backend"})

#: Below this a map has no room for two generations and the copies of a write.
LEAST_SIZE = 1 << 20

#: LMDB keeps one host's locks in shared memory: on these file systems another host would not see them.
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "fuse.sshfs", "fuse.s3fs"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Store:
    """One store on disk, open or not. `evidence` is empty where the manifest cannot be read."""

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
    """The store's folder, the size it was made with, and its secret. Raises CacheError; see `CacheTier.open`."""
    lacking = sorted(part for part in PARTS | set(evidence) if not evidence.get(part))
    if lacking:
        raise CacheError(f"cache: evidence has no value for {', '.join(lacking)}; every part must be named")
    if size_bytes < LEAST_SIZE:
        raise CacheError(f"cache: a size of {size_bytes} bytes is too small; the least is {LEAST_SIZE}")
    path = root / fingerprint(evidence)
    if (kind := _filesystem(root.resolve(), _mounts())) in REMOTE:
        raise CacheError(f"cache: {root} is on a {kind} file system; LMDB needs a local disk")
    try:
        if not read_only and not path.exists():
            _make(path, evidence, size_bytes)
        size_bytes = _checked(path, evidence)
        secret = (path / "secret").read_bytes()
    except FileNotFoundError as error:
        raise CacheError(f"cache store {path}: {error.filename} is not there; open it once for writing") from error
    except OSError as error:
        raise CacheError(f"cache store {path} cannot be opened: {error}") from error
    if len(secret) != 32:
        raise CacheError(f"cache store {path}: `secret` holds {len(secret)} bytes, expected 32; remove the store")
    return path, size_bytes, secret


def listed(root: Path) -> list[Store]:
    """Every store under `root`, the one opened last first."""
    found = []
    for manifest in root.glob("[0-9a-f]*/manifest.json"):
        try:
            used = datetime.fromtimestamp(manifest.stat().st_mtime, UTC)
            evidence = dict(json.loads(manifest.read_text("utf-8"))["evidence"])
        except FileNotFoundError:
            continue  # removed since the glob
        except (OSError, ValueError, KeyError, TypeError):
            evidence = {}
        path = manifest.parent
        found.append(Store(path, path.name, evidence, bytes_on_disk(path), used))
    return sorted(found, key=lambda store: store.used, reverse=True)


def removed(store: Store) -> None:
    """Delete a store. A process that has it open goes on with the deleted files and is not disturbed."""
    try:
        # Moved first: a removal cut short leaves nothing that looks like a store.
        gone = Path(tempfile.mkdtemp(prefix=".gone-", dir=store.path.parent))
        store.path.rename(gone / store.fingerprint)
        shutil.rmtree(gone)
    except OSError as error:
        raise CacheError(f"cache store {store.path} cannot be removed: {error}") from error


def trimmed(root: Path, own: Path, root_bytes: int) -> None:
    """Mark `own` as opened now, remove stores opened longest ago until all fit, sweep away cut-short drafts."""
    try:
        os.utime(own / "manifest.json")
        stores = listed(root)
        total = sum(store.bytes_on_disk for store in stores)
        for store in reversed(stores):
            if total > root_bytes and store.path != own:
                _log.info("cache: removing store %s, opened last on %s", store.path, store.used.date())
                removed(store)
                total -= store.bytes_on_disk
        day_ago = datetime.now(UTC).timestamp() - 86400
        for left in chain(root.glob(".new-*"), root.glob(".gone-*")):
            if left.stat().st_mtime < day_ago:
                shutil.rmtree(left, ignore_errors=True)
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
    draft = Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))
    made = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = {"format": FORMAT, "size_bytes": size_bytes, "created": made, "evidence": dict(evidence)}
    (draft / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True), "utf-8")
    with os.fdopen(os.open(draft / "secret", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(secrets.token_bytes(32))
    try:
        draft.rename(path)
    except OSError:
        shutil.rmtree(draft)
        if not path.exists():
            raise
        # Another process was first: its store is as good.


def _checked(path: Path, evidence: Mapping[str, str]) -> int:
    """The size in the manifest, or CacheError where that is not of this format or not of this model."""
    try:
        manifest = json.loads((path / "manifest.json").read_text("utf-8"))
        format_, size_bytes, parts = manifest["format"], int(manifest["size_bytes"]), dict(manifest["evidence"])
    except (ValueError, KeyError, TypeError) as error:
        raise CacheError(f"cache store {path}: manifest.json is broken ({error!r}); remove the store") from error
    if format_ != FORMAT:
        raise CacheError(f"cache store {path} has format {format_}, this release reads {FORMAT}; remove the store")
    wrong = [
        f"  {part}: expected {evidence.get(part)!r}, found {parts.get(part)!r}"
        for part in sorted(parts.keys() | evidence.keys())
        if parts.get(part) != evidence.get(part)
    ]
    if wrong:
        raise CacheError(f"cache store {path} is of another model; remove the store\n" + "\n".join(wrong))
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
