"""A small book, twenty rows, and a model that has been asked of some of them: all of it can be counted by hand."""

from pathlib import Path
from textwrap import dedent

import polars as pl

RULES = {
    "uber.yaml": """
        brand: uber
        owner: mobility
        rules:
          - id: uber.again
            match: [{words: UBER TRIP}]
            examples: [UBER TRIP]
          - id: uber.trip
            match: [{words: UBER}, {words: UBR}]
            unless:
              - words: UBER FREIGHT
              - words: UBER ROCKET
            counterexamples: [{descriptor: UBER FREIGHT, expect: lyft}]
            outranks: [lyft.freight]
            examples: [UBER TRIP]
    """,
    "eats.yaml": """
        brand: uber-eats
        owner: food
        rules:
          - id: uber-eats.name
            match: [{words: UBER EATS}]
            examples: [UBER EATS]
    """,
    "lyft.yaml": """
        brand: lyft
        owner: mobility
        rules:
          - id: lyft.freight
            match: [{words: FREIGHT}]
            examples: [FREIGHT CO]
          - id: lyft.name
            match: [{words: LYFT}]
            examples: [LYFT RIDE]
    """,
    "starbucks.yaml": """
        brand: starbucks
        owner: food
        rules:
          - id: starbucks.draft
            status: draft
            match: [{words: SIREN}]
            examples: [SIREN]
          - id: starbucks.new
            status: shadow
            match: [{words: KETTLE}]
            examples: [KETTLE]
          - id: starbucks.store
            match: [{words: STARBUCKS}]
            examples: [STARBUCKS]
    """,
    "none.yaml": """
        brand: '*'
        owner: core
        deny:
          - id: none.gift
            match: [{words: GIFT}]
            examples: [GIFT CARD]
    """,
}

#: descriptor, amount, date, weight. 28 by weight; rules settle 16 of them.
ROWS = [
    ("UBER TRIP ALPHA", -10.0, "2024-01-05", 1),    # uber.again, and uber.trip would say the same
    ("UBER TRIP BETA", -20.0, "2024-01-06", 2),     # likewise
    ("UBER HOME", -5.0, "2024-01-07", 1),           # uber.trip#1
    ("UBR HOME", -5.0, "2024-01-08", 1),            # uber.trip#2
    ("UBER EATS ALPHA", -30.0, "2024-01-09", 1),    # uber-eats.name, uber.trip yields by span
    ("UBER EATS BETA", -30.0, "2024-01-10", 3),     # likewise
    ("UBER FREIGHT", -100.0, "2024-01-11", 1),      # uber.trip is excluded, which wakes lyft.freight
    ("LYFT RIDE", -7.0, "2024-01-12", 1),           # lyft.name
    ("LYFT RIDE", -8.0, "2024-01-13", 1),           # likewise
    ("LYFT STARBUCKS", -9.0, "2024-01-14", 2),      # contested; the model says lyft
    ("STARBUCKS ALPHA", -4.0, "2024-01-15", 1),     # starbucks.store; the model knows no brand
    ("STARBUCKS BETA", -4.0, "2024-01-16", 1),      # starbucks.store; the model was never asked
    ("STARBUCKS GIFT", -50.0, "2024-01-17", 1),     # none.gift closes it
    ("GIFT CARD", -50.0, "2024-01-18", 1),          # none.gift closes it
    ("KETTLE SHOP", -6.0, "2024-01-19", 2),         # starbucks.new in shadow; the model says starbucks
    ("KETTLE STARBUCKS", -6.0, "2024-01-20", 1),    # starbucks.store, starbucks.new in shadow, the model says starbucks
    ("JOE CAFE", -3.0, "2024-01-21", 1),            # nobody's
    ("JOE CAFE", -3.0, "2024-01-22", 4),            # nobody's
    ("UBER LYFT", -11.0, "2024-01-23", 1),          # contested
    ("FREIGHT CO", -12.0, "2024-01-24", 1),         # lyft.freight
]  # fmt: skip

#: What the model was asked before.
KNOWN = [
    "UBER TRIP ALPHA", "LYFT RIDE", "LYFT STARBUCKS", "STARBUCKS ALPHA", "KETTLE SHOP", "KETTLE STARBUCKS",
]  # fmt: skip

#: uber.trip decides UBER HOME, which stands twice, and UBR HOME; none.gift the last two.
GOLD = """descriptor\ttruth
UBER HOME\tuber
UBER HOME\tuber
UBR HOME\tlyft
GIFT CARD\t
STARBUCKS GIFT\tstarbucks
"""


def write_rules(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in RULES.items():
        (folder / name).write_text(dedent(text).lstrip())
    return folder


def write_rows(folder: Path) -> str:
    frame = pl.DataFrame(ROWS, schema=["descriptor", "amount", "date", "count"], orient="row")
    frame.write_csv(folder / "rows.csv")
    return str(folder / "rows.csv")
