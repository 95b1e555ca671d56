import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tierbreak.core.policy import rank
from tierbreak.core.tables import EVIDENCE, TOP_BRANDS, TOP_K, check
from tierbreak.errors import ModelError
from tierbreak.tiers.model import ModelTier, gate
from tierbreak.tiers.model.folder import FILES, WEIGHTS, sealed

SHIPPED = Path(__file__).parents[2] / "models" / "us-brands"
LABELS = json.loads((SHIPPED / "labels.json").read_text())
GOLDEN = json.loads((SHIPPED / "golden.json").read_text())["strings"]
NAMES = json.loads((SHIPPED / "golden.json").read_text())["names"]


@pytest.fixture(scope="module")
def tier():
    return ModelTier.load(SHIPPED, registry_ids=LABELS, threads=2)


def keys(n):
    """n distinct keys from 3 tokens to far more than the model reads, short ones often, as in real traffic."""
    tails = [*["", "", " LLC", " 24", " OF NEW HARTFORD"] * 13, " 12 GLENDALE HEIGHTS PARKING", " QZX" * 40]
    names = [label.replace("-", " ").upper() for label in LABELS]
    texts = dict.fromkeys(f"{names[at * 7 % len(names)]}{tails[at % len(tails)]}" for at in range(3 * n))
    assert len(texts) >= n
    return pl.Series([*texts][:n])


@pytest.fixture(scope="module")
def whole(tier):
    """2,000 keys judged in one call."""
    return tier.judge(keys(2_000))


def same(tier, texts, whole, size):
    """Judge `texts` in batches of `size` and say where the evidence differs from that of one call."""
    parts = [tier.judge(texts[start : start + size]) for start in range(0, len(texts), size)]
    for column in ("labels", "scores"):
        got = np.concatenate([part[column].to_numpy() for part in parts])
        off = np.flatnonzero((got != whole[column].to_numpy()).any(axis=1))
        assert not len(off), f"batches of {size}: {len(off)} keys have other {column}, first {texts[int(off[0])]!r}"


@pytest.mark.parametrize("size", [1, 7, 256])
def test_evidence_does_not_depend_on_the_size_of_the_batch(tier, whole, size):
    same(tier, keys(2_000), whole, size)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 256])
def test_evidence_of_many_keys_does_not_depend_on_the_size_of_the_batch(tier, size):
    same(tier, keys(10_000), tier.judge(keys(10_000)), size)


def test_evidence_does_not_depend_on_order(tier, whole):
    texts = keys(2_000)
    order = np.random.default_rng(3).permutation(len(texts))
    shuffled = tier.judge(texts[order])
    for column in ("labels", "scores"):
        assert (shuffled[column].to_numpy() == whole[column].to_numpy()[order]).all()


@pytest.mark.parametrize("threads", [1, 5])
def test_evidence_does_not_depend_on_threads(tier, threads):
    texts = keys(300)
    other = ModelTier.load(SHIPPED, registry_ids=LABELS, threads=threads)
    assert other.judge(texts).equals(tier.judge(texts))


def test_one_tier_serves_many_threads(tier):
    texts = keys(200)
    expected = tier.judge(texts)
    with ThreadPoolExecutor(4) as pool:
        assert all(got.equals(expected) for got in pool.map(tier.judge, [texts] * 4))


def test_one_row_for_every_text_in_order(tier):
    """An empty key and one longer than the model reads are keys like others."""
    texts = pl.Series(["STARBUCKS", "", "STARBUCKS " * 400, "ЖЖЖ 漢字 🙂"])
    evidence = check(tier.judge(texts), EVIDENCE, name="evidence")
    assert evidence["key"].to_list() == [0, 1, 2, 3]
    assert tier.labels[evidence["labels"][0][0]] == "starbucks"
    brands = evidence["scores"].to_numpy()[:, :TOP_BRANDS]
    assert (np.diff(brands, axis=1) <= 0).all(), "scores are not best first"


