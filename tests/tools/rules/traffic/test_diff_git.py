"""A and B as folders and as git revisions: what each name stands for, and what is said where it stands for nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tierbreak.errors import BundleError, RulebookError, SettingsError
from tierbreak.tools.rules.traffic.diff import Compared, changes
from tools.rules.traffic.books import AFTER, BEFORE, HEAD, ship, write

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Three commits: before (tag `v1`), after, and one in which the folder moves; then an edit nobody committed."""
    top = tmp_path_factory.mktemp("repository")
    git(top, "init", "--quiet", "--initial-branch=main")
    rules = write(top / "bank" / "rules", BEFORE)
    git(top, "add", ".")
    git(top, "commit", "-qm", "before")
    git(top, "tag", "v1")
    for path in rules.rglob("*.yaml"):
        path.unlink()
    write(rules, AFTER)
    git(top, "add", ".")
    git(top, "commit", "-qm", "after")
    git(top, "mv", "bank/rules", "bank/book")
    git(top, "commit", "-qm", "moved")
    (top / "bank" / "book" / "gift.yaml").unlink()
    return top


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    return ship(monkeypatch, tmp_path / "shipped")


@pytest.fixture
def book(repository):
    return Compared(rules=repository / "bank" / "book", model=None)


def ids(version) -> set[str]:
    return {rule.id for rule in version.book.rules}


OLD = {"uber.trip", "uber-eats.name", "lyft.name", "starbucks.store", "netflix.name"}
NEW = {"uber.trip", "lyft.ride", "lyft.not-lyfter", "starbucks.store", "netflix.name", "spotify.name", "none.gift"}


def test_a_revision_is_one_of_the_compared_folder(book, tmp_path):
    version = book.version("HEAD", tmp_path)
    assert (version.name, ids(version)) == ("HEAD:bank/book", NEW)
    assert ids(book.version(None, tmp_path / "b")) == NEW - {"none.gift"}


def test_a_revision_with_a_path_is_that_folder(book, tmp_path, repository, monkeypatch):
    assert ids(book.version("v1:bank/rules", tmp_path / "a")) == OLD
    assert ids(book.version("HEAD~1:bank/rules/", tmp_path / "b")) == NEW
    monkeypatch.chdir(repository / "bank")  # git reads ./ from where one stands
    version = book.version("main~2:./rules", tmp_path / "c")
    assert (version.name, ids(version)) == ("main~2:bank/rules", OLD)


def test_a_folder_is_taken_as_it_lies(book, tmp_path):
    write(tmp_path / "other", BEFORE)
    assert ids(book.version(str(tmp_path / "other"), tmp_path / "x")) == OLD


def test_places_are_those_of_the_repository(book, tmp_path):
    old, new = (book.version(name, tmp_path / side) for side, name in (("a", "v1:bank/rules"), ("b", "HEAD")))
    places = {change.id: change.place for change in changes(old, new).rules}
    assert places["uber-eats.name"] == "bank/rules/eats.yaml:5"
    assert places["spotify.name"] == "bank/book/media/spotify.yaml:5"


def test_a_moved_folder_changes_nothing(book, tmp_path):
    old, new = (book.version(name, tmp_path / side) for side, name in (("a", "HEAD~1:bank/rules"), ("b", "HEAD")))
    assert changes(old, new).nothing


def test_with_an_overlay_the_overlay_is_compared(repository, tmp_path):
    base = write(tmp_path / "base", {"shell.yaml": BEFORE["netflix.yaml"].replace("netflix", "shell")})
    overlay = Compared(rules=base, overlay=repository / "bank" / "book", model=None)
    assert ids(overlay.version("HEAD", tmp_path / "a")) == NEW | {"shell.name"}
    assert ids(overlay.version("v1:bank/rules", tmp_path / "b")) == OLD | {"shell.name"}


ACME = HEAD + "acme,Acme,software,,,,,active,,\n"


def test_of_another_folder_the_registry_is_laid_over_the_shipped_one(repository, tmp_path):
    write(tmp_path / "own", BEFORE, ACME)
    git(tmp_path, "init", "--quiet", "own")
    git(tmp_path / "own", "add", ".")
    git(tmp_path / "own", "commit", "-qm", "own")
    own = Compared(rules=tmp_path / "own", model=None)
    for given in ("HEAD", None, str(tmp_path / "own")):
        version = own.version(given, tmp_path / "x")
        assert {"acme", "shell"} < set(version.registry.ids), given


