"""The sample: 655 descriptors written by hand before any rule, each with its true brand or none.

A regression set, not a gold set: rules have been mended with it in view, so what it shows is a floor that must not
sink, and no estimate of unseen traffic. `pytest -s tests/test_sample.py` prints the table.
"""

from pathlib import Path

import polars as pl
import pytest

from tierbreak import Engine, Settings

SAMPLE = Path(__file__).with_name("sample.tsv")


@pytest.fixture(scope="module")
def decided(state):
    rows = pl.read_csv(SAMPLE, separator="\t", quote_char=None, schema_overrides={"truth": pl.String})
    rows = rows.select("descriptor", "format", truth=pl.col("truth").fill_null(""))
    with Engine.load(cache=None, settings=Settings(state=state)) as engine:
        registry = engine.parts.registry
        unknown = sorted(set(rows["truth"].to_list()) - {"", *registry.ids})
        assert not unknown, f"brands of the sample that are not in the registry: {unknown}"
        return engine.classify(rows).with_columns(
            branded=pl.col("truth") != "",
            right=pl.col("brand").fill_null("") == pl.col("truth"),
            by_rules=(pl.col("tier") == "rules").fill_null(False),
            answered=pl.col("brand").is_not_null(),
        )


def share(part, whole):
    return f"{part}/{whole} ({part / whole:.1%})" if whole else "-"


def test_the_table_by_format(decided):
    lines = [f"{'format':24} {'rows':>5} {'rules':>6} {'right':>6} {'later':>6} {'right':>6} {'abstained':>9}"]
    for (name,), part in decided.sort("format").group_by("format", maintain_order=True):
        rules, later = part.filter("by_rules"), part.filter(pl.col("answered") & ~pl.col("by_rules"))
        counts = (part.height, rules.height, rules["right"].sum(), later.height, later["right"].sum())
        lines.append(f"{name:24} {counts[0]:5} {counts[1]:6} {counts[2]:6} {counts[3]:6} {counts[4]:6} "
                     f"{part.height - counts[1] - counts[3]:9}")  # fmt: skip
    print("\n" + "\n".join(lines))
    assert decided.height == 655


def test_rules_settle_most_branded_rows_and_are_right(decided):
    branded, settled = decided.filter("branded"), decided.filter("by_rules")
    coverage = branded["by_rules"].sum() / branded.height
    right = settled["right"].sum()
    print(f"\nrules settle {share(branded['by_rules'].sum(), branded.height)}, right {share(right, settled.height)}")
    assert coverage >= 0.60
    assert right / settled.height >= 0.98


def test_no_brand_rows_are_left_alone(decided):
    none = decided.filter(~pl.col("branded"))
    answered = none.filter("answered")
    print(f"\nno-brand rows answered: {share(answered.height, none.height)}")
    assert answered.height / none.height <= 0.03, answered.select("descriptor", "brand", "tier", "rule").rows()


def test_the_model_names_the_brand_among_its_first_five(decided):
    rest = decided.filter("branded").filter(~pl.col("by_rules"))
    found = rest.filter(pl.col("candidates").list.contains(pl.col("truth"))).height
    print(f"\ntrue brand among five candidates of the branded rest: {share(found, rest.height)}")
    assert found / rest.height >= 0.90
