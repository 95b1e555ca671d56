"""What a stranger installs: the wheel, in a fresh venv, from another folder."""

import json
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def run(*command, cwd=ROOT):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_carries_the_bundle_and_nothing_foreign(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "rules/brands.csv",
        "rules/common.yaml",
        "models/us-brands/model.onnx",
        "models/us-brands/labels.json",
    ):
        assert f"tierbreak/shipped/{needed}" in names
    tops = {name.partition("/")[0].split("-")[0] for name in names}
    assert tops == {"tierbreak"}
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]


def needed(distribution):
    """The distributions that one needs to run, without extras, as they are installed here."""
    found, ahead = {}, [distribution]
    while ahead:
        for each in map(Requirement, ahead.pop().requires or ()):
            name = canonicalize_name(each.name)
            if name not in found and (each.marker is None or each.marker.evaluate({"extra": ""})):
                found[name] = metadata.distribution(name)
                ahead.append(found[name])
    return found.values()


def test_a_fresh_venv_explains_from_the_root_folder(wheel, tmp_path):
    """In it lies what the wheel names as its needs, and nothing else. Linked, as to install it takes minutes."""
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    run(sys.executable, "-m", "pip", "--python", venv, "install", "--quiet", "--no-deps", wheel)
    (site,) = venv.glob("lib/python*/site-packages")
    (installed,) = metadata.distributions(path=[str(site)])
    for distribution in needed(installed):
        for top in {path.parts[0] for path in distribution.files or ()} - {"..", "__pycache__"}:
            (site / top).symlink_to(distribution.locate_file(top))
    out = run(venv / "bin" / "tierbreak", "explain", "NETFLIX.COM 866-579-7172 CA", "--json", "--no-cache", cwd="/")
    explained = json.loads(out)
    assert explained["decision"]["brand"] == "netflix"
    assert explained["decision"]["tier"] == "rules"
    assert set(explained["fingerprints"]) == {"registry", "rulebook", "normaliser", "model", "policy", "all"}
