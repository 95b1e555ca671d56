import dataclasses
import io
import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierbreak.core.policy import Policy
from tierbreak.core.tables import EVIDENCE, check
from tierbreak.errors import ModelError
from tierbreak.tiers.model.bag import BagTier, Weights
from tierbreak.tiers.model.ngrams import SIZE, Ngrams

POLICY = Policy(temperature=0.1, null_score=0.5, threshold=0.9)


def feature(text):
    """FNV-1a of a text, folded to 18 bits, in plain integers."""
    value = 14695981039346656037
    for character in text:
        value = (value ^ ord(character)) * 1099511628211 % 2**64
    return (value ^ value >> 18 ^ value >> 36 ^ value >> 54) % 2**18


def features(text):
    ngrams = Ngrams.of(pl.Series([text]))
    assert ngrams.starts.tolist() == [0, len(ngrams.features)]
    return ngrams.features.tolist()


@pytest.mark.parametrize(
    ("text", "ngrams"),
    [
        ("A", [" A", "A ", " A ", "=A"]),
        ("AB", [" A", "AB", "B ", " AB", "AB ", " AB ", "=AB"]),
        ("A B", [" A", "A ", " A ", " B", "B ", " B ", "=A", "=B", "=A B"]),
        ("A A", [" A", "A ", " A ", "=A", "=A A"]),
        ("  A ", [" A", "A ", " A ", "=A"]),
        ("ABCD", [" A", "AB", "BC", "CD", "D ", " AB", "ABC", "BCD", "CD ", " ABC", "ABCD", "BCD ", " ABCD", "ABCD ",
                  "=ABCD"]),
        ("漢🙂", [" 漢", "漢🙂", "🙂 ", " 漢🙂", "漢🙂 ", " 漢🙂 ", "=漢🙂"]),
        ("", []),
        ("   ", []),
    ],
)  # fmt: skip
def test_the_ngrams_of_a_text(text, ngrams):
    assert features(text) == sorted(feature(ngram) for ngram in ngrams)


def test_a_published_hash():
    """FNV-1a of "foobar", from the authors' own test values, and what is left of it 18, 36 and 54 bits further on."""
    assert feature("foobar") == (0x85944171F73967E8 ^ 0x2165105C7DCE ^ 0x8594417 ^ 0x216) % 2**18


def weights(by_label, bias):
    """Weights from a dictionary of n-grams for each label."""
    entries = sorted(
        (feature(ngram), label, weight) for label, own in by_label.items() for ngram, weight in own.items()
    )
    at = np.array(entries).reshape(-1, 3)
    return Weights(
        starts=np.searchsorted(at[:, 0], np.arange(SIZE + 1)).astype(np.int32),
        owners=at[:, 1].astype(np.uint16),
        weights=at[:, 2].astype(np.int8),
        bias=np.array(bias, dtype=np.int32),
        unit=0.5,
    )


LABELS = ("lyft", "uber", "uber-eats", "d", "e", "f", "g", "h", "i")
BY_HAND = {
    0: {"=LYFT": 100, " L": 8},
    1: {"=UBER": 90, "=UBER EATS": -60, "TS ": -20},
    2: {"=UBER EATS": 120, "=UBER": 10, "=EATS": 5},
}
BIAS = [-40, -40, -42, -50, -50, -50, -50, -50, -50]


@pytest.fixture(scope="module")
def tier():
    return BagTier(LABELS, weights(BY_HAND, BIAS), POLICY)


