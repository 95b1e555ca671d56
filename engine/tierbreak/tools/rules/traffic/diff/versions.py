"""The two rulebooks that are compared: a folder as it lies there, or as it was at a git revision.

Of a revision the rule files and brands.csv are taken from the object store as they were committed; nothing is checked
out, and the working tree stays as it is.
"""

from __future__ import annotations

import difflib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tierbreak.bundle import REGISTRY, SHIPPED, Bundle, Default, shipped
from tierbreak.errors import BundleError, SettingsError
from tierbreak.registry import Registry
from tierbreak.rulebook import Place, Rulebook
from tierbreak.rulebook.files import listed

_SUFFIXES = (".yaml", ".yml")
_LINK = b"120000"


@dataclass(frozen=True)
class Version:
    """A rulebook folder at one time.

    name     what a person calls it: `HEAD~1:rules`, `rules`
    folder   where its files lie
    shown    what stands in front of its files' names in a report
    bundle   with the registries that go with it, and the model that is asked
    """

    name: str
    folder: Path
    shown: str
    bundle: Bundle
    registry: Registry
    book: Rulebook

    @classmethod
    def load(cls, name: str, folder: Path, shown: str, bundle: Bundle, keep: Path | None) -> Version:
        """Read registry and rules. Raises RegistryError or RulebookError that says of which version it speaks."""
        try:
            registry = Registry.load(*bundle.registries)
            book = Rulebook.load(bundle.rules, frozenset(registry.ids), keep=keep)
        except BundleError as error:
            raise type(error)(f"{name} does not load", error.faults) from None
        return cls(name, folder, shown, bundle, registry, book)

    def place(self, place: Place) -> str:
        """Where something stands, as a person finds it again."""
        try:
            path = Path(self.shown) / Path(place.path).relative_to(self.folder)
        except ValueError:  # in a folder that both versions share
            path = Path(place.path)
        return f"{path}:{place.line}"


@dataclass(frozen=True)
class Compared:
    """Which folder is looked at in two versions, and what lies beside it in both.

    rules     in place of the shipped ones, as for an engine
    overlay   beside the rules; where there is one, it is the folder that is compared
    model     the model's folder, or None
    """

    rules: Path | Default = SHIPPED
    overlay: Path | None = None
    model: Path | Default | None = SHIPPED

    @property
    def folder(self) -> Path:
        """The folder that A and B are versions of."""
        if self.overlay is not None:
            return self.overlay
        return shipped() / "rules" if isinstance(self.rules, Default) else self.rules

    def version(self, given: str | None, into: Path, keep: Path | None = None) -> Version:
        """One version of the folder.

        given   None for the folder as it lies; a folder; or a git revision: `HEAD~1`, `main`, `v1.2:path`
        into    an empty folder, where the files of a revision are put
        keep    folder for rulebooks that were read before; None keeps none

        Raises SettingsError where `given` is neither folder nor revision.
        """
        if not self.folder.is_dir():
            raise BundleError(f"{self.folder}: no such folder")
        if given is None or Path(given).is_dir():
            folder = self.folder if given is None else Path(given)
            if not listed(folder)[0] and not (folder / REGISTRY).is_file():
                raise BundleError(_nothing(_named(folder)))
            own = folder.resolve() == self.folder.resolve()
            return Version.load(_named(folder), folder, _named(folder), self._bundle(folder, own=own), keep)
        revision = Revision.find(given, self.folder)
        folder = into / revision.tree[:16]
        revision.extract(folder)
        # Not kept: what is kept is found again by its folder, and this one is gone when the comparison is done.
        return Version.load(revision.name, folder, revision.path, self._bundle(folder, own=revision.own), None)

    def _bundle(self, folder: Path, *, own: bool) -> Bundle:
        if self.overlay is not None:
            return Bundle.find(rules=self.rules, overlay=folder, model=self.model)
        if own and isinstance(self.rules, Default):
            # The shipped folder's brands.csv is the whole registry; that of any other folder is laid over it.
            base = Bundle.find(model=self.model)
            return Bundle((folder,), (folder / REGISTRY,), base.model, {})
        return Bundle.find(rules=folder, model=self.model)


def _nothing(name: str) -> str:
    return f"{name}: no rule file there; expected a folder of YAML files, or a {REGISTRY}"


def _named(folder: Path) -> str:
    """As short as may be: below the working folder its name from there."""
    try:
        return str(folder.resolve().relative_to(Path.cwd())) if folder.is_absolute() else str(folder)
    except ValueError:
        return str(folder)


