"""The script that records a comparison runs through, on rows counted by hand."""

from __future__ import annotations

import json
import sys

import pytest

from bench import migration
from tools.compare import thirty


def test_several_comparisons_stand_in_one_record(tmp_path, monkeypatch):
    thirty.files(tmp_path)
    files = [str(tmp_path / name) for name in ("old.csv", "new.csv", "october.csv")]
    rows = [(tmp_path / name).read_text().splitlines() for name in ("old.csv", "new.csv")]
    for name, (header, *lines) in zip(("old.csv", "new.csv"), rows, strict=True):  # in the order of the traffic
        ordered = sorted(lines, key=lambda line: int(line.split(",")[0][1:]))
        (tmp_path / name).write_text("\n".join([header, *ordered]) + "\n")
    out = tmp_path / "record.json"
    for name in ("first", "second"):
        given = ["migration", name, *files, "--gold", str(tmp_path / "gold.tsv"), "--out", str(out)]
        monkeypatch.setattr(sys, "argv", given)
        migration.main()
    found = json.loads(out.read_text())["figures"]
    assert list(found) == ["first", "second"]
    assert found["first"]["rows"] == 30
    assert found["first"]["agreement"]["rows"] == pytest.approx(16 / 30)
    # Of 18 distinct descriptors the old side is right on eight: netflix, uber, x, the shell and the target that are
    # such, spotify, and the two that neither names; the new one on all.
    right = found["first"]["gold"]["right"]
    assert (right["old"]["part"], right["new"]["part"]) == (8, 18)
