"""Gates: bounds for figures of a report, written in a file before the run that they judge.

    [prices]
    core_hour = 0.05
    currency = "USD"

    [gate.negative-flips]
    measure = "negative-flips"        # a short name, or a path into the JSON of the report
    max = 0.003
    why = "one row in 300 may turn from right to wrong"

    [gate.srm]
    measure = "experiment.srm_p"
    min = 0.001
    stop = true                       # failing, it calls for going back, not only for waiting

That it was written before is what makes a gate more than a remark; `Gates.late` says what can be known of it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tierbreak.errors import SettingsError
from tierbreak.tools.compare.verdicts.paths import possible

#: Short name -> path, and what it is.
SHORT = {
    "agreement": ("agreement.by.rows.exact_share", "rows on which the sides agree"),
    "agreement-users": ("agreement.by.users.exact_share", "users of whom every row agrees"),
    "agreement-money": ("agreement.by.money.exact_share", "money on which the sides agree"),
    "coverage": ("agreement.coverage.new.share", "rows that the new side names a brand for"),
    "lost": ("agreement.outcomes.lost.share", "rows that only the old side names a brand for"),
    "changed": ("agreement.outcomes.changed.share", "rows that go from one brand to another"),
    "negative-flips": ("correctness.exact.negative.share.value", "gold rows that turn from right to wrong"),
    "negative-flips-high": ("correctness.exact.negative.share.high", "the same, high end of its interval"),
    "precision": ("correctness.exact.precision.low", "precision, new less old, low end of its interval"),
    "found": ("correctness.exact.found.low", "branded rows found, new less old, low end of its interval"),
    "macro": ("correctness.exact.macro.low", "the same averaged over brands"),
    "cost": ("operations.throughput.new.cost_million", "a million rows on the new side, at [prices]"),
    "srm": ("experiment.srm_p", "chance of so uneven a split of users by luck"),
}

#: The sections whose figures a gate may be about.
SECTIONS = (
    "header", "agreement", "flow", "brands", "correctness", "attribution", "sample", "operations", "experiment",
)  # fmt: skip

#: A file to start from.
STARTER = """\
# What must hold before the new side gets more users. Change the bounds, commit the file, then run.
[prices]
core_hour = 0.05
currency = "USD"

[gate.negative-flips]
measure = "negative-flips"
max = 0.003
why = "of a thousand rows, at most three may turn from right to wrong"

[gate.precision]
measure = "precision"
min = -0.005
why = "precision may not be lower; half a point is left to luck"

[gate.lost]
measure = "lost"
max = 0.02
why = "users should not lose names that they had"

[gate.srm]
measure = "srm"
min = 0.001
stop = true
why = "a split that is not the ramp's makes every figure of the experiment worthless"

