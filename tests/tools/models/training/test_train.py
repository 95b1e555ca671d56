"""Training: it learns, a killed run goes on as if nothing had happened, and no key that is kept out is learned from."""

import numpy as np
import polars as pl
import pytest

from encoders import tokenizer, weights

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
pytest.importorskip("transformers", reason="the extra `train` is not installed")

from tierbreak.core.policy import Policy  # noqa: E402
from tierbreak.errors import TierbreakError  # noqa: E402
from tierbreak.registry import Registry  # noqa: E402
from tierbreak.rulebook import Rulebook  # noqa: E402
from tierbreak.tools.models.simulate.inputs import Inputs  # noqa: E402
from tierbreak.tools.models.training import examples as rounds  # noqa: E402
from tierbreak.tools.models.training.encoder import Encoder  # noqa: E402
from tierbreak.tools.models.training.examples import EXAMPLES, Examples  # noqa: E402
from tierbreak.tools.models.training.publish import by_brand  # noqa: E402
from tierbreak.tools.models.training.train import Plan, train  # noqa: E402

IDS = ("lidl", "netflix", "shell", "uber")
PLAN = Plan(layers=(0,), examples=1_600, batch=32, rate=1e-3, reserved=2, common=0)


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    path = tmp_path_factory.mktemp("registry") / "brands.csv"
    columns = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since"
    path.write_text("\n".join([columns, *(f"{id},{id.title()},grocery,,,,,active,," for id in IDS)]) + "\n")
    return Registry.load(path)


@pytest.fixture
def learned(registry, tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "ROUND", 800)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "shell.yaml").write_text(
        "brand: shell\nowner: me\nrules:\n  - id: shell.name\n    match: [{words: SHELL OIL}]\n"
        "    examples: [SHELL OIL 5744]\n    counterexamples: [{descriptor: SHELL CREEK VET, expect: none}]\n"
    )
    book = Rulebook.load((tmp_path / "rules",), frozenset(IDS))
    settled = pl.DataFrame({"descriptor": ["LIDL WARENHANDEL 12", "TESCO 1"], "brand": ["lidl", "tesco"]})
    return Examples.of(Inputs(registry, book, None), {"NETFLIX", "SHELL CREEK VET"}, settled)


def test_a_round_holds_what_it_should(learned):
    one, same, other = learned.round(0), learned.round(0), learned.round(1)
    assert one.schema == EXAMPLES
    assert one.equals(same)
    assert not one.equals(other)
    assert one["key"].is_unique().all()
    found = dict(one.iter_rows())
    assert found["SHELL OIL"] == 2, "the rule author's example"
    assert found["LIDL WARENHANDEL 12"] == 0, "what rules settled in the user's traffic"
    assert not {"NETFLIX", "SHELL CREEK VET"} & set(found), "keys that are kept out"
    assert not any(key.startswith("TESCO") for key in found), "brands that the model has no label for"
    assert {-2, -1, 0, 1, 2, 3} == set(one["label"])


def test_it_learns(learned, tmp_path):
    seen = []
    net, _ = train(Encoder(weights(1), tokenizer()), learned, PLAN, tmp_path / "checkpoint", say=seen.append)
    assert seen[-1].seen == PLAN.examples
    assert seen[-1].loss < 1.3, "six answers: a guess costs 1.8"
    head, reserved = net.heads()
    assert head.shape == (2, 4, 384)
    assert reserved.shape == (2, 2, 384)
    assert np.linalg.norm(head, axis=2) == pytest.approx(1, abs=1e-5)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(learned, tmp_path):
    """Killed at the first report behind the checkpoint at 640: the weights come out the same, bit for bit."""
    encoder = Encoder(weights(1), tokenizer())
    whole, _ = train(encoder, learned, PLAN, tmp_path / "whole", say=lambda at: None, every=640)

    class Killed(Exception):
        pass

    def kill(*_):
        if (tmp_path / "killed").exists():
            raise Killed
        return 0.0

    step = rounds_step(kill)
    with pytest.raises(Killed), step:
        train(encoder, learned, PLAN, tmp_path / "killed", say=lambda at: None, every=640)
    resumed, _ = train(encoder, learned, PLAN, tmp_path / "killed", say=lambda at: None, every=640)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def rounds_step(before):
    """Have `before` called ahead of each step."""
    from tierbreak.tools.models.training import train as module

    step = module._step
    patch = pytest.MonkeyPatch()
    patch.setattr(module, "_step", lambda *given: before() or step(*given))

    class Context:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            patch.undo()

    return Context()


def test_a_checkpoint_of_another_plan_is_refused(learned, tmp_path):
    encoder, short = Encoder(weights(1), tokenizer()), Plan(**{**vars(PLAN), "examples": 64})
    train(encoder, learned, short, tmp_path / "checkpoint", say=lambda at: None)
    with pytest.raises(TierbreakError, match="is of another plan; delete it"):
        train(encoder, learned, PLAN, tmp_path / "checkpoint", say=lambda at: None)


def test_thresholds_are_raised_where_a_brand_is_wrong_too_often(registry):
    """600 keys of confidence 0.95 and 0.75 by turns. lidl always right; netflix wrong on its 100 lower ones."""
    shares = np.tile(np.array([[0.95, 0.05], [0.75, 0.25]]), (300, 1))
    brands = np.repeat([[0, -2], [1, -2]], [400, 200], axis=0).astype(np.int32)
    truth = np.where(brands[:, 0] == 0, 0, np.where(shares[:, 0] > 0.9, 1, -1)).astype(np.int32)
    policy = by_brand(Policy(1.0, -99.0, 0.5), registry, brands, np.log(shares).astype(np.float32), truth)
    thresholds = dict(zip(registry.ids, policy.thresholds(registry.ids, ["grocery"] * 4), strict=True))
    assert thresholds["netflix"] == pytest.approx(0.95, abs=1e-4)
    assert thresholds["lidl"] >= 0.5
    answered = np.where(brands[:, 0] == 0, shares[:, 0] >= thresholds["lidl"], shares[:, 0] >= thresholds["netflix"])
    assert (truth == brands[:, 0])[answered].mean() >= 0.985


def test_thresholds_stay_where_all_is_right(registry):
    brands, truth = np.tile(np.array([[0, -2]], dtype=np.int32), (100, 1)), np.zeros(100, dtype=np.int32)
    scores = np.tile(np.log([[0.9, 0.1]]), (100, 1)).astype(np.float32)
    policy = by_brand(Policy(1.0, -99.0, 0.5), registry, brands, scores, truth)
    assert (policy.by_sector, policy.by_brand) == ({}, {})