def test_scores_counted_by_hand(tier):
    """A logit is half the sum of weights and bias; a score is a tenth of a logit."""
    evidence = check(tier.judge(pl.Series(["UBER EATS", "LYFT", ""])), EVIDENCE, name="evidence")
    # UBER EATS: uber-eats -42 + 120 + 10 + 5 = 93; uber -40 + 90 - 60 - 20 = -30; lyft -40; the others -50.
    # LYFT: lyft -40 + 100 + 8 = 68. A key without words: the biases alone, equal ones in the order of labels.
    assert evidence["labels"].to_list() == [
        [2, 1, 0, 3, 4, 5, 6, 7],
        [0, 1, 2, 3, 4, 5, 6, 7],
        [0, 1, 2, 3, 4, 5, 6, 7],
    ]
    assert evidence["scores"].to_numpy()[:, :4].tolist() == np.float32(
        [[4.65, -1.5, -2, -2.5], [3.4, -2, -2.1, -2.5], [-2, -2, -2.1, -2.5]]
    ).tolist()  # fmt: skip


def test_no_texts_no_rows(tier):
    assert check(tier.judge(pl.Series([], dtype=pl.String)), EVIDENCE, name="evidence").is_empty()


@pytest.fixture(scope="module")
def many():
    """300 labels with random weights: " A" and "=B" have one for each label, and are multiplied, not looked up."""
    random = np.random.default_rng(1)
    ngrams = [" B", "A ", "AB", "BA", " AB", "=AB", "=AB BA", "=A B"]
    by_label = {}
    for label in range(300):
        own = [" A", "=B", *random.choice(ngrams, 3, replace=False)]
        by_label[label] = dict(zip(own, random.integers(1, 127, 5).tolist(), strict=True))
        by_label[label][" A"] *= -1
    bias = random.integers(-99, 0, 300).tolist()
    return by_label, bias, BagTier(tuple(f"b-{n}" for n in range(300)), weights(by_label, bias), POLICY)


KEYS = st.lists(st.text("AB é🙂", max_size=12), max_size=150)


@settings(deadline=None, max_examples=50)
@given(texts=KEYS)
def test_every_key_is_judged_by_itself(many, texts):
    """Alone, in a crowd, in another order: the same evidence, bit for bit."""
    tier = many[2]
    whole = tier.judge(pl.Series(texts, dtype=pl.String))
    backwards = tier.judge(pl.Series(texts[::-1], dtype=pl.String))
    assert backwards.drop("key").reverse().equals(whole.drop("key"))
    for text, alone in zip(texts[:5], whole.drop("key").iter_slices(1), strict=False):
        assert tier.judge(pl.Series([text])).drop("key").equals(alone)


@settings(deadline=None, max_examples=50)
@given(text=st.text("AB ", max_size=12))
def test_a_sum_is_what_its_ngrams_add_up_to(many, text):
    by_label, bias, tier = many
    own = set(features(text))
    due = [bias[at] + sum(w for n, w in by_label[at].items() if feature(n) in own) for at in range(300)]
    evidence = tier.judge(pl.Series([text]))
    first = sorted(range(300), key=lambda at: (-due[at], at))[:8]
    assert evidence["labels"].to_list() == [first]
    assert evidence["scores"].to_numpy()[0].tolist() == np.float32([due[at] * 0.05 for at in first]).tolist()


def test_evidence_is_named_by_what_shapes_it(tier):
    other = BagTier(LABELS, weights(BY_HAND, BIAS), dataclasses.replace(POLICY, threshold=0.5))
    assert (other.evidence, other.fingerprint) == (tier.evidence, tier.fingerprint), "policy is no evidence"
    moved = BagTier(LABELS, weights(BY_HAND, [*BIAS[:-1], -51]), POLICY)
    assert [name for name in tier.evidence if moved.evidence[name] != tier.evidence[name]] == ["weights"]
    assert tier.evidence.keys() == {"weights", "tokenizer", "labels", "backend"}


# The file and its gate.


@pytest.fixture
def path(tier, tmp_path):
    tier.save(tmp_path / "us.bag")
    return tmp_path / "us.bag"


def test_a_file_holds_all_of_a_tier(tier, path):
    loaded = BagTier.load(path, registry_ids=LABELS, threads=2)
    assert (loaded.labels, loaded.policy, loaded.evidence) == (tier.labels, tier.policy, tier.evidence)
    assert loaded.judge(pl.Series(["UBER EATS"])).equals(tier.judge(pl.Series(["UBER EATS"])))
    before = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == before