[gate.retention]
measure = "experiment.metrics.retained.always.high"
min = 0
stop = true
why = "below 0, users of the new side are known to leave"
"""


@dataclass(frozen=True)
class Prices:
    """What computing costs: one core for an hour, in a currency."""

    core_hour: float
    currency: str


@dataclass(frozen=True)
class Gate:
    """One bound, or two.

    measure   as it was asked for
    path      the figure's path in the report
    min, max  what it may be at least and at most; None: anything
    stop      whether to go back where it fails
    why       in the words of who wrote it
    """

    name: str
    measure: str
    path: str
    min: float | None
    max: float | None
    stop: bool
    why: str


@dataclass(frozen=True)
class Gates:
    """A gates file.

    fingerprint   hex digest of its bytes: which bounds were used
    written       when the file was last changed, as its time says
    prices        None where it names none
    """

    name: str
    gates: tuple[Gate, ...]
    prices: Prices | None
    fingerprint: str
    written: dt.datetime

    @classmethod
    def read(cls, path: Path | str) -> Gates:
        """Read a gates file. Raises SettingsError that names all that is wrong with it."""
        try:
            data = Path(path).read_bytes()
            changed = Path(path).stat().st_mtime
            content = tomllib.loads(data.decode("utf-8-sig"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{path}: cannot be read as gates: {error}") from None
        wrong = [f"no such key `{key}`; there are gate, prices" for key in content if key not in ("gate", "prices")]
        prices = _prices(content["prices"], wrong) if "prices" in content else None
        given = content.get("gate", {})
        if not isinstance(given, Mapping) or not all(isinstance(one, Mapping) for one in given.values()):
            wrong.append("gates stand as [gate.NAME], each with `measure` and `min` or `max`")
            given = {}
        elif not given and prices is None:
            wrong.append("there is no gate: write one as [gate.NAME], with `measure` and `min` or `max`")
        gates = tuple(_gate(name, one, wrong) for name, one in given.items())
        if wrong:
            raise SettingsError(f"{path}: the gates are wrong:\n" + "\n".join(f"  {line}" for line in wrong))
        when = dt.datetime.fromtimestamp(changed, dt.UTC)
        return cls(str(path), gates, prices, hashlib.sha256(data).hexdigest(), when)

    def check(self, kinds: Mapping[str, Any]) -> None:
        """Find wrong paths before the run.

        kinds   section id -> the dataclass of its figures

        Raises SettingsError that names all measures that cannot be figures of these.
        """
        wrong = [f"gate {one.name}: no figure {one.path!r}" for one in self.gates if not possible(one.path, kinds)]
        if wrong:
            raise SettingsError(f"{self.name}: the gates are wrong:\n" + "\n".join(f"  {line}" for line in wrong))

    def late(self, inputs: Iterable[Path | str]) -> str | None:
        """A notice where the file is younger than the newest input of the run, None where it is not.

        >>> gates = Gates("gates.toml", (), None, "", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        >>> gates.late([])
        """
        times = [(Path(one).stat().st_mtime, str(one)) for one in inputs if Path(one).is_file()]
        if not times or self.written.timestamp() <= max(times)[0]:
            return None
        moment, newest = max(times)
        return (
            f"{self.name} was last changed at {_minute(self.written)}, after the newest input ({newest}, "
            f"{_minute(dt.datetime.fromtimestamp(moment, dt.UTC))}): whoever wrote the bounds may have seen the data. "
            "A file's time proves neither this nor its opposite, as a copy renews it and anybody can set it; the "
            "fingerprint says which bounds were used, not since when. A commit of the file before the run says both."
        )


def _minute(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _gate(name: str, given: Mapping[str, Any], wrong: list[str]) -> Gate:
    at = f"gate {name}"
    for key in given.keys() - {"measure", "min", "max", "stop", "why"}:
        wrong.append(f"{at}: no such key `{key}`; there are measure, min, max, stop, why")
    measure, why, stop = given.get("measure", name), given.get("why", ""), given.get("stop", False)
    path = ""
    if not isinstance(measure, str) or not measure.strip():
        wrong.append(f'{at}: `measure` must be a text such as "negative-flips", got {measure!r}')
    else:
        path = SHORT[measure][0] if measure in SHORT else measure
        if path.split(".")[0] not in SECTIONS or "." not in path:
            near = _near(measure, [*SHORT, *SECTIONS])
            wrong.append(
                f"{at}: no measure {measure!r}{near}; short names are {', '.join(SHORT)}; "
                f"a path into the JSON of the report begins with one of {', '.join(SECTIONS)}"
            )
    bounds = [_number(given[key], f"{at}: `{key}`", wrong) if key in given else None for key in ("min", "max")]
    if "min" not in given and "max" not in given:
        wrong.append(f"{at}: there must be `min` or `max`")
    low, high = bounds
    if low is not None and high is not None and low > high:
        wrong.append(f"{at}: nothing is at least {low:g} and at most {high:g}")
    for key in ("min", "max"):
        bound = given.get(key)
        if measure in SHORT and measure != "cost" and isinstance(bound, int | float) and abs(bound) > 1:
            wrong.append(
                f"{at}: `{key}` is {bound:g}, and {measure} is a share, 0 to 1: for {bound:g} % write {bound / 100:g}"
            )
    if not isinstance(stop, bool):
        wrong.append(f"{at}: `stop` must be true or false, got {stop!r}")
    if not isinstance(why, str):
        wrong.append(f"{at}: `why` must be a text, got {why!r}")
    return Gate(name, str(measure), path, low, high, bool(stop), str(why))


def _number(given: Any, what: str, wrong: list[str]) -> float | None:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        wrong.append(f"{what} must be a number, got {given!r}")
        return None
    return float(given)


def _prices(given: Any, wrong: list[str]) -> Prices | None:
    if not isinstance(given, Mapping):
        wrong.append("[prices] has `core_hour` and `currency`")
        return None
    for key in given.keys() - {"core_hour", "currency"}:
        wrong.append(f"prices: no such key `{key}`; there are core_hour, currency")
    if "core_hour" not in given:
        wrong.append("prices: there must be `core_hour`, what one core costs an hour")
        return None
    price = _number(given["core_hour"], "prices: `core_hour`", wrong)
    if price is not None and price < 0:
        wrong.append(f"prices: `core_hour` must not be below 0, got {price:g}")
    currency = given.get("currency", "USD")
    if not isinstance(currency, str) or not currency.strip():
        wrong.append(f'prices: `currency` must be a text such as "USD", got {currency!r}')
    return Prices(price or 0.0, str(currency))


def _near(word: str, words: Sequence[str]) -> str:
    near = get_close_matches(word, words, n=1)
    return f", nearest: {near[0]!r}" if near else ""
