"""`tierbreak model`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tierbreak import cli

MODEL = Path(__file__).parents[2] / "models" / "us-brands"
HEADER = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since\n"

needs_training = pytest.mark.skipif(not find_spec("onnx") or not find_spec("safetensors"), reason="no extra `train`")


def test_check_says_what_it_found(run):
    code, out, err = run("model", "check", MODEL)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{MODEL}: passes its gate"
    assert [line.split("  ")[1] for line in lines[1:]] == ["labels", "golden strings", "policy", "size", "fingerprint"]


def test_check_counts_what_the_registry_masks(run, tmp_path):
    (tmp_path / "brands.csv").write_text(
        f"{HEADER}netflix,Netflix,streaming,,,,,retired,,\nhulu,Hulu,streaming,,,,,retired,lyft,\n"
    )
    before = run("model", "check", MODEL).out.splitlines()[1].split()
    after = run("model", "check", MODEL, "--overlay", tmp_path).out.splitlines()[1].split()
    redirected, masked = before.index("redirected") - 1, before.index("masked") - 1
    assert int(after[redirected]) == int(before[redirected]) + 1
    assert int(after[masked]) == int(before[masked]) + 1


def test_check_refuses(run, tmp_path):
    code, out, err = run("model", "check", tmp_path)
    assert (code, out) == (5, "")
    assert "error[M001]" in err


def test_bundle_looks_at_the_weights_too(tmp_path, rules, capsys):
    """Loading does not: another file of the same length would be packed."""
    model = tmp_path / "model"
    model.mkdir()
    for file in MODEL.iterdir():
        (model / file.name).symlink_to(file)
    (model / "weights.safetensors").unlink()
    with (model / "weights.safetensors").open("wb") as other:
        other.truncate((MODEL / "weights.safetensors").stat().st_size)
    given = ["bundle", tmp_path / "out", "--rules", rules, "--model", model]
    assert cli.run([str(argument) for argument in given]) == 5
    assert "weights.safetensors: error[M003]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@needs_training
def test_add_brand(run, tmp_path, monkeypatch):
    from encoders import POLICY, pairs, source
    from tierbreak.tools.models.training import growth
    from tierbreak.tools.models.training.folder import write

    monkeypatch.setattr(growth, "LENGTH", 1.0)  # an encoder that was never trained has cosines near 1 everywhere

    labels = [f"{a}-{b}" for a in ("alpha", "bravo", "delta", "echo") for b in ("mart", "shop", "inn", "foods", "cars")]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "brands.csv").write_text(
        HEADER + "".join(f"{id},{id},grocery,,,,,active,,\n" for id in (*labels, "zulu-telecom"))
    )
    write(tmp_path / "model", source(labels), POLICY, pairs(labels))
    (tmp_path / "more").write_text("ZULU MOBIL\n")
    given = ["model", "add-brand", "zulu-telecom", "--overlay", tmp_path / "mine", "--model", tmp_path / "model"]
    code, out, err = run(*given, "--out", tmp_path / "out", "--example", "ZTEL", "--examples", tmp_path / "more")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{tmp_path / 'out'}: zulu-telecom: prototypes of 4 keys: ZULU-TELECOM, ZL-TLCM, ZTEL, ZULU MOBIL",
        "its own name is answered",
        "0 of 23 held-out answers change (0.00%; refused from 0.1%)",
    ]
    (tmp_path / "mine.txt").write_text("ZTEL\n")
    code, out, err = run(*given, "--out", tmp_path / "other", "--example", "ZTEL", "--held-out", tmp_path / "mine.txt")
    assert (code, out) == (5, "")
    assert "leave that example out" in err
    assert not (tmp_path / "other").exists()


def test_add_brand_without_the_extra_says_what_to_install(run, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tierbreak.tools.models.training.growth", None)
    code, _, err = run("model", "add-brand", "x", "--out", tmp_path / "out")
    assert code == 2
    assert "pip install 'tierbreak[train]'" in err
