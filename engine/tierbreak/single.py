"""One row without tables: the same answers as a batch of one, in about twenty microseconds.

Nothing is decided here. A text that no rule finds, or that exactly one rule finds which asks for nothing else, has an
answer that arbitration would return unchanged; it is made once a rule. All else takes the way of a batch, and what
came out is remembered: equal row and equal fingerprint give an equal decision.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar, cast

from tierbreak.core.codes import Reason
from tierbreak.core.decisions import Decision, ReasonName
from tierbreak.core.normalise import fold_one
from tierbreak.parts import Parts
from tierbreak.pipeline import Run

_Value = TypeVar("_Value")


class Memo(Generic[_Value]):
    """The last values by key, at most `size` of them, of 0 none. Safe to share between threads.

    Two generations: what was not asked for while as many others came as half of it holds is forgotten.

    >>> memo = Memo(2)
    >>> memo.put("a", 1); memo.put("b", 2); memo.get("a"), memo.get("c")
    (1, None)
    """

    def __init__(self, size: int) -> None:
        self.size, self._half = size, -(-size // 2)
        self._young: dict[Hashable, _Value] = {}
        self._old: dict[Hashable, _Value] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> _Value | None:
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.put(key, found)
        return found

    def put(self, key: Hashable, value: _Value) -> None:
        if not self._half:
            return
        with self._lock:
            if len(self._young) >= self._half:
                self._old, self._young = self._young, {}
            self._young[key] = value

    def values(self) -> list[_Value]:
        """Every value that is held, each once."""
        with self._lock:
            return list((self._old | self._young).values())


class SingleRow:
    """Decides one descriptor by rules alone, where that is certain from the text."""

    def __init__(self, parts: Parts, run: Run, fingerprint: str) -> None:
        self._find, self._names, self._brand = parts.rules.find, parts.names, parts.precedence.brand.tolist()
        self._run, self._fingerprint = run, fingerprint
        precedence, conditional = parts.precedence, parts.conditions.conditional
        # Whether a rule decides a text that no other rule finds, and whether it closes one.
        plain = precedence.decides & ~conditional
        self._decides = (plain & ~precedence.deny).tolist()
        self._closes = (plain & precedence.deny & (precedence.brand < 0)).tolist()
        self._outranked = set(precedence.edges[:, 1].tolist())
        self._made: dict[int, Decision] = {}
        self._no_match = None if parts.model is not None else self._abstention(Reason.NO_MATCH)
        self._blank = self._abstention(Reason.BLANK)

    def decide(self, descriptor: str) -> Decision | None:
        """The decision, or None where a batch must say."""
        folded = fold_one(descriptor, self._run.off)
        if folded is None:
            return None
        if not folded:
            return self._blank
        rules = self._find(folded.encode())
        if not rules:
            return self._no_match
        first = rules[0]
        if len(rules) > 1 and not self._agree(rules):
            return None
        made = self._made.get(first)
        if made is None and (self._decides[first] or self._closes[first]):
            made = self._made[first] = self._decision(first)
        return made

    def _agree(self, rules: Sequence[int]) -> bool:
        """Whether rules that match together decide what the first of them decides alone."""
        if all(self._closes[rule] for rule in rules):
            return True
        brand = self._brand[rules[0]]
        return all(self._decides[rule] and self._brand[rule] == brand and rule not in self._outranked for rule in rules)

    def _decision(self, rule: int) -> Decision:
        if self._closes[rule]:
            return self._abstention(Reason.NOT_A_MERCHANT, rule=self._names.rules[rule])
        brand = self._brand[rule]
        return Decision(
            brand=self._names.ids[brand],
            brand_name=self._names.brands[brand],
            tier="rules",
            confidence=None,
            band=None,
            rule=self._names.rules[rule],
            candidates=(self._names.ids[brand],),
            collision=None,
            reason=None,
            fingerprint=self._fingerprint,
            as_of=self._run.as_of,
        )

    def _abstention(self, reason: Reason, rule: str | None = None) -> Decision:
        return Decision(
            brand=None,
            brand_name=None,
            tier=None,
            confidence=None,
            band=None,
            rule=rule,
            candidates=(),
            collision=None,
            reason=cast(ReasonName, reason.text),
            fingerprint=self._fingerprint,
            as_of=self._run.as_of,
        )
