"""What is said of one rule, as plain values: each a count, a share of counts, or a date."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from tierbreak.rulebook import Place

#: The normal quantile of a two-sided 95 % interval.
_Z = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A part of a whole, with the 95 % interval of the share where the whole is a number of trials.

    >>> Share.of(9, 10)
    Share(part=9, whole=10, low=0.596, high=0.982)
    """

    part: float
    whole: float
    low: float
    high: float

    @classmethod
    def of(cls, part: int, whole: int) -> Share:
        low, high = wilson(part, whole)
        return cls(part, whole, round(low, 3), round(high, 3))

    @property
    def value(self) -> float:
        return self.part / self.whole if self.whole else math.nan


def wilson(right: int, trials: int) -> tuple[float, float]:
    """The 95 % score interval of a share: it stays between 0 and 1, and says something of few trials.

    right    0 .. trials
    trials   0 or more; of none nothing is known, which is 0 to 1

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    >>> [round(end, 4) for end in wilson(1, 1)], wilson(0, 0)
    ([0.2065, 1.0], (0.0, 1.0))
    """
    if not trials:
        return 0.0, 1.0
    share, squared = right / trials, _Z**2 / trials
    middle = (share + squared / 2) / (1 + squared)
    half = _Z / (1 + squared) * math.sqrt(share * (1 - share) / trials + squared / (4 * trials))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    # At the ends the formula is exact, and binary fractions are not.
    return (0.0 if not right else low), (1.0 if right == trials else high)


def never(trials: float, share: float) -> bool:
    """Whether 0 in so many trials says, with 95 %, that it happens in no more than this share of them.

    >>> never(73, 0.05), never(72, 0.05)
    (True, False)
    """
    return wilson(0, int(trials))[1] <= share


@dataclass(frozen=True)
class Volume:
    """Rows, or the sum of their weights, and the magnitude of their amounts."""

    rows: float
    money: float


@dataclass(frozen=True)
class PatternFigures:
    """`fired` and `decided` count rows in which it is the first of the rule's patterns that was found."""

    number: int
    text: str
    fired: float
    decided: float


@dataclass(frozen=True)
class UnlessFigures:
    """`fired` counts rows in which the rule and this one were found; `shown`: a counterexample has it."""

    number: int
    text: str
    fired: float
    shown: bool
    place: Place


@dataclass(frozen=True)
class Without:
    """What decides where the rule fired, were it taken out (a `shadow` rule: were it let in). Rows; see CHANGES.

    money             of the rows whose answer would change or be lost
    same_confidence   the model's, on average, where it gives the same brand; NaN where it does so nowhere
    other_confidence  likewise where it gives another
    """

    idle: float
    same_rule: float
    same_model: float
    same_none: float
    other_rule: float
    other_model: float
    nothing: float
    unknown: float
    money: float
    same_confidence: float
    other_confidence: float

    @property
    def changed(self) -> float:
        """Rows whose answer would change or be lost.

        A contested row that another rule would settle is one of them even where the cache does not know what the model
        says of it now.
        """
        return self.other_rule + self.other_model + self.nothing


@dataclass(frozen=True)
class Agreement:
    """What the model says of the rows that the rule decides, as far as the cache knows it. Rows, but for `texts`.

    other    it names another brand; of a rule that names none: it names one
    texts    distinct texts that the cache knows
    """

    agrees: float
    other: float
    silent: float
    unknown: float
    texts: int

    @property
    def known(self) -> float:
        return self.agrees + self.other + self.silent


@dataclass(frozen=True)
class Beside:
    """Who decides, for how many rows. `change` is one of CHANGES, `woke` or `disagrees`: see tally.py.

    rule    None where it is no rule
    brand   None where there is no answer
    """

    change: str
    rule: str | None
    brand: str | None
    rows: float


@dataclass(frozen=True)
class Text:
    """A text in which the rule fires: its descriptor masked, the pattern, and whether an example has its form."""

    descriptor: str
    number: int
    rows: float
    familiar: bool


@dataclass(frozen=True)
class Mistake:
    """A row of the gold set that the rule decides wrongly; `truth` is None where it is no known brand's."""

    descriptor: str
    truth: str | None


@dataclass(frozen=True)
class Cost:
    """Processor time of the rule alone in the exact engine; see cost.py.

    seconds   on a million texts
    times     of the time of the rule in the middle; `each` likewise, by pattern: what the rule's cost on average
    """

    seconds: float
    times: float
    each: float


@dataclass(frozen=True)
class RuleFigures:
    """One rule on one traffic. What is not said to be something else is rows, or the sum of their weights.

    found       rows with one of its patterns in them
    fired       and neither `unless`, `when` nor `valid` silenced it there
    decided     and it is the rule named for the decision; of a deny rule: it closes the case
    coverage    fired / all rows
    overlap     rows of `fired` in which another rule that may decide fired too
    conflict    and one of them names another brand, or denies this one
    contested   and nothing settled that: the case went to the next tier
    last        date of the latest row in which it fired; None: never, or the rows have no dates
    precision   of the gold set's keys that it decides, those that it decides rightly; None without a gold set
    mistakes    some of the others
    excluded    rows that `unless` took away; `woke`: those that then went to a rule of no kin that this one beats;
                `needless`: those that have the same answer without the `unless`
    unlike      of the rule's heaviest texts, by rows, the share whose form no example has; None where it has no texts
    texts       the heaviest ones
    """

    id: str
    brand: str
    owner: str
    status: str
    deny: bool
    place: Place
    found: float
    fired: Volume
    decided: Volume
    coverage: float
    overlap: float
    conflict: float
    contested: float
    last: dt.date | None
    patterns: tuple[PatternFigures, ...]
    without: Without
    model: Agreement
    precision: Share | None
    mistakes: tuple[Mistake, ...]
    excluded: float
    woke: float
    needless: float
    unless: tuple[UnlessFigures, ...]
    unlike: float | None
    texts: tuple[Text, ...]
    beside: tuple[Beside, ...]
    rivals: tuple[Beside, ...]
    cost: Cost | None


@dataclass(frozen=True)
class Facts:
    """Of the traffic and the book as a whole.

    rows, money    of the traffic; `settled` those that rules decide
    window         first and last date, None where rows have no dates
    median_cost    seconds a million texts of the rule in the middle; `cost_noise` how far repeats lie apart, as a share
                   of the fastest, in the middle; both None where time was not taken
    """

    traffic: str
    rows: float
    money: float | None
    settled: Volume
    window: tuple[dt.date, dt.date] | None
    broken: int
    gold: str | None
    rulebook: str
    model: str | None
    median_cost: float | None
    cost_noise: float | None
    notices: tuple[str, ...]

    @property
    def days(self) -> int | None:
        """How many days the window has, both ends counted."""
        return (self.window[1] - self.window[0]).days + 1 if self.window else None


@dataclass(frozen=True)
class Stats:
    """Figures of every rule that runs, in the order of their ids."""

    facts: Facts
    rules: tuple[RuleFigures, ...]

    def __getitem__(self, id: str) -> RuleFigures:
        """The rule with this id. Raises KeyError."""
        for rule in self.rules:
            if rule.id == id:
                return rule
        raise KeyError(id)
