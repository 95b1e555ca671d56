"""Files and folders appear whole or not at all, and nothing half-made is left."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tierbreak.files import atomic


@pytest.fixture
def umask():
    """Set the umask of this process; the one before comes back."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def fill(block, error):
    """Write something, then fail."""
    with block as made:
        if isinstance(made, Path):
            (made / "a.txt").write_text("new")
        else:
            made.write(b"new")
        raise error


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_when_the_block_is_left(tmp_path):
    with atomic.writing(tmp_path / "a.txt") as file:
        file.write(b"new")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_error_leaves_what_stood_there(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(error):
        fill(atomic.writing(tmp_path / "a.txt"), error)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_disk_that_is_full_leaves_nothing_and_says_so(tmp_path, monkeypatch):
    """The last buffer is written by `flush`, and again by `close` when it failed there."""

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), atomic.writing(tmp_path / "a.txt", sync=True) as file:
        file.write(b"new")
    assert names(tmp_path) == []


LIMITED = """
import resource, signal, sys
from pathlib import Path
from tierbreak.files import atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with atomic.writing(Path(sys.argv[1])) as file:
        file.write(b"x" * 2000)
except OSError as error:
    print(error.strerror)
"""


def test_a_close_that_fails_as_the_flush_did_hides_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "a.txt"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("File too large\n", "")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("mask", "asked", "got"), [(0o022, 0o666, 0o644), (0o027, 0o666, 0o640), (0o022, 0o600, 0o600), (0, 0o640, 0o640)]
)
def test_permissions_are_those_asked_for_less_the_umask(tmp_path, umask, mask, asked, got):
    umask(mask)
    atomic.write(tmp_path / "a.txt", b"", asked)
    assert mode(tmp_path / "a.txt") == got


def test_permissions_of_a_file_that_is_replaced_stay(tmp_path, umask):
    (tmp_path / "a.txt").touch()
    for kept in (0o666, 0o600, 0o400):
        (tmp_path / "a.txt").chmod(kept)
        atomic.write(tmp_path / "a.txt", "new", 0o640)
        assert mode(tmp_path / "a.txt") == kept


def test_the_umask_is_never_touched(tmp_path, monkeypatch):
    """It belongs to the whole process: another thread's files would be made with it."""
    monkeypatch.delattr(os, "umask")
    (tmp_path / "a.txt").touch()
    for _ in range(2):
        atomic.write(tmp_path / "a.txt", b"")
    with atomic.folder(tmp_path / "new"):
        pass


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "日" * 85])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, name):
    atomic.write(tmp_path / name, "new")
    assert names(tmp_path) == [name]


def test_a_link_stays_a_link_to_what_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/a.txt")
    atomic.write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a.txt").read_text() == "new"


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    for write in (atomic.writing, atomic.folder):
        with pytest.raises(OSError, match="symbolic links"), write(tmp_path / "one"):
            pass
    assert names(tmp_path) == ["one", "two"]


def test_a_folder_is_not_written_over(tmp_path):
    with pytest.raises(IsADirectoryError):
        atomic.write(tmp_path, "new")


