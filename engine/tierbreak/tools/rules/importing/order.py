"""First match wins -> `outranks`, only where the two rules really meet and arbitration would not do it anyway.

Two patterns that are not bound to an end can always meet: PAYPAL and STARBUCKS do in "PAYPAL STARBUCKS". An edge for
each such pair is an edge for nearly all pairs, a hundred thousand of a few hundred rules, which nobody can read. So:

    seen      a text of the traffic holds both, and without the edge the engine would say another brand, or `contested`
    proved    a made text shows it: one rule's own strings, which another finds as well (UBER in UBER EATS), or the
              shortest common text of two rules that share a whole word (DELTA AIR, AIR FRANCE)
    generic   a rule that meets many brands in the traffic meets them by chance (`RING\\s` in SPRING): it will meet the
              others too, so its place is kept against all of them, shown for each by a made text

How many rules are generic follows from the traffic: the share of texts whose pair was seen only once is about the
share of next month's texts whose pair was never seen (Good and Turing). Rules are taken as generic, the one with the
most such pairs first, until no more than `unseen` of the decided texts are left to chance. What is left is no silent
error: the engine says `contested`, and the next tier decides.

Edges go from earlier to later lines only, so they make no circle.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from tierbreak.core.arbitration import Precedence
from tierbreak.tiers.rules import RulesTier
from tierbreak.tools.rules.importing.ordered import OrderedBook
from tierbreak.tools.rules.importing.plan import Entry
from tierbreak.tools.rules.importing.reach import strings
from tierbreak.tools.rules.importing.rearbitrate import Rearbitration
from tierbreak.tools.rules.proofs import Automaton, Unprovable, automaton_of, shortest

Why = Literal["seen", "proved", "generic"]

#: The share of decided texts that may be left to pairs which the traffic has not shown.
UNSEEN = 0.003
#: A rule is generic only if it meets so many brands.
BRANDS = 5
#: Rounds after which edges are no longer sought: each adds one at least, and two or three are usual.
ROUNDS = 20
#: A word that so many patterns begin with tells nothing: their pairs are not tried for a shared text.
COMMON = 60


@dataclass(frozen=True)
class Order:
    """What became of the order.

    edges      (rule above, rule below) -> why, as indexes of the draft
    generic    rule -> how many brands it meets
    unseen     the share of decided texts expected to hold a pair that is not settled; None without traffic
    texts      of the traffic, on which the order is needed
    """

    edges: Mapping[tuple[int, int], Why]
    generic: Mapping[int, int]
    unseen: float | None
    texts: int

    def array(self) -> np.ndarray:
        """int32 [e, 2]"""
        return np.array(list(self.edges), dtype=np.int32).reshape(-1, 2)


class Sorter:
    """Finds the edges of a draft."""

    def __init__(self, book: OrderedBook, kept: Sequence[Entry], rules: RulesTier, precedence: Precedence) -> None:
        """kept   the entries of the draft, in its order"""
        self._book, self._kept, self._rules, self._precedence = book, kept, rules, precedence
        self._rank = np.array([entry.position for entry in kept], dtype=np.int64)
        self._of_position = {entry.position: at for at, entry in enumerate(kept)}
        self._edges: dict[tuple[int, int], Why] = {}

    def arena(self, texts: pl.Series, positions: np.ndarray | None = None) -> Rearbitration:
        """An arena of folded texts; the rule that must win each is the line that decides it.

        positions   of the deciding lines, where they are known; else the list is asked for the folded texts
        """
        first = self._book.first(texts) if positions is None else positions
        want = np.array([self._of_position.get(at, -1) for at in first.tolist()], dtype=np.int64)
        return Rearbitration(self._rules, self._precedence, texts, want)

    def sort(self, traffic: Rearbitration | None, decided: int, unseen: float = UNSEEN) -> Order:
        """The edges that the traffic, the proofs and the generic rules need.

        decided   texts of the traffic that the list decides
        """
        generic: dict[int, int] = {}
        share, texts = None, 0
        if traffic is not None:
            pairs = self._settle(traffic, "seen")
            texts = len({text for text, _, _ in pairs})
            generic, share = self._generic(pairs, max(decided, 1), unseen)
        made = self.arena(self._meetings()).crowded()
        self._settle(made, "proved")
        if generic:
            self._settle(self.arena(self._beside(generic)).crowded(), "generic")
        for arena in (traffic, made):  # an edge of one may have let loose what another text had bound
            if arena is not None:
                self._settle(arena, "seen" if arena is traffic else "proved")
        return Order(dict(self._edges), generic, share, texts)

    def _settle(self, arena: Rearbitration, why: Why) -> list[tuple[int, int, int]]:
        """Add edges until every text of the arena is decided as the list decides it, or no edge helps."""
        found: list[tuple[int, int, int]] = []
        for _ in range(ROUNDS):
            lacking = arena.needed(np.array(list(self._edges), dtype=np.int32).reshape(-1, 2), self._rank).tolist()
            fresh = {(above, below) for _, above, below in lacking} - self._edges.keys()
            if not fresh:
                break
            found += map(tuple, lacking)
            self._edges |= dict.fromkeys(sorted(fresh), why)
        return found

    def _generic(
        self, pairs: Iterable[tuple[int, int, int]], decided: int, unseen: float
    ) -> tuple[dict[int, int], float]:
        """The rules whose place is kept against all, and the share that is left to chance without them."""
        texts_of: dict[tuple[int, int], set[int]] = defaultdict(set)
        partners: dict[int, set[str]] = defaultdict(set)
        for text, above, below in pairs:
            texts_of[above, below].add(text)
            partners[above].add(self._kept[below].brand)
            partners[below].add(self._kept[above].brand)
        once = {pair: next(iter(texts)) for pair, texts in texts_of.items() if len(texts) == 1}
        generic: dict[int, int] = {}
        while len(set(once.values())) > unseen * decided:
            often = Counter(rule for pair in once for rule in pair if len(partners[rule]) >= BRANDS)
            if not often:
                break
            rule = min(often, key=lambda at: (-often[at], at))
            generic[rule] = len(partners[rule])
            once = {pair: text for pair, text in once.items() if rule not in pair}
        return generic, len(set(once.values())) / decided

    def _meetings(self) -> pl.Series:
        """Texts that two rules find: every rule's own strings, and what two rules share a word of."""
        own = [text for entry in self._kept for texts in strings(entry) for text in texts]
        return pl.Series(list(dict.fromkeys([*own, *_entangled(self._kept)])), dtype=pl.String)

    def _beside(self, generic: Iterable[int]) -> pl.Series:
        """Texts that hold a string of a generic rule and one of another brand's, in both orders."""
        of_patterns = [[texts[0] for texts in strings(entry) if texts] for entry in self._kept]
        texts: dict[str, None] = {}
        for rule in generic:
            own = of_patterns[rule][0] if of_patterns[rule] else ""
            for other, entry in enumerate(self._kept):
                if entry.brand != self._kept[rule].brand:
                    for text in of_patterns[other]:
                        texts |= {f"{own} {text} 0417": None, f"{text} {own} 0417": None}
        return pl.Series(list(texts), dtype=pl.String)


