"""The torch twin: on the CPU it is the reference implementation; what a GPU adds is run with stand-ins."""

import contextlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twins
from tierbreak.core.tables import EVIDENCE, TOP_BRANDS, TOP_K, check
from tierbreak.errors import ModelError, SettingsError
from tierbreak.tiers.model.torch_backend.buckets import WIDTHS, Shape, Tokens, pack, plan, shapes

needs_torch = [pytest.importorskip(name, reason=f"{name} is not installed: extra `train`")
               for name in ("torch", "onnx", "safetensors", "transformers")]  # fmt: skip
torch = needs_torch[0]

from tierbreak.tiers.model import ModelTier  # noqa: E402
from tierbreak.tiers.model.torch_backend import BATCH_TOKENS, FLOAT32_TOLERANCE, TorchTier, device, network  # noqa: E402
from tierbreak.tools.models.training.folder import single  # noqa: E402
from tierbreak.tools.models.training.graph import Linear, build  # noqa: E402
from tierbreak.tools.models.training.measure import by_transformers  # noqa: E402
from tierbreak.tools.models.training.runs import Runner  # noqa: E402

#: Keys of 2 to 64 tokens and one that is cut: all widths of buckets, brands and none.
KEYS = pl.Series(
    [*(brand.replace("-", " ").upper() for brand in twins.BRANDS), *twins.STRANGERS,
     *("LYFT RIDE " * times for times in range(1, 9)), "HULU 漢字 🙂"]
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("twin")


@pytest.fixture(scope="module")
def made(folder):
    return twins.write_folder(folder)


@pytest.fixture(scope="module")
def tier(made, folder):
    return load(folder)


def load(folder, dtype="float32", tokens=128):
    return TorchTier.load(folder, registry_ids=twins.BRANDS, device="cpu", dtype=dtype, threads=1, batch_tokens=tokens)


def apart(one, other):
    """The largest distance of scores that stand at the same place."""
    return float(np.abs(one["scores"].to_numpy() - other["scores"].to_numpy()).max())


# What it says.


def test_embeddings_are_those_of_transformers(made, tier):
    texts = KEYS.to_list()
    weights = {name: single(value) for name, value in made.encoder.items()}
    expected = by_transformers(weights, made.tokenizer, texts)
    tokens = tier.tokenise(texts)
    net = network.Network(made.arrays(), "cpu", "float32")
    for shape, at in plan(tokens.lengths, tier.shapes):
        batch = torch.from_numpy(pack(shape, at, tokens))
        found = net.embed(batch[:, 1:], batch[:, :1]).numpy()[: len(at)]
        assert np.abs(found - expected[at]).max() < 1e-5


def test_answers_are_those_of_the_float32_graph(made, tier):
    weights = {name: single(value) for name, value in made.encoder.items()}
    graph = build(weights, Linear(), single(made.head), single(made.reserved))
    labels, scores = Runner(graph, made.tokenizer).run(KEYS.to_list(), "labels", "scores")
    evidence = tier.judge(KEYS)
    assert np.abs(evidence["scores"].to_numpy() - scores).max() < FLOAT32_TOLERANCE
    assert (evidence["labels"].to_numpy()[:, [0, -2, -1]] == labels[:, [0, -2, -1]]).all()


def test_best_labels_are_those_of_the_int8_graph(tier, folder):
    int8 = ModelTier.load(folder, registry_ids=twins.BRANDS, threads=1).judge(KEYS)
    assert apart(int8, tier.judge(KEYS)) < 0.03
    named = slice(0, len(twins.BRANDS))
    assert int8["labels"].to_numpy()[named, 0].tolist() == [*range(len(twins.BRANDS))]
    assert tier.judge(KEYS)["labels"].to_numpy()[named, 0].tolist() == [*range(len(twins.BRANDS))]


def test_bfloat16_finds_every_brand_by_its_name(folder, tier):
    half = load(folder, dtype="bfloat16").judge(KEYS)
    assert apart(half, tier.judge(KEYS)) < 0.03
    named = half["labels"].to_numpy()[: len(twins.BRANDS), 0]
    assert named.tolist() == [*range(len(twins.BRANDS))]


def test_reserved_answers_stand_last_whatever_their_score(tier):
    evidence = check(tier.judge(KEYS), EVIDENCE, name="evidence")
    labels, scores = evidence["labels"].to_numpy(), evidence["scores"].to_numpy()
    assert (labels[:, TOP_BRANDS:] == [-1, -2]).all()
    assert (labels[:, :TOP_BRANDS] >= 0).all()
    assert (np.diff(scores[:, :TOP_BRANDS], axis=1) <= 0).all(), "brands are not best first"
    # QZX 77 is one of the two prototypes of "no brand", the empty key one of "not a merchant": a cosine of 1.
    unknown, empty = (KEYS.to_list().index(key) for key in ("qzx 77", ""))
    assert scores[unknown, TOP_BRANDS] == pytest.approx(1, abs=2e-3)
    assert scores[empty, TOP_BRANDS + 1] == pytest.approx(1, abs=2e-3)


def test_a_head_without_reserved_answers_gives_brands_only(tmp_path):
    twins.write_folder(tmp_path, reserved=False)
    labels = load(tmp_path).judge(KEYS)["labels"].to_numpy()
    assert labels.shape == (len(KEYS), TOP_K)
    assert (labels >= 0).all()


@pytest.mark.parametrize("size", [1, 7])
def test_float32_scores_do_not_depend_on_the_batch(tier, size):
    """Within what is stated; bit for bit is not promised."""
    texts = KEYS[::2]
    whole = tier.judge(texts)
    parts = pl.concat([tier.judge(texts[start : start + size]) for start in range(0, len(texts), size)])
    assert apart(whole, parts) < FLOAT32_TOLERANCE


def test_float32_scores_do_not_depend_on_order(tier):
    assert apart(tier.judge(KEYS), tier.judge(KEYS.reverse()).reverse()) < FLOAT32_TOLERANCE


@pytest.mark.parametrize("tokens", [64, 512])
def test_float32_scores_do_not_depend_on_the_size_of_buckets(tier, folder, tokens):
    assert apart(tier.judge(KEYS), load(folder, tokens=tokens).judge(KEYS)) < FLOAT32_TOLERANCE


def test_chunks_are_put_together_in_order(tier, monkeypatch):
    whole = tier.judge(KEYS)
    monkeypatch.setattr("tierbreak.tiers.model.torch_backend._CHUNK", 9)
    assert apart(whole, tier.judge(KEYS)) < FLOAT32_TOLERANCE


def test_no_texts_no_rows(tier):
    assert check(tier.judge(pl.Series([], dtype=pl.String)), EVIDENCE, name="evidence").is_empty()


def test_one_tier_serves_many_threads(tier):
    expected = tier.judge(KEYS)
    with ThreadPoolExecutor(4) as pool:
        assert all(apart(got, expected) < FLOAT32_TOLERANCE for got in pool.map(tier.judge, [KEYS] * 4))


def test_equal_scores_stand_by_label():
    scores = torch.tensor([[0.5, 0.75, -0.25, 0.75, 0.5, 0.75], [-1.0, -1.0, -2.0, 0.0, -1.0, -3.0]])
    assert network.best(scores, 4).tolist() == [[1, 3, 5, 0], [3, 0, 1, 4]]


@given(st.lists(st.floats(-1, 1, width=32), min_size=5, max_size=40))
def test_best_is_a_stable_sort(scores):
    row = np.array([scores], dtype=np.float32) + np.float32(0.0)  # no -0.0, which is below 0.0 here
    expected = np.argsort(-row[0], kind="stable")[:5]
    assert network.best(torch.from_numpy(row), 5)[0].tolist() == expected.tolist()


# Buckets.


@given(st.lists(st.integers(2, 64), max_size=200), st.integers(1, 1024))
def test_every_key_is_in_one_batch_of_the_least_width_that_holds_it(lengths, tokens):
    seen = []
    for shape, at in plan(np.array(lengths, dtype=np.intp), shapes(tokens)):
        assert len(at) <= shape.rows
        for one in at.tolist():
            assert shape.width == min(width for width in WIDTHS if width >= lengths[one])
        seen += at.tolist()
    assert sorted(seen) == [*range(len(lengths))]


def test_a_batch_is_filled_up_with_rows_of_one_token():
    tokens = Tokens(np.arange(1, 10, dtype=np.int32), np.array([2, 3, 4]))
    assert pack(Shape(3, 4), np.array([2, 0]), tokens).tolist() == [[4, 6, 7, 8, 9], [2, 1, 2, 0, 0], [1, 0, 0, 0, 0]]


# What it is called.


def test_evidence_names_torch_device_dtype_and_shapes(tier, folder):
    sha256 = json.loads((folder / "manifest.json").read_text())["files"]
    assert tier.evidence == {
        "weights": sha256["weights.safetensors"],
        "tokenizer": sha256["tokenizer.json"],
        "labels": sha256["labels.json"],
        "backend": f"torch {torch.__version__} cpu float32, 16x8 8x16 4x32 2x64; tokenizers {version('tokenizers')}",
    }
    graph = ModelTier.load(folder, registry_ids=twins.BRANDS, threads=1)
    assert tier.fingerprint == graph.fingerprint
    assert tier.evidence != graph.evidence
    assert (tier.labels, tier.policy) == (graph.labels, graph.policy)


def test_importing_tierbreak_and_naming_the_twin_need_no_torch():
    code = (
        "import sys, tierbreak, tierbreak.tiers.model.torch_backend\n"
        "print(sorted({'torch', 'safetensors', 'onnxruntime', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# What cannot be.


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_there(folder):
    with pytest.raises(SettingsError) as caught:
        TorchTier.load(folder, registry_ids=twins.BRANDS)
    assert str(caught.value) == (
        f"device 'cuda' was asked for, but torch {torch.__version__} sees no GPU; "
        "install a CUDA build of torch and the driver, or set the device to cpu"
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("tpu", "float32"), "device 'tpu' is not known; expected one of: cuda, cpu"),
        (("cpu", "int8"), "dtype 'int8' is not known; expected one of: bfloat16, float32"),
    ],
)
def test_a_device_or_dtype_that_is_not_known(given, says):
    with pytest.raises(SettingsError) as caught:
        device.checked(*given)
    assert str(caught.value) == says


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SettingsError) as caught:
        device.checked("cpu", "float32")
    says = "the model was to run in torch, but torch is not installed: pip install 'tierbreak[gpu]'"
    assert str(caught.value) == says


