"""An ordered list of ten lines, small enough to be decided by hand, and a small registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierbreak.registry import Registry

LIST = r"""regex,merchant,flags,category
UBER\s*EATS,Uber Eats,i,Food
UBER,Uber,i,Rides
PAYPAL,PayPal,i,Pay
\bNETFLIX\b,Netflix,i,Video
DELTA AIR,Delta Air Lines,i,Air
AIR FRANCE,Air France,i,Air
^SQ \*(?!UBER),Corner Shop,i,Shops
\bNETFLIX KIDS\b,Netflix Kids,i,Video
UBER TRIP,Uber,i,Rides
"X{1,2000}Y",Xylophones,i,Music
ENERGY\s,Power Company,i,Bills
"""

#: What the list says of each: nine are decided, LYFT is not.
TRAFFIC = {
    "UBER EATS SF": "Uber Eats",
    "UBER TRIP": "Uber",
    "PAYPAL *NETFLIX": "PayPal",
    "DELTA AIR FRANCE CARGO": "Delta Air Lines",
    "SQ *TACO": "Corner Shop",
    "SQ *UBER": "Uber",
    "NETFLIX KIDS": "Netflix",
    "LYFT": None,
    "BOXY CAFE": "Xylophones",
    "ENERGY ": "Power Company",
}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the list, and the traffic with its second line twice."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "legacy.csv").write_text(LIST)
    lines = [*TRAFFIC, "UBER TRIP"]
    (folder / "june.csv").write_text("descriptor\n" + "".join(f'"{line}"\n' for line in lines))
    return folder


@pytest.fixture(scope="session")
def legacy(home: Path) -> Path:
    return home / "legacy.csv"


@pytest.fixture(scope="session")
def traffic(home: Path) -> Path:
    return home / "june.csv"


@pytest.fixture(scope="session")
def expected() -> dict[str, str | None]:
    """What the list says of the traffic."""
    return TRAFFIC


#: A few lines of the shipped registry: mapping names onto all of it takes a second.
BRANDS = """id,name,sector,parent,aliases,domain,wikidata,status,replaced_by,since
air-france,Air France,airline,,,,,active,,
costco,Costco,warehouse-club,,,,,active,,
costco-gas,Costco Gas,fuel,costco,,,,active,,
delta-air-lines,Delta Air Lines,airline,,,,,active,,
netflix,Netflix,streaming,,,,,active,,
paypal,PayPal,payments,,,,,active,,
shell,Shell,fuel,,,,,active,,
uber,Uber,rideshare,,,,,active,,
uber-eats,Uber Eats,delivery,uber,,,,active,,
"""


@pytest.fixture(scope="session")
def registry(home: Path) -> Registry:
    (home / "brands.csv").write_text(BRANDS)
    return Registry.load(home / "brands.csv")
