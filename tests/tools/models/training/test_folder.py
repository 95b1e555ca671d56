"""A model's folder: written, read, written again; and what the load gate says of folders with reserved answers."""

import hashlib
import json

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import numpy_helper
from safetensors.numpy import load

from encoders import POLICY, pairs, source
from tierbreak.core.tables import EVIDENCE, TOP_BRANDS, check
from tierbreak.errors import ModelError
from tierbreak.tiers.model import ModelTier
from tierbreak.tiers.model.folder import FILES
from tierbreak.tools.models.training import golden
from tierbreak.tools.models.training.folder import Source, read_golden, read_weights, write

LABELS = [
    f"{a}-{b}" for a in ("alpha", "bravo", "coffee", "delta", "echo") for b in ("mart", "shop", "inn", "foods", "cars")
]


@pytest.fixture(scope="module")
def made():
    return source(LABELS)


@pytest.fixture
def folder(made, tmp_path):
    assert write(tmp_path / "model", made, POLICY, pairs(LABELS)) == []
    return tmp_path / "model"


def test_a_folder_passes_the_gate_and_knows_its_names(folder):
    tier = ModelTier.load(folder, registry_ids=LABELS)
    found = check(tier.judge(pl.Series(["ECHO CARS", "PAYROLL"])), EVIDENCE, name="evidence")
    labels = found["labels"].to_numpy()
    assert labels[0, 0] == 24, "echo-cars is the last of 25 labels"
    assert labels[:, TOP_BRANDS:].tolist() == [[-1, -2]] * 2
    scores = found["scores"].to_numpy()
    assert scores[1].argmax() == TOP_BRANDS, "PAYROLL is the prototype of `no brand`"
    assert scores[1, TOP_BRANDS] == pytest.approx(1.0, abs=0.01)


def test_golden_strings_of_reserved_answers_have_no_label(folder):
    strings = {one["key"]: one for one in json.loads((folder / "golden.json").read_text())["strings"]}
    assert strings["PAYROLL"]["label"] is None
    assert strings["RENT APRIL"]["label"] is None
    assert not strings["PAYROLL"]["known"]
    assert strings["ALPHA MART"] == strings["ALPHA MART"] | {"label": "alpha-mart", "known": True}


@pytest.mark.parametrize(("key", "label"), [("PAYROLL", "alpha-mart"), ("ALPHA MART", None)])
def test_a_golden_string_whose_answer_is_no_longer_a_brand_or_reserved(folder, key, label):
    """What was a brand's when it was exported has a reserved answer now, or the other way round: the gate sees it."""
    content = json.loads((folder / "golden.json").read_text())
    for string in content["strings"]:
        if string["key"] == key:
            string |= {"label": label}
    seal(folder, "golden.json", json.dumps(content).encode())
    with pytest.raises(ModelError, match=f"the model does not know '{key}' any more") as caught:
        ModelTier.load(folder, registry_ids=LABELS)
    assert [fault.code for fault in caught.value.faults] == ["M007"]


def test_written_again_from_the_folder_it_is_the_same_bytes(folder, tmp_path):
    write(tmp_path / "again", read_weights(folder), POLICY, read_golden(folder))
    for name in ("manifest.json", *FILES):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_weights_hold_what_was_given(folder, made):
    arrays = load((folder / "weights.safetensors").read_bytes())
    assert arrays["head.prototypes"].shape == (3, 25, 384)
    assert arrays["head.reserved"].shape == (2, 2, 384)
    assert {str(value.dtype) for name, value in arrays.items() if not name.startswith("range.")} == {"float16"}
    ranges = {name: value for name, value in arrays.items() if name.startswith("range.")}
    assert {str(value.dtype) for value in ranges.values()} == {"float32"}
    assert len(ranges) == 2 * 4, "two layers of four products"
    again = read_weights(folder)
    assert again.origin["name"] == "random"
    assert again.labels == tuple(LABELS)
    assert (again.head == made.head).all()


def test_without_reserved_answers_there_are_eight_brands(tmp_path):
    write(tmp_path, source(LABELS, nobody=()), POLICY, pairs(LABELS))
    found = ModelTier.load(tmp_path, registry_ids=LABELS).judge(pl.Series(["ECHO CARS"]))
    labels = found["labels"][0].to_list()
    assert labels[0] == 24
    assert len(set(labels)) == 8
    assert min(labels) >= 0
    assert read_weights(tmp_path).reserved is None


@pytest.mark.parametrize("layers", [1, 3])
def test_evidence_does_not_depend_on_the_batch(tmp_path, layers):
    write(tmp_path, source(LABELS, layers=layers), POLICY, pairs(LABELS))
    tier = ModelTier.load(tmp_path, registry_ids=LABELS, threads=2)
    texts = pl.Series([f"{a} {b}" for a in ("ALPHA", "X", "PAYROLL NINE", "") for b in ("MART", "IN", "4", "O", "")])
    whole = tier.judge(texts).drop("key")
    for size in (1, 3):
        parts = [tier.judge(texts[at : at + size]).drop("key") for at in range(0, len(texts), size)]
        assert pl.concat(parts).equals(whole)


