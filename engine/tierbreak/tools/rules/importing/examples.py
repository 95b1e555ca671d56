"""Examples for imported rules: made strings that the rule finds and its brand wins with all of the list beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.core.codes import Outcome
from tierbreak.tools.rules.importing.order import Sorter
from tierbreak.tools.rules.importing.plan import Entry
from tierbreak.tools.rules.importing.reach import strings
from tierbreak.tools.rules.importing.strings import samples

#: Examples of one rule: one a pattern, so many at most.
MOST = 8
#: A string in this shape looks like a line of a statement; it is taken before the bare name.
_SHOP = " AUSTIN TX"


@dataclass(frozen=True)
class Shown:
    """What a rule shows of itself.

    examples          texts that it finds and its brand wins
    counterexamples   texts that a look-ahead or an `unless` keeps from it, each with the brand that wins, or None
    """

    examples: tuple[str, ...] = ()
    counterexamples: tuple[tuple[str, str | None], ...] = ()


def shown(sorter: Sorter, kept: Sequence[Entry], edges: np.ndarray, witnesses: Mapping[int, str]) -> list[Shown]:
    """Examples of each entry of the draft, in its order; of one that never decides, what it finds.

    edges       of the draft, as Order.array gives them
    witnesses   position of a line -> a text that it was proved to decide
    """
    tried: list[list[list[str]]] = []
    for entry in kept:
        own = [sorted(texts, key=lambda text: not text.endswith(_SHOP)) for texts in strings(entry)]
        tried.append([*own, [witnesses[entry.position]]] if entry.position in witnesses else own)
    against = [_kept_out(entry) if entry.fate == "active" else [] for entry in kept]
    every = [text for own in tried for one in own for text in one] + [text for own in against for text in own]
    arena = sorter.arena(pl.Series(list(dict.fromkeys(every)), dtype=pl.String))
    decided, case, rule = arena.decide(edges)
    index = {text: at for at, text in enumerate(arena.texts.to_list())}
    finds = decided.outcome != Outcome.UNLESS
    found = set(zip(case[finds].tolist(), rule[finds].tolist(), strict=True))
    brand_of = {int(number): entry.brand for number, entry in zip(arena.brands, kept, strict=True)}

    def wins(text: str, at: int) -> bool:
        own = decided.brand[index[text]] == arena.brands[at] or kept[at].fate == "shadow"
        return bool(own) and (index[text], at) in found

    def misses(text: str, at: int) -> bool:
        # Where nobody wins because rules contest it, that is not what an example should ask for.
        clear = decided.brand[index[text]] >= 0 or not decided.kinds[index[text]]
        return bool(clear) and (index[text], at) not in found

    out = []
    for at, (own, others) in enumerate(zip(tried, against, strict=True)):
        won = dict.fromkeys(next((text for text in one if wins(text, at)), "") for one in own)
        missed = [(text, brand_of.get(int(decided.brand[index[text]]))) for text in others if misses(text, at)]
        out.append(Shown(tuple(filter(None, won))[:MOST], tuple(missed[:2])))
    return out


def _kept_out(entry: Entry) -> list[str]:
    """Texts that hold what must not follow."""
    texts = [text for pattern in entry.became.unless for text in samples(pattern.text, 1)]
    texts += [text for kept in entry.became.kept for text in samples(kept.unless, 1)]
    return list(dict.fromkeys(" ".join(f"{text} 0417 AUSTIN TX".split()) for text in texts))
