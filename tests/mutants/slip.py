"""The list of slips: small changes to the code, each of which some test should notice.

A file of `slips/` is an area. It names the tests of that area and has one [[slip]] for each change:

    id        unique within the area
    file      below engine/tierbreak
    old, new  text that stands there exactly once, and what it is changed to
    why       what a user would see
    tests     in place of the area's
    noticed   false where no test notices it so far
"""

import tomllib
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
PACKAGE = Path("engine/tierbreak")


@dataclass(frozen=True)
class Slip:
    """One change, and the tests that are to notice it; `name` is `area/id`."""

    area: str
    id: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]
    noticed: bool = True

    @property
    def name(self) -> str:
        return f"{self.area}/{self.id}"

    def applied(self, text: str) -> str:
        """The file's text with the slip in. Raises ValueError where `old` does not stand there exactly once."""
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: `old` stands {count} times in {self.file}, it must stand there once")
        return text.replace(self.old, self.new)


def listed(folder: Path = HERE / "slips") -> list[Slip]:
    """Every slip, by area."""
    out = []
    for path in sorted(folder.glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        for entry in content["slip"]:
            tests = tuple(entry.pop("tests", content["tests"]))
            out.append(Slip(area=path.stem, tests=tests, **entry))
    return out


def wilson(hits: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """Bounds of a share with 95 % confidence (Wilson 1927), 0..1; `of` is above 0."""
    share, spread = hits / of, z * z / of
    half = z * sqrt(share * (1 - share) / of + spread / (4 * of))
    return (share + spread / 2 - half) / (1 + spread), (share + spread / 2 + half) / (1 + spread)