def test_a_score_is_the_best_cosine_with_a_prototype(made):
    """Against numpy on the float32 embedding; int8 may be off by 0.02."""
    from tierbreak.tools.models.training.runs import Runner

    keys = ["ALPHA MART", "PAYROLL", "SOMETHING ELSE 12"]
    (embeddings,) = made.embedder.run(keys, "embedding")
    labels, scores = Runner(made.model, made.tokenizer).run(keys, "labels", "scores")
    brands = np.einsum("nd,pld->npl", embeddings, made.head.astype(np.float32)).max(axis=1)
    aside = np.einsum("nd,pld->npl", embeddings, made.reserved.astype(np.float32)).max(axis=1)
    expected = [np.sort(brands, axis=1)[:, : -TOP_BRANDS - 1 : -1], aside]
    assert np.abs(scores - np.concatenate(expected, axis=1)).max() < 0.02
    assert (labels[:, 0] == brands.argmax(axis=1)).all()


def test_arrays_that_do_not_fit_are_refused(made):
    given = made.encoder, np.zeros((3, 24, 384)), made.tokenizer, LABELS
    with pytest.raises(ValueError, match=r"expected an array \[prototypes, 25, 384\], got \[3, 24, 384\]"):
        Source.of(*given, ranges=made.ranges)
    with pytest.raises(ValueError, match=r"expected an array \[prototypes, 2, 384\], got \[2, 384\]"):
        Source.of(made.encoder, made.head, made.tokenizer, LABELS, ranges=made.ranges, reserved=np.zeros((2, 384)))


def test_too_few_golden_strings_are_refused(made, tmp_path):
    with pytest.raises(ModelError, match="of 3 golden strings only 3 hold, 1 of them unanswered"):
        write(tmp_path, made, POLICY, [*pairs(LABELS[:2], ()), ("PAYROLL", None)])


def test_a_graph_with_a_number_that_is_none(folder):
    """The shapes agree and the file is the one of the manifest; only asking can tell."""
    model = onnx.load_from_string((folder / "model.onnx").read_bytes())
    scale = next(one for one in model.graph.initializer if one.name == "head.scale")
    scale.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(scale), np.nan), "head.scale"))
    seal(folder, "model.onnx", model.SerializeToString())
    with pytest.raises(ModelError) as caught:
        ModelTier.load(folder, registry_ids=LABELS)
    assert [fault.code for fault in caught.value.faults] == ["M011"]


def test_a_graph_with_other_outputs(folder):
    model = onnx.load_from_string((folder / "model.onnx").read_bytes())
    del model.graph.output[1]
    seal(folder, "model.onnx", model.SerializeToString())
    with pytest.raises(ModelError, match="has other inputs or outputs") as caught:
        ModelTier.load(folder, registry_ids=LABELS)
    assert [fault.code for fault in caught.value.faults] == ["M005"]


@pytest.mark.parametrize(("one", "other"), [(0, 1), (23, 24)])
def test_any_two_labels_exchanged(folder, one, other):
    """Whatever the gate asks: the graph says which labels it was made for, in which order."""
    content = json.loads((folder / "golden.json").read_text())
    strings = [string for string in content["strings"] if string["label"] not in (LABELS[one], LABELS[other])]
    seal(folder, "golden.json", json.dumps(content | {"strings": strings, "names": {}}).encode())
    swapped = [*LABELS]
    swapped[one], swapped[other] = LABELS[other], LABELS[one]
    seal(folder, "labels.json", json.dumps(swapped).encode())
    with pytest.raises(ModelError, match="was made for other labels, or for these in another order") as caught:
        ModelTier.load(folder, registry_ids=LABELS)
    assert [fault.code for fault in caught.value.faults] == ["M005"]


def test_own_names_are_drawn_again_and_again_alike():
    """200 of 1,000; with one label more another draw, of which nobody can choose."""
    labels = [f"brand-{number}" for number in range(1_000)]
    drawn = golden.draw(labels)
    assert drawn == golden.draw(labels)
    assert len(drawn) == 200
    assert all(key == label.replace("-", " ").upper() for key, label in drawn.items())
    other = set(golden.draw([*labels, "one-more"]).values())
    assert 10 < len(other & set(drawn.values())) < 80, "of 200 drawn from 1,000 twice 40 are the same, give or take"


def test_only_names_with_a_lead_are_recorded():
    """Right and ahead by 0.05; ahead by 0.04; ahead of the brands, and behind `not a merchant`; another is nearest."""
    names = {"A": "a", "B": "b", "C": "c", "D": "d"}
    at = np.array([[0, 1, -1], [1, 0, -1], [2, 0, -1], [0, 3, -1]])
    scores = np.array([[0.75, 0.5, 0.25], [0.75, 0.71, 0.0], [0.75, 0.5, 0.8], [0.75, 0.5, 0.0]])
    assert golden.clear(["a", "b", "c", "d"], names, at, scores) == {"A": "a"}


def seal(folder, name, content):
    """Replace a file, and let the manifest name the new one."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(content).hexdigest()
    manifest["bytes"][name] = len(content)
    (folder / "manifest.json").write_text(json.dumps(manifest))