def test_no_texts_no_rows(tier):
    evidence = check(tier.judge(pl.Series([], dtype=pl.String)), EVIDENCE, name="evidence")
    assert evidence.is_empty()


@pytest.mark.parametrize("string", GOLDEN, ids=lambda string: string["key"] or "empty")
def test_the_policy_answers_what_it_should(tier, string):
    evidence = tier.judge(pl.Series([string["key"]]))
    labels = gate.brand_codes(evidence["labels"].to_numpy())
    _, confidence = rank(tier.policy, labels, evidence["scores"].to_numpy())
    assert (confidence[0, 0] >= tier.policy.threshold) == string["known"], f"confidence {confidence[0, 0]:.3f}"


def test_golden_strings_hold_answers_and_silence():
    assert sum(string["known"] for string in GOLDEN) >= 5
    assert sum(not string["known"] for string in GOLDEN) >= 3


def test_scores_that_are_no_numbers_are_an_error(tier, monkeypatch):
    class Broken:
        def run(self, names, inputs):
            n = len(inputs["input_ids"])
            return np.zeros((n, TOP_K), np.int64), np.full((n, TOP_K), np.nan, np.float32)

    monkeypatch.setattr(tier, "_session", Broken())
    with pytest.raises(ModelError, match="a score that is not a number"):
        tier.judge(pl.Series(["LYFT"]))


def test_evidence_is_named_by_what_shapes_it(tier):
    sha256 = {name: hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() for name in FILES}
    backend = tier.evidence["backend"]
    assert tier.evidence == {
        "weights": sha256["model.onnx"],
        "tokenizer": sha256["tokenizer.json"],
        "labels": sha256["labels.json"],
        "backend": backend,
    }
    assert backend == (
        f"onnxruntime {version('onnxruntime')} cpu int8, one scale a token; tokenizers {version('tokenizers')}"
    )
    assert sha256["calibration.json"] not in tier.evidence.values(), "policy must not name the cache's store"


