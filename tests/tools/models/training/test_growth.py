"""Brands added without training: what stays as it is, what is refused, and that it goes on at 16,000 labels."""

import json

import numpy as np
import polars as pl
import pytest

from encoders import POLICY, name_of, pairs, source
from tierbreak import ModelError
from tierbreak.registry import Registry
from tierbreak.tiers.model import ModelTier
from tierbreak.tiers.model.folder import FILES
from tierbreak.tools.models.training import growth
from tierbreak.tools.models.training.folder import Source, read_weights, write
from tierbreak.tools.models.training.runs import Runner

LABELS = [f"{a}-{b}" for a in ("alpha", "bravo", "delta", "echo") for b in ("mart", "shop", "inn", "foods", "cars")]
COLUMNS = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since\n"
NEW = (
    "zulu-telecom,Zulu Telecom,telecom,,ZTEL|Zulu Wireless,,,active,,\n"
    "old-zulu,Old Zulu,telecom,,,,,retired,zulu-telecom,\n"
    "gone,Gone,telecom,,,,,retired,,\n"
    "perhaps,Perhaps,telecom,,,,,proposed,,\n"
    "copycat,Alpha Mart,grocery,,,,,active,,\n"
)


def registry(tmp_path, labels=LABELS, more=NEW):
    lines = [f"{label},{name_of(label).title()},grocery,,,,,active,,\n" for label in labels]
    (tmp_path / "brands.csv").write_text(COLUMNS + "".join(lines) + more)
    return Registry.load(tmp_path / "brands.csv")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A small model, its registry; nothing in them is changed by a test."""
    folder = tmp_path_factory.mktemp("growth")
    write(folder / "model", source(LABELS), POLICY, pairs(LABELS))
    (folder / "model" / "README.md").write_text("# a card\n")
    split = [f"{name_of(label)} #12 AUSTIN TX\t{label}" for label in LABELS]
    (folder / "model" / "calibration.tsv").write_text(
        "\n".join(["descriptor\tbrand", *split, "ZULU TELECOM 4\tzulu-telecom"])
    )
    return folder / "model", registry(folder)


@pytest.fixture(autouse=True)
def in_full(monkeypatch):
    """The cosines of an encoder that was never trained all lie near 1: shorter prototypes would never be nearest."""
    monkeypatch.setattr(growth, "LENGTH", np.float32(1))


def test_a_brand_is_added_and_nothing_else_moves(shared, tmp_path):
    folder, brands = shared
    report = growth.add_brand(folder, tmp_path / "out", brands, "zulu-telecom", ["SQ *ZULU MOBIL 03/04"])
    assert report.accepted
    assert report.known
    assert report.texts == ("ZULU TELECOM", "ZTEL", "ZULU WIRELESS", "ZL TLCM", "ZULU MOBIL")
    # 22 golden strings and 20 rows of the split; the new brand's own row is left out.
    assert report.held_out == len({*map(name_of, LABELS), "PAYROLL", "RENT APRIL", "", *_keys(folder)})
    before, after = (ModelTier.load(path, registry_ids=brands.ids) for path in (folder, tmp_path / "out"))
    assert after.labels == (*LABELS, "zulu-telecom")
    assert after.fingerprint != before.fingerprint
    texts = pl.Series([*_keys(folder), "PAYROLL", "SOMEBODY ELSE", ""])
    old, new = before.judge(texts), after.judge(texts)
    for was, then, label, was_label in zip(
        old["scores"].to_list(), new["scores"].to_list(), new["labels"].to_list(), old["labels"].to_list(), strict=True
    ):
        known = dict(zip(was_label, was, strict=True))
        assert {at: score for at, score in zip(label, then, strict=True) if at in known}.items() <= known.items()
    found = after.judge(pl.Series(["ZULU TELECOM", "ZTEL"]))
    assert [labels[0] for labels in found["labels"].to_list()] == [20, 20]
    golden = json.loads((tmp_path / "out" / "golden.json").read_text())["strings"]
    assert golden[-1]["label"] == "zulu-telecom"
    assert "`zulu-telecom`, from 5 keys" in (tmp_path / "out" / "README.md").read_text()


def _keys(folder):
    from tierbreak.core import normalise

    rows = growth.read_descriptors(folder / "calibration.tsv").filter(pl.col("brand") != "zulu-telecom")
    return normalise.normalise(rows["descriptor"])["key"].to_list()


def test_every_existing_score_is_the_same_bits(shared):
    """Not only those among the best: the whole product, asked of the graph before its top-k."""
    old = read_weights(shared[0])
    new = growth.grow(old, "zulu-telecom", ["ZULU TELECOM", "ZTEL"])
    keys = ["ALPHA MART", "QUITE ELSE 12", "PAYROLL"]
    scores = []
    for made in (old, new):
        model = made.model.__class__()
        model.CopyFrom(made.model)
        inner = next(node.input[0] for node in model.graph.node if node.op_type == "TopK")
        model.graph.output.append(type(model.graph.output[0])(name=inner))
        scores.append(Runner(model, made.tokenizer).run(keys, inner)[0])
    assert scores[0].shape == (3, 20)
    assert scores[1].shape == (3, 21)
    assert (scores[1][:, :20] == scores[0]).all()
    assert (new.head[:, :20] == old.head).all()
    assert (new.head[2, 20] == new.head[0, 20]).all(), "two texts for three prototypes: the first stands twice"


def test_a_newcomer_counts_for_less_than_what_was_trained(shared, monkeypatch):
    monkeypatch.undo()
    old = read_weights(shared[0])
    new = growth.grow(old, "zulu-telecom", ["ZULU TELECOM", "ZTEL"])
    assert np.linalg.norm(new.head[:, 20].astype(np.float32), axis=-1) == pytest.approx(0.8, abs=2e-3)
    assert (new.head[:, :20] == old.head).all()


@pytest.mark.parametrize(
    ("id", "says"),
    [
        ("alpha-mart", "is a label of this model already"),
        ("nobody", "the registry has no such brand"),
        ("old-zulu", "does not let it be decided on"),
        ("gone", "does not let it be decided on"),
        ("perhaps", "does not let it be decided on"),
    ],
)
def test_ids_that_cannot_be_added(shared, tmp_path, id, says):
    with pytest.raises(ModelError, match=says) as caught:
        growth.add_brand(shared[0], tmp_path / "out", shared[1], id)
    assert caught.value.exit_code == 5
    assert not (tmp_path / "out").exists()


def test_a_retired_label_is_never_used_again(shared, tmp_path):
    brands = registry(tmp_path, LABELS[1:], NEW + "alpha-mart,Alpha Mart,grocery,,,,,retired,,\n")
    with pytest.raises(ModelError, match="ids are never used again"):
        growth.add_brand(shared[0], tmp_path / "out", brands, "alpha-mart")


def test_a_brand_that_takes_answers_is_refused(shared, tmp_path):
    """It has another brand's name: of that name and the split's row, neither is sure any more."""
    with pytest.raises(ModelError, match="answers change") as caught:
        growth.add_brand(shared[0], tmp_path / "out", shared[1], "copycat")
    assert "'ALPHA MART': alpha-mart -> no answer, nearest to 'ALPHA MART'" in str(caught.value)
    assert "leave this brand to a rule, or train the model" in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert not [*tmp_path.iterdir()]


def test_an_example_that_takes_answers_is_named(shared, tmp_path):
    with pytest.raises(ModelError, match="leave that example out") as caught:
        growth.add_brand(shared[0], tmp_path / "out", shared[1], "zulu-telecom", ["DELTA FOODS"])
    assert "come of the example 'DELTA FOODS'" in str(caught.value)


def test_fewer_than_one_in_a_thousand_is_accepted(shared, tmp_path):
    """One change among 1,001 held-out keys passes, among 1,000 it does not; keys of the brand itself do not count."""
    folder, brands = shared
    rows = [("ALPHA MART", "copycat"), ("ZULU TELECOM", None)]
    rows += [(f"NOBODY {''.join(chr(65 + at // 26**place % 26) for place in range(3))}", None) for at in range(1000)]
    held = pl.DataFrame(rows, schema={"descriptor": pl.String, "brand": pl.String}, orient="row")
    taken = "ZULU TELECOM"
    with pytest.raises(ModelError, match=r"1 of 1,000 held-out answers change \(0\.10%"):
        growth.add_brand(folder, tmp_path / "out", brands, "zulu-telecom", held_out=held[1:1001])
    report = growth.add_brand(folder, tmp_path / "out", brands, "zulu-telecom", held_out=held[1:])
    assert [(change.key, change.before, change.after) for change in report.changes] == [(taken, None, "zulu-telecom")]
    with pytest.raises(ModelError, match="exists"):
        growth.add_brand(folder, tmp_path / "out", brands, "zulu-telecom")


def test_descriptors_are_read_from_lines_or_columns(tmp_path):
    (tmp_path / "lines").write_text('ONE "A"\n\nTWO\tB\n')
    assert growth.read_descriptors(tmp_path / "lines").rows() == [('ONE "A"', None), ("TWO\tB", None)]
    (tmp_path / "columns").write_text("brand\tdescriptor\nx\tONE\n\tTWO\n")
    assert growth.read_descriptors(tmp_path / "columns").rows() == [("ONE", "x"), ("TWO", None)]
    with pytest.raises(ModelError, match="cannot be read"):
        growth.read_descriptors(tmp_path / "none")


@pytest.mark.parametrize("count", [4_000, 8_000, 16_000])
def test_it_grows(count):
    """The last label of thousands is found like the first; the answer is as wide as ever."""
    made = source(LABELS, layers=1)
    (own,) = made.embedder.run(["ALPHA MART", "ECHO CARS"], "embedding")
    head = np.random.default_rng(0).normal(size=(3, count, 384)).astype(np.float32)
    head /= np.linalg.norm(head, axis=-1, keepdims=True)
    head[:, 0], head[:, -1] = own
    labels = [f"brand-{at}" for at in range(count)]
    many = Source.of(made.encoder, head, made.tokenizer, labels, ranges=made.ranges, reserved=made.reserved)
    found, scores = Runner(many.model, many.tokenizer).run(["ECHO CARS", "ALPHA MART", "PAYROLL"], "labels", "scores")
    assert found[:2, 0].tolist() == [count - 1, 0]
    assert found.shape == (3, 8)
    assert scores[2].argmax() == 6


def test_files_of_the_draft_are_those_of_any_model(shared):
    assert {path.name for path in shared[0].iterdir()} == {*FILES, "manifest.json", "README.md", "calibration.tsv"}
