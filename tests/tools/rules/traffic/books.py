"""Two small rulebooks, a month of seventeen rows, and a model that has been asked of some of them."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import polars as pl

from engines import TinyModel
from tierbreak import Engine, Settings
from tierbreak.core.tables import TOP_K

HEAD = "id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since\n"

#: A registry of few brands: the shipped one's 5,000 would be most of the time of these tests.
BRANDS = HEAD + "".join(
    f"{id},{id},{sector},{parent},,,,active,,\n"
    for id, sector, parent in [
        *((f"filler-{n}", "software", "") for n in range(TOP_K)),  # what TinyModel knows beside lyft and starbucks
        ("lyft", "rideshare", ""), ("netflix", "streaming", ""), ("shell", "fuel", ""), ("spotify", "streaming", ""),
        ("starbucks", "coffee", ""), ("uber", "rideshare", ""), ("uber-eats", "delivery", "uber"),
    ]
)  # fmt: skip

BEFORE = {
    "uber.yaml": """
        brand: uber
        owner: mobility
        rules:
          - id: uber.trip
            match: [{words: UBER}]
            unless: [{words: UBER FREIGHT}]
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
          - id: lyft.name
            match: [{words: LYFT}]
            examples: [LYFT RIDE]
    """,
    "starbucks.yaml": """
        brand: starbucks
        owner: food
        rules:
          - id: starbucks.store
            match: [{words: STARBUCKS}]
            examples: [{descriptor: STARBUCKS, amount: -4}]
    """,
    "netflix.yaml": """
        brand: netflix
        owner: media
        rules:
          - id: netflix.name
            match: [{words: NETFLIX}]
            examples: [NETFLIX]
    """,
}

#: uber-eats.name is gone; lyft.name has another id; starbucks.store is guarded; spotify.name and two deny rules are
#: new; netflix.name lies elsewhere and has another example.
AFTER = {
    "uber.yaml": BEFORE["uber.yaml"],
    "lyft.yaml": BEFORE["lyft.yaml"].replace("lyft.name", "lyft.ride") + """
        deny:
          - id: lyft.not-lyfter
            match: [{words: LYFTER}]
            examples: [LYFTER ALPHA]
    """,
    "starbucks.yaml": BEFORE["starbucks.yaml"].replace(
        "match:", "when: {amount: {lt: 20}}\n            match:"
    ),
    "media/netflix.yaml": BEFORE["netflix.yaml"].replace(
        "examples: [NETFLIX]", "examples: [NETFLIX, NETFLIX COM]"
    ),
    "media/spotify.yaml": """
        brand: spotify
        owner: media
        rules:
          - id: spotify.name
            match: [{words: SPOTIFY}]
            examples: [SPOTIFY]
    """,
    "gift.yaml": """
        brand: '*'
        owner: core
        deny:
          - id: none.gift
            match: [{words: GIFT}]
            examples: [GIFT ALPHA]
    """,
}  # fmt: skip

#: descriptor, amount, and whether the model was asked before.
MONTH = [
    ("UBER TRIP", -10.0, False),         # uber, as before
    ("UBER EATS ALPHA", -20.0, False),   # uber-eats -> uber
    ("UBER EATS BETA", -30.0, False),    # uber-eats -> uber
    ("LYFT RIDE", -5.0, False),          # lyft, by a rule of another id
    ("STARBUCKS ALPHA", -4.0, True),     # starbucks, below the guard's bound
    ("STARBUCKS KETTLE", -25.0, True),   # starbucks by rule -> starbucks by the model
    ("STARBUCKS GAMMA", -40.0, True),    # starbucks -> the model knows no brand
    ("STARBUCKS DELTA", -50.0, False),   # starbucks -> the model was never asked
    ("SPOTIFY ALPHA", -7.0, True),       # no brand -> spotify
    ("SPOTIFY BETA", -8.0, False),       # the model was never asked -> spotify
    ("NETFLIX SPOTIFY", -9.0, True),     # netflix -> contested, and the model knows no brand
    ("NETFLIX", -11.0, False),           # netflix, as before
    ("GIFT ALPHA", -12.0, True),         # no brand -> not a merchant
    ("GIFT BETA", -13.0, False),         # the model was never asked -> not a merchant
    ("LYFTER ALPHA", -14.0, True),       # lyft by the model -> denied
    ("LYFTER BETA", -15.0, False),       # the model was never asked, and then may not say lyft
    ("JOE CAFE", -16.0, False),          # nobody's, as before
]  # fmt: skip


def ship(monkeypatch, folder: Path) -> Path:
    """Have the shipped registry be BRANDS, and nothing else be shipped."""
    write(folder / "rules", {})
    (folder / "models" / "us-brands").mkdir(parents=True)
    for name in ("tierbreak.bundle.shipped", "tierbreak.tools.rules.traffic.diff.versions.shipped"):
        monkeypatch.setattr(name, lambda: folder)
    return folder / "rules"


def write(folder: Path, files: dict[str, str], brands: str = BRANDS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    (folder / "brands.csv").write_text(brands)
    return folder


def month(folder: Path) -> str:
    rows = [row[:2] for row in MONTH]
    pl.DataFrame(rows, schema=["descriptor", "amount"], orient="row").write_csv(folder / "month.csv")
    return str(folder / "month.csv")


def asked(rules: Path, cache: Path, state: Path) -> None:
    """Have the model asked of some rows, so that the cache holds what it said. Needs `parts._load_model` patched."""
    no_rules = write(rules.parent / "no-rules", {"none.yaml": "brand: filler-0\nowner: x\nrules: []\n"})
    with Engine.load(rules=no_rules, cache=cache, settings=Settings(state=state)) as engine:
        engine.classify(pl.DataFrame({"descriptor": [text for text, _, known in MONTH if known]}))


def tiny(monkeypatch) -> TinyModel:
    """TinyModel in place of every model that is loaded."""
    model = TinyModel()
    monkeypatch.setattr("tierbreak.parts._load_model", lambda folder, *_: folder and model)
    return model


def as_json(found) -> dict:
    return json.loads(json.dumps(found.to_dict()))