def refused(tmp_path, folder, arrays):
    """The faults of the folder with other arrays, sealed again."""
    import hashlib
    import shutil

    from safetensors.numpy import save

    shutil.copytree(folder, tmp_path / "changed")
    content = save(arrays) if isinstance(arrays, dict) else arrays
    (tmp_path / "changed" / "weights.safetensors").write_bytes(content)
    path = tmp_path / "changed" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["weights.safetensors"] = hashlib.sha256(content).hexdigest()
    manifest["bytes"]["weights.safetensors"] = len(content)
    path.write_text(json.dumps(manifest))
    with pytest.raises(ModelError) as caught:
        load(tmp_path / "changed")
    return [(fault.code, fault.path.name, fault.says, fault.found) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"head.prototypes": None}, ("M005", "lacks arrays", "no head.prototypes")),
        ({"head.prototypes": np.s_[:, 1:]}, ("M005", "head.prototypes does not fit the folder", "21")),
        (
            {"embeddings.word_embeddings.weight": np.s_[1:]},
            ("M006", "embeddings.word_embeddings.weight does not fit the folder", "81"),
        ),
    ],
)
def test_weights_that_do_not_fit(tmp_path, folder, made, change, fault):
    arrays = made.arrays()
    for name, part in change.items():
        whole = arrays.pop(name)
        if part is not None:
            arrays[name] = np.ascontiguousarray(whole[part])
    code, says, found = fault
    assert refused(tmp_path, folder, arrays) == [(code, "weights.safetensors", says, found)]


