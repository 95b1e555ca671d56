"""What can be proved of a rulebook: automata of patterns, shortest texts, and claims about rules."""

from __future__ import annotations

from tierbreak.tools.rules.proofs.automaton import Automaton
from tierbreak.tools.rules.proofs.claims import Claim, Entangled, Proofs, Redundant, Witness
from tierbreak.tools.rules.proofs.language import RuleLanguage, shortest_of_rules
from tierbreak.tools.rules.proofs.lookaround import automaton_of
from tierbreak.tools.rules.proofs.prove import prove
from tierbreak.tools.rules.proofs.search import Search, shortest
from tierbreak.tools.rules.proofs.syntax import Unprovable

__all__ = [
    "Automaton",
    "Claim",
    "Entangled",
    "Proofs",
    "Redundant",
    "RuleLanguage",
    "Search",
    "Unprovable",
    "Witness",
    "automaton_of",
    "prove",
    "shortest",
    "shortest_of_rules",
]
