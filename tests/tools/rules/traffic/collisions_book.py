"""A rulebook in which everything collides that can, rows counted by hand, and a model that says who is right."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from textwrap import dedent

import numpy as np
import polars as pl

from engines import TinyModel
from tierbreak import Engine, Settings
from tierbreak.core.normalise import normalise
from tierbreak.core.tables import EVIDENCE, TOP_K
from tierbreak.tiers.cache import CacheTier

_BRANDS = ("acme", "bp", "costco", "gap", "instacart", "intuit", "lender", "mailchimp", "shell", "uber")
BRANDS = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since\n" + "".join(
    f"{id},{id.title()},gifts,{parent},,,,active,,\n"
    for id, parent in [*((id, "") for id in _BRANDS), ("uber-eats", "uber")]
)

BOOK = {
    "acme.yaml": """
        brand: acme
        owner: shops
        rules:
          - id: acme.name
            match: [{regex: 'ACME'}]
            examples: [ACME STORE 7]
    """,
    "bp.yaml": """
        brand: bp
        owner: fuel
        rules:
          - id: bp.station
            match: [{words: BP}]
            examples: [BP 4411]
    """,
    "costco.yaml": """
        brand: costco
        owner: shops
        rules:
          - id: costco.warehouse
            match: [{words: COSTCO}]
            examples: [COSTCO 12]
            counterexamples: [{descriptor: COSTCO BY INSTACART, expect: instacart}]
    """,
    "gap.yaml": """
        brand: gap
        owner: shops
        rules:
          - id: gap.store
            match: [{words: GAP}]
            examples: [{descriptor: GAP OUTLET, amount: -45}]
    """,
    "instacart.yaml": """
        brand: instacart
        owner: food
        rules:
          - id: instacart.name
            match: [{words: COSTCO BY INSTACART}]
            examples: [COSTCO BY INSTACART SF]
    """,
    "intuit.yaml": """
        brand: intuit
        owner: software
        rules:
          - id: intuit.name
            match: [{words: INTUIT}]
            examples: [INTUIT 99]
    """,
    "lender.yaml": """
        brand: lender
        owner: bills
        rules:
          - id: lender.waiver
            match: [{words: WAIVER}]
            examples: [WAIVER FEE]
    """,
    "mailchimp.yaml": """
        brand: mailchimp
        owner: software
        rules:
          - id: mailchimp.name
            match: [{words: MAILCHIMP}]
            outranks: [intuit.name]
            examples: [MAILCHIMP MONTHLY]
    """,
    "shell.yaml": """
        brand: shell
        owner: fuel
        rules:
          - id: shell.name
            match: [{words: SHELL}]
            examples: [SHELL 12]
          - id: shell.oil
            match: [{words: SHELL OIL}]
            examples: [SHELL OIL 12]
    """,
    "uber.yaml": """
        brand: uber
        owner: mobility
        rules:
          - id: uber.trip
            match: [{words: UBER}]
            examples: [UBER TRIP]
    """,
    "uber-eats.yaml": """
        brand: uber-eats
        owner: food
        rules:
          - id: uber-eats.name
            match: [{words: UBER EATS}]
            examples: [UBER EATS NY]
    """,
    "wages.yaml": """
        brand: '*'
        owner: bank
        deny:
          - id: wages.payroll
            match: [{words: PAYROLL}]
            examples: [PAYROLL 0612]
    """,
}

#: descriptor, amount, how often. In all 74 rows: 38 collide, of them 13 are contested.
ROWS = [
    ("SHELL ACMETON 1", -10.0, 3), ("SHELL ACMETON 2", -20.0, 1), ("BP ACMETON", -30.0, 3),  # contested: 7 rows, 140
    ("ACME STORE", -5.0, 10), ("JOE ACMETON", -7.0, 1),
    ("COSTCO BY INSTACART", -40.0, 5), ("COSTCO 12", -9.0, 4),  # span: 5 rows, 200
    ("UBER EATS", -12.0, 7), ("UBER TRIP", -8.0, 5),  # family: 7 rows, 84
    ("INTUIT MAILCHIMP", -15.0, 3),  # edge: 3 rows, 45
    ("PAYROLL COSTCO", 100.0, 8),  # denied: 8 rows, 800
    ("SHELL OIL", -50.0, 2),  # one brand: 2 rows, 100
    *((f"GAP {name}", -10.0 * at, 1)
      for at, name in enumerate(["ALPHA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "FOXTROT", "GOLF"], 2)),
    *((f"GAP WAIVER {name}", -100.0 * at, 1)  # contested: 6 rows, 4,500
      for at, name in enumerate(["HOTEL", "INDIA", "JULIET", "KILO", "LIMA", "MIKE"], 5)),
    ("JOE CAFE", -3.0, 9),
]  # fmt: skip


class Knows(TinyModel):
    """Says a brand where a key holds a word of its own, else nothing."""

    labels = (*_BRANDS, "uber-eats")
    words = (("WAIVER", "lender"), ("MAILCHIMP", "intuit"), ("INSTACART", "instacart"), ("SHELL ACMETON", "shell"),
             ("BP ACMETON", "bp"))  # fmt: skip

    def judge(self, texts):
        self.asked += texts.to_list()
        labels = np.tile(np.arange(TOP_K, dtype=np.int32), (len(texts), 1))
        scores = np.tile(np.linspace(0.2, 0.1, TOP_K, dtype=np.float32), (len(texts), 1))
        for at, text in enumerate(texts.to_list()):
            for word, brand in self.words:
                if word in text:
                    labels[at, 0], scores[at, 0] = self.labels.index(brand), 0.9
        return pl.DataFrame({"key": np.arange(len(texts)), "labels": labels, "scores": scores}, schema=EVIDENCE)


def written(folder: Path, **changed: str) -> Path:
    """The rulebook as files; `changed` stands in for those of the same name, without `.yaml`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "brands.csv").write_text(BRANDS)
    for name, text in {**BOOK, **{f"{name.replace('_', '-')}.yaml": text for name, text in changed.items()}}.items():
        (folder / name).write_text(dedent(text).lstrip("\n"))
    return folder


def month(folder: Path, rows=ROWS) -> str:
    """The rows as a file, with their weight in a column `count`."""
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, schema=["descriptor", "amount", "count"], orient="row").write_csv(folder / "month.csv")
    return str(folder / "month.csv")


def plain(rules: Path, state: Path) -> Engine:
    """No model, no cache."""
    return Engine.load(rules=rules, model=None, cache=None, settings=Settings(state=state))


def modelled(engine: Engine, cache: Path, known: list[str]) -> tuple[Engine, Knows]:
    """The engine with the model, and a cache that holds what it says of the descriptors `known`."""
    model, parts = Knows(), engine.parts
    evidence = {**model.evidence, "normaliser": parts.fingerprints["normaliser"]}
    store = CacheTier.open(cache, evidence, size_bytes=1 << 22)
    keys = normalise(pl.Series(known))["key"].unique(maintain_order=True)
    store.store(keys, model.judge(keys))
    model.asked.clear()
    brands = [parts.registry.index(label) for label in model.labels]
    changed = dataclasses.replace(
        parts, model=model, cache=store,
        brand_of_label=np.array([*brands, -3, -2], dtype=np.int32),
        thresholds=np.full(len(parts.registry), model.policy.threshold, dtype=np.float32),
    )  # fmt: skip
    return Engine(changed, engine.settings), model