def test_weights_of_another_model(tmp_path, folder, made):
    """Every shape fits; only the golden strings can tell."""
    arrays = made.arrays()
    arrays["head.prototypes"] = np.ascontiguousarray(arrays["head.prototypes"][:, ::-1])
    assert {fault[0] for fault in refused(tmp_path, folder, arrays)} == {"M007"}


def test_a_file_that_is_no_weights(tmp_path, folder, made):
    assert [fault[:2] for fault in refused(tmp_path, folder, b"none")] == [("M010", "weights.safetensors")]


# What only a GPU has: graphs, streams, events and pinned memory, with stand-ins that do the work at once.


class Cuda:
    """torch.cuda as far as the twin uses it. A replay runs what was captured on the buffers of the capture."""

    def __init__(self, network):
        self.network, self.log = network, []
        cuda = self

        class Graph:
            def replay(self):
                cuda.log.append("replay")
                cuda.answers[self].copy_(cuda.network(cuda.batches[self]))

        class Event:
            def record(self):
                cuda.log.append(f"record in {cuda.stream_now}")

            def wait(self):
                cuda.log.append(f"wait in {cuda.stream_now}")

            def synchronize(self):
                cuda.log.append("synchronize")

        class Stream:
            def __init__(self):
                self.name = ("compute", "copying")[cuda.streams]
                cuda.streams += 1

        self.streams, self.stream_now, self.capturing = 0, None, None
        self.batches, self.answers = {}, {}
        self.CUDAGraph, self.Event, self.Stream = Graph, Event, Stream

    def run(self, batch):
        """The network as the twin is given it."""
        answer = self.network(batch)
        if self.capturing is not None:
            self.batches[self.capturing], self.answers[self.capturing] = batch, answer
        return answer

    def graph_pool_handle(self):
        return "pool"

    def synchronize(self):
        pass

    @contextlib.contextmanager
    def stream(self, stream):
        before, self.stream_now = self.stream_now, stream.name
        yield
        self.stream_now = before

    @contextlib.contextmanager
    def graph(self, graph, *, pool, stream, capture_error_mode):
        assert (pool, stream.name, capture_error_mode) == ("pool", "compute", "thread_local")
        self.capturing = graph
        yield
        self.capturing = None


