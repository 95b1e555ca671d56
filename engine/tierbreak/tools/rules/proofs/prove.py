"""`prove`: for every rule that decides what can be proved of it, and the pairs of rules that share text.

    shortest texts -> scanned with the whole book -> what else finds them is taken out -> ... -> a claim a rule

A rule's shortest text is read by the engine that serves. Rules of other brands that find it are taken out of the
rule's language and the next shortest text is read, until one is the rule's alone, or none is left: then other
rules find everything it finds, and it is asked whether it can ever win. Real decisions come first: a rule that wins
a text in the engine is alive. Only what wins nowhere is tried for a proof that it never can.
"""

from __future__ import annotations

from collections.abc import Collection, MutableMapping, Sequence
from dataclasses import replace

from tierbreak.core.nearest import nearest
from tierbreak.errors import SettingsError
from tierbreak.parts import Parts
from tierbreak.tools.rules.proofs import reachable
from tierbreak.tools.rules.proofs.book import EVERY_BRAND, Book
from tierbreak.tools.rules.proofs.claims import Claim, Proofs
from tierbreak.tools.rules.proofs.conditions import Row
from tierbreak.tools.rules.proofs.entangled import entangled, witness
from tierbreak.tools.rules.proofs.questions import Answers, Kept
from tierbreak.tools.rules.proofs.reachable import Outcome
from tierbreak.tools.rules.proofs.redundant import redundant
from tierbreak.tools.rules.proofs.rulings import Ruling, rule_on
from tierbreak.tools.rules.proofs.separate import Own, own_texts

#: The budget of one search here: a book has thousands of rules, and a question that needs more is rare.
STATES = 20_000


def prove(
    parts: Parts,
    only: Collection[str] = (),
    *,
    known: MutableMapping[str, Kept] | None = None,
    states: int = STATES,
) -> Proofs:
    """Everything that can be proved of the rules that decide.

    parts    what an engine decides with: `engine.parts`
    only     ids of rules; empty is all of them. Whatever is asked, the whole book takes part
    known    answers of earlier runs, by content, which stay true after any edit; new ones are put in. See kept.py
    states   how many states one search may visit before it ends in "unknown"

    Raises SettingsError where `only` names no rule.
    """
    book = Book(parts, Answers({} if known is None else known, states=states))
    which = [at for at in _chosen(book, only) if book.decides[at]]
    open_rows = [at for at in which if book.row(at) is not None]
    owns = own_texts(book, open_rows, lambda at, other: _in_the_way(book, at, other))
    return Proofs(
        claims=tuple(_claims(book, which, owns)),
        redundant=tuple(redundant(book, open_rows)),
        find_entangled=lambda: tuple(entangled(book, set(which) if only else None)),
    )


def _chosen(book: Book, only: Collection[str]) -> list[int]:
    ids = {rule.id: at for at, rule in enumerate(book.rules)}
    for rule_id in only:
        if rule_id not in ids:
            near = nearest(rule_id, ids)
            hint = f"did you mean {' or '.join(near)}?" if near else "give the id of a rule"
            raise SettingsError(f"no rule is called `{rule_id}`; {hint}")
    return sorted(ids[rule_id] for rule_id in set(only)) if only else list(range(len(book.rules)))


def _in_the_way(book: Book, at: int, other: int) -> bool:
    """Whether a text that `other` finds too is no longer a rule's own."""
    rule, against = book.rules[at], book.rules[other]
    if rule.deny:  # a veto is shared with deny rules alone
        return against.deny and book.decides[other] and book.brand[other] in (book.brand[at], EVERY_BRAND)
    return against.deny or book.brand[at] != book.brand[other]


def _closes(book: Book, at: int) -> bool:
    """Whether a rule takes every brand out of every text that it finds, whatever else the row says.

    Deny rules of one brand take nothing from each other: of these `redundant` tells, which weighs their guards.
    """
    rule = book.rules[at]
    return book.brand[at] == EVERY_BRAND and rule.when is None and rule.valid == (None, None)


def _claims(book: Book, which: Sequence[int], owns: dict[int, Own]) -> list[Claim]:
    separate = [at for at in owns if owns[at].text is not None]
    rows = [book.row(at) or Row() for at in separate]
    rulings = rule_on(book.parts, [owns[at].text or "" for at in separate], rows)
    of_own = dict(zip(separate, zip(rows, rulings, strict=True), strict=True))
    rest = [at for at in owns if at not in of_own and not book.rules[at].deny]
    winning = reachable.examples(book, rest, owns)
    return [_claim(book, at, owns.get(at), of_own.get(at), winning.get(at)) for at in which]


def _claim(book: Book, at: int, own: Own | None, of_own: tuple[Row, Ruling] | None, winning: Outcome | None) -> Claim:
    rule = book.rules[at]
    claim = Claim(rule.id, rule.brand, rule.place, "unknown")
    if own is None:
        claim = replace(claim, verdict="never-wins", how=("guard",))
    elif own.text is not None and of_own is not None:
        row, ruling = of_own
        if ruling.outcomes.get(at) == "veto" if rule.deny else ruling.brand == book.brand[at]:
            return replace(claim, verdict="separate", witness=witness(book, own.text, row, ruling))
        claim = replace(claim, why=f"the engine does not give its own text `{own.text}` to it")
    elif own.covered and not own.against:
        claim = replace(claim, verdict="never-wins", how=("nothing",))
    elif rule.deny and own.covered and all(_closes(book, other) for other in own.against):
        claim = replace(claim, verdict="never-wins", how=("deny",), others=book.ids(own.against))
    elif rule.deny:
        claim = replace(claim, why=own.why or f"deny rules veto too what it vetoes: {', '.join(book.ids(own.against))}")
    else:
        outcome = winning or (reachable.trial(book, at, own) if own.covered else Outcome(why=own.why))
        claim = _tried(book, at, own, outcome, claim)
    return claim


def _tried(book: Book, at: int, own: Own, outcome: Outcome, claim: Claim) -> Claim:
    """The claim on a rule that has no text of its own, or is not known to have one."""
    if outcome.text is not None and outcome.row is not None and outcome.ruling is not None:
        settled = witness(book, outcome.text, outcome.row, outcome.ruling)
        rivals = {other for other in {*outcome.ruling.outcomes, *own.against} if book.brand[other] != book.brand[at]}
        return replace(claim, verdict="wins", witness=settled, others=book.ids(rivals), why=own.why)
    if outcome.why:
        return replace(claim, why=outcome.why, others=book.ids(own.against))
    how = tuple(dict.fromkeys(killer.how for killer in outcome.killers))
    killers = book.ids({killer.rule for killer in outcome.killers})
    return replace(claim, verdict="never-wins", how=how, others=killers)
