"""The benchmarks that are scripts of their own run through, on a model of chance; no time is asserted."""

from __future__ import annotations

import json
import sys

import pytest

import twins

torch = pytest.importorskip("torch", reason="torch is not installed: extra `train`")
pytest.importorskip("onnx", reason="onnx is not installed: extra `train`")
pytest.importorskip("transformers", reason="transformers is not installed: extra `train`")

from bench import gpu, pipeline  # noqa: E402


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A model's folder, and a file of descriptors for it: each brand by its own name."""
    folder = tmp_path_factory.mktemp("asked")
    twins.write_folder(folder / "model")
    lines = [brand.replace("-", " ").upper() for brand in twins.BRANDS]
    (folder / "descriptors.txt").write_text("\n".join(lines) + "\n")
    return ["--folder", str(folder / "model"), "--keys", str(folder / "descriptors.txt")]


def run(script, monkeypatch, *given):
    monkeypatch.setattr(sys, "argv", ["script", *given])
    threads = torch.get_num_threads()
    try:
        script.main()
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_nothing_is_measured(asked, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(gpu, monkeypatch, *asked)
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert said.err.startswith("nothing measured: device 'cuda' was asked for, but torch ")
    assert said.out == ""


def test_gpu_on_the_cpu(asked, monkeypatch, tmp_path):
    out = tmp_path / "gpu.json"
    few = ["--count", "30", "--compare", "8", "--batch-tokens", "64", "--repeat", "1", "--threads", "1"]
    run(gpu, monkeypatch, *asked, "--device", "cpu", *few, "--out", str(out))
    figures = json.loads(out.read_text())["figures"]
    assert (figures["device"], figures["keys"], figures["distinct keys"]) == ("cpu", 30, len(twins.BRANDS))
    assert figures["answers"]["float32"]["same_best_brand"] == 1.0
    assert figures["peak FLOP/s, bfloat16"] is None
    assert figures["bytes a second, host to device"] is None
    assert figures["model"]["prototypes"] == 3 * len(twins.BRANDS) + 2 * 2


def test_pipeline(asked, monkeypatch, tmp_path):
    out = tmp_path / "pipeline.json"
    run(pipeline, monkeypatch, *asked, "--sizes", "8", "--repeat", "1", "--threads", "1", "--out", str(out))
    figures = json.loads(out.read_text())["figures"]
    assert figures["keys"] == len(twins.BRANDS)
    assert figures["same_best_brand"].keys() == {"as they come", "by length"}
    assert min(figures["same_best_brand"].values()) >= pipeline.AGREE


def test_a_rival_that_answers_otherwise_is_not_timed(asked, monkeypatch, tmp_path):
    monkeypatch.setattr(pipeline, "AGREE", 1.1)
    with pytest.raises(SystemExit, match=r"^wrong answer, not timed: tier and pipeline"):
        run(pipeline, monkeypatch, *asked, "--sizes", "8", "--out", str(tmp_path / "none.json"))
    assert not (tmp_path / "none.json").exists()


def test_operations_are_counted():
    """One layer, 2 wide, 4 inside; 3 prototypes. 2 keys of 3 tokens."""
    shapes = {"layers": 1, "hidden": 2, "inner": 4, "prototypes": 3}
    # Products of a token: 4 of 2 x 2 and 2 of 2 x 4, 32 terms, 64 operations. 6 tokens: 384.
    # Attention of a key: 3 x 3 pairs, 2 products of 2 terms, 4 operations each: 72. 2 keys: 144.
    # Head of a key: 3 x 2 terms: 12 operations. 2 keys: 24.
    assert gpu.flops(shapes, 6, 18, 2) == 384 + 144 + 24