@dataclass(frozen=True)
class Revision:
    """A folder in git's object store.

    name     as a person says it: `HEAD~1:rules`
    tree     the folder's tree, in hex
    path     the folder's path in the repository; "." for its top
    own      it is the compared folder itself, not another one of the repository
    where    a folder in the repository
    """

    name: str
    tree: str
    path: str
    own: bool
    where: Path

    @classmethod
    def find(cls, given: str, folder: Path) -> Revision:
        """A revision of `folder`, or of the path that `given` names behind a colon, as git reads it.

        Raises SettingsError where there is no such thing.
        """
        revision, colon, path = given.partition(":")
        # A path is one of the repository that the folder lies in; `./path` is read from where one stands.
        here = path.startswith(("./", "../")) or (colon and not _asked(*_TOP, where=folder))
        where = Path.cwd() if here else folder
        top, refused = _git(*_TOP, where=where)
        if refused:
            raise SettingsError(
                f"{given}: no such folder, and {where} is under no git that answers: {refused}\n"
                "  fix: name two folders, or with --rules DIR a folder that is under git"
            )
        wanted = f"{revision}^{{commit}}"
        if not revision or revision.startswith("-") or not _asked("rev-parse", "--verify", wanted, where=where):
            raise SettingsError(_no_revision(given, where))
        prefix = _asked("rev-parse", "--show-prefix", where=folder).rstrip("/")
        path = path.rstrip("/") if colon else prefix
        tree = _asked("rev-parse", "--verify", f"{revision}:{path}", where=where)
        if not tree or _asked("cat-file", "-t", tree, where=where) != "tree":
            raise SettingsError(
                f"{given}: there is no folder {path!r} at {revision}\n  fix: say where it was: {revision}:path/to/rules"
            )
        if path.startswith(("./", "../")):
            path = os.path.relpath(Path(path).absolute(), top.decode().strip())
        same = _asked(*_TOP, where=folder) == top.decode().strip() and path == prefix
        return cls(f"{revision}:{path}" if path else revision, tree, path or ".", same, where)

    def extract(self, into: Path) -> None:
        """Put the rule files and brands.csv into a folder that is not there yet.

        Raises BundleError where one of them is a link: what it points at is not part of the revision.
        """
        listed = _told("ls-tree", "-r", "-z", "--full-tree", self.tree, where=self.where)
        wanted: list[tuple[str, Path]] = []
        for entry in listed.split(b"\0"):
            about, _, raw = entry.partition(b"\t")
            name = raw.decode(errors="surrogateescape")
            if not name.endswith(_SUFFIXES) and name != REGISTRY:
                continue
            mode, _, digest = about.split(b" ")
            if mode == _LINK:
                raise BundleError(f"{self.name}: {name} is a symbolic link\n  fix: name a folder instead of a revision")
            wanted.append((digest.decode(), into / name))
        into.mkdir(parents=True)
        if not wanted:
            raise BundleError(_nothing(self.name))
        for (_, path), content in zip(wanted, self._contents([digest for digest, _ in wanted]), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def _contents(self, digests: list[str]) -> list[bytes]:
        told = _told("cat-file", "--batch", where=self.where, given="\n".join(digests).encode() + b"\n")
        out, at = [], 0
        for _ in digests:
            end = told.index(b"\n", at)
            size = int(told[at:end].split(b" ")[2])
            out.append(told[end + 1 : end + 1 + size])
            at = end + 1 + size + 1
        return out


def _no_revision(given: str, where: Path) -> str:
    refs = _asked("for-each-ref", "--format=%(refname:short)", where=where).split()
    near = difflib.get_close_matches(given.partition(":")[0], ["HEAD", *refs], n=3)
    lines = [f"{given}: neither a folder nor a git revision in {where}"]
    lines += [f"  nearest: {', '.join(near)}"] if near else []
    if _asked("rev-parse", "--is-shallow-repository", where=where) == "true":
        lines.append("  the clone is shallow: fetch more of its history (git fetch --unshallow)")
    return "\n".join(lines)


_TOP = ("rev-parse", "--show-toplevel")
#: What a hook's environment says of the repository it runs for: where a folder is named, that one counts.
_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


def _asked(*arguments: str, where: Path) -> str:
    """What git says; empty where it refuses."""
    return _git(*arguments, where=where)[0].decode(errors="surrogateescape").strip()


def _told(*arguments: str, where: Path, given: bytes = b"") -> bytes:
    """What git says, which it does not refuse unless the repository is broken."""
    told, refused = _git(*arguments, where=where, given=given)
    if refused:
        raise BundleError(f"git {arguments[0]} fails in {where}: {refused}")
    return told


def _git(*arguments: str, where: Path, given: bytes = b"") -> tuple[bytes, str]:
    """Standard output, and why git refuses; one of the two is empty."""
    environment = {name: value for name, value in os.environ.items() if name not in _HOOK}
    try:
        ran = subprocess.run(
            ["git", "-C", str(where), *arguments], input=given, capture_output=True, check=False, env=environment
        )
    except FileNotFoundError:
        raise SettingsError("git is not installed; name two folders") from None
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip().splitlines()
        return b"", said[0] if said else f"exit code {ran.returncode}"
    return ran.stdout, ""
