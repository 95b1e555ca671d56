"""What is proved of two rules that collide, in a sentence."""

from __future__ import annotations

from tierbreak.rulebook import Rule
from tierbreak.tools.rules.proofs import RuleLanguage, Unprovable, shortest_of_rules
from tierbreak.tools.rules.traffic.collisions.report import Proof

#: States that one search may visit: a report asks about many pairs, and most need a few hundred.
STATES = 5_000


def prove(leader: Rule, other: Rule) -> Proof:
    """The shortest text that both find, whether their matches share text in it, and whether one holds the other."""
    try:
        one, two = RuleLanguage.of(leader), RuleLanguage.of(other)
    except Unprovable as error:
        return Proof(other.id, None, None, None, f"Nothing is known: {error.why}.")
    both = shortest_of_rules([one, two], states=STATES)
    if both.text is None:
        why = (
            f"no text is found by both: {other.id} collides through what its guards let by" if both.empty else both.why
        )
        return Proof(other.id, None, None, None, f"Nothing is proved: {why}.")
    inside = next(
        (
            inner.id
            for inner, a, b in ((leader, one, two), (other, two, one))
            if shortest_of_rules([a], [b], states=STATES).empty
        ),
        None,
    )
    alone = [shortest_of_rules([each], states=STATES).text for each in (one, two)]
    entangled = len(both.text) < len(alone[0]) + len(alone[1]) if alone[0] and alone[1] else None
    says = f"The shortest text that both find is `{both.text}`"
    if entangled:
        says += f", shorter than `{alone[0]}` and `{alone[1]}` together: their matches share text"
    elif entangled is not None:
        says += ": their matches stand side by side"
    if inside:
        outer = other.id if inside == leader.id else leader.id
        says += f". Every text that {inside} finds, {outer} finds too"
    return Proof(other.id, both.text, entangled, inside, says + ".")