def test_classifying_imports_nothing_of_the_training():
    code = (
        "import sys, json, pathlib, polars as pl\n"
        "from tierbreak.tiers.model import ModelTier\n"
        "assert 'onnxruntime' not in sys.modules and 'tokenizers' not in sys.modules\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "ids = json.loads((folder / 'labels.json').read_text())\n"
        "ModelTier.load(folder, registry_ids=ids).judge(pl.Series(['LYFT']))\n"
        "print(sorted({'torch', 'transformers', 'onnx', 'safetensors'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(SHIPPED)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


# The load gate: a folder like the shipped one, with one thing wrong.


@pytest.fixture
def folder(tmp_path):
    for name in ("manifest.json", *FILES):
        (tmp_path / name).symlink_to(SHIPPED / name)
    return tmp_path


def change(folder, name, content):
    """Replace a file, and seal the folder again, so that only the content is wrong."""
    (folder / name).unlink()
    (folder / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def faults(folder, ids=LABELS):
    with pytest.raises(ModelError) as caught:
        ModelTier.load(folder, registry_ids=ids)
    return [(fault.code, fault.path.name, fault.says) for fault in caught.value.faults]


def test_a_folder_like_the_shipped_one_loads(folder):
    assert ModelTier.load(folder, registry_ids=LABELS).labels == tuple(LABELS)


def test_no_such_folder(tmp_path):
    assert faults(tmp_path / "none") == [("M001", "none", "there is no such folder")]


def test_an_empty_folder(tmp_path):
    assert faults(tmp_path) == [("M001", "manifest.json", "file is missing")]


def test_every_missing_file_is_named(folder):
    (folder / "labels.json").unlink()
    (folder / "golden.json").unlink()
    says = "file is missing or cannot be read"
    assert faults(folder) == [("M001", "labels.json", says), ("M001", "golden.json", says)]


def test_a_file_that_was_changed(folder):
    (folder / "calibration.json").unlink()
    (folder / "calibration.json").write_bytes(b"{}")
    with pytest.raises(ModelError) as caught:
        ModelTier.load(folder, registry_ids=LABELS)
    # SHA-256 of the two bytes {}.
    found = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    due = hashlib.sha256((SHIPPED / "calibration.json").read_bytes()).hexdigest()
    assert str(caught.value).replace(f"{folder}/", "").splitlines() == [
        "calibration.json: error[M003]: is not the file that manifest.json names",
        f"  = found: sha256 {found}",
        f"  = expected: sha256 {due}",
        "  = fix: restore the file, or export the model anew",
    ]


#: JSON that is sound, and deeper than any parser goes.
DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 1}', b'{"format": 2, "files": {}, "bytes": {}}', DEEP])
def test_a_manifest_that_cannot_be_read(folder, content):
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_bytes(content)
    assert faults(folder) == [("M002", "manifest.json", "cannot be read")]


@pytest.mark.parametrize("content", [DEEP, b'"text"', b'{"strings": 1}', b'{"strings": [[]], "tolerance": 1}',
                                     b'{"strings": [], "names": [], "tolerance": 0}', b"\xff", b'["\\ud800"]',
                                     b'{"strings": [], "tolerance": 1e999}',
                                     b'{"strings": [], "tolerance": 1' + b"0" * 400 + b"}"])  # fmt: skip
@pytest.mark.parametrize("name", ["labels.json", "golden.json"])
def test_a_file_that_is_not_what_the_export_writes(folder, name, content):
    change(folder, name, content)
    assert faults(folder) == [("M002", name, "cannot be read")]


def test_labels_that_the_registry_lacks(folder):
    assert faults(folder, LABELS[2:]) == [("M004", "labels.json", "2 labels are not in the registry")]


def test_labels_twice(folder):
    change(folder, "labels.json", [LABELS[1], *LABELS[1:]])
    assert faults(folder)[0] == ("M004", "labels.json", "has labels twice")


def test_labels_of_another_model(folder):
    change(folder, "labels.json", [*LABELS, "one-more"])
    says = f"was made for {len(LABELS)} labels in labels.json"
    assert faults(folder, [*LABELS, "one-more"]) == [("M005", "model.onnx", says)]


def test_labels_in_another_order(folder):
    """The shapes agree; only the golden strings can tell."""
    change(folder, "labels.json", [*LABELS[1:], LABELS[0]])
    assert {code for code, _, _ in faults(folder)} == {"M007"}


@pytest.mark.parametrize(("one", "other"), [(0, 1), (7, 150), (3, None)])
def test_two_labels_exchanged(folder, one, other):
    """The golden strings know neither; that of one of them the own name is asked suffices."""
    drawn = [label for label in NAMES.values() if label not in {string["label"] for string in GOLDEN}]
    strange = next(label for label in LABELS if label not in NAMES.values())
    exchanged = {drawn[one]: strange if other is None else drawn[other]}
    exchanged |= {there: here for here, there in exchanged.items()}
    change(folder, "labels.json", [exchanged.get(label, label) for label in LABELS])
    asked = 1 if other is None else 2
    says = f"the model takes {asked} of {len(NAMES)} brands' own names for another's"
    assert faults(folder) == [("M007", "golden.json", says)]


def test_own_names_of_many_brands_are_asked():
    assert len(NAMES) == 200
    assert set(NAMES.values()) <= set(LABELS)


def test_names_of_labels_that_there_are_not(folder):
    content = {"tolerance": 0.01, "strings": GOLDEN, "names": {"NOBODY": "no-such-brand"}}
    change(folder, "golden.json", content)
    assert faults(folder) == [("M007", "golden.json", "names labels that labels.json lacks")]


def test_a_folder_without_names_loads(folder):
    """As exports once wrote it."""
    change(folder, "golden.json", {"tolerance": 0.01, "strings": GOLDEN})
    assert ModelTier.load(folder, registry_ids=LABELS).labels == tuple(LABELS)


def test_a_tokenizer_of_another_model(folder):
    tokenizer = json.loads((SHIPPED / "tokenizer.json").read_text())
    words = len(tokenizer["model"]["vocab"])
    tokenizer["model"]["vocab"] = {word: at for word, at in tokenizer["model"]["vocab"].items() if at != words - 1}
    change(folder, "tokenizer.json", tokenizer)
    assert faults(folder) == [("M006", "model.onnx", f"was made for {words} words in tokenizer.json")]


def test_a_tokenizer_that_keeps_case(folder):
    """The sizes agree; only the golden strings can tell."""
    tokenizer = json.loads((SHIPPED / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    change(folder, "tokenizer.json", tokenizer)
    assert {code for code, _, _ in faults(folder)} == {"M007"}


@pytest.mark.parametrize(("name", "code"), [("model.onnx", "M010"), ("tokenizer.json", "M006")])
def test_a_file_that_is_no_model(folder, name, code):
    change(folder, name, b"no model")
    assert [fault[:2] for fault in faults(folder)] == [(code, name)]


def test_too_few_golden_strings(folder):
    change(folder, "golden.json", {"tolerance": 0.01, "strings": GOLDEN[:3]})
    assert ("M007", "golden.json", "has too few strings") in faults(folder)


def test_a_golden_string_with_another_score(folder):
    wrong = [GOLDEN[0] | {"score": GOLDEN[0]["score"] - 0.1}, *GOLDEN[1:]]
    change(folder, "golden.json", {"tolerance": 0.01, "strings": wrong})
    assert faults(folder) == [("M007", "golden.json", f"the model does not know {GOLDEN[0]['key']!r} any more")]


def test_weights_of_another_length(folder):
    """Loading looks at the length only; whoever reads the weights is told of any other change."""
    size = (SHIPPED / WEIGHTS).stat().st_size
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).write_bytes(b"short")
    with pytest.raises(ModelError, match=rf"(?s)M003.*found: 5 bytes.*expected: {size} bytes"):
        ModelTier.load(folder, registry_ids=LABELS)
    with (folder / WEIGHTS).open("wb") as file:
        file.truncate(size)
    ModelTier.load(folder, registry_ids=LABELS)
    with pytest.raises(ModelError, match="M003"):
        sealed(folder, WEIGHTS)


def test_no_weights(folder):
    (folder / WEIGHTS).unlink()
    assert faults(folder) == [("M001", WEIGHTS, "file is missing or cannot be read")]


def test_a_model_that_is_too_slow(folder, monkeypatch):
    monkeypatch.setattr(gate, "SLOWEST", 0.0)
    assert faults(folder) == [("M008", "model.onnx", "is too slow to serve")]


def test_a_slow_moment_is_no_slow_model(folder, monkeypatch):
    """Timed three times, and the best counts."""
    seconds = iter([1e-9, 1e-9, 1e9])
    monkeypatch.setattr(gate, "reference_seconds", lambda: next(seconds))
    ModelTier.load(folder, registry_ids=LABELS)


@pytest.mark.parametrize(
    ("labels", "score", "code"), [([LABELS.index("lyft")] * 8, np.nan, "M011"), ([len(LABELS)] * 8, 0.5, "M005"),
                                  ([-3] * 8, 0.5, "M005")]
)  # fmt: skip
def test_answers_that_cannot_be(folder, labels, score, code, monkeypatch):
    """A graph whose shapes agree may still say anything."""

    def judge(tier, texts):
        return np.array([labels] * len(texts), np.int32), np.full((len(texts), TOP_K), score, np.float32)

    monkeypatch.setattr(ModelTier, "_on_one_thread", judge)
    assert [(fault[0], fault[1]) for fault in faults(folder)] == [(code, "model.onnx")]
