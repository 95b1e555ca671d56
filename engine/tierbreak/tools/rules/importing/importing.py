"""From the file to the folder: read, name, translate, prove, order, show, write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tierbreak.core.normalise import normalise
from tierbreak.errors import Fault, InputError
from tierbreak.registry import Registry
from tierbreak.tiers.rules import RulesTier
from tierbreak.tools.rules.importing import plan, reach, write
from tierbreak.tools.rules.importing.examples import Shown, shown
from tierbreak.tools.rules.importing.names import Named, mapped
from tierbreak.tools.rules.importing.order import UNSEEN, Order, Sorter
from tierbreak.tools.rules.importing.ordered import OrderedBook
from tierbreak.tools.rules.importing.plan import Entry


@dataclass(frozen=True)
class Imported:
    """An ordered list as a rulebook.

    book      the list
    names     what its names were mapped to
    entries   its lines, in order; those that are not written have fate `redundant`
    faults    lines that no rule stands for
    kept      the entries that are written, in the order of the rulebook
    order     their edges, as positions in `kept`
    shown     their examples, likewise
    """

    book: OrderedBook
    names: tuple[Named, ...]
    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...]
    kept: tuple[Entry, ...]
    order: Order
    shown: tuple[Shown, ...]

    def files(self, registry: Registry, owner: str) -> dict[str, str]:
        """The folder, path within it -> text; see write.py."""
        outranks: list[list[Entry]] = [[] for _ in self.kept]
        for above, below in self.order.edges:
            outranks[above].append(self.kept[below])
        ids = [tuple(one.id for one in sorted(under, key=lambda one: one.line)) for under in outranks]
        leaves = [
            write.Leaf(entry, shown, below, self._note(entry))
            for entry, shown, below in zip(self.kept, self.shown, ids, strict=True)
        ]
        sectors = {named.id: named.sector or registry[named.id].sector for named in self.names}
        refused = [(fault, self.pattern_at(fault.line)) for fault in self.faults]
        return write.files(leaves, self.names, refused, sectors, owner)

    def pattern_at(self, line: int) -> str:
        """The pattern of a line; empty where it could not be read as one."""
        return next((rule.pattern for rule in self.book.rules if rule.line == line), "")

    def _note(self, entry: Entry) -> str:
        words = [plan.place(self.book, entry.line)]
        if entry.because:
            words.append(f"the list never comes to it, {lines(entry.because)} all that it finds (proved)")
        words += [
            f"look-ahead kept, as `unless` it would lose {kept.separating}"
            for kept in entry.became.kept
            if kept.separating
        ]
        return "; ".join(words)


def imported(
    book: OrderedBook,
    registry: Registry,
    *,
    given: Mapping[str, str] | None = None,
    traffic: Sequence[pl.Series] = (),
    unseen: float = UNSEEN,
    say: Callable[[str], None] = lambda text: None,
) -> Imported:
    """An ordered list as a rulebook that decides as it does.

    given     name -> brand id, of the author
    traffic   distinct descriptors, to learn from which rules meet; none: only what is proved becomes an edge
    unseen    share of decided texts that may be left to pairs which the traffic has not shown, 0..1
    say       told what is being done

    Raises InputError where the list holds nothing that a rule can stand for.
    """
    names = mapped(book.rules, registry, given)
    entries, faults = plan.entries(book, names)
    entries, witnesses, never = reach.reached(book, entries)
    faults = sorted([*book.faults, *faults, *never], key=lambda fault: (fault.line, fault.column))
    if not entries:
        raise InputError("\n".join([*map(str, faults), f"{book.path}: no line of it can become a rule"]))
    say(f"{len(entries)} lines become patterns")
    draft, kept = plan.draft(entries)
    rules = RulesTier(draft, [[]] * len(kept), shelf=None)
    sorter = Sorter(book, kept, rules, plan.precedence(draft.rules, registry))
    arena, decided = None, 0
    if traffic:
        say("looking for rules that meet in the traffic")
        texts, first = _decided(book, pl.concat(traffic).unique(maintain_order=True))
        arena, decided = sorter.arena(texts, first).crowded(), len(texts)
    order = sorter.sort(arena, decided, unseen)
    say(f"{len(order.edges)} edges")
    examples = shown(sorter, kept, order.array(), witnesses)
    return Imported(book, tuple(names), tuple(entries), tuple(faults), tuple(kept), order, tuple(examples))


def _decided(book: OrderedBook, descriptors: pl.Series) -> tuple[pl.Series, np.ndarray]:
    """The distinct folded texts of what the list decides, and the line that decides the first descriptor of each."""
    first = pl.Series("first", book.first(descriptors))
    rows = pl.DataFrame([normalise(descriptors)["folded"].alias("text"), first]).filter(pl.col("first") >= 0)
    rows = rows.unique("text", keep="first", maintain_order=True)
    return rows["text"], rows["first"].to_numpy()


def lines(numbers: Sequence[int]) -> str:
    """`line 3 finds`, `lines 3 and 7 find`.

    >>> lines([3]), lines([3, 7, 9])
    ('line 3 finds', 'lines 3, 7 and 9 find')
    """
    if len(numbers) == 1:
        return f"line {numbers[0]} finds"
    return f"lines {', '.join(map(str, numbers[:-1]))} and {numbers[-1]} find"