def test_graphs_and_streams_with_stand_ins(made, tier, monkeypatch):
    cuda = Cuda(network.Network(made.arrays(), "cpu", "float32"))
    for name in ("CUDAGraph", "Event", "Stream", "graph_pool_handle", "synchronize", "stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    expected = tier.judge(KEYS)
    launch = device.replayed(cuda.run, tier.shapes, "cpu")
    monkeypatch.setattr(tier, "_launch", launch)
    cuda.log.clear()
    # Twice the keys: more batches than there are slots, and more of one width.
    found = tier.judge(pl.concat([KEYS] * 2))
    assert apart(pl.concat([expected] * 2), found) < FLOAT32_TOLERANCE
    once = ["synchronize", "record in copying", "wait in compute", "replay", "record in compute"]
    assert cuda.log[: 5 * device.RING] == once * device.RING
    assert cuda.log.count("replay") > 2 * device.RING
    # Each batch is waited for when its slot is filled, and when its answer is read.
    assert cuda.log.count("synchronize") == 2 * cuda.log.count("replay")


def test_a_gpu_leaves_the_cores_to_the_tokeniser(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delenv("RAYON_NUM_THREADS", raising=False)
    try:
        device.share_out(8, "cuda")
        assert (device.os.environ["RAYON_NUM_THREADS"], torch.get_num_threads()) == ("7", 1)
        device.share_out(2, "cpu")
        assert (device.os.environ["RAYON_NUM_THREADS"], torch.get_num_threads()) == ("7", 2)
    finally:
        torch.set_num_threads(before)
    assert BATCH_TOKENS.keys() == set(device.DEVICES)