def test_of_the_shipped_folder_the_registry_is_the_whole(shipped, tmp_path):
    """Its revisions too: a brand that came later was not there before."""
    write(shipped, {"acme.yaml": BEFORE["netflix.yaml"].replace("netflix", "acme")}, ACME)
    git(shipped, "init", "--quiet")
    git(shipped, "add", ".")
    git(shipped, "commit", "-qm", "first")
    write(shipped, BEFORE)
    (shipped / "acme.yaml").unlink()
    old, new = (Compared(model=None).version(name, tmp_path / side) for side, name in (("a", "HEAD"), ("b", None)))
    assert (old.registry.ids, len(new.registry)) == (("acme",), 15)
    assert [brand.id for brand in changes(old, new).brands if brand.kind == "removed"] == ["acme"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("v11", "v11: neither a folder nor a git revision in .*\n  nearest: v1"),
        ("HAED", "nearest: HEAD"),
        ("HEAD~9", "HEAD~9: neither a folder nor a git revision"),
        ("v1", "v1: there is no folder 'bank/book' at v1\n  fix: say where it was: v1:path/to/rules"),
        ("v1:bank/nowhere", "there is no folder 'bank/nowhere' at v1"),
        ("v1:bank/rules/uber.yaml", "there is no folder 'bank/rules/uber.yaml' at v1"),
        (":bank/rules", "neither a folder nor a git revision"),
        ("--all", "neither a folder nor a git revision"),
    ],
)
def test_what_stands_for_nothing(book, tmp_path, repository, given, says, monkeypatch):
    monkeypatch.chdir(repository)
    with pytest.raises(SettingsError, match=says) as error:
        book.version(given, tmp_path)
    assert error.value.exit_code == 2


def test_outside_of_git(tmp_path):
    write(tmp_path / "rules", BEFORE)
    with pytest.raises(
        SettingsError, match=r"HEAD: no such folder, and .*rules is under no git that answers: fatal: not a"
    ):
        Compared(rules=tmp_path / "rules", model=None).version("HEAD", tmp_path / "x")
    with pytest.raises(BundleError, match="nowhere: no such folder"):
        Compared(rules=tmp_path / "nowhere", model=None).version("HEAD", tmp_path / "x")


def test_in_a_hook_the_folder_counts_and_not_the_environment(book, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    assert ids(book.version("HEAD", tmp_path)) == NEW


def test_a_revision_that_does_not_load_says_which(tmp_path):
    top = tmp_path / "top"
    write(top / "rules", {"bad.yaml": "brand: nobody-knows\nowner: x\nrules:\n  - {id: a.b, match: [{words: X}]}\n"})
    git(tmp_path, "init", "--quiet", str(top))
    git(top, "add", ".")
    git(top, "commit", "-qm", "bad")
    with pytest.raises(RulebookError) as error:
        Compared(rules=top / "rules", model=None).version("HEAD", tmp_path / "x")
    assert str(error.value).endswith("HEAD:rules does not load")
    assert "R012" in str(error.value)


def test_a_link_is_not_followed(tmp_path):
    top = tmp_path / "top"
    write(top / "rules", BEFORE)
    (top / "rules" / "link.yaml").symlink_to("uber.yaml")
    git(tmp_path, "init", "--quiet", str(top))
    git(top, "add", ".")
    git(top, "commit", "-qm", "link")
    with pytest.raises(BundleError, match=r"HEAD:rules: link.yaml is a symbolic link"):
        Compared(rules=top / "rules", model=None).version("HEAD", tmp_path / "x")


def test_a_folder_without_rules(repository, book, tmp_path, monkeypatch):
    monkeypatch.chdir(repository)
    git(repository, "commit", "--allow-empty", "-qm", "empty")
    (repository / "notes").mkdir()
    (repository / "notes" / "a.txt").write_text("x")
    git(repository, "add", "notes")
    git(repository, "commit", "-qm", "notes")
    with pytest.raises(BundleError, match="HEAD:notes: no rule file there"):
        book.version("HEAD:notes", tmp_path)
    with pytest.raises(BundleError, match="notes: no rule file there"):
        book.version("notes", tmp_path)
