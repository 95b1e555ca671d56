"""What a rule costs in time, as far as that can be said.

The fast engine reads all rules at once and shares the work, so there no rule has a time of its own. What is taken is
the time of the rule's patterns and its `unless` **alone in the exact engine**, on a sample of the traffic's texts: what
the rule costs where the exact engine serves it (quarantine, no Hyperscan, look-around), and a sign of what is heavy
elsewhere. It is processor time, and the fastest of several runs counts. A call for nothing is in it, so light patterns
are all alike, and a rule costs by the number of its patterns before all else. How far the runs lie apart is told
beside it: what differs by less means nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from tierbreak.rulebook import RUNS, Rule
from tierbreak.tiers.rules.exact import ExactPattern
from tierbreak.tools.rules.traffic.stats.figures import Cost

#: Texts of the sample, and how often each rule reads it.
TEXTS, READINGS = 150, 3


def costs(rules: Sequence[Rule], texts: Sequence[str]) -> tuple[list[Cost | None], float, float]:
    """A cost for each rule that runs, the seconds a million texts of the one in the middle, and the noise.

    texts   folded, at least one

    The noise is how far the slowest run lies from the fastest, as a share of that, of the rule in the middle.
    """
    encoded = [text.encode() for text in texts]
    taken = [_readings(rule, encoded) if rule.status in RUNS else None for rule in rules]
    fastest = [min(runs) / len(encoded) * 1e6 if runs else None for runs in taken]
    have = [seconds for seconds in fastest if seconds is not None]
    if not have:
        return [None] * len(rules), 0.0, 0.0
    each = [seconds / len(rule.match) if seconds is not None else None
            for seconds, rule in zip(fastest, rules, strict=True)]  # fmt: skip
    middle, middle_each = median(have), median(one for one in each if one is not None)
    noise = median(max(runs) / min(runs) - 1 for runs in taken if runs)
    return (
        [
            Cost(seconds, seconds / middle, one / middle_each) if seconds is not None and one is not None else None
            for seconds, one in zip(fastest, each, strict=True)
        ],
        middle,
        noise,
    )


def _readings(rule: Rule, texts: Sequence[bytes]) -> list[float]:
    match, unless = ([ExactPattern(pattern.expression) for pattern in own] for own in (rule.match, rule.unless))
    for pattern in (*match, *unless):
        pattern.matches(texts[0])  # compiles it
    out = []
    for _ in range(READINGS):
        start = time.thread_time()
        for text in texts:
            found = [pattern.matches(text) for pattern in match]  # all of them are read, as a scan does
            if True in found:
                any(pattern.matches(text) for pattern in unless)
        out.append(max(time.thread_time() - start, 1e-9))
    return out
