"""What can be proved of a rulebook: automata of patterns, shortest texts, and claims about rules."""

from __future__ import annotations

from tierbreak.proofs.automaton import Automaton
from tierbreak.proofs.claims import Claim, Entangled, Proofs, Redundant, Witness
from tierbreak.proofs.language import RuleLanguage, shortest_of_rules
from tierbreak.proofs.prove import prove
from tierbreak.proofs.search import Search, shortest
from tierbreak.proofs.syntax import Unprovable

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
    "prove",
    "shortest",
    "shortest_of_rules",
]