def _entangled(kept: Sequence[Entry]) -> list[str]:
    """The shortest common texts of two patterns of different brands, one of which begins with the other's last word.

    Matches that share less than a word (COSTCO and OLD NAVY in COSTCOLD NAVY) are no text that anybody writes.
    """
    starts: dict[str, list[tuple[str, Automaton]]] = defaultdict(list)
    ends: dict[str, list[tuple[str, Automaton]]] = defaultdict(list)
    for entry in kept:
        for pattern, texts in zip(entry.became.match, strings(entry), strict=True):
            words = texts[0].split() if texts else []
            if len(words) < 2:
                continue
            try:
                automaton = automaton_of(pattern.expression)
            except Unprovable:
                continue
            starts[words[0]].append((entry.brand, automaton))
            ends[words[-1]].append((entry.brand, automaton))
    out = []
    for word in starts.keys() & ends.keys():
        if len(starts[word]) > COMMON or len(ends[word]) > COMMON:
            continue
        for brand, begins in starts[word]:
            for other, finishes in ends[word]:
                if brand != other and (text := _shared(begins, finishes)):
                    out.append(text)
    return sorted(out)


def _shared(one: Automaton, other: Automaton) -> str:
    """The shortest text that both find, if it is shorter than both their shortest together; else empty."""
    both, a, b = shortest([one, other]).text, shortest([one]).text, shortest([other]).text
    return both if both and a and b and len(both) < len(a) + len(b) else ""