def faults(path, ids=LABELS):
    with pytest.raises(ModelError) as caught:
        BagTier.load(path, registry_ids=ids)
    return [(fault.code, fault.says) for fault in caught.value.faults]


def change(path, header=None, **arrays):
    """Write the file again with other values in its header, or other arrays."""
    with np.load(io.BytesIO(path.read_bytes())) as file:
        content = dict(file)
    given = json.loads(content["header"].tobytes()) | (header or {})
    content["header"] = np.frombuffer(json.dumps(given).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez_compressed(file, **(content | arrays))


def test_no_such_file(tmp_path):
    with pytest.raises(ModelError) as caught:
        BagTier.load(tmp_path / "none.bag", registry_ids=LABELS)
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == [
        "none.bag: error[M001]: file is missing or cannot be read",
        "  = found: No such file or directory",
        "  = expected: a file",
        "  = fix: train it anew: python -m tierbreak.tools.models.training.bag",
    ]


@pytest.mark.parametrize("content", [b"", b"no bag", b"PK\x03\x04", b"\x80\x04."])
def test_a_file_that_is_none(path, content):
    path.write_bytes(content)
    assert faults(path) == [("M002", "cannot be read")]


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_file_that_was_cut_off(path, at):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * at)])
    assert faults(path) == [("M002", "cannot be read")]


@pytest.mark.parametrize(
    "header",
    [
        {"format": "tierbreak bag 0"},
        {"labels": 3},
        {"labels": [1]},
        {"unit": "1"},
        {"policy": None},
        {"labels": ["\ud800"]},
    ],
)
def test_a_header_that_cannot_be_read(path, header):
    change(path, header)
    assert faults(path) == [("M002", "cannot be read")]


def test_weights_that_were_changed(path, tier):
    change(path, weights=np.full(len(tier._weights.weights), 5, np.int8))
    assert faults(path) == [("M003", "the content is not what the header says")]


def test_labels_in_another_order(path):
    change(path, {"labels": [*LABELS[1:], LABELS[0]]})
    assert faults(path) == [("M003", "the content is not what the header says")]


def test_labels_that_the_registry_lacks(path):
    assert faults(path, LABELS[2:]) == [("M004", "2 labels are not in the registry")]


def test_all_faults_at_once(path):
    change(path, {"labels": [*LABELS[1:], LABELS[1]], "hashing": "md5", "policy": {"temperature": 0}})
    assert faults(path) == [
        ("M004", "has labels twice"),
        ("M006", "features were hashed in another way"),
        ("M009", "the policy is wrong"),
    ]


@pytest.mark.parametrize(
    ("array", "name"),
    [
        (np.zeros(3, np.int32), "starts"),
        (np.zeros(SIZE + 1, np.int32), "starts"),
        (np.full(SIZE + 1, 6, np.int32), "starts"),
        (np.zeros(6, np.int64), "owners"),
        (np.full(8, 9, np.uint16), "owners"),
        (np.zeros(9, np.float32), "bias"),
    ],
)
def test_arrays_that_do_not_fit(path, array, name):
    change(path, **{name: array})
    assert ("M005", f"array {name} does not fit") in faults(path)


def test_too_few_labels(path):
    change(path, {"labels": LABELS[:7]}, bias=np.zeros(7, np.int32))
    assert ("M005", "has too few labels") in faults(path)


def test_it_needs_numpy_alone(path):
    code = (
        "import sys, pathlib, polars as pl\n"
        "from tierbreak.tiers.model.bag import BagTier\n"
        "ids = sys.argv[2].split()\n"
        "BagTier.load(pathlib.Path(sys.argv[1]), registry_ids=ids).judge(pl.Series(['LYFT']))\n"
        "print(sorted({'onnxruntime', 'tokenizers', 'torch', 'scipy', 'sklearn'} & set(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(path), " ".join(LABELS)], capture_output=True, text=True, check=False
    )
    assert run.stdout == "[]\n", run.stderr
