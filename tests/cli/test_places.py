"""Files that a command writes beside what it prints."""

import stat

import pytest

from tierbreak.cli import places
from tierbreak.errors import InputError


def test_a_new_report_is_for_its_owner_alone_and_an_old_one_keeps_its_permissions(tmp_path):
    """It holds descriptors."""
    report = tmp_path / "report.html"
    places.write(report, "new")
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    report.chmod(0o640)
    places.write(report, "newer")
    assert (stat.S_IMODE(report.stat().st_mode), report.read_text()) == (0o640, "newer")


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "report.html").symlink_to("report.html")
    places.check([tmp_path / "report.html"], {tmp_path / "gold.tsv": "is the gold set"})
    with pytest.raises(InputError, match="cannot be written: Too many levels of symbolic links"):
        places.write(tmp_path / "report.html", "new")


def test_two_options_may_not_name_one_file(tmp_path):
    with pytest.raises(InputError, match="is written by another option of this command"):
        places.check([tmp_path / "a", tmp_path / "." / "a"], {})