def test_a_pipe_is_written_to_as_it_stands(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    atomic.write(tmp_path / "pipe", "new")
    reader.join()
    assert read == [b"new"]
    assert names(tmp_path) == ["pipe"]


KILLED = """
import os, sys
from pathlib import Path
from tierbreak.files import atomic
with atomic.writing(Path(sys.argv[1]) / "a.txt") as file, atomic.scratch(Path(sys.argv[1])) as folder:
    file.write(b"NETFLIX")
    (folder / "part").write_text("NETFLIX")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of writing into the folder."""
    command = [sys.executable, "-c", KILLED, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_what_a_killed_process_left_goes_with_the_next_write_beside_it(tmp_path, writer):
    assert len(names(tmp_path)) == 2
    writer.kill()
    writer.wait()
    (tmp_path / ".kept.tierbreak-tmp").touch()  # not one of ours
    atomic.write(tmp_path / "b.txt", "new")
    assert names(tmp_path) == [".kept.tierbreak-tmp", "b.txt"]


def test_what_another_process_is_writing_is_left_alone(tmp_path, writer):
    atomic.write(tmp_path / "b.txt", "new")
    assert len(names(tmp_path)) == 3
    writer.stdin.close()
    writer.wait()
    assert names(tmp_path) == ["a.txt", "b.txt"]


def test_what_this_process_is_writing_is_left_alone(tmp_path):
    with atomic.writing(tmp_path / "a.txt"), atomic.scratch(tmp_path) as folder:
        atomic._sweep.cache_clear()
        atomic.write(tmp_path / "b.txt", "new")
        assert folder.is_dir()
    assert names(tmp_path) == ["a.txt", "b.txt"]


def test_a_file_swept_before_it_was_locked_is_made_once_more(tmp_path, monkeypatch):
    real, seen = atomic.fcntl.flock, []

    def swept(handle, operation):
        if not seen:
            seen.extend(tmp_path.iterdir())
            seen[0].unlink()
        real(handle, operation)

    monkeypatch.setattr(atomic.fcntl, "flock", swept)
    atomic.write(tmp_path / "a.txt", "new")
    assert names(tmp_path) == ["a.txt"]


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from tierbreak.files import atomic
real = atomic._remove
def interrupted(path):
    atomic._remove = real
    signal.raise_signal(signal.SIGINT)
atomic._remove = interrupted
with atomic.writing(Path(sys.argv[1]) / "a.txt") as file:
    raise ValueError
"""


def test_a_second_signal_while_the_first_is_tidied_up_leaves_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, tmp_path], capture_output=True, check=False)
    assert done.returncode == -signal.SIGINT
    assert names(tmp_path) == []


def test_a_folder_appears_whole(tmp_path, umask):
    with atomic.folder(tmp_path / "new") as whole:
        (whole / "a.txt").write_text("a")
        assert not (tmp_path / "new").exists()
    assert names(tmp_path) == ["new"]
    assert names(tmp_path / "new") == ["a.txt"]
    assert mode(tmp_path / "new") == 0o755


def test_a_folder_that_is_not_finished_never_appears(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fill(atomic.folder(tmp_path / "new"), KeyboardInterrupt)
    assert names(tmp_path) == []


def test_a_folder_that_another_process_made_meanwhile_stays(tmp_path):
    block = atomic.folder(tmp_path / "new")
    (block.__enter__() / "a.txt").write_text("ours")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.txt").write_text("theirs")
    with pytest.raises(FileExistsError):
        block.__exit__(None, None, None)
    assert (tmp_path / "new" / "a.txt").read_text() == "theirs"
    assert names(tmp_path) == ["new"]


def test_a_folder_may_take_the_place_of_another(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "old.txt").touch()
    with atomic.folder(tmp_path / "new", replace=True) as whole:
        (whole / "a.txt").touch()
    assert names(tmp_path / "new") == ["a.txt"]
    assert names(tmp_path) == ["new"]


def test_a_folder_that_cannot_be_replaced_comes_back(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "old.txt").touch()
    with pytest.raises(FileNotFoundError), atomic.folder(tmp_path / "new", replace=True) as whole:
        whole.rmdir()
    assert names(tmp_path / "new") == ["old.txt"]
    assert names(tmp_path) == ["new"]


def test_a_folder_that_is_swept_before_it_is_opened_is_made_again(tmp_path, monkeypatch):
    make, tries = atomic._new_folder, []

    def swept_once(path):
        tries.append(path)
        if len(tries) > 1:
            return make(path)
        path.mkdir()
        path.rmdir()  # as another process does that finds no lock on it
        return os.open(path, os.O_RDONLY)

    monkeypatch.setattr(atomic, "_new_folder", swept_once)
    with atomic.folder(tmp_path / "whole") as folder:
        (folder / "part").touch()
    assert (tmp_path / "whole" / "part").exists()
    assert len(tries) == 2
    with pytest.raises(FileNotFoundError), atomic.scratch(tmp_path / "no" / "such"):
        pass
